//! The Linux kernel of this machine, by system calls.

mod action;
mod call;
mod child;
mod copies;
mod counted;
mod descriptors;
mod execute;
mod features;
mod folder;
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

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Rlimit, Signal};

use self::features::Features;
use self::held::Held;
use self::processes::Places;
use super::Machine;
use super::errno::refused;
use super::features::{Answer, Feature};
use super::kernel::{EchoSocket, Kernel, Knob, Process};
use crate::engine::{Backend, EngineError, Exit, Fact, Kept, Lack, NotRun, Running, Settling, Stream, Until, Unusable};
use crate::graph::linux::{Root, Rules};
use crate::graph::{Folder, Name, Place};
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
        held: BTreeMap::new(),
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
    held: BTreeMap<(LabName, Place), Held>,
    /// The lab whose token was read last, and what was mounted there then.
    seen: Option<(LabName, folder::FileSystem, String)>,
    /// How many of them there may be.
    room: usize,
    echoes: Vec<OwnedFd>,
    /// Somebody is going to wait until everything has gone.
    is_awaited: bool,
    /// Processes that begin to work when this is cleared.
    left: Vec<call::Left>,
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

/// Makes a namespace with the calling thread, which is in it afterwards, and keeps it.
fn make(lab: &LabName, place: &Place) -> Result<Held, EngineError> {
    call::unshare(libc::CLONE_NEWNET).map_err(|error| no(place, "unshare", &error))?;
    let namespace = File::open("/proc/thread-self/ns/net").map_err(|error| no(place, "open", &error))?;
    let netlink = netlink_socket(libc::NETLINK_ROUTE).map_err(|error| no(place, "socket", &error))?;
    folder::keep(lab, place, namespace.as_fd()).map_err(|error| {
        let name = folder::name(lab, place).unwrap_or_default();
        let error = no(name.display(), "mount", &error);
        if error.errno == Some(crate::abi::Errno::EEXIST) {
            return error.hint("a namespace of that name belongs to somebody else: `ip netns` lists it");
        }
        error
    })?;
    Ok(Held { namespace: namespace.into(), netlink })
}

impl Kernel for Namespaces {
    fn boot_identity(&mut self) -> String {
        let ask = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        self.boot.get_or_insert_with(ask).clone()
    }

    fn now(&mut self) -> Duration {
        self.began.elapsed()
    }

    fn wait(&mut self, span: Duration) {
        std::thread::sleep(span);
    }

    fn feature(&mut self, feature: Feature) -> Answer {
        self.features.ask(feature)
    }

    fn labs(&mut self) -> Result<Vec<LabName>, EngineError> {
        folder::labs().map_err(|error| no("/run/cellblock", "read", &error))
    }

    fn kept(&mut self) -> Result<Vec<Kept>, EngineError> {
        if self.way == Way::Direct {
            return strays::kept().map_err(|error| no("/proc", "read", &error));
        }
        let boot = self.boot_identity();
        kept::list(&self.state_dir, self.user, &boot).map_err(|error| no("/proc", "read", &error))
    }

