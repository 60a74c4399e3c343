//! The program itself with labs on Linux, in namespaces of the test's own: which engine it takes, the commands of a file, `inspect`,
//! `plan --show-commands`, `validate`, `doctor`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/alone.rs"]
mod alone;
mod common;
#[path = "common/machine.rs"]
mod machine;

use std::process::{Command, ExitCode, Stdio};

use common::Sandbox;
use libtest_mimic::{Failed, Trial};
use machine::{assert_same, ip, machine, run_ip};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const LAB: &str = r#"
version: 1
name: demo
routing: auto
topology:
  nodes:
    pc: { kind: host, exec: { linux: [ "sh -c 'echo said by $0 > /run/said' pc" ], freebsd: [ "ifconfig e0" ] } }
    r: { kind: router }
    srv: { kind: host }
    s: { kind: switch, driver: if_bridge }
  links:
    - { endpoints: [ "pc:e0", s ], ipv4: [ 10.0.0.2/24, ~ ] }
    - { endpoints: [ "r:e0", s ], ipv4: [ 10.0.0.1/24, ~ ] }
    - { endpoints: [ "r:e1", "srv:e0" ], ipv4: [ 10.0.1.1/24, 10.0.1.2/24 ], ipv6: [ "fd00::1/64", "fd00::2/64" ], mtu: 1400 }
checks:
  - reach: { from: "*", to: "*", family: v4 }
"#;

fn main() -> ExitCode {
    alone::run(|| {
        vec![
            Trial::test("as_root_labs_are_namespaces_by_themselves", by_itself),
            Trial::test("the_commands_that_are_shown_make_the_same_lab", shown_commands),
            Trial::test("a_report_says_what_degrades", report),
            Trial::test("few_descriptors_are_enough_or_are_told", few_descriptors),
            Trial::test("what_daemons_make_in_nodes_is_left_alone", daemons),
            Trial::test("what_somebody_set_on_an_interface_is_drift_and_put_right_in_place", set_by_others),
            Trial::test("names_that_others_have_are_told_together_before_the_first_step", names_of_others),
            Trial::test("gc_takes_away_a_lab_that_no_record_knows_and_nothing_that_looks_like_it", strays),
            Trial::test("nodes_that_were_stopped_are_no_drift_and_sysctls_get_their_first_values_back", stopped),
            Trial::test("a_large_lab_is_out_of_sight_when_down_returns", large),
            Trial::test("nothing_is_left_when_who_ends_a_large_lab_is_killed", killed_behind),
            Trial::test("what_down_waited_for_is_gone_by_the_count_of_the_kernel", counted),
        ]
    })
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new().with("CELLBLOCK_ENGINE", "auto").with("CELLBLOCK_STATE_DIR", "state");
    sandbox.write("demo.yaml", LAB);
    sandbox
}

fn by_itself() -> Result<(), Failed> {
    let before = machine();
    let sandbox = sandbox();
    let said = sandbox.run(&["up", "demo.yaml"]).expect(0);
    assert!(said.err.contains("engine linux: we may make namespaces"), "{}", said.err);
    assert!(said.out.contains("4 nodes, 3 links, engine linux"), "{}", said.out);
    // What the file runs, it runs in the node.
    assert_eq!(std::fs::read_to_string("/run/said")?, "said by pc\n");
    std::fs::remove_file("/run/said")?;
    assert!(sandbox.run(&["plan", "demo.yaml"]).expect(0).out.contains("Plan: 0 to add, 0 to change, 0 to replace"));
    sandbox.run(&["test", "demo"]).expect(0);
    let inspected = sandbox.run(&["inspect", "demo", "--format", "json"]).expect(0);
    let value: Value = serde_json::from_str(&inspected.out)?;
    let text = value.to_string();
    for expected in ["10.0.0.2/24", "10.0.1.1/24", "fd00::2/64", "\"linux\""] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    for (command, code) in [(&["true"][..], 0), (&["sh", "-c", "exit 9"], 9), (&["nothing-of-that-name"], 127)] {
        let words = [&["exec", "srv@demo"], command].concat();
        sandbox.run(&words).expect(code);
    }
    let link = sandbox.run(&["exec", "srv@demo", "cat", "/sys/class/net/e0/mtu"]).expect(0);
    assert_eq!(link.out, "1400\n");
    sandbox.run(&["down", "demo"]).expect(0);
    assert_same(&machine(), &before, "after down");

    let doctor = sandbox.run(&["doctor", "--format", "json"]).expect(0);
    let engines: Value = serde_json::from_str(&doctor.out)?;
    let linux = engines.as_array().unwrap().iter().find(|engine| engine["engine"] == "linux").unwrap();
    assert_eq!((&linux["works"], &linux["chosen"]), (&true.into(), &true.into()));
    let standing = |what: &str| {
        let facts = linux["host"].as_array().unwrap();
        facts.iter().find(|fact| fact["what"] == what).unwrap_or_else(|| panic!("nothing about {what}"))["standing"]
            .clone()
    };
    for what in ["namespaces", "veth", "bridge", "own stack"] {
        assert_eq!(standing(what), "fine", "{what}");
    }
    Ok(())
}

