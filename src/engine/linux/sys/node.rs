//! The first process of a node: made with the first program that runs there, found again by its number and start time, ended with
//! the node. Its pid and mount namespaces are those of every program of the node.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::action::Action;
use super::child::{self, First, REPORT, Report};
use super::{folder, processes, strays};
use crate::graph::Place;
use crate::model::LabName;

/// How often, and after how long at a time, to look again for the end of a first process that is ending.
const ROUNDS: usize = 5000;
const PAUSE: Duration = Duration::from_millis(1);

/// What kept a node's first process from being made: the call, what it was about, the error.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) call: &'static str,
    pub(super) object: String,
    pub(super) error: io::Error,
}

/// A node's first process as its record has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keeper {
    pub(super) process: i32,
    /// When it was started, in ticks since the boot: a number may be somebody else's by now.
    pub(super) started: u64,
}

/// The namespaces of a node that has a first process.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) processes: File,
    pub(super) mounts: File,
}

fn records(lab: &LabName) -> PathBuf {
    folder::lab(lab).join("init")
}

fn record(lab: &LabName, place: &Place) -> Option<PathBuf> {
    match place {
        Place::Node(node) => Some(records(lab).join(node.as_str())),
        Place::Host | Place::Lab => None,
    }
}

/// The first process of a node, if it is alive.
pub(super) fn keeper(lab: &LabName, place: &Place) -> io::Result<Option<Keeper>> {
    let Some(path) = record(lab, place) else { return Ok(None) };
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut numbers = text.split_whitespace();
    let keeper = numbers
        .next()
        .and_then(|process| process.parse().ok())
        .zip(numbers.next().and_then(|started| started.parse().ok()))
        .map(|(process, started)| Keeper { process, started });
    Ok(keeper.filter(|keeper| processes::is_alive(keeper.process, keeper.started)))
}

/// Whether any node of the lab ever had a first process.
pub(super) fn had_keepers(lab: &LabName) -> bool {
    records(lab).exists()
}

/// Ends the first process of a node, and with it all that runs beneath it.
pub(super) fn end(lab: &LabName, place: &Place) -> io::Result<()> {
    if let Some(keeper) = keeper(lab, place)? {
        processes::end(keeper)?;
    }
    forget(lab, place)
}

