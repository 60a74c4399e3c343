//! Numbers given out lowest first, as unr(9) does.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The numbers in use of a range that begins somewhere and ends at [`Units::last`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Units {
    used: BTreeSet<u32>,
    /// No number below it is free.
    lowest: u32,
    last: u32,
}

impl Units {
    pub(super) fn new(first: u32, last: u32) -> Self {
        Self { used: BTreeSet::new(), lowest: first, last }
    }

    /// The lowest free number; `None` when all are in use.
    pub(super) fn take(&mut self) -> Option<u32> {
        let mut unit = self.lowest;
        for used in self.used.range(self.lowest..) {
            if *used != unit {
                break;
            }
            unit = unit.checked_add(1)?;
        }
        if unit > self.last {
            return None;
        }
        self.used.insert(unit);
        self.lowest = unit.saturating_add(1);
        Some(unit)
    }

    /// That number, if it is free.
    pub(super) fn take_this(&mut self, unit: u32) -> bool {
        unit <= self.last && self.used.insert(unit)
    }

    pub(super) fn free(&mut self, unit: u32) {
        if self.used.remove(&unit) {
            self.lowest = self.lowest.min(unit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_given() {
        let mut units = Units::new(0, 4);
        assert!(units.take_this(1));
        assert!(!units.take_this(1));
        assert_eq!([units.take(), units.take(), units.take()], [Some(0), Some(2), Some(3)]);
        units.free(1);
        units.free(7);
        assert_eq!([units.take(), units.take(), units.take()], [Some(1), Some(4), None]);
        assert!(!units.take_this(5));
    }
}
