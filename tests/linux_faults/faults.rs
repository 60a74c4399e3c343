//! The tests, on Linux.

#[path = "../common/alone.rs"]
mod alone;
#[path = "../common/machine.rs"]
mod machine;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use cellblock::abi::Errno;
use cellblock::engine::faults::{Fault, Faults, FaultyFiles};
use cellblock::engine::files::Disk;
use cellblock::engine::linux::Machine;
use cellblock::engine::linux::faults::FaultyKernel;
use cellblock::engine::linux::features::Feature;
use cellblock::engine::linux::sys;
use cellblock::engine::{Backend, Records};
use cellblock::lab::{ApplyOptions, LabError, LabErrorKind, Labs};
use cellblock::model::Model;
use libtest_mimic::{Failed, Trial};
use machine::{assert_same, ip, machine, run_ip};
use support::failing::Failing;
use support::model;
use tempfile::TempDir;

/// Small, and with every kind of object.
const MIXED: &str = r#"
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
fn mixed() -> String {
    match sys::ask(Feature::Nftables) {
        Ok(_) => MIXED.replace("{ kind: router }", "{ kind: router, firewall: { nft: /run/bases/one.nft } }"),
        Err(_) => MIXED.to_owned(),
    }
}

/// The same after an edit: something is added, changed, replaced and taken away.
fn edited() -> String {
    mixed()
        .replace("    - { endpoints: [ b1, n1 ] }\n", "    - { endpoints: [ b1, n1 ], mtu: 1400 }\n")
        .replace("10.0.0.2/16", "10.0.0.3/16")
        .replace("/run/bases/one", "/run/bases/two")
        .replace("n1: { kind: hub }", "n1: { kind: hub }\n    h2: { kind: host }")
        .replace("ipv6: [ \"fd00::1/64\", \"fd00::2/64\" ]", "ipv4: [ 10.9.0.1/24, 10.9.0.2/24 ]")
}

pub fn run() -> ExitCode {
    alone::run(|| {
        for folder in ["dev", "proc", "sys", "etc"] {
            for base in ["one", "two"] {
                fs::create_dir_all(format!("/run/bases/{base}/{folder}")).unwrap();
            }
        }
        for base in ["one", "two"] {
            fs::write(format!("/run/bases/{base}.nft"), format!("table ip {base} {{\n}}\n")).unwrap();
        }
        let test = |name: &str, run: fn() -> Result<(), Failed>| Trial::test(name, run);
        vec![
            test("an_error_at_any_call_of_up", error_at_any_call_of_up),
            test("death_at_any_call_of_up", death_at_any_call_of_up),
            test("an_error_or_death_at_any_call_of_a_change", fault_at_any_call_of_a_change),
            test("an_error_or_death_at_any_call_of_down", fault_at_any_call_of_down),
            test("an_error_at_any_step_of_twenty_nodes", error_at_any_step_of_twenty),
            test("a_feature_that_is_lacking_is_told_before_anything_is_made", a_lacking_feature),
            test("permission_that_ends_half_way_is_told_and_undone", permission_ends),
            test("a_dump_that_was_interrupted_is_asked_for_again", interrupted_dumps),
            test("look_alikes_survive", look_alikes_survive),
            test("a_taken_name_of_a_lab_is_told", taken_names),
            test("an_interface_that_was_moved_away_is_made_again", moved_away),
            test("a_namespace_whose_name_was_taken_away_is_found", name_taken_away),
            test("the_first_of_several_addresses_of_a_subnet_changes_alone", first_address),
            test("an_end_on_the_host_that_was_removed_is_made_again", host_end_removed),
        ]
    })
}

/// A state directory.
struct State(TempDir);

