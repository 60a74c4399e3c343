//! A site: the labs of one engine in one state directory, with their lock.

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error::{ExecError, LabError, LabErrorKind};
use super::gc::Stray;
use super::labs::Labs;
use super::plans::PlanOptions;
use super::saved::SavedPlan;
use super::types::{
    Access, Applied, ApplyOptions, CommandFailure, EngineKind, Handed, LabState, LabSummary, NameRow, Probe,
    ProbeResult, Progress, SiteOptions,
};
use super::{behind, names, words};
use crate::engine::files::{Disk, StateFiles};
use crate::engine::{self, Backend, Exit, Fact, Lock, Phase, Records, Running, Stream, Unread, Wish};
use crate::model::{IfName, LabName, Model, NodeName};
use crate::plan::{Observed, Plan};

/// The labs of one engine in one state directory.
#[derive(Debug)]
pub struct Site {
    kind: EngineKind,
    records: Records,
    /// Held while something may be changed.
    lock: Option<Lock>,
    behind: Box<dyn Backend>,
    /// Of the kernel.
    boot: String,
    entropy: [u8; 16],
}

/// What a lab was before a change, see [`Site::before`].
#[derive(Clone, Debug)]
pub struct Before(Unread);

/// A wait that was prepared, see [`Site::settling`].
#[derive(Debug)]
pub struct Settling(Option<Box<dyn engine::Settling>>);

impl Settling {
    /// Waits, or so long.
    ///
    /// # Errors
    /// `NotUndone` when it was not enough.
    pub fn wait(self, limit: Duration) -> Result<(), LabError> {
        let Some(settling) = self.0 else { return Ok(()) };
        settling.wait(limit).map_err(|error| LabError { kind: LabErrorKind::NotUndone, ..words::refused(error) })
    }
}

impl Site {
    /// Opens the state directory and, for the simulator, its kernel.
    ///
    /// # Errors
    /// `NoEngine` (69) if `kind` is not built for this system, `Locked` (75) with who holds it, `BadState` (78) if a file of the
    /// state directory is damaged or foreign, `NotPermitted` (77).
    pub fn open(kind: EngineKind, options: SiteOptions) -> Result<Self, LabError> {
        Self::open_through(kind, options, Arc::new(Disk))
    }

    /// The same with a door of the caller's to the files of the state directory.
    ///
    /// # Errors
    /// As [`Site::open`].
    pub fn open_through(kind: EngineKind, options: SiteOptions, files: Arc<dyn StateFiles>) -> Result<Self, LabError> {
        let host = behind::host(kind, &options)?;
        let lock = match options.access {
            Access::Look => None,
            Access::Change => {
                fs::create_dir_all(&options.state_dir)
                    .map_err(|error| words::unusable_file(&options.state_dir, &error))?;
                Some(Lock::take(&options.state_dir.join("lock"), &options.holder, options.wait)?)
            }
        };
        let mut behind = match host {
            Some(host) => host,
            None => behind::simulated(&options, files.clone())?,
        };
        let boot = behind.boot_identity();
        let (records, entropy) = (Records::through(&options.state_dir, files), options.entropy);
        Ok(Self { kind, records, lock, behind, boot, entropy })
    }

    /// Which engine a lab of that name was made with, by its record alone, without opening anything else.
    ///
    /// # Errors
    /// `BadState` if its record cannot be read.
    pub fn engine_of(state_dir: &Path, lab: &LabName) -> Result<Option<EngineKind>, LabError> {
        let engine = Records::new(state_dir).engine(lab)?;
        Ok(engine.and_then(|engine| EngineKind::named(&engine)))
    }

    /// Whose engine this is.
    #[must_use]
    pub fn engine(&self) -> EngineKind {
        self.kind
    }

