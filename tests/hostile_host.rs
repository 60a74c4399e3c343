//! Hosts that do not play along: no privilege, jails that may not have jails, a raised securelevel, a kernel without VIMAGE, folders
//! that are not there, names that others take, nodes that others shut down, buffers that are too small. Each is told with the object,
//! the call, the errno and what to do next; nothing of ours is left, nothing of anybody else's is touched.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cellblock::abi::ioctl::interface;
use cellblock::abi::{Errno, InterfaceName};
use cellblock::engine::Records;
use cellblock::engine::files::{Disk, StateFiles};
use cellblock::engine::freebsd::doors::{
    Actor, Doors, HostDoor, IoctlDoor, JAIL_CREATE, JailDoor, JailParam, Jid, NetgraphDoor, Sock, SocketDoor,
    SocketKind,
};
use cellblock::engine::freebsd::{Lack, Machine, Settings, admit};
use cellblock::lab::{ApplyOptions, LabError, LabErrorKind, Labs};
use cellblock::model::Model;
use cellblock::plan::Plan;
use cellblock::plan::render;
use cellblock::sim::{Kernel, SimDoors};
use ngsock::{NodePath, Transport};
use support::model;
use support::picture::picture;

const LAB: &str = r#"
version: 1
name: lab
topology:
  nodes:
    sw: { kind: switch }
    a: { kind: host }
    b: { kind: host }
  links:
    - { endpoints: [ "a:eth0", sw ], ipv4: [ 10.0.0.1/24, ~ ] }
    - { endpoints: [ "b:eth0", sw ], ipv4: [ 10.0.0.2/24, ~ ], tc: { delay: 5ms } }
"#;

/// Everything that the lab needs; who loads modules may be another.
const MODULES: [&str; 4] = ["ng_socket", "ng_eiface", "ng_bridge", "ng_pipe"];

struct World {
    machine: Machine<SimDoors>,
    records: Records,
    dir: tempfile::TempDir,
}

impl World {
    /// A host on which nothing is wrong.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut doors = SimDoors::new(Kernel::boot(1));
        for module in MODULES {
            doors.load_module(module).unwrap();
        }
        let settings = Settings { load_modules: true, ..Settings::default() };
        Self { machine: Machine { doors, settings }, records: Records::new(dir.path()), dir }
    }

    fn labs(&mut self) -> Labs<'_> {
        Labs { backend: &mut self.machine, records: &self.records, engine: "sim", entropy: [7; 16] }
    }

    fn plan(&mut self, model: &Model) -> Plan {
        self.labs().plan(model).unwrap_or_else(|error| panic!("{error:#?}"))
    }

    fn apply(&mut self, plan: &Plan, model: &Model) -> Result<(), LabError> {
        self.labs().apply(plan, model, &ApplyOptions::default(), &mut |_| {}).map(drop)
    }

    fn up(&mut self, model: &Model) -> Result<(), LabError> {
        let plan = self.labs().plan(model)?;
        self.apply(&plan, model)
    }

    fn picture(&mut self) -> Vec<String> {
        picture(&mut self.machine.doors)
    }

    /// A jail of somebody else's.
    fn strangers_jail(&mut self, name: &str, more: &[JailParam]) -> i32 {
        let base =
            [JailParam::string("name", name), JailParam::string("path", "/"), JailParam::boolean("persist", true)];
        self.machine.doors.jail_set(&[&base, more].concat(), JAIL_CREATE).unwrap().0
    }
}

/// Everything that a person needs: what, which call, what the kernel said, what to do.
#[track_caller]
fn is_clear(error: &LabError, call: &str, errno: Errno, hint: &str) {
    assert_eq!((error.call.as_deref(), error.errno), (Some(call), Some(errno)), "{error:#?}");
    assert!(error.object.as_ref().is_some_and(|object| !object.is_empty()), "{error:#?}");
    assert!(error.hint.as_ref().is_some_and(|text| text.contains(hint)), "{error:#?}");
    assert_eq!(error.left, Vec::<String>::new(), "{error:#?}");
}

