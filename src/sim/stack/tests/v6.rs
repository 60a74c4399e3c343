//! IPv6: addresses that come by themselves, duplicate detection, neighbours.

use super::{Lab, SECOND, Seen, ip};
use crate::abi::Errno;
use crate::sim::ifnet;
use crate::sim::kernel::VnetId;
use crate::sim::stack::{self, IN6_IFF_DUPLICATED, IN6_IFF_TENTATIVE, Nd6, NewAddress6, Reachability};

#[test]
fn a_fresh_vnet_has_no_addresses_and_lo0_up_gives_two() {
    let mut lab = Lab::new();
    let vnet = lab.kernel.new_vnet(None);
    let lo0 = ifnet::find(&lab.kernel, vnet, "lo0").unwrap();
    assert!(lab.table(vnet, false).is_empty() && lab.table(vnet, true).is_empty());
    assert_eq!(lab.kernel.interfaces.get(lo0).unwrap().net.nd6.bits(), 0x21);
    lab.flags(lo0, true);
    assert_eq!(lab.table(vnet, true), ["::1 link UHS lo0", "fe80::%lo0/64 link U lo0", "fe80::1%lo0 link UHS lo0"]);
    assert!(lab.table(vnet, false).is_empty(), "127.0.0.1 must be set");
}

#[test]
fn the_first_address_skips_detection_and_the_link_local_one_does_not() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (at_a, _) = lab.wire(a, VnetId::HOST);
    lab.address(at_a, "fd00:e5::1/64");
    assert_eq!(lab.flags6(at_a, "fd00:e5::1"), 0);
    let link_local = lab.link_local(at_a).to_string();
    assert_eq!(lab.flags6(at_a, &link_local), IN6_IFF_TENTATIVE);
    assert_eq!(lab.kernel.interfaces.get(at_a).unwrap().net.nd6.bits(), 0x21);
    lab.wait(999 * super::MILLISECOND);
    assert_eq!(lab.flags6(at_a, &link_local), IN6_IFF_TENTATIVE);
    lab.wait(2 * super::MILLISECOND);
    assert_eq!(lab.flags6(at_a, &link_local), 0);
    let name = lab.name(at_a);
    let table = lab.table(a, true);
    for line in [
        format!("fd00:e5::/64 link U {name}"),
        "fd00:e5::1 link UHS lo0".to_owned(),
        format!("fe80::%{name}/64 link U {name}"),
        format!("{link_local}%{name} link UHS lo0"),
    ] {
        assert!(table.contains(&line), "{line} in {table:?}");
    }
}

#[test]
fn detection_lasts_a_second_for_each_probe() {
    for (count, seconds) in [(1, 1), (3, 3), (0, 0)] {
        let mut lab = Lab::new();
        let a = lab.vnet();
        let (at_a, _) = lab.wire(a, VnetId::HOST);
        lab.sysctl(a, "net.inet6.ip6.dad_count", count);
        stack::set_nd6_flags(&mut lab.kernel, at_a, Nd6::PERFORMNUD).unwrap();
        lab.flags(at_a, true);
        lab.address(at_a, "fd00::1/64");
        let begun = lab.kernel.clock.now();
        while lab.flags6(at_a, "fd00::1") != 0 {
            lab.wait(SECOND / 10);
        }
        assert_eq!((lab.kernel.clock.now() - begun) / SECOND, seconds, "dad_count {count}");
    }
}

#[test]
fn the_later_of_two_equal_addresses_is_a_duplicate() {
    let mut lab = Lab::new();
    let (a, b) = (lab.vnet(), lab.vnet());
    let (at_a, at_b) = lab.wire(a, b);
    for index in [at_a, at_b] {
        stack::set_nd6_flags(&mut lab.kernel, index, Nd6::PERFORMNUD | Nd6::AUTO_LINKLOCAL).unwrap();
        lab.flags(index, true);
    }
    lab.wait(2 * SECOND);
    lab.address(at_a, "fd00:d7::1/64");
    lab.wait(2 * SECOND);
    lab.address(at_b, "fd00:d7::1/64");
    lab.wait(2 * SECOND);
    assert_eq!(lab.flags6(at_a, "fd00:d7::1"), 0);
    assert_eq!(lab.flags6(at_b, "fd00:d7::1"), IN6_IFF_DUPLICATED);
}

