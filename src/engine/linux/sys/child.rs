//! What happens between fork(2) and execve(2), and in the first process of a node: system calls alone, on what was prepared before.
//! Nothing here allocates, locks or unwinds: other threads of the forked process may have held any lock.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::action::Action;
use super::call::{self, check};

/// What the first process of a node is called.
pub(super) const FIRST: &CStr = c"cellblock-init";

/// Where it has the file open by which it is known.
pub(super) const MARK: RawFd = 3;

/// Where it is told to go on, and where it reports, until it goes on.
const GO: RawFd = 4;
const TELL: RawFd = 5;

/// Octets of a report: what it is about, and two numbers.
pub(super) const REPORT: usize = 12;

/// What a child says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The first process of the node has this number.
    Born(i32),
    /// It has its view of files, and waits to be told to go on.
    Ready,
    /// An action of that place in the list was refused.
    Action(usize, i32),
    /// Entering the node was refused.
    Entry(i32),
    /// The program was refused.
    Program(i32),
}

impl Report {
    fn encode(self) -> [u8; REPORT] {
        let (kind, at, number) = match self {
            Self::Born(process) => (1, 0, process),
            Self::Ready => (2, 0, 0),
            Self::Action(at, number) => (3, i32::try_from(at).unwrap_or(i32::MAX), number),
            Self::Entry(number) => (4, 0, number),
            Self::Program(number) => (5, 0, number),
        };
        let mut bytes = [0; REPORT];
        for (field, value) in bytes.chunks_exact_mut(4).zip([kind, at, number]) {
            field.copy_from_slice(&i32::to_ne_bytes(value));
        }
        bytes
    }

    pub(super) fn decode(bytes: [u8; REPORT]) -> Option<Self> {
        let mut numbers = [0; 3];
        for (value, field) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
            *value = field.try_into().map_or(0, i32::from_ne_bytes);
        }
        let [kind, at, number] = numbers;
        Some(match kind {
            1 => Self::Born(number),
            2 => Self::Ready,
            3 => Self::Action(usize::try_from(at).ok()?, number),
            4 => Self::Entry(number),
            5 => Self::Program(number),
            _ => return None,
        })
    }
}

/// fork(2): `None` in the child, which must end in one of the functions of this file.
pub(super) fn fork() -> io::Result<Option<libc::pid_t>> {
    // SAFETY: the child calls nothing but system calls on what was prepared, and never returns into its caller's caller.
    let process = check(unsafe { libc::fork() })?;
    Ok((process != 0).then_some(process))
}

/// What the first process of a node is made of.
#[derive(Debug)]
pub(super) struct First<'p> {
    /// The node's network stack.
    pub(super) network: BorrowedFd<'p>,
    /// The files `cgroup.procs` of its groups.
    pub(super) groups: &'p [BorrowedFd<'p>],
    /// What gives it its view of files, in order.
    pub(super) actions: &'p [Action],
    /// /dev/null.
    pub(super) nothing: BorrowedFd<'p>,
    /// The file by which it is known.
    pub(super) mark: BorrowedFd<'p>,
    /// Where it reports.
    pub(super) report: RawFd,
    /// One octet from here lets it go on; its end ends it.
    pub(super) go: RawFd,
}

/// A child that makes the namespaces of the node and in them its first process, and ends. So that becomes a child of the machine's own
/// first process, which waits for it.
pub(super) fn bear(first: &First<'_>) -> ! {
    // SAFETY: numbers only.
    let session = check(unsafe { libc::setsid() });
    let born = session
        .and_then(|_| first.groups.iter().try_for_each(|group| join(*group)))
        .and_then(|()| call::setns(first.network, libc::CLONE_NEWNET))
        .and_then(|()| call::unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS))
        .and_then(|()| fork());
    match born {
        Ok(None) => live(first),
        Ok(Some(process)) => end(first.report, Report::Born(process), 0),
        Err(error) => end(first.report, Report::Entry(call::number(&error)), 1),
    }
}

