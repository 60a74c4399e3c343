//! What a lab is made of on Linux: namespaces, veth pairs and bridges. Addresses, routes and sysctls are the same objects everywhere.

mod root;
mod rules;
mod shape;
mod sysctls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::build::bridge_mtus;
use super::identity::Identity;
use super::object::{Address, Name, Nic, Object, Place, Route, Sysctl, Up};
use super::{Cpus, Graph, GraphError, Limit, Numbering, Owner, life, names, place_of};
use crate::model::{Link, Model, Mtu, Node, NodeId, NodeKind, SwitchDriver};

pub use root::Root;
pub use rules::Rules;
pub use shape::{Bottleneck, Line, Sending, Shaped, ShapedEnd};
pub use sysctls::{Translated, interface_of, translate};

/// The loopback interface.
pub const LOOPBACK: &str = "lo";

/// A kernel object that only Linux has. The large ones are boxed: graphs are mostly of small ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Linux {
    /// A network stack of its own.
    Namespace(Namespace),
    /// Two interfaces joined back to back.
    Veth(Box<Veth>),
    /// A bridge of the lab's namespace.
    Bridge(Bridge),
    /// How the ends of a veth pair send.
    Shaped(Box<Shaped>),
    /// The files of a node.
    Root(Box<Root>),
    /// The firewall of a node.
    Rules(Rules),
}

/// A namespace: `LAB`, which holds the bridges, or `LAB.NODE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// [`Place::Lab`] or [`Place::Node`].
    pub place: Place,
}

/// A veth pair, each end made where it belongs and under its last name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Veth {
    /// The interfaces; they are recognised by names that are unique in the lab.
    pub nics: [Nic; 2],
    /// Where they are.
    pub ends: [End; 2],
}

/// Where one end of a veth pair is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// In which namespace.
    pub place: Place,
    /// What it is called there.
    pub name: Name,
    /// The bridge that it is a port of.
    pub bridge: Option<Name>,
    /// It makes itself a link-local IPv6 address. Ports and nodes without IPv6 do not: a thousand of them would flood their
    /// segment with neighbour discovery.
    pub link_local: bool,
    /// Whether it sends on what comes in over IPv4 for others: said for each interface, over netlink, because a write below /proc
    /// takes the longer the more namespaces there are. `None` where the file's sysctls say it, and outside of nodes.
    pub forwards: Option<bool>,
}

impl Veth {
    /// The same while these places do not exist: what would be there is in the lab's own namespace, down, under the name that is unique
    /// there. So the other end is as with a machine that is switched off: it stays and has no carrier.
    pub(super) fn without(mut self, places: &BTreeSet<Place>) -> Self {
        for (end, nic) in self.ends.iter_mut().zip(&self.nics) {
            if places.contains(&end.place) {
                *end =
                    End { place: Place::Lab, name: nic.name.clone(), bridge: None, link_local: false, forwards: None };
            }
        }
        self
    }
}

/// A bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Its own interface.
    pub nic: Nic,
    /// How it forwards.
    pub settings: BridgeSettings,
}

/// How a bridge forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeSettings {
    /// It takes part in the spanning tree.
    pub stp: bool,
    /// It remembers where hosts are; without that it is a hub.
    pub learning: bool,
}

impl Linux {
    /// What it is recognised by. The other kernel's word for the same thing serves: no graph holds objects of both.
    pub(super) fn identity(&self) -> Identity<'_> {
        match self {
            Self::Namespace(namespace) => Identity::Jail(&namespace.place),
            Self::Veth(veth) => Identity::Epair(&veth.nics[0].name),
            Self::Bridge(bridge) => Identity::IfBridge(&bridge.nic.name),
            Self::Shaped(shaped) => Identity::Shape(&shaped.nic),
            Self::Root(root) => Identity::Root(&root.place),
            Self::Rules(rules) => Identity::Rules(&rules.place),
        }
    }

    /// The place that it is in and goes with.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Namespace(namespace) => Some(&namespace.place),
            Self::Veth(_) | Self::Shaped(_) => None,
            Self::Bridge(_) => Some(&Place::Lab),
            Self::Root(root) => Some(&root.place),
            Self::Rules(rules) => Some(&rules.place),
        }
    }

    /// The interfaces it makes.
    #[must_use]
    pub fn nics(&self) -> &[Nic] {
        match self {
            Self::Namespace(_) | Self::Shaped(_) | Self::Root(_) | Self::Rules(_) => &[],
            Self::Veth(veth) => &veth.nics,
            Self::Bridge(bridge) => std::slice::from_ref(&bridge.nic),
        }
    }

    /// What must exist before it.
    pub(super) fn needs(&self, mut want: impl FnMut(Identity<'_>)) {
        match self {
            Self::Namespace(namespace) => {
                if namespace.place != Place::Lab {
                    want(Identity::Jail(&Place::Lab));
                }
            }
            Self::Veth(veth) => {
                want(Identity::Jail(&Place::Lab));
                for end in &veth.ends {
                    want(Identity::Jail(&end.place));
                    end.bridge.iter().for_each(|bridge| want(Identity::IfBridge(bridge)));
                }
            }
            Self::Bridge(_) => want(Identity::Jail(&Place::Lab)),
            Self::Shaped(shaped) => want(Identity::Epair(&shaped.nic)),
            Self::Rules(rules) => want(Identity::Jail(&rules.place)),
            Self::Root(root) => {
                want(Identity::Jail(&root.place));
                root.private.values().for_each(|copy| want(Identity::Folder(copy)));
            }
        }
    }
}

