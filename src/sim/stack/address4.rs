//! Adding and removing IPv4 addresses (`sys/netinet/in.c`).

use std::net::{IpAddr, Ipv4Addr};

use super::address::{self, Address, Address4, IFF_BROADCAST, IFF_LOOPBACK, IFF_POINTOPOINT, members};
use super::event::{self, Event};
use super::interface::{bring_up, has_link_layer};
use super::prefix::Prefix;
use super::route::{self, RTF_BROADCAST, RTF_HOST, RTF_PINNED, RTF_STATIC};
use super::table::{NextHop, Path};
use super::{Sysctl, sysctl};
use crate::abi::Errno;
use crate::sim::ifnet::Interface;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

/// An IPv4 address as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAddress4 {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of its mask, at most 32.
    pub length: u8,
    /// Computed from the mask if not given.
    pub broadcast: Option<Ipv4Addr>,
    /// The other end of a point-to-point interface.
    pub peer: Option<Ipv4Addr>,
}

/// Adds an IPv4 address with its routes and brings the interface up. The same address again is removed first.
///
/// # Errors
/// `ENXIO` no such interface, `EINVAL` a length over 32 or a bridge member that may have none, `EDESTADDRREQ`
/// point-to-point without the other end.
pub fn add_address4(kernel: &mut Kernel, index: IfIndex, new: &NewAddress4) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    let (vnet, flags) = (interface.vnet, interface.flags);
    if new.length > 32 {
        return Err(Errno::EINVAL);
    }
    if flags & IFF_POINTOPOINT != 0 && new.peer.is_none() {
        return Err(Errno::EDESTADDRREQ);
    }
    if interface.bridge.is_some() && sysctl(kernel, vnet, Sysctl::BridgeMemberAddresses) == 0 {
        return Err(Errno::EINVAL);
    }
    if super::own_address_at(kernel, index, IpAddr::V4(new.address)) {
        remove_address4(kernel, index, Some(new.address))?;
    }
    let broadcast = (flags & IFF_BROADCAST != 0).then(|| new.broadcast.unwrap_or_else(|| default_broadcast(new)));
    let peer = new.peer.filter(|_| flags & IFF_POINTOPOINT != 0);
    let added = Address4 { address: new.address, length: new.length, broadcast, peer };
    if let Some(interface) = kernel.interfaces.get_mut(index) {
        interface.net.addresses.push(Address::V4(added.clone()));
    }
    bring_up(kernel, index, |kernel| {
        announce_neighbour(kernel, index, new.address);
        event::push(kernel, vnet, Event::AddressAdded { interface: index, address: Address::V4(added.clone()) });
        add_prefix_route(kernel, index, &added);
        add_host_route(kernel, index, new.address);
    });
    Ok(())
}

/// Removes an IPv4 address, the first one if none is named, with its routes.
///
/// # Errors
/// `ENXIO` no such interface, `EADDRNOTAVAIL` no such address on it.
pub fn remove_address4(kernel: &mut Kernel, index: IfIndex, wanted: Option<Ipv4Addr>) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    let vnet = interface.vnet;
    let is_it = |address: &Address| matches!(address, Address::V4(a) if wanted.is_none_or(|w| w == a.address));
    let at = interface.net.addresses.iter().position(is_it).ok_or(Errno::EADDRNOTAVAIL)?;
    let Address::V4(gone) = interface.net.addresses.remove(at) else { return Err(Errno::EADDRNOTAVAIL) };
    event::push(kernel, vnet, Event::AddressRemoved { interface: index, address: Address::V4(gone.clone()) });
    remove_routes(kernel, vnet, index, &gone);
    if let Some(interface) = kernel.interfaces.get_mut(index) {
        let (network, length) = (gone.network(), gone.length);
        interface.net.neighbours.forget_subnet4(network, length);
        if has_link_layer(interface) && !gone.address.is_unspecified() {
            let mac = interface.mac;
            let address = IpAddr::V4(gone.address);
            event::push(kernel, vnet, Event::NeighbourRemoved { interface: index, address, mac });
        }
    }
    Ok(())
}

/// The interface went down: its connected routes go, its addresses stay.
pub(super) fn went_down(kernel: &mut Kernel, index: IfIndex) {
    for address in addresses(kernel, index) {
        let Some(vnet) = kernel.interfaces.get(index).map(|interface| interface.vnet) else { return };
        event::push(kernel, vnet, Event::AddressRemoved { interface: index, address: Address::V4(address.clone()) });
        remove_prefix_route(kernel, vnet, index, &address);
    }
    if let Some(vnet) = kernel.interfaces.get(index).map(|interface| interface.vnet) {
        route::drop_static(kernel, vnet, index);
    }
}

/// The interface came up: connected routes that went with it return.
pub(super) fn came_up(kernel: &mut Kernel, index: IfIndex) {
    let Some(vnet) = kernel.interfaces.get(index).map(|interface| interface.vnet) else { return };
    for address in addresses(kernel, index) {
        let there = kernel.interfaces.get(index).and_then(|interface| connected(kernel, interface, &address));
        if there
            .is_some_and(|(prefix, _)| route::route_exact(kernel, vnet, &prefix).is_some_and(super::Route::is_pinned))
        {
            continue;
        }
        event::push(kernel, vnet, Event::AddressAdded { interface: index, address: Address::V4(address.clone()) });
        add_prefix_route(kernel, index, &address);
        add_host_route(kernel, index, address.address);
        super::arp::announce(kernel, index, address.address);
    }
}

fn addresses(kernel: &Kernel, index: IfIndex) -> Vec<Address4> {
    kernel.interfaces.get(index).map(|interface| address::v4(interface).cloned().collect()).unwrap_or_default()
}