/// Takes the record of a first process that is gone away.
pub(super) fn forget(lab: &LabName, place: &Place) -> io::Result<()> {
    match record(lab, place).map(fs::remove_file) {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The namespaces of a node's first process, which is made if there is none. The lab is locked by the caller.
pub(super) fn enter(
    lab: &LabName,
    place: &Place,
    network: &File,
    groups: &[OwnedFd],
    actions: impl Fn() -> io::Result<Vec<Action>>,
) -> Result<Inside, Failure> {
    let failed = |call: &'static str| {
        let object = place.to_string();
        move |error| Failure { call, object, error }
    };
    let own = network.metadata().map(|about| about.ino()).map_err(failed("stat"))?;
    // One that is ending has no namespaces any more, and holds its number until everything in it has ended.
    for _ in 0..ROUNDS {
        let keeper = match keeper(lab, place).map_err(failed("read"))? {
            Some(keeper) => keeper,
            None => {
                let actions = actions().map_err(failed("read"))?;
                start(lab, place, network, groups, &actions)?
            }
        };
        if let Some(inside) = open(keeper, own) {
            return Ok(inside);
        }
        thread::sleep(PAUSE);
    }
    let error = io::Error::from_raw_os_error(libc::EBUSY);
    Err(Failure { call: "setns", object: format!("the first process of {place}"), error })
}

/// The namespaces of a first process that is in the node's own network stack. What was opened is its own only if it was still there
/// afterwards.
fn open(keeper: Keeper, network: u64) -> Option<Inside> {
    let open = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", keeper.process)).ok();
    let inside = Inside { processes: open("pid")?, mounts: open("mnt")? };
    let found = fs::metadata(format!("/proc/{}/ns/net", keeper.process)).ok()?;
    (found.ino() == network && processes::is_alive(keeper.process, keeper.started)).then_some(inside)
}

fn start(
    lab: &LabName,
    place: &Place,
    network: &File,
    groups: &[OwnedFd],
    actions: &[Action],
) -> Result<Keeper, Failure> {
    let failed = |call: &'static str| {
        let object = format!("the first process of {place}");
        move |error| Failure { call, object, error }
    };
    let token = folder::mounted(lab).map_err(failed("read"))?.and_then(Result::ok);
    let token = token.ok_or_else(|| failed("open")(io::ErrorKind::NotFound.into()))?;
    let mark = strays::mark(lab, &token).map_err(failed("memfd_create"))?;
    let nothing = File::open("/dev/null").map_err(failed("open"))?;
    let (mut report, child_report) = pipe().map_err(failed("pipe"))?;
    let (child_go, mut go) = pipe().map_err(failed("pipe"))?;
    let groups: Vec<BorrowedFd<'_>> = groups.iter().map(AsFd::as_fd).collect();
    let first = First {
        network: network.as_fd(),
        groups: &groups,
        actions,
        nothing: nothing.as_fd(),
        mark: mark.as_fd(),
        report: child_report.as_raw_fd(),
        go: child_go.as_raw_fd(),
    };
    let Some(between) = child::fork().map_err(failed("fork"))? else { child::bear(&first) };
    drop((child_report, child_go));
    processes::wait(between).map_err(failed("wait"))?;
    let (mut born, mut ready) = (None, false);
    while born.is_none() || !ready {
        let mut bytes = [0; REPORT];
        report.read_exact(&mut bytes).map_err(failed("start"))?;
        match Report::decode(bytes) {
            Some(Report::Born(process)) => born = Some(process),
            Some(Report::Ready) => ready = true,
            Some(Report::Action(at, number)) => {
                let (call, object) = actions.get(at).map_or(("mount", String::new()), Action::describe);
                return Err(Failure { call, object, error: io::Error::from_raw_os_error(number) });
            }
            Some(Report::Entry(number) | Report::Program(number)) => {
                return Err(failed("unshare")(io::Error::from_raw_os_error(number)));
            }
            None => return Err(failed("start")(io::ErrorKind::InvalidData.into())),
        }
    }
    let process = born.unwrap_or_default();
    let started = processes::started(process).map_err(failed("read"))?;
    // It waits until its record is written: what nobody knows of ends with us.
    keep(lab, place, process, started).map_err(failed("write"))?;
    go.write_all(&[1]).map_err(failed("write"))?;
    // It has closed everything that was ours when this ends.
    report.read_to_end(&mut Vec::new()).map_err(failed("start"))?;
    Ok(Keeper { process, started })
}

fn keep(lab: &LabName, place: &Place, process: i32, started: u64) -> io::Result<()> {
    let Some(path) = record(lab, place) else { return Err(io::ErrorKind::InvalidInput.into()) };
    match DirBuilder::new().mode(0o755).create(records(lab)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let beside = path.with_added_extension("new");
    fs::write(&beside, format!("{process} {started}\n"))?;
    fs::rename(beside, path)
}

/// What gives a node on the host's files its own view of them: /proc of its processes, /sys of its network stack, and in /etc what
/// /etc/netns/NAME has for it.
pub(super) fn view(name: &Path) -> io::Result<Vec<Action>> {
    let mut actions = vec![
        mount("none", "/", c"none", libc::MS_SLAVE | libc::MS_REC)?,
        mount("proc", "/proc", c"proc", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC)?,
        // What /sys shows depends on who mounted it.
        Action::Unmount(c"/sys".to_owned()),
        mount("sysfs", "/sys", c"sysfs", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC)?,
    ];
    for file in own_files(name)? {
        actions.push(Action::Cover { source: folder::path(&file.from)?, target: folder::path(&file.over)? });
    }
    Ok(actions)
}

fn mount(source: &str, target: &str, kind: &'static std::ffi::CStr, flags: libc::c_ulong) -> io::Result<Action> {
    let (source, target) = (CString::new(source)?, CString::new(target)?);
    Ok(Action::Mount { source, target, kind, flags, data: None })
}

/// A file that a node has in place of the one that all have.
#[derive(Debug)]
pub(super) struct OwnFile {
    pub(super) from: PathBuf,
    pub(super) over: PathBuf,
}

/// What /etc/netns/NAME has, over the files of the same names in /etc.
pub(super) fn own_files(name: &Path) -> io::Result<Vec<OwnFile>> {
    let own = Path::new("/etc/netns").join(name);
    let entries = match fs::read_dir(&own) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let from = entry?.path();
        let Some(over) = from.file_name().map(|file| Path::new("/etc").join(file)) else { continue };
        files.push(OwnFile { from, over });
    }
    Ok(files)
}
