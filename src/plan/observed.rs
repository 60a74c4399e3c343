//! What a kernel was seen to hold of a lab, and the same as a graph of objects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;
use serde::Serialize;

use super::located::{self, Called, Located};
use super::observed_life::{LifeScope, ObservedLife};
use super::observed_linux::{ObservedLink, ObservedNamespace};
use crate::graph::linux::LOOPBACK;
use crate::graph::{
    Address, Eiface, Epair, Graph, GraphError, Hook, Hooks, IfBridge, Jail, Linux, Member, Name, Netgraph,
    NetgraphKind, Nic, Object, ObjectId, Owner, PipeSettings, Place, Placement, Route, Shape, Sysctl, Table, Up,
};
use crate::model::{Mac, Mtu};

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// jail(8)'s names to ask for, by place.
    pub parameters: BTreeMap<Place, BTreeSet<String>>,
    /// Sysctls to ask for, by place.
    pub sysctls: BTreeMap<Place, BTreeSet<Name>>,
    /// The host's own vnet holds something of ours, or is to.
    pub host: bool,
    /// Roots, limits and processors to look at.
    pub life: LifeScope,
    /// The lab is to go as a whole: what goes with it need not be looked at.
    pub goes: bool,
    /// Jails that other tools run: not to be looked at.
    pub elsewhere: BTreeSet<Place>,
    /// Netgraph nodes in the network stacks of nodes are asked for, which are never ours.
    pub inside: bool,
}

impl Scope {
    /// What there is to see of the objects of these graphs.
    #[must_use]
    pub fn of(graphs: &[&Graph]) -> Self {
        let mut scope = Self::default();
        let mut elsewhere = graphs.iter().map(|graph| graph.places_elsewhere().collect::<BTreeSet<_>>());
        // One that is ours in any of them may be there, or is to be there, because of us.
        let first = elsewhere.next().unwrap_or_default();
        scope.elsewhere = elsewhere.fold(first, |common, next| common.intersection(&next).cloned().collect());
        for object in graphs.iter().flat_map(|graph| graph.objects()) {
            match object {
                Object::Jail(jail) => {
                    let parameters = scope.parameters.entry(jail.place.clone()).or_default();
                    parameters.extend(jail.parameters.keys().cloned());
                }
                Object::Sysctl(sysctl) => {
                    scope.sysctls.entry(sysctl.place.clone()).or_default().insert(sysctl.name.clone());
                    scope.host |= sysctl.place == Place::Host;
                }
                Object::Placement(placement) => scope.host |= placement.place == Place::Host,
                Object::Linux(Linux::Veth(veth)) => scope.host |= veth.ends.iter().any(|end| end.place == Place::Host),
                other => scope.life.add(other),
            }
        }
        scope
    }
}

/// What a kernel was seen to hold of a lab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// The lab jail and the jails of nodes.
    #[serde(serialize_with = "by_text")]
    pub jails: BTreeMap<Place, ObservedJail>,
    /// The namespaces of a lab on Linux.
    #[serde(serialize_with = "by_text", skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<Place, ObservedNamespace>,
    /// Netgraph nodes of the lab jail, by name (`[id]` for those without).
    pub netgraph: BTreeMap<Name, ObservedNode>,
    /// Interfaces by place and present name; of the host only ours.
    #[serde(serialize_with = "by_text")]
    pub interfaces: BTreeMap<Place, BTreeMap<Name, ObservedInterface>>,
    /// Members of if_bridges of the lab jail, and whether they take part in the spanning tree.
    pub members: BTreeMap<Name, BTreeMap<Name, bool>>,
    /// Ports, `BRIDGE:MEMBER`, that the spanning tree is going to let forward and has not yet.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub discarding: BTreeSet<Name>,
    /// Routes through a gateway, by place.
    #[serde(serialize_with = "by_text")]
    pub routes: BTreeMap<Place, BTreeMap<IpNetwork, IpAddr>>,
    /// The same of routes that programs and protocols made, where the kernel tells those: they are left alone unless somebody is strict.
    #[serde(serialize_with = "by_text", skip_serializing_if = "BTreeMap::is_empty")]
    pub learnt: BTreeMap<Place, BTreeMap<IpNetwork, IpAddr>>,
    /// Types of netgraph nodes in the network stacks of nodes, by place and name, where they were asked for.
    #[serde(serialize_with = "by_text", skip_serializing_if = "BTreeMap::is_empty")]
    pub inside: BTreeMap<Place, BTreeMap<Name, Name>>,
    /// Values of the sysctls asked for, by place.
    #[serde(serialize_with = "by_text")]
    pub sysctls: BTreeMap<Place, BTreeMap<Name, String>>,
    /// Roots, limits and processors.
    #[serde(flatten)]
    pub life: ObservedLife,
}