    fn end_kept(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError> {
        if self.way == Way::Direct {
            return strays::end(lab, token).map_err(|error| no(lab, "kill", &error));
        }
        let boot = self.boot_identity();
        kept::end(&self.state_dir, self.user, &boot, lab, token).map_err(|error| no(lab, "kill", &error))
    }

    fn token(&mut self, lab: &LabName) -> Result<Option<String>, EngineError> {
        if !self.approach(lab)? {
            return Ok(None);
        }
        self.read_token(lab)
    }

    /// Without privilege each lab has a /run/netns of its own.
    fn names_taken(&mut self, lab: &LabName, places: &[Place]) -> Result<Vec<String>, EngineError> {
        if let Way::Rootless { .. } = self.way {
            return Ok(Vec::new());
        }
        folder::taken(lab, places).map_err(|error| no(folder::NAMES, "stat", &error))
    }

    fn create(&mut self, lab: &LabName, token: &str, places: &[&Place]) -> Vec<Result<(), EngineError>> {
        if places.contains(&&Place::Lab)
            && let Err(error) = self.house(lab, token)
        {
            return places.iter().map(|_| Err(error.clone())).collect();
        }
        if places.contains(&&Place::Lab) && !matches!(self.token(lab), Ok(Some(_))) {
            // Where the directory is not new, another file system was on it.
            let ended = if folder::was_here(lab) { strays::end(lab, token) } else { Ok(()) };
            if let Err(error) = ended.and_then(|()| folder::begin(lab, token)) {
                return places.iter().map(|_| Err(no(folder::lab(lab).display(), "mount", &error))).collect();
            }
        }
        if let Err(error) = end_keepers(lab, places) {
            return places.iter().map(|_| Err(error.clone())).collect();
        }
        let mut results = Vec::with_capacity(places.len());
        let at_once = (self.room / 2).max(1);
        for places in places.chunks(at_once) {
            self.make_room();
            descriptors::make_room(self.held.len() + places.len());
            // One thread makes all of them: it is in the last one when it ends.
            let made = inside::alone(|| Ok(places.iter().map(|place| make(lab, place)).collect::<Vec<_>>()));
            match made {
                Ok(made) => results.extend(places.iter().zip(made).map(|(place, held)| {
                    held.map(|held| drop(self.held.insert((lab.clone(), (*place).clone()), held)))
                })),
                Err(error) => results.extend(places.iter().map(|place| Err(no(place, "unshare", &error)))),
            }
        }
        results
    }

    fn remove(&mut self, lab: &LabName, place: &Place) -> Result<(), EngineError> {
        self.release(lab, place);
        let locked = lock(lab)?;
        self.empty(lab, place)?;
        root::forget(lab, place).map_err(|error| no(place, "unlink", &error))?;
        rules::forget(lab, place).map_err(|error| no(place, "unlink", &error))?;
        groups::forget(lab, place).map_err(|error| no(place, "rmdir", &error))?;
        let dropped = folder::drop_one(lab, place).map_err(|error| no(place, "umount", &error));
        drop(locked);
        dropped
    }

    fn leave_behind(&mut self, lab: &LabName, messages: &[u8]) -> Result<bool, EngineError> {
        self.have_sent(lab, messages)
    }

    fn remove_lab(&mut self, lab: &LabName) -> Result<(), EngineError> {
        self.held.retain(|(own, _), _| own != lab);
        self.seen = None;
        let locked = lock(lab)?;
        let failed = |error: io::Error| no("/proc", "read", &error);
        let everybody = processes::everybody().map_err(failed)?;
        if processes::is_anybody_elsewhere(&everybody).map_err(failed)? {
            let places = folder::places(lab).map_err(|error| no(folder::lab(lab).display(), "readdir", &error))?;
            let places = self.places(lab, &places)?;
            if places.is_kept() || !places.among(&everybody).is_empty() {
                places.kill().map_err(|error| no(lab, "kill", &error))?;
            }
        }
        let grouped = groups::list(lab).map_err(|error| no(lab, "read", &error))?;
        for place in grouped.keys() {
            groups::forget(lab, place).map_err(|error| no(place, "rmdir", &error))?;
        }
        drop(locked);
        let ended = folder::end(lab).map_err(|error| no(folder::lab(lab).display(), "umount", &error));
        // Locks that it has from us are let go, too.
        let settled = self.left.iter_mut().try_for_each(call::Left::settle);
        ended.and(settled.map_err(|error| no("cellblock-ends", "waitpid", &error)))
    }

    fn forget(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError> {
        self.seen = None;
        self.left.clear();
        self.leave(lab)?;
        strays::end(lab, token).map_err(|error| no(lab, "kill", &error))?;
        if matches!(self.way, Way::Direct) {
            folder::sweep(lab, token).map_err(|error| no(folder::lab(lab).display(), "rmdir", &error))?;
        }
        Ok(())
    }

    fn namespaces(&mut self, lab: &LabName) -> Result<BTreeMap<Place, u64>, EngineError> {
        folder::list(lab).map_err(|error| no(folder::lab(lab).display(), "open", &error))
    }

    fn listed(&mut self, lab: &LabName) -> Result<Vec<Place>, EngineError> {
        folder::places(lab).map_err(|error| no(folder::lab(lab).display(), "readdir", &error))
    }

    fn descriptor(&mut self, lab: &LabName, place: &Place) -> Result<i32, EngineError> {
        Ok(self.held(lab, place)?.namespace.as_raw_fd())
    }

    fn hold(&mut self, lab: &LabName, places: &[&Place]) {
        self.open_all(lab, places);
    }

    fn room(&self) -> usize {
        self.room
    }

    fn make_room(&mut self) {
        if self.held.len() > self.room / 2 {
            self.held.clear();
        }
    }

    fn send(&mut self, lab: &LabName, place: &Place, messages: &[u8]) -> Result<(), EngineError> {
        let held = self.held(lab, place)?;
        call::send(held.netlink.as_fd(), messages).map_err(|error| no(place, "send", &error))
    }

    fn receive(&mut self, lab: &LabName, place: &Place, buffer: &mut Vec<u8>) -> Result<(), EngineError> {
        let held = self.held(lab, place)?;
        call::receive(held.netlink.as_fd(), buffer).map_err(|error| no(place, "recv", &error))
    }

    fn release(&mut self, lab: &LabName, place: &Place) {
        self.held.remove(&(lab.clone(), place.clone()));
    }

    fn read_sysctls(
        &mut self,
        lab: &LabName,
        place: &Place,
        names: &[Name],
    ) -> Result<BTreeMap<Name, String>, EngineError> {
        self.within(lab, place, "read", || {
            let mut values = BTreeMap::new();
            for name in names {
                match std::fs::read_to_string(sysctl(name)) {
                    Ok(value) => drop(values.insert(name.clone(), value.trim().replace('\t', " "))),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(values)
        })
    }

    fn write_sysctls(&mut self, lab: &LabName, place: &Place, values: &[(&str, &str)]) -> Vec<Result<(), EngineError>> {
        let refused = |name: &str, error: &io::Error| no(format!("{name} of {place}"), "write", error);
        let visited = self.within(lab, place, "setns", || {
            Ok(values.iter().map(|(name, value)| std::fs::write(sysctl(name), value)).collect::<Vec<_>>())
        });
        match visited {
            Ok(written) => {
                let written = written.into_iter().zip(values);
                written.map(|(result, (name, _))| result.map_err(|error| refused(name, &error))).collect()
            }
            Err(error) => vec![Err(error); values.len()],
        }
    }

    fn settling(&mut self, lab: &LabName) -> Result<Option<Box<dyn Settling>>, EngineError> {
        if !self.approach(lab)? {
            return Ok(None);
        }
        self.is_awaited = true;
        // Not into a directory that somebody else has there.
        let is_ours = matches!(self.read_token(lab), Ok(Some(_)));
        if let Ok(counted) = counted::Counted::begin(is_ours.then_some(lab)) {
            return Ok(Some(Box::new(counted)));
        }
        let posted = settle::Sentinels::post().map_err(|error| no("a namespace to watch", "unshare", &error))?;
        Ok(Some(Box::new(posted)))
    }

    fn echo_socket(&mut self, lab: &LabName, place: &Place, v4: bool) -> Result<EchoSocket, EngineError> {
        let (family, protocol) =
            if v4 { (libc::AF_INET, libc::IPPROTO_ICMP) } else { (libc::AF_INET6, libc::IPPROTO_ICMPV6) };
        let socket = self.within(lab, place, "socket", || call::socket(family, libc::SOCK_RAW, protocol))?;
        self.echoes.push(socket);
        Ok(EchoSocket(self.echoes.len() - 1))
    }

    fn echo_send(&mut self, socket: EchoSocket, to: IpAddr, message: &[u8]) -> Result<(), i32> {
        let socket = self.echoes.get(socket.0).ok_or(libc::EBADF)?;
        call::send_to(socket.as_fd(), to, message).map_err(|error| call::number(&error))
    }

    fn echo_receive(&mut self, socket: EchoSocket, buffer: &mut Vec<u8>) -> Option<IpAddr> {
        call::receive_from(self.echoes.get(socket.0)?.as_fd(), buffer).ok()
    }

    fn echo_wait(&mut self, sockets: &[EchoSocket], at_most: Duration) {
        let asked: Vec<BorrowedFd<'_>> =
            sockets.iter().filter_map(|socket| self.echoes.get(socket.0)).map(AsFd::as_fd).collect();
        call::wait_readable(&asked, at_most);
    }

    fn echo_close(&mut self) {
        self.echoes.clear();
    }

    fn execute(
        &mut self,
        lab: &LabName,
        place: &Place,
        command: &[String],
        until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, NotRun> {
        let started = self.with_node(lab, place, |place| execute::start(place, command))?;
        started.listen(until, output).map_err(|error| NotRun::Refused(no(place, "wait", &error)))
    }

    fn start_on(
        &mut self,
        lab: &LabName,
        place: &Place,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, NotRun> {
        let program = self.with_node(lab, place, |place| execute::start_on(place, command, terminal))?;
        Ok(Box::new(program))
    }

    fn processes(&mut self, lab: &LabName, places: &[Place]) -> Result<Vec<Process>, EngineError> {
        let failed = |error: io::Error| no("/proc", "read", &error);
        let everybody = processes::everybody().map_err(failed)?;
        if !processes::is_anybody_elsewhere(&everybody).map_err(failed)? {
            return Ok(Vec::new());
        }
        Ok(self.places(lab, places)?.among(&everybody))
    }

    fn make_folder(&mut self, folder: &Folder) -> Result<(), EngineError> {
        copies::make(folder)
    }

    fn remove_folder(&mut self, folder: &Folder) -> Result<(), EngineError> {
        copies::remove(folder)
    }

    fn folders(&mut self, paths: &BTreeSet<Name>) -> Result<BTreeMap<Name, bool>, EngineError> {
        Ok(copies::find(paths))
    }

    fn set_root(&mut self, lab: &LabName, root: &Root) -> Result<(), EngineError> {
        let place = &root.place;
        let _locked = lock(lab)?;
        self.empty(lab, place)?;
        root::keep(lab, root).map_err(|error| no(place, "write", &error))?;
        match enter(lab, place) {
            Ok(_) => Ok(()),
            Err(error) => {
                root::forget(lab, place).map_err(|error| no(place, "unlink", &error))?;
                Err(error)
            }
        }
    }

    fn unset_root(&mut self, lab: &LabName, place: &Place) -> Result<(), EngineError> {
        let _locked = lock(lab)?;
        self.empty(lab, place)?;
        root::forget(lab, place).map_err(|error| no(place, "unlink", &error))
    }

    fn roots(&mut self, lab: &LabName) -> Result<Vec<Root>, EngineError> {
        root::list(lab).map_err(|error| no(lab, "read", &error))
    }

    fn set_rules(&mut self, lab: &LabName, place: &Place, rules: Option<&Rules>) -> Result<(), EngineError> {
        rules::set(lab, place, &open_namespace(lab, place)?, rules)
    }

    fn rules(&mut self, lab: &LabName) -> Result<Vec<Rules>, EngineError> {
        rules::list(lab)
    }

    fn set_knob(&mut self, lab: &LabName, place: &Place, knob: &Knob) -> Result<(), EngineError> {
        set_knob(self, lab, place, knob)
    }

    fn unset_knob(&mut self, lab: &LabName, place: &Place, knob: &Knob) -> Result<(), EngineError> {
        let _locked = lock(lab)?;
        groups::unset(lab, place, knob).map_err(|error| no(format!("{knob} of {place}"), "write", &error))
    }

    fn knobs(&mut self, lab: &LabName) -> Result<BTreeMap<Place, Vec<Knob>>, EngineError> {
        groups::list(lab).map_err(|error| no(lab, "read", &error))
    }

    fn signal(&mut self, process: &Process, signal: i32) -> Result<(), EngineError> {
        let named = Signal::from_named_raw(signal).ok_or(io::ErrorKind::InvalidInput);
        named.map_err(io::Error::from).and_then(|signal| processes::signal(process, signal)).map_err(|error| {
            no(
                format!("{} (pid {}) in {}", process.command, process.process, process.place),
                "pidfd_send_signal",
                &error,
            )
        })
    }
}

fn set_knob(kernel: &Namespaces, lab: &LabName, place: &Place, knob: &Knob) -> Result<(), EngineError> {
    let _locked = lock(lab)?;
    let object = || format!("{knob} of {place}");
    let home = groups::home(groups::controller(knob)).map_err(|why| {
        EngineError::strange(object(), "mkdir", format!("`{}` cannot be set: {why}", object()))
            .hint("`doctor` says which controllers of cgroups there are")
    })?;
    let running = kernel.places(lab, std::slice::from_ref(place))?.running();
    let running = running.map_err(|error| no("/proc", "read", &error))?;
    let numbers: Vec<i32> = running.iter().map(|process| process.process).collect();
    groups::set(lab, place, &home, knob, &numbers).map_err(|error| no(object(), "write", &error))
}

/// Ends first processes of nodes whose namespaces went behind our back: in their place there are to be new ones.
fn end_keepers(lab: &LabName, places: &[&Place]) -> Result<(), EngineError> {
    if !node::had_keepers(lab) {
        return Ok(());
    }
    places.iter().try_for_each(|place| node::end(lab, place).map_err(|error| no(place, "kill", &error)))
}

fn lock(lab: &LabName) -> Result<Option<folder::Locked>, EngineError> {
    folder::lock(lab).map_err(|error| no(folder::lab(lab).display(), "flock", &error))
}

/// The file of a sysctl: names were checked when the file was read, and have dots only between their parts.
fn sysctl(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(name.replace('.', "/"))
}
