//! Nodes that start and stop while their lab is up, and what runs in them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::error::{LabError, LabErrorKind};
use super::known::Known;
use super::labs::Labs;
use super::types::{Applied, ApplyOptions, CommandFailure, Progress};
use super::{sysctls, words};
use crate::engine::{Ending, Exit, NotRun, Phase, Record, Stream, Until, Wish};
use crate::graph::{Graph, ObjectId, Place, place_of};
use crate::model::{LabName, Model, Node, NodeKind, NodeName};
use crate::plan::{self, LinuxStep, Plan, Step};

/// How long processes may take to end when nobody says, as jail(8) has it.
pub const GRACE: Duration = Duration::from_secs(10);

impl Labs<'_> {
    /// Ends what runs in nodes and removes their jails; their interfaces stay wired in the lab jail, their files stay.
    ///
    /// # Errors
    /// As [`super::Site::stop`].
    pub fn stop(
        &mut self,
        lab: &LabName,
        nodes: &[NodeName],
        grace: Duration,
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Applied, LabError> {
        let (known, model) = self.settled(lab)?;
        let places = jails_of(&model, nodes)?;
        let stopping: Vec<Place> = places.iter().cloned().collect();
        let ending = ending(&model, grace, options);
        self.engine(lab, &known).end_processes(&stopping, &ending).map_err(|error| match options.stop.wish() {
            // Nothing of the lab was changed.
            Wish::Undo | Wish::Leave => words::refused(error),
            Wish::GoOn => LabError { kind: LabErrorKind::NotUndone, ..words::refused(error) },
        })?;
        let plan = self.plan_change(lab, &known, &model, |stopped| stopped.extend(places.iter().cloned()))?;
        self.apply(&plan, &model, options, progress)
    }

    /// Makes the jails of stopped nodes again, with everything that they had.
    ///
    /// # Errors
    /// As [`super::Site::start`].
    pub fn start(
        &mut self,
        lab: &LabName,
        nodes: &[NodeName],
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Applied, Plan), LabError> {
        let (known, model) = self.settled(lab)?;
        let places = jails_of(&model, nodes)?;
        let plan = self.plan_change(lab, &known, &model, |stopped| stopped.retain(|place| !places.contains(place)))?;
        let applied = self.apply(&plan, &model, options, progress)?;
        Ok((applied, plan))
    }

    /// A lab that was verified after the last change.
    fn settled(&mut self, lab: &LabName) -> Result<(Known, Model), LabError> {
        let known = self.known_lab(lab)?;
        match &known.record {
            None => Err(words::no_such_lab(lab)),
            Some(record) if record.phase != Phase::Up => {
                let message = format!("lab `{lab}` is in the middle of a change that was interrupted");
                Err(LabError::new(LabErrorKind::BadState, message).hint("`up` or `down` finishes it"))
            }
            Some(record) => {
                let model = record.model.clone();
                Ok((known, model))
            }
        }
    }

    /// The plan for other nodes to be stopped than those that are; `choose` changes the set.
    fn plan_change(
        &mut self,
        lab: &LabName,
        known: &Known,
        model: &Model,
        choose: impl Fn(&mut BTreeSet<Place>),
    ) -> Result<Plan, LabError> {
        let mut numbering = known.record.as_ref().map(|record| record.numbering.clone()).unwrap_or_default();
        let whole = self.backend.graph(model, &mut numbering)?;
        let (_, before) = self.observe_known(lab, known)?;
        let mut stopped: BTreeSet<Place> = model.nodes.iter().filter(|node| has_jail(node)).map(place_of).collect();
        stopped.retain(|place| before.get(&ObjectId::Jail(place.clone())).is_none());
        choose(&mut stopped);
        // Those whose jails somebody else took away were not stopped: they are left to `up`, and are drift until then.
        let mut meant = known.record.iter().flat_map(|record| &record.stopped).cloned().map(Place::Node).collect();
        choose(&mut meant);
        let desired: Arc<Graph> = Arc::new(whole.without(&stopped)?);
        let mut plan = plan::build(desired, before);
        plan.numbering = numbering;
        plan.stopped = meant.iter().filter_map(node_of).collect();
        Ok(plan)
    }

    /// Brings back what a plan found, after it was carried out: `before` is the lab's record of then.
    ///
    /// # Errors
    /// As [`super::Site::take_back`].
    pub fn take_back(
        &mut self,
        plan: &Plan,
        before: Option<&Record>,
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), LabError> {
        let lab = &plan.lab;
        let Some(record) = before else { return self.down_within(lab, options, progress).map(drop) };
        let known = self.known(lab, Some(plan.before.clone()))?;
        let (_, seen) = self.observe_known(lab, &known)?;
        let mut back = plan::build(plan.before.clone(), seen);
        sysctls::restore(&mut back, Some(record));
        back.numbering = record.numbering.clone();
        back.stopped = record.stopped.clone();
        (back.strict, back.partial) = (plan.strict, !record.before.is_empty());
        self.apply(&back, &record.model, options, progress).map(drop)
    }

    /// Ends what runs in jails that the plan removes.
    pub(super) fn end_before(&mut self, plan: &Plan, known: &Known, options: &ApplyOptions) -> Result<(), LabError> {
        let goes = |step: &Step| match step {
            Step::RemoveJail(jail) if jail.place != Place::Lab => Some(jail.place.clone()),
            Step::Linux(LinuxStep::RemoveNamespace(gone)) if gone.place != Place::Lab => Some(gone.place.clone()),
            _ => None,
        };
        let places: Vec<Place> = plan.steps.iter().filter_map(|planned| goes(&planned.step)).collect();
        if places.is_empty() {
            return Ok(());
        }
        let grace = options.timeout.map_or(GRACE, |timeout| timeout.min(GRACE));
        let model = known.record.as_ref().map(|record| &record.model);
        let nothing = || Ending { grace, own_files: BTreeSet::new(), stop: options.stop.clone() };
        let ending = model.map_or_else(nothing, |model| ending(model, grace, options));
        // Jails take their processes with them, willing or not.
        let _ = self.engine(&plan.lab, known).end_processes(&places, &ending);
        Ok(())
    }

    /// Ends what runs in a lab.
    pub(super) fn end_all(
        &mut self,
        lab: &LabName,
        known: &Known,
        model: &Model,
        options: &ApplyOptions,
    ) -> Result<(), LabError> {
        let grace = options.timeout.map_or(GRACE, |timeout| timeout.min(GRACE));
        let places: Vec<Place> = model.nodes.iter().filter(|node| has_jail(node)).map(place_of).collect();
        self.engine(lab, known).end_processes(&places, &ending(model, grace, options)).map_err(words::refused)
    }

    /// Runs the commands of the file in the nodes whose jails the plan made, in order; a command that fails keeps no other from being
    /// run. When somebody wants it to end, the one that runs is ended and the others are not begun.
    ///
    /// # Errors
    /// As [`super::Site::run_commands`].
    pub fn run_commands(
        &mut self,
        plan: &Plan,
        model: &Model,
        options: &ApplyOptions,
        output: &mut dyn FnMut(&NodeName, Stream, &[u8]),
    ) -> Result<Vec<CommandFailure>, LabError> {
        let known = self.known_lab(&plan.lab)?;
        let system = self.backend.system();
        let is_new = |place: &Place| {
            let id = ObjectId::Jail(if *place == Place::Host { Place::Lab } else { place.clone() });
            plan.desired.get(&id).is_some() && creates(plan, &id)
        };
        let until = Until::asked(&options.stop, options.timeout.map_or(GRACE, |timeout| timeout.min(GRACE)));
        let mut failures = Vec::new();
        let mut engine = self.engine(&plan.lab, &known);
        for node in &model.nodes {
            let place = place_of(node);
            if node.kind.is_layer2() || node.exec.is_empty() || !is_new(&place) {
                continue;
            }
            for exec in node.exec.iter().filter(|exec| exec.is_for(system)) {
                if options.stop.wish() != Wish::GoOn {
                    let why = "was not run: interrupted".to_owned();
                    failures.push(CommandFailure { node: node.name.value.clone(), command: exec.command.clone(), why });
                    continue;
                }
                let mut hear = |stream, bytes: &[u8]| output(&node.name, stream, bytes);
                let ended = engine.execute(&place, &exec.words, &until, &mut hear);
                let why = match ended {
                    Ok(_) if options.stop.wish() != Wish::GoOn => "was interrupted".to_owned(),
                    Ok(Exit::Code(0)) => continue,
                    Ok(Exit::Code(code)) => format!("ended with status {code}"),
                    Ok(Exit::Signal(signal)) => format!("was ended by signal {signal}"),
                    Err(NotRun::NotFound) => "was not found".to_owned(),
                    Err(error) => error.to_string(),
                };
                failures.push(CommandFailure { node: node.name.value.clone(), command: exec.command.clone(), why });
            }
        }
        Ok(failures)
    }
}

