//! Neighbour discovery (`sys/netinet6/nd6.c`, `nd6_nbr.c`): solicitations, advertisements, states.

use std::net::{IpAddr, Ipv6Addr};

use super::address::{self};
use super::packet;
use super::wire;
use crate::sim::kernel::{IfIndex, Kernel};

pub(super) const SOLICITATION: u8 = 135;
const OPTION_SOURCE_MAC: u8 = 1;
const OPTION_NONCE: u8 = 14;

/// Why a neighbour is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Solicitation {
    /// To find duplicates of an own address.
    Detect([u8; 6]),
    /// To learn its MAC.
    Resolve,
    /// To see whether it is still there, at that MAC.
    Confirm([u8; 6]),
}

/// The group that listens for solicitations of an address.
pub(super) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// The Ethernet group of an IPv6 group.
pub(super) fn group_mac(group: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

/// Sends a solicitation for `target`.
pub(super) fn solicit(kernel: &mut Kernel, index: IfIndex, target: Ipv6Addr, why: Solicitation) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let group = solicited_node(target);
    let mut body = target.octets().to_vec();
    let (source, destination, to) = match why {
        Solicitation::Detect(nonce) => {
            body.extend_from_slice(&[OPTION_NONCE, 1]);
            body.extend_from_slice(&nonce);
            (Ipv6Addr::UNSPECIFIED, group, group_mac(group))
        }
        Solicitation::Resolve => (source_for(kernel, index, target), group, group_mac(group)),
        Solicitation::Confirm(mac) => (source_for(kernel, index, target), target, mac),
    };
    if !source.is_unspecified() {
        body.extend_from_slice(&[OPTION_SOURCE_MAC, 1]);
        body.extend_from_slice(&interface.mac);
    }
    let message = packet::icmp6(source, destination, (SOLICITATION, 0), 0, &body);
    if let Some(packet) = packet::build6(source, destination, packet::PROTOCOL_ICMPV6, 255, &message) {
        wire::send_to(kernel, index, to, packet);
    }
}

/// An own usable address to ask from: of the target's scope if there is one.
fn source_for(kernel: &Kernel, index: IfIndex, target: Ipv6Addr) -> Ipv6Addr {
    let Some(interface) = kernel.interfaces.get(index) else { return Ipv6Addr::UNSPECIFIED };
    let wanted = super::needs_scope(IpAddr::V6(target));
    let usable = || address::v6(interface).filter(|a| a.is_usable()).map(|a| a.address);
    usable()
        .find(|&a| super::needs_scope(IpAddr::V6(a)) == wanted)
        .or_else(|| usable().next())
        .unwrap_or(Ipv6Addr::UNSPECIFIED)
}
