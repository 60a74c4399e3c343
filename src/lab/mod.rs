//! Labs of one state directory, as the commands see them: plan, apply, take down, look, test.

mod error;
mod labs;
mod names;
mod types;
mod words;

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::engine::freebsd::doors::{Exit, Stream};
use crate::model::{LabName, Model, NodeName};
use crate::plan::{Observed, Plan};

pub use error::{LabError, LabErrorKind};
pub use types::{
    Access, Applied, ApplyOptions, EngineKind, LabState, LabSummary, NameRow, Probe, ProbeResult, Progress,
    RouteDoorKind, SiteOptions,
};

/// The engine that `--engine auto` means on this system, and one line saying which and why.
#[must_use]
pub fn choose_engine() -> (EngineKind, String) {
    (EngineKind::Sim, "engine sim: no other engine is built for this system yet".to_owned())
}

/// What the engine cannot do of a model, or will do otherwise than written; for `validate` and before a plan.
#[must_use]
pub fn check(_engine: EngineKind, _model: &Model) -> Vec<Diagnostic> {
    Vec::new()
}

/// The labs of one engine in one state directory.
#[derive(Debug)]
pub struct Site {
    kind: EngineKind,
}

impl Site {
    /// Opens the state directory and, for the simulator, its kernel.
    ///
    /// # Errors
    /// `NoEngine` (69) if `kind` is not built for this system, `Locked` (75) with who holds it, `BadState` (78) if a file of the
    /// state directory is damaged or foreign, `NotPermitted` (77).
    pub fn open(_kind: EngineKind, _options: SiteOptions) -> Result<Self, LabError> {
        Err(not_yet())
    }

    /// Which engine a lab of that name was made with, by its record alone, without opening anything else.
    ///
    /// # Errors
    /// `BadState` if its record cannot be read.
    pub fn engine_of(_state_dir: &Path, _lab: &LabName) -> Result<Option<EngineKind>, LabError> {
        Err(not_yet())
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
        Err(not_yet())
    }

    /// The model that a lab was made from (origins are gone).
    ///
    /// # Errors
    /// `NoSuchLab`, `BadState`.
    pub fn model(&self, _lab: &LabName) -> Result<Model, LabError> {
        Err(not_yet())
    }

    /// What must change for the kernel to hold `model`; reads, changes nothing.
    ///
    /// # Errors
    /// `File` with diagnostics, `BadState`, `Refused` if the kernel cannot be read.
    pub fn plan(&mut self, _model: &Model) -> Result<Plan, LabError> {
        Err(not_yet())
    }

    /// What must change for nothing of the lab to be left.
    ///
    /// # Errors
    /// `NoSuchLab`, and as [`Site::plan`].
    pub fn plan_down(&mut self, _lab: &LabName) -> Result<Plan, LabError> {
        Err(not_yet())
    }

    /// Carries out a plan; `model` is what it was made of, `None` for a plan to take a lab down.
    ///
    /// # Errors
    /// `Refused` when everything was undone, `NotUndone` with what is left.
    pub fn apply(
        &mut self,
        _plan: &Plan,
        _model: Option<&Model>,
        _options: &ApplyOptions,
        _progress: &mut dyn FnMut(Progress),
    ) -> Result<Applied, LabError> {
        Err(not_yet())
    }

    /// Takes a lab down: by its record alone, after a crash too.
    ///
    /// # Errors
    /// `NoSuchLab`, `NotUndone` with what will not die.
    pub fn down(
        &mut self,
        _lab: &LabName,
        _options: &ApplyOptions,
        _progress: &mut dyn FnMut(Progress),
    ) -> Result<Applied, LabError> {
        Err(not_yet())
    }

    /// What the kernel holds of a lab now.
    ///
    /// # Errors
    /// `NoSuchLab`, `Refused` if the kernel cannot be read.
    pub fn observe(&mut self, _lab: &LabName) -> Result<Observed, LabError> {
        Err(not_yet())
    }

    /// Kernel names and the author's names of everything in a lab.
    ///
    /// # Errors
    /// As [`Site::observe`].
    pub fn names(&mut self, _lab: &LabName) -> Result<Vec<NameRow>, LabError> {
        Err(not_yet())
    }

    /// Runs a command in a node (in the simulator: one of its built-in ones).
    ///
    /// # Errors
    /// `NoSuchLab` for a lab, or a node with a stack, that is not there; why it could not be run is an [`ExecError`].
    pub fn exec(
        &mut self,
        _lab: &LabName,
        _node: &NodeName,
        _command: &[String],
        _output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, ExecError> {
        Err(ExecError::Lab(not_yet()))
    }

    /// Sends echoes, many at once; results in the order of `probes`.
    ///
    /// # Errors
    /// `NoSuchLab` for a lab or a node that is not there, `Refused` if a prober could not be set up.
    pub fn probe(&mut self, _lab: &LabName, _probes: &[Probe]) -> Result<Vec<ProbeResult>, LabError> {
        Err(not_yet())
    }

    /// Saves the simulated kernel (opened with [`Access::Change`]) and lets the lock go.
    ///
    /// # Errors
    /// `BadState` if it cannot be written.
    pub fn close(self) -> Result<(), LabError> {
        Ok(())
    }
}

/// Why a command did not run in a node.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExecError {
    /// Before it came to that: exit 66 for what is not there, else 125.
    #[error("{0}")]
    Lab(LabError),
    /// Exit 127.
    #[error("no such program")]
    NotFound,
    /// Exit 126.
    #[error("cannot be executed")]
    NotExecutable,
}

fn not_yet() -> LabError {
    LabError::new(LabErrorKind::Bug, "this engine is being built")
}
