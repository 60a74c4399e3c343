//! What ifconfig(8) asks of a bridge: the commands behind SIOCSDRVSPEC and SIOCGDRVSPEC.

use super::forward::{forget_expired, insert};
use super::listing::{describe, list_command, spanning_tree};
use super::parameters::parameter_command;
use super::rstp::{self, DEFAULT_PATH_COST};
use super::{Bridge, Heard, Member, check_link, remove, with};
use crate::abi::Errno;
use crate::abi::ioctl::IoctlArgument;
use crate::abi::ioctl::bridge::{self as ioctl, *};
use crate::abi::name::IFNAMSIZ;
use crate::sim::ifnet::{self, Driver, Interface};
use crate::sim::kernel::{IfIndex, Kernel};

const ETHERTYPE_VLAN: u16 = 0x8100;
const MOST_VLANS: usize = 4096;
/// `IFBIFMASK`: what of a member's flags is not the spanning tree's.
const OWN_FLAGS: u32 =
    !(IFBIF_BSTP_EDGE | IFBIF_BSTP_AUTOEDGE | IFBIF_BSTP_PTP | IFBIF_BSTP_AUTOPTP | ADMIN_EDGE | ADMIN_COST);
pub(super) const ADMIN_EDGE: u32 = 0x200;
pub(super) const ADMIN_COST: u32 = 0x400;
/// `IFBF_FLUSHALL`.
const FLUSH_ALL: u32 = 0x01;

/// The size of a command's structure and whether it sets something; `None` for an unknown command.
fn shape(command: u64) -> Option<(usize, bool)> {
    Some(match command {
        BRDGADD | BRDGDEL | BRDGSIFFLGS | BRDGFLUSH | BRDGSIFPRIO | BRDGSIFCOST | BRDGADDS | BRDGDELS | BRDGSIFAMAX
        | BRDGSIFPVID | BRDGSIFVLANPROTO => (IFBREQ, true),
        BRDGGIFFLGS => (IFBREQ, false),
        BRDGGIFS | BRDGRTS | BRDGGIFSSTP => (IFBIFCONF, false),
        BRDGSADDR | BRDGDADDR => (IFBAREQ, true),
        BRDGSCACHE | BRDGSTO | BRDGSPRI | BRDGSHT | BRDGSFD | BRDGSMA | BRDGSPROTO | BRDGSTXHC | BRDGSFLAGS
        | BRDGSDEFPVID => (IFBRPARAM, true),
        BRDGGCACHE | BRDGGTO | BRDGGPRI | BRDGGHT | BRDGGFD | BRDGGMA | BRDGGRTE | BRDGGFLAGS | BRDGGDEFPVID => {
            (IFBRPARAM, false)
        }
        BRDGPARAM => (IFBROPREQ, false),
        BRDGSIFVLANSET => (IFBIF_VLAN_REQ, true),
        BRDGGIFVLANSET => (IFBIF_VLAN_REQ, false),
        _ => return None,
    })
}

/// SIOCSDRVSPEC (`set`) and SIOCGDRVSPEC: a command with its structure, and the array behind its pointer.
///
/// # Errors
/// `EINVAL` for an unknown command, one of the other direction or a structure of the wrong size; else as
/// `sys/net/if_bridge.c` gives them for the command.
pub fn control(
    kernel: &mut Kernel,
    bridge: IfIndex,
    set: bool,
    command: u64,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
    let (size, sets) = shape(command).ok_or(Errno::EINVAL)?;
    if sets != set || argument.bytes.len() != size {
        return Err(Errno::EINVAL);
    }
    let result = with(kernel, bridge, |kernel, state| match size {
        IFBREQ => member_command(kernel, bridge, state, command, argument),
        IFBIFCONF => list_command(kernel, state, command, argument),
        IFBAREQ => address_command(kernel, state, command, argument),
        IFBRPARAM => parameter_command(kernel, state, command, argument),
        IFBROPREQ => {
            argument.bytes = spanning_tree(state).bytes().to_vec();
            Ok(())
        }
        _ => vlan_command(kernel, state, command, argument),
    });
    check_link(kernel, bridge);
    result.unwrap_or(Err(Errno::EINVAL))
}

