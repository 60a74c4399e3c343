//! Files of a node's own: what is kept about them in the lab's directory, and the calls that bring the node's first process there.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::action::Action;
use super::folder;
use crate::graph::linux::Root;
use crate::graph::{Name, Place};
use crate::model::LabName;

/// Devices that act on nothing but themselves.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Names in /dev that lead elsewhere.
const LINKS: [(&CStr, &str); 5] = [
    (c"pts/ptmx", "ptmx"),
    (c"/proc/self/fd", "fd"),
    (c"/proc/self/fd/0", "stdin"),
    (c"/proc/self/fd/1", "stdout"),
    (c"/proc/self/fd/2", "stderr"),
];
/// Where the host's files are, seen from the node's root, until the node has all it needs of them.
const HOST: &str = "/dev/.host";
/// Neither programs with other users' rights nor devices nor programs at all.
const INERT: libc::c_ulong = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

fn records(lab: &LabName) -> PathBuf {
    folder::lab(lab).join("roots")
}

fn record(lab: &LabName, place: &Place) -> Option<PathBuf> {
    match place {
        Place::Node(node) => Some(records(lab).join(node.as_str())),
        Place::Host | Place::Lab => None,
    }
}

/// The files that a node has for its own, if it has any.
pub(super) fn read(lab: &LabName, place: &Place) -> io::Result<Option<Root>> {
    let Some(path) = record(lab, place) else { return Ok(None) };
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(Into::into),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps what a node is to have.
pub(super) fn keep(lab: &LabName, root: &Root) -> io::Result<()> {
    let Some(path) = record(lab, &root.place) else { return Err(io::ErrorKind::InvalidInput.into()) };
    match fs::create_dir(records(lab)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Names of nodes have no dot in them.
    let beside = path.with_added_extension("new");
    fs::write(&beside, serde_json::to_vec(root)?)?;
    fs::rename(beside, path)
}

/// Forgets it.
pub(super) fn forget(lab: &LabName, place: &Place) -> io::Result<()> {
    match record(lab, place).map(fs::remove_file) {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What there is of a lab.
pub(super) fn list(lab: &LabName) -> io::Result<Vec<Root>> {
    let entries = match fs::read_dir(records(lab)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let Some(node) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        found.extend(read(lab, &Place::Node(node))?);
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(found)
}

/// Brings the calling process into a node's root: the directory itself, `/dev` with a few devices, the node's copies, `/proc` and `/sys`,
/// and what /etc/netns/NAME has. All that lies inside is mounted from inside, where no symbolic link leads to the host; and before the
/// host's files go, because whoever is root of a user namespace alone may mount `proc` and `sysfs` only while he sees those of others.
pub(super) fn view(root: &Root, name: &Path) -> io::Result<Vec<Action>> {
    let base = &*root.base;
    let mut actions = vec![
        mount("none", "/", c"none", libc::MS_SLAVE | libc::MS_REC, None)?,
        mount(base, base, c"none", libc::MS_BIND | libc::MS_REC, None)?,
    ];
    if root.read_only {
        actions.push(Action::ReadOnly(CString::new(base)?));
    }
    devices(&format!("{base}/dev"), &mut actions)?;
    actions.push(Action::Pivot { root: CString::new(base)?, old: CString::new(format!("{base}{HOST}"))? });
    for (folder, copy) in &root.private {
        let target = CString::new(format!("/{folder}"))?;
        actions.push(Action::Mount { source: host(copy)?, target, kind: c"none", flags: libc::MS_BIND, data: None });
    }
    actions.push(mount("proc", "/proc", c"proc", INERT, None)?);
    actions.push(mount("sysfs", "/sys", c"sysfs", INERT, None)?);
    for file in super::node::own_files(name)? {
        let (source, over) = (host(&file.from.to_string_lossy().into())?, folder::path(&file.over)?);
        actions.push(Action::Cover { source, target: over });
    }
    actions.push(Action::Unmount(CString::new(HOST)?));
    actions.push(Action::RemoveFolder(CString::new(HOST)?));
    Ok(actions)
}

fn devices(at: &str, actions: &mut Vec<Action>) -> io::Result<()> {
    let (no_devices, no_programs) = (libc::MS_NOSUID, libc::MS_NOEXEC);
    actions.push(mount("tmpfs", at, c"tmpfs", no_devices | no_programs, Some(c"mode=755,size=64m"))?);
    for device in DEVICES {
        let target = format!("{at}/{device}");
        actions.push(Action::MakeFile(CString::new(&*target)?));
        actions.push(mount(&format!("/dev/{device}"), &target, c"none", libc::MS_BIND, None)?);
    }
    let (pts, own) = (format!("{at}/pts"), Some(c"newinstance,ptmxmode=0666,mode=0620"));
    actions.push(Action::MakeFolder(CString::new(&*pts)?, 0o755));
    actions.push(mount("devpts", &pts, c"devpts", no_devices | no_programs, own)?);
    actions.push(Action::MakeFolder(CString::new(format!("{at}/shm"))?, 0o1777));
    for (to, name) in LINKS {
        actions.push(Action::Link { to, at: CString::new(format!("{at}/{name}"))? });
    }
    actions.push(Action::MakeFolder(CString::new(format!("{at}/.host"))?, 0o700));
    Ok(())
}

/// A path of the host, seen from the node's root; without symbolic links, which would be followed there.
fn host(path: &Name) -> io::Result<CString> {
    let path = fs::canonicalize(&**path)?;
    folder::path(&Path::new(HOST).join(path.strip_prefix("/").unwrap_or(&path)))
}

fn mount(
    source: &str,
    target: &str,
    kind: &'static CStr,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> io::Result<Action> {
    let (source, target) = (CString::new(source)?, CString::new(target)?);
    Ok(Action::Mount { source, target, kind, flags, data: data.map(CStr::to_owned) })
}
