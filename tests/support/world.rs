//! A simulated kernel, the records of the labs in it, and what a test does with them.

use std::path::Path;

use cellblock::engine::Records;
use cellblock::engine::freebsd::{Machine, RouteMeans, Settings};
use cellblock::lab::{ApplyOptions, LabError, Labs};
use cellblock::model::{LabName, Model};
use cellblock::plan::{Plan, render};
use cellblock::sim::{Kernel, SimDoors};

use super::picture::picture;

/// The kernel and the records.
pub struct World {
    pub machine: Machine<SimDoors>,
    pub records: Records,
    folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { means: RouteMeans::Netlink, load_modules: true };
        Self {
            machine: Machine { doors: SimDoors::new(Kernel::boot(1)), settings },
            records: Records::new(folder.path()),
            folder,
        }
    }

    pub fn labs(&mut self) -> Labs<'_> {
        Labs { backend: &mut self.machine, records: &self.records, engine: "sim", entropy: [7; 16] }
    }

    /// Where the records are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn picture(&mut self) -> Vec<String> {
        picture(&mut self.machine.doors)
    }

    /// Applies a file; gives the plan that it took. Afterwards there is nothing to do.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn up(&mut self, model: &Model) -> Result<Plan, String> {
        let plan = self.labs().plan(model).map_err(told)?;
        self.labs().apply(&plan, model, &ApplyOptions::default(), &mut |_| {}).map_err(told)?;
        let again = self.labs().plan(model).map_err(told)?;
        if again.is_empty() {
            return Ok(plan);
        }
        Err(format!("the second plan is not empty:\n{}", render::text(&again)))
    }

    /// # Errors
    /// What went wrong, in words.
    pub fn down(&mut self, lab: &LabName) -> Result<(), String> {
        self.labs().down(lab, &mut |_| {}).map_err(told)?;
        Ok(())
    }
}

pub fn told(error: LabError) -> String {
    format!("{error}: {error:#?}")
}
