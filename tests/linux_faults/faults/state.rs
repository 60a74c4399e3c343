//! Labs on the kernel that the test runs on, whose calls may be refused, and the files about them.

use std::path::Path;
use std::sync::Arc;

use cellblock::engine::faults::{Faults, FaultyFiles};
use cellblock::engine::files::Disk;
use cellblock::engine::linux::Machine;
use cellblock::engine::linux::faults::FaultyKernel;
use cellblock::engine::linux::features::Feature;
use cellblock::engine::linux::sys;
use cellblock::engine::{Backend, Records};
use cellblock::lab::{ApplyOptions, LabError, LabErrorKind, Labs};
use cellblock::model::Model;
use tempfile::TempDir;

/// Small, and with every kind of object.
pub const MIXED: &str = r#"
version: 1
name: mixed
topology:
  nodes:
    b1: { kind: switch }
    n1: { kind: hub }
    r1: { kind: router }
    me: { kind: self, sysctls: { net.inet.ip.ttl: 32 } }
    h1: { kind: host, routes: [ { to: default, via: 10.0.0.1 } ], rootfs: { base: /run/bases/one, rw: etc } }
  links:
    - { endpoints: [ b1, n1 ] }
    - { endpoints: [ "h1:eth0", b1 ], ipv4: [ 10.0.0.2/16, ~ ] }
    - { endpoints: [ "r1:lan0", n1 ], ipv4: [ 10.0.0.1/16, ~ ] }
    - { endpoints: [ "me:lab_a", "r1:x0" ], ipv6: [ "fd00::1/64", "fd00::2/64" ] }
"#;

/// The same, with a firewall where that can be had.
pub fn mixed() -> String {
    match sys::ask(Feature::Nftables) {
        Ok(_) => MIXED.replace("{ kind: router }", "{ kind: router, firewall: { nft: /run/bases/one.nft } }"),
        Err(_) => MIXED.to_owned(),
    }
}

/// The same after an edit: something is added, changed, replaced and taken away.
pub fn edited() -> String {
    mixed()
        .replace("    - { endpoints: [ b1, n1 ] }\n", "    - { endpoints: [ b1, n1 ], mtu: 1400 }\n")
        .replace("10.0.0.2/16", "10.0.0.3/16")
        .replace("/run/bases/one", "/run/bases/two")
        .replace("n1: { kind: hub }", "n1: { kind: hub }\n    h2: { kind: host }")
        .replace("ipv6: [ \"fd00::1/64\", \"fd00::2/64\" ]", "ipv4: [ 10.9.0.1/24, 10.9.0.2/24 ]")
}

/// A state directory.
pub struct State(TempDir);

impl State {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Does something with the labs of this machine: the kernel refuses one call.
    pub fn refused<T>(&self, faults: &Faults, work: impl FnOnce(&mut Labs<'_>) -> T) -> T {
        let kernel = FaultyKernel::new(sys::kernel(self.path()).unwrap(), faults.clone());
        over(&mut Machine { kernel }, &Records::new(self.path()), work)
    }

    /// The same: our process dies at one call, of the kernel or of a file.
    pub fn dying<T>(&self, faults: &Faults, work: impl FnOnce(&mut Labs<'_>) -> T) -> T {
        let kernel = FaultyKernel::new(sys::kernel(self.path()).unwrap(), faults.clone());
        let records = Records::through(self.path(), Arc::new(FaultyFiles::new(Disk, faults.clone())));
        over(&mut Machine { kernel }, &records, work)
    }

    /// The same, and nothing goes wrong.
    pub fn well<T>(&self, work: impl FnOnce(&mut Labs<'_>) -> T) -> T {
        self.refused(&Faults::at(None), work)
    }

    pub fn is_empty(&self) -> bool {
        Records::new(self.path()).labs().unwrap().is_empty() && !self.path().join("roots/mixed").exists()
    }
}

pub fn over<T>(backend: &mut dyn Backend, records: &Records, work: impl FnOnce(&mut Labs<'_>) -> T) -> T {
    // Tests of other programs may run beside this one: their labs are not to be taken for ours.
    let entropy = [[7; 12].as_slice(), &std::process::id().to_ne_bytes()].concat().try_into().unwrap();
    work(&mut Labs { backend, records, engine: "linux", entropy })
}

pub fn up(labs: &mut Labs<'_>, model: &Model) -> Result<(), LabError> {
    let plan = labs.plan(model)?;
    labs.apply(&plan, model, &ApplyOptions::default(), &mut |_| {}).map(drop)
}

pub fn down(labs: &mut Labs<'_>, model: &Model) -> Result<(), LabError> {
    labs.down(&model.lab, &mut |_| {}).map(drop)
}

/// Nothing is to be done any more.
#[track_caller]
pub fn holds(state: &State, model: &Model, call: u64) {
    let plan = state.well(|labs| labs.plan(model)).unwrap_or_else(|error| panic!("call {call}: {error:#?}"));
    assert!(plan.is_empty(), "call {call}: {:#?}", plan.changes);
}

/// Takes down what there is of a lab; none is fine.
#[track_caller]
pub fn clean(state: &State, model: &Model, call: u64) {
    match state.well(|labs| down(labs, model)) {
        Err(error) if error.kind != LabErrorKind::NoSuchLab => panic!("call {call}: {error:#?}"),
        _ => {}
    }
    assert!(state.is_empty(), "call {call}");
}
