//! What ifconfig(8) asks of a bridge: the commands behind SIOCSDRVSPEC and SIOCGDRVSPEC.

use super::forward::{forget_expired, insert};
use super::rstp::{self, DEFAULT_PATH_COST};
use super::{Bridge, Heard, Member, SECOND, check_link, remove, with};
use crate::abi::Errno;
use crate::abi::ioctl::IoctlArgument;
use crate::abi::ioctl::bridge::{self as ioctl, *};
use crate::abi::name::IFNAMSIZ;
use crate::sim::ifnet::{self, Driver, Interface};
use crate::sim::kernel::{IfIndex, Kernel};

const IFBAF_STATIC: u8 = 0x01;
const ETHERTYPE_VLAN: u16 = 0x8100;
const MOST_VLANS: usize = 4096;
/// `IFBIFMASK`: what of a member's flags is not the spanning tree's.
const OWN_FLAGS: u32 =
    !(IFBIF_BSTP_EDGE | IFBIF_BSTP_AUTOEDGE | IFBIF_BSTP_PTP | IFBIF_BSTP_AUTOPTP | ADMIN_EDGE | ADMIN_COST);
const ADMIN_EDGE: u32 = 0x200;
const ADMIN_COST: u32 = 0x400;
/// `IFBF_FLUSHALL`.
const FLUSH_ALL: u32 = 0x01;
/// `IFBRF_*` that exist.
const BRIDGE_FLAGS: u32 = 0x03;

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
        Driver::Loopback | Driver::Bridge(_) => false,
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

/// A member as `ifbreq` tells it.
fn describe(kernel: &Kernel, state: &Bridge, place: usize) -> ioctl::Member {
    let member = &state.members[place];
    let port = &member.port;
    let name = kernel.interfaces.get(member.interface).map(|interface| interface.name.as_str()).unwrap_or_default();
    let held = state.cache.values().filter(|heard| heard.member == member.interface).count();
    let mut flags = member.flags;
    let mut stp_flags = 0;
    for (set, flag, stp_flag) in [
        (port.edge, IFBIF_BSTP_EDGE, 0),
        (port.auto_edge, IFBIF_BSTP_AUTOEDGE, 0x10),
        (port.point_to_point, IFBIF_BSTP_PTP, 0),
        (port.auto_point_to_point, IFBIF_BSTP_AUTOPTP, 0x20),
        (port.admin_edge, ADMIN_EDGE, 0x40),
        (port.cost_given, ADMIN_COST, 0x08),
        (port.cost_pending, 0, 0x80),
        (port.news, 0, 0x02),
    ] {
        flags |= if set { flag } else { 0 };
        stp_flags |= if set { stp_flag } else { 0 };
    }
    ioctl::Member {
        name: name.to_owned(),
        flags,
        stp_flags,
        path_cost: port.path_cost,
        port: u8::try_from(member.interface.0 & 0xff).unwrap_or_default(),
        priority: port.priority,
        protocol: port.protocol(),
        role: port.role as u8,
        state: port.state as u8,
        addresses: u32::try_from(held).unwrap_or(u32::MAX),
        address_limit: member.address_limit,
        exceeded: member.exceeded,
        pvid: member.pvid,
        vlan_protocol: member.vlan_protocol,
    }
}

/// What ifconfig(8) shows of a bridge.
#[derive(Clone, Debug)]
pub struct View {
    /// Newest first.
    pub members: Vec<ioctl::Member>,
    /// The spanning tree.
    pub tree: SpanningTree,
    /// Addresses the cache may hold.
    pub cache_limit: u32,
    /// Seconds an address is remembered without being heard.
    pub timeout: u32,
}

/// A bridge as BRDGGIFS, BRDGPARAM, BRDGGCACHE and BRDGGTO tell it; `None` if the interface is none.
#[must_use]
pub fn view(kernel: &Kernel, bridge: IfIndex) -> Option<View> {
    let Driver::Bridge(state) = &kernel.interfaces.get(bridge)?.driver else { return None };
    Some(View {
        members: (0..state.members.len()).map(|place| describe(kernel, state, place)).collect(),
        tree: spanning_tree(state),
        cache_limit: state.cache_limit,
        timeout: state.timeout,
    })
}

/// The spanning tree as BRDGPARAM tells it.
fn spanning_tree(state: &Bridge) -> SpanningTree {
    let tree = &state.tree;
    let own = rstp::identity(tree);
    let root = if tree.root.root == 0 { own } else { tree.root.root };
    let designated = if tree.root.bridge == 0 { own } else { tree.root.bridge };
    SpanningTree {
        hold_count: tree.hold_count,
        max_age: u8::try_from(tree.max_age).unwrap_or(u8::MAX),
        hello_time: u8::try_from(tree.hello).unwrap_or(u8::MAX),
        forward_delay: u8::try_from(tree.forward_delay).unwrap_or(u8::MAX),
        protocol: tree.protocol,
        priority: tree.priority,
        root_port: tree.root_port.map_or(0, |port| port.0),
        root_path_cost: tree.root.cost,
        bridge_id: own,
        designated_root: root,
        designated_bridge: designated,
        last_change: (tree.changed / SECOND, tree.changed % SECOND / 1000),
    }
}

