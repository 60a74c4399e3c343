//! Routers between hosts: forwarding, its refusals, what the senders are told.

use super::{Lab, SECOND, Seen, ip, prefix, route};
use crate::abi::Errno;
use crate::sim::ifnet;
use crate::sim::kernel::{IfIndex, VnetId};
use crate::sim::stack::{self, AddMode, NewRoute};

struct Line {
    hosts: [VnetId; 2],
    routers: [VnetId; 2],
    /// Host and router ends of both edges, then the ends of the middle.
    ends: [IfIndex; 6],
}

/// host - router - router - host, both families.
fn line(lab: &mut Lab) -> Line {
    let hosts = [lab.vnet(), lab.vnet()];
    let routers = [lab.router(), lab.router()];
    let (a, b) = lab.wire(hosts[0], routers[0]);
    let (c, d) = lab.wire(routers[0], routers[1]);
    let (e, f) = lab.wire(routers[1], hosts[1]);
    for (index, v4, v6) in [
        (a, "10.1.0.2/24", "fd00:1::2/64"),
        (b, "10.1.0.1/24", "fd00:1::1/64"),
        (c, "10.2.0.1/24", "fd00:2::1/64"),
        (d, "10.2.0.2/24", "fd00:2::2/64"),
        (e, "10.3.0.1/24", "fd00:3::1/64"),
        (f, "10.3.0.2/24", "fd00:3::2/64"),
    ] {
        lab.address(index, v4);
        lab.address(index, v6);
    }
    lab.route(hosts[0], "0.0.0.0/0", "10.1.0.1");
    lab.route(hosts[0], "::/0", "fd00:1::1");
    lab.route(hosts[1], "0.0.0.0/0", "10.3.0.1");
    lab.route(hosts[1], "::/0", "fd00:3::1");
    lab.route(routers[0], "10.3.0.0/24", "10.2.0.2");
    lab.route(routers[0], "fd00:3::/64", "fd00:2::2");
    lab.route(routers[1], "10.1.0.0/24", "10.2.0.1");
    lab.route(routers[1], "fd00:1::/64", "fd00:2::1");
    lab.wait(2 * SECOND);
    Line { hosts, routers, ends: [a, b, e, f, c, d] }
}

#[test]
fn packets_cross_two_routers() {
    let mut lab = Lab::new();
    let line = line(&mut lab);
    for to in ["10.3.0.2", "fd00:3::2", "10.2.0.2", "fd00:2::1"] {
        assert_eq!(lab.ping(line.hosts[0], to), Seen::Reply(ip(to)), "{to}");
    }
    assert_eq!(lab.ping(line.hosts[1], "10.1.0.2"), Seen::Reply(ip("10.1.0.2")));
    assert_eq!(lab.ping(line.routers[0], "fd00:3::2"), Seen::Reply(ip("fd00:3::2")));
}

#[test]
fn hops_are_told_as_traceroute_wants_them() {
    let mut lab = Lab::new();
    let line = line(&mut lab);
    let from = line.hosts[0];
    let mut trace = |to: &str, ttl| lab.ping_with(from, to, Some(ttl), 8, SECOND);
    assert_eq!(trace("10.3.0.2", 1), Seen::Error(ip("10.1.0.1"), 11, 0, 0));
    assert_eq!(trace("10.3.0.2", 2), Seen::Error(ip("10.2.0.2"), 11, 0, 0));
    assert_eq!(trace("10.3.0.2", 3), Seen::Reply(ip("10.3.0.2")));
    assert_eq!(trace("fd00:3::2", 1), Seen::Error(ip("fd00:1::1"), 3, 0, 0));
    assert_eq!(trace("fd00:3::2", 2), Seen::Error(ip("fd00:2::2"), 3, 0, 0));
    assert_eq!(trace("fd00:3::2", 3), Seen::Reply(ip("fd00:3::2")));
}

#[test]
fn a_host_that_does_not_forward_is_silent() {
    let mut lab = Lab::new();
    let line = line(&mut lab);
    lab.sysctl(line.routers[0], "net.inet.ip.forwarding", 0);
    assert_eq!(lab.ping(line.hosts[0], "10.3.0.2"), Seen::Nothing);
    assert_eq!(lab.ping(line.hosts[0], "10.2.0.1"), Seen::Reply(ip("10.2.0.1")), "own addresses answer");
    assert_eq!(lab.ping(line.hosts[0], "fd00:3::2"), Seen::Reply(ip("fd00:3::2")), "the other family passes");
    lab.sysctl(line.routers[0], "net.inet6.ip6.forwarding", 0);
    assert_eq!(lab.ping(line.hosts[0], "fd00:3::2"), Seen::Nothing);
}

#[test]
fn what_cannot_be_reached_is_told() {
    let mut lab = Lab::new();
    let line = line(&mut lab);
    let from = line.hosts[0];
    assert_eq!(lab.ping(from, "192.0.2.1"), Seen::Error(ip("10.1.0.1"), 3, 1, 0), "no route");
    assert_eq!(lab.ping(from, "2001:db8::1"), Seen::Error(ip("fd00:1::1"), 1, 0, 0), "no route");
    let late = lab.ping_with(from, "fd00:3::99", None, 8, 10 * SECOND);
    assert_eq!(late, Seen::Error(ip("fd00:2::2"), 1, 3, 0), "no neighbour; the error comes from the nearer side");
    for _ in 0..5 {
        assert_eq!(lab.ping(from, "10.3.0.99"), Seen::Nothing);
    }
    assert_eq!(lab.ping(from, "10.3.0.99"), Seen::Error(ip("10.2.0.2"), 3, 1, 0), "no neighbour");
}