fn default_broadcast(new: &NewAddress4) -> Ipv4Addr {
    match new.length {
        31 => Ipv4Addr::BROADCAST, // RFC 3021
        length => Ipv4Addr::from_bits(new.address.to_bits() | !super::prefix::mask4(length)),
    }
}

fn announce_neighbour(kernel: &mut Kernel, index: IfIndex, address: Ipv4Addr) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    if has_link_layer(interface) && !address.is_unspecified() {
        let (vnet, mac) = (interface.vnet, interface.mac);
        event::push(kernel, vnet, Event::NeighbourAdded { interface: index, address: IpAddr::V4(address), mac });
        super::arp::announce(kernel, index, address);
    }
}

/// The connected route of an address: its subnet out of the interface; the address itself on a loopback interface
/// and, through lo0, with a full mask; the other end on a point-to-point interface.
fn connected(kernel: &Kernel, interface: &Interface, address: &Address4) -> Option<(Prefix, Path)> {
    let (target, length, out) = if interface.flags & IFF_LOOPBACK != 0 {
        (address.address, 32, interface.index)
    } else if let Some(peer) = address.peer {
        (peer, 32, interface.index)
    } else if address.length == 32 {
        (address.address, 32, super::loopback(kernel, interface.vnet)?)
    } else {
        (address.address, address.length, interface.index)
    };
    let prefix = Prefix::new(IpAddr::V4(target), length, None)?;
    let host = if prefix.is_host() { RTF_HOST } else { 0 };
    let source = (out != interface.index).then_some(interface.index);
    let hop = NextHop { gateway: None, interface: out, flags: RTF_PINNED | host, mtu: None, source };
    Some((prefix, Path { hop, weight: 1, id: 0 }))
}

fn add_prefix_route(kernel: &mut Kernel, index: IfIndex, address: &Address4) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let vnet = interface.vnet;
    if let Some((prefix, path)) = connected(kernel, interface, address) {
        put_pinned(kernel, vnet, prefix, path);
    }
}

/// The route by which the host reaches an own address: through lo0.
fn add_host_route(kernel: &mut Kernel, index: IfIndex, address: Ipv4Addr) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let vnet = interface.vnet;
    if address.is_unspecified() || interface.flags & IFF_LOOPBACK != 0 {
        return;
    }
    let Some(out) = super::loopback(kernel, vnet) else { return };
    let broadcast = if address.is_broadcast() { RTF_BROADCAST } else { 0 };
    let flags = RTF_PINNED | RTF_STATIC | RTF_HOST | broadcast;
    let hop = NextHop { gateway: None, interface: out, flags, mtu: None, source: Some(index) };
    let prefix = Prefix::host(IpAddr::V4(address), None);
    if let Ok(table) = route::table_mut(kernel, vnet, prefix.address)
        && table.get(&prefix).is_none_or(|there| !there.is_pinned())
    {
        table.put(prefix, vec![Path { hop, weight: 1, id: 0 }]);
    }
}

fn remove_routes(kernel: &mut Kernel, vnet: VnetId, index: IfIndex, gone: &Address4) {
    remove_prefix_route(kernel, vnet, index, gone);
    let prefix = Prefix::host(IpAddr::V4(gone.address), None);
    let ours = route::route_exact(kernel, vnet, &prefix)
        .is_some_and(|route| route.is_pinned() && route.paths.iter().any(|path| path.hop.source == Some(index)));
    if ours {
        if let Ok(table) = route::table_mut(kernel, vnet, prefix.address) {
            table.remove(&prefix);
        }
        if let Some(other) = super::own_address(kernel, vnet, prefix.address, None) {
            add_host_route(kernel, other, gone.address);
        }
    }
}

/// Takes the connected route away, or gives it to another interface with an address in the same subnet.
fn remove_prefix_route(kernel: &mut Kernel, vnet: VnetId, index: IfIndex, gone: &Address4) {
    let Some((prefix, path)) = kernel.interfaces.get(index).and_then(|interface| connected(kernel, interface, gone))
    else {
        return;
    };
    let still = |kernel: &Kernel, other: &Address4, interface: &Interface| {
        connected(kernel, interface, other).is_some_and(|(p, _)| p == prefix)
    };
    let keeps = kernel.interfaces.get(index).is_some_and(|interface| {
        interface.flags & address::IFF_UP != 0 && address::v4(interface).any(|other| still(kernel, other, interface))
    });
    let ours = route::route_exact(kernel, vnet, &prefix)
        .is_some_and(|there| there.is_pinned() && there.paths.iter().any(|p| p.hop == path.hop));
    if keeps || !ours {
        return;
    }
    let before = route::table_mut(kernel, vnet, prefix.address).ok().and_then(|table| table.remove(&prefix));
    route::report(kernel, vnet, before, &prefix, path);
    let heir = members(kernel, vnet).filter(|&other| other != index).find_map(|other| {
        let interface = kernel.interfaces.get(other).filter(|found| found.flags & address::IFF_UP != 0)?;
        address::v4(interface).find(|a| still(kernel, a, interface)).map(|a| (other, a.clone()))
    });
    if let Some((other, address)) = heir {
        add_prefix_route(kernel, other, &address);
    }
}

/// Sets a route of the kernel's own and announces it, unless one stands there; a route set by hand gives way.
pub(super) fn put_pinned(kernel: &mut Kernel, vnet: VnetId, prefix: Prefix, path: Path) {
    let Ok(table) = route::table_mut(kernel, vnet, prefix.address) else { return };
    let before = table.get(&prefix).cloned();
    if before.as_ref().is_some_and(super::Route::is_pinned) {
        return;
    }
    table.put(prefix, vec![path]);
    route::report(kernel, vnet, before, &prefix, path);
}
