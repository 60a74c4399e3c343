//! Nodes of what is outside the graph: iface, device, ksocket, nat, l2tp, pppoe.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ngsock::name::ShortBytes;
use ngsock::node::{device, iface, ksocket, l2tp, nat, pppoe};

use super::*;
use crate::sim::ifnet;
use crate::sim::stack::{self, NewAddress4};

fn node(lab: &mut Lab, kind: &str, hook: &str) {
    lab.mkpeer(".:", kind, "s", hook).unwrap();
    lab.name("s", "node").unwrap();
}

/// `ifconfig ngN ADDRESS PEER`.
fn point_to_point(lab: &mut Lab, vnet: VnetId, name: &str, address: [u8; 4], peer: [u8; 4]) -> IfIndex {
    let index = ifnet::find(&lab.kernel, vnet, name).unwrap();
    let new = NewAddress4 { address: address.into(), length: 32, broadcast: None, peer: Some(peer.into()) };
    stack::add_address4(&mut lab.kernel, index, &new).unwrap();
    ifnet::set_flags(&mut lab.kernel, index, 0x1, true).unwrap();
    index
}

#[test]
fn two_ifaces_carry_packets_between_two_stacks() {
    let mut lab = Lab::new();
    let jail = lab.kernel.new_vnet(Some(1));
    lab.mkpeer(".:", "iface", "a", "inet").unwrap();
    lab.rmhook(".:", "a");
    lab.mkpeer("ng0:", "iface", "inet", "inet").unwrap();
    let far = ifnet::find(&lab.kernel, VnetId::HOST, "ng1").unwrap();
    ifnet::give(&mut lab.kernel, far, jail, true).unwrap();
    let near = point_to_point(&mut lab, VnetId::HOST, "ng0", [10, 0, 0, 1], [10, 0, 0, 2]);
    point_to_point(&mut lab, jail, "ng1", [10, 0, 0, 2], [10, 0, 0, 1]);
    let sock = open(&mut lab.kernel, VnetId::HOST, None);
    lab.kernel.sockets.open.get_mut(&sock).unwrap().protocol = Protocol::Icmp(stack::RawSocket::default());
    let echo = [8, 0, 0xf7, 0xfd, 0, 1, 0, 1];
    let to = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    stack::raw_send(&mut lab.kernel, sock, to, 0, &echo).unwrap();
    lab.kernel.settle();
    let (from, reply) = stack::raw_receive(&mut lab.kernel, sock).unwrap();
    assert_eq!((from, reply[20]), (to, 0), "an echo reply");
    let counters = lab.kernel.interfaces.get(near).unwrap().net.counters;
    assert_eq!((counters.output_packets, counters.output_bytes), (1, 28));
    assert_eq!((counters.input_packets, counters.input_bytes), (1, 28));
    assert_eq!(lab.call("ng0:", &iface::Broadcast), Err(Errno::EBUSY), "it is up");
    lab.shutdown("ng0:").unwrap();
    assert!(lab.kernel.interfaces.get(near).is_none());
    assert_eq!(lab.mkpeer(".:", "iface", "b", "ether"), Err(Errno::EPFNOSUPPORT));
}

#[test]
fn devices_are_numbered_and_have_one_hook() {
    let mut lab = Lab::new();
    for (hook, expected) in [("a", "ngd0"), ("b", "ngd1")] {
        lab.mkpeer(".:", "device", hook, "d").unwrap();
        assert_eq!(lab.call(hook, &device::GetDeviceName).unwrap().0.as_str(), Some(expected));
        assert!(lab.exists(&format!("{expected}:")));
    }
    assert_eq!(lab.connect(".:", "ngd0:", "c", "other"), Err(Errno::EISCONN));
    lab.rmhook(".:", "a");
    lab.mkpeer(".:", "device", "a", "d").unwrap();
    assert_eq!(lab.call("a", &device::GetDeviceName).unwrap().0.as_str(), Some("ngd0"), "the lowest free one");
}

fn address(text: &str) -> ksocket::SocketAddress {
    text.parse::<SocketAddr>().unwrap().into()
}

