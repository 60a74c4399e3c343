//! What can be changed of an interface, by the rules of `sys/net/if.c` and of its driver.

use super::{Driver, EIFACE_CAPABILITIES, EPAIR_CAPABILITIES, Interface, LOOPBACK_CAPABILITIES};
use super::{IFCAP_RXCSUM, IFCAP_RXCSUM_IPV6, IFCAP_VLAN_HWTAGGING, IFF_RUNNING, IFF_UP};
use super::{find, forget_name, present};
use crate::abi::Errno;
use crate::abi::flags::{IFF_CANTCHANGE, IFF_PPROMISC, IFF_PROMISC};
use crate::sim::control::notify;
use crate::sim::kernel::{IfIndex, Kernel};
use crate::sim::{bridge, netgraph, stack};

/// Lowest and highest MTU of `sys/net/if.c` (`IF_MINMTU`, `IF_MAXMTU`).
const MTU_RANGE: std::ops::RangeInclusive<u32> = 72..=65535;
/// Highest MTU of ng_eiface.
const EIFACE_MTU: u32 = 9018;
/// Longest description with its NUL (`net.ifdescr_maxlen`).
const DESCRIPTION: usize = 1024;

/// Sets the changeable flags; `by_driver` runs the driver's handler too, as SIOCSIFFLAGS does and netlink does not
/// (`sys/net/if.c:2604-2638`, `sys/net/if.c:2205`).
///
/// # Errors
/// `ENXIO` no such interface.
pub fn set_flags(kernel: &mut Kernel, index: IfIndex, flags: u32, by_driver: bool) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    let before = interface.flags;
    interface.flags = before & IFF_CANTCHANGE | flags & !IFF_CANTCHANGE;
    let changed = before ^ interface.flags;
    let up = interface.flags & IFF_UP != 0;
    let has_handler =
        matches!(interface.driver, Driver::Eiface { .. } | Driver::Iface { .. } | Driver::Bridge(_) | Driver::Loopback);
    if by_driver && has_handler {
        interface.flags = if up { interface.flags | IFF_RUNNING } else { interface.flags & !IFF_RUNNING };
    }
    if changed & IFF_PPROMISC != 0 {
        set_promiscuous(kernel, index, flags & IFF_PPROMISC != 0);
    }
    if changed & IFF_UP != 0 {
        if up {
            notify::interface_changed(kernel, index);
        }
        stack::interface_changed(kernel, index);
        bridge::flags_changed(kernel, index);
        if !up {
            notify::interface_changed(kernel, index);
        }
    }
    Ok(())
}

/// One user more or less of promiscuous mode.
pub fn set_promiscuous(kernel: &mut Kernel, index: IfIndex, on: bool) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let before = interface.promiscuity;
    interface.promiscuity = if on { before + 1 } else { before.saturating_sub(1) };
    if interface.promiscuity == 0 {
        interface.flags &= !IFF_PROMISC;
    } else {
        interface.flags |= IFF_PROMISC;
    }
    if (before == 0) != (interface.promiscuity == 0) {
        notify::interface_changed(kernel, index);
    }
}

/// Sets the carrier and tells the stack, the bridge and the vlans on it.
pub fn set_link(kernel: &mut Kernel, index: IfIndex, up: bool) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    if interface.link_up == up {
        return;
    }
    interface.link_up = up;
    let vlans: Vec<IfIndex> = interface.vlans.values().copied().collect();
    stack::interface_changed(kernel, index);
    bridge::link_changed(kernel, index);
    notify::interface_changed(kernel, index);
    for vlan in vlans {
        if let Some(vlan) = kernel.interfaces.get_mut(vlan) {
            vlan.link_up = up;
        }
    }
}

