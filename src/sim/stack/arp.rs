//! ARP (`sys/netinet/if_ether.c`): requests are sent only when packets ask for them, one a second at most.

use std::net::{IpAddr, Ipv4Addr};

use super::address::{self, IFF_UP};
use super::neighbour::{Neighbour, Reachability, settle};
use super::wire::{self, BROADCAST, ETHERTYPE_ARP};
use super::{Sysctl, interface::has_link_layer, sysctl};
use crate::abi::Errno;
use crate::sim::clock::Nanos;
use crate::sim::ifnet::Interface;
use crate::sim::kernel::{IfIndex, Kernel};

const SECOND: Nanos = 1_000_000_000;
/// Packets that wait for one answer (net.link.ether.inet.maxhold).
const MOST_WAITING: usize = 16;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;
/// Ethernet and IPv4 with their address lengths.
const PREAMBLE: [u8; 6] = [0, 1, 8, 0, 6, 4];
const LENGTH: usize = 28;

/// Tells the link that an address is here (gratuitous ARP).
pub(super) fn announce(kernel: &mut Kernel, index: IfIndex, address: Ipv4Addr) {
    if kernel.interfaces.get(index).is_some_and(|interface| interface.flags & IFF_UP != 0 && has_link_layer(interface))
    {
        request(kernel, index, address, address);
    }
}

/// Sends a packet to a neighbour, asking for its MAC first if need be.
///
/// # Errors
/// `EHOSTDOWN` when the neighbour did not answer often enough; for a router the caller makes it `EHOSTUNREACH`.
pub(super) fn send(kernel: &mut Kernel, index: IfIndex, to: Ipv4Addr, packet: Vec<u8>) -> Result<(), Errno> {
    let now = kernel.clock.now();
    let Some(interface) = kernel.interfaces.get_mut(index) else { return Err(Errno::ENETDOWN) };
    let vnet = interface.vnet;
    let key = IpAddr::V4(to);
    if let Some(entry) = interface.net.neighbours.entries.get(&key)
        && let Some(mac) = entry.mac
        && !matches!(entry.state, Reachability::Reachable(until) if until <= now)
    {
        wire::send_to(kernel, index, mac, &packet);
        return Ok(());
    }
    let tries = u32::try_from(sysctl(kernel, vnet, Sysctl::ArpMaxTries)).unwrap_or(0);
    let patience = u64::try_from(sysctl(kernel, vnet, Sysctl::ArpWait)).unwrap_or(0) * SECOND;
    let Some(interface) = kernel.interfaces.get_mut(index) else { return Err(Errno::ENETDOWN) };
    let entry = interface.net.neighbours.entry(key, || Neighbour::incomplete(now));
    if entry.mac.is_some() || (entry.asked > 0 && now >= entry.when.saturating_add(patience)) {
        *entry = Neighbour::incomplete(now);
    }
    let given_up = entry.asked >= tries;
    let ask = entry.asked == 0 || now / SECOND != entry.when / SECOND;
    if ask {
        entry.asked += 1;
        entry.when = now;
    }
    let dropped = entry.hold(packet, MOST_WAITING).is_some();
    if dropped {
        interface.net.counters.output_drops += 1;
    }
    if ask {
        let source = source_for(kernel, index, to);
        request(kernel, index, source, to);
    }
    if given_up { Err(Errno::EHOSTDOWN) } else { Ok(()) }
}

/// An ARP packet came in.
pub(super) fn input(kernel: &mut Kernel, index: IfIndex, packet: &[u8]) {
    let Some(packet) = packet.first_chunk::<LENGTH>() else { return };
    let Some(rest) = packet.strip_prefix(&PREAMBLE) else { return };
    let operation = u16::from_be_bytes([rest[0], rest[1]]);
    let mac = [rest[2], rest[3], rest[4], rest[5], rest[6], rest[7]];
    let sender = Ipv4Addr::new(rest[8], rest[9], rest[10], rest[11]);
    let target = Ipv4Addr::new(rest[18], rest[19], rest[20], rest[21]);
    let Some(interface) = kernel.interfaces.get(index) else { return };
    if interface.flags & IFF_UP == 0 || !has_link_layer(interface) || mac == interface.mac || mac[0] & 1 != 0 {
        return;
    }
    let vnet = interface.vnet;
    let for_us = is_for_us(kernel, interface, target);
    let from_us = address::v4(interface).any(|address| address.address == sender);
    let on_link = address::v4(interface).any(|address| {
        let mask = super::prefix::mask4(address.length);
        address.network().to_bits() == sender.to_bits() & mask
    });
    let known = interface.net.neighbours.entries.get(&IpAddr::V4(sender)).map(|entry| entry.state);
    if !from_us && !sender.is_unspecified() && !sender.is_broadcast() && known != Some(Reachability::Permanent) {
        // What is known is refreshed by anything; a new entry is made only for who talks to us.
        let makes = for_us && on_link;
        if known.is_some() || makes {
            let age = u64::try_from(sysctl(kernel, vnet, Sysctl::ArpMaxAge)).unwrap_or(0) * SECOND;
            let until = kernel.clock.now().saturating_add(age);
            settle(kernel, index, IpAddr::V4(sender), mac, Reachability::Reachable(until));
        }
    }
    if operation == REQUEST && for_us {
        transmit(kernel, index, mac, REPLY, (target, sender), mac);
    }
}

/// Whether a request for an address is answered here: it is the interface's own, or that of another member of the
/// same bridge.
fn is_for_us(kernel: &Kernel, interface: &Interface, target: Ipv4Addr) -> bool {
    let has = |interface: &Interface| address::v4(interface).any(|address| address.address == target);
    has(interface)
        || interface.bridge.is_some()
            && address::members(kernel, interface.vnet)
                .filter_map(|other| kernel.interfaces.get(other))
                .any(|other| other.bridge == interface.bridge && has(other))
}

fn request(kernel: &mut Kernel, index: IfIndex, source: Ipv4Addr, target: Ipv4Addr) {
    transmit(kernel, index, BROADCAST, REQUEST, (source, target), [0; 6]);
}

fn transmit(
    kernel: &mut Kernel,
    index: IfIndex,
    to: [u8; 6],
    operation: u16,
    (sender, target): (Ipv4Addr, Ipv4Addr),
    target_mac: [u8; 6],
) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let mut packet = Vec::with_capacity(LENGTH);
    packet.extend_from_slice(&PREAMBLE);
    packet.extend_from_slice(&operation.to_be_bytes());
    packet.extend_from_slice(&interface.mac);
    packet.extend_from_slice(&sender.octets());
    packet.extend_from_slice(&target_mac);
    packet.extend_from_slice(&target.octets());
    wire::send(kernel, index, to, ETHERTYPE_ARP, &packet);
}

/// The address a request comes from: one in the target's subnet, else the first.
fn source_for(kernel: &Kernel, index: IfIndex, target: Ipv4Addr) -> Ipv4Addr {
    let Some(interface) = kernel.interfaces.get(index) else { return Ipv4Addr::UNSPECIFIED };
    let fits = |address: &&address::Address4| {
        target.to_bits() & super::prefix::mask4(address.length) == address.network().to_bits()
    };
    address::v4(interface)
        .find(fits)
        .or_else(|| address::v4(interface).next())
        .map_or(Ipv4Addr::UNSPECIFIED, |address| address.address)
}
