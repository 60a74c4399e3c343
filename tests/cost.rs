//! What one more node costs in calls through the doors, each of them a system call or several; and several jobs at a time, which
//! come to the same as one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::num::NonZeroUsize;

use cellblock::abi::Errno;
use cellblock::engine::Records;
use cellblock::engine::freebsd::faults::{Fault, FaultyDoors};
use cellblock::engine::freebsd::{Machine, RouteMeans, Settings};
use cellblock::lab::{ApplyOptions, LabErrorKind, Labs};
use cellblock::model::Model;
use cellblock::sim::{Kernel, SimDoors};
use support::model;
use support::picture::picture;

/// Hosts on a switch.
fn star(nodes: u64) -> Model {
    model(&format!(
        "version: 1\nname: star\naddressing:\n  lan: {{ ipv4: 10.64.0.0/16, prefix: 16 }}\ntopology:\n  nodes:\n    \
         centre: {{ kind: switch, pool: lan }}\n    \"h${{n}}\": {{ kind: host, each: {{ n: 1..{nodes} }}, index: \
         \"${{n}}\" }}\n  links:\n    - {{ each: {{ n: 1..{nodes} }}, endpoints: [ \"h${{n}}:eth0\", centre ] }}\n"
    ))
}

struct World {
    machine: Machine<FaultyDoors<SimDoors>>,
    records: Records,
    _folder: tempfile::TempDir,
}

impl World {
    /// A kernel that fails at one call.
    fn new(means: RouteMeans, at: Option<(u64, Fault)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { means, load_modules: true };
        let doors = FaultyDoors::new(SimDoors::new(Kernel::boot(1)), at);
        Self { machine: Machine { doors, settings }, records: Records::new(folder.path()), _folder: folder }
    }

    fn labs(&mut self) -> Labs<'_> {
        Labs { backend: &mut self.machine, records: &self.records, engine: "sim", entropy: [7; 16] }
    }

    fn up(&mut self, star: &Model, jobs: Option<usize>) -> Result<(), cellblock::lab::LabError> {
        let plan = self.labs().plan(star)?;
        let options = ApplyOptions { jobs: jobs.and_then(NonZeroUsize::new), ..ApplyOptions::default() };
        self.labs().apply(&plan, star, &options, &mut |_| {}).map(drop)
    }

    /// Calls of the star's `up` and `down`.
    fn calls(nodes: u64, means: RouteMeans) -> [u64; 2] {
        let (mut world, star) = (Self::new(means, None), star(nodes));
        world.up(&star, None).unwrap();
        let up = world.machine.doors.calls();
        world.labs().down(&star.lab, &mut |_| {}).unwrap();
        [up, world.machine.doors.calls() - up]
    }
}

#[test]
fn a_node_is_entered_once_by_up_and_never_by_down() {
    // Routes are read without a socket, and so in visits of their own.
    for (means, most) in [(RouteMeans::Netlink, 40), (RouteMeans::Rtsock, 44)] {
        let (few, many) = (World::calls(4, means), World::calls(12, means));
        let [up, down] = [0, 1].map(|way| (many[way] - few[way]) / 8);
        assert!(up <= most, "{means:?}: {up} calls for each node that comes");
        // It is asked for, by number after number.
        assert_eq!(down, 1, "{means:?}: calls for each node that goes");
    }
}

#[test]
fn several_jobs_come_to_the_same_as_one() {
    let star = star(6);
    let pictures = [1, 4].map(|jobs| {
        let mut world = World::new(RouteMeans::Netlink, None);
        world.up(&star, Some(jobs)).unwrap();
        assert!(world.labs().plan(&star).unwrap().is_empty());
        picture(&mut world.machine.doors.into_inner())
    });
    assert_eq!(pictures[0], pictures[1]);
}

#[test]
fn inject_an_error_at_every_call_while_several_jobs_are_under_way() {
    let star = star(6);
    let before = picture(&mut SimDoors::new(Kernel::boot(1)));
    let mut points = 0;
    loop {
        let mut world = World::new(RouteMeans::Netlink, Some((points + 1, Fault::Refuse(Errno::EIO))));
        let outcome = world.up(&star, Some(4));
        if !world.machine.doors.has_struck() {
            break;
        }
        points += 1;
        match outcome {
            // Not everything that is asked need be answered.
            Ok(()) => assert!(world.labs().plan(&star).unwrap().is_empty(), "call {points}"),
            Err(error) => {
                assert_ne!(error.kind, LabErrorKind::NotUndone, "call {points}: {error:#?}");
                assert!(world.records.labs().unwrap().is_empty(), "call {points}");
                let modules = |line: &String| !line.contains("module");
                let after: Vec<String> =
                    picture(&mut world.machine.doors.into_inner()).into_iter().filter(modules).collect();
                assert_eq!(
                    after,
                    before.iter().filter(|line| modules(line)).cloned().collect::<Vec<_>>(),
                    "call {points}"
                );
            }
        }
    }
    println!("{points} injection points");
    assert!(points > 100, "{points}");
}
