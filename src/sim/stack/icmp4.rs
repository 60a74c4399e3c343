//! ICMP (`sys/netinet/ip_icmp.c`): echo, errors, delivery to raw sockets.

use std::net::Ipv4Addr;

use super::ip4::{self, Outgoing4};
use super::packet::{self, Header4, ICMP_HEADER, PROTOCOL_ICMP};
use super::{Sysctl, raw, sysctl};
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const REDIRECT: u8 = 5;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// No route, or a next hop that does not answer: FreeBSD never says "net".
    HostUnreachable,
    /// Larger than the MTU of the next link.
    FragmentationNeeded(u16),
    /// Its time to live ended here.
    TimeExceeded,
}

/// An ICMP packet for this host.
pub(super) fn input(kernel: &mut Kernel, index: IfIndex, header: &Header4, bytes: &[u8], to_many: bool) {
    let Some(message) = bytes.get(header.header..header.total) else { return };
    let Some(vnet) = kernel.interfaces.get(index).map(|interface| interface.vnet) else { return };
    if message.len() < ICMP_HEADER || packet::sum(message, 0) != 0xffff {
        return;
    }
    if message[0] != ECHO_REQUEST {
        raw::deliver4(kernel, vnet, header.source, bytes);
        return;
    }
    // An answer to everybody would be asked for by anybody.
    if !is_host(header.source) {
        return;
    }
    if to_many && (sysctl(kernel, vnet, Sysctl::BroadcastEcho) == 0 || header.destination.is_multicast()) {
        return;
    }
    let mut reply = message.to_vec();
    reply[0] = ECHO_REPLY;
    packet::write_checksum(&mut reply, 0);
    let source = (!to_many).then_some(header.destination);
    let out = Outgoing4 { source, destination: header.source, protocol: PROTOCOL_ICMP, ttl: None, payload: &reply };
    // Nobody waits for the outcome of an answer.
    let _ = ip4::output(kernel, vnet, &out);
}

/// Tells the sender of a packet that it cannot go on; the first eight octets of its payload go along.
pub(super) fn error(kernel: &mut Kernel, vnet: VnetId, offender: &[u8], problem: Problem) {
    let Some(fixed) = offender.first_chunk::<{ packet::IPV4_HEADER }>() else { return };
    let header = usize::from(fixed[0] & 15) * 4;
    let source = Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]);
    let destination = Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]);
    let fragment = u16::from_be_bytes([fixed[6], fixed[7]]) & 0x1fff != 0;
    let is_error = fixed[9] == PROTOCOL_ICMP
        && offender
            .get(header)
            .is_none_or(|kind| matches!(*kind, UNREACHABLE | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM));
    if fragment || is_error || !is_host(source) || !is_host(destination) {
        return;
    }
    let (kind, code, word) = match problem {
        Problem::HostUnreachable => (UNREACHABLE, 1, 0),
        Problem::FragmentationNeeded(mtu) => (UNREACHABLE, 4, u32::from(mtu)),
        Problem::TimeExceeded => (TIME_EXCEEDED, 0, 0),
    };
    let quoted = offender.get(..offender.len().min(header + 8)).unwrap_or(offender);
    let message = packet::icmp4(kind, code, word, quoted);
    let out = Outgoing4 { source: None, destination: source, protocol: PROTOCOL_ICMP, ttl: None, payload: &message };
    // An error about an error is never sent.
    let _ = ip4::output(kernel, vnet, &out);
}

fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast())
}
