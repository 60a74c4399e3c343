//! Labs over the doors of one kernel: what a site does, whatever is behind the doors.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use super::error::{ExecError, LabError, LabErrorKind};
use super::plans::PlanOptions;
use super::types::{Applied, ApplyOptions, Probe, ProbeResult, Progress};
use super::{sysctls, words};
use crate::engine::{
    Backend, Bounds, Echo, Engine, EngineError, Event, Exit, Intents, Journal, NotRun, Phase, Record, Records, Running,
    Stop, Stream, Until, Wish, run, run_forward,
};
use crate::graph::{self, Graph, Numbering, Object, Sysctl};
use crate::model::{LabName, Model, NodeName};
use crate::plan::{self, Observed, Plan, Scope};

/// How often and how long at a time to wait for addresses that are being probed for.
const SETTLING_ROUNDS: usize = 8;
/// The same for ports that a spanning tree keeps waiting: in all, twice its forward delay of 15 s and a margin.
const SPANNING_ROUNDS: usize = 14;
const SPANNING_PAUSE: Duration = Duration::from_secs(3);
/// How often to try to bring back what was there: taking one thing away may take others with it.
const RESTORING_ROUNDS: usize = 2;
const SETTLING_PAUSE: Duration = Duration::from_millis(1050);
/// How long a wait may be deaf to who wants it to end.
const ATTENTION: Duration = Duration::from_millis(150);

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

/// What is known of a lab before anything is asked of the kernel.
pub(super) struct Known {
    lab: LabName,
    /// Its record, if it is of this boot.
    pub(super) record: Option<Record>,
    /// Its record of another boot: of what it says only files can be left.
    history: Option<Record>,
    /// What a change that was interrupted meant to do.
    pub(super) intents: Option<Intents>,
    token: String,
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
    fn observe_within(&mut self, lab: &LabName, known: &Known, goes: bool) -> Result<(Observed, Arc<Graph>), LabError> {
        let scope = Scope { goes, ..known.scope() };
        known.seen(self.engine(lab, known).observe(&scope).map_err(words::unreadable)?)
    }

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

    /// Reads back and compares. Addresses that the kernel still probes for get their time, and spanning trees theirs:
    /// a lab is up when frames pass. Gives what should be said of ports that took longer.
    fn verify(
        &mut self,
        plan: &Plan,
        known: &Known,
        looked: Result<Observed, EngineError>,
        bounds: (&ApplyOptions, Option<Duration>),
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<String>, LabError> {
        let (mut wrong, mut pause) = (Vec::new(), SETTLING_PAUSE);
        let mut first = Some(looked);
        for round in 0..SPANNING_ROUNDS {
            if round > 0
                && let Some(error) = self.wait(plan, known, bounds, pause)
            {
                progress(Progress::Undoing { why: error.to_string() });
                return Err(match bounds.0.stop.wish() {
                    Wish::Leave => words::abandoned(error, &plan.lab),
                    Wish::GoOn | Wish::Undo => self.restore(plan, known, &bounds.0.stop, error),
                });
            }
            let looked = match first.take() {
                Some(looked) => looked.map_err(words::unreadable).and_then(|observed| known.seen(observed)),
                None => self.observe_known(&plan.lab, known),
            };
            let (observed, seen) = match looked {
                Ok(looked) => looked,
                Err(error) => return Err(self.restore(plan, known, &bounds.0.stop, error)),
            };
            let rest = plan::build(plan.desired.clone(), seen);
            wrong = rest.changes.iter().map(words::of_change).collect();
            if !wrong.is_empty() {
                break;
            }
            wrong = words::unusable(&observed);
            let last = round + 1 == SPANNING_ROUNDS;
            if wrong.is_empty() && (last || observed.discarding.is_empty()) {
                return Ok(words::discarding(&observed));
            }
            if !wrong.is_empty() && round + 1 >= SETTLING_ROUNDS {
                break;
            }
            pause = if wrong.is_empty() { SPANNING_PAUSE } else { SETTLING_PAUSE };
        }
        let error = LabError::new(
            LabErrorKind::Refused,
            format!("the kernel does not hold what it was told to: {}", words::some_of(&wrong)),
        );
        progress(Progress::Undoing { why: error.to_string() });
        Err(self.restore(plan, known, &bounds.0.stop, error))
    }

    /// Lets time pass, unless somebody wants it to end or the time is up: then why.
    fn wait(
        &mut self,
        plan: &Plan,
        known: &Known,
        (options, deadline): (&ApplyOptions, Option<Duration>),
        span: Duration,
    ) -> Option<LabError> {
        let mut engine = self.engine(&plan.lab, known);
        let mut rest = span;
        while !rest.is_zero() {
            let slice = rest.min(ATTENTION);
            engine.wait(slice);
            rest -= slice;
            if options.stop.wish() != Wish::GoOn {
                return Some(LabError::new(LabErrorKind::Refused, "interrupted"));
            }
            if deadline.is_some_and(|deadline| engine.now() > deadline) {
                return Some(LabError::new(LabErrorKind::Refused, "the time is up"));
            }
        }
        None
    }

    /// Makes sure that what was there before is there again, and says what is not. Whoever asked for an end and cannot wait for that
    /// is heeded.
    fn restore(&mut self, plan: &Plan, known: &Known, stop: &Stop, error: LabError) -> LabError {
        let bounds = Bounds { stop: stop.after_the_first(), ..Bounds::default() };
        let (mut left, mut unseen) = (Vec::new(), None);
        for round in 0..=RESTORING_ROUNDS {
            match self.observe_known(&plan.lab, known) {
                Ok((_, seen)) => {
                    let mut back = plan::build(plan.before.clone(), seen);
                    sysctls::restore(&mut back, known.record.as_ref());
                    left = back.changes.iter().map(words::of_change).collect();
                    // What is told to be left was looked at after everything was tried.
                    if left.is_empty() || round == RESTORING_ROUNDS || bounds.stop.wish() != Wish::GoOn {
                        break;
                    }
                    run_forward(&mut *self.engine(&plan.lab, known), &back, &bounds, &mut |_| {});
                }
                Err(unreadable) => {
                    left = vec![format!("it cannot be seen what is left: {unreadable}")];
                    unseen = unreadable.hint;
                }
            }
        }
        if left.is_empty() {
            return match self.forget_attempt(&plan.lab, known) {
                Ok(()) => LabError { kind: words::kind_of_refusal(&error), ..error },
                Err(unwritten) => unwritten,
            };
        }
        let usual = || format!("`cellblock down {}` takes away what is left; `up` tries again", plan.lab);
        let hint = unseen.unwrap_or_else(usual);
        LabError { kind: LabErrorKind::NotUndone, left, hint: Some(hint), ..error }
    }

    fn forget_attempt(&mut self, lab: &LabName, known: &Known) -> Result<(), LabError> {
        if known.record.is_none() {
            self.backend.forget(lab, &known.token).map_err(words::unreadable)?;
        }
        Ok(self.records.forget(lab, known.intents.as_ref())?)
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
    fn scope(&self) -> Scope {
        Scope::of(&self.graphs())
    }

    /// What was seen, and the objects that it consists of.
    fn seen(&self, observed: Observed) -> Result<(Observed, Arc<Graph>), LabError> {
        let seen = Arc::new(observed.graph_with(&self.graphs(), self.strict)?);
        Ok((observed, seen))
    }

    /// The number of the next change.
    fn next_serial(&self) -> u64 {
        self.record.as_ref().or(self.history.as_ref()).map_or(0, |record| record.serial).saturating_add(1)
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
