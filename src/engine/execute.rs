//! Programs run in a node: what they write and how they end.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use std::{fmt, io};

use super::EngineError;
use crate::graph::Place;

/// How processes are ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How long they may take after they were told.
    pub grace: Duration,
    /// Places with files of their own, whose `/etc/rc.shutdown` is run first where there is one.
    pub own_files: BTreeSet<Place>,
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
