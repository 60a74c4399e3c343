//! What is known of a lab: what its files say, what was wanted and is, and with that what a kernel is seen to hold.

use std::sync::Arc;

use super::error::LabError;
use super::labs::Labs;
use super::words;
use crate::engine::{Engine, Intents, Record};
use crate::graph::{self, Graph, Numbering};
use crate::model::{LabName, Model};
use crate::plan::{Observed, Scope};

/// What is known of a lab before anything is asked of the kernel.
pub(super) struct Known {
    pub(super) lab: LabName,
    /// Its record, if it is of this boot.
    pub(super) record: Option<Record>,
    /// Its record of another boot: of what it says only files can be left.
    pub(super) history: Option<Record>,
    /// What a change that was interrupted meant to do.
    pub(super) intents: Option<Intents>,
    pub(super) token: String,
    /// What programs in nodes made counts, too.
    pub(super) strict: bool,
    /// What was wanted, now and then.
    pub(super) graphs: Vec<Arc<Graph>>,
    /// What was applied last, where that was all of a file.
    pub(super) applied: Option<Arc<Graph>>,
}

impl Labs<'_> {
    /// What is known of a lab that must have a record.
    pub(super) fn known_lab(&mut self, lab: &LabName) -> Result<Known, LabError> {
        let known = self.known(lab, None)?;
        if known.record.is_none() && known.history.is_none() {
            return Err(words::no_such_lab(lab));
        }
        Ok(known)
    }

    pub(super) fn known(&mut self, lab: &LabName, desired: Option<Arc<Graph>>) -> Result<Known, LabError> {
        let (settled, intents) = self.records.both(lab)?;
        let read = intents.as_ref().map(|intents| intents.record.clone()).or(settled);
        let mut known = self.recorded(lab, read, intents);
        self.recognize(&mut known, desired, None)?;
        Ok(known)
    }

    /// What the files say, without what objects are known by.
    pub(super) fn recorded(&mut self, lab: &LabName, read: Option<Record>, intents: Option<Intents>) -> Known {
        let boot = self.backend.boot_identity();
        // Another boot's is history.
        let (record, history) = match read {
            Some(record) if record.boot == boot => (Some(record), None),
            other => (None, other),
        };
        let token = record.as_ref().map_or_else(|| words::hex(&self.entropy), |record| record.token.clone());
        let (lab, graphs) = (lab.clone(), Vec::new());
        Known { lab, record, history, intents, token, strict: false, graphs, applied: None }
    }

    /// Adds what objects may be known by: what is wanted now, and what was before; `applied` is what was applied last, if it was made.
    pub(super) fn recognize(
        &mut self,
        known: &mut Known,
        desired: Option<Arc<Graph>>,
        mut applied: Option<Arc<Graph>>,
    ) -> Result<(), LabError> {
        let mut graphs: Vec<Arc<Graph>> = desired.into_iter().collect();
        for record in known.record.iter().chain(&known.history) {
            for (place, model) in std::iter::once(&record.model).chain(&record.before).enumerate() {
                let graph = match applied.take() {
                    Some(applied) => applied,
                    None => Arc::new(self.backend.graph(model, &mut record.numbering.clone())?),
                };
                if place == 0 && known.record.as_ref().is_some_and(Record::is_whole) {
                    known.applied = Some(graph.clone());
                }
                if !graphs.iter().any(|other| Arc::ptr_eq(other, &graph)) {
                    graphs.push(graph);
                }
            }
        }
        if graphs.is_empty() {
            graphs.push(Arc::new(Graph::empty(known.lab.clone())));
        }
        known.graphs = graphs;
        Ok(())
    }

    /// What the plan of a model must keep to, and what is chosen for it now.
    pub(super) fn numbering(&mut self, model: &Model, known: &Known) -> Result<Numbering, LabError> {
        let mut numbering = known.record.as_ref().map_or_else(Numbering::default, |record| record.numbering.clone());
        if model.nodes.iter().any(|node| !node.rootfs.is_host()) && numbering.roots.is_none() {
            let before = known.history.as_ref().and_then(|record| record.numbering.roots.clone());
            numbering.roots = before.or_else(|| self.backend.roots()).or_else(|| self.records.roots());
        }
        if model.nodes.iter().any(graph::life::needs_ruleset) {
            let chosen = self.engine(&model.lab, known).ruleset(numbering.ruleset);
            numbering.ruleset = chosen.map_err(words::unreadable)?;
        }
        Ok(numbering)
    }

    pub(super) fn engine<'e>(&'e mut self, lab: &LabName, known: &Known) -> Box<dyn Engine + 'e> {
        self.backend.engine(lab, &known.token)
    }

    pub(super) fn observe_known(&mut self, lab: &LabName, known: &Known) -> Result<(Observed, Arc<Graph>), LabError> {
        self.observe_within(lab, known, false)
    }

    /// The same; of a lab that `goes` as a whole only what tells that it is there, and what is outside of it.
    pub(super) fn observe_within(
        &mut self,
        lab: &LabName,
        known: &Known,
        goes: bool,
    ) -> Result<(Observed, Arc<Graph>), LabError> {
        let scope = Scope { goes, ..known.scope() };
        known.seen(self.engine(lab, known).observe(&scope).map_err(words::unreadable)?)
    }
}

impl Known {
    /// A lab of which nothing is known but what it bears.
    pub(super) fn by_token(lab: &LabName, token: &str) -> Self {
        let graphs = vec![Arc::new(Graph::empty(lab.clone()))];
        let (lab, token) = (lab.clone(), token.to_owned());
        Self { lab, record: None, history: None, intents: None, token, strict: false, graphs, applied: None }
    }

    fn graphs(&self) -> Vec<&Graph> {
        self.graphs.iter().map(|graph| &**graph).collect()
    }

    /// What must be looked at to see all of the lab.
    pub(super) fn scope(&self) -> Scope {
        Scope::of(&self.graphs())
    }

    /// What was seen, and the objects that it consists of.
    pub(super) fn seen(&self, observed: Observed) -> Result<(Observed, Arc<Graph>), LabError> {
        let seen = Arc::new(observed.graph_with(&self.graphs(), self.strict)?);
        Ok((observed, seen))
    }

    /// The number of the next change.
    pub(super) fn next_serial(&self) -> u64 {
        self.record.as_ref().or(self.history.as_ref()).map_or(0, |record| record.serial).saturating_add(1)
    }
}
