//! Nodes whose jails another tool runs: the lab has their wiring, `attach` and `detach` hand it out and take it back, and nothing is
//! left whoever goes first. The other tool does here what jail(8) does: makes a jail, gives it interfaces of the host, renames them
//! inside, and removes the jail.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use cellblock::abi::ioctl::{Call, interface};
use cellblock::abi::{Errno, InterfaceName};
use cellblock::engine::freebsd::doors::{
    Actor, Doors, IoctlDoor, JAIL_CREATE, JailDoor, JailParam, Jid, SocketDoor, SocketKind,
};
use cellblock::engine::freebsd::faults::{Fault, FaultyDoors};
use cellblock::engine::freebsd::{Machine, Settings};
use cellblock::engine::{Backend, Records};
use cellblock::lab::{ApplyOptions, ExecError, LabError, LabErrorKind, Labs, Probe};
use cellblock::model::{LabName, Model, NodeName};
use cellblock::plan::render;
use cellblock::sim::{Kernel, SimDoors};
use support::model;
use support::picture::picture;

const LAB: &str = r#"
version: 1
name: shop
topology:
  nodes:
    floor: { kind: switch }
    web: { kind: host, jail: { persist: false, allow.raw_sockets: true } }
    db: { kind: host, jail: { persist: false } }
    till: { kind: host }
  links:
    - { endpoints: [ "web:eth0", floor ], ipv4: [ 10.0.0.1/24, ~ ] }
    - { endpoints: [ "db:eth0", floor ], ipv4: [ 10.0.0.2/24, ~ ] }
    - { endpoints: [ "till:eth0", floor ], ipv4: [ 10.0.0.3/24, ~ ] }
    - { endpoints: [ "web:eth1", "till:eth1" ], type: epair }
"#;

/// A kernel with the lab up.
struct World {
    machine: Machine<SimDoors>,
    records: Records,
    model: Model,
    before: Vec<String>,
    _dir: tempfile::TempDir,
}

fn settings() -> Settings {
    Settings { load_modules: true, ..Settings::default() }
}

impl World {
    fn up() -> Self {
        Self::up_on(true)
    }

    /// On a kernel with or without netlink(4).
    fn up_on(netlink: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut doors = SimDoors::new(Kernel::boot(1));
        doors.kernel.host.has_netlink = netlink;
        let before = picture(&mut doors);
        let machine = Machine { doors, settings: settings() };
        let records = Records::new(dir.path());
        let mut world = Self { machine, records, model: model(LAB), before, _dir: dir };
        let model = world.model.clone();
        let plan = world.labs().plan(&model).unwrap();
        world.labs().apply(&plan, &model, &ApplyOptions::default(), &mut |_| {}).unwrap();
        world.nothing_to_do();
        world
    }

    fn labs(&mut self) -> Labs<'_> {
        labs(&mut self.machine, &self.records)
    }

    fn nothing_to_do(&mut self) {
        let model = self.model.clone();
        let plan = self.labs().plan(&model).unwrap();
        assert!(plan.is_empty(), "{}", render::text(&plan));
    }

    fn attach(&mut self, node: &str) -> Result<Vec<String>, LabError> {
        let handed = self.labs().attach(&lab(), &name(node), None, Duration::ZERO)?;
        Ok(handed.into_iter().map(|one| one.name).collect())
    }

    fn detach(&mut self, node: &str) -> Result<(), LabError> {
        self.labs().detach(&lab(), &name(node), None, Duration::ZERO).map(drop)
    }

    fn down_leaves_nothing(mut self) {
        self.labs().down(&lab(), &mut |_| {}).unwrap_or_else(|error| panic!("{error}: {error:#?}"));
        assert_eq!(picture(&mut self.machine.doors), self.before);
    }

    /// What jail(8) does with `vnet.interface`; inside, the first interface is called `inside`.
    fn run_jail(&mut self, jail: &str, interfaces: &[String], inside: &str) -> Jid {
        let doors = &mut self.machine.doors;
        let parameters = [JailParam::string("name", jail), JailParam::string("path", "/"), JailParam::int("vnet", 1)];
        let parameters: Vec<_> = parameters.into_iter().chain([JailParam::boolean("persist", true)]).collect();
        let jid = doors.jail_set(&parameters, JAIL_CREATE).unwrap();
        for name in interfaces {
            on_host(doors, interface::give_to_jail(kernel_name(name), jid.0)).unwrap();
        }
        let helper = doors.helper_start(jid).unwrap();
        let mut rename = interface::rename(kernel_name(&interfaces[0]), kernel_name(inside));
        doors.helper_ioctl(helper, rename.request, &mut rename.argument).unwrap();
        doors.helper_end(helper);
        jid
    }

    /// The interfaces that the host has of the lab's.
    fn on_host(&mut self) -> Vec<String> {
        let lines = picture(&mut self.machine.doors);
        lines.into_iter().filter(|line| line.contains("cellblock shop")).collect()
    }
}

