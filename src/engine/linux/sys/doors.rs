//! What the engine asks of the kernel, by system calls.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use super::{
    Namespaces, Way, call, copies, counted, enter, execute, folder, fork, groups, kept, lock, no, open_namespace,
    processes, root, rules, settle, strays,
};
use crate::engine::linux::features::{Answer, Feature};
use crate::engine::linux::kernel::{EchoSocket, Kernel, Knob, Process};
use crate::engine::{EngineError, Exit, Kept, NotRun, Running, Settling, Stream, Until};
use crate::graph::linux::{Root, Rules};
use crate::graph::{Folder, Name, Place};
use crate::model::LabName;

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
        match self.prepare(lab, token, places) {
            Ok(()) => self.make_all(lab, places),
            Err(error) => places.iter().map(|_| Err(error.clone())).collect(),
        }
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
        let settled = self.left.iter_mut().try_for_each(fork::Left::settle);
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

/// The file of a sysctl: names were checked when the file was read, and have dots only between their parts.
fn sysctl(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(name.replace('.', "/"))
}