/// The lines, given to a shell where there is no lab: what ip(8) sees then is what it sees of a lab that was brought up.
fn shown_commands() -> Result<(), Failed> {
    let sandbox = sandbox();
    let shown = sandbox.run(&["plan", "--show-commands", "demo.yaml"]).expect(0).out;
    let lines: Vec<&str> = shown.lines().filter(|line| !line.starts_with("Plan:")).collect();
    let script = format!("set -e\n{}\n", lines.join("\n"));
    let output = Command::new("sh").args(["-c", &script]).output()?;
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    let by_hand = picture();
    for namespace in NAMESPACES {
        run_ip(&["netns", "del", namespace]);
    }
    sandbox.run(&["up", "demo.yaml"]).expect(0);
    std::fs::remove_file("/run/said")?;
    assert_eq!(by_hand, picture(), "{script}");
    sandbox.run(&["down", "demo"]).expect(0);
    Ok(())
}

const NAMESPACES: [&str; 4] = ["demo", "demo.pc", "demo.r", "demo.srv"];

/// Names, MACs, MTUs, states, aliases, addresses and routes in the namespaces of the lab.
fn picture() -> Vec<Value> {
    let mut rows = Vec::new();
    for namespace in NAMESPACES {
        for link in ip(&["-n", namespace, "-j", "addr", "show"]).as_array().unwrap() {
            let mut addresses: Vec<String> = link["addr_info"]
                .as_array()
                .unwrap()
                .iter()
                // A link-local address appears a moment after the carrier.
                .filter(|info| info["scope"] != "link")
                .map(|info| format!("{}/{}", info["local"], info["prefixlen"]))
                .collect();
            addresses.sort();
            let up = link["flags"].as_array().unwrap().contains(&"UP".into());
            let of = |name: &str| link[name].clone();
            rows.push(serde_json::json!([
                namespace,
                of("ifname"),
                of("address"),
                of("mtu"),
                of("ifalias"),
                of("master"),
                up,
                addresses
            ]));
        }
        for family in ["-4", "-6"] {
            for route in ip(&["-n", namespace, "-j", family, "route", "show"]).as_array().into_iter().flatten() {
                if !route["gateway"].is_null() {
                    rows.push(serde_json::json!([namespace, route["dst"], route["gateway"]]));
                }
            }
        }
    }
    rows.sort_by_key(ToString::to_string);
    rows
}

fn report() -> Result<(), Failed> {
    let sandbox = sandbox();
    sandbox.write(
        "much.yaml",
        r#"
version: 1
name: much
topology:
  nodes:
    a: { kind: host, sysctls: { net.inet.tcp.blackhole: 2 }, jail: { allow.raw_sockets: true } }
    b: { kind: switch, driver: if_bridge }
    h: { kind: hub }
  links:
    - { endpoints: [ "a:e0", b ], type: epair }
    - { endpoints: [ b, h ] }
"#,
    );
    let said = sandbox.run(&["validate", "much.yaml", "--engine", "linux"]).expect(0);
    for code in ["L001", "L002", "L004", "L005"] {
        assert!(said.err.contains(code), "{code} is not in:\n{}", said.err);
    }
    assert_eq!(said.err.matches("L001").count(), 2, "if_bridge and hub: {}", said.err);
    sandbox.run(&["validate", "much.yaml", "--engine", "linux", "--strict"]).expect(65);
    // What is left out is refused; what is done in another way is not.
    for verb in ["plan", "up"] {
        assert!(sandbox.run(&[verb, "much.yaml", "--strict"]).expect(65).err.contains("L002"));
    }
    sandbox.run(&["plan", "demo.yaml", "--strict"]).expect(0);
    Ok(())
}

