//! What is kept of each lab on disk: enough to look at it, test it and take it down without its file, also after a crash.
//!
//! Two files per lab. The record says what the lab is: a magic line with the version, SHA-256 of the rest, then the record. The
//! journal exists while a change is under way and says what it may have done ([`super::journal`]); it counts while its serial number is
//! above the record's. Both are written beside the old one, synced and renamed over it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files::{Disk, StateFiles, beside, replace};
use super::journal::{self, Intents, Unreadable, Writer};
use crate::graph::{Numbering, Sysctl};
use crate::model::{LabName, Model, NodeName};
use crate::plan::{Plan, Step};

/// The first bytes of a record: what it is, and its version.
const MAGIC: &[u8] = b"cellblock lab record 4\n";
const HASH: usize = 32;
const SUFFIX: &str = "lab";
const JOURNAL: &str = "journal";

/// Larger files are refused unread, in octets: a lab of 10,000 nodes takes a twentieth of it.
const LARGEST: u64 = 1 << 30;

/// What must be free besides what is written for certain, in octets: marks of a journal, entries of directories, whole blocks.
const SPARE: u64 = 64 << 10;

/// What is kept of a lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The engine's name.
    pub engine: String,
    /// The boot in which it was made: after another one nothing of it can exist.
    pub boot: String,
    /// What the lab jail bears to prove that it is ours.
    pub token: String,
    /// Counts the changes of the lab: a journal is of the one after the record's.
    pub serial: u64,
    /// How far it is.
    pub phase: Phase,
    /// What the lab is, or is to become.
    pub model: Model,
    /// What it was before the change that is under way, and what earlier changes wanted that were interrupted: objects of all of them
    /// may be there.
    pub before: Vec<Model>,
    /// Hook numbers of switches.
    pub numbering: Numbering,
    /// Sysctls as they were before we changed them, as far as that is known.
    pub first_sysctls: Vec<Sysctl>,
    /// Nodes that do not run because somebody stopped them.
    pub stopped: Vec<NodeName>,
}

impl Record {
    /// Whether it is settled, with all of a file applied.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.phase == Phase::Up && self.before.is_empty()
    }

    /// Whether it is of that model. Where in a file things stand is not written down.
    #[must_use]
    pub fn is_of(&self, model: &Model) -> bool {
        postcard::to_stdvec(&self.model).ok() == postcard::to_stdvec(model).ok()
    }
}

/// A record as it stands in a file, up to its model.
#[derive(Deserialize)]
struct Head {
    engine: String,
    boot: String,
    token: String,
    serial: u64,
    phase: Phase,
}

/// And behind it.
#[derive(Deserialize)]
struct Tail {
    before: Vec<Model>,
    numbering: Numbering,
    first_sysctls: Vec<Sysctl>,
    stopped: Vec<NodeName>,
}

/// The record that a file holds, and whether it is of the model that is expected: then that is taken, which is faster than to read it.
fn decode(body: &[u8], expected: Option<&Model>) -> Result<(Record, bool), postcard::Error> {
    let (head, rest): (Head, _) = postcard::take_from_bytes(body)?;
    let wanted = expected.map(postcard::to_stdvec).transpose()?;
    let taken = expected.zip(wanted.and_then(|wanted| rest.strip_prefix(wanted.as_slice())));
    let (model, rest) = match taken {
        Some((model, rest)) => (model.clone(), rest),
        None => postcard::take_from_bytes(rest)?,
    };
    let Head { engine, boot, token, serial, phase } = head;
    let Tail { before, numbering, first_sysctls, stopped } = postcard::from_bytes(rest)?;
    let record = Record { engine, boot, token, serial, phase, model, before, numbering, first_sysctls, stopped };
    Ok((record, taken.is_some()))
}

/// How far a lab is. Everything that is made is in the journal before it is made.
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
    /// There is no room for what a change writes down.
    #[error("{} has no room: a change of the lab needs {needed} octets, and {room} are free", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
        /// How many octets are needed.
        needed: u64,
        /// How many there are.
        room: u64,
    },
    /// It is no record or journal, or of another version.
    #[error("{} is not a lab {} that this version reads", path.display(), what(path))]
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

