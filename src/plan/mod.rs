//! What must happen for a kernel to hold a lab: steps in order, and the same as changes that a person can read.

mod build;
mod changes;
mod commands;
mod diff;
mod linux;
mod located;
mod made;
mod narrow;
mod observed;
mod observed_life;
mod observed_linux;
pub mod render;
mod shaped;
mod step;
mod words;

use std::sync::Arc;

use crate::graph::{Graph, Numbering, Owner};
use crate::model::{LabName, NodeName};

pub use build::{build, build_since, default_of};
pub use changes::unknown_first_value;
pub use diff::Attribute;
pub use linux::LinuxStep;
pub use made::{Made, MadeKind, made_inside};
pub use narrow::narrow;
pub use observed::{Observed, ObservedInterface, ObservedJail, ObservedNode, Scope};
pub use observed_life::{LifeScope, ObservedClone, ObservedLife, ObservedLimit, ObservedMount};
pub use observed_linux::{ObservedLink, ObservedNamespace};
pub use step::Step;
pub use words::quoted;

/// The way from what a kernel holds to what a model wants. Only this module makes one; an engine runs it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lab.
    pub lab: LabName,
    /// What becomes of which object, in the order in which it happens; what goes comes last.
    pub changes: Vec<Change>,
    /// What to do, in an order that is safe.
    pub steps: Vec<Planned>,
    /// What a reader should know besides: keys that are not run here, one line each.
    pub notes: Vec<String>,
    /// Hook numbers of switches, to be kept for the next plan.
    pub numbering: Numbering,
    /// What the kernel is to hold.
    pub desired: Arc<Graph>,
    /// What it held.
    pub before: Arc<Graph>,
    /// What programs in nodes made counts as a change to be undone.
    pub strict: bool,
    /// It is about some nodes alone: what else the file says is not done.
    pub partial: bool,
    /// The record of the lab says already all that it would say when this plan was carried out.
    pub is_written_down: bool,
    /// Nodes that are called something else than before, and what.
    pub renames: Vec<(NodeName, NodeName)>,
    /// Nodes that somebody stopped and that do not run when it is done, either.
    pub stopped: Vec<NodeName>,
    /// What programs made inside nodes, where somebody strict asks what has drifted: no step touches it.
    pub made: Vec<Made>,
}

/// A step and when it may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What to do.
    pub step: Step,
    /// Steps of one stage in different places need not wait for each other.
    pub stage: usize,
}

/// What becomes of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub action: Action,
    /// Whose object it is to the author.
    pub owner: Owner,
    /// `jail`, `eiface`, `route`…
    pub kind: &'static str,
    /// What it is called.
    pub name: String,
    /// Of a new one all that we decide, of an old one what differs.
    pub attributes: Vec<Attribute>,
    /// Why.
    pub cause: Cause,
}

/// Why an object is not as it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Something else is wanted than was applied last, or nothing was.
    Edit,
    /// What is wanted was applied, and somebody has changed it since.
    Drift,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// `+`
    Create,
    /// `~`
    Change,
    /// `-/+`
    Replace,
    /// `-`
    Destroy,
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
        let mut counts = Counts::default();
        for change in &self.changes {
            match change.action {
                Action::Create => counts.add += 1,
                Action::Change => counts.change += 1,
                Action::Replace => counts.replace += 1,
                Action::Destroy => counts.destroy += 1,
            }
        }
        counts
    }

    /// Whether there is nothing to do, and nothing to tell of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.steps.is_empty() && self.made.is_empty()
    }
}

#[cfg(test)]
mod tests;
