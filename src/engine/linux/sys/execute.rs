//! Programs in nodes: forked, entered, executed, and listened to until they end.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Rlimit, WaitStatus, pidfd_open};

use super::super::errno::refused;
use super::child::{self, Pointers, REPORT, Report, Streams};
use super::node::Inside;
use super::{call, inside, processes};
use crate::engine::{Demand, Exit, NotRun, Running, Stream, Until};

/// Where programs are looked for when the environment does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Octets of one read of what a program writes.
const CHUNK: usize = 64 * 1024;

/// Where a program is to run.
#[derive(Debug)]
pub(super) struct Where<'w> {
    /// What people call it.
    pub(super) name: String,
    /// The node's network stack and the namespaces of its first process; `None` is the host itself.
    pub(super) node: Option<(&'w File, &'w Inside)>,
    /// The files `cgroup.procs` of its groups.
    pub(super) groups: &'w [OwnedFd],
    /// The limit of descriptors that programs are to have.
    pub(super) limit: Rlimit,
}

/// Starts a program on pipes.
pub(super) fn start(place: &Where<'_>, command: &[String]) -> Result<Piped, NotRun> {
    let failed = |call: &'static str| move |error: io::Error| no(&place.name, call, &error);
    let (out, child_out) = pipe().map_err(failed("pipe"))?;
    let (error, child_error) = pipe().map_err(failed("pipe"))?;
    let program = fork(place, command, Streams::Pipes(child_out.as_raw_fd(), child_error.as_raw_fd()))?;
    Ok(Piped { program, out, error })
}

/// Starts a program as the leader of a session with a terminal.
pub(super) fn start_on(place: &Where<'_>, command: &[String], terminal: BorrowedFd<'_>) -> Result<Program, NotRun> {
    fork(place, command, Streams::Terminal(terminal.as_raw_fd()))
}

/// A program that was started.
#[derive(Debug)]
pub(super) struct Program {
    process: i32,
    descriptor: OwnedFd,
}

