//! The way of a frame out of an interface and into it.

use super::{Driver, IFF_UP, Tag};
use crate::sim::kernel::{Frame, IfIndex, Kernel, Work};
use crate::sim::{bridge, netgraph, stack};

/// Octets of an Ethernet header with a VLAN tag: what a frame may have above the MTU.
const FRAME_HEADER: usize = 18;

/// Sends a frame out of an interface by its driver; dropped unless it is up and running, or too long for it.
pub fn transmit(kernel: &mut Kernel, index: IfIndex, frame: Frame) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let room = usize::try_from(interface.mtu).unwrap_or(usize::MAX).saturating_add(FRAME_HEADER);
    if !interface.is_working() || frame.len() > room {
        interface.net.counters.output_errors += 1;
        return;
    }
    interface.net.counters.sent(&frame);
    match &interface.driver {
        Driver::Loopback => kernel.work.push_back(Work::Input { interface: index, frame }),
        Driver::Epair { peer } => {
            let interface = *peer;
            kernel.work.push_back(Work::Input { interface, frame });
        }
        Driver::Eiface { vnet, node } => {
            let (vnet, node) = (*vnet, *node);
            netgraph::eiface_transmit(kernel, vnet, node, frame);
        }
        Driver::Bridge(_) => bridge::transmit(kernel, index, frame),
        Driver::Vlan(Some(tag)) => {
            let tag = *tag;
            if let Some(frame) = tagged(frame, &tag) {
                transmit(kernel, tag.parent, frame);
            }
        }
        Driver::Iface { .. } | Driver::Vlan(None) | Driver::Other { .. } => {}
    }
}

/// Sends an IP packet out of a layer-3 interface; whether there was somewhere to send it.
pub fn transmit_packet(kernel: &mut Kernel, index: IfIndex, packet: Frame) -> bool {
    let Some(interface) = kernel.interfaces.get(index) else { return false };
    let Driver::Iface { vnet, node } = interface.driver else { return false };
    let octets = packet.len();
    let sent = interface.is_working() && netgraph::iface_transmit(kernel, vnet, node, packet);
    if let (true, Some(interface)) = (sent, kernel.interfaces.get_mut(index)) {
        interface.net.counters.output_packets += 1;
        interface.net.counters.output_bytes += octets as u64;
    }
    sent
}

/// An IP packet came in by a layer-3 interface: to the stack, as the version it is said to be.
pub fn receive_packet(kernel: &mut Kernel, index: IfIndex, is_inet6: bool, packet: Frame) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    if interface.flags & IFF_UP == 0 {
        return;
    }
    interface.net.counters.input_packets += 1;
    interface.net.counters.input_bytes += packet.len() as u64;
    stack::input_packet(kernel, index, is_inet6, packet);
}

/// A frame came in from the wire: to an ether node's `lower`, else to the bridge if the interface is a member, else to
/// the vlan whose tag it bears, else to the stack (`sys/net/if_ethersubr.c`, ether_input_internal).
pub fn receive(kernel: &mut Kernel, index: IfIndex, frame: Frame) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    if !interface.is_working() {
        return;
    }
    interface.net.counters.received(&frame);
    if matches!(interface.driver, Driver::Loopback) {
        stack::input(kernel, index, frame);
        return;
    }
    let Some(frame) = netgraph::ether_input(kernel, index, frame) else { return };
    let Some(interface) = kernel.interfaces.get(index) else { return };
    if let Some(bridge) = interface.bridge {
        bridge::input(kernel, bridge, index, frame);
        return;
    }
    match vlan_of(&interface.vlans, &frame) {
        Some(Some(vlan)) => {
            kernel.work.extend(untagged(frame).map(|frame| Work::Input { interface: vlan, frame }));
        }
        Some(None) => {}
        None => stack::input(kernel, index, frame),
    }
}

/// `None` for a frame without a tag, `Some(None)` for one whose tag nobody here has.
fn vlan_of(vlans: &std::collections::BTreeMap<u16, IfIndex>, frame: &[u8]) -> Option<Option<IfIndex>> {
    let &[kind_high, kind_low, tag_high, tag_low] = frame.get(12..16)?.first_chunk()?;
    let protocol = u16::from_be_bytes([kind_high, kind_low]);
    if !matches!(protocol, 0x8100 | 0x88a8) {
        return None;
    }
    Some(vlans.get(&(u16::from_be_bytes([tag_high, tag_low]) & 0xfff)).copied())
}

fn tagged(mut frame: Frame, tag: &Tag) -> Option<Frame> {
    if frame.len() < 12 {
        return None;
    }
    let [a, b] = tag.protocol.to_be_bytes();
    let [c, d] = tag.tag.to_be_bytes();
    frame.splice(12..12, [a, b, c, d]);
    Some(frame)
}

fn untagged(mut frame: Frame) -> Option<Frame> {
    if frame.len() < 16 {
        return None;
    }
    frame.drain(12..16);
    Some(frame)
}
