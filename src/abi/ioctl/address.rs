//! Addresses and neighbour-discovery settings of an interface.

use std::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::little_endian::{I32, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{
    Call, IoctlArgument, SIOCAIFADDR, SIOCAIFADDR_IN6, SIOCDIFADDR, SIOCDIFADDR_IN6, SIOCGIFAFLAG_IN6, SIOCGIFINFO_IN6,
    SIOCSIFINFO_IN6,
};
use crate::abi::name::{IFNAMSIZ, InterfaceName};
use crate::abi::sockaddr::{self, Sockaddr};

/// `ND6_INFINITE_LIFETIME`: what a static address needs; zero would expire it within a second
/// (`sys/netinet6/in6.c:787-812`).
pub const INFINITE_LIFETIME: u32 = u32::MAX;

/// `struct in_aliasreq`; its addresses are sockaddrs whose length 0 means absent.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawAlias4 {
    name: [u8; IFNAMSIZ],
    address: [u8; 16],
    broadcast: [u8; 16],
    mask: [u8; 16],
    vhid: I32,
}
const _: () = assert!(size_of::<RawAlias4>() == 68);

/// `struct in6_aliasreq`.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawAlias6 {
    name: [u8; IFNAMSIZ],
    address: [u8; 28],
    destination: [u8; 28],
    mask: [u8; 28],
    flags: I32,
    expire: U64,
    preferred: U64,
    valid_lifetime: U32,
    preferred_lifetime: U32,
    vhid: I32,
    tail: [u8; 4],
}
const _: () = assert!(size_of::<RawAlias6>() == 136);

/// Octets of `struct in6_ifreq`.
pub const IN6_IFREQ: usize = 288;
/// Octets of `struct in6_ndireq`.
pub const IN6_NDIREQ: usize = 72;
/// Where the flag word stands in an `in6_ndireq`.
const ND_FLAGS: usize = 36;

/// What an `in_aliasreq` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias4 {
    /// The interface.
    pub name: InterfaceName,
    /// `ifra_addr`.
    pub address: Sockaddr,
    /// `ifra_broadaddr` or, on a point-to-point interface, `ifra_dstaddr`.
    pub broadcast: Sockaddr,
    /// `ifra_mask`.
    pub mask: Sockaddr,
    /// `ifra_vhid`.
    pub vhid: i32,
}

impl Alias4 {
    /// Reads the structure; `None` if it is too short, its name not terminated, or a sockaddr longer than its place.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (raw, _) = RawAlias4::ref_from_prefix(bytes).ok()?;
        Some(Self {
            name: InterfaceName::read(&raw.name)?,
            address: Sockaddr::read(&raw.address)?,
            broadcast: Sockaddr::read(&raw.broadcast)?,
            mask: Sockaddr::read(&raw.mask)?,
            vhid: raw.vhid.get(),
        })
    }
}

/// SIOCAIFADDR on an `AF_INET` socket. It brings the interface up as well. `broadcast` is usually left to the kernel.
#[must_use]
pub fn add4(name: InterfaceName, address: Ipv4Addr, prefix: u8, broadcast: Option<Ipv4Addr>) -> Call {
    let raw = RawAlias4 {
        name: *name.bytes(),
        address: sockaddr::inet(address),
        broadcast: broadcast.map_or([0; 16], sockaddr::inet),
        mask: sockaddr::inet(sockaddr::mask4(prefix)),
        vhid: I32::ZERO,
    };
    Call { request: SIOCAIFADDR, argument: IoctlArgument::flat(raw.as_bytes().to_vec()) }
}

/// SIOCDIFADDR on an `AF_INET` socket.
#[must_use]
pub fn remove4(name: InterfaceName, address: Ipv4Addr) -> Call {
    let mut bytes = name.bytes().to_vec();
    bytes.extend_from_slice(&sockaddr::inet(address));
    Call { request: SIOCDIFADDR, argument: IoctlArgument::flat(bytes) }
}

