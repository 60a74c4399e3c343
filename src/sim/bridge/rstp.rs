//! Rapid spanning tree (IEEE 802.1D-2004, clause 17), as far as bstp(4) goes: roles from priority vectors, proposal
//! and agreement on point-to-point links, forward delay elsewhere, topology changes, edge ports.
//!
//! Time is counted in whole seconds by one timer per bridge that runs only while a port takes part.

use serde::{Deserialize, Serialize};

use super::bpdu::{self, Bpdu, BridgeId, Config, SenderRole, Times, Vector};
use super::{Bridge, IFF_RUNNING, set_tick};
use crate::abi::ioctl::bridge::IFBIF_STP;
use crate::sim::clock::Nanos;
use crate::sim::ifnet::{self, Driver};
use crate::sim::kernel::{IfIndex, Kernel};

/// Seconds before a port that heard no bridge is taken for an edge (`BSTP_DEFAULT_MIGRATE_DELAY`).
const MIGRATE_DELAY: u16 = 3;
/// `BSTP_DEFAULT_PATH_COST`: of a port whose speed is not known.
pub(super) const DEFAULT_PATH_COST: u32 = 55;
/// 256ths of a second, in which the protocol counts.
const UNIT: u16 = 256;

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
    ticking: bool,
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
            ticking: false,
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

/// Where a port's vector comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    #[default]
    Disabled,
    Aged,
    Mine,
    Received,
}

/// One member as a port of the tree.
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
    pub edge: bool,
    pub admin_edge: bool,
    pub point_to_point: bool,
    /// Information waits to be sent.
    pub news: bool,
    pub state: State,
    pub role: Role,
    source: Source,
    vector: Vector,
    times: Times,
    proposing: bool,
    proposed: bool,
    agree: bool,
    agreed: bool,
    sync: bool,
    synced: bool,
    disputed: bool,
    rapid: bool,
    sent: u8,
    /// Seconds left, 0 when over.
    hello_left: u16,
    age_left: u16,
    forward_left: u16,
    edge_left: u16,
    recent_root_left: u16,
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
            source: Source::Disabled,
            vector: Vector::default(),
            times: Tree::default().root_times,
            proposing: false,
            proposed: false,
            agree: false,
            agreed: false,
            sync: false,
            synced: true,
            disputed: false,
            rapid: true,
            sent: 0,
            hello_left: 0,
            age_left: 0,
            forward_left: 0,
            edge_left: 0,
            recent_root_left: 0,
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
        Driver::Epair { .. } => 2000,
        Driver::Vlan(_) => 2000,
        Driver::Other { cloner } if cloner == "gif" => DEFAULT_PATH_COST,
        _ => 2_000_000,
    }
}

/// A port was enabled or disabled, a link came or went, the bridge went up or down: everything is looked at again.
pub(super) fn links_changed(kernel: &mut Kernel, bridge: IfIndex, state: &mut Bridge) {
    let Some(interface) = kernel.interfaces.get(bridge) else { return };
    let running = interface.flags & IFF_RUNNING != 0;
    for member in &mut state.members {
        let Some(interface) = kernel.interfaces.get(member.interface) else { continue };
        let (port, link) = (&mut member.port, interface.link_up);
        if port.cost_pending && link && !port.cost_given {
            port.path_cost = speed_cost(&interface.driver);
            port.cost_pending = false;
        }
        let taking_part = running && member.flags & IFBIF_STP != 0 && link && interface.flags & IFF_RUNNING != 0;
        match (port.source == Source::Disabled, taking_part) {
            (true, true) => enable(port),
            (false, false) => disable(port),
            _ => {}
        }
    }
    choose_identity(kernel, state);
    if state.members.iter().any(|member| member.port.source != Source::Disabled) && !state.tree.ticking {
        state.tree.ticking = true;
        set_tick(kernel, bridge);
    }
    update(kernel, state);
}

fn enable(port: &mut Port) {
    port.source = Source::Aged;
    port.role = Role::Disabled;
    port.edge = port.admin_edge;
    port.point_to_point |= port.auto_point_to_point;
    port.rapid = true;
    port.synced = false;
    port.edge_left = MIGRATE_DELAY;
}

fn disable(port: &mut Port) {
    *port = Port {
        priority: port.priority,
        path_cost: port.path_cost,
        cost_given: port.cost_given,
        cost_pending: port.cost_pending,
        auto_edge: port.auto_edge,
        auto_point_to_point: port.auto_point_to_point,
        admin_edge: port.admin_edge,
        ..Port::default()
    };
}

