//! What holds for every topology, tried on random ones: addresses never overlap, order never matters, every router knows
//! the way to everything, and nothing goes in circles.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use cellblock::diagnostic::At;
use cellblock::model::draft::{Draft, DraftEnd, DraftLink, DraftNode, DraftPool};
use cellblock::model::{
    Address, AddressReason, Model, Node, NodeId, NodeKind, RouteReason, Routing, SwitchDriver, resolve,
};
use ipnetwork::IpNetwork;
use proptest::collection::vec;
use proptest::prelude::*;

/// A random lab: a tree of switches, routers and hosts at them, links between routers.
#[derive(Clone, Debug)]
struct Plan {
    routing: Routing,
    /// For each switch after the first: which earlier one it is linked to; `None` begins a segment of its own.
    switches: Vec<Option<usize>>,
    /// For each router: switches it is at, and whether it has a loopback.
    routers: Vec<(Vec<usize>, bool)>,
    /// Pairs of routers.
    links: Vec<(usize, usize)>,
    /// For each host: its switch, perhaps an index, perhaps a given address, and whether it has a loopback.
    hosts: Vec<(usize, Option<u32>, Option<u8>, bool)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let switches = vec(proptest::option::weighted(0.4, 0..100usize), 1..6);
    let routers = vec((vec(0..100usize, 0..3), any::<bool>()), 1..9);
    let links = vec((0..100usize, 0..100usize), 0..14);
    let index = proptest::option::of(0..9u32);
    let given = proptest::option::weighted(0.2, 1..250u8);
    let hosts = vec((0..100usize, index, given, proptest::bool::weighted(0.3)), 0..8);
    let routing = prop_oneof![Just(Routing::Default), Just(Routing::Auto), Just(Routing::Auto)];
    (routing, switches, routers, links, hosts).prop_map(|(routing, switches, routers, links, hosts)| Plan {
        routing,
        switches,
        routers,
        links,
        hosts,
    })
}

fn node(name: &str, kind: NodeKind) -> DraftNode {
    DraftNode::new(name.parse().unwrap(), kind)
}

fn end(text: &str) -> DraftEnd {
    match text.split_once(':') {
        Some((node, interface)) => DraftEnd::new(node.parse().unwrap(), Some(interface.parse().unwrap())),
        None => DraftEnd::new(text.parse().unwrap(), None),
    }
}

fn net(text: &str) -> At<IpNetwork> {
    At::nowhere(text.parse().unwrap())
}

fn pool(v4: &str, prefix: u8, v6: &str, prefix6: u8) -> DraftPool {
    DraftPool {
        origin: Default::default(),
        ipv4: Some((At::nowhere(v4.parse().unwrap()), At::nowhere(prefix))),
        ipv6: Some((At::nowhere(v6.parse().unwrap()), At::nowhere(prefix6))),
    }
}

impl Plan {
    /// The switch at the root of each switch's tree: where the pool stands.
    fn root(&self, switch: usize) -> usize {
        match self.switches[switch] {
            Some(parent) if switch > 0 => self.root(parent % switch),
            _ => switch,
        }
    }

