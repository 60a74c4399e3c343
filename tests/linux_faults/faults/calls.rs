//! An error, or death, at every call and at every step; features and permission that are not there.

use cellblock::abi::Errno;
use cellblock::engine::Records;
use cellblock::engine::faults::{Fault, Faults};
use cellblock::engine::linux::Machine;
use cellblock::engine::linux::faults::FaultyKernel;
use cellblock::engine::linux::features::Feature;
use cellblock::engine::linux::sys;
use cellblock::lab::{LabError, LabErrorKind, Labs};
use cellblock::model::Model;
use libtest_mimic::Failed;

use super::machine::{assert_same, machine};
use super::state::{State, clean, down, edited, holds, mixed, over, up};
use super::support::failing::Failing;
use super::support::model;

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

pub fn error_at_any_call_of_up() -> Result<(), Failed> {
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

pub fn death_at_any_call_of_up() -> Result<(), Failed> {
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

pub fn fault_at_any_call_of_a_change() -> Result<(), Failed> {
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

pub fn fault_at_any_call_of_down() -> Result<(), Failed> {
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
pub fn error_at_any_step_of_twenty() -> Result<(), Failed> {
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

pub fn a_lacking_feature() -> Result<(), Failed> {
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
pub fn permission_ends() -> Result<(), Failed> {
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
