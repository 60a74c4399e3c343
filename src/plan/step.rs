//! The closed set of things that can be done to a kernel, each with its inverse.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::graph::life::Clone as ZfsClone;
use crate::graph::{
    Address, Eiface, Epair, Folder, Hooks, IfBridge, Jail, Limit, Member, Mount, Name, Netgraph, PipeSettings, Place,
    Placement, Route, Ruleset, Up,
};
use crate::model::{CpuSet, Mac, Mtu};

/// One change of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// jail_set(2) with `JAIL_CREATE`.
    CreateJail(Jail),
    /// jail_remove(2): of the lab jail with everything that it owns.
    RemoveJail(Jail),
    /// jail_set(2) with `JAIL_UPDATE`; the maps hold what differs.
    SetJail {
        /// Which.
        place: Place,
        /// Parameters before; absent ones had the kernel's default.
        from: BTreeMap<String, String>,
        /// Parameters after.
        to: BTreeMap<String, String>,
    },
    /// Makes a netgraph node, from the hook of one that exists if `from` says so.
    CreateNetgraph {
        /// What.
        node: Netgraph,
        /// The hook pair it is born with.
        from: Option<Hooks>,
    },
    /// NGM_SHUTDOWN, hooks included.
    RemoveNetgraph {
        /// What.
        node: Netgraph,
        /// A hook pair that goes with it.
        from: Option<Hooks>,
    },
    /// Makes an eiface, names node and interface, sets MAC, MTU and description.
    CreateEiface {
        /// What.
        eiface: Eiface,
        /// The hook pair it is born with.
        from: Option<Hooks>,
    },
    /// NGM_SHUTDOWN: the interface goes wherever it is.
    RemoveEiface {
        /// What.
        eiface: Eiface,
        /// A hook pair that goes with it.
        from: Option<Hooks>,
    },
    /// Makes an epair and sets both ends' names, MACs, MTUs, descriptions.
    CreateEpair(Epair),
    /// Destroys both ends, which must be in the lab jail.
    RemoveEpair(Epair),
    /// Makes an if_bridge.
    CreateBridge(IfBridge),
    /// Destroys it.
    RemoveBridge(IfBridge),
    /// NGM_CONNECT.
    Join(Hooks),
    /// NGM_RMHOOK.
    Part(Hooks),
    /// NGM_PIPE_SET_CFG, read back.
    SetPipe {
        /// The pipe.
        node: Name,
        /// Before.
        from: PipeSettings,
        /// After.
        to: PipeSettings,
    },
    /// SIOCSIFLLADDR.
    SetMac {
        /// Where.
        place: Place,
        /// The interface's name there.
        interface: Name,
        /// Before.
        from: Mac,
        /// After.
        to: Mac,
    },
    /// SIOCSIFMTU.
    SetMtu {
        /// Where.
        place: Place,
        /// The interface's name there.
        interface: Name,
        /// Before.
        from: Mtu,
        /// After.
        to: Mtu,
    },
    /// SIOCSIFDESCR.
    SetDescription {
        /// Where.
        place: Place,
        /// The interface's name there.
        interface: Name,
        /// Before.
        from: Arc<str>,
        /// After.
        to: Arc<str>,
    },
    /// SIOCSIFVNET by the lab's helper (SIOCSIFRVNET by the host for its own end).
    Give(Placement),
    /// The way back.
    TakeBack(Placement),
    /// SIOCSIFNAME.
    Rename {
        /// Where.
        place: Place,
        /// Before.
        from: Name,
        /// After.
        to: Name,
    },
    /// ND6_IFF_NO_DAD.
    SetNoDad {
        /// Where.
        place: Place,
        /// The interface's name there.
        interface: Name,
        /// Whether detection is off.
        off: bool,
    },
    /// BRDGADD and, for the spanning tree, BRDGSIFFLGS.
    AddMember(Member),
    /// BRDGDEL.
    RemoveMember(Member),
    /// BRDGSIFFLGS: whether a member takes part in the spanning tree.
    SetSpanning {
        /// The bridge.
        bridge: Name,
        /// The member.
        member: Name,
        /// Whether it is to.
        on: bool,
    },
    /// sysctl(3) by a helper in the place.
    SetSysctl {
        /// Where.
        place: Place,
        /// Its name.
        name: Name,
        /// Before, if it is known.
        from: Option<String>,
        /// After.
        to: String,
    },
    /// RTM_NEWADDR or SIOCAIFADDR.
    AddAddress(Address),
    /// RTM_DELADDR or SIOCDIFADDR.
    RemoveAddress(Address),
    /// SIOCSIFFLAGS with IFF_UP.
    SetUp(Up),
    /// SIOCSIFFLAGS without IFF_UP.
    SetDown(Up),
    /// RTM_NEWROUTE or RTM_ADD.
    AddRoute(Route),
    /// RTM_DELROUTE or RTM_DELETE.
    RemoveRoute(Route),
    /// Another next hop for the same prefix.
    ChangeRoute {
        /// Where.
        place: Place,
        /// The prefix.
        to: IpNetwork,
        /// Before.
        from: IpAddr,
        /// After.
        via: IpAddr,
    },
    /// What only Linux takes.
    Linux(super::linux::LinuxStep),
    /// Makes a directory of ours, empty or as a copy.
    MakeFolder(Folder),
    /// Removes it with everything inside.
    RemoveFolder(Folder),
    /// zfs(8) clone.
    MakeClone(ZfsClone),
    /// zfs(8) destroy.
    RemoveClone(ZfsClone),
    /// DEVFSIO_RADD, rule by rule.
    AddRuleset(Ruleset),
    /// DEVFSIO_RDEL, rule by rule: a set without rules and mounts is gone.
    RemoveRuleset(Ruleset),
    /// nmount(2).
    Mount(Mount),
    /// unmount(2).
    Unmount(Mount),
    /// rctl_add_rule(2).
    AddLimit(Limit),
    /// rctl_remove_rule(2).
    RemoveLimit(Limit),
    /// cpuset_setaffinity(2) of a jail.
    SetCpus {
        /// Whose.
        place: Place,
        /// Before; `None` is what the lab jail has.
        from: Option<CpuSet>,
        /// After.
        to: Option<CpuSet>,
    },
}

