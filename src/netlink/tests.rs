use std::net::IpAddr;

use super::consts::{
    IFLA_FREEBSD, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MTU, IFLAF_ORIG_HWADDR, RTM_NEWLINK,
};
use super::reply::{Acknowledgement, Hop};
use super::request::Existing;
use super::wire::{Messages, Writer};
use super::*;
use crate::abi::Errno;

fn hex(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn via(text: &str) -> NextHop {
    NextHop::Gateway { address: ip(text), interface: None }
}

fn answers(bytes: &[u8]) -> Vec<Answer> {
    reply::read(bytes).map(|reply| reply.answer).collect()
}

/// The destination of a default route is there, and the table is 0.
#[test]
fn default_route() {
    let mut requests = Requests::new(Dialect::FREEBSD, 1);
    requests.add_route(ip("0.0.0.0"), 0, via("10.0.0.254"), Existing::Refuse);
    let expected = "2c000000 1800 0506 01000000 00000000 02000000 00040001 00000000
                    0800 0100 00000000 0800 0500 0a0000fe";
    assert_eq!(requests.bytes(), hex(expected));
}

#[test]
fn ipv6_addresses_have_family_28_and_live_for_ever() {
    let mut requests = Requests::new(Dialect::FREEBSD, 7);
    assert_eq!(requests.add_address(6, ip("fd00:1::1"), 64), 7);
    let expected = "54000000 1400 0505 07000000 00000000 1c400000 06000000
                    1400 0200 fd000001000000000000000000000001
                    1400 0100 fd000001000000000000000000000001
                    1400 0600 ffffffff ffffffff 00000000 00000000";
    assert_eq!(requests.bytes(), hex(expected));
}

#[test]
fn several_requests_in_one_send() {
    let mut requests = Requests::new(Dialect::FREEBSD, 1);
    requests.links();
    requests.addresses(Some(4));
    requests.routes();
    requests.link("ngeth0");
    requests.remove_address(4, ip("10.0.0.1"), 24);
    requests.remove_route(ip("fd00::"), 64, Some(NextHop::Interface(4)));
    requests.get_route(ip("10.0.0.0"), 24);
    requests.lookup_route(ip("10.0.0.7"));
    let kinds: Vec<_> = Messages::new(requests.bytes()).map(|message| (message.kind, message.sequence)).collect();
    assert_eq!(kinds, [(18, 1), (22, 2), (26, 3), (18, 4), (21, 5), (25, 6), (26, 7), (26, 8)]);
    assert_eq!(requests.next_sequence(), 9);
}

/// Answers of a 15.1 kernel, with extended acknowledgements on.
#[test]
fn acknowledgements() {
    let failure = "48000000 0200 0003 11000000 1a000000 02000000 2c000000 1000 0500 11000000 1a000000
                   2200 0100 756e61626c6520746f2066696e6420696e74657266616365202339393900 0000";
    let full = "64000000 0200 0002 0c000000 1a000000 02000000 2c000000 1000 0500 0c000000 1a000000
                00000000 e7030000 01000000 01000000 0900 1400 7465787400 000000
                2200 0100 756e61626c6520746f2066696e6420696e74657266616365202339393900 0000";
    let text = Acknowledgement {
        error: Some(Errno::ENOENT),
        text: Some("unable to find interface #999".to_owned()),
        ..Acknowledgement::default()
    };
    assert_eq!(answers(&hex(failure)), [Answer::Acknowledgement(text.clone())]);
    assert_eq!(answers(&hex(full)), [Answer::Acknowledgement(text)]);
    // A success with a cookie and without the flag that would announce it.
    let created = "38000000 0200 0001 04000000 1a000000 00000000 34000000 1000 0506 04000000 1a000000
                   1400 0300 0800 3100 04000000 0800 0300 6c6f3900";
    let created = answers(&hex(created));
    let expected = Acknowledgement { created: Some((4, "lo9".to_owned())), ..Acknowledgement::default() };
    assert_eq!(created, [Answer::Acknowledgement(expected)]);
    let done = "14000000 0300 0000 18000000 00000000 02000000";
    assert_eq!(answers(&hex(done)), [Answer::Done(Some(Errno::ENOENT))]);
}

/// Address and route as a 15.1 kernel dumps them: attribute 11 is nested and empty for IPv4.
#[test]
fn dumped_address_and_route() {
    let dumped = "60000000 1400 0303 1b000000 1a000000 1c4000fd 06000000
                  1400 0100 fe80000000000000000000fffe000a02 0c00 0300 6570616972316100 0800 0800 40000000
                  1400 0600 ffffffff ffffffff 88130000 88130000 0c00 0b00 0800 0200 02000000
                  3c000000 1400 0303 1b000000 1a000000 020800fe 01000000
                  0800 0100 7f000001 0800 0200 7f000001 0800 0300 6c6f3000 0800 0800 00000000 0400 0b00
                  44000000 1800 0303 1e000000 1a000000 02180000 00020001 00000000
                  0800 0f00 00000000 0800 0100 0a000100 0800 0a00 02000000 0800 0e00 00001000 0800 0400 06000000";
    let dumped = answers(&hex(dumped));
    let [Answer::Address { address, .. }, Answer::Address { address: loopback, .. }, Answer::Route { route, .. }] =
        dumped.as_slice()
    else {
        panic!("read {dumped:?}")
    };
    assert_eq!((address.address, address.prefix, address.in6_flags), (ip("fe80::ff:fe00:a02"), 64, 2));
    assert_eq!(address.lifetimes, Some((u32::MAX, u32::MAX)));
    assert_eq!((loopback.address, loopback.peer, loopback.label.as_deref()), (ip("127.0.0.1"), None, Some("lo0")));
    assert_eq!((route.destination, route.prefix, route.flags), (ip("10.0.1.0"), 24, 0x10_0000));
    assert_eq!(route.hops, [Hop { gateway: None, interface: Some(6), weight: 0 }]);
}

/// Attribute 64 is nested here and a number on Linux.
#[test]
fn link_with_the_freebsd_attribute() {
    let mut writer = Writer::new();
    writer.begin(RTM_NEWLINK, 0, 0, 0, &hex("0000 0600 06000000 43880001 00000000"));
    writer.string(IFLA_IFNAME, "epair1a");
    writer.number(IFLA_MTU, 1400);
    let freebsd = writer.nest(IFLA_FREEBSD, false);
    writer.attribute(IFLAF_ORIG_HWADDR, &[2, 0, 0, 0, 0, 9]);
    writer.close(freebsd);
    let info = writer.nest(IFLA_LINKINFO, false);
    writer.string(IFLA_INFO_KIND, "epair");
    writer.close(info);
    writer.attribute(999, b"unknown");
    writer.end();
    let read = answers(&writer.finish());
    let [Answer::Link { link, gone: false }] = read.as_slice() else { panic!("read {read:?}") };
    assert_eq!((link.index, link.name.as_str(), link.mtu, link.flags), (6, "epair1a", 1400, 0x100_8843));
    assert_eq!(link.original_mac, Some([2, 0, 0, 0, 0, 9]));
    assert_eq!(link.cloner.as_deref(), Some("epair"));
}

#[test]
fn a_length_that_is_wrong_ends_the_datagram() {
    let mut requests = Requests::new(Dialect::FREEBSD, 1);
    requests.links();
    let mut bytes = requests.bytes().to_vec();
    bytes.extend_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut messages = Messages::new(&bytes);
    assert_eq!(messages.by_ref().count(), 1);
    assert_eq!(messages.rest().len(), 16);
}

proptest::proptest! {
    #[test]
    fn any_bytes_can_be_read(
        kind in 0_u16..120,
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
    ) {
        let _ = reply::read(&body).count();
        let mut writer = Writer::new();
        writer.begin(kind, 0, 1, 1, &body);
        writer.end();
        proptest::prop_assert_eq!(reply::read(&writer.finish()).count(), 1);
    }

    #[test]
    fn requests_are_whole_messages(prefix in 0_u8..=128, index in proptest::num::u32::ANY, bits in proptest::num::u128::ANY) {
        let mut requests = Requests::new(Dialect::FREEBSD, 1);
        let address = std::net::Ipv6Addr::from(bits).into();
        requests.add_address(index, address, prefix);
        requests.add_route(address, prefix, NextHop::Gateway { address, interface: Some(index) }, Existing::Replace);
        let mut messages = Messages::new(requests.bytes());
        proptest::prop_assert_eq!(messages.by_ref().count(), 2);
        proptest::prop_assert!(messages.rest().is_empty());
    }
}
