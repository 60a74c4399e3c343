//! One error, or death, at every call that an `up` or a `down` makes: afterwards the kernel is as before, or the next command
//! finishes the work.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

use cellblock::abi::Errno;
use cellblock::engine::Records;
use cellblock::engine::freebsd::doors::Doors;
use cellblock::engine::freebsd::faults::{Fault, FaultyDoors};
use cellblock::engine::freebsd::{Machine, RouteMeans, Settings};
use cellblock::lab::{ApplyOptions, LabError, LabErrorKind, Labs, Stop};
use cellblock::model::Model;
use cellblock::sim::{Kernel, SimDoors};
use support::model;
use support::picture::picture;

/// Small, and with every kind of object.
const MIXED: &str = r#"
version: 1
name: mixed
topology:
  nodes:
    b1: { kind: switch, driver: if_bridge, stp: true }
    n1: { kind: switch }
    r1: { kind: router }
    me: { kind: self, sysctls: { net.inet.ip.ttl: 32 } }
    h1: { kind: host, routes: [ { to: default, via: 10.0.0.1 } ] }
  links:
    - { endpoints: [ b1, n1 ] }
    - { endpoints: [ "h1:eth0", b1 ], type: epair, ipv4: [ 10.0.0.2/16, ~ ] }
    - { endpoints: [ "r1:lan0", n1 ], ipv4: [ 10.0.0.1/16, ~ ], tc: { delay: 5ms } }
    - { endpoints: [ "me:lab_a", "r1:x0" ], ipv6: [ "fd00::1/64", "fd00::2/64" ] }
"#;

/// Small, and with everything that nodes can run on and with.
const LIVING: &str = r#"
version: 1
name: living
topology:
  nodes:
    n1: { kind: switch }
    thin: { kind: host, rootfs: { base: /jails/base, rw: [ etc, var/db ] }, limits: { maxproc: 30, cputime: "log=9" } }
    own: { kind: host, rootfs: /jails/own, jail: { mount.devfs: true }, cpus: 0-3 }
    copy: { kind: host, rootfs: { zfs: "tank/jails/base@1" }, jail: { mount.devfs: false } }
  links:
    - { endpoints: [ "thin:eth0", n1 ] }
    - { endpoints: [ "own:eth0", n1 ] }
    - { endpoints: [ "copy:eth0", n1 ] }
"#;

fn up(machine: &mut Machine<impl Doors + Debug>, records: &Records, model: &Model) -> Result<(), LabError> {
    let mut labs = labs(machine, records);
    let plan = labs.plan(model)?;
    labs.apply(&plan, model, &ApplyOptions::default(), &mut |_| {}).map(drop)
}

fn down(machine: &mut Machine<impl Doors + Debug>, records: &Records, model: &Model) -> Result<(), LabError> {
    labs(machine, records).down(&model.lab, &mut |_| {}).map(drop)
}

fn labs<'d>(machine: &'d mut Machine<impl Doors + Debug>, records: &'d Records) -> Labs<'d> {
    Labs { backend: machine, records, engine: "sim", entropy: [7; 16] }
}

/// The kernel after our process is gone: what it had open is closed.
fn after_death(machine: Machine<SimDoors>) -> Machine<SimDoors> {
    over(SimDoors::new(machine.doors.into_kernel()), machine.settings)
}

fn over<D>(doors: D, settings: Settings) -> Machine<D> {
    Machine { doors, settings }
}

/// The command with a fault at one call.
fn faulty(
    machine: Machine<SimDoors>,
    call: u64,
    fault: Fault,
    command: impl FnOnce(&mut Machine<FaultyDoors<SimDoors>>) -> Result<(), LabError>,
) -> (Machine<SimDoors>, Result<(), LabError>) {
    let mut faulty = over(FaultyDoors::new(machine.doors, Some((call, fault))), machine.settings);
    let outcome = command(&mut faulty);
    (over(faulty.doors.into_inner(), machine.settings), outcome)
}

const REFUSED: Fault = Fault::Refuse(Errno::EIO);

/// An engine that may load modules, over a kernel that was just booted, and where its records are.
fn fresh(means: RouteMeans) -> (Machine<SimDoors>, tempfile::TempDir, Records) {
    let dir = tempfile::tempdir().unwrap();
    let records = Records::new(dir.path());
    (over(SimDoors::new(Kernel::boot(1)), Settings { means, load_modules: true }), dir, records)
}

