//! What a FreeBSD kernel sends: links, addresses, routes, acknowledgements. What it adds one day is skipped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::consts::{
    IFA_ADDRESS, IFA_BROADCAST, IFA_CACHEINFO, IFA_FLAGS, IFA_FREEBSD, IFA_LABEL, IFA_LOCAL, IFAF_FLAGS, IFLA_ADDRESS,
    IFLA_CARRIER, IFLA_FREEBSD, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MTU, IFLA_NEW_IFINDEX,
    IFLA_OPERSTATE, IFLA_PROMISCUITY, IFLAF_ORIG_HWADDR, IFLAF_ORIG_IFNAME, NLM_F_CAPPED, NLMSG_DONE, NLMSG_ERROR,
    NLMSGERR_ATTR_COOKIE, NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS, RTA_DST, RTA_GATEWAY, RTA_KNH_ID, RTA_METRICS,
    RTA_MULTIPATH, RTA_OIF, RTA_RTFLAGS, RTA_TABLE, RTA_WEIGHT, RTAX_MTU, RTM_DELADDR, RTM_DELLINK, RTM_DELROUTE,
    RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE,
};
use super::wire::{HEADER, Message, Messages, attributes, string_of, u32_of};
use crate::abi::Errno;
use crate::abi::flags::family::AF_INET;

/// One message of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The request's number; 0 for notifications.
    pub sequence: u32,
    /// What it says.
    pub answer: Answer,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An interface; `gone` for RTM_DELLINK.
    Link {
        /// The interface.
        link: Box<Link>,
        /// Whether it went.
        gone: bool,
    },
    /// An address; `gone` for RTM_DELADDR.
    Address {
        /// The address.
        address: Address,
        /// Whether it went.
        gone: bool,
    },
    /// A route; `gone` for RTM_DELROUTE.
    Route {
        /// The route.
        route: Box<Route>,
        /// Whether it went.
        gone: bool,
    },
    /// A request succeeded or failed.
    Acknowledgement(Acknowledgement),
    /// A dump is over, with its error.
    Done(Option<Errno>),
    /// A message we do not read: its type.
    Other(u16),
    /// A message that is too short for its type.
    Malformed(u16),
}

/// NLMSG_ERROR. Attributes are found by length: FreeBSD sends the cookie without the flag that announces it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acknowledgement {
    /// `None` for success. FreeBSD gives positive numbers, Linux negative ones: the absolute value is taken.
    pub error: Option<Errno>,
    /// The kernel's sentence about an error.
    pub text: Option<String>,
    /// Offset of the offending attribute in the request.
    pub offset: Option<u32>,
    /// What was created: index and name.
    pub created: Option<(u32, String)>,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Index.
    pub index: u32,
    /// `IFT_*`.
    pub kind: u16,
    /// `IFF_*`.
    pub flags: u32,
    /// Name.
    pub name: String,
    /// Octets.
    pub mtu: u32,
    /// Link-layer address.
    pub mac: Option<[u8; 6]>,
    /// The one it was made with.
    pub original_mac: Option<[u8; 6]>,
    /// The name it was made with, if told.
    pub original_name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Cloner (`epair`, `bridge`); eifaces have none.
    pub cloner: Option<String>,
    /// RFC 2863 state: 6 up, 2 down.
    pub state: u8,
    /// Whether there is a carrier.
    pub carrier: bool,
    /// Number of promiscuous users.
    pub promiscuity: u32,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Interface index.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// The peer of a point-to-point interface.
    pub peer: Option<IpAddr>,
    /// Broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// Name of the interface, if told.
    pub label: Option<String>,
    /// `IFA_F_*`.
    pub flags: u32,
    /// `IN6_IFF_*`: the exact state of an IPv6 address.
    pub in6_flags: u32,
    /// Preferred and valid lifetime in seconds.
    pub lifetimes: Option<(u32, u32)>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub destination: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// Table.
    pub table: u32,
    /// `RTPROT_*`.
    pub protocol: u8,
    /// `RTN_*`.
    pub kind: u8,
    /// `RTF_*`.
    pub flags: u32,
    /// Ways; usually one.
    pub hops: Vec<Hop>,
    /// MTU of the route.
    pub mtu: Option<u32>,
    /// The kernel's number of the nexthop.
    pub nexthop: Option<u32>,
}

