//! Interfaces: what all kinds share, cloning, names, moves between vnets, and the way of a frame in and out.

use serde::{Deserialize, Serialize};

use super::bridge::Bridge;
use super::kernel::{Frame, IfIndex, Kernel, VnetId};
use super::netgraph::NodeId;
use crate::abi::Errno;

/// Every interface by index.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Interfaces {
    /// `slots[i]` is index `i + 1`.
    slots: Vec<Option<Box<Interface>>>,
    /// Freed slots below the end.
    free: std::collections::BTreeSet<u16>,
}

impl Interfaces {
    /// An interface by index.
    #[must_use]
    pub fn get(&self, index: IfIndex) -> Option<&Interface> {
        self.slots.get(usize::from(index.0.checked_sub(1)?))?.as_deref()
    }

    /// An interface by index.
    pub fn get_mut(&mut self, index: IfIndex) -> Option<&mut Interface> {
        self.slots.get_mut(usize::from(index.0.checked_sub(1)?))?.as_deref_mut()
    }
}

/// What drives an interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Driver {
    /// lo.
    Loopback,
    /// ng_eiface: the node that is its back end, in the vnet where it was made.
    Eiface {
        /// The node's vnet.
        vnet: VnetId,
        /// The node.
        node: NodeId,
    },
    /// One end of an epair.
    Epair {
        /// The other end.
        peer: IfIndex,
    },
    /// if_bridge.
    Bridge(Box<Bridge>),
    /// Any other clone that the ioctls know by name only (tap, vlan, pflog…).
    Other {
        /// The cloner.
        cloner: String,
    },
}

/// One interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interface {
    /// Its index, which moves keep.
    pub index: IfIndex,
    /// Its present name.
    pub name: String,
    /// Where it is.
    pub vnet: VnetId,
    /// Where it was born and returns to.
    pub home: VnetId,
    /// What drives it.
    pub driver: Driver,
    /// Cloner and unit it was born with: what destroys it and what stays taken while it lives.
    pub birth: Option<(String, u32)>,
    /// `IFF_*` of FreeBSD.
    pub flags: u32,
    /// Octets.
    pub mtu: u32,
    /// `IFF_LOOPBACK` ones have none.
    pub mac: [u8; 6],
    /// As it was made.
    pub original_mac: [u8; 6],
    /// SIOCSIFDESCR.
    pub description: Vec<u8>,
    /// Besides `all`.
    pub groups: Vec<String>,
    /// `IFCAP_*` enabled.
    pub capabilities: u32,
    /// Whether there is a carrier.
    pub link_up: bool,
    /// The if_bridge it is a member of.
    pub bridge: Option<IfIndex>,
    /// Addresses, neighbour-discovery flags, counters: the stack's own.
    pub net: super::stack::InterfaceNet,
}

/// lo0 of a new vnet.
pub fn attach_loopback(_kernel: &mut Kernel, _vnet: VnetId) {}

/// Makes the interface of a new eiface node: `ngethN`, in the node's vnet, with a MAC of the kernel's making.
/// The caller keeps the unit numbers.
///
/// # Errors
/// `EEXIST` if the name is taken, `ENOSPC` when the indexes are used up.
pub fn attach_eiface(_kernel: &mut Kernel, _vnet: VnetId, _node: NodeId, _unit: u32) -> Result<IfIndex, Errno> {
    Err(Errno::ENOSYS)
}

/// Destroys an interface wherever it is: addresses, routes, memberships and its name go with it.
pub fn detach(_kernel: &mut Kernel, _index: IfIndex) {}

/// Sets the carrier and tells the stack and the bridge.
pub fn set_link(_kernel: &mut Kernel, _index: IfIndex, _up: bool) {}

/// Sets the MAC (NGM_EIFACE_SET, SIOCSIFLLADDR, ng_ether).
///
/// # Errors
/// `EINVAL` for a multicast address, `ENODEV` if it has none.
pub fn set_mac(_kernel: &mut Kernel, _index: IfIndex, _mac: [u8; 6]) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

/// Sends a frame out of an interface by its driver; dropped unless it is up and running.
pub fn transmit(_kernel: &mut Kernel, _index: IfIndex, _frame: Frame) {}

/// A frame came in from the wire: to the bridge if it is a member, to an ether node's `lower`, else to the stack.
pub fn receive(_kernel: &mut Kernel, _index: IfIndex, _frame: Frame) {}

/// The interface of that name in that vnet: the first one, if two returned under one name.
#[must_use]
pub fn find(kernel: &Kernel, vnet: VnetId, name: &str) -> Option<IfIndex> {
    kernel.vnets.get(&vnet)?.names.get(name)?.first().copied()
}