fn what(path: &Path) -> &'static str {
    if path.extension().is_some_and(|extension| extension == JOURNAL) { "journal" } else { "record" }
}

/// The files of a lab as they were, which nobody has looked into yet.
#[derive(Clone, Debug)]
pub struct Unread {
    lab: LabName,
    settled: Option<Vec<u8>>,
    pending: Option<Vec<u8>>,
}

/// A record that is settled, with whether it is of the model that was expected, and a change under way.
type Understood = (Option<(Record, bool)>, Option<Intents>);

/// The records of a state directory.
#[derive(Clone, Debug)]
pub struct Records {
    dir: PathBuf,
    files: Arc<dyn StateFiles>,
}

/// A change that is under way: takes its marks.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    files: Arc<dyn StateFiles>,
    writer: Writer,
}

impl Journal {
    /// Marks that a level begins.
    pub fn begun(&mut self, level: usize) {
        let mark = self.writer.begun(level);
        self.append(mark);
    }

    /// Marks that what was done is being taken back.
    pub fn undoing(&mut self) {
        let mark = self.writer.undoing();
        self.append(mark);
    }

    /// Marks only tell people how far it came: one that cannot be written changes nothing that is done.
    fn append(&self, mark: Result<Vec<u8>, postcard::Error>) {
        if let Ok(mark) = mark {
            let _ = self.files.append(&self.path, &mark);
        }
    }
}

