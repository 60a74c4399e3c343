//! What objects are recognised by, with names of its own or with those of an object.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::object::{Hook, Name, Object, Place};

/// What an object is recognised by, whatever its attributes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ObjectId {
    /// A jail or a namespace, by place.
    Jail(Place),
    /// By name; eifaces too, they share the name space.
    Netgraph(Name),
    /// By the name of the first end in the lab jail; a veth pair too.
    Epair(Name),
    /// By name; a bridge of Linux too.
    IfBridge(Name),
    /// By the first end.
    Hooks(Hook),
    /// By the pipe; of a veth pair by its first end.
    Shape(Name),
    /// By the interface's name in the lab jail.
    Placement(Name),
    /// By the member: nothing is a member of two bridges.
    Member(Name),
    /// By place and name.
    Sysctl(Place, Name),
    /// By place, interface and address.
    Address(Place, Name, IpAddr),
    /// By place and interface.
    Up(Place, Name),
    /// By place and prefix.
    Route(Place, IpNetwork),
    /// By path.
    Folder(Name),
    /// By name.
    Clone(Name),
    /// A lab has one.
    Ruleset,
    /// By where it is.
    Mount(Name),
    /// By place, resource and action.
    Limit(Place, Name, Name),
    /// By place.
    Cpus(Place),
    /// By place.
    Root(Place),
    /// By place.
    Rules(Place),
}

/// The same with the names of an object, to be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Identity<'o> {
    Jail(&'o Place),
    Netgraph(&'o Name),
    Epair(&'o Name),
    IfBridge(&'o Name),
    Hooks(&'o Hook),
    Shape(&'o Name),
    Placement(&'o Name),
    Member(&'o Name),
    Sysctl(&'o Place, &'o Name),
    Address(&'o Place, &'o Name, IpAddr),
    Up(&'o Place, &'o Name),
    Route(&'o Place, IpNetwork),
    Folder(&'o Name),
    Clone(&'o Name),
    Ruleset,
    Mount(&'o Name),
    Limit(&'o Place, &'o Name, &'o Name),
    Cpus(&'o Place),
    Root(&'o Place),
    Rules(&'o Place),
}

impl Identity<'_> {
    fn to_id(self) -> ObjectId {
        match self {
            Self::Jail(place) => ObjectId::Jail(place.clone()),
            Self::Netgraph(name) => ObjectId::Netgraph(name.clone()),
            Self::Epair(name) => ObjectId::Epair(name.clone()),
            Self::IfBridge(name) => ObjectId::IfBridge(name.clone()),
            Self::Hooks(hook) => ObjectId::Hooks(hook.clone()),
            Self::Shape(name) => ObjectId::Shape(name.clone()),
            Self::Placement(name) => ObjectId::Placement(name.clone()),
            Self::Member(name) => ObjectId::Member(name.clone()),
            Self::Sysctl(place, name) => ObjectId::Sysctl(place.clone(), name.clone()),
            Self::Address(place, name, ip) => ObjectId::Address(place.clone(), name.clone(), ip),
            Self::Up(place, name) => ObjectId::Up(place.clone(), name.clone()),
            Self::Route(place, to) => ObjectId::Route(place.clone(), to),
            Self::Folder(name) => ObjectId::Folder(name.clone()),
            Self::Clone(name) => ObjectId::Clone(name.clone()),
            Self::Ruleset => ObjectId::Ruleset,
            Self::Mount(name) => ObjectId::Mount(name.clone()),
            Self::Limit(place, resource, action) => ObjectId::Limit(place.clone(), resource.clone(), action.clone()),
            Self::Cpus(place) => ObjectId::Cpus(place.clone()),
            Self::Root(place) => ObjectId::Root(place.clone()),
            Self::Rules(place) => ObjectId::Rules(place.clone()),
        }
    }
}

impl ObjectId {
    pub(super) fn identity(&self) -> Identity<'_> {
        match self {
            Self::Jail(place) => Identity::Jail(place),
            Self::Netgraph(name) => Identity::Netgraph(name),
            Self::Epair(name) => Identity::Epair(name),
            Self::IfBridge(name) => Identity::IfBridge(name),
            Self::Hooks(hook) => Identity::Hooks(hook),
            Self::Shape(name) => Identity::Shape(name),
            Self::Placement(name) => Identity::Placement(name),
            Self::Member(name) => Identity::Member(name),
            Self::Sysctl(place, name) => Identity::Sysctl(place, name),
            Self::Address(place, name, ip) => Identity::Address(place, name, *ip),
            Self::Up(place, name) => Identity::Up(place, name),
            Self::Route(place, to) => Identity::Route(place, *to),
            Self::Folder(name) => Identity::Folder(name),
            Self::Clone(name) => Identity::Clone(name),
            Self::Ruleset => Identity::Ruleset,
            Self::Mount(name) => Identity::Mount(name),
            Self::Limit(place, resource, action) => Identity::Limit(place, resource, action),
            Self::Cpus(place) => Identity::Cpus(place),
            Self::Root(place) => Identity::Root(place),
            Self::Rules(place) => Identity::Rules(place),
        }
    }
}

impl Object {
    /// What it is recognised by.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.identity().to_id()
    }

    pub(super) fn identity(&self) -> Identity<'_> {
        match self {
            Self::Jail(jail) => Identity::Jail(&jail.place),
            Self::Netgraph(node) => Identity::Netgraph(&node.name),
            Self::Eiface(eiface) => Identity::Netgraph(&eiface.node),
            Self::Epair(epair) => Identity::Epair(&epair.ends[0].name),
            Self::IfBridge(bridge) => Identity::IfBridge(&bridge.nic.name),
            Self::Hooks(hooks) => Identity::Hooks(&hooks.ends[0]),
            Self::Shape(shape) => Identity::Shape(&shape.pipe),
            Self::Placement(placement) => Identity::Placement(&placement.nic),
            Self::Member(member) => Identity::Member(&member.member),
            Self::Sysctl(sysctl) => Identity::Sysctl(&sysctl.place, &sysctl.name),
            Self::Address(address) => Identity::Address(&address.place, &address.interface, address.net.ip()),
            Self::Up(up) => Identity::Up(&up.place, &up.interface),
            Self::Route(route) => Identity::Route(&route.place, route.to),
            Self::Folder(folder) => Identity::Folder(&folder.path),
            Self::Clone(clone) => Identity::Clone(&clone.dataset),
            Self::Ruleset(_) => Identity::Ruleset,
            Self::Mount(mount) => Identity::Mount(&mount.at),
            Self::Limit(limit) => Identity::Limit(&limit.place, &limit.resource, &limit.action),
            Self::Cpus(cpus) => Identity::Cpus(&cpus.place),
            Self::Linux(linux) => linux.identity(),
        }
    }
}
