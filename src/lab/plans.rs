//! Plans of other kinds than "all that the file says": for some nodes, again from a file, to see what has drifted.

use std::collections::HashSet;
use std::sync::Arc;

use super::error::{LabError, LabErrorKind};
use super::known::Known;
use super::labs::Labs;
use super::renames::renames;
use super::saved::SavedPlan;
use super::{roots, sysctls, words};
use crate::engine::{Phase, Record, two_graphs};
use crate::graph::{Graph, Name, Numbering, Object, Owner, Place};
use crate::model::{LabName, Model, NodeName};
use crate::plan::{self, Plan, Scope};

/// What a plan is to be about.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// These nodes and their links alone; all where it is empty.
    pub targets: Vec<NodeName>,
    /// What programs in nodes made counts as a change to be undone.
    pub strict: bool,
}

impl Labs<'_> {
    /// What must change for the kernel to hold `model`, as far as `options` say.
    ///
    /// # Errors
    /// As [`super::Site::plan`].
    pub fn plan_with(&mut self, model: &Model, options: &PlanOptions) -> Result<Plan, LabError> {
        words::refuse_wrong_files(self.backend.check(model))?;
        let (read, intents, is_of) = self.records.compared(&model.lab, model)?;
        let mut known = self.recorded(&model.lab, read, intents);
        let mut numbering = self.numbering(model, &known)?;
        let (whole, was) = self.graphs(model, &mut numbering, known.record.as_ref().filter(|_| !is_of))?;
        let is_the_same = is_of && known.record.as_ref().is_some_and(|record| record.numbering == numbering);
        let applied = was.or_else(|| is_the_same.then(|| whole.clone()));
        self.recognize(&mut known, Some(whole.clone()), applied)?;
        known.strict = options.strict;
        if known.record.is_none() {
            self.refuse_taken_names(&model.lab, &known, &whole.in_order().collect::<Vec<_>>())?;
        }
        let (_, before) = self.observe_known(&model.lab, &known)?;
        let others = if known.record.is_some() { &[] } else { &known.graphs[..1] };
        roots::refuse_taken(others, &before, numbering.roots.as_deref())?;
        let partial = !options.targets.is_empty();
        let desired = if partial {
            Arc::new(plan::narrow(&whole, &before, &owners(model, &known, &options.targets)?)?)
        } else {
            whole
        };
        let applied = match &known.record {
            Some(record) if record.is_whole() && !record.stopped.is_empty() => Some(Arc::new(self.running(record)?)),
            _ => known.applied.clone(),
        };
        let mut plan = plan::build_since(desired, before, applied.as_deref());
        if !partial {
            sysctls::restore(&mut plan, known.record.as_ref());
        }
        plan.is_written_down = is_the_same && !partial && self.says_all(&known, &plan);
        (plan.numbering, plan.strict, plan.partial) = (numbering, options.strict, partial);
        plan.notes.extend(words::shared_files(model, &plan));
        plan.notes.extend(words::not_run(model, self.backend.system()));
        if let Some(record) = &known.record {
            let is_model = |node: &&NodeName| model.find(node.as_str()).is_some();
            for node in record.stopped.iter().filter(is_model) {
                if partial && !options.targets.contains(node) {
                    plan.notes.push(words::stopped(node, "it stays so"));
                    plan.stopped.push(node.clone());
                } else {
                    plan.notes.push(words::stopped(node, "`up` starts it"));
                }
            }
            plan.renames = if is_of { Vec::new() } else { renames(&record.model, model) };
            plan.notes.extend(plan.renames.iter().map(|(from, to)| {
                format!("node {from} is now called {to}: everything of a node bears its name, so it is made anew")
            }));
        }
        Ok(plan)
    }

    /// What a lab is to consist of, and what it consists of by a record of something else.
    fn graphs(
        &self,
        model: &Model,
        numbering: &mut Numbering,
        record: Option<&Record>,
    ) -> Result<(Arc<Graph>, Option<Arc<Graph>>), LabError> {
        let Some(record) = record else { return Ok((Arc::new(self.backend.graph(model, numbering)?), None)) };
        let before = (&record.model, &record.numbering);
        let (wanted, before) = two_graphs(self.backend.builder(), (model, numbering), before)?;
        Ok((Arc::new(wanted), Some(Arc::new(before))))
    }

    /// Nothing is begun where somebody else has names that the lab needs: all of them are told together.
    pub(super) fn refuse_taken_names(&mut self, lab: &LabName, known: &Known, new: &[&Object]) -> Result<(), LabError> {
        if new.is_empty() {
            return Ok(());
        }
        let taken = self.engine(lab, known).names_taken(new).map_err(words::unreadable)?;
        if taken.is_empty() { Ok(()) } else { Err(words::names_taken(&taken)) }
    }

    /// Whether the record says all that it would say when a plan of the same model was carried out.
    fn says_all(&self, known: &Known, plan: &Plan) -> bool {
        plan.steps.is_empty()
            && known.intents.is_none()
            && known.record.as_ref().is_some_and(|record| {
                let sysctls = sysctls::first_values(plan, Some(record), known.applied.as_deref());
                record.is_whole()
                    && record.engine == self.engine
                    && record.first_sysctls == sysctls
                    && record.stopped == plan.stopped
            })
    }

    /// What a lab consists of, without the nodes that somebody stopped.
    fn running(&self, record: &Record) -> Result<Graph, LabError> {
        let whole = self.backend.graph(&record.model, &mut record.numbering.clone())?;
        let stopped = record.stopped.iter().map(|node| Place::Node(node.clone())).collect();
        Ok(whole.without(&stopped)?)
    }

    /// What must change for the kernel to hold what was applied last.
    ///
    /// # Errors
    /// As [`super::Site::drift`].
    pub fn drift(&mut self, lab: &LabName, strict: bool) -> Result<Plan, LabError> {
        let mut known = self.known_lab(lab)?;
        known.strict = strict;
        let record = known.record.as_ref().ok_or_else(|| words::no_such_lab(lab))?;
        if record.phase != Phase::Up {
            let message = format!("lab `{lab}` is in the middle of a change that was interrupted");
            return Err(LabError::new(LabErrorKind::BadState, message).hint("`up` or `down` finishes it"));
        }
        let desired = Arc::new(self.running(record)?);
        let stopped = record.stopped.clone();
        let scope = Scope { inside: strict, ..known.scope() };
        let looked = self.engine(lab, &known).observe(&scope).map_err(words::unreadable)?;
        let (observed, before) = known.seen(looked)?;
        let mut plan = plan::build_since(desired.clone(), before, Some(&desired));
        plan.strict = strict;
        if strict {
            let graphs: Vec<&Graph> = known.graphs.iter().map(|graph| &**graph).collect();
            plan.made = plan::made_inside(&observed, &graphs);
        }
        plan.notes.extend(stopped.iter().map(|node| words::stopped(node, "`start` starts it")));
        plan.stopped = stopped;
        Ok(plan)
    }

    /// The plan of a file, made again; it is that of the file, or the world has moved.
    ///
    /// # Errors
    /// As [`super::Site::plan_again`].
    pub fn plan_again(&mut self, saved: &SavedPlan) -> Result<Plan, LabError> {
        let options = PlanOptions { targets: saved.targets.clone(), strict: saved.strict };
        let plan = self.plan_with(&saved.model, &options)?;
        let moved = saved.moved(&plan)?;
        if moved.is_empty() {
            return Ok(plan);
        }
        let mut error = LabError::new(LabErrorKind::StalePlan, "the world has moved since the plan was made");
        error.left = moved;
        Err(error.hint("`cellblock plan` shows what would have to change now"))
    }
}

/// Nodes and the links at them, in the file and in what was there before.
fn owners(model: &Model, known: &Known, targets: &[NodeName]) -> Result<HashSet<Owner>, LabError> {
    let models: Vec<&Model> = known.record.iter().map(|record| &record.model).chain([model]).collect();
    let mut owners = HashSet::new();
    for target in targets {
        if !models.iter().any(|model| model.find(target.as_str()).is_some()) {
            let message = format!("there is no node `{target}` in lab `{}`", model.lab);
            return Err(LabError::new(LabErrorKind::NoSuchLab, message));
        }
        owners.insert(Owner::Node(Name::from(target.as_str())));
        for model in &models {
            let is_at = |end: &crate::model::Endpoint| model.node(end.node).name.value == *target;
            let links = model.links.iter().filter(|link| link.ends.iter().any(is_at));
            owners.extend(links.map(|link| Owner::Link(Name::from(link.identity.as_str()))));
        }
    }
    Ok(owners)
}
