//! The Linux kernel of this machine, by system calls.

mod action;
mod call;
mod child;
mod copies;
mod counted;
mod create;
mod descriptors;
mod doors;
mod execute;
mod features;
mod folder;
mod fork;
mod groups;
mod held;
mod holder;
mod inside;
mod kept;
mod node;
mod processes;
mod root;
mod rootless;
mod rules;
mod settle;
mod strays;
mod way;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::Rlimit;

use self::features::Features;
use self::held::Held;
use self::processes::Places;
use super::Machine;
use super::errno::refused;
use super::features::{Answer, Feature};
use super::kernel::Kernel;
use crate::engine::{Backend, EngineError, Fact, Lack, NotRun, Unusable};
use crate::graph::{Place, Table};
use crate::model::LabName;

pub use way::{Way, way};

/// The engine on the kernel of this system.
///
/// # Errors
/// What keeps it from working here.
pub fn open(state_dir: &Path) -> Result<Box<dyn Backend>, Unusable> {
    Ok(Box::new(Machine { kernel: kernel(state_dir)? }))
}

/// The kernel of this system. Labs without privilege need files about their holders, which are kept in the state directory.
///
/// # Errors
/// What keeps labs from being made here.
pub fn kernel(state_dir: &Path) -> Result<impl Kernel + use<>, Unusable> {
    let (way, scratch) = way::try_it()?;
    let (limit, room) = descriptors::raise_limit();
    descriptors::are_free(descriptors::LEAST_FREE).map_err(|error| {
        let message = format!("it needs {} more descriptors than are open ({error})", descriptors::LEAST_FREE);
        Unusable::new(Lack::Configuration, &message, Some("`ulimit -n` raises the limit"))
    })?;
    Ok(Namespaces {
        way,
        state_dir: state_dir.to_owned(),
        user: call::user(),
        entered: None,
        held: Table::default(),
        seen: None,
        boot: None,
        room,
        echoes: Vec::new(),
        is_awaited: false,
        left: Vec::new(),
        began: Instant::now(),
        features: scratch.map_or_else(Features::default, Features::within),
        limit,
    })
}

/// What this machine's kernel has for labs, whether or not the engine can work.
#[must_use]
pub fn survey() -> Vec<Fact> {
    let mut features = Features::default();
    Feature::ALL.into_iter().map(|feature| feature.fact(features.ask(feature))).collect()
}

/// What this machine's kernel says of a feature.
///
/// # Errors
/// Why it is not there.
pub fn ask(feature: Feature) -> Answer {
    Features::default().ask(feature)
}

/// The kernel, with what is open of it.
#[derive(Debug)]
struct Namespaces {
    way: Way,
    state_dir: PathBuf,
    /// The kernel's word for this boot, once it was asked for.
    boot: Option<String>,
    /// Who we were when we began.
    user: u32,
    /// The lab without privilege whose namespaces this process is in.
    entered: Option<LabName>,
    held: Table<(LabName, Place), Held>,
    /// The lab whose token was read last, and what was mounted there then.
    seen: Option<(LabName, folder::FileSystem, String)>,
    /// How many of them there may be.
    room: usize,
    echoes: Vec<OwnedFd>,
    /// Somebody is going to wait until everything has gone.
    is_awaited: bool,
    /// Processes that begin to work when this is cleared.
    left: Vec<fork::Left>,
    began: Instant,
    features: Features,
    /// The limit of descriptors that programs are to have.
    limit: Rlimit,
}

impl Namespaces {
    /// Places of a lab by what tells their processes; those without a namespace have none.
    fn places(&self, lab: &LabName, places: &[Place]) -> Result<Places, EngineError> {
        let asked: Vec<Place> = places.iter().filter(|place| **place != Place::Host).cloned().collect();
        let numbers = folder::numbers(lab, &asked).map_err(|error| no(lab, "stat", &error))?;
        let had_keepers = node::had_keepers(lab);
        let mut found = Places::default();
        for (place, number) in &numbers {
            let keeper = if had_keepers { node::keeper(lab, place) } else { Ok(None) };
            found.add(place, *number, keeper.map_err(|error| no(place, "read", &error))?);
        }
        Ok(found)
    }

    /// Has `start` start a program where the node's other programs are; its first process is made when there is none yet. Nobody
    /// takes the node away meanwhile.
    fn with_node<T>(
        &self,
        lab: &LabName,
        place: &Place,
        start: impl FnOnce(&execute::Where<'_>) -> Result<T, NotRun>,
    ) -> Result<T, NotRun> {
        let name = folder::name(lab, place).and_then(|name| name.file_name().map(PathBuf::from)).unwrap_or_default();
        let limit = self.limit;
        if *place == Place::Host {
            return start(&execute::Where { name: place.to_string(), node: None, groups: &[], limit });
        }
        let _locked = lock(lab).map_err(NotRun::Refused)?;
        let entered = enter(lab, place).map_err(NotRun::Refused)?;
        let (name, node) = (name.display().to_string(), Some((&entered.network, &entered.inside)));
        start(&execute::Where { name, node, groups: &entered.groups, limit })
    }

    /// Kills what runs in a node, and forgets its first process. Nobody starts anything there meanwhile.
    fn empty(&self, lab: &LabName, place: &Place) -> Result<(), EngineError> {
        self.places(lab, std::slice::from_ref(place))?.kill().map_err(|error| no(place, "kill", &error))?;
        node::forget(lab, place).map_err(|error| no(place, "unlink", &error))
    }
}

/// A node whose first process is there.
struct Entered {
    network: File,
    groups: Vec<OwnedFd>,
    inside: node::Inside,
}

/// The namespaces of a node's first process, which is made if there is none. The lab is locked by the caller.
fn enter(lab: &LabName, place: &Place) -> Result<Entered, EngineError> {
    let name = folder::name(lab, place).and_then(|name| name.file_name().map(PathBuf::from)).unwrap_or_default();
    let network = open_namespace(lab, place)?;
    let groups = groups::doors(lab, place).map_err(|error| no(place, "open", &error))?;
    let root = root::read(lab, place).map_err(|error| no(place, "read", &error))?;
    let view = || root.as_ref().map_or_else(|| node::view(&name), |root| root::view(root, &name));
    let inside = node::enter(lab, place, &network, &groups, view).map_err(|failure| {
        let error = no(failure.object, failure.call, &failure.error);
        match &root {
            Some(root) => error.hint(format!("`{}` must be a directory with `dev`, `proc` and `sys` in it", root.base)),
            None => error,
        }
    })?;
    Ok(Entered { network, groups, inside })
}

fn open_namespace(lab: &LabName, place: &Place) -> Result<File, EngineError> {
    match folder::open(&folder::of(lab, place)) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(no(place, "open", &io::Error::from_raw_os_error(libc::ENOENT))),
        Err(error) => Err(no(place, "open", &error)),
    }
}

fn no(object: impl ToString, call: &str, error: &io::Error) -> EngineError {
    refused(object.to_string(), call, call::number(error))
}

fn netlink_socket(protocol: libc::c_int) -> io::Result<OwnedFd> {
    let socket = call::socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol)?;
    call::set_option(socket.as_fd(), libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1)?;
    call::set_option(socket.as_fd(), libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)?;
    Ok(socket)
}

fn lock(lab: &LabName) -> Result<Option<folder::Locked>, EngineError> {
    folder::lock(lab).map_err(|error| no(folder::lab(lab).display(), "flock", &error))
}
