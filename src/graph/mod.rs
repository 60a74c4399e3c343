//! The graph of kernel objects: what exists because of what. Orders, levels and teardown all come from it.

mod build;
pub mod dot;
pub mod life;
pub mod linux;
pub mod names;
mod numbering;
pub mod object;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::{Deserialize, Serialize};

use crate::model::{LabName, NodeName};
pub use build::{FIRST_RULESET, build, is_shaped, place_of};
pub use life::{Cpus, Folder, Limit, Mount, Mounted, Ruleset};
pub use linux::Linux;
pub use numbering::Numbering;
pub use object::{
    Address, Eiface, Epair, Hook, Hooks, IfBridge, Jail, Member, Name, Netgraph, NetgraphKind, Nic, Object, ObjectId,
    PipeDirection, PipeSettings, Place, Placement, Route, Shape, Sysctl, Up,
};

/// A table that is looked up all the time. What it holds is the author's own: nobody gains by choosing names that meet in it.
pub type Table<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The sysctl that says how often an IPv6 address is probed for before it may be used.
pub const DAD_COUNT: &str = "net.inet6.ip6.dad_count";

/// A graph that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two objects are recognised by the same name.
    #[error("two objects would both be {0:?}")]
    Twice(ObjectId),
    /// Nothing says whose graph it is.
    #[error("a graph without a lab")]
    NoLab,
    /// An object needs itself.
    #[error("{0:?} needs itself")]
    Cycle(ObjectId),
}

/// Whose object it is to the author.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Owner {
    /// The lab's own.
    Lab,
    /// A node's.
    Node(Name),
    /// A link's, by its identity.
    Link(Name),
}

/// Kernel objects and what each of them needs. Places in it are the order in which they were given.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The lab.
    pub lab: LabName,
    /// An edge points from what is needed to what needs it.
    graph: DiGraph<(Owner, Object), ()>,
    index: Table<ObjectId, NodeIndex>,
    /// Creators of interfaces, by the interface's name in the lab jail.
    makers: Table<Name, NodeIndex>,
    /// Hook pairs by each of the nodes they join.
    hooks: Table<Name, Vec<NodeIndex>>,
    order: Vec<NodeIndex>,
    /// Nodes whose jails another tool runs, with their interfaces' names in the lab jail.
    elsewhere: BTreeMap<NodeName, Vec<Name>>,
}

impl Graph {
    /// The graph of nothing.
    #[must_use]
    pub fn empty(lab: LabName) -> Self {
        Self {
            lab,
            graph: DiGraph::new(),
            index: Table::default(),
            makers: Table::default(),
            hooks: Table::default(),
            order: Vec::new(),
            elsewhere: BTreeMap::new(),
        }
    }

    /// The same, with nodes whose jails another tool runs and the names of their interfaces in the lab jail.
    #[must_use]
    pub fn with_nodes_elsewhere(mut self, nodes: BTreeMap<NodeName, Vec<Name>>) -> Self {
        self.elsewhere = nodes;
        self
    }

    /// Places whose jails another tool runs: what is inside is not ours.
    pub fn places_elsewhere(&self) -> impl Iterator<Item = Place> {
        self.elsewhere.keys().cloned().map(Place::Node)
    }

    /// Whether an interface is one that another tool takes out of the lab and brings back as it likes.
    #[must_use]
    pub fn is_lent(&self, nic: &str) -> bool {
        self.elsewhere.values().flatten().any(|name| &**name == nic)
    }

    /// The interfaces that other tools may have taken out of the lab.
    pub fn lent(&self) -> impl Iterator<Item = &Nic> {
        self.elsewhere.values().flatten().filter_map(|name| self.nic(name))
    }

    /// The interface of that name in the lab jail.
    #[must_use]
    pub fn nic(&self, name: &str) -> Option<&Nic> {
        self.maker(name)?.nics().iter().find(|nic| &*nic.name == name)
    }

    /// Finds out what each object needs: of what is not among them, nothing.
    ///
    /// # Errors
    /// Two objects of one identity.
    pub fn new(lab: LabName, objects: Vec<(Owner, Object)>) -> Result<Self, GraphError> {
        let mut graph = Self::empty(lab);
        for (owner, object) in objects {
            let id = object.id();
            let node = graph.graph.add_node((owner, object));
            if graph.index.insert(id.clone(), node).is_some() {
                return Err(GraphError::Twice(id));
            }
        }
        graph.register();
        graph.connect();
        graph.sort()?;
        Ok(graph)
    }

