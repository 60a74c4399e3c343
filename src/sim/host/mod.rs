//! What the simulated machine has besides networks and jails: a tree of folders, mounts, devfs rules, limits, processors,
//! processes, ZFS datasets. There are no files: every absolute path is a directory, but below [`OURS`] only what was made is.

mod devfs;
mod files;
mod process;
mod rctl;
mod zfs;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use devfs::ioctl as devfs_ioctl;
pub use files::{is_folder, make_folder, mount, mounts, remove_folder, unmount};
pub use process::{Process, exited, kill_all, kill_jail, list as processes, spawn};
pub use rctl::call as rctl;
pub use zfs::run as zfs;

use super::kernel::Kernel;
use crate::abi::{Errno, cpuset};

/// Where labs keep the roots of their nodes on this machine.
pub const OURS: &str = "/var/db/cellblock/roots";
/// How many processors there are.
pub const PROCESSORS: u16 = 64;

/// What SO_RCVBUF of a netgraph socket is raised to: the most that FreeBSD 15 grants with its default
/// `kern.ipc.maxsockbuf` (`sys/sys/sockbuf.h:65`).
const NETGRAPH_BUFFER: usize = 7_456_540;

/// The machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Host {
    /// Directories that were made.
    folders: BTreeSet<String>,
    /// Mounts, in the order in which they were made.
    mounts: Vec<files::Mount>,
    /// devfs rulesets: encoded rules by number.
    rulesets: BTreeMap<u16, BTreeMap<u16, Vec<u8>>>,
    /// Whether the machine was booted with `kern.racct.enable=1`.
    pub accounting: bool,
    /// Whether netlink(4) is in the kernel.
    pub has_netlink: bool,
    /// Whether the kernel was built with `options VIMAGE`.
    pub has_vimage: bool,
    /// `kern.securelevel`: above 0 no module is loaded any more.
    pub securelevel: i32,
    /// What SO_RCVBUF of netgraph sockets can be raised to, in octets (`kern.ipc.maxsockbuf` less what goes with every buffer).
    pub most_buffer: usize,
    rules: Vec<rctl::Rule>,
    datasets: BTreeMap<String, zfs::Dataset>,
    /// What runs, by number.
    processes: BTreeMap<i32, Process>,
    last_pid: i32,
    /// Processors of jails that do not have all.
    cpusets: BTreeMap<i32, Vec<u16>>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            folders: BTreeSet::new(),
            mounts: Vec::new(),
            rulesets: BTreeMap::new(),
            accounting: true,
            has_netlink: true,
            has_vimage: true,
            securelevel: -1,
            most_buffer: NETGRAPH_BUFFER,
            rules: Vec::new(),
            datasets: BTreeMap::new(),
            processes: BTreeMap::new(),
            last_pid: 1000,
            cpusets: BTreeMap::new(),
        }
    }
}

impl Host {
    /// What outlives a boot: files and datasets.
    #[must_use]
    pub fn after_reboot(self) -> Self {
        Self {
            folders: self.folders,
            datasets: self.datasets,
            accounting: self.accounting,
            has_netlink: self.has_netlink,
            has_vimage: self.has_vimage,
            ..Self::default()
        }
    }

    /// Everything that labs could leave behind, one line each.
    #[must_use]
    pub fn inventory(&self) -> Vec<String> {
        let folders = self.folders.iter().map(|path| format!("folder {path}"));
        let mounts = self.mounts.iter().map(|mount| format!("{mount:?}"));
        let rulesets = self.rulesets.iter().map(|(number, rules)| format!("ruleset {number}: {} rules", rules.len()));
        let rules = self.rules.iter().map(|rule| format!("{rule:?}"));
        let datasets = self.datasets.keys().map(|name| format!("dataset {name}"));
        let processes = self.processes.iter().map(|(pid, process)| format!("process {pid}: {process:?}"));
        folders.chain(mounts).chain(rulesets).chain(rules).chain(datasets).chain(processes).collect()
    }
}

/// cpuset_getaffinity(2) of a jail.
///
/// # Errors
/// `ESRCH` no such jail.
pub fn cpuset_get(kernel: &Kernel, jid: i32) -> Result<Vec<u8>, Errno> {
    kernel.jails.get(jid).ok_or(Errno::ESRCH)?;
    Ok(cpuset::encode(processors(kernel, jid)))
}

/// The processors of a jail: its own, else its parent's.
fn processors(kernel: &Kernel, jid: i32) -> Vec<u16> {
    let mut at = jid;
    loop {
        if let Some(own) = kernel.host.cpusets.get(&at) {
            return own.clone();
        }
        match kernel.jails.get(at) {
            Some(jail) => at = jail.parent,
            None => return (0..PROCESSORS).collect(),
        }
    }
}

/// cpuset_setaffinity(2) of a jail (`sys/kern/kern_cpuset.c`, cpuset_modify).
///
/// # Errors
/// `EDEADLK` an empty set, `ESRCH` no such jail, `EINVAL` not all of them are the parent's.
pub fn cpuset_set(kernel: &mut Kernel, jid: i32, mask: &[u8]) -> Result<(), Errno> {
    let wanted = cpuset::decode(mask);
    if wanted.is_empty() {
        return Err(Errno::EDEADLK);
    }
    let parent = kernel.jails.get(jid).ok_or(Errno::ESRCH)?.parent;
    let above = processors(kernel, parent);
    if !wanted.iter().all(|number| above.contains(number)) {
        return Err(Errno::EINVAL);
    }
    kernel.host.cpusets.insert(jid, wanted);
    Ok(())
}

/// A jail begins to die: its processes are killed.
pub fn jail_dies(kernel: &mut Kernel, jid: i32) {
    kill_jail(kernel, jid);
}

/// A jail is gone. Its limits are not: they are by name.
pub fn jail_gone(kernel: &mut Kernel, jid: i32) {
    kernel.host.cpusets.remove(&jid);
}
