//! A model as kernel objects: which wiring for which link, which name for which thing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::life::{self, Cpus, Limit, Ruleset};
use super::names::{self, NetgraphNames};
use super::numbering::Numbering;
use super::object::{
    Address, Eiface, Epair, Hook, Hooks, IfBridge, Jail, Member, Name, Netgraph, NetgraphKind, Nic, Object,
    PipeDirection, PipeSettings, Place, Placement, Route, Shape, Sysctl, Up,
};
use super::{Graph, GraphError, Owner};
use crate::model::{Link, Model, Mtu, Node, NodeId, NodeKind, Shaping, SwitchDriver, Wire};

/// The number that the first lab's devfs ruleset gets where it is free: far from those of /etc/devfs.rules.
pub const FIRST_RULESET: u16 = 4211;

/// Every kernel object of a model, with what it needs.
///
/// # Errors
/// A derived name that two objects would share.
pub fn build(model: &Model, numbering: &mut Numbering) -> Result<Graph, GraphError> {
    numbering.assign(model);
    // The wiring of every node, but no jail, and nothing inside of one, where another tool sees to that.
    let (elsewhere, ours): (Vec<&Node>, Vec<&Node>) =
        model.nodes.iter().filter(|node| !node.kind.is_layer2()).partition(|node| node.is_run_elsewhere());
    let mut builder = Builder {
        model,
        numbering,
        names: netgraph_names(model),
        bridge_mtu: bridge_mtus(model),
        owner: Owner::Lab,
        objects: Vec::new(),
    };
    builder.jails();
    builder.switches();
    for link in &model.links {
        builder.owner = Owner::Link(link.identity.as_str().into());
        builder.link(link);
    }
    for node in &ours {
        builder.owner = Owner::Node(node.name.as_str().into());
        builder.placements(node);
    }
    builder.owner = Owner::Lab;
    builder.loose_ends();
    for node in &ours {
        builder.owner = Owner::Node(node.name.as_str().into());
        builder.configuration(node);
    }
    let nics = |node: &Node| {
        let nics = node.interfaces.keys().map(|name| names::in_lab(&model.lab, node.name.as_str(), name.as_str()));
        (node.name.value.clone(), nics.collect())
    };
    let elsewhere = elsewhere.into_iter().map(nics).collect();
    Ok(Graph::new(model.lab.clone(), builder.objects)?.with_nodes_elsewhere(elsewhere))
}

/// The place of a node with a stack.
#[must_use]
pub fn place_of(node: &Node) -> Place {
    match node.kind {
        NodeKind::SelfHost => Place::Host,
        _ => Place::Node(node.name.value.clone()),
    }
}

/// Whether the link needs an ng_pipe.
#[must_use]
pub fn is_shaped(link: &Link) -> bool {
    link.shaping.iter().flatten().any(|shaping| shaping.value != Shaping::default())
}

fn netgraph_names(model: &Model) -> NetgraphNames<'_> {
    let mut names = NetgraphNames::default();
    for node in &model.nodes {
        if node.kind.is_layer2() {
            names.want(node.name.to_string(), [node.name.as_str(), ""]);
        }
        for interface in node.interfaces.keys() {
            names.want(format!("{}_{interface}", node.name), [node.name.as_str(), interface.as_str()]);
        }
    }
    for link in &model.links {
        if is_shaped(link) {
            names.want(format!("{}_pipe", short_identity(model, link)), [&link.identity, "pipe"]);
        }
        for end in 0..2 {
            if let Some((bridge, port)) = loose_end(model, link, end) {
                names.want(format!("{bridge}-{port}"), [&link.identity, if end == 0 { "loose0" } else { "loose1" }]);
            }
        }
    }
    names.decide();
    names
}

/// A link in few letters: the end that only it has, else its identity without blanks.
fn short_identity(model: &Model, link: &Link) -> String {
    link.ends
        .iter()
        .find_map(|end| end.interface.as_ref().map(|name| format!("{}_{name}", model.node(end.node).name)))
        .unwrap_or_else(|| plain(&link.identity))
}

/// The if_bridge at that end of the link and what to call the port.
fn loose_end<'m>(model: &'m Model, link: &Link, end: usize) -> Option<(&'m str, String)> {
    let node = model.node(link.ends[end].node);
    if !matches!(node.kind, NodeKind::Switch(SwitchDriver::IfBridge { .. })) {
        return None;
    }
    let far = &link.ends[1 - end];
    let port = match &far.interface {
        Some(interface) => format!("{}_{interface}", model.node(far.node).name),
        None => plain(&link.identity),
    };
    Some((node.name.as_str(), port))
}