impl Records {
    /// The records below a state directory; nothing is made yet.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self::through(state_dir, Arc::new(Disk))
    }

    /// The same through a door of the caller's.
    #[must_use]
    pub fn through(state_dir: &Path, files: Arc<dyn StateFiles>) -> Self {
        Self { dir: state_dir.join("labs"), files }
    }

    /// Where the roots of nodes are, beside the records; `None` if that cannot be said in UTF-8.
    #[must_use]
    pub fn roots(&self) -> Option<String> {
        let beside = std::path::absolute(self.dir.with_file_name("roots")).ok()?;
        beside.to_str().map(str::to_owned)
    }

    /// The record of a lab: that of the change under way, if there is one.
    ///
    /// # Errors
    /// A file that cannot be read, or is not a whole record or journal.
    pub fn read(&self, lab: &LabName) -> Result<Option<Record>, RecordError> {
        self.understood(&self.unread(lab)?)
    }

    /// The engine that a lab was made with, by its files alone.
    ///
    /// # Errors
    /// As [`Records::read`].
    pub fn engine(&self, lab: &LabName) -> Result<Option<String>, RecordError> {
        if self.octets(&self.path(lab, JOURNAL))?.is_some() {
            return Ok(self.read(lab)?.map(|record| record.engine));
        }
        let path = self.path(lab, SUFFIX);
        let Some(octets) = self.octets(&path)? else { return Ok(None) };
        // It is the first of what a record holds.
        postcard::take_from_bytes(body(&path, &octets)?)
            .map(|(engine, _)| Some(engine))
            .map_err(|_| RecordError::Foreign { path })
    }

    /// What the change that is under way, or was interrupted, meant to do.
    ///
    /// # Errors
    /// As [`Records::read`].
    pub fn intents(&self, lab: &LabName) -> Result<Option<Intents>, RecordError> {
        Ok(self.both(lab)?.1)
    }

    /// The record that is settled, and what the change that is under way, or was interrupted, meant to do; each file is read once.
    ///
    /// # Errors
    /// As [`Records::read`].
    pub fn both(&self, lab: &LabName) -> Result<(Option<Record>, Option<Intents>), RecordError> {
        let (settled, intents) = self.understand(&self.unread(lab)?, None)?;
        Ok((settled.map(|(record, _)| record), intents))
    }

    /// The record of a lab as [`Records::read`] has it, what a change under way meant to do, and whether the record is of `model`.
    ///
    /// # Errors
    /// As [`Records::read`].
    pub fn compared(
        &self,
        lab: &LabName,
        model: &Model,
    ) -> Result<(Option<Record>, Option<Intents>, bool), RecordError> {
        let (settled, intents) = self.understand(&self.unread(lab)?, Some(model))?;
        let (record, is_of) = match &intents {
            Some(Intents { record, .. }) => (Some(record.clone()), record.is_of(model)),
            None => settled.map_or((None, false), |(record, is_of)| (Some(record), is_of)),
        };
        Ok((record, intents, is_of))
    }

    /// The files of a lab as they are now.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn unread(&self, lab: &LabName) -> Result<Unread, RecordError> {
        let (settled, pending) = (self.octets(&self.path(lab, SUFFIX))?, self.octets(&self.path(lab, JOURNAL))?);
        Ok(Unread { lab: lab.clone(), settled, pending })
    }

    /// The record of a lab whose files were read before.
    ///
    /// # Errors
    /// A file that is not a whole record or journal.
    pub fn understood(&self, unread: &Unread) -> Result<Option<Record>, RecordError> {
        let (settled, intents) = self.understand(unread, None)?;
        Ok(intents.map(|intents| intents.record).or(settled.map(|(record, _)| record)))
    }

    fn understand(&self, unread: &Unread, expected: Option<&Model>) -> Result<Understood, RecordError> {
        let path = self.path(&unread.lab, SUFFIX);
        let body = unread.settled.as_deref().map(|octets| body(&path, octets)).transpose()?;
        let settled = body.map(|body| decode(body, expected).map_err(|_| RecordError::Foreign { path })).transpose()?;
        let pending = self.pending(unread, settled.as_ref().map(|(record, _)| record.serial))?;
        Ok((settled, pending))
    }

    fn pending(&self, unread: &Unread, settled: Option<u64>) -> Result<Option<Intents>, RecordError> {
        let path = self.path(&unread.lab, JOURNAL);
        let Some(octets) = &unread.pending else { return Ok(None) };
        let intents = journal::read(octets).map_err(|unreadable| match unreadable {
            Unreadable::Foreign => RecordError::Foreign { path: path.clone() },
            Unreadable::Damaged => RecordError::Damaged { path: path.clone() },
        })?;
        let counts = settled.is_none_or(|settled| intents.record.serial > settled);
        Ok(Some(intents).filter(|_| counts))
    }

    fn octets(&self, path: &Path) -> Result<Option<Vec<u8>>, RecordError> {
        match self.files.read(path, LARGEST) {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(RecordError::Foreign { path: path.to_owned() })
            }
            Err(cause) => Err(RecordError::Io { path: path.to_owned(), cause }),
        }
    }

    /// Every lab that has a record or a journal, in natural order; other files are left alone.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn labs(&self) -> Result<Vec<LabName>, RecordError> {
        let paths = match self.files.list(&self.dir) {
            Ok(paths) => paths,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(RecordError::Io { path: self.dir.clone(), cause }),
        };
        let mut labs: BTreeSet<LabName> = BTreeSet::new();
        for path in paths {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if path.extension().is_some_and(|extension| extension == SUFFIX || extension == JOURNAL) {
                labs.extend(stem.and_then(|stem| stem.parse().ok()));
            }
        }
        Ok(labs.into_iter().collect())
    }

    /// Writes down a change before its first step: what the lab is to become, and all steps, level by level, synced once.
    ///
    /// # Errors
    /// What the file system refuses; or it has no room for the record that ends the change.
    pub fn begin(&self, lab: &LabName, record: &Record, plan: &Plan) -> Result<Journal, RecordError> {
        let mut levels: Vec<Vec<&Step>> = Vec::new();
        for planned in &plan.steps {
            if levels.len() <= planned.stage {
                levels.resize_with(planned.stage + 1, Vec::new);
            }
            levels[planned.stage].push(&planned.step);
        }
        // Taking a lab away writes no record: that shall work on a full disk as long as there is room for the journal.
        self.write_journal(lab, record, &levels, record.phase == Phase::Applying)
    }

    /// Writes a journal, if `ends_in_record` only where the record that comes after it finds room, too.
    fn write_journal(
        &self,
        lab: &LabName,
        record: &Record,
        levels: &[Vec<&Step>],
        ends_in_record: bool,
    ) -> Result<Journal, RecordError> {
        let path = self.path(lab, JOURNAL);
        let (octets, writer) = Writer::begin(record, levels)
            .map_err(|error| RecordError::Io { path: path.clone(), cause: io::Error::other(error) })?;
        self.directory()?;
        if ends_in_record {
            self.need_room(octets.len() as u64)?;
        }
        self.put(&path, &octets)?;
        Ok(Journal { path, files: self.files.clone(), writer })
    }

    /// Writes a lab's record in place of the old one; a change that was under way is over.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn write(&self, lab: &LabName, record: &Record) -> Result<(), RecordError> {
        let path = self.path(lab, SUFFIX);
        let octets =
            encode(record).map_err(|error| RecordError::Io { path: path.clone(), cause: io::Error::other(error) })?;
        if self.octets(&path)?.is_none_or(|present| present != octets) {
            self.put(&path, &octets)?;
        }
        self.remove_file(&self.path(lab, JOURNAL))
    }

    /// Whether there is room for a journal and for the record that is written while it is still there, which is part of it.
    fn need_room(&self, journal: u64) -> Result<(), RecordError> {
        let needed = journal.saturating_mul(2).saturating_add(SPARE);
        match self.files.room(&self.dir) {
            Ok(room) if room < needed => Err(RecordError::Full { path: self.dir.clone(), needed, room }),
            Ok(_) => Ok(()),
            Err(cause) => Err(RecordError::Io { path: self.dir.clone(), cause }),
        }
    }

    fn directory(&self) -> Result<(), RecordError> {
        self.files.make_directory(&self.dir).map_err(|cause| RecordError::Io { path: self.dir.clone(), cause })
    }

    fn put(&self, path: &Path, octets: &[u8]) -> Result<(), RecordError> {
        self.directory()?;
        replace(&*self.files, path, octets).map_err(|(path, cause)| RecordError::Io { path, cause })
    }

    /// Gives up a change of which nothing is left: the record is what it was, and so is the journal of an earlier change that it was to
    /// finish.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn forget(&self, lab: &LabName, earlier: Option<&Intents>) -> Result<(), RecordError> {
        match earlier {
            None => self.remove_file(&self.path(lab, JOURNAL)),
            Some(intents) => {
                let levels: Vec<Vec<&Step>> = intents.levels.iter().map(|level| level.iter().collect()).collect();
                self.write_journal(lab, &intents.record, &levels, false).map(drop)
            }
        }
    }

    /// Removes all that is kept of a lab; the journal goes last, so that what is interrupted here is still known.
    ///
    /// # Errors
    /// What the file system refuses; a record that is not there is no error.
    pub fn remove(&self, lab: &LabName) -> Result<(), RecordError> {
        self.remove_file(&self.path(lab, SUFFIX))?;
        self.remove_file(&self.path(lab, JOURNAL))
    }

    /// Removes what a process that died while it wrote has left beside the files of a lab. Only who holds the lock may do that.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn sweep(&self, lab: &LabName) -> Result<(), RecordError> {
        [SUFFIX, JOURNAL].into_iter().try_for_each(|suffix| self.remove_file(&beside(&self.path(lab, suffix))))
    }

    fn remove_file(&self, path: &Path) -> Result<(), RecordError> {
        match self.files.remove(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|cause| RecordError::Io { path: path.to_owned(), cause }),
        }
    }

    fn path(&self, lab: &LabName, suffix: &str) -> PathBuf {
        self.dir.join(format!("{lab}.{suffix}"))
    }
}

