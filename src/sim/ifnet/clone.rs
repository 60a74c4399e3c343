//! Making and destroying interfaces by name.

use super::{Birth, Driver, EPAIR_CAPABILITIES, LOOPBACK_CAPABILITIES, Tag};
use super::{IFCAP_LINKSTATE, IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST, IFF_POINTOPOINT, IFF_RUNNING, IFF_SIMPLEX};
use super::{attach, detach, find};
use crate::abi::Errno;
use crate::abi::flags::IFCAP_VLAN_HWTAGGING;
use crate::sim::control::notify;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

/// Every cloner: its name, and the module that brings it if it is not in GENERIC.
const CLONERS: [(&str, Option<&str>); 9] = [
    ("bridge", Some("if_bridge")),
    ("epair", Some("if_epair")),
    ("gif", None),
    ("lo", None),
    ("pflog", None),
    ("pfsync", None),
    ("tap", None),
    ("tun", None),
    ("vlan", None),
];

/// `IF_MAXUNIT` (`sys/net/if.h`).
const MAX_UNIT: u32 = 0x7fff;

/// What a vlan is made with: `struct vlanreq`, the parent found already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// The interface that carries its frames.
    pub parent: IfIndex,
    /// The tag as given.
    pub tag: u16,
    /// The protocol as given; 0 means 0x8100.
    pub protocol: u16,
}

/// The cloners of this kernel.
pub fn cloners(kernel: &Kernel) -> impl Iterator<Item = &'static str> {
    let is_there = |module: Option<&str>| module.is_none_or(|module| kernel.modules.contains(module));
    CLONERS
        .iter()
        .filter(move |row| is_there(row.1) && (row.0 != "pflog" && row.0 != "pfsync" || kernel.interfaces.pf))
        .map(|row| row.0)
}

/// SIOCIFCREATE2: makes the interface that `template` asks for, a cloner (`epair`) or a cloner with a unit (`epair7`),
/// or a vlan by the name of its parent (`epair0a.20`). Of an epair it is the `a` end that is returned.
///
/// # Errors
/// `EINVAL` no such cloner or a malformed unit, `EEXIST` unit, name or vlan taken, `ENOSPC` a unit beyond the limit
/// or indexes used up, and those of [`configure_vlan`].
pub fn create(kernel: &mut Kernel, vnet: VnetId, template: &str, vlan: Option<Vlan>) -> Result<IfIndex, Errno> {
    if let Some((parent, tag)) = template.rsplit_once('.') {
        return create_dotted(kernel, vnet, template, parent, tag, vlan);
    }
    let (cloner, digits) = cloner_of(kernel, template).ok_or(Errno::EINVAL)?;
    let unit = if digits.is_empty() {
        None
    } else if digits.len() > 1 && digits.starts_with('0') {
        return Err(Errno::EINVAL);
    } else {
        Some(digits.parse().ok().filter(|&unit| unit <= MAX_UNIT).ok_or(Errno::ENOSPC)?)
    };
    let unit = claim(kernel, vnet, cloner, unit)?;
    let made = make(kernel, vnet, cloner, unit, vlan);
    if made.is_err()
        && let Some(units) = units(kernel, vnet, cloner)
    {
        units.release(unit);
    }
    made
}

/// The cloner that a name selects, and the digits of the unit.
#[must_use]
pub fn cloner_of<'a>(kernel: &Kernel, template: &'a str) -> Option<(&'static str, &'a str)> {
    let letters = template.trim_end_matches(|c: char| c.is_ascii_digit());
    let cloner = cloners(kernel).find(|&cloner| cloner == letters)?;
    Some((cloner, template.get(letters.len()..)?))
}

/// The units of a cloner in a vnet; those of tap and tun are one set for the whole machine.
pub(super) fn units<'a>(kernel: &'a mut Kernel, vnet: VnetId, cloner: &str) -> Option<&'a mut super::Units> {
    let vnet = if matches!(cloner, "tap" | "tun") { VnetId::HOST } else { vnet };
    Some(kernel.vnets.get_mut(&vnet)?.units.entry(cloner.to_owned()).or_default())
}

/// Takes a unit whose names are free: the one asked for, or the lowest.
fn claim(kernel: &mut Kernel, vnet: VnetId, cloner: &str, wanted: Option<u32>) -> Result<u32, Errno> {
    let is_named = |kernel: &Kernel, unit: u32| {
        let name = format!("{cloner}{unit}");
        if cloner == "epair" {
            ["", "a", "b"].iter().any(|end| find(kernel, vnet, &format!("{name}{end}")).is_some())
        } else {
            find(kernel, vnet, &name).is_some()
        }
    };
    let unit = match wanted {
        Some(unit) if is_named(kernel, unit) => return Err(Errno::EEXIST),
        Some(unit) => unit,
        None => {
            let mut unit = units(kernel, vnet, cloner).ok_or(Errno::ENXIO)?.lowest_free();
            while is_named(kernel, unit) && unit <= MAX_UNIT {
                unit = units(kernel, vnet, cloner).ok_or(Errno::ENXIO)?.free_from(unit + 1);
            }
            unit
        }
    };
    if unit > MAX_UNIT {
        return Err(Errno::ENOSPC);
    }
    if units(kernel, vnet, cloner).ok_or(Errno::ENXIO)?.take(unit) { Ok(unit) } else { Err(Errno::EEXIST) }
}