/// A lab of many more namespaces than the process may have descriptors: it is made in windows, or not at all.
fn few_descriptors() -> Result<(), Failed> {
    let before = machine();
    let sandbox = Sandbox::new().with("CELLBLOCK_ENGINE", "linux").with("CELLBLOCK_STATE_DIR", "state");
    let mut text = "version: 1\nname: wide\ntopology:\n  nodes:\n    s: { kind: switch }\n".to_owned();
    text += "    \"h${n}\": { kind: host, each: { n: 1..150 }, index: \"${n}\" }\n  links:\n";
    text += "    - { each: { n: 1..150 }, endpoints: [ \"h${n}:e0\", s ], pool: lan }\n";
    text += "addressing: { lan: { ipv4: 10.0.0.0/16, prefix: 24 } }\n";
    sandbox.write("wide.yaml", &text);
    let limited = |limit: &str, arguments: &[&str]| {
        let program = sandbox.command(arguments);
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n \"$1\" && shift && exec \"$@\"", "sh", limit]).arg(program.get_program());
        command.args(program.get_args()).current_dir(sandbox.path());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // How many are open when we begin is not ours to say: every limit about where the work begins to fit.
    for limit in [100].into_iter().chain((6..=28).rev()) {
        let limit = &limit.to_string();
        let (code, said) = limited(limit, &["up", "wide.yaml"]);
        if code == Some(0) {
            let (code, said) = limited(limit, &["plan", "--detailed-exitcode", "wide.yaml"]);
            assert_eq!(code, Some(0), "{limit}: {said}");
            let (code, said) = limited(limit, &["down", "wide"]);
            assert_eq!(code, Some(0), "{limit}: {said}");
        } else {
            assert!(limit != "100", "{said}");
            assert!([Some(69), Some(71), Some(78)].contains(&code), "{limit}: {code:?}: {said}");
            let told = ["EMFILE", "descriptors", "Too many open files"];
            assert!(told.iter().any(|words| said.contains(words)), "{limit}: {said}");
        }
        assert_same(&machine(), &before, &format!("{limit}: {said}"));
        assert!(!sandbox.path().join("state/labs/wide.lab").exists(), "{limit}: {said}");
    }
    Ok(())
}

fn stopped() -> Result<(), Failed> {
    let sandbox = sandbox();
    let with = |ttl: &str| {
        LAB.replace("srv: { kind: host }", &format!("srv: {{ kind: host, sysctls: {{ net.inet.ip.ttl: {ttl} }} }}"))
    };
    let ttl = || sandbox.run(&["exec", "srv@demo", "cat", "/proc/sys/net/ipv4/ip_default_ttl"]).expect(0).out;
    sandbox.write("demo.yaml", &with("20"));
    sandbox.run(&["up", "demo.yaml", "--no-exec"]).expect(0);
    assert_eq!(ttl(), "20\n");
    sandbox.run(&["stop", "pc@demo"]).expect(0);
    let drift = || sandbox.run(&["inspect", "demo", "--drift"]).expect(0).out;
    assert!(drift().contains("node pc is stopped: `start` starts it\nnothing has drifted\n"), "{}", drift());
    sandbox.run(&["start", "pc@demo", "--no-exec"]).expect(0);
    assert_eq!(drift(), "nothing has drifted\n");
    sandbox.write("demo.yaml", LAB);
    let said = sandbox.run(&["plan", "demo.yaml"]).expect(0).out;
    assert!(said.contains("value 20 -> 64"), "{said}");
    sandbox.run(&["up", "demo.yaml"]).expect(0);
    assert_eq!(ttl(), "64\n");
    sandbox.run(&["plan", "demo.yaml", "--detailed-exitcode"]).expect(0);
    sandbox.run(&["down", "demo"]).expect(0);
    Ok(())
}