#[test]
fn both_of_two_that_probe_at_once_are_duplicates() {
    let mut lab = Lab::new();
    let (a, b) = (lab.vnet(), lab.vnet());
    let (at_a, at_b) = lab.wire(a, b);
    for index in [at_a, at_b] {
        stack::set_nd6_flags(&mut lab.kernel, index, Nd6::PERFORMNUD).unwrap();
        lab.flags(index, true);
    }
    for index in [at_a, at_b] {
        lab.address6(index, "fd00::1".parse().unwrap(), 64).unwrap();
    }
    lab.wait(2 * SECOND);
    assert_eq!([at_a, at_b].map(|index| lab.flags6(index, "fd00::1")), [IN6_IFF_DUPLICATED; 2]);
}

#[test]
fn down_makes_all_tentative_until_up_again() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (at_a, _) = lab.wire(a, VnetId::HOST);
    lab.address(at_a, "fd00:e::1/64");
    lab.wait(2 * SECOND);
    lab.flags(at_a, false);
    assert_eq!(lab.flags6(at_a, "fd00:e::1"), IN6_IFF_TENTATIVE);
    lab.address(at_a, "fd00:e::2/64");
    lab.wait(5 * SECOND);
    assert_eq!(lab.flags6(at_a, "fd00:e::2"), IN6_IFF_TENTATIVE, "a further address does not bring it up");
    lab.flags(at_a, true);
    lab.wait(SECOND);
    assert_eq!(["fd00:e::1", "fd00:e::2"].map(|address| lab.flags6(at_a, address)), [0, 0]);
}

#[test]
fn refusals_are_those_of_the_recordings() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (one, _) = lab.wire(a, VnetId::HOST);
    let (two, _) = lab.wire(a, VnetId::HOST);
    lab.address(one, "fd00:5::1/64");
    let mut add = |index, text: &str, length| lab.address6(index, text.parse().unwrap(), length);
    assert_eq!(add(one, "fd00:5::1", 64), Ok(()), "the same again");
    assert_eq!(add(one, "fd00:5::1", 80), Err(Errno::EINVAL), "another length");
    assert_eq!(add(one, "fd00:b::1", 0), Err(Errno::EINVAL));
    assert_eq!(add(one, "::", 64), Err(Errno::EEXIST));
    assert_eq!(add(one, "::1", 128), Err(Errno::EINVAL));
    assert_eq!(add(two, "fd00:5::1", 64), Err(Errno::EEXIST), "another interface has it");
    let mut new = NewAddress6 {
        address: "fd00:10::1".parse().unwrap(),
        length: 64,
        peer: None,
        flags: 0,
        valid: 50,
        preferred: 100,
    };
    assert_eq!(stack::add_address6(&mut lab.kernel, one, &new), Err(Errno::EINVAL), "preferred over valid");
    (new.peer, new.preferred, new.length) = (Some("fd00:10::2".parse().unwrap()), 50, 128);
    assert_eq!(stack::add_address6(&mut lab.kernel, one, &new), Err(Errno::EINVAL), "no point-to-point interface");
    let gone = "fd00:77::1".parse().unwrap();
    assert_eq!(stack::remove_address6(&mut lab.kernel, one, gone), Err(Errno::EADDRNOTAVAIL));
}

#[test]
fn a_lifetime_of_nothing_ends_within_two_seconds() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (at_a, _) = lab.wire(a, VnetId::HOST);
    let address = "fd00:99::1".parse().unwrap();
    let new = NewAddress6 { address, length: 64, peer: None, flags: 0, valid: 0, preferred: 0 };
    stack::add_address6(&mut lab.kernel, at_a, &new).unwrap();
    assert!(stack::own_address_at(&lab.kernel, at_a, address.into()));
    lab.wait(2 * SECOND);
    assert!(!stack::own_address_at(&lab.kernel, at_a, address.into()));
    assert!(!lab.table(a, true).iter().any(|line| line.starts_with("fd00:99")));
}

