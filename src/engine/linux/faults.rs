//! A Linux kernel that fails on purpose: every call of the engine can be the one that is refused, or the last one that our process
//! makes. What is behind it may be the kernel of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::features::{Answer, Feature};
use super::kernel::{EchoSocket, Kernel, Knob, Process};
use crate::engine::faults::Faults;
use crate::engine::{EngineError, Exit, NotRun, Running, Settling, Stream, Until};
use crate::graph::linux::{Root, Rules};
use crate::graph::{Folder, Name, Place};
use crate::model::LabName;
use crate::netlink::consts::{NLM_F_DUMP_INTR, NLM_F_MULTI};

/// A kernel whose calls are counted, and that lacks features at will.
#[derive(Debug)]
pub struct FaultyKernel<K> {
    inner: K,
    faults: Faults,
    lacking: BTreeSet<Feature>,
    interrupted: u32,
}

impl<K> FaultyKernel<K> {
    /// A kernel that shares what counts its calls.
    pub const fn new(inner: K, faults: Faults) -> Self {
        Self { inner, faults, lacking: BTreeSet::new(), interrupted: 0 }
    }

    /// Takes a feature away.
    #[must_use]
    pub fn without(mut self, feature: Feature) -> Self {
        self.lacking.insert(feature);
        self
    }

    /// Says of so many datagrams of dumps that what they tell changed meanwhile.
    #[must_use]
    pub const fn interrupted(mut self, datagrams: u32) -> Self {
        self.interrupted = datagrams;
        self
    }

    fn step(&self, object: impl ToString, call: &str) -> Result<(), EngineError> {
        self.faults.step().map_err(|errno| EngineError::refused(object.to_string(), call, errno))
    }
}

impl<K: Kernel> Kernel for FaultyKernel<K> {
    fn boot_identity(&mut self) -> String {
        self.inner.boot_identity()
    }

    fn now(&mut self) -> Duration {
        self.inner.now()
    }

    fn wait(&mut self, span: Duration) {
        if self.faults.is_alive() {
            self.inner.wait(span);
        }
    }

    fn feature(&mut self, feature: Feature) -> Answer {
        if self.lacking.contains(&feature) {
            return Err("it was taken away".to_owned());
        }
        self.inner.feature(feature)
    }

    fn token(&mut self, lab: &LabName) -> Result<Option<String>, EngineError> {
        self.step(lab, "token")?;
        self.inner.token(lab)
    }

    fn names_taken(&mut self, lab: &LabName, places: &[Place]) -> Result<Vec<String>, EngineError> {
        self.step(lab, "stat")?;
        self.inner.names_taken(lab, places)
    }

    /// Each namespace is a call of its own.
    fn create(&mut self, lab: &LabName, token: &str, places: &[&Place]) -> Vec<Result<(), EngineError>> {
        let one = |place: &&Place| {
            self.step(place, "unshare")?;
            self.inner.create(lab, token, &[*place]).pop().unwrap_or(Ok(()))
        };
        places.iter().map(one).collect()
    }

    fn remove(&mut self, lab: &LabName, place: &Place) -> Result<(), EngineError> {
        self.step(place, "umount")?;
        self.inner.remove(lab, place)
    }

    fn leave_behind(&mut self, lab: &LabName, messages: &[u8]) -> Result<bool, EngineError> {
        self.step(lab, "fork")?;
        self.inner.leave_behind(lab, messages)
    }

    fn remove_lab(&mut self, lab: &LabName) -> Result<(), EngineError> {
        self.step(lab, "umount")?;
        self.inner.remove_lab(lab)
    }