fn daemons() -> Result<(), Failed> {
    let before = machine();
    let sandbox = sandbox();
    sandbox.run(&["up", "demo.yaml", "--no-exec"]).expect(0);
    run_ip(&["-n", "demo.r", "route", "add", "10.77.0.0/16", "via", "10.0.0.2", "proto", "bird"]);
    run_ip(&["-n", "demo.r", "route", "add", "10.78.0.0/16", "via", "10.0.0.2", "proto", "static"]);
    run_ip(&["-n", "demo.r", "link", "add", "tunnel7", "type", "bridge"]);
    run_ip(&["-n", "demo.r", "addr", "add", "10.79.0.1/24", "dev", "tunnel7"]);
    run_ip(&["-n", "demo.r", "link", "add", "v7a", "type", "veth", "peer", "name", "v7b"]);
    for words in [&["inspect", "demo", "--drift"][..], &["plan", "demo.yaml"]] {
        sandbox.run(&[words, &["--detailed-exitcode"]].concat()).expect(0);
    }
    let strict = sandbox.run(&["inspect", "demo", "--drift", "--strict", "--detailed-exitcode"]).expect(2).out;
    for learnt in ["route 10.77.0.0/16", "route 10.78.0.0/16"] {
        assert!(strict.contains(&format!("-   {learnt}")), "{learnt}: {strict}");
    }
    let made = "made by programs in nodes, left alone\n  !   interface r:tunnel7  type bridge\n  !   interface r:v7a  type veth\n  \
                !   interface r:v7b  type veth\n\n";
    assert!(strict.contains(made), "{strict}");
    sandbox.run(&["up", "demo.yaml", "--no-exec"]).expect(0);
    let routes = ip(&["-n", "demo.r", "-j", "route", "show"]).to_string();
    let addresses = ip(&["-n", "demo.r", "-j", "addr", "show"]).to_string();
    for (kept, all) in [("10.77.0.0/16", &routes), ("10.78.0.0/16", &routes), ("10.79.0.1", &addresses)] {
        assert!(all.contains(kept), "{kept} is not in {all}");
    }
    // Whoever is strict has the routes removed; what else programs made is told and left to them.
    sandbox.run(&["up", "demo.yaml", "--no-exec", "--strict"]).expect(0);
    let routes = ip(&["-n", "demo.r", "-j", "route", "show"]).to_string();
    assert!(!routes.contains("10.77.0.0") && !routes.contains("10.78.0.0"), "{routes}");
    sandbox.run(&["plan", "demo.yaml", "--strict", "--detailed-exitcode"]).expect(0);
    let strict = sandbox.run(&["inspect", "demo", "--drift", "--strict", "--detailed-exitcode"]).expect(2).out;
    assert!(
        strict.starts_with(made) && strict.contains("Plan: 0 to add, 0 to change, 0 to replace, 0 to destroy."),
        "{strict}"
    );
    for made in ["tunnel7", "v7a"] {
        run_ip(&["-n", "demo.r", "link", "del", made]);
    }
    sandbox.run(&["inspect", "demo", "--drift", "--strict", "--detailed-exitcode"]).expect(0);
    sandbox.run(&["down", "demo"]).expect(0);
    assert_same(&machine(), &before, "after down");
    Ok(())
}

