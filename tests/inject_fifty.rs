//! A lab of fifty nodes with every kind of object: an error at every step, and the death of our process at every door call and every
//! write, sync and rename of a state file, in `up`, in an edit and in `down`. Afterwards the kernel is as before or as wanted; after the
//! next command it is as wanted, or empty, and nothing is left over.
//!
//! A process that dies leaves the kernel and the files as they are at that moment. So the command runs once, and what it leaves at each
//! moment is photographed; only the moments that differ from the one before need a next command of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use cellblock::abi::Errno;
use cellblock::engine::Records;
use cellblock::engine::faults::{Fault, Faults, FaultyFiles};
use cellblock::engine::freebsd::doors::Doors;
use cellblock::engine::freebsd::faults::FaultyDoors;
use cellblock::engine::freebsd::{Machine, Settings};
use cellblock::lab::{ApplyOptions, LabError, LabErrorKind, Labs};
use cellblock::model::Model;
use cellblock::sim::{Kernel, SimDoors, persist};
use support::failing::Failing;
use support::memory::{MemoryFiles, Survives};
use support::model;
use support::picture::picture;

/// Fifty nodes; with `edited`, the same lab after somebody has been at work on the file.
fn fifty(edited: bool) -> Model {
    let pick = |before: &'static str, after: &'static str| if edited { after } else { before };
    let mut nodes = format!(
        r#"
    b1: {{ kind: switch, driver: if_bridge, stp: true }}
    b2: {{ kind: switch, driver: if_bridge }}
    n1: {{ kind: switch }}
    n2: {{ kind: switch }}
    n3: {{ kind: switch }}
    u1: {{ kind: hub }}
    me: {{ kind: self, sysctls: {{ net.inet.ip.ttl: {ttl} }} }}
    thin: {{ kind: host, rootfs: {{ base: /jails/base, rw: [ etc, {private} ] }}, limits: {{ maxproc: {limit}, cputime: "log=9" }} }}
    own: {{ kind: host, rootfs: /jails/own, jail: {{ mount.devfs: true }}, cpus: {cpus} }}
    copy: {{ kind: host, rootfs: {{ zfs: "tank/jails/base@1" }}, jail: {{ mount.devfs: false }} }}
"#,
        ttl = pick("32", "33"),
        private = pick("var/db", "root"),
        limit = pick("30", "40"),
        cpus = pick("0-3", "1"),
    );
    let mut links = format!(
        "    - {{ endpoints: [ b1, n1 ] }}\n    - {{ endpoints: [ \"me:lab_a\", \"r1:x0\" ], ipv6: [ \"fd00::1/64\", \"fd00::2/64\" ] }}\n    \
         - {{ endpoints: [ \"thin:eth0\", n2 ] }}\n    - {{ endpoints: [ \"own:eth0\", n2 ] }}\n    \
         - {{ endpoints: [ \"copy:eth0\", {} ] }}\n",
        pick("n2", "n3")
    );
    for router in 1..=5 {
        writeln!(nodes, "    r{router}: {{ kind: router }}").unwrap();
        let own = if router == 5 { 5 } else { 1 };
        let tc = if router % 2 == 1 { pick(", tc: { delay: 5ms }", ", tc: { delay: 7ms }") } else { "" };
        writeln!(links, "    - {{ endpoints: [ \"r{router}:up0\", n3 ]{tc} }}").unwrap();
        let (switch, segment) = [("b1", 1), ("b2", 2), ("n2", 3), ("u1", 4), ("n1", 1)][router - 1];
        writeln!(
            links,
            "    - {{ endpoints: [ \"r{router}:lan0\", {switch} ], ipv4: [ 10.{segment}.0.{own}/16, ~ ] }}"
        )
        .unwrap();
    }
    for host in 1..=35 {
        let switch = ["b1", "b2", "u1", "n1", "n2"][host % 5];
        let segment = [1, 2, 4, 1, 3][host % 5];
        let kind = if host % 5 < 2 && host % 3 == 0 { pick(", type: epair", "") } else { "" };
        let last = host + if edited && host % 11 == 0 { 100 } else { 0 };
        let sysctls = if host % 9 == 0 { ", sysctls: { net.inet.ip.ttl: 20 }" } else { "" };
        writeln!(nodes, "    h{host}: {{ kind: host, routes: [ {{ to: default, via: 10.{segment}.0.1 }} ]{sysctls} }}")
            .unwrap();
        writeln!(
            links,
            "    - {{ endpoints: [ \"h{host}:eth0\", {switch} ]{kind}, ipv4: [ 10.{segment}.1.{last}/16, ~ ] }}"
        )
        .unwrap();
    }
    let model = model(&format!("version: 1\nname: fifty\ntopology:\n  nodes:{nodes}  links:\n{links}"));
    assert_eq!(model.nodes.len(), 50);
    model
}

