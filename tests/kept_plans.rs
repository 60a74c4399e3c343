//! Plans that are kept, kept to some nodes, and of what somebody else changed; and what `gc` finds. In the program itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use cellblock::abi::ioctl::interface;
use cellblock::abi::{Errno, InterfaceName};
use cellblock::engine::freebsd::doors::{
    Actor, IoctlDoor as _, JailDoor as _, JailParam, NetgraphDoor as _, Sock, SocketDoor as _, SocketKind,
};
use cellblock::sim::{SimDoors, persist};
use common::Sandbox;
use ngsock::{Client, HookName, NodePath, Transport, TypeName};

const LAN: &str = "version: 1\nname: lan\ntopology:\n  nodes:\n    sw: { kind: switch }\n    a: { kind: host }\n    \
                   b: { kind: host, sysctls: { net.inet.ip.ttl: 20 } }\n  links:\n    \
                   - { endpoints: [ \"a:eth0\", sw ], ipv4: [ 10.0.0.1/24, ~ ] }\n    \
                   - { endpoints: [ \"b:eth0\", sw ], ipv4: [ 10.0.0.2/24, ~ ] }\n";

fn lan() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("lan.yaml", LAN);
    sandbox
}

/// Does something to the simulated kernel behind the back of the program.
fn behind_its_back(sandbox: &Sandbox, change: impl FnOnce(&mut SimDoors)) {
    let file = sandbox.state().join("sim.kernel");
    let mut doors = SimDoors::new(persist::load(&file).unwrap());
    change(&mut doors);
    persist::save(&doors.into_kernel(), &file).unwrap();
}

/// Makes an interface inside a jail, as a program there would.
fn make_interface(sandbox: &Sandbox, jail: &str, cloner: &str) {
    behind_its_back(sandbox, |doors| {
        let jid = doors.jail_get(&mut [JailParam::string("name", jail)], 0).unwrap();
        let helper = doors.helper_start(jid).unwrap();
        let sock = doors.open(Actor::Helper(helper), SocketKind::Inet).unwrap();
        let mut call = interface::create(InterfaceName::new(cloner).unwrap());
        doors.ioctl(sock, call.request, &mut call.argument).unwrap();
        doors.close(sock);
        doors.helper_end(helper);
    });
}

fn remove_jail(sandbox: &Sandbox, name: &str) {
    behind_its_back(sandbox, |doors| {
        let jid = doors.jail_get(&mut [JailParam::string("name", name)], 0).unwrap();
        doors.jail_remove(jid).unwrap();
    });
}

