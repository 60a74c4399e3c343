//! What somebody else did to a lab behind our back: `up` mends it, by as little as it takes, and `down` leaves nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use cellblock::abi::InterfaceName;
use cellblock::abi::ioctl::{Call, bridge, interface};
use cellblock::engine::Records;
use cellblock::engine::freebsd::doors::{
    Actor, IoctlDoor, JailDoor, JailParam, NetgraphDoor, Sock, SocketDoor, SocketKind,
};
use cellblock::engine::freebsd::{Machine, RouteMeans, Settings};
use cellblock::lab::{ApplyOptions, Labs, Probe, ProbeResult};
use cellblock::model::Model;
use cellblock::plan::{Counts, render};
use cellblock::sim::{Kernel, SimDoors};
use ngsock::{Client, NodePath, Transport};
use support::model;
use support::picture::picture;

/// Every kind of link, and routes through interfaces of either kind.
const LAB: &str = r#"
version: 1
name: worn
topology:
  nodes:
    b1: { kind: switch, driver: if_bridge, stp: true }
    n1: { kind: switch }
    r1: { kind: router }
    h1: { kind: host, routes: [ { to: default, via: 10.0.0.1 } ] }
    h2: { kind: host, routes: [ { to: default, via: 10.0.0.1 }, { to: "fd00:9::/64", via: "fd00::2" } ] }
  links:
    - { endpoints: [ b1, n1 ] }
    - { endpoints: [ "r1:lan0", n1 ], ipv4: [ 10.0.0.1/16, ~ ], tc: { delay: 5ms } }
    - { endpoints: [ "h1:eth0", n1 ], ipv4: [ 10.0.0.2/16, ~ ] }
    - { endpoints: [ "h2:eth0", b1 ], type: epair, ipv4: [ 10.0.0.3/16, ~ ] }
    - { endpoints: [ "h2:x0", "r1:x0" ], type: epair, ipv6: [ "fd00::1/64", "fd00::2/64" ] }
    - { endpoints: [ "h1:x1", "h2:x1" ], ipv4: [ 10.9.0.1/24, 10.9.0.2/24 ] }
"#;

struct World {
    machine: Machine<SimDoors>,
    records: Records,
    _dir: tempfile::TempDir,
}

impl World {
    fn new(means: RouteMeans) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::new(dir.path());
        let settings = Settings { means, load_modules: true };
        Self { machine: Machine { doors: SimDoors::new(Kernel::boot(1)), settings }, records, _dir: dir }
    }

    fn labs(&mut self) -> Labs<'_> {
        Labs { backend: &mut self.machine, records: &self.records, engine: "sim", entropy: [7; 16] }
    }

    /// Up, and a second plan that finds nothing to do; what the first one had to do.
    fn up(&mut self, model: &Model, damage: &str) -> Counts {
        let plan = self.labs().plan(model).unwrap_or_else(|error| panic!("{damage}: {error:#?}"));
        let applied = self.labs().apply(&plan, model, &ApplyOptions::default(), &mut |_| {});
        applied.unwrap_or_else(|error| panic!("{damage}: {error:#?}\n{}", render::text(&plan)));
        let again = self.labs().plan(model).unwrap();
        assert!(again.is_empty(), "{damage}: the second plan is not empty:\n{}", render::text(&again));
        plan.counts()
    }

    /// Echoes across every link, and through the routes.
    fn answers(&mut self, model: &Model, damage: &str) {
        let probe = |(from, to): (&str, &str)| Probe {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            interface: None,
            tries: 3,
            timeout: Duration::from_secs(1),
        };
        let probes = [("h1", "10.0.0.1"), ("h1", "10.0.0.3"), ("h2", "fd00::2"), ("h2", "10.9.0.1")].map(probe);
        let results = self.labs().probe(&model.lab, &probes).unwrap();
        let all = results.iter().all(|result| matches!(result, ProbeResult::Answered { .. }));
        assert!(all, "{damage}: {results:?}");
    }
}

fn name(text: &str) -> InterfaceName {
    InterfaceName::new(text).unwrap()
}