/// How many calls the command makes when nothing goes wrong.
fn calls(
    machine: Machine<SimDoors>,
    command: impl FnOnce(&mut Machine<FaultyDoors<SimDoors>>) -> Result<(), LabError>,
) -> u64 {
    let mut faulty = over(FaultyDoors::new(machine.doors, None), machine.settings);
    command(&mut faulty).unwrap_or_else(|error| panic!("{error:#?}"));
    faulty.doors.calls()
}

#[test]
fn inject_an_interrupt_at_every_look_at_what_the_user_wants() {
    let model = model(MIXED);
    for asked in [1, 2] {
        let mut points = 0;
        loop {
            let (mut machine, _dir, records) = fresh(RouteMeans::Netlink);
            let before = picture(&mut machine.doors);
            let looks = AtomicUsize::new(0);
            let stop = Stop::by(move || if looks.fetch_add(1, Ordering::Relaxed) >= points { asked } else { 0 });
            let options = ApplyOptions { stop, ..ApplyOptions::default() };
            let plan = labs(&mut machine, &records).plan(&model).unwrap();
            let outcome = labs(&mut machine, &records).apply(&plan, &model, &options, &mut |_| {});
            let Err(error) = outcome else { break };
            points += 1;
            if asked == 1 {
                assert_eq!(error.kind, LabErrorKind::Refused, "look {points}: {error:#?}");
            } else {
                assert_eq!(error.kind, LabErrorKind::NotUndone, "look {points}: {error:#?}");
                assert_eq!(labs(&mut machine, &records).strays().unwrap().len(), 1, "look {points}");
                down(&mut machine, &records, &model).unwrap();
            }
            assert_eq!(picture(&mut machine.doors), before, "look {points}");
            assert!(records.labs().unwrap().is_empty(), "look {points}");
        }
        println!("asked {asked} times to end: {points} injection points");
        assert!(points > 10, "{points}");
    }
}

#[test]
fn an_error_at_any_call_of_up() {
    error_at_any_call_of_up(MIXED, RouteMeans::Netlink);
}

#[test]
fn an_error_at_any_call_of_up_without_netlink() {
    error_at_any_call_of_up(MIXED, RouteMeans::Rtsock);
}

#[test]
fn an_error_at_any_call_of_up_with_roots_and_limits() {
    error_at_any_call_of_up(LIVING, RouteMeans::Netlink);
}

fn error_at_any_call_of_up(lab: &str, means: RouteMeans) {
    let model = model(lab);
    let (machine, _dir, records) = fresh(means);
    let all = calls(machine, |machine| up(machine, &records, &model));
    for call in 1..=all {
        let (mut machine, _dir, records) = fresh(means);
        let before = picture(&mut machine.doors);
        let (mut machine, outcome) = faulty(machine, call, REFUSED, |machine| up(machine, &records, &model));
        match outcome {
            Ok(()) => down(&mut machine, &records, &model).unwrap_or_else(|error| panic!("call {call}: {error:#?}")),
            Err(error) => assert_ne!(error.kind, LabErrorKind::NotUndone, "call {call}: {error:#?}"),
        }
        assert_eq!(picture(&mut machine.doors), before, "call {call} of {all}");
        assert!(records.labs().unwrap().is_empty(), "call {call}");
    }
}

#[test]
fn death_at_any_call_of_up() {
    dies_at_any_call_of_up(MIXED, RouteMeans::Netlink);
}

#[test]
fn death_at_any_call_of_up_without_netlink() {
    dies_at_any_call_of_up(MIXED, RouteMeans::Rtsock);
}

#[test]
fn death_at_any_call_of_up_with_roots_and_limits() {
    dies_at_any_call_of_up(LIVING, RouteMeans::Netlink);
}

