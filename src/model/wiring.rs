//! Who is linked to whom: finds the nodes of links, brings everything into the order of the model, lists the interfaces.

use std::collections::{HashMap, HashSet};

use ipnetwork::IpNetwork;

use super::draft::{DraftEnd, DraftLink, DraftNode};
use super::findings::{Findings, later_first};
use super::prefix::Family;
use super::{IfName, LinkId, Mac, Mtu, NodeId, NodeKind, NodeName, SwitchDriver, Wire, codes, natural_order};
use crate::diagnostic::{At, Diagnostic, Origin};

/// Nodes, links and interfaces in the order of the model.
#[derive(Debug)]
pub(super) struct Wiring {
    pub(super) nodes: Vec<DraftNode>,
    pub(super) links: Vec<WiredLink>,
    /// By node and name.
    pub(super) ports: Vec<Port>,
}

/// A link whose ends exist.
#[derive(Debug)]
pub(super) struct WiredLink {
    pub(super) identity: String,
    /// Ends, and shaping with them, in the order of the nodes.
    pub(super) draft: DraftLink,
    pub(super) nodes: [NodeId; 2],
    /// Places in [`Wiring::ports`]; `None` at a layer-2 node.
    pub(super) ports: [Option<usize>; 2],
}

/// An interface and what the file says about it, on the link and on the node.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) node: NodeId,
    pub(super) name: IfName,
    pub(super) link: LinkId,
    pub(super) end: usize,
    pub(super) origin: Origin,
    pub(super) given: Vec<At<IpNetwork>>,
    /// Families that the link gives this end addresses of: no pool adds to them.
    pub(super) settled: Vec<Family>,
    pub(super) mac: Option<At<Mac>>,
    pub(super) mtu: Option<At<Mtu>>,
}

impl Wiring {
    pub(super) fn node(&self, id: NodeId) -> &DraftNode {
        &self.nodes[id.0]
    }

    pub(super) fn kind(&self, id: NodeId) -> NodeKind {
        self.nodes[id.0].kind.value
    }

    pub(super) fn link(&self, id: LinkId) -> &WiredLink {
        &self.links[id.0]
    }

    /// `node:interface`.
    pub(super) fn port_name(&self, port: &Port) -> String {
        format!("{}:{}", *self.node(port.node).name, port.name)
    }

    pub(super) fn type_of(&self, link: LinkId) -> Wire {
        self.link(link).draft.wire.as_ref().map_or_else(Wire::default, |wire| wire.value)
    }

    /// Whether both ends of the link are layer-2 nodes.
    pub(super) fn is_trunk(&self, link: &WiredLink) -> bool {
        link.nodes.iter().all(|node| self.kind(*node).is_layer2())
    }
}

/// Connects everything, or says why not.
pub(super) fn connect(nodes: Vec<DraftNode>, links: Vec<DraftLink>, findings: &mut Findings) -> Option<Wiring> {
    let errors = findings.errors();
    let nodes = sort_nodes(nodes, findings);
    let by_name: HashMap<NodeName, NodeId> =
        nodes.iter().enumerate().map(|(place, node)| (node.name.value.clone(), NodeId(place))).collect();
    let linked = linked_interfaces(&links);
    for node in &nodes {
        check_node(node, &linked, findings);
    }
    let mut wired: Vec<WiredLink> =
        links.into_iter().filter_map(|link| wire(link, &by_name, &nodes, findings)).collect();
    wired.sort_by(|a, b| natural_order(&a.identity, &b.identity));
    let mut wiring = Wiring { nodes, links: wired, ports: Vec::new() };
    check_identities(&wiring, findings);
    list_ports(&mut wiring, findings);
    (findings.errors() == errors).then_some(wiring)
}

fn sort_nodes(mut nodes: Vec<DraftNode>, findings: &mut Findings) -> Vec<DraftNode> {
    nodes.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    for pair in nodes.windows(2) {
        if pair[0].name.value == pair[1].name.value {
            let (later, earlier) = later_first(pair[0].name.origin, pair[1].name.origin);
            findings.push(
                Diagnostic::error(codes::SAME_NODE, format!("two nodes are called `{}`", *pair[1].name))
                    .at(later, "this one")
                    .at(earlier, "and this one"),
            );
        }
    }
    let mut selves = nodes.iter().filter(|node| node.kind.value == NodeKind::SelfHost);
    if let Some(first) = selves.next() {
        for second in selves {
            let message = format!("both `{}` and `{}` are the host itself", *first.name, *second.name);
            findings.push(
                Diagnostic::error(codes::SECOND_SELF, message)
                    .at(second.kind.origin, "a second `kind: self`")
                    .at(first.kind.origin, "the first one")
                    .help("give one node all the interfaces that the host shall have"),
            );
        }
    }
    nodes
}

