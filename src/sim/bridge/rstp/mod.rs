//! Rapid spanning tree (IEEE 802.1D-2004, clause 17, with the dispute of 802.1Q), as far as bstp(4) goes.
//!
//! `port` is what each remembers, `roles` chooses what it is, `opening` opens and closes it, `change` spreads topology
//! changes, `talk` sends and hears. After every event the machines run until nothing moves, as the standard wants it; bstp(4) lets other
//! ports wait for the next second. Time is counted in whole seconds by one timer per bridge that runs only while a
//! port takes part.

mod change;
mod opening;
mod port;
mod roles;
mod talk;

use serde::{Deserialize, Serialize};

pub(super) use self::port::{Port, Role, State, speed_cost};
use self::port::{Source, port_id};
pub(super) use self::talk::receive;
use super::bpdu::{BridgeId, Times, Vector};
use super::{Bridge, IFF_RUNNING, set_tick};
use crate::abi::ioctl::bridge::IFBIF_STP;
use crate::sim::clock::Nanos;
use crate::sim::kernel::{IfIndex, Kernel};

/// Seconds before a port that heard no bridge is taken for an edge (`BSTP_DEFAULT_MIGRATE_DELAY`).
const MIGRATE_DELAY: u16 = 3;

/// Seconds between two looks at links that do not tell when they come and go (`BSTP_LINK_TIMER`).
const LINK_LOOK: u16 = 15;
/// `BSTP_DEFAULT_PATH_COST`: of a port whose speed is not known.
pub(super) const DEFAULT_PATH_COST: u32 = 55;
/// 256ths of a second, in which the protocol counts.
const UNIT: u16 = 256;
/// Rounds in which the machines must come to rest; many more than any number of ports needs.
const ROUNDS: usize = 64;
const IFF_UP: u32 = 0x1;

/// What a bridge knows of the tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tree {
    pub priority: u16,
    /// Seconds.
    pub max_age: u16,
    /// Seconds.
    pub hello: u16,
    /// Seconds.
    pub forward_delay: u16,
    pub hold_count: u8,
    /// 0 STP, 2 RSTP.
    pub protocol: u8,
    /// The best way to the root; this bridge's own vector while it is the root.
    pub root: Vector,
    pub root_times: Times,
    pub root_port: Option<IfIndex>,
    /// When the topology last changed.
    pub changed: Nanos,
    /// When the next second is over, if one is waited for. An index can be given to another bridge: its seconds are
    /// others.
    due: Option<Nanos>,
    running: bool,
    /// The protocol that the ports were begun with.
    spoken: u8,
    /// It was up, or its tree configured.
    begun: bool,
    /// Until the links are looked at again.
    look_left: u16,
    own: BridgeId,
}

impl Default for Tree {
    fn default() -> Self {
        let times = Times { message_age: 0, max_age: 20 * UNIT, hello: 2 * UNIT, forward_delay: 15 * UNIT };
        Self {
            priority: 0x8000,
            max_age: 20,
            hello: 2,
            forward_delay: 15,
            hold_count: 6,
            protocol: 2,
            root: Vector::default(),
            root_times: times,
            root_port: None,
            changed: 0,
            due: None,
            running: false,
            begun: false,
            look_left: 0,
            spoken: 2,
            own: 0,
        }
    }
}

/// The link of a member came or went.
pub(super) fn link_changed(kernel: &mut Kernel, state: &mut Bridge, interface: IfIndex) {
    let had_root = state.tree.root_port.is_some();
    let protocol = state.tree.protocol;
    for member in state.members.iter_mut().filter(|member| member.interface == interface) {
        member.port.look_at_link(kernel, interface, protocol);
    }
    settle(kernel, state, had_root);
}

/// A member came or went or takes part from now on, the bridge went up or down (`bstp_reinit`): every link is looked at.
pub(super) fn links_changed(kernel: &mut Kernel, bridge: IfIndex, state: &mut Bridge) {
    let Some(interface) = kernel.interfaces.get(bridge) else { return };
    let running = interface.flags & IFF_RUNNING != 0;
    let was_running = std::mem::replace(&mut state.tree.running, running);
    let had_root = state.tree.root_port.is_some();
    for member in &mut state.members {
        let wanted = member.flags & IFBIF_STP != 0;
        match (member.port.taking_part, wanted) {
            (false, true) => (member.port.news, member.port.role) = (true, Role::Disabled),
            (true, false) => member.port.leave(),
            _ => {}
        }
        member.port.taking_part = wanted;
        if was_running && !running {
            member.port.state = State::Discarding;
        }
    }
    let taking_part = state.members.iter().any(|member| member.port.taking_part);
    state.tree.begun |= running || taking_part;
    choose_identity(kernel, state);
    for member in &mut state.members {
        member.port.look_at_link(kernel, member.interface, state.tree.protocol);
    }
    state.tree.look_left = LINK_LOOK;
    if running && taking_part && state.tree.due.is_none() {
        state.tree.due = Some(set_tick(kernel, bridge));
    }
    settle(kernel, state, had_root);
}

