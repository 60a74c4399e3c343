//! What the author wrote once includes, variables, `each` and defaults are gone: the input of [`super::resolve`].
//!
//! Nothing here is allocated or derived: an interface without an address has none yet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::{
    CheckSpec, CpuSet, Exec, Firewall, IfName, LabName, Limit, Mac, Mtu, NodeKind, NodeName, RootFs, Routing, Shaping,
    Wire,
};
use crate::diagnostic::{At, Origin};

/// A whole topology.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The lab's name.
    pub name: At<LabName>,
    /// `addressing:` by pool name.
    pub pools: BTreeMap<String, DraftPool>,
    /// `routing:`; `none` when absent.
    pub routing: At<Routing>,
    /// `allow-loops: true`.
    pub allow_loops: bool,
    /// Every node after expansion, in the order of the file; names are unique.
    pub nodes: Vec<DraftNode>,
    /// Every link after expansion, in the order of the file.
    pub links: Vec<DraftLink>,
    /// `checks:` in the order of the file.
    pub checks: Vec<At<CheckSpec>>,
}

impl Draft {
    /// A lab without nodes, for topologies that a program builds.
    #[must_use]
    pub fn new(name: LabName) -> Self {
        Self {
            name: At::nowhere(name),
            pools: BTreeMap::new(),
            routing: At::default(),
            allow_loops: false,
            nodes: Vec::new(),
            links: Vec::new(),
            checks: Vec::new(),
        }
    }
}

/// One address pool: at least one family is present.
#[derive(Clone, Debug)]
pub struct DraftPool {
    /// Where its key stands.
    pub origin: Origin,
    /// The IPv4 range and the prefix length of each subnet taken from it.
    pub ipv4: Option<(At<Ipv4Network>, At<u8>)>,
    /// The IPv6 range and the prefix length of each subnet taken from it.
    pub ipv6: Option<(At<Ipv6Network>, At<u8>)>,
}

/// One node with its settings resolved (node > groups > kind > defaults).
#[derive(Clone, Debug)]
pub struct DraftNode {
    /// Its name; the origin is the key (of the template, for an `each`).
    pub name: At<NodeName>,
    /// What it is.
    pub kind: At<NodeKind>,
    /// `pool:` on a layer-2 node.
    pub pool: Option<At<String>>,
    /// `index:`.
    pub index: Option<At<u32>>,
    /// It came from an `each`.
    pub repeated: bool,
    /// `mtu:` among its settings (defaults included).
    pub mtu: Option<At<Mtu>>,
    /// `interfaces:` by name; `lo` is under [`DraftNode::loopback`].
    pub interfaces: BTreeMap<IfName, DraftInterface>,
    /// `interfaces: { lo: … }`.
    pub loopback: Vec<At<IpNetwork>>,
    /// `routes:`.
    pub routes: Vec<DraftRoute>,
    /// `sysctls:` for FreeBSD (flat form or `freebsd:`), name to value.
    pub sysctls: BTreeMap<String, At<String>>,
    /// `sysctls: { linux: … }`.
    pub linux_sysctls: BTreeMap<String, At<String>>,
    /// `jail:` parameters spelt as in jail(8), name to value (`true`/`false` for booleans).
    pub jail: BTreeMap<String, At<String>>,
    /// `labels:`.
    pub labels: BTreeMap<String, String>,
    /// `exec:`.
    pub exec: Vec<At<Exec>>,
    /// `rootfs:`; `host` when absent.
    pub rootfs: At<RootFs>,
    /// `limits:` by resource.
    pub limits: BTreeMap<String, At<Limit>>,
    /// `cpus:`.
    pub cpus: Option<At<CpuSet>>,
    /// `firewall:`.
    pub firewall: Option<At<Firewall>>,
}

impl DraftNode {
    /// A node without settings.
    #[must_use]
    pub fn new(name: NodeName, kind: NodeKind) -> Self {
        Self {
            name: At::nowhere(name),
            kind: At::nowhere(kind),
            pool: None,
            index: None,
            repeated: false,
            mtu: None,
            interfaces: BTreeMap::new(),
            loopback: Vec::new(),
            routes: Vec::new(),
            sysctls: BTreeMap::new(),
            linux_sysctls: BTreeMap::new(),
            jail: BTreeMap::new(),
            labels: BTreeMap::new(),
            exec: Vec::new(),
            rootfs: At::default(),
            limits: BTreeMap::new(),
            cpus: None,
            firewall: None,
        }
    }
}

/// `interfaces: { eth0: … }` of a node.
#[derive(Clone, Debug, Default)]
pub struct DraftInterface {
    /// Where its key stands.
    pub origin: Origin,
    /// Addresses of both families, host bits kept.
    pub addresses: Vec<At<IpNetwork>>,
    /// `mac:`.
    pub mac: Option<At<Mac>>,
    /// `mtu:`.
    pub mtu: Option<At<Mtu>>,
}

/// `routes:` of a node.
#[derive(Clone, Debug)]
pub struct DraftRoute {
    /// `default` is a prefix of length 0 of the family of `via`.
    pub to: At<IpNetwork>,
    /// The next hop.
    pub via: At<IpAddr>,
}

/// One link.
#[derive(Clone, Debug)]
pub struct DraftLink {
    /// Where the link stands (of the template, for an `each`).
    pub origin: Origin,
    /// `name:`.
    pub name: Option<At<String>>,
    /// The two ends in the author's order.
    pub ends: [DraftEnd; 2],
    /// `type:`.
    pub wire: Option<At<Wire>>,
    /// `pool:`.
    pub pool: Option<At<String>>,
    /// `index:`.
    pub index: Option<At<u32>>,
    /// It came from an `each`.
    pub repeated: bool,
    /// `mtu:`.
    pub mtu: Option<At<Mtu>>,
    /// `tc:`, per direction: `[0]` from the first end to the second, `[1]` back.
    pub shaping: [Option<At<Shaping>>; 2],
}

impl DraftLink {
    /// An unshaped link of the default type.
    #[must_use]
    pub fn new(first: DraftEnd, second: DraftEnd) -> Self {
        Self {
            origin: Origin::NOWHERE,
            name: None,
            ends: [first, second],
            wire: None,
            pool: None,
            index: None,
            repeated: false,
            mtu: None,
            shaping: [None, None],
        }
    }
}

/// One end of a link.
#[derive(Clone, Debug)]
pub struct DraftEnd {
    /// Where the end stands.
    pub origin: Origin,
    /// The node meant; may not exist.
    pub node: At<NodeName>,
    /// The interface; `None` for a layer-2 node.
    pub interface: Option<At<IfName>>,
    /// Addresses of both families given on the link for this end.
    pub addresses: Vec<At<IpNetwork>>,
    /// `mac:` for this end.
    pub mac: Option<At<Mac>>,
}

impl DraftEnd {
    /// An end without addresses; `interface` is `None` at a layer-2 node.
    #[must_use]
    pub fn new(node: NodeName, interface: Option<IfName>) -> Self {
        Self {
            origin: Origin::NOWHERE,
            node: At::nowhere(node),
            interface: interface.map(At::nowhere),
            addresses: Vec::new(),
            mac: None,
        }
    }
}
