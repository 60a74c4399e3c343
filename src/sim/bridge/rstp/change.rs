//! Topology changes: what was learnt elsewhere is forgotten (802.1D 17.31).

use serde::{Deserialize, Serialize};

use super::{Bridge, Port, Role, State, UNIT};
use crate::sim::bridge::SECOND;
use crate::sim::kernel::Kernel;

/// Whether a port notices changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ChangeState {
    /// Closed.
    #[default]
    Inactive,
    /// Opening, or an edge.
    Learning,
    /// Part of the tree.
    Active,
}

/// One round over all ports; whether anything moved.
pub(super) fn step(kernel: &Kernel, state: &mut Bridge) -> bool {
    let mut moved = false;
    for at in 0..state.members.len() {
        let port = &mut state.members[at].port;
        let in_tree = matches!(port.role, Role::Root | Role::Designated);
        match port.change {
            ChangeState::Inactive if port.state != State::Discarding => {
                port.change = ChangeState::Learning;
                moved = true;
            }
            ChangeState::Inactive => {}
            ChangeState::Learning => {
                port.ignore();
                if in_tree && port.state == State::Forwarding && !port.edge {
                    port.change = ChangeState::Active;
                    port.news = true;
                    begin(state, at);
                    spread(kernel, state, at);
                    moved = true;
                } else if !in_tree && port.state == State::Discarding {
                    port.change = ChangeState::Inactive;
                    (port.change_left, port.acknowledge) = (0, false);
                    forget(kernel, state, at);
                    moved = true;
                }
            }
            ChangeState::Active => moved |= active(kernel, state, at),
        }
    }
    moved
}

fn active(kernel: &Kernel, state: &mut Bridge, at: usize) -> bool {
    let port = &mut state.members[at].port;
    if !matches!(port.role, Role::Root | Role::Designated) || port.edge {
        port.change = ChangeState::Learning;
        return true;
    }
    if port.heard_acknowledgement {
        (port.heard_acknowledgement, port.change_left) = (false, 0);
        return true;
    }
    if port.heard_change || port.heard_notification {
        let notified = port.heard_notification;
        (port.heard_change, port.heard_notification) = (false, false);
        port.acknowledge |= notified && port.role == Role::Designated;
        if notified {
            begin(state, at);
        }
        spread(kernel, state, at);
        return true;
    }
    if port.pass_change {
        port.pass_change = false;
        begin(state, at);
        forget(kernel, state, at);
        return true;
    }
    false
}

/// The port tells of a change for a while.
fn begin(state: &mut Bridge, at: usize) {
    let tree = &state.tree;
    let old = tree.root_times.max_age.saturating_add(tree.root_times.forward_delay) / UNIT;
    let port = &mut state.members[at].port;
    if port.change_left == 0 {
        port.change_left = if port.rapid { port.times.hello / UNIT + 1 } else { old };
        port.news |= port.rapid;
    }
}

/// All other ports are to pass a change on.
fn spread(kernel: &Kernel, state: &mut Bridge, at: usize) {
    state.tree.changed = kernel.clock.now();
    for (place, member) in state.members.iter_mut().enumerate() {
        if place != at && member.port.taking_part {
            member.port.pass_change = true;
        }
    }
}

/// Forgets what was learnt at a port; the old protocol lets it end within the forward delay.
fn forget(kernel: &Kernel, state: &mut Bridge, at: usize) {
    let (interface, rapid) = (state.members[at].interface, state.members[at].port.rapid);
    let latest = kernel.clock.now() + u64::from(state.tree.root_times.forward_delay / UNIT) * SECOND;
    if rapid {
        state.cache.retain(|_, heard| heard.member != interface || heard.expires.is_none());
        return;
    }
    for heard in state.cache.values_mut().filter(|heard| heard.member == interface) {
        heard.expires = heard.expires.map(|expires| expires.min(latest));
    }
}

impl Port {
    fn ignore(&mut self) {
        (self.heard_change, self.heard_notification, self.heard_acknowledgement) = (false, false, false);
        self.pass_change = false;
    }
}
