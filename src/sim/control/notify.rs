//! What readers learn by themselves: netlink groups, and every PF_ROUTE socket of the vnet.

use std::net::IpAddr;

use super::netlink::{write_address, write_link, write_neighbour, write_route};
use super::rtsock;
use crate::abi::rtsock::{RTM_ADD, RTM_CHANGE, RTM_DELADDR as ROUTE_DELADDR, RTM_DELETE, RTM_NEWADDR as ROUTE_NEWADDR};
use crate::netlink::consts::{
    RTM_DELADDR, RTM_DELLINK, RTM_DELNEIGH, RTM_DELROUTE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE,
    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE, RTNLGRP_LINK, RTNLGRP_NEIGH,
};
use crate::netlink::wire::Writer;
use crate::sim::ifnet::Interface;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};
use crate::sim::sockets::{Protocol, SockId};
use crate::sim::stack::{self, Event, NeighbourView, Reachability, RouteChange};

/// A new interface, or one that came from another vnet.
pub fn interface_arrived(kernel: &mut Kernel, index: IfIndex) {
    announce(kernel, index, false);
    link(kernel, index, RTM_NEWLINK, 0);
}

/// An interface leaves its vnet; it is still in it.
pub fn interface_departed(kernel: &mut Kernel, index: IfIndex) {
    link(kernel, index, RTM_DELLINK, 0);
    announce(kernel, index, true);
}

/// The old name of an interface goes.
pub fn interface_renaming(kernel: &mut Kernel, index: IfIndex) {
    announce(kernel, index, true);
}

/// The new name of an interface comes.
pub fn interface_renamed(kernel: &mut Kernel, index: IfIndex) {
    announce(kernel, index, false);
    link(kernel, index, RTM_NEWLINK, 0);
}

/// Flags, MTU or carrier changed.
pub fn interface_changed(kernel: &mut Kernel, index: IfIndex) {
    let Some(vnet) = vnet_of(kernel, index) else { return };
    stack_events(kernel, vnet, None);
    let Some(interface) = listened(kernel, vnet).then(|| kernel.interfaces.get(index)).flatten() else { return };
    let message = rtsock::information(interface);
    route_message(kernel, vnet, &message);
    link(kernel, index, RTM_NEWLINK, crate::abi::flags::IFF_UP);
}

fn announce(kernel: &mut Kernel, index: IfIndex, departure: bool) {
    let Some(vnet) = vnet_of(kernel, index) else { return };
    stack_events(kernel, vnet, None);
    let Some(interface) = listened(kernel, vnet).then(|| kernel.interfaces.get(index)).flatten() else { return };
    let message = rtsock::announcement(interface, departure);
    route_message(kernel, vnet, &message);
}

fn vnet_of(kernel: &Kernel, index: IfIndex) -> Option<VnetId> {
    kernel.interfaces.get(index).map(|interface| interface.vnet)
}

/// Whether anybody in the vnet would learn of anything.
fn listened(kernel: &Kernel, vnet: VnetId) -> bool {
    kernel.sockets.open.values().filter(|socket| socket.vnet == vnet).any(|socket| match &socket.protocol {
        Protocol::Route(_) => true,
        Protocol::Netlink(socket) => !socket.groups.is_empty(),
        _ => false,
    })
}

/// Gives a PF_ROUTE message to every reader of the vnet.
pub fn route_message(kernel: &mut Kernel, vnet: VnetId, message: &[u8]) {
    for socket in kernel.sockets.open.values_mut().filter(|socket| socket.vnet == vnet) {
        if let Protocol::Route(reader) = &mut socket.protocol {
            reader.push(message);
        }
    }
}

/// Gives a netlink message to the members of a group.
fn group(kernel: &mut Kernel, vnet: VnetId, group: u32, message: &[u8]) {
    for socket in kernel.sockets.open.values_mut().filter(|socket| socket.vnet == vnet) {
        if let Protocol::Netlink(reader) = &mut socket.protocol
            && reader.groups.contains(&group)
        {
            reader.notify(message);
        }
    }
}

fn link(kernel: &mut Kernel, index: IfIndex, kind: u16, change: u32) {
    let Some(vnet) = vnet_of(kernel, index).filter(|&vnet| listened(kernel, vnet)) else { return };
    let mut writer = Writer::new();
    if let Some(interface) = kernel.interfaces.get(index) {
        write_link(kernel, &mut writer, interface, kind, 0, 0, 0, change);
    }
    group(kernel, vnet, RTNLGRP_LINK, &writer.finish());
}

