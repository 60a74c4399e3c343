//! Labs over the doors of one kernel: what a site does, whatever is behind the doors.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use super::error::{ExecError, LabError, LabErrorKind};
use super::known::Known;
use super::plans::PlanOptions;
use super::types::{Applied, ApplyOptions, Probe, ProbeResult, Progress};
use super::{sysctls, words};
use crate::engine::{
    Backend, Bounds, Echo, Engine, EngineError, Event, Exit, Journal, NotRun, Phase, Record, Records, Running, Stream,
    Until, run, run_forward,
};
use crate::graph::{Graph, Object, Sysctl};
use crate::model::{LabName, Model, NodeName};
use crate::plan::{self, Observed, Plan};

/// Labs of one kernel, with their records.
#[derive(Debug)]
pub struct Labs<'d> {
    /// The kernel and its engine.
    pub backend: &'d mut dyn Backend,
    /// Where the records are.
    pub records: &'d Records,
    /// The engine's name, for the record.
    pub engine: &'static str,
    /// What the token of a new lab is made of.
    pub entropy: [u8; 16],
}

impl Labs<'_> {
    /// What must change for the kernel to hold `model`.
    ///
    /// # Errors
    /// As [`super::Site::plan`].
    pub fn plan(&mut self, model: &Model) -> Result<Plan, LabError> {
        self.plan_with(model, &PlanOptions::default())
    }

    /// What must change for nothing of the lab to be left.
    ///
    /// # Errors
    /// As [`super::Site::plan_down`].
    pub fn plan_down(&mut self, lab: &LabName) -> Result<Plan, LabError> {
        let known = self.known_lab(lab)?;
        self.plan_removal(lab, &known, false)
    }

    fn plan_removal(&mut self, lab: &LabName, known: &Known, goes: bool) -> Result<Plan, LabError> {
        let (_, before) = self.observe_within(lab, known, goes)?;
        let mut plan = plan::build(Arc::new(Graph::empty(lab.clone())), before);
        sysctls::restore(&mut plan, known.record.as_ref());
        Ok(plan)
    }

    /// Carries out a plan to hold `model`.
    ///
    /// # Errors
    /// As [`super::Site::apply`].
    pub fn apply(
        &mut self,
        plan: &Plan,
        model: &Model,
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Applied, LabError> {
        let lab = &plan.lab;
        if plan.is_written_down {
            let (nodes, links) = (model.nodes.len(), model.links.len());
            return Ok(Applied { steps: 0, nodes, links, notes: Vec::new() });
        }
        let mut known = self.known(lab, Some(plan.desired.clone()))?;
        known.strict = plan.strict;
        let new: Vec<&Object> = plan.desired.in_order().filter(|new| plan.before.get(&new.id()).is_none()).collect();
        self.refuse_taken_names(lab, &known, &new)?;
        let previous = known.record.clone();
        let applied = known.record.as_ref().and(known.graphs.get(1)).cloned();
        let mut record = Record {
            engine: self.engine.to_owned(),
            boot: self.backend.boot_identity(),
            token: known.token.clone(),
            serial: known.next_serial(),
            phase: Phase::Applying,
            model: model.clone(),
            before: self.models_before(plan, &known)?,
            numbering: plan.numbering.clone(),
            first_sysctls: sysctls::first_values(plan, previous.as_ref(), applied.as_deref()),
            stopped: plan.stopped.clone(),
        };
        let mut notes = Vec::new();
        if !plan.steps.is_empty() {
            let mut journal = self.records.begin(lab, &record, plan)?;
            let prepared = self.engine(lab, &known).prepare(plan);
            let capabilities = match prepared {
                Ok(capabilities) => capabilities,
                Err(error) => {
                    self.forget_attempt(lab, &known)?;
                    return Err(words::not_prepared(error));
                }
            };
            let now = self.engine(lab, &known).now();
            let bounds = (options, options.timeout.map(|timeout| now + timeout));
            self.end_before(plan, &known, options)?;
            notes.extend(capabilities.loaded.iter().map(|name| format!("module {name} was loaded and stays")));
            let (looked, read) = self.run_plan(plan, &known, &mut journal, bounds, progress)?;
            sysctls::add(&mut record.first_sysctls, read);
            notes.extend(self.verify(plan, &known, looked, bounds, progress)?);
        }
        // Of a file that was applied in part, objects of what was before may be there for as long as that is so.
        let before = if plan.partial { record.before.clone() } else { Vec::new() };
        self.backend.keep().map_err(words::not_kept)?;
        self.records.write(lab, &Record { phase: Phase::Up, before, ..record })?;
        Ok(Applied { steps: plan.steps.len(), nodes: model.nodes.len(), links: model.links.len(), notes })
    }

    /// Does the steps, and looks what came of them with what is still open of doing them; gives first values of sysctls, too, that were
    /// read meanwhile.
    fn run_plan(
        &mut self,
        plan: &Plan,
        known: &Known,
        journal: &mut Journal,
        (options, deadline): (&ApplyOptions, Option<Duration>),
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Result<Observed, EngineError>, Vec<Sysctl>), LabError> {
        let mut engine = self.engine(&plan.lab, known);
        let bounds = Bounds { deadline, stop: options.stop.clone(), jobs: options.jobs };
        let outcome = run(&mut *engine, plan, &bounds, &mut |event| {
            mark(&event, journal);
            tell(event, plan.steps.len(), progress);
        });
        let read = engine.first_values();
        let Err(failure) = outcome else {
            progress(Progress::Verifying);
            return Ok((engine.observe(&known.scope()), read));
        };
        drop(engine);
        let mut error = words::refused(failure.error);
        error.step = Some((failure.step, failure.of));
        if failure.abandoned {
            return Err(words::abandoned(error, &plan.lab));
        }
        // Nothing of ours was there, nor is now; what is there to be looked at may be somebody else's by our name.
        if failure.untouched && plan.before.is_empty() {
            self.forget_attempt(&plan.lab, known)?;
            return Err(LabError { kind: words::kind_of_refusal(&error), ..error });
        }
        Err(self.restore(plan, known, &options.stop, error))
    }

    /// The models of which objects may be there when a change begins: the present one, and of those that interrupted changes wanted
    /// the ones that something seen is known by alone.
    fn models_before(&mut self, plan: &Plan, known: &Known) -> Result<Vec<Model>, LabError> {
        let Some(previous) = known.record.as_ref().or(known.history.as_ref()) else { return Ok(Vec::new()) };
        let mut models = vec![previous.model.clone()];
        let mut covering = vec![plan.desired.clone()];
        for (place, model) in std::iter::once(&previous.model).chain(&previous.before).enumerate() {
            let graph = Arc::new(self.backend.graph(model, &mut previous.numbering.clone())?);
            let alone = |object: &Object| {
                let id = object.id();
                graph.get(&id).is_some() && covering.iter().all(|other| other.get(&id).is_none())
            };
            let is_needed = plan.before.objects().any(alone);
            if place > 0 && is_needed {
                models.push(model.clone());
            }
            if place == 0 || is_needed {
                covering.push(graph);
            }
        }
        Ok(models)
    }

    /// Takes a lab down by its record.
    ///
    /// # Errors
    /// As [`super::Site::down`].
    pub fn down(&mut self, lab: &LabName, progress: &mut dyn FnMut(Progress)) -> Result<Applied, LabError> {
        self.down_within(lab, &ApplyOptions::default(), progress)
    }

    /// The same, with a limit to how long processes may take to end.
    ///
    /// # Errors
    /// As [`super::Site::down`].
    pub fn down_within(
        &mut self,
        lab: &LabName,
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Applied, LabError> {
        self.records.sweep(lab)?;
        let known = self.known_lab(lab)?;
        if known.record.is_some() {
            self.call_home(lab, &known);
        }
        let plan = self.plan_removal(lab, &known, true)?;
        let (record, notes) = match (&known.record, &known.history) {
            (Some(record), _) => (record, Vec::new()),
            (None, Some(record)) => {
                let left = if plan.steps.is_empty() { "nothing of it was left" } else { "only files of it were left" };
                (record, vec![format!("lab {lab} was of another boot: {left}")])
            }
            (None, None) => return Err(words::no_such_lab(lab)),
        };
        let removing = Record { phase: Phase::Removing, serial: known.next_serial(), ..record.clone() };
        let mut journal = self.records.begin(lab, &removing, &plan)?;
        // What does not die keeps its jail from dying: that is told below.
        let _ = self.end_all(lab, &known, &record.model, options);
        let bounds = Bounds { deadline: None, stop: options.stop.clone(), jobs: options.jobs };
        let mut hear = |event: Event<'_>| {
            mark(&event, &mut journal);
            tell(event, plan.steps.len(), progress);
        };
        let (steps, errors) = run_forward(&mut *self.engine(lab, &known), &plan, &bounds, &mut hear);
        progress(Progress::Verifying);
        let left: Vec<String> = match self.observe_known(lab, &known) {
            Ok((_, seen)) => {
                let mut rest = plan::build(plan.desired.clone(), seen);
                sysctls::restore(&mut rest, known.record.as_ref());
                rest.changes.iter().map(words::of_change).collect()
            }
            Err(error) => vec![format!("it cannot be seen what is left: {error}")],
        };
        let mut errors = errors.into_iter();
        match errors.next() {
            None if left.is_empty() => {
                self.backend.forget(lab, &known.token).map_err(words::refused)?;
                self.backend.keep().map_err(words::not_kept)?;
                self.records.remove(lab)?;
                Ok(Applied { steps, nodes: 0, links: 0, notes })
            }
            Some(error) => {
                let rest = errors.map(|error| error.to_string());
                let left = left.into_iter().chain(rest).collect();
                Err(LabError { kind: LabErrorKind::NotUndone, left, ..words::refused(error) })
            }
            None => {
                let mut error = LabError::new(LabErrorKind::NotUndone, format!("lab `{lab}` is not gone"));
                error.left = left;
                Err(error)
            }
        }
    }

    /// What the kernel holds of a lab now.
    ///
    /// # Errors
    /// As [`super::Site::observe`].
    pub fn observe(&mut self, lab: &LabName) -> Result<Observed, LabError> {
        let known = self.known_lab(lab)?;
        Ok(self.observe_known(lab, &known)?.0)
    }

    /// Sends echoes, many at once; results in the order of `probes`.
    ///
    /// # Errors
    /// As [`super::Site::probe`].
    pub fn probe(&mut self, lab: &LabName, probes: &[Probe]) -> Result<Vec<ProbeResult>, LabError> {
        let (mut engine, model) = self.present(lab)?;
        let echo = |probe: &Probe| {
            Ok(Echo {
                from: words::station(&model, &probe.from)?,
                to: probe.to,
                interface: probe.interface.clone(),
                tries: probe.tries,
                timeout: probe.timeout,
            })
        };
        let echoes = probes.iter().map(echo).collect::<Result<Vec<Echo>, LabError>>()?;
        let results = engine.probe(&echoes).map_err(|error| words::refused(words::not_entered(&model, error)))?;
        Ok(results.into_iter().map(ProbeResult::from).collect())
    }

    /// Runs a command in a node.
    ///
    /// # Errors
    /// As [`super::Site::exec`].
    pub fn exec(
        &mut self,
        lab: &LabName,
        node: &NodeName,
        command: &[String],
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, ExecError> {
        let (mut engine, model) = self.present(lab).map_err(ExecError::Lab)?;
        let place = words::station(&model, node).map_err(ExecError::Lab)?;
        engine.execute(&place, command, &Until::its_end(), output).map_err(|error| not_run(&model, error))
    }

    /// Starts a program on a terminal in a node.
    ///
    /// # Errors
    /// As [`super::Site::start_program`].
    pub fn start_program(
        &mut self,
        lab: &LabName,
        node: &NodeName,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, ExecError> {
        let (mut engine, model) = self.present(lab).map_err(ExecError::Lab)?;
        let place = words::station(&model, node).map_err(ExecError::Lab)?;
        engine.start_on(&place, command, terminal).map_err(|error| not_run(&model, error))
    }

    /// The engine of a lab that exists, and the model it was made of.
    fn present(&mut self, lab: &LabName) -> Result<(Box<dyn Engine + '_>, Model), LabError> {
        let (record, boot) = (self.records.read(lab)?, self.backend.boot_identity());
        let record = record.filter(|record| record.boot == boot).ok_or_else(|| words::no_such_lab(lab))?;
        Ok((self.backend.engine(lab, &record.token), record.model))
    }
}

fn not_run(model: &Model, error: NotRun) -> ExecError {
    match error {
        NotRun::NotFound => ExecError::NotFound,
        NotRun::NotExecutable => ExecError::NotExecutable,
        NotRun::Refused(error) => ExecError::Lab(words::unreadable(words::not_entered(model, error))),
    }
}

/// Writes down how far a change has come.
fn mark(event: &Event<'_>, journal: &mut Journal) {
    match event {
        Event::Stage { number, .. } => journal.begun(*number),
        Event::Undoing(_) => journal.undoing(),
    }
}

fn tell(event: Event<'_>, of: usize, progress: &mut dyn FnMut(Progress)) {
    match event {
        Event::Stage { done, steps, .. } => progress(Progress::Level { done, of, what: words::of_steps(steps) }),
        Event::Undoing(error) => progress(Progress::Undoing { why: error.to_string() }),
    }
}