/// Sets the MAC (NGM_EIFACE_SET, SIOCSIFLLADDR, ng_ether); vlans on it take it too. Multicast addresses and zero are
/// taken, as 15.1 takes them.
///
/// # Errors
/// `ENXIO` no such interface, `EINVAL` if it has none.
pub fn set_mac(kernel: &mut Kernel, index: IfIndex, mac: [u8; 6]) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    if !interface.is_ethernet() {
        return Err(Errno::EINVAL);
    }
    interface.mac = mac;
    for vlan in interface.vlans.values().copied().collect::<Vec<_>>() {
        if let Some(vlan) = kernel.interfaces.get_mut(vlan) {
            vlan.mac = mac;
        }
    }
    stack::mac_changed(kernel, index);
    Ok(())
}

/// SIOCSIFMTU; a bridge sets that of its members.
///
/// # Errors
/// `ENXIO` no such interface, `EINVAL` out of the driver's range, `EOPNOTSUPP` a bridge member.
pub fn set_mtu(kernel: &mut Kernel, index: IfIndex, mtu: i64) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    if interface.bridge.is_some() {
        return Err(Errno::EOPNOTSUPP);
    }
    let mtu = u32::try_from(mtu).ok().filter(|mtu| MTU_RANGE.contains(mtu)).ok_or(Errno::EINVAL)?;
    let highest = match &interface.driver {
        Driver::Eiface { .. } => EIFACE_MTU,
        Driver::Vlan(tag) => tag.and_then(|tag| kernel.interfaces.get(tag.parent)).map_or(0, |parent| parent.mtu),
        _ => u32::MAX,
    };
    if mtu > highest {
        return Err(Errno::EINVAL);
    }
    let mut all = vec![index];
    if matches!(interface.driver, Driver::Bridge(_)) {
        let members = present(kernel, interface.vnet).filter(|member| member.bridge == Some(index));
        all.extend(members.map(|member| member.index));
    }
    for index in all {
        if let Some(interface) = kernel.interfaces.get_mut(index) {
            interface.mtu = mtu;
        }
        notify::interface_changed(kernel, index);
    }
    Ok(())
}

/// SIOCSIFNAME: any name that is not taken in the vnet; its own is no error.
///
/// # Errors
/// `ENXIO` no such interface, `EINVAL` empty, `EEXIST` taken.
pub fn rename(kernel: &mut Kernel, index: IfIndex, new: &str) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    if new.is_empty() {
        return Err(Errno::EINVAL);
    }
    if interface.name == new {
        return Ok(());
    }
    let vnet = interface.vnet;
    if find(kernel, vnet, new).is_some() {
        return Err(Errno::EEXIST);
    }
    notify::interface_renaming(kernel, index);
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    let old = std::mem::replace(&mut interface.name, new.to_owned());
    if let Some(vnet) = kernel.vnets.get_mut(&vnet) {
        forget_name(&mut vnet.names, &old, index);
        vnet.names.entry(new.to_owned()).or_default().push(index);
    }
    notify::interface_renamed(kernel, index);
    netgraph::interface_renamed(kernel, index);
    Ok(())
}

/// SIOCSIFDESCR: `text` as it stands in the request, its last byte being overwritten by a NUL; an empty one removes
/// the description.
///
/// # Errors
/// `ENXIO` no such interface, `ENAMETOOLONG` above 1024 bytes.
pub fn set_description(kernel: &mut Kernel, index: IfIndex, text: &[u8]) -> Result<(), Errno> {
    if text.len() > DESCRIPTION {
        return Err(Errno::ENAMETOOLONG);
    }
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    interface.description = text.split_last().map(|(_, text)| {
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        text[..end].to_vec()
    });
    Ok(())
}

/// SIOCAIFGROUP.
///
/// # Errors
/// `ENXIO` no such interface, `EINVAL` a name that ends in a digit, `EEXIST` in it already.
pub fn join_group(kernel: &mut Kernel, index: IfIndex, group: &str) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    if group.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(Errno::EINVAL);
    }
    if interface.groups.iter().any(|there| there == group) {
        return Err(Errno::EEXIST);
    }
    interface.groups.push(group.to_owned());
    Ok(())
}

