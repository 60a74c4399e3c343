//! Raw ICMP sockets (`sys/netinet/raw_ip.c`, `sys/netinet6/raw_ip6.c`).

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ip4::{self, Outgoing4};
use super::ip6::{self, Outgoing6};
use super::packet::{self, ICMP_HEADER, PROTOCOL_ICMP, PROTOCOL_ICMPV6};
use crate::abi::Errno;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};
use crate::sim::sockets::{Protocol, SockId};

/// Octets that may wait in a socket; more is dropped, as with a receive buffer of that size.
const MOST_WAITING: usize = 8 << 20;

/// What waits in a raw ICMP socket, and its options.
#[derive(Clone, Debug, Default)]
pub struct RawSocket {
    /// `IP_TTL`, `IPV6_UNICAST_HOPS`: of packets sent by it, if not the vnet's own.
    pub ttl: Option<u8>,
    waiting: VecDeque<RawPacket>,
    octets: usize,
}

/// What recvmsg(2) gives of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPacket {
    /// The source.
    pub from: IpAddr,
    /// TTL or hop limit with which it arrived (for IPv6 the control message `IPV6_HOPLIMIT`).
    pub hops: u8,
    /// The IPv4 packet or the ICMPv6 message.
    pub bytes: Vec<u8>,
}

impl RawSocket {
    fn push(&mut self, from: IpAddr, hops: u8, bytes: &[u8]) {
        if self.octets.saturating_add(bytes.len()) <= MOST_WAITING {
            self.octets += bytes.len();
            self.waiting.push_back(RawPacket { from, hops, bytes: bytes.to_vec() });
        }
    }

    fn pop(&mut self) -> Option<RawPacket> {
        let packet = self.waiting.pop_front()?;
        self.octets -= packet.bytes.len();
        Some(packet)
    }