fn dies_at_any_call_of_up(lab: &str, means: RouteMeans) {
    let model = model(lab);
    let (mut machine, _dir, records) = fresh(means);
    let before = picture(&mut machine.doors);
    let all = calls(machine, |machine| up(machine, &records, &model));
    for call in 1..=all {
        let (machine, _dir, records) = fresh(means);
        let (machine, outcome) = faulty(machine, call, Fault::Die, |machine| up(machine, &records, &model));
        assert!(outcome.is_err(), "call {call}");
        let mut machine = after_death(machine);
        if records.labs().unwrap().is_empty() {
            assert_eq!(picture(&mut machine.doors), before, "call {call}: nothing may exist without a record");
            continue;
        }
        if call % 2 == 0 {
            up(&mut machine, &records, &model).unwrap_or_else(|error| panic!("call {call}, up again: {error:#?}"));
        }
        down(&mut machine, &records, &model).unwrap_or_else(|error| panic!("call {call}, down: {error:#?}"));
        assert_eq!(picture(&mut machine.doors), before, "call {call} of {all}");
        assert!(records.labs().unwrap().is_empty(), "call {call}");
    }
}

#[test]
fn an_error_or_death_at_any_call_of_down() {
    error_or_death_at_any_call_of_down(MIXED, RouteMeans::Netlink);
}

#[test]
fn an_error_or_death_at_any_call_of_down_without_netlink() {
    error_or_death_at_any_call_of_down(MIXED, RouteMeans::Rtsock);
}

#[test]
fn an_error_or_death_at_any_call_of_down_with_roots_and_limits() {
    error_or_death_at_any_call_of_down(LIVING, RouteMeans::Netlink);
}

fn error_or_death_at_any_call_of_down(lab: &str, means: RouteMeans) {
    let model = model(lab);
    let (mut machine, _dir, records) = fresh(means);
    let before = picture(&mut machine.doors);
    up(&mut machine, &records, &model).unwrap();
    let all = calls(machine, |machine| down(machine, &records, &model));
    for (call, fault) in (1..=all).flat_map(|call| [(call, REFUSED), (call, Fault::Die)]) {
        let (mut machine, _dir, records) = fresh(means);
        up(&mut machine, &records, &model).unwrap();
        let (machine, outcome) = faulty(machine, call, fault, |machine| down(machine, &records, &model));
        let mut machine = after_death(machine);
        if outcome.is_err() {
            down(&mut machine, &records, &model).unwrap_or_else(|error| panic!("{fault:?} at {call}: {error:#?}"));
        }
        assert_eq!(picture(&mut machine.doors), before, "{fault:?} at {call} of {all}");
        assert!(records.labs().unwrap().is_empty(), "{fault:?} at {call}");
    }
}

#[test]
fn an_error_at_any_call_of_a_change() {
    error_at_any_call_of_a_change(MIXED, &changed(), RouteMeans::Netlink);
}

/// The lab with another address, without a pipe, and an eiface in place of an epair.
fn changed() -> String {
    MIXED.replace("10.0.0.2/16", "10.0.0.3/16").replace(", tc: { delay: 5ms }", "").replace("type: epair, ", "")
}

#[test]
fn an_error_at_any_call_of_a_change_without_netlink() {
    error_at_any_call_of_a_change(MIXED, &changed(), RouteMeans::Rtsock);
}

#[test]
fn an_error_at_any_call_of_a_change_of_roots_and_limits() {
    let changed = LIVING.replace("var/db", "root").replace("maxproc: 30", "maxproc: 40").replace("log=9", "log=10");
    error_at_any_call_of_a_change(
        LIVING,
        &changed.replace("cpus: 0-3", "cpus: 1").replace("/jails/own", "/jails/other"),
        RouteMeans::Netlink,
    );
}

fn error_at_any_call_of_a_change(before: &str, after: &str, means: RouteMeans) {
    let (first, second) = (model(before), model(after));
    let (mut machine, _dir, records) = fresh(means);
    up(&mut machine, &records, &first).unwrap();
    let all = calls(machine, |machine| up(machine, &records, &second));
    for call in 1..=all {
        let (mut machine, _dir, records) = fresh(means);
        up(&mut machine, &records, &first).unwrap();
        let (mut machine, outcome) = faulty(machine, call, REFUSED, |machine| up(machine, &records, &second));
        let wanted = if outcome.is_ok() { &second } else { &first };
        if let Err(error) = &outcome {
            assert_ne!(error.kind, LabErrorKind::NotUndone, "call {call}: {error:#?}");
        }
        let plan = labs(&mut machine, &records).plan(wanted).unwrap();
        assert!(plan.is_empty(), "call {call} of {all}:\n{}", cellblock::plan::render::text(&plan));
    }
}
