//! The program as its users meet it: arguments, exit codes, streams.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use common::Sandbox;

const TWO_HOSTS: &str = "topologies/two-hosts.yaml";

/// A lab of two hosts on a wire.
const WIRE: &str = r#"version: 1
name: wire
topology:
  nodes: { a: { kind: host }, b: { kind: host } }
  links:
    - { endpoints: [ "a:eth0", "b:eth0" ], ipv4: [ 10.0.0.1/24, 10.0.0.2/24 ] }
checks:
  - reach: { from: a, to: b }
"#;

#[test]
fn help_and_version_are_results() {
    let sandbox = Sandbox::new();
    for verb in [
        "validate",
        "plan",
        "up",
        "deploy",
        "down",
        "destroy",
        "inspect",
        "exec",
        "shell",
        "start",
        "stop",
        "restart",
        "test",
        "graph",
        "explain",
        "schema",
        "doctor",
        "completions",
    ] {
        let said = sandbox.run(&[verb, "--help"]).expect(0);
        assert!(said.out.contains("Usage: cellblock") && said.err.is_empty(), "{verb}: {}", said.out);
    }
    assert!(sandbox.run(&["--help"]).expect(0).out.contains("Exit codes: 0 done"));
    assert!(sandbox.run(&["--version"]).expect(0).out.starts_with("cellblock 0."));
}

#[test]
fn nodes_stop_and_start_while_their_lab_is_up() {
    let sandbox = Sandbox::new();
    sandbox.write("wire.yaml", WIRE);
    sandbox.run(&["up", "-q", "--no-exec", "wire.yaml"]).expect(0);
    let said = sandbox.run(&["stop", "a@wire", "b"]).expect(0);
    assert!(said.out.starts_with("2 nodes stopped in "), "{}", said.out);
    let said = sandbox.run(&["exec", "a@wire", "ifconfig"]).expect(125);
    assert!(said.err.contains("there is no jail for a") && said.err.contains("start"), "{}", said.err);
    sandbox.run(&["plan", "wire.yaml", "--detailed-exitcode"]).expect(2);
    let said = sandbox.run(&["start", "a@wire"]).expect(0);
    assert!(said.out.starts_with("a started in "), "{}", said.out);
    sandbox.run(&["test", "wire"]).expect(1);
    let said = sandbox.run(&["restart", "a@wire", "b@wire", "--grace", "1s", "--format", "json"]).expect(0);
    assert!(said.out.contains("\"done\": \"restarted\""), "{}", said.out);
    sandbox.run(&["test", "wire"]).expect(0);
    sandbox.run(&["plan", "wire.yaml", "--detailed-exitcode"]).expect(0);
    let said = sandbox.run(&["stop", "a@wire", "--no-exec"]).expect(64);
    assert!(said.err.contains("--no-exec"), "nothing is executed by it: {}", said.err);
    sandbox.run(&["restart", "a@wire", "--no-exec"]).expect(0);
    for verb in ["start", "stop", "restart"] {
        sandbox.run(&[verb, "nobody@wire"]).expect(66);
        sandbox.run(&[verb, "a@nowhere"]).expect(66);
    }
    sandbox.run(&["down", "wire"]).expect(0);
}

#[test]
fn what_the_simulator_only_keeps_account_of_is_said() {
    let sandbox = Sandbox::new();
    let keys = "a: { kind: host, rootfs: { base: /b }, cpus: 0, limits: { maxproc: 9 }, exec: [ \"echo hi\" ] }";
    sandbox.write("wire.yaml", &WIRE.replace("a: { kind: host }", keys));
    let said = sandbox.run(&["plan", "wire.yaml"]).expect(0);
    for note in [
        "node a: exec `echo hi` is not run in the simulator",
        "node a: rootfs `{ base: /b, rw: [etc, root, tmp, var] }` is mounted in the simulator, which has no files",
        "node a: cpus `0` is set in the simulator, where nothing uses it up",
        "node a: limit maxproc `deny=9` is set in the simulator, where nothing uses it up",
        "node b shares the host's files",
    ] {
        assert!(said.out.contains(note), "{note}\n{}", said.out);
    }
    sandbox.run(&["up", "-q", "wire.yaml"]).expect(0);
    sandbox.run(&["plan", "wire.yaml", "--detailed-exitcode"]).expect(0);
    sandbox.run(&["down", "-q", "wire"]).expect(0);
}

