//! Ending what runs in jails.

use std::collections::BTreeMap;
use std::time::Duration;

use super::FreeBsd;
use super::doors::{Doors, Jid, Process};
use crate::abi::Errno;
use crate::engine::{Ending, EngineError, Until};
use crate::graph::Place;

/// `SIGKILL` and `SIGTERM`, the same on every system.
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// How long the kernel may take to carry out SIGKILL.
const LAST_GRACE: Duration = Duration::from_secs(5);
/// How long to let pass between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What jail(8) runs by default: a fixed text, so that nothing of a file reaches the shell.
const SHUTDOWN: [&str; 3] = ["/bin/sh", "-c", "[ ! -r /etc/rc.shutdown ] || exec /bin/sh /etc/rc.shutdown jail"];

impl<D: Doors> FreeBsd<'_, D> {
    pub(super) fn end(&mut self, places: &[Place], ending: &Ending) -> Result<(), EngineError> {
        let refused = |errno| EngineError::refused("processes", "sysctl kern.proc", errno);
        if self.doors.processes().map_err(refused)?.iter().all(|process| process.jid == 0) {
            return Ok(());
        }
        let mut jails = BTreeMap::new();
        for place in places {
            // A place without a jail has no processes.
            if let Some(jid) = self.find_jail(place)? {
                jails.insert(jid, place.clone());
            }
        }
        let busy = self.running(&jails)?;
        if busy.is_empty() {
            return Ok(());
        }
        let command = SHUTDOWN.map(str::to_owned);
        let stopped_by_rc = |(jid, place): &(&Jid, &Place)| is_busy(&busy, **jid) && ending.own_files.contains(*place);
        for (jid, _) in jails.iter().filter(stopped_by_rc) {
            // It says what went wrong to whoever reads its output; what it leaves is ended below.
            let until = Until::asked(&ending.stop, ending.grace);
            let _ = self.doors.execute(*jid, &command, &until, &mut |_, _| {});
        }
        ending.reason()?;
        self.tell(&jails, SIGTERM)?;
        if self.wait_for(&jails, ending.grace, &|| ending.reason())?.is_empty() {
            return Ok(());
        }
        self.tell(&jails, SIGKILL)?;
        let left = self.wait_for(&jails, LAST_GRACE, &|| Ok(()))?;
        if left.is_empty() {
            return Ok(());
        }
        let name = |process: &Process| {
            let place = jails.get(&Jid(process.jid)).map(ToString::to_string).unwrap_or_default();
            format!("{} (pid {}) in {place}", process.command, process.pid)
        };
        let list: Vec<String> = left.iter().take(5).map(name).collect();
        let more =
            if left.len() > list.len() { format!(" and {} more", left.len() - list.len()) } else { String::new() };
        let message = format!("processes do not die: {}{more}", list.join(", "));
        Err(EngineError::strange(list.first().cloned().unwrap_or_default(), "kill", message)
            .hint("`procstat -kk PID` shows what a process waits for in the kernel"))
    }

    /// Sends a signal to every process of the jails that have any.
    fn tell(&mut self, jails: &BTreeMap<Jid, Place>, signal: i32) -> Result<(), EngineError> {
        let busy = self.running(jails)?;
        for (jid, place) in jails.iter().filter(|(jid, _)| is_busy(&busy, **jid)) {
            let refused = |call: &str, errno| EngineError::refused(format!("processes of {place}"), call, errno);
            let helper = match self.doors.helper_start(*jid) {
                Ok(helper) => helper,
                // The jail went meanwhile, and its processes with it.
                Err(Errno::EINVAL) => continue,
                Err(errno) => return Err(refused("jail_attach", errno)),
            };
            let told = self.doors.helper_kill(helper, signal);
            self.doors.helper_end(helper);
            match told {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(refused("kill", errno)),
            }
        }
        Ok(())
    }

    /// Waits until nothing runs any more, or the time is up; what is left. `go_on` says why not to wait.
    fn wait_for(
        &mut self,
        jails: &BTreeMap<Jid, Place>,
        at_most: Duration,
        go_on: &dyn Fn() -> Result<(), EngineError>,
    ) -> Result<Vec<Process>, EngineError> {
        let until = self.doors.now().saturating_add(at_most);
        loop {
            let left = self.running(jails)?;
            if left.is_empty() || self.doors.now() >= until {
                return Ok(left);
            }
            go_on()?;
            self.doors.wait(PAUSE, &[]);
        }
    }

    fn running(&mut self, jails: &BTreeMap<Jid, Place>) -> Result<Vec<Process>, EngineError> {
        if jails.is_empty() {
            return Ok(Vec::new());
        }
        let mut processes =
            self.doors.processes().map_err(|errno| EngineError::refused("processes", "sysctl kern.proc", errno))?;
        processes.retain(|process| jails.contains_key(&Jid(process.jid)));
        Ok(processes)
    }
}

fn is_busy(processes: &[Process], jid: Jid) -> bool {
    processes.iter().any(|process| process.jid == jid.0)
}
