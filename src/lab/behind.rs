//! What stands behind the labs of a site: a kernel of this host, or one that is simulated and kept in a file.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::types::{EngineKind, RouteDoorKind, SiteOptions};
use super::{LabError, words};
use crate::engine::Backend;
use crate::engine::freebsd::{self, Machine, RouteMeans, Settings};
use crate::engine::linux;
use crate::sim::{Kernel, SimDoors, persist};

/// The simulated kernel's file in a state directory.
const KERNEL: &str = "sim.kernel";

/// The kernel behind a site.
#[derive(Debug)]
pub(super) enum Behind {
    /// One of this host: it keeps what it holds by itself.
    Host(Box<dyn Backend>),
    /// One that exists while we run, and in a file between.
    Simulated { machine: Box<Machine<SimDoors>>, file: PathBuf },
}

impl Behind {
    /// The kernel of this host behind an engine; `None` for the engine that has none.
    pub(super) fn host(kind: EngineKind, options: &SiteOptions) -> Result<Option<Self>, LabError> {
        let settings = Settings { means: means(options), load_modules: options.load_modules };
        let opened = match kind {
            EngineKind::Sim => return Ok(None),
            EngineKind::FreeBsd => freebsd::sys::open(settings),
            EngineKind::Linux => linux::sys::open(),
        };
        opened.map(|backend| Some(Self::Host(backend))).map_err(|unusable| words::no_engine(kind, unusable))
    }

    /// The kernel of the state directory, or a new one.
    pub(super) fn simulated(options: &SiteOptions) -> Result<Self, LabError> {
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
        Ok(Self::Simulated { machine: Box::new(Machine { doors: SimDoors::new(kernel), settings }), file })
    }

    pub(super) fn backend(&mut self) -> &mut dyn Backend {
        match self {
            Self::Host(backend) => &mut **backend,
            Self::Simulated { machine, .. } => &mut **machine,
        }
    }

    /// Keeps what was changed.
    pub(super) fn save(&self) -> Result<(), LabError> {
        match self {
            Self::Host(_) => Ok(()),
            Self::Simulated { machine, file } => {
                persist::save(&machine.doors.kernel, file).map_err(|error| words::unsaved_kernel(file, &error))
            }
        }
    }
}

fn means(options: &SiteOptions) -> RouteMeans {
    match options.route_door {
        RouteDoorKind::Netlink => RouteMeans::Netlink,
        RouteDoorKind::Rtsock => RouteMeans::Rtsock,
    }
}
