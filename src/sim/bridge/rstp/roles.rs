//! What each port is (802.1D 17.21.25, updtRolesTree).

use super::{Bridge, Port, Role, Source, State, Tree, UNIT, port_id};
use crate::sim::bridge::bpdu::{BridgeId, Times, Vector};

/// The MAC in an identity.
const ADDRESS: BridgeId = 0xffff_ffff_ffff;

/// Chooses the root, the way there, and the role of every port.
pub(super) fn assign(state: &mut Bridge) {
    choose_root(state);
    let tree = state.tree.clone();
    for member in state.members.iter_mut().filter(|member| member.port.taking_part) {
        let id = port_id(&member.port, member.interface);
        let port = &mut member.port;
        let designated = Vector { root: tree.root.root, cost: tree.root.cost, bridge: tree.own, port: id };
        let times = Times { hello: tree.hello * UNIT, ..tree.root_times };
        let role = match port.source {
            Source::Disabled => Role::Disabled,
            Source::Aged | Source::Mine => Role::Designated,
            Source::Received if tree.root_port == Some(member.interface) => Role::Root,
            Source::Received if designated < port.vector => Role::Designated,
            Source::Received if same_bridge(port.vector.bridge, tree.own) => Role::Backup,
            Source::Received => Role::Alternate,
        };
        port.become_role(role, &tree);
        if role == Role::Designated && (port.source != Source::Mine || port.vector != designated || port.times != times)
        {
            port.take_own(designated, times);
        }
    }
}

/// Whether two identities are of one bridge, whatever its priority is now.
pub(super) fn same_bridge(a: BridgeId, b: BridgeId) -> bool {
    a & ADDRESS == b & ADDRESS
}

fn choose_root(state: &mut Bridge) {
    let tree = &mut state.tree;
    let own = super::identity(tree);
    tree.root = Vector { root: own, cost: 0, bridge: own, port: 0 };
    tree.root_times = Times {
        message_age: 0,
        max_age: tree.max_age * UNIT,
        hello: tree.hello * UNIT,
        forward_delay: tree.forward_delay * UNIT,
    };
    tree.root_port = None;
    for member in state.members.iter().filter(|member| member.port.source == Source::Received) {
        let port = &member.port;
        let path = Vector { cost: port.vector.cost.saturating_add(port.path_cost), ..port.vector };
        // What comes from ourselves is no way to the root.
        if !same_bridge(path.bridge, own) && path < tree.root {
            tree.root = path;
            tree.root_times = Times { message_age: port.times.message_age.saturating_add(UNIT), ..port.times };
            tree.root_port = Some(member.interface);
        }
    }
}

impl Port {
    /// What a change of role begins and ends (802.1D 17.29, bstp_set_port_role).
    fn become_role(&mut self, role: Role, tree: &Tree) {
        if self.role == role {
            return;
        }
        let was = std::mem::replace(&mut self.role, role);
        match was {
            Role::Disabled => self.forward_left = tree.max_age,
            Role::Backup => {
                self.recent_backup_left = 2 * tree.hello;
                self.forward_left = self.delay();
            }
            Role::Alternate => self.forward_left = self.delay(),
            Role::Root => self.recent_root_left = tree.root_times.forward_delay / UNIT,
            Role::Designated => {}
        }
        self.proposing = false;
        match role {
            Role::Disabled | Role::Alternate | Role::Backup => {
                self.state = State::Discarding;
                self.recent_root_left = 0;
                (self.sync, self.synced, self.reroot) = (false, true, false);
                if role == Role::Disabled {
                    (self.agree, self.agreed, self.proposed, self.disputed) = (false, false, false, false);
                }
            }
            Role::Root => {}
            Role::Designated => {
                self.agree = false;
                self.hello_left = tree.hello;
            }
        }
    }

    /// The port says what this bridge knows (UPDATE of 17.27). What the neighbour agreed to holds only for something
    /// at least as good.
    fn take_own(&mut self, designated: Vector, times: Times) {
        let as_good = self.source == Source::Mine && designated <= self.vector;
        (self.proposing, self.proposed) = (false, false);
        self.agreed &= as_good;
        self.synced &= self.agreed;
        (self.source, self.vector, self.times) = (Source::Mine, designated, times);
        self.news = true;
    }
}
