//! What a bridge tells of itself: members, spanning tree, address cache, in the structures of the ioctls.

use super::control::{ADMIN_COST, ADMIN_EDGE};
use super::forward::forget_expired;
use super::rstp;
use super::{Bridge, SECOND};
use crate::abi::Errno;
use crate::abi::ioctl::IoctlArgument;
use crate::abi::ioctl::bridge::*;
use crate::sim::ifnet::Driver;
use crate::sim::kernel::{IfIndex, Kernel};

const IFBAF_STATIC: u8 = 0x01;

/// A member as `ifbreq` tells it.
pub(super) fn describe(kernel: &Kernel, state: &Bridge, place: usize) -> Member {
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
    Member {
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
    pub members: Vec<Member>,
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
pub(super) fn spanning_tree(state: &Bridge) -> SpanningTree {
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

pub(super) fn list_command(
    kernel: &Kernel,
    state: &mut Bridge,
    command: u64,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
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
    let entry = Member {
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
