//! Two hosts on a wire.

use super::{IFF_UP, Lab, SECOND, Seen, ip, v4};
use crate::abi::Errno;
use crate::sim::ifnet;
use crate::sim::kernel::{IfIndex, VnetId};
use crate::sim::stack::{self, Event, Reachability};

fn two_hosts(lab: &mut Lab) -> ((VnetId, IfIndex), (VnetId, IfIndex)) {
    let (a, b) = (lab.vnet(), lab.vnet());
    let (at_a, at_b) = lab.wire(a, b);
    lab.address(at_a, "10.0.0.1/24");
    lab.address(at_b, "10.0.0.2/24");
    ((a, at_a), (b, at_b))
}

#[test]
fn ping_resolves_then_uses_the_cache() {
    let mut lab = Lab::new();
    let ((a, at_a), (b, at_b)) = two_hosts(&mut lab);
    assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
    let sent = lab.kernel.interfaces.get(at_a).unwrap().net.counters.output_packets;
    assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
    let now = lab.kernel.interfaces.get(at_a).unwrap().net.counters.output_packets;
    assert_eq!(now - sent, 1, "the second ping asks nobody");
    let peer = lab.kernel.interfaces.get(at_b).unwrap().mac;
    let known = stack::neighbours(&lab.kernel, at_a);
    assert_eq!((known[0].address, known[0].mac, known[0].own), (ip("10.0.0.2"), Some(peer), false));
    assert!(matches!(known[0].state, Reachability::Reachable(_)));
    assert!(known[1].own && known[1].state == Reachability::Permanent);
    assert_eq!(lab.ping(b, "10.0.0.1"), Seen::Reply(ip("10.0.0.1")), "the asked learnt the asker");
}

#[test]
fn arp_entries_end_after_twenty_minutes() {
    let mut lab = Lab::new();
    let ((a, at_a), _) = two_hosts(&mut lab);
    lab.ping(a, "10.0.0.2");
    lab.wait(1199 * SECOND);
    assert_eq!(stack::neighbours(&lab.kernel, at_a).len(), 2);
    lab.wait(2 * SECOND);
    assert_eq!(stack::neighbours(&lab.kernel, at_a).len(), 1, "only the own entry stays");
    assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
}

#[test]
fn own_addresses_answer_without_a_wire() {
    let mut lab = Lab::new();
    let ((a, at_a), _) = two_hosts(&mut lab);
    let before = lab.kernel.interfaces.get(at_a).unwrap().net.counters;
    assert_eq!(lab.ping(a, "10.0.0.1"), Seen::Reply(ip("10.0.0.1")));
    let lo0 = ifnet::find(&lab.kernel, a, "lo0").unwrap();
    lab.address(lo0, "127.0.0.1/8");
    assert_eq!(lab.ping(a, "127.0.0.1"), Seen::Reply(ip("127.0.0.1")));
    assert_eq!(lab.ping(a, "::1"), Seen::Reply(ip("::1")));
    assert_eq!(lab.kernel.interfaces.get(at_a).unwrap().net.counters, before, "nothing went out");
}

#[test]
fn a_dead_neighbour_is_down_after_five_requests() {
    let mut lab = Lab::new();
    let ((a, _), _) = two_hosts(&mut lab);
    for _ in 0..5 {
        assert_eq!(lab.ping(a, "10.0.0.9"), Seen::Nothing);
    }
    assert_eq!(lab.ping(a, "10.0.0.9"), Seen::Refused(Errno::EHOSTDOWN));
    lab.wait(25 * SECOND);
    assert_eq!(lab.ping(a, "10.0.0.9"), Seen::Nothing, "asked anew after twenty seconds");
}

#[test]
fn without_a_route_nothing_is_sent() {
    let mut lab = Lab::new();
    let ((a, _), _) = two_hosts(&mut lab);
    assert_eq!(lab.ping(a, "192.0.2.1"), Seen::Refused(Errno::EHOSTUNREACH));
    assert_eq!(lab.ping(a, "2001:db8::1"), Seen::Refused(Errno::EHOSTUNREACH));
}

#[test]
fn setting_an_address_tells_the_wire() {
    let mut lab = Lab::new();
    let (a, b) = (lab.vnet(), lab.vnet());
    let (at_a, at_b) = lab.wire(a, b);
    lab.address(at_b, "10.0.0.2/24");
    let received = lab.kernel.interfaces.get(at_b).unwrap().net.counters.input_packets;
    lab.address(at_a, "10.0.0.1/24");
    let now = lab.kernel.interfaces.get(at_b).unwrap().net.counters.input_packets;
    assert_eq!(now, received + 1, "one gratuitous request");
}

