//! Kernel objects of a lab, each with the attributes that we decide.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::Linux;
use super::life::{Clone as ZfsClone, Cpus, Folder, Limit, Mount, Ruleset};
use crate::model::{Mac, Mtu, NodeName};

/// A name that the kernel knows a thing by.
pub type Name = Arc<str>;

/// Where a thing lives: one network stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// The host's own.
    Host,
    /// The lab's parent jail, which owns netgraph nodes and loose interface ends.
    Lab,
    /// The jail of a node.
    Node(NodeName),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("the host"),
            Self::Lab => f.write_str("the lab jail"),
            Self::Node(node) => write!(f, "{node}"),
        }
    }
}

/// One kernel object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    /// A jail with its own network stack.
    Jail(Jail),
    /// A netgraph node that is not an interface.
    Netgraph(Netgraph),
    /// An ng_eiface: node and interface.
    Eiface(Eiface),
    /// Both ends of an epair.
    Epair(Epair),
    /// An if_bridge.
    IfBridge(IfBridge),
    /// Two hooks joined.
    Hooks(Hooks),
    /// What an ng_pipe does.
    Shape(Shape),
    /// An interface given to a node, under the author's name.
    Placement(Placement),
    /// An if_bridge membership.
    Member(Member),
    /// A sysctl of one network stack.
    Sysctl(Sysctl),
    /// An address.
    Address(Address),
    /// An interface that is up.
    Up(Up),
    /// A route.
    Route(Route),
    /// A directory of ours.
    Folder(Folder),
    /// A ZFS clone.
    Clone(ZfsClone),
    /// A devfs ruleset.
    Ruleset(Ruleset),
    /// A mount.
    Mount(Mount),
    /// A limit of a jail.
    Limit(Limit),
    /// The processors of a jail.
    Cpus(Cpus),
    /// What only Linux has.
    Linux(Linux),
}

/// A jail: `LAB` or `LAB.NODE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jail {
    /// [`Place::Lab`] or [`Place::Node`].
    pub place: Place,
    /// jail(8)'s names and values, besides those that every jail of ours has.
    pub parameters: BTreeMap<String, String>,
}

/// A netgraph node in the lab jail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Netgraph {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub kind: NetgraphKind,
}

/// Types of netgraph nodes that are made for themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetgraphKind {
    /// ng_bridge, persistent.
    Bridge,
    /// ng_hub, persistent.
    Hub,
    /// ng_pipe; what it does is a [`Shape`].
    Pipe,
    /// A type that we never make: seen in the lab jail, to be removed.
    Stray(String),
}

impl NetgraphKind {
    /// The type's name in the kernel.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Bridge => "bridge",
            Self::Hub => "hub",
            Self::Pipe => "pipe",
            Self::Stray(name) => name,
        }
    }
}

/// What an ng_pipe does; 0 is "off" (or the kernel's default) in every field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipeSettings {
    /// Microseconds, both directions.
    pub delay: u64,
    /// Frames that come in at `upper` and leave at `lower`.
    pub downstream: PipeDirection,
    /// The other way.
    pub upstream: PipeDirection,
}

/// What an ng_pipe does. A hook that is joined anew begins without settings (`sys/netgraph/ng_pipe.c:284`), so this comes after both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// The pipe.
    pub pipe: Name,
    /// Its settings.
    pub settings: PipeSettings,
}

/// One direction of an ng_pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipeDirection {
    /// Bits per second.
    pub bandwidth: u64,
    /// One wrong bit in this many.
    pub one_error_in_bits: u64,
    /// Frames that may wait; 0 stands for [`PipeDirection::DEFAULT_QUEUE`].
    pub queue: u32,
    /// Percent.
    pub duplicate: u32,
}

impl PipeDirection {
    /// Frames that may wait in a pipe that nobody configured (`sys/netgraph/ng_pipe.c:284`).
    pub const DEFAULT_QUEUE: u32 = 50;
}

/// An interface as it is made in the lab jail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// Its name in the lab jail: unique there.
    pub name: Name,
    /// Its MAC.
    pub mac: Mac,
    /// Its MTU.
    pub mtu: Mtu,
    /// Its description: `cellblock LAB ` and what it is to the author.
    pub description: Arc<str>,
}