/// A kernel and the files of a state directory.
struct World {
    machine: Machine<SimDoors>,
    files: Arc<MemoryFiles>,
}

impl World {
    fn new() -> Self {
        Self { machine: over(SimDoors::new(Kernel::boot(1))), files: Arc::default() }
    }

    fn copy(&self) -> Self {
        Self { machine: over(self.machine.doors.clone()), files: Arc::new(self.files.photograph()) }
    }

    fn records(&self) -> Records {
        Records::through(Path::new("/state"), self.files.clone())
    }

    fn run(&mut self, command: &Command) -> Result<(), LabError> {
        let records = self.records();
        command.run(&mut labs(&mut self.machine, &records))
    }

    /// What the command does to it when nothing goes wrong.
    fn after(&self, command: &Command) -> Self {
        let mut world = self.copy();
        world.run(command).unwrap_or_else(|error| panic!("{command:?}: {error:#?}"));
        world
    }

    /// What it holds, apart from the time and from numbers, which give the order of jails.
    fn picture(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for line in picture(&mut self.machine.doors) {
            // Rules stand in the order in which they came, which limits nothing.
            match line.starts_with("rctl") {
                true => lines.extend(line.split(['"', ',']).map(str::to_owned)),
                false => lines.push(line),
            }
        }
        lines.sort();
        lines
    }

    fn is_unknown(&self) -> bool {
        self.records().labs().unwrap().is_empty()
    }
}

#[derive(Clone, Debug)]
enum Command {
    Up(Rc<Model>),
    Down(Rc<Model>),
}

impl Command {
    fn run(&self, labs: &mut Labs<'_>) -> Result<(), LabError> {
        match self {
            Self::Up(model) => {
                let plan = labs.plan(model)?;
                labs.apply(&plan, model, &ApplyOptions::default(), &mut |_| {}).map(drop)
            }
            Self::Down(model) => labs.down(&model.lab, &mut |_| {}).map(drop),
        }
    }
}

fn labs<'d>(machine: &'d mut Machine<impl Doors + std::fmt::Debug>, records: &'d Records) -> Labs<'d> {
    Labs { backend: machine, records, engine: "sim", entropy: [7; 16] }
}

fn over<D>(doors: D) -> Machine<D> {
    Machine { doors, settings: Settings { load_modules: true, ..Settings::default() } }
}

/// What is to be tried: a world, a command, and what may come of it.
struct Case {
    name: &'static str,
    start: World,
    command: Command,
    /// What finishes the work; taken in turns.
    next: Vec<Command>,
}

fn cases() -> Vec<Case> {
    let (first, second) = (Rc::new(fifty(false)), Rc::new(fifty(true)));
    let [up, edit] = [&first, &second].map(|model| Command::Up(model.clone()));
    let down = Command::Down(first.clone());
    let empty = World::new();
    let made = empty.after(&up);
    vec![
        Case { name: "up", start: empty, command: up.clone(), next: vec![up.clone(), down.clone(), edit.clone()] },
        Case { name: "edit", start: made.copy(), command: edit.clone(), next: vec![edit, down.clone(), up.clone()] },
        Case { name: "down", start: made, command: down.clone(), next: vec![down, up] },
    ]
}

/// The world as our process leaves it when it dies at this moment.
fn after_death(doors: SimDoors, files: MemoryFiles) -> World {
    World { machine: over(SimDoors::new(doors.into_kernel())), files: Arc::new(files) }
}