#[test]
fn down_takes_the_connected_route_and_up_returns_it() {
    let mut lab = Lab::new();
    let ((a, at_a), _) = two_hosts(&mut lab);
    let whole = lab.table(a, false);
    assert_eq!(whole, [format!("10.0.0.0/24 link U {}", lab.name(at_a)), "10.0.0.1 link UHS lo0".to_owned()]);
    stack::take_events(&mut lab.kernel, a);
    lab.kernel.interfaces.get_mut(at_a).unwrap().flags &= !IFF_UP;
    stack::interface_changed(&mut lab.kernel, at_a);
    assert_eq!(lab.table(a, false), ["10.0.0.1 link UHS lo0"]);
    assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Refused(Errno::EHOSTUNREACH));
    let events = stack::take_events(&mut lab.kernel, a);
    assert!(matches!(events.as_slice(), [Event::AddressRemoved { .. }, Event::Route(_)]), "{events:?}");
    lab.flags(at_a, true);
    assert_eq!(lab.table(a, false), whole);
    assert_eq!(lab.ping(a, "10.0.0.2"), Seen::Reply(ip("10.0.0.2")));
}

#[test]
fn an_address_brings_the_interface_up_and_says_so_last() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (at_a, _) = lab.wire(a, VnetId::HOST);
    stack::take_events(&mut lab.kernel, a);
    lab.address(at_a, "10.9.0.1/24");
    assert!(lab.kernel.interfaces.get(at_a).unwrap().flags & IFF_UP != 0);
    let events = stack::take_events(&mut lab.kernel, a);
    let [Event::NeighbourAdded { .. }, Event::AddressAdded { .. }, Event::Route(_), Event::InterfaceUp { .. }] =
        events.as_slice()
    else {
        panic!("{events:?}")
    };
}

#[test]
fn the_connected_route_moves_to_another_interface_of_the_subnet() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (first, _) = lab.wire(a, VnetId::HOST);
    let (second, _) = lab.wire(a, VnetId::HOST);
    lab.address(first, "10.0.0.1/24");
    lab.address(second, "10.0.0.2/24");
    assert!(lab.table(a, false)[0].ends_with(&lab.name(first)));
    stack::remove_address4(&mut lab.kernel, first, None).unwrap();
    let table = lab.table(a, false);
    assert_eq!(table, [format!("10.0.0.0/24 link U {}", lab.name(second)), "10.0.0.2 link UHS lo0".to_owned()]);
    assert_eq!(stack::remove_address4(&mut lab.kernel, first, None), Err(Errno::EADDRNOTAVAIL));
}

#[test]
fn masks_make_the_routes_a_kernel_makes() {
    let mut lab = Lab::new();
    let a = lab.vnet();
    let (index, _) = lab.wire(a, VnetId::HOST);
    let lo0 = ifnet::find(&lab.kernel, a, "lo0").unwrap();
    lab.address(lo0, "127.0.0.1/8");
    for text in ["10.5.3.1/32", "10.5.4.0/31", "10.5.10.0/24", "0.0.0.0/24"] {
        lab.address(index, text);
    }
    let name = lab.name(index);
    assert_eq!(
        lab.table(a, false),
        [
            format!("0.0.0.0/24 link U {name}"),
            "10.5.3.1 link UH lo0".to_owned(),
            "10.5.4.0 link UHS lo0".to_owned(),
            format!("10.5.4.0/31 link U {name}"),
            "10.5.10.0 link UHS lo0".to_owned(),
            format!("10.5.10.0/24 link U {name}"),
            "127.0.0.1 link UH lo0".to_owned(),
        ]
    );
    let broadcasts: Vec<_> = stack::address::v4(lab.kernel.interfaces.get(index).unwrap())
        .map(|address| address.broadcast.unwrap())
        .collect();
    assert_eq!(broadcasts, ["10.5.3.1", "255.255.255.255", "10.5.10.255", "0.0.0.255"].map(v4));
}

#[test]
fn directed_broadcast_reaches_the_link_and_is_answered_only_on_request() {
    let mut lab = Lab::new();
    let ((a, _), (b, _)) = two_hosts(&mut lab);
    assert_eq!(lab.ping(a, "10.0.0.255"), Seen::Nothing);
    lab.sysctl(b, "net.inet.icmp.bmcastecho", 1);
    assert_eq!(lab.ping(a, "10.0.0.255"), Seen::Reply(ip("10.0.0.2")));
}

#[test]
fn an_interface_that_leaves_takes_everything_along() {
    let mut lab = Lab::new();
    let ((a, at_a), _) = two_hosts(&mut lab);
    lab.address(at_a, "fd00::1/64");
    lab.route(a, "0.0.0.0/0", "10.0.0.2");
    ifnet::give(&mut lab.kernel, at_a, VnetId::HOST, false).unwrap();
    assert!(lab.table(a, false).is_empty(), "{:?}", lab.table(a, false));
    assert_eq!(lab.table(a, true).len(), 3, "lo0's own: {:?}", lab.table(a, true));
    let net = &lab.kernel.interfaces.get(at_a).unwrap().net;
    assert!(net.addresses.is_empty());
    assert_eq!(net.nd6.bits(), 0x29);
}
