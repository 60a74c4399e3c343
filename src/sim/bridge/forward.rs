//! Frames through an if_bridge: learning, flooding, what is for the host itself.

use super::rstp::{self, State};
use super::{Bridge, Heard, IFF_RUNNING, SECOND, bpdu, with};
use crate::abi::ioctl::bridge::{IFBIF_DISCOVER, IFBIF_LEARNING, IFBIF_PRIVATE, IFBIF_STICKY, IFBIF_STP};
use crate::sim::kernel::{Frame, IfIndex, Kernel};
use crate::sim::{ifnet, stack};

const ETHERNET_HEADER: usize = 14;
const ETHERTYPE_VLAN: [u8; 2] = [0x81, 0x00];

/// A frame came in at a member. What is for the member's or the bridge's own stack goes there.
pub fn input(kernel: &mut Kernel, bridge: IfIndex, member: IfIndex, frame: Frame) {
    let Some((destination, source)) = addresses(&frame) else { return };
    if !is_running(kernel, bridge) {
        stack::input(kernel, member, frame);
        return;
    }
    let local =
        with(kernel, bridge, |kernel, state| receive(kernel, bridge, state, member, &frame, destination, source));
    match local.unwrap_or(Local::Nobody) {
        Local::Nobody => {}
        Local::One(interface) => stack::input(kernel, interface, frame),
        Local::Both => {
            if has_addresses(kernel, bridge) {
                stack::input(kernel, bridge, frame.clone());
            }
            stack::input(kernel, member, frame);
        }
    }
}

/// The host sends a frame out of the bridge interface itself.
pub fn transmit(kernel: &mut Kernel, bridge: IfIndex, frame: Frame) {
    let Some((destination, _)) = addresses(&frame) else { return };
    if !is_running(kernel, bridge) {
        return;
    }
    with(kernel, bridge, |kernel, state| {
        copy_to_spans(kernel, state, &frame);
        let known = lookup(kernel, state, destination, vlan(&frame));
        match known.filter(|_| !is_group(destination)) {
            Some(member) => ifnet::transmit(kernel, member, frame),
            None => flood(kernel, state, None, destination, &frame),
        }
    });
}

/// The host sends a frame out of a member: to whoever leads to the destination (bridge_output).
pub fn output(kernel: &mut Kernel, bridge: IfIndex, member: IfIndex, frame: Frame) {
    let Some((destination, _)) = addresses(&frame) else { return };
    if !is_running(kernel, bridge) {
        ifnet::transmit(kernel, member, frame);
        return;
    }
    with(kernel, bridge, |kernel, state| {
        copy_to_spans(kernel, state, &frame);
        let pvid = state.member(member).map_or(0, |member| member.pvid);
        let known = lookup(kernel, state, destination, pvid).filter(|_| !is_group(destination));
        match known.filter(|known| is_running(kernel, *known)) {
            Some(out) => ifnet::transmit(kernel, out, frame),
            None => {
                ifnet::transmit(kernel, member, frame.clone());
                flood(kernel, state, Some((member, 0)), destination, &frame);
            }
        }
    });
}

/// Whose stack gets a frame that was bridged.
enum Local {
    Nobody,
    One(IfIndex),
    /// The bridge's and that of the member where it came in.
    Both,
}

fn has_addresses(kernel: &Kernel, interface: IfIndex) -> bool {
    kernel.interfaces.get(interface).is_some_and(|interface| !interface.net.addresses.is_empty())
}

/// Bridges a frame; whose stack gets it too.
fn receive(
    kernel: &mut Kernel,
    bridge: IfIndex,
    state: &mut Bridge,
    member: IfIndex,
    frame: &Frame,
    destination: [u8; 6],
    source: [u8; 6],
) -> Local {
    copy_to_spans(kernel, state, frame);
    if destination == bpdu::GROUP {
        rstp::receive(kernel, state, member, frame);
        return Local::Nobody;
    }
    let Some((flags, port_state, pvid)) = state.member(member).map(|m| (m.flags, m.port.state, m.pvid)) else {
        return Local::Nobody;
    };
    let vlan = match vlan(frame) {
        0 => pvid,
        tagged => tagged,
    };
    let blocked = flags & IFBIF_STP != 0 && port_state == State::Discarding;
    if is_group(destination) {
        if blocked {
            return Local::One(member);
        }
        forward(kernel, bridge, state, member, frame, vlan);
        return Local::Both;
    }
    if blocked {
        return Local::One(member);
    }
    // The bridge first, then where it came in, then the others (GRAB_OUR_PACKETS).
    for place in 0..state.members.len() + 2 {
        let interface = match place {
            0 => bridge,
            1 => member,
            _ => state.members[place - 2].interface,
        };
        let Some(mac) = kernel.interfaces.get(interface).map(|interface| interface.mac) else { continue };
        if mac == destination {
            if flags & IFBIF_LEARNING != 0 {
                learn(kernel, state, source, vlan, member);
            }
            return Local::One(interface);
        }
        if mac == source {
            return Local::Nobody; // what we sent ourselves
        }
    }
    forward(kernel, bridge, state, member, frame, vlan);
    Local::Nobody
}

