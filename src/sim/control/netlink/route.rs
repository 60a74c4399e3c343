//! RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE (`sys/netlink/route/rt.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Refusal, Request, interface, number, offset_of, refuse};
use crate::abi::Errno;
use crate::abi::flags::family::{AF_INET, AF_INET6, AF_UNSPEC};
use crate::abi::flags::{RTF_BLACKHOLE, RTF_PINNED, RTF_REJECT, RTF_STATIC};
use crate::netlink::consts::{
    NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RTA_DST, RTA_GATEWAY, RTA_KNH_ID, RTA_METRICS,
    RTA_MULTIPATH, RTA_OIF, RTA_RTFLAGS, RTA_TABLE, RTA_VIA, RTA_WEIGHT, RTAX_MTU, RTM_DELROUTE, RTM_F_PREFIX,
    RTM_NEWROUTE, RTN_BLACKHOLE, RTN_PROHIBIT, RTN_UNICAST, RTN_UNREACHABLE, RTPROT_KERNEL, RTPROT_STATIC,
};
use crate::netlink::wire::{Writer, attributes};
use crate::sim::kernel::{IfIndex, Kernel};
use crate::sim::stack::{self, AddMode, NewPath, NewRoute, Path, Prefix, Route, RouteChange, RouteFilter};

/// What a route request says.
#[derive(Default)]
struct Wanted {
    family: u8,
    length: u8,
    kind: u8,
    header_flags: u32,
    destination: Option<IpAddr>,
    gateway: Option<IpAddr>,
    interface: Option<u32>,
    table: u32,
    weight: Option<u32>,
    flags: u32,
    mtu: Option<u32>,
    hops: Vec<Way>,
}

/// One of several ways of a request.
struct Way {
    gateway: Option<IpAddr>,
    interface: Option<u32>,
    weight: u32,
}

fn read(kernel: &Kernel, request: &Request<'_>) -> Result<Wanted, Refusal> {
    let header: [u8; 12] = request.header();
    let mut wanted = Wanted {
        family: header[0],
        length: header[1],
        table: u32::from(header[4]),
        kind: header[7],
        header_flags: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
        ..Wanted::default()
    };
    for (kind, value) in request.attributes(12)? {
        let numeric = || number(kind, value, offset_of(request, value));
        match kind {
            RTA_DST => wanted.destination = Some(address(request, kind, value)?),
            RTA_GATEWAY => wanted.gateway = Some(address(request, kind, value)?),
            RTA_VIA => wanted.gateway = Some(via(value).ok_or(Errno::EINVAL)?),
            RTA_OIF => wanted.interface = Some(known_interface(kernel, request, value, numeric()?)?),
            RTA_TABLE => wanted.table = Some(numeric()?).filter(|&table| table != 0).unwrap_or(wanted.table),
            RTA_WEIGHT => wanted.weight = Some(numeric()?),
            RTA_RTFLAGS => wanted.flags = numeric()?,
            RTA_METRICS => {
                for (kind, value) in attributes(value, 0) {
                    if kind == RTAX_MTU {
                        wanted.mtu = Some(number(kind, value, offset_of(request, value))?);
                    }
                }
            }
            RTA_MULTIPATH => wanted.hops = multipath(value).ok_or(Errno::EINVAL)?,
            _ => {}
        }
    }
    Ok(wanted)
}

fn address(request: &Request<'_>, kind: u16, value: &[u8]) -> Result<IpAddr, Refusal> {
    ip(value).ok_or_else(|| Refusal {
        errno: Errno::EOPNOTSUPP,
        text: Some(format!("unknown IP len: {} for rta type {kind}", value.len())),
        offset: u32::try_from(offset_of(request, value)).ok(),
    })
}

fn known_interface(kernel: &Kernel, request: &Request<'_>, value: &[u8], index: u32) -> Result<u32, Refusal> {
    if index == 0 || interface(kernel, request.vnet, index).is_some() {
        return Ok(index);
    }
    Err(Refusal {
        errno: Errno::ENOENT,
        text: Some(format!("nla type {RTA_OIF}: ifindex {index} invalid")),
        offset: u32::try_from(offset_of(request, value)).ok(),
    })
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into())
}

/// `struct rtvia`: one octet of family, then the address.
fn via(value: &[u8]) -> Option<IpAddr> {
    let (&family, octets) = value.split_first()?;
    let address = ip(octets)?;
    (family == if address.is_ipv4() { AF_INET } else { AF_INET6 }).then_some(address)
}

