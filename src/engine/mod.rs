//! Engines realise steps on a kernel and read back what it holds.

mod execute;
pub mod faults;
pub mod files;
pub mod folders;
pub mod freebsd;
mod graphs;
mod icmp;
mod journal;
pub mod linux;
mod lock;
mod record;
mod run;
mod stop;
mod unusable;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use serde::Serialize;

use crate::abi::Errno;
use crate::diagnostic::Diagnostic;
use crate::graph::{Graph, GraphError, Nic, Numbering, Object, Place, Sysctl};
use crate::model::{IfName, LabName, Model, NodeName, System};
use crate::plan::{Observed, Plan, Scope, Step};

pub use execute::{Demand, Ending, Exit, NotRun, Running, Stream, Until, Watch};
pub use graphs::{GraphBuilder, two_graphs};
pub use journal::{Intents, JournalProgress};
pub use lock::{Lock, LockError};
pub use record::{Journal, Phase, Record, RecordError, Records, Unread};
pub use run::{Bounds, Event, RunError, run, run_forward};
pub use stop::{Stop, Wish};
pub use unusable::{Lack, Unusable};

/// What an engine can do here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Jails carry the ownership token in a parameter of their own.
    pub jail_meta: bool,
    /// Modules that the lab needs and that were loaded just now; they stay.
    pub loaded: Vec<String>,
}

/// Something that labs may need of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What.
    pub what: &'static str,
    /// Whether it is there.
    pub standing: Standing,
    /// What was found, in words.
    pub found: String,
    /// What to do where it is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Whether a host has what labs need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It has.
    Fine,
    /// Some labs will not do, or not as well.
    Limited,
    /// No lab will do.
    Missing,
}

/// A lab that exists as long as some processes do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub lab: LabName,
    /// What proves that it is ours.
    pub token: String,
    /// The processes, in words.
    pub processes: Vec<String>,
}

/// A kernel that labs are made on, and the engine for it.
pub trait Backend: fmt::Debug {
    /// A string that changes with every boot of the kernel.
    fn boot_identity(&mut self) -> String;

    /// Which family the kernel is of: commands may be for one only.
    fn system(&self) -> System;

    /// Where the machine has the roots of nodes, if that is not beside the records.
    fn roots(&mut self) -> Option<String>;

    /// What the host has for labs, and what it lacks.
    fn survey(&mut self) -> Vec<Fact> {
        Vec::new()
    }

    /// Lets go of what keeps a lab, which bears `token`, beside the lab itself, before its record is removed.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn forget(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError> {
        let _ = (lab, token);
        Ok(())
    }

    /// What the engine cannot do of a model, or will do otherwise than written.
    fn check(&mut self, model: &Model) -> Vec<Diagnostic>;

    /// How a model becomes the objects that it is made of on such a kernel.
    fn builder(&self) -> GraphBuilder;

    /// The objects that a model is made of on such a kernel.
    ///
    /// # Errors
    /// A derived name that two objects would share.
    fn graph(&self, model: &Model, numbering: &mut Numbering) -> Result<Graph, GraphError> {
        (self.builder())(model, numbering)
    }

    /// The labs that the kernel holds, of whatever state directory, with the token that proves each to be ours.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn labs(&mut self) -> Result<Vec<(LabName, String)>, EngineError> {
        Ok(Vec::new())
    }

    /// The labs that only processes of ours keep, of whatever state directory: nobody else sees anything of them.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn kept(&mut self) -> Result<Vec<Kept>, EngineError> {
        Ok(Vec::new())
    }

    /// Ends the processes that keep such a lab, and the lab with them.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn end_kept(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError> {
        let _ = (lab, token);
        Ok(())
    }

    /// Makes what was done to the kernel last, where that does not come by itself. Called before a record says that it is done.
    ///
    /// # Errors
    /// Why it could not be kept.
    fn keep(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Prepares to wait until everything of a lab that is taken away from now on has gone; `None` where there is nothing to wait for.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn settling(&mut self, _lab: &LabName) -> Result<Option<Box<dyn Settling>>, EngineError> {
        Ok(None)
    }

    /// The engine for one lab, which bears `token` to prove that it is ours.
    fn engine<'b>(&'b mut self, lab: &LabName, token: &str) -> Box<dyn Engine + 'b>;
}