/// A jail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObservedJail {
    /// Its number.
    pub jid: i32,
    /// Parameters asked for, as jail(8) writes them.
    pub parameters: BTreeMap<String, String>,
}

/// A netgraph node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObservedNode {
    /// Its number.
    pub id: u32,
    /// Its type.
    pub kind: String,
    /// Its hooks and what they are joined to.
    pub hooks: BTreeMap<Name, Hook>,
    /// Settings of an ng_pipe.
    pub pipe: Option<PipeSettings>,
    /// The present name of an eiface's interface.
    pub interface: Option<Name>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObservedInterface {
    /// Its index.
    pub index: u32,
    /// Its MAC; `None` for a loopback.
    pub mac: Option<Mac>,
    /// Its MTU.
    pub mtu: u32,
    /// Its description.
    pub description: String,
    /// `IFF_UP`.
    pub up: bool,
    /// Whether it has a carrier.
    pub carrier: bool,
    /// What made it: `epair`, `bridge`; an eiface has none.
    pub cloner: Option<Name>,
    /// Its addresses.
    pub addresses: BTreeSet<IpNetwork>,
    /// Addresses that are not usable yet, or never will be: tentative, duplicated.
    pub unusable: BTreeSet<IpNetwork>,
    /// What only Linux says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<Box<ObservedLink>>,
}

pub(super) fn by_text<V: Serialize, S: serde::Serializer>(
    map: &BTreeMap<Place, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map.iter().map(|(place, value)| (place.to_string(), value)))
}

impl Observed {
    /// Whether nothing of the lab was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jails.is_empty()
            && self.namespaces.is_empty()
            && self.interfaces.get(&Place::Host).is_none_or(BTreeMap::is_empty)
            && self.life.is_empty()
    }

    /// The same as objects. `known` is what we wanted there, then or now: it says which interface is which.
    ///
    /// # Errors
    /// Two objects of one identity, which a kernel cannot hold.
    pub fn graph(&self, known: &[&Graph]) -> Result<Graph, GraphError> {
        self.graph_with(known, false)
    }

    /// The same; if `strict`, with what programs in nodes made: routes that nobody of us ever wanted.
    ///
    /// # Errors
    /// As [`Observed::graph`].
    pub fn graph_with(&self, known: &[&Graph], strict: bool) -> Result<Graph, GraphError> {
        let lab = known.first().map(|graph| graph.lab.clone()).ok_or(GraphError::NoLab)?;
        let (interfaces, kinds) = (Interfaces::of(self), Kinds::of(known));
        let (located, called) = located::locate(self, &interfaces, known, &kinds);
        let most = known.iter().map(|graph| graph.len()).max().unwrap_or(0);
        let (objects, likely) = (Vec::with_capacity(most), Vec::with_capacity(most));
        let mut reader = Reader { observed: self, interfaces, known, kinds, located, called, strict, objects, likely };
        reader.jails();
        reader.netgraph();
        reader.linux();
        reader.strays();
        reader.placements();
        reader.members();
        reader.configuration();
        if strict {
            reader.learnt();
        }
        reader.life();
        Graph::seen(lab, reader.objects, reader.likely)
    }
}

/// The interfaces that were seen, to be looked up often: among many places one is found by its letters sooner than in their order.
pub(super) struct Interfaces<'o>(Table<&'o Place, &'o BTreeMap<Name, ObservedInterface>>);

impl<'o> Interfaces<'o> {
    fn of(observed: &'o Observed) -> Self {
        Self(observed.interfaces.iter().collect())
    }

    pub(super) fn get(&self, place: &Place, name: &str) -> Option<&'o ObservedInterface> {
        self.0.get(place)?.get(name)
    }
}

/// Objects of what we wanted that tell what others are: large graphs are gone through once for them.
pub(super) struct Kinds<'o> {
    pub(super) placements: Vec<&'o Placement>,
    /// What makes interfaces, but for what only Linux has.
    pub(super) makers: Vec<&'o Object>,
    pub(super) linux: Vec<&'o Linux>,
    /// What roots are made of.
    roots: Vec<&'o Object>,
}

