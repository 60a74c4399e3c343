//! Routes as configured: the errors of the recordings, numbers of next hops, lookups.

use super::{Lab, ip, prefix, route};
use crate::abi::Errno;
use crate::sim::kernel::{IfIndex, VnetId};
use crate::sim::stack::{self, AddMode, NewPath, NewRoute, Prefix, RouteFilter};

const EXCLUSIVE: AddMode = AddMode { create: true, replace: false, append: false };
const APPEND: AddMode = AddMode { create: true, replace: false, append: true };
const REPLACE: AddMode = AddMode { create: true, replace: true, append: false };

fn host() -> (Lab, VnetId, IfIndex) {
    let mut lab = Lab::new();
    let vnet = lab.vnet();
    let (index, _) = lab.wire(vnet, VnetId::HOST);
    lab.address(index, "10.0.1.1/24");
    lab.address(index, "fd00:1::1/64");
    (lab, vnet, index)
}

#[test]
fn adding_answers_as_netlink_was_recorded() {
    let (mut lab, vnet, index) = host();
    let mut add =
        |to, gateway: &str, mode| stack::route_add(&mut lab.kernel, vnet, &route(to, &[gateway]), mode).map(|_| ());
    let none = AddMode::default();
    assert_eq!(add("0.0.0.0/0", "10.0.1.2", EXCLUSIVE), Ok(()));
    assert_eq!(add("0.0.0.0/0", "10.0.1.2", EXCLUSIVE), Err(Errno::EEXIST));
    assert_eq!(add("0.0.0.0/0", "10.0.1.3", EXCLUSIVE), Err(Errno::EEXIST));
    assert_eq!(add("0.0.0.0/0", "10.0.1.4", REPLACE), Ok(()));
    assert_eq!(add("0.0.0.0/0", "10.0.1.5", none), Err(Errno::EEXIST));
    assert_eq!(add("0.0.0.0/0", "10.0.1.5", AddMode { create: false, ..REPLACE }), Ok(()));
    assert_eq!(add("0.0.0.0/0", "10.0.1.6", APPEND), Ok(()));
    assert_eq!(add("0.0.0.0/0", "10.0.1.6", APPEND), Err(Errno::EEXIST), "the very path");
    assert_eq!(add("192.0.3.0/24", "10.0.1.2", AddMode { create: false, ..REPLACE }), Err(Errno::ESRCH));
    assert_eq!(add("192.0.4.0/24", "10.0.1.2", none), Err(Errno::ESRCH));
    assert_eq!(add("192.0.9.0/24", "fd99::1", EXCLUSIVE), Err(Errno::ENETUNREACH));
    assert_eq!(add("10.0.1.0/24", "10.0.1.2", EXCLUSIVE), Err(Errno::EEXIST), "the connected prefix");
    assert_eq!(add("10.0.1.0/24", "10.0.1.2", REPLACE), Err(Errno::EEXIST));
    assert_eq!(add("192.0.12.0/24", "10.0.1.1", EXCLUSIVE), Ok(()), "by an own address");
    assert_eq!(add("192.0.14.0/24", "fd00:1::2", EXCLUSIVE), Ok(()), "IPv4 by IPv6");
    let own = stack::route_exact(&lab.kernel, vnet, &prefix("192.0.12.0/24")).unwrap();
    assert_eq!(own.paths[0].hop.interface, index);
    let nothing = NewRoute { paths: Vec::new(), ..route("192.0.11.0/24", &[]) };
    assert_eq!(stack::route_add(&mut lab.kernel, vnet, &nothing, EXCLUSIVE), Err(Errno::EINVAL));
    let scopeless = route("2001:db8:3::/48", &["fe80::1"]);
    assert_eq!(stack::route_add(&mut lab.kernel, vnet, &scopeless, EXCLUSIVE), Err(Errno::ENETUNREACH));
}

#[test]
fn an_interface_given_needs_no_reachable_gateway_but_must_be_here() {
    let (mut lab, vnet, index) = host();
    let mut new = route("192.0.10.0/24", &["172.31.0.1"]);
    assert_eq!(stack::route_add(&mut lab.kernel, vnet, &new, EXCLUSIVE), Err(Errno::ENETUNREACH));
    new.paths[0].interface = Some(index);
    assert!(stack::route_add(&mut lab.kernel, vnet, &new, EXCLUSIVE).is_ok());
    let (elsewhere, _) = lab.wire(VnetId::HOST, VnetId::HOST);
    new.prefix = prefix("192.0.11.0/24");
    new.paths[0].interface = Some(elsewhere);
    assert_eq!(stack::route_add(&mut lab.kernel, vnet, &new, EXCLUSIVE), Err(Errno::EINVAL));
}