    /// Every lab with a record here, in natural order.
    ///
    /// # Errors
    /// `BadState` if a record cannot be read.
    pub fn labs(&self) -> Result<Vec<LabSummary>, LabError> {
        let boot = &self.boot;
        let mut labs = Vec::new();
        for name in self.records.labs()? {
            let Some(record) = self.records.read(&name)? else { continue };
            let state = match record.phase {
                _ if record.boot != *boot => LabState::Gone,
                Phase::Up => LabState::Up,
                Phase::Applying | Phase::Removing => LabState::Unfinished,
            };
            let (nodes, links) = (record.model.nodes.len(), record.model.links.len());
            let engine = EngineKind::named(&record.engine).unwrap_or(self.kind);
            labs.push(LabSummary { name, engine, state, nodes, links });
        }
        Ok(labs)
    }

    /// The model that a lab was made from (origins are gone).
    ///
    /// # Errors
    /// `NoSuchLab`, `BadState`.
    pub fn model(&self, lab: &LabName) -> Result<Model, LabError> {
        let record = self.records.read(lab)?.ok_or_else(|| words::no_such_lab(lab))?;
        Ok(record.model)
    }

    /// What must change for the kernel to hold `model`; reads, changes nothing.
    ///
    /// # Errors
    /// `File` with diagnostics, `BadState`, `Refused` if the kernel cannot be read.
    pub fn plan(&mut self, model: &Model) -> Result<Plan, LabError> {
        self.plan_with(model, &PlanOptions::default())
    }

    /// The same for some nodes alone, or strictly.
    ///
    /// # Errors
    /// As [`Site::plan`]; `NoSuchLab` for a node that is neither in the model nor in the lab.
    pub fn plan_with(&mut self, model: &Model, options: &PlanOptions) -> Result<Plan, LabError> {
        let mut plan = self.inner().plan_with(model, options)?;
        if self.kind == EngineKind::Sim {
            plan.notes.extend(words::not_real(model));
        }
        Ok(plan)
    }

    /// The plan of a file, made again.
    ///
    /// # Errors
    /// `StalePlan` with what has changed since then, and as [`Site::plan`].
    pub fn plan_again(&mut self, saved: &SavedPlan) -> Result<Plan, LabError> {
        self.inner().plan_again(saved)
    }

    /// What must change for the kernel to hold what was applied last: what somebody else has changed. What programs in nodes
    /// made counts only if `strict`: routes as what is to go, the rest is told beside it.
    ///
    /// # Errors
    /// `NoSuchLab`, `BadState` for a lab in the middle of a change, and as [`Site::observe`].
    pub fn drift(&mut self, lab: &LabName, strict: bool) -> Result<Plan, LabError> {
        self.inner().drift(lab, strict)
    }

    /// What is left of labs that nobody has any more, each proven ours.
    ///
    /// # Errors
    /// `BadState` if the state directory cannot be read, `Refused` if the kernel cannot.
    pub fn strays(&mut self) -> Result<Vec<Stray>, LabError> {
        self.inner().strays()
    }

    /// Removes something that [`Site::strays`] found.
    ///
    /// # Errors
    /// `NotUndone` with what will not die.
    pub fn remove_stray(&mut self, stray: &Stray, progress: &mut dyn FnMut(Progress)) -> Result<(), LabError> {
        self.may_change()?;
        self.inner().remove_stray(stray, progress)
    }

    /// What must change for nothing of the lab to be left.
    ///
    /// # Errors
    /// `NoSuchLab`, and as [`Site::plan`].
    pub fn plan_down(&mut self, lab: &LabName) -> Result<Plan, LabError> {
        self.inner().plan_down(lab)
    }