#[test]
fn a_ksocket_knows_its_names_and_refuses_what_is_taken() {
    let mut lab = Lab::new();
    node(&mut lab, "ksocket", "inet/dgram/udp");
    assert_eq!(lab.call("node:", &ksocket::GetName), Ok(address("0.0.0.0:0")));
    assert_eq!(lab.call("node:", &ksocket::GetPeerName), Err(Errno::ENOTCONN));
    assert_eq!(lab.call("node:", &ksocket::Bind(address("10.9.9.9:1"))), Err(Errno::EADDRNOTAVAIL));
    assert_eq!(lab.call("node:", &ksocket::Bind(address("[::1]:1"))), Err(Errno::EAFNOSUPPORT));
    lab.call("node:", &ksocket::Bind(address("127.0.0.1:4444"))).unwrap();
    assert_eq!(lab.call("node:", &ksocket::Bind(address("127.0.0.1:4445"))), Err(Errno::EINVAL), "twice");
    lab.mkpeer(".:", "ksocket", "t", "inet/dgram/17").unwrap();
    assert_eq!(lab.call("t", &ksocket::Bind(address("127.0.0.1:4444"))), Err(Errno::EADDRINUSE));
    lab.call("t", &ksocket::Connect(address("127.0.0.1:4444"))).unwrap();
    assert_eq!(lab.call("t", &ksocket::GetName), Ok(address("0.0.0.0:10000")));
    let reuse = ksocket::SocketOption { level: 0xffff, name: 4, value: 1_i32.to_ne_bytes().to_vec() };
    lab.call("t", &ksocket::SetOption(reuse.clone())).unwrap();
    let asked = ksocket::SocketOption { value: Vec::new(), ..reuse };
    let told = lab.call("t", &ksocket::GetOption(asked)).unwrap();
    assert_eq!(told.value, 4_i32.to_ne_bytes(), "a flag is told by its bit");
    for (name, errno) in [
        ("inet", Errno::EINVAL),
        ("inet/dgram/tcp", Errno::EPROTOTYPE),
        ("local/stream/0", Errno::EAFNOSUPPORT),
        ("inet/raw/icmp", Errno::EPROTONOSUPPORT),
    ] {
        assert_eq!(lab.mkpeer(".:", "ksocket", "u", name), Err(errno), "{name}");
    }
}

#[test]
fn a_listening_ksocket_accepts_once_at_a_time() {
    let mut lab = Lab::new();
    node(&mut lab, "ksocket", "inet/stream/tcp");
    assert_eq!(lab.call("node:", &ksocket::Accept), Err(Errno::EINVAL), "it does not listen");
    lab.call("node:", &ksocket::Listen(5)).unwrap();
    assert_eq!(lab.call("node:", &ksocket::Accept), Ok(None));
    assert_eq!(lab.call("node:", &ksocket::Accept), Err(Errno::EALREADY));
}

#[test]
fn a_nat_node_passes_packets_until_it_has_an_address() {
    let mut lab = Lab::new();
    node(&mut lab, "nat", "in");
    lab.connect(".:", "node:", "out", "out").unwrap();
    lab.listen();
    lab.emit("s", b"there");
    lab.emit("out", b"back");
    assert_eq!(lab.heard(), [("out".to_owned(), b"there".to_vec()), ("s".to_owned(), b"back".to_vec())]);
    lab.call("node:", &nat::SetAddress(Ipv4Addr::new(192, 0, 2, 1))).unwrap();
    lab.emit("s", b"there");
    assert_eq!(lab.heard(), []);
}

#[test]
fn redirections_are_counted_by_protocol_and_made_dynamic_when_complete() {
    let mut lab = Lab::new();
    node(&mut lab, "nat", "in");
    let host = Ipv4Addr::new(10, 0, 0, 5);
    let port = |remote_address, remote_port, protocol| {
        nat::RedirectPort(nat::PortRedirect {
            local_address: host,
            alias_address: Ipv4Addr::UNSPECIFIED,
            remote_address,
            local_port: 80,
            alias_port: 8080,
            remote_port,
            protocol,
            description: nat::Description::new("web").unwrap(),
        })
    };
    assert_eq!(lab.call("node:", &port(Ipv4Addr::UNSPECIFIED, 0, 6)), Ok(1));
    assert_eq!(lab.call("node:", &port(host, 99, 17)), Ok(2));
    assert_eq!(lab.call("node:", &port(host, 99, 1)), Err(Errno::ENOMEM), "a protocol without ports");
    assert_eq!(lab.call("node:", &nat::MakeDynamic(1)), Err(Errno::ENOTTY));
    assert_eq!(lab.call("node:", &nat::MakeDynamic(2)), Ok(()));
    assert_eq!(lab.call("node:", &nat::MakeDynamic(2)), Err(Errno::ENOENT));
    let counts = lab.call("node:", &nat::GetLinkCounts).unwrap();
    assert_eq!((counts.tcp, counts.udp, counts.protocol), (1, 1, 0));
    let listed = lab.call("node:", &nat::ListRedirects).unwrap();
    assert_eq!(listed.0.iter().map(|redirect| redirect.id).collect::<Vec<_>>(), [1]);
    for (rule, result) in [
        ("port 80 server 10.0.0.1:3128", Ok(())),
        ("server nowhere", Err(Errno::ENOMEM)),
        ("type upside_down server 10.0.0.1", Err(Errno::ENOMEM)),
        ("port 80 proto tcp", Err(Errno::ENOMEM)),
        ("", Err(Errno::EINVAL)),
    ] {
        let rule = nat::AddProxyRule(ngsock::generic::CString::new(rule));
        assert_eq!(lab.call("node:", &rule), result, "{rule:?}");
    }
}