#[test]
fn a_plan_in_a_file_is_carried_out_once() {
    let sandbox = lan();
    let shown = sandbox.run(&["plan", "lan.yaml", "--out", "a.plan"]).expect(0).out;
    assert!(std::fs::read_to_string(sandbox.path().join("a.plan")).unwrap().starts_with("#cellblock-plan 1 "));
    // The file is not needed any more.
    sandbox.write("lan.yaml", "nonsense");
    let said = sandbox.run(&["apply", "a.plan"]).expect(0);
    assert!(said.out.contains("lab up in") && said.out.contains("3 nodes"), "{}", said.out);
    assert!(shown.contains("+   jail lan.a"), "{shown}");
    // What was to be made is there now: the plan fits no more, and says what has come.
    let said = sandbox.run(&["apply", "a.plan"]).expect(65);
    assert!(said.err.contains("has moved") && said.err.contains("jail lan.a of a has come"), "{}", said.err);
    sandbox.write("lan.yaml", LAN);
    sandbox.run(&["diff", "lan.yaml", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_plan_is_refused_when_the_world_has_moved_and_says_where() {
    let sandbox = lan();
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    sandbox.write("lan.yaml", &LAN.replace("10.0.0.1/", "10.0.0.9/"));
    sandbox.run(&["plan", "lan.yaml", "--out", "b.plan", "--detailed-exitcode"]).expect(2);
    remove_jail(&sandbox, "lan.b");
    let before = sandbox.run(&["inspect", "lan", "--format", "json"]).expect(0).out;
    let said = sandbox.run(&["apply", "b.plan"]).expect(65);
    assert!(said.err.contains("the kernel: jail lan.b of b is gone"), "{}", said.err);
    assert_eq!(sandbox.run(&["inspect", "lan", "--format", "json"]).expect(0).out, before);
}

#[test]
fn damaged_cut_and_foreign_plans_are_refused() {
    let sandbox = lan();
    sandbox.run(&["plan", "lan.yaml", "--out", "a.plan", "-q"]).expect(0);
    let whole = std::fs::read(sandbox.path().join("a.plan")).unwrap();
    for (place, says) in [(0, "not a plan"), (17, "damaged"), (30, "damaged"), (whole.len() / 2, "damaged")] {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        for octets in [&changed[..], &whole[..place]] {
            std::fs::write(sandbox.path().join("bad.plan"), octets).unwrap();
            let said = sandbox.run(&["apply", "bad.plan"]).expect(65);
            assert!(
                said.err.contains("plan") && (octets.len() != whole.len() || said.err.contains(says)),
                "{}",
                said.err
            );
        }
    }
    sandbox.run(&["apply", "lan.yaml"]).expect(65);
    sandbox.run(&["apply", "none.plan"]).expect(66);
    sandbox.run(&["inspect", "lan"]).expect(66);
}

#[test]
fn a_target_is_changed_alone_and_the_rest_follows_later() {
    let sandbox = lan();
    sandbox.run(&["up", "lan.yaml", "-q", "--target", "a"]).expect(0);
    let held = sandbox.run(&["inspect", "lan", "--format", "json"]).expect(0).out;
    assert!(held.contains("10.0.0.1/24") && !held.contains("10.0.0.2/24"), "{held}");
    let rest = sandbox.run(&["plan", "lan.yaml"]).expect(0).out;
    assert!(rest.contains("jail lan.b") && !rest.contains("jail lan.a"), "{rest}");
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    // Two edits, of which one is done.
    sandbox.write("lan.yaml", &LAN.replace("10.0.0.1/", "10.0.0.9/").replace("ttl: 20", "ttl: 30"));
    let plan = sandbox.run(&["plan", "lan.yaml", "--target", "b"]).expect(0).out;
    assert!(
        plan.contains("value 20 -> 30") && plan.contains("0 to add, 1 to change, 0 to replace, 0 to destroy"),
        "{plan}"
    );
    sandbox.run(&["up", "lan.yaml", "-q", "--target", "b"]).expect(0);
    let rest = sandbox.run(&["plan", "lan.yaml"]).expect(0).out;
    assert!(rest.contains("10.0.0.9/24") && !rest.contains("ttl"), "{rest}");
    sandbox.run(&["plan", "lan.yaml", "--target", "nobody"]).expect(66);
    sandbox.run(&["down", "lan", "-q"]).expect(0);
    assert_eq!(sandbox.run(&["gc", "--engine", "sim"]).expect(0).out, "nothing is left of any lab\n");
}

#[test]
fn drift_is_told_from_edits() {
    let sandbox = lan();
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    assert_eq!(
        sandbox.run(&["inspect", "lan", "--drift", "--detailed-exitcode"]).expect(0).out,
        "nothing has drifted\n"
    );
    remove_jail(&sandbox, "lan.b");
    sandbox.write("lan.yaml", &LAN.replace("10.0.0.1/", "10.0.0.9/"));
    let drift = sandbox.run(&["inspect", "lan", "--drift", "--detailed-exitcode"]).expect(2).out;
    assert!(
        drift.contains("jail lan.b (drift)")
            || drift.lines().any(|line| line.contains("jail lan.b") && line.ends_with("(drift)")),
        "{drift}"
    );
    assert!(!drift.contains("10.0.0.9"), "{drift}");
    let plan = sandbox.run(&["diff", "lan.yaml"]).expect(0).out;
    let line = |text: &str| plan.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}:\n{plan}"));
    assert!(!line("10.0.0.9/24").ends_with("(drift)"), "{plan}");
    assert!(line("10.0.0.2/24").ends_with("(drift)"), "{plan}");
    let json = sandbox.run(&["plan", "lan.yaml", "--format", "json"]).expect(0).out;
    assert!(json.contains("\"cause\": \"drift\""), "{json}");
}

#[test]
fn what_programs_make_in_nodes_is_told_to_whoever_is_strict() {
    let sandbox = lan();
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    let drift = |more: &[&str], code: i32| {
        sandbox.run(&[&["inspect", "lan", "--drift", "--detailed-exitcode"], more].concat()).expect(code).out
    };
    assert_eq!(drift(&["--strict"], 0), "nothing has drifted\n");
    make_interface(&sandbox, "lan.a", "gif");
    make_interface(&sandbox, "lan.b", "lo");
    assert_eq!(drift(&[], 0), "nothing has drifted\n");
    assert!(!drift(&["--format", "json"], 0).contains("\"made\""));
    let said = drift(&["--strict"], 2);
    let made =
        "made by programs in nodes, left alone\n  !   interface a:gif0  type gif\n  !   interface b:lo1  type lo\n\n";
    assert_eq!(said, format!("{made}Plan: 0 to add, 0 to change, 0 to replace, 0 to destroy.\n"));
    let json: serde_json::Value = serde_json::from_str(&drift(&["--strict", "--format", "json"], 2)).unwrap();
    let gif = serde_json::json!({ "node": "a", "kind": "interface", "name": "gif0", "type": "gif" });
    assert_eq!((&json["made"][0], json["made"].as_array().map(Vec::len)), (&gif, Some(2)), "{json}");
    // Nothing is done about it, by whoever is strict neither.
    sandbox.run(&["plan", "lan.yaml", "--strict", "--detailed-exitcode"]).expect(0);
    sandbox.run(&["up", "lan.yaml", "-q", "--strict"]).expect(0);
    assert_eq!(drift(&["--strict"], 2), said);
    sandbox.run(&["down", "lan", "-q"]).expect(0);
}

/// A control socket of a program in a jail.
struct Wire<'d>(&'d mut SimDoors, Sock);

impl Transport for Wire<'_> {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        self.0.netgraph_send(self.1, path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.0.netgraph_receive(self.1, buffer)
    }
}