#[test]
fn a_wrong_command_line_is_64() {
    let sandbox = Sandbox::new();
    for arguments in [
        &[] as &[&str],
        &["frobnicate"],
        &["up", "--engine", "windows"],
        &["exec", "r1"],
        &["plan", "a.yaml", "b.yaml"],
        &["plan", "office"],
        &["plan", "Not-A-Lab"],
        &["plan", "-t", "a.yaml", "--lab", "b"],
        &["plan", "-t", "a.yaml", "b.yaml"],
        &["plan", "a.yaml", "--format", "junit"],
        &["plan", "a.yaml", "-s", "novalue"],
        &["up", "a.yaml", "--timeout", "soon"],
        &["up", "a.yaml", "--jobs", "0"],
        &["validate"],
        &["exec", "R1@lab", "ping"],
        &["shell"],
        &["stop"],
        &["stop", "a@one", "b@two"],
        &["stop", "a@one", "--grace", "soon"],
        &["completions", "tcsh"],
    ] {
        let said = sandbox.run(arguments);
        assert_eq!(said.code, 64, "{arguments:?}\n{}", said.err);
        assert!(said.out.is_empty() && said.err.starts_with("error: "), "{arguments:?}\n{}{}", said.out, said.err);
    }
}

#[test]
fn what_is_not_there_is_66() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", WIRE);
    for arguments in [
        &["validate", "none.yaml"] as &[&str],
        &["plan", "./none"],
        &["down", "none"],
        &["inspect", "none"],
        &["test", "none"],
        &["exec", "a@none", "ping", "10.0.0.2"],
        &["explain", "c", "lab.yaml"],
        &["explain", "a:eth7", "lab.yaml"],
    ] {
        let said = sandbox.run(arguments);
        assert_eq!(said.code, 66, "{arguments:?}\n{}{}", said.out, said.err);
        assert!(said.out.is_empty() && said.err.contains("error"), "{arguments:?}\n{}", said.err);
    }
    sandbox.run(&["up"]).expect(0);
    sandbox.run(&["exec", "c", "ping", "10.0.0.2"]).expect(66);
}

#[test]
fn a_wrong_file_is_65_and_shown_with_its_place() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", &WIRE.replace("kind: host }, b", "knid: host }, b"));
    for verb in ["validate", "plan", "up", "graph", "test", "down"] {
        let said = sandbox.run(&[verb, "lab.yaml"]).expect(65);
        assert!(said.out.is_empty() && said.err.contains("lab.yaml:4:"), "{verb}: {}", said.err);
    }
    let said = sandbox.run(&["validate", "lab.yaml", "--format", "json"]).expect(65);
    let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let count = value["diagnostics"].as_array().unwrap().len();
    assert_eq!((&value["valid"], &value["errors"]), (&false.into(), &count.into()));
    assert_eq!(value["diagnostics"][0]["labels"][0]["line"], 4);
}

#[test]
fn a_pattern_that_matches_nothing_is_an_error_of_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", &WIRE.replace("to: b", "to: \"c*\""));
    let said = sandbox.run(&["validate"]).expect(65);
    assert!(said.err.contains("`c*`") && said.err.contains("lab.yaml:8:"), "{}", said.err);
}

#[test]
fn engines_that_are_not_here_are_69() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", WIRE);
    let missing = if cfg!(target_os = "freebsd") { "linux" } else { "freebsd" };
    let said = sandbox.run(&["up", "--engine", missing]).expect(69);
    assert!(said.err.contains(missing), "{}", said.err);
}

#[test]
fn a_damaged_state_is_78() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", WIRE);
    sandbox.run(&["up"]).expect(0);
    for entry in std::fs::read_dir(sandbox.state()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            std::fs::write(entry, b"not ours at all").unwrap();
        }
    }
    let said = sandbox.run(&["inspect"]).expect(78);
    assert!(said.err.contains("error"), "{}", said.err);
}

#[test]
fn a_lab_that_somebody_holds_is_75_and_names_him() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", WIRE);
    sandbox.run(&["up"]).expect(0);
    let path = sandbox.state().join("lock");
    let mut lock = std::fs::File::options().write(true).truncate(true).open(path).unwrap();
    lock.lock().unwrap();
    lock.write_all(b"pid 4711: cellblock up office").unwrap();
    let said = sandbox.run(&["down", "wire", "--timeout", "100ms"]).expect(75);
    assert!(said.err.contains("pid 4711: cellblock up office"), "{}", said.err);
    // Who only looks does not wait for anybody.
    sandbox.run(&["inspect"]).expect(0);
    sandbox.run(&["plan"]).expect(0);
}