/// Only what a netgraph path can carry.
fn plain(text: &str) -> String {
    text.replace(" -- ", "-").chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// What a link has at one end.
enum End {
    /// An interface, made as an eiface or as the end of an epair.
    Interface {
        /// The eiface's node name, if it becomes one.
        node: Name,
        /// The interface.
        nic: Nic,
        /// The if_bridge it is to be a member of.
        bridge: Option<(Name, bool)>,
    },
    /// A hook of ng_bridge or ng_hub.
    Hook(Hook),
}

struct Builder<'m> {
    model: &'m Model,
    numbering: &'m Numbering,
    names: NetgraphNames<'m>,
    bridge_mtu: BTreeMap<NodeId, Mtu>,
    /// Whose objects are being made.
    owner: Owner,
    objects: Vec<(Owner, Object)>,
}

impl Builder<'_> {
    fn push(&mut self, object: Object) {
        self.objects.push((self.owner.clone(), object));
    }

    fn jails(&mut self) {
        let model = self.model;
        let stations = || model.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Host | NodeKind::Router));
        let roots = self.numbering.roots.as_deref().unwrap_or(life::ROOTS);
        life::home(&model.lab, stations(), roots).into_iter().for_each(|home| self.push(home));
        if stations().any(life::needs_ruleset) {
            self.push(Object::Ruleset(Ruleset { number: self.ruleset() }));
        }
        self.push(Object::Jail(Jail { place: Place::Lab, parameters: parent_parameters(stations()) }));
        for node in stations().filter(|node| !node.is_run_elsewhere()) {
            self.owner = Owner::Node(node.name.as_str().into());
            let life::Root { objects, parameters: of_root } = life::root(&model.lab, node, roots, self.ruleset());
            objects.into_iter().for_each(|object| self.push(object));
            let given = node.jail.iter().filter(|(name, _)| *name != life::MOUNT_DEVFS);
            let mut parameters: BTreeMap<_, _> =
                given.map(|(name, value)| (name.clone(), value.value.clone())).collect();
            parameters.extend(of_root);
            self.push(Object::Jail(Jail { place: place_of(node), parameters }));
            self.resources(node);
        }
    }

    fn ruleset(&self) -> u16 {
        self.numbering.ruleset.unwrap_or(FIRST_RULESET)
    }

    fn resources(&mut self, node: &Node) {
        let place = place_of(node);
        if let Some(cpus) = &node.cpus {
            self.push(Object::Cpus(Cpus { place: place.clone(), set: cpus.value.clone() }));
        }
        for (resource, limit) in &node.limits {
            self.push(Object::Limit(Limit {
                place: place.clone(),
                resource: resource.as_str().into(),
                action: limit.action.as_str().into(),
                amount: limit.amount,
            }));
        }
    }

    fn switches(&mut self) {
        for (index, node) in self.model.nodes.iter().enumerate() {
            self.owner = Owner::Node(node.name.as_str().into());
            let kind = match node.kind {
                NodeKind::Switch(SwitchDriver::Netgraph) => NetgraphKind::Bridge,
                NodeKind::Hub => NetgraphKind::Hub,
                NodeKind::Switch(SwitchDriver::IfBridge { .. }) => {
                    let nic = Nic {
                        name: names::in_lab(&self.model.lab, node.name.as_str(), ""),
                        mac: names::mac(&self.model.lab, node.name.as_str(), ""),
                        mtu: self.bridge_mtu(NodeId(index)),
                        description: self.description(node.name.as_str()),
                    };
                    self.push(Object::IfBridge(IfBridge { nic }));
                    continue;
                }
                NodeKind::Host | NodeKind::Router | NodeKind::SelfHost => continue,
            };
            let name = self.netgraph_name([node.name.as_str(), ""]);
            self.push(Object::Netgraph(Netgraph { name, kind }));
        }
    }

    fn bridge_mtu(&self, bridge: NodeId) -> Mtu {
        self.bridge_mtu.get(&bridge).copied().unwrap_or(Mtu::ETHERNET)
    }

    fn link(&mut self, link: &Link) {
        let shaped = is_shaped(link);
        let ends = [self.end(link, 0), self.end(link, 1)];
        let epair = link.wire == Wire::Epair || (!shaped && ends.iter().all(is_bridge_port));
        match ends {
            [End::Interface { nic: a, bridge: at_a, .. }, End::Interface { nic: b, bridge: at_b, .. }] if epair => {
                let members = [member(&a, at_a), member(&b, at_b)];
                self.push(Object::Epair(Epair { ends: [a, b] }));
                members.into_iter().flatten().for_each(|member| self.push(member));
            }
            [a, b] => self.netgraph_link(link, a, b, shaped),
        }
    }

    fn netgraph_link(&mut self, link: &Link, a: End, b: End, shaped: bool) {
        let mut members = Vec::new();
        let [a, b] = [a, b].map(|end| match end {
            End::Hook(hook) => hook,
            End::Interface { node, nic, bridge } => {
                members.extend(member(&nic, bridge));
                let hook = Hook::new(&node, "ether");
                self.push(Object::Eiface(Eiface { node, nic }));
                hook
            }
        });
        if shaped {
            let name = self.netgraph_name([&link.identity, "pipe"]);
            self.push(Object::Netgraph(Netgraph { name: name.clone(), kind: NetgraphKind::Pipe }));
            self.push(Object::Hooks(Hooks::new(a, Hook::new(&name, "upper"))));
            self.push(Object::Hooks(Hooks::new(Hook::new(&name, "lower"), b)));
            self.push(Object::Shape(Shape { pipe: name, settings: pipe_settings(link) }));
        } else {
            self.push(Object::Hooks(Hooks::new(a, b)));
        }
        members.into_iter().for_each(|member| self.push(member));
    }

    fn end(&self, link: &Link, end: usize) -> End {
        let lab = &self.model.lab;
        let endpoint = &link.ends[end];
        let node = self.model.node(endpoint.node);
        let name = node.name.as_str();
        match node.kind {
            NodeKind::Hub | NodeKind::Switch(SwitchDriver::Netgraph) => {
                let hook = self.numbering.hook(name, link, end);
                End::Hook(Hook { node: self.netgraph_name([name, ""]), hook })
            }
            NodeKind::Switch(SwitchDriver::IfBridge { stp }) => {
                let port = format!("{} {end}", link.identity);
                let nic = Nic {
                    name: names::in_lab(lab, name, &port),
                    mac: names::mac(lab, name, &port),
                    mtu: self.bridge_mtu(endpoint.node),
                    description: self.description(&format!("{name} port {}", link.identity)),
                };
                let key = [link.identity.as_str(), if end == 0 { "loose0" } else { "loose1" }];
                End::Interface { node: self.netgraph_name(key), nic, bridge: Some((names::in_lab(lab, name, ""), stp)) }
            }
            NodeKind::Host | NodeKind::Router | NodeKind::SelfHost => {
                let interface = endpoint.interface.as_ref().map_or("", |interface| interface.as_str());
                let (mac, mtu) = endpoint
                    .interface
                    .as_ref()
                    .and_then(|interface| node.interfaces.get(interface))
                    .map_or_else(|| (names::mac(lab, name, interface), link.mtu), |found| (found.mac, found.mtu));
                let nic = Nic {
                    name: names::in_lab(lab, name, interface),
                    mac,
                    mtu,
                    description: self.description(&format!("{name}:{interface}")),
                };
                End::Interface { node: self.netgraph_name([name, interface]), nic, bridge: None }
            }
        }
    }

    fn placements(&mut self, node: &Node) {
        for interface in node.interfaces.keys() {
            let place = place_of(node);
            self.push(Object::Placement(Placement {
                nic: names::in_lab(&self.model.lab, node.name.as_str(), interface.as_str()),
                no_dad: place == Place::Host,
                place,
                name: interface.as_str().into(),
            }));
        }
    }

    fn loose_ends(&mut self) {
        let up = |interface: &Name| Object::Up(Up { place: Place::Lab, interface: interface.clone() });
        let ups: Vec<_> = self
            .objects
            .iter()
            .filter_map(|(owner, object)| match object {
                Object::Member(member) => Some((owner.clone(), up(&member.member))),
                Object::IfBridge(bridge) => Some((owner.clone(), up(&bridge.nic.name))),
                _ => None,
            })
            .collect();
        self.objects.extend(ups);
    }

    fn configuration(&mut self, node: &Node) {
        let place = place_of(node);
        for (name, value) in sysctls(node) {
            self.push(Object::Sysctl(Sysctl { place: place.clone(), name: name.into(), value }));
        }
        let lo0: Name = "lo0".into();
        if let Place::Node(_) = place {
            let localhost = "127.0.0.1/8".parse().expect("an address");
            self.address(&place, &lo0, localhost);
        }
        for address in &node.loopback {
            self.address(&place, &lo0, address.net);
        }
        for (name, interface) in &node.interfaces {
            let name: Name = name.as_str().into();
            for address in &interface.addresses {
                self.address(&place, &name, address.net);
            }
        }
        let own = matches!(place, Place::Node(_)).then(|| lo0.clone());
        for interface in own.into_iter().chain(node.interfaces.keys().map(|name| Name::from(name.as_str()))) {
            self.push(Object::Up(Up { place: place.clone(), interface }));
        }
        for route in &node.routes {
            self.push(Object::Route(Route { place: place.clone(), to: route.to, via: route.via }));
        }
    }

    fn address(&mut self, place: &Place, interface: &Name, net: ipnetwork::IpNetwork) {
        self.push(Object::Address(Address { place: place.clone(), interface: interface.clone(), net }));
    }

    fn netgraph_name(&self, key: [&str; 2]) -> Name {
        self.names.get(key).unwrap_or_else(|| Name::from(key[0]))
    }

    fn description(&self, of: &str) -> Arc<str> {
        format!("cellblock {} {of}", self.model.lab).into()
    }
}

