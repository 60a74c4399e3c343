//! What others do behind our back: changed, deleted, moved and taken, and what only looks like ours.

use std::fs;
use std::path::Path;
use std::process::Command;

use cellblock::engine::Records;
use cellblock::engine::faults::Faults;
use cellblock::engine::linux::Machine;
use cellblock::engine::linux::faults::FaultyKernel;
use cellblock::engine::linux::sys;
use cellblock::lab::{LabError, LabErrorKind, Labs};
use libtest_mimic::Failed;

use super::machine::{assert_same, ip, machine, run_ip};
use super::state::{MIXED, State, clean, down, holds, mixed, over, up};
use super::support::model;

/// What was told while it changed is not believed; what changes all the time ends with a reason.
pub fn interrupted_dumps() -> Result<(), Failed> {
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
pub fn look_alikes_survive() -> Result<(), Failed> {
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
pub fn taken_names() -> Result<(), Failed> {
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

pub fn moved_away() -> Result<(), Failed> {
    let model = model(&mixed());
    // ip(8) mounts something of its own where the names are, the first time.
    run_ip(&["netns", "add", "elsewhere"]);
    let before = machine();
    let state = State::new();
    state.well(|labs| up(labs, &model))?;
    // An interface in another namespace, under another name, and one that is no port any more.
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
    assert_same(&machine(), &before, "afterwards");
    run_ip(&["netns", "del", "elsewhere"]);
    Ok(())
}

/// With the first address of a subnet the kernel takes the others away, unless it is told not to.
pub fn first_address() -> Result<(), Failed> {
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
pub fn host_end_removed() -> Result<(), Failed> {
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

pub fn name_taken_away() -> Result<(), Failed> {
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
