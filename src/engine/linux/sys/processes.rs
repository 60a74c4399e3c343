//! Processes of nodes: told by their network namespace, or by the pid namespace of a node's first process.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, pidfd_open, pidfd_send_signal, waitpid};

use super::holder;
use super::node::Keeper;
use crate::engine::linux::kernel::Process;
use crate::graph::Place;

/// A line of /proc/PID/stat, as far as we need it.
struct Stat {
    command: String,
    state: char,
    started: u64,
}

/// `pid (command) state …`, the start time is the 22nd field (Documentation/filesystems/proc.rst); a command may have blanks and
/// brackets in it.
fn stat(process: i32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let parsed = || {
        let (before, rest) = text.rsplit_once(')')?;
        let (_, command) = before.split_once('(')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let started = fields.nth(18)?.parse().ok()?;
        Some(Stat { command: command.to_owned(), state, started })
    };
    parsed().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What a process is called, and when it was started, in ticks since the boot.
pub(super) fn name(process: i32) -> io::Result<(String, u64)> {
    stat(process).map(|stat| (stat.command, stat.started))
}

/// When a process was started, in ticks since the boot.
pub(super) fn started(process: i32) -> io::Result<u64> {
    Ok(stat(process)?.started)
}

/// As whom a process acts, by the numbers of our user namespace.
pub(super) fn user(process: i32) -> io::Result<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    // `Uid:` real, effective, saved, of files.
    let effective = || text.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok();
    effective().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether that very process is there and has not ended.
pub(super) fn is_alive(process: i32, started: u64) -> bool {
    stat(process).is_ok_and(|stat| stat.started == started && !matches!(stat.state, 'Z' | 'X'))
}

/// Waits for a child of ours.
pub(super) fn wait(process: i32) -> io::Result<WaitStatus> {
    let pid = Pid::from_raw(process).ok_or(io::ErrorKind::InvalidInput)?;
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(None) => return Err(io::ErrorKind::WouldBlock.into()),
            Ok(Some((_, status))) => return Ok(status),
        }
    }
}

/// Namespaces by the kernel's numbers, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Places {
    networks: BTreeMap<u64, Place>,
    processes: BTreeMap<u64, Place>,
    keepers: Vec<Keeper>,
}

impl Places {
    /// A place by the kernel's number of its network namespace; `keeper` is the first process of a node that has one.
    pub(super) fn add(&mut self, place: &Place, network: u64, keeper: Option<Keeper>) {
        self.networks.insert(network, place.clone());
        if let Some(keeper) = keeper {
            if let Ok(about) = fs::metadata(format!("/proc/{}/ns/pid", keeper.process)) {
                self.processes.insert(about.ino(), place.clone());
            }
            self.keepers.push(keeper);
        }
    }

    /// What runs in them.
    pub(super) fn running(&self) -> io::Result<Vec<Process>> {
        Ok(self.among(&everybody()?))
    }

    /// Which of these processes run in them. A process that ended meanwhile, or a dead one that nobody has waited for, is in no network
    /// namespace; so is the first process of a node that is ending, which the kernel keeps until everything in it is dead and was
    /// waited for.
    pub(super) fn among(&self, processes: &[(i32, u64)]) -> Vec<Process> {
        let mut found: Vec<Process> = Vec::new();
        for (process, network) in processes {
            let by_processes = || {
                let about = fs::metadata(format!("/proc/{process}/ns/pid")).ok()?;
                self.processes.get(&about.ino())
            };
            let place = self.networks.get(network);
            // Most labs have no node in which something runs, and most processes are of no lab.
            let place = if self.processes.is_empty() { place } else { place.or_else(by_processes) };
            let Some((place, stat)) = place.and_then(|place| Some((place, stat(*process).ok()?))) else { continue };
            let keeper = self.keepers.iter().any(|keeper| keeper.process == *process);
            let (command, started) = (stat.command, stat.started);
            found.push(Process { process: *process, started, command, place: place.clone(), keeper });
        }
        found
    }

    /// Whether some node has a first process that has not ended.
    pub(super) fn is_kept(&self) -> bool {
        !self.keepers.is_empty()
    }

    /// Kills everything in them, until nothing is left: one may start another while we look.
    pub(super) fn kill(&self) -> io::Result<()> {
        const ROUNDS: usize = 5000;
        const PAUSE: Duration = Duration::from_millis(1);
        /// A dead process that its own parent has not waited for keeps a first process from its end, and is no harm.
        const PATIENCE: usize = 500;
        let is_ending = |keeper: &Keeper| is_alive(keeper.process, keeper.started);
        let mut ending = 0;
        for _ in 0..ROUNDS {
            let found = self.running()?;
            if found.is_empty() {
                if ending >= PATIENCE || !self.keepers.iter().any(is_ending) {
                    return Ok(());
                }
                ending += 1;
            }
            for process in found {
                signal(&process, Signal::KILL)?;
            }
            thread::sleep(PAUSE);
        }
        Err(io::Error::from_raw_os_error(libc::EBUSY))
    }
}

/// Whether any of these processes is in another network namespace than ours: with none there is nothing to look for.
pub(super) fn is_anybody_elsewhere(processes: &[(i32, u64)]) -> io::Result<bool> {
    let own = fs::metadata("/proc/self/ns/net")?.ino();
    Ok(processes.iter().any(|(_, network)| *network != own))
}

/// Every process but ourselves, and the kernel's number of the network namespace it is in.
pub(super) fn everybody() -> io::Result<Vec<(i32, u64)>> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let network = |process: i32| Some((process, fs::metadata(format!("/proc/{process}/ns/net")).ok()?.ino()));
    Ok(numbers()?.into_iter().filter(|process| *process != own).filter_map(network).collect())
}

/// The number of every process.
pub(super) fn numbers() -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        found.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(found)
}

/// Kills the first process of a node, and waits until it has ended.
pub(super) fn end(keeper: Keeper) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(keeper.process) else { return Ok(()) };
    let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        other => other?,
    };
    // Opened before it is looked at: afterwards the number cannot become another's.
    if is_alive(keeper.process, keeper.started) { holder::kill(descriptor.as_fd()) } else { Ok(()) }
}

/// Sends a signal to that very process: a number may be somebody else's by now. One that is gone needs none.
pub(super) fn signal(process: &Process, signal: Signal) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(process.process) else { return Ok(()) };
    let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        other => other?,
    };
    if !is_alive(process.process, process.started) {
        return Ok(());
    }
    match pidfd_send_signal(&descriptor, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        other => Ok(other?),
    }
}
