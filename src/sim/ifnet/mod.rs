//! Interfaces: what all kinds share, cloning, names, moves between vnets, and the way of a frame in and out.

mod clone;
mod settings;
mod units;
mod vnet;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::clone::{Vlan, cloner_of, cloners, configure_vlan, create, destroy, leave_parent as unconfigure_vlan};
pub use self::settings::{
    Media, join_group, leave_group, media, rename, restore_capabilities, set_capabilities, set_description, set_flags,
    set_link, set_mac, set_mtu, set_promiscuous, supported_capabilities,
};
pub use self::units::Units;
pub use self::vnet::{give, tear_down};
pub use self::wire::{receive, receive_packet, transmit, transmit_packet};
use super::bridge::Bridge;
use super::control::notify;
use super::kernel::{IfIndex, Kernel, VnetId};
use super::netgraph::NodeId;
use super::{bridge, netgraph, stack};
use crate::abi::Errno;
use crate::abi::flags::{
    IFCAP_JUMBO_MTU, IFCAP_LINKSTATE, IFCAP_RXCSUM, IFCAP_RXCSUM_IPV6, IFCAP_TXCSUM, IFCAP_TXCSUM_IPV6,
    IFCAP_VLAN_HWTAGGING, IFCAP_VLAN_MTU, IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST, IFF_NOARP, IFF_POINTOPOINT,
    IFF_RUNNING, IFF_SIMPLEX, IFF_UP, iftype,
};

/// Every interface by index.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Interfaces {
    /// `slots[i]` is index `i + 1`.
    slots: Vec<Option<Box<Interface>>>,
    /// Freed slots below the end.
    free: BTreeSet<u16>,
    /// The number of the next arrival in a vnet.
    arrivals: u64,
    /// Whether pf is in this kernel: every vnet then has pflog0 and pfsync0.
    pf: bool,
    /// Whether a move on a socket of another vnet than the caller's is let through, as a kernel without INVARIANTS
    /// does; one with them panics (`sys/net/if.c:1319`).
    pub lenient_moves: bool,
}

impl Interfaces {
    /// An interface by index.
    #[must_use]
    pub fn get(&self, index: IfIndex) -> Option<&Interface> {
        self.slots.get(usize::from(index.0.checked_sub(1)?))?.as_deref()
    }

    /// An interface by index.
    pub fn get_mut(&mut self, index: IfIndex) -> Option<&mut Interface> {
        self.slots.get_mut(usize::from(index.0.checked_sub(1)?))?.as_deref_mut()
    }

    /// Every interface, by index.
    pub fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.slots.iter().filter_map(|slot| slot.as_deref())
    }

    /// Takes the lowest free index.
    fn claim(&mut self) -> Result<IfIndex, Errno> {
        if let Some(slot) = self.free.pop_first() {
            return Ok(IfIndex(slot + 1));
        }
        let index = u16::try_from(self.slots.len() + 1).map_err(|_| Errno::ENOSPC)?;
        self.slots.push(None);
        Ok(IfIndex(index))
    }

    fn put(&mut self, interface: Interface) {
        let slot = usize::from(interface.index.0).checked_sub(1).and_then(|at| self.slots.get_mut(at));
        if let Some(slot) = slot {
            *slot = Some(Box::new(interface));
        }
    }

    fn release(&mut self, index: IfIndex) {
        let Some(at) = index.0.checked_sub(1) else { return };
        if let Some(slot) = self.slots.get_mut(usize::from(at))
            && slot.take().is_some()
        {
            self.free.insert(at);
        }
    }
}

/// What drives an interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Driver {
    /// lo.
    Loopback,
    /// ng_eiface: the node that is its back end, in the vnet where it was made.
    Eiface {
        /// The node's vnet.
        vnet: VnetId,
        /// The node.
        node: NodeId,
    },
    /// ng_iface: the same for a layer-3 interface, which carries packets, not frames.
    Iface {
        /// The node's vnet.
        vnet: VnetId,
        /// The node.
        node: NodeId,
    },
    /// One end of an epair.
    Epair {
        /// The other end.
        peer: IfIndex,
    },
    /// if_bridge.
    Bridge(Box<Bridge>),
    /// vlan.
    Vlan(Option<Tag>),
    /// Any other clone that the ioctls know by name only (tap, pflog…).
    Other {
        /// The cloner.
        cloner: String,
    },
}