/// A kernel that goes on by itself with taking things away.
pub trait Settling: fmt::Debug {
    /// Waits until it has done that, or so long.
    ///
    /// # Errors
    /// It was not enough.
    fn wait(self: Box<Self>, limit: Duration) -> Result<(), EngineError>;
}

/// Does single steps and looks; knows neither graph nor file.
pub trait Engine {
    /// Makes sure that the kernel can do what the plan wants.
    ///
    /// # Errors
    /// What is missing.
    fn prepare(&mut self, plan: &Plan) -> Result<Capabilities, EngineError>;

    /// Names that objects which are to be made need on the host and that somebody else has there, in words: all of them, before the
    /// first step.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn names_taken(&mut self, new: &[&Object]) -> Result<Vec<String>, EngineError> {
        let _ = new;
        Ok(Vec::new())
    }

    /// Does the steps of one place in order, up to the first that fails; some after it may have been done already.
    /// As many results as steps.
    fn perform(&mut self, place: &Place, steps: &[&Step]) -> Vec<StepResult>;

    /// The same for many places, up to `jobs` steps at one time; `None` from an engine that does not gain by it, which is then asked
    /// place by place. Results in the order of the places, whatever was done first: as many as steps. Steps of one place that are not
    /// of the kind that [`Step::is_independent`] names keep their order.
    fn perform_all(&mut self, lanes: &[Lane<'_>], jobs: NonZeroUsize) -> Option<Vec<Vec<StepResult>>> {
        let _ = (lanes, jobs);
        None
    }

    /// Sysctls as they were before the steps that were done so far, of network stacks that were new: nobody could know before.
    fn first_values(&mut self) -> Vec<Sysctl> {
        Vec::new()
    }

    /// What the kernel holds of the lab.
    ///
    /// # Errors
    /// The kernel's refusal; or a jail of the lab's name that is not ours.
    fn observe(&mut self, scope: &Scope) -> Result<Observed, EngineError>;

    /// Lets time pass for something that is about to happen by itself.
    fn wait(&mut self, span: Duration);

    /// The kernel's clock.
    fn now(&mut self) -> Duration;

    /// Brings interfaces of the lab's own into the host's stack, where another tool takes them from; those that are there already
    /// stay. One that is in some jail still gets `patience` to come home. All of them, or none.
    ///
    /// # Errors
    /// The lab is not there; an interface that another jail has; the kernel's refusal.
    fn lend(&mut self, nics: &[&Nic], patience: Duration) -> Result<(), NotHanded> {
        let _ = patience;
        Err(NotHanded::unable(nics))
    }

    /// The way back: from the host, and under the lab's own names if they came home from a jail with others.
    ///
    /// # Errors
    /// As [`Engine::lend`].
    fn reclaim(&mut self, nics: &[&Nic], patience: Duration) -> Result<(), NotHanded> {
        let _ = patience;
        Err(NotHanded::unable(nics))
    }

    /// Sends echoes, many at once; results in the order of `echoes`.
    ///
    /// # Errors
    /// A prober that could not be set up.
    fn probe(&mut self, echoes: &[Echo]) -> Result<Vec<EchoResult>, EngineError>;

    /// Ends every process in these places, all at once: rc.shutdown where there is one, SIGTERM, a while to come to an end, SIGKILL.
    ///
    /// # Errors
    /// What is still there, or why it cannot be known.
    fn end_processes(&mut self, places: &[Place], ending: &Ending) -> Result<(), EngineError>;

    /// The number for the lab's devfs ruleset: `present` where that is ours or free; `None` where there are none.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn ruleset(&mut self, present: Option<u16>) -> Result<Option<u16>, EngineError>;

    /// Runs a program in a place to its end, or to that which `until` sets; `output` gets what it writes as it comes.
    ///
    /// # Errors
    /// Why it could not be run; a program that ran and failed is not an error.
    fn execute(
        &mut self,
        place: &Place,
        command: &[String],
        until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, NotRun>;

    /// Starts a program in a place, in a session of its own with `terminal` as its controlling terminal and its three streams.
    ///
    /// # Errors
    /// Why it could not be run.
    fn start_on(
        &mut self,
        place: &Place,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, NotRun>;
}

/// Why interfaces were not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHanded {
    /// The lab does not exist.
    #[error("there is no such lab")]
    NoLab,
    /// A jail has it.
    #[error("`{0}` is in a jail")]
    InJail(String),
    /// The kernel's refusal, or a lab that is not ours.
    #[error("{0}")]
    Refused(#[from] EngineError),
}

impl NotHanded {
    fn unable(nics: &[&Nic]) -> Self {
        let object = nics.first().map_or("", |nic| &*nic.name);
        Self::Refused(EngineError::strange(object, "attach", "this engine hands no interfaces to other tools"))
    }
}

/// The steps of one stage that one actor does.
#[derive(Clone, Debug)]
pub struct Lane<'s> {
    /// Where.
    pub place: Place,
    /// In order.
    pub steps: Vec<&'s Step>,
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// Done.
    Done,
    /// Refused.
    Failed(EngineError),
    /// A step before it failed.
    NotTried,
}

/// A refusal: object, call, errno.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    /// What was meant to happen, lower case, objects in backticks.
    pub message: String,
    /// The object.
    pub object: String,
    /// The call, in the kernel's words.
    pub call: String,
    /// The kernel's answer, if it gave one.
    pub errno: Option<Errno>,
    /// What the kernel or we know beyond the number.
    pub detail: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
}

