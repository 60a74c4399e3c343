//! PF_ROUTE messages: a header of native integers and socket addresses in the order of their bits.
//!
//! Its constants are not netlink's: `RTA_GATEWAY` is bit 2 here and attribute 5 there.

pub mod list;

use std::net::IpAddr;

use zerocopy::little_endian::{I32, U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::flags::{RTF_GATEWAY, RTF_HOST, RTF_STATIC, RTF_UP};
use super::sockaddr::{self, LinkAddress, Sockaddr};

macro_rules! constants {
    ($kind:ty: $($name:ident = $value:literal, $what:literal;)*) => { $(#[doc = $what] pub const $name: $kind = $value;)* };
}

// sys/net/route.h.
constants! { u8:
    RTM_VERSION = 5, "The only version the kernel takes.";
    RTM_ADD = 1, "Adds a route.";
    RTM_DELETE = 2, "Removes a route.";
    RTM_CHANGE = 3, "Changes a route.";
    RTM_GET = 4, "Asks for a route.";
    RTM_NEWADDR = 12, "An address was added.";
    RTM_DELADDR = 13, "An address was removed.";
    RTM_IFINFO = 14, "An interface changed.";
    RTM_IFANNOUNCE = 17, "An interface came or went.";
}

constants! { i32:
    RTA_DST = 0x1, "Destination.";
    RTA_GATEWAY = 0x2, "Gateway.";
    RTA_NETMASK = 0x4, "Netmask.";
    RTA_IFP = 0x10, "Interface.";
    RTA_IFA = 0x20, "Address of the interface.";
    RTA_BRD = 0x80, "Broadcast address.";
}

/// `struct rt_msghdr`.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawRoute {
    length: U16,
    version: u8,
    kind: u8,
    index: U16,
    spare: U16,
    flags: U32,
    addresses: I32,
    pid: I32,
    sequence: I32,
    errno: I32,
    fmask: I32,
    inits: U64,
    metrics: RawMetrics,
}
const _: () = assert!(size_of::<RawRoute>() == ROUTE_HEADER);

/// `struct rt_metrics`.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawMetrics {
    locks: U64,
    mtu: U64,
    other: [U64; 8],
    weight: U64,
    nexthop: U64,
    filler: [U64; 2],
}
const _: () = assert!(size_of::<RawMetrics>() == 112);

/// Octets of `struct rt_msghdr`.
pub const ROUTE_HEADER: usize = 152;
/// Octets of `struct if_msghdr`.
pub const INTERFACE_MESSAGE: usize = 168;
/// Octets of `struct ifa_msghdr`.
pub const ADDRESS_HEADER: usize = 20;
/// Octets of `struct if_announcemsghdr`.
pub const ANNOUNCE_MESSAGE: usize = 24;

/// The addresses of a message, `slots[i]` belongs to bit `1 << i`: destination, gateway, netmask, genmask,
/// interface, interface address, author, broadcast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The sockaddrs as bytes, unpadded.
    pub slots: [Option<Vec<u8>>; 8],
}

impl Addresses {
    /// Which there are, as `rtm_addrs` says it.
    #[must_use]
    pub fn bits(&self) -> i32 {
        self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some()).map(|(at, _)| 1 << at).sum()
    }

    /// The address of one bit, such as [`RTA_DST`].
    #[must_use]
    pub fn get(&self, bit: i32) -> Option<Sockaddr> {
        Sockaddr::read(self.raw(bit)?)
    }

    /// The bytes of the address of one bit.
    #[must_use]
    pub fn raw(&self, bit: i32) -> Option<&[u8]> {
        self.slots.get(usize::try_from(bit.trailing_zeros()).ok()?)?.as_deref()
    }

    /// Sets the address of one bit.
    pub fn set(&mut self, bit: i32, sockaddr: Vec<u8>) {
        let at = usize::try_from(bit.trailing_zeros()).ok();
        if let Some(slot) = at.and_then(|at| self.slots.get_mut(at)) {
            *slot = Some(sockaddr);
        }
    }

    /// Reads those that `bits` says follow; each is padded to 8 bytes, an empty one occupies 8
    /// (`sys/net/route.h:368`). `None` if they reach over the end.
    #[must_use]
    pub fn read(bits: i32, mut bytes: &[u8]) -> Option<Self> {
        let mut addresses = Self::default();
        for (at, slot) in addresses.slots.iter_mut().enumerate() {
            if bits & (1 << at) == 0 {
                continue;
            }
            let length = usize::from(*bytes.first()?);
            *slot = Some(bytes.get(..length)?.to_vec());
            bytes = bytes.get(padded(length).min(bytes.len())..)?;
        }
        Some(addresses)
    }

    /// Appends them with their padding.
    pub fn append(&self, bytes: &mut Vec<u8>) {
        for slot in self.slots.iter().flatten() {
            let end = bytes.len() + padded(slot.len());
            bytes.extend_from_slice(slot);
            bytes.resize(end, 0);
        }
    }
}