/// The loss of a port is dealt with at once, what is new waits for the second, as in bstp(4).
fn settle(kernel: &mut Kernel, state: &mut Bridge, had_root: bool) {
    roles::assign(state);
    if had_root && state.tree.root_port.is_none_or(|port| state.member(port).is_some_and(|m| !m.port.is_open())) {
        run(kernel, state);
    }
}

/// Priority, times or protocol changed.
pub(super) fn reconfigured(kernel: &mut Kernel, state: &mut Bridge) {
    state.tree.begun = true;
    choose_identity(kernel, state);
    if state.tree.spoken != state.tree.protocol {
        state.tree.spoken = state.tree.protocol;
        state.tree.hello = 2;
        for member in &mut state.members {
            let port = &mut member.port;
            let taking_part = port.taking_part;
            port.leave();
            (port.taking_part, port.role) = (taking_part, Role::Disabled);
            port.look_at_link(kernel, member.interface, state.tree.protocol);
        }
    }
    roles::assign(state);
    run(kernel, state);
}

/// A second is over.
pub(super) fn tick(kernel: &mut Kernel, bridge: IfIndex, state: &mut Bridge) {
    if state.tree.due != Some(kernel.clock.now()) {
        return;
    }
    state.tree.due = None;
    if !state.tree.running {
        return;
    }
    let hello = state.tree.hello;
    let mut changed = false;
    if ran_out(&mut state.tree.look_left) {
        state.tree.look_left = LINK_LOOK;
        changed = true;
        for member in &mut state.members {
            member.port.look_at_link(kernel, member.interface, state.tree.protocol);
        }
    }
    for port in state.members.iter_mut().map(|member| &mut member.port).filter(|port| port.taking_part) {
        port.sent = port.sent.saturating_sub(1);
        for left in
            [&mut port.forward_left, &mut port.recent_root_left, &mut port.recent_backup_left, &mut port.change_left]
        {
            *left = left.saturating_sub(1);
        }
        if ran_out(&mut port.age_left) && port.source == Source::Received {
            port.source = Source::Aged;
            changed = true;
        }
        if ran_out(&mut port.edge_left) {
            port.may_be_edge();
        }
        port.hello_left = port.hello_left.saturating_sub(1);
        if port.hello_left == 0 {
            port.hello_left = hello;
            port.news |= port.role == Role::Designated || port.role == Role::Root && port.change_left > 0;
        }
    }
    if changed {
        roles::assign(state);
    }
    run(kernel, state);
    if state.members.iter().any(|member| member.port.taking_part) {
        state.tree.due = Some(set_tick(kernel, bridge));
    }
}

/// The identity as BRDGPARAM shows it: without ports only the priority, and nothing before the bridge was ever up.
pub(super) fn identity(tree: &Tree) -> BridgeId {
    match tree.own {
        0 if tree.begun => u64::from(tree.priority) << 48,
        own => own,
    }
}

/// Cost, root, bridge and port of a port's designated vector, for BRDGGIFSSTP.
pub(super) fn designated(port: &Port) -> (u32, BridgeId, BridgeId, u16) {
    (port.vector.cost, port.vector.root, port.vector.bridge, port.vector.port)
}

/// Runs the machines until they rest, then says what is to be said. A bridge that is down is silent and closed.
fn run(kernel: &mut Kernel, state: &mut Bridge) {
    if !state.tree.running {
        return;
    }
    for _ in 0..ROUNDS {
        let opened = opening::step(state);
        let spread = change::step(kernel, state);
        if !opened && !spread {
            break;
        }
    }
    talk::speak(kernel, state);
}

/// A bridge is known by the lowest MAC of its Ethernet members, whether they take part or not (`bstp_reinit`).
fn choose_identity(kernel: &Kernel, state: &mut Bridge) {
    let taking_part = state.members.iter().any(|member| member.port.taking_part);
    let macs = state.members.iter().filter_map(|member| kernel.interfaces.get(member.interface));
    let ethernet = macs.filter(|interface| interface.kind() == 6 && interface.mac != [0; 6]);
    let lowest = ethernet.map(|interface| interface.mac).min().filter(|_| taking_part);
    state.tree.own = match lowest {
        None => 0,
        Some([a, b, c, d, e, f]) => u64::from(state.tree.priority) << 48 | u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
    };
}

/// Counts a timer down; whether it ran out just now.
fn ran_out(left: &mut u16) -> bool {
    let running = *left > 0;
    *left = left.saturating_sub(1);
    running && *left == 0
}