impl State {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Does something with the labs of this machine: the kernel refuses one call.
    fn refused<T>(&self, faults: &Faults, work: impl FnOnce(&mut Labs<'_>) -> T) -> T {
        let kernel = FaultyKernel::new(sys::kernel(self.path()).unwrap(), faults.clone());
        over(&mut Machine { kernel }, &Records::new(self.path()), work)
    }

    /// The same: our process dies at one call, of the kernel or of a file.
    fn dying<T>(&self, faults: &Faults, work: impl FnOnce(&mut Labs<'_>) -> T) -> T {
        let kernel = FaultyKernel::new(sys::kernel(self.path()).unwrap(), faults.clone());
        let records = Records::through(self.path(), Arc::new(FaultyFiles::new(Disk, faults.clone())));
        over(&mut Machine { kernel }, &records, work)
    }

    /// The same, and nothing goes wrong.
    fn well<T>(&self, work: impl FnOnce(&mut Labs<'_>) -> T) -> T {
        self.refused(&Faults::at(None), work)
    }

    fn is_empty(&self) -> bool {
        Records::new(self.path()).labs().unwrap().is_empty() && !self.path().join("roots/mixed").exists()
    }
}

fn over<T>(backend: &mut dyn Backend, records: &Records, work: impl FnOnce(&mut Labs<'_>) -> T) -> T {
    work(&mut Labs { backend, records, engine: "linux", entropy: [7; 16] })
}

fn up(labs: &mut Labs<'_>, model: &Model) -> Result<(), LabError> {
    let plan = labs.plan(model)?;
    labs.apply(&plan, model, &ApplyOptions::default(), &mut |_| {}).map(drop)
}

fn down(labs: &mut Labs<'_>, model: &Model) -> Result<(), LabError> {
    labs.down(&model.lab, &mut |_| {}).map(drop)
}

/// Nothing is to be done any more.
#[track_caller]
fn holds(state: &State, model: &Model, call: u64) {
    let plan = state.well(|labs| labs.plan(model)).unwrap_or_else(|error| panic!("call {call}: {error:#?}"));
    assert!(plan.is_empty(), "call {call}: {:#?}", plan.changes);
}

/// Takes down what there is of a lab; none is fine.
#[track_caller]
fn clean(state: &State, model: &Model, call: u64) {
    match state.well(|labs| down(labs, model)) {
        Err(error) if error.kind != LabErrorKind::NoSuchLab => panic!("call {call}: {error:#?}"),
        _ => {}
    }
    assert!(state.is_empty(), "call {call}");
}

/// What is done to a lab.
type Work<'w> = &'w dyn Fn(&mut Labs<'_>) -> Result<(), LabError>;

/// How many calls there are to refuse when nothing goes wrong, and how many to die at.
fn calls(prepare: impl Fn(&State), work: Work<'_>, after: impl Fn(&State)) -> (u64, u64) {
    let count = |dying: bool| {
        let (state, faults) = (State::new(), Faults::at(None));
        prepare(&state);
        let done = if dying { state.dying(&faults, work) } else { state.refused(&faults, work) };
        done.unwrap_or_else(|error| panic!("{error:#?}"));
        after(&state);
        faults.calls()
    };
    (count(false), count(true))
}

fn refuse(call: u64) -> Faults {
    Faults::at(Some((call, Fault::Refuse(Errno::EIO))))
}

fn die(call: u64) -> Faults {
    Faults::at(Some((call, Fault::Die)))
}

fn error_at_any_call_of_up() -> Result<(), Failed> {
    let model = model(&mixed());
    let before = machine();
    let (all, _) = calls(|_| {}, &|labs| up(labs, &model), |state| clean(state, &model, 0));
    for call in 1..=all {
        let state = State::new();
        match state.refused(&refuse(call), |labs| up(labs, &model)) {
            Ok(()) => {
                holds(&state, &model, call);
                clean(&state, &model, call);
            }
            Err(error) => assert_ne!(error.kind, LabErrorKind::NotUndone, "call {call}: {error:#?}"),
        }
        assert_same(&machine(), &before, &format!("call {call} of {all}"));
        assert!(state.is_empty(), "call {call} of {all}");
    }
    Ok(())
}

fn death_at_any_call_of_up() -> Result<(), Failed> {
    let model = model(&mixed());
    let before = machine();
    let (_, all) = calls(|_| {}, &|labs| up(labs, &model), |state| clean(state, &model, 0));
    for call in 1..=all {
        let state = State::new();
        let outcome = state.dying(&die(call), |labs| up(labs, &model));
        assert!(outcome.is_err(), "call {call}");
        // The next command finishes the work, whichever it is.
        if call % 2 == 0 {
            state.well(|labs| up(labs, &model)).unwrap_or_else(|error| panic!("call {call}: {error:#?}"));
            holds(&state, &model, call);
        }
        clean(&state, &model, call);
        assert_same(&machine(), &before, &format!("call {call} of {all}"));
    }
    Ok(())
}

fn fault_at_any_call_of_a_change() -> Result<(), Failed> {
    let (first, second) = (model(&mixed()), model(&edited()));
    let before = machine();
    let back = |state: &State, model: &Model, call: u64| {
        state.well(|labs| up(labs, model)).unwrap_or_else(|error| panic!("call {call}: {error:#?}"));
    };
    let begin = |state: &State| back(state, &first, 0);
    let (refusals, deaths) = calls(begin, &|labs| up(labs, &second), |state| clean(state, &second, 0));
    let state = State::new();
    for call in 1..=refusals {
        back(&state, &first, call);
        match state.refused(&refuse(call), |labs| up(labs, &second)) {
            Ok(()) => holds(&state, &second, call),
            Err(error) => {
                assert_ne!(error.kind, LabErrorKind::NotUndone, "call {call}: {error:#?}");
                holds(&state, &first, call);
            }
        }
    }
    for call in 1..=deaths {
        back(&state, &first, call);
        assert!(state.dying(&die(call), |labs| up(labs, &second)).is_err(), "call {call}");
        // The change can be finished, or taken back.
        let next = if call % 2 == 0 { &first } else { &second };
        back(&state, next, call);
        holds(&state, next, call);
    }
    clean(&state, &first, deaths);
    assert_same(&machine(), &before, "afterwards");
    Ok(())
}

fn fault_at_any_call_of_down() -> Result<(), Failed> {
    let model = model(&mixed());
    let before = machine();
    let begin = |state: &State| {
        state.well(|labs| up(labs, &model)).unwrap_or_else(|error| panic!("{error:#?}"));
    };
    let (refusals, deaths) = calls(begin, &|labs| down(labs, &model), |state| assert!(state.is_empty()));
    for call in 1..=refusals.max(deaths) {
        for dies in [false, true] {
            let state = State::new();
            begin(&state);
            let _ = match dies {
                false => state.refused(&refuse(call), |labs| down(labs, &model)),
                true => state.dying(&die(call), |labs| down(labs, &model)),
            };
            clean(&state, &model, call);
            assert_same(&machine(), &before, &format!("call {call} of {refusals} and {deaths}"));
        }
    }
    Ok(())
}

/// Twenty nodes with every kind of object, before and after an edit.
fn twenty(edited: bool) -> Model {
    let pick = |before: &'static str, after: &'static str| if edited { after } else { before };
    let mut nodes = "    s1: { kind: switch }\n    s2: { kind: switch }\n    n1: { kind: hub }\n".to_owned();
    nodes += "    me: { kind: self, sysctls: { net.inet.ip.ttl: 32 } }\n    r1: { kind: router }\n    r2: { kind: router }\n";
    let mut links = format!("    - {{ endpoints: [ s1, n1 ]{} }}\n", pick("", ", mtu: 1400"));
    links += "    - { endpoints: [ \"r1:lan\", s1 ], ipv4: [ 10.1.0.1/16, ~ ] }\n";
    links += "    - { endpoints: [ \"r2:lan\", s2 ], ipv4: [ 10.2.0.1/16, ~ ] }\n";
    links += "    - { endpoints: [ \"r1:up\", \"r2:up\" ], ipv4: [ 10.3.0.1/24, 10.3.0.2/24 ] }\n";
    links += pick(
        "    - { endpoints: [ \"me:lab_a\", \"r1:x0\" ], ipv6: [ \"fd00::1/64\", \"fd00::2/64\" ] }\n",
        "    - { endpoints: [ \"me:lab_a\", \"r1:x0\" ], ipv4: [ 10.9.0.1/24, 10.9.0.2/24 ] }\n",
    );
    for host in 1..=14 {
        // One goes and one comes.
        let name = if host == 14 { pick("gone", "new") } else { "h" };
        let (switch, net) = [("s1", 1), ("s2", 2), ("n1", 1)][host % 3];
        let last = host + if host == 2 { usize::from(edited) * 100 } else { 0 };
        let sysctls = if host == 3 { pick(", sysctls: { net.inet.ip.ttl: 20 }", "") } else { "" };
        let routes = match host % 4 {
            0 => format!(", routes: [ {{ to: default, via: 10.{net}.0.1 }} ]"),
            _ => String::new(),
        };
        nodes += &format!("    {name}{host}: {{ kind: host{routes}{sysctls} }}\n");
        links +=
            &format!("    - {{ endpoints: [ \"{name}{host}:e0\", {switch} ], ipv4: [ 10.{net}.1.{last}/16, ~ ] }}\n");
    }
    let model = model(&format!("version: 1\nname: twenty\ntopology:\n  nodes:\n{nodes}  links:\n{links}"));
    assert_eq!(model.nodes.len(), 20);
    model
}

/// The same with an error at each step, wherever in a batch it is.
#[expect(clippy::print_stdout, reason = "it says how many points there were")]
fn error_at_any_step_of_twenty() -> Result<(), Failed> {
    let (first, second) = (twenty(false), twenty(true));
    let before = machine();
    let mut points = Vec::new();
    for (title, wanted) in [("up", Some(&first)), ("an edit", Some(&second)), ("down", None)] {
        let state = State::new();
        let mut step = 0;
        let struck = |step: usize, command: &dyn Fn(&mut Labs<'_>) -> Result<(), LabError>| {
            let mut machine = Machine { kernel: sys::kernel(state.path()).unwrap() };
            let mut failing = Failing::at(&mut machine, step);
            let outcome = over(&mut failing, &Records::new(state.path()), command);
            (failing.has_struck(), outcome)
        };
        loop {
            step += 1;
            let moment = format!("{title}, an error at step {step}");
            if title != "up" {
                state.well(|labs| up(labs, &first)).unwrap_or_else(|error| panic!("{moment}: {error:#?}"));
            }
            let (has_struck, outcome) = match wanted {
                Some(model) => struck(step, &|labs| up(labs, model)),
                None => struck(step, &|labs| down(labs, &first)),
            };
            if !has_struck {
                outcome.unwrap_or_else(|error| panic!("{moment}: {error:#?}"));
                break;
            }
            match (wanted, outcome) {
                // What could be mended was.
                (Some(model), Ok(())) => holds(&state, model, step as u64),
                (Some(_), Err(error)) => {
                    assert_eq!(error.kind, LabErrorKind::Refused, "{moment}: {error:#?}");
                    match title {
                        "up" => assert!(state.is_empty(), "{moment}"),
                        _ => holds(&state, &first, step as u64),
                    }
                }
                (None, _) => clean(&state, &first, step as u64),
            }
            if title != "an edit" {
                assert_same(&machine(), &before, &moment);
            }
        }
        clean(&state, &first, step as u64);
        assert_same(&machine(), &before, title);
        points.push((title, step - 1));
    }
    println!("errors of steps of twenty nodes: {points:?}");
    assert!(points.iter().map(|(_, number)| number).sum::<usize>() > 150, "{points:?}");
    Ok(())
}

fn a_lacking_feature() -> Result<(), Failed> {
    let model = model(&mixed());
    let before = machine();
    for feature in [Feature::Veth, Feature::Bridge, Feature::Ipv6, Feature::OwnStack] {
        let state = State::new();
        let kernel = FaultyKernel::new(sys::kernel(state.path())?, Faults::at(None)).without(feature);
        let records = Records::new(state.path());
        let error = over(&mut Machine { kernel }, &records, |labs| up(labs, &model)).unwrap_err();
        assert_eq!(error.kind, LabErrorKind::File, "{error}");
        let finding = error.diagnostics.iter().find(|finding| finding.code == "L011").unwrap();
        assert!(finding.message.contains(feature.name()), "{}", finding.message);
        assert_same(&machine(), &before, "afterwards");
        assert!(state.is_empty());
    }
    Ok(())
}

/// A kernel that begins to say no: everything is as before, and the error says what kind it is.
fn permission_ends() -> Result<(), Failed> {
    let model = model(&mixed());
    let before = machine();
    let (all, _) = calls(|_| {}, &|labs| up(labs, &model), |state| clean(state, &model, 0));
    let mut told = 0;
    for part in 1..8 {
        let state = State::new();
        let faults = Faults::at(Some((all * part / 8, Fault::Refuse(Errno::EPERM))));
        if let Err(error) = state.refused(&faults, |labs| up(labs, &model)) {
            assert_eq!(error.kind, LabErrorKind::NotPermitted, "{error:#?}");
            assert!(error.hint.is_some() && error.left.is_empty(), "{error:#?}");
            told += 1;
        } else {
            clean(&state, &model, part);
        }
        assert_same(&machine(), &before, &format!("part {part}"));
        assert!(state.is_empty(), "part {part}");
    }
    assert!(told > 3, "{told}");
    Ok(())
}

/// What was told while it changed is not believed; what changes all the time ends with a reason.
fn interrupted_dumps() -> Result<(), Failed> {
    let model = model(&mixed());
    let before = machine();
    let state = State::new();
    let records = Records::new(state.path());
    let over_kernel = |datagrams: u32, work: &dyn Fn(&mut Labs<'_>) -> Result<(), LabError>| {
        let kernel = FaultyKernel::new(sys::kernel(state.path()).unwrap(), Faults::at(None)).interrupted(datagrams);
        over(&mut Machine { kernel }, &records, work)
    };
    over_kernel(20, &|labs| up(labs, &model))?;
    holds(&state, &model, 0);
    let error = over_kernel(u32::MAX, &|labs| labs.plan(&model).map(drop)).unwrap_err();
    assert!(error.to_string().contains("times while it was told"), "{error:#?}");
    holds(&state, &model, 0);
    state.well(|labs| down(labs, &model))?;
    assert_same(&machine(), &before, "afterwards");
    Ok(())
}

/// What looks like ours and is not: the same names in other namespaces, on the host, and beside our directory.
fn look_alikes_survive() -> Result<(), Failed> {
    let model = model(&mixed());
    for namespace in ["mixed2", "mixed.h11", "other"] {
        run_ip(&["netns", "add", namespace]);
        run_ip(&["-n", namespace, "link", "add", "b1", "type", "bridge"]);
        run_ip(&["-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", "lab_a"]);
        run_ip(&["-n", namespace, "link", "set", "lab_a", "master", "b1", "up"]);
        run_ip(&["-n", namespace, "link", "set", "eth0", "alias", "cellblock mixed h1:eth0"]);
        run_ip(&["-n", namespace, "addr", "add", "10.0.0.2/16", "dev", "eth0"]);
    }
    run_ip(&["link", "add", "b1", "type", "bridge"]);
    run_ip(&["link", "add", "h1_eth0", "type", "veth", "peer", "name", "lab_b"]);
    run_ip(&["link", "set", "lab_b", "alias", "cellblock mixed2 me:lab_a", "up"]);
    let theirs = || ["mixed2", "mixed.h11", "other"].map(|name| ip(&["-n", name, "-j", "-d", "addr", "show"]));
    let (before, witness) = (machine(), theirs());
    let state = State::new();
    state.well(|labs| up(labs, &model))?;
    assert_eq!(theirs(), witness);
    state.well(|labs| down(labs, &model))?;
    assert_eq!((machine(), theirs()), (before, witness));
    for namespace in ["mixed2", "mixed.h11", "other"] {
        run_ip(&["netns", "del", namespace]);
    }
    run_ip(&["link", "del", "b1"]);
    run_ip(&["link", "del", "lab_b"]);
    Ok(())
}

/// Each name that the lab needs, taken by somebody else: told, undone, and left as it is.
fn taken_names() -> Result<(), Failed> {
    let model = model(&mixed());
    let takes: [(&str, &[&str], &[&str]); 4] = [
        ("lab_a", &["link", "add", "lab_a", "type", "bridge"], &["link", "del", "lab_a"]),
        ("lab_a", &["link", "add", "lab_a", "type", "veth", "peer", "name", "x"], &["link", "del", "x"]),
        ("mixed.r1", &["netns", "add", "mixed.r1"], &["netns", "del", "mixed.r1"]),
        ("mixed", &["netns", "add", "mixed"], &["netns", "del", "mixed"]),
    ];
    for (name, take, give_back) in takes {
        run_ip(take);
        let before = machine();
        let state = State::new();
        let error = state.well(|labs| up(labs, &model)).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_ne!(error.kind, LabErrorKind::NotUndone, "{error}: {:?}", error.left);
        assert_same(&machine(), &before, name);
        assert!(state.is_empty());
        run_ip(give_back);
    }
    // A directory of somebody else in our directory, with something in it.
    fs::create_dir_all("/run/cellblock/mixed/theirs")?;
    let before = machine();
    let state = State::new();
    match state.well(|labs| up(labs, &model)) {
        Ok(()) => state.well(|labs| down(labs, &model))?,
        Err(error) => assert_ne!(error.kind, LabErrorKind::NotUndone, "{error}: {:?}", error.left),
    }
    assert_same(&machine(), &before, "afterwards");
    fs::remove_dir_all("/run/cellblock")?;
    Ok(())
}

fn moved_away() -> Result<(), Failed> {
    let model = model(&mixed());
    let before = machine();
    let state = State::new();
    state.well(|labs| up(labs, &model))?;
    // An interface in another namespace, under another name, and one that is no port any more.
    run_ip(&["netns", "add", "elsewhere"]);
    run_ip(&["-n", "mixed.h1", "link", "set", "eth0", "netns", "elsewhere", "name", "mine"]);
    let repair = state.well(|labs| labs.plan(&model))?;
    assert!(!repair.is_empty());
    state.well(|labs| up(labs, &model))?;
    holds(&state, &model, 0);
    run_ip(&["-n", "mixed.r1", "link", "set", "lan0", "name", "renamed"]);
    state.well(|labs| up(labs, &model))?;
    holds(&state, &model, 0);
    let bridges = ip(&["-n", "mixed", "-j", "link", "show", "type", "bridge"]);
    run_ip(&["-n", "mixed", "link", "del", bridges[0]["ifname"].as_str().unwrap()]);
    state.well(|labs| up(labs, &model))?;
    holds(&state, &model, 0);
    state.well(|labs| down(labs, &model))?;
    run_ip(&["netns", "del", "elsewhere"]);
    assert_same(&machine(), &before, "afterwards");
    Ok(())
}

/// With the first address of a subnet the kernel takes the others away, unless it is told not to.
fn first_address() -> Result<(), Failed> {
    let lab = |first: u8, second: u8| {
        model(&format!(
            "version: 1\nname: several\ntopology:\n  nodes:\n    me: {{ kind: self, interfaces: {{ lab_a: {{ ipv4: [ \
             10.9.0.{second}/24 ] }} }} }}\n    a: {{ kind: host, interfaces: {{ x0: {{ ipv4: [ 10.9.0.{}/24 ] }} }}, \
             routes: [ {{ to: default, via: 10.9.0.{first} }} ] }}\n  links:\n    \
             - {{ endpoints: [ \"me:lab_a\", \"a:x0\" ], ipv4: [ 10.9.0.{first}/24, 10.9.0.{}/24 ] }}\n",
            second + 100,
            first + 100
        ))
    };
    let before = machine();
    let state = State::new();
    for (time, (first, second)) in [(1, 11), (2, 11), (2, 12), (3, 13)].into_iter().enumerate() {
        let model = lab(first, second);
        state.well(|labs| up(labs, &model)).unwrap_or_else(|error| panic!("{time}: {error:#?}"));
        holds(&state, &model, time as u64);
    }
    state.well(|labs| down(labs, &lab(3, 13)))?;
    assert_same(&machine(), &before, "afterwards");
    Ok(())
}

/// The namespace of the far end has had interfaces before: its kernel's next index is another than that of a new one.
fn host_end_removed() -> Result<(), Failed> {
    let model = model(MIXED);
    let before = machine();
    let state = State::new();
    state.well(|labs| up(labs, &model))?;
    for time in 0..3 {
        run_ip(&["link", "del", "lab_a"]);
        state.well(|labs| up(labs, &model)).unwrap_or_else(|error| panic!("{time}: {error:#?}"));
        holds(&state, &model, time);
    }
    state.well(|labs| down(labs, &model))?;
    assert_same(&machine(), &before, "afterwards");
    Ok(())
}

fn name_taken_away() -> Result<(), Failed> {
    let model = model(&mixed());
    let before = machine();
    let state = State::new();
    for namespace in ["mixed.h1", "mixed"] {
        state.well(|labs| up(labs, &model))?;
        run_ip(&["netns", "del", namespace]);
        state.well(|labs| up(labs, &model)).unwrap_or_else(|error| panic!("{namespace}: {error:#?}"));
        holds(&state, &model, 0);
        state.well(|labs| down(labs, &model))?;
        assert_same(&machine(), &before, namespace);
    }
    // Everything of it, and the directory with it: nothing but the record is left.
    state.well(|labs| up(labs, &model))?;
    // With it goes what is known of the first process of a node, and that is ended all the same.
    let first = fs::read_to_string("/run/cellblock/mixed/init/h1")?;
    let first = Path::new("/proc").join(first.split_whitespace().next().unwrap_or_default()).join("ns/net");
    assert!(first.metadata().is_ok());
    assert!(Command::new("umount").args(["-l", "/run/cellblock/mixed"]).status()?.success());
    clean(&state, &model, 0);
    assert!(first.metadata().is_err());
    fs::remove_dir("/run/cellblock/mixed").ok();
    Ok(())
}