#[test]
fn link_local_and_global_pings() {
    let mut lab = Lab::new();
    let (a, b) = (lab.vnet(), lab.vnet());
    let (at_a, at_b) = lab.wire(a, b);
    lab.address(at_a, "fd00::1/64");
    lab.address(at_b, "fd00::2/64");
    lab.wait(2 * SECOND);
    assert_eq!(lab.ping(a, "fd00::2"), Seen::Reply(ip("fd00::2")));
    let known = stack::neighbours(&lab.kernel, at_a);
    assert!(matches!(known[0].state, Reachability::Reachable(_)), "{known:?}");
    let there = lab.link_local(at_b);
    let to = format!("{there}%{}", lab.name(at_a));
    assert_eq!(lab.ping(a, &to), Seen::Reply(there.into()));
    assert_eq!(lab.ping(a, &there.to_string()), Seen::Refused(Errno::EHOSTUNREACH), "which link?");
    let own = format!("{}%{}", lab.link_local(at_a), lab.name(at_a));
    assert_eq!(lab.ping(a, &own), Seen::Reply(lab.link_local(at_a).into()));
    assert_eq!(lab.ping(a, &format!("ff02::1%{}", lab.name(at_a))), Seen::Reply(there.into()));
}

#[test]
fn a_neighbour_that_never_answers_is_unreachable_after_three_seconds() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (at_a, _) = lab.wire(a, VnetId::HOST);
    lab.address(at_a, "fd00::1/64");
    lab.wait(2 * SECOND);
    let begun = lab.kernel.clock.now();
    assert_eq!(lab.ping_with(a, "fd00::9", None, 8, 10 * SECOND), Seen::Error(ip("fd00::1"), 1, 3, 0));
    assert_eq!(lab.kernel.clock.now() - begun, 3 * SECOND);
}

#[test]
fn a_neighbour_that_went_silent_is_asked_and_forgotten() {
    let mut lab = Lab::new();
    let (a, b) = (lab.vnet(), lab.vnet());
    let (at_a, at_b) = lab.wire(a, b);
    lab.address(at_a, "fd00::1/64");
    lab.address(at_b, "fd00::2/64");
    lab.wait(2 * SECOND);
    assert_eq!(lab.ping(a, "fd00::2"), Seen::Reply(ip("fd00::2")));
    lab.wait(31 * SECOND);
    assert_eq!(stack::neighbours(&lab.kernel, at_a)[0].state, Reachability::Stale);
    assert_eq!(lab.ping(a, "fd00::2"), Seen::Reply(ip("fd00::2")), "stale is good enough");
    lab.wait(6 * SECOND);
    assert!(matches!(stack::neighbours(&lab.kernel, at_a)[0].state, Reachability::Reachable(_)), "asked and confirmed");
    lab.flags(at_b, false);
    lab.wait(31 * SECOND);
    assert_eq!(lab.ping(a, "fd00::2"), Seen::Nothing);
    lab.wait(10 * SECOND);
    assert!(stack::neighbours(&lab.kernel, at_a).iter().all(|neighbour| neighbour.own), "given up");
}

#[test]
fn clearing_ifdisabled_makes_the_link_local_address() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (at_a, _) = lab.wire(a, VnetId::HOST);
    lab.flags(at_a, true);
    assert_eq!(stack::address::v6(lab.kernel.interfaces.get(at_a).unwrap()).count(), 0, "up alone does not");
    stack::set_nd6_flags(&mut lab.kernel, at_a, Nd6::from_bits_retain(0x21)).unwrap();
    let link_local = lab.link_local(at_a).to_string();
    assert_eq!(lab.flags6(at_a, &link_local), IN6_IFF_TENTATIVE);
}

#[test]
fn what_arrives_gets_the_flags_of_its_vnet() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    lab.sysctl(a, "net.inet6.ip6.auto_linklocal", 0);
    let (at_a, on_host) = lab.wire(a, VnetId::HOST);
    assert_eq!(lab.kernel.interfaces.get(at_a).unwrap().net.nd6.bits(), 0x9);
    assert_eq!(lab.kernel.interfaces.get(on_host).unwrap().net.nd6.bits(), 0x29);
    let bridge = ifnet::create(&mut lab.kernel, VnetId::HOST, "bridge", None).unwrap();
    assert_eq!(lab.kernel.interfaces.get(bridge).unwrap().net.nd6.bits(), 0x9);
}
