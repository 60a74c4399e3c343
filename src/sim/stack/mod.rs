//! The host stack of a vnet: addresses, tables, ARP, neighbour discovery with DAD, ICMP, forwarding.
//!
//! Configuration arrives through the functions re-exported here, frames through [`input`], time through [`timer`].
//! What configuration changed is kept as [`Event`]s until [`take_events`].

mod address;
mod address4;
mod address6;
mod arp;
mod dad;
mod event;
mod icmp4;
mod icmp6;
mod interface;
mod ip4;
mod ip6;
mod nd;
mod neighbour;
mod packet;
mod prefix;
mod raw;
mod route;
mod sysctl;
mod table;
mod wire;

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

pub use self::address::{Address, Address4, Address6, IN6_IFF_ANYCAST, IN6_IFF_DUPLICATED, IN6_IFF_NODAD};
pub use self::address::{IN6_IFF_TENTATIVE, INFINITE, own_address, own_address_at};
pub use self::address4::{NewAddress4, add_address4, remove_address4};
pub use self::address6::{NewAddress6, add_address6, remove_address6};
pub use self::event::{Event, take_events};
pub use self::interface::{Counters, InterfaceNet, Nd6, interface_arrives, interface_changed, interface_leaves};
pub use self::interface::{mac_changed, set_nd6_flags};
pub use self::neighbour::{Neighbour, NeighbourView, Reachability, neighbour_add, neighbour_remove, neighbours};
pub use self::prefix::{Prefix, needs_scope};
pub use self::raw::{
    RawIndex, RawPacket, RawSocket, raw_is_readable, raw_receive, raw_receive_packet, raw_send, raw_set_ttl,
};
pub use self::route::*;
pub use self::sysctl::{Sysctl, Sysctls, names as sysctl_names, sysctl_get, sysctl_set};
pub use self::table::Table;
pub use self::wire::{input, input_packet};
use super::kernel::{IfIndex, Kernel, VnetId};

/// Tables, caches and sysctls of one vnet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stack {
    /// The IPv4 table.
    pub routes4: Table,
    /// The IPv6 table.
    pub routes6: Table,
    /// What differs from a fresh vnet.
    pub sysctls: Sysctls,
    /// The first loopback interface, `lo0` whatever its name is now.
    loopback: Option<IfIndex>,
    /// The identification of the last IPv4 packet.
    packet_id: u16,
    /// What happened and nobody fetched yet.
    #[serde(skip)]
    events: Vec<Event>,
}

/// What the stack asked the clock for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {
    /// A probe for a duplicate was sent a second ago.
    Dad {
        /// Where.
        interface: IfIndex,
        /// For which address.
        address: Ipv6Addr,
    },
    /// The lifetime of an address may have passed.
    Lifetime {
        /// Where.
        interface: IfIndex,
        /// Of which address.
        address: Ipv6Addr,
    },
    /// The next step with a neighbour is due.
    Neighbour {
        /// Where.
        interface: IfIndex,
        /// Which.
        address: Ipv6Addr,
    },
}

/// The stack of a vnet, to change it.
fn of_mut(kernel: &mut Kernel, vnet: VnetId) -> Option<&mut Stack> {
    kernel.vnets.get_mut(&vnet).map(|vnet| &mut vnet.stack)
}

/// A sysctl of a vnet.
fn sysctl(kernel: &Kernel, vnet: VnetId, which: Sysctl) -> i32 {
    kernel.vnets.get(&vnet).map_or(0, |vnet| vnet.stack.sysctls.get(which))
}

/// lo0 of a vnet.
fn loopback(kernel: &Kernel, vnet: VnetId) -> Option<IfIndex> {
    kernel.vnets.get(&vnet)?.stack.loopback
}

/// The identification of the next IPv4 packet of a vnet.
fn next_id(kernel: &mut Kernel, vnet: VnetId) -> u16 {
    of_mut(kernel, vnet).map_or(0, |stack| {
        stack.packet_id = stack.packet_id.wrapping_add(1);
        stack.packet_id
    })
}

/// A timer of the stack is due.
pub fn timer(kernel: &mut Kernel, timer: Timer) {
    match timer {
        Timer::Dad { interface, address } => dad::timer(kernel, interface, address),
        Timer::Lifetime { interface, address } => address6::expire(kernel, interface, address),
        Timer::Neighbour { interface, address } => nd::timer(kernel, interface, address),
    }
}

/// A vnet dies: its tables go with it. Its interfaces left before.
pub fn vnet_destroy(kernel: &mut Kernel, vnet: VnetId) {
    if let Some(stack) = of_mut(kernel, vnet) {
        *stack = Stack::default();
    }
}

/// The source that packets of a vnet to an IPv6 destination would have; `scope` is an interface index or 0.
///
/// # Errors
/// `EHOSTUNREACH` no route, `EADDRNOTAVAIL` no usable address.
pub fn source_address6(kernel: &Kernel, vnet: VnetId, to: Ipv6Addr, scope: u32) -> Result<Ipv6Addr, crate::abi::Errno> {
    let scope = u16::try_from(scope).ok().filter(|index| *index != 0).map(IfIndex);
    ip6::source_address(kernel, vnet, to, scope)
}

#[cfg(test)]
pub(crate) mod tests;
