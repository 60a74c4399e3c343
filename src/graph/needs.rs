//! What each object needs, and the order that follows from it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

use super::identity::Identity;
use super::object::{Name, Object, Place, Route};
use super::{DAD_COUNT, Graph, Linux, Mount, Mounted, Table, life, linux};
use crate::model::NodeName;

/// The order of the objects of a graph, by their places in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// An edge points from what is needed to what needs it.
    edges: DiGraph<(), ()>,
    /// Every place after those that it needs.
    places: Vec<usize>,
    /// Of each place, how many come before it.
    ranks: Vec<usize>,
}

impl Order {
    pub(super) fn of_all(graph: &Graph, needs: &Needs) -> Self {
        let mut edges = DiGraph::with_capacity(graph.len(), graph.len() * 2);
        for _ in graph.objects() {
            edges.add_node(());
        }
        for place in 0..graph.len() {
            needs.each(graph, place, |needed| {
                edges.add_edge(NodeIndex::new(needed), NodeIndex::new(place), ());
            });
        }
        let places = sorted(&edges);
        let mut ranks = vec![0; places.len()];
        places.iter().enumerate().for_each(|(rank, place)| ranks[*place] = rank);
        Self { edges, places, ranks }
    }

    /// Every place after those that it needs; ties in the order in which they were given.
    pub(super) fn places(&self) -> &[usize] {
        &self.places
    }

    /// How many places come before that one.
    pub(super) fn rank(&self, place: usize) -> usize {
        self.ranks[place]
    }

