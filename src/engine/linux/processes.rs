//! Ending what runs in nodes.

use std::time::Duration;

use super::Engineer;
use super::kernel::{Kernel, Process};
use crate::engine::{Ending, EngineError};
use crate::graph::Place;

/// `SIGKILL` and `SIGTERM`, the same on every system.
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// How long the kernel may take to carry out SIGKILL.
const LAST_GRACE: Duration = Duration::from_secs(5);
/// How long to let pass between two looks.
const PAUSE: Duration = Duration::from_millis(5);

impl<K: Kernel> Engineer<'_, K> {
    /// SIGTERM, a while to come to an end, SIGKILL; with the first process of a node the kernel ends what is left in it.
    pub(super) fn end(&mut self, places: &[Place], ending: &Ending) -> Result<(), EngineError> {
        let busy = self.kernel.processes(&self.lab, places)?;
        if busy.is_empty() {
            return Ok(());
        }
        for process in busy.iter().filter(|process| !process.keeper) {
            self.kernel.signal(process, SIGTERM)?;
        }
        let left = self.wait_for(places, ending.grace, |process| process.keeper, &|| ending.reason())?;
        for process in &left {
            self.kernel.signal(process, SIGKILL)?;
        }
        let left = self.wait_for(places, LAST_GRACE, |_| false, &|| Ok(()))?;
        if left.is_empty() {
            return Ok(());
        }
        let name = |process: &Process| format!("{} (pid {}) in {}", process.command, process.process, process.place);
        let list: Vec<String> = left.iter().take(5).map(name).collect();
        let more =
            if left.len() > list.len() { format!(" and {} more", left.len() - list.len()) } else { String::new() };
        let message = format!("processes do not die: {}{more}", list.join(", "));
        Err(EngineError::strange(list.first().cloned().unwrap_or_default(), "kill", message)
            .hint("`cat /proc/PID/stack` shows what a process waits for in the kernel"))
    }

    /// Waits until nothing runs any more but what may stay, or the time is up; what is left, with that. `go_on` says why not to wait.
    fn wait_for(
        &mut self,
        places: &[Place],
        at_most: Duration,
        may_stay: impl Fn(&Process) -> bool,
        go_on: &dyn Fn() -> Result<(), EngineError>,
    ) -> Result<Vec<Process>, EngineError> {
        let until = self.kernel.now().saturating_add(at_most);
        loop {
            let left = self.kernel.processes(&self.lab, places)?;
            if left.iter().all(&may_stay) || self.kernel.now() >= until {
                return Ok(left);
            }
            go_on()?;
            self.kernel.wait(PAUSE);
        }
    }
}
