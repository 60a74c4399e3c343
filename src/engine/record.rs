//! What is kept of each lab on disk: enough to look at it, test it and take it down without its file, also after a crash.
//!
//! One file per lab: a magic line with the version, SHA-256 of the rest, then the record. It is written beside the old one, synced
//! and renamed over it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::graph::{Numbering, Sysctl};
use crate::model::{LabName, Model};

/// The first bytes of a record: what it is, and its version.
const MAGIC: &[u8] = b"cellblock lab record 2\n";
const HASH: usize = 32;
const SUFFIX: &str = "lab";

/// What is kept of a lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The engine's name.
    pub engine: String,
    /// The boot in which it was made: after another one nothing of it can exist.
    pub boot: String,
    /// What the lab jail bears to prove that it is ours.
    pub token: String,
    /// How far it is.
    pub phase: Phase,
    /// What the lab is, or is to become.
    pub model: Model,
    /// What it was before the change that is under way.
    pub before: Option<Model>,
    /// Hook numbers of switches.
    pub numbering: Numbering,
    /// Sysctls of the host as they were before we changed them.
    pub host_sysctls: Vec<Sysctl>,
}

/// How far a lab is. Everything that is made is in the record before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Steps are being done: anything between `before` and `model` may exist.
    Applying,
    /// It was read back and is as the model says.
    Up,
    /// It is being taken down.
    Removing,
}

/// Why a record cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system says no.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is no record, or of another version.
    #[error("{} is not a lab record that this version reads", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Its checksum is wrong.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The records of a state directory.
#[derive(Clone, Debug)]
pub struct Records {
    dir: PathBuf,
}

impl Records {
    /// The records below a state directory; nothing is made yet.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("labs") }
    }

    /// Where the roots of nodes are, beside the records; `None` if that cannot be said in UTF-8.
    #[must_use]
    pub fn roots(&self) -> Option<String> {
        let beside = std::path::absolute(self.dir.with_file_name("roots")).ok()?;
        beside.to_str().map(str::to_owned)
    }

    /// The record of a lab.
    ///
    /// # Errors
    /// A file that cannot be read, or is not a whole record.
    pub fn read(&self, lab: &LabName) -> Result<Option<Record>, RecordError> {
        let path = self.path(lab);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(RecordError::Io { path, cause }),
        };
        let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err(RecordError::Foreign { path }) };
        let Some((hash, body)) = rest.split_at_checked(HASH) else { return Err(RecordError::Damaged { path }) };
        if Sha256::digest(body).as_slice() != hash {
            return Err(RecordError::Damaged { path });
        }
        postcard::from_bytes(body).map(Some).map_err(|_| RecordError::Foreign { path })
    }

    /// Every lab that has a record, in natural order; other files are left alone.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn labs(&self) -> Result<Vec<LabName>, RecordError> {
        let failed = |cause| RecordError::Io { path: self.dir.clone(), cause };
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(failed(cause)),
        };
        let mut labs: Vec<LabName> = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if path.extension().is_some_and(|extension| extension == SUFFIX) {
                labs.extend(stem.and_then(|stem| stem.parse().ok()));
            }
        }
        labs.sort();
        Ok(labs)
    }

    /// Writes a lab's record in place of the old one.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn write(&self, lab: &LabName, record: &Record) -> Result<(), RecordError> {
        let path = self.path(lab);
        let failed = |cause| RecordError::Io { path: path.clone(), cause };
        let body = postcard::to_stdvec(record).map_err(|error| failed(io::Error::other(error)))?;
        fs::create_dir_all(&self.dir).map_err(failed)?;
        let beside = path.with_extension("new");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(MAGIC)?;
            file.write_all(Sha256::digest(&body).as_slice())?;
            file.write_all(&body)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(failed)
    }

    /// Removes a lab's record.
    ///
    /// # Errors
    /// What the file system refuses; a record that is not there is no error.
    pub fn remove(&self, lab: &LabName) -> Result<(), RecordError> {
        let path = self.path(lab);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|cause| RecordError::Io { path, cause }),
        }
    }

    fn path(&self, lab: &LabName) -> PathBuf {
        self.dir.join(format!("{lab}.{SUFFIX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_and_foreign_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::new(dir.path());
        let lab: LabName = "office".parse().unwrap();
        assert!(records.read(&lab).unwrap().is_none());
        assert!(records.labs().unwrap().is_empty());
        fs::create_dir_all(dir.path().join("labs")).unwrap();
        let path = dir.path().join("labs/office.lab");
        fs::write(&path, "hello").unwrap();
        assert!(matches!(records.read(&lab), Err(RecordError::Foreign { .. })));
        fs::write(&path, [MAGIC, &[0; 40]].concat()).unwrap();
        assert!(matches!(records.read(&lab), Err(RecordError::Damaged { .. })));
        assert_eq!(records.labs().unwrap(), [lab]);
    }
}