#[test]
fn netgraph_nodes_of_programs_in_nodes_are_told_to_whoever_is_strict() {
    let sandbox = lan();
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    behind_its_back(&sandbox, |doors| {
        let jid = doors.jail_get(&mut [JailParam::string("name", "lan.b")], 0).unwrap();
        let helper = doors.helper_start(jid).unwrap();
        let sock = doors.open(Actor::Helper(helper), SocketKind::Netgraph).unwrap();
        let hook = |name: &str| HookName::new(name).unwrap();
        let mut client = Client::new(Wire(doors, sock));
        client.mkpeer(&NodePath::here(), &TypeName::new("eiface").unwrap(), &hook("up"), &hook("ether")).unwrap();
        doors.close(sock);
        doors.helper_end(helper);
    });
    let drift = |more: &[&str], code: i32| {
        sandbox.run(&[&["inspect", "lan", "--drift", "--detailed-exitcode"], more].concat()).expect(code).out
    };
    assert_eq!(drift(&[], 0), "nothing has drifted\n");
    let said = drift(&["--strict"], 2);
    let made = "made by programs in nodes, left alone\n  !   interface b:ngeth0\n  !   netgraph b:ngeth0  type eiface\n\nPlan: 0 to add";
    assert!(said.starts_with(made), "{said}");
    // Whoever does not ask for it does not see it.
    assert!(!sandbox.run(&["inspect", "lan", "--format", "json"]).expect(0).out.contains("\"inside\""));
    sandbox.run(&["plan", "lan.yaml", "--strict", "--detailed-exitcode"]).expect(0);
    sandbox.run(&["down", "lan", "-q"]).expect(0);
}

#[test]
fn a_renamed_node_is_recognised() {
    let sandbox = lan();
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    sandbox.write("lan.yaml", &LAN.replace("    a:", "    z:").replace("a:eth0", "z:eth0"));
    let plan = sandbox.run(&["plan", "lan.yaml"]).expect(0).out;
    assert!(plan.contains("node a is now called z"), "{plan}");
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    sandbox.run(&["plan", "lan.yaml", "--detailed-exitcode"]).expect(0);
}

