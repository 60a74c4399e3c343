//! What the stack keeps for an interface, and what it does when one comes, goes, rises or falls.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::address::{self, Address, IFF_LOOPBACK, IFF_NOARP, IFF_RUNNING, IFF_UP, IN6_IFF_TENTATIVE, INFINITE};
use super::address6::NewAddress6;
use super::event::{self, Event};
use super::neighbour::Neighbours;
use super::{Sysctl, address4, address6, dad, route, sysctl};
use crate::abi::Errno;
use crate::sim::ifnet::{Driver, Interface};
use crate::sim::kernel::{IfIndex, Kernel};

bitflags::bitflags! {
    /// Flags of neighbour discovery on an interface (`ND6_IFF_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(from = "u32", into = "u32")]
    pub struct Nd6: u32 {
        /// Neighbours are watched.
        const PERFORMNUD = 0x1;
        /// Router advertisements are taken.
        const ACCEPT_RTADV = 0x2;
        /// No IPv6 here.
        const IFDISABLED = 0x8;
        /// A link-local address is made.
        const AUTO_LINKLOCAL = 0x20;
        /// No route from router advertisements.
        const NO_RADR = 0x40;
        /// Duplicates are not looked for.
        const NO_DAD = 0x100;
        /// Whatever else was set.
        const _ = !0;
    }
}

impl From<u32> for Nd6 {
    fn from(bits: u32) -> Self {
        Self::from_bits_retain(bits)
    }
}

impl From<Nd6> for u32 {
    fn from(flags: Nd6) -> Self {
        flags.bits()
    }
}

impl Default for Nd6 {
    fn default() -> Self {
        Self::PERFORMNUD | Self::IFDISABLED | Self::AUTO_LINKLOCAL
    }
}

/// What passed an interface (`if_data`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames received.
    pub input_packets: u64,
    /// Octets received.
    pub input_bytes: u64,
    /// Frames received and unusable.
    pub input_errors: u64,
    /// Frames received and dropped.
    pub input_drops: u64,
    /// Frames received for several.
    pub input_multicasts: u64,
    /// Frames sent.
    pub output_packets: u64,
    /// Octets sent.
    pub output_bytes: u64,
    /// Frames that could not be sent.
    pub output_errors: u64,
    /// Frames dropped before sending.
    pub output_drops: u64,
    /// Frames sent to several.
    pub output_multicasts: u64,
}

impl Counters {
    /// Counts a frame that came in.
    pub fn received(&mut self, frame: &[u8]) {
        self.input_packets += 1;
        self.input_bytes += frame.len() as u64;
        self.input_multicasts += u64::from(is_group(frame));
    }

    /// Counts a frame that went out.
    pub fn sent(&mut self, frame: &[u8]) {
        self.output_packets += 1;
        self.output_bytes += frame.len() as u64;
        self.output_multicasts += u64::from(is_group(frame));
    }
}

fn is_group(frame: &[u8]) -> bool {
    frame.first().is_some_and(|octet| octet & 1 != 0)
}

/// What the stack keeps for one interface.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InterfaceNet {
    /// In the order in which they were added.
    pub addresses: Vec<Address>,
    /// Flags of neighbour discovery.
    pub nd6: Nd6,
    /// Traffic.
    pub counters: Counters,
    /// Its neighbours.
    pub(super) neighbours: Neighbours,
    /// Duplicate detections that run.
    pub(super) detections: Vec<dad::Detection>,
    /// `IFF_UP` as the stack last saw it.
    up: bool,
}

/// An interface appeared in its vnet, new or moved: its nd6 flags become those of the vnet.
pub fn interface_arrives(kernel: &mut Kernel, index: IfIndex) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let vnet = interface.vnet;
    let mut nd6 = Nd6::PERFORMNUD;
    let is_loopback = matches!(interface.driver, Driver::Loopback);
    if !is_loopback {
        nd6 |= Nd6::IFDISABLED;
    }
    if sysctl(kernel, vnet, Sysctl::AutoLinkLocal) != 0 && !matches!(interface.driver, Driver::Bridge(_)) {
        nd6 |= Nd6::AUTO_LINKLOCAL;
    }
    let up = interface.flags & IFF_UP != 0;
    if let Some(stack) = super::of_mut(kernel, vnet)
        && is_loopback
        && stack.loopback.is_none()
    {
        stack.loopback = Some(index);
    }
    if let Some(interface) = kernel.interfaces.get_mut(index) {
        interface.net.nd6 = nd6;
        interface.net.addresses.clear();
        interface.net.neighbours = Neighbours::default();
        interface.net.detections.clear();
        interface.net.up = up;
    }
}

/// An interface went up or down (`IFF_UP`), or its carrier changed. The announcement of the flags is the caller's.
pub fn interface_changed(kernel: &mut Kernel, index: IfIndex) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let is_up = interface.flags & IFF_UP != 0;
    let was_up = std::mem::replace(&mut interface.net.up, is_up);
    match (was_up, is_up) {
        (false, true) => {
            address4::came_up(kernel, index);
            came_up6(kernel, index);
        }
        (true, false) => {
            address4::went_down(kernel, index);
            went_down6(kernel, index);
            if let Some(interface) = kernel.interfaces.get_mut(index) {
                interface.net.neighbours.forget_dynamic();
            }
        }
        _ => {}
    }
}

