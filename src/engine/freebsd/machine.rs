//! A FreeBSD kernel behind doors, simulated or real, as labs see it.

use super::doors::Doors;
use super::jail::tokens;
use super::{FreeBsd, RouteMeans, check, survey};
use crate::diagnostic::Diagnostic;
use crate::engine::{Backend, Engine, EngineError, Fact, GraphBuilder};
use crate::model::{LabName, Model, System};

/// How the engine is to go about its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How addresses and routes travel.
    pub means: RouteMeans,
    /// Whether modules that a lab needs may be loaded; they stay.
    pub load_modules: bool,
}

/// A kernel and how to work on it.
#[derive(Debug)]
pub struct Machine<D> {
    /// The kernel.
    pub doors: D,
    /// How.
    pub settings: Settings,
}

impl<D: Doors + std::fmt::Debug> Backend for Machine<D> {
    fn boot_identity(&mut self) -> String {
        self.doors.boot_identity()
    }

    fn system(&self) -> System {
        System::FreeBsd
    }

    fn roots(&mut self) -> Option<String> {
        self.doors.roots()
    }

    fn survey(&mut self) -> Vec<Fact> {
        survey(&mut self.doors, self.settings)
    }

    fn check(&mut self, model: &Model) -> Vec<Diagnostic> {
        check(model)
    }

    fn builder(&self) -> GraphBuilder {
        crate::graph::build
    }

    fn labs(&mut self) -> Result<Vec<(LabName, String)>, EngineError> {
        tokens(&mut self.doors)
    }

    fn engine<'b>(&'b mut self, lab: &LabName, token: &str) -> Box<dyn Engine + 'b> {
        Box::new(FreeBsd::new(&mut self.doors, lab.clone(), token, self.settings))
    }
}
