//! How a command ended: the exit codes, and the error that goes with those that are not 0.

use std::process::ExitCode;

use crate::diagnostic::Diagnostic;
use crate::topology::source::Sources;

/// Exit codes of the program. `exec` adds the command's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0: done.
    Done,
    /// 1: a check failed.
    CheckFailed,
    /// 2: there are changes (`plan --detailed-exitcode` only).
    Changes,
    /// 64: the command line makes no sense.
    Usage,
    /// 65: the file is wrong.
    BadFile,
    /// 66: no such file, lab or node.
    NotFound,
    /// 69: the engine is not available here.
    NoEngine,
    /// 70: a bug of ours.
    Bug,
    /// 71: the kernel refused, everything was undone.
    Refused,
    /// 73: the kernel refused and something could not be undone.
    NotUndone,
    /// 75: another process holds the lab.
    Locked,
    /// 77: not permitted.
    NotPermitted,
    /// 78: the host or our own state is in no usable shape.
    BadState,
    /// 125: `exec` failed before the command ran.
    ExecFailed,
    /// 126: `exec` found the command and may not run it.
    NotExecutable,
    /// 127: `exec` found no such command.
    CommandNotFound,
    /// The status of a command that `exec` ran; 128 and the signal if one ended it.
    Command(u8),
}

impl Status {
    /// The number given to the shell.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::CheckFailed => 1,
            Self::Changes => 2,
            Self::Usage => 64,
            Self::BadFile => 65,
            Self::NotFound => 66,
            Self::NoEngine => 69,
            Self::Bug => 70,
            Self::Refused => 71,
            Self::NotUndone => 73,
            Self::Locked => 75,
            Self::NotPermitted => 77,
            Self::BadState => 78,
            Self::ExecFailed => 125,
            Self::NotExecutable => 126,
            Self::CommandNotFound => 127,
            Self::Command(code) => code,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

/// Why a command could not do its work, as the user gets to see it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub status: Status,
    /// A stable code such as `E031`, if the layer below gave one.
    pub code: Option<&'static str>,
    /// Lower case, no full stop, the object in backticks.
    pub message: String,
    /// Lines under the message, without indentation.
    pub details: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// What is wrong with a file, instead of a message of our own.
    pub findings: Option<Findings>,
}

/// `1 node`, `2 nodes`, `2 prefixes`.
#[must_use]
pub fn amount(count: usize, thing: &str) -> String {
    let ending = match (count, thing.ends_with('x')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {thing}{ending}")
}

/// Findings and the texts they point into.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The texts.
    pub sources: Sources,
    /// In the order in which they are to be shown.
    pub diagnostics: Vec<Diagnostic>,
}

impl Findings {
    /// How many errors and how many warnings there are.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let errors = self.diagnostics.iter().filter(|d| d.is_error()).count();
        (errors, self.diagnostics.len() - errors)
    }

    /// `2 errors, 1 warning`; empty if there is nothing.
    #[must_use]
    pub fn summary(&self) -> String {
        let (errors, warnings) = self.count();
        let parts = [(errors, "error"), (warnings, "warning")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        parts.map(|(count, thing)| amount(count, thing)).collect::<Vec<_>>().join(", ")
    }
}

impl Failure {
    /// A failure with its message.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, code: None, message: message.into(), details: Vec::new(), hint: None, findings: None }
    }

    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Status::Usage, message)
    }

    /// A file that cannot be used, told by its findings.
    #[must_use]
    pub fn file(findings: Findings) -> Self {
        let message = format!("cannot use the topology: {}", findings.summary());
        Self { findings: Some(findings), ..Self::new(Status::BadFile, message) }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }

    /// Adds a line under the message.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.details.push(text.into());
        self
    }

    /// Gives another exit code.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }
}