fn set_by_others() -> Result<(), Failed> {
    let before = machine();
    let sandbox = sandbox();
    sandbox.run(&["up", "demo.yaml", "--no-exec"]).expect(0);
    run_ip(&["-n", "demo.r", "link", "set", "e0", "alias", "mine"]);
    run_ip(&["-n", "demo.pc", "link", "set", "e0", "down"]);
    let drift = sandbox.run(&["inspect", "demo", "--drift", "--detailed-exitcode"]).expect(2).out;
    for line in ["description mine -> cellblock demo r:e0 (drift)", "~   interface e0  state down -> up (drift)"] {
        assert!(drift.contains(line), "{line}: {drift}");
    }
    assert!(drift.contains(" 2 to change, 0 to replace, 0 to destroy"), "{drift}");
    sandbox.run(&["up", "demo.yaml", "--no-exec"]).expect(0);
    sandbox.run(&["inspect", "demo", "--drift", "--detailed-exitcode"]).expect(0);
    sandbox.run(&["test", "demo"]).expect(0);
    sandbox.run(&["down", "demo"]).expect(0);
    assert_same(&machine(), &before, "after down");
    Ok(())
}

/// Two namespaces and two interfaces of somebody else are where the lab's are to be.
fn names_of_others() -> Result<(), Failed> {
    let sandbox = sandbox();
    let host = "    me: { kind: self }\n    s: { kind: switch, driver: if_bridge }\n";
    let links = "  links:\n    - { endpoints: [ \"me:demo_a\", s ] }\n    - { endpoints: [ \"me:demo_b\", s ] }\n";
    let text = LAB.replace("    s: { kind: switch, driver: if_bridge }\n", host).replace("  links:\n", links);
    sandbox.write("demo.yaml", &text);
    for name in ["demo.pc", "demo.srv"] {
        run_ip(&["netns", "add", name]);
    }
    for name in ["demo_a", "demo_b"] {
        run_ip(&["link", "add", name, "type", "bridge"]);
    }
    let before = machine();
    for verb in ["plan", "up"] {
        let said = sandbox.run(&[verb, "demo.yaml"]).expect(78).err;
        let taken = "namespace `demo.pc`, namespace `demo.srv`, interface `demo_a`, interface `demo_b` are not ours";
        assert!(said.contains(taken), "{said}");
    }
    assert_same(&machine(), &before, "nothing is touched");
    assert!(!sandbox.path().join("state/labs/demo.journal").exists());
    for name in ["demo.pc", "demo.srv"] {
        run_ip(&["netns", "del", name]);
    }
    for name in ["demo_a", "demo_b"] {
        run_ip(&["link", "del", name]);
    }
    sandbox.run(&["up", "demo.yaml", "--no-exec"]).expect(0);
    sandbox.run(&["down", "demo"]).expect(0);
    Ok(())
}

fn strays() -> Result<(), Failed> {
    let sandbox = sandbox();
    // The same names and marks, in namespaces that nobody of us made.
    run_ip(&["netns", "add", "demo.rr"]);
    run_ip(&["-n", "demo.rr", "link", "add", "e0", "type", "bridge"]);
    run_ip(&["-n", "demo.rr", "link", "set", "e0", "alias", "cellblock demo r:e0"]);
    std::fs::create_dir_all("/run/cellblock/demo2")?;
    let (before, theirs) = (machine(), ip(&["-n", "demo.rr", "-j", "-d", "link", "show"]));
    sandbox.run(&["up", "demo.yaml", "--no-exec"]).expect(0);
    assert!(sandbox.run(&["gc"]).expect(0).out.lines().all(|line| !line.contains("demo")), "a lab that is up is none");
    std::fs::remove_file(sandbox.path().join("state/labs/demo.lab"))?;
    let found = sandbox.run(&["gc"]).expect(0).out;
    assert!(found.contains("demo") && found.contains("bears `cellblock=") && !found.contains("demo2"), "{found}");
    assert!(std::path::Path::new("/run/netns/demo.r").exists(), "it was only looked");
    sandbox.run(&["gc", "--yes"]).expect(0);
    assert_same(&machine(), &before, "after gc");
    assert_eq!(ip(&["-n", "demo.rr", "-j", "-d", "link", "show"]), theirs);
    assert!(!sandbox.run(&["gc"]).expect(0).out.contains("demo"));
    run_ip(&["netns", "del", "demo.rr"]);
    std::fs::remove_dir_all("/run/cellblock")?;
    Ok(())
}

