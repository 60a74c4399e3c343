//! What sysctl(3) gives below `net.route`: every interface with its addresses, every route. It needs no socket.
//!
//! The messages are those of the routing socket, but that those of interfaces and addresses say how long their header is
//! (`NET_RT_IFLISTL`): what a later kernel adds to it is skipped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Addresses, RTA_DST, RTA_GATEWAY, RTA_IFA, RTA_IFP, RTA_NETMASK, RTM_GET, RTM_IFINFO, RTM_NEWADDR, RTM_VERSION,
    RouteMessage,
};
use crate::abi::flags::family::AF_ROUTE;
use crate::abi::sockaddr::{LinkAddress, Sockaddr, prefix_of};

/// `CTL_NET` (sys/sys/sysctl.h).
const CTL_NET: i32 = 4;
/// `NET_RT_DUMP` (sys/sys/socket.h:421).
pub const NET_RT_DUMP: i32 = 1;
/// `NET_RT_IFLIST` (sys/sys/socket.h:423).
pub const NET_RT_IFLIST: i32 = 3;
/// `NET_RT_IFLISTL` (sys/sys/socket.h:425).
pub const NET_RT_IFLISTL: i32 = 5;

/// `net.route.0.0.iflistl.0`: all interfaces, addresses of every family.
pub const INTERFACES: [i32; 6] = [CTL_NET, AF_ROUTE as i32, 0, 0, NET_RT_IFLISTL, 0];
/// `net.route.0.0.dump.0.0`: all routes of the first table, of every family.
pub const ROUTES: [i32; 7] = [CTL_NET, AF_ROUTE as i32, 0, 0, NET_RT_DUMP, 0, 0];
/// The numbers that all names of the tree begin with.
pub const TREE: [i32; 3] = [CTL_NET, AF_ROUTE as i32, 0];

/// Octets of `struct if_msghdrl` and of `struct ifa_msghdrl`.
pub const LONG_HEADER: usize = 176;
/// Where `struct if_data` begins in both.
pub const LONG_DATA: usize = 24;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedInterface {
    /// Its index.
    pub index: u16,
    /// `IFF_*`, as SIOCGIFFLAGS has them.
    pub flags: u32,
    /// `IFT_*`.
    pub kind: u8,
    /// `LINK_STATE_*`: 1 down, 2 up, 0 unknown.
    pub link_state: u8,
    /// Octets.
    pub mtu: u32,
    /// Name and link-layer address.
    pub link: LinkAddress,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAddress {
    /// The interface's index.
    pub index: u16,
    /// The address; a link-local one without its scope.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
}

/// Interfaces in the kernel's order, and their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// The interfaces.
    pub interfaces: Vec<ListedInterface>,
    /// Their addresses of IP, in the order of the interfaces.
    pub addresses: Vec<ListedAddress>,
}

/// One way of a route. Of a route with several each has an entry, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRoute {
    /// Where to.
    pub destination: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// The router; `None` if destinations are on the link.
    pub gateway: Option<IpAddr>,
    /// The interface that sends.
    pub interface: u16,
    /// `RTF_*`.
    pub flags: u32,
}

/// Reads what [`INTERFACES`] gives. Messages of a kind or version that is not known are skipped; `None` if a length is wrong.
#[must_use]
pub fn interfaces(bytes: &[u8]) -> Option<Interfaces> {
    let mut read = Interfaces::default();
    for message in Messages(bytes) {
        let message = message?;
        match message.kind {
            RTM_IFINFO => read.interfaces.extend(interface(message.bytes)?),
            RTM_NEWADDR => read.addresses.extend(address(message.bytes)?),
            _ => {}
        }
    }
    Some(read)
}

/// Reads what [`ROUTES`] gives, as [`interfaces`].
#[must_use]
pub fn routes(bytes: &[u8]) -> Option<Vec<ListedRoute>> {
    let mut read = Vec::new();
    for message in Messages(bytes) {
        let message = message?;
        if message.kind == RTM_GET {
            read.extend(route(&RouteMessage::read(message.bytes)?));
        }
    }
    Some(read)
}

/// A message of a version that is known.
struct Message<'b> {
    kind: u8,
    bytes: &'b [u8],
}

/// Message after message; `None` once for one that reaches over the end.
struct Messages<'b>(&'b [u8]);

impl<'b> Iterator for Messages<'b> {
    type Item = Option<Message<'b>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.0.is_empty() {
                return None;
            }
            let length = number(self.0, 0).map_or(0, usize::from);
            let Some((bytes, rest)) = self.0.split_at_checked(length).filter(|_| length >= 4) else {
                self.0 = &[];
                return Some(None);
            };
            self.0 = rest;
            if let [_, _, RTM_VERSION, kind, ..] = *bytes {
                return Some(Some(Message { kind, bytes }));
            }
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// What stands behind the header of a message that says how long that is.
fn behind(bytes: &[u8]) -> Option<Addresses> {
    let header = usize::from(number(bytes, 16)?);
    Addresses::read(word(bytes, 4)?.cast_signed(), bytes.get(header..)?)
}

/// `struct if_msghdrl`; nothing of an interface without a name.
fn interface(bytes: &[u8]) -> Option<Option<ListedInterface>> {
    let data = bytes.get(usize::from(number(bytes, 18)?)..)?;
    let Some(Sockaddr::Link(link)) = behind(bytes)?.get(RTA_IFP).filter(|address| *address != Sockaddr::Absent) else {
        return Some(None);
    };
    let (flags, index) = (word(bytes, 8)?, number(bytes, 12)?);
    let (kind, link_state) = (*data.first()?, *data.get(4)?);
    Some(Some(ListedInterface { index, flags, kind, link_state, mtu: word(data, 8)?, link }))
}

/// `struct ifa_msghdrl`; nothing of an address that is not IP's.
fn address(bytes: &[u8]) -> Option<Option<ListedAddress>> {
    let (index, addresses) = (number(bytes, 12)?, behind(bytes)?);
    let Some(address) = addresses.get(RTA_IFA).and_then(|address| address.ip()) else { return Some(None) };
    let prefix = length(&addresses, address);
    Some(prefix.map(|prefix| ListedAddress { index, address, prefix }))
}

fn route(message: &RouteMessage) -> Option<ListedRoute> {
    let destination = message.addresses.get(RTA_DST)?.ip()?;
    let gateway = message.addresses.get(RTA_GATEWAY).and_then(|gateway| gateway.ip());
    let prefix = length(&message.addresses, destination)?;
    Some(ListedRoute { destination, prefix, gateway, interface: message.index, flags: message.flags })
}

/// The prefix length of an address with its mask; without one it is a host. `None` if the mask has holes.
fn length(addresses: &Addresses, address: IpAddr) -> Option<u8> {
    let Some(mask) = addresses.raw(RTA_NETMASK) else { return Some(if address.is_ipv4() { 32 } else { 128 }) };
    // Masks may be cut off behind their last set octet, and of those the family may be missing.
    let octets = |start: usize| mask.get(start.min(mask.len())..).unwrap_or_default().iter().copied();
    prefix_of(match address {
        IpAddr::V4(_) => {
            let mut whole = [0; 4];
            whole.iter_mut().zip(octets(4)).for_each(|(octet, given)| *octet = given);
            IpAddr::V4(Ipv4Addr::from(whole))
        }
        IpAddr::V6(_) => {
            let mut whole = [0; 16];
            whole.iter_mut().zip(octets(8)).for_each(|(octet, given)| *octet = given);
            IpAddr::V6(Ipv6Addr::from(whole))
        }
    })
}

#[cfg(test)]
mod tests;
