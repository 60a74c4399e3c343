//! IP packets on an Ethernet link, and the way back through loopback.

use std::net::IpAddr;

use super::address::{IFF_LOOPBACK, IFF_RUNNING, IFF_UP};
use super::{arp, ip4, ip6, nd};
use crate::abi::Errno;
use crate::sim::kernel::{Frame, IfIndex, Kernel, Work};
use crate::sim::{bridge, ifnet, netgraph};

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_ARP: u16 = 0x0806;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(super) const ETHERNET_HEADER: usize = 14;
pub(super) const BROADCAST: [u8; 6] = [0xff; 6];

/// A frame for the stack of the interface's vnet.
pub fn input(kernel: &mut Kernel, index: IfIndex, mut frame: Frame) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let Some(header) = frame.first_chunk::<ETHERNET_HEADER>() else {
        interface.net.counters.input_errors += 1;
        return;
    };
    let to: [u8; 6] = [header[0], header[1], header[2], header[3], header[4], header[5]];
    let ethertype = u16::from_be_bytes([header[12], header[13]]);
    let group = to[0] & 1 != 0;
    if interface.flags & IFF_UP == 0 || !(group || to == interface.mac || interface.flags & IFF_LOOPBACK != 0) {
        return;
    }
    frame.drain(..ETHERNET_HEADER);
    match ethertype {
        ETHERTYPE_ARP => arp::input(kernel, index, &frame),
        ETHERTYPE_IPV4 => ip4::input(kernel, index, frame, group),
        ETHERTYPE_IPV6 => ip6::input(kernel, index, frame, group),
        _ => {}
    }
}

/// An IP packet without a frame, for the stack of the interface's vnet.
pub fn input_packet(kernel: &mut Kernel, index: IfIndex, is_inet6: bool, packet: Vec<u8>) {
    if is_inet6 { ip6::input(kernel, index, packet, false) } else { ip4::input(kernel, index, packet, false) }
}

/// Sends an IP packet out of an interface to a neighbour on its link.
///
/// # Errors
/// `ENETDOWN` if the interface is down, `EHOSTDOWN` if the neighbour does not answer.
pub(super) fn emit(kernel: &mut Kernel, index: IfIndex, next: IpAddr, packet: Vec<u8>) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENETDOWN)?;
    if interface.flags & IFF_LOOPBACK != 0 {
        loop_back(kernel, index, &packet);
        return Ok(());
    }
    if interface.flags & IFF_UP == 0 || interface.flags & IFF_RUNNING == 0 {
        return Err(Errno::ENETDOWN);
    }
    if is_layer3(interface) {
        return if ifnet::transmit_packet(kernel, index, packet) { Ok(()) } else { Err(Errno::ENETDOWN) };
    }
    match next {
        IpAddr::V4(next) => arp::send(kernel, index, next, packet),
        IpAddr::V6(next) => {
            nd::send(kernel, index, next, packet);
            Ok(())
        }
    }
}

/// Puts a packet for the host itself onto the queue, as if lo0 had received it.
pub(super) fn loop_back(kernel: &mut Kernel, index: IfIndex, packet: &[u8]) {
    let frame = frame([0; 6], [0; 6], ethertype_of(packet), packet);
    if let Some(interface) = kernel.interfaces.get_mut(index) {
        interface.net.counters.sent(&frame);
        kernel.work.push_back(Work::Input { interface: index, frame });
    }
}

/// Puts a payload into a frame from the interface and sends it.
pub(super) fn send(kernel: &mut Kernel, index: IfIndex, to: [u8; 6], ethertype: u16, payload: &[u8]) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    if is_layer3(interface) {
        if ethertype != ETHERTYPE_ARP {
            ifnet::transmit_packet(kernel, index, payload.to_vec());
        }
        return;
    }
    let frame = frame(to, interface.mac, ethertype, payload);
    match interface.bridge {
        Some(bridge) => bridge::output(kernel, bridge, index, frame),
        // Past the hook `upper` of the interface's ether node.
        None => {
            if let Some(frame) = netgraph::ether_output(kernel, index, frame) {
                ifnet::transmit(kernel, index, frame);
            }
        }
    }
}

/// Sends an IP packet of either version to a MAC.
pub(super) fn send_to(kernel: &mut Kernel, index: IfIndex, to: [u8; 6], packet: &[u8]) {
    send(kernel, index, to, ethertype_of(packet), packet);
}

/// Whether packets go out of it without a frame around them.
fn is_layer3(interface: &ifnet::Interface) -> bool {
    matches!(interface.driver, ifnet::Driver::Iface { .. })
}

fn ethertype_of(packet: &[u8]) -> u16 {
    if packet.first().is_some_and(|first| first >> 4 == 6) { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 }
}

fn frame(to: [u8; 6], from: [u8; 6], ethertype: u16, payload: &[u8]) -> Frame {
    let mut frame = Frame::with_capacity(ETHERNET_HEADER + payload.len());
    frame.extend_from_slice(&to);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}
