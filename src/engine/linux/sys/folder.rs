//! The directory of a lab: a small file system whose source names the token, with a mount for each namespace, and the names below
//! /run/netns that other tools know them by.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use super::call;
use crate::engine::jail_name;
use crate::graph::Place;
use crate::model::LabName;

/// Where the labs are.
pub(super) const LABS: &str = "/run/cellblock";
/// Where ip(8) and others look for namespaces.
pub(super) const NAMES: &str = "/run/netns";
/// What the source of our file systems begins with.
const SOURCE: &str = "cellblock:";
/// A file in a lab's directory that says that we made [`NAMES`].
const MADE_NAMES: &str = "made-netns";
/// Where a namespace is mounted whose end is watched.
const AWAITED: &str = "awaited";

/// A path for the kernel.
pub(super) fn path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

pub(super) fn lab(lab: &LabName) -> PathBuf {
    Path::new(LABS).join(lab.as_str())
}

/// Where a namespace is mounted; the host's own is nowhere.
pub(super) fn of(lab: &LabName, place: &Place) -> PathBuf {
    let folder = self::lab(lab);
    match place {
        Place::Host => PathBuf::from("/proc/thread-self/ns/net"),
        Place::Lab => folder.join("lab"),
        Place::Node(node) => folder.join("ns").join(node.as_str()),
    }
}

/// The name by which other tools know a namespace.
pub(super) fn name(lab: &LabName, place: &Place) -> Option<PathBuf> {
    let names = Path::new(NAMES);
    match place {
        Place::Host => None,
        Place::Lab => Some(names.join(lab.as_str())),
        Place::Node(node) => Some(names.join(format!("{lab}.{node}"))),
    }
}

