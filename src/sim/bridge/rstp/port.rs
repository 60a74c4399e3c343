//! A member as a port of the tree: what it is, what it remembers, how it follows its link.

use serde::{Deserialize, Serialize};

use super::change::ChangeState;
use super::{DEFAULT_PATH_COST, IFF_UP, MIGRATE_DELAY, Tree, UNIT};
use crate::sim::bridge::bpdu::{Times, Vector};
use crate::sim::ifnet::Driver;
use crate::sim::kernel::{IfIndex, Kernel};

/// `BSTP_IFSTATE_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sim::bridge) enum State {
    Learning = 2,
    Forwarding = 3,
    #[default]
    Discarding = 5,
}

/// `BSTP_ROLE_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sim::bridge) enum Role {
    #[default]
    Disabled = 0,
    Root = 1,
    Designated = 2,
    Alternate = 3,
    Backup = 4,
}

/// Where a port's vector comes from (`infoIs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Source {
    #[default]
    Disabled,
    Aged,
    Mine,
    Received,
}

/// One member as a port of the tree. The names of the standard stand behind those that differ.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::sim::bridge) struct Port {
    pub(in crate::sim::bridge) priority: u8,
    pub(in crate::sim::bridge) path_cost: u32,
    /// The author set the cost.
    pub(in crate::sim::bridge) cost_given: bool,
    /// The cost waits for a carrier.
    pub(in crate::sim::bridge) cost_pending: bool,
    pub(in crate::sim::bridge) auto_edge: bool,
    pub(in crate::sim::bridge) auto_point_to_point: bool,
    /// `operEdge`
    pub(in crate::sim::bridge) edge: bool,
    pub(in crate::sim::bridge) admin_edge: bool,
    pub(in crate::sim::bridge) point_to_point: bool,
    /// Information waits to be sent (`newInfo`).
    pub(in crate::sim::bridge) news: bool,
    pub(in crate::sim::bridge) state: State,
    pub(in crate::sim::bridge) role: Role,
    /// How often it began to forward.
    pub(in crate::sim::bridge) transitions: u32,
    pub(super) taking_part: bool,
    pub(super) source: Source,
    pub(super) vector: Vector,
    pub(super) times: Times,
    pub(super) proposing: bool,
    pub(super) proposed: bool,
    pub(super) agree: bool,
    pub(super) agreed: bool,
    pub(super) sync: bool,
    pub(super) synced: bool,
    pub(super) reroot: bool,
    pub(super) disputed: bool,
    /// `sendRSTP`
    pub(super) rapid: bool,
    /// `txCount`
    pub(super) sent: u8,
    pub(super) change: ChangeState,
    pub(super) heard_change: bool,
    pub(super) heard_notification: bool,
    pub(super) heard_acknowledgement: bool,
    /// `tcProp`
    pub(super) pass_change: bool,
    /// `tcAck`
    pub(super) acknowledge: bool,
    /// Seconds left, 0 when over: `helloWhen`, `rcvdInfoWhile`, `fdWhile`, `edgeDelayWhile`, `rrWhile`, `rbWhile`,
    /// `tcWhile`.
    pub(super) hello_left: u16,
    pub(super) age_left: u16,
    pub(super) forward_left: u16,
    pub(super) edge_left: u16,
    pub(super) recent_root_left: u16,
    pub(super) recent_backup_left: u16,
    pub(super) change_left: u16,
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
pub(super) fn port_id(port: &Port, interface: IfIndex) -> u16 {
    u16::from(port.priority) << 8 | interface.0 & 0xfff
}

/// The cost of an interface's speed: 10 Gbit/s for epair and vlan, 10 Mbit/s is what Ethernet drivers start with.
pub(in crate::sim::bridge) fn speed_cost(driver: &Driver) -> u32 {
    match driver {
        Driver::Epair { .. } | Driver::Vlan(_) => 2000,
        Driver::Other { cloner } if cloner == "gif" => DEFAULT_PATH_COST,
        _ => 2_000_000,
    }
}

impl Port {
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Forwarding
    }

    /// 0 STP, 2 RSTP.
    pub(in crate::sim::bridge) fn protocol(&self) -> u8 {
        if self.rapid { 2 } else { 0 }
    }

    /// What opening a closed port takes: on a link of two bridges of this protocol the hello time, else the delay
    /// of the old protocol.
    pub(super) fn delay(&self) -> u16 {
        let time = if self.rapid { self.times.hello } else { self.times.forward_delay };
        (time / UNIT).max(1)
    }

    /// It takes part no longer: what was learnt is forgotten, what was set stays.
    pub(super) fn leave(&mut self) {
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
    pub(super) fn look_at_link(&mut self, kernel: &Kernel, index: IfIndex, protocol: u8) {
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
    pub(super) fn may_be_edge(&mut self) {
        if self.auto_edge && self.rapid && self.proposing && self.role == Role::Designated {
            self.edge = true;
        }
    }
}