fn list_command(kernel: &Kernel, state: &mut Bridge, command: u64, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let room = argument.field::<4>(0).map(u32::from_le_bytes).unwrap_or_default();
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let entries: Vec<Vec<u8>> = match command {
        BRDGGIFS => {
            let members = (0..state.members.len()).map(|place| describe(kernel, state, place).bytes().to_vec());
            members.chain(state.spans.iter().map(|span| span_entry(kernel, *span))).collect()
        }
        BRDGRTS => addresses(kernel, state),
        _ => stp_entries(state),
    };
    let needed: usize = entries.iter().map(Vec::len).sum();
    // Length 0 asks for the size; only the address cache does not tell it.
    let array: Vec<u8> = if room == 0 { Vec::new() } else { fitting(entries, room) };
    let length = if room == 0 && command != BRDGRTS { needed } else { array.len() };
    argument.set_field(0, &u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    if let Some(behind) = argument.behind_mut() {
        let rest = behind.bytes.get(array.len()..).unwrap_or_default().to_vec();
        behind.bytes = [array, rest].concat();
    }
    Ok(())
}

/// As many whole entries as there is room for.
fn fitting(entries: Vec<Vec<u8>>, room: usize) -> Vec<u8> {
    let mut array = Vec::new();
    for entry in entries {
        if array.len() + entry.len() > room {
            break;
        }
        array.extend(entry);
    }
    array
}

fn span_entry(kernel: &Kernel, span: IfIndex) -> Vec<u8> {
    let name = kernel.interfaces.get(span).map(|interface| interface.name.as_str()).unwrap_or_default();
    let entry = ioctl::Member {
        name: name.to_owned(),
        flags: IFBIF_SPAN,
        port: u8::try_from(span.0 & 0xff).unwrap_or_default(),
        ..Default::default()
    };
    entry.bytes().to_vec()
}

/// The cache, newest first.
fn addresses(kernel: &Kernel, state: &mut Bridge) -> Vec<Vec<u8>> {
    forget_expired(kernel, state);
    let mut entries: Vec<_> = state.cache.iter().collect();
    entries.sort_by_key(|(_, heard)| std::cmp::Reverse(heard.serial));
    let now = kernel.clock.now();
    let entries = entries.into_iter().filter_map(|((mac, vlan), heard)| {
        let interface = kernel.interfaces.get(heard.member)?;
        let learned = Learned {
            member: interface.name.clone(),
            expire: heard.expires.map_or(0, |expires| expires.saturating_sub(now).div_ceil(SECOND)),
            flags: if heard.expires.is_none() { IFBAF_STATIC } else { 0 },
            mac: *mac,
            vlan: *vlan,
        };
        Some(learned.bytes().to_vec())
    });
    entries.collect()
}

/// `struct ifbpstpreq` of every port that takes part.
fn stp_entries(state: &Bridge) -> Vec<Vec<u8>> {
    let taking_part = state.members.iter().filter(|member| member.flags & IFBIF_STP != 0);
    let entries = taking_part.map(|member| {
        let mut entry = vec![0; IFBPSTPREQ];
        entry[0] = u8::try_from(member.interface.0 & 0xff).unwrap_or_default();
        let (cost, root, bridge, port) = rstp::designated(&member.port);
        entry[4..8].copy_from_slice(&member.port.transitions.to_le_bytes());
        entry[8..12].copy_from_slice(&cost.to_le_bytes());
        entry[12..14].copy_from_slice(&port.to_le_bytes());
        entry[16..24].copy_from_slice(&bridge.to_le_bytes());
        entry[24..32].copy_from_slice(&root.to_le_bytes());
        entry
    });
    entries.collect()
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

fn parameter_command(
    kernel: &mut Kernel,
    state: &mut Bridge,
    command: u64,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
    let value = argument.field::<4>(0).map(u32::from_le_bytes).unwrap_or_default();
    let byte = u16::try_from(value & 0xff).unwrap_or_default();
    let within = |least: u16, most: u16| if (least..=most).contains(&byte) { Ok(byte) } else { Err(Errno::EINVAL) };
    let tree = &mut state.tree;
    let answer = match command {
        BRDGGCACHE => Some(state.cache_limit),
        BRDGGTO => Some(state.timeout),
        BRDGGPRI => Some(u32::from(tree.priority)),
        BRDGGHT => Some(u32::from(tree.hello)),
        BRDGGFD => Some(u32::from(tree.forward_delay)),
        BRDGGMA => Some(u32::from(tree.max_age)),
        BRDGGRTE => Some(state.exceeded),
        BRDGGFLAGS => Some(state.flags),
        BRDGGDEFPVID => Some(u32::from(state.default_pvid)),
        BRDGSCACHE => {
            state.cache_limit = value;
            None
        }
        BRDGSTO => {
            state.timeout = value;
            None
        }
        BRDGSPRI => {
            let priority = u16::try_from(value & 0xffff).unwrap_or_default();
            if priority > 61_440 {
                return Err(Errno::EINVAL);
            }
            tree.priority = priority & 0xf000;
            None
        }
        // Only the old protocol has a hello time of its own.
        BRDGSHT if tree.protocol == 2 => return Err(Errno::EPERM),
        BRDGSHT => {
            tree.hello = within(1, 2)?;
            None
        }
        BRDGSFD => {
            tree.forward_delay = within(4, 30)?;
            None
        }
        BRDGSMA => {
            tree.max_age = within(6, 40)?;
            None
        }
        BRDGSPROTO => {
            if value & 0xff != 0 && value & 0xff != 2 {
                return Err(Errno::EINVAL);
            }
            tree.protocol = u8::try_from(value & 0xff).unwrap_or_default();
            None
        }
        BRDGSTXHC => {
            tree.hold_count = u8::try_from(within(1, 10)?).unwrap_or(u8::MAX);
            None
        }
        BRDGSFLAGS => {
            state.flags = value & BRIDGE_FLAGS;
            None
        }
        _ => {
            let pvid = u16::try_from(value & 0xffff).unwrap_or_default();
            if pvid > 4094 {
                return Err(Errno::EINVAL);
            }
            state.default_pvid = pvid;
            None
        }
    };
    match answer {
        Some(answer) => argument.set_field(0, &answer.to_le_bytes()),
        None => rstp::reconfigured(kernel, state),
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