/// Keeps others from starting programs in a lab, and from taking it away, until this is let go. `None` if there is no lab.
pub(super) fn lock(lab: &LabName) -> io::Result<Option<Locked>> {
    match File::open(self::lab(lab)) {
        Ok(folder) => folder.lock().map(|()| Some(Locked(folder))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A lab's directory, locked. A child that was forked meanwhile has the same lock: it is given back, not only closed.
#[derive(Debug)]
pub(super) struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // What cannot be unlocked is unlocked when the last of us closes it.
        let _ = self.0.unlock();
    }
}

/// Every name that a lab has here.
pub(super) fn labs() -> io::Result<Vec<LabName>> {
    let entries = match fs::read_dir(LABS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found: Vec<LabName> = Vec::new();
    for entry in entries {
        found.extend(entry?.file_name().to_str().and_then(|name| name.parse().ok()));
    }
    found.sort();
    Ok(found)
}

/// Whether a file system is on some lab's directory here.
pub(super) fn has_labs() -> bool {
    let (Ok(about), Ok(entries)) = (fs::metadata(LABS), fs::read_dir(LABS)) else { return false };
    let device = about.dev();
    entries.flatten().any(|entry| fs::metadata(entry.path()).is_ok_and(|about| about.is_dir() && about.dev() != device))
}

/// Whether something of a lab of that name is here, or was and was not all taken away.
pub(super) fn was_here(lab: &LabName) -> bool {
    let name = name(lab, &Place::Lab).unwrap_or_default();
    self::lab(lab).exists() || fs::symlink_metadata(name).is_ok()
}

/// What is mounted on the lab's directory: the token, or what somebody else mounted there.
pub(super) fn mounted(lab: &LabName) -> io::Result<Option<Result<String, String>>> {
    let source = source_of(&self::lab(lab))?;
    Ok(source.map(|source| source.strip_prefix(SOURCE).map(str::to_owned).ok_or(source)))
}

/// The file system that is on a lab's directory now, if there is such a directory: as long as it is open the kernel gives its number to
/// no other.
pub(super) fn file_system(lab: &LabName) -> io::Result<Option<FileSystem>> {
    match File::open(self::lab(lab)) {
        Ok(folder) => Ok(Some(FileSystem { device: folder.metadata()?.dev(), _open: folder })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file system that is held.
#[derive(Debug)]
pub(super) struct FileSystem {
    device: u64,
    _open: File,
}

impl FileSystem {
    /// Whether it is still what is on the lab's directory.
    pub(super) fn is_on(&self, lab: &LabName) -> bool {
        fs::metadata(self::lab(lab)).is_ok_and(|about| about.dev() == self.device)
    }
}

/// What is mounted on a directory, in the words of who mounted it; the last one is on top.
pub(super) fn source_of(folder: &Path) -> io::Result<Option<String>> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo")?;
    let sources = mounts(&table).filter(|(at, _)| Path::new(at) == folder).map(|(_, source)| source.to_owned());
    Ok(sources.last())
}

/// Whether a table of mounts has the file system of the lab with that token.
pub(super) fn bears(table: &str, token: &str) -> bool {
    mounts(table).any(|(_, source)| source.strip_prefix(SOURCE) == Some(token))
}

/// The labs whose file systems a table of mounts has, with their tokens.
pub(super) fn labs_of(table: &str) -> Vec<(LabName, String)> {
    let lab = |at: &str| Path::new(at).strip_prefix(LABS).ok()?.to_str()?.parse::<LabName>().ok();
    mounts(table).filter_map(|(at, source)| Some((lab(at)?, source.strip_prefix(SOURCE)?.to_owned()))).collect()
}

/// Where each mount is and what its source is: `36 35 98:0 /root /mount/point options [tags] - type source options`
/// (Documentation/filesystems/proc.rst).
fn mounts(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().filter_map(|line| {
        let at = line.split(' ').nth(4)?;
        let source = line.split(" - ").nth(1)?.split(' ').nth(1)?;
        Some((at, source))
    })
}

/// Makes the lab's directory. The token comes with the mount, so there is no moment in which it is nobody's.
pub(super) fn begin(lab: &LabName, token: &str) -> io::Result<()> {
    let folder = self::lab(lab);
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&folder)?;
    let (source, kind) = (CString::new(format!("{SOURCE}{token}"))?, c"tmpfs");
    let at = path(&folder)?;
    call::mount(&source, &at, kind, libc::MS_NOSUID | libc::MS_NOEXEC, Some(c"mode=755,nr_inodes=0"))?;
    // The mounts of namespaces are not to be copied into every mount namespace of the machine.
    call::mount(c"none", &at, c"none", libc::MS_PRIVATE, None)?;
    fs::create_dir(folder.join("ns"))?;
    if Path::new(NAMES).exists() {
        return Ok(());
    }
    // Written down first: who dies in between has not made a directory that nobody takes away.
    let mark = folder.join(MADE_NAMES);
    fs::write(&mark, [])?;
    match fs::create_dir(NAMES) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(mark),
        other => other,
    }
}

/// Keeps the calling thread's network namespace under its names.
pub(super) fn keep(lab: &LabName, place: &Place, namespace: BorrowedFd<'_>) -> io::Result<()> {
    let at = of(lab, place);
    if let Some(name) = name(lab, place) {
        match symlink(&at, &name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && leads_to(&name, &at) => {}
            other => other?,
        }
    }
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o444).open(&at)?;
    let own = CString::new(format!("/proc/self/fd/{}", namespace.as_raw_fd()))?;
    call::mount(&own, &path(&at)?, c"none", libc::MS_BIND, None)
}

/// Has a namespace go with the lab, in the same breath as the lab's own; where it is kept until then, if there is such a lab.
pub(super) fn add(lab: &LabName, namespace: BorrowedFd<'_>) -> io::Result<Option<PathBuf>> {
    let at = self::lab(lab).join(AWAITED);
    if fs::metadata(self::lab(lab).join("ns")).is_err() {
        return Ok(None);
    }
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o444).open(&at)?;
    let own = CString::new(format!("/proc/self/fd/{}", namespace.as_raw_fd()))?;
    call::mount(&own, &path(&at)?, c"none", libc::MS_BIND, None)?;
    Ok(Some(at))
}

/// Takes it away again, if the lab has stayed.
pub(super) fn take_back(at: &Path) {
    // It is gone, or goes with the lab.
    let _ = path(at).and_then(|path| call::unmount(&path, libc::MNT_DETACH));
    let _ = fs::remove_file(at);
}

