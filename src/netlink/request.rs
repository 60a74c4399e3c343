//! Requests to a kernel: address and route messages by netlink-packet-route, appended to one buffer for one send.

use std::net::IpAddr;

use netlink_packet_core::{Emitable, NetlinkHeader};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope, CacheInfo};
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType};

use super::consts::{
    IFA_F_NODAD, IFLA_IFNAME, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    RTM_DELADDR, RTM_DELROUTE, RTM_F_PREFIX, RTM_GETADDR, RTM_GETLINK, RTM_GETROUTE, RTM_NEWADDR, RTM_NEWROUTE,
};
use super::{Dialect, wire};
use crate::abi::flags::family;

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// A router of the destination's family; a link-local one needs the interface.
    Gateway {
        /// Its address.
        address: IpAddr,
        /// Interface index, if it must be told.
        interface: Option<u32>,
    },
    /// Straight to an interface.
    Interface(u32),
    /// Drops silently.
    Blackhole,
    /// Answers with unreachables.
    Reject,
}

/// What a route request does about a route of that prefix which is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// `EEXIST`.
    Refuse,
    /// It goes; not possible with connected routes.
    Replace,
}

/// Requests on their way into one buffer. Every method gives the sequence number by which the answer is known;
/// changes ask for an acknowledgement, so each of them has exactly one answer.
#[derive(Clone, Debug)]
pub struct Requests {
    dialect: Dialect,
    sequence: u32,
    bytes: Vec<u8>,
}

impl Requests {
    /// No requests yet; the first gets the number `first`.
    #[must_use]
    pub fn new(dialect: Dialect, first: u32) -> Self {
        Self { dialect, sequence: first, bytes: Vec::new() }
    }

    /// Octets so far: one send should stay below the socket's send space (65536 by default).
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was asked, as one datagram.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was asked and keeps numbering.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The number the next request will get.
    #[must_use]
    pub fn next_sequence(&self) -> u32 {
        self.sequence
    }

    /// RTM_NEWADDR: adds `address/prefix` to the interface `index`, for ever. It replaces an equal one. FreeBSD brings
    /// the interface up as well.
    pub fn add_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> u32 {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        let mut message = self.address(index, address, prefix);
        if address.is_ipv6() && self.dialect.explicit_lifetimes {
            let mut lifetimes = CacheInfo::default();
            lifetimes.ifa_preferred = u32::MAX;
            lifetimes.ifa_valid = u32::MAX;
            message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
        }
        if address.is_ipv6() && self.dialect.no_dad {
            message.header.flags = AddressHeaderFlags::from_bits_retain(IFA_F_NODAD);
        }
        self.append(RTM_NEWADDR, flags, &message)
    }

    /// RTM_DELADDR.
    pub fn remove_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> u32 {
        let message = self.address(index, address, prefix);
        self.append(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, &message)
    }