impl EngineError {
    /// A refusal of `call` on `object`.
    #[must_use]
    pub fn refused(object: impl Into<String>, call: impl Into<String>, errno: Errno) -> Self {
        let (object, call) = (object.into(), call.into());
        Self {
            message: format!("{call} on `{object}` failed"),
            object,
            call,
            errno: Some(errno),
            detail: None,
            hint: None,
        }
    }

    /// Something that no errno says.
    #[must_use]
    pub fn strange(object: impl Into<String>, call: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            object: object.into(),
            call: call.into(),
            errno: None,
            detail: None,
            hint: None,
        }
    }

    /// Adds what is known beyond the number.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(errno) = self.errno {
            write!(f, ": {errno}")?;
        }
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for EngineError {}

/// One echo test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Who sends.
    pub from: Place,
    /// To which address.
    pub to: IpAddr,
    /// Out of which interface, for link-local addresses.
    pub interface: Option<IfName>,
    /// How often to try.
    pub tries: u32,
    /// How long to wait for the answer of one try.
    pub timeout: Duration,
}

/// What came of one echo test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EchoResult {
    /// Answered.
    Answered {
        /// Which try, from 1.
        attempt: u32,
        /// How long it took.
        after: Duration,
    },
    /// Silence.
    Silent,
    /// There is no way, said the sender's own stack or an ICMP error.
    Unreachable(String),
    /// It could not be sent for another reason.
    Failed(String),
}

/// The jail of a place as the host calls it.
#[must_use]
pub fn jail_name(lab: &str, place: &Place) -> Option<String> {
    match place {
        Place::Host => None,
        Place::Lab => Some(lab.to_owned()),
        Place::Node(node) => Some(node_jail(lab, node)),
    }
}

fn node_jail(lab: &str, node: &NodeName) -> String {
    format!("{lab}.{node}")
}
