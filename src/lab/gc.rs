//! What is left of labs that nobody has any more: proven ours, explained, removed when asked.

use std::sync::Arc;

use serde::Serialize;

use super::error::{LabError, LabErrorKind};
use super::known::Known;
use super::labs::Labs;
use super::types::{ApplyOptions, Progress};
use super::words;
use crate::engine::{Bounds, Phase, run_forward};
use crate::graph::Graph;
use crate::model::LabName;
use crate::plan;

/// Something that is left of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stray {
    /// The lab's name.
    pub lab: LabName,
    /// What it is.
    pub kind: StrayKind,
    /// Why it is ours, and why nobody has it.
    pub why: String,
    /// What would be removed, one object each.
    pub objects: Vec<String>,
    /// What proves that the kernel's objects are ours.
    #[serde(skip)]
    token: Option<String>,
    /// Processes are all that is seen of it.
    #[serde(skip)]
    is_kept: bool,
}

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StrayKind {
    /// A record or journal that cannot be read: it is told and never touched.
    Unreadable,
    /// A record of another boot: only files can be left of the lab.
    Boot,
    /// The journal of a lab that was being made or removed and is neither.
    Unfinished,
    /// A lab that the kernel holds and no record here knows.
    Unknown,
}

impl Labs<'_> {
    /// Finds what is left of labs that nobody has any more.
    ///
    /// # Errors
    /// As [`super::Site::strays`].
    pub fn strays(&mut self) -> Result<Vec<Stray>, LabError> {
        let mut found = Vec::new();
        let mut ours: Vec<(LabName, String)> = Vec::new();
        let boot = self.backend.boot_identity();
        for lab in self.records.labs()? {
            let record = match self.records.read(&lab) {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                Err(error) => {
                    let why = format!("{error}; nothing is removed because of it");
                    found.push(Stray {
                        lab,
                        kind: StrayKind::Unreadable,
                        why,
                        objects: Vec::new(),
                        token: None,
                        is_kept: false,
                    });
                    continue;
                }
            };
            if record.engine != self.engine {
                continue;
            }
            let stray = match record.phase {
                _ if record.boot != boot => {
                    Some((StrayKind::Boot, "its record is of another boot: of it only files can be left".to_owned()))
                }
                Phase::Up => None,
                Phase::Applying | Phase::Removing => self.unfinished(&lab)?,
            };
            ours.push((lab.clone(), record.token));
            if let Some((kind, why)) = stray {
                // One that cannot be seen must not hide the others.
                let objects = match self.plan_down(&lab) {
                    Ok(plan) => plan.changes.iter().map(words::of_change).collect(),
                    Err(error) => vec![format!("what is left of it cannot be seen: {error}")],
                };
                found.push(Stray { lab, kind, why, objects, token: None, is_kept: false });
            }
        }
        for (lab, token) in self.backend.labs().map_err(words::unreadable)? {
            if !ours.contains(&(lab.clone(), token.clone())) {
                let why = format!(
                    "the kernel holds it, and it bears `cellblock={token}`, which only we write; no record in this state directory knows it"
                );
                let known = Known::by_token(&lab, &token);
                let (_, seen) = self.observe_known(&lab, &known)?;
                let objects = plan::build(Arc::new(Graph::empty(lab.clone())), seen);
                let objects = objects.changes.iter().map(words::of_change).collect();
                found.push(Stray { lab, kind: StrayKind::Unknown, why, objects, token: Some(token), is_kept: false });
            }
        }
        for kept in self.backend.kept().map_err(words::unreadable)? {
            if !ours.contains(&(kept.lab.clone(), kept.token.clone())) {
                let why = format!(
                    "processes of yours keep it; what they see or have open bears `cellblock:{}`, which only we write; no record in \
                     this state directory knows it",
                    kept.token
                );
                let (kind, token) = (StrayKind::Unknown, Some(kept.token));
                found.push(Stray { lab: kept.lab, kind, why, objects: kept.processes, token, is_kept: true });
            }
        }
        Ok(found)
    }

    /// A change of a lab that was not there before it, or is to be there no more: whose was interrupted.
    fn unfinished(&self, lab: &LabName) -> Result<Option<(StrayKind, String)>, LabError> {
        let Some(intents) = self.records.intents(lab)? else { return Ok(None) };
        let doing = match intents.record.phase {
            Phase::Removing => "it was being taken down",
            Phase::Applying | Phase::Up if intents.record.before.is_empty() => "it was being made",
            Phase::Applying | Phase::Up => return Ok(None),
        };
        let (begun, of) = (intents.progress.begun, intents.levels.len());
        let why = format!("{doing} when that was interrupted, in level {begun} of {of}: its journal says so");
        Ok(Some((StrayKind::Unfinished, why)))
    }

    /// Removes something that was found.
    ///
    /// # Errors
    /// As [`super::Site::remove_stray`].
    pub fn remove_stray(&mut self, stray: &Stray, progress: &mut dyn FnMut(Progress)) -> Result<(), LabError> {
        let lab = &stray.lab;
        match (stray.kind, &stray.token) {
            (StrayKind::Unreadable, _) => Ok(()),
            (_, None) => self.down_within(lab, &ApplyOptions::default(), progress).map(drop),
            (_, Some(token)) if stray.is_kept => self.backend.end_kept(lab, token).map_err(words::refused),
            (_, Some(token)) => {
                let known = Known::by_token(lab, token);
                let (_, seen) = self.observe_known(lab, &known)?;
                let plan = plan::build(Arc::new(Graph::empty(lab.clone())), seen);
                let (_, errors) = run_forward(&mut *self.engine(lab, &known), &plan, &Bounds::default(), &mut |_| {});
                let (_, seen) = self.observe_known(lab, &known)?;
                let left = plan::build(plan.desired.clone(), seen);
                if errors.is_empty() && left.changes.is_empty() {
                    return Ok(());
                }
                let mut error = LabError::new(LabErrorKind::NotUndone, format!("lab `{lab}` is not gone"));
                error.left = left.changes.iter().map(words::of_change).collect();
                error.left.extend(errors.iter().map(ToString::to_string));
                Err(error)
            }
        }
    }
}
