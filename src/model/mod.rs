//! What a topology means: every name, address, MAC and route decided, every value with its origin.
//!
//! Imports nothing but [`crate::diagnostic`]: no YAML, no graph, no system.

mod allocate;
mod check;
pub mod codes;
pub mod draft;
pub mod explain;
mod findings;
pub mod life;
pub mod mac;
mod mtu;
pub mod names;
pub mod pattern;
mod pools;
mod prefix;
mod resolve;
mod routing;
mod segments;
mod subnets;
pub mod units;
mod wiring;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::diagnostic::{At, Origin};
pub use life::{CpuSet, Exec, Firewall, Limit, RootFs};
pub use names::{IfName, LabName, NameError, NodeName, natural_order};
pub use pattern::Pattern;
pub use resolve::resolve;
pub use units::{Bandwidth, Delay, Mac, Mtu, Share, UnitError};

/// A node, by its place in [`Model::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub usize);

/// A link, by its place in [`Model::links`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkId(pub usize);

/// A segment, by its place in [`Model::segments`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SegmentId(pub usize);

/// A topology that passed every check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    /// The lab's name.
    pub lab: LabName,
    /// How routes were made.
    pub routing: Routing,
    /// In natural order of the names, whatever the order of the file.
    pub nodes: Vec<Node>,
    /// In natural order of their identities.
    pub links: Vec<Link>,
    /// Broadcast domains, in the order of their first link.
    pub segments: Vec<Segment>,
    /// In the order of the file.
    pub checks: Vec<At<CheckSpec>>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NodeKind {
    /// A jail that does not forward.
    Host,
    /// A jail that forwards.
    Router,
    /// A learning switch.
    Switch(SwitchDriver),
    /// A repeater: ng_hub.
    Hub,
    /// The host itself: addressed as the file says, never routed or forwarded.
    SelfHost,
}

impl NodeKind {
    /// Whether frames pass through it without a stack of its own.
    #[must_use]
    pub fn is_layer2(self) -> bool {
        matches!(self, Self::Switch(_) | Self::Hub)
    }
}

impl std::fmt::Display for NodeKind {
    /// The word of the file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Host => "host",
            Self::Router => "router",
            Self::Switch(_) => "switch",
            Self::Hub => "hub",
            Self::SelfHost => "self",
        })
    }
}

/// What a switch is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SwitchDriver {
    /// ng_bridge.
    Netgraph,
    /// if_bridge, with RSTP where asked for.
    IfBridge {
        /// `stp: true`.
        stp: bool,
    },
}

/// `routing:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Routing {
    /// Only the routes that the file gives.
    #[default]
    None,
    /// Hosts get a default route to the nearest router of their segment.
    Default,
    /// That, and shortest paths between routers.
    Auto,
}

/// One node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its name; the origin is its key in the file.
    pub name: At<NodeName>,
    /// What it is.
    pub kind: NodeKind,
    /// By name; empty for layer-2 nodes, whose ports have no names of their own.
    pub interfaces: BTreeMap<IfName, Interface>,
    /// Addresses of lo0 besides the loopback's own.
    pub loopback: Vec<Address>,
    /// Sorted by family, prefix and next hop; no duplicates.
    pub routes: Vec<Route>,
    /// FreeBSD's names, as the file gives them: that a router forwards follows from [`Node::kind`] and is the engine's business.
    pub sysctls: BTreeMap<String, At<String>>,
    /// Linux's own names, where the file gives them.
    pub linux_sysctls: BTreeMap<String, At<String>>,
    /// jail(8)'s names.
    pub jail: BTreeMap<String, At<String>>,
    /// `labels:`.
    pub labels: BTreeMap<String, String>,
    /// `exec:`.
    pub exec: Vec<At<Exec>>,
    /// `rootfs:`.
    pub rootfs: At<RootFs>,
    /// `limits:` by resource.
    pub limits: BTreeMap<String, At<Limit>>,
    /// `cpus:`.
    pub cpus: Option<At<CpuSet>>,
    /// `firewall:`.
    pub firewall: Option<At<Firewall>>,
}

impl Node {
    /// Whether another tool, such as jail(8), makes the node's jail and ends it: `jail: { persist: false }`. A jail without
    /// `persist` lives as long as what runs in it, and the lab runs nothing: it has the node's wiring ready, no more.
    #[must_use]
    pub fn is_run_elsewhere(&self) -> bool {
        self.jail.get("persist").is_some_and(|persist| matches!(persist.value.as_str(), "false" | "no" | "0"))
    }
}

/// One interface of a node with a stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interface {
    /// The link it ends.
    pub link: LinkId,
    /// Which end of it: 0 or 1.
    pub end: usize,
    /// Decided, never left to the kernel.
    pub mac: Mac,
    /// `true` if the file gives the MAC.
    pub mac_given: bool,
    /// Where the MAC is given; nowhere if it is derived.
    pub mac_origin: Origin,
    /// Decided.
    pub mtu: Mtu,
    /// What decided the MTU.
    pub mtu_why: MtuReason,
    /// Where the MTU is given; nowhere if it is [`MtuReason::Ethernet`].
    pub mtu_origin: Origin,
    /// Sorted: IPv4 before IPv6, then by address.
    pub addresses: Vec<Address>,
    /// Where it is written.
    pub origin: Origin,
}