/// Where a vlan hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The interface that carries its frames.
    pub parent: IfIndex,
    /// 1..=4094.
    pub tag: u16,
    /// 0x8100 or 0x88a8; the kernel takes any.
    pub protocol: u16,
}

/// One interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interface {
    /// Its index, which moves keep.
    pub index: IfIndex,
    /// Its present name.
    pub name: String,
    /// Where it is.
    pub vnet: VnetId,
    /// Where it was born and returns to.
    pub home: VnetId,
    /// Its place in the list of its vnet.
    arrival: u64,
    /// What drives it.
    pub driver: Driver,
    /// Cloner and unit it was born with: what destroys it and what stays taken while it lives.
    pub birth: Option<(String, u32)>,
    /// `IFF_*` of FreeBSD.
    pub flags: u32,
    /// Octets.
    pub mtu: u32,
    /// `IFF_LOOPBACK` ones have none.
    pub mac: [u8; 6],
    /// As it was made.
    pub original_mac: [u8; 6],
    /// SIOCSIFDESCR, as long as it was set; `None` without one.
    pub description: Option<Vec<u8>>,
    /// In the order in which they were joined; `all` and the cloner's come first.
    pub groups: Vec<String>,
    /// `IFCAP_*` enabled.
    pub capabilities: u32,
    /// Whether there is a carrier.
    pub link_up: bool,
    /// 802.1Q priority of a vlan.
    pub priority: u8,
    /// Users of promiscuous mode: the administrator (`IFF_PPROMISC`) and bridges.
    pub promiscuity: u32,
    /// The if_bridge it is a member of.
    pub bridge: Option<IfIndex>,
    /// The vlans it carries, by tag; the protocol makes no difference to the kernel.
    vlans: BTreeMap<u16, IfIndex>,
    /// Addresses, neighbour-discovery flags, counters: the stack's own.
    pub net: stack::InterfaceNet,
}

impl Interface {
    /// The cloner it came from, which is also its group and what netlink calls its kind; eifaces have none.
    #[must_use]
    pub fn cloner(&self) -> Option<&str> {
        self.birth.as_ref().map(|birth| birth.0.as_str())
    }

    /// `IFT_*`.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match &self.driver {
            Driver::Loopback => iftype::IFT_LOOP,
            Driver::Eiface { .. } | Driver::Epair { .. } => iftype::IFT_ETHER,
            Driver::Iface { .. } => iftype::IFT_PROPVIRTUAL,
            Driver::Bridge(_) => iftype::IFT_BRIDGE,
            Driver::Vlan(_) => iftype::IFT_L2VLAN,
            Driver::Other { cloner } => match cloner.as_str() {
                "pflog" => iftype::IFT_PFLOG,
                "pfsync" => iftype::IFT_PFSYNC,
                "gif" => iftype::IFT_GIF,
                "tun" => iftype::IFT_PPP,
                _ => iftype::IFT_ETHER,
            },
        }
    }

    /// Whether it has a MAC address.
    #[must_use]
    pub fn is_ethernet(&self) -> bool {
        matches!(self.kind(), iftype::IFT_ETHER | iftype::IFT_BRIDGE | iftype::IFT_L2VLAN)
    }

    /// Whether frames pass: up and running.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING
    }
}

/// What a new interface begins with.
struct Birth {
    name: String,
    vnet: VnetId,
    driver: Driver,
    clone: Option<(String, u32)>,
    flags: u32,
    mtu: u32,
    mac: [u8; 6],
    capabilities: u32,
    link_up: bool,
}

impl Birth {
    /// An Ethernet interface with a MAC of the kernel's making.
    fn ethernet(kernel: &mut Kernel, name: &str, vnet: VnetId, driver: Driver, clone: Option<(String, u32)>) -> Self {
        let [a, b, c, d, e, f, ..] = kernel.random.next_u64().to_le_bytes();
        Self {
            name: name.to_owned(),
            vnet,
            driver,
            clone,
            flags: IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST,
            mtu: 1500,
            mac: [a & 0xfc | 0x02, b, c, d, e, f],
            capabilities: 0,
            link_up: false,
        }
    }
}

