//! What tests do that kill commands at random: which commands, and chances that come again in every run, as far as the machine lets them.

use std::time::Duration;

/// How many commands are to be killed: what `CELLBLOCK_TEST_KILLS` says, or else so many.
pub fn kills(usual: usize) -> usize {
    std::env::var("CELLBLOCK_TEST_KILLS").map_or(usual, |number| number.parse().unwrap())
}

/// Chances that come again: splitmix64.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of several.
    pub fn of<T: Copy>(&mut self, choice: &[T]) -> T {
        let number = u64::try_from(choice.len()).unwrap();
        choice[usize::try_from(self.next() % number).unwrap()]
    }

    /// A part of a time.
    pub fn part(&mut self, whole: Duration) -> Duration {
        let parts = u32::try_from(self.next() % 1024).unwrap();
        whole * parts / 1024
    }
}

/// What the lab is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    First,
    Second,
    Nothing,
}

impl Wanted {
    pub fn command(self) -> [&'static str; 2] {
        match self {
            Self::First => ["up", "first.yaml"],
            Self::Second => ["up", "second.yaml"],
            Self::Nothing => ["down", "killed"],
        }
    }
}

/// What a command is, by what was there: each kind takes a time of its own.
pub const KINDS: [&str; 3] = ["up", "an edit", "down"];

pub fn kind(now: Wanted, next: Wanted) -> usize {
    match (now, next) {
        (_, Wanted::Nothing) => 2,
        (Wanted::Nothing, _) => 0,
        _ => 1,
    }
}