/// All ports of a switch have one MTU, the smallest of its links: if_bridge wants it so, and a bridge of Linux drops what is larger than
/// its smallest port takes.
pub(super) fn bridge_mtus(model: &Model) -> BTreeMap<NodeId, Mtu> {
    let mut mtus: BTreeMap<NodeId, Mtu> = BTreeMap::new();
    for link in &model.links {
        for end in link.ends.iter().filter(|end| model.node(end.node).kind.is_layer2()) {
            mtus.entry(end.node).and_modify(|mtu| *mtu = link.mtu.min(*mtu)).or_insert(link.mtu);
        }
    }
    mtus
}

fn is_bridge_port(end: &End) -> bool {
    matches!(end, End::Interface { bridge: Some(_), .. })
}

fn member(nic: &Nic, bridge: Option<(Name, bool)>) -> Option<Object> {
    let (bridge, stp) = bridge?;
    Some(Object::Member(Member { bridge, member: nic.name.clone(), mtu: nic.mtu, stp }))
}

/// What the parent must permit for its children to have it.
fn parent_parameters<'n>(children: impl Iterator<Item = &'n Node>) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut children_max = 0u64;
    let mut enforce_statfs: Option<u32> = None;
    for node in children {
        let grandchildren = node.jail.get("children.max").and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        children_max += 1 + grandchildren;
        for (name, value) in &node.jail {
            if name.starts_with("allow.") && value.value != "false" {
                parameters.insert(name.clone(), value.value.clone());
            }
        }
        let statfs = node.jail.get("enforce_statfs").and_then(|value| value.parse().ok());
        enforce_statfs = [enforce_statfs, statfs].into_iter().flatten().min();
    }
    parameters.insert("children.max".to_owned(), children_max.to_string());
    if let Some(value) = enforce_statfs {
        parameters.insert("enforce_statfs".to_owned(), value.to_string());
    }
    parameters
}