#[test]
fn gc_finds_what_no_record_knows_and_removes_it_when_told() {
    let sandbox = lan();
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    sandbox.run(&["up", "lan.yaml", "--name", "other", "-q"]).expect(0);
    assert_eq!(sandbox.run(&["gc", "--engine", "sim"]).expect(0).out, "nothing is left of any lab\n");
    std::fs::remove_file(sandbox.state().join("labs/lan.lab")).unwrap();
    std::fs::write(sandbox.state().join("labs/torn.journal"), "cellblock lab").unwrap();
    let found = sandbox.run(&["gc", "--engine", "sim"]).expect(0).out;
    assert!(found.contains("lab lan: the kernel holds it") && found.contains("- jail lan.a"), "{found}");
    assert!(found.contains("torn.journal is damaged") && !found.contains("lab other"), "{found}");
    let json = sandbox.run(&["gc", "--engine", "sim", "--yes", "--format", "json"]).expect(0).out;
    assert!(json.contains("\"removed\": 1"), "{json}");
    let found = sandbox.run(&["gc", "--engine", "sim"]).expect(0).out;
    assert!(!found.contains("lab lan") && found.contains("torn"), "{found}");
    sandbox.run(&["plan", "lan.yaml", "--name", "other", "--detailed-exitcode"]).expect(0);
    sandbox.run(&["down", "other", "-q"]).expect(0);
}

#[test]
fn nodes_that_were_stopped_are_no_drift() {
    let sandbox = lan();
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    sandbox.run(&["stop", "b@lan"]).expect(0);
    let drift = |code: i32| sandbox.run(&["inspect", "lan", "--drift", "--detailed-exitcode"]).expect(code).out;
    let said = drift(0);
    assert!(said.contains("node b is stopped: `start` starts it") && said.contains("nothing has drifted"), "{said}");
    // A plan says what `up` would do, which starts it, and that nobody broke it.
    let plan = sandbox.run(&["plan", "lan.yaml"]).expect(0).out;
    assert!(plan.contains("+   jail lan.b") && plan.contains("node b is stopped: `up` starts it"), "{plan}");
    assert!(!plan.contains("drift"), "{plan}");
    let plan = sandbox.run(&["plan", "lan.yaml", "--target", "a"]).expect(0).out;
    assert!(plan.contains("node b is stopped: it stays so") && plan.contains("Plan: 0 to add"), "{plan}");
    // A change of another node leaves it stopped.
    sandbox.write("lan.yaml", &LAN.replace("10.0.0.1/", "10.0.0.9/"));
    sandbox.run(&["up", "lan.yaml", "-q", "--target", "a"]).expect(0);
    assert!(drift(0).contains("node b is stopped"));
    // What somebody else took away is drift, beside it, and stays so when another node is stopped.
    remove_jail(&sandbox, "lan.a");
    let said = drift(2);
    assert!(said.contains("+   jail lan.a") && !said.contains("+   jail lan.b"), "{said}");
    sandbox.run(&["start", "b@lan"]).expect(0);
    assert!(!drift(2).contains("stopped"));
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    assert_eq!(drift(0), "nothing has drifted\n");
}

#[test]
fn a_sysctl_that_the_file_does_not_set_any_more_gets_its_first_value_back() {
    let sandbox = lan();
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    // Of a node that was new, and of one that was there.
    sandbox.write("lan.yaml", &LAN.replace("a: { kind: host }", "a: { kind: host, sysctls: { net.inet.ip.ttl: 30 } }"));
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    sandbox.write("lan.yaml", &LAN.replace(", sysctls: { net.inet.ip.ttl: 20 }", ""));
    let plan = sandbox.run(&["plan", "lan.yaml"]).expect(0).out;
    for value in ["20 -> 64", "30 -> 64"] {
        assert!(plan.contains(&format!("~   sysctl net.inet.ip.ttl  value {value}")), "{plan}");
    }
    assert!(plan.contains("Plan: 0 to add, 2 to change, 0 to replace, 0 to destroy.") && !plan.contains("not known"));
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    sandbox.run(&["plan", "lan.yaml", "--detailed-exitcode"]).expect(0);
    // It is there: what is set again begins from it.
    sandbox.write("lan.yaml", LAN);
    let plan = sandbox.run(&["plan", "lan.yaml"]).expect(0).out;
    assert!(plan.contains("value 64 -> 20"), "{plan}");
    // A jail that is made again has a first value of its own.
    sandbox.run(&["up", "lan.yaml", "-q"]).expect(0);
    sandbox.run(&["restart", "b@lan"]).expect(0);
    sandbox.write("lan.yaml", &LAN.replace(", sysctls: { net.inet.ip.ttl: 20 }", ""));
    let plan = sandbox.run(&["plan", "lan.yaml"]).expect(0).out;
    assert!(plan.contains("value 20 -> 64"), "{plan}");
}
