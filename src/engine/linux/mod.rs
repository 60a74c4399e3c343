//! The Linux engine: namespaces joined by veth pairs and bridges. Plain logic over [`kernel::Kernel`], compiled on every system.

mod batch;
mod check;
mod encode;
mod errno;
pub mod faults;
pub mod features;
mod indexes;
pub mod kernel;
mod limits;
mod observe;
mod probe;
mod processes;
mod shape;
#[cfg(target_os = "linux")]
pub mod sys;
mod taken;
#[cfg(not(target_os = "linux"))]
pub mod sys {
    //! There is no Linux kernel on this system.

    use std::path::Path;

    use super::features::{Answer, Feature};
    use crate::engine::{Backend, Fact, Unusable};

    /// The kernel of this system, which is not Linux.
    ///
    /// # Errors
    /// Always: so it is.
    pub fn open(_state_dir: &Path) -> Result<Box<dyn Backend>, Unusable> {
        Err(Unusable::elsewhere())
    }

    /// How labs are made on Linux.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Way {
        /// In the machine's own view of files and names.
        Direct,
        /// Each lab in a user namespace.
        Rootless {
            /// Why not otherwise.
            why: String,
        },
    }

    /// There is none here.
    ///
    /// # Errors
    /// Always: so it is.
    pub fn way() -> Result<Way, Unusable> {
        Err(Unusable::elsewhere())
    }

    /// Nothing can be said of a kernel that is not there.
    #[must_use]
    pub fn survey() -> Vec<Fact> {
        Vec::new()
    }

    /// What a file wants is not refused where there is nobody to ask.
    ///
    /// # Errors
    /// None.
    pub fn ask(_feature: Feature) -> Answer {
        Ok("nobody was asked".to_owned())
    }
}

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use self::features::Feature;
use self::indexes::Indexes;
use self::kernel::{Kernel, Knob};
use super::{
    Backend, Capabilities, Echo, EchoResult, Ending, Engine, EngineError, Exit, Fact, GraphBuilder, Kept, NotRun,
    Running, Settling, StepResult, Stream, Until,
};
use crate::diagnostic::Diagnostic;
use crate::graph::{Name, Object, Place, Sysctl};
use crate::model::{LabName, Model, System};
use crate::plan::{LinuxStep, Observed, Plan, Scope, Step};

pub use check::{LEFT_OUT, check};

/// A Linux kernel as labs see it.
#[derive(Debug)]
pub struct Machine<K> {
    /// The kernel.
    pub kernel: K,
}

impl<K: Kernel> Backend for Machine<K> {
    fn boot_identity(&mut self) -> String {
        self.kernel.boot_identity()
    }

    fn system(&self) -> System {
        System::Linux
    }

    fn roots(&mut self) -> Option<String> {
        None
    }

    fn survey(&mut self) -> Vec<Fact> {
        Feature::ALL.into_iter().map(|feature| feature.fact(self.kernel.feature(feature))).collect()
    }

    fn forget(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError> {
        self.kernel.forget(lab, token)
    }

    fn check(&mut self, model: &Model) -> Vec<Diagnostic> {
        check(model, &mut |feature| self.kernel.feature(feature))
    }

    fn builder(&self) -> GraphBuilder {
        |model, numbering| crate::graph::linux::build(model, numbering)
    }

    fn settling(&mut self, lab: &LabName) -> Result<Option<Box<dyn Settling>>, EngineError> {
        self.kernel.settling(lab)
    }

    fn labs(&mut self) -> Result<Vec<(LabName, String)>, EngineError> {
        let mut found = Vec::new();
        for lab in self.kernel.labs()? {
            // A directory with something else mounted on it is not ours.
            if let Ok(Some(token)) = self.kernel.token(&lab) {
                found.push((lab, token));
            }
        }
        Ok(found)
    }

    fn kept(&mut self) -> Result<Vec<Kept>, EngineError> {
        self.kernel.kept()
    }

    fn end_kept(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError> {
        self.kernel.end_kept(lab, token)
    }

    fn engine<'b>(&'b mut self, lab: &LabName, token: &str) -> Box<dyn Engine + 'b> {
        let (lab, token) = (lab.clone(), token.to_owned());
        let (indexes, undressed) = (Indexes::default(), HashMap::new());
        let (firsts, buffer) = (Vec::new(), Vec::new());
        Box::new(Engineer { kernel: &mut self.kernel, lab, token, indexes, undressed, firsts, buffer })
    }
}