/// Capabilities of an epair.
const EPAIR_CAPABILITIES: u32 =
    IFCAP_RXCSUM | IFCAP_TXCSUM | IFCAP_VLAN_MTU | IFCAP_VLAN_HWTAGGING | IFCAP_RXCSUM_IPV6 | IFCAP_TXCSUM_IPV6;
/// Capabilities of an eiface.
const EIFACE_CAPABILITIES: u32 = IFCAP_VLAN_MTU | IFCAP_JUMBO_MTU;
/// Capabilities of a loopback interface.
const LOOPBACK_CAPABILITIES: u32 =
    IFCAP_RXCSUM | IFCAP_TXCSUM | IFCAP_LINKSTATE | IFCAP_RXCSUM_IPV6 | IFCAP_TXCSUM_IPV6;

/// Enters a new interface in its vnet and tells everybody.
fn attach(kernel: &mut Kernel, birth: Birth) -> Result<IfIndex, Errno> {
    let index = kernel.interfaces.claim()?;
    let mut groups = vec!["all".to_owned()];
    if let Some((cloner, _)) = &birth.clone {
        groups.push(cloner.clone());
    }
    let interface = Interface {
        index,
        name: birth.name,
        vnet: birth.vnet,
        home: birth.vnet,
        arrival: 0,
        driver: birth.driver,
        birth: birth.clone,
        flags: birth.flags,
        mtu: birth.mtu,
        mac: birth.mac,
        original_mac: birth.mac,
        description: None,
        groups,
        capabilities: birth.capabilities,
        link_up: birth.link_up,
        priority: 0,
        promiscuity: 0,
        bridge: None,
        vlans: BTreeMap::new(),
        net: stack::InterfaceNet::default(),
    };
    kernel.interfaces.put(interface);
    if let Some(vnet) = kernel.vnets.get_mut(&birth.vnet) {
        vnet.born.insert(index);
    }
    arrive(kernel, index);
    Ok(index)
}

/// Enters an interface, new or moved, in the lists of the vnet it is in.
fn arrive(kernel: &mut Kernel, index: IfIndex) {
    kernel.interfaces.arrivals += 1;
    let arrival = kernel.interfaces.arrivals;
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    interface.arrival = arrival;
    if let Some(vnet) = kernel.vnets.get_mut(&interface.vnet) {
        vnet.names.entry(interface.name.clone()).or_default().push(index);
        vnet.present.insert(arrival, index);
    }
    stack::interface_arrives(kernel, index);
    notify::interface_arrived(kernel, index);
    netgraph::interface_arrived(kernel, index);
}

/// Takes an interface out of the lists of its vnet; what it had there goes.
fn depart(kernel: &mut Kernel, index: IfIndex) {
    netgraph::interface_leaves(kernel, index);
    bridge::member_leaves(kernel, index);
    clone::shed_vlans(kernel, index);
    stack::interface_leaves(kernel, index);
    notify::interface_departed(kernel, index);
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    interface.bridge = None;
    if let Some(vnet) = kernel.vnets.get_mut(&interface.vnet) {
        forget_name(&mut vnet.names, &interface.name, index);
        vnet.present.remove(&interface.arrival);
    }
}

fn forget_name(names: &mut BTreeMap<String, Vec<IfIndex>>, name: &str, index: IfIndex) {
    if let Some(bearers) = names.get_mut(name) {
        bearers.retain(|&bearer| bearer != index);
        if bearers.is_empty() {
            names.remove(name);
        }
    }
}

/// lo0 of a new vnet, and what else every vnet of this kernel has.
pub fn attach_loopback(kernel: &mut Kernel, vnet: VnetId) {
    let lo0 = Some(("lo".to_owned(), 0));
    if let Some(vnet) = kernel.vnets.get_mut(&vnet) {
        vnet.units.entry("lo".to_owned()).or_default().take(0);
    }
    // A kernel whose 65535 indexes are used up hangs here; ours leaves the vnet without lo0.
    let _ = attach(kernel, clone::loopback("lo0", vnet, lo0));
    if kernel.interfaces.pf {
        attach_pf(kernel, vnet);
    }
}

