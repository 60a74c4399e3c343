//! The exit codes that need more than a command line: each is provoked in the program itself, by a record that contradicts itself, a
//! name that is taken, a root that is not there, a jail that cannot die, a directory that may not be written, a lab that is held.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use cellblock::engine::Records;
use cellblock::engine::freebsd::doors::{Actor, JailDoor as _, JailParam, SocketDoor as _, SocketKind};
use cellblock::sim::{SimDoors, persist};
use common::Sandbox;

const WIRE: &str = "version: 1\nname: wire\ntopology:\n  nodes: { a: { kind: host }, b: { kind: host } }\n  links:\n    \
                    - { endpoints: [ \"a:eth0\", \"b:eth0\" ], ipv4: [ 10.0.0.1/24, 10.0.0.2/24 ] }\n";

/// A user that owns nothing.
const NOBODY: u32 = 65534;

fn wire() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", WIRE);
    sandbox
}

#[test]
fn a_record_that_makes_no_lab_is_a_bug_and_70() {
    let sandbox = wire();
    sandbox.run(&["up", "-q"]).expect(0);
    let (records, lab) = (Records::new(&sandbox.state()), "wire".parse().unwrap());
    let mut record = records.read(&lab).unwrap().unwrap();
    let twice = record.model.nodes[0].clone();
    record.model.nodes.push(twice);
    records.write(&lab, &record).unwrap();
    let said = sandbox.run(&["inspect", "--names", "wire"]).expect(70);
    assert!(said.out.is_empty() && said.err.starts_with("error: two objects would both be"), "{}", said.err);
}

#[test]
fn what_the_kernel_refuses_is_undone_and_71() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", &WIRE.replace("b: { kind: host }", "b: { kind: host, rootfs: /nonexistent/root }"));
    let said = sandbox.run(&["up", "--name", "second"]).expect(71);
    assert!(said.out.is_empty() && said.err.contains("/nonexistent/root"), "{}", said.err);
    assert!(said.err.contains("undoing"), "{}", said.err);
    sandbox.run(&["inspect", "second"]).expect(66);
}

#[test]
fn a_name_on_the_host_that_somebody_has_is_found_before_and_78() {
    let sandbox = Sandbox::new();
    let lab = WIRE.replace("a: { kind: host }", "a: { kind: self }").replace("a:eth0", "a:uplink");
    sandbox.write("lab.yaml", &lab.replace("10.0.0.1", "10.0.0.3"));
    sandbox.run(&["up", "--name", "first", "-q"]).expect(0);
    let kept = sandbox.run(&["inspect", "first", "--format", "json"]).expect(0).out;
    sandbox.write("lab.yaml", &lab);
    let said = sandbox.run(&["up", "--name", "second"]).expect(78);
    assert!(said.out.is_empty() && said.err.contains("interface `uplink` is not ours"), "{}", said.err);
    assert!(!said.err.contains("undoing"), "nothing was begun: {}", said.err);
    sandbox.run(&["inspect", "second"]).expect(66);
    assert_eq!(sandbox.run(&["inspect", "first", "--format", "json"]).expect(0).out, kept);
}

#[test]
fn a_jail_that_cannot_die_is_named_and_73() {
    let sandbox = wire();
    sandbox.run(&["up", "-q"]).expect(0);
    let file = sandbox.state().join("sim.kernel");
    let mut doors = SimDoors::new(persist::load(&file).unwrap());
    let jid = doors.jail_get(&mut [JailParam::string("name", "wire.a")], 0).unwrap();
    let helper = doors.helper_start(jid).unwrap();
    doors.open(Actor::Helper(helper), SocketKind::Inet).unwrap();
    doors.helper_end(helper);
    // The socket is never closed: somebody else has it.
    persist::save(&doors.kernel, &file).unwrap();
    let said = sandbox.run(&["down", "wire"]).expect(73);
    assert!(said.out.is_empty() && said.err.contains("will not die"), "{}", said.err);
}

#[test]
fn a_state_directory_of_somebody_else_is_77() {
    let sandbox = wire();
    let state = sandbox.path().join("theirs");
    std::fs::create_dir(&state).unwrap();
    allow(&state, 0o555);
    // Root may write everywhere: then the program runs as somebody else, from where that one can reach it.
    let mut command = Command::new(env!("CARGO_BIN_EXE_cellblock"));
    let own = nix::unistd::geteuid();
    if own.is_root() {
        let program = sandbox.path().join("cellblock");
        // Another process writes it: what this one forks meanwhile would have it open, and what is written to is not executed.
        let copied = Command::new("cp").args([env!("CARGO_BIN_EXE_cellblock").as_ref(), program.as_os_str()]).status();
        assert!(copied.unwrap().success());
        for folder in [sandbox.path(), sandbox.path().parent().unwrap()] {
            allow(folder, 0o755);
        }
        command = Command::new(program);
        command.uid(NOBODY).gid(NOBODY);
    }
    command.args(["up", "lab.yaml", "--engine", "sim", "--state-dir", "theirs"]).current_dir(sandbox.path());
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(77), "{error}");
    assert!(output.stdout.is_empty() && error.contains("theirs"), "{error}");
    allow(&state, 0o755);
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn exec_is_125_when_we_failed_and_126_when_it_is_no_program() {
    let sandbox = wire();
    sandbox.run(&["up", "-q"]).expect(0);
    let said = sandbox.run(&["exec", "a@wire", "/"]).expect(126);
    assert!(said.out.is_empty() && said.err.contains("`/` cannot be executed"), "{}", said.err);
    let mut lock = std::fs::OpenOptions::new().write(true).truncate(true).open(sandbox.state().join("lock")).unwrap();
    lock.lock().unwrap();
    lock.write_all(b"pid 4711: cellblock up office").unwrap();
    let said = sandbox.run(&["exec", "a@wire", "--timeout", "100ms", "ping", "10.0.0.2"]);
    assert_eq!(said.code, 125, "{}", said.err);
    assert!(said.out.is_empty() && said.err.contains("pid 4711"), "{}", said.err);
    drop(lock);
    // What is not there keeps its own code.
    sandbox.run(&["exec", "nobody@wire", "ping"]).expect(66);
}
