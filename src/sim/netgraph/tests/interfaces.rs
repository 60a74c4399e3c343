//! Nodes with interfaces behind them: eiface and ether.

use ngsock::node::{eiface, ether};

use super::*;
use crate::sim::ifnet;
use crate::sim::persist;

fn index(lab: &Lab, vnet: VnetId, name: &str) -> IfIndex {
    ifnet::find(&lab.kernel, vnet, name).unwrap()
}

fn interface_name(lab: &mut Lab, path: &str) -> String {
    lab.call(path, &eiface::GetInterfaceName).unwrap().to_string()
}

fn up(lab: &mut Lab, index: IfIndex) {
    ifnet::set_flags(&mut lab.kernel, index, 0x1, true).unwrap();
}

#[test]
fn an_eiface_is_named_like_its_interface_and_numbered_from_below() {
    let mut lab = Lab::new();
    for (hook, expected) in [("a", "ngeth0"), ("b", "ngeth1"), ("c", "ngeth2")] {
        lab.mkpeer(".:", "eiface", hook, "ether").unwrap();
        assert_eq!(interface_name(&mut lab, &format!("{expected}:")), expected);
    }
    lab.shutdown("ngeth1:").unwrap();
    assert_eq!(ifnet::find(&lab.kernel, VnetId::HOST, "ngeth1"), None);
    lab.name("c", "ngeth1").unwrap();
    lab.mkpeer(".:", "eiface", "d", "ether").unwrap();
    assert_eq!(interface_name(&mut lab, "d"), "ngeth1");
    let info = lab.call("d", &ngsock::generic::GetNodeInfo).unwrap();
    assert!(info.name.is_empty(), "another node has the name");
    assert_eq!(lab.mkpeer(".:", "eiface", "e", "other"), Err(Errno::EPFNOSUPPORT));
    assert_eq!(lab.connect(".:", "ngeth0:", "f", "ether"), Err(Errno::EEXIST));
}

#[test]
fn an_eiface_stays_while_its_interface_is_moved_and_renamed() {
    let mut lab = Lab::new();
    let jail = lab.kernel.new_vnet(Some(1));
    lab.mkpeer(".:", "eiface", "a", "ether").unwrap();
    let index = index(&lab, VnetId::HOST, "ngeth0");
    ifnet::give(&mut lab.kernel, index, jail, true).unwrap();
    ifnet::rename(&mut lab.kernel, index, "eth0").unwrap();
    assert_eq!(interface_name(&mut lab, "ngeth0:"), "eth0");
    let mac = ngsock::MacAddress([2, 0, 0, 0, 0, 9]);
    lab.call("ngeth0:", &eiface::SetMacAddress(mac)).unwrap();
    let addresses = lab.call("ngeth0:", &eiface::GetInterfaceAddresses).unwrap();
    let link = addresses.iter().next().unwrap().to_vec();
    assert_eq!((link.len(), link[1], &link[8..12], &link[12..18]), (56, 18, &b"eth0"[..], &mac.0[..]));
    lab.mkpeer(".:", "eiface", "b", "ether").unwrap();
    assert_eq!(interface_name(&mut lab, "b"), "ngeth1", "the number is taken wherever the interface is");
    lab.shutdown("ngeth0:").unwrap();
    assert!(lab.kernel.interfaces.get(index).is_none());
}