fn forward(kernel: &mut Kernel, bridge: IfIndex, state: &mut Bridge, member: IfIndex, frame: &Frame, vlan: u16) {
    let Some((destination, source)) = addresses(frame) else { return };
    if let Some(interface) = kernel.interfaces.get_mut(bridge) {
        interface.net.counters.received(frame);
    }
    let Some((flags, port_state, limited)) = state.member(member).map(|m| (m.flags, m.port.state, m.address_limit > 0))
    else {
        return;
    };
    if flags & IFBIF_LEARNING != 0 && !learn(kernel, state, source, vlan, member) && limited {
        return;
    }
    if flags & IFBIF_STP != 0 && port_state == State::Learning || is_reserved(destination) {
        return;
    }
    let known = lookup(kernel, state, destination, vlan).filter(|_| !is_group(destination));
    match known {
        Some(out) if out == member => {}
        Some(out) => {
            let open = state.member(out).is_some_and(|out| {
                flags & out.flags & IFBIF_PRIVATE == 0
                    && !(out.flags & IFBIF_STP != 0 && out.port.state == State::Discarding)
            });
            if open && is_running(kernel, out) {
                ifnet::transmit(kernel, out, frame.clone());
            }
        }
        None => flood(kernel, state, Some((member, flags)), destination, frame),
    }
}

/// Sends a copy to every member that may have it but the one it came from.
fn flood(kernel: &mut Kernel, state: &Bridge, from: Option<(IfIndex, u32)>, destination: [u8; 6], frame: &Frame) {
    for member in &state.members {
        let came_from = from.is_some_and(|(interface, _)| interface == member.interface);
        let blocked = member.flags & IFBIF_STP != 0 && member.port.state == State::Discarding;
        let private = from.is_some_and(|(_, flags)| flags & member.flags & IFBIF_PRIVATE != 0);
        let unwanted = !is_group(destination) && member.flags & IFBIF_DISCOVER == 0;
        if !came_from && !blocked && !private && !unwanted && is_running(kernel, member.interface) {
            ifnet::transmit(kernel, member.interface, frame.clone());
        }
    }
}

fn copy_to_spans(kernel: &mut Kernel, state: &Bridge, frame: &Frame) {
    for span in &state.spans {
        if is_running(kernel, *span) {
            ifnet::transmit(kernel, *span, frame.clone());
        }
    }
}

/// Remembers where an address was heard; `false` when there is no room for it.
fn learn(kernel: &Kernel, state: &mut Bridge, address: [u8; 6], vlan: u16, member: IfIndex) -> bool {
    if is_group(address) || address == [0; 6] {
        return false;
    }
    let expires = Some(kernel.clock.now() + u64::from(state.timeout) * SECOND);
    if let Some(heard) = state.cache.get_mut(&(address, vlan)) {
        if heard.expires.is_some() && !heard.sticky {
            (heard.member, heard.expires) = (member, expires);
        }
        return true;
    }
    if state.cache.len() >= usize::try_from(state.cache_limit).unwrap_or(usize::MAX) {
        forget_expired(kernel, state);
    }
    let full = state.cache.len() >= usize::try_from(state.cache_limit).unwrap_or(usize::MAX);
    let limited = state.member(member).is_some_and(|entry| entry.address_limit > 0);
    let held = if limited { state.cache.values().filter(|heard| heard.member == member).count() } else { 0 };
    let Some(entry) = state.member_mut(member) else { return false };
    if limited && held >= usize::try_from(entry.address_limit).unwrap_or(usize::MAX) {
        entry.exceeded += 1;
        return false;
    }
    let sticky = entry.flags & IFBIF_STICKY != 0;
    if full {
        state.exceeded += 1;
        return false;
    }
    insert(state, address, vlan, Heard { member, expires, sticky, serial: 0 });
    true
}

/// Puts an address into the cache as its newest.
pub(super) fn insert(state: &mut Bridge, address: [u8; 6], vlan: u16, heard: Heard) {
    state.serial += 1;
    state.cache.insert((address, vlan), Heard { serial: state.serial, ..heard });
}

/// Drops what was not heard for too long.
pub(super) fn forget_expired(kernel: &Kernel, state: &mut Bridge) {
    let now = kernel.clock.now();
    state.cache.retain(|_, heard| heard.expires.is_none_or(|expires| expires > now));
}

fn lookup(kernel: &Kernel, state: &Bridge, address: [u8; 6], vlan: u16) -> Option<IfIndex> {
    let heard = state.cache.get(&(address, vlan))?;
    heard.expires.is_none_or(|expires| expires > kernel.clock.now()).then_some(heard.member)
}

fn is_running(kernel: &Kernel, interface: IfIndex) -> bool {
    kernel.interfaces.get(interface).is_some_and(|interface| interface.flags & IFF_RUNNING != 0)
}

fn is_group(address: [u8; 6]) -> bool {
    address[0] & 1 != 0
}

/// 802.1D, 7.12.6: never forwarded.
fn is_reserved(address: [u8; 6]) -> bool {
    address[..5] == bpdu::GROUP[..5] && address[5] <= 0x0f
}

/// Destination and source; `None` for a runt.
fn addresses(frame: &[u8]) -> Option<([u8; 6], [u8; 6])> {
    if frame.len() < ETHERNET_HEADER {
        return None;
    }
    Some((frame[..6].try_into().ok()?, frame[6..12].try_into().ok()?))
}

/// The VLAN of a tagged frame, else 0.
fn vlan(frame: &[u8]) -> u16 {
    match (frame.get(12..14), frame.get(14..16)) {
        (Some(ethertype), Some(tag)) if ethertype == ETHERTYPE_VLAN => u16::from_be_bytes([tag[0], tag[1]]) & 0xfff,
        _ => 0,
    }
}
