//! Directories made, copied and removed with everything inside: never across a mount, never through a symbolic link.

use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

/// Bits that chmod(2) sets.
const MODE: u32 = 0o7777;

/// What stands behind the path of a copy that is not finished.
pub const UNFINISHED: &str = ".new";

/// A refusal, and the file that it is about.
#[derive(Debug)]
pub struct FolderError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub cause: io::Error,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FolderError + use<'_> {
    move |cause| FolderError { path: path.to_owned(), cause }
}

/// Makes an empty directory, and what it lies in: for root alone, because what is mounted there has modes of its own.
///
/// # Errors
/// It exists, or cannot be made.
pub fn make(path: &Path) -> Result<(), FolderError> {
    if let Some(above) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(above).map_err(at(above))?;
    }
    DirBuilder::new().mode(0o700).create(path).map_err(at(path))
}

/// Copies a directory: files, directories, symbolic links, with their owners, modes and times. Sockets, pipes and devices are left
/// out, and what is mounted inside is an empty directory.
///
/// # Errors
/// The first file that cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<(), FolderError> {
    if let Some(above) = to.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(above).map_err(at(above))?;
    }
    let found = fs::metadata(from).map_err(at(from))?;
    if !found.is_dir() {
        return Err(at(from)(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    let mut waiting = vec![(from.to_owned(), to.to_owned(), found.clone())];
    // A directory's times are set when nothing is written into it any more.
    let mut made = Vec::new();
    while let Some((from, to, found)) = waiting.pop() {
        DirBuilder::new().mode(0o700).create(&to).map_err(at(&to))?;
        let device = made.first().map_or(found.dev(), |(_, first): &(PathBuf, Metadata)| first.dev());
        let is_mount = found.dev() != device;
        made.push((to.clone(), found));
        if is_mount {
            continue;
        }
        for entry in fs::read_dir(&from).map_err(at(&from))? {
            let path = entry.map_err(at(&from))?.path();
            let Some(name) = path.file_name() else { continue };
            let (target, found) = (to.join(name), fs::symlink_metadata(&path).map_err(at(&path))?);
            if found.is_dir() {
                waiting.push((path, target, found));
            } else if found.is_symlink() {
                let leads = fs::read_link(&path).map_err(at(&path))?;
                symlink(leads, &target).map_err(at(&target))?;
                lchown(&target, Some(found.uid()), Some(found.gid())).map_err(at(&target))?;
            } else if found.is_file() {
                fs::copy(&path, &target).map_err(at(&path))?;
                dress(&target, &found)?;
            }
        }
    }
    made.iter().rev().try_for_each(|(path, found)| dress(path, found))
}

/// Gives a file owner, mode and times of another one.
fn dress(path: &Path, like: &Metadata) -> Result<(), FolderError> {
    // The owner first: changing it takes set-user-ID bits away.
    chown(path, Some(like.uid()), Some(like.gid())).map_err(at(path))?;
    let times = like
        .modified()
        .and_then(|modified| Ok(fs::FileTimes::new().set_modified(modified).set_accessed(like.accessed()?)));
    File::open(path).and_then(|file| file.set_times(times?)).map_err(at(path))?;
    fs::set_permissions(path, Permissions::from_mode(like.mode() & MODE)).map_err(at(path))
}

/// Gives a copy its name once it is on disk.
///
/// # Errors
/// The name is taken, or the disk refuses.
pub fn finish(unfinished: &Path, path: &Path) -> Result<(), FolderError> {
    File::open(unfinished).and_then(|folder| folder.sync_all()).map_err(at(unfinished))?;
    if fs::symlink_metadata(path).is_ok() {
        return Err(at(path)(io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    fs::rename(unfinished, path).map_err(at(path))
}

/// Makes an empty directory, or a copy of one, which has its name once it is whole.
///
/// # Errors
/// As [`make`], [`copy`] and [`finish`].
pub fn provide(path: &str, copy_of: Option<&str>, unlock: &dyn Fn(&Path) -> bool) -> Result<(), FolderError> {
    let Some(from) = copy_of else { return make(Path::new(path)) };
    let unfinished = PathBuf::from(format!("{path}{UNFINISHED}"));
    remove(&unfinished, unlock)?;
    copy(Path::new(from), &unfinished)?;
    finish(&unfinished, Path::new(path))
}

/// Removes what [`provide`] made, or began to make.
///
/// # Errors
/// As [`remove`].
pub fn discard(path: &str, unlock: &dyn Fn(&Path) -> bool) -> Result<(), FolderError> {
    remove(Path::new(&format!("{path}{UNFINISHED}")), unlock)?;
    remove(Path::new(path), unlock)
}

/// Removes a directory with everything inside; what is not there is no error. `unlock` is asked to make a file that refuses
/// removable.
///
/// # Errors
/// The first file that stays: among them any on another file system.
pub fn remove(path: &Path, unlock: &dyn Fn(&Path) -> bool) -> Result<(), FolderError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(at(path)(cause)),
    };
    if !found.is_dir() {
        return Err(at(path)(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    // Each directory is met twice: to empty it, then to remove it.
    let mut waiting = vec![(path.to_owned(), false)];
    while let Some((folder, is_empty)) = waiting.pop() {
        if is_empty {
            persist(&folder, unlock, |path| fs::remove_dir(path))?;
            continue;
        }
        waiting.push((folder.clone(), true));
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let path = entry.map_err(at(&folder))?.path();
            let inside = fs::symlink_metadata(&path).map_err(at(&path))?;
            if inside.dev() != found.dev() {
                return Err(at(&path)(io::Error::from(io::ErrorKind::CrossesDevices)));
            }
            if inside.is_dir() {
                waiting.push((path, false));
            } else {
                persist(&path, unlock, |path| fs::remove_file(path))?;
            }
        }
    }
    Ok(())
}

fn persist(
    path: &Path,
    unlock: &dyn Fn(&Path) -> bool,
    remove: impl Fn(&Path) -> io::Result<()>,
) -> Result<(), FolderError> {
    match remove(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // The file itself may be locked, or the directory it is in.
            let unlocked = [Some(path), path.parent()].into_iter().flatten().filter(|path| unlock(path)).count();
            if unlocked == 0 { Err(at(path)(error)) } else { remove(path).map_err(at(path)) }
        }
        other => other.map_err(at(path)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn never(_: &Path) -> bool {
        false
    }

    fn base() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        fs::create_dir_all(base.join("db/deep")).unwrap();
        fs::write(base.join("passwd"), "root").unwrap();
        fs::write(base.join("db/deep/file"), "x").unwrap();
        fs::set_permissions(base.join("passwd"), Permissions::from_mode(0o4640)).unwrap();
        fs::set_permissions(base.join("db"), Permissions::from_mode(0o1777)).unwrap();
        symlink("/nowhere/at/all", base.join("link")).unwrap();
        drop(UnixListener::bind(base.join("socket")).unwrap());
        dir
    }

    #[test]
    fn a_copy_is_like_its_source_but_for_what_is_no_file() {
        let dir = base();
        let (from, to) = (dir.path().join("base"), dir.path().join("a/b/copy"));
        copy(&from, &to).unwrap();
        for name in ["passwd", "db", "db/deep", "db/deep/file", "."] {
            let (a, b) = (fs::metadata(from.join(name)).unwrap(), fs::metadata(to.join(name)).unwrap());
            assert_eq!(
                (a.mode(), a.uid(), a.modified().unwrap()),
                (b.mode(), b.uid(), b.modified().unwrap()),
                "{name}"
            );
        }
        assert_eq!(fs::read(to.join("db/deep/file")).unwrap(), b"x");
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/nowhere/at/all"));
        assert!(fs::symlink_metadata(to.join("socket")).is_err());
        assert_eq!(copy(&from, &to).unwrap_err().cause.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(copy(&from.join("none"), &to.join("x")).unwrap_err().cause.kind(), io::ErrorKind::NotFound);
        let file = copy(&from.join("passwd"), &to.join("x")).unwrap_err();
        assert_eq!(file.cause.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn a_copy_gets_its_name_at_the_end() {
        let dir = base();
        let (unfinished, whole) = (dir.path().join("copy.new"), dir.path().join("copy"));
        copy(&dir.path().join("base"), &unfinished).unwrap();
        finish(&unfinished, &whole).unwrap();
        assert!(whole.join("passwd").exists() && !unfinished.exists());
        copy(&dir.path().join("base"), &unfinished).unwrap();
        assert_eq!(finish(&unfinished, &whole).unwrap_err().cause.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn removal_follows_no_link_and_minds_nothing_that_is_missing() {
        let dir = base();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "x").unwrap();
        symlink(&outside, dir.path().join("base/db/out")).unwrap();
        remove(&dir.path().join("base"), &never).unwrap();
        assert!(!dir.path().join("base").exists());
        assert!(outside.join("precious").exists());
        remove(&dir.path().join("base"), &never).unwrap();
        let file = remove(&outside.join("precious"), &never).unwrap_err();
        assert_eq!(file.cause.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn an_empty_folder_is_made_with_what_it_lies_in_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roots/lab/node");
        make(&path).unwrap();
        assert_eq!(fs::metadata(dir.path().join("roots")).unwrap().mode() & 0o777, 0o700);
        assert_eq!(make(&path).unwrap_err().cause.kind(), io::ErrorKind::AlreadyExists);
    }
}