/// One way of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// The router, `None` for a direct route.
    pub gateway: Option<IpAddr>,
    /// The interface.
    pub interface: Option<u32>,
    /// Its share.
    pub weight: u32,
}

/// Reads every message of a datagram.
pub fn read(datagram: &[u8]) -> impl Iterator<Item = Reply> {
    Messages::new(datagram).map(|message| Reply { sequence: message.sequence, answer: answer(&message) })
}

fn answer(message: &Message<'_>) -> Answer {
    let payload = message.payload;
    let read = match message.kind {
        NLMSG_ERROR => acknowledgement(message).map(Answer::Acknowledgement),
        NLMSG_DONE => Some(Answer::Done(errno(payload))),
        kind @ (RTM_NEWLINK | RTM_DELLINK) => {
            link(payload).map(|link| Answer::Link { link: Box::new(link), gone: kind == RTM_DELLINK })
        }
        kind @ (RTM_NEWADDR | RTM_DELADDR) => {
            address(payload).map(|address| Answer::Address { address, gone: kind == RTM_DELADDR })
        }
        kind @ (RTM_NEWROUTE | RTM_DELROUTE) => {
            route(payload).map(|route| Answer::Route { route: Box::new(route), gone: kind == RTM_DELROUTE })
        }
        other => Some(Answer::Other(other)),
    };
    read.unwrap_or(Answer::Malformed(message.kind))
}

fn errno(payload: &[u8]) -> Option<Errno> {
    let code = i32::from_ne_bytes(payload.get(..4)?.try_into().ok()?);
    Errno::from_raw(code.saturating_abs())
}

fn acknowledgement(message: &Message<'_>) -> Option<Acknowledgement> {
    let request = message.payload.get(4..4 + HEADER)?;
    let mut read = Acknowledgement { error: errno(message.payload), ..Acknowledgement::default() };
    let mut start = 4 + HEADER;
    if read.error.is_some() && message.flags & NLM_F_CAPPED == 0 {
        // The request is repeated in full.
        let length = usize::try_from(u32::from_ne_bytes(request.get(..4)?.try_into().ok()?)).ok()?;
        start = 4 + length.max(HEADER).checked_next_multiple_of(4)?;
    }
    for (kind, value) in attributes(message.payload, start) {
        match kind {
            NLMSGERR_ATTR_MSG => read.text = Some(string_of(value)),
            NLMSGERR_ATTR_OFFS => read.offset = u32_of(value),
            NLMSGERR_ATTR_COOKIE => read.created = created(value),
            _ => {}
        }
    }
    Some(read)
}

fn created(cookie: &[u8]) -> Option<(u32, String)> {
    let (mut index, mut name) = (None, None);
    for (kind, value) in attributes(cookie, 0) {
        match kind {
            IFLA_NEW_IFINDEX => index = u32_of(value),
            IFLA_IFNAME => name = Some(string_of(value)),
            _ => {}
        }
    }
    Some((index?, name?))
}

