//! The files of a state directory, through a thin door: each call is one thing that can go wrong, and after which the power can fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// What is done to the files of a state directory.
pub trait StateFiles: fmt::Debug + Send + Sync {
    /// All of a file that has at most `most` octets; a longer one is `FileTooLarge`.
    ///
    /// # Errors
    /// What the file system says.
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>>;

    /// The files of a directory.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// A directory and those above it, where they are missing.
    ///
    /// # Errors
    /// What the file system says.
    fn make_directory(&self, path: &Path) -> io::Result<()>;

    /// A file with that in it, in place of what it held.
    ///
    /// # Errors
    /// What the file system says; part of it may be written.
    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()>;

    /// The same at the end of a file that exists.
    ///
    /// # Errors
    /// What the file system says; part of it may be written.
    fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()>;

    /// Makes a file, or the names in a directory, outlast a loss of power.
    ///
    /// # Errors
    /// What the file system says.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, in place of the file that had it.
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// How many more octets the file system of a directory takes from us. What is not on a disk takes any number.
    ///
    /// # Errors
    /// What the file system says.
    fn room(&self, directory: &Path) -> io::Result<u64> {
        let _ = directory;
        Ok(u64::MAX)
    }
}

impl<F: StateFiles + ?Sized> StateFiles for std::sync::Arc<F> {
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        (**self).read(path, most)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        (**self).list(directory)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        (**self).make_directory(path)
    }

    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        (**self).write(path, octets)
    }

    fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        (**self).append(path, octets)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        (**self).sync(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        (**self).remove(path)
    }

    fn room(&self, directory: &Path) -> io::Result<u64> {
        (**self).room(directory)
    }
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl StateFiles for Disk {
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut octets)?;
        if octets.len() as u64 > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(octets) }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        fs::write(path, octets)
    }

    fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        OpenOptions::new().append(true).open(path)?.write_all(octets)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        // What was written through another descriptor of the same file is meant, too (fsync(2)).
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn room(&self, directory: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(directory)?;
        // File systems that do not count, such as some of networks, have no blocks at all.
        Ok(if found.f_blocks == 0 { u64::MAX } else { found.f_bavail.saturating_mul(found.f_frsize) })
    }
}

/// Where a file is written before it takes the place of the one at `path`.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

/// Puts octets in place of what a file held, whole or not at all, durably.
///
/// # Errors
/// What the file system says, and of which file.
pub fn replace(files: &dyn StateFiles, path: &Path, octets: &[u8]) -> Result<(), (PathBuf, io::Error)> {
    let beside = beside(path);
    let written = files
        .write(&beside, octets)
        .and_then(|()| files.sync(&beside))
        .map_err(|error| (beside.clone(), error))
        .and_then(|()| files.rename(&beside, path).map_err(|error| (path.to_owned(), error)));
    if written.is_err() {
        // Half a file is of no use to anybody.
        let _ = files.remove(&beside);
    }
    written?;
    // The new name must be as durable as the file. Some file systems cannot sync a directory: what is lost then is durability across
    // a loss of power, and nothing that a kernel holds outlasts one.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match files.sync(directory) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Err((directory.to_owned(), error))
        }
        _ => Ok(()),
    }
}