fn make(kernel: &mut Kernel, vnet: VnetId, cloner: &str, unit: u32, vlan: Option<Vlan>) -> Result<IfIndex, Errno> {
    let name = format!("{cloner}{unit}");
    let clone = Some((cloner.to_owned(), unit));
    match cloner {
        "epair" => make_epair(kernel, vnet, unit),
        "vlan" => make_vlan(kernel, vnet, &name, clone, vlan),
        "lo" => attach(kernel, loopback(&name, vnet, clone)),
        "bridge" => {
            let driver = Driver::Bridge(Box::default());
            let mut birth = Birth::ethernet(kernel, &name, vnet, driver, clone);
            birth.capabilities = IFCAP_VLAN_HWTAGGING;
            attach(kernel, birth)
        }
        "tap" => {
            let driver = Driver::Other { cloner: cloner.to_owned() };
            let mut birth = Birth::ethernet(kernel, &name, vnet, driver, clone);
            birth.capabilities = IFCAP_LINKSTATE;
            attach(kernel, birth)
        }
        "gif" => attach(kernel, simple(cloner, unit, vnet, 1280, IFF_POINTOPOINT | IFF_MULTICAST)),
        "tun" => attach(kernel, simple(cloner, unit, vnet, 1500, IFF_POINTOPOINT | IFF_MULTICAST)),
        _ => attach(kernel, simple(cloner, unit, vnet, if cloner == "pflog" { 33152 } else { 1500 }, 0)),
    }
}

/// A loopback interface.
pub(super) fn loopback(name: &str, vnet: VnetId, clone: Option<(String, u32)>) -> Birth {
    Birth {
        name: name.to_owned(),
        vnet,
        driver: Driver::Loopback,
        clone,
        flags: IFF_LOOPBACK | IFF_MULTICAST,
        mtu: 16384,
        mac: [0; 6],
        capabilities: LOOPBACK_CAPABILITIES,
        link_up: true,
    }
}

/// An interface without a link layer that is known by name only.
pub(super) fn simple(cloner: &str, unit: u32, vnet: VnetId, mtu: u32, flags: u32) -> Birth {
    Birth {
        name: format!("{cloner}{unit}"),
        vnet,
        driver: Driver::Other { cloner: cloner.to_owned() },
        clone: Some((cloner.to_owned(), unit)),
        flags,
        mtu,
        mac: [0; 6],
        capabilities: 0,
        link_up: false,
    }
}

/// Both ends; the unit belongs to the `a` end.
fn make_epair(kernel: &mut Kernel, vnet: VnetId, unit: u32) -> Result<IfIndex, Errno> {
    let end = |kernel: &mut Kernel, letter: char| {
        // The peer's index is known only when both are there.
        let driver = Driver::Epair { peer: IfIndex(0) };
        let clone = Some(("epair".to_owned(), unit));
        let mut birth = Birth::ethernet(kernel, &format!("epair{unit}{letter}"), vnet, driver, clone);
        birth.flags |= IFF_RUNNING;
        birth.capabilities = EPAIR_CAPABILITIES;
        birth.link_up = true;
        attach(kernel, birth)
    };
    let a = end(kernel, 'a')?;
    let b = match end(kernel, 'b') {
        Ok(b) => b,
        Err(errno) => {
            detach(kernel, a);
            return Err(errno);
        }
    };
    for (one, other) in [(a, b), (b, a)] {
        if let Some(interface) = kernel.interfaces.get_mut(one) {
            interface.driver = Driver::Epair { peer: other };
        }
    }
    Ok(a)
}

fn create_dotted(
    kernel: &mut Kernel,
    vnet: VnetId,
    name: &str,
    parent: &str,
    tag: &str,
    vlan: Option<Vlan>,
) -> Result<IfIndex, Errno> {
    let parent = find(kernel, vnet, parent).ok_or(Errno::EINVAL)?;
    let well_formed = !tag.is_empty() && !tag.starts_with('0') && tag.bytes().all(|byte| byte.is_ascii_digit());
    let tag = tag.parse().ok().filter(|&tag: &u16| well_formed && tag < 4095).ok_or(Errno::EINVAL)?;
    if find(kernel, vnet, name).is_some() {
        return Err(Errno::EEXIST);
    }
    let vlan = vlan.unwrap_or(Vlan { parent, tag, protocol: 0 });
    // A dotted name takes no unit; the cloner is remembered so that it can be destroyed.
    let unit = u32::MAX;
    make_vlan(kernel, vnet, name, Some(("vlan".to_owned(), unit)), Some(vlan))
}

fn make_vlan(
    kernel: &mut Kernel,
    vnet: VnetId,
    name: &str,
    clone: Option<(String, u32)>,
    vlan: Option<Vlan>,
) -> Result<IfIndex, Errno> {
    if let Some(vlan) = vlan {
        check_vlan(kernel, vnet, &vlan)?;
    }
    let mut birth = Birth::ethernet(kernel, name, vnet, Driver::Vlan(None), clone);
    birth.flags = IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST;
    let index = attach(kernel, birth)?;
    if let Some(vlan) = vlan {
        configure_vlan(kernel, index, &vlan)?;
    }
    Ok(index)
}

