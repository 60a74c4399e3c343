//! Addresses of interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::sim::clock::Nanos;
use crate::sim::ifnet::Interface;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

/// `IN6_IFF_ANYCAST`.
pub const IN6_IFF_ANYCAST: u32 = 0x01;
/// `IN6_IFF_TENTATIVE`: duplicate detection has not ended.
pub const IN6_IFF_TENTATIVE: u32 = 0x02;
/// `IN6_IFF_DUPLICATED`: another host has it.
pub const IN6_IFF_DUPLICATED: u32 = 0x04;
/// `IN6_IFF_NODAD`: kept and shown, without any effect.
pub const IN6_IFF_NODAD: u32 = 0x20;
/// A lifetime without end (`ND6_INFINITE_LIFETIME`).
pub const INFINITE: u32 = u32::MAX;

pub(super) const IFF_UP: u32 = 0x1;
pub(super) const IFF_BROADCAST: u32 = 0x2;
pub(super) const IFF_LOOPBACK: u32 = 0x8;
pub(super) const IFF_POINTOPOINT: u32 = 0x10;
pub(super) const IFF_RUNNING: u32 = 0x40;
pub(super) const IFF_NOARP: u32 = 0x80;

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// IPv4.
    V4(Address4),
    /// IPv6.
    V6(Address6),
}

/// An IPv4 address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address4 {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of its mask.
    pub length: u8,
    /// On broadcast interfaces.
    pub broadcast: Option<Ipv4Addr>,
    /// The other end, on point-to-point ones.
    pub peer: Option<Ipv4Addr>,
}

/// An IPv6 address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address6 {
    /// The address; a link-local one has no scope inside.
    pub address: Ipv6Addr,
    /// Prefix length.
    pub length: u8,
    /// The other end, on point-to-point interfaces.
    pub peer: Option<Ipv6Addr>,
    /// `IN6_IFF_*`.
    pub flags: u32,
    /// Valid lifetime in seconds, or [`INFINITE`].
    pub valid: u32,
    /// Preferred lifetime in seconds, or [`INFINITE`].
    pub preferred: u32,
    /// When it was added.
    pub created: Nanos,
    /// When its lifetimes were last set.
    pub updated: Nanos,
}

impl Address {
    /// The address itself.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        match self {
            Self::V4(address) => IpAddr::V4(address.address),
            Self::V6(address) => IpAddr::V6(address.address),
        }
    }
}

impl Address4 {
    /// The first address of its subnet.
    #[must_use]
    pub fn network(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() & super::prefix::mask4(self.length))
    }
}

impl Address6 {
    /// Whether it may be used: neither tentative nor a duplicate.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.flags & (IN6_IFF_TENTATIVE | IN6_IFF_DUPLICATED) == 0
    }

    /// Whether its preferred lifetime has passed.
    #[must_use]
    pub fn is_deprecated(&self, now: Nanos) -> bool {
        self.preferred != INFINITE && now.saturating_sub(self.updated) > u64::from(self.preferred) * 1_000_000_000
    }
}

/// The IPv4 addresses of an interface, in the order in which they were added.
pub(super) fn v4(interface: &Interface) -> impl Iterator<Item = &Address4> {
    interface.net.addresses.iter().filter_map(|address| match address {
        Address::V4(address) => Some(address),
        Address::V6(_) => None,
    })
}

/// The IPv6 addresses of an interface, in the order in which they were added.
pub(super) fn v6(interface: &Interface) -> impl Iterator<Item = &Address6> {
    interface.net.addresses.iter().filter_map(|address| match address {
        Address::V6(address) => Some(address),
        Address::V4(_) => None,
    })
}

/// An IPv6 address of an interface, to change it.
pub(super) fn v6_mut(kernel: &mut Kernel, index: IfIndex, wanted: Ipv6Addr) -> Option<&mut Address6> {
    kernel.interfaces.get_mut(index)?.net.addresses.iter_mut().find_map(|address| match address {
        Address::V6(address) if address.address == wanted => Some(address),
        _ => None,
    })
}

/// Whether an interface has an address, in whatever state.
#[must_use]
pub fn own_address_at(kernel: &Kernel, index: IfIndex, address: IpAddr) -> bool {
    kernel.interfaces.get(index).is_some_and(|interface| interface.net.addresses.iter().any(|a| a.ip() == address))
}

/// The interface of a vnet that has an address; several may have the same IPv4 or link-local one, then `scope`
/// decides or the one that comes first by name.
#[must_use]
pub fn own_address(kernel: &Kernel, vnet: VnetId, address: IpAddr, scope: Option<IfIndex>) -> Option<IfIndex> {
    let mut holders = members(kernel, vnet).filter(|&index| own_address_at(kernel, index, address));
    match scope {
        Some(wanted) if super::needs_scope(address) => holders.find(|&index| index == wanted),
        _ => holders.next(),
    }
}

/// Every interface of a vnet, by name.
pub(super) fn members(kernel: &Kernel, vnet: VnetId) -> impl Iterator<Item = IfIndex> {
    kernel.vnets.get(&vnet).into_iter().flat_map(|vnet| vnet.names.values().flatten().copied())
}