#[test]
fn the_carrier_of_an_eiface_follows_its_hook_and_what_the_neighbour_tells() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "eiface", "a", "ether").unwrap();
    let index = index(&lab, VnetId::HOST, "ngeth0");
    let carrier = |lab: &Lab| lab.kernel.interfaces.get(index).unwrap().link_up;
    assert!(carrier(&lab));
    lab.rmhook(".:", "a");
    assert!(!carrier(&lab));
    lab.mkpeer("ngeth0:", "pipe", "ether", "upper").unwrap();
    assert!(carrier(&lab));
    let dead = pipe::DirectionChanges { bits_per_error: pipe::Setting::Set(1), ..pipe::DirectionChanges::default() };
    let changes = pipe::Changes { upstream: dead, ..pipe::Changes::default() };
    lab.mkpeer("ngeth0:ether", "hole", "lower", "h").unwrap();
    lab.call("ngeth0:ether", &pipe::SetConfig(changes)).unwrap();
    assert!(!carrier(&lab));
    let alive = pipe::DirectionChanges { bits_per_error: pipe::Setting::Reset, ..pipe::DirectionChanges::default() };
    let changes = pipe::Changes { upstream: alive, ..pipe::Changes::default() };
    lab.call("ngeth0:ether", &pipe::SetConfig(changes)).unwrap();
    assert!(carrier(&lab));
}

#[test]
fn a_dying_vnet_takes_its_eifaces_along_wherever_they_are() {
    let mut lab = Lab::new();
    let jail = lab.kernel.new_vnet(Some(1));
    let sock = open(&mut lab.kernel, jail, Some(1));
    let host_sock = std::mem::replace(&mut lab.sock, sock);
    lab.mkpeer(".:", "eiface", "a", "ether").unwrap();
    let index = index(&lab, jail, "ngeth0");
    ifnet::give(&mut lab.kernel, index, VnetId::HOST, true).unwrap();
    vnet_destroy(&mut lab.kernel, jail);
    assert!(lab.kernel.interfaces.get(index).is_none());
    assert_eq!(lab.kernel.vnets[&jail].netgraph.node_count(), 0);
    lab.sock = host_sock;
    assert!(lab.exists(".:"));
}

/// An epair on the host with ether nodes; both ends up.
fn epair_lab() -> (Lab, IfIndex, IfIndex) {
    let mut lab = Lab::new();
    lab.kernel.modules.insert("if_epair".to_owned());
    let a = ifnet::create(&mut lab.kernel, VnetId::HOST, "epair", None).unwrap();
    let b = index(&lab, VnetId::HOST, "epair0b");
    load_module(&mut lab.kernel, "ng_ether").unwrap();
    up(&mut lab, a);
    up(&mut lab, b);
    (lab, a, b)
}

#[test]
fn every_ethernet_interface_has_an_ether_node_once_the_module_is_there() {
    let (mut lab, a, _) = epair_lab();
    assert!(lab.exists("epair0a:") && lab.exists("epair0b:") && !lab.exists("lo0:"));
    ifnet::rename(&mut lab.kernel, a, "with.dot").unwrap();
    assert!(lab.exists("with_dot:") && !lab.exists("epair0a:"));
    lab.mkpeer("with_dot:", "hole", "lower", "h").unwrap();
    assert_eq!(lab.mkpeer("with_dot:", "hole", "divert", "h"), Err(Errno::EISCONN));
    assert_eq!(lab.mkpeer("with_dot:", "hole", "side", "h"), Err(Errno::EINVAL));
    let jail = lab.kernel.new_vnet(Some(1));
    ifnet::give(&mut lab.kernel, a, jail, true).unwrap();
    assert!(!lab.exists("with_dot:"), "it left with all its hooks");
    assert_eq!(lab.kernel.vnets[&jail].netgraph.node_count(), 1);
    ifnet::give(&mut lab.kernel, a, VnetId::HOST, false).unwrap();
    assert!(lab.exists("with_dot:"));
    assert!(lab.call("with_dot:", &ngsock::generic::ListHooks).unwrap().links.is_empty());
    lab.mkpeer(".:", "eiface", "e", "ether").unwrap();
    let names = lab.call(".:", &ngsock::generic::ListNames).unwrap().0;
    assert_eq!(names.iter().filter(|node| node.name == "ngeth0").count(), 1, "an eiface has none where its name is");
}