impl<'o> Kinds<'o> {
    fn of(known: &'o [&'o Graph]) -> Self {
        let mut kinds = Self { placements: Vec::new(), makers: Vec::new(), linux: Vec::new(), roots: Vec::new() };
        for object in known.iter().flat_map(|graph| graph.objects()) {
            match object {
                Object::Placement(placement) => kinds.placements.push(placement),
                Object::Eiface(_) | Object::Epair(_) | Object::IfBridge(_) => kinds.makers.push(object),
                Object::Linux(linux) => kinds.linux.push(linux),
                Object::Folder(_) | Object::Clone(_) | Object::Mount(_) | Object::Ruleset(_) => {
                    kinds.roots.push(object)
                }
                _ => {}
            }
        }
        kinds
    }
}

/// Addresses that a kernel gives to interfaces by itself.
fn is_the_kernels(interface: &str, ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => interface == LOOPBACK && ip == Ipv4Addr::LOCALHOST,
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// An interface as it was seen, under the name that it has in the lab jail.
fn nic(name: &Name, seen: &ObservedInterface) -> Nic {
    Nic {
        name: name.clone(),
        mac: seen.mac.unwrap_or(Mac([0; 6])),
        mtu: Mtu(u16::try_from(seen.mtu).unwrap_or(u16::MAX)),
        description: seen.description.as_str().into(),
    }
}

pub(super) struct Reader<'o> {
    pub(super) observed: &'o Observed,
    pub(super) interfaces: Interfaces<'o>,
    pub(super) known: &'o [&'o Graph],
    pub(super) kinds: Kinds<'o>,
    /// Interfaces whose identity is clear, by their name in the lab jail: where they are and what they are called there.
    pub(super) located: Located,
    /// Interfaces of ours that somebody renamed: by where they are and what they are called there, what they should be.
    called: Called,
    /// What programs in nodes made counts, too.
    strict: bool,
    /// What was seen.
    objects: Vec<(Owner, Object)>,
    /// Where each of it is in the first of the known graphs.
    likely: Vec<Option<usize>>,
}