fn member_command(
    kernel: &mut Kernel,
    bridge: IfIndex,
    state: &mut Bridge,
    command: u64,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
    let request = Request::read(&argument.bytes)?;
    match command {
        BRDGADD => return add(kernel, bridge, state, request.interface(kernel, bridge)?),
        BRDGADDS => return add_span(kernel, state, request.interface(kernel, bridge)?),
        BRDGFLUSH => {
            let all = request.member.flags & FLUSH_ALL != 0;
            state.cache.retain(|_, heard| !all && heard.expires.is_none());
            return Ok(());
        }
        BRDGDELS => {
            let span = state
                .spans
                .iter()
                .copied()
                .find(|span| is_called(kernel, *span, &request.name))
                .ok_or(Errno::ENOENT)?;
            state.spans.retain(|other| *other != span);
            return Ok(());
        }
        _ => {}
    }
    let place =
        state.members.iter().position(|m| is_called(kernel, m.interface, &request.name)).ok_or(Errno::ENOENT)?;
    let member = &mut state.members[place];
    let wanted = &request.member;
    match command {
        BRDGDEL => {
            let interface = member.interface;
            remove(kernel, bridge, state, interface);
            return Ok(());
        }
        BRDGGIFFLGS => {
            argument.bytes = describe(kernel, state, place).bytes().to_vec();
            return Ok(());
        }
        BRDGSIFFLGS => set_flags(member, wanted.flags)?,
        BRDGSIFPRIO => {
            if wanted.priority > 240 {
                return Err(Errno::EINVAL);
            }
            member.port.priority = wanted.priority & 0xf0;
        }
        BRDGSIFCOST => {
            if wanted.path_cost > 200_000_000 {
                return Err(Errno::EINVAL);
            }
            member.port.cost_given = wanted.path_cost != 0;
            member.port.path_cost = if wanted.path_cost != 0 {
                wanted.path_cost
            } else {
                kernel.interfaces.get(member.interface).map_or(DEFAULT_PATH_COST, |i| rstp::speed_cost(&i.driver))
            };
        }
        BRDGSIFAMAX => member.address_limit = wanted.address_limit,
        BRDGSIFPVID if wanted.pvid > 4094 => return Err(Errno::EINVAL),
        BRDGSIFPVID => member.pvid = wanted.pvid,
        _ => member.vlan_protocol = wanted.vlan_protocol,
    }
    rstp::links_changed(kernel, bridge, state);
    Ok(())
}

/// What a request names, and the rest of it; BRDGFLUSH names nothing.
struct Request {
    name: String,
    member: ioctl::Member,
}

impl Request {
    fn read(bytes: &[u8]) -> Result<Self, Errno> {
        let name = name_in(bytes).ok_or(Errno::ENOENT)?;
        let flags = bytes.get(16..20).and_then(|flags| flags.try_into().ok()).map(u32::from_le_bytes);
        let nameless = || ioctl::Member { flags: flags.unwrap_or_default(), ..ioctl::Member::default() };
        Ok(Self { name, member: ioctl::Member::read(bytes).unwrap_or_else(nameless) })
    }

    fn interface(&self, kernel: &Kernel, bridge: IfIndex) -> Result<IfIndex, Errno> {
        let vnet = kernel.interfaces.get(bridge).ok_or(Errno::ENXIO)?.vnet;
        ifnet::find(kernel, vnet, &self.name).ok_or(Errno::ENOENT)
    }
}

/// The name at the head of a structure; `None` if it is not text.
fn name_in(bytes: &[u8]) -> Option<String> {
    let field = bytes.get(..IFNAMSIZ)?;
    let end = field.iter().position(|byte| *byte == 0)?;
    String::from_utf8(field[..end].to_vec()).ok()
}

fn is_called(kernel: &Kernel, interface: IfIndex, name: &str) -> bool {
    kernel.interfaces.get(interface).is_some_and(|interface| interface.name == name)
}

fn may_be_member(interface: &Interface) -> bool {
    match &interface.driver {
        Driver::Loopback | Driver::Iface { .. } | Driver::Bridge(_) => false,
        Driver::Eiface { .. } | Driver::Epair { .. } | Driver::Vlan(_) => true,
        Driver::Other { cloner } => matches!(cloner.as_str(), "tap" | "gif"),
    }
}

fn add(kernel: &mut Kernel, bridge: IfIndex, state: &mut Bridge, index: IfIndex) -> Result<(), Errno> {
    if state.spans.contains(&index) {
        return Err(Errno::EBUSY);
    }
    let bridge_mtu = kernel.interfaces.get(bridge).ok_or(Errno::ENXIO)?.mtu;
    let first = state.members.is_empty();
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENOENT)?;
    match interface.bridge {
        Some(other) if other == bridge => return Err(Errno::EEXIST),
        Some(_) => return Err(Errno::EBUSY),
        None if !may_be_member(interface) => return Err(Errno::EINVAL),
        None => {}
    }
    if !first && interface.mtu != bridge_mtu {
        // The driver's own limits decide whether the member can follow (`ng_eiface` takes at most 9018).
        if matches!(interface.driver, Driver::Eiface { .. }) && !(72..=9018).contains(&bridge_mtu) {
            return Err(Errno::EINVAL);
        }
        interface.mtu = bridge_mtu;
    }
    interface.bridge = Some(bridge);
    let saved_capabilities = interface.capabilities;
    let mut port = rstp::Port::default();
    if interface.link_up || matches!(interface.driver, Driver::Other { .. } | Driver::Vlan(_)) {
        port.path_cost = rstp::speed_cost(&interface.driver);
    } else {
        port.cost_pending = true;
    }
    let mtu = interface.mtu;
    state.members.insert(
        0,
        Member {
            interface: index,
            saved_capabilities,
            flags: IFBIF_LEARNING | IFBIF_DISCOVER,
            address_limit: 0,
            exceeded: 0,
            pvid: state.default_pvid,
            vlans: Vec::new(),
            vlan_protocol: ETHERTYPE_VLAN,
            port,
        },
    );
    if first && let Some(interface) = kernel.interfaces.get_mut(bridge) {
        interface.mtu = mtu;
    }
    if !super::is_tunnel(kernel, index) {
        ifnet::set_promiscuous(kernel, index, true);
    }
    super::mute(kernel, state);
    rstp::links_changed(kernel, bridge, state);
    Ok(())
}

