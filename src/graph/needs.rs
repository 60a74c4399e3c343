//! What each object needs, and the order that follows from it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

use super::object::{Name, Object, ObjectId, Place, Route};
use super::{DAD_COUNT, Graph, Linux, Mount, Mounted, Table, life, linux};
use crate::model::NodeName;

/// What the objects of a graph need, by their places in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    /// An edge points from what is needed to what needs it.
    edges: DiGraph<(), ()>,
    /// Every place after those that it needs.
    order: Vec<usize>,
    /// Of each place, how many come before it.
    ranks: Vec<usize>,
    /// Hook pairs by each of the nodes they join.
    hooks: Table<Name, Vec<usize>>,
}

impl Needs {
    /// Finds out what each object needs: of what is not among them, nothing.
    pub(super) fn of_all(graph: &Graph) -> Self {
        let mut hooks: Table<Name, Vec<usize>> = Table::default();
        let mut edges = DiGraph::with_capacity(graph.len(), graph.len() * 2);
        for (place, object) in graph.objects().enumerate() {
            edges.add_node(());
            if let Object::Hooks(pair) = object {
                pair.ends.iter().for_each(|end| hooks.entry(end.node.clone()).or_default().push(place));
            }
        }
        let finder = Finder::new(graph, &hooks);
        for (place, object) in graph.objects().enumerate() {
            finder.needs(object, |needed| {
                if needed != place {
                    edges.add_edge(NodeIndex::new(needed), NodeIndex::new(place), ());
                }
            });
        }
        let order = sorted(&edges);
        let mut ranks = vec![0; order.len()];
        order.iter().enumerate().for_each(|(rank, place)| ranks[*place] = rank);
        Self { edges, order, ranks, hooks }
    }

    /// Every place after those that it needs; ties in the order in which they were given.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// How many places come before that one.
    pub(super) fn rank(&self, place: usize) -> usize {
        self.ranks[place]
    }

    /// What is needed directly, in order.
    pub(super) fn of(&self, place: usize) -> Vec<usize> {
        let needed = self.edges.neighbors_directed(NodeIndex::new(place), Direction::Incoming);
        let mut places: Vec<usize> = needed.map(NodeIndex::index).collect();
        places.sort_unstable();
        places
    }