impl Reader<'_> {
    fn life(&mut self) {
        let wanted = self.known.first().copied();
        let found = self.observed.life.objects(&self.kinds.roots, wanted, &self.observed.jails);
        found.into_iter().for_each(|object| self.push(object));
    }

    pub(super) fn push(&mut self, object: Object) {
        if let Some(stranger) = self.push_known(object) {
            self.objects.push((Owner::Lab, stranger));
            self.likely.push(None);
        }
    }

    /// Adds an object that we want, or wanted; others it gives back.
    fn push_known(&mut self, object: Object) -> Option<Object> {
        let mut known = self.known.iter().enumerate().filter_map(|(at, graph)| Some((at, graph.counterpart(&object)?)));
        let Some((at, (place, owner, wanted))) = known.next() else { return Some(object) };
        // With the names of the one that is wanted: what shares its letters is compared without reading them.
        let seen = if *wanted == object { wanted.clone() } else { object };
        self.objects.push((owner.clone(), seen));
        self.likely.push((at == 0).then_some(place));
        None
    }

    fn jails(&mut self) {
        for (place, jail) in &self.observed.jails {
            self.push(Object::Jail(Jail { place: place.clone(), parameters: jail.parameters.clone() }));
        }
    }

    pub(super) fn nic(&self, name: &Name) -> Option<Nic> {
        let (place, present) = self.located.get(name)?;
        Some(nic(name, self.interfaces.get(place, present)?))
    }

    /// An interface that another tool has taken out of the lab, or is about to: as we made it, for we cannot look there.
    fn lent(&self, name: &Name) -> Option<Nic> {
        if self.located.contains_key(name) || !self.known.iter().any(|graph| graph.is_lent(name)) {
            return None;
        }
        self.known.iter().find_map(|graph| graph.nic(name)).cloned()
    }

    /// The interface, if that cloner made it: a name may have passed from an epair to an eiface.
    fn clone_of(&self, cloner: &str, name: &Name) -> Option<Nic> {
        let (place, present) = self.located.get(name)?;
        let seen = self.interfaces.get(place, present)?;
        (seen.cloner.as_deref() == Some(cloner)).then(|| nic(name, seen))
    }

    fn netgraph(&mut self) {
        for (name, node) in &self.observed.netgraph {
            match node.kind.as_str() {
                "socket" | "ether" => {}
                "eiface" => {
                    if let Some(nic) = self.eiface_nic(name, node) {
                        self.push(Object::Eiface(Eiface { node: name.clone(), nic }));
                    }
                }
                other => {
                    let kind = match other {
                        "bridge" => NetgraphKind::Bridge,
                        "hub" => NetgraphKind::Hub,
                        "pipe" => NetgraphKind::Pipe,
                        other => NetgraphKind::Stray(other.to_owned()),
                    };
                    self.push(Object::Netgraph(Netgraph { name: name.clone(), kind }));
                    if let Some(settings) = node.pipe {
                        self.push(Object::Shape(Shape { pipe: name.clone(), settings }));
                    }
                }
            }
        }
        for (name, node) in &self.observed.netgraph {
            for (hook, peer) in &node.hooks {
                let here = Hook { node: name.clone(), hook: hook.clone() };
                let ours = self.observed.netgraph.get(&peer.node).is_some_and(|peer| peer.kind != "socket");
                if node.kind != "socket" && ours && here <= *peer {
                    self.push(Object::Hooks(Hooks::new(here, peer.clone())));
                }
            }
        }
    }

    /// The interface of an eiface node: what we know it to be, else whatever the kernel calls it.
    fn eiface_nic(&self, node: &Name, seen: &ObservedNode) -> Option<Nic> {
        let id = ObjectId::Netgraph(node.clone());
        let wanted = self.known.iter().find_map(|graph| match graph.get(&id) {
            Some(Object::Eiface(eiface)) => Some(&eiface.nic.name),
            _ => None,
        });
        let present = seen.interface.as_ref()?;
        if let Some(nic) = wanted.and_then(|name| self.lent(name)) {
            return Some(nic);
        }
        wanted
            .filter(|name| self.located.get(*name).is_some_and(|(_, now)| located::plain(now) == &**present))
            .and_then(|name| self.nic(name))
            .or_else(|| self.nic(present))
            .or_else(|| {
                Some(Nic { name: present.clone(), mac: Mac([0; 6]), mtu: Mtu::ETHERNET, description: "".into() })
            })
    }

    /// Epairs and bridges: those we know, and those that were made and never named.
    fn strays(&mut self) {
        let makers = std::mem::take(&mut self.kinds.makers);
        let (mut whole, mut halves) = (Vec::new(), Vec::new());
        for object in &makers {
            if let Object::Epair(epair) = object {
                match self.pair(epair) {
                    [Some(a), Some(b)] => whole.push([a, b]),
                    [Some(end), None] | [None, Some(end)] => halves.push(end),
                    [None, None] => {}
                }
            }
        }
        // An end without its name is lost to us; the pair goes by the other one, unless that is of a pair that is whole: files before
        // and after an edit can both know it, with another far end.
        halves.retain(|half| !whole.iter().flatten().any(|end| end.name == half.name));
        let mut pushed = BTreeSet::new();
        for ends in whole.into_iter().chain(halves.into_iter().map(|end| [end, located::lost()])) {
            if pushed.insert(ends[0].name.clone()) {
                self.push(Object::Epair(Epair { ends }));
            }
        }
        for object in &makers {
            if let Object::IfBridge(bridge) = object
                && let Some(nic) = self.clone_of("bridge", &bridge.nic.name)
                && pushed.insert(nic.name.clone())
            {
                self.push(Object::IfBridge(IfBridge { nic }));
            }
        }
        self.kinds.makers = makers;
        let unnamed: Vec<&Name> =
            self.observed.interfaces.get(&Place::Lab).into_iter().flat_map(BTreeMap::keys).collect();
        for name in unnamed {
            if self.called.contains_key(&(Place::Lab, name.clone())) {
                continue;
            }
            let Some(nic) = self.nic(name) else { continue };
            if name.starts_with("epair") {
                let Some(stem) = name.strip_suffix('a').or_else(|| name.strip_suffix('b')) else { continue };
                let other = format!("{stem}{}", if name.ends_with('a') { 'b' } else { 'a' });
                if name.ends_with('b') && self.interfaces.get(&Place::Lab, &other).is_some() {
                    continue;
                }
                let far = Nic { name: other.into(), ..nic.clone() };
                self.push(Object::Epair(Epair { ends: [nic, far] }));
            } else if name.starts_with("bridge") {
                self.push(Object::IfBridge(IfBridge { nic }));
            }
        }
    }

    /// The ends of an epair that are there, or away.
    fn pair(&self, epair: &Epair) -> [Option<Nic>; 2] {
        let [a, b] = &epair.ends;
        let [seen_a, seen_b] = [a, b].map(|end| self.clone_of("epair", &end.name));
        // Of a pair with one end away, the other end tells that it exists.
        let away_a = seen_b.as_ref().and_then(|_| self.lent(&a.name));
        let away_b = seen_a.as_ref().and_then(|_| self.lent(&b.name));
        [seen_a.or(away_a), seen_b.or(away_b)]
    }

    fn placements(&mut self) {
        let mut seen = Table::default();
        for placement in std::mem::take(&mut self.kinds.placements) {
            self.placement(&placement.nic, placement.no_dad, &mut seen);
        }
        // What should be in the lab jail is placed where somebody took it, or under the name that somebody gave it.
        for nic in std::mem::take(&mut self.kinds.makers).into_iter().flat_map(Object::nics) {
            self.placement(&nic.name, false, &mut seen);
        }
    }

    fn placement(&mut self, nic: &Name, no_dad: bool, seen: &mut Table<Name, ()>) {
        let Some((place, name)) = self.located.get(nic) else { return };
        if (*place != Place::Lab || *name != *nic) && seen.insert(nic.clone(), ()).is_none() {
            let (place, name) = (place.clone(), name.clone());
            self.push(Object::Placement(Placement { nic: nic.clone(), place, name, no_dad }));
        }
    }

    /// What an interface is called, or should be.
    fn called(&self, place: &Place, name: &Name) -> Name {
        if self.called.is_empty() {
            return name.clone();
        }
        self.called.get(&(place.clone(), name.clone())).unwrap_or(name).clone()
    }

    fn members(&mut self) {
        for (bridge, members) in &self.observed.members {
            let bridge = self.called(&Place::Lab, bridge);
            for (member, stp) in members {
                let member = &self.called(&Place::Lab, member);
                let mtu = self.nic(member).map_or(Mtu::ETHERNET, |nic| nic.mtu);
                self.push(Object::Member(Member { bridge: bridge.clone(), member: member.clone(), mtu, stp: *stp }));
            }
        }
    }

    /// Routes that programs and protocols made; where one of ours leads to the same, that one counts.
    fn learnt(&mut self) {
        for (place, learnt) in self.observed.learnt.iter().filter(|(place, _)| **place != Place::Host) {
            let ours = self.observed.routes.get(place);
            for (to, via) in learnt.iter().filter(|(to, _)| ours.is_none_or(|routes| !routes.contains_key(*to))) {
                self.push(Object::Route(Route { place: place.clone(), to: *to, via: *via }));
            }
        }
    }

    fn configuration(&mut self) {
        for (place, sysctls) in &self.observed.sysctls {
            for (name, value) in sysctls {
                let (place, name) = (place.clone(), name.clone());
                self.push_known(Object::Sysctl(Sysctl { place, name, value: value.clone() }));
            }
        }
        let located = std::mem::take(&mut self.located);
        let ours: Table<(&Place, &Name), ()> = located.values().map(|(place, name)| ((place, name), ())).collect();
        for (place, interfaces) in &self.observed.interfaces {
            for (name, seen) in interfaces {
                let placed = ours.contains_key(&(place, name));
                self.interface(place, &self.called(place, name), seen, placed);
            }
        }
        self.located = located;
        for (place, routes) in &self.observed.routes {
            for (to, via) in routes {
                let route = Object::Route(Route { place: place.clone(), to: *to, via: *via });
                // A routing daemon's are its own business.
                if self.strict && *place != Place::Host {
                    self.push(route);
                } else {
                    self.push_known(route);
                }
            }
        }
    }

    /// Addresses and state of an interface that is ours, or that comes with a jail of ours: of others only what we wanted there.
    fn interface(&mut self, place: &Place, name: &Name, seen: &ObservedInterface, placed: bool) {
        let loopback = matches!(&**name, "lo0" | LOOPBACK);
        let own = placed || (loopback && matches!(place, Place::Node(_)));
        for net in &seen.addresses {
            let (place, interface) = (place.clone(), name.clone());
            let address = Object::Address(Address { place, interface, net: *net });
            if own && !is_the_kernels(name, net.ip()) {
                self.push(address);
            } else {
                self.push_known(address);
            }
        }
        if seen.up {
            self.push_known(Object::Up(Up { place: place.clone(), interface: name.clone() }));
        }
    }
}
