//! The FreeBSD engine on the simulated kernel: every kind of link goes up, is read back, plans to nothing, answers, and goes
//! down without a trace.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use cellblock::engine::Records;
use cellblock::engine::freebsd::{Machine, RouteMeans, Settings};
use cellblock::lab::{ApplyOptions, LabErrorKind, Labs};
use cellblock::model::{LabName, Model};
use cellblock::plan::render;
use cellblock::sim::{Kernel, SimDoors};
use support::model;
use support::picture::picture;

/// A kernel, its records, and what a test does with them.
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

    /// Up, and a second plan that finds nothing to do.
    fn up(&mut self, model: &Model) {
        let plan = self.labs().plan(model).unwrap();
        let applied = self.labs().apply(&plan, model, &ApplyOptions::default(), &mut |_| {});
        applied.unwrap_or_else(|error| panic!("{error}: {error:#?}"));
        let again = self.labs().plan(model).unwrap();
        assert!(again.is_empty(), "the second plan is not empty:\n{}", render::text(&again));
    }

    fn down(&mut self, lab: &LabName) {
        self.labs().down(lab, &mut |_| {}).unwrap_or_else(|error| panic!("{error}: {error:#?}"));
    }
}

/// Up and down again with both ways of configuring addresses and routes; afterwards the kernel is as it was.
fn comes_and_goes(yaml: &str) {
    let model = model(yaml);
    for means in [RouteMeans::Netlink, RouteMeans::Rtsock] {
        let mut world = World::new(means);
        let before = picture(&mut world.machine.doors);
        world.up(&model);
        assert_ne!(picture(&mut world.machine.doors), before);
        world.down(&model.lab);
        assert_eq!(picture(&mut world.machine.doors), before, "{means:?}");
    }
}

/// A kernel that has no netlink(4).
fn without_netlink(means: RouteMeans) -> World {
    let mut world = World::new(means);
    world.machine.doors.kernel.host.has_netlink = false;
    world
}

#[test]
fn a_kernel_without_netlink_is_served_by_the_routing_socket_and_sysctl() {
    for (yaml, means) in [
        (MIXED, RouteMeans::Rtsock),
        (SELF, RouteMeans::Rtsock),
        (MIXED, RouteMeans::Netlink),
        (SELF, RouteMeans::Netlink),
    ] {
        let model = model(yaml);
        let mut world = without_netlink(means);
        let before = picture(&mut world.machine.doors);
        world.up(&model);
        let changed = yaml.replace("10.0.0.3/16", "10.0.0.4/16").replace("10.9.0.0/16", "10.8.0.0/16");
        world.up(&support::model(&changed));
        world.up(&model);
        world.down(&model.lab);
        assert_eq!(picture(&mut world.machine.doors), before, "{means:?}");
    }
}

#[test]
fn both_doors_see_the_same() {
    for yaml in [MIXED, SELF] {
        let model = model(yaml);
        let mut world = World::new(RouteMeans::Netlink);
        world.up(&model);
        let mut seen = [RouteMeans::Netlink, RouteMeans::Rtsock].map(|means| {
            world.machine.settings.means = means;
            world.labs().observe(&model.lab).unwrap()
        });
        for interface in seen.iter_mut().flat_map(|seen| seen.interfaces.values_mut()).flat_map(|of| of.values_mut()) {
            // What made a loopback interface the groups of the cloners that matter do not say.
            interface.cloner = interface.cloner.take().filter(|cloner| &**cloner != "lo");
        }
        let [netlink, rtsock] = seen;
        assert_eq!(netlink, rtsock);
    }
}

fn two(link: &str, kinds: &str) -> String {
    format!("version: 1\nname: two\ntopology:\n  nodes:\n{kinds}\n  links:\n    - {{ {link} }}\n")
}

const HOSTS: &str = "    a: { kind: host }\n    b: { kind: host }";

#[test]
fn jail_to_jail_by_eifaces() {
    comes_and_goes(&two("endpoints: [ \"a:eth0\", \"b:eth0\" ], ipv4: [ 10.0.0.1/24, 10.0.0.2/24 ]", HOSTS));
}

#[test]
fn jail_to_jail_by_an_epair() {
    comes_and_goes(&two(
        "endpoints: [ \"a:eth0\", \"b:eth0\" ], type: epair, ipv4: [ 10.0.0.1/24, 10.0.0.2/24 ]",
        HOSTS,
    ));
}