fn labs<'w>(backend: &'w mut dyn Backend, records: &'w Records) -> Labs<'w> {
    Labs { backend, records, engine: "sim", entropy: [7; 16] }
}

fn lab() -> LabName {
    "shop".parse().unwrap()
}

fn name(node: &str) -> NodeName {
    node.parse().unwrap()
}

fn kernel_name(text: &str) -> InterfaceName {
    InterfaceName::new(text).unwrap()
}

fn on_host(doors: &mut impl Doors, mut call: Call) -> Result<(), Errno> {
    let sock = doors.open(Actor::Host, SocketKind::Inet).unwrap();
    let done = doors.ioctl(sock, call.request, &mut call.argument);
    doors.close(sock);
    done
}

#[test]
fn only_the_wiring_is_made_for_a_node_that_another_tool_runs() {
    let mut world = World::up();
    let observed = world.labs().observe(&lab()).unwrap();
    let jails: Vec<String> = observed.jails.keys().map(ToString::to_string).collect();
    assert_eq!(jails, ["the lab jail", "till"]);
    world.down_leaves_nothing();
}

#[test]
fn out_into_a_jail_home_and_out_again_with_the_same_names() {
    let mut world = World::up();
    let names = world.attach("web").unwrap();
    assert_eq!((names.len(), world.on_host().len()), (2, 2));
    assert!(names.iter().all(|name| name.len() == 11 && name.starts_with('c')), "{names:?}");
    let lent = world.on_host();
    assert_eq!(world.attach("web").unwrap(), names, "what is there stays there");
    world.nothing_to_do();
    let jid = world.run_jail("shop.web", &names, "eth0");
    assert_eq!(world.on_host(), [""; 0]);
    world.nothing_to_do();
    let error = world.attach("web").unwrap_err();
    assert_eq!(error.kind, LabErrorKind::Refused, "{error:#?}");
    assert!(error.message.contains("`web:eth0`") && error.hint.is_some(), "{error:#?}");
    assert_eq!(world.detach("web").unwrap_err().kind, LabErrorKind::Refused);
    world.machine.doors.jail_remove(jid).unwrap();
    world.detach("web").unwrap();
    world.nothing_to_do();
    assert_eq!(world.attach("web").unwrap(), names);
    assert_eq!(world.on_host(), lent, "the same MACs, MTUs and descriptions");
    world.detach("web").unwrap();
    assert_eq!(world.on_host(), [""; 0]);
    world.down_leaves_nothing();
}

#[test]
fn a_jail_outside_of_the_lab_may_have_them_too() {
    let mut world = World::up();
    let names = world.attach("db").unwrap();
    let jid = world.run_jail("postgres", &names, "eth0");
    world.nothing_to_do();
    world.machine.doors.jail_remove(jid).unwrap();
    assert_eq!(world.attach("db").unwrap(), names, "home under a name from inside, and out again without `detach`");
    world.down_leaves_nothing();
}

#[test]
fn several_that_come_home_with_one_name_are_told_apart() {
    told_apart(World::up());
}

#[test]
fn several_that_come_home_with_one_name_are_told_apart_without_netlink() {
    told_apart(World::up_on(false));
}

fn told_apart(mut world: World) {
    let (web, db) = (world.attach("web").unwrap(), world.attach("db").unwrap());
    let jails = [world.run_jail("one", &web, "eth0"), world.run_jail("two", &db, "eth0")];
    for jid in jails {
        world.machine.doors.jail_remove(jid).unwrap();
    }
    world.detach("db").unwrap();
    world.detach("web").unwrap();
    world.nothing_to_do();
    assert_eq!((world.attach("db").unwrap(), world.attach("web").unwrap()), (db.clone(), web));
    assert!(world.on_host().iter().any(|line| line.contains(&db[0]) && line.contains("db:eth0")));
    world.down_leaves_nothing();
}

#[test]
fn a_lab_goes_with_what_lies_on_the_host() {
    let mut world = World::up();
    world.attach("web").unwrap();
    world.down_leaves_nothing();
}

#[test]
fn a_lab_goes_with_what_jails_have_and_leaves_a_strangers_jail() {
    let mut world = World::up();
    let (web, db) = (world.attach("web").unwrap(), world.attach("db").unwrap());
    world.run_jail("shop.web", &web, "eth0");
    let stranger = world.run_jail("postgres", &db, "eth0");
    world.labs().down(&lab(), &mut |_| {}).unwrap();
    let stays = [JailParam::string("name", "postgres"), JailParam::int_buffer("jid")];
    assert_eq!(world.machine.doors.jail_get(&mut stays.clone(), 0).unwrap(), stranger);
    world.machine.doors.jail_remove(stranger).unwrap();
    assert_eq!(picture(&mut world.machine.doors), world.before);
}

