//! Why a call failed, in words.

use core::fmt;

use crate::Errno;
use crate::addr::{NodePath, PathError};
use crate::explain::explain;
use crate::message::{Malformed, Request};
use crate::name::{Name, NameError};

/// A failed call: the command, the node it was for, and the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The command, as ngctl(8) calls it.
    pub command: &'static str,
    /// Whose command it is.
    pub cookie: u32,
    /// The node's path.
    pub path: NodePath,
    /// What went wrong.
    pub cause: Cause,
}

/// What went wrong in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The kernel or the node refused. [`CallError::meaning`] says what the number means for the command.
    Refused(Errno),
    /// The reply could not be received.
    Receive(Errno),
    /// The path cannot be an address; nothing was sent.
    Path(PathError),
    /// The node cannot have this hook; nothing was sent.
    Hook(Name, NameError),
    /// The request was too long and not sent, or the reply is not what the command answers with.
    Malformed(Malformed),
    /// The request was handled without error, but no reply came.
    NoReply,
    /// As many replies as the pipeline's window allows are outstanding; nothing was sent.
    WindowFull,
}

impl CallError {
    fn new<R: Request>(path: &NodePath, cause: Cause) -> Self {
        Self { command: R::NAME, cookie: R::COOKIE, path: path.clone(), cause }
    }

    pub(crate) fn refused<R: Request>(path: &NodePath, errno: Errno) -> Self {
        Self::new::<R>(path, Cause::Refused(errno))
    }

    pub(crate) fn receive<R: Request>(path: &NodePath, errno: Errno) -> Self {
        Self::new::<R>(path, Cause::Receive(errno))
    }

    pub(crate) fn path<R: Request>(path: &NodePath, cause: PathError) -> Self {
        Self::new::<R>(path, Cause::Path(cause))
    }

    pub(crate) fn hook<R: Request>(path: &NodePath, hook: Name, cause: NameError) -> Self {
        Self::new::<R>(path, Cause::Hook(hook, cause))
    }

    pub(crate) fn malformed<R: Request>(path: &NodePath, cause: Malformed) -> Self {
        Self::new::<R>(path, Cause::Malformed(cause))
    }

    pub(crate) fn no_reply<R: Request>(path: &NodePath) -> Self {
        Self::new::<R>(path, Cause::NoReply)
    }

    pub(crate) fn window_full<R: Request>(path: &NodePath) -> Self {
        Self::new::<R>(path, Cause::WindowFull)
    }

    /// The errno, if the kernel gave one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self.cause {
            Cause::Refused(errno) | Cause::Receive(errno) => Some(errno),
            _ => None,
        }
    }

    /// What the errno means for this command, where that is known.
    #[must_use]
    pub fn meaning(&self) -> Option<&'static str> {
        match self.cause {
            Cause::Refused(errno) => explain(self.cookie, self.command, errno),
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to `{}`: ", self.command, self.path)?;
        match &self.cause {
            Cause::Refused(errno) | Cause::Receive(errno) => write!(f, "{errno}")?,
            Cause::Path(cause) => write!(f, "{cause}")?,
            Cause::Hook(hook, cause) => write!(f, "hook `{hook}`: {cause}")?,
            Cause::Malformed(cause) => write!(f, "{cause}")?,
            Cause::NoReply => f.write_str("handled, but no reply came")?,
            Cause::WindowFull => f.write_str("not sent: too many replies are outstanding")?,
        }
        match self.meaning() {
            Some(meaning) => write!(f, ": {meaning}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for CallError {}