    fn forget(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError> {
        self.step(lab, "kill")?;
        self.inner.forget(lab, token)
    }

    fn namespaces(&mut self, lab: &LabName) -> Result<BTreeMap<Place, u64>, EngineError> {
        self.step(lab, "readdir")?;
        self.inner.namespaces(lab)
    }

    fn descriptor(&mut self, lab: &LabName, place: &Place) -> Result<i32, EngineError> {
        self.step(place, "open")?;
        self.inner.descriptor(lab, place)
    }

    fn send(&mut self, lab: &LabName, place: &Place, messages: &[u8]) -> Result<(), EngineError> {
        self.step(place, "send")?;
        self.inner.send(lab, place, messages)
    }

    fn receive(&mut self, lab: &LabName, place: &Place, buffer: &mut Vec<u8>) -> Result<(), EngineError> {
        self.step(place, "recv")?;
        self.inner.receive(lab, place, buffer)?;
        // The flags of the first message.
        let flags = buffer.get(6..8).map_or(0, |flags| u16::from_ne_bytes([flags[0], flags[1]]));
        if self.interrupted > 0 && flags & NLM_F_MULTI != 0 {
            self.interrupted -= 1;
            buffer[6..8].copy_from_slice(&(flags | NLM_F_DUMP_INTR).to_ne_bytes());
        }
        Ok(())
    }

    fn hold(&mut self, lab: &LabName, places: &[&Place]) {
        if self.faults.is_alive() {
            self.inner.hold(lab, places);
        }
    }

    fn room(&self) -> usize {
        self.inner.room()
    }

    fn make_room(&mut self) {
        self.inner.make_room();
    }

    fn release(&mut self, lab: &LabName, place: &Place) {
        self.inner.release(lab, place);
    }

    fn read_sysctls(
        &mut self,
        lab: &LabName,
        place: &Place,
        names: &[Name],
    ) -> Result<BTreeMap<Name, String>, EngineError> {
        self.step(place, "read")?;
        self.inner.read_sysctls(lab, place, names)
    }

    /// Each value is a call of its own.
    fn write_sysctls(&mut self, lab: &LabName, place: &Place, values: &[(&str, &str)]) -> Vec<Result<(), EngineError>> {
        let one = |value: &(&str, &str)| {
            self.step(place, "write")?;
            self.inner.write_sysctls(lab, place, &[*value]).pop().unwrap_or(Ok(()))
        };
        values.iter().map(one).collect()
    }

    fn settling(&mut self, lab: &LabName) -> Result<Option<Box<dyn Settling>>, EngineError> {
        self.step(lab, "unshare")?;
        self.inner.settling(lab)
    }

    fn echo_socket(&mut self, lab: &LabName, place: &Place, v4: bool) -> Result<EchoSocket, EngineError> {
        self.step(place, "socket")?;
        self.inner.echo_socket(lab, place, v4)
    }

    fn echo_send(&mut self, socket: EchoSocket, to: IpAddr, message: &[u8]) -> Result<(), i32> {
        self.inner.echo_send(socket, to, message)
    }

    fn echo_receive(&mut self, socket: EchoSocket, buffer: &mut Vec<u8>) -> Option<IpAddr> {
        self.inner.echo_receive(socket, buffer)
    }

    fn echo_wait(&mut self, sockets: &[EchoSocket], at_most: Duration) {
        self.inner.echo_wait(sockets, at_most);
    }

    fn echo_close(&mut self) {
        self.inner.echo_close();
    }

    fn execute(
        &mut self,
        lab: &LabName,
        place: &Place,
        command: &[String],
        until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, NotRun> {
        self.step(place, "exec").map_err(NotRun::Refused)?;
        self.inner.execute(lab, place, command, until, output)
    }
    fn start_on(
        &mut self,
        lab: &LabName,
        place: &Place,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, NotRun> {
        self.step(place, "exec").map_err(NotRun::Refused)?;
        self.inner.start_on(lab, place, command, terminal)
    }

    fn processes(&mut self, lab: &LabName, places: &[Place]) -> Result<Vec<Process>, EngineError> {
        self.step(lab, "readdir")?;
        self.inner.processes(lab, places)
    }

    fn signal(&mut self, process: &Process, signal: i32) -> Result<(), EngineError> {
        self.step(&process.place, "kill")?;
        self.inner.signal(process, signal)
    }

    fn make_folder(&mut self, folder: &Folder) -> Result<(), EngineError> {
        self.step(&folder.path, "mkdir")?;
        self.inner.make_folder(folder)
    }

    fn remove_folder(&mut self, folder: &Folder) -> Result<(), EngineError> {
        self.step(&folder.path, "rmdir")?;
        self.inner.remove_folder(folder)
    }

    fn folders(&mut self, paths: &BTreeSet<Name>) -> Result<BTreeMap<Name, bool>, EngineError> {
        self.step("the roots of nodes", "stat")?;
        self.inner.folders(paths)
    }

    fn set_root(&mut self, lab: &LabName, root: &Root) -> Result<(), EngineError> {
        self.step(&root.place, "pivot_root")?;
        self.inner.set_root(lab, root)
    }

    fn unset_root(&mut self, lab: &LabName, place: &Place) -> Result<(), EngineError> {
        self.step(place, "kill")?;
        self.inner.unset_root(lab, place)
    }

    fn roots(&mut self, lab: &LabName) -> Result<Vec<Root>, EngineError> {
        self.step(lab, "readdir")?;
        self.inner.roots(lab)
    }

    fn set_rules(&mut self, lab: &LabName, place: &Place, rules: Option<&Rules>) -> Result<(), EngineError> {
        self.step(place, "nft")?;
        self.inner.set_rules(lab, place, rules)
    }

    fn rules(&mut self, lab: &LabName) -> Result<Vec<Rules>, EngineError> {
        self.step(lab, "readdir")?;
        self.inner.rules(lab)
    }

    fn set_knob(&mut self, lab: &LabName, place: &Place, knob: &Knob) -> Result<(), EngineError> {
        self.step(place, "write")?;
        self.inner.set_knob(lab, place, knob)
    }

    fn unset_knob(&mut self, lab: &LabName, place: &Place, knob: &Knob) -> Result<(), EngineError> {
        self.step(place, "write")?;
        self.inner.unset_knob(lab, place, knob)
    }
    fn knobs(&mut self, lab: &LabName) -> Result<BTreeMap<Place, Vec<Knob>>, EngineError> {
        self.step(lab, "read")?;
        self.inner.knobs(lab)
    }
    fn listed(&mut self, lab: &LabName) -> Result<Vec<Place>, EngineError> {
        self.step(lab, "readdir")?;
        self.inner.listed(lab)
    }
}
