//! RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK (`sys/netlink/route/iface.c`).

use super::{Refusal, Request, interface, number, offset_of, refuse, text};
use crate::abi::Errno;
use crate::abi::flags::{IFF_LOWER_UP, IFF_PPROMISC, IFF_PROMISC, IFF_UP, iftype};
use crate::netlink::consts::{
    IFLA_ADDRESS, IFLA_BROADCAST, IFLA_CARRIER, IFLA_FREEBSD, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_DATA,
    IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MTU, IFLA_OPERSTATE, IFLA_PROMISCUITY, IFLA_STATS64, IFLA_VLAN_ID,
    IFLA_VLAN_PROTOCOL, IFLAF_CAPS, IFLAF_ORIG_HWADDR, NLM_F_CREATE, RTM_NEWLINK,
};
use crate::netlink::wire::{Writer, attributes, string_of};
use crate::sim::ifnet::{self, Interface, Vlan};
use crate::sim::kernel::{IfIndex, Kernel};

/// `IFLA_ALT_IFNAME`.
const IFLA_ALT_IFNAME: u16 = 53;
/// RFC 2863 states.
const UNKNOWN: u8 = 0;
const DOWN: u8 = 2;
const UP: u8 = 6;
/// Names of capabilities there are (`IFCAP_B_SIZE`).
const CAPABILITIES: u32 = 35;

/// What a link request says.
#[derive(Default)]
struct Wanted {
    index: u32,
    flags: u32,
    change: u32,
    name: Option<String>,
    mtu: Option<u32>,
    mac: Option<Vec<u8>>,
    alias: Option<String>,
    kind: Option<String>,
    vlan_tag: Option<u16>,
    vlan_protocol: u16,
}