#[test]
fn somebody_who_is_not_root_is_told_so() {
    let mut world = World::new();
    let before = world.picture();
    world.machine.doors.root = false;
    let unusable = admit(&mut world.machine.doors).unwrap_err();
    assert_eq!(unusable.lack, Lack::Permission);
    assert!(unusable.hint.unwrap().contains("as root"));
    // And if it were tried all the same.
    let error = world.up(&model(LAB)).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::NotPermitted, "{error:#?}");
    is_clear(&error, "jail_set", Errno::EPERM, "root");
    world.machine.doors.root = true;
    assert_eq!(world.picture(), before);
    assert!(world.records.labs().unwrap().is_empty());
}

#[test]
fn a_lab_that_is_up_stays_when_somebody_without_privilege_wants_it_down() {
    let (mut world, model) = (World::new(), model(LAB));
    let before = world.picture();
    world.up(&model).unwrap();
    let up = world.picture();
    world.machine.doors.root = false;
    let error = world.labs().down(&model.lab, &mut |_| {}).unwrap_err();
    assert_eq!(error.errno, Some(Errno::EPERM), "{error:#?}");
    assert!(error.hint.is_some(), "{error:#?}");
    world.machine.doors.root = true;
    assert_eq!(world.picture(), up);
    world.labs().down(&model.lab, &mut |_| {}).unwrap();
    assert_eq!(world.picture(), before);
}

#[test]
fn a_jail_that_may_not_have_labs_is_told_why() {
    let vnet = || JailParam::int("vnet", 1);
    for (permissions, word) in [
        (vec![JailParam::int("children.max", 9)], "without a network stack"),
        (vec![vnet()], "may have 0 jails"),
        (vec![vnet(), JailParam::int("children.max", 2)], "needs 3 more jails where 2 may be and 0 are"),
    ] {
        let mut world = World::new();
        let jid = world.strangers_jail("cage", &permissions);
        let before = world.picture();
        world.machine.doors.jail = jid;
        match admit(&mut world.machine.doors) {
            Err(unusable) => {
                assert_eq!(unusable.lack, Lack::Permission);
                assert!(unusable.message.contains(word) && unusable.hint.is_some(), "{}", unusable.message);
            }
            // Room for the lab and one node, and the lab has two: it takes the plan to know.
            Ok(()) => assert!(word.contains("more jails")),
        }
        let error = world.up(&model(LAB)).unwrap_err();
        assert_eq!(error.errno, Some(Errno::EPERM), "{error:#?}");
        assert!(error.hint.is_some() && error.left.is_empty(), "{error:#?}");
        assert!(!word.contains("more jails") || error.message.contains(word), "{error:#?}");
        world.machine.doors.jail = 0;
        assert_eq!(world.picture(), before, "{word}");
        assert!(world.records.labs().unwrap().is_empty());
    }
}

#[test]
fn a_jail_that_may_have_labs_has_them() {
    let (mut world, model) = (World::new(), model(LAB));
    let jid = world.strangers_jail("cage", &[JailParam::int("vnet", 1), JailParam::int("children.max", 9)]);
    let before = world.picture();
    world.machine.doors.jail = jid;
    admit(&mut world.machine.doors).unwrap();
    world.up(&model).unwrap_or_else(|error| panic!("{error:#?}"));
    let again = world.plan(&model);
    assert!(again.is_empty(), "{}", render::text(&again));
    world.labs().down(&model.lab, &mut |_| {}).unwrap();
    world.machine.doors.jail = 0;
    assert_eq!(world.picture(), before);
}

#[test]
fn a_raised_securelevel_keeps_modules_out_and_nothing_else() {
    let model = model(LAB);
    let mut world = World::new();
    world.machine.doors.kernel.host.securelevel = 1;
    world.up(&model).unwrap_or_else(|error| panic!("what is loaded serves: {error:#?}"));
    world.labs().down(&model.lab, &mut |_| {}).unwrap();
    world.machine.doors.kernel.modules.remove("ng_pipe");
    let before = world.picture();
    let error = world.up(&model).unwrap_err();
    is_clear(&error, "kldload", Errno::EPERM, "kern.securelevel");
    assert!(error.message.contains("ng_pipe"), "{error:#?}");
    assert_eq!(world.picture(), before);
}

#[test]
fn a_kernel_without_vimage_is_told_of() {
    let mut world = World::new();
    world.machine.doors.kernel.host.has_vimage = false;
    let before = world.picture();
    let unusable = admit(&mut world.machine.doors).unwrap_err();
    assert_eq!(unusable.lack, Lack::System);
    assert!(unusable.hint.unwrap().contains("options VIMAGE"));
    let error = world.up(&model(LAB)).unwrap_err();
    is_clear(&error, "jail_set", Errno::EINVAL, "options VIMAGE");
    assert_eq!(world.picture(), before);
    assert!(world.records.labs().unwrap().is_empty());
}