impl Step {
    /// What takes it back; `None` where nothing needs to be done because the object itself is new.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        Some(match self.clone() {
            Self::Linux(step) => Self::Linux(step.inverse()),
            Self::CreateJail(jail) => Self::RemoveJail(jail),
            Self::RemoveJail(jail) => Self::CreateJail(jail),
            Self::SetJail { place, from, to } => Self::SetJail { place, from: to, to: from },
            Self::CreateNetgraph { node, from } => Self::RemoveNetgraph { node, from },
            Self::RemoveNetgraph { node, from } => Self::CreateNetgraph { node, from },
            Self::CreateEiface { eiface, from } => Self::RemoveEiface { eiface, from },
            Self::RemoveEiface { eiface, from } => Self::CreateEiface { eiface, from },
            Self::CreateEpair(epair) => Self::RemoveEpair(epair),
            Self::RemoveEpair(epair) => Self::CreateEpair(epair),
            Self::CreateBridge(bridge) => Self::RemoveBridge(bridge),
            Self::RemoveBridge(bridge) => Self::CreateBridge(bridge),
            Self::Join(hooks) => Self::Part(hooks),
            Self::Part(hooks) => Self::Join(hooks),
            Self::SetPipe { node, from, to } => Self::SetPipe { node, from: to, to: from },
            Self::SetMac { place, interface, from, to } => Self::SetMac { place, interface, from: to, to: from },
            Self::SetMtu { place, interface, from, to } => Self::SetMtu { place, interface, from: to, to: from },
            Self::SetDescription { place, interface, from, to } => {
                Self::SetDescription { place, interface, from: to, to: from }
            }
            Self::Give(placement) => Self::TakeBack(placement),
            Self::TakeBack(placement) => Self::Give(placement),
            Self::Rename { place, from, to } => Self::Rename { place, from: to, to: from },
            Self::SetNoDad { place, interface, off } => Self::SetNoDad { place, interface, off: !off },
            Self::AddMember(member) => Self::RemoveMember(member),
            Self::RemoveMember(member) => Self::AddMember(member),
            Self::SetSpanning { bridge, member, on } => Self::SetSpanning { bridge, member, on: !on },
            Self::SetSysctl { place, name, from, to } => Self::SetSysctl { place, name, from: Some(to), to: from? },
            Self::AddAddress(address) => Self::RemoveAddress(address),
            Self::RemoveAddress(address) => Self::AddAddress(address),
            Self::SetUp(up) => Self::SetDown(up),
            Self::SetDown(up) => Self::SetUp(up),
            Self::AddRoute(route) => Self::RemoveRoute(route),
            Self::RemoveRoute(route) => Self::AddRoute(route),
            Self::ChangeRoute { place, to, from, via } => Self::ChangeRoute { place, to, from: via, via: from },
            Self::MakeFolder(folder) => Self::RemoveFolder(folder),
            Self::RemoveFolder(folder) => Self::MakeFolder(folder),
            Self::MakeClone(clone) => Self::RemoveClone(clone),
            Self::RemoveClone(clone) => Self::MakeClone(clone),
            Self::AddRuleset(ruleset) => Self::RemoveRuleset(ruleset),
            Self::RemoveRuleset(ruleset) => Self::AddRuleset(ruleset),
            Self::Mount(mount) => Self::Unmount(mount),
            Self::Unmount(mount) => Self::Mount(mount),
            Self::AddLimit(limit) => Self::RemoveLimit(limit),
            Self::RemoveLimit(limit) => Self::AddLimit(limit),
            Self::SetCpus { place, from, to } => Self::SetCpus { place, from: to, to: from },
        })
    }

    /// Whether it needs no order among others of its kind in the same stage, so that several may be done at one time.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        match self {
            Self::CreateJail(jail) => matches!(jail.place, Place::Node(_)),
            Self::Linux(step) => {
                matches!(step, super::LinuxStep::CreateNamespace(_) | super::LinuxStep::CreateVeth(_))
            }
            _ => false,
        }
    }

    /// Whether it is about the files of a node, which its jail rests on.
    #[must_use]
    pub fn is_of_root(&self) -> bool {
        matches!(
            self,
            Self::MakeFolder(_)
                | Self::RemoveFolder(_)
                | Self::MakeClone(_)
                | Self::RemoveClone(_)
                | Self::AddRuleset(_)
                | Self::RemoveRuleset(_)
                | Self::Mount(_)
                | Self::Unmount(_)
        )
    }

    /// Who does it: the steps of one place are done in order by one actor, those of different places need no order but
    /// what their objects ask for.
    #[must_use]
    pub fn lane(&self) -> Place {
        match self {
            Self::Linux(step) => step.lane(),
            Self::CreateJail(_)
            | Self::RemoveJail(_)
            | Self::SetJail { .. }
            | Self::MakeFolder(_)
            | Self::RemoveFolder(_)
            | Self::MakeClone(_)
            | Self::RemoveClone(_)
            | Self::AddRuleset(_)
            | Self::RemoveRuleset(_)
            | Self::Mount(_)
            | Self::Unmount(_)
            | Self::AddLimit(_)
            | Self::RemoveLimit(_)
            | Self::SetCpus { .. } => Place::Host,
            Self::CreateNetgraph { .. }
            | Self::RemoveNetgraph { .. }
            | Self::CreateEiface { .. }
            | Self::RemoveEiface { .. }
            | Self::CreateEpair(_)
            | Self::RemoveEpair(_)
            | Self::CreateBridge(_)
            | Self::RemoveBridge(_)
            | Self::Join(_)
            | Self::Part(_)
            | Self::SetPipe { .. }
            | Self::AddMember(_)
            | Self::RemoveMember(_)
            | Self::SetSpanning { .. } => Place::Lab,
            Self::Give(placement) | Self::TakeBack(placement) => match placement.place {
                Place::Host => Place::Host,
                Place::Lab | Place::Node(_) => Place::Lab,
            },
            Self::SetMac { place, .. }
            | Self::SetMtu { place, .. }
            | Self::SetDescription { place, .. }
            | Self::Rename { place, .. }
            | Self::SetNoDad { place, .. }
            | Self::SetSysctl { place, .. }
            | Self::ChangeRoute { place, .. } => place.clone(),
            Self::AddAddress(address) | Self::RemoveAddress(address) => address.place.clone(),
            Self::SetUp(up) | Self::SetDown(up) => up.place.clone(),
            Self::AddRoute(route) | Self::RemoveRoute(route) => route.place.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_the_inverse_is_the_step() {
        let place = Place::Node("pc1".parse().unwrap());
        let up = Up { place: place.clone(), interface: "eth0".into() };
        let address = Address { place: place.clone(), interface: "eth0".into(), net: "10.0.0.1/24".parse().unwrap() };
        let steps = [
            Step::SetUp(up),
            Step::AddAddress(address),
            Step::Rename { place: place.clone(), from: "c1".into(), to: "eth0".into() },
            Step::ChangeRoute {
                place: place.clone(),
                to: "10.1.0.0/24".parse().unwrap(),
                from: "10.0.0.2".parse().unwrap(),
                via: "10.0.0.3".parse().unwrap(),
            },
            Step::SetSysctl { place: place.clone(), name: "a.b".into(), from: Some("0".into()), to: "1".into() },
            Step::CreateJail(Jail { place, parameters: BTreeMap::new() }),
        ];
        for step in steps {
            let back = step.inverse().unwrap();
            assert_ne!(back, step);
            assert_eq!(back.lane(), step.lane());
            assert_eq!(back.inverse().unwrap(), step);
        }
    }
}