/// The file's sysctls, forwarding of routers, and no waiting for duplicate address detection: the addresses were checked when the
/// file was read, and they are to be usable when `up` returns. A file that sets `dad_count` itself gets what it says.
fn sysctls(node: &Node) -> BTreeMap<String, String> {
    let mut sysctls = BTreeMap::new();
    if node.kind == NodeKind::Router {
        for name in ["net.inet.ip.forwarding", "net.inet6.ip6.forwarding"] {
            sysctls.insert(name.to_owned(), "1".to_owned());
        }
    }
    let mut addresses = node.loopback.iter().chain(node.interfaces.values().flat_map(|interface| &interface.addresses));
    if node.kind != NodeKind::SelfHost && addresses.any(|address| address.net.is_ipv6()) {
        sysctls.insert(super::DAD_COUNT.to_owned(), "0".to_owned());
    }
    sysctls.extend(node.sysctls.iter().map(|(name, value)| (name.clone(), value.value.clone())));
    sysctls
}

/// What the link's `tc` means to an ng_pipe; what a pipe cannot do was refused before.
fn pipe_settings(link: &Link) -> PipeSettings {
    let direction = |index: usize| {
        let shaping = link.shaping[index].as_ref().map(|shaping| shaping.value).unwrap_or_default();
        PipeDirection {
            bandwidth: shaping.rate.map_or(0, |rate| rate.0),
            one_error_in_bits: shaping.one_error_in_bits.unwrap_or(0),
            queue: shaping.queue.filter(|queue| *queue != PipeDirection::DEFAULT_QUEUE).unwrap_or(0),
            duplicate: shaping.duplicate.map_or(0, |share| share.0 / 10_000),
        }
    };
    let delay = link.shaping.iter().flatten().filter_map(|shaping| shaping.delay).map(|delay| delay.0 / 1000).max();
    PipeSettings { delay: delay.unwrap_or(0), downstream: direction(0), upstream: direction(1) }
}