/// Every kernel object of a model on Linux, with what it needs.
///
/// # Errors
/// A derived name that two objects would share.
pub fn build(model: &Model, numbering: &Numbering) -> Result<Graph, GraphError> {
    let mut builder = Builder { model, mtus: bridge_mtus(model), owner: Owner::Lab, objects: Vec::new() };
    builder.namespaces();
    builder.roots(numbering.roots.as_deref().unwrap_or(life::ROOTS));
    builder.bridges();
    for link in &model.links {
        builder.owner = Owner::Link(link.identity.as_str().into());
        builder.link(link);
    }
    for node in model.nodes.iter().filter(|node| !node.kind.is_layer2()) {
        builder.owner = Owner::Node(node.name.as_str().into());
        builder.configuration(node);
    }
    builder.owner = Owner::Lab;
    builder.ports_and_bridges_up();
    Graph::new(model.lab.clone(), builder.objects)
}

struct Builder<'m> {
    model: &'m Model,
    mtus: BTreeMap<NodeId, Mtu>,
    /// Whose objects are being made.
    owner: Owner,
    objects: Vec<(Owner, Object)>,
}

impl Builder<'_> {
    fn push(&mut self, object: Object) {
        self.objects.push((self.owner.clone(), object));
    }

    fn namespaces(&mut self) {
        self.push(Object::Linux(Linux::Namespace(Namespace { place: Place::Lab })));
        for node in &self.model.nodes {
            if matches!(node.kind, NodeKind::Host | NodeKind::Router) {
                self.owner = Owner::Node(node.name.as_str().into());
                self.push(Object::Linux(Linux::Namespace(Namespace { place: place_of(node) })));
            }
        }
    }

    fn roots(&mut self, roots: &str) {
        let model = self.model;
        self.owner = Owner::Lab;
        life::home(&model.lab, model.nodes.iter(), roots).into_iter().for_each(|home| self.push(home));
        for node in &model.nodes {
            self.owner = Owner::Node(node.name.as_str().into());
            root::objects(&model.lab, node, roots).into_iter().for_each(|object| self.push(object));
        }
    }

    fn bridges(&mut self) {
        for (index, node) in self.model.nodes.iter().enumerate() {
            let settings = match node.kind {
                NodeKind::Switch(SwitchDriver::IfBridge { stp }) => BridgeSettings { stp, learning: true },
                NodeKind::Switch(SwitchDriver::Netgraph) => BridgeSettings { stp: false, learning: true },
                NodeKind::Hub => BridgeSettings { stp: false, learning: false },
                NodeKind::Host | NodeKind::Router | NodeKind::SelfHost => continue,
            };
            self.owner = Owner::Node(node.name.as_str().into());
            let lab = &self.model.lab;
            let nic = Nic {
                name: names::in_lab(lab, node.name.as_str(), ""),
                mac: names::mac(lab, node.name.as_str(), ""),
                mtu: self.mtus.get(&NodeId(index)).copied().unwrap_or(Mtu::ETHERNET),
                description: self.description(node.name.as_str()),
            };
            self.push(Object::Linux(Linux::Bridge(Bridge { nic, settings })));
        }
    }

    fn link(&mut self, link: &Link) {
        let [(first, here), (second, there)] = [self.end(link, 0), self.end(link, 1)];
        let ends = [(0, &here, &first), (1, &there, &second)].map(|(from, end, nic)| {
            let sending = link.shaping[from].as_ref().map(|shaping| Sending::of(shaping, nic.mtu)).unwrap_or_default();
            ShapedEnd { place: end.place.clone(), interface: end.name.clone(), sending }
        });
        let shaped = Shaped { nic: first.name.clone(), ends };
        self.push(Object::Linux(Linux::Veth(Box::new(Veth { nics: [first, second], ends: [here, there] }))));
        if shaped.ends.iter().any(|end| !end.sending.is_plain()) {
            self.push(Object::Linux(Linux::Shaped(Box::new(shaped))));
        }
    }

    fn end(&self, link: &Link, end: usize) -> (Nic, End) {
        let lab = &self.model.lab;
        let endpoint = &link.ends[end];
        let node = self.model.node(endpoint.node);
        let name = node.name.as_str();
        let Some(interface) = endpoint.interface.as_ref().filter(|_| !node.kind.is_layer2()) else {
            let port = format!("{} {end}", link.identity);
            let nic = Nic {
                name: names::in_lab(lab, name, &port),
                mac: names::mac(lab, name, &port),
                mtu: self.mtus.get(&endpoint.node).copied().unwrap_or(link.mtu),
                description: self.description(&format!("{name} port {}", link.identity)),
            };
            let bridge = Some(names::in_lab(lab, name, ""));
            let end = End { place: Place::Lab, name: nic.name.clone(), bridge, link_local: false, forwards: None };
            return (nic, end);
        };
        let found = node.interfaces.get(interface);
        let nic = Nic {
            name: names::in_lab(lab, name, interface.as_str()),
            mac: found.map_or_else(|| names::mac(lab, name, interface.as_str()), |found| found.mac),
            mtu: found.map_or(link.mtu, |found| found.mtu),
            description: self.description(&format!("{name}:{interface}")),
        };
        let name = interface.as_str().into();
        let (link_local, forwards) = (has_ipv6(node), sysctls::forwards(node));
        (nic, End { place: place_of(node), name, bridge: None, link_local, forwards })
    }

    fn configuration(&mut self, node: &Node) {
        let place = place_of(node);
        for (name, value) in sysctls::of(node) {
            self.push(Object::Sysctl(Sysctl { place: place.clone(), name: name.into(), value }));
        }
        let lo: Name = LOOPBACK.into();
        let own = matches!(place, Place::Node(_));
        let on_loopback = node.loopback.iter().map(|address| (lo.clone(), address.net));
        let on_links = node.interfaces.iter().flat_map(|(name, interface)| {
            let name: Name = name.as_str().into();
            interface.addresses.iter().map(move |address| (name.clone(), address.net))
        });
        for (interface, net) in on_loopback.chain(on_links) {
            self.push(Object::Address(Address { place: place.clone(), interface, net }));
        }
        let names = node.interfaces.keys().map(|name| Name::from(name.as_str()));
        for interface in own.then_some(lo).into_iter().chain(names) {
            self.push(Object::Up(Up { place: place.clone(), interface }));
        }
        for route in &node.routes {
            self.push(Object::Route(Route { place: place.clone(), to: route.to, via: route.via }));
        }
        for (resource, limit) in &node.limits {
            self.push(Object::Limit(Limit {
                place: place.clone(),
                resource: resource.as_str().into(),
                action: limit.action.as_str().into(),
                amount: limit.amount,
            }));
        }
        if let Some(firewall) = &node.firewall {
            let (file, text) = (firewall.file.as_str().into(), firewall.rules.as_str().into());
            self.push(Object::Linux(Linux::Rules(Rules { place: place.clone(), file, text })));
        }
        if let Some(cpus) = &node.cpus {
            self.push(Object::Cpus(Cpus { place, set: cpus.value.clone() }));
        }
    }

    /// Ports first, then their bridges: a bridge that is up looks at all its ports whenever one of them changes.
    fn ports_and_bridges_up(&mut self) {
        let mut ups: [Vec<(Owner, Object)>; 2] = Default::default();
        let up = |interface: &Name| Object::Up(Up { place: Place::Lab, interface: interface.clone() });
        for (owner, object) in &self.objects {
            match object {
                Object::Linux(Linux::Veth(veth)) => {
                    let ports = veth.ends.iter().filter(|end| end.bridge.is_some());
                    ups[0].extend(ports.map(|end| (owner.clone(), up(&end.name))));
                }
                Object::Linux(Linux::Bridge(bridge)) => ups[1].push((owner.clone(), up(&bridge.nic.name))),
                _ => {}
            }
        }
        self.objects.extend(ups.into_iter().flatten());
    }

    fn description(&self, of: &str) -> Arc<str> {
        format!("cellblock {} {of}", self.model.lab).into()
    }
}

fn has_ipv6(node: &Node) -> bool {
    let mut addresses = node.loopback.iter().chain(node.interfaces.values().flat_map(|interface| &interface.addresses));
    addresses.any(|address| address.net.is_ipv6())
}
