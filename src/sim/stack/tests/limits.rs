//! What bounds the stack: waiting packets, caches, sockets; and what it costs.

use super::{Lab, SECOND, Seen, ip};
use crate::sim::kernel::{Kernel, VnetId};
use crate::sim::stack;

#[test]
fn few_packets_wait_for_one_neighbour() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (at_a, _) = lab.wire(a, VnetId::HOST);
    lab.address(at_a, "10.0.0.1/24");
    let sock = lab.open(a, true);
    let message = stack::packet::icmp4(8, 0, 1, &[0; 8]);
    for _ in 0..100 {
        stack::raw_send(&mut lab.kernel, sock, ip("10.0.0.9"), 0, &message).unwrap();
    }
    let net = &lab.kernel.interfaces.get(at_a).unwrap().net;
    assert_eq!(net.neighbours.entries[&ip("10.0.0.9")].waiting.len(), 16);
    assert_eq!(net.counters.output_drops, 84);
}

#[test]
fn a_scan_of_a_large_subnet_does_not_fill_the_cache() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (at_a, _) = lab.wire(a, VnetId::HOST);
    lab.address(at_a, "10.0.0.1/8");
    let sock = lab.open(a, true);
    let message = stack::packet::icmp4(8, 0, 1, &[0; 8]);
    for host in 0..40_000_u32 {
        let to = std::net::Ipv4Addr::from_bits(0x0a01_0000 + host);
        stack::raw_send(&mut lab.kernel, sock, to.into(), 0, &message).unwrap();
        lab.kernel.settle();
    }
    assert!(lab.kernel.interfaces.get(at_a).unwrap().net.neighbours.entries.len() <= 16_384);
}

#[test]
fn a_saved_stack_goes_on_where_it_was() {
    let mut lab = Lab::new();
    let (a, b) = (lab.vnet(), lab.vnet());
    let (at_a, at_b) = lab.wire(a, b);
    lab.address(at_a, "fd00::1/64");
    lab.address(at_b, "fd00::2/64");
    lab.address(at_a, "10.0.0.1/24");
    lab.address(at_b, "10.0.0.2/24");
    lab.address(at_b, "fd00::3/64");
    lab.wait(SECOND / 2); // detections are under way
    let bytes = postcard::to_allocvec(&lab.kernel).unwrap();
    let mut other = Lab { kernel: postcard::from_bytes::<Kernel>(&bytes).unwrap(), serial: 0 };
    for lab in [&mut lab, &mut other] {
        lab.wait(SECOND);
        assert_eq!(lab.flags6(at_b, "fd00::3"), 0);
        assert_eq!(lab.ping(a, "fd00::3"), Seen::Reply(ip("fd00::3")));
        assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
    }
    let again = |lab: &Lab| postcard::to_allocvec(&lab.kernel).unwrap();
    assert_eq!(again(&lab), again(&other), "same run, same result");
}

/// A tree of routers with 100 hosts, every pair of which is tried; a second or so when optimised.
#[test]
fn all_pairs_of_a_hundred_hosts() {
    let mut lab = Lab::new();
    let core = lab.router();
    let mut hosts = Vec::new();
    for block in 0..10 {
        let edge = lab.router();
        let (up, down) = lab.wire(edge, core);
        lab.address(up, &format!("10.255.{block}.1/30"));
        lab.address(down, &format!("10.255.{block}.2/30"));
        lab.route(edge, "0.0.0.0/0", &format!("10.255.{block}.2"));
        lab.route(core, &format!("10.{block}.0.0/16"), &format!("10.255.{block}.1"));
        for last in 0..10 {
            let host = lab.vnet();
            let (at_host, at_edge) = lab.wire(host, edge);
            lab.address(at_edge, &format!("10.{block}.{last}.1/24"));
            lab.address(at_host, &format!("10.{block}.{last}.2/24"));
            lab.route(host, "0.0.0.0/0", &format!("10.{block}.{last}.1"));
            hosts.push((host, format!("10.{block}.{last}.2")));
        }
    }
    let mut answered = 0;
    for (from, own) in &hosts {
        for (_, to) in hosts.iter().filter(|(_, to)| to != own) {
            answered += u32::from(lab.ping(*from, to) == Seen::Reply(ip(to)));
        }
    }
    assert_eq!(answered, 9_900);
    assert!(lab.kernel.storms.is_empty());
}