    fn draft(&self) -> Draft {
        let mut draft = Draft::new("random".parse().unwrap());
        draft.routing = At::nowhere(self.routing);
        draft.pools.insert("lan".into(), pool("10.1.0.0/16", 24, "fd00:1::/48", 64));
        draft.pools.insert("p2p".into(), pool("10.2.0.0/16", 31, "fd00:2::/48", 127));
        for (n, parent) in self.switches.iter().enumerate() {
            let mut switch = node(&format!("s{n}"), NodeKind::Switch(SwitchDriver::Netgraph));
            match parent {
                Some(parent) if n > 0 => {
                    draft.links.push(DraftLink::new(end(&format!("s{n}")), end(&format!("s{}", parent % n))));
                }
                _ => switch.pool = Some(At::nowhere("lan".into())),
            }
            draft.nodes.push(switch);
        }
        for (n, (switches, loopback)) in self.routers.iter().enumerate() {
            let mut router = node(&format!("r{n}"), NodeKind::Router);
            if *loopback {
                router.loopback = vec![net(&format!("10.3.0.{n}/32")), net(&format!("fd00:3::{n}/128"))];
            }
            draft.nodes.push(router);
            // Once per segment: twice in one subnet is something else.
            let roots: BTreeMap<usize, usize> =
                switches.iter().map(|s| s % self.switches.len()).map(|s| (self.root(s), s)).collect();
            for switch in roots.values() {
                draft.links.push(DraftLink::new(end(&format!("r{n}:s{switch}")), end(&format!("s{switch}"))));
            }
        }
        for (n, (a, b)) in self.links.iter().enumerate() {
            let (a, b) = (a % self.routers.len(), b % self.routers.len());
            if a != b {
                let mut link = DraftLink::new(end(&format!("r{a}:p{n}")), end(&format!("r{b}:p{n}")));
                link.pool = Some(At::nowhere("p2p".into()));
                draft.links.push(link);
            }
        }
        let mut homes: BTreeMap<usize, u8> = BTreeMap::new();
        for (n, (switch, index, given, loopback)) in self.hosts.iter().enumerate() {
            let switch = switch % self.switches.len();
            let mut host = node(&format!("h{n}"), NodeKind::Host);
            host.index = index.map(At::nowhere);
            if *loopback {
                host.loopback = vec![net(&format!("10.3.1.{n}/32"))];
            }
            draft.nodes.push(host);
            let mut at = end(&format!("h{n}:eth0"));
            if let Some(number) = given {
                // The first address given in a segment says which subnet it is; the hosts of a segment agree.
                let subnet = *homes.entry(self.root(switch)).or_insert(u8::try_from(self.root(switch)).unwrap() + 3);
                let taken = self.hosts[..n].iter().any(|(other, _, earlier, _)| {
                    *earlier == Some(*number) && self.root(other % self.switches.len()) == self.root(switch)
                });
                if !taken {
                    at.addresses = vec![net(&format!("10.1.{subnet}.{number}/24"))];
                }
            }
            draft.links.push(DraftLink::new(at, end(&format!("s{switch}"))));
        }
        draft
    }

    fn resolve(&self) -> Model {
        resolve(self.draft()).unwrap_or_else(|errors| panic!("{errors:#?}")).0
    }
}

fn all_addresses(model: &Model) -> impl Iterator<Item = (&Node, &Address)> {
    model.nodes.iter().flat_map(|node| {
        let interfaces = node.interfaces.values().flat_map(|interface| &interface.addresses);
        interfaces.chain(&node.loopback).map(move |address| (node, address))
    })
}

fn has(node: &Node, address: IpAddr) -> bool {
    let own = node.interfaces.values().flat_map(|interface| &interface.addresses).chain(&node.loopback);
    own.into_iter().any(|own| own.net.ip() == address)
}

/// The node that has the next hop on a segment of `node`.
fn next(model: &Model, node: &Node, via: IpAddr) -> Option<NodeId> {
    let segments = node.interfaces.values().map(|interface| &model.segments[model.links[interface.link.0].segment.0]);
    let mut members = segments.flat_map(|segment| &segment.members);
    members
        .find(|(id, name)| model.node(*id).interfaces[name].addresses.iter().any(|at| at.net.ip() == via))
        .map(|(id, _)| *id)
}