/// What a sockaddr of `length` occupies.
const fn padded(length: usize) -> usize {
    if length == 0 { 8 } else { length.next_multiple_of(8) }
}

/// A route message: RTM_ADD, RTM_DELETE, RTM_CHANGE, RTM_GET.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMessage {
    /// `RTM_*`.
    pub kind: u8,
    /// Interface index.
    pub index: u16,
    /// `RTF_*`.
    pub flags: u32,
    /// Who asked.
    pub pid: i32,
    /// The asker's number.
    pub sequence: i32,
    /// Errno, 0 for success.
    pub errno: i32,
    /// `rtm_fmask`.
    pub fmask: i32,
    /// Which metrics are set (`RTV_*`).
    pub inits: u64,
    /// MTU of the route.
    pub mtu: u64,
    /// Weight among several paths.
    pub weight: u64,
    /// Number of the nexthop or nexthop group.
    pub nexthop: u64,
    /// Its addresses.
    pub addresses: Addresses,
}

impl RouteMessage {
    /// Reads a message with its addresses; `None` if a length is wrong.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (raw, rest) = RawRoute::ref_from_prefix(bytes).ok()?;
        if usize::from(raw.length.get()) != bytes.len() {
            return None;
        }
        Some(Self {
            kind: raw.kind,
            index: raw.index.get(),
            flags: raw.flags.get(),
            pid: raw.pid.get(),
            sequence: raw.sequence.get(),
            errno: raw.errno.get(),
            fmask: raw.fmask.get(),
            inits: raw.inits.get(),
            mtu: raw.metrics.mtu.get(),
            weight: raw.metrics.weight.get(),
            nexthop: raw.metrics.nexthop.get(),
            addresses: Addresses::read(raw.addresses.get(), rest)?,
        })
    }

    /// The message.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut raw = RawRoute::new_zeroed();
        raw.version = RTM_VERSION;
        raw.kind = self.kind;
        raw.index = self.index.into();
        raw.flags = self.flags.into();
        raw.addresses = self.addresses.bits().into();
        raw.pid = self.pid.into();
        raw.sequence = self.sequence.into();
        raw.errno = self.errno.into();
        raw.fmask = self.fmask.into();
        raw.inits = self.inits.into();
        raw.metrics.mtu = self.mtu.into();
        raw.metrics.weight = self.weight.into();
        raw.metrics.nexthop = self.nexthop.into();
        let mut bytes = raw.as_bytes().to_vec();
        self.addresses.append(&mut bytes);
        // Eight sockaddrs of at most 255 bytes are far below 64 KiB.
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        bytes[..2].copy_from_slice(&length.to_le_bytes());
        bytes
    }
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// A router; `scope` is the interface index of a link-local one, else 0.
    Address {
        /// Its address.
        address: IpAddr,
        /// Interface index.
        scope: u32,
    },
    /// Straight to an interface.
    Interface(u16),
}

/// RTM_ADD of a static route. A second one of the same prefix makes a multipath route, not `EEXIST`.
#[must_use]
pub fn add(sequence: i32, destination: IpAddr, prefix: u8, gateway: Gateway) -> Vec<u8> {
    request(RTM_ADD, sequence, destination, prefix, Some(gateway))
}

/// RTM_DELETE; with a gateway only the path through it.
#[must_use]
pub fn delete(sequence: i32, destination: IpAddr, prefix: u8, gateway: Option<Gateway>) -> Vec<u8> {
    request(RTM_DELETE, sequence, destination, prefix, gateway)
}

/// RTM_GET of exactly this prefix.
#[must_use]
pub fn get(sequence: i32, destination: IpAddr, prefix: u8) -> Vec<u8> {
    request(RTM_GET, sequence, destination, prefix, None)
}

/// RTM_GET of the route that a packet to `destination` takes.
#[must_use]
pub fn lookup(sequence: i32, destination: IpAddr) -> Vec<u8> {
    let mut message = RouteMessage { kind: RTM_GET, sequence, ..RouteMessage::default() };
    message.addresses.set(RTA_DST, sockaddr::ip(destination));
    message.bytes()
}

fn request(kind: u8, sequence: i32, destination: IpAddr, prefix: u8, gateway: Option<Gateway>) -> Vec<u8> {
    let mut message = RouteMessage { kind, sequence, flags: RTF_UP | RTF_STATIC, ..RouteMessage::default() };
    message.addresses.set(RTA_DST, sockaddr::ip(destination));
    match gateway {
        Some(Gateway::Address { address, scope }) => {
            message.flags |= RTF_GATEWAY;
            let bytes = match address {
                IpAddr::V4(address) => sockaddr::inet(address).to_vec(),
                IpAddr::V6(address) => sockaddr::inet6(address, scope).to_vec(),
            };
            message.addresses.set(RTA_GATEWAY, bytes);
        }
        Some(Gateway::Interface(index)) => {
            let address = LinkAddress { index, ..LinkAddress::default() };
            message.addresses.set(RTA_GATEWAY, sockaddr::link(&address).to_vec());
        }
        None => {}
    }
    if prefix == if destination.is_ipv4() { 32 } else { 128 } {
        message.flags |= RTF_HOST;
    } else {
        message.addresses.set(RTA_NETMASK, sockaddr::mask(&destination, prefix));
    }
    message.bytes()
}

