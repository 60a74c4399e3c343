//! Control groups of nodes: limits and processors, by version 2 where it delegates the controller, else by version 1.
//!
//! What was written for a node stands in a file of the lab's directory, before it is written: what to undo, and what the kernel made of
//! each value, for it rounds some of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{Access, access};

use super::folder;
use crate::engine::linux::kernel::Knob;
use crate::graph::Place;
use crate::model::LabName;

/// Which version a hierarchy is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A group below which ours are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) folder: PathBuf,
    pub(super) version: Version,
}

/// Where groups of a controller can be made on this machine, or why nowhere.
pub(super) fn home(controller: &str) -> Result<Home, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    find(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?, controller)
}

/// The same in words; a place where we may make no group is none.
pub(super) fn answer(controller: &str) -> Result<String, String> {
    let Home { folder, version } = home(controller)?;
    let at = folder.display();
    access(&folder, Access::WRITE_OK).map_err(|error| format!("no group can be made in {at}: {error}"))?;
    let version = if version == Version::Two { 2 } else { 1 };
    Ok(format!("version {version}, groups are made in {at}"))
}

/// The same for these tables of mounts (Documentation/filesystems/proc.rst) and of our own groups (cgroups(7)).
fn find(mounts: &str, own: &str, controller: &str) -> Result<Home, String> {
    // `ID:CONTROLLERS:PATH`, for version 2 without controllers.
    let own_path = |names: &dyn Fn(&str) -> bool| {
        own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            names(controllers).then_some(path)
        })
    };
    let mounted = |kind: &str, option: Option<&str>| {
        mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut about = after.split(' ');
            let (found, options) = (about.next()?, about.nth(1)?);
            let fits = found == kind && option.is_none_or(|option| options.split(',').any(|one| one == option));
            let mut fields = before.split(' ');
            let (root, at) = (fields.nth(3)?, fields.next()?);
            fits.then_some((root, Path::new(at)))
        })
    };
    let below = |(root, at): (&str, &Path), path: &str| {
        let path = path.strip_prefix(root).unwrap_or(path).trim_matches('/');
        if path.is_empty() { at.to_owned() } else { at.join(path) }
    };
    let mut why = "cgroups of version 2 are not mounted".to_owned();
    if let Some((root, at)) = mounted("cgroup2", None) {
        let mut homes = vec![at.to_owned()];
        homes.extend(own_path(&str::is_empty).map(|path| below((root, at), path)));
        for folder in homes {
            let delegated = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
            if delegated.split_whitespace().any(|name| name == controller) {
                return Ok(Home { folder, version: Version::Two });
            }
        }
        why = format!("`{}` delegates no `{controller}` (cgroup.subtree_control)", at.display());
    }
    let Some(found) = mounted("cgroup", Some(controller)) else {
        return Err(format!("{why}, and there is no `{controller}` of version 1"));
    };
    let path = own_path(&|names| names.split(',').any(|name| name == controller)).unwrap_or("/");
    Ok(Home { folder: below(found, path), version: Version::One })
}

/// The controller of a knob.
pub(super) fn controller(knob: &Knob) -> &'static str {
    match knob {
        Knob::Memory(_) | Knob::Swap(_) => "memory",
        Knob::Processes(_) => "pids",
        Knob::Share(_) => "cpu",
        Knob::Processors(_) => "cpuset",
    }
}

/// The file of a knob in a group, its value, and what takes the limit away; `None` if that version has none.
fn setting(knob: &Knob, version: Version) -> Option<(&'static str, String, &'static str)> {
    Some(match (knob, version) {
        (Knob::Memory(bytes), Version::Two) => ("memory.max", bytes.to_string(), "max"),
        (Knob::Memory(bytes), Version::One) => ("memory.limit_in_bytes", bytes.to_string(), "-1"),
        (Knob::Swap(bytes), Version::Two) => ("memory.swap.max", bytes.to_string(), "max"),
        (Knob::Swap(_), Version::One) => return None,
        // The node's first process, which is ours, does not count.
        (Knob::Processes(number), _) => ("pids.max", number.saturating_add(1).to_string(), "max"),
        // Of one processor, in each tenth of a second.
        (Knob::Share(percent), Version::Two) => {
            ("cpu.max", format!("{} 100000", percent.saturating_mul(1000)), "max 100000")
        }
        (Knob::Share(percent), Version::One) => ("cpu.cfs_quota_us", percent.saturating_mul(1000).to_string(), "-1"),
        (Knob::Processors(set), _) => ("cpuset.cpus", set.to_string(), ""),
    })
}

/// In the place of what was read: the knob is as if it had never been set, and processes are in its group.
const TAKEN_BACK: &str = "-";

/// One knob that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    knob: Knob,
    folder: PathBuf,
    version: Version,
    /// What the kernel made of it; empty until that is known, [`TAKEN_BACK`] when only its group is left.
    read: String,
}