    /// What is needed directly, in order.
    pub(super) fn needs(&self, place: usize) -> Vec<usize> {
        let needed = self.edges.neighbors_directed(NodeIndex::new(place), Direction::Incoming);
        let mut places: Vec<usize> = needed.map(NodeIndex::index).collect();
        places.sort_unstable();
        places
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

/// What is looked up to find out what an object needs.
#[derive(Clone, Debug)]
pub(super) struct Needs {
    /// Hook pairs by each of the nodes they join.
    hooks: Table<Name, Vec<usize>>,
    /// Placements by where they put an interface.
    placed: Table<(Place, Name), usize>,
    /// Members of each if_bridge.
    members: Table<Name, Vec<usize>>,
    /// Ports of each bridge, which is set up after them: Linux takes each port that comes later by itself, and FreeBSD's spanning
    /// tree looks at its ports when the bridge comes up, and then every 15 seconds.
    ports: Table<Name, Vec<Name>>,
    /// Addresses of each place by subnet, with their interfaces.
    subnets: Table<(Place, IpNetwork), Vec<(usize, Name)>>,
    /// Prefix lengths that occur: IPv4, IPv6.
    lengths: [BTreeSet<u8>; 2],
    /// What the root of each node is made of.
    roots: Table<NodeName, Vec<usize>>,
    /// [`DAD_COUNT`].
    dad_count: Name,
}

impl Needs {
    pub(super) fn of_all(graph: &Graph) -> Self {
        let mut needs = Self {
            hooks: Table::default(),
            placed: Table::default(),
            members: Table::default(),
            ports: Table::default(),
            subnets: Table::default(),
            lengths: [BTreeSet::new(), BTreeSet::new()],
            roots: Table::default(),
            dad_count: DAD_COUNT.into(),
        };
        // Where subnets begin and end matters to routes alone.
        let has_routes = graph.objects().any(|object| matches!(object, Object::Route(_)));
        for (node, object) in graph.objects().enumerate() {
            if let Some(name) = object.root_of() {
                needs.roots.entry(name.clone()).or_default().push(node);
            }
            match object {
                Object::Hooks(pair) => {
                    pair.ends.iter().for_each(|end| needs.hooks.entry(end.node.clone()).or_default().push(node));
                }
                Object::Placement(placement) => {
                    needs.placed.insert((placement.place.clone(), placement.name.clone()), node);
                }
                Object::Member(member) => {
                    needs.members.entry(member.bridge.clone()).or_default().push(node);
                    needs.ports.entry(member.bridge.clone()).or_default().push(member.member.clone());
                }
                Object::Linux(Linux::Veth(veth)) => {
                    for end in &veth.ends {
                        needs.placed.insert((end.place.clone(), end.name.clone()), node);
                        if let Some(bridge) = &end.bridge {
                            needs.ports.entry(bridge.clone()).or_default().push(end.name.clone());
                        }
                    }
                }
                Object::Address(address) if has_routes => {
                    let key = (address.place.clone(), network(address.net.ip(), address.net.prefix()));
                    needs.subnets.entry(key).or_default().push((node, address.interface.clone()));
                    needs.lengths[usize::from(address.net.is_ipv6())].insert(address.net.prefix());
                }
                _ => {}
            }
        }
        needs
    }

    /// What is needed directly, in order: of what is not among the objects of the graph, nothing.
    pub(super) fn of(&self, graph: &Graph, place: usize) -> Vec<usize> {
        let mut places = Vec::new();
        self.each(graph, place, |needed| places.push(needed));
        places.sort_unstable();
        places
    }

    /// The hook pairs that a netgraph node has a part in.
    pub(super) fn hooks_of(&self, node: &str) -> &[usize] {
        self.hooks.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    fn each(&self, graph: &Graph, place: usize, mut found: impl FnMut(usize)) {
        self.needs(graph, &graph.objects[place].1, |needed| {
            if needed != place {
                found(needed);
            }
        });
    }

    fn needs(&self, graph: &Graph, object: &Object, mut found: impl FnMut(usize)) {
        let mut want = |identity: Identity<'_>| graph.place(identity).into_iter().for_each(&mut found);
        match object {
            Object::Jail(jail) => {
                if let Place::Node(node) = &jail.place {
                    want(Identity::Jail(&Place::Lab));
                    self.roots.get(node).into_iter().flatten().copied().for_each(found);
                }
            }
            Object::Netgraph(_) | Object::Eiface(_) | Object::Epair(_) | Object::IfBridge(_) => {
                want(Identity::Jail(&Place::Lab));
            }
            Object::Hooks(hooks) => hooks.ends.iter().for_each(|end| want(Identity::Netgraph(&end.node))),
            Object::Shape(shape) => {
                want(Identity::Netgraph(&shape.pipe));
                self.hooks_of(&shape.pipe).iter().copied().for_each(&mut found);
            }
            Object::Placement(placement) => {
                want(Identity::Jail(&placement.place));
                graph.maker_place(&placement.nic).into_iter().for_each(found);
            }
            Object::Member(member) => {
                want(Identity::IfBridge(&member.bridge));
                graph.maker_place(&member.member).into_iter().for_each(found);
            }
            Object::Sysctl(sysctl) => {
                want(Identity::Jail(&sysctl.place));
                if let Some(interface) = linux::interface_of(&sysctl.name) {
                    self.interface(graph, &sysctl.place, &interface.into(), found);
                }
            }
            Object::Linux(linux) => linux.needs(want),
            Object::Limit(limit) => want(Identity::Jail(&limit.place)),
            Object::Cpus(cpus) => want(Identity::Jail(&cpus.place)),
            Object::Ruleset(_) => {}
            Object::Folder(folder) => {
                if let Some((above, _)) = folder.path.rsplit_once('/') {
                    want(Identity::Folder(&above.into()));
                }
            }
            Object::Clone(clone) => want(Identity::Folder(&clone.at)),
            Object::Mount(mount) => {
                if let Mounted::Devices { .. } = mount.what {
                    want(Identity::Ruleset);
                }
                self.below(graph, mount).into_iter().for_each(found);
            }
            Object::Address(address) => {
                want(Identity::Sysctl(&address.place, &self.dad_count));
                self.interface(graph, &address.place, &address.interface, found);
            }
            Object::Up(up) => {
                // A port that comes up before it is known to take part in the spanning tree could close a loop.
                want(Identity::Member(&up.interface));
                for port in self.ports.get(&up.interface).into_iter().flatten() {
                    want(Identity::Up(&Place::Lab, port));
                }
                self.members.get(&up.interface).into_iter().flatten().copied().for_each(&mut found);
                self.interface(graph, &up.place, &up.interface, found);
            }
            Object::Route(route) => self.route(graph, route, found),
        }
    }

    /// What a mount lies on, and what it shows: everything of the same root that it is inside of.
    fn below(&self, graph: &Graph, mount: &Mount) -> Vec<usize> {
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
        parts.filter(|node| carries(&graph.objects[*node].1)).collect()
    }

    /// What puts an interface of that name there: its placement, its maker, or the jail it comes with.
    fn interface(&self, graph: &Graph, place: &Place, name: &Name, mut found: impl FnMut(usize)) {
        let placed = self.placed.get(&(place.clone(), name.clone())).copied();
        let made = || (*place == Place::Lab).then(|| graph.maker_place(name)).flatten();
        let jail = || graph.place(Identity::Jail(place));
        placed.or_else(made).or_else(jail).into_iter().for_each(&mut found);
    }

    /// A route needs the addresses whose subnet its next hop is in, and their interfaces up.
    fn route(&self, graph: &Graph, route: &Route, mut found: impl FnMut(usize)) {
        for length in &self.lengths[usize::from(route.via.is_ipv6())] {
            let key = (route.place.clone(), network(route.via, *length));
            for (address, interface) in self.subnets.get(&key).into_iter().flatten() {
                found(*address);
                graph.place(Identity::Up(&route.place, interface)).into_iter().for_each(&mut found);
            }
        }
    }
}

/// The subnet of that length around an address.
fn network(ip: IpAddr, length: u8) -> IpNetwork {
    let whole = IpNetwork::new(ip, length).unwrap_or_else(|_| IpNetwork::from(ip));
    IpNetwork::new(whole.network(), whole.prefix()).unwrap_or(whole)
}