#[test]
fn jail_to_jail_through_a_pipe() {
    let link = "endpoints: [ \"a:eth0\", \"b:eth0\" ], ipv6: [ \"fd00::1/64\", \"fd00::2/64\" ], tc: { rate: 10mbit, delay: 5ms, queue: 100 }";
    comes_and_goes(&two(link, HOSTS));
}

#[test]
fn every_kind_of_switch() {
    comes_and_goes(MIXED);
}

/// Every wiring of the table in the format, with routes, sysctls and both families.
const MIXED: &str = r#"
version: 1
name: mixed
topology:
  nodes:
    b1: { kind: switch, driver: if_bridge, stp: true }
    b2: { kind: switch, driver: if_bridge, stp: true }
    n1: { kind: switch }
    n2: { kind: switch }
    hub: { kind: hub }
    r1: { kind: router }
    h1: { kind: host, routes: [ { to: default, via: 10.0.0.1 } ] }
    h2: { kind: host, jail: { allow.raw_sockets: "true" } }
  links:
    - { endpoints: [ b1, b2 ] }
    - { endpoints: [ b2, n1 ] }
    - { endpoints: [ n1, n2 ], tc: { delay: 5ms } }
    - { endpoints: [ n2, hub ] }
    - { endpoints: [ "h1:eth0", b1 ], ipv4: [ 10.0.0.2/16, ~ ] }
    - { endpoints: [ "h2:eth0", b2 ], type: epair, ipv4: [ 10.0.0.3/16, ~ ] }
    - { endpoints: [ "r1:lan0", hub ], ipv4: [ 10.0.0.1/16, ~ ], ipv6: [ "fd00::1/64", ~ ] }
    - { endpoints: [ "r1:x0", "h2:x0" ], type: epair, mtu: 9000 }
    - { endpoints: [ "r1:x1", "h2:x1" ], tc: { rate: 1mbit } }
"#;

const SELF: &str = r#"
version: 1
name: mine
topology:
  nodes:
    me: { kind: self, sysctls: { net.inet.ip.ttl: 32 }, routes: [ { to: 10.9.0.0/16, via: 192.168.99.2 } ] }
    h1: { kind: host }
  links:
    - { endpoints: [ "me:lab_a", "h1:eth0" ], ipv4: [ 192.168.99.1/24, 192.168.99.2/24 ], ipv6: [ "fd00:9::1/64", "fd00:9::2/64" ] }
"#;

#[test]
fn a_lab_is_up_when_its_spanning_tree_stands() {
    let mut world = World::new(RouteMeans::Netlink);
    let model = model(MIXED);
    world.up(&model);
    let seen = world.labs().observe(&model.lab).unwrap();
    assert_eq!(seen.members.len(), 2);
    assert_eq!(seen.discarding, [].into(), "a port is not forwarding yet");
}

#[test]
fn the_host_itself_gets_an_end_and_gets_rid_of_it() {
    comes_and_goes(SELF);
}