/// Tells what the stack did since the last call. A change of routes that a PF_ROUTE socket asked for is told to
/// netlink only: its echo tells the rest.
pub fn stack_events(kernel: &mut Kernel, vnet: VnetId, asked_by: Option<SockId>) {
    let events = stack::take_events(kernel, vnet);
    if events.is_empty() || !listened(kernel, vnet) {
        return;
    }
    for event in events {
        tell(kernel, vnet, event, asked_by.is_some());
    }
}

fn tell(kernel: &mut Kernel, vnet: VnetId, event: Event, is_echoed: bool) {
    match event {
        Event::AddressAdded { interface, address } => tell_address(kernel, vnet, interface, &address, false),
        Event::AddressRemoved { interface, address } => tell_address(kernel, vnet, interface, &address, true),
        Event::Route(change) => tell_route(kernel, vnet, &change, is_echoed),
        Event::NeighbourAdded { interface, address, mac } => {
            tell_neighbour(kernel, vnet, interface, address, mac, false);
        }
        Event::NeighbourRemoved { interface, address, mac } => {
            tell_neighbour(kernel, vnet, interface, address, mac, true);
        }
        Event::InterfaceUp { interface } => {
            if let Some(link) = kernel.interfaces.get(interface) {
                let message = rtsock::information(link);
                route_message(kernel, vnet, &message);
                self::link(kernel, interface, RTM_NEWLINK, crate::abi::flags::IFF_UP);
            }
        }
    }
}

fn tell_address(kernel: &mut Kernel, vnet: VnetId, index: IfIndex, address: &stack::Address, gone: bool) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let (old, new) = if gone { (ROUTE_DELADDR, RTM_DELADDR) } else { (ROUTE_NEWADDR, RTM_NEWADDR) };
    let message = rtsock::address_message(old, interface, address);
    let mut writer = Writer::new();
    write_address(&mut writer, interface, address, new, 0, 0, 0);
    let members = if address.ip().is_ipv4() { RTNLGRP_IPV4_IFADDR } else { RTNLGRP_IPV6_IFADDR };
    route_message(kernel, vnet, &message);
    group(kernel, vnet, members, &writer.finish());
}

fn tell_route(kernel: &mut Kernel, vnet: VnetId, change: &RouteChange, is_echoed: bool) {
    let Some(route) = change.after.as_ref().or(change.before.as_ref()) else { return };
    let is_own_host = route.is_pinned() && route.prefix.is_host() && route.prefix.address.is_ipv4();
    let is_loopback = change.path.hop.source.is_some();
    let is_told_otherwise = is_echoed || is_own_host && is_loopback;
    if !is_told_otherwise {
        let kind = match (&change.before, &change.after) {
            (None, _) => RTM_ADD,
            (Some(_), Some(_)) => RTM_CHANGE,
            (Some(_), None) => RTM_DELETE,
        };
        let message = rtsock::of_path(kernel, kind, &route.prefix, &change.path, change.after.is_some());
        route_message(kernel, vnet, &message.bytes());
    }
    if !route.is_pinned() {
        let kind = if change.after.is_some() { RTM_NEWROUTE } else { RTM_DELROUTE };
        let mut writer = Writer::new();
        write_route(&mut writer, &route.prefix, &route.paths, route.id, kind, 0, 0, 0);
        let members = if route.prefix.address.is_ipv4() { RTNLGRP_IPV4_ROUTE } else { RTNLGRP_IPV6_ROUTE };
        group(kernel, vnet, members, &writer.finish());
    }
}

fn tell_neighbour(kernel: &mut Kernel, vnet: VnetId, index: IfIndex, address: IpAddr, mac: [u8; 6], gone: bool) {
    let Some(interface): Option<&Interface> = kernel.interfaces.get(index) else { return };
    let message = address.is_ipv6().then(|| rtsock::neighbour_message(interface, address, mac, gone));
    let view = NeighbourView {
        address,
        mac: Some(mac),
        state: Reachability::Permanent,
        own: true,
        router: false,
        expires: None,
    };
    let mut writer = Writer::new();
    write_neighbour(&mut writer, index, &view, if gone { RTM_DELNEIGH } else { RTM_NEWNEIGH }, 0, 0, 0);
    if let Some(message) = message {
        route_message(kernel, vnet, &message);
    }
    group(kernel, vnet, RTNLGRP_NEIGH, &writer.finish());
}