/// The engine for one lab.
#[derive(Debug)]
struct Engineer<'k, K> {
    kernel: &'k mut K,
    lab: LabName,
    token: String,
    indexes: Indexes,
    /// What is said of interfaces that were made with the step that sets them up: their alias and what they do by themselves.
    undressed: HashMap<(Place, Name), Vec<u8>>,
    /// Sysctls of new network stacks before they were set.
    firsts: Vec<Sysctl>,
    /// What dumps are heard with.
    buffer: Vec<u8>,
}

impl<K: Kernel> Engineer<'_, K> {
    /// Makes sure that the lab is ours where it exists; whether it does.
    fn own_lab(&mut self) -> Result<bool, EngineError> {
        match self.kernel.token(&self.lab)? {
            None => Ok(false),
            Some(token) if token == self.token => Ok(true),
            Some(_) => {
                let lab = self.lab.as_str();
                let message = format!("the namespaces of `{lab}` were made by somebody else");
                Err(EngineError::strange(lab, "", message)
                    .hint("take that lab down with the state directory it was made with, or choose another `name`"))
            }
        }
    }

    /// What a person would call an interface of a place.
    fn at(&self, place: &Place, interface: &str) -> String {
        match place {
            Place::Host => interface.to_owned(),
            Place::Lab => format!("{}:{interface}", self.lab),
            Place::Node(node) => format!("{node}:{interface}"),
        }
    }

    fn create_namespaces(&mut self, steps: &[&Step]) -> Vec<StepResult> {
        let places: Vec<&Place> = steps.iter().filter_map(|step| created(step)).collect();
        let results = self.kernel.create(&self.lab, &self.token, &places);
        for (place, result) in places.iter().zip(&results) {
            if result.is_ok() {
                self.indexes.is_new(place);
            }
        }
        results.into_iter().map(|result| result.map_or_else(StepResult::Failed, |()| StepResult::Done)).collect()
    }

    fn remove_namespace(&mut self, place: &Place) -> Result<(), EngineError> {
        if !self.own_lab()? {
            return Ok(());
        }
        if *place != Place::Lab {
            return self.kernel.remove(&self.lab, place);
        }
        // A bridge that is up looks at all its ports each time one of them goes.
        self.bridges_down()?;
        self.kernel.remove_lab(&self.lab)
    }

    /// Writes the sysctls at the head, all of them in one visit.
    fn write_sysctls(&mut self, place: &Place, steps: &[&Step]) -> Vec<StepResult> {
        let values: Vec<(&str, &str)> = steps
            .iter()
            .map_while(|step| match step {
                Step::SetSysctl { name, to, .. } => Some((&**name, to.as_str())),
                _ => None,
            })
            .collect();
        let is_new = |step: &&Step| match step {
            Step::SetSysctl { name, from: None, .. } if *place != Place::Host => Some(name.clone()),
            _ => None,
        };
        let new: Vec<Name> = steps[..values.len()].iter().filter_map(is_new).collect();
        if !new.is_empty() {
            match self.kernel.read_sysctls(&self.lab, place, &new) {
                Ok(now) => self.firsts.extend(now.into_iter().map(|(name, value)| Sysctl {
                    place: place.clone(),
                    name,
                    value,
                })),
                Err(error) => return vec![StepResult::Failed(error)],
            }
        }
        let results = self.kernel.write_sysctls(&self.lab, place, &values);
        results.into_iter().map(|result| result.map_or_else(StepResult::Failed, |()| StepResult::Done)).collect()
    }

    /// Does the steps at the head that belong together; at least one result.
    fn some_steps(&mut self, place: &Place, steps: &[&Step]) -> Vec<StepResult> {
        let single =
            |result: Result<(), EngineError>| vec![result.map_or_else(StepResult::Failed, |()| StepResult::Done)];
        match steps[0] {
            Step::Linux(LinuxStep::CreateNamespace(_)) => {
                let run = steps.iter().take_while(|step| created(step).is_some()).count();
                self.create_namespaces(&steps[..run])
            }
            Step::Linux(LinuxStep::RemoveNamespace(namespace)) => single(self.remove_namespace(&namespace.place)),
            Step::Linux(LinuxStep::SetRoot(root)) => single(self.kernel.set_root(&self.lab, root)),
            Step::Linux(LinuxStep::UnsetRoot(root)) => single(self.kernel.unset_root(&self.lab, &root.place)),
            Step::Linux(LinuxStep::SetRules { place, to, .. }) => {
                single(self.kernel.set_rules(&self.lab, place, to.as_ref()))
            }
            Step::MakeFolder(folder) => single(self.kernel.make_folder(folder)),
            Step::RemoveFolder(folder) => single(self.kernel.remove_folder(folder)),
            Step::SetSysctl { .. } => self.write_sysctls(place, steps),
            Step::AddLimit(limit) => single(self.set_limit(limit)),
            Step::RemoveLimit(limit) => single(self.unset_limit(limit)),
            Step::SetCpus { place, to: Some(set), .. } => {
                single(self.kernel.set_knob(&self.lab, place, &Knob::Processors(set.clone())))
            }
            Step::SetCpus { place, from: Some(set), to: None } => {
                single(self.kernel.unset_knob(&self.lab, place, &Knob::Processors(set.clone())))
            }
            _ => {
                let run = steps.iter().take_while(|step| encode::is_message(step)).count();
                if run == 0 {
                    let message = "only FreeBSD has such a step";
                    return single(Err(EngineError::strange(place.to_string(), "", message)));
                }
                self.send_steps(place, &steps[..run])
            }
        }
    }
}