/// What somebody does inside a jail, on a socket of its own.
fn inside(doors: &mut SimDoors, jail: &str, kind: SocketKind, act: impl FnOnce(&mut SimDoors, Sock)) {
    let jid = doors.jail_get(&mut [JailParam::string("name", jail)], 0).unwrap();
    let helper = doors.helper_start(jid).unwrap();
    let sock = doors.open(Actor::Helper(helper), kind).unwrap();
    act(doors, sock);
    doors.close(sock);
    doors.helper_end(helper);
}

fn control(doors: &mut SimDoors, jail: &str, mut call: Call) {
    inside(doors, jail, SocketKind::Inet, |doors, sock| {
        doors.ioctl(sock, call.request, &mut call.argument).unwrap();
    });
}

fn rename(doors: &mut SimDoors, jail: &str, from: &str, to: &str) {
    control(doors, jail, interface::rename(name(from), name(to)));
}

fn remove(doors: &mut SimDoors, jail: &str) {
    let jid = doors.jail_get(&mut [JailParam::string("name", jail)], 0).unwrap();
    doors.jail_remove(jid).unwrap();
}

struct Wire<'d>(&'d mut SimDoors, Sock);

impl Transport for Wire<'_> {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), cellblock::abi::Errno> {
        self.0.netgraph_send(self.1, path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, cellblock::abi::Errno> {
        self.0.netgraph_receive(self.1, buffer)
    }
}

/// Shuts down every node of a type in the lab jail.
fn shut_down(doors: &mut SimDoors, kind: &str) {
    inside(doors, "worn", SocketKind::Netgraph, |doors, sock| {
        let mut client = Client::new(Wire(doors, sock));
        let nodes = client.list_nodes().unwrap().0;
        let of_kind: Vec<_> = nodes.iter().filter(|node| node.kind.as_str() == Some(kind)).collect();
        assert!(!of_kind.is_empty(), "there is no node of type {kind}");
        for node in of_kind {
            client.shutdown(&NodePath::id(node.id)).unwrap();
        }
    });
}

/// The names in the lab jail of interfaces that some cloner made there.
fn of_cloner(world: &mut World, model: &Model, cloner: &str) -> Vec<String> {
    let seen = world.labs().observe(&model.lab).unwrap();
    let lab = &seen.interfaces[&cellblock::graph::Place::Lab];
    lab.iter().filter(|(_, seen)| seen.cloner.as_deref() == Some(cloner)).map(|(name, _)| name.to_string()).collect()
}

/// Does the damage, has it mended, and takes the lab down; gives what mending took.
fn mended(damage: &str, means: RouteMeans, act: impl FnOnce(&mut World, &Model)) -> Counts {
    let model = model(LAB);
    let mut world = World::new(means);
    let before = picture(&mut world.machine.doors);
    world.up(&model, "nothing yet");
    world.answers(&model, "nothing yet");
    act(&mut world, &model);
    let plan = world.labs().plan(&model).unwrap();
    assert!(!plan.is_empty(), "{damage}: it is not noticed");
    let counts = world.up(&model, damage);
    world.answers(&model, damage);
    world.labs().down(&model.lab, &mut |_| {}).unwrap_or_else(|error| panic!("{damage}: {error:#?}"));
    assert_eq!(picture(&mut world.machine.doors), before, "{damage}");
    counts
}

const BOTH: [RouteMeans; 2] = [RouteMeans::Netlink, RouteMeans::Rtsock];

/// Interfaces of both kinds, with and without routes through them.
const INTERFACES: [(&str, &str); 7] = [
    ("worn.h1", "eth0"),
    ("worn.h1", "x1"),
    ("worn.h2", "eth0"),
    ("worn.h2", "x0"),
    ("worn.h2", "x1"),
    ("worn.r1", "lan0"),
    ("worn.r1", "x0"),
];

