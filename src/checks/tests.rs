use std::collections::BTreeMap;

use super::*;
use crate::diagnostic::Origin;
use crate::model::{
    Address, AddressReason, Delay, IfName, Interface, LabName, LinkId, Mac, Mtu, MtuReason, Node, NodeKind, NodeName,
    Routing, SwitchDriver,
};

fn address(text: &str) -> Address {
    Address { net: text.parse().unwrap(), why: AddressReason::Given, origin: Origin::NOWHERE }
}

fn node(name: &str, kind: NodeKind, interfaces: &[(&str, &[&str])]) -> Node {
    let mut node = Node {
        name: At::nowhere(NodeName::new(name).unwrap()),
        kind,
        interfaces: BTreeMap::new(),
        loopback: Vec::new(),
        routes: Vec::new(),
        sysctls: BTreeMap::new(),
        linux_sysctls: BTreeMap::new(),
        jail: BTreeMap::new(),
        labels: BTreeMap::new(),
        exec: Vec::new(),
        rootfs: At::default(),
        limits: BTreeMap::new(),
        cpus: None,
        firewall: None,
    };
    for (name, addresses) in interfaces {
        let addresses = addresses.iter().map(|text| address(text)).collect();
        if *name == LOOPBACK {
            node.loopback = addresses;
            continue;
        }
        let interface = Interface {
            link: LinkId(0),
            end: 0,
            mac: Mac([2, 0, 0, 0, 0, 1]),
            mac_given: false,
            mac_origin: Origin::NOWHERE,
            mtu: Mtu::try_from(1500).unwrap(),
            mtu_why: MtuReason::Ethernet,
            mtu_origin: Origin::NOWHERE,
            addresses,
            origin: Origin::NOWHERE,
        };
        node.interfaces.insert(IfName::new(name).unwrap(), interface);
    }
    node
}

fn lab(checks: &[(Expect, &str, &str, FamilyChoice)]) -> Model {
    let checks = checks.iter().map(|&(expect, from, to, family)| {
        At::nowhere(CheckSpec {
            expect,
            from: At::nowhere(from.to_owned()),
            to: At::nowhere(to.to_owned()),
            family,
            timeout: Delay(1_000_000_000),
            count: 3,
        })
    });
    Model {
        lab: LabName::new("test").unwrap(),
        routing: Routing::None,
        nodes: vec![
            node("floor", NodeKind::Switch(SwitchDriver::Netgraph), &[]),
            node("pc1", NodeKind::Host, &[("eth0", &["10.0.0.1/24", "fd00::1/64"])]),
            node("pc2", NodeKind::Host, &[("eth0", &["10.0.0.2/24"])]),
            node("r1", NodeKind::Router, &[("eth0", &["10.0.0.3/24", "fd00::3/64"]), ("lo", &["10.9.0.1/32"])]),
        ],
        links: Vec::new(),
        segments: Vec::new(),
        checks: checks.collect(),
    }
}

fn pairs(from: &str, to: &str, family: FamilyChoice) -> Vec<String> {
    let model = lab(&[(Expect::Reach, from, to, family)]);
    let checks = compile(&model).expect("patterns match");
    checks[0].probes().map(|probe| probe.describe(&model)).collect()
}

#[test]
fn every_address_of_every_matched_interface_in_the_families_of_the_sender() {
    assert_eq!(
        pairs("pc*", "r1", FamilyChoice::Any),
        [
            "pc1 -> r1:eth0 (10.0.0.3)",
            "pc1 -> r1:eth0 (fd00::3)",
            "pc1 -> r1:lo (10.9.0.1)",
            "pc2 -> r1:eth0 (10.0.0.3)",
            "pc2 -> r1:lo (10.9.0.1)",
        ]
    );
    assert_eq!(pairs("pc*", "r1:lo", FamilyChoice::Any).len(), 2);
    assert_eq!(pairs("*", "*", FamilyChoice::V6), ["pc1 -> r1:eth0 (fd00::3)", "r1 -> pc1:eth0 (fd00::1)"]);
}

#[test]
fn a_node_does_not_check_itself_and_layer_2_nodes_are_skipped() {
    let all = pairs("*", "*", FamilyChoice::V4);
    assert_eq!(all.len(), 2 * 2 + 3 + 1, "{all:?}");
    assert!(all.iter().all(|pair| !pair.contains("floor")));
}

#[test]
fn a_check_without_a_pair_is_an_error() {
    let found = compile(&lab(&[(Expect::Reach, "pc1", "pc1", FamilyChoice::Any)])).expect_err("a node checks itself");
    assert_eq!(found.iter().map(|d| d.code).collect::<Vec<_>>(), ["M068"]);
}

#[test]
fn verdicts_follow_what_was_wanted() {
    let model =
        lab(&[(Expect::Reach, "pc1", "pc2", FamilyChoice::Any), (Expect::NoReach, "pc1", "pc2", FamilyChoice::Any)]);
    let checks = compile(&model).unwrap();
    let answered = ProbeResult::Answered { attempt: 1, after: Duration::from_millis(1) };
    let unreachable = ProbeResult::Unreachable { why: "no route to host".into() };
    let failed = ProbeResult::Failed { why: "no buffer space available".into() };
    let verdicts = |result: &ProbeResult| checks.iter().map(|check| check.judge(result)).collect::<Vec<_>>();
    assert_eq!(verdicts(&answered), [Verdict::Pass, Verdict::Fail]);
    assert_eq!(verdicts(&ProbeResult::Silent), [Verdict::Fail, Verdict::Pass]);
    assert_eq!(verdicts(&unreachable), [Verdict::Fail, Verdict::Pass]);
    assert_eq!(verdicts(&failed), [Verdict::Error, Verdict::Error]);
}
