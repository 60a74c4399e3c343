//! Duplicate address detection (`sys/netinet6/nd6_nbr.c`, nd6_dad_start and following).

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::address::{self, IFF_LOOPBACK, IFF_UP, IN6_IFF_DUPLICATED, IN6_IFF_TENTATIVE};
use super::interface::Nd6;
use super::{Sysctl, sysctl};
use crate::sim::clock::{self, Nanos};
use crate::sim::ifnet::Interface;
use crate::sim::kernel::{IfIndex, Kernel};

/// Between two probes, and from the last one to the end.
const RETRANS: Nanos = 1_000_000_000;

/// A detection that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Detection {
    address: Ipv6Addr,
    left: i32,
    due: Nanos,
    /// In our own probes, to know them if a loop brings them back (RFC 7527).
    nonce: [u8; 6],
}

/// Whether an address added now begins tentative.
pub(super) fn wanted(interface: &Interface) -> bool {
    interface.flags & IFF_LOOPBACK == 0 && !interface.net.nd6.intersects(Nd6::IFDISABLED | Nd6::NO_DAD)
}

/// Begins detection for every tentative address of an interface that is up.
pub(super) fn start_all(kernel: &mut Kernel, index: IfIndex) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    if interface.flags & IFF_UP == 0 || interface.net.nd6.contains(Nd6::IFDISABLED) {
        return;
    }
    let count = sysctl(kernel, interface.vnet, Sysctl::DadCount);
    let skip = count <= 0 || interface.flags & IFF_LOOPBACK != 0 || interface.net.nd6.contains(Nd6::NO_DAD);
    let tentative: Vec<Ipv6Addr> = address::v6(interface)
        .filter(|address| address.flags & IN6_IFF_TENTATIVE != 0)
        .map(|address| address.address)
        .filter(|address| interface.net.detections.iter().all(|running| running.address != *address))
        .collect();
    for address in tentative {
        if skip {
            finish(kernel, index, address);
        } else {
            let [nonce @ .., _, _] = kernel.random.next_u64().to_be_bytes();
            if let Some(interface) = kernel.interfaces.get_mut(index) {
                interface.net.detections.push(Detection { address, left: count, due: 0, nonce });
            }
            probe(kernel, index, address);
        }
    }
}

/// The interface went down: nothing is under way.
pub(super) fn stop_all(kernel: &mut Kernel, index: IfIndex) {
    if let Some(interface) = kernel.interfaces.get_mut(index) {
        interface.net.detections.clear();
    }
}

/// A second passed since a probe.
pub(super) fn timer(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr) {
    let now = kernel.clock.now();
    let Some(running) = find(kernel, index, address).filter(|running| running.due == now) else { return };
    running.left -= 1;
    if running.left > 0 {
        probe(kernel, index, address);
    } else {
        finish(kernel, index, address);
    }
}

/// Somebody probes for, or announces, an address we are probing for; `nonce` is that of the probe.
pub(super) fn conflict(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr, nonce: Option<[u8; 6]>) {
    let Some(running) = find(kernel, index, address) else { return };
    if nonce == Some(running.nonce) {
        return;
    }
    forget(kernel, index, address);
    if let Some(found) = address::v6_mut(kernel, index, address) {
        found.flags = found.flags & !IN6_IFF_TENTATIVE | IN6_IFF_DUPLICATED;
    }
    // Without a link-local address of its own an interface is of no use for IPv6.
    if address.is_unicast_link_local()
        && let Some(interface) = kernel.interfaces.get_mut(index)
    {
        interface.net.nd6.insert(Nd6::IFDISABLED);
    }
}

fn find(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr) -> Option<&mut Detection> {
    kernel.interfaces.get_mut(index)?.net.detections.iter_mut().find(|running| running.address == address)
}

fn forget(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr) {
    if let Some(interface) = kernel.interfaces.get_mut(index) {
        interface.net.detections.retain(|running| running.address != address);
    }
}

fn finish(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr) {
    forget(kernel, index, address);
    if let Some(found) = address::v6_mut(kernel, index, address) {
        found.flags &= !IN6_IFF_TENTATIVE;
    }
}

fn probe(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr) {
    let due = kernel.clock.now() + RETRANS;
    let Some(running) = find(kernel, index, address) else { return };
    running.due = due;
    let nonce = running.nonce;
    kernel.clock.set(RETRANS, clock::Timer::Stack(super::Timer::Dad { interface: index, address }));
    super::nd::solicit(kernel, index, address, super::nd::Solicitation::Detect(nonce));
}

/// An address went: its detection goes too.
pub(super) fn address_removed(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr) {
    forget(kernel, index, address);
}