    /// The hook pairs that a netgraph node has a part in.
    pub(super) fn hooks_of(&self, node: &str) -> &[usize] {
        self.hooks.get(node).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Kahn's way, with the earliest given first. What needs itself, which no kernel can hold, comes last.
fn sorted(edges: &DiGraph<(), ()>) -> Vec<usize> {
    // Whoever gives objects mostly gives what they need first: then that is the order.
    if edges.raw_edges().iter().all(|edge| edge.source() < edge.target()) {
        return (0..edges.node_count()).collect();
    }
    let needed = |node| edges.neighbors_directed(node, Direction::Incoming).count();
    let mut missing: Vec<usize> = edges.node_indices().map(needed).collect();
    let mut ready: BinaryHeap<Reverse<NodeIndex>> =
        edges.node_indices().filter(|node| missing[node.index()] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(missing.len());
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node.index());
        for next in edges.neighbors_directed(node, Direction::Outgoing) {
            missing[next.index()] -= 1;
            if missing[next.index()] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    order.extend((0..missing.len()).filter(|place| missing[*place] > 0));
    order
}

/// Looks up what an object needs.
struct Finder<'g> {
    graph: &'g Graph,
    /// Hook pairs by each of the nodes they join.
    hooks: &'g Table<Name, Vec<usize>>,
    /// Placements by where they put an interface.
    placed: Table<(&'g Place, &'g str), usize>,
    /// Members of each if_bridge.
    members: Table<&'g str, Vec<usize>>,
    /// Ports of each bridge, which is set up after them: Linux takes each port that comes later by itself, and FreeBSD's spanning
    /// tree looks at its ports when the bridge comes up, and then every 15 seconds.
    ports: Table<&'g str, Vec<&'g Name>>,
    /// Addresses of each place by subnet.
    subnets: Table<(&'g Place, IpNetwork), Vec<(usize, &'g Name)>>,
    /// Prefix lengths that occur: IPv4, IPv6.
    lengths: [BTreeSet<u8>; 2],
    /// What the root of each node is made of.
    roots: Table<&'g NodeName, Vec<usize>>,
}

impl<'g> Finder<'g> {
    fn new(graph: &'g Graph, hooks: &'g Table<Name, Vec<usize>>) -> Self {
        let mut finder = Self {
            graph,
            hooks,
            placed: Table::default(),
            members: Table::default(),
            ports: Table::default(),
            subnets: Table::default(),
            lengths: [BTreeSet::new(), BTreeSet::new()],
            roots: Table::default(),
        };
        // Where subnets begin and end matters to routes alone.
        let has_routes = graph.objects().any(|object| matches!(object, Object::Route(_)));
        for (node, object) in graph.objects().enumerate() {
            if let Some(name) = object.root_of() {
                finder.roots.entry(name).or_default().push(node);
            }
            match object {
                Object::Placement(placement) => {
                    finder.placed.insert((&placement.place, &placement.name), node);
                }
                Object::Member(member) => {
                    finder.members.entry(&member.bridge).or_default().push(node);
                    finder.ports.entry(&member.bridge).or_default().push(&member.member);
                }
                Object::Linux(Linux::Veth(veth)) => {
                    for end in &veth.ends {
                        finder.placed.insert((&end.place, &end.name), node);
                        if let Some(bridge) = &end.bridge {
                            finder.ports.entry(bridge).or_default().push(&end.name);
                        }
                    }
                }
                Object::Address(address) if has_routes => {
                    let key = (&address.place, network(address.net.ip(), address.net.prefix()));
                    finder.subnets.entry(key).or_default().push((node, &address.interface));
                    finder.lengths[usize::from(address.net.is_ipv6())].insert(address.net.prefix());
                }
                _ => {}
            }
        }
        finder
    }

    fn needs(&self, object: &Object, mut found: impl FnMut(usize)) {
        let mut want = |id: ObjectId| self.graph.index.get(&id).copied().into_iter().for_each(&mut found);
        match object {
            Object::Jail(jail) => {
                if let Place::Node(node) = &jail.place {
                    want(ObjectId::Jail(Place::Lab));
                    self.roots.get(node).into_iter().flatten().copied().for_each(found);
                }
            }
            Object::Netgraph(_) | Object::Eiface(_) | Object::Epair(_) | Object::IfBridge(_) => {
                want(ObjectId::Jail(Place::Lab));
            }
            Object::Hooks(hooks) => hooks.ends.iter().for_each(|end| want(ObjectId::Netgraph(end.node.clone()))),
            Object::Shape(shape) => {
                want(ObjectId::Netgraph(shape.pipe.clone()));
                self.hooks.get(&shape.pipe).into_iter().flatten().copied().for_each(&mut found);
            }
            Object::Placement(placement) => {
                want(ObjectId::Jail(placement.place.clone()));
                self.graph.makers.get(&placement.nic).copied().into_iter().for_each(found);
            }
            Object::Member(member) => {
                want(ObjectId::IfBridge(member.bridge.clone()));
                self.graph.makers.get(&member.member).copied().into_iter().for_each(found);
            }
            Object::Sysctl(sysctl) => {
                want(ObjectId::Jail(sysctl.place.clone()));
                if let Some(interface) = linux::interface_of(&sysctl.name) {
                    self.interface(&sysctl.place, &interface.into(), found);
                }
            }
            Object::Linux(linux) => linux.needs(want),
            Object::Limit(limit) => want(ObjectId::Jail(limit.place.clone())),
            Object::Cpus(cpus) => want(ObjectId::Jail(cpus.place.clone())),
            Object::Ruleset(_) => {}
            Object::Folder(folder) => {
                if let Some((above, _)) = folder.path.rsplit_once('/') {
                    want(ObjectId::Folder(above.into()));
                }
            }
            Object::Clone(clone) => want(ObjectId::Folder(clone.at.clone())),
            Object::Mount(mount) => {
                if let Mounted::Devices { .. } = mount.what {
                    want(ObjectId::Ruleset);
                }
                self.below(mount).into_iter().for_each(found);
            }
            Object::Address(address) => {
                want(ObjectId::Sysctl(address.place.clone(), DAD_COUNT.into()));
                self.interface(&address.place, &address.interface, found);
            }
            Object::Up(up) => {
                // A port that comes up before it is known to take part in the spanning tree could close a loop.
                want(ObjectId::Member(up.interface.clone()));
                for port in self.ports.get(&*up.interface).into_iter().flatten() {
                    want(ObjectId::Up(Place::Lab, (*port).clone()));
                }
                self.members.get(&*up.interface).into_iter().flatten().copied().for_each(&mut found);
                self.interface(&up.place, &up.interface, found);
            }
            Object::Route(route) => self.route(route, found),
        }
    }

    /// What a mount lies on, and what it shows: everything of the same root that it is inside of.
    fn below(&self, mount: &Mount) -> Vec<usize> {
        let shown = match &mount.what {
            Mounted::Folder { from, .. } => Some(from),
            Mounted::Devices { .. } => None,
        };
        let carries = |object: &Object| match object {
            Object::Folder(folder) => Some(&folder.path) == shown || life::is_within(&mount.at, &folder.path),
            Object::Clone(clone) => life::is_within(&mount.at, &clone.at),
            Object::Mount(other) => other.at != mount.at && life::is_within(&mount.at, &other.at),
            _ => false,
        };
        let parts = self.roots.get(&mount.node).into_iter().flatten().copied();
        parts.filter(|node| carries(&self.graph.objects[*node].1)).collect()
    }

    /// What puts an interface of that name there: its placement, its maker, or the jail it comes with.
    fn interface(&self, place: &Place, name: &Name, mut found: impl FnMut(usize)) {
        let placed = self.placed.get(&(place, &**name)).copied();
        let made = || (*place == Place::Lab).then(|| self.graph.makers.get(name).copied()).flatten();
        let jail = || self.graph.index.get(&ObjectId::Jail(place.clone())).copied();
        placed.or_else(made).or_else(jail).into_iter().for_each(&mut found);
    }

    /// A route needs the addresses whose subnet its next hop is in, and their interfaces up.
    fn route(&self, route: &Route, mut found: impl FnMut(usize)) {
        for length in &self.lengths[usize::from(route.via.is_ipv6())] {
            for (address, interface) in
                self.subnets.get(&(&route.place, network(route.via, *length))).into_iter().flatten()
            {
                found(*address);
                let up = ObjectId::Up(route.place.clone(), (*interface).clone());
                self.graph.index.get(&up).copied().into_iter().for_each(&mut found);
            }
        }
    }
}

/// The subnet of that length around an address.
fn network(ip: IpAddr, length: u8) -> IpNetwork {
    let whole = IpNetwork::new(ip, length).unwrap_or_else(|_| IpNetwork::from(ip));
    IpNetwork::new(whole.network(), whole.prefix()).unwrap_or(whole)
}