/// An interface leaves its vnet: its addresses, routes and neighbours go.
pub fn interface_leaves(kernel: &mut Kernel, index: IfIndex) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    interface.flags &= !IFF_UP;
    let vnet = interface.vnet;
    interface_changed(kernel, index);
    let addresses: Vec<Address> =
        kernel.interfaces.get(index).map(|interface| interface.net.addresses.clone()).unwrap_or_default();
    for address in addresses {
        // Each was listed a line above.
        let _ = match address {
            Address::V4(address) => super::remove_address4(kernel, index, Some(address.address)),
            Address::V6(address) => super::remove_address6(kernel, index, address.address),
        };
    }
    route::flush_interface(kernel, vnet, index);
    if let Some(stack) = super::of_mut(kernel, vnet)
        && stack.loopback == Some(index)
    {
        stack.loopback = None;
    }
    if let Some(interface) = kernel.interfaces.get_mut(index) {
        interface.net.neighbours = Neighbours::default();
    }
}

/// The MAC changed: neighbours are told of it (`sys/netinet/if_ether.c`, arp_iflladdr).
pub fn mac_changed(kernel: &mut Kernel, index: IfIndex) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let addresses: Vec<Ipv4Addr> = address::v4(interface).map(|address| address.address).collect();
    for address in addresses {
        super::arp::announce(kernel, index, address);
    }
}

/// Sets all nd6 flags of an interface (SIOCSIFINFO_IN6, SIOCSIFINFO_FLAGS), with what follows from them.
///
/// # Errors
/// `ENXIO` if there is no such interface.
pub fn set_nd6_flags(kernel: &mut Kernel, index: IfIndex, flags: Nd6) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    let before = std::mem::replace(&mut interface.net.nd6, flags);
    if flags.contains(Nd6::IFDISABLED) && !before.contains(Nd6::IFDISABLED) {
        went_down6(kernel, index);
    } else if !flags.contains(Nd6::IFDISABLED) {
        auto_link_local(kernel, index);
        dad::start_all(kernel, index);
    }
    Ok(())
}

/// Whether neighbours are found by ARP and neighbour discovery.
pub(super) fn has_link_layer(interface: &Interface) -> bool {
    interface.flags & (IFF_LOOPBACK | IFF_NOARP | address::IFF_POINTOPOINT) == 0
        && interface.flags & address::IFF_BROADCAST != 0
}

/// Runs `change` with the driver initialised and then, if the interface was down, what going up brings.
pub(super) fn bring_up(kernel: &mut Kernel, index: IfIndex, change: impl FnOnce(&mut Kernel)) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let was_up = interface.flags & IFF_UP != 0;
    interface.flags |= IFF_UP | IFF_RUNNING;
    interface.net.up = true;
    let vnet = interface.vnet;
    change(kernel);
    if !was_up {
        address4::came_up(kernel, index);
        came_up6(kernel, index);
        event::push(kernel, vnet, Event::InterfaceUp { interface: index });
        crate::sim::bridge::flags_changed(kernel, index);
    }
}

fn came_up6(kernel: &mut Kernel, index: IfIndex) {
    auto_link_local(kernel, index);
    dad::start_all(kernel, index);
}

/// All IPv6 addresses are in doubt until the interface is up again.
fn went_down6(kernel: &mut Kernel, index: IfIndex) {
    dad::stop_all(kernel, index);
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    if interface.flags & IFF_LOOPBACK != 0 {
        return;
    }
    for address in &mut interface.net.addresses {
        if let Address::V6(address) = address {
            address.flags = address.flags & !super::IN6_IFF_DUPLICATED | IN6_IFF_TENTATIVE;
        }
    }
}

/// Makes the addresses an interface has by itself when it is up: `::1` and `fe80::1` on loopback, the link-local
/// one from the MAC elsewhere (`sys/netinet6/in6_ifattach.c`).
pub(super) fn auto_link_local(kernel: &mut Kernel, index: IfIndex) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let (vnet, nd6) = (interface.vnet, interface.net.nd6);
    let is_loopback = interface.flags & IFF_LOOPBACK != 0;
    if interface.flags & IFF_UP == 0 || nd6.contains(Nd6::IFDISABLED) || !(is_loopback || has_link_layer(interface)) {
        return;
    }
    let has_link_local = address::v6(interface).any(|address| address.address.is_unicast_link_local());
    let link_local = if is_loopback { Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1) } else { from_mac(interface.mac) };
    let fixed =
        |address, length| NewAddress6 { address, length, peer: None, flags: 0, valid: INFINITE, preferred: INFINITE };
    if is_loopback && super::own_address(kernel, vnet, IpAddr::V6(Ipv6Addr::LOCALHOST), None).is_none() {
        address6::insert(kernel, index, &fixed(Ipv6Addr::LOCALHOST, 128));
    }
    if nd6.contains(Nd6::AUTO_LINKLOCAL) && !has_link_local {
        address6::insert(kernel, index, &fixed(link_local, 64));
    }
}

/// The modified EUI-64 address of a MAC.
fn from_mac(mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let word = u16::from_be_bytes;
    Ipv6Addr::new(0xfe80, 0, 0, 0, word([a ^ 2, b]), word([c, 0xff]), word([0xfe, d]), word([e, f]))
}
