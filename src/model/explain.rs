//! Why a node looks the way it does: each value with its reason and the places in the file behind it.

use std::fmt;
use std::net::IpAddr;

use super::prefix::Prefix;
use super::{
    Address, AddressReason, IfName, Interface, Model, MtuReason, Node, NodeId, NodeKind, Route, RouteReason, Segment,
    SegmentId, SwitchDriver,
};
use crate::diagnostic::Origin;

/// One value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Of which interface; `None` is the node itself.
    pub interface: Option<IfName>,
    /// What is explained.
    pub what: What,
    /// The value as the file or a system tool would write it.
    pub value: String,
    /// A clause without a full stop, names in backticks.
    pub because: String,
    /// The places behind it, the most telling first; empty if no text is.
    pub origins: Vec<Origin>,
}

/// What is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// The node: its kind.
    Node,
    /// An interface: the link it ends.
    Interface,
    /// A link of a node without interfaces.
    Link,
    /// A broadcast domain: its subnets.
    Segment,
    /// A MAC address.
    Mac,
    /// An MTU.
    Mtu,
    /// An address, of the loopback if no interface is named.
    Address,
    /// A route.
    Route,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Node => "node",
            Self::Interface => "interface",
            Self::Link => "link",
            Self::Segment => "segment",
            Self::Mac => "mac",
            Self::Mtu => "mtu",
            Self::Address => "address",
            Self::Route => "route",
        })
    }
}

/// Everything about a node, or about one of its interfaces with the routes that leave by it. `lo` is the loopback.
///
/// `None` if there is no such node or interface.
#[must_use]
pub fn explain(model: &Model, node: &str, interface: Option<&str>) -> Option<Vec<Fact>> {
    let id = model.find(node)?;
    let node = model.node(id);
    let mut facts = Vec::new();
    match interface {
        None => {
            facts.push(fact(None, What::Node, node.name.to_string(), made_of(node.kind), [node.name.origin]));
            facts.extend(links_of_layer2(model, id));
            for (name, interface) in &node.interfaces {
                facts.extend(of_interface(model, node, name, interface));
            }
            facts.extend(node.loopback.iter().map(|address| of_address(model, None, address)));
            facts.extend(node.routes.iter().map(|route| of_route(model, node, route)));
        }
        Some("lo") if node.loopback.is_empty() => return None,
        Some("lo") => facts.extend(node.loopback.iter().map(|address| of_address(model, None, address))),
        Some(name) => {
            let (name, interface) = node.interfaces.iter().find(|(own, _)| own.as_str() == name)?;
            facts.extend(of_interface(model, node, name, interface));
            let leaves = |route: &&Route| way_out(node, route.via).is_some_and(|(out, _)| out == name);
            facts.extend(node.routes.iter().filter(leaves).map(|route| of_route(model, node, route)));
        }
    }
    Some(facts)
}

fn fact<const N: usize>(
    interface: Option<&IfName>,
    what: What,
    value: String,
    because: String,
    origins: [Origin; N],
) -> Fact {
    let origins = origins.into_iter().filter(|origin| origin.is_somewhere()).collect();
    Fact { interface: interface.cloned(), what, value, because, origins }
}

fn made_of(kind: NodeKind) -> String {
    let driver = match kind {
        NodeKind::Switch(SwitchDriver::Netgraph) => " (ng_bridge)",
        NodeKind::Switch(SwitchDriver::IfBridge { stp: false }) => " (if_bridge)",
        NodeKind::Switch(SwitchDriver::IfBridge { stp: true }) => " (if_bridge with RSTP)",
        NodeKind::Hub => " (ng_hub)",
        NodeKind::SelfHost => " (the host)",
        NodeKind::Host | NodeKind::Router => "",
    };
    format!("kind `{kind}`{driver}")
}

/// A switch has no interfaces of its own: its links and the segments they are part of.
fn links_of_layer2(model: &Model, id: NodeId) -> Vec<Fact> {
    if !model.node(id).kind.is_layer2() {
        return Vec::new();
    }
    let own = model.links.iter().filter(|link| link.ends.iter().any(|end| end.node == id));
    let mut facts = Vec::new();
    let mut segments: Vec<SegmentId> = Vec::new();
    for link in own {
        facts.push(fact(None, What::Link, link.identity.clone(), "given by the file".into(), [link.origin]));
        segments.push(link.segment);
    }
    segments.sort_unstable();
    segments.dedup();
    facts.extend(segments.into_iter().map(|segment| of_segment(None, &model.segments[segment.0])));
    facts
}

fn of_segment(interface: Option<&IfName>, segment: &Segment) -> Fact {
    let subnets: Vec<String> = segment.subnets.iter().map(ToString::to_string).collect();
    let value = if subnets.is_empty() { "no subnet".to_owned() } else { subnets.join(", ") };
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let links = count(segment.links.len(), "link");
    let shared = format!("{links} and {} meet here", count(segment.members.len(), "interface"));
    match &segment.pool {
        Some(pool) => fact(interface, What::Segment, value, format!("pool `{}`; {shared}", **pool), [pool.origin]),
        None => fact(interface, What::Segment, value, shared, []),
    }
}