/// What an `in6_aliasreq` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias6 {
    /// The interface.
    pub name: InterfaceName,
    /// `ifra_addr`.
    pub address: Sockaddr,
    /// `ifra_dstaddr`.
    pub destination: Sockaddr,
    /// `ifra_prefixmask`.
    pub mask: Sockaddr,
    /// `IN6_IFF_*`.
    pub flags: u32,
    /// Seconds, [`INFINITE_LIFETIME`] for ever.
    pub valid_lifetime: u32,
    /// Seconds.
    pub preferred_lifetime: u32,
    /// `ifra_vhid`.
    pub vhid: i32,
}

impl Alias6 {
    /// Reads the structure; `None` if it is too short, its name not terminated, or a sockaddr longer than its place.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (raw, _) = RawAlias6::ref_from_prefix(bytes).ok()?;
        Some(Self {
            name: InterfaceName::read(&raw.name)?,
            address: Sockaddr::read(&raw.address)?,
            destination: Sockaddr::read(&raw.destination)?,
            mask: Sockaddr::read(&raw.mask)?,
            flags: raw.flags.get().cast_unsigned(),
            valid_lifetime: raw.valid_lifetime.get(),
            preferred_lifetime: raw.preferred_lifetime.get(),
            vhid: raw.vhid.get(),
        })
    }
}

/// SIOCAIFADDR_IN6 on an `AF_INET6` socket, with infinite lifetimes. A link-local address needs no scope. The first
/// one takes `ND6_IFF_IFDISABLED` away and brings the interface up.
#[must_use]
pub fn add6(name: InterfaceName, address: Ipv6Addr, prefix: u8) -> Call {
    let mut raw = RawAlias6::new_zeroed();
    raw.name = *name.bytes();
    raw.address = sockaddr::inet6(address, 0);
    raw.mask = sockaddr::inet6(sockaddr::mask6(prefix), 0);
    raw.valid_lifetime = INFINITE_LIFETIME.into();
    raw.preferred_lifetime = INFINITE_LIFETIME.into();
    Call { request: SIOCAIFADDR_IN6, argument: IoctlArgument::flat(raw.as_bytes().to_vec()) }
}

/// SIOCDIFADDR_IN6 on an `AF_INET6` socket.
#[must_use]
pub fn remove6(name: InterfaceName, address: Ipv6Addr) -> Call {
    Call { request: SIOCDIFADDR_IN6, argument: address_request(name, address) }
}

/// SIOCGIFAFLAG_IN6: flags of one address, read by [`address_flags_of`].
#[must_use]
pub fn address_flags(name: InterfaceName, address: Ipv6Addr) -> Call {
    Call { request: SIOCGIFAFLAG_IN6, argument: address_request(name, address) }
}

/// The `IN6_IFF_*` in an argument of SIOCGIFAFLAG_IN6.
#[must_use]
pub fn address_flags_of(argument: &IoctlArgument) -> Option<u32> {
    argument.field(IFNAMSIZ).map(u32::from_le_bytes)
}

fn address_request(name: InterfaceName, address: Ipv6Addr) -> IoctlArgument {
    let mut bytes = name.bytes().to_vec();
    bytes.extend_from_slice(&sockaddr::inet6(address, 0));
    bytes.resize(IN6_IFREQ, 0);
    IoctlArgument::flat(bytes)
}

/// SIOCGIFINFO_IN6: neighbour-discovery settings, flags read by [`neighbour_flags_of`].
#[must_use]
pub fn neighbour_settings(name: InterfaceName) -> Call {
    let mut bytes = name.bytes().to_vec();
    bytes.resize(IN6_NDIREQ, 0);
    Call { request: SIOCGIFINFO_IN6, argument: IoctlArgument::flat(bytes) }
}

/// The `ND6_IFF_*` in an argument of SIOCGIFINFO_IN6.
#[must_use]
pub fn neighbour_flags_of(argument: &IoctlArgument) -> Option<u32> {
    argument.field(ND_FLAGS).map(u32::from_le_bytes)
}

/// SIOCSIFINFO_IN6: replaces all settings, so `settings` is the argument that SIOCGIFINFO_IN6 filled in; only the
/// flag word is changed.
#[must_use]
pub fn set_neighbour_flags(settings: &IoctlArgument, flags: u32) -> Call {
    let mut argument = settings.clone();
    argument.set_field(ND_FLAGS, &flags.to_le_bytes());
    Call { request: SIOCSIFINFO_IN6, argument }
}