fn node_of(place: &Place) -> Option<NodeName> {
    match place {
        Place::Node(node) => Some(node.clone()),
        Place::Host | Place::Lab => None,
    }
}

/// Whether the plan makes that jail.
fn creates(plan: &Plan, jail: &ObjectId) -> bool {
    let place = |step: &Step| match step {
        Step::CreateJail(made) => Some(made.place.clone()),
        Step::Linux(LinuxStep::CreateNamespace(made)) => Some(made.place.clone()),
        _ => None,
    };
    plan.steps.iter().filter_map(|planned| place(&planned.step)).any(|place| ObjectId::Jail(place) == *jail)
}

/// Whether the lab makes a jail for it.
fn has_jail(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Host | NodeKind::Router) && !node.is_run_elsewhere()
}

/// rc.shutdown is run where a node has files of its own: that of the host would stop what runs on the host.
fn ending(model: &Model, grace: Duration, options: &ApplyOptions) -> Ending {
    let own = model.nodes.iter().filter(|node| has_jail(node) && !node.rootfs.is_host());
    Ending { grace, own_files: own.map(place_of).collect(), stop: options.stop.clone() }
}

fn jails_of(model: &Model, nodes: &[NodeName]) -> Result<BTreeSet<Place>, LabError> {
    nodes
        .iter()
        .map(|node| match words::station(model, node)? {
            Place::Host => {
                let message = format!("node `{node}` is the host itself, which a lab neither starts nor stops");
                Err(LabError::new(LabErrorKind::NoSuchLab, message))
            }
            _ if model.find(node.as_str()).is_some_and(|id| model.node(id).is_run_elsewhere()) => {
                let message = format!("node `{node}` is run by another tool, which starts and stops it");
                Err(LabError::new(LabErrorKind::File, message)
                    .hint("the file leaves its jail to that tool by `jail: { persist: false }`"))
            }
            place => Ok(place),
        })
        .collect()
}
