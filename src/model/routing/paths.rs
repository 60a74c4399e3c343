//! Shortest paths between routers, one breadth-first walk per router over routers and subnets in turn, so that a subnet of
//! a thousand routers costs a thousand steps and not a million.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::nearest::default_of;
use super::subnets::Map;
use crate::diagnostic::Origin;
use crate::model::prefix::{Family, Prefix};
use crate::model::{Model, NodeId, NodeKind, Route, RouteReason};

/// Not reached.
const FAR: u32 = u32::MAX;

/// Routers, subnets and what is to be reached.
#[derive(Debug)]
pub(super) struct Graph {
    family: Family,
    routers: Vec<NodeId>,
    /// By subnet: the routers on it, by name, with their addresses.
    members: Vec<Vec<(u32, IpAddr)>>,
    /// By router: its subnets in the order of its interfaces.
    subnets: Vec<Vec<u32>>,
    /// Ascending by prefix.
    destinations: Vec<Destination>,
    /// The routers that get a default route.
    stubs: Vec<bool>,
}

#[derive(Debug)]
struct Destination {
    prefix: Prefix,
    place: Place,
    /// A loopback address inside some subnet of the lab: never aggregated, the subnet's own route is around it.
    inner: bool,
}

/// Where a prefix is.
#[derive(Debug)]
enum Place {
    Subnet(u32),
    Router(u32),
    /// A loopback of a host: behind its address on each of these subnets.
    Host(Vec<(u32, IpAddr)>),
}

impl Graph {
    pub(super) fn new(model: &Model, map: &Map) -> Self {
        let is_router = |id: &NodeId| model.node(*id).kind == NodeKind::Router;
        let routers: Vec<NodeId> = (0..model.nodes.len()).map(NodeId).filter(is_router).collect();
        let mut place_of: Vec<u32> = vec![FAR; model.nodes.len()];
        for (place, id) in (0..).zip(&routers) {
            place_of[id.0] = place;
        }
        let members = map.subnets.iter().map(|subnet| {
            let of_routers = subnet.members.iter().filter(|member| place_of[member.node.0] != FAR);
            of_routers.map(|member| (place_of[member.node.0], member.address)).collect()
        });
        let members: Vec<Vec<(u32, IpAddr)>> = members.collect();
        let subnets = routers.iter().map(|id| map.of_node[id.0].iter().map(|place| number(*place)).collect());
        let subnets: Vec<Vec<u32>> = subnets.collect();
        let destinations = destinations(model, map, &place_of);
        let stubs = stubs(model, map.family, &routers, &members, &subnets);
        Self { family: map.family, routers, members, subnets, destinations, stubs }
    }

    pub(super) fn routers(&self) -> usize {
        self.routers.len()
    }

    pub(super) fn router(&self, place: usize) -> NodeId {
        self.routers[place]
    }
}

/// All subnets, and the loopback addresses of routers and hosts.
fn destinations(model: &Model, map: &Map, place_of: &[u32]) -> Vec<Destination> {
    let subnets = (0..).zip(&map.subnets);
    let mut found: Vec<Destination> = subnets
        .map(|(place, subnet)| Destination { prefix: subnet.prefix, place: Place::Subnet(place), inner: false })
        .collect();
    for (id, node) in (0..).map(NodeId).zip(&model.nodes) {
        for address in node.loopback.iter().map(|address| address.net.ip()) {
            let place = match node.kind {
                _ if Family::of(address) != map.family => continue,
                NodeKind::Router => Place::Router(place_of[id.0]),
                NodeKind::Host => Place::Host(host_stays(map, id)),
                _ => continue,
            };
            found.push(Destination { prefix: Prefix::host(address), place, inner: false });
        }
    }
    found.sort_by_key(|destination| destination.prefix);
    let mut around: Option<Prefix> = None;
    for destination in &mut found {
        match around {
            Some(outer) if outer.contains(destination.prefix) => destination.inner = true,
            _ => around = Some(destination.prefix),
        }
    }
    found
}

/// The subnets of a host and its address on each.
fn host_stays(map: &Map, host: NodeId) -> Vec<(u32, IpAddr)> {
    let stays = map.of_node[host.0].iter();
    stays.filter_map(|place| Some((number(*place), map.subnets[*place].member(host)?.address))).collect()
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("a file has fewer than 2^32 subnets")
}

/// Routers with exactly one neighbouring router, no default route of their own, and a neighbour that is not in the same
/// position towards them: two such routers would pass packets to nowhere back and forth.
fn stubs(
    model: &Model,
    family: Family,
    routers: &[NodeId],
    members: &[Vec<(u32, IpAddr)>],
    subnets: &[Vec<u32>],
) -> Vec<bool> {
    let only_neighbour = |place: usize| {
        let mut others =
            subnets[place].iter().flat_map(|subnet| &members[*subnet as usize]).map(|(other, _)| *other as usize);
        let first = others.by_ref().find(|other| *other != place)?;
        others.all(|other| other == place || other == first).then_some(first)
    };
    let default = default_of(family);
    let wish: Vec<Option<usize>> = (0..routers.len())
        .map(|place| {
            let given = model.node(routers[place]).routes.iter().any(|route| Prefix::of(route.to) == default);
            only_neighbour(place).filter(|_| !given)
        })
        .collect();
    wish.iter().enumerate().map(|(place, wish_of)| wish_of.is_some_and(|other| wish[other] != Some(place))).collect()
}

