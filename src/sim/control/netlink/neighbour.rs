//! RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH (`sys/netlink/route/neigh.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Refusal, Request, interface};
use crate::abi::flags::family::{AF_INET, AF_INET6, AF_UNSPEC};
use crate::abi::{Errno, sockaddr};
use crate::netlink::consts::{
    NDA_CACHEINFO, NDA_DST, NDA_FREEBSD, NDA_IFINDEX, NDA_LLADDR, NDA_PROBES, NDAF_NEXT_STATE_TS, NLM_F_CREATE,
    NLM_F_REPLACE, RTM_NEWNEIGH,
};
use crate::netlink::wire::{Writer, attributes};
use crate::sim::ifnet;
use crate::sim::kernel::{IfIndex, Kernel};
use crate::sim::stack::{self, Address, NeighbourView, Reachability};

/// `NTF_SELF` and `NTF_STICKY`, `NTF_ROUTER`.
const OWN: u8 = 0x02;
const STICKY: u8 = 0x40;
const ROUTER: u8 = 0x80;
/// `NUD_*`.
const INCOMPLETE: u16 = 0x01;
const REACHABLE: u16 = 0x02;
const STALE: u16 = 0x04;
const DELAY: u16 = 0x08;
const PROBE: u16 = 0x10;

pub(super) fn get(kernel: &Kernel, request: &mut Request<'_>) -> Result<(), Refusal> {
    let header: [u8; 12] = request.header();
    let mut number = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let mut wanted = None;
    for (kind, value) in request.attributes(12)? {
        match kind {
            NDA_DST => wanted = ip(value),
            NDA_IFINDEX => number = super::number(kind, value, 0)?,
            _ => {}
        }
    }
    let dump = request.is_dump();
    let flags = if dump { request.multi() } else { request.message.flags };
    let (sequence, port) = (request.message.sequence, request.port);
    let mut found = false;
    let links: Vec<IfIndex> = ifnet::present(kernel, request.vnet).map(|link| link.index).collect();
    for index in links.into_iter().filter(|index| number == 0 || u32::from(index.0) == number) {
        for neighbour in stack::neighbours(kernel, index) {
            let family = if neighbour.address.is_ipv4() { AF_INET } else { AF_INET6 };
            let is_meant = (header[0] == AF_UNSPEC || header[0] == family)
                && (dump || Some(neighbour.address) == wanted)
                && neighbour.mac.is_some();
            if is_meant {
                found = true;
                write(&mut request.answers, index, &neighbour, RTM_NEWNEIGH, flags, sequence, port);
            }
        }
    }
    if dump {
        request.done(None);
    } else if !found {
        return Err(Errno::ESRCH.into());
    }
    Ok(())
}

/// Writes a neighbour.
pub fn write(
    writer: &mut Writer,
    index: IfIndex,
    neighbour: &NeighbourView,
    message: u16,
    flags: u16,
    sequence: u32,
    port: u32,
) {
    let family = if neighbour.address.is_ipv4() { AF_INET } else { AF_INET6 };
    let state = match neighbour.state {
        Reachability::Incomplete => INCOMPLETE,
        Reachability::Stale => STALE,
        Reachability::Delay => DELAY,
        Reachability::Probe => PROBE,
        _ => REACHABLE,
    };
    let mut marks = 0;
    if matches!(neighbour.state, Reachability::Permanent) {
        marks |= STICKY;
    }
    if neighbour.own {
        marks |= OWN;
    }
    if neighbour.router {
        marks |= ROUTER;
    }
    let [low, high] = index.0.to_ne_bytes();
    let [state_low, state_high] = state.to_ne_bytes();
    let header = [family, 0, 0, 0, low, high, 0, 0, state_low, state_high, marks, 0];
    writer.begin(message, flags, sequence, port, &header);
    match neighbour.address {
        IpAddr::V4(address) => writer.attribute(NDA_DST, &address.octets()),
        IpAddr::V6(address) => writer.attribute(NDA_DST, &address.octets()),
    }
    if let Some(mac) = neighbour.mac {
        writer.attribute(NDA_LLADDR, &mac);
    }
    writer.number(NDA_PROBES, 0);
    let mut ages = [0; 16];
    ages[12] = 1;
    writer.attribute(NDA_CACHEINFO, &ages);
    let freebsd = writer.nest(NDA_FREEBSD, false);
    let seconds = neighbour.expires.map_or(0, |nanos| u32::try_from(nanos / 1_000_000_000).unwrap_or(u32::MAX));
    writer.number(NDAF_NEXT_STATE_TS, seconds);
    writer.close(freebsd);
    writer.end();
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into())
}

/// Whether an IPv4 address lies in a subnet of the interface; IPv6 ones may be anywhere.
fn is_on_link(kernel: &Kernel, index: IfIndex, address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return true };
    let Some(interface) = kernel.interfaces.get(index) else { return false };
    interface.net.addresses.iter().any(|own| match own {
        Address::V4(own) => {
            let mask = u32::from(sockaddr::mask4(own.length));
            u32::from(own.address) & mask == u32::from(address) & mask
        }
        Address::V6(_) => false,
    })
}

pub(super) fn change(kernel: &mut Kernel, request: &Request<'_>, add: bool) -> Result<(), Refusal> {
    let header: [u8; 12] = request.header();
    let mut number = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let (mut address, mut mac, mut until) = (None, None, None);
    for (kind, value) in request.attributes(12)? {
        match kind {
            NDA_DST => address = ip(value),
            NDA_LLADDR => mac = <[u8; 6]>::try_from(value).ok(),
            NDA_IFINDEX => number = super::number(kind, value, 0)?,
            NDA_FREEBSD => {
                let stamp = attributes(value, 0).find(|&(kind, _)| kind == NDAF_NEXT_STATE_TS);
                until = stamp.map(|(kind, value)| super::number(kind, value, 0)).transpose()?;
            }
            _ => {}
        }
    }
    let index = interface(kernel, request.vnet, number).ok_or(Errno::EINVAL)?;
    let address = address.ok_or(Errno::EINVAL)?;
    let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
    if family != header[0] {
        return Err(Errno::EINVAL.into());
    }
    if !add {
        return Ok(stack::neighbour_remove(kernel, index, address)?);
    }
    let mac = mac.ok_or_else(|| super::refuse(Errno::EINVAL, "NDA_LLADDR not set"))?;
    if request.message.flags & (NLM_F_CREATE | NLM_F_REPLACE) == 0 || header[10] & !(STICKY | 0x08) != 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let is_there = stack::neighbours(kernel, index).iter().any(|there| there.address == address);
    if is_there && request.message.flags & NLM_F_REPLACE == 0 {
        return Err(Errno::EEXIST.into());
    }
    if !is_on_link(kernel, index, address) {
        return Err(Errno::ENOMEM.into());
    }
    // Without STICKY and without a time the entry ends at once.
    let now = kernel.clock.now();
    let end = now + u64::from(until.unwrap_or(0)) * 1_000_000_000;
    Ok(stack::neighbour_add(kernel, index, address, mac, (header[10] & STICKY == 0).then_some(end))?)
}
