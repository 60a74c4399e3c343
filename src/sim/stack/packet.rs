//! Reading and building IPv4, IPv6, ICMP and ICMPv6, checksums included. Readers take any bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) const IPV4_HEADER: usize = 20;
pub(super) const IPV6_HEADER: usize = 40;
pub(super) const ICMP_HEADER: usize = 8;
pub(super) const PROTOCOL_ICMP: u8 = 1;
pub(super) const PROTOCOL_ICMPV6: u8 = 58;

/// The fixed part of an IPv4 header, and where its payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header4 {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub protocol: u8,
    pub ttl: u8,
    pub flags: u16,
    pub header: usize,
    pub total: usize,
}

/// The fixed part of an IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header6 {
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub next: u8,
    pub hop_limit: u8,
    pub total: usize,
}

/// The sum of RFC 1071, not yet complemented.
pub(super) fn sum(bytes: &[u8], seed: u32) -> u32 {
    let (words, rest) = bytes.as_chunks::<2>();
    let mut total = u64::from(seed);
    for word in words {
        total += u64::from(u16::from_be_bytes(*word));
    }
    if let [last] = rest {
        total += u64::from(*last) << 8;
    }
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    u32::try_from(total).unwrap_or(0)
}

/// The checksum to write over zeroes.
pub(super) fn checksum(bytes: &[u8], seed: u32) -> u16 {
    !u16::try_from(sum(bytes, seed)).unwrap_or(0)
}

/// The sum over the pseudo header of an upper-layer packet in IPv6.
pub(super) fn pseudo6(source: Ipv6Addr, destination: Ipv6Addr, next: u8, length: usize) -> u32 {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut total = sum(&source.octets(), 0);
    total = sum(&destination.octets(), total);
    total = sum(&length, total);
    sum(&[0, 0, 0, next], total)
}

/// Reads an IPv4 header; `None` unless version, lengths and checksum are right.
pub(super) fn read4(packet: &[u8]) -> Option<Header4> {
    let fixed: &[u8; IPV4_HEADER] = packet.first_chunk()?;
    let header = usize::from(fixed[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if fixed[0] >> 4 != 4 || header < IPV4_HEADER || total < header || total > packet.len() {
        return None;
    }
    if sum(packet.get(..header)?, 0) != 0xffff {
        return None;
    }
    let word = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
    Some(Header4 {
        source: word(12),
        destination: word(16),
        protocol: fixed[9],
        ttl: fixed[8],
        flags: u16::from_be_bytes([fixed[6], fixed[7]]),
        header,
        total,
    })
}

/// Reads an IPv6 header; `None` unless version and length are right.
pub(super) fn read6(packet: &[u8]) -> Option<Header6> {
    let fixed: &[u8; IPV6_HEADER] = packet.first_chunk()?;
    let total = IPV6_HEADER + usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    if fixed[0] >> 4 != 6 || total > packet.len() {
        return None;
    }
    let source: [u8; 16] = *fixed.get(8..24)?.first_chunk()?;
    let destination: [u8; 16] = *fixed.get(24..40)?.first_chunk()?;
    Some(Header6 { source: source.into(), destination: destination.into(), next: fixed[6], hop_limit: fixed[7], total })
}

/// An IPv4 packet; `None` if it is longer than IPv4 can say.
pub(super) fn build4(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    ttl: u8,
    (id, flags): (u16, u16),
    payload: &[u8],
) -> Option<Vec<u8>> {
    let total = u16::try_from(IPV4_HEADER + payload.len()).ok()?;
    let mut packet = Vec::with_capacity(usize::from(total));
    packet.extend_from_slice(&[0x45, 0]);
    packet.extend_from_slice(&total.to_be_bytes());
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(&flags.to_be_bytes());
    packet.extend_from_slice(&[ttl, protocol, 0, 0]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    let sum = checksum(&packet, 0);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend_from_slice(payload);
    Some(packet)
}

/// An IPv6 packet; `None` if it is longer than IPv6 can say.
pub(super) fn build6(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    next: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let length = u16::try_from(payload.len()).ok()?;
    let mut packet = Vec::with_capacity(IPV6_HEADER + payload.len());
    packet.extend_from_slice(&[0x60, 0, 0, 0]);
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[next, hop_limit]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    packet.extend_from_slice(payload);
    Some(packet)
}

/// An ICMP message with its checksum: type, code, the four octets that follow the checksum, the rest.
pub(super) fn icmp4(kind: u8, code: u8, word: u32, rest: &[u8]) -> Vec<u8> {
    let mut message = icmp_raw(kind, code, word, rest);
    write_checksum(&mut message, 0);
    message
}

/// An ICMPv6 message with its checksum over the pseudo header.
pub(super) fn icmp6(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    (kind, code): (u8, u8),
    word: u32,
    rest: &[u8],
) -> Vec<u8> {
    let mut message = icmp_raw(kind, code, word, rest);
    let seed = pseudo6(source, destination, PROTOCOL_ICMPV6, message.len());
    write_checksum(&mut message, seed);
    message
}

/// Writes the checksum of an ICMP or ICMPv6 message of at least four octets.
pub(super) fn write_checksum(message: &mut [u8], seed: u32) {
    if let Some(field) = message.get_mut(2..4) {
        field.fill(0);
    }
    let sum = checksum(message, seed);
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

fn icmp_raw(kind: u8, code: u8, word: u32, rest: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(ICMP_HEADER + rest.len());
    message.extend_from_slice(&[kind, code, 0, 0]);
    message.extend_from_slice(&word.to_be_bytes());
    message.extend_from_slice(rest);
    message
}

/// A number that is the same for all packets of a flow and spreads flows over paths (FNV-1a).
pub(super) fn flow_hash(source: IpAddr, destination: IpAddr, protocol: u8) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    let mut add = |octet: u8| hash = (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
    for address in [source, destination] {
        match address {
            IpAddr::V4(a) => a.octets().into_iter().for_each(&mut add),
            IpAddr::V6(a) => a.octets().into_iter().for_each(&mut add),
        }
    }
    add(protocol);
    // The low bits of FNV alone follow the low bits of its input.
    hash ^ (hash >> 15)
}