/// A lab of so many nodes that `down` leaves its bridge to a process that ends by itself.
const WIDE: &str = r#"
version: 1
name: wide
addressing: { lan: { ipv4: 10.0.0.0/16, prefix: 16 } }
topology:
  nodes:
    s: { kind: switch, pool: lan }
    "h${n}": { kind: host, each: { n: 1..420 } }
  links:
    - { each: { n: 1..420 }, endpoints: [ "h${n}:eth0", s ] }
"#;

/// What is left behind to set a large bridge down keeps no name and no mount, and ends.
fn large() -> Result<(), Failed> {
    let before = machine();
    let sandbox = sandbox();
    sandbox.write("wide.yaml", WIDE);
    sandbox.run(&["up", "wide.yaml"]).expect(0);
    sandbox.run(&["down", "wide"]).expect(0);
    assert_same(&machine(), &before, "down");
    // The same name is free at once.
    sandbox.run(&["up", "wide.yaml"]).expect(0);
    assert!(
        sandbox.run(&["plan", "wide.yaml"]).expect(0).out.contains("Plan: 0 to add, 0 to change, 0 to replace"),
        "the second plan is empty"
    );
    sandbox.run(&["down", "--wait", "wide"]).expect(0);
    assert_same(&machine(), &before, "down --wait");
    while !called(ENDS).is_empty() {
        std::thread::yield_now();
    }
    Ok(())
}

/// It waits until the lab is out of sight. Killed then, it has done nothing, and the next commands find nothing either.
fn killed_behind() -> Result<(), Failed> {
    let before = machine();
    let sandbox = sandbox();
    sandbox.write("wide.yaml", WIDE);
    let mut killed = false;
    for _ in 0..20 {
        sandbox.run(&["up", "wide.yaml"]).expect(0);
        let mut down = sandbox.command(&["down", "wide"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let status = loop {
            for process in called(ENDS) {
                killed |= Pid::from_raw(process).is_some_and(|process| kill_process(process, Signal::KILL).is_ok());
            }
            if let Some(status) = down.try_wait()? {
                break status;
            }
        };
        assert!(status.success(), "{status}");
        assert_same(&machine(), &before, "down");
        assert!(!sandbox.run(&["gc"]).expect(0).out.contains("wide"));
        if killed {
            sandbox.run(&["up", "wide.yaml"]).expect(0);
            sandbox.run(&["down", "wide"]).expect(0);
            return Ok(());
        }
    }
    panic!("nothing called {ENDS} was seen")
}

/// Where there may be little more than one lab's namespaces, the next lab has room when `down --wait` returns: each time, by the
/// kernel's own count.
fn counted() -> Result<(), Failed> {
    let sandbox = sandbox();
    sandbox.write(
        "ring.yaml",
        "version: 1\nname: ring\ntopology:\n  nodes: { \"r${n}\": { kind: router, each: { n: 0..59 } } }\n  links:\n    - { each: \
         { n: 0..58 }, endpoints: [ \"r${n}:e1\", \"r${n + 1}:e0\" ] }\n",
    );
    let rounds = "echo 100 > /proc/sys/user/max_net_namespaces && mount -t tmpfs none /run && mkdir /run/netns || exit 99\nfor round \
                  in 1 2 3 4; do \"$0\" up ring.yaml && \"$0\" down --wait ring || exit 1; done";
    let program = env!("CARGO_BIN_EXE_cellblock");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", rounds, program]);
    command.env("CELLBLOCK_ENGINE", "linux").env("CELLBLOCK_STATE_DIR", "state").current_dir(sandbox.path());
    let said = command.output()?;
    assert!(said.status.success(), "{}: {}", said.status, String::from_utf8_lossy(&said.stderr));
    Ok(())
}

/// Who sets large bridges down.
const ENDS: &str = "cellblock-ends";

/// The processes of that name that have not ended.
fn called(name: &str) -> Vec<i32> {
    let name = format!(" ({name}) ");
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path().join("stat")));
    let texts = all.filter_map(|path| std::fs::read_to_string(path).ok());
    let ours = texts.filter(|text| text.contains(&name) && !text.contains(") Z "));
    ours.filter_map(|text| text.split(' ').next()?.parse().ok()).collect()
}
