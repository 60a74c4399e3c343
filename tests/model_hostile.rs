//! Drafts that no author would write: whatever stands in them, the answer is a model or errors, never a panic.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cellblock::diagnostic::{At, Diagnostic};
use cellblock::model::draft::{Draft, DraftEnd, DraftInterface, DraftLink, DraftNode, DraftPool, DraftRoute};
use cellblock::model::{
    Bandwidth, CheckSpec, Delay, Expect, FamilyChoice, IfName, Mac, Mtu, NodeKind, NodeName, Routing, Shaping,
    SwitchDriver, Wire, resolve,
};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

fn kind() -> impl Strategy<Value = NodeKind> {
    prop_oneof![
        Just(NodeKind::Host),
        Just(NodeKind::Router),
        Just(NodeKind::Router),
        Just(NodeKind::Switch(SwitchDriver::Netgraph)),
        any::<bool>().prop_map(|stp| NodeKind::Switch(SwitchDriver::IfBridge { stp })),
        Just(NodeKind::Hub),
        Just(NodeKind::SelfHost),
    ]
}

fn name() -> impl Strategy<Value = NodeName> {
    (0..6u8).prop_map(|n| format!("n{n}").parse().unwrap())
}

fn interface() -> impl Strategy<Value = IfName> {
    prop_oneof![4 => (0..4u8).prop_map(|n| format!("e{n}").parse().unwrap()), 1 => Just("lo".parse().unwrap())]
}

/// Few different addresses, so that they meet, and any address at all.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0..40u32).prop_map(|low| Ipv4Addr::from_bits(0x0a00_0000 | low).into()),
        (0..40u128).prop_map(|low| Ipv6Addr::from_bits((0xfd00 << 112) | low).into()),
        any::<Ipv4Addr>().prop_map(IpAddr::from),
        any::<Ipv6Addr>().prop_map(IpAddr::from),
    ]
}

fn network() -> impl Strategy<Value = At<IpNetwork>> {
    (address(), any::<u8>()).prop_map(|(address, length)| {
        let width = if address.is_ipv4() { 32 } else { 128 };
        At::nowhere(IpNetwork::new(address, length % (width + 1)).unwrap())
    })
}

fn at<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Option<At<T>>> {
    option::of(strategy.prop_map(At::nowhere))
}

fn pool_name() -> impl Strategy<Value = String> {
    prop_oneof![Just("lan".to_owned()), Just("lan".to_owned()), Just("p2p".to_owned()), Just("none".to_owned())]
}

fn index() -> impl Strategy<Value = u32> {
    prop_oneof![0..5u32, any::<u32>()]
}

fn mac() -> impl Strategy<Value = Mac> {
    (0..4u8, 0..3u8).prop_map(|(first, last)| Mac([first, 0, 0, 0, 0, last]))
}

prop_compose! {
    fn pool()(
        v4 in option::of((any::<Ipv4Addr>(), 0..=32u8, any::<u8>())),
        v6 in option::of((any::<Ipv6Addr>(), 0..=128u8, any::<u8>())),
        masked in any::<bool>(),
    ) -> DraftPool {
        let v4 = v4.map(|(address, length, subnets)| {
            let net = Ipv4Network::new(address, length).unwrap();
            let net = if masked { Ipv4Network::new(net.network(), length).unwrap() } else { net };
            (At::nowhere(net), At::nowhere(subnets))
        });
        let v6 = v6.map(|(address, length, subnets)| {
            let net = Ipv6Network::new(address, length).unwrap();
            let net = if masked { Ipv6Network::new(net.network(), length).unwrap() } else { net };
            (At::nowhere(net), At::nowhere(subnets))
        });
        DraftPool { origin: Default::default(), ipv4: v4, ipv6: v6 }
    }
}

prop_compose! {
    fn node(n: u8)(
        kind in kind(),
        pool in at(pool_name()),
        index in at(index()),
        repeated in any::<bool>(),
        mtu in at((72..=65535u16).prop_map(Mtu)),
        loopback in vec(network(), 0..2),
        routes in vec((network(), address()), 0..2),
        interfaces in btree_map(interface(), (vec(network(), 0..2), at(mac()), at((72..=65535u16).prop_map(Mtu))), 0..2),
    ) -> DraftNode {
        let routes = routes.into_iter().map(|(to, via)| DraftRoute { to, via: At::nowhere(via) }).collect();
        let interface = |(addresses, mac, mtu)| DraftInterface { addresses, mac, mtu, ..DraftInterface::default() };
        let interfaces = interfaces.into_iter().map(|(name, given)| (name, interface(given))).collect();
        let node = DraftNode::new(format!("n{n}").parse().unwrap(), kind);
        DraftNode { pool, index, repeated, mtu, loopback, routes, interfaces, ..node }
    }
}

prop_compose! {
    fn end()(name in name(), interface in option::weighted(0.7, interface()), addresses in vec(network(), 0..2), mac in at(mac())) -> DraftEnd {
        DraftEnd { addresses, mac, ..DraftEnd::new(name, interface) }
    }
}

