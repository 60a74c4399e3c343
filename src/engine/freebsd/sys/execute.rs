//! Programs in jails: forked, attached, executed, and listened to until they end.
#![allow(unsafe_code, reason = "system calls")]

use std::ffi::{CString, OsString};
use std::io::{PipeReader, PipeWriter, Read, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::ptr;
use std::time::{Duration, Instant};

use super::call::{check, last_error};
use super::{helper, jail, kernel};
use crate::abi::Errno;
use crate::engine::Demand;
use crate::engine::freebsd::doors::{ExecuteError, Exit, Running, Stream, Until};

/// Where programs are looked for when the environment does not say.
const PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin";
/// Bytes of one read of what a program writes.
const CHUNK: usize = 64 * 1024;
/// Where the child tells what went wrong; closed by the exec.
const REPORT: libc::c_int = 3;

/// Everything a child needs, made before the fork: it must not allocate.
struct Prepared {
    jid: i32,
    /// The places where the program may be, in order.
    candidates: Vec<CString>,
    arguments: Pointers,
    environment: Pointers,
    limit: Option<libc::rlimit>,
}

/// C strings, and the array of pointers to them that execve(2) wants.
struct Pointers {
    _strings: Vec<CString>,
    array: Vec<*const libc::c_char>,
}

impl Pointers {
    fn new(strings: Vec<CString>) -> Self {
        let array = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Self { _strings: strings, array }
    }
}

/// Runs a program in a jail to its end; what it writes is told as it comes. A program that it leaves behind may go on
/// writing: nobody listens any more.
pub(super) fn execute(
    jid: i32,
    command: &[String],
    limit: Option<libc::rlimit>,
    until: &Until,
    output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Exit, ExecuteError> {
    let prepared = prepare(jid, command, limit)?;
    let io = |error: std::io::Error| {
        ExecuteError::Kernel(error.raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EIO))
    };
    let (out, child_out) = pipe().map_err(io)?;
    let (error, child_error) = pipe().map_err(io)?;
    let (report, child_report) = pipe().map_err(io)?;
    let forked = helper::fork().map_err(ExecuteError::Kernel)?;
    let Some((process, descriptor)) = forked else { become_program(&prepared, child_out, child_error, child_report) };
    drop((child_out, child_error, child_report));
    let failure = read_report(report);
    if failure.is_none() {
        listen((process, &descriptor), out, error, until, output).map_err(ExecuteError::Kernel)?;
    }
    let status = helper::wait(process).map_err(ExecuteError::Kernel)?;
    match failure {
        Some(failure) => Err(failure),
        None => Ok(exit_of(status)),
    }
}

/// Starts a program in a jail as the leader of a session with a terminal.
pub(super) fn execute_on(
    jid: i32,
    command: &[String],
    limit: Option<libc::rlimit>,
    terminal: BorrowedFd<'_>,
) -> Result<Program, ExecuteError> {
    let prepared = prepare(jid, command, limit)?;
    let (report, child_report) = pipe()
        .map_err(|error| ExecuteError::Kernel(error.raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EIO)))?;
    let forked = helper::fork().map_err(ExecuteError::Kernel)?;
    let Some((process, descriptor)) = forked else { become_leader(&prepared, terminal.as_raw_fd(), child_report) };
    drop(child_report);
    match read_report(report) {
        None => Ok(Program { process, descriptor }),
        Some(failure) => {
            helper::wait(process).map_err(ExecuteError::Kernel)?;
            Err(failure)
        }
    }
}

/// A program that was started; when this goes before it has ended, it is killed.
#[derive(Debug)]
pub(super) struct Program {
    process: libc::pid_t,
    descriptor: OwnedFd,
}