#[test]
fn deleting_and_changing_answer_as_recorded() {
    let (mut lab, vnet, _) = host();
    for gateway in ["10.0.1.5", "10.0.1.6", "10.0.1.7"] {
        stack::route_add(&mut lab.kernel, vnet, &route("0.0.0.0/0", &[gateway]), APPEND).unwrap();
    }
    let all = prefix("0.0.0.0/0");
    let by = |gateway: &str| RouteFilter { gateway: Some(ip(gateway)), ..RouteFilter::default() };
    let change = route("0.0.0.0/0", &["10.0.1.4"]);
    assert_eq!(stack::route_change(&mut lab.kernel, vnet, &change), Err(Errno::ESRCH), "of several paths");
    let one = stack::route_delete(&mut lab.kernel, vnet, &all, &by("10.0.1.6")).unwrap();
    assert_eq!(one.after.unwrap().paths.len(), 2);
    assert_eq!(stack::route_delete(&mut lab.kernel, vnet, &all, &by("10.0.1.99")), Err(Errno::ESRCH));
    let rest = stack::route_delete(&mut lab.kernel, vnet, &all, &RouteFilter::default()).unwrap();
    assert_eq!((rest.before.unwrap().paths.len(), rest.after), (2, None));
    assert_eq!(stack::route_delete(&mut lab.kernel, vnet, &all, &RouteFilter::default()), Err(Errno::ESRCH));
    assert_eq!(stack::route_change(&mut lab.kernel, vnet, &change), Err(Errno::ESRCH));
    let connected = prefix("10.0.1.0/24");
    let deleted = stack::route_delete(&mut lab.kernel, vnet, &connected, &RouteFilter::default());
    assert_eq!(deleted, Err(Errno::EADDRINUSE));
    stack::route_add(&mut lab.kernel, vnet, &change, EXCLUSIVE).unwrap();
    let changed = stack::route_change(&mut lab.kernel, vnet, &route("0.0.0.0/0", &["10.0.1.3"])).unwrap();
    assert_eq!(changed.path.hop.gateway, Some(ip("10.0.1.3")));
}

#[test]
fn equal_next_hops_share_a_number_and_numbers_are_used_again() {
    let (mut lab, vnet, _) = host();
    let mut add = |to: &str, gateway: &str| {
        let change = stack::route_add(&mut lab.kernel, vnet, &route(to, &[gateway]), APPEND).unwrap();
        change.after.unwrap().id
    };
    let first = add("192.0.2.0/24", "10.0.1.2");
    assert_eq!(add("192.0.3.0/24", "10.0.1.2"), first);
    let other = add("192.0.4.0/24", "10.0.1.3");
    assert_eq!(other, first + 1);
    let group = add("192.0.4.0/24", "10.0.1.2");
    assert_eq!(group, first + 2, "a group has a number of its own");
    let gone = prefix("192.0.4.0/24");
    stack::route_delete(&mut lab.kernel, vnet, &gone, &RouteFilter::default()).unwrap();
    let again = stack::route_add(&mut lab.kernel, vnet, &route("192.0.5.0/24", &["10.0.1.9"]), APPEND).unwrap();
    assert_eq!(again.after.unwrap().id, other);
}

#[test]
fn the_longest_prefix_wins_and_scopes_are_apart() {
    let (mut lab, vnet, index) = host();
    let (second, _) = lab.wire(vnet, VnetId::HOST);
    lab.address(second, "fd00:2::1/64");
    for (to, gateway) in [("0.0.0.0/0", "10.0.1.2"), ("192.0.2.0/24", "10.0.1.3"), ("192.0.2.128/25", "10.0.1.4")] {
        lab.route(vnet, to, gateway);
    }
    let gateway = |to: &str| {
        let found = stack::route_lookup(&lab.kernel, vnet, ip(to), None).unwrap();
        found.paths[0].hop.gateway
    };
    assert_eq!(gateway("192.0.2.200"), Some(ip("10.0.1.4")));
    assert_eq!(gateway("192.0.2.1"), Some(ip("10.0.1.3")));
    assert_eq!(gateway("198.51.100.1"), Some(ip("10.0.1.2")));
    assert_eq!(gateway("10.0.1.77"), None);
    for scope in [index, second] {
        let found = stack::route_lookup(&lab.kernel, vnet, ip("fe80::77"), Some(scope)).unwrap();
        assert_eq!((found.prefix.scope, found.paths[0].hop.interface), (Some(scope), scope));
    }
    assert!(stack::route_lookup(&lab.kernel, vnet, ip("fe80::77"), None).is_none());
}

#[test]
fn dumps_walk_as_the_radix_tree_does() {
    let (mut lab, vnet, _) = host();
    for to in ["192.0.2.0/25", "192.0.2.0/24", "0.0.0.0/0", "192.0.2.0/32"] {
        lab.route(vnet, to, "10.0.1.2");
    }
    let order: Vec<String> = stack::routes(&lab.kernel, vnet, false)
        .map(|route| format!("{}/{}", route.prefix.address, route.prefix.length))
        .collect();
    assert_eq!(order, ["0.0.0.0/0", "10.0.1.0/24", "10.0.1.1/32", "192.0.2.0/32", "192.0.2.0/25", "192.0.2.0/24"]);
}

#[test]
fn prefixes_lose_host_bits_and_useless_scopes() {
    let made = Prefix::new(ip("192.0.5.9"), 24, Some(IfIndex(3))).unwrap();
    assert_eq!((made.address, made.scope), (ip("192.0.5.0"), None));
    assert_eq!(Prefix::new(ip("192.0.5.9"), 33, None), None);
    assert_eq!(Prefix::new(ip("::"), 129, None), None);
    assert!(prefix("0.0.0.0/0").contains(ip("255.255.255.255"), None));
    assert!(!prefix("0.0.0.0/0").contains(ip("::"), None));
}

#[test]
fn weights_and_flows_spread_over_paths() {
    let (mut lab, vnet, _) = host();
    let mut new = route("192.0.28.0/24", &["10.0.1.2", "10.0.1.3"]);
    new.paths[1] = NewPath { weight: 3, ..new.paths[1] };
    let route = stack::route_add(&mut lab.kernel, vnet, &new, EXCLUSIVE).unwrap().after.unwrap();
    let share = (0..400_u32).filter(|hash| route.select(*hash).unwrap().hop.gateway == Some(ip("10.0.1.3"))).count();
    assert_eq!(share, 300);
}