/// Whether a vlan could be attached so.
fn check_vlan(kernel: &Kernel, vnet: VnetId, vlan: &Vlan) -> Result<(), Errno> {
    let parent = kernel.interfaces.get(vlan.parent).filter(|parent| parent.vnet == vnet).ok_or(Errno::ENXIO)?;
    if vlan.tag == 0 || vlan.tag >= 4095 {
        return Err(Errno::EINVAL);
    }
    if !parent.is_ethernet() {
        return Err(Errno::EPROTONOSUPPORT);
    }
    if parent.vlans.contains_key(&vlan.tag) { Err(Errno::EEXIST) } else { Ok(()) }
}

fn protocol(vlan: &Vlan) -> u16 {
    if vlan.protocol == 0 { 0x8100 } else { vlan.protocol }
}

/// SIOCSETVLAN: hangs a vlan under its parent, whose MAC and MTU it takes. A vlan that hangs there already is
/// changed.
///
/// # Errors
/// `EINVAL` not a vlan or tag 0 or 4095, `EPERM` not in the vnet it was born in, `EBUSY` under another parent,
/// `EEXIST` tag taken, `EPROTONOSUPPORT` a parent without Ethernet.
pub fn configure_vlan(kernel: &mut Kernel, index: IfIndex, vlan: &Vlan) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    let Driver::Vlan(present) = interface.driver else { return Err(Errno::EINVAL) };
    let vnet = interface.vnet;
    if vnet != interface.home {
        return Err(Errno::EPERM);
    }
    let tag = Tag { parent: vlan.parent, tag: vlan.tag, protocol: protocol(vlan) };
    if is_above(kernel, vlan.parent, index) {
        return Err(Errno::EINVAL);
    }
    match present {
        Some(there) if there.parent != vlan.parent => return Err(Errno::EBUSY),
        Some(there) if there == tag => return Ok(()),
        _ => check_vlan(kernel, vnet, vlan)?,
    }
    leave_parent(kernel, index);
    let Some(parent) = kernel.interfaces.get_mut(tag.parent) else { return Err(Errno::ENXIO) };
    parent.vlans.insert(tag.tag, index);
    let (mac, mtu, link_up) = (parent.mac, parent.mtu, parent.link_up);
    if let Some(interface) = kernel.interfaces.get_mut(index) {
        interface.driver = Driver::Vlan(Some(tag));
        (interface.mac, interface.mtu, interface.link_up) = (mac, mtu, link_up);
        interface.flags |= IFF_RUNNING;
    }
    notify::interface_changed(kernel, index);
    Ok(())
}

/// Whether `below` carries `interface`, or is it: vlans may be stacked, eight high, and never in a ring.
fn is_above(kernel: &Kernel, interface: IfIndex, below: IfIndex) -> bool {
    let mut at = Some(interface);
    for _ in 0..8 {
        let Some(index) = at else { return false };
        if index == below {
            return true;
        }
        at = match kernel.interfaces.get(index).map(|interface| &interface.driver) {
            Some(Driver::Vlan(Some(tag))) => Some(tag.parent),
            _ => None,
        };
    }
    true
}

/// Takes a vlan off its parent; it stays, unconfigured.
pub fn leave_parent(kernel: &mut Kernel, index: IfIndex) {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return };
    let Driver::Vlan(tag) = &mut interface.driver else { return };
    let Some(tag) = tag.take() else { return };
    interface.flags &= !IFF_RUNNING;
    interface.link_up = false;
    if let Some(parent) = kernel.interfaces.get_mut(tag.parent) {
        parent.vlans.remove(&tag.tag);
    }
}

/// A parent goes: its vlans stay behind, unconfigured, down and with the MTU they were made with.
pub(super) fn shed_vlans(kernel: &mut Kernel, parent: IfIndex) {
    let Some(interface) = kernel.interfaces.get_mut(parent) else { return };
    for index in std::mem::take(&mut interface.vlans).into_values() {
        let Some(vlan) = kernel.interfaces.get_mut(index) else { continue };
        vlan.driver = Driver::Vlan(None);
        vlan.flags &= !IFF_RUNNING;
        vlan.link_up = false;
        vlan.mtu = 1500;
    }
}

/// SIOCIFDESTROY.
///
/// # Errors
/// `ENXIO` no such interface here, `EINVAL` not a clone, or lo0.
pub fn destroy(kernel: &mut Kernel, vnet: VnetId, name: &str) -> Result<(), Errno> {
    let index = find(kernel, vnet, name).ok_or(Errno::ENXIO)?;
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    match &interface.birth {
        None => Err(Errno::EINVAL),
        Some((cloner, 0)) if matches!(cloner.as_str(), "lo" | "pflog" | "pfsync") => Err(Errno::EINVAL),
        Some(_) => {
            detach(kernel, index);
            Ok(())
        }
    }
}
