//! IPv4: what comes in, what is passed on, what goes out (`sys/netinet/ip_input.c`, `ip_fastfwd.c`, `ip_output.c`).
//!
//! Nothing is fragmented: where the MTU is too small the sender is told, whether it forbade fragments or not.

use std::net::{IpAddr, Ipv4Addr};

use super::address::{self, IFF_BROADCAST, IFF_LOOPBACK, IFF_UP};
use super::packet::{self, Header4, PROTOCOL_ICMP};
use super::route::{RTF_BLACKHOLE, RTF_HOST, RTF_REJECT, path_mtu};
use super::table::{NextHop, Path};
use super::wire::{self, BROADCAST};
use super::{Sysctl, icmp4, prefix, sysctl};
use crate::abi::Errno;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

/// A packet of this host's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing4<'a> {
    /// Chosen by the route if not given.
    pub source: Option<Ipv4Addr>,
    pub destination: Ipv4Addr,
    pub protocol: u8,
    /// net.inet.ip.ttl if not given.
    pub ttl: Option<u8>,
    pub payload: &'a [u8],
}

/// A packet came in; `group` tells that its frame was sent to several.
pub(super) fn input(kernel: &mut Kernel, index: IfIndex, mut bytes: Vec<u8>, group: bool) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let Some(header) = packet::read4(&bytes) else {
        interface.net.counters.input_errors += 1;
        return;
    };
    bytes.truncate(header.total);
    let (vnet, is_loopback) = (interface.vnet, interface.flags & IFF_LOOPBACK != 0);
    let (from, to) = (header.source, header.destination);
    if (to.is_loopback() || from.is_loopback()) && !is_loopback {
        return;
    }
    if is_own(kernel, vnet, to) {
        deliver(kernel, index, &header, &bytes, false);
    } else if to.is_multicast() || is_broadcast_at(kernel, index, to) {
        deliver(kernel, index, &header, &bytes, true);
    } else if sysctl(kernel, vnet, Sysctl::Forwarding4) != 0 && !group && can_forward(to) && !from.is_unspecified() {
        forward(kernel, index, vnet, &header, bytes);
    }
}

/// Sends a packet of this host's own.
///
/// # Errors
/// `EHOSTUNREACH` no route or one that rejects, `ENETDOWN` the interface is down, `EMSGSIZE` larger than its MTU,
/// `EADDRNOTAVAIL` no address to send from, `EHOSTDOWN` the neighbour does not answer.
pub(super) fn output(kernel: &mut Kernel, vnet: VnetId, out: &Outgoing4<'_>) -> Result<(), Errno> {
    let seed = out.source.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let path = path_to(kernel, vnet, seed, out.destination, out.protocol).ok_or(Errno::EHOSTUNREACH)?;
    if path.hop.flags & RTF_BLACKHOLE != 0 {
        return Ok(());
    }
    if path.hop.flags & RTF_REJECT != 0 {
        return Err(Errno::EHOSTUNREACH);
    }
    let source = match out.source {
        Some(source) => source,
        None => source_for(kernel, vnet, &path.hop, out.destination).ok_or(Errno::EADDRNOTAVAIL)?,
    };
    let default = u8::try_from(sysctl(kernel, vnet, Sysctl::Ttl)).unwrap_or(64);
    let id = super::next_id(kernel, vnet);
    let ttl = out.ttl.unwrap_or(default);
    let bytes =
        packet::build4(source, out.destination, out.protocol, ttl, (id, 0), out.payload).ok_or(Errno::EMSGSIZE)?;
    if bytes.len() > mtu(kernel, &path) {
        return Err(Errno::EMSGSIZE);
    }
    send_by(kernel, &path.hop, out.destination, bytes)
}

/// Whether the kernel finds an address to send from for a jail's socket that has none: it asks before it looks for the
/// way, and says `ENETUNREACH` (`sys/netinet/raw_ip.c`, `sys/netinet/in_pcb.c:in_pcbladdr`).
pub(super) fn has_source(kernel: &Kernel, vnet: VnetId, to: Ipv4Addr, protocol: u8) -> bool {
    let Some(path) = path_to(kernel, vnet, Ipv4Addr::UNSPECIFIED, to, protocol) else {
        // An interface that is down has no route, and still its network.
        let covers = |a: &address::Address4| to.to_bits() & prefix::mask4(a.length) == a.network().to_bits();
        return address::members(kernel, vnet)
            .filter_map(|index| kernel.interfaces.get(index))
            .flat_map(address::v4)
            .any(covers);
    };
    path.hop.flags & (RTF_BLACKHOLE | RTF_REJECT) == 0
}

/// Whether the address is one of the vnet's own, by its host route.
pub(super) fn is_own(kernel: &Kernel, vnet: VnetId, address: Ipv4Addr) -> bool {
    let host = super::Prefix::host(IpAddr::V4(address), None);
    super::route_exact(kernel, vnet, &host).is_some_and(|route| {
        route.is_pinned()
            && route.paths.first().is_some_and(|path| {
                path.hop.source.is_some()
                    || kernel.interfaces.get(path.hop.interface).is_some_and(|i| i.flags & IFF_LOOPBACK != 0)
            })
    })
}