/// The first process: it takes in what the others leave behind, and with it everything in the node ends.
fn live(first: &First<'_>) -> ! {
    // SAFETY: the name ends with NUL and is only read; dispositions are no code of ours. Children of a process that ignores SIGCHLD
    // need nobody who waits for them.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, FIRST.as_ptr());
        libc::umask(0o022);
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
    for (at, action) in first.actions.iter().enumerate() {
        if let Err(error) = action.perform() {
            end(first.report, Report::Action(at, call::number(&error)), 1);
        }
    }
    let arranged = high([first.nothing.as_raw_fd(), first.go, first.report, first.mark.as_raw_fd()]).and_then(
        |[nothing, go, report, mark]| {
            for (from, to) in [(nothing, 0), (nothing, 1), (nothing, 2), (mark, MARK), (go, GO), (report, TELL)] {
                // SAFETY: numbers only; nothing in this process owns what is replaced.
                check(unsafe { libc::dup2(from, to) })?;
            }
            close_from(TELL + 1);
            Ok(())
        },
    );
    if let Err(error) = arranged {
        end(first.report, Report::Entry(call::number(&error)), 1);
    }
    tell(TELL, Report::Ready);
    let mut octet = 0_u8;
    // SAFETY: the octet is ours; _exit(2) runs none of our parent's exit handlers.
    unsafe {
        if libc::read(GO, (&raw mut octet).cast(), 1) != 1 {
            libc::_exit(1);
        }
        libc::close(GO);
        libc::close(TELL);
        loop {
            libc::pause();
        }
    }
}

/// What a program needs.
#[derive(Debug)]
pub(super) struct Program<'p> {
    /// The node's own namespaces of network and mounts, if it is not the host that is meant.
    pub(super) node: Option<[BorrowedFd<'p>; 2]>,
    /// The files `cgroup.procs` of its groups.
    pub(super) groups: &'p [BorrowedFd<'p>],
    /// The places where the program may be, in order.
    pub(super) candidates: &'p [CString],
    /// Its arguments, with a null pointer at the end.
    pub(super) arguments: &'p [*const libc::c_char],
    /// Its environment, with a null pointer at the end.
    pub(super) environment: &'p [*const libc::c_char],
    /// The limit of descriptors that it is to have.
    pub(super) limit: Rlimit,
    /// What its streams are, or its terminal for all three.
    pub(super) streams: Streams,
    /// Where it is told what went wrong.
    pub(super) report: RawFd,
}

/// What a program reads and writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Streams {
    /// Our own input, and these for output and error.
    Pipes(RawFd, RawFd),
    /// A terminal, which becomes its controlling one.
    Terminal(RawFd),
}

/// A child that enters the node and becomes the program.
pub(super) fn become_program(program: &Program<'_>) -> ! {
    let entered = program
        .groups
        .iter()
        .try_for_each(|group| join(*group))
        .and_then(|()| match program.node {
            Some([network, mounts]) => {
                call::setns(network, libc::CLONE_NEWNET).and_then(|()| call::setns(mounts, libc::CLONE_NEWNS))
            }
            None => Ok(()),
        })
        .and_then(|()| take_places(program.streams, program.report));
    let report = match entered {
        Ok(report) => report,
        Err(error) => end(program.report, Report::Entry(call::number(&error)), 127),
    };
    // A refusal leaves the limit as it was.
    let _ = setrlimit(Resource::Nofile, program.limit);
    // SAFETY: a default action is no code of ours. Rust programs ignore SIGPIPE, and that would be inherited.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let mut refusal = libc::ENOENT;
    for candidate in program.candidates {
        // SAFETY: the string is live, both arrays end with a null pointer and lead to live strings.
        unsafe { libc::execve(candidate.as_ptr(), program.arguments.as_ptr(), program.environment.as_ptr()) };
        match call::number(&io::Error::last_os_error()) {
            libc::ENOENT | libc::ENOTDIR => {}
            // There may be one further on that can be executed, as in execvp(3).
            libc::EACCES => refusal = libc::EACCES,
            number => {
                refusal = number;
                break;
            }
        }
    }
    end(report, Report::Program(refusal), 127)
}