/// The namespace that a step makes.
fn created(step: &Step) -> Option<&Place> {
    match step {
        Step::Linux(LinuxStep::CreateNamespace(namespace)) => Some(&namespace.place),
        _ => None,
    }
}

impl<K: Kernel> Engine for Engineer<'_, K> {
    fn prepare(&mut self, _plan: &Plan) -> Result<Capabilities, EngineError> {
        self.own_lab()?;
        Ok(Capabilities::default())
    }

    fn names_taken(&mut self, new: &[&Object]) -> Result<Vec<String>, EngineError> {
        self.names_taken(new)
    }

    fn perform(&mut self, place: &Place, steps: &[&Step]) -> Vec<StepResult> {
        let mut results = Vec::with_capacity(steps.len());
        while results.len() < steps.len() {
            let before = results.len();
            results.extend(self.some_steps(place, &steps[before..]));
            if results.iter().skip(before).any(|result| matches!(result, StepResult::Failed(_))) {
                break;
            }
        }
        results.resize(steps.len(), StepResult::NotTried);
        if let Some(last @ StepResult::Done) = results.last_mut()
            && let Err(error) = self.dress_rest(place)
        {
            *last = StepResult::Failed(error);
        }
        results
    }

    fn first_values(&mut self) -> Vec<Sysctl> {
        std::mem::take(&mut self.firsts)
    }

    fn observe(&mut self, scope: &Scope) -> Result<Observed, EngineError> {
        self.look(scope)
    }

    fn wait(&mut self, span: Duration) {
        self.kernel.wait(span);
    }

    fn now(&mut self) -> Duration {
        self.kernel.now()
    }

    fn probe(&mut self, echoes: &[Echo]) -> Result<Vec<EchoResult>, EngineError> {
        self.own_lab()?;
        let results = self.echo(echoes);
        self.kernel.echo_close();
        results
    }

    fn end_processes(&mut self, places: &[Place], ending: &Ending) -> Result<(), EngineError> {
        if self.own_lab()? { self.end(places, ending) } else { Ok(()) }
    }

    fn ruleset(&mut self, _present: Option<u16>) -> Result<Option<u16>, EngineError> {
        Ok(None)
    }

    fn execute(
        &mut self,
        place: &Place,
        command: &[String],
        until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, NotRun> {
        self.own_lab().map_err(NotRun::Refused)?;
        self.kernel.execute(&self.lab, place, command, until, output)
    }

    fn start_on(
        &mut self,
        place: &Place,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, NotRun> {
        self.own_lab().map_err(NotRun::Refused)?;
        self.kernel.start_on(&self.lab, place, command, terminal)
    }
}