fn link(payload: &[u8]) -> Option<Link> {
    let header: [u8; 16] = payload.get(..16)?.try_into().ok()?;
    let mut link = Link {
        kind: u16::from_ne_bytes([header[2], header[3]]),
        index: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
        flags: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
        ..Link::default()
    };
    for (kind, value) in attributes(payload, 16) {
        match kind {
            IFLA_IFNAME => link.name = string_of(value),
            IFLA_MTU => link.mtu = u32_of(value)?,
            IFLA_ADDRESS => link.mac = value.try_into().ok(),
            IFLA_IFALIAS => link.description = Some(string_of(value)),
            IFLA_OPERSTATE => link.state = value.first().copied().unwrap_or(0),
            IFLA_CARRIER => link.carrier = value.first().is_some_and(|&carrier| carrier != 0),
            IFLA_PROMISCUITY => link.promiscuity = u32_of(value).unwrap_or(0),
            IFLA_LINKINFO => {
                let kind = attributes(value, 0).find(|&(kind, _)| kind == IFLA_INFO_KIND);
                link.cloner = kind.map(|(_, value)| string_of(value));
            }
            IFLA_FREEBSD => {
                for (kind, value) in attributes(value, 0) {
                    match kind {
                        IFLAF_ORIG_HWADDR => link.original_mac = value.try_into().ok(),
                        IFLAF_ORIG_IFNAME => link.original_name = Some(string_of(value)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(link)
}

/// An address of the family's length.
fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    if family == AF_INET {
        <[u8; 4]>::try_from(value).ok().map(|octets| Ipv4Addr::from(octets).into())
    } else {
        <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into())
    }
}

fn address(payload: &[u8]) -> Option<Address> {
    let header: [u8; 8] = payload.get(..8)?.try_into().ok()?;
    let family = header[0];
    let (mut address, mut local) = (None, None);
    let mut read = Address {
        index: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        prefix: header[1],
        peer: None,
        broadcast: None,
        label: None,
        flags: u32::from(header[2]),
        in6_flags: 0,
        lifetimes: None,
    };
    for (kind, value) in attributes(payload, 8) {
        match kind {
            IFA_ADDRESS => address = ip(family, value),
            IFA_LOCAL => local = ip(family, value),
            IFA_LABEL => read.label = Some(string_of(value)),
            IFA_BROADCAST => read.broadcast = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from),
            IFA_FLAGS => read.flags = u32_of(value)?,
            IFA_CACHEINFO => {
                read.lifetimes = Some((u32_of(value.get(..4)?)?, u32_of(value.get(4..8)?)?));
            }
            IFA_FREEBSD => {
                let flags = attributes(value, 0).find(|&(kind, _)| kind == IFAF_FLAGS);
                read.in6_flags = flags.and_then(|(_, value)| u32_of(value)).unwrap_or(0);
            }
            _ => {}
        }
    }
    read.address = local.or(address)?;
    read.peer = address.filter(|&peer| peer != read.address);
    Some(read)
}

fn route(payload: &[u8]) -> Option<Route> {
    let header: [u8; 12] = payload.get(..12)?.try_into().ok()?;
    let family = header[0];
    let unspecified = if family == AF_INET { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let mut read = Route {
        destination: unspecified,
        prefix: header[1],
        table: u32::from(header[4]),
        protocol: header[5],
        kind: header[7],
        flags: 0,
        hops: Vec::new(),
        mtu: None,
        nexthop: None,
    };
    let mut hop = Hop::default();
    for (kind, value) in attributes(payload, 12) {
        match kind {
            RTA_DST => read.destination = ip(family, value)?,
            RTA_GATEWAY => hop.gateway = ip(family, value),
            RTA_OIF => hop.interface = u32_of(value),
            RTA_WEIGHT => hop.weight = u32_of(value).unwrap_or(0),
            RTA_TABLE => read.table = u32_of(value)?,
            RTA_RTFLAGS => read.flags = u32_of(value).unwrap_or(0),
            RTA_KNH_ID => read.nexthop = u32_of(value),
            RTA_MULTIPATH => read.hops = multipath(family, value),
            RTA_METRICS => {
                let mtu = attributes(value, 0).find(|&(kind, _)| kind == RTAX_MTU);
                read.mtu = mtu.and_then(|(_, value)| u32_of(value));
            }
            _ => {}
        }
    }
    if read.hops.is_empty() && hop != Hop::default() {
        read.hops.push(hop);
    }
    Some(read)
}

/// `struct rtnexthop` after `struct rtnexthop`: length, flags, hops, interface, then attributes.
fn multipath(family: u8, mut value: &[u8]) -> Vec<Hop> {
    let mut hops = Vec::new();
    while let Some(&[low, high, _, weight, a, b, c, d]) = value.first_chunk::<8>() {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let Some(one) = value.get(..length).filter(|one| one.len() >= 8) else { break };
        let gateway = attributes(one, 8).find(|&(kind, _)| kind == RTA_GATEWAY);
        hops.push(Hop {
            gateway: gateway.and_then(|(_, value)| ip(family, value)),
            interface: Some(u32::from_ne_bytes([a, b, c, d])),
            weight: u32::from(weight),
        });
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}