/// The state of a walk, kept from router to router.
#[derive(Debug)]
pub(super) struct Walk<'g> {
    graph: &'g Graph,
    /// By router: routers on the way to it, itself included, and the first of them.
    to_router: Vec<(u32, u32)>,
    /// By subnet: routers on the way to it, and the first of them.
    to_subnet: Vec<(u32, u32)>,
    /// By router next to the one walked from: its address there.
    next_hop: Vec<Option<IpAddr>>,
}

/// A route in the making.
#[derive(Clone, Copy, Debug)]
struct Entry {
    prefix: Prefix,
    via: IpAddr,
    hops: u32,
    covers: u32,
}

impl<'g> Walk<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        Self { graph, to_router: Vec::new(), to_subnet: Vec::new(), next_hop: Vec::new() }
    }

    /// The routes of one router, besides those that the file gives it.
    pub(super) fn routes(&mut self, from: usize, given: &[Route], origin: Origin) -> Vec<Route> {
        self.walk(from);
        let given = given.iter().map(|route| Prefix::of(route.to)).filter(|to| to.family == self.graph.family);
        let given: BTreeSet<Prefix> = given.collect();
        let mut entries: Vec<Entry> = Vec::new();
        let mut apart: Vec<Entry> = Vec::new();
        let mut default = None;
        for destination in &self.graph.destinations {
            let Some((via, hops, through_router)) = self.way(from, &destination.place) else { continue };
            if given.contains(&destination.prefix) {
                continue;
            }
            let entry = Entry { prefix: destination.prefix, via, hops, covers: 1 };
            if through_router && self.graph.stubs[from] {
                default = Some(via);
            } else if destination.inner {
                apart.push(entry);
            } else {
                push_merged(&mut entries, entry, &given);
            }
        }
        let default = default.map(|via| {
            let to = default_of(self.graph.family).network();
            Route { to, via, why: RouteReason::Default, origin }
        });
        let paths = entries.into_iter().chain(apart).map(|Entry { prefix, via, hops, covers }| Route {
            to: prefix.network(),
            via,
            why: RouteReason::ShortestPath { hops, covers },
            origin,
        });
        default.into_iter().chain(paths).collect()
    }

    /// Breadth first. Routers are numbered by name: of several first hops on shortest paths the lowest wins.
    fn walk(&mut self, from: usize) {
        let graph = self.graph;
        reset(&mut self.to_router, graph.routers.len(), (FAR, FAR));
        reset(&mut self.to_subnet, graph.members.len(), (FAR, FAR));
        reset(&mut self.next_hop, graph.routers.len(), None);
        self.to_router[from] = (0, FAR);
        let mut frontier = vec![from];
        let mut hops = 0;
        while !frontier.is_empty() {
            let mut reached: Vec<u32> = Vec::new();
            for router in frontier {
                let first = self.to_router[router].1;
                for subnet in &graph.subnets[router] {
                    let way = &mut self.to_subnet[*subnet as usize];
                    if way.0 == FAR {
                        *way = (hops, first);
                        reached.push(*subnet);
                    } else if way.0 == hops {
                        way.1 = way.1.min(first);
                    }
                }
            }
            hops += 1;
            frontier = Vec::new();
            for subnet in reached {
                let first = self.to_subnet[subnet as usize].1;
                for (router, address) in &graph.members[subnet as usize] {
                    let place = *router as usize;
                    if hops == 1 && place != from {
                        self.next_hop[place].get_or_insert(*address);
                    }
                    let first = if hops == 1 { *router } else { first };
                    let way = &mut self.to_router[place];
                    if way.0 == FAR {
                        *way = (hops, first);
                        frontier.push(place);
                    } else if way.0 == hops {
                        way.1 = way.1.min(first);
                    }
                }
            }
        }
    }

    /// Next hop, hops, and whether the next hop is a router; `None` if the place is here or cannot be reached.
    fn way(&self, from: usize, place: &Place) -> Option<(IpAddr, u32, bool)> {
        let through = |(hops, first): (u32, u32)| {
            let via = self.next_hop.get(first as usize).copied().flatten()?;
            Some((via, hops, true))
        };
        match place {
            Place::Subnet(subnet) => through(self.to_subnet[*subnet as usize]),
            Place::Router(router) if *router as usize == from => None,
            Place::Router(router) => through(self.to_router[*router as usize]),
            Place::Host(stays) => {
                let best = stays.iter().min_by_key(|(subnet, _)| self.to_subnet[*subnet as usize])?;
                let (hops, first) = self.to_subnet[best.0 as usize];
                if hops == 0 { Some((best.1, 1, false)) } else { through((hops.checked_add(1)?, first)) }
            }
        }
    }
}

fn reset<T: Copy>(list: &mut Vec<T>, length: usize, value: T) {
    list.clear();
    list.resize(length, value);
}

/// Adds an entry in ascending order; two halves with the same next hop become the whole, unless the file has a route to it.
fn push_merged(entries: &mut Vec<Entry>, mut entry: Entry, given: &BTreeSet<Prefix>) {
    while let Some(last) = entries.last()
        && last.via == entry.via
        && let Some(prefix) = last.prefix.merged(entry.prefix)
        && !given.contains(&prefix)
    {
        entry = Entry { prefix, hops: last.hops.max(entry.hops), covers: last.covers + entry.covers, ..entry };
        entries.pop();
    }
    entries.push(entry);
}