/// What a record's file holds behind its checksum.
fn body<'o>(path: &Path, octets: &'o [u8]) -> Result<&'o [u8], RecordError> {
    let damaged = || RecordError::Damaged { path: path.to_owned() };
    let rest = octets.strip_prefix(MAGIC).ok_or_else(|| RecordError::Foreign { path: path.to_owned() })?;
    let (hash, body) = rest.split_at_checked(HASH).ok_or_else(damaged)?;
    if Sha256::digest(body).as_slice() == hash { Ok(body) } else { Err(damaged()) }
}

fn encode(record: &Record) -> Result<Vec<u8>, postcard::Error> {
    let body = postcard::to_stdvec(record)?;
    Ok([MAGIC, Sha256::digest(&body).as_slice(), &body].concat())
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::*;
    use crate::graph::Graph;
    use crate::model::Routing;

    /// Of a lab of nothing.
    pub(in crate::engine) fn record(lab: &str) -> Record {
        let model = Model {
            lab: lab.parse().unwrap(),
            routing: Routing::None,
            nodes: Vec::new(),
            links: Vec::new(),
            segments: Vec::new(),
            checks: Vec::new(),
        };
        Record {
            engine: "sim".to_owned(),
            boot: "boot".to_owned(),
            token: "token".to_owned(),
            serial: 1,
            phase: Phase::Applying,
            model,
            before: Vec::new(),
            numbering: Numbering::default(),
            first_sysctls: Vec::new(),
            stopped: Vec::new(),
        }
    }

    fn nothing(lab: &LabName) -> Plan {
        let empty = Arc::new(Graph::empty(lab.clone()));
        crate::plan::build(empty.clone(), empty)
    }

    #[test]
    fn damaged_and_foreign_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::new(dir.path());
        let lab: LabName = "office".parse().unwrap();
        assert!(records.read(&lab).unwrap().is_none());
        assert!(records.labs().unwrap().is_empty());
        fs::create_dir_all(dir.path().join("labs")).unwrap();
        for (file, magic) in [("labs/office.lab", MAGIC), ("labs/office.journal", journal::MAGIC)] {
            let path = dir.path().join(file);
            fs::write(&path, "hello").unwrap();
            assert!(matches!(records.read(&lab), Err(RecordError::Foreign { .. })));
            fs::write(&path, [magic, &[0; 40]].concat()).unwrap();
            assert!(matches!(records.read(&lab), Err(RecordError::Damaged { .. })));
            assert_eq!(records.labs().unwrap(), std::slice::from_ref(&lab));
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_record_of_the_model_that_is_expected_is_the_record_that_was_written() {
        let written = Record { before: vec![record("before").model], ..record("office") };
        let octets = postcard::to_stdvec(&written).unwrap();
        let is = |record: &Record| assert_eq!(postcard::to_stdvec(record).unwrap(), octets);
        let (read, is_of) = decode(&octets, None).unwrap();
        is(&read);
        assert!(!is_of);
        let (read, is_of) = decode(&octets, Some(&written.model)).unwrap();
        is(&read);
        assert!(is_of);
        let (read, is_of) = decode(&octets, Some(&record("other").model)).unwrap();
        is(&read);
        assert!(!is_of);
        assert!(decode(&octets[..octets.len() - 1], Some(&written.model)).is_err());
    }

    #[test]
    fn a_change_counts_until_its_record_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::new(dir.path());
        let lab: LabName = "office".parse().unwrap();
        records.begin(&lab, &record("office"), &nothing(&lab)).unwrap().begun(0);
        assert_eq!(records.labs().unwrap(), std::slice::from_ref(&lab));
        assert_eq!(records.read(&lab).unwrap().unwrap().phase, Phase::Applying);
        records.write(&lab, &Record { phase: Phase::Up, ..record("office") }).unwrap();
        assert_eq!(records.read(&lab).unwrap().unwrap().phase, Phase::Up);
        assert!(records.intents(&lab).unwrap().is_none());

        // A journal that outlived its record's writing is history.
        records.begin(&lab, &record("office"), &nothing(&lab)).unwrap();
        assert_eq!(records.read(&lab).unwrap().unwrap().phase, Phase::Up);
        let next = Record { serial: 2, phase: Phase::Removing, ..record("office") };
        records.begin(&lab, &next, &nothing(&lab)).unwrap();
        assert_eq!(records.read(&lab).unwrap().unwrap().phase, Phase::Removing);
        let pending = records.intents(&lab).unwrap().unwrap();
        records.begin(&lab, &Record { serial: 3, ..next }, &nothing(&lab)).unwrap();
        records.forget(&lab, Some(&pending)).unwrap();
        assert_eq!(records.read(&lab).unwrap().unwrap().serial, 2);
        records.forget(&lab, None).unwrap();
        assert_eq!(records.read(&lab).unwrap().unwrap().phase, Phase::Up);
        records.remove(&lab).unwrap();
        assert!(records.labs().unwrap().is_empty());
    }
}
