//! Programs run in a node: what they write and how they end.

use super::EngineError;

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
