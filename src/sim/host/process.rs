//! Processes that go on after the call that began them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::abi::Errno;
use crate::sim::clock::Nanos;
use crate::sim::kernel::Kernel;

const SIGKILL: i32 = 9;
/// The highest number of a process (`PID_MAX`).
const PID_MAX: i32 = 99_999;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The jail that it is in.
    pub jid: i32,
    /// Its command line.
    pub command: String,
    /// When it ends by itself.
    pub until: Option<Nanos>,
    /// Signals that it does not mind.
    pub ignores: BTreeSet<i32>,
    /// Not even SIGKILL reaches it: it hangs in the kernel.
    pub stuck: bool,
}

/// Begins a process; its number.
///
/// # Errors
/// `EAGAIN` there are too many.
pub fn spawn(kernel: &mut Kernel, process: Process) -> Result<i32, Errno> {
    let host = &mut kernel.host;
    let after = host.last_pid.saturating_add(1)..=PID_MAX;
    let pid = after.chain(100..=host.last_pid).find(|pid| !host.processes.contains_key(pid)).ok_or(Errno::EAGAIN)?;
    host.last_pid = pid;
    host.processes.insert(pid, process);
    Ok(pid)
}

/// Takes away what has come to its end.
pub fn exited(kernel: &mut Kernel) {
    let now = kernel.clock.now();
    kernel.host.processes.retain(|_, process| process.until.is_none_or(|until| until > now));
}

/// Every process, by number.
pub fn list(kernel: &mut Kernel) -> Vec<(i32, Process)> {
    exited(kernel);
    kernel.host.processes.iter().map(|(pid, process)| (*pid, process.clone())).collect()
}

/// kill(2) of -1 in a jail: everything there and in the jails below.
///
/// # Errors
/// `ESRCH` there is nothing.
pub fn kill_all(kernel: &mut Kernel, jid: i32, signal: i32) -> Result<(), Errno> {
    exited(kernel);
    let jails = &kernel.jails;
    let reached = |process: &Process| process.jid == jid || jails.is_below(process.jid, jid);
    if !kernel.host.processes.values().any(reached) {
        return Err(Errno::ESRCH);
    }
    if signal != 0 {
        let dies = |process: &Process| {
            reached(process) && !process.stuck && (signal == SIGKILL || !process.ignores.contains(&signal))
        };
        kernel.host.processes.retain(|_, process| !dies(process));
    }
    Ok(())
}

/// What jail_remove(2) does to the processes of a jail.
pub fn kill_jail(kernel: &mut Kernel, jid: i32) {
    kernel.host.processes.retain(|_, process| process.jid != jid);
}
