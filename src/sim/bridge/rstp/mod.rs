//! Rapid spanning tree (IEEE 802.1D-2004, clause 17, with the dispute of 802.1Q), as far as bstp(4) goes.
//!
//! `roles` chooses what each port is, `ports` opens and closes them, `change` spreads topology changes, `talk` sends
//! and hears. After every event the machines run until nothing moves, as the standard wants it; bstp(4) lets other
//! ports wait for the next second. Time is counted in whole seconds by one timer per bridge that runs only while a
//! port takes part.

mod change;
mod ports;
mod roles;
mod talk;

use serde::{Deserialize, Serialize};

use self::change::ChangeState;
pub(super) use self::talk::receive;
use super::bpdu::{BridgeId, Times, Vector};
use super::{Bridge, IFF_RUNNING, set_tick};
use crate::abi::ioctl::bridge::IFBIF_STP;
use crate::sim::clock::Nanos;
use crate::sim::ifnet::Driver;
use crate::sim::kernel::{IfIndex, Kernel};

/// Seconds before a port that heard no bridge is taken for an edge (`BSTP_DEFAULT_MIGRATE_DELAY`).
const MIGRATE_DELAY: u16 = 3;
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
            spoken: 2,
            own: 0,
        }
    }
}

/// `BSTP_IFSTATE_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Learning = 2,
    Forwarding = 3,
    #[default]
    Discarding = 5,
}

/// `BSTP_ROLE_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Role {
    #[default]
    Disabled = 0,
    Root = 1,
    Designated = 2,
    Alternate = 3,
    Backup = 4,
}

/// Where a port's vector comes from (`infoIs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    #[default]
    Disabled,
    Aged,
    Mine,
    Received,
}

/// One member as a port of the tree. The names of the standard stand behind those that differ.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Port {
    pub priority: u8,
    pub path_cost: u32,
    /// The author set the cost.
    pub cost_given: bool,
    /// The cost waits for a carrier.
    pub cost_pending: bool,
    pub auto_edge: bool,
    pub auto_point_to_point: bool,
    /// `operEdge`
    pub edge: bool,
    pub admin_edge: bool,
    pub point_to_point: bool,
    /// Information waits to be sent (`newInfo`).
    pub news: bool,
    pub state: State,
    pub role: Role,
    /// How often it began to forward.
    pub transitions: u32,
    taking_part: bool,
    source: Source,
    vector: Vector,
    times: Times,
    proposing: bool,
    proposed: bool,
    agree: bool,
    agreed: bool,
    sync: bool,
    synced: bool,
    reroot: bool,
    disputed: bool,
    /// `sendRSTP`
    rapid: bool,
    /// `txCount`
    sent: u8,
    change: ChangeState,
    heard_change: bool,
    heard_notification: bool,
    heard_acknowledgement: bool,
    /// `tcProp`
    pass_change: bool,
    /// `tcAck`
    acknowledge: bool,
    /// Seconds left, 0 when over: `helloWhen`, `rcvdInfoWhile`, `fdWhile`, `edgeDelayWhile`, `rrWhile`, `rbWhile`,
    /// `tcWhile`.
    hello_left: u16,
    age_left: u16,
    forward_left: u16,
    edge_left: u16,
    recent_root_left: u16,
    recent_backup_left: u16,
    change_left: u16,
}

impl Default for Port {
    fn default() -> Self {
        Self {
            priority: 0x80,
            path_cost: DEFAULT_PATH_COST,
            cost_given: false,
            cost_pending: false,
            auto_edge: true,
            auto_point_to_point: true,
            edge: false,
            admin_edge: false,
            point_to_point: false,
            news: false,
            state: State::Discarding,
            role: Role::Disabled,
            transitions: 0,
            taking_part: false,
            source: Source::Disabled,
            vector: Vector::default(),
            times: Tree::default().root_times,
            proposing: false,
            proposed: false,
            agree: false,
            agreed: false,
            sync: false,
            synced: true,
            reroot: false,
            disputed: false,
            rapid: true,
            sent: 0,
            change: ChangeState::Inactive,
            heard_change: false,
            heard_notification: false,
            heard_acknowledgement: false,
            pass_change: false,
            acknowledge: false,
            hello_left: 0,
            age_left: 0,
            forward_left: 0,
            edge_left: 0,
            recent_root_left: 0,
            recent_backup_left: 0,
            change_left: 0,
        }
    }
}

