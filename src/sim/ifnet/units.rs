//! Unit numbers of a cloner.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The units of one cloner that are taken in one vnet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Units {
    taken: BTreeSet<u32>,
    /// No unit below this one is free.
    lowest: u32,
}

impl Units {
    /// The lowest free unit.
    pub fn lowest_free(&mut self) -> u32 {
        while self.taken.contains(&self.lowest) {
            self.lowest += 1;
        }
        self.lowest
    }

    /// The lowest free unit from `from` on.
    #[must_use]
    pub fn free_from(&self, from: u32) -> u32 {
        (from..).find(|unit| !self.taken.contains(unit)).unwrap_or(u32::MAX)
    }

    /// Takes a unit; `false` if it is taken.
    pub fn take(&mut self, unit: u32) -> bool {
        self.taken.insert(unit)
    }

    /// Gives a unit back.
    pub fn release(&mut self, unit: u32) {
        if self.taken.remove(&unit) {
            self.lowest = self.lowest.min(unit);
        }
    }
}
