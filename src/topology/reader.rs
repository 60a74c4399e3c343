//! Reading files, passed in so that nothing else here touches a disk.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Access to the topology file, what it includes, and its CSV files.
pub trait FileReader: fmt::Debug {
    /// The whole file.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] if it has more than `limit` bytes, else what the system says.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;

    /// A path that is the same for all ways to write the same file; `path` itself where that cannot be found out.
    fn identity(&self, path: &Path) -> PathBuf;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskReader;

impl FileReader for DiskReader {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut bytes = Vec::new();
        // One byte more tells a full file from one that is too long, whatever its size claims to be.
        file.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_last_size_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("four");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(DiskReader.read(&path, 4).unwrap(), b"four");
        assert_eq!(DiskReader.read(&path, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(DiskReader.read(folder.path(), 3).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(DiskReader.identity(&folder.path().join("./four")), DiskReader.identity(&path));
    }
}
