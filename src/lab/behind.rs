//! What stands behind the labs of a site: a kernel of this host, or one that is simulated and kept in a file.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use super::types::{EngineKind, RouteDoorKind, SiteOptions};
use super::{LabError, words};
use crate::diagnostic::Diagnostic;
use crate::engine::files::{StateFiles, replace};
use crate::engine::freebsd::{self, Machine, RouteMeans, Settings};
use crate::engine::{Backend, Engine, EngineError, Fact, GraphBuilder, linux};
use crate::model::{LabName, Model, System};
use crate::sim::{Kernel, SimDoors, persist};

/// The simulated kernel's file in a state directory.
const KERNEL: &str = "sim.kernel";

/// The kernel of this host behind an engine, which keeps what it holds by itself; `None` for the engine that has none.
pub(super) fn host(kind: EngineKind, options: &SiteOptions) -> Result<Option<Box<dyn Backend>>, LabError> {
    let settings = Settings { means: means(options), load_modules: options.load_modules };
    let opened = match kind {
        EngineKind::Sim => return Ok(None),
        EngineKind::FreeBsd => freebsd::sys::open(settings),
        EngineKind::Linux => linux::sys::open(&options.state_dir),
    };
    opened.map(Some).map_err(|unusable| words::no_engine(kind, unusable))
}

/// The simulated kernel of the state directory, or a new one.
pub(super) fn simulated(options: &SiteOptions, files: Arc<dyn StateFiles>) -> Result<Box<dyn Backend>, LabError> {
    // Nobody else has to live with what a simulated kernel loads.
    let settings = Settings { means: means(options), load_modules: true };
    let file = options.state_dir.join(KERNEL);
    let [a, b, c, d, e, f, g, h, ..] = options.entropy;
    let kernel = match persist::load(&file) {
        Ok(kernel) => kernel,
        Err(persist::LoadError::Io(error)) if error.kind() == ErrorKind::NotFound => {
            Kernel::boot(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
        }
        Err(error) => return Err(words::unusable_kernel(&file, &error)),
    };
    let machine = Machine { doors: SimDoors::new(kernel), settings };
    Ok(Box::new(Simulated { machine, file, files, touched: true }))
}

/// A kernel that exists while we run, and in a file between.
#[derive(Debug)]
struct Simulated {
    machine: Machine<SimDoors>,
    file: PathBuf,
    files: Arc<dyn StateFiles>,
    /// Something may have been done since it was kept.
    touched: bool,
}

impl Backend for Simulated {
    fn boot_identity(&mut self) -> String {
        self.machine.boot_identity()
    }

    fn system(&self) -> System {
        self.machine.system()
    }

    fn roots(&mut self) -> Option<String> {
        self.machine.roots()
    }

    fn survey(&mut self) -> Vec<Fact> {
        self.machine.survey()
    }

    fn check(&mut self, model: &Model) -> Vec<Diagnostic> {
        self.machine.check(model)
    }

    fn builder(&self) -> GraphBuilder {
        self.machine.builder()
    }

    fn labs(&mut self) -> Result<Vec<(LabName, String)>, EngineError> {
        self.machine.labs()
    }

    fn keep(&mut self) -> Result<(), EngineError> {
        if !self.touched {
            return Ok(());
        }
        let unkept = |path: &std::path::Path, why: String| {
            let path = path.display().to_string();
            let message = format!("the simulated kernel {path} cannot be saved: {why}");
            EngineError::strange(path, "", message)
        };
        let octets =
            persist::encode(&self.machine.doors.kernel).map_err(|error| unkept(&self.file, error.to_string()))?;
        replace(&*self.files, &self.file, &octets).map_err(|(path, error)| unkept(&path, error.to_string()))?;
        self.touched = false;
        Ok(())
    }

    fn engine<'b>(&'b mut self, lab: &LabName, token: &str) -> Box<dyn Engine + 'b> {
        self.touched = true;
        self.machine.engine(lab, token)
    }
}

fn means(options: &SiteOptions) -> RouteMeans {
    match options.route_door {
        RouteDoorKind::Netlink => RouteMeans::Netlink,
        RouteDoorKind::Rtsock => RouteMeans::Rtsock,
    }
}
