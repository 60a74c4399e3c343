//! Data frames: learning, flooding, the host's own, loops without a spanning tree.

use proptest::prelude::*;

use super::Bridges;
use crate::abi::ioctl::bridge::{BRDGADDS, BRDGDEL, BRDGSIFFLGS, IFBIF_DISCOVER, IFBIF_LEARNING, IFBIF_PRIVATE};
use crate::sim::kernel::VnetId;
use crate::sim::stack;
use crate::sim::stack::tests::{SECOND, Seen, ip};

#[test]
fn hosts_reach_each_other_and_third_ones_hear_only_what_concerns_them() {
    let mut lab = Bridges::new();
    let bridge = lab.bridge();
    let a = lab.host(bridge, "10.0.0.1/24", false);
    lab.host(bridge, "10.0.0.2/24", false);
    let third = lab.vnet();
    let (at_third, at_bridge) = lab.wire(third, VnetId::HOST);
    lab.join(bridge, at_bridge, false);
    lab.address(at_third, "10.0.0.3/24");
    assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
    let heard = |lab: &Bridges| lab.kernel.interfaces.get(at_third).unwrap().net.counters.input_packets;
    let before = heard(&lab);
    for _ in 0..3 {
        assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
    }
    assert_eq!(heard(&lab), before, "known stations' frames go to them alone");
    assert_eq!(lab.ping(a, "10.0.0.3"), Seen::Reply(ip("10.0.0.3")));
}

#[test]
fn a_station_that_moved_is_found_again() {
    let mut lab = Bridges::new();
    let bridge = lab.bridge();
    let a = lab.host(bridge, "10.0.0.1/24", false);
    let b = lab.vnet();
    let mac = [2, 0, 0, 0, 0, 0xb];
    let (first, first_port) = lab.wire(b, VnetId::HOST);
    crate::sim::ifnet::set_mac(&mut lab.kernel, first, mac).unwrap();
    lab.join(bridge, first_port, false);
    lab.address(first, "10.0.0.2/24");
    assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
    stack::remove_address4(&mut lab.kernel, first, None).unwrap();
    let (second, second_port) = lab.wire(b, VnetId::HOST);
    crate::sim::ifnet::set_mac(&mut lab.kernel, second, mac).unwrap();
    lab.join(bridge, second_port, false);
    lab.address(second, "10.0.0.2/24");
    assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")), "its gratuitous request told where it is");
}

#[test]
fn the_bridge_itself_is_a_host() {
    let mut lab = Bridges::new();
    let bridge = lab.bridge();
    let a = lab.host(bridge, "10.0.0.1/24", false);
    lab.address(bridge, "10.0.0.254/24");
    lab.address(bridge, "fd00::254/64");
    assert_eq!(lab.ping(a, "10.0.0.254"), Seen::Reply(ip("10.0.0.254")));
    assert_eq!(lab.ping(VnetId::HOST, "10.0.0.1"), Seen::Reply(ip("10.0.0.1")));
}

