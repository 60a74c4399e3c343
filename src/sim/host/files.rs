//! Folders and mounts.

use serde::{Deserialize, Serialize};

use super::OURS;
use crate::abi::Errno;
use crate::abi::mount::MNT_RDONLY;
use crate::engine::freebsd::doors::{FileRefusal, MountOption, MountPoint, UNFINISHED};
use crate::sim::kernel::Kernel;

/// Longest path of a mount (`MNAMELEN`, `sys/sys/mount.h`).
const MNAMELEN: usize = 1024;

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    at: String,
    from: String,
    kind: String,
    read_only: bool,
    /// The devfs rules that it was mounted with.
    ruleset: u16,
}

fn refuse(errno: Errno, message: impl Into<String>) -> FileRefusal {
    FileRefusal { errno, message: message.into() }
}

fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is a directory.
#[must_use]
pub fn is_folder(kernel: &Kernel, path: &str) -> bool {
    // One path exists nowhere (hier(7)).
    if !path.starts_with('/') || is_within(path, "/nonexistent") {
        return false;
    }
    // What is mounted somewhere brings everything below with it.
    let mounted = kernel.host.mounts.iter().any(|mount| is_within(path, &mount.at))
        || kernel.host.datasets.values().any(|dataset| dataset.mountpoint().is_some_and(|at| is_within(path, at)));
    mounted || !is_within(path, OURS) || path == OURS || kernel.host.folders.contains(path)
}

/// mkdir(2), or a copy.
///
/// # Errors
/// `EEXIST`, `ENOENT`.
pub fn make_folder(kernel: &mut Kernel, path: &str, copy_of: Option<&str>) -> Result<(), FileRefusal> {
    let (above, _) = path.rsplit_once('/').ok_or_else(|| refuse(Errno::ENOENT, path))?;
    if !is_within(path, OURS) || kernel.host.folders.contains(path) {
        return Err(refuse(Errno::EEXIST, path));
    }
    if !is_folder(kernel, above) {
        return Err(refuse(Errno::ENOENT, above));
    }
    if let Some(from) = copy_of.filter(|from| !is_folder(kernel, from)) {
        return Err(refuse(Errno::ENOENT, from));
    }
    kernel.host.folders.remove(&format!("{path}{UNFINISHED}"));
    kernel.host.folders.insert(path.to_owned());
    Ok(())
}

/// Removes a folder with all inside.
///
/// # Errors
/// `EBUSY` something is mounted there.
pub fn remove_folder(kernel: &mut Kernel, path: &str) -> Result<(), FileRefusal> {
    if let Some(mount) = kernel.host.mounts.iter().find(|mount| is_within(&mount.at, path)) {
        return Err(refuse(Errno::EBUSY, mount.at.clone()));
    }
    kernel.host.folders.remove(&format!("{path}{UNFINISHED}"));
    kernel.host.folders.retain(|folder| !is_within(folder, path));
    Ok(())
}

/// nmount(2) (`sys/kern/vfs_mount.c`).
///
/// # Errors
/// `EINVAL` an option is missing or wrong, `ENODEV` no such file system, `ENOENT` no such directory.
pub fn mount(kernel: &mut Kernel, options: &[MountOption], flags: i32) -> Result<(), FileRefusal> {
    let option = |name: &str| options.iter().find(|option| option.name == name).map(|option| option.value.as_str());
    let (Some(kind), Some(at)) = (option("fstype"), option("fspath")) else {
        return Err(refuse(Errno::EINVAL, "Invalid fstype or fspath"));
    };
    if at.len() >= MNAMELEN {
        return Err(refuse(Errno::ENAMETOOLONG, ""));
    }
    let from = match kind {
        "nullfs" if !kernel.modules.contains("nullfs") => return Err(refuse(Errno::ENODEV, "Invalid fstype: nullfs")),
        "nullfs" => option("from").or(option("target")).ok_or_else(|| refuse(Errno::EINVAL, ""))?,
        "devfs" => "devfs",
        other => return Err(refuse(Errno::ENODEV, format!("Invalid fstype: {other}"))),
    };
    if !is_folder(kernel, at) || kind == "nullfs" && !is_folder(kernel, from) {
        return Err(refuse(Errno::ENOENT, ""));
    }
    let ruleset = match option("ruleset") {
        None => 0,
        Some(text) => text.parse().map_err(|_| refuse(Errno::EINVAL, "invalid ruleset specification"))?,
    };
    if ruleset != 0 {
        // One that does not exist is made, empty (`sys/fs/devfs/devfs_rule.c`, devfs_ruleset_use).
        kernel.host.rulesets.entry(ruleset).or_default();
    }
    let (at, from, kind) = (at.to_owned(), from.to_owned(), kind.to_owned());
    kernel.host.mounts.push(Mount { at, from, kind, read_only: flags & MNT_RDONLY != 0, ruleset });
    Ok(())
}

/// unmount(2): the uppermost one.
///
/// # Errors
/// `EINVAL` nothing is mounted there, `EBUSY` something is mounted below it, or a jail has its root there.
pub fn unmount(kernel: &mut Kernel, path: &str) -> Result<(), Errno> {
    let place = kernel.host.mounts.iter().rposition(|mount| mount.at == path).ok_or(Errno::EINVAL)?;
    let above = &kernel.host.mounts[place + 1..];
    let is_root = kernel.jails.iter().any(|jail| jail.path() == path);
    if is_root || above.iter().any(|mount| is_within(&mount.at, path)) {
        return Err(Errno::EBUSY);
    }
    let gone = kernel.host.mounts.remove(place);
    super::devfs::reap(&mut kernel.host, gone.ruleset);
    Ok(())
}

/// getfsstat(2).
#[must_use]
pub fn mounts(kernel: &Kernel) -> Vec<MountPoint> {
    let point = |mount: &Mount| MountPoint {
        at: mount.at.clone(),
        from: mount.from.clone(),
        kind: mount.kind.clone(),
        read_only: mount.read_only,
    };
    kernel.host.mounts.iter().map(point).collect()
}

impl Mount {
    pub(super) fn ruleset(&self) -> u16 {
        self.ruleset
    }

    pub(super) fn is_below(&self, path: &str) -> bool {
        is_within(&self.at, path)
    }
}