fn read(request: &Request<'_>) -> Result<Wanted, Refusal> {
    let header: [u8; 16] = request.header();
    let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let mut wanted = Wanted { index: word(4), flags: word(8), change: word(12), ..Wanted::default() };
    for (kind, value) in request.attributes(16)? {
        match kind {
            IFLA_IFNAME | IFLA_ALT_IFNAME => wanted.name = Some(text(kind, value, offset_of(request, value))?),
            IFLA_MTU => wanted.mtu = Some(number(kind, value, offset_of(request, value))?),
            IFLA_ADDRESS => wanted.mac = Some(value.to_vec()),
            IFLA_IFALIAS => wanted.alias = Some(text(kind, value, offset_of(request, value))?),
            IFLA_LINKINFO => {
                for (kind, value) in attributes(value, 0) {
                    match kind {
                        IFLA_INFO_KIND => wanted.kind = Some(string_of(value)),
                        IFLA_INFO_DATA => read_vlan(&mut wanted, value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(wanted)
}

fn read_vlan(wanted: &mut Wanted, data: &[u8]) {
    for (kind, value) in attributes(data, 0) {
        let Ok(value) = value.try_into().map(u16::from_ne_bytes) else { continue };
        match kind {
            IFLA_VLAN_ID => wanted.vlan_tag = Some(value),
            IFLA_VLAN_PROTOCOL => wanted.vlan_protocol = value,
            _ => {}
        }
    }
}

pub(super) fn get(kernel: &Kernel, request: &mut Request<'_>) -> Result<(), Refusal> {
    let wanted = read(request)?;
    if wanted.index != 0 || wanted.name.is_some() {
        let index = match wanted.index {
            0 => ifnet::find(kernel, request.vnet, wanted.name.as_deref().unwrap_or_default()),
            index => interface(kernel, request.vnet, index),
        };
        let link = index.and_then(|index| kernel.interfaces.get(index)).ok_or(Errno::ENODEV)?;
        answer(kernel, request, link, request.message.flags);
        request.dumped |= request.is_dump();
        return Ok(());
    }
    let flags = request.multi();
    for link in ifnet::present(kernel, request.vnet) {
        answer(kernel, request, link, flags);
    }
    request.done(None);
    Ok(())
}

fn answer(kernel: &Kernel, request: &mut Request<'_>, link: &Interface, flags: u16) {
    let (sequence, port) = (request.message.sequence, request.port);
    write(kernel, &mut request.answers, link, RTM_NEWLINK, flags, sequence, port, 0);
}

/// Writes an interface; `change` is `ifi_change`.
#[expect(clippy::too_many_arguments, reason = "the fields of one header")]
pub fn write(
    kernel: &Kernel,
    writer: &mut Writer,
    link: &Interface,
    message: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    change: u32,
) {
    let (state, carrier) = state(kernel, link);
    let shown = link.flags | if carrier { IFF_LOWER_UP } else { 0 };
    let mut header = [0; 16];
    header[2] = link.kind();
    header[4..6].copy_from_slice(&link.index.0.to_ne_bytes());
    header[8..12].copy_from_slice(&shown.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    writer.begin(message, flags, sequence, port, &header);
    writer.string(IFLA_IFNAME, &link.name);
    writer.attribute(IFLA_OPERSTATE, &[state]);
    writer.attribute(IFLA_CARRIER, &[u8::from(carrier)]);
    if link.is_ethernet() {
        writer.attribute(IFLA_ADDRESS, &link.mac);
        writer.attribute(IFLA_BROADCAST, &[0xff; 6]);
    }
    writer.number(IFLA_MTU, link.mtu);
    if let Some(text) = &link.description {
        let mut text = text.clone();
        text.push(0);
        writer.attribute(IFLA_IFALIAS, &text);
    }
    let freebsd = writer.nest(IFLA_FREEBSD, false);
    if link.kind() == iftype::IFT_ETHER {
        writer.attribute(IFLAF_ORIG_HWADDR, &link.original_mac);
    }
    let caps = writer.nest(IFLAF_CAPS, false);
    writer.number(2, CAPABILITIES);
    writer.attribute(5, &u64::from(link.capabilities).to_ne_bytes());
    writer.attribute(4, &u64::from(ifnet::supported_capabilities(link)).to_ne_bytes());
    writer.close(caps);
    writer.close(freebsd);
    writer.attribute(IFLA_STATS64, &counters(link));
    writer.number(IFLA_PROMISCUITY, link.promiscuity);
    if let Some(cloner) = link.cloner() {
        let info = writer.nest(IFLA_LINKINFO, false);
        writer.string(IFLA_INFO_KIND, cloner);
        writer.close(info);
    }
    writer.end();
}

/// Operational state and carrier: of Ethernet what the media say, of others whether they are up.
fn state(kernel: &Kernel, link: &Interface) -> (u8, bool) {
    if matches!(link.kind(), iftype::IFT_ETHER | iftype::IFT_L2VLAN) {
        return match ifnet::media(kernel, link) {
            Some(media) if media.is_active() => (UP, true),
            Some(_) => (DOWN, false),
            None => (UNKNOWN, false),
        };
    }
    if link.flags & IFF_UP != 0 { (UP, true) } else { (DOWN, false) }
}

/// `struct rtnl_link_stats64`: packets, octets, errors, drops, each received and sent, then multicasts.
fn counters(link: &Interface) -> [u8; 192] {
    let counted = &link.net.counters;
    let values = [
        counted.input_packets,
        counted.output_packets,
        counted.input_bytes,
        counted.output_bytes,
        counted.input_errors,
        counted.output_errors,
        counted.input_drops,
        counted.output_drops,
        counted.input_multicasts,
    ];
    let mut bytes = [0; 192];
    for (field, value) in bytes.chunks_exact_mut(8).zip(values) {
        field.copy_from_slice(&value.to_ne_bytes());
    }
    bytes
}

pub(super) fn delete(kernel: &mut Kernel, request: &Request<'_>) -> Result<(), Refusal> {
    let wanted = read(request)?;
    let index = interface(kernel, request.vnet, wanted.index).ok_or(Errno::ENOENT)?;
    let link = kernel.interfaces.get(index).ok_or(Errno::ENOENT)?;
    // The kernel looks the name up again, and so may hit another of that name.
    let name = link.name.clone();
    Ok(ifnet::destroy(kernel, request.vnet, &name)?)
}

pub(super) fn new(kernel: &mut Kernel, request: &mut Request<'_>) -> Result<(), Refusal> {
    let wanted = read(request)?;
    if request.message.flags & NLM_F_CREATE == 0 {
        return modify(kernel, request, &wanted);
    }
    let name = wanted.name.as_deref().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| refuse(Errno::EINVAL, "empty IFLA_IFNAME attribute"))?;
    let kind = wanted.kind.as_deref().filter(|kind| !kind.is_empty());
    let kind = kind.ok_or_else(|| refuse(Errno::EINVAL, "empty IFLA_INFO_KIND attribute"))?;
    if ifnet::cloner_of(kernel, name).is_none() && !name.contains('.') {
        return Err(Errno::EINVAL.into());
    }
    let vlan = if kind == "vlan" { Some(vlan(kernel, request, &wanted)?) } else { None };
    let index = ifnet::create(kernel, request.vnet, name.get(..name.len().min(15)).unwrap_or(name), vlan)?;
    let made = kernel.interfaces.get(index).ok_or(Errno::ENOENT)?;
    request.created = Some((u32::from(index.0), made.name.clone()));
    if wanted.flags != 0 || wanted.change != 0 || wanted.mtu.is_some() || wanted.alias.is_some() {
        apply(kernel, index, &wanted)?;
    }
    Ok(())
}

/// What a vlan is made with; the parent stands in the header.
fn vlan(kernel: &Kernel, request: &Request<'_>, wanted: &Wanted) -> Result<Vlan, Refusal> {
    let tag = wanted.vlan_tag.unwrap_or(u16::MAX);
    if tag == 0 || tag >= 4095 {
        let shown = if wanted.vlan_tag.is_none() { 65278 } else { u32::from(tag) };
        return Err(refuse(Errno::EINVAL, format!("Invalid VID: {shown}")));
    }
    let parent = interface(kernel, request.vnet, wanted.index)
        .ok_or_else(|| refuse(Errno::ENOENT, format!("unable to find parent interface {}", wanted.index)))?;
    Ok(Vlan { parent, tag, protocol: wanted.vlan_protocol })
}

fn modify(kernel: &mut Kernel, request: &Request<'_>, wanted: &Wanted) -> Result<(), Refusal> {
    let index = match (wanted.index, wanted.name.as_deref()) {
        (0, None) => return Err(refuse(Errno::EPERM, "empty ifi_index field")),
        (0, Some(name)) => ifnet::find(kernel, request.vnet, name)
            .ok_or_else(|| refuse(Errno::ENOENT, format!("unable to find interface {name}")))?,
        (index, _) => interface(kernel, request.vnet, index)
            .ok_or_else(|| refuse(Errno::ENOENT, format!("unable to find interface #{index}")))?,
    };
    apply(kernel, index, wanted)
}

/// Applies flags and attributes. A change mask of 0 means every flag: without flags the interface goes down.
fn apply(kernel: &mut Kernel, index: IfIndex, wanted: &Wanted) -> Result<(), Refusal> {
    let link = kernel.interfaces.get(index).ok_or(Errno::ENOENT)?;
    let mask = if wanted.change == 0 { u32::MAX } else { wanted.change };
    let mut flags = link.flags;
    if mask & IFF_UP != 0 {
        flags = flags & !IFF_UP | wanted.flags & IFF_UP;
    }
    if mask & (IFF_PROMISC | IFF_PPROMISC) != 0 {
        let on = wanted.flags & (IFF_PROMISC | IFF_PPROMISC) != 0;
        flags = flags & !IFF_PPROMISC | if on { IFF_PPROMISC } else { 0 };
    }
    if flags != link.flags {
        ifnet::set_flags(kernel, index, flags, false)?;
    }
    if let Some(mtu) = wanted.mtu {
        ifnet::set_mtu(kernel, index, i64::from(mtu)).map_err(|errno| refuse(errno, "Failed to set mtu"))?;
    }
    if let Some(mac) = &wanted.mac {
        let set = <[u8; 6]>::try_from(mac.as_slice()).map_err(|_| Errno::EINVAL);
        set.and_then(|mac| ifnet::set_mac(kernel, index, mac))
            .map_err(|errno| refuse(errno, format!("setting IFLA_ADDRESS failed with error code: {}", errno.raw())))?;
    }
    if let Some(alias) = &wanted.alias {
        ifnet::set_description(kernel, index, &crate::abi::sysctl::string(alias))?;
    }
    Ok(())
}