#[test]
fn a_change_changes_only_what_it_must() {
    let mut world = World::new(RouteMeans::Netlink);
    let before = picture(&mut world.machine.doors);
    let first = model(MIXED);
    world.up(&first);
    for (from, to, counts) in [
        ("10.0.0.3/16", "10.0.0.4/16", (0, 1, 0, 0)),
        ("rate: 1mbit", "rate: 2mbit", (0, 1, 0, 0)),
        ("mtu: 9000", "mtu: 4000", (0, 1, 0, 0)),
    ] {
        let changed = model(&MIXED.replace(from, to));
        let plan = world.labs().plan(&changed).unwrap();
        let found = plan.counts();
        assert_eq!((found.add, found.change, found.replace, found.destroy), counts, "{}", render::text(&plan));
        world.up(&changed);
        world.up(&first);
    }
    let smaller = model(&MIXED.replace("    - { endpoints: [ \"r1:x1\", \"h2:x1\" ], tc: { rate: 1mbit } }\n", ""));
    world.up(&smaller);
    world.up(&first);
    world.down(&first.lab);
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn a_jail_of_somebody_else_is_left_alone() {
    use cellblock::engine::freebsd::doors::{JAIL_CREATE, JailDoor, JailParam};
    let mut world = World::new(RouteMeans::Netlink);
    let parameters =
        [JailParam::string("name", "two"), JailParam::string("path", "/"), JailParam::boolean("persist", true)];
    world.machine.doors.jail_set(&parameters, JAIL_CREATE).unwrap();
    let before = picture(&mut world.machine.doors);
    let model = model(&two("endpoints: [ \"a:eth0\", \"b:eth0\" ]", HOSTS));
    let error = world.labs().plan(&model).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::BadState, "{error:#?}");
    assert!(error.hint.is_some());
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn modules_are_loaded_only_when_allowed() {
    let model = model(MIXED);
    let mut world = World::new(RouteMeans::Netlink);
    world.machine.settings.load_modules = false;
    let before = picture(&mut world.machine.doors);
    let plan = world.labs().plan(&model).unwrap();
    let error = world.labs().apply(&plan, &model, &ApplyOptions::default(), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::BadState, "{error:#?}");
    for module in ["ng_socket", "ng_eiface", "ng_pipe", "if_bridge"] {
        assert!(error.message.contains(module), "{}", error.message);
        assert!(error.hint.as_ref().unwrap().contains(module), "{error:#?}");
    }
    assert!(error.hint.unwrap().contains("sysrc kld_list+="));
    assert_eq!(picture(&mut world.machine.doors), before);
    world.machine.settings.load_modules = true;
    world.up(&model);
    world.down(&model.lab);
    world.machine.settings.load_modules = false;
    world.up(&model);
}

#[test]
fn few_descriptors_are_enough() {
    let hosts: String = (0..20).map(|n| format!("    h{n}: {{ kind: host }}\n")).collect();
    let links: String = (0..20)
        .map(|n| format!("    - {{ endpoints: [ \"h{n}:eth0\", sw ], ipv4: [ 10.0.0.{}/24, ~ ] }}\n", n + 1))
        .collect();
    let model = model(&format!(
        "version: 1\nname: wide\ntopology:\n  nodes:\n    sw: {{ kind: switch }}\n{hosts}  links:\n{links}"
    ));
    let mut world = World::new(RouteMeans::Netlink);
    world.machine.doors.most_descriptors = 16;
    let before = picture(&mut world.machine.doors);
    world.up(&model);
    let probe = |n: usize| cellblock::lab::Probe {
        from: format!("h{n}").parse().unwrap(),
        to: format!("10.0.0.{}", (n + 1) % 20 + 1).parse().unwrap(),
        interface: None,
        tries: 2,
        timeout: Duration::from_secs(1),
    };
    let probes: Vec<_> = (0..20).map(probe).collect();
    let results = world.labs().probe(&model.lab, &probes).unwrap();
    assert!(results.iter().all(|result| matches!(result, cellblock::lab::ProbeResult::Answered { .. })), "{results:?}");
    world.machine.doors.most_descriptors = 5;
    let error = world.labs().probe(&model.lab, &probes).unwrap_err();
    assert_eq!(error.errno, Some(cellblock::abi::Errno::EMFILE));
    assert!(error.hint.unwrap().contains("ulimit -n"));
    world.machine.doors.most_descriptors = 16;
    world.down(&model.lab);
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn a_module_that_cannot_be_loaded_is_named() {
    use cellblock::abi::Errno;
    use cellblock::engine::freebsd::faults::{Fault, FaultyDoors};
    let model = model(&two("endpoints: [ \"a:eth0\", \"b:eth0\" ]", HOSTS));
    for (errno, advice) in [(Errno::ENOENT, "kern.module_path"), (Errno::EPERM, "kern.securelevel")] {
        // What is looked at before modules are loaded takes some calls.
        let is_named = (1..20).any(|call| {
            let mut world = World::new(RouteMeans::Netlink);
            let plan = world.labs().plan(&model).unwrap();
            let before = picture(&mut world.machine.doors);
            let World { machine: Machine { doors, settings }, records, _dir } = world;
            let mut machine = Machine { doors: FaultyDoors::new(doors, Some((call, Fault::Refuse(errno)))), settings };
            let mut labs = Labs { backend: &mut machine, records: &records, engine: "sim", entropy: [7; 16] };
            let applied = labs.apply(&plan, &model, &ApplyOptions::default(), &mut |_| {});
            let Some(error) = applied.err().filter(|error| error.call.as_deref() == Some("kldload")) else {
                return false;
            };
            assert_eq!(error.errno, Some(errno), "{error:#?}");
            assert!(error.hint.as_ref().unwrap().contains(advice), "{error:#?}");
            assert_eq!(picture(&mut machine.doors.into_inner()), before);
            assert!(records.labs().unwrap().is_empty());
            true
        });
        assert!(is_named, "no call that loads a module was refused");
    }
}

#[test]
fn what_is_broken_behind_our_back_is_seen_and_goes() {
    use cellblock::abi::ioctl::interface;
    use cellblock::engine::freebsd::doors::{Actor, IoctlDoor, JailDoor, JailParam, SocketDoor, SocketKind};
    let model = model(MIXED);
    let mut world = World::new(RouteMeans::Netlink);
    let before = picture(&mut world.machine.doors);
    let inside =
        |doors: &mut SimDoors, jail: &str, call: &dyn Fn(&mut SimDoors, cellblock::engine::freebsd::doors::Sock)| {
            let mut name = [JailParam::string("name", jail)];
            let jid = doors.jail_get(&mut name, 0).unwrap();
            let helper = doors.helper_start(jid).unwrap();
            let sock = doors.open(Actor::Helper(helper), SocketKind::Inet).unwrap();
            call(doors, sock);
            doors.close(sock);
            doors.helper_end(helper);
        };
    let name = |text: &str| cellblock::abi::InterfaceName::new(text).unwrap();
    for damage in ["rename", "destroy", "jail"] {
        world.up(&model);
        let doors = &mut world.machine.doors;
        match damage {
            "rename" => inside(doors, "mixed.h1", &|doors, sock| {
                let mut call = interface::rename(name("eth0"), name("mine"));
                doors.ioctl(sock, call.request, &mut call.argument).unwrap();
            }),
            "destroy" => inside(doors, "mixed.h2", &|doors, sock| {
                let mut call = interface::destroy(name("x0"));
                doors.ioctl(sock, call.request, &mut call.argument).unwrap();
            }),
            _ => {
                let jid = doors.jail_get(&mut [JailParam::string("name", "mixed.h2")], 0).unwrap();
                doors.jail_remove(jid).unwrap();
            }
        }
        let plan = world.labs().plan(&model).unwrap();
        assert!(!plan.is_empty(), "{damage} is not noticed");
        world.down(&model.lab);
        assert_eq!(picture(&mut world.machine.doors), before, "{damage}");
    }
}

#[test]
fn a_lab_that_was_never_there() {
    let mut world = World::new(RouteMeans::Netlink);
    let error = world.labs().down(&"nobody".parse().unwrap(), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::NoSuchLab);
}

#[test]
fn what_a_pipe_cannot_do_is_refused_with_its_place() {
    let link = "endpoints: [ \"a:eth0\", \"b:eth0\" ], tc: { loss: 1%, delay: 10s }";
    let model = model(&two(link, HOSTS));
    let findings = cellblock::engine::freebsd::check(&model);
    assert_eq!(findings.iter().filter(|finding| finding.code == "E001").count(), 4, "{findings:#?}");
    assert!(findings.iter().all(|finding| finding.labels[0].origin.is_somewhere()));
    let error = World::new(RouteMeans::Netlink).labs().plan(&model).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::File);
}

#[test]
fn echoes_are_answered_where_they_should_be() {
    let mut world = World::new(RouteMeans::Netlink);
    let model = model(SELF);
    world.up(&model);
    let echo = |from: &str, to: &str| cellblock::lab::Probe {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        interface: None,
        tries: 2,
        timeout: Duration::from_secs(1),
    };
    let probes = [
        echo("h1", "192.168.99.1"),
        echo("me", "192.168.99.2"),
        echo("h1", "fd00:9::1"),
        echo("h1", "192.168.99.77"),
        echo("h1", "172.16.0.1"),
    ];
    let results = world.labs().probe(&model.lab, &probes).unwrap();
    use cellblock::lab::ProbeResult::{Answered, Silent, Unreachable};
    assert!(matches!(results[..3], [Answered { .. }, Answered { .. }, Answered { .. }]), "{results:?}");
    assert!(matches!(results[3], Silent | Unreachable { .. }), "{results:?}");
    assert!(
        matches!(&results[4], Unreachable { why } if why == "no route to host" || why == "network is unreachable"),
        "{results:?}"
    );
}