/// SIOCDIFGROUP; `all` and the cloner's group can be left too.
///
/// # Errors
/// `ENXIO` no such interface, `ENOENT` not in it.
pub fn leave_group(kernel: &mut Kernel, index: IfIndex, group: &str) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    let at = interface.groups.iter().position(|there| there == group).ok_or(Errno::ENOENT)?;
    interface.groups.remove(at);
    Ok(())
}

/// The `IFCAP_*` an interface can have.
#[must_use]
pub fn supported_capabilities(interface: &Interface) -> u32 {
    match &interface.driver {
        Driver::Loopback => LOOPBACK_CAPABILITIES,
        Driver::Eiface { .. } => EIFACE_CAPABILITIES,
        Driver::Epair { .. } => EPAIR_CAPABILITIES,
        Driver::Bridge(_) => IFCAP_VLAN_HWTAGGING,
        Driver::Other { cloner } if cloner == "tap" => TAP_CAPABILITIES,
        Driver::Iface { .. } | Driver::Vlan(_) | Driver::Other { .. } => 0,
    }
}

/// Capabilities of tap, as netlink shows them.
const TAP_CAPABILITIES: u32 = 0x0428_0401;

/// SIOCSIFCAP: the whole word; both ends of an epair follow, and keep checking what they receive.
///
/// # Errors
/// `ENXIO` no such interface, `EINVAL` a capability it cannot have.
pub fn set_capabilities(kernel: &mut Kernel, index: IfIndex, enabled: u32) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    if enabled & !supported_capabilities(interface) != 0 {
        return Err(Errno::EINVAL);
    }
    let Driver::Epair { peer } = interface.driver else {
        interface.capabilities = enabled;
        return Ok(());
    };
    for index in [index, peer] {
        if let Some(end) = kernel.interfaces.get_mut(index) {
            end.capabilities = enabled | IFCAP_RXCSUM | IFCAP_RXCSUM_IPV6;
        }
    }
    Ok(())
}

/// Sets capabilities on behalf of a bridge: as [`set_capabilities`], without refusals.
pub fn restore_capabilities(kernel: &mut Kernel, index: IfIndex, enabled: u32) {
    let supported = kernel.interfaces.get(index).map_or(0, supported_capabilities);
    // What is supported is never refused.
    let _ = set_capabilities(kernel, index, enabled & supported);
}

/// What SIOCGIFMEDIA tells (`sys/net/if_media.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// What was asked for.
    pub current: u32,
    /// `IFM_AVALID`, and `IFM_ACTIVE` with a carrier.
    pub status: u32,
    /// What is used.
    pub active: u32,
    /// How many kinds there are.
    pub count: u32,
}

impl Media {
    /// Whether there is a carrier.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status & 2 != 0
    }
}

/// The media of an interface; `None` for those without.
#[must_use]
pub fn media(kernel: &Kernel, interface: &Interface) -> Option<Media> {
    const ETHERNET: u32 = 0x20;
    const GIGABIT: u32 = 0x10_0030;
    match &interface.driver {
        Driver::Epair { .. } => Some(Media { current: 0x3a, status: 3, active: 0x10_003a, count: 1 }),
        Driver::Eiface { .. } if interface.link_up => {
            Some(Media { current: ETHERNET, status: 3, active: GIGABIT, count: 8 })
        }
        Driver::Eiface { .. } => Some(Media { current: ETHERNET, status: 1, active: ETHERNET, count: 8 }),
        Driver::Vlan(tag) => media(kernel, kernel.interfaces.get((*tag)?.parent)?),
        Driver::Other { cloner } if cloner == "tap" => {
            Some(Media { current: GIGABIT, status: 1, active: GIGABIT, count: 1 })
        }
        _ => None,
    }
}
