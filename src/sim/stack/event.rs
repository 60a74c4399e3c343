//! What changed in a vnet, in order: the control side turns it into netlink and PF_ROUTE notifications.

use std::net::IpAddr;

use super::address::Address;
use super::route::RouteChange;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

/// One change. The order of events is the order in which a FreeBSD kernel announces them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `RTM_NEWADDR`.
    AddressAdded {
        /// Where.
        interface: IfIndex,
        /// The address as it stands.
        address: Address,
    },
    /// `RTM_DELADDR`; an interface that goes down announces its IPv4 addresses so although it keeps them.
    AddressRemoved {
        /// Where.
        interface: IfIndex,
        /// The address as it stood.
        address: Address,
    },
    /// `RTM_NEWROUTE`, `RTM_DELROUTE`, `RTM_ADD`, `RTM_DELETE`, `RTM_CHANGE`. Netlink of 15.1 does not announce the
    /// pinned ones, and PF_ROUTE not the host routes of own IPv4 addresses.
    Route(RouteChange),
    /// An own, permanent entry of the neighbour cache appeared with its address (`RTM_NEWNEIGH`).
    NeighbourAdded {
        /// Where.
        interface: IfIndex,
        /// Whose.
        address: IpAddr,
        /// At which link-layer address.
        mac: [u8; 6],
    },
    /// An own, permanent entry went with its address (`RTM_DELNEIGH`).
    NeighbourRemoved {
        /// Where.
        interface: IfIndex,
        /// Whose.
        address: IpAddr,
        /// At which link-layer address.
        mac: [u8; 6],
    },
    /// The stack set `IFF_UP` itself, because an address was added (`RTM_NEWLINK`, `RTM_IFINFO`).
    InterfaceUp {
        /// Which.
        interface: IfIndex,
    },
}

/// Events kept when nobody fetches them; what comes later is lost, as with a reader that is too slow.
const KEPT: usize = 4096;

/// Appends an event to the vnet's list.
pub(super) fn push(kernel: &mut Kernel, vnet: VnetId, event: Event) {
    if let Some(stack) = super::of_mut(kernel, vnet)
        && stack.events.len() < KEPT
    {
        stack.events.push(event);
    }
}

/// Takes what happened in a vnet since the last call, oldest first.
pub fn take_events(kernel: &mut Kernel, vnet: VnetId) -> Vec<Event> {
    super::of_mut(kernel, vnet).map(|stack| std::mem::take(&mut stack.events)).unwrap_or_default()
}