#[test]
fn an_ether_node_comes_back_from_a_shutdown_and_not_from_a_detachment() {
    let (mut lab, a, _) = epair_lab();
    lab.call("epair0a:", &ether::SetPromiscuous(1)).unwrap();
    assert_ne!(lab.kernel.interfaces.get(a).unwrap().flags & 0x100, 0);
    lab.mkpeer("epair0a:", "hole", "lower", "h").unwrap();
    lab.shutdown("epair0a:").unwrap();
    assert!(lab.call("epair0a:", &ngsock::generic::ListHooks).unwrap().links.is_empty());
    assert_eq!(lab.call("epair0a:", &ether::GetPromiscuous), Ok(0));
    assert_eq!(lab.kernel.interfaces.get(a).unwrap().flags & 0x100, 0);
    let group = ngsock::MacAddress([1, 0, 0x5e, 0, 0, 5]);
    lab.call("epair0a:", &ether::AddMulticast(group)).unwrap();
    assert_eq!(lab.call("epair0a:", &ether::AddMulticast(group)), Err(Errno::EADDRINUSE));
    lab.call("epair0a:", &ether::RemoveMulticast(group)).unwrap();
    lab.call("epair0a:", &ether::Detach).unwrap();
    assert!(!lab.exists("epair0a:"));
}

#[test]
fn frames_pass_by_the_hooks_of_an_ether_node() {
    let (mut lab, _, b) = epair_lab();
    lab.mkpeer(".:", "hub", "s", "x").unwrap();
    lab.name("s", "hub").unwrap();
    lab.connect("epair0a:", "hub:", "lower", "low").unwrap();
    lab.mkpeer("epair0b:", "hole", "lower", "h").unwrap();
    // Out of one end and into the other, whose lower hook takes it from its stack.
    lab.emit("s", &frame(255, 1));
    assert_eq!(lab.swallowed("epair0b:lower"), 1);
    // From the far stack into our lower hook, back to the socket's node; what the host sends goes to upper.
    lab.mkpeer("epair0b:", "hole", "upper", "h").unwrap();
    assert_eq!(ether_output(&mut lab.kernel, b, frame(255, 2)), None);
    lab.kernel.settle();
    assert_eq!(lab.swallowed("epair0b:upper"), 1);
    lab.rmhook("epair0b:", "upper");
    assert_eq!(ether_output(&mut lab.kernel, b, frame(255, 2)), Some(frame(255, 2)));
}

#[test]
fn two_eifaces_on_a_bridge_hear_each_other() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "bridge", "b", "link0").unwrap();
    lab.name("b", "br").unwrap();
    lab.mkpeer("br:", "eiface", "link1", "ether").unwrap();
    lab.mkpeer("br:", "eiface", "link2", "ether").unwrap();
    let (one, two) = (index(&lab, VnetId::HOST, "ngeth0"), index(&lab, VnetId::HOST, "ngeth1"));
    ifnet::transmit(&mut lab.kernel, one, frame(255, 1));
    lab.kernel.settle();
    let received = |lab: &mut Lab, link| {
        let stats = lab.call("br:", &bridge::GetStats(bridge::LinkHook::link(link).unwrap())).unwrap();
        (stats.received_frames, stats.sent_frames)
    };
    assert_eq!(received(&mut lab, 1), (0, 0), "down");
    up(&mut lab, one);
    up(&mut lab, two);
    lab.kernel.settle();
    let before = received(&mut lab, 2);
    ifnet::transmit(&mut lab.kernel, one, frame(255, 1));
    lab.kernel.settle();
    assert_eq!(received(&mut lab, 2).1, before.1 + 1);
    let octets = persist::encode(&lab.kernel).unwrap();
    let mut loaded = persist::decode(&octets).unwrap();
    assert_eq!(loaded.vnets[&VnetId::HOST].netgraph.node_count(), 3, "all but the socket's node");
    ifnet::transmit(&mut loaded, one, frame(255, 1));
    loaded.settle();
}