/// The names of namespaces that are there and lead to something else than those namespaces of ours.
pub(super) fn taken(lab: &LabName, places: &[Place]) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for place in places {
        let Some(name) = name(lab, place) else { continue };
        match fs::symlink_metadata(&name) {
            Ok(_) if leads_to(&name, &of(lab, place)) => {}
            Ok(_) => found.extend(jail_name(lab.as_str(), place)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn leads_to(name: &Path, at: &Path) -> bool {
    fs::read_link(name).is_ok_and(|target| target == at)
}

/// Takes one namespace's mount and name away.
pub(super) fn drop_one(lab: &LabName, place: &Place) -> io::Result<()> {
    let at = of(lab, place);
    if let Some(name) = name(lab, place).filter(|name| leads_to(name, &at)) {
        gone(fs::remove_file(name))?;
    }
    match call::unmount(&path(&at)?, libc::MNT_DETACH) {
        // Not mounted, or not there.
        Err(error) if [libc::EINVAL, libc::ENOENT].contains(&call::number(&error)) => {}
        other => other?,
    }
    gone(fs::remove_file(at))
}

/// Takes the whole directory away with every mount in it, and every name that leads there.
pub(super) fn end(lab: &LabName) -> io::Result<()> {
    let folder = self::lab(lab);
    drop_names(&folder)?;
    // As long as the mount is there, the next one knows what is still to be done.
    if folder.join(MADE_NAMES).exists() {
        match fs::remove_dir(NAMES) {
            // Others have names there; ip(8) mounts something on it for its own.
            Err(error) if [libc::ENOTEMPTY, libc::EEXIST, libc::EBUSY].contains(&call::number(&error)) => pass_on(lab)?,
            other => gone(other)?,
        }
    }
    call::unmount(&path(&folder)?, libc::MNT_DETACH)?;
    drop_folder(&folder)
}

/// Takes away what is left of a directory in which no namespace is any more, or was yet: who made it, or was taking it away, died.
pub(super) fn sweep(lab: &LabName, token: &str) -> io::Result<()> {
    let folder = self::lab(lab);
    match mounted(lab)? {
        None if folder.exists() => {
            drop_names(&folder)?;
            drop_folder(&folder)
        }
        Some(Ok(found)) if found == token && list(lab)?.is_empty() => end(lab),
        _ => Ok(()),
    }
}

/// Takes away the names that lead into a lab's directory.
fn drop_names(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(NAMES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let name = entry?.path();
        if fs::read_link(&name).is_ok_and(|target| target.starts_with(folder)) {
            gone(fs::remove_file(name))?;
        }
    }
    Ok(())
}

fn drop_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir(folder) {
        // What somebody put there beneath our mount stays theirs, and the directory with it.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
        other => gone(other)?,
    }
    // Other labs keep it.
    let _ = fs::remove_dir(LABS);
    Ok(())
}

/// Another lab has names in the directory that this one made: the last of them takes it away.
fn pass_on(lab: &LabName) -> io::Result<()> {
    for other in labs()?.iter().filter(|other| *other != lab) {
        if let Some(Ok(_)) = mounted(other)? {
            return fs::write(self::lab(other).join(MADE_NAMES), []);
        }
    }
    Ok(())
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A namespace, if one is mounted there.
pub(super) fn open(at: &Path) -> io::Result<Option<File>> {
    let file = match File::open(at) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(call::is_namespace(file.as_fd())?.then_some(file))
}

/// The namespaces of a lab and the kernel's numbers for them.
pub(super) fn list(lab: &LabName) -> io::Result<BTreeMap<Place, u64>> {
    numbers(lab, &places(lab)?)
}

/// The kernel's numbers for the namespaces of these places, where there are any. All namespaces are in one file system of the kernel's.
pub(super) fn numbers(lab: &LabName, places: &[Place]) -> io::Result<BTreeMap<Place, u64>> {
    let device = fs::metadata("/proc/thread-self/ns/net")?.dev();
    let mut found = BTreeMap::new();
    for place in places {
        match fs::metadata(of(lab, place)) {
            Ok(about) if about.dev() == device => drop(found.insert(place.clone(), about.ino())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Where the namespaces of a lab are mounted, or were.
pub(super) fn places(lab: &LabName) -> io::Result<Vec<Place>> {
    let mut found = vec![Place::Lab];
    let entries = match fs::read_dir(self::lab(lab).join("ns")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        other => other?,
    };
    for entry in entries {
        found.extend(entry?.file_name().to_str().and_then(|name| name.parse().ok()).map(Place::Node));
    }
    Ok(found)
}