fn of_interface(model: &Model, node: &Node, name: &IfName, interface: &Interface) -> Vec<Fact> {
    let link = &model.links[interface.link.0];
    let made = format!("end of the link `{}`", link.identity);
    let mut facts = vec![
        fact(Some(name), What::Interface, format!("{}:{name}", *node.name), made, [interface.origin]),
        of_segment(Some(name), &model.segments[link.segment.0]),
    ];
    let mac = match interface.mac_given {
        true => "given by the file".to_owned(),
        false => format!(
            "02 and 40 bits of SHA-256 of `cellblock mac 1`, lab `{}`, node `{}`, interface `{name}`",
            model.lab, *node.name
        ),
    };
    facts.push(fact(Some(name), What::Mac, interface.mac.to_string(), mac, [interface.mac_origin]));
    let mtu = match interface.mtu_why {
        MtuReason::Interface => "given for the interface",
        MtuReason::Link => "given for the link",
        MtuReason::Node => "among the settings of the node",
        MtuReason::Switch => "among the settings of the switch or hub at the other end",
        MtuReason::Ethernet => "what Ethernet has if nothing is given",
    };
    facts.push(fact(Some(name), What::Mtu, interface.mtu.to_string(), mtu.to_owned(), [interface.mtu_origin]));
    facts.extend(interface.addresses.iter().map(|address| of_address(model, Some((name, interface)), address)));
    facts
}

fn of_address(model: &Model, interface: Option<(&IfName, &Interface)>, address: &Address) -> Fact {
    let because = match &address.why {
        AddressReason::Given => "given by the file".to_owned(),
        AddressReason::Pool { pool, subnet, host, by_index } => {
            let how = if *by_index { "by the node's `index:`" } else { "the next free one, routers first" };
            format!("pool `{pool}`, subnet {subnet}, address {host}: {how}")
        }
    };
    let pool =
        interface.and_then(|(_, interface)| model.segments[model.links[interface.link.0].segment.0].pool.as_ref());
    let named = match &address.why {
        AddressReason::Given => Origin::NOWHERE,
        AddressReason::Pool { .. } => pool.map(|pool| pool.origin).unwrap_or_default(),
    };
    let name = interface.map(|(name, _)| name);
    fact(name, What::Address, address.net.to_string(), because, [address.origin, named])
}

fn of_route(model: &Model, node: &Node, route: &Route) -> Fact {
    let out = way_out(node, route.via);
    let owner = out.and_then(|(_, interface)| owner(model, interface, route.via));
    let next = owner.map_or_else(|| "nobody of the lab".to_owned(), |name| format!("`{name}`"));
    let because = match &route.why {
        RouteReason::Given => format!("given by the file; the next hop is {next}"),
        RouteReason::Default if node.kind == NodeKind::Router => {
            format!("{next} is the only neighbouring router")
        }
        RouteReason::Default => format!("{next} is the nearest router"),
        RouteReason::ShortestPath { hops, covers } => {
            let hops = if *hops == 1 { "1 hop".to_owned() } else { format!("{hops} hops") };
            let covers = if *covers == 1 { String::new() } else { format!("; stands for {covers} prefixes") };
            format!("shortest path: {hops}, first {next}{covers}")
        }
    };
    let to = if route.to.prefix() == 0 { "default".to_owned() } else { route.to.to_string() };
    fact(None, What::Route, format!("{to} via {}", route.via), because, [route.origin])
}

/// The interface that a next hop is reached by: the one with the longest prefix around it.
fn way_out(node: &Node, via: IpAddr) -> Option<(&IfName, &Interface)> {
    let around = |interface: &Interface| {
        let prefixes = interface.addresses.iter().map(|address| Prefix::of(address.net));
        prefixes.filter(|prefix| prefix.contains_address(via)).map(|prefix| prefix.length).max()
    };
    let interfaces = node.interfaces.iter().filter_map(|(name, interface)| Some((around(interface)?, name, interface)));
    interfaces.rev().max_by_key(|(length, ..)| *length).map(|(_, name, interface)| (name, interface))
}

/// Whose address the next hop is, on the segment of the interface.
fn owner<'m>(model: &'m Model, interface: &Interface, via: IpAddr) -> Option<&'m str> {
    let segment = &model.segments[model.links[interface.link.0].segment.0];
    let has = |(id, name): &&(NodeId, IfName)| {
        let interface = model.node(*id).interfaces.get(name);
        interface.is_some_and(|interface| interface.addresses.iter().any(|address| address.net.ip() == via))
    };
    segment.members.iter().find(has).map(|(id, _)| model.node(*id).name.as_str())
}
