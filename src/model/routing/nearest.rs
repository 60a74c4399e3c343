//! The default routes of hosts: to the router of their segment with the fewest switches in between, ties by name.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::subnets::{Map, Subnet};
use crate::diagnostic::Origin;
use crate::model::prefix::{Family, Prefix};
use crate::model::{LinkId, Model, NodeId, NodeKind, Route, RouteReason};

/// How far a router is, which one, and its address: compared in this order.
type Nearest = (usize, NodeId, IpAddr);

/// One route for each host that has a router on a subnet of the family and no default route in the file.
pub(super) fn default_routes(model: &Model, map: &Map, origin: Origin) -> Vec<(NodeId, Route)> {
    let trunks = trunks(model);
    let mut best: BTreeMap<NodeId, Nearest> = BTreeMap::new();
    for subnet in &map.subnets {
        let kind = |node: NodeId| model.node(node).kind;
        let routers = subnet.members.iter().any(|member| kind(member.node) == NodeKind::Router);
        let hosts = subnet.members.iter().filter(|member| kind(member.node) == NodeKind::Host);
        let hosts: Vec<(NodeId, LinkId)> = hosts.map(|member| (member.node, member.link)).collect();
        if !routers || hosts.is_empty() {
            continue;
        }
        let nearest = nearest_of_switches(model, subnet, &trunks);
        for (host, link) in hosts {
            let other = other_end(model, link, host);
            let found = match nearest.get(&other) {
                Some(found) => Some(*found),
                None => {
                    subnet.member(other).filter(|_| kind(other) == NodeKind::Router).map(|at| (0, other, at.address))
                }
            };
            if let Some(found) = found {
                best.entry(host).and_modify(|best| *best = found.min(*best)).or_insert(found);
            }
        }
    }
    let default = default_of(map.family);
    let without = best.into_iter().filter(|(host, _)| !has_route(model, *host, default));
    without
        .map(|(host, (_, _, via))| (host, Route { to: default.network(), via, why: RouteReason::Default, origin }))
        .collect()
}

/// The prefix of length 0.
pub(super) fn default_of(family: Family) -> Prefix {
    Prefix { family, first: 0, length: 0 }
}

fn has_route(model: &Model, node: NodeId, to: Prefix) -> bool {
    model.node(node).routes.iter().any(|route| Prefix::of(route.to) == to)
}

/// The neighbours of each layer-2 node among the layer-2 nodes.
fn trunks(model: &Model) -> Vec<Vec<NodeId>> {
    let mut trunks = vec![Vec::new(); model.nodes.len()];
    for link in &model.links {
        let [a, b] = link.ends.each_ref().map(|end| end.node);
        if model.node(a).kind.is_layer2() && model.node(b).kind.is_layer2() {
            trunks[a.0].push(b);
            trunks[b.0].push(a);
        }
    }
    trunks
}

fn other_end(model: &Model, link: LinkId, node: NodeId) -> NodeId {
    let [a, b] = model.links[link.0].ends.each_ref().map(|end| end.node);
    if a == node { b } else { a }
}

/// The nearest router of the subnet for each layer-2 node of its segment, found outwards from all routers at once.
fn nearest_of_switches(model: &Model, subnet: &Subnet, trunks: &[Vec<NodeId>]) -> BTreeMap<NodeId, Nearest> {
    let mut frontier: BTreeMap<NodeId, Nearest> = BTreeMap::new();
    for member in subnet.members.iter().filter(|member| model.node(member.node).kind == NodeKind::Router) {
        let switch = other_end(model, member.link, member.node);
        if model.node(switch).kind.is_layer2() {
            // Members come by name, so the first one is the one to keep.
            frontier.entry(switch).or_insert((1, member.node, member.address));
        }
    }
    let mut found = frontier.clone();
    while !frontier.is_empty() {
        let mut next: BTreeMap<NodeId, Nearest> = BTreeMap::new();
        for (switch, (far, router, address)) in frontier {
            for neighbour in trunks[switch.0].iter().filter(|neighbour| !found.contains_key(neighbour)) {
                let candidate = (far + 1, router, address);
                next.entry(*neighbour).and_modify(|best| *best = candidate.min(*best)).or_insert(candidate);
            }
        }
        found.extend(&next);
        frontier = next;
    }
    found
}
