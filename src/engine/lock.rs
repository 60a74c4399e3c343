//! One process at a time: a locked file that says who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A held lock; the file stays, the lock goes with the process at the latest.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{} is locked by {holder}", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// In the other's words.
        holder: String,
    },
    /// The file cannot be used.
    #[error("cannot lock {}: {cause}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

const PAUSE: Duration = Duration::from_millis(50);

impl Lock {
    /// Takes the lock and writes down who we are; waits up to `patience` for another process.
    ///
    /// # Errors
    /// Who holds it, or why the file cannot be used.
    pub fn take(path: &Path, holder: &str, patience: Duration) -> Result<Self, LockError> {
        let failed = |cause| LockError::Io { path: path.to_owned(), cause };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        // A child that was just forked and not yet executed holds every lock of its parent for a moment.
        let patience = patience.max(2 * PAUSE);
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if waited < patience => {
                    std::thread::sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = (&file).take(1024).read_to_string(&mut holder);
                    let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
                    return Err(LockError::Held { path: path.to_owned(), holder });
                }
                Err(TryLockError::Error(cause)) => return Err(failed(cause)),
            }
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(holder.as_bytes())
        };
        write(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path, "pid 1: up", Duration::ZERO).unwrap();
        let error = Lock::take(&path, "pid 2: down", Duration::ZERO).unwrap_err();
        assert!(error.to_string().ends_with("is locked by pid 1: up"), "{error}");
        drop(first);
        Lock::take(&path, "pid 2: down", Duration::ZERO).unwrap();
    }
}
