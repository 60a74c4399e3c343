//! When the kernel has settled, by what it counts. It takes namespaces apart in the background, all that wait at once; when a batch has
//! ended, each of them is counted as gone for the user namespace that it was made in. So a child makes one where only one other may
//! be, it goes by the same call as the lab, in the same batch or a later one, and a third is refused to the child until that has ended.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{call, folder};
use crate::model::LabName;

/// How many network namespaces a user namespace may have (Documentation/admin-guide/sysctl/user.rst).
const LIMIT: &CStr = c"/proc/sys/user/max_net_namespaces";
/// What the child says: 0, or Linux's number.
const WORD: usize = size_of::<libc::c_int>();
/// Milliseconds between two tries.
const PAUSE: libc::c_int = 1;

/// A child in a user namespace in which no network namespace can be made until the one that goes with the lab has gone.
#[derive(Debug)]
pub(super) struct Counted {
    child: libc::pid_t,
    said: PipeReader,
    /// As long as this is open the child waits.
    go: Option<PipeWriter>,
    /// The namespace, where nothing else keeps it.
    held: Option<File>,
    /// Where else it is kept.
    with_lab: Option<PathBuf>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        drop(self.go.take());
        // It ends by itself now. Who cannot be waited for was waited for by somebody else.
        let _ = call::wait(self.child);
        if let Some(at) = &self.with_lab {
            folder::take_back(at);
        }
    }
}

impl Counted {
    /// Makes the namespace, to go with the lab if there is one.
    ///
    /// # Errors
    /// What the system refuses: not everywhere may user namespaces be made.
    pub(super) fn begin(lab: Option<&LabName>) -> io::Result<Self> {
        let ((said, tell), (hear, go)) = (pipe()?, pipe()?);
        let child = fork(hear.as_fd(), tell.as_fd())?;
        drop((tell, hear));
        let mut begun = Self { child, said, go: Some(go), held: None, with_lab: None };
        begun.listen()?;
        let own = File::open(format!("/proc/{child}/ns/net"))?;
        // Where it cannot be mounted we let it go ourselves.
        begun.with_lab = lab.and_then(|lab| folder::add(lab, own.as_fd()).ok().flatten());
        begun.held = Some(own).filter(|_| begun.with_lab.is_none());
        begun.tell()?;
        Ok(begun)
    }

    /// Waits until all that went before and with the lab has gone; whether that was within `limit`.
    pub(super) fn wait(mut self, limit: Duration) -> io::Result<bool> {
        self.held = None;
        // The lab is gone: what has its name from now on is another.
        self.with_lab = None;
        self.tell()?;
        let began = Instant::now();
        loop {
            let Some(rest) = limit.checked_sub(began.elapsed()) else { return Ok(false) };
            // A signal ends it early.
            if call::wait_readable(&[self.said.as_fd()], rest) {
                return self.listen().map(|()| true);
            }
        }
    }

    fn tell(&mut self) -> io::Result<()> {
        self.go.as_mut().map_or(Ok(()), |go| go.write_all(&[1]))
    }

    fn listen(&mut self) -> io::Result<()> {
        let mut word = [0; WORD];
        self.said.read_exact(&mut word)?;
        match libc::c_int::from_ne_bytes(word) {
            0 => Ok(()),
            refused => Err(io::Error::from_raw_os_error(refused)),
        }
    }
}

/// clone(2) of the child. It has nothing of ours open but these two.
fn fork(hear: BorrowedFd<'_>, tell: BorrowedFd<'_>) -> io::Result<libc::pid_t> {
    let flags = libc::c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: without CLONE_VM the child has memory of its own. It makes system calls only, allocates nothing, takes no lock that a
    // thread of ours may have held, and never returns from here.
    let child = unsafe {
        let child = libc::syscall(libc::SYS_clone, flags, none, none, none, none);
        if child == 0 {
            live(hear.as_raw_fd(), tell.as_raw_fd());
        }
        child
    };
    libc::pid_t::try_from(child).ok().filter(|child| *child > 0).ok_or_else(io::Error::last_os_error)
}

/// What the child does.
///
/// # Safety
/// For a child that was just forked, in a user namespace of its own.
unsafe fn live(hear: libc::c_int, tell: libc::c_int) -> ! {
    // SAFETY: system calls on numbers, on constant strings that end with NUL, and on variables of this function.
    unsafe {
        // Who presses Ctrl-C means the parent, which tells us to end.
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, c"cellblock-waits".as_ptr());
        // Beyond the first three, so that none is closed before it is copied.
        let (hear, tell) = (libc::fcntl(hear, libc::F_DUPFD, 3), libc::fcntl(tell, libc::F_DUPFD, 3));
        if libc::dup2(hear, 0) != 0 || libc::dup2(tell, 1) != 1 || !close_from(2) {
            libc::_exit(1);
        }
        say(prepare());
        // The parent keeps it now: we go into another.
        attend();
        if libc::unshare(libc::CLONE_NEWNET) != 0 {
            let refused = *libc::__errno_location();
            attend();
            say(refused);
        }
        attend();
        while libc::unshare(libc::CLONE_NEWNET) != 0 {
            match *libc::__errno_location() {
                libc::ENOSPC => pause(),
                refused => say(refused),
            }
        }
        say(0);
        libc::_exit(0)
    }
}

/// Lets this user namespace have two network namespaces, and makes the first; Linux's number if that is refused.
///
/// # Safety
/// As [`live`].
unsafe fn prepare() -> libc::c_int {
    // SAFETY: the strings are constant and end with NUL.
    unsafe {
        let file = libc::open(LIMIT.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        let written = file >= 0 && libc::write(file, c"2".as_ptr().cast(), 1) == 1;
        if !written || libc::close(file) != 0 || libc::unshare(libc::CLONE_NEWNET) != 0 {
            return (*libc::__errno_location()).max(1);
        }
    }
    0
}

/// Says how it went, and ends if it went wrong.
///
/// # Safety
/// As [`live`].
unsafe fn say(word: libc::c_int) {
    // SAFETY: the word is live for its length.
    let written = unsafe { libc::write(1, (&raw const word).cast(), WORD) };
    if word != 0 || written < 0 {
        // SAFETY: _exit(2) runs none of the parent's exit handlers.
        unsafe { libc::_exit(1) }
    }
}

/// Waits for a word of the parent, and ends if there is none to come.
///
/// # Safety
/// As [`live`].
unsafe fn attend() {
    let mut word = 0_u8;
    // SAFETY: one octet of ours; _exit(2) as above.
    unsafe {
        if libc::read(0, (&raw mut word).cast(), 1) != 1 {
            libc::_exit(1);
        }
    }
}

/// Lets a moment pass, and ends if the parent is gone or waits no more.
///
/// # Safety
/// As [`live`].
unsafe fn pause() {
    let mut parent = libc::pollfd { fd: 0, events: 0, revents: 0 };
    // SAFETY: one structure of ours; _exit(2) as above.
    unsafe {
        if libc::poll(&raw mut parent, 1, PAUSE) > 0 {
            libc::_exit(1);
        }
    }
}

/// Closes everything from this number on; a kernel before 5.9 cannot, and is waited for otherwise.
///
/// # Safety
/// As [`live`].
unsafe fn close_from(first: libc::c_uint) -> bool {
    // SAFETY: numbers only; nothing in this process owns what is closed.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) == 0 }
}
