//! RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR (`sys/netlink/route/iface.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Refusal, Request, interface, number, offset_of, refuse};
use crate::abi::Errno;
use crate::abi::flags::family::{AF_INET, AF_INET6, AF_UNSPEC};
use crate::abi::flags::{IFF_POINTOPOINT, IN6_IFF_TENTATIVE};
use crate::netlink::consts::{
    IFA_ADDRESS, IFA_BROADCAST, IFA_CACHEINFO, IFA_F_TENTATIVE, IFA_FLAGS, IFA_FREEBSD, IFA_LABEL, IFA_LOCAL,
    IFAF_FLAGS, RTM_NEWADDR,
};
use crate::netlink::wire::{Writer, attributes};
use crate::sim::ifnet::{self, Interface};
use crate::sim::kernel::{IfIndex, Kernel};
use crate::sim::stack::{self, Address, NewAddress4, NewAddress6};

/// `RT_SCOPE_HOST` and `RT_SCOPE_LINK`.
const HOST: u8 = 254;
const LINK: u8 = 253;
/// `IFA_F_NODAD` of a request.
const IFA_F_NODAD: u32 = 2;

pub(super) fn get(kernel: &Kernel, request: &mut Request<'_>) -> Result<(), Refusal> {
    let header: [u8; 8] = request.header();
    let index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    if index != 0 && interface(kernel, request.vnet, index).is_none() {
        request.done(Some(Errno::ENOENT));
        return Ok(());
    }
    let (flags, sequence, port) = (request.multi(), request.message.sequence, request.port);
    for link in ifnet::present(kernel, request.vnet).filter(|link| index == 0 || u32::from(link.index.0) == index) {
        for address in &link.net.addresses {
            let family = if matches!(address, Address::V4(_)) { AF_INET } else { AF_INET6 };
            if header[0] == AF_UNSPEC || header[0] == family {
                write(&mut request.answers, link, address, RTM_NEWADDR, flags, sequence, port);
            }
        }
    }
    request.done(None);
    Ok(())
}

/// Writes an address.
pub fn write(
    writer: &mut Writer,
    link: &Interface,
    address: &Address,
    message: u16,
    flags: u16,
    sequence: u32,
    port: u32,
) {
    let (family, length, scope) = match address {
        Address::V4(a) => (AF_INET, a.length, if a.address.is_loopback() { HOST } else { 0 }),
        Address::V6(a) if a.address.is_loopback() => (AF_INET6, a.length, HOST),
        Address::V6(a) => (AF_INET6, a.length, if a.address.is_unicast_link_local() { LINK } else { 0 }),
    };
    let [low, high] = link.index.0.to_ne_bytes();
    writer.begin(message, flags, sequence, port, &[family, length, 0, scope, low, high, 0, 0]);
    match address {
        Address::V4(a) => {
            writer.attribute(IFA_ADDRESS, &a.peer.unwrap_or(a.address).octets());
            writer.attribute(IFA_LOCAL, &a.address.octets());
            if let Some(broadcast) = a.broadcast {
                writer.attribute(IFA_BROADCAST, &broadcast.octets());
            }
            writer.string(IFA_LABEL, &link.name);
            writer.number(IFA_FLAGS, 0);
            let freebsd = writer.nest(IFA_FREEBSD, false);
            writer.close(freebsd);
        }
        Address::V6(a) => {
            writer.attribute(IFA_ADDRESS, &a.peer.unwrap_or(a.address).octets());
            if a.peer.is_some() {
                writer.attribute(IFA_LOCAL, &a.address.octets());
            }
            writer.string(IFA_LABEL, &link.name);
            writer.number(IFA_FLAGS, if a.flags & IN6_IFF_TENTATIVE != 0 { IFA_F_TENTATIVE } else { 0 });
            let stamp = |nanos: u64| u32::try_from(nanos / 1_000_000).unwrap_or(u32::MAX);
            let words = [a.preferred, a.valid, stamp(a.created), stamp(a.updated)];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            writer.attribute(IFA_CACHEINFO, &bytes);
            let freebsd = writer.nest(IFA_FREEBSD, false);
            writer.number(IFAF_FLAGS, a.flags);
            writer.close(freebsd);
        }
    }
    writer.end();
}

/// What an address request says.
#[derive(Default)]
struct Wanted {
    address: Option<IpAddr>,
    local: Option<IpAddr>,
    broadcast: Option<IpAddr>,
    flags: u32,
    lifetimes: (u32, u32),
}