#[test]
fn a_lab_lives_between_processes() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", WIRE);
    let plan = sandbox.run(&["plan", "--detailed-exitcode"]).expect(2);
    assert!(plan.out.lines().next_back().unwrap().starts_with("Plan: ") && plan.err.is_empty(), "{}", plan.err);
    let up = sandbox.run(&["up"]).expect(0);
    assert!(up.out.starts_with("lab up in ") && up.out.ends_with(" s: 2 nodes, 1 link, engine sim\n"), "{}", up.out);
    let told = |line: &str| line.starts_with('[') || line.starts_with("note: ");
    assert!(up.err.lines().all(told), "{}", up.err);
    sandbox.run(&["plan", "--detailed-exitcode"]).expect(0);
    let again = sandbox.run(&["up", "-q"]).expect(0);
    assert!(again.out.contains("nothing to change") && again.err.is_empty(), "{}{}", again.out, again.err);
    let test = sandbox.run(&["test"]).expect(0);
    assert!(test.out.contains("reach a -> b") && test.out.contains("pass"), "{}", test.out);
    let names = sandbox.run(&["inspect", "--names", "wire"]).expect(0);
    assert!(names.out.contains("wire.a"), "{}", names.out);
    let all = sandbox.run(&["inspect", "--all"]).expect(0);
    assert!(all.out.contains("wire") && all.out.contains("sim"), "{}", all.out);
    // The directory is not needed any more, nor is the file.
    std::fs::remove_file(sandbox.path().join("lab.yaml")).unwrap();
    assert!(sandbox.run(&["down", "wire"]).expect(0).out.starts_with("lab down in "));
    sandbox.run(&["inspect", "wire"]).expect(66);
}

#[test]
fn exec_ends_as_its_command_ended() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", WIRE);
    sandbox.run(&["up"]).expect(0);
    let ping = sandbox.run(&["exec", "a", "ping", "-c", "1", "10.0.0.2"]).expect(0);
    assert!(ping.out.contains("1 packets received, 0.0% packet loss"), "{}", ping.out);
    let lost = sandbox.run(&["exec", "a@wire", "--", "ping", "-c", "1", "10.0.0.9"]);
    assert_eq!(lost.code, 2, "ping exits with 2 when nothing came back: {}{}", lost.out, lost.err);
    let none = sandbox.run(&["exec", "a@wire", "nethack"]).expect(127);
    assert!(none.out.is_empty() && none.err.contains("`nethack`"), "{}", none.err);
}

#[test]
fn a_failed_check_is_1_and_names_the_pair_in_every_format() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", &WIRE.replace("reach:", "no-reach:"));
    sandbox.run(&["up"]).expect(0);
    let pair = "a -> b:eth0 (10.0.0.2)";
    let table = sandbox.run(&["test"]).expect(1);
    assert!(table.out.contains(&format!("failed: {pair}: answered")), "{}", table.out);
    let junit = sandbox.run(&["test", "--format", "junit"]).expect(1);
    assert!(junit.out.contains(&pair.replace('>', "&gt;")) && junit.out.contains("<failure"), "{}", junit.out);
    let json = sandbox.run(&["test", "--format", "json"]).expect(1);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&value["passed"], &value["checks"][0]["pairs"][0]["verdict"]), (&false.into(), &"fail".into()));
    let yaml = sandbox.run(&["test", "wire", "--format", "yaml"]).expect(1);
    assert!(yaml.out.contains("verdict: fail"), "{}", yaml.out);
}

#[test]
fn the_environment_stands_in_for_flags() {
    let sandbox = Sandbox::new().with("CELLBLOCK_NAME", "other").with("CELLBLOCK_FORMAT", "json");
    sandbox.write("lab.yaml", WIRE);
    let said = sandbox.run(&["validate"]).expect(0);
    assert!(said.out.contains("\"lab\": \"other\""), "{}", said.out);
    // A format that a verb does not have is no error when the environment names it.
    assert!(sandbox.run(&["graph"]).expect(0).out.contains("graph"));
    assert!(sandbox.run(&["validate", "--name", "third", "--format", "table"]).expect(0).out.contains("`third`"));
    let wrong = Sandbox::new().with("CELLBLOCK_FORMAT", "pdf");
    wrong.write("lab.yaml", WIRE);
    wrong.run(&["validate"]).expect(64);
    let elsewhere = Sandbox::new().with("CELLBLOCK_STATE_DIR", "state-of-mine");
    elsewhere.write("lab.yaml", WIRE);
    elsewhere.run(&["up"]).expect(0);
    assert!(elsewhere.path().join("state-of-mine").is_dir() && !elsewhere.state().exists());
}