    /// Every object and whose it is, in the order in which they were given.
    pub fn parts(&self) -> impl Iterator<Item = (&Owner, &Object)> {
        self.graph.node_weights().map(|(owner, object)| (owner, object))
    }

    /// A graph of other objects of the same lab.
    ///
    /// # Errors
    /// As [`Graph::new`].
    pub fn with_parts(&self, parts: Vec<(Owner, Object)>) -> Result<Self, GraphError> {
        Ok(Self::new(self.lab.clone(), parts)?.with_nodes_elsewhere(self.elsewhere.clone()))
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Every object after everything it needs; ties in the order in which they were given.
    pub fn in_order(&self) -> impl DoubleEndedIterator<Item = &Object> {
        self.order.iter().map(|node| &self.graph[*node].1)
    }

    /// The object of that identity.
    #[must_use]
    pub fn get(&self, id: &ObjectId) -> Option<&Object> {
        self.index.get(id).map(|node| &self.graph[*node].1)
    }

    /// Whose it is to the author.
    #[must_use]
    pub fn owner(&self, id: &ObjectId) -> Option<&Owner> {
        self.index.get(id).map(|node| &self.graph[*node].0)
    }

    /// What an object needs directly, in order.
    pub fn needs(&self, id: &ObjectId) -> impl Iterator<Item = &Object> {
        let mut nodes: Vec<NodeIndex> = self
            .index
            .get(id)
            .map(|node| self.graph.neighbors_directed(*node, Direction::Incoming).collect())
            .unwrap_or_default();
        nodes.sort_unstable();
        nodes.into_iter().map(|node| &self.graph[node].1)
    }

    /// The object that makes the interface of that name in the lab jail.
    #[must_use]
    pub fn maker(&self, nic: &str) -> Option<&Object> {
        self.makers.get(nic).map(|node| &self.graph[*node].1)
    }

    /// The hook pairs that a netgraph node has a part in.
    pub fn hooks_of(&self, node: &str) -> impl Iterator<Item = &Hooks> {
        self.hooks.get(node).into_iter().flatten().filter_map(|node| match &self.graph[*node].1 {
            Object::Hooks(hooks) => Some(hooks),
            _ => None,
        })
    }

    /// The same without the jails of these places and everything that is inside them; what their roots are made of stays.
    ///
    /// # Errors
    /// None that a whole graph did not have.
    pub fn without(&self, places: &BTreeSet<Place>) -> Result<Self, GraphError> {
        let inside = |object: &Object| object.place().is_some_and(|place| places.contains(place));
        let kept = self.graph.node_weights().filter(|(_, object)| !inside(object)).cloned();
        let kept = kept.filter_map(|(owner, object)| match object {
            Object::Linux(Linux::Veth(veth)) => Some((owner, Object::Linux(Linux::Veth(veth.without(places))))),
            Object::Linux(Linux::Shaped(shaped)) => {
                Some((owner, Object::Linux(Linux::Shaped(shaped.without(places)?))))
            }
            other => Some((owner, other)),
        });
        Ok(Self::new(self.lab.clone(), kept.collect())?.with_nodes_elsewhere(self.elsewhere.clone()))
    }

    /// Objects that may be made at the same time: each level needs only those before it. Teardown is the reverse.
    #[must_use]
    pub fn levels(&self) -> Vec<Vec<&Object>> {
        let mut level_of = vec![0usize; self.graph.node_count()];
        let mut levels: Vec<Vec<&Object>> = Vec::new();
        for node in &self.order {
            let needed = self.graph.neighbors_directed(*node, Direction::Incoming);
            let level = needed.map(|other| level_of[other.index()] + 1).max().unwrap_or(0);
            level_of[node.index()] = level;
            if levels.len() <= level {
                levels.resize_with(level + 1, Vec::new);
            }
            levels[level].push(&self.graph[*node].1);
        }
        levels
    }

    fn register(&mut self) {
        for node in self.graph.node_indices() {
            for nic in self.graph[node].1.nics() {
                self.makers.insert(nic.name.clone(), node);
            }
            if let Object::Hooks(hooks) = &self.graph[node].1 {
                for end in &hooks.ends {
                    self.hooks.entry(end.node.clone()).or_default().push(node);
                }
            }
        }
    }

    fn connect(&mut self) {
        let finder = Finder::new(self);
        let mut edges = Vec::with_capacity(self.graph.node_count() * 2);
        for node in self.graph.node_indices() {
            finder.needs(&self.graph[node].1, |needed| {
                if needed != node {
                    edges.push((needed, node));
                }
            });
        }
        for (needed, node) in edges {
            self.graph.add_edge(needed, node, ());
        }
    }

    /// Kahn's way, with the earliest given first.
    fn sort(&mut self) -> Result<(), GraphError> {
        let mut missing: Vec<usize> = self
            .graph
            .node_indices()
            .map(|node| self.graph.neighbors_directed(node, Direction::Incoming).count())
            .collect();
        let mut ready: BinaryHeap<Reverse<NodeIndex>> =
            self.graph.node_indices().filter(|node| missing[node.index()] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(missing.len());
        while let Some(Reverse(node)) = ready.pop() {
            order.push(node);
            for next in self.graph.neighbors_directed(node, Direction::Outgoing) {
                missing[next.index()] -= 1;
                if missing[next.index()] == 0 {
                    ready.push(Reverse(next));
                }
            }
        }
        if let Some(node) = self.graph.node_indices().find(|node| missing[node.index()] > 0) {
            return Err(GraphError::Cycle(self.graph[node].1.id()));
        }
        self.order = order;
        Ok(())
    }
}

/// Looks up what an object needs.
struct Finder<'g> {
    graph: &'g Graph,
    /// Placements by where they put an interface.
    placed: Table<(&'g Place, &'g str), NodeIndex>,
    /// Members of each if_bridge.
    members: Table<&'g str, Vec<NodeIndex>>,
    /// Ports of each bridge, which is set up after them: Linux takes each port that comes later by itself, and FreeBSD's spanning
    /// tree looks at its ports when the bridge comes up, and then every 15 seconds.
    ports: Table<&'g str, Vec<&'g Name>>,
    /// Addresses of each place by subnet.
    subnets: Table<(&'g Place, IpNetwork), Vec<(NodeIndex, &'g Name)>>,
    /// Prefix lengths that occur: IPv4, IPv6.
    lengths: [BTreeSet<u8>; 2],
    /// What the root of each node is made of.
    roots: Table<&'g NodeName, Vec<NodeIndex>>,
}

impl<'g> Finder<'g> {
    fn new(graph: &'g Graph) -> Self {
        let mut finder = Self {
            graph,
            placed: Table::default(),
            members: Table::default(),
            ports: Table::default(),
            subnets: Table::default(),
            lengths: [BTreeSet::new(), BTreeSet::new()],
            roots: Table::default(),
        };
        for node in graph.graph.node_indices() {
            if let Some(name) = graph.graph[node].1.root_of() {
                finder.roots.entry(name).or_default().push(node);
            }
            match &graph.graph[node].1 {
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
                Object::Address(address) => {
                    let key = (&address.place, network(address.net.ip(), address.net.prefix()));
                    finder.subnets.entry(key).or_default().push((node, &address.interface));
                    finder.lengths[usize::from(address.net.is_ipv6())].insert(address.net.prefix());
                }
                _ => {}
            }
        }
        finder
    }

    fn needs(&self, object: &Object, mut found: impl FnMut(NodeIndex)) {
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
                self.graph.hooks.get(&shape.pipe).into_iter().flatten().copied().for_each(&mut found);
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
    fn below(&self, mount: &Mount) -> Vec<NodeIndex> {
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
        parts.filter(|node| carries(&self.graph.graph[*node].1)).collect()
    }

    /// What puts an interface of that name there: its placement, its maker, or the jail it comes with.
    fn interface(&self, place: &Place, name: &Name, mut found: impl FnMut(NodeIndex)) {
        let placed = self.placed.get(&(place, &**name)).copied();
        let made = || (*place == Place::Lab).then(|| self.graph.makers.get(name).copied()).flatten();
        let jail = || self.graph.index.get(&ObjectId::Jail(place.clone())).copied();
        placed.or_else(made).or_else(jail).into_iter().for_each(&mut found);
    }

    /// A route needs the addresses whose subnet its next hop is in, and their interfaces up.
    fn route(&self, route: &Route, mut found: impl FnMut(NodeIndex)) {
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

#[cfg(test)]
mod tests;
