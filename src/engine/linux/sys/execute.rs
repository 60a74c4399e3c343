//! Programs in nodes: with the node's own view of /sys, and of /etc where /etc/netns/NAME has something for it.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use super::super::errno::refused;
use super::{call, inside};
use crate::engine::{Exit, NotRun, Stream};

/// Runs a program to its end.
pub(super) fn run(
    namespace: BorrowedFd<'_>,
    name: &Path,
    command: &[String],
    output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Exit, NotRun> {
    let Some((program, arguments)) = command.split_first() else { return Err(NotRun::NotFound) };
    let node = name.display().to_string();
    let started = inside::alone(|| {
        enter(namespace, name).map_err(|error| (error, true)).map_or_else(
            |failure| Ok(Err(failure)),
            |()| {
                let child = Command::new(program)
                    .args(arguments)
                    .stdin(Stdio::inherit())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn();
                Ok(child.map_err(|error| (error, false)))
            },
        )
    });
    let mut child = match started {
        Ok(Ok(child)) => child,
        Ok(Err((error, false))) => return Err(not_started(&node, &error)),
        Ok(Err((error, true))) | Err(error) => {
            return Err(NotRun::Refused(refused(node, "setns", call::number(&error))));
        }
    };
    let status = listen(&mut child, output);
    status.map(exit).map_err(|error| NotRun::Refused(refused(node, "wait", call::number(&error))))
}

fn not_started(node: &str, error: &io::Error) -> NotRun {
    match error.kind() {
        io::ErrorKind::NotFound => NotRun::NotFound,
        io::ErrorKind::PermissionDenied => NotRun::NotExecutable,
        _ if error.raw_os_error() == Some(libc::ENOEXEC) => NotRun::NotExecutable,
        _ => NotRun::Refused(refused(node, "exec", call::number(error))),
    }
}

/// Puts the calling thread into the node: its stack, and a view of the files that goes with it.
fn enter(namespace: BorrowedFd<'_>, name: &Path) -> io::Result<()> {
    call::setns(namespace, libc::CLONE_NEWNET)?;
    call::unshare(libc::CLONE_NEWNS)?;
    call::mount(c"none", c"/", c"none", libc::MS_SLAVE | libc::MS_REC, None)?;
    // What /sys shows depends on who mounted it.
    match call::unmount(c"/sys", libc::MNT_DETACH) {
        Err(error) if call::number(&error) != libc::EINVAL => return Err(error),
        _ => {}
    }
    call::mount(c"sysfs", c"/sys", c"sysfs", 0, None)?;
    let own = Path::new("/etc/netns").join(name);
    let entries = match fs::read_dir(&own) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let from = entry?.path();
        let Some(file) = from.file_name() else { continue };
        let over = Path::new("/etc").join(file);
        if over.exists() {
            call::mount(&string(&from)?, &string(&over)?, c"none", libc::MS_BIND, None)?;
        }
    }
    Ok(())
}

fn string(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

fn listen(child: &mut Child, output: &mut dyn FnMut(Stream, &[u8])) -> io::Result<ExitStatus> {
    let (out, error) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let (told, heard) = mpsc::channel();
        let other = told.clone();
        scope.spawn(move || pass(out, Stream::Out, &told));
        scope.spawn(move || pass(error, Stream::Error, &other));
        for (stream, bytes) in heard {
            output(stream, &bytes);
        }
    });
    child.wait()
}

fn pass(from: Option<impl Read>, stream: Stream, to: &Sender<(Stream, Vec<u8>)>) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 8192];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(got) => {
                if to.send((stream, buffer[..got].to_vec())).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => Exit::Signal(signal.and_then(|signal| u8::try_from(signal).ok()).unwrap_or(0)),
    }
}

/// Kills every process that is in one of these namespaces: they would keep them alive. Until none is left, because one may start
/// another while we look.
pub(super) fn end_all(namespaces: &[&File]) -> io::Result<()> {
    const ROUNDS: usize = 2000;
    const PAUSE: Duration = Duration::from_millis(1);
    let numbers: BTreeSet<u64> =
        namespaces.iter().map(|file| file.metadata().map(|about| about.ino())).collect::<io::Result<_>>()?;
    for _ in 0..ROUNDS {
        let found = inside_of(&numbers)?;
        if found.is_empty() {
            return Ok(());
        }
        for process in found {
            match call::kill(process, libc::SIGKILL) {
                Err(error) if call::number(&error) != libc::ESRCH => return Err(error),
                _ => {}
            }
        }
        thread::sleep(PAUSE);
    }
    Err(io::Error::from_raw_os_error(libc::EBUSY))
}

fn inside_of(namespaces: &BTreeSet<u64>) -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // A process that ended meanwhile, or a dead one that nobody has waited for, is in no namespace.
        let inside = fs::metadata(entry.path().join("ns/net")).is_ok_and(|about| namespaces.contains(&about.ino()));
        if inside && process != own {
            found.push(process);
        }
    }
    Ok(found)
}
