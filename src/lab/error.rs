//! What went wrong with a lab, in the words a user needs: object, call, errno, what to do next.

use std::fmt;

use crate::abi::Errno;
use crate::diagnostic::Diagnostic;

/// A failure of a lab operation.
#[derive(Clone, Debug)]
pub struct LabError {
    /// What class of failure: decides the exit code.
    pub kind: LabErrorKind,
    /// One lower-case line without full stop, the object in backticks.
    pub message: String,
    /// The object, in the author's words.
    pub object: Option<String>,
    /// The call that was refused, such as `SIOCSIFVNET`.
    pub call: Option<String>,
    /// What the kernel answered.
    pub errno: Option<Errno>,
    /// Which step of how many.
    pub step: Option<(usize, usize)>,
    /// What to do next.
    pub hint: Option<String>,
    /// What is left and could not be undone, one object each; of a plan that fits no more, what has changed since it was made.
    pub left: Vec<String>,
    /// What is wrong with the file, when the engine cannot do what it says.
    pub diagnostics: Vec<Diagnostic>,
}

/// Classes of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LabErrorKind {
    /// The file asks for what the engine cannot do; `diagnostics` says where.
    File,
    /// A plan in a file that is none, or that fits no more; `left` says why.
    StalePlan,
    /// No such lab, or no such node in it.
    NoSuchLab,
    /// The engine does not exist here.
    NoEngine,
    /// Our own fault.
    Bug,
    /// The kernel refused; everything was undone.
    Refused,
    /// The kernel refused and something could not be undone, or will not die.
    NotUndone,
    /// Another process works on it.
    Locked,
    /// Not permitted.
    NotPermitted,
    /// The state directory or the host's configuration is unusable.
    BadState,
}

impl LabError {
    /// An error of a class with its message.
    #[must_use]
    pub fn new(kind: LabErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            object: None,
            call: None,
            errno: None,
            step: None,
            hint: None,
            left: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(errno) = self.errno {
            write!(f, ": {errno}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LabError {}

/// Why a command did not run in a node.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExecError {
    /// Before it came to that: exit 66 for what is not there, else 125.
    #[error("{0}")]
    Lab(LabError),
    /// Exit 127.
    #[error("no such program")]
    NotFound,
    /// Exit 126.
    #[error("cannot be executed")]
    NotExecutable,
}