/// A bridge is known by the lowest MAC of its ports (`bstp_reinit`).
fn choose_identity(kernel: &Kernel, state: &mut Bridge) {
    let taking_part = state.members.iter().filter(|member| member.flags & IFBIF_STP != 0);
    let lowest = taking_part.filter_map(|member| kernel.interfaces.get(member.interface)).map(|i| i.mac).min();
    state.tree.own = match lowest {
        None => 0,
        Some([a, b, c, d, e, f]) => u64::from(state.tree.priority) << 48 | u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
    };
}

/// The identity as BRDGPARAM shows it: without ports only the priority.
pub(super) fn identity(tree: &Tree) -> BridgeId {
    if tree.own == 0 { u64::from(tree.priority) << 48 } else { tree.own }
}

/// Cost, root, bridge and port of a port's designated vector, for BRDGGIFSSTP.
pub(super) fn designated(port: &Port) -> (u32, BridgeId, BridgeId, u16) {
    (port.vector.cost, port.vector.root, port.vector.bridge, port.vector.port)
}

/// Priority or times changed.
pub(super) fn reconfigured(kernel: &mut Kernel, state: &mut Bridge) {
    choose_identity(kernel, state);
    update(kernel, state);
}

/// A second is over.
pub(super) fn tick(kernel: &mut Kernel, bridge: IfIndex, state: &mut Bridge) {
    state.tree.ticking = false;
    let hello = state.tree.hello;
    for member in &mut state.members {
        let port = &mut member.port;
        if port.source == Source::Disabled {
            continue;
        }
        port.sent = port.sent.saturating_sub(1);
        for left in [&mut port.forward_left, &mut port.recent_root_left, &mut port.change_left] {
            *left = left.saturating_sub(1);
        }
        if ran_out(&mut port.hello_left) {
            port.hello_left = hello;
            port.news |= port.role == Role::Designated || port.role == Role::Root && port.change_left > 0;
        }
        if ran_out(&mut port.age_left) && port.source == Source::Received {
            port.source = Source::Aged;
        }
        if ran_out(&mut port.edge_left) && port.auto_edge && port.role == Role::Designated {
            port.edge = true;
        }
    }
    update(kernel, state);
    if state.members.iter().any(|member| member.port.source != Source::Disabled) {
        state.tree.ticking = true;
        set_tick(kernel, bridge);
    }
}

/// Counts a timer down; whether it ran out just now.
fn ran_out(left: &mut u16) -> bool {
    let running = *left > 0;
    *left = left.saturating_sub(1);
    running && *left == 0
}

/// A frame to the bridge group address came in at a member.
pub(super) fn receive(kernel: &mut Kernel, state: &mut Bridge, member: IfIndex, frame: &[u8]) {
    let own = state.tree.own;
    let Some(member) = state.member_mut(member) else { return };
    let port = &mut member.port;
    if port.source == Source::Disabled {
        return;
    }
    match bpdu::read(frame) {
        None => return,
        Some(Bpdu::ChangeNotification) => topology_changed(kernel, state, None),
        Some(Bpdu::Config(config)) => {
            if config.vector.bridge == own && config.vector.port == port_id(port, member.interface) {
                return; // our own, come back
            }
            port.edge = false;
            port.edge_left = MIGRATE_DELAY;
            port.rapid = config.rapid;
            let change = config.topology_change;
            hear(port, &config);
            let from = member.interface;
            if change {
                topology_changed(kernel, state, Some(from));
            }
        }
    }
    update(kernel, state);
}

fn hear(port: &mut Port, config: &Config) {
    match config.role {
        SenderRole::Designated => {
            let same_sender =
                port.vector.bridge == config.vector.bridge && port.vector.port & 0xfff == config.vector.port & 0xfff;
            let superior = config.vector < port.vector || same_sender && port.source == Source::Received;
            if superior {
                let changed = port.vector != config.vector || port.source != Source::Received;
                if config.times.message_age >= config.times.max_age {
                    return;
                }
                if changed {
                    (port.agreed, port.agree, port.synced) = (false, false, false);
                }
                (port.proposing, port.proposed) = (false, config.proposal);
                (port.vector, port.times, port.source) = (config.vector, config.times, Source::Received);
                port.age_left = (3 * config.times.hello / UNIT).max(1);
            } else if port.role == Role::Designated {
                // The sender does not know us yet.
                port.news = true;
                if config.rapid && (config.learning || config.forwarding) {
                    port.disputed = true;
                    port.agreed = false;
                }
            }
        }
        SenderRole::Root | SenderRole::AlternateOrBackup => {
            if config.agreement && port.role == Role::Designated && port.point_to_point {
                port.agreed = true;
                port.proposing = false;
            }
        }
        SenderRole::Unknown => {}
    }
}

