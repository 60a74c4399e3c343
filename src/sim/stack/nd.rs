//! Neighbour discovery (`sys/netinet6/nd6.c`, `nd6_nbr.c`): solicitations, advertisements, states.

use std::net::{IpAddr, Ipv6Addr};

use super::interface::Nd6;
use super::neighbour::{Neighbour, Reachability, settle};
use super::packet::{self, Header6};
use super::{Sysctl, address, dad, icmp6, sysctl, wire};
use crate::sim::clock::{self, Nanos};
use crate::sim::kernel::{IfIndex, Kernel};

pub(super) const SOLICITATION: u8 = 135;
pub(super) const ADVERTISEMENT: u8 = 136;
const OPTION_SOURCE_MAC: u8 = 1;
const OPTION_TARGET_MAC: u8 = 2;
const OPTION_NONCE: u8 = 14;
const FLAG_ROUTER: u32 = 0x8000_0000;
const FLAG_SOLICITED: u32 = 0x4000_0000;
const FLAG_OVERRIDE: u32 = 0x2000_0000;

const SECOND: Nanos = 1_000_000_000;
/// How long a confirmation holds (REACHABLE_TIME; the kernel varies it by half at random, here it is fixed).
const REACHABLE: Nanos = 30 * SECOND;
/// How long a stale entry is used before it is asked (DELAY_FIRST_PROBE_TIME).
const DELAY: Nanos = 5 * SECOND;
/// Between two requests (RETRANS_TIMER).
const RETRANS: Nanos = SECOND;
/// Requests without answer after which a neighbour is given up (MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT).
const TRIES: u32 = 3;
/// Packets that wait for one answer (net.inet6.icmp6.nd6_maxqueuelen).
const MOST_WAITING: usize = 16;

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

/// Sends a packet to a neighbour, asking for its MAC first if need be.
pub(super) fn send(kernel: &mut Kernel, index: IfIndex, to: Ipv6Addr, packet: Vec<u8>) {
    let now = kernel.clock.now();
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let watched = interface.net.nd6.contains(Nd6::PERFORMNUD);
    let entry = interface.net.neighbours.entry(IpAddr::V6(to), || Neighbour::incomplete(now));
    if let Reachability::Reachable(until) = entry.state
        && until <= now
    {
        entry.state = Reachability::Stale;
    }
    match entry.mac {
        Some(mac) => {
            let ask_later = watched && entry.state == Reachability::Stale;
            if ask_later {
                entry.state = Reachability::Delay;
                entry.asked = 0;
            }
            wire::send_to(kernel, index, mac, &packet);
            if ask_later {
                later(kernel, index, to, DELAY);
            }
        }
        None => {
            let first = entry.asked == 0;
            if entry.hold(packet, MOST_WAITING).is_some() {
                interface.net.counters.output_drops += 1;
            }
            if first {
                ask(kernel, index, to, Solicitation::Resolve);
            }
        }
    }
}

/// The next step with a neighbour is due.
pub(super) fn timer(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr) {
    let now = kernel.clock.now();
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let vnet = interface.vnet;
    let Some(entry) = interface.net.neighbours.entries.get_mut(&IpAddr::V6(address)) else { return };
    if entry.when != now {
        return;
    }
    match (entry.state, entry.mac) {
        (Reachability::Incomplete, _) if entry.asked < TRIES => ask(kernel, index, address, Solicitation::Resolve),
        (Reachability::Delay, Some(mac)) => {
            entry.state = Reachability::Probe;
            ask(kernel, index, address, Solicitation::Confirm(mac));
        }
        (Reachability::Probe, Some(mac)) if entry.asked < TRIES => {
            ask(kernel, index, address, Solicitation::Confirm(mac));
        }
        (Reachability::Incomplete | Reachability::Probe, _) => {
            let waited = interface.net.neighbours.entries.remove(&IpAddr::V6(address));
            // One error stands for all that waited.
            if let Some(first) = waited.and_then(|mut entry| entry.waiting.pop_front()) {
                icmp6::error(kernel, vnet, &first, icmp6::Problem::AddressUnreachable, index);
            }
        }
        _ => {}
    }
}

/// A solicitation came in.
pub(super) fn solicited(kernel: &mut Kernel, index: IfIndex, header: &Header6, message: &[u8]) {
    let Some(target) = target_of(header, message) else { return };
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let own_mac = interface.mac;
    let Some(own) = address::v6(interface).find(|own| own.address == target).cloned() else { return };
    if header.source.is_unspecified() {
        let nonce = option(message, OPTION_NONCE);
        if own.flags & super::IN6_IFF_TENTATIVE != 0 {
            dad::conflict(kernel, index, target, nonce);
        } else if own.is_usable() {
            advertise(kernel, index, target, None);
        }
        return;
    }
    if !own.is_usable() {
        return;
    }
    let asker = option(message, OPTION_SOURCE_MAC);
    if asker == Some(own_mac) {
        return;
    }
    if let Some(mac) = asker {
        heard_of(kernel, index, header.source, mac);
    }
    advertise(kernel, index, target, Some(header.source));
}