/// Identifier of a port: its priority and the low bits of the interface's index.
fn port_id(port: &Port, interface: IfIndex) -> u16 {
    u16::from(port.priority) << 8 | interface.0 & 0xfff
}

/// The cost of an interface's speed: 10 Gbit/s for epair and vlan, 10 Mbit/s is what Ethernet drivers start with.
pub(super) fn speed_cost(driver: &Driver) -> u32 {
    match driver {
        Driver::Epair { .. } | Driver::Vlan(_) => 2000,
        Driver::Other { cloner } if cloner == "gif" => DEFAULT_PATH_COST,
        _ => 2_000_000,
    }
}

/// A member came or went or takes part from now on, a link came or went, the bridge went up or down. The loss of a
/// port is dealt with at once, what is new waits for the second, as in bstp(4).
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
    if running && taking_part && state.tree.due.is_none() {
        state.tree.due = Some(set_tick(kernel, bridge));
    }
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
    let mut aged = false;
    for port in state.members.iter_mut().map(|member| &mut member.port).filter(|port| port.taking_part) {
        port.sent = port.sent.saturating_sub(1);
        for left in
            [&mut port.forward_left, &mut port.recent_root_left, &mut port.recent_backup_left, &mut port.change_left]
        {
            *left = left.saturating_sub(1);
        }
        if ran_out(&mut port.age_left) && port.source == Source::Received {
            port.source = Source::Aged;
            aged = true;
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
    if aged {
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
        let opened = ports::step(state);
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

impl Port {
    fn is_open(&self) -> bool {
        self.state == State::Forwarding
    }

    /// 0 STP, 2 RSTP.
    pub(super) fn protocol(&self) -> u8 {
        if self.rapid { 2 } else { 0 }
    }

    /// What opening a closed port takes: on a link of two bridges of this protocol the hello time, else the delay
    /// of the old protocol.
    fn delay(&self) -> u16 {
        let time = if self.rapid { self.times.hello } else { self.times.forward_delay };
        (time / UNIT).max(1)
    }

    /// It takes part no longer: what was learnt is forgotten, what was set stays.
    fn leave(&mut self) {
        *self = Self {
            priority: self.priority,
            path_cost: self.path_cost,
            cost_given: self.cost_given,
            cost_pending: self.cost_pending,
            auto_edge: self.auto_edge,
            auto_point_to_point: self.auto_point_to_point,
            admin_edge: self.admin_edge,
            transitions: self.transitions,
            news: self.news,
            role: self.role,
            ..Self::default()
        };
    }

    /// Follows the link (`bstp_ifupdstatus`).
    fn look_at_link(&mut self, kernel: &Kernel, index: IfIndex, protocol: u8) {
        let Some(interface) = kernel.interfaces.get(index) else { return };
        let up = interface.flags & IFF_UP != 0 && interface.link_up;
        if self.cost_pending && interface.link_up && !self.cost_given {
            self.path_cost = speed_cost(&interface.driver);
            self.cost_pending = false;
        }
        if !self.taking_part {
            return;
        }
        match (self.source == Source::Disabled, up) {
            (true, true) => {
                self.point_to_point |= self.auto_point_to_point;
                self.edge = self.admin_edge;
                self.edge_left = MIGRATE_DELAY;
                self.rapid = protocol == 2;
                if !self.rapid {
                    self.path_cost = self.path_cost.min(65_535);
                }
                self.source = Source::Aged;
            }
            (false, false) => {
                self.source = Source::Disabled;
                self.edge = self.admin_edge;
            }
            _ => {}
        }
    }

    /// Nobody was heard for a while: perhaps there is no bridge on this link.
    fn may_be_edge(&mut self) {
        if self.auto_edge && self.rapid && self.proposing && self.role == Role::Designated {
            self.edge = true;
        }
    }
}