/// Puts the calling process into a group: `0` stands for it.
fn join(group: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the octet is live and only read.
    let written = unsafe { libc::write(group.as_raw_fd(), c"0".as_ptr().cast(), 1) };
    if written == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What a terminal sends to those on it. Whoever began us may have had us ignore some, as shells do with what they begin in the
/// background, but that was said of another terminal.
const FROM_TERMINALS: [libc::c_int; 6] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// Puts descriptors where the program expects them and closes everything else; where the report is then.
fn take_places(streams: Streams, report: RawFd) -> io::Result<RawFd> {
    const PLACE: RawFd = 3;
    let (input, output, error) = match streams {
        Streams::Pipes(output, error) => (None, output, error),
        Streams::Terminal(terminal) => {
            // SAFETY: numbers only; TIOCSCTTY takes nothing but the descriptor.
            unsafe {
                check(libc::setsid())?;
                check(libc::ioctl(terminal, libc::TIOCSCTTY, 0))?;
            }
            for signal in FROM_TERMINALS {
                // SAFETY: a default action is no code of ours.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
            (Some(terminal), terminal, terminal)
        }
    };
    let [output, error, report] = high([output, error, report])?;
    let places = [(input.map(|_| output), libc::STDIN_FILENO), (Some(output), libc::STDOUT_FILENO)];
    for (from, to) in places.into_iter().chain([(Some(error), libc::STDERR_FILENO), (Some(report), PLACE)]) {
        if let Some(from) = from {
            // SAFETY: numbers only; nothing in this process owns what is replaced.
            check(unsafe { libc::dup2(from, to) })?;
        }
    }
    // SAFETY: numbers only.
    check(unsafe { libc::fcntl(PLACE, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    close_from(PLACE + 1);
    Ok(PLACE)
}

/// Moves descriptors out of the way of those that are to be replaced.
fn high<const MANY: usize>(descriptors: [RawFd; MANY]) -> io::Result<[RawFd; MANY]> {
    let mut moved = descriptors;
    for descriptor in &mut moved {
        // SAFETY: numbers only.
        *descriptor = check(unsafe { libc::fcntl(*descriptor, libc::F_DUPFD_CLOEXEC, 10) })?;
    }
    Ok(moved)
}

/// close_range(2), or one by one on a kernel before 5.9.
fn close_from(first: RawFd) {
    const MOST: RawFd = 65_536;
    // SAFETY: numbers only; nothing in this process owns what is closed.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) < 0 {
            for descriptor in first..MOST {
                libc::close(descriptor);
            }
        }
    }
}

fn tell(report: RawFd, what: Report) {
    let bytes = what.encode();
    // SAFETY: the bytes are live for their length. A reader that is gone needs no report.
    unsafe { libc::write(report, bytes.as_ptr().cast(), bytes.len()) };
}

/// Reports and ends the child.
fn end(report: RawFd, what: Report, status: libc::c_int) -> ! {
    tell(report, what);
    // SAFETY: _exit(2) runs none of the parent's exit handlers.
    unsafe { libc::_exit(status) }
}

/// C strings, and the array of pointers to them that execve(2) wants.
#[derive(Debug)]
pub(super) struct Pointers {
    _strings: Vec<CString>,
    pub(super) array: Vec<*const libc::c_char>,
}

impl Pointers {
    pub(super) fn new(strings: Vec<CString>) -> Self {
        let array = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Self { _strings: strings, array }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_back_as_they_were_sent() {
        for report in [Report::Born(4711), Report::Ready, Report::Action(3, 13), Report::Entry(1), Report::Program(2)] {
            assert_eq!(Report::decode(report.encode()), Some(report));
        }
        assert_eq!(Report::decode([0; REPORT]), None);
    }
}