/// An advertisement came in.
pub(super) fn advertised(kernel: &mut Kernel, index: IfIndex, header: &Header6, message: &[u8]) {
    let Some(target) = target_of(header, message) else { return };
    let flags = message.get(4..8).and_then(|word| word.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word));
    let now = kernel.clock.now();
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let own = address::v6(interface).find(|own| own.address == target).map(|own| own.flags);
    if let Some(flags) = own {
        if flags & super::IN6_IFF_TENTATIVE != 0 {
            dad::conflict(kernel, index, target, None);
        }
        return;
    }
    let Some(entry) = interface.net.neighbours.entries.get_mut(&IpAddr::V6(target)) else { return };
    if entry.state == Reachability::Permanent {
        return;
    }
    let told = option(message, OPTION_TARGET_MAC).filter(|mac| mac[0] & 1 == 0);
    let changed = told.is_some() && told != entry.mac;
    if entry.mac.is_some() && changed && flags & FLAG_OVERRIDE == 0 {
        // Not to be believed over what is known; but what is known is in doubt.
        if matches!(entry.state, Reachability::Reachable(_)) {
            entry.state = Reachability::Stale;
        }
        return;
    }
    let Some(mac) = told.or(entry.mac) else { return };
    entry.router = flags & FLAG_ROUTER != 0;
    let state = if flags & FLAG_SOLICITED != 0 {
        Reachability::Reachable(now + REACHABLE)
    } else if changed {
        Reachability::Stale
    } else {
        entry.state
    };
    settle(kernel, index, IpAddr::V6(target), mac, state);
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
    } else if !matches!(why, Solicitation::Detect(_)) {
        return; // Without an address of our own it would be taken for a probe.
    }
    send_message(kernel, index, to, (source, destination), SOLICITATION, 0, &body);
}

/// Sends an advertisement for an own address: to who asked, or to all.
fn advertise(kernel: &mut Kernel, index: IfIndex, target: Ipv6Addr, asker: Option<Ipv6Addr>) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let router = if sysctl(kernel, interface.vnet, Sysctl::Forwarding6) != 0 { FLAG_ROUTER } else { 0 };
    let mut body = target.octets().to_vec();
    body.extend_from_slice(&[OPTION_TARGET_MAC, 1]);
    body.extend_from_slice(&interface.mac);
    match asker {
        Some(asker) => {
            let word = router | FLAG_SOLICITED | FLAG_OVERRIDE;
            let message = packet::icmp6(target, asker, (ADVERTISEMENT, 0), word, &body);
            if let Some(packet) = packet::build6(target, asker, packet::PROTOCOL_ICMPV6, 255, &message) {
                send(kernel, index, asker, packet);
            }
        }
        None => {
            let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            let word = router | FLAG_OVERRIDE;
            send_message(kernel, index, group_mac(all), (target, all), ADVERTISEMENT, word, &body);
        }
    }
}

fn send_message(
    kernel: &mut Kernel,
    index: IfIndex,
    to: [u8; 6],
    (source, destination): (Ipv6Addr, Ipv6Addr),
    kind: u8,
    word: u32,
    body: &[u8],
) {
    let message = packet::icmp6(source, destination, (kind, 0), word, body);
    if let Some(packet) = packet::build6(source, destination, packet::PROTOCOL_ICMPV6, 255, &message) {
        wire::send_to(kernel, index, to, &packet);
    }
}

/// Asks for a neighbour and sets the time of the next step.
fn ask(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr, why: Solicitation) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    if let Some(entry) = interface.net.neighbours.entries.get_mut(&IpAddr::V6(address)) {
        entry.asked += 1;
    }
    later(kernel, index, address, RETRANS);
    solicit(kernel, index, address, why);
}

fn later(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr, after: Nanos) {
    let when = kernel.clock.now().saturating_add(after);
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    if let Some(entry) = interface.net.neighbours.entries.get_mut(&IpAddr::V6(address)) {
        entry.when = when;
        kernel.clock.set(after, clock::Timer::Stack(super::Timer::Neighbour { interface: index, address }));
    }
}

/// A neighbour told its MAC while asking for ours: believed, but not confirmed (nd6_cache_lladdr).
fn heard_of(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr, mac: [u8; 6]) {
    let known = kernel.interfaces.get(index).and_then(|i| i.net.neighbours.entries.get(&IpAddr::V6(address)));
    let keep = known.is_some_and(|entry| entry.state == Reachability::Permanent || entry.mac == Some(mac));
    if !keep && mac[0] & 1 == 0 {
        settle(kernel, index, IpAddr::V6(address), mac, Reachability::Stale);
    }
}

/// The target, if the message may be believed at all.
fn target_of(header: &Header6, message: &[u8]) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = *message.get(8..24)?.first_chunk()?;
    let target = Ipv6Addr::from(octets);
    (header.hop_limit == 255 && message.get(1) == Some(&0) && !target.is_multicast()).then_some(target)
}

/// The six octets of the first option of a kind.
fn option(message: &[u8], wanted: u8) -> Option<[u8; 6]> {
    let mut rest = message.get(24..)?;
    while let [kind, units, ..] = rest {
        let length = usize::from(*units) * 8;
        if length == 0 {
            return None;
        }
        let whole = rest.get(..length)?;
        if *kind == wanted {
            return whole.get(2..8)?.first_chunk().copied();
        }
        rest = rest.get(length..)?;
    }
    None
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
