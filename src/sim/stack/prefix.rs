//! Prefixes, and the keys by which tables order them.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::sim::kernel::IfIndex;

/// A destination: what `netstat -rn` shows in its first column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Prefix {
    /// Without host bits.
    pub address: IpAddr,
    /// At most 32 or 128.
    pub length: u8,
    /// The interface of a link-local IPv6 one, else `None`.
    pub scope: Option<IfIndex>,
}

impl Prefix {
    /// A prefix; host bits are cut off, a scope is dropped where the address has none.
    ///
    /// Returns `None` if the length is beyond the family's.
    #[must_use]
    pub fn new(address: IpAddr, length: u8, scope: Option<IfIndex>) -> Option<Self> {
        let address = match address {
            IpAddr::V4(a) if length <= 32 => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask4(length))),
            IpAddr::V6(a) if length <= 128 => IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask(length))),
            _ => return None,
        };
        Some(Self { address, length, scope: scope.filter(|_| needs_scope(address)) })
    }

    /// The one address as a prefix.
    #[must_use]
    pub fn host(address: IpAddr, scope: Option<IfIndex>) -> Self {
        let length = if address.is_ipv4() { 32 } else { 128 };
        Self { address, length, scope: scope.filter(|_| needs_scope(address)) }
    }

    /// Whether it covers a single address.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.length == if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// Whether an address lies in it; scopes must agree.
    #[must_use]
    pub fn contains(&self, address: IpAddr, scope: Option<IfIndex>) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && bits(address, scope) & mask(self.length) == bits(self.address, self.scope)
    }

    pub(super) fn key(&self) -> Key {
        Key { bits: bits(self.address, self.scope), length: self.length }
    }
}

/// The order of FreeBSD's radix tree: by bits, of equal ones the longest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Key {
    pub bits: u128,
    pub length: u8,
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bits.cmp(&other.bits).then(other.length.cmp(&self.length))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An address as a number with its first bit on top; the index of the interface stands inside a link-local one, in
/// bits 16 to 31, as in the kernel (`sys/netinet6/scope6.c`, in6_setscope).
pub(super) fn bits(address: IpAddr, scope: Option<IfIndex>) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()) << 96,
        IpAddr::V6(a) => match scope {
            Some(scope) if needs_scope(address) => (a.to_bits() & !(0xffff_u128 << 96)) | (u128::from(scope.0) << 96),
            _ => a.to_bits(),
        },
    }
}

/// A mask of `length` ones.
pub(super) fn mask(length: u8) -> u128 {
    match length {
        0 => 0,
        1..=127 => u128::MAX << (128 - u32::from(length)),
        _ => u128::MAX,
    }
}

/// A mask of `length` ones.
pub(super) fn mask4(length: u8) -> u32 {
    match length {
        0 => 0,
        1..=31 => u32::MAX << (32 - u32::from(length)),
        _ => u32::MAX,
    }
}

/// Whether an address means something on one link only.
#[must_use]
pub fn needs_scope(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if a.is_unicast_link_local() || matches!(a.segments()[0] & 0xff0f, 0xff01 | 0xff02))
}