/// Every interface that some link names, even a link that is wrong otherwise.
fn linked_interfaces(links: &[DraftLink]) -> HashSet<(NodeName, IfName)> {
    let ends = links.iter().flat_map(|link| &link.ends);
    ends.filter_map(|end| Some((end.node.value.clone(), end.interface.as_ref()?.value.clone()))).collect()
}

fn check_node(node: &DraftNode, linked: &HashSet<(NodeName, IfName)>, findings: &mut Findings) {
    let (name, kind) = (&node.name.value, node.kind.value);
    if kind.is_layer2() {
        let interface = node.interfaces.values().map(|interface| (interface.origin, "an interface"));
        let loopback = node.loopback.iter().map(|address| (address.origin, "an address"));
        let route = node.routes.iter().map(|route| (route.to.origin, "a route"));
        if let Some((origin, what)) = interface.chain(loopback).chain(route).next() {
            findings.push(
                Diagnostic::error(codes::LAYER2_HAS_NO_STACK, format!("`{name}` is a {kind} and cannot have {what}"))
                    .at(origin, "")
                    .at(node.kind.origin, format!("`{name}` is a {kind} here")),
            );
        }
        return;
    }
    if let Some(pool) = &node.pool {
        findings.push(
            Diagnostic::error(codes::POOL_ON_STACK, format!("`pool:` on `{name}`, which is of kind `{kind}`"))
                .at(pool.origin, "")
                .help("put `pool:` on the link, or on the switch or hub that it leads to"),
        );
    }
    for (interface, given) in &node.interfaces {
        if !linked.contains(&(name.clone(), interface.clone())) {
            let own = linked.iter().filter(|(owner, _)| owner == name).map(|(_, linked)| linked.as_str());
            let mut finding =
                Diagnostic::error(codes::UNLINKED_INTERFACE, format!("no link ends at `{name}:{interface}`"))
                    .at(given.origin, "");
            finding.help = findings.nearest(interface.as_str(), own);
            findings.push(finding);
        }
    }
}

fn report_missing(end: &DraftEnd, nodes: &[DraftNode], findings: &mut Findings) {
    let message = format!("a link leads to the node `{}`, which does not exist", *end.node);
    let mut finding = Diagnostic::error(codes::MISSING_NODE, message).at(end.node.origin, "");
    finding.help = findings.nearest(end.node.as_str(), nodes.iter().map(|node| node.name.as_str()));
    findings.push(finding);
}

/// Finds both ends of a link and sorts them.
fn wire(
    mut link: DraftLink,
    by_name: &HashMap<NodeName, NodeId>,
    nodes: &[DraftNode],
    findings: &mut Findings,
) -> Option<WiredLink> {
    let errors = findings.errors();
    let found = link.ends.each_ref().map(|end| by_name.get(&end.node.value).copied());
    for (end, node) in link.ends.iter().zip(found) {
        match node {
            None => report_missing(end, nodes, findings),
            Some(id) => check_end(end, &nodes[id.0], findings),
        }
    }
    let [Some(first), Some(second)] = found else { return None };
    let mut ids = [first, second];
    if first == second {
        findings.push(
            Diagnostic::error(codes::SELF_LINK, format!("a link leads from `{}` to itself", *link.ends[0].node))
                .at(link.ends[1].origin, "the same node")
                .at(link.ends[0].origin, ""),
        );
    }
    if second < first {
        ids.swap(0, 1);
        link.ends.swap(0, 1);
        link.shaping.swap(0, 1);
    }
    check_type(&link, ids.map(|id| nodes[id.0].kind.value), findings);
    check_link_name(&link, findings);
    (findings.errors() == errors).then(|| WiredLink {
        identity: identity(&link),
        draft: link,
        nodes: ids,
        ports: [None; 2],
    })
}

fn check_end(end: &DraftEnd, node: &DraftNode, findings: &mut Findings) {
    let (name, kind) = (&node.name.value, node.kind.value);
    match &end.interface {
        Some(interface) if kind.is_layer2() => {
            let message = format!("`{name}` is a {kind}: its ports have no names");
            findings.push(
                Diagnostic::error(codes::LAYER2_HAS_NO_STACK, message)
                    .at(interface.origin, "")
                    .help(format!("write `{name}`")),
            );
        }
        Some(interface) if interface.as_str() == "lo" => {
            let message = format!("`{name}:lo` is the loopback and cannot end a link");
            findings.push(Diagnostic::error(codes::LINKED_LOOPBACK, message).at(interface.origin, ""));
        }
        None if !kind.is_layer2() => {
            let message = format!("the link needs the name of an interface of `{name}`, which is of kind `{kind}`");
            findings.push(
                Diagnostic::error(codes::NO_INTERFACE, message)
                    .at(end.origin, "")
                    .help(format!("write `{name}:eth0`, or any name that `{name}` has not used yet")),
            );
        }
        _ => {}
    }
    let address = end.addresses.first().map(|address| (address.origin, "an address"));
    let given = address.or_else(|| end.mac.as_ref().map(|mac| (mac.origin, "a MAC address")));
    if let Some((origin, what)) = given.filter(|_| kind.is_layer2()) {
        let message = format!("`{name}` is a {kind} and cannot have {what}");
        findings.push(Diagnostic::error(codes::LAYER2_HAS_NO_STACK, message).at(origin, ""));
    }
}