#[test]
fn what_cannot_be_handed_over_is_refused_with_its_reason() {
    let mut world = World::up();
    assert_eq!(world.attach("till").unwrap_err().kind, LabErrorKind::File);
    assert_eq!(world.attach("floor").unwrap_err().kind, LabErrorKind::File);
    assert_eq!(world.attach("nobody").unwrap_err().kind, LabErrorKind::NoSuchLab);
    let wrong = "wan0".parse().unwrap();
    let error = world.labs().attach(&lab(), &name("web"), Some(&wrong), Duration::ZERO).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::NoSuchLab);
    let elsewhere = "office".parse().unwrap();
    let error = world.labs().attach(&elsewhere, &name("web"), None, Duration::ZERO).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::NoSuchLab);
    // The lab jail was removed behind our back: the record says up, the kernel knows better.
    let jid = world.machine.doors.jail_get(&mut [JailParam::string("name", "shop")], 0).unwrap();
    world.machine.doors.jail_remove(jid).unwrap();
    assert_eq!(world.attach("web").unwrap_err().kind, LabErrorKind::NoSuchLab);
    assert_eq!(world.detach("web").unwrap_err().kind, LabErrorKind::NoSuchLab);
    world.down_leaves_nothing();
}

#[test]
fn a_strangers_interface_of_that_name_stays_and_nothing_moves() {
    let mut world = World::up();
    let taken = world.attach("web").unwrap().remove(1);
    world.detach("web").unwrap();
    let mut create = interface::create(kernel_name("epair"));
    let sock = world.machine.doors.open(Actor::Host, SocketKind::Inet).unwrap();
    world.machine.doors.ioctl(sock, create.request, &mut create.argument).unwrap();
    world.machine.doors.close(sock);
    let born = create.argument.name().unwrap();
    on_host(&mut world.machine.doors, interface::rename(born, kernel_name(&taken))).unwrap();
    let before = picture(&mut world.machine.doors);
    let error = world.attach("web").unwrap_err();
    assert_eq!((error.kind, error.errno), (LabErrorKind::Refused, Some(Errno::EEXIST)), "{error:#?}");
    assert_eq!(picture(&mut world.machine.doors), before, "the first interface went back");
    on_host(&mut world.machine.doors, interface::destroy(kernel_name(&taken))).unwrap();
    world.down_leaves_nothing();
}

#[test]
fn a_node_whose_jail_nobody_has_started_says_so() {
    let mut world = World::up();
    let check = |message: &str, hint: Option<&str>| {
        assert_eq!(message, "node `web` does not run: there is no jail `shop.web`");
        assert!(hint.is_some_and(|hint| hint.contains("jail -c shop.web")), "{hint:?}");
    };
    let run = world.labs().exec(&lab(), &name("web"), &["true".to_owned()], &mut |_, _| {});
    match run.unwrap_err() {
        ExecError::Lab(error) => check(&error.message, error.hint.as_deref()),
        other => panic!("{other:?}"),
    }
    let to = "10.0.0.3".parse().unwrap();
    let probe = Probe { from: name("web"), to, interface: None, tries: 1, timeout: Duration::from_secs(1) };
    let error = world.labs().probe(&lab(), &[probe]).unwrap_err();
    check(&error.message, error.hint.as_deref());
    world.down_leaves_nothing();
}

#[test]
fn attach_and_detach_may_be_refused_or_killed_at_every_call() {
    for fault in [Fault::Refuse(Errno::ENOBUFS), Fault::Die] {
        for call in 1.. {
            let World { machine, records, model, before, _dir } = World::up();
            let mut faulty =
                Machine { doors: FaultyDoors::new(machine.doors, Some((call, fault))), settings: settings() };
            let lent = labs(&mut faulty, &records).attach(&lab(), &name("web"), None, Duration::ZERO);
            let back = labs(&mut faulty, &records).detach(&lab(), &name("web"), None, Duration::ZERO);
            let (struck, doors) = (faulty.doors.has_struck(), faulty.doors.into_inner());
            // The end of a process closes what it had open; one that was refused must have closed it itself.
            let doors = if fault == Fault::Die { SimDoors::new(doors.into_kernel()) } else { doors };
            assert!(struck || (lent.is_ok() && back.is_ok()), "{fault:?} {call}: {lent:?} {back:?}");
            let mut world = World { machine: Machine { doors, settings: settings() }, records, model, before, _dir };
            // Whatever was left half done: the next call finishes it.
            assert_eq!(world.attach("web").unwrap().len(), 2, "{fault:?} {call}");
            world.down_leaves_nothing();
            if !struck {
                assert!(call > 10, "there is more to fail than that");
                break;
            }
        }
    }
}
