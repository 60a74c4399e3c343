//! Terminals: one for a program in a node, and the user's own, which passes everything on while that program runs.
//!
//! Nothing here knows of labs, jails or namespaces: whoever starts the program gives it [`Pty::program_side`] as its controlling
//! terminal and something to poll that tells its end.

mod interrupt;
mod relay;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

pub use interrupt::Interrupts;
pub use relay::{Over, User, ended_within, relay};

/// A pseudo-terminal.
#[derive(Debug)]
pub struct Pty {
    ours: OwnedFd,
    programs: OwnedFd,
}

impl Pty {
    /// A new one, with size and settings of the user's terminal where `like` is one.
    ///
    /// # Errors
    /// The system has none left, or says no.
    pub fn open(like: BorrowedFd<'_>) -> io::Result<Self> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
        let name = ptsname(&ours, Vec::new())?;
        let programs = open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        if let Ok(settings) = tcgetattr(like) {
            tcsetattr(&programs, OptionalActions::Now, &settings)?;
        }
        let pty = Self { ours, programs };
        pty.resize(like)?;
        // A program that does not read must not keep us from passing on what it writes.
        fcntl_setfl(&pty.ours, fcntl_getfl(&pty.ours)? | OFlags::NONBLOCK)?;
        Ok(pty)
    }

    /// The side that becomes the program's controlling terminal.
    #[must_use]
    pub fn program_side(&self) -> BorrowedFd<'_> {
        self.programs.as_fd()
    }

    /// Our side alone: with the program's last copy of the other one gone, it reads as ended.
    #[must_use]
    pub fn into_ours(self) -> OwnedFd {
        self.ours
    }

    /// Takes over the size of another terminal, if it is one.
    ///
    /// # Errors
    /// The size is refused.
    fn resize(&self, like: BorrowedFd<'_>) -> io::Result<()> {
        resize(self.ours.as_fd(), like)
    }
}

/// Gives a terminal the size of another one; what is no terminal has no size to give.
fn resize(terminal: BorrowedFd<'_>, like: BorrowedFd<'_>) -> io::Result<()> {
    match tcgetwinsize(like) {
        Ok(size) => Ok(tcsetwinsize(terminal, size)?),
        Err(_) => Ok(()),
    }
}

/// Whether it is a terminal.
#[must_use]
pub fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    isatty(fd)
}

/// A terminal in raw mode: every key goes to the program. What it was before comes back when this goes, however that happens.
#[derive(Debug)]
pub struct Raw<'fd> {
    terminal: BorrowedFd<'fd>,
    before: Termios,
}

impl<'fd> Raw<'fd> {
    /// Puts a terminal into raw mode; `None` if it is none.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn enter(terminal: BorrowedFd<'fd>) -> io::Result<Option<Self>> {
        if !isatty(terminal) {
            return Ok(None);
        }
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(terminal, OptionalActions::Drain, &raw)?;
        Ok(Some(Self { terminal, before }))
    }
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        // Nobody is left to be told; the shell of the user sets its terminal anew as well.
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}