#[test]
fn a_topology_may_come_from_standard_input() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.command(&["validate", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(WIRE.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains("lab `wire`"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::in_repository();
    let mut command = sandbox.command(&["schema"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn pipes_get_no_colour() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.yaml", &WIRE.replace("kind: host }, b", "knid: host }, b"));
    let said = sandbox.run(&["validate"]).expect(65);
    assert!(!said.err.contains('\u{1b}'), "{}", said.err);
    let forced = Sandbox::new().with("CLICOLOR_FORCE", "1");
    forced.write("lab.yaml", WIRE);
    assert!(forced.run(&["plan"]).expect(0).out.contains('\u{1b}'));
    let refused = Sandbox::new().with("CLICOLOR_FORCE", "1").with("NO_COLOR", "1");
    refused.write("lab.yaml", WIRE);
    assert!(!refused.run(&["plan"]).expect(0).out.contains('\u{1b}'));
}

#[test]
fn graphs_explanations_schema_and_completions_are_there() {
    let sandbox = Sandbox::in_repository();
    let dot = sandbox.run(&["graph", TWO_HOSTS]).expect(0);
    assert!(dot.out.contains("graph") && dot.out.contains("alice"), "{}", dot.out);
    assert!(sandbox.run(&["graph", TWO_HOSTS, "--format", "mermaid"]).expect(0).out.starts_with("flowchart"));
    assert!(sandbox.run(&["graph", TWO_HOSTS, "--objects"]).expect(0).out.contains("ether"));
    let explained = sandbox.run(&["explain", "alice:eth0", TWO_HOSTS]).expect(0);
    assert!(explained.out.contains("pool `lan`, subnet 0, address 2"), "{}", explained.out);
    assert!(explained.out.contains("topologies/two-hosts.yaml:"), "{}", explained.out);
    let schema = sandbox.run(&["schema"]).expect(0);
    serde_json::from_str::<serde_json::Value>(&schema.out).unwrap();
    assert!(sandbox.run(&["completions", "bash"]).expect(0).out.contains("cellblock"));
    assert!(sandbox.run(&["doctor"]).expect(0).out.contains("sim"));
}

#[test]
fn interfaces_are_handed_over_between_processes() {
    let sandbox = Sandbox::new();
    let lab = WIRE.replace("a: { kind: host }", "a: { kind: host, jail: { persist: false } }");
    assert_ne!(lab, WIRE);
    sandbox.write("lab.yaml", &lab);
    sandbox.run(&["attach", "a@wire"]).expect(66);
    sandbox.run(&["detach", "a@wire"]).expect(66);
    sandbox.run(&["up", "-q"]).expect(0);
    let name = sandbox.run(&["attach", "a@wire"]).expect(0);
    assert!(name.out.len() == 12 && name.out.starts_with('c') && name.err.is_empty(), "{}{}", name.out, name.err);
    assert_eq!(sandbox.run(&["attach", "a:eth0@wire"]).expect(0).out, name.out);
    let json = sandbox.run(&["attach", "a@wire", "--format", "json"]).expect(0);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&value[0]["interface"], &value[0]["name"]), (&"a:eth0".into(), &name.out.trim().into()));
    sandbox.run(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(sandbox.run(&["detach", "a@wire"]).expect(0).out, "");
    assert_eq!(sandbox.run(&["attach", "a@wire"]).expect(0).out, name.out);
    for (what, code) in [("b@wire", 65), ("nobody@wire", 66), ("a:wan0@wire", 66), ("a:@wire", 64), ("A", 64)] {
        let said = sandbox.run(&["attach", what]).expect(code);
        assert!(said.out.is_empty() && said.err.starts_with("error: "), "{what}: {}", said.err);
    }
    sandbox.run(&["down", "wire", "-q"]).expect(0);
    sandbox.run(&["detach", "a@wire"]).expect(66);
}