#[test]
fn a_member_with_an_address_reaches_and_is_reached_through_the_bridge() {
    let mut lab = Bridges::new();
    let bridge = lab.bridge();
    let a = lab.host(bridge, "10.0.0.1/24", false);
    let b = lab.vnet();
    let (at_b, port) = lab.wire(b, VnetId::HOST);
    lab.join(bridge, port, false);
    lab.address(at_b, "10.0.0.2/24");
    lab.address(port, "10.0.0.9/24");
    assert_eq!(lab.ping(b, "10.0.0.9"), Seen::Reply(ip("10.0.0.9")));
    assert_eq!(lab.ping(a, "10.0.0.9"), Seen::Reply(ip("10.0.0.9")), "from behind another member");
    assert_eq!(lab.ping(VnetId::HOST, "10.0.0.1"), Seen::Reply(ip("10.0.0.1")), "to behind another member");
    assert_eq!(lab.ping(VnetId::HOST, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
}

#[test]
fn private_members_and_freed_ones_are_apart() {
    let mut lab = Bridges::new();
    let bridge = lab.bridge();
    let a = lab.host(bridge, "10.0.0.1/24", false);
    lab.host(bridge, "10.0.0.2/24", false);
    let open = lab.host(bridge, "10.0.0.3/24", false);
    let members: Vec<_> = lab.state(bridge).members().collect();
    let flags = IFBIF_LEARNING | IFBIF_DISCOVER | IFBIF_PRIVATE;
    for &member in &members[1..] {
        let name = lab.name(member);
        lab.member(bridge, BRDGSIFFLGS, &name, flags).unwrap();
    }
    assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Nothing);
    assert_eq!(lab.ping(open, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
    assert_eq!(lab.ping(open, "10.0.0.1"), Seen::Reply(ip("10.0.0.1")));
    let name = lab.name(members[2]);
    lab.member(bridge, BRDGDEL, &name, 0).unwrap();
    assert_eq!(lab.ping(open, "10.0.0.1"), Seen::Nothing);
}

#[test]
fn a_span_port_gets_copies_and_nothing_else_of_the_bridge() {
    let mut lab = Bridges::new();
    let bridge = lab.bridge();
    let a = lab.host(bridge, "10.0.0.1/24", false);
    lab.host(bridge, "10.0.0.2/24", false);
    let watcher = lab.vnet();
    let (at_watcher, span) = lab.wire(watcher, VnetId::HOST);
    lab.flags(at_watcher, true);
    lab.flags(span, true);
    let name = lab.name(span);
    lab.member(bridge, BRDGADDS, &name, 0).unwrap();
    lab.ping(a, "10.0.0.2");
    let heard = lab.kernel.interfaces.get(at_watcher).unwrap().net.counters.input_packets;
    assert_eq!(heard, 4, "request, answer, echo, reply");
}

#[test]
fn what_is_not_heard_for_twenty_minutes_is_forgotten() {
    let mut lab = Bridges::new();
    let bridge = lab.bridge();
    lab.host(bridge, "10.0.0.1/24", false);
    lab.host(bridge, "10.0.0.2/24", false);
    assert_eq!(lab.state(bridge).cache.len(), 2);
    lab.wait(1201 * SECOND);
    let third = lab.host(bridge, "10.0.0.3/24", false);
    assert_eq!(lab.ping(third, "10.0.0.1"), Seen::Reply(ip("10.0.0.1")));
}

#[test]
fn a_loop_without_a_spanning_tree_is_cut_and_told() {
    let mut lab = Bridges::new();
    let (a, b) = (lab.bridge(), lab.bridge());
    for _ in 0..2 {
        let (one, other) = lab.wire(VnetId::HOST, VnetId::HOST);
        lab.join(a, one, false);
        lab.join(b, other, false);
    }
    assert!(lab.kernel.storms.is_empty());
    lab.host(a, "10.0.0.1/24", false);
    assert_eq!(lab.kernel.storms.len(), 1, "{:?}", lab.kernel.storms);
}

proptest! {
    #[test]
    fn any_frame_at_a_member_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80), version in 0..3_u8,
                                         kind in prop_oneof![Just(0_u8), Just(2), Just(0x80), any::<u8>()],
                                         body in proptest::collection::vec(any::<u8>(), 0..40), length in any::<u16>()) {
        let mut lab = Bridges::new();
        let bridge = lab.bridge();
        let (a, b) = lab.wire(VnetId::HOST, VnetId::HOST);
        let (c, d) = lab.wire(VnetId::HOST, VnetId::HOST);
        for (member, far) in [(a, b), (c, d)] {
            lab.join(bridge, member, true);
            lab.flags(far, true);
        }
        lab.wait(2 * SECOND);
        let group = [0x01, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 9];
        let whole = u16::try_from(body.len() + 7).unwrap();
        for length in [whole, length] {
            let bpdu = [&group[..], &length.to_be_bytes(), &[0x42, 0x42, 3, 0, 0, version, kind], &body].concat();
            super::super::input(&mut lab.kernel, bridge, a, bpdu);
            lab.wait(SECOND);
        }
        super::super::input(&mut lab.kernel, bridge, c, bytes);
        lab.wait(40 * SECOND);
        prop_assert!(lab.kernel.storms.is_empty());
    }
}