/// Roles, then states, then what is to be said; repeated until nothing changes.
fn update(kernel: &mut Kernel, state: &mut Bridge) {
    for _ in 0..8 {
        assign_roles(state);
        if !advance_states(kernel, state) {
            break;
        }
    }
    speak(kernel, state);
}

fn assign_roles(state: &mut Bridge) {
    let tree = &mut state.tree;
    tree.root = Vector { root: tree.own, cost: 0, bridge: tree.own, port: 0 };
    tree.root_times = Times {
        message_age: 0,
        max_age: tree.max_age * UNIT,
        hello: tree.hello * UNIT,
        forward_delay: tree.forward_delay * UNIT,
    };
    tree.root_port = None;
    // Equal vectors: the lower port of ours wins.
    let mut best = (tree.root, 0);
    for member in state.members.iter().filter(|member| member.port.source == Source::Received) {
        let port = &member.port;
        let path = Vector { cost: port.vector.cost.saturating_add(port.path_cost), ..port.vector };
        let candidate = (path, port_id(port, member.interface));
        if path.bridge != tree.own && candidate < best {
            best = candidate;
            tree.root = path;
            tree.root_times = Times { message_age: port.times.message_age.saturating_add(UNIT), ..port.times };
            tree.root_port = Some(member.interface);
        }
    }
    let (own, root, times, root_port) = (tree.own, tree.root, tree.root_times, tree.root_port);
    let forward_delay = times.forward_delay / UNIT;
    for member in &mut state.members {
        let id = port_id(&member.port, member.interface);
        let port = &mut member.port;
        let designated = Vector { root: root.root, cost: root.cost, bridge: own, port: id };
        let role = match port.source {
            Source::Disabled => Role::Disabled,
            Source::Aged | Source::Mine => Role::Designated,
            Source::Received if root_port == Some(member.interface) => Role::Root,
            Source::Received if designated < port.vector => Role::Designated,
            Source::Received if port.vector.bridge == own => Role::Backup,
            Source::Received => Role::Alternate,
        };
        if role == Role::Designated && (port.source != Source::Mine || port.vector != designated || port.times != times)
        {
            if port.source != Source::Mine || port.vector != designated {
                // What the neighbour agreed to was something else.
                (port.proposing, port.proposed, port.agreed, port.synced) = (false, false, false, false);
            }
            (port.source, port.vector, port.times, port.news) = (Source::Mine, designated, times, true);
        }
        set_role(port, role, forward_delay);
    }
}

fn set_role(port: &mut Port, role: Role, forward_delay: u16) {
    if port.role == role {
        return;
    }
    let was = std::mem::replace(&mut port.role, role);
    if was == Role::Root {
        port.recent_root_left = forward_delay;
    }
    match role {
        Role::Disabled | Role::Alternate | Role::Backup => {
            port.state = State::Discarding;
            port.forward_left = 0;
            port.change_left = 0;
        }
        Role::Root | Role::Designated => {
            if was == Role::Disabled || port.state == State::Discarding {
                port.forward_left = forward_delay;
            }
            if role == Role::Root {
                port.recent_root_left = 0;
            }
        }
    }
    if role == Role::Disabled {
        (port.proposing, port.proposed, port.agree, port.agreed) = (false, false, false, false);
        (port.sync, port.synced, port.disputed) = (false, true, false);
    }
}

