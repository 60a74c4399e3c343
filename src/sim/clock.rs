//! Virtual time: nothing happens by itself, everything happens in order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Nanoseconds since the simulated boot.
pub type Nanos = u64;

/// The clock and what is due. Timers of one instant run in the order in which they were set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Clock {
    now: Nanos,
    serial: u64,
    timers: BTreeMap<(Nanos, u64), Timer>,
}

/// A key with which a timer can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimerKey(Nanos, u64);

/// What is to happen, by the subsystem that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {
    /// A netgraph node's.
    Netgraph(super::netgraph::Timer),
    /// A host stack's.
    Stack(super::stack::Timer),
    /// An if_bridge's.
    Bridge(super::bridge::Timer),
}

impl Clock {
    /// After loading: refuses a present so late that time could not go on.
    ///
    /// # Errors
    /// So it is.
    pub fn restore(&self) -> Result<(), &'static str> {
        if self.now > Self::LATEST { Err("a clock that has run out") } else { Ok(()) }
    }

    /// No simulation comes to this: 146 years, half of what the clock can tell.
    const LATEST: Nanos = 1 << 62;

    /// The present.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Asks for `timer` to run `after` nanoseconds from now.
    pub fn set(&mut self, after: Nanos, timer: Timer) -> TimerKey {
        self.serial = self.serial.wrapping_add(1);
        let key = (self.now.saturating_add(after), self.serial);
        self.timers.insert(key, timer);
        TimerKey(key.0, key.1)
    }

    /// Takes a timer back; one that ran already is ignored.
    pub fn cancel(&mut self, key: TimerKey) {
        self.timers.remove(&(key.0, key.1));
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Nanos> {
        self.timers.keys().next().map(|key| key.0)
    }

    /// Moves to the next timer that is due not later than `until` and takes it; without one, moves to `until`.
    pub fn advance(&mut self, until: Nanos) -> Option<Timer> {
        match self.timers.first_entry() {
            Some(first) if first.key().0 <= until => {
                self.now = self.now.max(first.key().0);
                Some(first.remove())
            }
            _ => {
                self.now = self.now.max(until);
                None
            }
        }
    }
}