#[test]
fn a_tunnel_keeps_its_numbers_and_its_window() {
    let mut lab = Lab::new();
    node(&mut lab, "l2tp", "ctrl");
    let config = |enabled, tunnel_id, peer_window| l2tp::Config {
        enabled,
        tunnel_id,
        peer_id: 2,
        peer_window,
        ..l2tp::Config::default()
    };
    let sequence = l2tp::SequenceConfig { next_sent: 3, next_received: 4, last_ack_received: 3, last_ack_sent: 4 };
    lab.call("node:", &l2tp::SetSequence(sequence)).unwrap();
    let unsent = l2tp::SequenceConfig { next_sent: 9, ..sequence };
    assert_eq!(lab.call("node:", &l2tp::SetSequence(unsent)), Err(Errno::EINVAL));
    assert_eq!(lab.call("node:", &l2tp::SetConfig(config(1, 1, 0))), Err(Errno::EINVAL), "no window");
    lab.call("node:", &l2tp::SetConfig(config(7, 1, 8))).unwrap();
    assert_eq!(lab.call("node:", &l2tp::GetConfig).unwrap().enabled, 1);
    assert_eq!(lab.call("node:", &l2tp::SetConfig(config(1, 5, 8))), Err(Errno::EBUSY), "another number");
    assert_eq!(lab.call("node:", &l2tp::SetConfig(config(1, 1, 4))), Err(Errno::EBUSY), "a smaller window");
    assert_eq!(lab.call("node:", &l2tp::SetSequence(sequence)), Err(Errno::EBUSY));
    let session = l2tp::session_hook(0x00ff);
    lab.mkpeer("node:", "hole", session.as_str().unwrap(), "h").unwrap();
    let kept = lab.call("node:", &l2tp::GetSessionConfig(0xff)).unwrap();
    assert_eq!((kept.session_id, kept.control_sequencing, kept.enable_sequencing), (0xff, 1, 1));
    assert_eq!(lab.call("node:", &l2tp::GetSessionConfig(1)), Err(Errno::ENOENT));
    for hook in ["session_00FF", "session_ff", "session_000ff", "other"] {
        assert_eq!(lab.mkpeer("node:", "hole", hook, "h"), Err(Errno::EINVAL), "{hook}");
    }
}

#[test]
fn sessions_wait_for_one_thing_at_a_time() {
    let mut lab = Lab::new();
    node(&mut lab, "pppoe", "ethernet");
    for hook in ["a", "b"] {
        lab.mkpeer("node:", "hole", hook, "h").unwrap();
    }
    let session = |hook: &str, data: &str| pppoe::Session { hook: field(hook), data: ShortBytes::new(data).unwrap() };
    assert_eq!(lab.call("node:", &pppoe::Listen(session("c", "x"))), Err(Errno::ENOENT));
    assert_eq!(lab.call("node:", &pppoe::Listen(session("ethernet", "x"))), Err(Errno::EINVAL));
    lab.call("node:", &pppoe::Listen(session("a", "x"))).unwrap();
    assert_eq!(lab.call("node:", &pppoe::Listen(session("b", "x"))), Err(Errno::EEXIST));
    assert_eq!(lab.call("node:", &pppoe::Offer(session("a", "name"))), Err(Errno::EISCONN));
    assert_eq!(lab.call("node:", &pppoe::Service(session("b", "x"))), Err(Errno::EISCONN));
    lab.call("node:", &pppoe::Offer(session("b", "name"))).unwrap();
    lab.call("node:", &pppoe::Service(session("b", "x"))).unwrap();
    assert_eq!(lab.call("node:", &pppoe::SendHurl(session("b", "http://x"))), Err(Errno::EISCONN));
    assert_eq!(lab.call("node:", &pppoe::Connect(session("a", &"x".repeat(65)))), Err(Errno::EMSGSIZE));
    for (mode, told) in [("3Com", "3Com"), ("D-Link", "3Com|D-Link"), ("standard", "standard")] {
        lab.call("node:", &pppoe::SetMode(ngsock::generic::CString::new(mode))).unwrap();
        assert_eq!(lab.call("node:", &pppoe::GetMode).unwrap().as_str(), Some(told));
    }
    let mode = ngsock::generic::CString::new("other");
    assert_eq!(lab.call("node:", &pppoe::SetMode(mode)), Err(Errno::EINVAL));
}