fn add_span(kernel: &mut Kernel, state: &mut Bridge, index: IfIndex) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENOENT)?;
    if state.spans.contains(&index) || interface.bridge.is_some() {
        return Err(Errno::EBUSY);
    }
    if !may_be_member(interface) {
        return Err(Errno::EINVAL);
    }
    state.spans.insert(0, index);
    Ok(())
}

fn set_flags(member: &mut Member, flags: u32) -> Result<(), Errno> {
    if flags & IFBIF_SPAN != 0 {
        return Err(Errno::EINVAL);
    }
    member.flags = flags & OWN_FLAGS;
    let port = &mut member.port;
    port.admin_edge = flags & IFBIF_BSTP_EDGE != 0;
    port.edge = port.admin_edge || port.edge && flags & IFBIF_BSTP_AUTOEDGE != 0;
    port.auto_edge = flags & IFBIF_BSTP_AUTOEDGE != 0;
    port.auto_point_to_point = flags & IFBIF_BSTP_AUTOPTP != 0;
    port.point_to_point = flags & IFBIF_BSTP_PTP != 0;
    Ok(())
}

/// An `ifbareq`; BRDGDADDR names no member.
fn read_address(bytes: &[u8]) -> Option<Learned> {
    Some(Learned {
        member: name_in(bytes)?,
        expire: 0,
        flags: *bytes.get(24)?,
        mac: bytes.get(25..31)?.try_into().ok()?,
        vlan: u16::from_le_bytes(bytes.get(32..34)?.try_into().ok()?),
    })
}

fn address_command(kernel: &Kernel, state: &mut Bridge, command: u64, argument: &IoctlArgument) -> Result<(), Errno> {
    let learned = read_address(&argument.bytes).ok_or(Errno::EINVAL)?;
    // No VLAN, or the reserved one, means every VLAN (`sys/net/if_bridge.c`, bridge_rtdaddr).
    let vlans = if matches!(learned.vlan, 0 | 0xffff) { None } else { Some(learned.vlan) };
    if command == BRDGDADDR {
        forget_expired(kernel, state);
        let before = state.cache.len();
        state.cache.retain(|(mac, vlan), _| *mac != learned.mac || vlans.is_some_and(|wanted| wanted != *vlan));
        return if state.cache.len() == before { Err(Errno::ENOENT) } else { Ok(()) };
    }
    let member = state.members().find(|member| is_called(kernel, *member, &learned.member)).ok_or(Errno::ENOENT)?;
    if learned.mac[0] & 1 != 0 {
        return Err(Errno::EINVAL);
    }
    match state.cache.get_mut(&(learned.mac, learned.vlan)) {
        Some(heard) => (heard.member, heard.expires, heard.sticky) = (member, None, false),
        None => insert(state, learned.mac, learned.vlan, Heard { member, expires: None, sticky: false, serial: 0 }),
    }
    Ok(())
}

/// BRDGSIFVLANSET and BRDGGIFVLANSET: name, operation at 16, bitmap at 24.
fn vlan_command(kernel: &Kernel, state: &mut Bridge, command: u64, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let name = name_in(&argument.bytes).ok_or(Errno::ENOENT)?;
    let found = state.members.iter_mut().find(|member| is_called(kernel, member.interface, name.as_str()));
    let member = found.ok_or(Errno::ENOENT)?;
    member.vlans.resize(MOST_VLANS / 8, 0);
    if command == BRDGGIFVLANSET {
        argument.set_field(24, &member.vlans);
        return Ok(());
    }
    let given = argument.bytes.get(24..24 + MOST_VLANS / 8).ok_or(Errno::EINVAL)?;
    if given[0] & 1 != 0 || given[MOST_VLANS / 8 - 1] & 0x80 != 0 {
        return Err(Errno::EINVAL);
    }
    for (have, given) in member.vlans.iter_mut().zip(given) {
        match argument.bytes.get(16) {
            Some(1) => *have = *given,
            Some(2) => *have |= given,
            Some(3) => *have &= !given,
            _ => return Err(Errno::EOPNOTSUPP),
        }
    }
    Ok(())
}
