//! Frames of any content: nothing panics, nothing goes round for ever, answers have right checksums.

use proptest::prelude::*;

use super::{Lab, SECOND, Seen, ip};
use crate::sim::kernel::{IfIndex, VnetId};
use crate::sim::stack::{self, packet};

/// A router with both families, and what it would be sent.
fn victim() -> (Lab, VnetId, IfIndex) {
    let mut lab = Lab::new();
    let (router, host) = (lab.router(), lab.vnet());
    let (index, peer) = lab.wire(router, host);
    lab.address(index, "10.0.0.1/24");
    lab.address(index, "fd00::1/64");
    lab.address(index, "fd00::3/64");
    lab.address(peer, "10.0.0.2/24");
    lab.address(peer, "fd00::2/64");
    (lab, router, index)
}

fn frame(lab: &Lab, index: IfIndex, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mac = lab.kernel.interfaces.get(index).unwrap().mac;
    [&mac[..], &[2, 0, 0, 0, 0, 9], &ethertype.to_be_bytes(), payload].concat()
}

proptest! {
    #[test]
    fn any_bytes_are_survived(ethertype in prop_oneof![Just(0x0800_u16), Just(0x0806), Just(0x86dd), any::<u16>()],
                              payload in proptest::collection::vec(any::<u8>(), 0..200), group in any::<bool>()) {
        let (mut lab, _, index) = victim();
        let mut bytes = frame(&lab, index, ethertype, &payload);
        if group {
            bytes[..6].fill(0xff);
        }
        stack::input(&mut lab.kernel, index, bytes.clone());
        for cut in 0..bytes.len().min(70) {
            stack::input(&mut lab.kernel, index, bytes[..cut].to_vec());
        }
        lab.wait(5 * SECOND);
        prop_assert!(lab.kernel.storms.is_empty());
    }

    #[test]
    fn almost_valid_packets_are_survived(source in any::<u32>(), destination in prop_oneof![Just(0x0a00_0001_u32), Just(0x0a00_00ff), Just(u32::MAX), any::<u32>()],
                                         protocol in prop_oneof![Just(1_u8), any::<u8>()], ttl in any::<u8>(), flags in any::<u16>(),
                                         mut payload in proptest::collection::vec(any::<u8>(), 0..120)) {
        let (mut lab, _, index) = victim();
        packet::write_checksum(&mut payload, 0);
        let bytes = packet::build4(source.into(), destination.into(), protocol, ttl, (0, flags), &payload).unwrap();
        let bytes = frame(&lab, index, 0x0800, &bytes);
        stack::input(&mut lab.kernel, index, bytes);
        lab.wait(5 * SECOND);
        prop_assert!(lab.kernel.storms.is_empty());
    }

    #[test]
    fn almost_valid_messages_are_survived(source in prop_oneof![Just(0xfd00_u128 << 112 | 2), Just(0_u128), any::<u128>()],
                                          destination in prop_oneof![Just(0xfd00_u128 << 112 | 1), Just(0xff02_u128 << 112 | 1), any::<u128>()],
                                          hops in prop_oneof![Just(255_u8), any::<u8>()], kind in prop_oneof![133..=137_u8, any::<u8>()],
                                          word in any::<u32>(), target in prop_oneof![Just(0xfd00_u128 << 112 | 1), Just(0xfd00_u128 << 112 | 3), any::<u128>()],
                                          rest in proptest::collection::vec(any::<u8>(), 0..60)) {
        let (mut lab, _, index) = victim();
        let body = [&target.to_be_bytes()[..], &rest].concat();
        let (source, destination) = (source.into(), destination.into());
        let message = packet::icmp6(source, destination, (kind, 0), word, &body);
        let bytes = packet::build6(source, destination, 58, hops, &message).unwrap();
        let bytes = frame(&lab, index, 0x86dd, &bytes);
        stack::input(&mut lab.kernel, index, bytes);
        lab.wait(10 * SECOND);
        prop_assert!(lab.kernel.storms.is_empty());
    }
}

#[test]
fn checksums_are_those_of_rfc_1071() {
    assert_eq!(packet::sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], 0), 0xddf2);
    let built = packet::build4([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 1, 64, (7, 0), &[1, 2, 3]).unwrap();
    assert_eq!(packet::sum(&built[..20], 0), 0xffff);
    assert_eq!(packet::read4(&built).unwrap().total, 23);
    let echo = packet::icmp4(8, 0, 0x0001_0001, &[0; 9]);
    assert_eq!(packet::sum(&echo, 0), 0xffff, "odd lengths too");
}

#[test]
fn loops_of_routes_end_with_the_time_to_live() {
    let mut lab = Lab::new();
    let (a, b) = (lab.router(), lab.router());
    let (at_a, at_b) = lab.wire(a, b);
    lab.address(at_a, "10.0.0.1/24");
    lab.address(at_b, "10.0.0.2/24");
    lab.route(a, "0.0.0.0/0", "10.0.0.2");
    lab.route(b, "0.0.0.0/0", "10.0.0.1");
    assert_eq!(lab.ping(a, "192.0.2.1"), Seen::Error(ip("10.0.0.1"), 11, 0, 0), "at the 64th hop");
    assert!(lab.kernel.storms.is_empty());
}

#[test]
fn arp_is_not_believed_about_own_and_fixed_addresses() {
    let (mut lab, router, index) = victim();
    let mac = lab.kernel.interfaces.get(index).unwrap().mac;
    stack::neighbour_add(&mut lab.kernel, index, ip("10.0.0.7"), [2, 0, 0, 0, 0, 7], None).unwrap();
    for claimed in [[10, 0, 0, 1], [10, 0, 0, 7], [192, 0, 2, 1]] {
        let arp = [&[0, 1, 8, 0, 6, 4, 0, 1, 6, 6, 6, 6, 6, 6][..], &claimed, &[0; 6], &[10, 0, 0, 1]].concat();
        let bytes = frame(&lab, index, 0x0806, &arp);
        stack::input(&mut lab.kernel, index, bytes);
    }
    let known = stack::neighbours(&lab.kernel, index);
    let of = |address| known.iter().find(|neighbour| neighbour.address == ip(address)).map(|neighbour| neighbour.mac);
    assert_eq!(of("10.0.0.1"), Some(Some(mac)));
    assert_eq!(of("10.0.0.7"), Some(Some([2, 0, 0, 0, 0, 7])));
    assert_eq!(of("192.0.2.1"), None, "not on this link");
    assert_eq!(lab.ping(router, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
}
