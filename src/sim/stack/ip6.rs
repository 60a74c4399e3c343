//! IPv6: what comes in, what is passed on, what goes out (`sys/netinet6/ip6_input.c`, `ip6_fastfwd.c`,
//! `ip6_output.c`, `in6_src.c`).

use std::net::{IpAddr, Ipv6Addr};

use super::address::{self, Address6, IFF_LOOPBACK, IFF_UP, IN6_IFF_ANYCAST};
use super::interface::Nd6;
use super::packet::{self, Header6, PROTOCOL_ICMPV6};
use super::route::{RTF_BLACKHOLE, RTF_HOST, RTF_REJECT, path_mtu};
use super::table::{NextHop, Path};
use super::{Prefix, Sysctl, icmp6, nd, needs_scope, prefix, raw, sysctl, wire};
use crate::abi::Errno;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

/// A packet of this host's own. The checksum of ICMPv6 is written when the source is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing6<'a> {
    /// Chosen by the route if not given.
    pub source: Option<Ipv6Addr>,
    pub destination: Ipv6Addr,
    /// Of a link-local destination.
    pub scope: Option<IfIndex>,
    pub next: u8,
    /// net.inet6.ip6.hlim if not given.
    pub hop_limit: Option<u8>,
    pub payload: &'a [u8],
}

/// A packet came in; `group` tells that its frame was sent to several.
pub(super) fn input(kernel: &mut Kernel, index: IfIndex, mut bytes: Vec<u8>, group: bool) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let Some(header) = packet::read6(&bytes) else {
        interface.net.counters.input_errors += 1;
        return;
    };
    bytes.truncate(header.total);
    let (vnet, is_loopback) = (interface.vnet, interface.flags & IFF_LOOPBACK != 0);
    let (from, to) = (header.source, header.destination);
    let on_wire = !is_loopback && (from.is_loopback() || to.is_loopback());
    if interface.net.nd6.contains(Nd6::IFDISABLED) || from.is_multicast() || to.is_unspecified() || on_wire {
        return;
    }
    if to.is_multicast() {
        if listens(kernel, index, to) {
            deliver(kernel, index, index, &header, &bytes);
        }
        return;
    }
    if let Some((holder, usable)) = holder(kernel, vnet, to, index) {
        if usable {
            // What came through lo0 to a link-local address belongs to the link of its holder.
            let link = if is_loopback { holder } else { index };
            deliver(kernel, index, link, &header, &bytes);
        }
    } else if sysctl(kernel, vnet, Sysctl::Forwarding6) != 0
        && !group
        && !needs_scope(IpAddr::V6(to))
        && !needs_scope(IpAddr::V6(from))
        && !from.is_unspecified()
    {
        forward(kernel, index, vnet, &header, bytes);
    }
}

/// Sends a packet of this host's own.
///
/// # Errors
/// `EHOSTUNREACH` no route, or a link-local destination without its interface; `EADDRNOTAVAIL` no usable address,
/// `ENETDOWN` the interface is down, `EMSGSIZE` larger than its MTU.
pub(super) fn output(kernel: &mut Kernel, vnet: VnetId, out: &Outgoing6<'_>) -> Result<(), Errno> {
    let seed = out.source.unwrap_or(Ipv6Addr::UNSPECIFIED);
    let path = if out.destination.is_multicast() {
        let interface = out.scope.ok_or(Errno::EHOSTUNREACH)?;
        let hop = NextHop { gateway: None, interface, flags: 0, mtu: None, source: None };
        Path { hop, weight: 1, id: 0 }
    } else {
        path_to(kernel, vnet, seed, out.destination, out.scope, out.next).ok_or(Errno::EHOSTUNREACH)?
    };
    let interface = kernel.interfaces.get(path.hop.interface).filter(|interface| interface.vnet == vnet);
    let interface = interface.ok_or(Errno::EHOSTUNREACH)?;
    if path.hop.flags & RTF_BLACKHOLE != 0 {
        return Ok(());
    }
    if path.hop.flags & RTF_REJECT != 0 {
        return Err(Errno::EHOSTUNREACH);
    }
    if interface.flags & IFF_UP == 0 || interface.net.nd6.contains(Nd6::IFDISABLED) {
        return Err(Errno::ENETDOWN);
    }
    let source = match out.source {
        Some(source) => source,
        None => source_for(kernel, vnet, &path.hop, out.destination).ok_or(Errno::EADDRNOTAVAIL)?,
    };
    let default = u8::try_from(sysctl(kernel, vnet, Sysctl::HopLimit)).unwrap_or(64);
    let hop_limit = out.hop_limit.unwrap_or(default);
    let mut payload = out.payload.to_vec();
    if out.next == PROTOCOL_ICMPV6 {
        raw::checksum6(&mut payload, source, out.destination);
    }
    let bytes = packet::build6(source, out.destination, out.next, hop_limit, &payload).ok_or(Errno::EMSGSIZE)?;
    if bytes.len() > mtu(kernel, &path) {
        return Err(Errno::EMSGSIZE);
    }
    send_by(kernel, &path.hop, out.destination, bytes)
}