impl Set {
    fn line(&self) -> String {
        let version = if self.version == Version::Two { 2 } else { 1 };
        format!("{}\t{version}\t{}\t{}\n", self.knob, self.folder.display(), self.read)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(4, '\t');
        let knob = fields.next()?.parse().ok()?;
        let version = if fields.next()? == "2" { Version::Two } else { Version::One };
        Some(Self { knob, version, folder: fields.next()?.into(), read: fields.next()?.to_owned() })
    }

    /// The knob as it is now: as it was set if nobody changed it.
    fn now(&self) -> Option<Knob> {
        if self.read == TAKEN_BACK {
            return None;
        }
        let (file, ..) = setting(&self.knob, self.version)?;
        let value = fs::read_to_string(self.folder.join(file)).ok()?;
        let value = value.trim();
        if value == self.read {
            return Some(self.knob.clone());
        }
        let number = || value.split_whitespace().next()?.parse::<u64>().ok();
        Some(match &self.knob {
            Knob::Memory(_) => Knob::Memory(number()?),
            Knob::Swap(_) => Knob::Swap(number()?),
            Knob::Processes(_) => Knob::Processes(number()?.saturating_sub(1)),
            Knob::Share(_) => Knob::Share(number()? / 1000),
            Knob::Processors(_) => Knob::Processors(value.parse().ok()?),
        })
    }
}

fn records(lab: &LabName) -> PathBuf {
    folder::lab(lab).join("groups")
}

fn record(lab: &LabName, place: &Place) -> Option<PathBuf> {
    match place {
        Place::Node(node) => Some(records(lab).join(node.as_str())),
        Place::Host | Place::Lab => None,
    }
}

