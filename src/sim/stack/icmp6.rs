//! ICMPv6 (`sys/netinet6/icmp6.c`): echo, errors, delivery to neighbour discovery and raw sockets.

use std::net::Ipv6Addr;

use super::ip6::{self, Outgoing6};
use super::packet::{self, Header6, ICMP_HEADER, IPV6_HEADER, PROTOCOL_ICMPV6};
use super::{nd, raw};
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

const UNREACHABLE: u8 = 1;
const TOO_BIG: u8 = 2;
const TIME_EXCEEDED: u8 = 3;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
/// The least MTU of IPv6: errors are never longer.
const MINIMUM_MTU: usize = 1280;

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// No route covers its destination.
    NoRoute,
    /// A route says so.
    Rejected,
    /// The next hop does not answer.
    AddressUnreachable,
    /// Larger than the MTU of the next link.
    TooBig(u32),
    /// Its hop limit ended here.
    TimeExceeded,
}

/// An ICMPv6 packet for this host that came in at `index`; an answer to a link-local address goes to `link`.
pub(super) fn input(kernel: &mut Kernel, index: IfIndex, link: IfIndex, header: &Header6, bytes: &[u8]) {
    let Some(message) = bytes.get(IPV6_HEADER..header.total) else { return };
    let Some(vnet) = kernel.interfaces.get(index).map(|interface| interface.vnet) else { return };
    let seed = packet::pseudo6(header.source, header.destination, PROTOCOL_ICMPV6, message.len());
    if message.len() < ICMP_HEADER || packet::sum(message, seed) != 0xffff {
        return;
    }
    match message[0] {
        nd::SOLICITATION => nd::solicited(kernel, index, header, message),
        nd::ADVERTISEMENT => nd::advertised(kernel, index, header, message),
        ECHO_REQUEST if !header.source.is_unspecified() => {
            let mut reply = message.to_vec();
            reply[0] = ECHO_REPLY;
            let out = Outgoing6 {
                source: (!header.destination.is_multicast()).then_some(header.destination),
                destination: header.source,
                scope: Some(link),
                next: PROTOCOL_ICMPV6,
                hop_limit: None,
                payload: &reply,
            };
            // Nobody waits for the outcome of an answer.
            let _ = ip6::output(kernel, vnet, &out);
        }
        _ => {}
    }
    // Unlike ICMP, every message reaches the sockets; requests too.
    raw::deliver6(kernel, vnet, header.source, header.hop_limit, message);
}

/// Tells the sender of a packet that came in at `index` that it cannot go on.
pub(super) fn error(kernel: &mut Kernel, vnet: VnetId, offender: &[u8], problem: Problem, index: IfIndex) {
    let Some(header) = packet::read6(offender) else { return };
    let is_error = header.next == PROTOCOL_ICMPV6 && offender.get(IPV6_HEADER).is_none_or(|kind| *kind < ECHO_REQUEST);
    let answerable = !(header.source.is_unspecified() || header.source.is_multicast() || is_error);
    let to_one = !header.destination.is_multicast() || matches!(problem, Problem::TooBig(_));
    if !answerable || !to_one {
        return;
    }
    let (kind, code, word) = match problem {
        Problem::NoRoute => (UNREACHABLE, 0, 0),
        Problem::AddressUnreachable => (UNREACHABLE, 3, 0),
        Problem::Rejected => (UNREACHABLE, 6, 0),
        Problem::TooBig(mtu) => (TOO_BIG, 0, mtu),
        Problem::TimeExceeded => (TIME_EXCEEDED, 0, 0),
    };
    let most = MINIMUM_MTU - IPV6_HEADER - ICMP_HEADER;
    let quoted = offender.get(..offender.len().min(most)).unwrap_or(offender);
    let message = packet::icmp6(Ipv6Addr::UNSPECIFIED, header.source, (kind, code), word, quoted);
    let out = Outgoing6 {
        source: None,
        destination: header.source,
        scope: Some(index),
        next: PROTOCOL_ICMPV6,
        hop_limit: None,
        payload: &message,
    };
    // An error about an error is never sent.
    let _ = ip6::output(kernel, vnet, &out);
}