impl Nic {
    /// What it is to the author: `pc01:eth0`, or `br0 port pc01:eth0`.
    #[must_use]
    pub fn of(&self) -> &str {
        self.description.splitn(3, ' ').nth(2).unwrap_or(&self.name)
    }
}

/// An ng_eiface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eiface {
    /// The node's name.
    pub node: Name,
    /// The interface.
    pub nic: Nic,
}

/// An epair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epair {
    /// Its `a` and `b` ends.
    pub ends: [Nic; 2],
}

/// An if_bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IfBridge {
    /// The bridge's own interface.
    pub nic: Nic,
}

/// A hook of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hook {
    /// The node.
    pub node: Name,
    /// The hook.
    pub hook: Name,
}

impl Hook {
    /// A hook of a node.
    #[must_use]
    pub fn new(node: &Name, hook: &str) -> Self {
        Self { node: node.clone(), hook: hook.into() }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.node, self.hook)
    }
}

/// Two hooks joined, the lesser one first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// The two.
    pub ends: [Hook; 2],
}

impl Hooks {
    /// The pair, in its one order.
    #[must_use]
    pub fn new(a: Hook, b: Hook) -> Self {
        Self { ends: if a <= b { [a, b] } else { [b, a] } }
    }

    /// The two ends seen from `node`: its own first; `None` if it has no part in it.
    #[must_use]
    pub fn seen_from(&self, node: &str) -> Option<(&Hook, &Hook)> {
        let [a, b] = &self.ends;
        if &*a.node == node {
            Some((a, b))
        } else if &*b.node == node {
            Some((b, a))
        } else {
            None
        }
    }
}

/// An interface given to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Its name in the lab jail.
    pub nic: Name,
    /// Where it goes.
    pub place: Place,
    /// What it is called there.
    pub name: Name,
    /// Duplicate address detection is off on it (the host's own sysctl is not ours to change).
    pub no_dad: bool,
}

/// An if_bridge membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The bridge.
    pub bridge: Name,
    /// The interface.
    pub member: Name,
    /// Its MTU, which cannot change while it is a member.
    pub mtu: Mtu,
    /// It takes part in the spanning tree.
    pub stp: bool,
}

/// A sysctl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// Whose.
    pub place: Place,
    /// Its name.
    pub name: Name,
    /// Its value as text.
    pub value: String,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Where.
    pub place: Place,
    /// The interface's name there.
    pub interface: Name,
    /// Address and prefix length.
    pub net: IpNetwork,
}

/// An interface that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Up {
    /// Where.
    pub place: Place,
    /// The interface's name there.
    pub interface: Name,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Whose.
    pub place: Place,
    /// The prefix, host bits zero.
    pub to: IpNetwork,
    /// The next hop.
    pub via: IpAddr,
}

impl Object {
    /// The place that it is in and goes with.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Jail(jail) => Some(&jail.place),
            Self::Placement(placement) => Some(&placement.place),
            Self::Sysctl(sysctl) => Some(&sysctl.place),
            Self::Address(address) => Some(&address.place),
            Self::Up(up) => Some(&up.place),
            Self::Route(route) => Some(&route.place),
            Self::Limit(limit) => Some(&limit.place),
            Self::Cpus(cpus) => Some(&cpus.place),
            Self::Linux(linux) => linux.place(),
            _ => None,
        }
    }

    /// The node whose root it is a part of.
    #[must_use]
    pub fn root_of(&self) -> Option<&NodeName> {
        match self {
            Self::Folder(folder) => folder.node.as_ref(),
            Self::Clone(clone) => Some(&clone.node),
            Self::Mount(mount) => Some(&mount.node),
            _ => None,
        }
    }

    /// The interfaces it makes.
    #[must_use]
    pub fn nics(&self) -> &[Nic] {
        match self {
            Self::Eiface(eiface) => std::slice::from_ref(&eiface.nic),
            Self::Epair(epair) => &epair.ends,
            Self::IfBridge(bridge) => std::slice::from_ref(&bridge.nic),
            Self::Linux(linux) => linux.nics(),
            _ => &[],
        }
    }
}