/// The interface that has an address, and whether it is past duplicate detection.
fn holder(kernel: &Kernel, vnet: VnetId, address: Ipv6Addr, scope: IfIndex) -> Option<(IfIndex, bool)> {
    let path = host_path(kernel, vnet, address, scope)?;
    let holder = path.hop.source.unwrap_or(path.hop.interface);
    let found = address::v6(kernel.interfaces.get(holder)?).find(|a| a.address == address)?;
    Some((holder, found.is_usable()))
}

/// The host route of an own address. Link-local ones arriving through lo0 were sent to another interface's: the
/// scope is then that of whichever interface has the address.
fn host_path(kernel: &Kernel, vnet: VnetId, address: Ipv6Addr, scope: IfIndex) -> Option<Path> {
    let own = |scope| {
        let route = super::route_exact(kernel, vnet, &Prefix::host(IpAddr::V6(address), Some(scope)))?;
        route.paths.first().filter(|_| route.is_pinned()).copied()
    };
    own(scope).or_else(|| {
        let through_loopback = super::loopback(kernel, vnet) == Some(scope) && needs_scope(IpAddr::V6(address));
        let holder = through_loopback.then(|| super::own_address(kernel, vnet, IpAddr::V6(address), None))?;
        own(holder?)
    })
}

/// Whether an interface listens to a group: all nodes, all routers if it is one, its solicited-node groups.
fn listens(kernel: &Kernel, index: IfIndex, group: Ipv6Addr) -> bool {
    let Some(interface) = kernel.interfaces.get(index) else { return false };
    match group.segments() {
        [0xff01 | 0xff02, 0, 0, 0, 0, 0, 0, 1] => true,
        [0xff01 | 0xff02 | 0xff05, 0, 0, 0, 0, 0, 0, 2] => sysctl(kernel, interface.vnet, Sysctl::Forwarding6) != 0,
        _ => address::v6(interface).any(|address| nd::solicited_node(address.address) == group),
    }
}

fn deliver(kernel: &mut Kernel, index: IfIndex, link: IfIndex, header: &Header6, bytes: &[u8]) {
    if header.next == PROTOCOL_ICMPV6 {
        icmp6::input(kernel, index, link, header, bytes);
    }
}

fn forward(kernel: &mut Kernel, index: IfIndex, vnet: VnetId, header: &Header6, mut bytes: Vec<u8>) {
    if header.hop_limit <= 1 {
        icmp6::error(kernel, vnet, &bytes, icmp6::Problem::TimeExceeded, index);
        return;
    }
    let Some(path) = path_to(kernel, vnet, header.source, header.destination, None, header.next) else {
        icmp6::error(kernel, vnet, &bytes, icmp6::Problem::NoRoute, index);
        return;
    };
    if path.hop.flags & RTF_BLACKHOLE != 0 {
        return;
    }
    if path.hop.flags & RTF_REJECT != 0 {
        icmp6::error(kernel, vnet, &bytes, icmp6::Problem::Rejected, index);
        return;
    }
    let usable = kernel
        .interfaces
        .get(path.hop.interface)
        .is_some_and(|out| out.flags & IFF_UP != 0 && !out.net.nd6.contains(Nd6::IFDISABLED));
    if !usable {
        icmp6::error(kernel, vnet, &bytes, icmp6::Problem::NoRoute, index);
        return;
    }
    let mtu = mtu(kernel, &path);
    if bytes.len() > mtu {
        let mtu = u32::try_from(mtu).unwrap_or(u32::MAX);
        icmp6::error(kernel, vnet, &bytes, icmp6::Problem::TooBig(mtu), index);
        return;
    }
    if let Some(hop_limit) = bytes.get_mut(7) {
        *hop_limit -= 1;
    }
    // What can fail later is told by the neighbour's timer.
    let _ = send_by(kernel, &path.hop, header.destination, bytes);
}