prop_compose! {
    fn link()(
        first in end(),
        second in end(),
        name in at(prop_oneof![Just(String::new()), Just("n0:e0 -- n1:e0".to_owned()), "\\PC{0,3}"]),
        wire in at(prop_oneof![Just(Wire::Netgraph), Just(Wire::Epair)]),
        pool in at(pool_name()),
        index in at(index()),
        mtu in at((72..=65535u16).prop_map(Mtu)),
        rate in option::of(0..2u64),
    ) -> DraftLink {
        let shaping = rate.map(|rate| At::nowhere(Shaping { rate: Some(Bandwidth(rate)), ..Shaping::default() }));
        DraftLink { name, wire, pool, index, mtu, shaping: [shaping, None], ..DraftLink::new(first, second) }
    }
}

fn check() -> impl Strategy<Value = At<CheckSpec>> {
    ("[n*:0-3elo]{0,6}", "[n*:0-3elo]{0,6}").prop_map(|(from, to)| {
        At::nowhere(CheckSpec {
            expect: Expect::Reach,
            from: At::nowhere(from),
            to: At::nowhere(to),
            family: FamilyChoice::Any,
            timeout: Delay(1_000_000_000),
            count: 3,
        })
    })
}

prop_compose! {
    fn draft()(
        nodes in (node(0), node(1), node(2), node(3), node(4)),
        links in vec(link(), 0..6),
        lan in pool(),
        p2p in pool(),
        checks in vec(check(), 0..2),
        routing in prop_oneof![Just(Routing::None), Just(Routing::Default), Just(Routing::Auto)],
        allow_loops in any::<bool>(),
        doubled in proptest::bool::weighted(0.1),
    ) -> Draft {
        let mut draft = Draft::new("hostile".parse().unwrap());
        draft.nodes = vec![nodes.0, nodes.1, nodes.2, nodes.3, nodes.4];
        if doubled {
            draft.nodes.push(draft.nodes[0].clone());
        }
        draft.pools = [("lan".to_owned(), lan), ("p2p".to_owned(), p2p)].into();
        Draft { links, checks, routing: At::nowhere(routing), allow_loops, ..draft }
    }
}

/// Makes the ends fit their nodes and drops what is most often wrong, so that the later steps are reached.
fn tame(mut draft: Draft) -> Draft {
    draft.nodes.truncate(5);
    for (name, pool) in &mut draft.pools {
        let low = u32::from(name == "p2p") << 20;
        let v4 = pool.ipv4.take().map_or((30, 31), |(net, length)| (net.prefix().max(12), length.value.min(32)));
        let v6 = pool.ipv6.take().map_or((120, 127), |(net, length)| (net.prefix().max(20), length.value.min(128)));
        let net4 = Ipv4Network::new(Ipv4Addr::from_bits(0x0a00_0000 | low), v4.0).unwrap();
        let net6 = Ipv6Network::new(Ipv6Addr::from_bits((0xfd00 << 112) | u128::from(low) << 96), v6.0).unwrap();
        pool.ipv4 = Some((At::nowhere(net4), At::nowhere(v4.1.max(v4.0))));
        pool.ipv6 = Some((At::nowhere(net6), At::nowhere(v6.1.max(v6.0))));
    }
    for node in &mut draft.nodes {
        if node.kind.value == NodeKind::SelfHost {
            node.kind.value = NodeKind::Router;
        }
        node.mtu = None;
    }
    let kinds: Vec<NodeKind> = draft.nodes.iter().map(|node| node.kind.value).collect();
    for (n, node) in draft.nodes.iter_mut().enumerate() {
        node.routes.clear();
        node.interfaces.clear();
        node.loopback.clear();
        node.pool = node.pool.take().filter(|pool| kinds[n].is_layer2() && pool.value == "lan");
    }
    draft.checks.clear();
    draft.allow_loops = true;
    let near = |address: &At<IpNetwork>| {
        address.prefix() > 24 && matches!(address.ip(), IpAddr::V4(v4) if v4.octets()[0] == 10)
            || address.prefix() > 120
    };
    for (n, link) in draft.links.iter_mut().enumerate() {
        link.wire = None;
        link.mtu = None;
        link.pool = link.pool.take().filter(|pool| pool.value == "lan");
        link.shaping = [None, None];
        link.name = Some(At::nowhere(format!("link{n}")));
        for end in &mut link.ends {
            end.mac = None;
            let place: usize = end.node.as_str()[1..].parse().unwrap();
            let place = place % kinds.len();
            end.node = At::nowhere(format!("n{place}").parse().unwrap());
            end.interface = Some(At::nowhere(format!("e{n}").parse().unwrap())).filter(|_| !kinds[place].is_layer2());
            end.addresses.retain(|address| !kinds[place].is_layer2() && near(address) && n < 2);
        }
    }
    draft.links.retain(|link| link.ends[0].node.value != link.ends[1].node.value);
    draft
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_draft_panics(draft in draft()) {
        match resolve(draft) {
            Ok((_, warnings)) => prop_assert!(!warnings.iter().any(Diagnostic::is_error)),
            Err(errors) => prop_assert!(errors.iter().any(Diagnostic::is_error)),
        }
    }

    #[test]
    fn no_nearly_right_draft_panics(draft in draft()) {
        let _ = resolve(tame(draft));
    }

    #[test]
    fn an_error_has_words(draft in draft()) {
        for finding in resolve(tame(draft)).err().into_iter().flatten() {
            prop_assert!(finding.code.starts_with('M') && !finding.message.ends_with('.') && !finding.message.is_empty());
        }
    }
}