    /// Whether something waits.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// sendto(2) on a raw ICMP socket. The checksum of an ICMPv6 message is written by the kernel, that of an ICMP
/// message is the caller's.
///
/// # Errors
/// `EBADF` no such socket, `EAFNOSUPPORT` an address of the other family, `EINVAL` no whole ICMP header, and those
/// of sending: `EHOSTUNREACH` without a route (`ENETUNREACH` in a jail, for IPv4), `EADDRNOTAVAIL` without an address to send from, `ENETDOWN`,
/// `EMSGSIZE` larger than the MTU, `EHOSTDOWN` the neighbour does not answer.
pub fn raw_send(kernel: &mut Kernel, sock: SockId, to: IpAddr, scope: u32, message: &[u8]) -> Result<(), Errno> {
    let socket = kernel.sockets.open.get(&sock).ok_or(Errno::EBADF)?;
    let vnet = socket.vnet;
    if message.len() < ICMP_HEADER {
        return Err(Errno::EINVAL);
    }
    match (&socket.protocol, to) {
        (Protocol::Icmp(options), IpAddr::V4(destination)) => {
            let ttl = options.ttl;
            if socket.jail.is_some() && !ip4::has_source(kernel, vnet, destination, PROTOCOL_ICMP) {
                return Err(Errno::ENETUNREACH);
            }
            let out = Outgoing4 { source: None, destination, protocol: PROTOCOL_ICMP, ttl, payload: message };
            ip4::output(kernel, vnet, &out)
        }
        (Protocol::Icmp6(options), IpAddr::V6(destination)) => {
            let hop_limit = options.ttl;
            let scope = u16::try_from(scope).ok().filter(|index| *index != 0).map(IfIndex);
            let out =
                Outgoing6 { source: None, destination, scope, next: PROTOCOL_ICMPV6, hop_limit, payload: message };
            ip6::output(kernel, vnet, &out)
        }
        (Protocol::Icmp(_) | Protocol::Icmp6(_), _) => Err(Errno::EAFNOSUPPORT),
        _ => Err(Errno::EBADF),
    }
}

/// recvfrom(2) on a raw ICMP socket: the source and, for IPv4, the whole packet, for IPv6 the ICMPv6 message.
pub fn raw_receive(kernel: &mut Kernel, sock: SockId) -> Option<(IpAddr, Vec<u8>)> {
    raw_receive_packet(kernel, sock).map(|packet| (packet.from, packet.bytes))
}

/// recvmsg(2) on a raw ICMP socket: what [`raw_receive`] gives, and the hops left.
pub fn raw_receive_packet(kernel: &mut Kernel, sock: SockId) -> Option<RawPacket> {
    match &mut kernel.sockets.open.get_mut(&sock)?.protocol {
        Protocol::Icmp(socket) | Protocol::Icmp6(socket) => socket.pop(),
        _ => None,
    }
}

/// Whether something waits in a raw ICMP socket.
#[must_use]
pub fn raw_is_readable(kernel: &Kernel, sock: SockId) -> bool {
    match kernel.sockets.open.get(&sock).map(|socket| &socket.protocol) {
        Some(Protocol::Icmp(socket) | Protocol::Icmp6(socket)) => socket.is_readable(),
        _ => false,
    }
}

/// `IP_TTL` or `IPV6_UNICAST_HOPS`; `None` is the vnet's default again.
///
/// # Errors
/// `EBADF` if it is no raw ICMP socket.
pub fn raw_set_ttl(kernel: &mut Kernel, sock: SockId, ttl: Option<u8>) -> Result<(), Errno> {
    match kernel.sockets.open.get_mut(&sock).map(|socket| &mut socket.protocol) {
        Some(Protocol::Icmp(socket) | Protocol::Icmp6(socket)) => {
            socket.ttl = ttl;
            Ok(())
        }
        _ => Err(Errno::EBADF),
    }
}

/// Which raw sockets each vnet has: looked up for every ICMP message that arrives anywhere.
#[derive(Clone, Debug, Default)]
pub struct RawIndex {
    /// The next key and the number of sockets when this was made: keys only grow, so both are the same only if
    /// nothing was opened or closed since.
    made_at: Option<(u64, usize)>,
    by_vnet: BTreeMap<VnetId, Vec<SockId>>,
}

/// A whole IPv4 packet with an ICMP message, for every socket of the vnet.
pub(super) fn deliver4(kernel: &mut Kernel, vnet: VnetId, from: Ipv4Addr, bytes: &[u8]) {
    let hops = bytes.get(8).copied().unwrap_or_default();
    for sock in listeners(kernel, vnet) {
        if let Some(Protocol::Icmp(socket)) = kernel.sockets.open.get_mut(&sock).map(|socket| &mut socket.protocol) {
            socket.push(IpAddr::V4(from), hops, bytes);
        }
    }
}

/// An ICMPv6 message, for every socket of the vnet.
pub(super) fn deliver6(kernel: &mut Kernel, vnet: VnetId, from: Ipv6Addr, hops: u8, message: &[u8]) {
    for sock in listeners(kernel, vnet) {
        if let Some(Protocol::Icmp6(socket)) = kernel.sockets.open.get_mut(&sock).map(|socket| &mut socket.protocol) {
            socket.push(IpAddr::V6(from), hops, message);
        }
    }
}

/// The raw sockets of a vnet.
fn listeners(kernel: &mut Kernel, vnet: VnetId) -> Vec<SockId> {
    let sockets = &mut kernel.sockets;
    let now = Some((sockets.next, sockets.open.len()));
    if sockets.raw.made_at != now {
        sockets.raw = RawIndex { made_at: now, by_vnet: BTreeMap::new() };
        for (sock, socket) in &sockets.open {
            if matches!(socket.protocol, Protocol::Icmp(_) | Protocol::Icmp6(_)) {
                sockets.raw.by_vnet.entry(socket.vnet).or_default().push(*sock);
            }
        }
    }
    sockets.raw.by_vnet.get(&vnet).cloned().unwrap_or_default()
}

/// Writes the checksum of an ICMPv6 message.
pub(super) fn checksum6(message: &mut [u8], source: Ipv6Addr, destination: Ipv6Addr) {
    let seed = packet::pseudo6(source, destination, PROTOCOL_ICMPV6, message.len());
    packet::write_checksum(message, seed);
}
