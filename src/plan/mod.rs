//! What must happen for a kernel to hold a lab: steps in order, and the same as changes that a person can read.

pub mod render;

use crate::model::LabName;

/// The way from what a kernel holds to what a model wants. Only this module makes one; an engine runs it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lab.
    pub lab: LabName,
}

/// How many objects a plan adds, changes, replaces and destroys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// `+`
    pub add: usize,
    /// `~`
    pub change: usize,
    /// `-/+`
    pub replace: usize,
    /// `-`
    pub destroy: usize,
}

impl Plan {
    /// What the last line of the text says.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::default()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts() == Counts::default()
    }
}

/// What a kernel was seen to hold of a lab, in the words of the model.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Observed {}