fn read(request: &Request<'_>, family: u8) -> Result<Wanted, Refusal> {
    let mut wanted = Wanted::default();
    for (kind, value) in request.attributes(8)? {
        match kind {
            IFA_ADDRESS => wanted.address = Some(ip(family, value, "IFA_ADDRESS")?),
            IFA_LOCAL => wanted.local = Some(ip(family, value, "IFA_LOCAL")?),
            IFA_BROADCAST => wanted.broadcast = Some(ip(family, value, "IFA_BROADCAST")?),
            IFA_FLAGS => {
                let flags = number(kind, value, offset_of(request, value))?;
                wanted.flags |= if flags & IFA_F_NODAD != 0 { crate::abi::flags::IN6_IFF_NODAD } else { 0 };
            }
            IFA_CACHEINFO => {
                let fields: &[u8; 16] = value.try_into().map_err(|_| Refusal {
                    errno: Errno::EINVAL,
                    text: Some(format!("nla type {kind} size({}) is not ifa_cacheinfo", value.len())),
                    offset: u32::try_from(offset_of(request, value)).ok(),
                })?;
                let word = |at: usize| u32::from_ne_bytes([fields[at], fields[at + 1], fields[at + 2], fields[at + 3]]);
                wanted.lifetimes = (word(0), word(4));
            }
            IFA_FREEBSD => {
                for (kind, value) in attributes(value, 0) {
                    if kind == IFAF_FLAGS {
                        wanted.flags |= number(kind, value, offset_of(request, value))?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(wanted)
}

/// An address attribute; its length tells its family, which must be the header's.
fn ip(family: u8, value: &[u8], name: &str) -> Result<IpAddr, Refusal> {
    let (address, is) = if let Ok(octets) = <[u8; 4]>::try_from(value) {
        (IpAddr::V4(Ipv4Addr::from(octets)), AF_INET)
    } else if let Ok(octets) = <[u8; 16]>::try_from(value) {
        (IpAddr::V6(Ipv6Addr::from(octets)), AF_INET6)
    } else {
        return Err(Errno::EINVAL.into());
    };
    if is == family {
        Ok(address)
    } else {
        Err(refuse(Errno::EINVAL, format!("wrong family for {name} attribute: {family} != {is}")))
    }
}

pub(super) fn change(kernel: &mut Kernel, request: &Request<'_>, add: bool) -> Result<(), Refusal> {
    let header: [u8; 8] = request.header();
    let [family, length, ..] = header;
    let wanted = read(request, family)?;
    let number = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let index = interface(kernel, request.vnet, number)
        .ok_or_else(|| refuse(Errno::ENOENT, format!("Unable to find interface with index {number}")))?;
    let highest = if family == AF_INET { 32 } else { 128 };
    if length > highest {
        return Err(refuse(Errno::EINVAL, "invalid ifa_prefixlen"));
    }
    let address = wanted.local.or(wanted.address);
    let empty = if family == AF_INET && !add { "empty IFA_ADDRESS/IFA_LOCAL" } else { "Empty IFA_LOCAL/IFA_ADDRESS" };
    match (address, add) {
        (None, _) => Err(refuse(Errno::EINVAL, empty)),
        (Some(IpAddr::V4(address)), true) => add4(kernel, index, address, length, &wanted),
        (Some(IpAddr::V4(address)), false) => Ok(stack::remove_address4(kernel, index, Some(address))?),
        (Some(IpAddr::V6(address)), true) => add6(kernel, index, address, length, &wanted),
        (Some(IpAddr::V6(address)), false) => Ok(stack::remove_address6(kernel, index, address)?),
    }
}

fn is_point_to_point(kernel: &Kernel, index: IfIndex) -> bool {
    kernel.interfaces.get(index).is_some_and(|link| link.flags & IFF_POINTOPOINT != 0)
}

fn add4(kernel: &mut Kernel, index: IfIndex, address: Ipv4Addr, length: u8, wanted: &Wanted) -> Result<(), Refusal> {
    let v4 = |address: Option<IpAddr>| if let Some(IpAddr::V4(address)) = address { Some(address) } else { None };
    let mut peer = None;
    if is_point_to_point(kernel, index) {
        if wanted.local.is_none() || wanted.address.is_none() {
            return Err(refuse(Errno::EINVAL, "Empty IFA_LOCAL/IFA_ADDRESS"));
        }
        peer = v4(wanted.address);
    }
    let new = NewAddress4 { address, length, broadcast: v4(wanted.broadcast), peer };
    Ok(stack::add_address4(kernel, index, &new)?)
}

fn add6(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr, length: u8, wanted: &Wanted) -> Result<(), Refusal> {
    let peer = match (wanted.local, wanted.address) {
        (Some(local), Some(IpAddr::V6(peer))) if local != peer => Some(peer),
        _ => None,
    };
    let (preferred, valid) = wanted.lifetimes;
    let new = NewAddress6 { address, length, peer, flags: wanted.flags, valid, preferred };
    Ok(stack::add_address6(kernel, index, &new)?)
}