    /// Carries out a plan; `model` is what it was made of, `None` for a plan to take a lab down.
    ///
    /// # Errors
    /// `Refused` when everything was undone, `NotUndone` with what is left.
    pub fn apply(
        &mut self,
        plan: &Plan,
        model: Option<&Model>,
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Applied, LabError> {
        self.may_change()?;
        match model {
            Some(model) => self.inner().apply(plan, model, options, progress),
            None => self.inner().down(&plan.lab, progress),
        }
    }

    /// Takes a lab down: by its record alone, after a crash too.
    ///
    /// # Errors
    /// `NoSuchLab`, `NotUndone` with what will not die.
    pub fn down(
        &mut self,
        lab: &LabName,
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Applied, LabError> {
        self.may_change()?;
        self.inner().down_within(lab, options, progress)
    }

    /// Prepares to wait until everything of a lab that is taken away from now on has gone: some kernels return before they have done all of it.
    ///
    /// # Errors
    /// `Refused`.
    pub fn settling(&mut self, lab: &LabName) -> Result<Settling, LabError> {
        Ok(Settling(self.behind.settling(lab).map_err(words::unreadable)?))
    }

    /// Ends what runs in nodes (rc.shutdown where they have files of their own, SIGTERM, `grace`, SIGKILL) and removes their jails.
    /// Their interfaces stay wired in the lab jail and their files stay, for [`Site::start`].
    ///
    /// # Errors
    /// `NoSuchLab` for a lab or node that is not there, `NotUndone` with processes that do not die, `Refused` when somebody wanted it
    /// to end before they were killed, and as [`Site::apply`].
    pub fn stop(
        &mut self,
        lab: &LabName,
        nodes: &[NodeName],
        grace: Duration,
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Applied, LabError> {
        self.may_change()?;
        self.inner().stop(lab, nodes, grace, options, progress)
    }

    /// Makes the jails of stopped nodes again, with everything that they had; the plan says what was done.
    ///
    /// # Errors
    /// `NoSuchLab`, and as [`Site::apply`].
    pub fn start(
        &mut self,
        lab: &LabName,
        nodes: &[NodeName],
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Applied, Plan), LabError> {
        self.may_change()?;
        self.inner().start(lab, nodes, options, progress)
    }

    /// Runs the file's commands in the nodes whose jails `plan` made; gives those that failed. The simulator runs none.
    ///
    /// # Errors
    /// `NoSuchLab`, `BadState`.
    pub fn run_commands(
        &mut self,
        plan: &Plan,
        model: &Model,
        options: &ApplyOptions,
        output: &mut dyn FnMut(&NodeName, Stream, &[u8]),
    ) -> Result<Vec<CommandFailure>, LabError> {
        self.may_change()?;
        match self.kind {
            EngineKind::Sim => Ok(Vec::new()),
            EngineKind::FreeBsd | EngineKind::Linux => self.inner().run_commands(plan, model, options, output),
        }
    }

    /// What a lab is before a change, for [`Site::take_back`].
    ///
    /// # Errors
    /// `BadState` if its record cannot be read.
    pub fn before(&self, lab: &LabName) -> Result<Before, LabError> {
        // It is looked into when somebody wants it back, which is seldom so.
        Ok(Before(self.records.unread(lab)?))
    }

    /// Brings back what there was before a plan was carried out, when somebody wants that after it was: while the file's commands ran.
    /// A lab that was not there goes. Whoever asked for the end once is heeded when they ask again.
    ///
    /// # Errors
    /// `NotUndone` with what is left.
    pub fn take_back(
        &mut self,
        plan: &Plan,
        before: &Before,
        options: &ApplyOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), LabError> {
        self.may_change()?;
        let interrupted = "interrupted while the file's commands ran";
        let before = self.records.understood(&before.0)?.filter(|record| record.boot == self.boot);
        if options.stop.wish() == Wish::Leave || before.as_ref().is_some_and(|record| record.phase != Phase::Up) {
            let hint = format!("the lab is up without what they do: `cellblock down {}` takes it away", plan.lab);
            return Err(LabError::new(LabErrorKind::NotUndone, interrupted).hint(hint));
        }
        progress(Progress::Undoing { why: interrupted.to_owned() });
        let options = ApplyOptions { timeout: None, jobs: options.jobs, stop: options.stop.after_the_first() };
        let undone = self.inner().take_back(plan, before.as_ref(), &options, progress);
        undone.map_err(|error| LabError { kind: LabErrorKind::NotUndone, ..error })
    }

    /// What the kernel holds of a lab now.
    ///
    /// # Errors
    /// `NoSuchLab`, `Refused` if the kernel cannot be read.
    pub fn observe(&mut self, lab: &LabName) -> Result<Observed, LabError> {
        self.inner().observe(lab)
    }

    /// Kernel names and the author's names of everything in a lab.
    ///
    /// # Errors
    /// `NoSuchLab`, `BadState`.
    pub fn names(&mut self, lab: &LabName) -> Result<Vec<NameRow>, LabError> {
        let record = self.records.read(lab)?.ok_or_else(|| words::no_such_lab(lab))?;
        let graph = self.behind.graph(&record.model, &mut record.numbering.clone())?;
        Ok(names::rows(lab, &graph))
    }

    /// Brings interfaces of a node that another tool runs into the host's own stack; what is there already stays.
    ///
    /// # Errors
    /// `NoSuchLab` for a lab that is not up, or a node or interface that is not in it; `File` for a node that the lab runs itself;
    /// `Refused` for an interface that some jail has.
    pub fn attach(
        &mut self,
        lab: &LabName,
        node: &NodeName,
        interface: Option<&IfName>,
        patience: Duration,
    ) -> Result<Vec<Handed>, LabError> {
        self.may_change()?;
        self.inner().attach(lab, node, interface, patience)
    }

    /// Takes them back into the lab.
    ///
    /// # Errors
    /// As [`Site::attach`].
    pub fn detach(
        &mut self,
        lab: &LabName,
        node: &NodeName,
        interface: Option<&IfName>,
        patience: Duration,
    ) -> Result<Vec<Handed>, LabError> {
        self.may_change()?;
        self.inner().detach(lab, node, interface, patience)
    }

    /// What the kernel behind the site has for labs, and what it lacks.
    pub fn survey(&mut self) -> Vec<Fact> {
        self.behind.survey()
    }

    /// Runs a command in a node (in the simulator: one of its built-in ones).
    ///
    /// # Errors
    /// `NoSuchLab` for a lab, or a node with a stack, that is not there; why it could not be run is an [`ExecError`].
    pub fn exec(
        &mut self,
        lab: &LabName,
        node: &NodeName,
        command: &[String],
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, ExecError> {
        self.inner().exec(lab, node, command, output)
    }

    /// Starts a program in a node, in a session of its own on `terminal`. The simulator has no such programs.
    ///
    /// # Errors
    /// As [`Site::exec`].
    pub fn start_program(
        &mut self,
        lab: &LabName,
        node: &NodeName,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, ExecError> {
        self.inner().start_program(lab, node, command, terminal)
    }

    /// Makes sure that there is a node with a stack of that name.
    ///
    /// # Errors
    /// `NoSuchLab`.
    pub fn station(&self, lab: &LabName, node: &NodeName) -> Result<(), LabError> {
        words::station(&self.model(lab)?, node).map(drop)
    }

    /// Sends echoes, many at once; results in the order of `probes`.
    ///
    /// # Errors
    /// `NoSuchLab` for a lab or a node that is not there, `Refused` if a prober could not be set up.
    pub fn probe(&mut self, lab: &LabName, probes: &[Probe]) -> Result<Vec<ProbeResult>, LabError> {
        self.inner().probe(lab, probes)
    }

    /// Saves the simulated kernel (opened with [`Access::Change`]) and lets the lock go.
    ///
    /// # Errors
    /// `BadState` if it cannot be written.
    pub fn close(mut self) -> Result<(), LabError> {
        if self.lock.is_some() {
            self.behind.keep().map_err(words::not_kept)?;
        }
        Ok(())
    }

    fn inner(&mut self) -> Labs<'_> {
        Labs { backend: &mut *self.behind, records: &self.records, engine: self.kind.name(), entropy: self.entropy }
    }

    fn may_change(&self) -> Result<(), LabError> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(LabError::new(LabErrorKind::Bug, "the site was opened to look only")),
        }
    }
}
