//! Labs over the doors of one kernel: what a site does, whatever is behind the doors.

use std::sync::Arc;

use super::error::{ExecError, LabError, LabErrorKind};
use super::types::{Applied, ApplyOptions, Probe, ProbeResult, Progress};
use super::{host, words};
use crate::engine::{Backend, Echo, Engine, Event, Exit, NotRun, Phase, Record, Records, Stream, run, run_forward};
use crate::graph::{self, Graph, Numbering};
use crate::model::{LabName, Model, NodeName};
use crate::plan::{self, Observed, Plan, Scope};

/// How often and how long at a time to wait for addresses that are being probed for.
const SETTLING_ROUNDS: usize = 8;
const SETTLING_PAUSE: std::time::Duration = std::time::Duration::from_millis(1050);

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
struct Known {
    /// Its record, if it is of this boot.
    record: Option<Record>,
    token: String,
    /// What was wanted, then and now.
    graphs: Vec<Arc<Graph>>,
}

impl Labs<'_> {
    /// A record, if it is of this boot; another boot's is history.
    fn of_this_boot(&mut self, record: Option<Record>) -> Option<Record> {
        let boot = self.backend.boot_identity();
        record.filter(|record| record.boot == boot)
    }

    /// What is known of a lab that must have a record.
    fn known_lab(&mut self, lab: &LabName) -> Result<Known, LabError> {
        let record = self.records.read(lab)?.ok_or_else(|| words::no_such_lab(lab))?;
        let record = self.of_this_boot(Some(record));
        self.known(lab, record, None)
    }

    fn known(&self, lab: &LabName, record: Option<Record>, desired: Option<Arc<Graph>>) -> Result<Known, LabError> {
        let token = record.as_ref().map_or_else(|| words::hex(&self.entropy), |record| record.token.clone());
        let mut graphs: Vec<Arc<Graph>> = desired.into_iter().collect();
        if let Some(record) = &record {
            for model in std::iter::once(&record.model).chain(&record.before) {
                graphs.push(Arc::new(graph::build(model, &mut record.numbering.clone())?));
            }
        }
        if graphs.is_empty() {
            graphs.push(Arc::new(Graph::empty(lab.clone())));
        }
        Ok(Known { record, token, graphs })
    }

    fn engine<'e>(&'e mut self, lab: &LabName, known: &Known) -> Box<dyn Engine + 'e> {
        self.backend.engine(lab, &known.token)
    }

    fn observe_known(&mut self, lab: &LabName, known: &Known) -> Result<(Observed, Arc<Graph>), LabError> {
        let graphs: Vec<&Graph> = known.graphs.iter().map(|graph| &**graph).collect();
        let scope = Scope::of(&graphs);
        let observed = self.engine(lab, known).observe(&scope).map_err(words::unreadable)?;
        let seen = Arc::new(observed.graph(&graphs)?);
        Ok((observed, seen))
    }

    /// What must change for the kernel to hold `model`.
    ///
    /// # Errors
    /// As [`super::Site::plan`].
    pub fn plan(&mut self, model: &Model) -> Result<Plan, LabError> {
        words::refuse_wrong_files(self.backend.check(model))?;
        let record = self.records.read(&model.lab)?;
        let record = self.of_this_boot(record);
        let mut numbering = record.as_ref().map_or_else(Numbering::default, |record| record.numbering.clone());
        let desired = Arc::new(graph::build(model, &mut numbering)?);
        let known = self.known(&model.lab, record, Some(desired.clone()))?;
        let (_, before) = self.observe_known(&model.lab, &known)?;
        let mut plan = plan::build(desired, before);
        host::restore(&mut plan, known.record.as_ref());
        plan.numbering = numbering;
        plan.notes.extend(words::not_run(model));
        Ok(plan)
    }

    /// What must change for nothing of the lab to be left.
    ///
    /// # Errors
    /// As [`super::Site::plan_down`].
    pub fn plan_down(&mut self, lab: &LabName) -> Result<Plan, LabError> {
        let known = self.known_lab(lab)?;
        self.plan_removal(lab, &known)
    }

    fn plan_removal(&mut self, lab: &LabName, known: &Known) -> Result<Plan, LabError> {
        let (_, before) = self.observe_known(lab, known)?;
        let mut plan = plan::build(Arc::new(Graph::empty(lab.clone())), before);
        host::restore(&mut plan, known.record.as_ref());
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
        let record = self.records.read(lab)?;
        let record = self.of_this_boot(record);
        let known = self.known(lab, record, Some(plan.desired.clone()))?;
        let previous = known.record.clone();
        let record = Record {
            engine: self.engine.to_owned(),
            boot: self.backend.boot_identity(),
            token: known.token.clone(),
            phase: Phase::Applying,
            model: model.clone(),
            before: previous.as_ref().map(|record| record.model.clone()),
            numbering: plan.numbering.clone(),
            host_sysctls: host::sysctls_before(plan, previous.as_ref()),
        };
        let mut notes = Vec::new();
        if !plan.steps.is_empty() {
            self.records.write(lab, &record)?;
            let prepared = self.engine(lab, &known).prepare(plan);
            let capabilities = match prepared {
                Ok(capabilities) => capabilities,
                Err(error) => {
                    self.forget_attempt(lab, previous.as_ref())?;
                    return Err(words::refused(error));
                }
            };
            notes.extend(capabilities.loaded.iter().map(|name| format!("module {name} was loaded and stays")));
            self.run_plan(plan, &known, previous.as_ref(), options, progress)?;
            progress(Progress::Verifying);
            self.verify(plan, &known, previous.as_ref(), progress)?;
        }
        self.records.write(lab, &Record { phase: Phase::Up, before: None, ..record })?;
        Ok(Applied { steps: plan.steps.len(), nodes: model.nodes.len(), links: model.links.len(), notes })
    }

    fn run_plan(
        &mut self,
        plan: &Plan,
        known: &Known,
        previous: Option<&Record>,
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), LabError> {
        let mut engine = self.engine(&plan.lab, known);
        let limit = options.timeout.map(|timeout| engine.now() + timeout);
        let outcome = run(&mut *engine, plan, limit, &mut |event| tell(event, plan.steps.len(), progress));
        drop(engine);
        let Err(failure) = outcome else { return Ok(()) };
        let mut error = words::refused(failure.error);
        error.step = Some((failure.step, failure.of));
        Err(self.restore(plan, known, previous, error))
    }

    /// Reads back and compares. Addresses that the kernel still probes for get their time.
    fn verify(
        &mut self,
        plan: &Plan,
        known: &Known,
        previous: Option<&Record>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), LabError> {
        let mut wrong = Vec::new();
        for round in 0..SETTLING_ROUNDS {
            if round > 0 {
                self.engine(&plan.lab, known).wait(SETTLING_PAUSE);
            }
            let looked = self.observe_known(&plan.lab, known);
            let (observed, seen) = match looked {
                Ok(looked) => looked,
                Err(error) => return Err(self.restore(plan, known, previous, error)),
            };
            let rest = plan::build(plan.desired.clone(), seen);
            wrong = rest.changes.iter().map(words::of_change).collect();
            if !wrong.is_empty() {
                break;
            }
            wrong = words::unusable(&observed);
            if wrong.is_empty() {
                return Ok(());
            }
        }
        let error = LabError::new(
            LabErrorKind::Refused,
            format!("the kernel does not hold what it was told to: {}", words::some_of(&wrong)),
        );
        progress(Progress::Undoing { why: error.to_string() });
        Err(self.restore(plan, known, previous, error))
    }

    /// Makes sure that what was there before is there again, and says what is not.
    fn restore(&mut self, plan: &Plan, known: &Known, previous: Option<&Record>, error: LabError) -> LabError {
        let mut left = Vec::new();
        for _ in 0..2 {
            match self.observe_known(&plan.lab, known) {
                Ok((_, seen)) => {
                    let mut back = plan::build(plan.before.clone(), seen);
                    host::restore(&mut back, previous);
                    left = back.changes.iter().map(words::of_change).collect();
                    if left.is_empty() {
                        break;
                    }
                    run_forward(&mut *self.engine(&plan.lab, known), &back, &mut |_| {});
                }
                Err(unreadable) => left = vec![format!("it cannot be seen what is left: {unreadable}")],
            }
        }
        if left.is_empty() {
            return match self.forget_attempt(&plan.lab, previous) {
                Ok(()) => LabError { kind: words::kind_of_refusal(&error), ..error },
                Err(unwritten) => unwritten,
            };
        }
        let hint = format!("`cellblock down {}` takes away what is left; `up` tries again", plan.lab);
        LabError { kind: LabErrorKind::NotUndone, left, hint: Some(hint), ..error }
    }

    fn forget_attempt(&mut self, lab: &LabName, previous: Option<&Record>) -> Result<(), LabError> {
        match previous {
            Some(record) => self.records.write(lab, record)?,
            None => self.records.remove(lab)?,
        }
        Ok(())
    }

    /// Takes a lab down by its record.
    ///
    /// # Errors
    /// As [`super::Site::down`].
    pub fn down(&mut self, lab: &LabName, progress: &mut dyn FnMut(Progress)) -> Result<Applied, LabError> {
        let known = self.known_lab(lab)?;
        let Some(record) = &known.record else {
            self.records.remove(lab)?;
            let notes = vec![format!("lab {lab} was of another boot: nothing of it was left")];
            return Ok(Applied { steps: 0, nodes: 0, links: 0, notes });
        };
        let plan = self.plan_removal(lab, &known)?;
        self.records.write(lab, &Record { phase: Phase::Removing, ..record.clone() })?;
        let mut hear = |event: Event<'_>| tell(event, plan.steps.len(), progress);
        let (steps, errors) = run_forward(&mut *self.engine(lab, &known), &plan, &mut hear);
        progress(Progress::Verifying);
        let left: Vec<String> = match self.observe_known(lab, &known) {
            Ok((_, seen)) => {
                let mut rest = plan::build(plan.desired.clone(), seen);
                host::restore(&mut rest, Some(record));
                rest.changes.iter().map(words::of_change).collect()
            }
            Err(error) => vec![format!("it cannot be seen what is left: {error}")],
        };
        let mut errors = errors.into_iter();
        match errors.next() {
            None if left.is_empty() => {
                self.records.remove(lab)?;
                Ok(Applied { steps, nodes: 0, links: 0, notes: Vec::new() })
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
        let results = engine.probe(&echoes).map_err(words::refused)?;
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
        engine.execute(&place, command, output).map_err(|error| match error {
            NotRun::NotFound => ExecError::NotFound,
            NotRun::NotExecutable => ExecError::NotExecutable,
            NotRun::Refused(error) => ExecError::Lab(words::unreadable(error)),
        })
    }

    /// The engine of a lab that exists, and the model it was made of.
    fn present(&mut self, lab: &LabName) -> Result<(Box<dyn Engine + '_>, Model), LabError> {
        let record = self.records.read(lab)?;
        let record = self.of_this_boot(record).ok_or_else(|| words::no_such_lab(lab))?;
        Ok((self.backend.engine(lab, &record.token), record.model))
    }
}

fn tell(event: Event<'_>, of: usize, progress: &mut dyn FnMut(Progress)) {
    match event {
        Event::Stage { done, steps } => progress(Progress::Level { done, of, what: words::of_steps(steps) }),
        Event::Undoing(error) => progress(Progress::Undoing { why: error.to_string() }),
    }
}