/// ng_ether would attach to every NIC of the host if an epair had to reach an ng_bridge.
fn check_type(link: &DraftLink, kinds: [NodeKind; 2], findings: &mut Findings) {
    let Some(wire) = link.wire.as_ref().filter(|wire| wire.value == Wire::Epair) else { return };
    for (end, kind) in link.ends.iter().zip(kinds) {
        let made_of = match kind {
            NodeKind::Switch(SwitchDriver::Netgraph) => "ng_bridge",
            NodeKind::Hub => "ng_hub",
            _ => continue,
        };
        findings.push(
            Diagnostic::error(codes::EPAIR, format!("an epair cannot end at `{}`, which is an {made_of}", *end.node))
                .at(wire.origin, "")
                .at(end.origin, "this end")
                .help("leave out `type: epair`, or make the switch an if_bridge with `driver: if_bridge`"),
        );
    }
}

fn check_link_name(link: &DraftLink, findings: &mut Findings) {
    let Some(name) = &link.name else { return };
    let reason = match name.value.as_str() {
        "" => "is empty",
        text if text.chars().any(char::is_control) => "has control characters",
        text if text.len() > 255 => "is longer than 255 bytes",
        _ => return,
    };
    findings.push(Diagnostic::error(codes::LINK_NAME, format!("the name of a link {reason}")).at(name.origin, ""));
}

/// The `name`, else the sorted endpoints.
fn identity(link: &DraftLink) -> String {
    let end = |end: &DraftEnd| match &end.interface {
        Some(interface) => format!("{}:{}", *end.node, **interface),
        None => end.node.to_string(),
    };
    match &link.name {
        Some(name) => name.value.clone(),
        None => format!("{} -- {}", end(&link.ends[0]), end(&link.ends[1])),
    }
}

fn check_identities(wiring: &Wiring, findings: &mut Findings) {
    for pair in wiring.links.windows(2) {
        let [first, second] = pair else { continue };
        if first.identity != second.identity {
            continue;
        }
        let unnamed = first.draft.name.is_none() && second.draft.name.is_none();
        let (code, message, help) = if !unnamed {
            let message = format!("two links are called `{}`", second.identity);
            (codes::SAME_IDENTITY, message, "a link is recognised by its name: give each its own")
        } else if wiring.is_trunk(second) {
            let message = format!("two links `{}` without names", second.identity);
            (codes::PARALLEL_LINKS, message, "several links between the same switches or hubs need `name:`")
        } else {
            // The same interface twice: reported with the interfaces.
            continue;
        };
        let origin = |link: &WiredLink| link.draft.name.as_ref().map_or(link.draft.origin, |name| name.origin);
        let (later, earlier) = later_first(origin(first), origin(second));
        findings.push(Diagnostic::error(code, message).at(later, "").at(earlier, "the other one").help(help));
    }
}

/// Fills [`Wiring::ports`] and the places of links' ends in it.
fn list_ports(wiring: &mut Wiring, findings: &mut Findings) {
    let mut ports: Vec<Port> = Vec::with_capacity(2 * wiring.links.len());
    for (place, link) in wiring.links.iter_mut().enumerate() {
        for end in 0..2 {
            let draft = &mut link.draft.ends[end];
            let Some(interface) = &draft.interface else { continue };
            ports.push(Port {
                node: link.nodes[end],
                name: interface.value.clone(),
                link: LinkId(place),
                end,
                origin: draft.origin,
                settled: draft.addresses.iter().map(|address| Family::of(address.ip())).collect(),
                given: std::mem::take(&mut draft.addresses),
                mac: draft.mac,
                mtu: None,
            });
        }
    }
    ports.sort_by(|a, b| (a.node, &a.name, a.link).cmp(&(b.node, &b.name, b.link)));
    for (place, port) in ports.iter_mut().enumerate() {
        wiring.links[port.link.0].ports[port.end] = Some(place);
        let Some(given) = wiring.nodes[port.node.0].interfaces.get(&port.name) else { continue };
        port.given.extend_from_slice(&given.addresses);
        port.mtu = given.mtu;
        port.mac = port.mac.or(given.mac);
    }
    wiring.ports = ports;
    for pair in wiring.ports.windows(2) {
        if (pair[0].node, &pair[0].name) == (pair[1].node, &pair[1].name) {
            let message = format!("two links end at the interface `{}`", wiring.port_name(&pair[1]));
            let (later, earlier) = later_first(pair[0].origin, pair[1].origin);
            findings.push(
                Diagnostic::error(codes::INTERFACE_TAKEN, message)
                    .at(later, "this one")
                    .at(earlier, "and this one")
                    .help("an interface ends one link; give the second link another name, or put a switch in between"),
            );
        }
    }
}