/// One round of the port machines; whether anything moved.
fn advance_states(kernel: &mut Kernel, state: &mut Bridge) -> bool {
    let mut moved = false;
    let mut changed = Vec::new();
    let forward_delay = state.tree.root_times.forward_delay / UNIT;
    // A proposal on the root (or an alternate) port makes all designated ports discard first.
    if state
        .members
        .iter()
        .any(|m| matches!(m.port.role, Role::Root | Role::Alternate | Role::Backup) && m.port.proposed && !m.port.agree)
    {
        for port in state.members.iter_mut().map(|member| &mut member.port) {
            if port.role == Role::Designated && !port.edge && !port.synced {
                port.sync = true;
            }
        }
    }
    for port in state.members.iter_mut().map(|member| &mut member.port).filter(|port| port.role == Role::Designated) {
        let settled = port.state == State::Discarding || port.agreed || port.edge;
        if settled && !port.synced {
            (port.synced, port.sync, moved) = (true, false, true);
        }
        if (port.sync && !port.synced || port.disputed) && !port.edge && port.state != State::Discarding {
            port.state = State::Discarding;
            (port.disputed, port.forward_left, moved) = (false, forward_delay, true);
            (port.synced, port.sync) = (true, false);
        }
    }
    let all_synced = state.members.iter().all(|m| m.port.role != Role::Designated || m.port.synced);
    let rerooted = state
        .members
        .iter()
        .all(|m| m.port.role != Role::Designated || m.port.recent_root_left == 0 || m.port.state == State::Discarding);
    for member in &mut state.members {
        let port = &mut member.port;
        match port.role {
            Role::Disabled => {}
            Role::Alternate | Role::Backup | Role::Root => {
                if port.proposed && all_synced {
                    (port.proposed, port.agree, port.news, moved) = (false, true, true, true);
                }
                if port.role == Role::Root
                    && port.state != State::Forwarding
                    && (port.forward_left == 0 || rerooted && port.rapid)
                {
                    port.state = if port.state == State::Discarding { State::Learning } else { State::Forwarding };
                    port.forward_left = forward_delay;
                    moved = true;
                    if port.state == State::Forwarding {
                        changed.push(member.interface);
                    }
                }
            }
            Role::Designated => {
                if port.state != State::Forwarding && !port.agreed && !port.proposing && !port.edge {
                    (port.proposing, port.news, moved) = (true, true, true);
                    if port.edge_left == 0 {
                        port.edge_left = MIGRATE_DELAY;
                    }
                }
                if port.state != State::Forwarding && (port.forward_left == 0 || port.agreed || port.edge) && !port.sync
                {
                    let at_once = port.agreed || port.edge || port.state == State::Learning;
                    port.state = if at_once { State::Forwarding } else { State::Learning };
                    port.forward_left = forward_delay;
                    (port.news, moved) = (true, true);
                    if port.state == State::Forwarding && !port.edge {
                        changed.push(member.interface);
                    }
                }
            }
        }
    }
    for interface in changed {
        topology_changed(kernel, state, Some(interface));
        if let Some(member) = state.member_mut(interface) {
            member.port.change_left = member.port.change_left.max(2 * (member.port.times.hello / UNIT).max(1));
            member.port.news = true;
        }
    }
    moved
}

/// The topology changed behind `from`: what was learned elsewhere is forgotten and the other ports pass it on.
fn topology_changed(kernel: &Kernel, state: &mut Bridge, from: Option<IfIndex>) {
    state.tree.changed = kernel.clock.now();
    let hello = state.tree.hello;
    let mut stale = Vec::new();
    for member in state.members.iter_mut().filter(|member| Some(member.interface) != from) {
        let port = &mut member.port;
        if matches!(port.role, Role::Root | Role::Designated) && !port.edge {
            stale.push(member.interface);
            if port.change_left == 0 {
                (port.change_left, port.news) = (2 * hello, true);
            }
        }
    }
    state.cache.retain(|_, heard| heard.expires.is_none() || !stale.contains(&heard.member));
}

/// Sends what waits, within the hold count.
fn speak(kernel: &mut Kernel, state: &mut Bridge) {
    let hold = state.tree.hold_count;
    let tree = &state.tree;
    let mut frames = Vec::new();
    for member in &mut state.members {
        let port = &mut member.port;
        if !port.news || port.role == Role::Disabled || port.sent >= hold {
            continue;
        }
        port.news = false;
        port.sent += 1;
        if port.hello_left == 0 {
            port.hello_left = tree.hello;
        }
        let Some(interface) = kernel.interfaces.get(member.interface) else { continue };
        let rapid = tree.protocol == 2 && port.rapid;
        let config = Config {
            rapid,
            vector: Vector {
                root: tree.root.root,
                cost: tree.root.cost,
                bridge: tree.own,
                port: port_id(port, member.interface),
            },
            times: tree.root_times,
            role: match port.role {
                Role::Root => SenderRole::Root,
                Role::Designated => SenderRole::Designated,
                _ => SenderRole::AlternateOrBackup,
            },
            topology_change: port.change_left > 0,
            proposal: port.role == Role::Designated && port.proposing,
            learning: port.state != State::Discarding,
            forwarding: port.state == State::Forwarding,
            agreement: port.agree && port.role != Role::Designated,
        };
        // The old protocol knows configurations of designated ports only.
        if rapid || port.role == Role::Designated {
            frames.push((member.interface, config.frame(interface.mac)));
        }
    }
    for (interface, frame) in frames {
        ifnet::transmit(kernel, interface, frame);
    }
}