/// `struct rtnexthop` after `struct rtnexthop`.
fn multipath(mut value: &[u8]) -> Option<Vec<Way>> {
    let mut hops = Vec::new();
    while let Some(&[low, high, _, weight, a, b, c, d]) = value.first_chunk::<8>() {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let one = value.get(..length).filter(|one| one.len() >= 8)?;
        let gateway = attributes(one, 8).find(|&(kind, _)| kind == RTA_GATEWAY).and_then(|(_, value)| ip(value));
        let interface = Some(u32::from_ne_bytes([a, b, c, d])).filter(|&index| index != 0);
        hops.push(Way { gateway, interface, weight: u32::from(weight.max(1)) });
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(hops)
}

impl Wanted {
    /// The prefix that is meant; host bits are cut off.
    fn prefix(&self, kernel: &Kernel, request: &Request<'_>) -> Result<Prefix, Errno> {
        let destination = self.destination.ok_or(Errno::EINVAL)?;
        let family = if destination.is_ipv4() { AF_INET } else { AF_INET6 };
        if self.family != family {
            return Err(Errno::EINVAL);
        }
        Prefix::new(destination, self.length, self.scope(kernel, request)).ok_or(Errno::EINVAL)
    }

    fn scope(&self, kernel: &Kernel, request: &Request<'_>) -> Option<IfIndex> {
        interface(kernel, request.vnet, self.interface?)
    }

    fn check_table(&self) -> Result<(), Refusal> {
        if self.table == 0 { Ok(()) } else { Err(refuse(Errno::EINVAL, "invalid fib")) }
    }
}

fn path(
    kernel: &Kernel,
    request: &Request<'_>,
    gateway: Option<IpAddr>,
    index: Option<u32>,
    weight: u32,
) -> Result<NewPath, Refusal> {
    let scoped = matches!(gateway, Some(gateway) if stack::needs_scope(gateway));
    let interface = match index {
        None if scoped => return Err(refuse(Errno::EINVAL, "interface not set")),
        None => None,
        Some(index) => Some(interface(kernel, request.vnet, index).ok_or(Errno::ENOENT)?),
    };
    Ok(NewPath { gateway, interface, weight })
}

pub(super) fn new(kernel: &mut Kernel, request: &mut Request<'_>) -> Result<(), Refusal> {
    let wanted = read(kernel, request)?;
    if wanted.destination.is_none() {
        return Err(Errno::EINVAL.into());
    }
    wanted.check_table()?;
    let prefix = wanted.prefix(kernel, request)?;
    let mut flags = wanted.flags & RTF_STATIC;
    match wanted.kind {
        RTN_BLACKHOLE => flags |= RTF_BLACKHOLE,
        RTN_PROHIBIT | RTN_UNREACHABLE => flags |= RTF_REJECT,
        _ => {}
    }
    let mut paths = Vec::new();
    for way in &wanted.hops {
        paths.push(path(kernel, request, way.gateway, way.interface, way.weight)?);
    }
    // A route that goes nowhere needs no way.
    let goes_nowhere = flags & (RTF_BLACKHOLE | RTF_REJECT) != 0;
    if paths.is_empty() && !goes_nowhere {
        if wanted.gateway.is_none() && wanted.interface.is_none() {
            return Err(Errno::EINVAL.into());
        }
        paths.push(path(kernel, request, wanted.gateway, wanted.interface, wanted.weight.unwrap_or(1))?);
    }
    let has = |flag: u16| request.message.flags & flag != 0;
    let mode = AddMode { create: has(NLM_F_CREATE), replace: has(NLM_F_REPLACE), append: has(NLM_F_APPEND) };
    let new = NewRoute { prefix, paths, flags, mtu: wanted.mtu };
    let changed = stack::route_add(kernel, request.vnet, &new, mode).map_err(unreachable_is_invalid)?;
    retag(request, &changed);
    Ok(())
}

/// What PF_ROUTE calls unreachable is invalid here.
fn unreachable_is_invalid(errno: Errno) -> Refusal {
    if errno == Errno::ENETUNREACH { Errno::EINVAL.into() } else { errno.into() }
}

/// The kernel writes its notification into the request's header, and the acknowledgement repeats it
/// (`sys/netlink/route/rt.c`, report_operation).
fn retag(request: &mut Request<'_>, change: &RouteChange) {
    request.flags &= !(NLM_F_REPLACE | NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND);
    match (&change.before, &change.after) {
        (None, _) => {
            request.kind = RTM_NEWROUTE;
            request.flags |= NLM_F_CREATE | NLM_F_EXCL;
        }
        (Some(_), Some(_)) => {
            request.kind = RTM_NEWROUTE;
            request.flags |= NLM_F_REPLACE;
        }
        (Some(_), None) => request.kind = RTM_DELROUTE,
    }
}

pub(super) fn delete(kernel: &mut Kernel, request: &mut Request<'_>) -> Result<(), Refusal> {
    let wanted = read(kernel, request)?;
    if wanted.destination.is_none() {
        return Err(refuse(Errno::ESRCH, "RTA_DST is not set"));
    }
    let prefix = wanted.prefix(kernel, request)?;
    let filter = RouteFilter {
        gateway: wanted.gateway,
        interface: wanted.scope(kernel, request),
        pinned: wanted.flags & RTF_PINNED != 0,
    };
    let changed = stack::route_delete(kernel, request.vnet, &prefix, &filter)?;
    retag(request, &changed);
    Ok(())
}

pub(super) fn get(kernel: &Kernel, request: &mut Request<'_>) -> Result<(), Refusal> {
    let wanted = read(kernel, request)?;
    let (flags, sequence, port) = (request.multi(), request.message.sequence, request.port);
    if request.is_dump() {
        wanted.check_table()?;
        for (family, v6) in [(AF_INET, false), (AF_INET6, true)] {
            if wanted.family != AF_UNSPEC && wanted.family != family {
                continue;
            }
            for route in stack::routes(kernel, request.vnet, v6) {
                write(&mut request.answers, &route.prefix, &route.paths, route.id, RTM_NEWROUTE, flags, sequence, port);
            }
        }
        request.done(None);
        return Ok(());
    }
    let destination = wanted.destination.ok_or_else(|| refuse(Errno::EINVAL, "No RTA_DST supplied"))?;
    let found = if wanted.header_flags & RTM_F_PREFIX == 0 {
        stack::route_lookup(kernel, request.vnet, destination, wanted.scope(kernel, request))
    } else {
        stack::route_exact(kernel, request.vnet, &wanted.prefix(kernel, request)?)
    };
    let route: &Route = found.ok_or(Errno::ESRCH)?;
    let mut chosen = route.paths.first().cloned().ok_or(Errno::ESRCH)?;
    if route.paths.len() > 1 {
        // One of several is told without its share.
        chosen.weight = 0;
    }
    let only = std::slice::from_ref(&chosen);
    let flags = request.message.flags;
    write(&mut request.answers, &route.prefix, only, chosen.id, RTM_NEWROUTE, flags, sequence, port);
    request.kind = RTM_NEWROUTE;
    Ok(())
}

/// Writes a route with these of its paths; `id` is the number of their next hop or group.
#[expect(clippy::too_many_arguments, reason = "the fields of one header")]
pub fn write(
    writer: &mut Writer,
    prefix: &Prefix,
    paths: &[Path],
    id: u32,
    message: u16,
    flags: u16,
    sequence: u32,
    port: u32,
) {
    let Some(first) = paths.first() else { return };
    let route_flags = first.hop.flags;
    let protocol = if route_flags & RTF_STATIC != 0 { RTPROT_STATIC } else { RTPROT_KERNEL };
    let kind = if route_flags & RTF_BLACKHOLE != 0 {
        RTN_BLACKHOLE
    } else if route_flags & RTF_REJECT != 0 {
        RTN_PROHIBIT
    } else {
        RTN_UNICAST
    };
    let family = if prefix.address.is_ipv4() { AF_INET } else { AF_INET6 };
    let header = [family, prefix.length, 0, 0, 0, protocol, 0, kind, 0, 0, 0, 0];
    writer.begin(message, flags, sequence, port, &header);
    writer.number(RTA_TABLE, 0);
    writer.attribute(RTA_DST, &octets(prefix.address));
    if let ([only], Some(gateway)) = (paths, first.hop.gateway) {
        if gateway.is_ipv4() == prefix.address.is_ipv4() {
            writer.attribute(RTA_GATEWAY, &octets(gateway));
        } else {
            let mut via = vec![if gateway.is_ipv4() { AF_INET } else { AF_INET6 }];
            via.extend(octets(gateway));
            writer.attribute(RTA_VIA, &via);
        }
        debug_assert_eq!(only.id, first.id);
    }
    writer.number(RTA_KNH_ID, id);
    writer.number(RTA_RTFLAGS, route_flags);
    if let Some(mtu) = first.hop.mtu {
        let metrics = writer.nest(RTA_METRICS, false);
        writer.number(RTAX_MTU, mtu);
        writer.close(metrics);
    }
    if let [only] = paths {
        writer.number(RTA_OIF, u32::from(only.hop.interface.0));
        if only.weight != 1 {
            writer.number(RTA_WEIGHT, only.weight);
        }
    } else {
        let several = writer.nest(RTA_MULTIPATH, false);
        for path in paths {
            write_hop(writer, path);
        }
        writer.close(several);
    }
    writer.end();
}

/// `struct rtnexthop` with its gateway.
fn write_hop(writer: &mut Writer, path: &Path) {
    let mut hop = vec![0, 0, 0, u8::try_from(path.weight).unwrap_or(u8::MAX)];
    hop.extend_from_slice(&u32::from(path.hop.interface.0).to_ne_bytes());
    if let Some(gateway) = path.hop.gateway {
        let octets = octets(gateway);
        let length = u16::try_from(octets.len() + 4).unwrap_or(u16::MAX);
        hop.extend_from_slice(&length.to_ne_bytes());
        hop.extend_from_slice(&RTA_GATEWAY.to_ne_bytes());
        hop.extend_from_slice(&octets);
    }
    let length = u16::try_from(hop.len()).unwrap_or(u16::MAX);
    hop[..2].copy_from_slice(&length.to_ne_bytes());
    writer.raw(&hop);
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