/// Any message that a PF_ROUTE socket gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// RTM_ADD, RTM_DELETE, RTM_CHANGE, RTM_GET: an answer or somebody's change.
    Route(Box<RouteMessage>),
    /// RTM_NEWADDR, RTM_DELADDR.
    Address {
        /// Which of the two.
        kind: u8,
        /// Interface index.
        index: u16,
        /// Netmask, address, broadcast.
        addresses: Addresses,
    },
    /// RTM_IFINFO.
    Interface {
        /// Interface index.
        index: u16,
        /// `IFF_*`.
        flags: u32,
        /// Octets.
        mtu: u32,
        /// `LINK_STATE_*`: 1 down, 2 up, 0 unknown.
        link_state: u8,
    },
    /// RTM_IFANNOUNCE.
    Announce {
        /// Interface index.
        index: u16,
        /// Its name.
        name: String,
        /// `true` when it went.
        departure: bool,
    },
    /// Anything else, by its type.
    Other(u8),
}

impl Message {
    /// Reads one message; `None` if it is malformed or of another version.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if *bytes.get(2)? != RTM_VERSION || usize::from(number(0)?) != bytes.len() {
            return None;
        }
        let kind = *bytes.get(3)?;
        Some(match kind {
            RTM_ADD | RTM_DELETE | RTM_CHANGE | RTM_GET => Self::Route(Box::new(RouteMessage::read(bytes)?)),
            RTM_NEWADDR | RTM_DELADDR => Self::Address {
                kind,
                index: number(12)?,
                addresses: Addresses::read(word(4)?.cast_signed(), bytes.get(ADDRESS_HEADER..)?)?,
            },
            RTM_IFINFO => {
                Self::Interface { index: number(12)?, flags: word(8)?, mtu: word(24)?, link_state: *bytes.get(19)? }
            }
            RTM_IFANNOUNCE => Self::Announce {
                index: number(4)?,
                name: super::sysctl::read_string(bytes.get(6..22)?),
                departure: number(22)? != 0,
            },
            other => Self::Other(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_route() {
        let gateway = Gateway::Address { address: "10.0.0.254".parse().unwrap(), scope: 0 };
        let bytes = add(1, "0.0.0.0".parse().unwrap(), 0, gateway);
        assert_eq!(bytes.len(), 200);
        assert_eq!(bytes[..24], [0xc8, 0, 5, 1, 0, 0, 0, 0, 3, 8, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(bytes[152..168], [16, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[168..184], [16, 2, 0, 0, 10, 0, 0, 254, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[184..200], [16, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let Some(Message::Route(message)) = Message::read(&bytes) else { panic!("not a route") };
        assert_eq!(message.addresses.get(RTA_GATEWAY).unwrap().ip(), Some("10.0.0.254".parse().unwrap()));
        assert_eq!(message.bytes(), bytes);
    }

    #[test]
    fn host_routes_have_no_mask() {
        let gateway = Gateway::Interface(4);
        let bytes = add(2, "fd00::1".parse().unwrap(), 128, gateway);
        let message = RouteMessage::read(&bytes).unwrap();
        assert_eq!(message.flags, RTF_UP | RTF_STATIC | RTF_HOST);
        assert_eq!(message.addresses.bits(), RTA_DST | RTA_GATEWAY);
        assert_eq!(bytes.len(), 152 + 32 + 56);
        let Some(Sockaddr::Link(link)) = message.addresses.get(RTA_GATEWAY) else { panic!("not a link address") };
        assert_eq!(link.index, 4);
    }

    /// RTM_IFANNOUNCE as a 15.1 kernel gave it.
    #[test]
    fn announcement() {
        let mut bytes = vec![24, 0, 5, 17, 10, 0];
        bytes.extend_from_slice(b"epair1a\0\0\0\0\0\0\0\0\0");
        bytes.extend_from_slice(&[1, 0]);
        assert_eq!(
            Message::read(&bytes),
            Some(Message::Announce { index: 10, name: "epair1a".into(), departure: true })
        );
    }

    proptest::proptest! {
        #[test]
        fn readers_take_any_bytes(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 4..400), kind in 0_u8..20) {
            let length = u16::try_from(bytes.len()).unwrap();
            bytes[..2].copy_from_slice(&length.to_le_bytes());
            bytes[2] = 5;
            bytes[3] = kind;
            if let Some(Message::Route(message)) = Message::read(&bytes) {
                let _ = message.bytes();
            }
        }
    }
}