fn path_to(
    kernel: &Kernel,
    vnet: VnetId,
    from: Ipv6Addr,
    to: Ipv6Addr,
    scope: Option<IfIndex>,
    next: u8,
) -> Option<Path> {
    if needs_scope(IpAddr::V6(to)) && scope.is_none() {
        return None;
    }
    let route = super::route_lookup(kernel, vnet, IpAddr::V6(to), scope)?;
    let hash = if route.paths.len() > 1 { packet::flow_hash(from.into(), to.into(), next) } else { 0 };
    route.select(hash).copied()
}

fn send_by(kernel: &mut Kernel, hop: &NextHop, to: Ipv6Addr, bytes: Vec<u8>) -> Result<(), Errno> {
    if to.is_multicast() {
        wire::send_to(kernel, hop.interface, nd::group_mac(to), &bytes);
        return Ok(());
    }
    wire::emit(kernel, hop.interface, hop.gateway.unwrap_or(IpAddr::V6(to)), bytes)
}

/// The source for a destination: the destination itself if it is our own; of the outgoing interface's addresses the
/// best of sufficient scope; else the best of the vnet; else whatever the interface has.
pub(super) fn source_for(kernel: &Kernel, vnet: VnetId, hop: &NextHop, to: Ipv6Addr) -> Option<Ipv6Addr> {
    let out = kernel.interfaces.get(hop.interface)?;
    if out.flags & IFF_LOOPBACK != 0 && hop.flags & RTF_HOST != 0 {
        return Some(to);
    }
    let now = kernel.clock.now();
    let link_local = needs_scope(IpAddr::V6(to));
    let usable = |a: &&Address6| a.is_usable() && a.flags & IN6_IFF_ANYCAST == 0;
    // Smaller is better: the destination's own scope, not deprecated, many bits in common.
    let rank = |a: &&Address6| {
        let same_scope = needs_scope(IpAddr::V6(a.address)) == link_local;
        let common = (prefix::bits(IpAddr::V6(a.address), None) ^ prefix::bits(IpAddr::V6(to), None)).leading_zeros();
        (!same_scope, a.is_deprecated(now), 128 - common)
    };
    let wide_enough = |a: &&Address6| link_local || !needs_scope(IpAddr::V6(a.address)) && !a.address.is_loopback();
    let own = || address::v6(out).filter(usable);
    let elsewhere = || {
        address::members(kernel, vnet)
            .filter_map(|index| kernel.interfaces.get(index))
            .flat_map(address::v6)
            .filter(usable)
            .filter(wide_enough)
            .filter(|a| !needs_scope(IpAddr::V6(a.address)))
            .min_by_key(rank)
    };
    own().filter(wide_enough).min_by_key(rank).or_else(elsewhere).or_else(|| own().next()).map(|a| a.address)
}

/// The source that packets to `to` would have: what connect(2) of a datagram socket finds out.
///
/// # Errors
/// `EHOSTUNREACH` no route, `EADDRNOTAVAIL` no usable address.
pub(super) fn source_address(
    kernel: &Kernel,
    vnet: VnetId,
    to: Ipv6Addr,
    scope: Option<IfIndex>,
) -> Result<Ipv6Addr, Errno> {
    let path = path_to(kernel, vnet, Ipv6Addr::UNSPECIFIED, to, scope, 0).ok_or(Errno::EHOSTUNREACH)?;
    source_for(kernel, vnet, &path.hop, to).ok_or(Errno::EADDRNOTAVAIL)
}

fn mtu(kernel: &Kernel, path: &Path) -> usize {
    usize::try_from(path_mtu(kernel, path)).unwrap_or(usize::MAX)
}
