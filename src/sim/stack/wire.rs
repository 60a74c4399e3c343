//! IP packets on an Ethernet link.

use crate::sim::ifnet;
use crate::sim::kernel::{Frame, IfIndex, Kernel};

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_ARP: u16 = 0x0806;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(super) const ETHERNET_HEADER: usize = 14;
pub(super) const BROADCAST: [u8; 6] = [0xff; 6];

/// Puts a payload into a frame from the interface and sends it.
pub(super) fn send(kernel: &mut Kernel, index: IfIndex, to: [u8; 6], ethertype: u16, payload: &[u8]) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let mut frame = Frame::with_capacity(ETHERNET_HEADER + payload.len());
    frame.extend_from_slice(&to);
    frame.extend_from_slice(&interface.mac);
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame.extend_from_slice(payload);
    ifnet::transmit(kernel, index, frame);
}

/// Sends an IP packet of either version to a MAC.
pub(super) fn send_to(kernel: &mut Kernel, index: IfIndex, to: [u8; 6], packet: Vec<u8>) {
    let ethertype = if packet.first().is_some_and(|first| first >> 4 == 6) { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 };
    send(kernel, index, to, ethertype, &packet);
}
