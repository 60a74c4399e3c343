//! Adding and removing IPv6 addresses (`sys/netinet6/in6.c`).

use std::net::{IpAddr, Ipv6Addr};

use super::address::{self, Address, Address6, IFF_LOOPBACK, IFF_POINTOPOINT, IN6_IFF_TENTATIVE, INFINITE, members};
use super::address4::put_pinned;
use super::event::{self, Event};
use super::interface::{Nd6, bring_up, has_link_layer};
use super::prefix::Prefix;
use super::route::{self, RTF_HOST, RTF_PINNED, RTF_STATIC};
use super::table::{NextHop, Path};
use super::{Sysctl, dad, sysctl};
use crate::abi::Errno;
use crate::sim::clock;
use crate::sim::ifnet::Interface;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

/// An IPv6 address as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAddress6 {
    /// The address; a link-local one without scope inside.
    pub address: Ipv6Addr,
    /// Prefix length, 1 to 128.
    pub length: u8,
    /// The other end, on point-to-point or loopback interfaces and with length 128 only.
    pub peer: Option<Ipv6Addr>,
    /// `IN6_IFF_*` asked for.
    pub flags: u32,
    /// Valid lifetime in seconds.
    pub valid: u32,
    /// Preferred lifetime in seconds.
    pub preferred: u32,
}

/// Adds an IPv6 address with its routes. The first one of an interface clears `IFDISABLED`, brings the interface up
/// and adds the link-local address; it skips duplicate detection if `IFDISABLED` was set. The same address again
/// renews its lifetimes.
///
/// # Errors
/// `ENXIO` no such interface, `EINVAL` a wrong or changed length, lifetimes, other end, `::1` elsewhere than on
/// loopback, a bridge member that may have none; `EEXIST` another interface has it.
pub fn add_address6(kernel: &mut Kernel, index: IfIndex, new: &NewAddress6) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    let vnet = interface.vnet;
    check(kernel, interface, new)?;
    let now = kernel.clock.now();
    if let Some(there) = address::v6_mut(kernel, index, new.address) {
        if there.length != new.length {
            return Err(Errno::EINVAL);
        }
        (there.valid, there.preferred, there.updated) = (new.valid, new.preferred, now);
        expire_later(kernel, index, new.address, new.valid);
        return Ok(());
    }
    if new.address.is_unspecified() {
        return Err(Errno::EEXIST);
    }
    if !super::needs_scope(IpAddr::V6(new.address))
        && super::own_address(kernel, vnet, IpAddr::V6(new.address), None).is_some()
    {
        return Err(Errno::EEXIST);
    }
    let first = kernel.interfaces.get(index).is_some_and(|interface| address::v6(interface).next().is_none());
    let insert = |kernel: &mut Kernel| {
        insert(kernel, index, new);
        let Some(interface) = kernel.interfaces.get_mut(index) else { return };
        if interface.net.nd6.contains(Nd6::IFDISABLED) {
            interface.net.nd6.remove(Nd6::IFDISABLED);
        }
        super::interface::auto_link_local(kernel, index);
    };
    if first {
        bring_up(kernel, index, insert);
    } else {
        insert(kernel);
    }
    dad::start_all(kernel, index);
    Ok(())
}

/// Removes an IPv6 address with its routes.
///
/// # Errors
/// `ENXIO` no such interface, `EADDRNOTAVAIL` no such address on it.
pub fn remove_address6(kernel: &mut Kernel, index: IfIndex, wanted: Ipv6Addr) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    let vnet = interface.vnet;
    let is_it = |address: &Address| matches!(address, Address::V6(a) if a.address == wanted);
    let at = interface.net.addresses.iter().position(is_it).ok_or(Errno::EADDRNOTAVAIL)?;
    let Address::V6(gone) = interface.net.addresses.remove(at) else { return Err(Errno::EADDRNOTAVAIL) };
    let link_layer = has_link_layer(interface).then_some(interface.mac);
    dad::address_removed(kernel, index, wanted);
    let host = Prefix::host(IpAddr::V6(wanted), Some(index));
    let removed = route::table_mut(kernel, vnet, host.address).ok().and_then(|table| {
        let ours = table.get(&host).is_some_and(super::Route::is_pinned);
        if ours { table.remove(&host) } else { None }
    });
    if let Some(before) = removed
        && let Some(path) = before.paths.first().cloned()
    {
        route::report(kernel, vnet, Some(before), &host, path);
    }
    event::push(kernel, vnet, Event::AddressRemoved { interface: index, address: Address::V6(gone.clone()) });
    remove_prefix_route(kernel, vnet, index, &gone);
    if let Some(mac) = link_layer {
        let address = IpAddr::V6(wanted);
        event::push(kernel, vnet, Event::NeighbourRemoved { interface: index, address, mac });
    }
    Ok(())
}

/// The lifetime of an address may have passed.
pub(super) fn expire(kernel: &mut Kernel, index: IfIndex, wanted: Ipv6Addr) {
    let now = kernel.clock.now();
    let over = address::v6_mut(kernel, index, wanted).is_some_and(|address| {
        address.valid != INFINITE && now.saturating_sub(address.updated) > u64::from(address.valid) * 1_000_000_000
    });
    if over {
        // The address was seen a line above; nothing else can fail.
        let _ = remove_address6(kernel, index, wanted);
    }
}