/// The nodes a packet passes until a node has the address or its subnet; `None` if some node has no route.
fn walk(model: &Model, from: NodeId, to: IpAddr) -> Result<Option<Vec<NodeId>>, String> {
    let mut way = vec![from];
    loop {
        let node = model.node(way[way.len() - 1]);
        let connected = node.interfaces.values().flat_map(|interface| &interface.addresses);
        let longest = connected.filter(|at| at.net.contains(to)).map(|at| at.net.prefix()).max();
        let route = node.routes.iter().filter(|route| route.to.contains(to)).max_by_key(|route| route.to.prefix());
        if has(node, to) || longest.is_some_and(|length| route.is_none_or(|route| route.to.prefix() < length)) {
            return Ok(Some(way));
        }
        let Some(route) = route else { return Ok(None) };
        let next = next(model, node, route.via)
            .ok_or_else(|| format!("{:?}: nobody has the next hop {}", node.name, route.via))?;
        if way.contains(&next) {
            return Err(format!("to {to} in circles: {way:?}"));
        }
        way.push(next);
    }
}

/// Routers that are joined, directly or through others, in an address family, with the number of hops.
fn distances(model: &Model, from: NodeId, v4: bool) -> BTreeMap<NodeId, u32> {
    let mut found = BTreeMap::from([(from, 0)]);
    let mut open = std::collections::VecDeque::from([from]);
    while let Some(here) = open.pop_front() {
        for interface in model.node(here).interfaces.values() {
            let segment = &model.segments[model.links[interface.link.0].segment.0];
            for (other, name) in &segment.members {
                let theirs = &model.node(*other).interfaces[name].addresses;
                let shared = |at: &Address| {
                    theirs.iter().any(|their| their.net.network() == at.net.network() && at.net.is_ipv4() == v4)
                };
                let joined = interface.addresses.iter().any(shared);
                if joined && model.node(*other).kind == NodeKind::Router && !found.contains_key(other) {
                    found.insert(*other, found[&here] + 1);
                    open.push_back(*other);
                }
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn addresses_never_overlap(plan in plan()) {
        let model = plan.resolve();
        let mut seen = BTreeSet::new();
        for (node, address) in all_addresses(&model) {
            prop_assert!(seen.insert(address.net.ip()), "{:?} has {} too", node.name, address.net);
        }
        let mut subnets: Vec<IpNetwork> = model.segments.iter().flat_map(|segment| segment.subnets.clone()).collect();
        subnets.sort();
        for pair in subnets.windows(2) {
            prop_assert!(!pair[0].contains(pair[1].network()), "{} and {}", pair[0], pair[1]);
        }
        for segment in &model.segments {
            for (id, name) in &segment.members {
                let families = model.node(*id).interfaces[name].addresses.iter().map(|at| at.net.is_ipv4());
                prop_assert_eq!(families.collect::<Vec<_>>(), [true, false]);
            }
        }
    }

    #[test]
    fn an_index_is_kept_if_free(plan in plan()) {
        let model = plan.resolve();
        for (n, (_, index, ..)) in plan.hosts.iter().enumerate() {
            let node = model.node(model.find(&format!("h{n}")).unwrap());
            for address in &node.interfaces[&"eth0".parse().unwrap()].addresses {
                let AddressReason::Pool { host, by_index, .. } = address.why else { continue };
                prop_assert!(!by_index || Some(host) == index.map(u128::from));
                let wanted = index.filter(|index| *index > 0).map(u128::from);
                // Not by index although one is there: then somebody else has that address.
                if let (false, Some(wanted), IpNetwork::V4(net)) = (by_index, wanted, address.net) {
                    let taken = Ipv4Addr::from_bits(net.network().to_bits() + u32::try_from(wanted).unwrap());
                    prop_assert!(all_addresses(&model).any(|(_, other)| other.net.ip() == IpAddr::V4(taken)));
                }
            }
        }
    }

    #[test]
    fn order_never_matters(plan in plan(), seed in any::<u64>()) {
        let straight = plan.resolve();
        let mut draft = plan.draft();
        let mut state = seed;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for place in (1..draft.nodes.len()).rev() {
            draft.nodes.swap(place, random(place + 1));
        }
        for place in (1..draft.links.len()).rev() {
            draft.links.swap(place, random(place + 1));
        }
        for link in &mut draft.links {
            if random(2) == 1 {
                link.ends.swap(0, 1);
                link.shaping.swap(0, 1);
            }
        }
        let shuffled = resolve(draft).unwrap().0;
        prop_assert_eq!(serde_json::to_string(&straight).unwrap(), serde_json::to_string(&shuffled).unwrap());
    }

    #[test]
    fn every_router_knows_the_shortest_way(plan in plan()) {
        let plan = Plan { routing: Routing::Auto, ..plan };
        let model = plan.resolve();
        for (place, node) in model.nodes.iter().enumerate().filter(|(_, node)| node.kind == NodeKind::Router) {
            let from = NodeId(place);
            for (owner, address) in all_addresses(&model) {
                let to = address.net.ip();
                let distances = distances(&model, from, to.is_ipv4());
                // Where the address is: at a router that has it, or on the subnet of one that does not.
                let at_home = |id: &NodeId| {
                    let at = model.node(*id);
                    let own = at.interfaces.values().flat_map(|interface| &interface.addresses);
                    has(at, to) || own.into_iter().any(|own| own.net.contains(to))
                };
                let behind = |id: &NodeId| {
                    owner.kind == NodeKind::Host && owner.loopback.iter().any(|own| own.net.ip() == to)
                        && owner.interfaces.values().flat_map(|interface| &interface.addresses).any(|own| {
                            let neighbour = model.node(*id).interfaces.values().flat_map(|interface| &interface.addresses);
                            neighbour.into_iter().any(|at| at.net.network() == own.net.network() && to.is_ipv4() == own.net.is_ipv4())
                        })
                };
                let nearest = distances.iter().filter(|(id, _)| at_home(id)).map(|(_, hops)| *hops).min();
                let nearest = nearest.or_else(|| distances.iter().filter(|(id, _)| behind(id)).map(|(_, hops)| *hops + 1).min());
                let way = walk(&model, from, to).map_err(TestCaseError::fail)?;
                match nearest {
                    Some(hops) => prop_assert_eq!(
                        way.as_ref().map(|way| way.len() - 1), Some(hops as usize), "{:?} to {}: {:?}", node.name, to, way
                    ),
                    None => prop_assert!(way.is_none()),
                }
            }
        }
    }

    #[test]
    fn nothing_goes_in_circles(plan in plan(), address in any::<u32>(), low in any::<u16>()) {
        let model = plan.resolve();
        let near = Ipv4Addr::from_bits(0x0a00_0000 | u32::from(low));
        for to in [Ipv4Addr::from_bits(address), near] {
            for place in 0..model.nodes.len() {
                walk(&model, NodeId(place), to.into()).map_err(TestCaseError::fail)?;
            }
        }
    }

    #[test]
    fn aggregation_is_exact(plan in plan()) {
        let model = plan.resolve();
        let mut known: BTreeSet<IpNetwork> = model.segments.iter().flat_map(|segment| segment.subnets.clone()).collect();
        known.extend(model.nodes.iter().flat_map(|node| node.loopback.iter().map(|at| at.net)));
        let size = |net: &IpNetwork| 1u128 << (if net.is_ipv4() { 32 } else { 128 } - u32::from(net.prefix()));
        for route in model.nodes.iter().flat_map(|node| &node.routes) {
            let RouteReason::ShortestPath { covers, .. } = route.why else { continue };
            let within = known.iter().filter(|net| net.is_ipv4() == route.to.is_ipv4() && route.to.contains(net.network()));
            let within: Vec<&IpNetwork> = within.collect();
            prop_assert_eq!(within.iter().map(|net| size(net)).sum::<u128>(), size(&route.to), "{} {:?}", route.to, within);
            prop_assert_eq!(within.len(), covers as usize);
        }
        for node in &model.nodes {
            let prefixes: BTreeSet<IpNetwork> = node.routes.iter().map(|route| route.to).collect();
            prop_assert_eq!(prefixes.len(), node.routes.len());
            prop_assert!(node.routes.is_sorted_by_key(cellblock::model::Route::order));
        }
    }
}