#[test]
fn a_root_that_is_not_there_is_named_and_everything_undone() {
    for settings in ["rootfs: /nonexistent/root", "jail: { path: /nonexistent/root }"] {
        let mut world = World::new();
        let before = world.picture();
        let model = model(&LAB.replace("b: { kind: host }", &format!("b: {{ kind: host, {settings} }}")));
        let error = world.up(&model).unwrap_err();
        assert_eq!((error.kind, error.errno), (LabErrorKind::Refused, Some(Errno::ENOENT)), "{error:#?}");
        assert!(error.hint.is_some() && error.left.is_empty(), "{error:#?}");
        assert_eq!(world.picture(), before, "{settings}");
        assert!(world.records.labs().unwrap().is_empty());
    }
}

#[test]
fn a_name_that_somebody_takes_between_plan_and_up_is_theirs() {
    let (mut world, model) = (World::new(), model(LAB));
    let plan = world.plan(&model);
    world.strangers_jail("lab", &[]);
    let before = world.picture();
    let error = world.apply(&plan, &model).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::BadState, "{error:#?}");
    assert!(error.message.contains("jail `lab` is not ours") && error.hint.is_some(), "{error:#?}");
    assert_eq!(world.picture(), before);
    assert!(world.records.labs().unwrap().is_empty(), "nothing was begun");
    // Nor does anything that follows take it for ours.
    let error = world.labs().down(&model.lab, &mut |_| {}).unwrap_err();
    assert!(matches!(error.kind, LabErrorKind::BadState | LabErrorKind::NoSuchLab), "{error:#?}");
    assert_eq!(world.picture(), before);
    // Once it is gone, nothing remembers the attempt that must not.
    let jid = world.machine.doors.jail_get(&mut [JailParam::string("name", "lab")], 0).unwrap();
    world.machine.doors.jail_remove(jid).unwrap();
    world.up(&model).unwrap();
    world.labs().down(&model.lab, &mut |_| {}).unwrap();
}

/// An interface of somebody else on the host.
fn strangers_interface(doors: &mut SimDoors, called: &str) {
    let sock = doors.open(Actor::Host, SocketKind::Inet).unwrap();
    let name = |text: &str| InterfaceName::new(text).unwrap();
    let mut create = interface::create(name("epair"));
    doors.ioctl(sock, create.request, &mut create.argument).unwrap();
    let mut rename = interface::rename(create.argument.name().unwrap(), name(called));
    doors.ioctl(sock, rename.request, &mut rename.argument).unwrap();
    doors.close(sock);
}

const ON_HOST: &str = r#"
version: 1
name: lab
topology:
  nodes:
    me: { kind: self }
    a: { kind: host }
  links:
    - { endpoints: [ "me:up", "a:e0" ], ipv4: [ 10.0.0.1/24, 10.0.0.2/24 ] }
    - { endpoints: [ "me:side", "a:e1" ], ipv4: [ 10.0.1.1/24, 10.0.1.2/24 ] }
    - { endpoints: [ "me:free", "a:e2" ], ipv4: [ 10.0.2.1/24, 10.0.2.2/24 ] }
"#;

#[test]
fn all_names_that_others_have_are_told_together_before_the_first_step() {
    let (mut world, model) = (World::new(), model(ON_HOST));
    world.machine.doors.load_module("if_epair").unwrap();
    for taken in ["up", "side"] {
        strangers_interface(&mut world.machine.doors, taken);
    }
    let jid = world.strangers_jail("lab", &[]);
    let before = world.picture();
    let error = world.labs().plan(&model).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::BadState, "{error:#?}");
    assert!(error.message.contains("jail `lab`, interface `up`, interface `side` are not ours"), "{error:#?}");
    assert!(!error.message.contains("free") && error.hint.is_some(), "{error:#?}");
    // Without the jail, the interfaces.
    world.machine.doors.jail_remove(Jid(jid)).unwrap();
    let error = world.up(&model).unwrap_err();
    assert!(error.message.contains("interface `up`, interface `side` are not ours"), "{error:#?}");
    world.strangers_jail("lab", &[]);
    assert_eq!(world.picture().len(), before.len());
    assert!(world.records.labs().unwrap().is_empty());
}