/// Finishes the work, and looks whether it is done.
fn finish(mut world: World, next: &Command, moment: &str, empty: &[String]) {
    if world.is_unknown() {
        assert!(!matches!(next, Command::Down(_)) || world.picture() == empty, "{moment}: left over, and no record");
    }
    match next {
        Command::Up(model) => {
            world.run(next).unwrap_or_else(|error| panic!("{moment}, then {next:?}: {error:#?}"));
            let records = world.records();
            let plan = labs(&mut world.machine, &records).plan(model).unwrap();
            assert!(plan.is_empty(), "{moment}:\n{}", cellblock::plan::render::text(&plan));
        }
        Command::Down(_) if world.is_unknown() => {}
        Command::Down(_) => {
            world.run(next).unwrap_or_else(|error| panic!("{moment}, then down: {error:#?}"));
            assert!(world.is_unknown(), "{moment}");
            same(&world.picture(), empty, moment);
        }
    }
}

/// Names what differs.
fn same(held: &[String], expected: &[String], moment: &str) {
    let only = |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>();
    assert!(
        held == expected,
        "{moment}: there is {:#?} and there should be {:#?}",
        only(held, expected),
        only(expected, held)
    );
}

#[test]
fn inject_death_at_every_door_call_and_every_file_operation_of_fifty_nodes() {
    let empty = World::new().picture();
    let (mut points, mut different) = (0, 0);
    for case in cases() {
        let moments = moments(&case);
        points += moments.0;
        different += moments.1.len();
        println!("{}: {} injection points, {} different worlds", case.name, moments.0, moments.1.len());
        for (place, (call, world)) in moments.1.into_iter().enumerate() {
            let next = &case.next[place % case.next.len()];
            finish(world, next, &format!("{}, death at call {call}", case.name), &empty);
        }
    }
    println!("death: {points} injection points, {different} of them leave a world of their own");
    assert!(points > 3000, "{points}");
}

/// How many calls the command makes, and the worlds that death at each of them leaves, where they differ from the one before.
fn moments(case: &Case) -> (u64, Vec<(u64, World)>) {
    let faults = Faults::at(None);
    let world = case.start.copy();
    let files = world.files.clone();
    let found: Rc<RefCell<Vec<(u64, World)>>> = Rc::default();
    let last: Rc<RefCell<Option<Vec<u8>>>> = Rc::default();
    let watch = {
        let (found, last, files, faults) = (found.clone(), last.clone(), files.clone(), faults.clone());
        move |doors: &mut SimDoors| {
            let world = after_death(doors.clone(), files.photograph());
            let now = persist::encode(&world.machine.doors.kernel).unwrap();
            let mut found = found.borrow_mut();
            let same = last.borrow().as_ref() == Some(&now)
                && found.last().is_some_and(|(_, last)| last.files.holds_the_same(&files));
            if !same {
                *last.borrow_mut() = Some(now);
                found.push((faults.calls(), world));
            }
        }
    };
    let records = Records::through(Path::new("/state"), Arc::new(FaultyFiles::new(files, faults.clone())));
    let mut machine = over(FaultyDoors::watching(world.machine.doors, faults.clone(), watch));
    case.command.run(&mut labs(&mut machine, &records)).unwrap();
    drop(machine);
    let all = faults.calls();
    let mut found = Rc::try_unwrap(found).unwrap_or_default().into_inner();
    // Half a write cannot be photographed: those few deaths are died.
    for call in file_calls(case) {
        let faults = Faults::at(Some((call, Fault::Die)));
        let world = case.start.copy();
        let records =
            Records::through(Path::new("/state"), Arc::new(FaultyFiles::new(world.files.clone(), faults.clone())));
        let mut machine = over(FaultyDoors::sharing(world.machine.doors, faults));
        assert!(case.command.run(&mut labs(&mut machine, &records)).is_err(), "{}: {call}", case.name);
        found.push((call, after_death(machine.doors.into_inner(), world.files.photograph())));
    }
    (all, found)
}

/// Which calls of the command are to files.
fn file_calls(case: &Case) -> Vec<u64> {
    let faults = Faults::at(None);
    let world = case.start.copy();
    let counted = Arc::new(FaultyFiles::new(world.files.clone(), faults.clone()));
    let records = Records::through(Path::new("/state"), counted.clone());
    let mut machine = over(FaultyDoors::sharing(world.machine.doors, faults));
    case.command.run(&mut labs(&mut machine, &records)).unwrap();
    counted.calls()
}

