//! Keys one way, what is shown the other way, until the program has ended.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::low_level::{pipe, unregister};

use super::resize;

/// Bytes of one read.
const CHUNK: usize = 16 << 10;

/// The user's side.
#[derive(Clone, Copy, Debug)]
pub struct User<'fd> {
    /// Keys come from here; its size is that of the program's terminal.
    pub input: BorrowedFd<'fd>,
    /// What the program shows goes here.
    pub output: BorrowedFd<'fd>,
}

/// Why passing on is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The program has ended, and all that it wrote was shown.
    Ended,
    /// The user's terminal is gone, or we were told to end: closing the program's terminal tells it so.
    HungUp,
}

/// Passes on what comes, and every change of the terminal's size, until `ended` becomes readable or hangs up.
///
/// # Errors
/// The first failure of a side that is not its end.
pub fn relay(user: User<'_>, pty: BorrowedFd<'_>, ended: BorrowedFd<'_>) -> io::Result<Over> {
    let (sizes, ends) = (Signals::catch(&[SIGWINCH])?, Signals::catch(&[SIGHUP, SIGINT, SIGQUIT, SIGTERM])?);
    // It may have changed between the opening of the terminal and now.
    resize(pty, user.input)?;
    let mut keys: Vec<u8> = Vec::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        // Keys that the program does not take yet keep further ones waiting in the user's terminal.
        let wants = if keys.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let from = if keys.is_empty() { PollFlags::IN } else { PollFlags::empty() };
        let mut polled = [
            PollFd::from_borrowed_fd(pty, wants),
            PollFd::from_borrowed_fd(user.input, from),
            PollFd::from_borrowed_fd(ended, PollFlags::IN),
            PollFd::from_borrowed_fd(sizes.arrived.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(ends.arrived.as_fd(), PollFlags::IN),
        ];
        match poll(&mut polled, None) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let [shown, key, end, size, told] = polled.map(|fd| fd.revents());
        if size.intersects(PollFlags::IN) {
            sizes.forget();
            resize(pty, user.input)?;
        }
        if !told.is_empty() {
            return Ok(Over::HungUp);
        }
        if shown.intersects(PollFlags::OUT) && !keys.is_empty() {
            let taken = match write(pty, &keys) {
                Ok(taken) => taken,
                Err(Errno::AGAIN | Errno::INTR) => 0,
                // The program closed its terminal: nobody wants keys any more.
                Err(Errno::IO) => keys.len(),
                Err(error) => return Err(error.into()),
            };
            keys.drain(..taken);
        }
        if shown.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) && !show(pty, user.output, &mut buffer)? {
            // Everybody who had the terminal open is gone; only the program's end is left to wait for.
            wait(ended)?;
            return Ok(Over::Ended);
        }
        if !end.is_empty() {
            while has_more(pty)? && show(pty, user.output, &mut buffer)? {}
            return Ok(Over::Ended);
        }
        if !key.is_empty() && keys.is_empty() {
            match read(user.input, &mut buffer[..]) {
                Ok(0) | Err(Errno::IO) => return Ok(Over::HungUp),
                Ok(length) => keys.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Shows what waits; `false` when nothing will come any more.
fn show(pty: BorrowedFd<'_>, output: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<bool> {
    let length = match read(pty, &mut *buffer) {
        // Linux says so when the other side has no user left, FreeBSD gives nothing.
        Ok(0) | Err(Errno::IO) => return Ok(false),
        Ok(length) => length,
        Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let mut rest = buffer.get(..length).unwrap_or_default();
    while !rest.is_empty() {
        match write(output, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(output, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Whether something waits to be shown.
fn has_more(pty: BorrowedFd<'_>) -> io::Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(pty, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut polled, Some(&now)) {
        Err(Errno::INTR) => Ok(true),
        other => {
            other?;
            Ok(polled[0].revents().intersects(PollFlags::IN))
        }
    }
}

/// Waits until `ended` becomes readable or hangs up, or the time is over; whether it did.
///
/// # Errors
/// It cannot be waited for.
pub fn ended_within(ended: BorrowedFd<'_>, time: Duration) -> io::Result<bool> {
    let time = Timespec { tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() };
    Ok(poll(&mut [PollFd::from_borrowed_fd(ended, PollFlags::IN)], Some(&time))? > 0)
}

fn wait(ended: BorrowedFd<'_>) -> io::Result<()> {
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(ended, PollFlags::IN)], None) {
            Err(Errno::INTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}

/// Signals that arrive as something to read, as long as this lives.
struct Signals {
    arrived: UnixStream,
    registered: Vec<SigId>,
}

impl Signals {
    fn catch(signals: &[i32]) -> io::Result<Self> {
        let (arrived, sender) = UnixStream::pair()?;
        arrived.set_nonblocking(true)?;
        let mut caught = Self { arrived, registered: Vec::new() };
        for signal in signals {
            caught.registered.push(pipe::register(*signal, sender.try_clone()?)?);
        }
        Ok(caught)
    }

    /// Reads what arrived: one or many are the same.
    fn forget(&self) {
        let mut buffer = [0; 64];
        while matches!((&self.arrived).read(&mut buffer), Ok(length) if length > 0) {}
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            unregister(id);
        }
    }
}
