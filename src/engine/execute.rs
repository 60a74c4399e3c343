//! Programs run in a node: what they write and how they end.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use std::{fmt, io};

use super::EngineError;
use super::stop::{Stop, Wish};
use crate::graph::Place;

/// How processes are ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// How long they may take after they were told.
    pub grace: Duration,
    /// Places with files of their own, whose `/etc/rc.shutdown` is run first where there is one.
    pub own_files: BTreeSet<Place>,
    /// Who may want it to end: then nothing more is waited for, and nothing is killed.
    pub stop: Stop,
}

impl Ending {
    /// Why not to go on, if somebody wants that.
    pub(super) fn reason(&self) -> Result<(), EngineError> {
        match self.stop.wish() {
            Wish::GoOn => Ok(()),
            Wish::Undo | Wish::Leave => Err(EngineError::strange("processes", "kill", "interrupted")
                .detail("processes were told to end, and not killed")),
        }
    }
}

/// Where a program wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Its own exit code.
    Code(u8),
    /// The signal that ended it.
    Signal(u8),
}

/// A program that was started and has to be waited for.
pub trait Running: fmt::Debug {
    /// Becomes readable, or hangs up, when the program has ended.
    fn ended(&self) -> BorrowedFd<'_>;

    /// Waits for its end.
    ///
    /// # Errors
    /// It cannot be waited for.
    fn wait(self: Box<Self>) -> io::Result<Exit>;
}

/// Why a program did not run in a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// No such program there.
    #[error("no such program")]
    NotFound,
    /// It exists and may not be executed.
    #[error("cannot be executed")]
    NotExecutable,
    /// It never got that far.
    #[error("{0}")]
    Refused(EngineError),
}