#[test]
fn rejecting_routes_answer_and_black_holes_do_not() {
    let mut lab = Lab::new();
    let line = line(&mut lab);
    let (from, router) = (line.hosts[0], line.routers[0]);
    let mut add = |to: &str, flags| {
        let new = NewRoute { prefix: prefix(to), paths: Vec::new(), flags, mtu: None };
        stack::route_add(&mut lab.kernel, router, &new, AddMode { create: true, ..AddMode::default() }).unwrap();
    };
    for (to, flags) in [
        ("192.0.2.0/24", stack::RTF_REJECT),
        ("192.0.3.0/24", stack::RTF_BLACKHOLE),
        ("2001:db8:2::/48", stack::RTF_REJECT),
        ("2001:db8:3::/48", stack::RTF_BLACKHOLE),
    ] {
        add(to, flags);
    }
    assert_eq!(lab.ping(from, "192.0.2.1"), Seen::Error(ip("10.1.0.1"), 3, 1, 0));
    assert_eq!(lab.ping(from, "192.0.3.1"), Seen::Nothing);
    assert_eq!(lab.ping(from, "2001:db8:2::1"), Seen::Error(ip("fd00:1::1"), 1, 6, 0));
    assert_eq!(lab.ping(from, "2001:db8:3::1"), Seen::Nothing);
    assert_eq!(lab.ping(router, "192.0.2.1"), Seen::Refused(Errno::EHOSTUNREACH), "its own packets too");
    assert_eq!(lab.ping(router, "192.0.3.1"), Seen::Nothing);
}

#[test]
fn too_large_is_told_with_the_size_that_fits() {
    let mut lab = Lab::new();
    let line = line(&mut lab);
    for end in [line.ends[4], line.ends[5]] {
        ifnet::set_mtu(&mut lab.kernel, end, 1400).unwrap();
    }
    let from = line.hosts[0];
    let mut ping = |to: &str, size| lab.ping_with(from, to, None, size, SECOND);
    assert_eq!(ping("10.3.0.2", 1400 - 28), Seen::Reply(ip("10.3.0.2")));
    assert_eq!(ping("10.3.0.2", 1401 - 28), Seen::Error(ip("10.1.0.1"), 3, 4, 1400));
    assert_eq!(ping("fd00:3::2", 1400 - 48), Seen::Reply(ip("fd00:3::2")));
    assert_eq!(ping("fd00:3::2", 1401 - 48), Seen::Error(ip("fd00:1::1"), 2, 0, 1400));
    assert_eq!(ping("10.3.0.2", 1501 - 28), Seen::Refused(Errno::EMSGSIZE));
    assert_eq!(ping("fd00:3::2", 1501 - 48), Seen::Refused(Errno::EMSGSIZE));
}

#[test]
fn a_downed_link_is_told_and_heals() {
    let mut lab = Lab::new();
    let line = line(&mut lab);
    let (from, end) = (line.hosts[0], line.ends[2]);
    assert_eq!(lab.ping(from, "10.3.0.2"), Seen::Reply(ip("10.3.0.2")));
    lab.flags(end, false);
    assert_eq!(lab.ping(from, "10.3.0.2"), Seen::Error(ip("10.2.0.2"), 3, 1, 0));
    lab.flags(end, true);
    lab.wait(2 * SECOND);
    for to in ["10.3.0.2", "fd00:3::2"] {
        assert_eq!(lab.ping(from, to), Seen::Reply(ip(to)));
    }
}

#[test]
fn broadcasts_and_link_locals_stay_on_their_link() {
    let mut lab = Lab::new();
    let line = line(&mut lab);
    lab.sysctl(line.hosts[1], "net.inet.icmp.bmcastecho", 1);
    assert_eq!(lab.ping(line.hosts[0], "10.3.0.255"), Seen::Nothing);
    let far = lab.link_local(line.ends[3]);
    let near = lab.name(line.ends[0]);
    assert_eq!(lab.ping_with(line.hosts[0], &format!("{far}%{near}"), None, 8, SECOND), Seen::Nothing);
}

#[test]
fn a_flow_stays_on_its_path_and_flows_use_both() {
    let mut lab = Lab::new();
    let (a, b) = (lab.router(), lab.router());
    let (a1, b1) = lab.wire(a, b);
    let (a2, b2) = lab.wire(a, b);
    for (index, address) in [(a1, "10.1.0.1/24"), (b1, "10.1.0.2/24"), (a2, "10.2.0.1/24"), (b2, "10.2.0.2/24")] {
        lab.address(index, address);
    }
    let lo0 = ifnet::find(&lab.kernel, b, "lo0").unwrap();
    for last in 1..=32 {
        lab.address(lo0, &format!("192.0.2.{last}/32"));
    }
    let new = route("192.0.2.0/24", &["10.1.0.2", "10.2.0.2"]);
    stack::route_add(&mut lab.kernel, a, &new, AddMode { create: true, ..AddMode::default() }).unwrap();
    let mut used = Vec::new();
    for last in 1..=32 {
        let to = format!("192.0.2.{last}");
        let sent = |lab: &Lab| [a1, a2].map(|i| lab.kernel.interfaces.get(i).unwrap().net.counters.output_bytes);
        assert_eq!(lab.ping(a, &to), Seen::Reply(ip(&to)));
        let before = sent(&lab);
        assert_eq!(lab.ping(a, &to), Seen::Reply(ip(&to)));
        let after = sent(&lab);
        let by: Vec<usize> = (0..2).filter(|&i| after[i] - before[i] >= 98).collect();
        assert_eq!(by.len(), 1, "one path for a flow");
        used.extend(by);
    }
    let second = used.iter().filter(|&&path| path == 1).count();
    assert!((6..=26).contains(&second), "{second} of 32 flows by the second path");
}