fn check(kernel: &Kernel, interface: &Interface, new: &NewAddress6) -> Result<(), Errno> {
    let loopback = interface.flags & IFF_LOOPBACK != 0;
    let peer_allowed = new.length == 128 && interface.flags & (IFF_POINTOPOINT | IFF_LOOPBACK) != 0;
    let refused = new.length == 0
        || new.length > 128
        || (new.peer.is_some() && !peer_allowed)
        || new.preferred > new.valid
        || (new.address.is_loopback() && !loopback)
        || (interface.bridge.is_some() && sysctl(kernel, interface.vnet, Sysctl::BridgeMemberAddresses) == 0);
    if refused { Err(Errno::EINVAL) } else { Ok(()) }
}

/// Puts the address and its routes in place.
pub(super) fn insert(kernel: &mut Kernel, index: IfIndex, new: &NewAddress6) {
    let now = kernel.clock.now();
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let (vnet, mac, link_layer) = (interface.vnet, interface.mac, has_link_layer(interface));
    let tentative = if dad::wanted(interface) { IN6_IFF_TENTATIVE } else { 0 };
    let added = Address6 {
        address: new.address,
        length: new.length,
        peer: new.peer,
        flags: new.flags & !(IN6_IFF_TENTATIVE | super::IN6_IFF_DUPLICATED) | tentative,
        valid: new.valid,
        preferred: new.preferred,
        created: now,
        updated: now,
    };
    if let Some(interface) = kernel.interfaces.get_mut(index) {
        interface.net.addresses.push(Address::V6(added.clone()));
    }
    if link_layer {
        let address = IpAddr::V6(new.address);
        event::push(kernel, vnet, Event::NeighbourAdded { interface: index, address, mac });
    }
    event::push(kernel, vnet, Event::AddressAdded { interface: index, address: Address::V6(added.clone()) });
    add_host_route(kernel, vnet, index, new.address);
    if let Some((prefix, path)) = connected(index, &added) {
        put_pinned(kernel, vnet, prefix, path);
    }
    expire_later(kernel, index, new.address, new.valid);
}

/// Asks the clock to look at a lifetime when it will have passed; the kernel looks once a second.
fn expire_later(kernel: &mut Kernel, index: IfIndex, address: Ipv6Addr, valid: u32) {
    if valid != INFINITE {
        let after = u64::from(valid).saturating_add(1).saturating_mul(1_000_000_000);
        kernel.clock.set(after, clock::Timer::Stack(super::Timer::Lifetime { interface: index, address }));
    }
}

fn add_host_route(kernel: &mut Kernel, vnet: VnetId, index: IfIndex, address: Ipv6Addr) {
    let Some(out) = super::loopback(kernel, vnet) else { return };
    let flags = RTF_PINNED | RTF_STATIC | RTF_HOST;
    let source = (out != index).then_some(index);
    let hop = NextHop { gateway: None, interface: out, flags, mtu: None, source };
    put_pinned(kernel, vnet, Prefix::host(IpAddr::V6(address), Some(index)), Path { hop, weight: 1, id: 0 });
}

/// The connected route of an address: its prefix out of the interface, the other end of a point-to-point one.
fn connected(index: IfIndex, address: &Address6) -> Option<(Prefix, Path)> {
    let (target, length) = match address.peer {
        Some(peer) => (peer, 128),
        None if address.length < 128 => (address.address, address.length),
        None => return None,
    };
    let prefix = Prefix::new(IpAddr::V6(target), length, Some(index))?;
    let host = if prefix.is_host() { RTF_HOST } else { 0 };
    let hop = NextHop { gateway: None, interface: index, flags: RTF_PINNED | host, mtu: None, source: None };
    Some((prefix, Path { hop, weight: 1, id: 0 }))
}

/// Takes the connected route away, or gives it to another interface with an address in the same prefix.
fn remove_prefix_route(kernel: &mut Kernel, vnet: VnetId, index: IfIndex, gone: &Address6) {
    let Some((prefix, path)) = connected(index, gone) else { return };
    let holds = |kernel: &Kernel, other: IfIndex| {
        kernel.interfaces.get(other).is_some_and(|interface| {
            address::v6(interface).any(|a| connected(other, a).is_some_and(|(p, _)| p == prefix))
        })
    };
    let ours = route::route_exact(kernel, vnet, &prefix)
        .is_some_and(|there| there.is_pinned() && there.paths.iter().any(|p| p.hop == path.hop));
    if holds(kernel, index) || !ours {
        return;
    }
    let before = route::table_mut(kernel, vnet, prefix.address).ok().and_then(|table| table.remove(&prefix));
    route::report(kernel, vnet, before, &prefix, path);
    let heir = members(kernel, vnet).find(|&other| other != index && holds(kernel, other));
    if let Some(heir) = heir {
        let hop = NextHop { interface: heir, ..path.hop };
        put_pinned(kernel, vnet, prefix, Path { hop, weight: 1, id: 0 });
    }
}