impl Running for Program {
    fn ended(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn wait(self: Box<Self>) -> std::io::Result<Exit> {
        let status = helper::wait(self.process).map_err(|errno| std::io::Error::from_raw_os_error(errno.raw()))?;
        Ok(exit_of(status))
    }
}

fn prepare(jid: i32, command: &[String], limit: Option<libc::rlimit>) -> Result<Prepared, ExecuteError> {
    let program = command.first().filter(|program| !program.is_empty()).ok_or(ExecuteError::NotFound)?;
    let candidates = if program.contains('/') {
        vec![text(program)?]
    } else {
        let path = std::env::var("PATH").unwrap_or_else(|_| PATH.to_owned());
        let places = path.split(':').filter(|place| place.starts_with('/'));
        places.map(|place| text(&format!("{place}/{program}"))).collect::<Result<_, _>>()?
    };
    let arguments = command.iter().map(|argument| text(argument)).collect::<Result<_, _>>()?;
    let variable = |(name, value): (OsString, OsString)| {
        let both = [name.into_vec(), value.into_vec()].join(&b'=');
        // The environment of a process has no NUL in it.
        CString::new(both).ok()
    };
    let environment = std::env::vars_os().filter_map(variable).collect();
    Ok(Prepared {
        jid,
        candidates,
        arguments: Pointers::new(arguments),
        environment: Pointers::new(environment),
        limit,
    })
}

fn text(text: &str) -> Result<CString, ExecuteError> {
    CString::new(text).map_err(|_| ExecuteError::Kernel(Errno::EINVAL))
}

/// The child: attaches, arranges its descriptors and becomes the program. Async-signal-safe calls only.
fn become_program(prepared: &Prepared, out: PipeWriter, error: PipeWriter, report: PipeWriter) -> ! {
    let (out, error, report) = (out.into_raw_fd(), error.into_raw_fd(), report.into_raw_fd());
    let report = match high([out, error, report]).and_then(take_places) {
        Ok(()) => REPORT,
        Err(errno) => tell(report, 0, errno),
    };
    enter(prepared, report)
}

/// What a terminal sends to those on it. Whoever began us may have had us ignore some, as shells do with what they begin in the
/// background, but that was said of another terminal.
const FROM_TERMINALS: [libc::c_int; 6] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// The child that gets a terminal: a session of its own, whose terminal that becomes.
fn become_leader(prepared: &Prepared, terminal: RawFd, report: PipeWriter) -> ! {
    let report = report.into_raw_fd();
    // SAFETY: numbers only.
    let led = check(unsafe { libc::setsid() })
        .and_then(|_| high([terminal, terminal, report]))
        // SAFETY: TIOCSCTTY takes nothing but the descriptor.
        .and_then(|moved| check(unsafe { libc::ioctl(moved[0], libc::TIOCSCTTY, 0) }).map(|_| moved))
        // SAFETY: numbers only.
        .and_then(|moved| check(unsafe { libc::dup2(moved[0], libc::STDIN_FILENO) }).map(|_| moved))
        .and_then(take_places);
    for signal in FROM_TERMINALS {
        // SAFETY: a default action is no code of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let report = match led {
        Ok(()) => REPORT,
        Err(errno) => tell(report, 0, errno),
    };
    enter(prepared, report)
}

/// Attaches to the jail, if it is not the host that is meant, and becomes the program.
fn enter(prepared: &Prepared, report: RawFd) -> ! {
    if prepared.jid != 0
        && let Err(errno) = jail::attach(prepared.jid)
    {
        tell(report, 0, errno);
    }
    if let Some(limit) = &prepared.limit {
        let _ = kernel::set_descriptor_limit(limit);
    }
    // SAFETY: a default action is no code of ours. Rust programs ignore SIGPIPE, and that would be inherited.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let mut refusal = Errno::ENOENT;
    for candidate in &prepared.candidates {
        // SAFETY: the string is live, both arrays end with a null pointer and lead to live strings.
        unsafe {
            libc::execve(candidate.as_ptr(), prepared.arguments.array.as_ptr(), prepared.environment.array.as_ptr())
        };
        match last_error() {
            Errno::ENOENT | Errno::ENOTDIR => {}
            // There may be one further on that can be executed, as in execvp(3).
            Errno::EACCES => refusal = Errno::EACCES,
            errno => {
                refusal = errno;
                break;
            }
        }
    }
    tell(report, 1, refusal)
}

/// Moves descriptors out of the way of those that the program is to have.
fn high(descriptors: [RawFd; 3]) -> Result<[RawFd; 3], Errno> {
    let mut moved = descriptors;
    for descriptor in &mut moved {
        // SAFETY: numbers only.
        *descriptor = check(unsafe { libc::fcntl(*descriptor, libc::F_DUPFD_CLOEXEC, 10) })?;
    }
    Ok(moved)
}

/// Puts the three ends where the program and we expect them, and closes everything else.
fn take_places([out, error, report]: [RawFd; 3]) -> Result<(), Errno> {
    // SAFETY: numbers only; nothing in this process owns what is replaced or closed.
    unsafe {
        check(libc::dup2(out, libc::STDOUT_FILENO))?;
        check(libc::dup2(error, libc::STDERR_FILENO))?;
        check(libc::dup2(report, REPORT))?;
        check(libc::fcntl(REPORT, libc::F_SETFD, libc::FD_CLOEXEC))?;
        libc::closefrom(REPORT + 1);
    }
    Ok(())
}

/// Says at which stage what went wrong, and ends the child.
fn tell(report: RawFd, stage: i32, errno: Errno) -> ! {
    let mut words = [0; 8];
    let (first, second) = words.split_at_mut(4);
    first.copy_from_slice(&stage.to_ne_bytes());
    second.copy_from_slice(&errno.raw().to_ne_bytes());
    // SAFETY: `words` is live for its length; _exit(2) runs none of the parent's exit handlers.
    unsafe {
        libc::write(report, words.as_ptr().cast(), words.len());
        libc::_exit(127)
    }
}

/// What the child says before it becomes the program: nothing, if all went well.
fn read_report(mut report: PipeReader) -> Option<ExecuteError> {
    let mut words = [0; 8];
    report.read_exact(&mut words).ok()?;
    let number = |at: usize| words.get(at..at + 4).and_then(|field| field.try_into().ok()).map(i32::from_ne_bytes);
    let errno = number(4).and_then(Errno::from_raw).unwrap_or(Errno::EIO);
    Some(match (number(0), errno) {
        (Some(1), Errno::ENOENT | Errno::ENOTDIR) => ExecuteError::NotFound,
        (Some(1), Errno::EACCES | Errno::ENOEXEC | Errno::EPERM | Errno::EISDIR) => ExecuteError::NotExecutable,
        _ => ExecuteError::Kernel(errno),
    })
}

/// Passes on what comes until the process has ended and nothing more waits.
fn listen(
    (process, descriptor): (libc::pid_t, &OwnedFd),
    out: PipeReader,
    error: PipeReader,
    until: &Until,
    output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<(), Errno> {
    let mut open: Vec<(Stream, PipeReader)> = vec![(Stream::Out, out), (Stream::Error, error)];
    let mut buffer = vec![0; CHUNK];
    let mut ended = false;
    let mut watch = until.watch();
    loop {
        if let Some(demand) = watch.demand(Instant::now()).filter(|_| !ended) {
            let signal = if demand == Demand::End { libc::SIGTERM } else { libc::SIGKILL };
            // SAFETY: numbers only; the process is our child and has not been waited for, so its number is nobody else's.
            check(unsafe { libc::kill(process, signal) })?;
        }
        let mut polled: Vec<RawFd> = open.iter().map(|(_, pipe)| pipe.as_raw_fd()).collect();
        polled.extend((!ended).then(|| descriptor.as_raw_fd()));
        if polled.is_empty() {
            return Ok(());
        }
        let ready = match kernel::poll(&polled, if ended { Some(Duration::ZERO) } else { watch.pause() }) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        if ended && !ready.contains(&true) {
            return Ok(());
        }
        let mut closed = Vec::new();
        for (at, (stream, pipe)) in open.iter_mut().enumerate().filter(|(at, _)| ready.get(*at) == Some(&true)) {
            match pipe.read(&mut buffer) {
                Ok(0) | Err(_) => closed.push(at),
                Ok(length) => output(*stream, buffer.get(..length).unwrap_or_default()),
            }
        }
        // The process descriptor is polled last: what the process wrote is read before its end counts.
        ended = ended || ready.get(open.len()) == Some(&true);
        for at in closed.into_iter().rev() {
            open.remove(at);
        }
    }
}

fn exit_of(status: libc::c_int) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(u8::try_from(libc::WTERMSIG(status)).unwrap_or(u8::MAX))
    } else {
        Exit::Code(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
    }
}