/// What decided an MTU, most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MtuReason {
    /// `interfaces: { eth0: { mtu: … } }`.
    Interface,
    /// `mtu:` of the link.
    Link,
    /// `mtu:` among the settings of the node.
    Node,
    /// `mtu:` of the switch or hub that the link leads to.
    Switch,
    /// Nothing: [`Mtu::ETHERNET`].
    Ethernet,
}

/// An address of an interface, host bits kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Address and prefix length.
    pub net: IpNetwork,
    /// How it came about.
    pub why: AddressReason,
    /// The text behind it: the address, or the pool it came from.
    pub origin: Origin,
}

/// How an address came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AddressReason {
    /// The file gives it.
    Given,
    /// Taken from a pool.
    Pool {
        /// The pool's name.
        pool: String,
        /// Which subnet of the pool, from 0.
        subnet: u128,
        /// Which address of the subnet, from 1 (from 0 on /31, /32, /127, /128).
        host: u128,
        /// By the node's own `index:`.
        by_index: bool,
    },
}

/// A route of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The prefix; length 0 is the default route.
    pub to: IpNetwork,
    /// The next hop, on a subnet of the node.
    pub via: IpAddr,
    /// How it came about.
    pub why: RouteReason,
    /// The text behind it.
    pub origin: Origin,
}

impl Route {
    /// The key that routes are sorted by: family, prefix, next hop.
    #[must_use]
    pub fn order(&self) -> (IpAddr, u8, IpAddr) {
        (self.to.ip(), self.to.prefix(), self.via)
    }
}

/// How a route came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteReason {
    /// The file gives it.
    Given,
    /// A host's way to the nearest router of its segment, or a stub router's only way out.
    Default,
    /// The shortest path to these segments' prefixes, aggregated where exact.
    ShortestPath {
        /// Hops to the prefix.
        hops: u32,
        /// How many prefixes this one stands for.
        covers: u32,
    },
}

/// An edge the author wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    /// Its `name`, else its sorted endpoints joined by ` -- `.
    pub identity: String,
    /// Where it is written.
    pub origin: Origin,
    /// Its ends, sorted, so that the author's order does not matter; `shaping` follows them.
    pub ends: [Endpoint; 2],
    /// `type:`.
    pub wire: Wire,
    /// Decided for the link.
    pub mtu: Mtu,
    /// `[0]` from end 0 to end 1, `[1]` back; `None` is unshaped, never a [`Shaping`] without a field.
    pub shaping: [Option<At<Shaping>>; 2],
    /// Its broadcast domain.
    pub segment: SegmentId,
}

/// One end of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The node.
    pub node: NodeId,
    /// The interface; `None` at a layer-2 node.
    pub interface: Option<IfName>,
}

/// `type:` of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Wire {
    /// Unset or `netgraph`.
    #[default]
    Netgraph,
    /// `epair`.
    Epair,
}

/// What shapes one direction of a link; every field `None` is no shaping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shaping {
    /// `rate`.
    pub rate: Option<Bandwidth>,
    /// `delay`.
    pub delay: Option<Delay>,
    /// `duplicate`.
    pub duplicate: Option<Share>,
    /// `ber`: one wrong bit in this many.
    pub one_error_in_bits: Option<u64>,
    /// `queue`: packets.
    pub queue: Option<u32>,
    /// `jitter`; not by ng_pipe.
    pub jitter: Option<Delay>,
    /// `loss`; not by ng_pipe.
    pub loss: Option<Share>,
    /// `corrupt`; not by ng_pipe.
    pub corrupt: Option<Share>,
    /// `reorder`; not by ng_pipe.
    pub reorder: Option<Share>,
}

/// One broadcast domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Its links.
    pub links: Vec<LinkId>,
    /// Its interfaces, sorted by node and name.
    pub members: Vec<(NodeId, IfName)>,
    /// Its subnets, whatever they came from.
    pub subnets: Vec<IpNetwork>,
    /// The pool it takes from.
    pub pool: Option<At<String>>,
}

/// A kernel family that `exec` may be limited to; the simulator is a FreeBSD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum System {
    /// `freebsd:`.
    FreeBsd,
    /// `linux:`.
    Linux,
}

/// One entry of `checks:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSpec {
    /// `reach` or `no-reach`.
    pub expect: Expect,
    /// Pattern of nodes (`*` does not cross `:`).
    pub from: At<String>,
    /// Pattern of nodes or interfaces.
    pub to: At<String>,
    /// `family:`.
    pub family: FamilyChoice,
    /// `timeout:` of one try.
    pub timeout: Delay,
    /// `count:` tries.
    pub count: u32,
}

/// What a check wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expect {
    /// Every echo is answered.
    Reach,
    /// No echo is answered.
    NoReach,
}

/// `family:` of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FamilyChoice {
    /// Every family both sides have.
    #[default]
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Model {
    /// The node of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.binary_search_by(|node| natural_order(node.name.as_str(), name)).ok().map(NodeId)
    }

    /// A node by its place.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }
}