impl Running for Program {
    fn ended(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn wait(self: Box<Self>) -> io::Result<Exit> {
        processes::wait(self.process).map(exit)
    }
}

/// A program on pipes.
#[derive(Debug)]
pub(super) struct Piped {
    program: Program,
    out: PipeReader,
    error: PipeReader,
}

impl Piped {
    /// Passes on what it writes until it has ended. A program that it leaves behind may go on writing: nobody listens any more.
    pub(super) fn listen(self, until: &Until, output: &mut dyn FnMut(Stream, &[u8])) -> io::Result<Exit> {
        let Self { program, out, error } = self;
        listen(&program.descriptor, out, error, until, output)?;
        processes::wait(program.process).map(exit)
    }
}

fn no(name: &str, call: &str, error: &io::Error) -> NotRun {
    NotRun::Refused(refused(name, call, call::number(error)))
}

fn fork(place: &Where<'_>, command: &[String], streams: Streams) -> Result<Program, NotRun> {
    let failed = |call: &'static str| move |error: io::Error| no(&place.name, call, &error);
    let candidates = candidates(command).map_err(failed("exec"))?.ok_or(NotRun::NotFound)?;
    let arguments = command.iter().map(|argument| CString::new(argument.as_str())).collect::<Result<Vec<_>, _>>();
    let arguments = arguments.map_err(|error| no(&place.name, "exec", &error.into()))?;
    let groups: Vec<BorrowedFd<'_>> = place.groups.iter().map(AsFd::as_fd).collect();
    let (report, child_report) = pipe().map_err(failed("pipe"))?;
    let to = child_report.as_raw_fd();
    // The thread enters the pid namespace for its children; it ends with that.
    let forked = inside::alone(|| {
        let (arguments, environment) = (Pointers::new(arguments), Pointers::new(environment()));
        let program = child::Program {
            node: place.node.map(|(network, inside)| [network.as_fd(), inside.mounts.as_fd()]),
            groups: &groups,
            candidates: &candidates,
            arguments: &arguments.array,
            environment: &environment.array,
            limit: place.limit,
            streams,
            report: to,
        };
        if let Some((_, inside)) = place.node {
            call::setns(inside.processes.as_fd(), libc::CLONE_NEWPID)?;
        }
        match child::fork()? {
            Some(process) => Ok(process),
            None => child::become_program(&program),
        }
    });
    drop(child_report);
    let process = forked.map_err(failed("fork"))?;
    let pid = Pid::from_raw(process).ok_or_else(|| no(&place.name, "fork", &io::ErrorKind::InvalidData.into()))?;
    let opened = pidfd_open(pid, PidfdFlags::empty());
    let refusal = read_report(report, &place.name);
    if let Some(refusal) = refusal {
        processes::wait(process).map_err(failed("wait"))?;
        return Err(refusal);
    }
    let descriptor = opened.map_err(|error| no(&place.name, "pidfd_open", &error.into()))?;
    Ok(Program { process, descriptor })
}

fn candidates(command: &[String]) -> io::Result<Option<Vec<CString>>> {
    let Some(program) = command.first().filter(|program| !program.is_empty()) else { return Ok(None) };
    if program.contains('/') {
        return Ok(Some(vec![CString::new(program.as_str())?]));
    }
    let path = std::env::var("PATH").unwrap_or_else(|_| PATH.to_owned());
    let places = path.split(':').filter(|place| place.starts_with('/'));
    let found = places.map(|place| CString::new(format!("{place}/{program}"))).collect::<Result<_, _>>()?;
    Ok(Some(found))
}

fn environment() -> Vec<CString> {
    let variable = |(name, value): (OsString, OsString)| {
        let both = [name.into_vec(), value.into_vec()].join(&b'=');
        // The environment of a process has no NUL in it.
        CString::new(both).ok()
    };
    std::env::vars_os().filter_map(variable).collect()
}

/// What the child says before it becomes the program: nothing, if all went well.
fn read_report(mut report: PipeReader, name: &str) -> Option<NotRun> {
    let mut bytes = [0; REPORT];
    report.read_exact(&mut bytes).ok()?;
    Some(match Report::decode(bytes) {
        Some(Report::Program(libc::ENOENT | libc::ENOTDIR)) => NotRun::NotFound,
        Some(Report::Program(libc::EACCES | libc::ENOEXEC | libc::EPERM | libc::EISDIR)) => NotRun::NotExecutable,
        Some(Report::Program(number)) => NotRun::Refused(refused(name, "exec", number)),
        Some(Report::Entry(number)) => NotRun::Refused(refused(name, "setns", number)),
        Some(Report::Born(_) | Report::Ready | Report::Action(..)) | None => {
            NotRun::Refused(refused(name, "exec", libc::EPROTO))
        }
    })
}

/// Passes on what comes until the process has ended and nothing more waits.
fn listen(
    descriptor: &OwnedFd,
    out: PipeReader,
    error: PipeReader,
    until: &Until,
    output: &mut dyn FnMut(Stream, &[u8]),
) -> io::Result<()> {
    let mut open: Vec<(Stream, PipeReader)> = vec![(Stream::Out, out), (Stream::Error, error)];
    let mut buffer = vec![0; CHUNK];
    let mut ended = false;
    let mut watch = until.watch();
    loop {
        match watch.demand(Instant::now()).filter(|_| !ended) {
            Some(Demand::End) => call::signal(descriptor.as_fd(), libc::SIGTERM)?,
            Some(Demand::Die) => call::signal(descriptor.as_fd(), libc::SIGKILL)?,
            None => {}
        }
        let mut polled: Vec<PollFd<'_>> = open.iter().map(|(_, pipe)| PollFd::new(pipe, PollFlags::IN)).collect();
        polled.extend((!ended).then(|| PollFd::new(descriptor, PollFlags::IN)));
        if polled.is_empty() {
            return Ok(());
        }
        let pause = if ended { Some(Duration::ZERO) } else { watch.pause() };
        let pause = pause.and_then(|pause| Timespec::try_from(pause).ok());
        match poll(&mut polled, pause.as_ref()) {
            Err(Errno::INTR) => continue,
            other => drop(other?),
        }
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(polled);
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
        // The descriptor of the process is polled last: what the process wrote is read before its end counts.
        ended = ended || ready.get(open.len()) == Some(&true);
        for at in closed.into_iter().rev() {
            open.remove(at);
        }
    }
}

fn exit(status: WaitStatus) -> Exit {
    let number = |value: Option<i32>| value.and_then(|value| u8::try_from(value).ok());
    match number(status.terminating_signal()) {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(number(status.exit_status()).unwrap_or(u8::MAX)),
    }
}