fn read(lab: &LabName, place: &Place) -> io::Result<Vec<Set>> {
    let Some(path) = record(lab, place) else { return Ok(Vec::new()) };
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(Set::parse).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn write(lab: &LabName, place: &Place, sets: &[Set]) -> io::Result<()> {
    let Some(path) = record(lab, place) else { return Err(io::ErrorKind::InvalidInput.into()) };
    match fs::create_dir(records(lab)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let beside = path.with_added_extension("new");
    fs::write(&beside, sets.iter().map(Set::line).collect::<String>())?;
    fs::rename(beside, path)
}

/// Sets a knob of a node, whose processes are these.
pub(super) fn set(lab: &LabName, place: &Place, home: &Home, knob: &Knob, processes: &[i32]) -> io::Result<()> {
    let folder = home.folder.join(format!("cellblock.{lab}.{place}"));
    let mut sets = read(lab, place)?;
    sets.retain(|set| !set.knob.is_same_kind(knob));
    sets.push(Set { knob: knob.clone(), folder: folder.clone(), version: home.version, read: String::new() });
    write(lab, place, &sets)?;
    match fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let now = turn(&folder, home, knob)?;
    for process in processes {
        match fs::write(folder.join("cgroup.procs"), process.to_string()) {
            // It ended meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            other => other?,
        }
    }
    if let Some(last) = sets.last_mut() {
        last.read = now;
    }
    write(lab, place, &sets)
}

/// Writes a knob into a group; what the kernel made of it.
fn turn(folder: &Path, home: &Home, knob: &Knob) -> io::Result<String> {
    let (file, value, _) = setting(knob, home.version).ok_or(io::ErrorKind::Unsupported)?;
    if matches!(knob, Knob::Processors(_)) && home.version == Version::One {
        // Without memory nothing can be moved into the group.
        inherit(&home.folder, folder, "cpuset.mems")?;
    }
    fs::write(folder.join(file), value)?;
    Ok(fs::read_to_string(folder.join(file))?.trim().to_owned())
}

fn inherit(from: &Path, to: &Path, file: &str) -> io::Result<()> {
    fs::write(to.join(file), fs::read_to_string(from.join(file))?.trim())
}

/// Takes a limit away, if it was set.
pub(super) fn unset(lab: &LabName, place: &Place, knob: &Knob) -> io::Result<()> {
    let mut sets = read(lab, place)?;
    let Some(at) = sets.iter().position(|set| set.knob.is_same_kind(knob)) else { return Ok(()) };
    let set = sets.swap_remove(at);
    let settled = setting(&set.knob, set.version).map(|(file, _, none)| match (&set.knob, set.version) {
        (Knob::Processors(_), Version::One) => {
            inherit(set.folder.parent().unwrap_or(&set.folder), &set.folder, "cpuset.cpus")
        }
        // An empty write is none.
        _ if none.is_empty() => fs::write(set.folder.join(file), "\n"),
        _ => fs::write(set.folder.join(file), none),
    });
    match settled {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Its group stays until the node goes: processes may be in it.
    let folder = set.folder.clone();
    let held = sets.iter().any(|other| other.folder == folder);
    if !held && !remove(&folder)? {
        return write(lab, place, &[sets, vec![Set { read: TAKEN_BACK.to_owned(), ..set }]].concat());
    }
    write(lab, place, &sets)
}

/// What is set for each node of a lab.
pub(super) fn list(lab: &LabName) -> io::Result<BTreeMap<Place, Vec<Knob>>> {
    let entries = match fs::read_dir(records(lab)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other?,
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let Some(node) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let place = Place::Node(node);
        let knobs = read(lab, &place)?.iter().filter_map(Set::now).collect();
        found.insert(place, knobs);
    }
    Ok(found)
}

/// The files through which processes come into the groups of a node.
pub(super) fn doors(lab: &LabName, place: &Place) -> io::Result<Vec<OwnedFd>> {
    let folders: BTreeSet<PathBuf> = read(lab, place)?.into_iter().map(|set| set.folder).collect();
    let open = |folder: PathBuf| File::options().write(true).open(folder.join("cgroup.procs")).map(OwnedFd::from);
    folders.into_iter().map(open).collect()
}

/// Removes the groups of a node in which nothing runs any more.
pub(super) fn forget(lab: &LabName, place: &Place) -> io::Result<()> {
    const ROUNDS: usize = 2000;
    const PAUSE: Duration = Duration::from_millis(1);
    let folders: BTreeSet<PathBuf> = read(lab, place)?.into_iter().map(|set| set.folder).collect();
    for folder in folders {
        // A process that has just been killed is in its group for a moment.
        let mut rounds = 0;
        while !remove(&folder)? {
            rounds += 1;
            if rounds > ROUNDS {
                return Err(io::Error::from_raw_os_error(libc::EBUSY));
            }
            thread::sleep(PAUSE);
        }
    }
    match record(lab, place).map(fs::remove_file) {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a group; `false` if something is in it.
fn remove(folder: &Path) -> io::Result<bool> {
    match fs::remove_dir(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a hierarchy: the files are there before anything is written.
    fn hierarchy(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            fs::write(dir.path().join(file), text).unwrap();
        }
        dir
    }

    #[test]
    fn version_two_is_taken_where_it_delegates_and_else_version_one() {
        let two = hierarchy(&[("cgroup.subtree_control", "cpu pids\n")]);
        let (at, none) = (two.path().display(), "");
        let mounts = format!(
            "30 24 0:26 / {at} rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n\
             31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             32 24 0:28 /docker/x /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        );
        let own = "9:memory:/a/b\n8:cpu,cpuacct:/docker/x/y\n0::/user.slice\n";
        let found = find(&mounts, own, "pids").unwrap();
        assert_eq!(found, Home { folder: two.path().to_owned(), version: Version::Two });
        let found = find(&mounts, own, "memory").unwrap();
        assert_eq!(found, Home { folder: "/sys/fs/cgroup/memory/a/b".into(), version: Version::One });
        let why = find(&mounts, own, "cpuset").unwrap_err();
        assert!(why.contains("delegates no `cpuset`") && why.contains("version 1"), "{why}");
        assert!(find(none, none, "pids").unwrap_err().contains("not mounted"));
        // What is shown of a hierarchy may begin below its root.
        let bare = mounts.replace(&at.to_string(), "/nowhere");
        let own_root = "9:memory:/\n";
        assert_eq!(find(&bare, own_root, "memory").unwrap().folder.to_str(), Some("/sys/fs/cgroup/memory"));
        let found = find(&bare, own, "cpu").unwrap();
        assert_eq!(found, Home { folder: "/cg/cpu,cpuacct/y".into(), version: Version::One });
    }

    #[test]
    fn knobs_are_written_as_each_version_has_them() {
        let cases: [(Knob, Version, &str, &str); 7] = [
            (Knob::Memory(1 << 26), Version::Two, "memory.max", "67108864"),
            (Knob::Memory(1 << 26), Version::One, "memory.limit_in_bytes", "67108864"),
            (Knob::Swap(4096), Version::Two, "memory.swap.max", "4096"),
            (Knob::Processes(20), Version::Two, "pids.max", "21"),
            (Knob::Share(50), Version::Two, "cpu.max", "50000 100000"),
            (Knob::Share(150), Version::One, "cpu.cfs_quota_us", "150000"),
            (Knob::Processors("0-1".parse().unwrap()), Version::One, "cpuset.cpus", "0-1"),
        ];
        for (knob, version, file, value) in cases {
            let dir = hierarchy(&[("cpuset.mems", "0\n")]);
            let home = Home { folder: dir.path().to_owned(), version };
            let folder = dir.path().join("cellblock.lab.a");
            fs::create_dir(&folder).unwrap();
            assert_eq!(turn(&folder, &home, &knob).unwrap(), value);
            assert_eq!(fs::read_to_string(folder.join(file)).unwrap(), value);
            let set = Set { knob: knob.clone(), folder: folder.clone(), version, read: value.to_owned() };
            assert_eq!(Set::parse(set.line().trim_end_matches('\n')), Some(set.clone()));
            assert_eq!(set.now(), Some(knob.clone()));
            // The kernel rounded: what was wanted counts. Somebody changed it: what is there counts.
            fs::write(folder.join(file), "3\n").unwrap();
            assert_eq!(Set { read: "3".to_owned(), ..set.clone() }.now(), Some(knob.clone()));
            assert_ne!(set.now(), Some(knob));
        }
        let home = Home { folder: "/nowhere".into(), version: Version::One };
        let refused = turn(Path::new("/nowhere"), &home, &Knob::Swap(1)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
    }
}
