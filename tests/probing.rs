//! Echo tests through a kernel that is slow: what it has no room for it drops without a word.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cellblock::engine::Records;
use cellblock::engine::freebsd::faults::FaultyDoors;
use cellblock::engine::freebsd::{Machine, RouteMeans, Settings};
use cellblock::lab::{ApplyOptions, Labs, Probe, ProbeResult};
use cellblock::sim::{Kernel, SimDoors};
use support::model;

const HOSTS: u8 = 40;

fn star() -> String {
    let nodes: String = (1..=HOSTS).map(|n| format!("    h{n}: {{ kind: host }}\n")).collect();
    let links: String = (1..=HOSTS)
        .map(|n| format!("    - {{ endpoints: [ \"h{n}:eth0\", sw ], ipv4: [ 10.0.0.{n}/24, ~ ] }}\n"))
        .collect();
    format!("version: 1\nname: star\ntopology:\n  nodes:\n    sw: {{ kind: switch }}\n{nodes}  links:\n{links}")
}

/// The results of all pairs, and how long it took on the kernel's clock, where so many echoes fit at once.
fn all_pairs(room: usize, silent: u8) -> (Vec<ProbeResult>, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let records = Records::new(folder.path());
    let settings = || Settings { means: RouteMeans::Netlink, load_modules: true };
    let model = model(&star());
    let mut machine = Machine { doors: SimDoors::new(Kernel::boot(1)), settings: settings() };
    let mut labs = Labs { backend: &mut machine, records: &records, engine: "sim", entropy: [7; 16] };
    let plan = labs.plan(&model).unwrap();
    labs.apply(&plan, &model, &ApplyOptions::default(), &mut |_| {}).unwrap();
    let target = |n: u8| IpAddr::from(Ipv4Addr::new(10, 0, 0, n));
    let probes: Vec<Probe> = (1..=HOSTS)
        .flat_map(|from| (1..=HOSTS + silent).map(move |to| (from, to)))
        .filter(|(from, to)| from != to)
        .map(|(from, to)| Probe {
            from: format!("h{from}").parse().unwrap(),
            to: target(to),
            interface: None,
            tries: 3,
            timeout: Duration::from_secs(1),
        })
        .collect();
    let before = machine.doors.kernel.clock.now();
    let mut machine = Machine { doors: FaultyDoors::narrow(machine.doors, room), settings: settings() };
    let mut labs = Labs { backend: &mut machine, records: &records, engine: "sim", entropy: [7; 16] };
    let results = labs.probe(&model.lab, &probes).unwrap();
    let took = machine.doors.into_inner().kernel.clock.now() - before;
    (results, Duration::from_nanos(took))
}

#[test]
fn a_kernel_that_drops_what_is_too_much_still_gives_every_answer() {
    for room in [8, 9, 12, 16, 31, 50, 100, 200, usize::MAX] {
        let (results, took) = all_pairs(room, 0);
        let missing = results.iter().filter(|result| !matches!(result, ProbeResult::Answered { .. })).count();
        println!("room for {room}: {missing} of {} missing, in {took:?}", results.len());
        assert_eq!(missing, 0, "of {}, with room for {room}", results.len());
    }
}

#[test]
fn hosts_that_are_not_there_do_not_hold_up_the_others_for_long() {
    let (results, took) = all_pairs(usize::MAX, 10);
    let missing = results.iter().filter(|result| !matches!(result, ProbeResult::Answered { .. })).count();
    println!("{missing} of {} missing, in {took:?}", results.len());
    assert_eq!(missing, usize::from(HOSTS) * 10);
    assert!(took < Duration::from_secs(60), "{took:?}");
}