#[test]
fn inject_an_error_at_every_file_operation_of_fifty_nodes() {
    let empty = World::new().picture();
    let mut points = 0;
    for case in cases() {
        for (place, call) in file_calls(&case).into_iter().enumerate() {
            let faults = Faults::at(Some((call, Fault::Refuse(Errno::ENOSPC))));
            let mut world = case.start.copy();
            let before = world.picture();
            let records =
                Records::through(Path::new("/state"), Arc::new(FaultyFiles::new(world.files.clone(), faults.clone())));
            let mut machine = over(FaultyDoors::sharing(world.machine.doors, faults));
            let outcome = case.command.run(&mut labs(&mut machine, &records));
            let files = world.files.photograph();
            let mut world = after_death(machine.doors.into_inner(), files);
            let moment = format!("{}, error at call {call}: {outcome:?}", case.name);
            if world.is_unknown() {
                assert!(world.picture() == empty, "{moment}: left over, and no record");
            }
            drop(before);
            finish(world, &case.next[place % case.next.len()], &moment, &empty);
            points += 1;
        }
    }
    println!("errors of state files: {points} injection points");
    assert!(points > 20, "{points}");
}

#[test]
fn inject_a_loss_of_power_at_every_file_operation_of_fifty_nodes() {
    let mut points = 0;
    for case in cases() {
        for (call, survives) in file_calls(&case).into_iter().flat_map(|call| {
            [Survives::Synced, Survives::Names, Survives::HalfWritten].map(|survives| (call, survives))
        }) {
            let faults = Faults::at(Some((call, Fault::Die)));
            let world = case.start.copy();
            // What was there before has been on the disk for long.
            let files = Arc::new(world.files.after_power_loss(Survives::Names));
            let records =
                Records::through(Path::new("/state"), Arc::new(FaultyFiles::new(files.clone(), faults.clone())));
            let mut machine = over(FaultyDoors::sharing(world.machine.doors, faults));
            assert!(case.command.run(&mut labs(&mut machine, &records)).is_err());
            // A kernel does not outlast it; of what was on the disk, records say the whole truth or what was true before.
            let files = Arc::new(files.after_power_loss(survives));
            let records = Records::through(Path::new("/state"), files.clone());
            let lab = "fifty".parse().unwrap();
            let record =
                records.read(&lab).unwrap_or_else(|error| panic!("{}, {call}, {survives:?}: {error}", case.name));
            assert!(record.is_some() || case.name != "edit", "{}, {call}, {survives:?}: nothing is known", case.name);
            let mut machine = over(SimDoors::new(Kernel::boot(2)));
            case.next[0].run(&mut labs(&mut machine, &records)).unwrap_or_else(|error| {
                assert!(
                    error.kind == LabErrorKind::NoSuchLab && case.name == "down",
                    "{}, {call}: {error:#?}",
                    case.name
                );
            });
            points += 1;
        }
    }
    println!("losses of power: {points} injection points");
    assert!(points > 60, "{points}");
}

#[test]
fn inject_an_error_at_every_step_of_fifty_nodes() {
    let empty = World::new().picture();
    let mut points = 0;
    for mut case in cases() {
        let before = case.start.picture();
        let wanted = case.start.after(&case.command).picture();
        let mut step = 0;
        loop {
            step += 1;
            let mut world = case.start.copy();
            let records = world.records();
            let mut failing = Failing::at(&mut world.machine, step);
            let mut labs = Labs { backend: &mut failing, records: &records, engine: "sim", entropy: [7; 16] };
            let outcome = case.command.run(&mut labs);
            if !failing.has_struck() {
                break;
            }
            let moment = format!("{}, error at step {step}", case.name);
            match outcome {
                Ok(()) => same(&world.picture(), &wanted, &moment),
                Err(error) if matches!(case.command, Command::Up(_)) => {
                    assert_eq!(error.kind, LabErrorKind::Refused, "{moment}: {error:#?}");
                    same(&world.picture(), &before, &moment);
                }
                Err(_) => finish(world, &case.next[0], &moment, &empty),
            }
        }
        println!("{}: an error at each of {} steps", case.name, step - 1);
        points += step - 1;
    }
    println!("errors of steps: {points} injection points");
    assert!(points > 500, "{points}");
}