    fn address(&self, index: u32, address: IpAddr, prefix: u8) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.family = self.family(address);
        message.header.prefix_len = prefix;
        message.header.scope = AddressScope::Universe;
        message.header.index = index;
        message.attributes.push(AddressAttribute::Local(address));
        message.attributes.push(AddressAttribute::Address(address));
        message
    }

    /// RTM_NEWROUTE of a static route in the main table.
    pub fn add_route(&mut self, destination: IpAddr, prefix: u8, hop: NextHop, existing: Existing) -> u32 {
        let how = match existing {
            Existing::Refuse => NLM_F_EXCL,
            Existing::Replace => NLM_F_REPLACE,
        };
        let message = self.route(destination, prefix, Some(hop));
        self.append(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | how, &message)
    }

    /// RTM_DELROUTE; with `hop` only the path that leads there, `ESRCH` if it does not.
    pub fn remove_route(&mut self, destination: IpAddr, prefix: u8, hop: Option<NextHop>) -> u32 {
        let message = self.route(destination, prefix, hop);
        self.append(RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK, &message)
    }

    /// The same on Linux, whoever made it.
    pub fn remove_route_of_anybody(&mut self, destination: IpAddr, prefix: u8, hop: NextHop) -> u32 {
        let mut message = self.route(destination, prefix, Some(hop));
        message.header.protocol = RouteProtocol::Unspec;
        self.append(RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK, &message)
    }

    /// RTM_GETROUTE of exactly this prefix.
    pub fn get_route(&mut self, destination: IpAddr, prefix: u8) -> u32 {
        let mut message = self.route(destination, prefix, None);
        message.header.flags = RouteFlags::from_bits_retain(RTM_F_PREFIX);
        self.append(RTM_GETROUTE, NLM_F_REQUEST, &message)
    }

    /// RTM_GETROUTE: the route that a packet to `destination` takes.
    pub fn lookup_route(&mut self, destination: IpAddr) -> u32 {
        let message = self.route(destination, if destination.is_ipv4() { 32 } else { 128 }, None);
        self.append(RTM_GETROUTE, NLM_F_REQUEST, &message)
    }

    fn route(&self, destination: IpAddr, prefix: u8, hop: Option<NextHop>) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = self.family(destination);
        message.header.destination_prefix_length = prefix;
        message.header.table = self.dialect.main_table;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = RouteScope::Universe;
        message.header.kind = RouteType::Unicast;
        // FreeBSD needs the destination of a default route too.
        message.attributes.push(RouteAttribute::Destination(destination.into()));
        match hop {
            Some(NextHop::Gateway { address, interface }) => {
                message.attributes.push(RouteAttribute::Gateway(address.into()));
                message.attributes.extend(interface.map(RouteAttribute::Oif));
            }
            Some(NextHop::Interface(index)) => message.attributes.push(RouteAttribute::Oif(index)),
            Some(NextHop::Blackhole) => message.header.kind = RouteType::BlackHole,
            Some(NextHop::Reject) => message.header.kind = RouteType::Unreachable,
            None => {}
        }
        message
    }

    /// RTM_GETLINK dump: every interface of the socket's vnet.
    pub fn links(&mut self) -> u32 {
        self.append_raw(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, &[0; 16])
    }

    /// RTM_GETLINK of one interface by name: one message, no NLMSG_DONE.
    pub fn link(&mut self, name: &str) -> u32 {
        let mut writer = wire::Writer::new();
        writer.begin(RTM_GETLINK, NLM_F_REQUEST, self.sequence, 0, &[0; 16]);
        writer.string(IFLA_IFNAME, name);
        writer.end();
        self.bytes.extend_from_slice(&writer.finish());
        self.advance()
    }

    /// RTM_GETADDR dump: every address, or those of one interface.
    pub fn addresses(&mut self, index: Option<u32>) -> u32 {
        let mut body = [0; 8];
        body[4..].copy_from_slice(&index.unwrap_or(0).to_ne_bytes());
        self.append_raw(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, &body)
    }

    /// RTM_GETROUTE dump of the main table, both families.
    pub fn routes(&mut self) -> u32 {
        let mut body = [0; 12];
        body[4] = self.dialect.main_table;
        self.append_raw(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, &body)
    }

    fn family(&self, address: IpAddr) -> AddressFamily {
        AddressFamily::from(if address.is_ipv4() { family::AF_INET } else { self.dialect.inet6 })
    }

    /// Appends header and message; both are multiples of four octets.
    fn append(&mut self, kind: u16, flags: u16, message: &impl Emitable) -> u32 {
        let start = self.bytes.len();
        let length = wire::HEADER + message.buffer_len();
        self.bytes.resize(start + length, 0);
        self.header(kind, flags, start, length);
        message.emit(&mut self.bytes[start + wire::HEADER..]);
        self.advance()
    }

    fn append_raw(&mut self, kind: u16, flags: u16, body: &[u8]) -> u32 {
        let start = self.bytes.len();
        let length = wire::HEADER + body.len();
        self.bytes.resize(start + wire::HEADER, 0);
        self.header(kind, flags, start, length);
        self.bytes.extend_from_slice(body);
        self.advance()
    }

    fn header(&mut self, kind: u16, flags: u16, start: usize, length: usize) {
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(length).unwrap_or(u32::MAX);
        header.message_type = kind;
        header.flags = flags;
        header.sequence_number = self.sequence;
        header.emit(&mut self.bytes[start..]);
    }

    fn advance(&mut self) -> u32 {
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        sequence
    }
}