/// Makes this a kernel with pf and pfsync: every vnet, those there already too, shows pflog0 and pfsync0.
pub fn enable_pf(kernel: &mut Kernel) {
    kernel.interfaces.pf = true;
    for vnet in kernel.vnets.keys().copied().collect::<Vec<_>>() {
        attach_pf(kernel, vnet);
    }
}

fn attach_pf(kernel: &mut Kernel, vnet: VnetId) {
    for (cloner, mtu) in [("pflog", 33152), ("pfsync", 1500)] {
        if let Some(vnet) = kernel.vnets.get_mut(&vnet) {
            vnet.units.entry(cloner.to_owned()).or_default().take(0);
        }
        let _ = attach(kernel, clone::simple(cloner, 0, vnet, mtu, 0));
    }
}

/// Makes the interface of a new eiface node: `ngethN`, in the node's vnet, with a MAC of the kernel's making.
/// The caller keeps the unit numbers; a name that a loaned interface bears already is borne twice then.
///
/// # Errors
/// `ENOSPC` when the indexes are used up.
pub fn attach_eiface(kernel: &mut Kernel, vnet: VnetId, node: NodeId, unit: u32) -> Result<IfIndex, Errno> {
    let name = format!("ngeth{unit}");
    let mut birth = Birth::ethernet(kernel, &name, vnet, Driver::Eiface { vnet, node }, None);
    birth.capabilities = EIFACE_CAPABILITIES;
    attach(kernel, birth)
}

/// Makes the interface of a new iface node: `ngN`, in the node's vnet, point-to-point and without ARP.
///
/// # Errors
/// `ENOSPC` when the indexes are used up.
pub fn attach_iface(kernel: &mut Kernel, vnet: VnetId, node: NodeId, unit: u32) -> Result<IfIndex, Errno> {
    let birth = Birth {
        name: format!("ng{unit}"),
        vnet,
        driver: Driver::Iface { vnet, node },
        clone: None,
        flags: IFF_SIMPLEX | IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST,
        mtu: 1500,
        mac: [0; 6],
        capabilities: 0,
        // Nothing is known of the link until a neighbour tells of it, which counts as a carrier.
        link_up: true,
    };
    attach(kernel, birth)
}

/// Destroys an interface wherever it is: addresses, routes, memberships and its name go with it, and the other end
/// of an epair.
pub fn detach(kernel: &mut Kernel, index: IfIndex) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let peer = if let Driver::Epair { peer } = interface.driver { Some(peer) } else { None };
    detach_one(kernel, index);
    if let Some(peer) = peer {
        detach_one(kernel, peer);
    }
}

fn detach_one(kernel: &mut Kernel, index: IfIndex) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    interface.flags &= !IFF_UP;
    match &interface.driver {
        Driver::Bridge(_) => bridge::destroyed(kernel, index),
        Driver::Vlan(_) => clone::leave_parent(kernel, index),
        _ => {}
    }
    depart(kernel, index);
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let home = interface.home;
    if let Some((cloner, unit)) = interface.birth.clone()
        && let Some(units) = clone::units(kernel, home, &cloner)
    {
        units.release(unit);
    }
    if let Some(home) = kernel.vnets.get_mut(&home) {
        home.born.remove(&index);
    }
    kernel.interfaces.release(index);
}

/// The interface of that name in that vnet: the first one, if two returned under one name.
#[must_use]
pub fn find(kernel: &Kernel, vnet: VnetId, name: &str) -> Option<IfIndex> {
    kernel.vnets.get(&vnet)?.names.get(name)?.first().copied()
}

/// The interfaces that are in a vnet now, in the order in which they arrived.
pub fn present(kernel: &Kernel, vnet: VnetId) -> impl Iterator<Item = &Interface> {
    let present = kernel.vnets.get(&vnet).into_iter().flat_map(|vnet| vnet.present.values());
    present.filter_map(|&index| kernel.interfaces.get(index))
}

#[cfg(test)]
mod tests;