#[test]
fn an_interface_was_renamed() {
    for means in BOTH {
        for (jail, interface) in INTERFACES {
            let counts = mended(&format!("{jail}:{interface} renamed"), means, |world, _| {
                rename(&mut world.machine.doors, jail, interface, "mine");
            });
            assert_eq!((counts.add, counts.change, counts.replace, counts.destroy), (0, 1, 0, 0));
        }
    }
}

#[test]
fn an_interface_was_renamed_and_described_anew() {
    for means in BOTH {
        for (jail, interface) in INTERFACES {
            mended(&format!("{jail}:{interface} renamed and described anew"), means, |world, _| {
                rename(&mut world.machine.doors, jail, interface, "mine");
                control(&mut world.machine.doors, jail, interface::set_description(name("mine"), b"mine"));
            });
        }
    }
}

/// What is no more than a value of something is told as that, as drift, and put right in place.
#[test]
fn an_interface_was_described_anew_or_set_down() {
    for means in BOTH {
        for (jail, interface) in INTERFACES {
            let of_itself = |damage: &str, act: &dyn Fn(&mut SimDoors), line: &str| {
                mended(&format!("{jail}:{interface} {damage}"), means, |world, model| {
                    act(&mut world.machine.doors);
                    let text = render::text(&world.labs().plan(model).unwrap());
                    let told = text.lines().find(|told| told.contains(line));
                    let is_drift = |told: &str| told.starts_with("  ~ ") && told.ends_with(" (drift)");
                    assert!(told.is_some_and(is_drift), "{line}:\n{text}");
                })
            };
            let other = interface::set_description(name(interface), b"mine");
            let counts =
                of_itself("described anew", &|doors| control(doors, jail, other.clone()), "description mine -> ");
            assert_eq!((counts.add, counts.change, counts.replace, counts.destroy), (0, 1, 0, 0));
            let down = interface::set_flags(name(interface), 0);
            let counts = of_itself("set down", &|doors| control(doors, jail, down.clone()), "state down -> up");
            assert_eq!((counts.replace, counts.destroy), (0, 0));
        }
    }
}

#[test]
fn an_epair_was_destroyed() {
    for (jail, interface) in [("worn.h2", "eth0"), ("worn.h2", "x0"), ("worn.r1", "x0")] {
        mended(&format!("{jail}:{interface} destroyed"), RouteMeans::Netlink, |world, _| {
            control(&mut world.machine.doors, jail, interface::destroy(name(interface)));
        });
    }
}

#[test]
fn jails_were_removed() {
    for jails in [
        &["worn.h1"][..],
        &["worn.h2"],
        &["worn.r1"],
        &["worn.h1", "worn.h2"],
        &["worn.h2", "worn.r1"],
        &["worn.h1", "worn.h2", "worn.r1"],
    ] {
        mended(&format!("{jails:?} removed"), RouteMeans::Netlink, |world, _| {
            jails.iter().for_each(|jail| remove(&mut world.machine.doors, jail));
        });
    }
}

#[test]
fn netgraph_nodes_were_shut_down() {
    for kind in ["bridge", "pipe", "eiface"] {
        mended(&format!("{kind} shut down"), RouteMeans::Netlink, |world, _| {
            shut_down(&mut world.machine.doors, kind);
        });
    }
}

#[test]
fn a_bridge_lost_its_members_or_went() {
    mended("member taken off", RouteMeans::Netlink, |world, model| {
        let bridges = of_cloner(world, model, "bridge");
        let members = of_cloner(world, model, "epair");
        control(&mut world.machine.doors, "worn", bridge::remove_member(name(&bridges[0]), name(&members[0])));
    });
    mended("bridge destroyed", RouteMeans::Netlink, |world, model| {
        let bridges = of_cloner(world, model, "bridge");
        control(&mut world.machine.doors, "worn", interface::destroy(name(&bridges[0])));
    });
    for cloner in ["bridge", "epair"] {
        mended(&format!("{cloner} renamed in the lab jail"), RouteMeans::Netlink, |world, model| {
            let found = of_cloner(world, model, cloner);
            rename(&mut world.machine.doors, "worn", &found[0], "mine");
        });
    }
}