#[test]
fn a_name_that_an_edit_needs_is_looked_for_before_its_first_step() {
    let (mut world, wide) = (World::new(), model(ON_HOST));
    world.machine.doors.load_module("if_epair").unwrap();
    let narrow: String =
        ON_HOST.lines().filter(|line| !line.contains("side")).map(|line| format!("{line}\n")).collect();
    let narrow = model(&narrow);
    world.up(&narrow).unwrap();
    strangers_interface(&mut world.machine.doors, "side");
    let up = world.picture();
    let error = world.up(&wide).unwrap_err();
    assert!(error.message.contains("interface `side` is not ours"), "{error:#?}");
    assert_eq!(world.picture(), up);
    assert!(world.plan(&narrow).is_empty());
    world.labs().down(&narrow.lab, &mut |_| {}).unwrap();
}

/// The disk, as it is told to be.
#[derive(Debug)]
struct Cramped {
    disk: Disk,
    room: u64,
    writable: bool,
}

impl StateFiles for Cramped {
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        self.disk.read(path, most)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.disk.list(directory)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.make_directory(path)
    }

    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        if self.writable { self.disk.write(path, octets) } else { Err(io::ErrorKind::ReadOnlyFilesystem.into()) }
    }

    fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        self.disk.append(path, octets)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.disk.sync(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn room(&self, _directory: &Path) -> io::Result<u64> {
        Ok(self.room)
    }
}

#[test]
fn a_state_directory_without_room_or_read_only_is_found_before_the_first_step() {
    let (mut world, model) = (World::new(), model(LAB));
    let before = world.picture();
    let folder = world.dir.path().to_owned();
    let on = |room, writable| Records::through(&folder, Arc::new(Cramped { disk: Disk, room, writable }));
    let plenty = std::mem::replace(&mut world.records, on(10_000, true));
    for (room, writable, says) in [(10_000, true, "has no room"), (u64::MAX, false, "read-only")] {
        world.records = on(room, writable);
        let error = world.up(&model).unwrap_err();
        assert_eq!(error.kind, LabErrorKind::BadState, "{error:#?}");
        assert!(error.message.contains(says) && error.message.contains("labs"), "{error:#?}");
        assert_eq!(world.picture(), before, "{says}");
        assert!(world.records.labs().unwrap().is_empty(), "{says}");
    }
    // What is up can be taken down on a full disk.
    world.records = plenty;
    world.up(&model).unwrap();
    world.records = on(0, true);
    world.labs().down(&model.lab, &mut |_| {}).unwrap();
    assert_eq!(world.picture(), before);
}

struct Wire<'d>(&'d mut SimDoors, Sock);

impl Transport for Wire<'_> {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        self.0.netgraph_send(self.1, path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.0.netgraph_receive(self.1, buffer)
    }
}

/// Shuts every node of a type in the lab jail down, as ngctl(8) would; how many there were.
fn shut_down(doors: &mut SimDoors, kind: &str) -> usize {
    let jid = doors.jail_get(&mut [JailParam::string("name", "lab")], 0).unwrap();
    let helper = doors.helper_start(jid).unwrap();
    let sock = doors.open(Actor::Helper(helper), SocketKind::Netgraph).unwrap();
    let mut client = ngsock::Client::new(Wire(doors, sock));
    let nodes = client.list_nodes().unwrap().0;
    let of_kind: Vec<_> = nodes.iter().filter(|node| node.kind.as_str() == Some(kind)).collect();
    for node in &of_kind {
        client.shutdown(&NodePath::id(node.id)).unwrap();
    }
    doors.close(sock);
    doors.helper_end(helper);
    of_kind.len()
}