fn deliver(kernel: &mut Kernel, index: IfIndex, header: &Header4, bytes: &[u8], to_many: bool) {
    // The offset or "more fragments": there is no reassembly.
    if header.protocol == PROTOCOL_ICMP && header.flags & 0x3fff == 0 {
        icmp4::input(kernel, index, header, bytes, to_many);
    }
}

fn forward(kernel: &mut Kernel, index: IfIndex, vnet: VnetId, header: &Header4, mut bytes: Vec<u8>) {
    if header.ttl <= 1 {
        icmp4::error(kernel, vnet, &bytes, icmp4::Problem::TimeExceeded);
        return;
    }
    let Some(path) = path_to(kernel, vnet, header.source, header.destination, header.protocol) else {
        icmp4::error(kernel, vnet, &bytes, icmp4::Problem::HostUnreachable);
        return;
    };
    if path.hop.flags & RTF_BLACKHOLE != 0 || is_broadcast_at(kernel, path.hop.interface, header.destination) {
        return;
    }
    let usable = kernel.interfaces.get(path.hop.interface).is_some_and(|out| out.flags & IFF_UP != 0 && out.link_up);
    if path.hop.flags & RTF_REJECT != 0 || !usable {
        icmp4::error(kernel, vnet, &bytes, icmp4::Problem::HostUnreachable);
        return;
    }
    let mtu = mtu(kernel, &path);
    if bytes.len() > mtu {
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
        icmp4::error(kernel, vnet, &bytes, icmp4::Problem::FragmentationNeeded(mtu));
        return;
    }
    let original = bytes.get(..header.header + packet::ICMP_HEADER).map(<[u8]>::to_vec);
    decrement_ttl(&mut bytes, header.header);
    if send_by(kernel, &path.hop, header.destination, bytes).is_err()
        && let Some(original) = original
    {
        icmp4::error(kernel, vnet, &original, icmp4::Problem::HostUnreachable);
        if let Some(interface) = kernel.interfaces.get_mut(index) {
            interface.net.counters.input_drops += 1;
        }
    }
}

/// The path for a flow, if any route covers the destination.
fn path_to(kernel: &Kernel, vnet: VnetId, from: Ipv4Addr, to: Ipv4Addr, protocol: u8) -> Option<Path> {
    let route = super::route_lookup(kernel, vnet, IpAddr::V4(to), None)?;
    let hash = if route.paths.len() > 1 { packet::flow_hash(from.into(), to.into(), protocol) } else { 0 };
    route.select(hash).copied()
}

fn send_by(kernel: &mut Kernel, hop: &NextHop, to: Ipv4Addr, bytes: Vec<u8>) -> Result<(), Errno> {
    if is_broadcast_at(kernel, hop.interface, to) {
        wire::send_to(kernel, hop.interface, BROADCAST, &bytes);
        return Ok(());
    }
    if to.is_multicast() {
        let [_, b, c, d] = to.octets();
        wire::send_to(kernel, hop.interface, [0x01, 0x00, 0x5e, b & 0x7f, c, d], &bytes);
        return Ok(());
    }
    wire::emit(kernel, hop.interface, hop.gateway.unwrap_or(IpAddr::V4(to)), bytes)
}

/// The address a packet by this route comes from: the destination itself if it is our own, else the interface's
/// address in the subnet of the next hop, else its first, else the first one of the vnet.
pub(super) fn source_for(kernel: &Kernel, vnet: VnetId, hop: &NextHop, to: Ipv4Addr) -> Option<Ipv4Addr> {
    let out = kernel.interfaces.get(hop.interface)?;
    if out.flags & IFF_LOOPBACK != 0 && hop.flags & RTF_HOST != 0 {
        return Some(to);
    }
    let next = match hop.gateway {
        Some(IpAddr::V4(gateway)) => gateway,
        _ => to,
    };
    let covers = |a: &&address::Address4| next.to_bits() & prefix::mask4(a.length) == a.network().to_bits();
    address::v4(out).find(covers).or_else(|| address::v4(out).next()).map(|a| a.address).or_else(|| {
        address::members(kernel, vnet)
            .filter_map(|index| kernel.interfaces.get(index))
            .flat_map(address::v4)
            .map(|a| a.address)
            .find(|a| !a.is_loopback())
    })
}

/// Whether an address means everybody on the interface's link.
fn is_broadcast_at(kernel: &Kernel, index: IfIndex, to: Ipv4Addr) -> bool {
    kernel.interfaces.get(index).is_some_and(|interface| {
        interface.flags & IFF_BROADCAST != 0
            && (to.is_broadcast() || address::v4(interface).any(|a| a.length < 31 && a.broadcast == Some(to)))
    })
}

/// Whether such a destination is ever passed on (`sys/netinet/in.c`, in_canforward).
fn can_forward(to: Ipv4Addr) -> bool {
    let [first, ..] = to.octets();
    !(first == 0 || first >= 224 || to.is_loopback() || to.is_link_local())
}

fn mtu(kernel: &Kernel, path: &Path) -> usize {
    usize::try_from(path_mtu(kernel, path)).unwrap_or(usize::MAX)
}

fn decrement_ttl(bytes: &mut [u8], header: usize) {
    if let Some(ttl) = bytes.get_mut(8) {
        *ttl = ttl.saturating_sub(1);
    }
    if let Some(head) = bytes.get_mut(..header) {
        head[10..12].fill(0);
        let sum = packet::checksum(head, 0);
        head[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}