#[test]
fn nodes_that_somebody_shuts_down_are_made_again() {
    let model = model(LAB);
    for (kind, count) in [("bridge", 1), ("pipe", 1), ("eiface", 2)] {
        let mut world = World::new();
        let before = world.picture();
        world.up(&model).unwrap();
        let whole = world.labs().observe(&model.lab).unwrap().netgraph.len();
        assert_eq!(shut_down(&mut world.machine.doors, kind), count, "{kind}");
        assert!(!world.plan(&model).is_empty(), "{kind}: it is not missed");
        world.up(&model).unwrap_or_else(|error| panic!("{kind}: {error:#?}"));
        let again = world.plan(&model);
        assert!(again.is_empty(), "{kind}:\n{}", render::text(&again));
        assert_eq!(world.labs().observe(&model.lab).unwrap().netgraph.len(), whole);
        // And `down` goes without them.
        shut_down(&mut world.machine.doors, kind);
        world.labs().down(&model.lab, &mut |_| {}).unwrap_or_else(|error| panic!("{kind}: {error:#?}"));
        assert_eq!(world.picture(), before, "{kind}");
    }
}

#[test]
fn lists_that_do_not_fit_into_the_reply_queue_are_told_and_go_when_there_is_room() {
    let hosts: String = (0..40).map(|n| format!("    h{n}: {{ kind: host }}\n")).collect();
    let links: String = (0..40).map(|n| format!("    - {{ endpoints: [ \"h{n}:eth0\", sw ] }}\n")).collect();
    let model = model(&format!(
        "version: 1\nname: lab\ntopology:\n  nodes:\n    sw: {{ kind: switch }}\n{hosts}  links:\n{links}"
    ));
    let mut world = World::new();
    let before = world.picture();
    // Less than a list of forty hooks takes.
    world.machine.doors.kernel.host.most_buffer = 4096;
    let error = world.up(&model).unwrap_err();
    assert_eq!(error.errno, Some(Errno::ENOBUFS), "{error:#?}");
    assert!(error.call.as_ref().is_some_and(|call| call.starts_with("netgraph ")), "{error:#?}");
    assert!(error.message.contains("receive buffer") && error.hint.is_some(), "{error:#?}");
    world.machine.doors.kernel.host.most_buffer = 7_456_540;
    if !world.records.labs().unwrap().is_empty() {
        world.labs().down(&model.lab, &mut |_| {}).unwrap();
    }
    assert_eq!(world.picture(), before);
    world.up(&model).unwrap();
    world.labs().down(&model.lab, &mut |_| {}).unwrap();
    assert_eq!(world.picture(), before);
}

#[test]
fn sixty_four_descriptors_are_enough_for_a_large_lab() {
    let hosts: String = (0..120).map(|n| format!("    h{n}: {{ kind: host }}\n")).collect();
    let links: String = (0..120)
        .map(|n| format!("    - {{ endpoints: [ \"h{n}:eth0\", sw ], ipv4: [ 10.0.0.{}/24, ~ ] }}\n", n + 1))
        .collect();
    let model = model(&format!(
        "version: 1\nname: lab\ntopology:\n  nodes:\n    sw: {{ kind: switch }}\n{hosts}  links:\n{links}"
    ));
    let mut world = World::new();
    let before = world.picture();
    world.machine.doors.most_descriptors = 64;
    world.up(&model).unwrap_or_else(|error| panic!("{error:#?}"));
    assert!(world.plan(&model).is_empty());
    world.labs().down(&model.lab, &mut |_| {}).unwrap();
    assert_eq!(world.picture(), before);
}

/// A socket that another process has opened in a jail keeps it.
fn hold(doors: &mut impl Doors, jail: &str) -> Sock {
    let jid = doors.jail_get(&mut [JailParam::string("name", jail)], 0).unwrap();
    let helper = doors.helper_start(jid).unwrap();
    let sock = doors.open(Actor::Helper(helper), SocketKind::Inet).unwrap();
    doors.helper_end(helper);
    sock
}

#[test]
fn a_jail_that_will_not_die_is_named_and_goes_when_it_can() {
    let (mut world, model) = (World::new(), model(LAB));
    let before = world.picture();
    world.up(&model).unwrap();
    let held = hold(&mut world.machine.doors, "lab.a");
    let error = world.labs().down(&model.lab, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::NotUndone, "{error:#?}");
    assert!(error.message.contains("will not die"), "{error:#?}");
    assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("fstat")), "{error:#?}");
    world.machine.doors.close(held);
    if !world.records.labs().unwrap().is_empty() {
        world.labs().down(&model.lab, &mut |_| {}).unwrap_or_else(|error| panic!("{error:#?}"));
    }
    assert_eq!(world.picture(), before);
    assert!(world.records.labs().unwrap().is_empty());
}
