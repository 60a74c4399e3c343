//! Opening and closing ports: proposal and agreement, synchronisation, re-rooting (802.1D 17.29).

use super::{Bridge, MIGRATE_DELAY, Port, Role, State};

/// One round over all ports; whether anything moved.
pub(super) fn step(state: &mut Bridge) -> bool {
    let mut moved = false;
    for at in 0..state.members.len() {
        if !state.members[at].port.taking_part {
            continue;
        }
        moved |= match state.members[at].port.role {
            Role::Disabled => false,
            Role::Designated => state.members[at].port.designated(),
            Role::Root => root(state, at),
            Role::Alternate | Role::Backup => alternate(state, at),
        };
    }
    moved
}

/// Whether every port but `at` has stopped doing what the neighbour behind `at` did not hear of.
fn others_synced(state: &Bridge, at: usize) -> bool {
    let others = state.members.iter().enumerate().filter(|(place, member)| *place != at && member.port.taking_part);
    others.into_iter().all(|(_, member)| member.port.synced || member.port.role == Role::Root)
}

fn synchronise_all(state: &mut Bridge) {
    for member in state.members.iter_mut().filter(|member| member.port.taking_part) {
        member.port.sync = true;
        // Not in the standard, but bstp(4) wants every port to agree anew.
        member.port.synced = false;
    }
}

/// Answers a proposal, and says so unasked when everything is in order.
fn agree(state: &mut Bridge, at: usize) -> bool {
    let port = &state.members[at].port;
    if port.proposed && !port.agree {
        synchronise_all(state);
        state.members[at].port.proposed = false;
        return true;
    }
    if others_synced(state, at) && !port.agree || port.proposed && port.agree {
        let port = &mut state.members[at].port;
        (port.proposed, port.sync, port.agree, port.news) = (false, false, true, true);
        return true;
    }
    false
}

fn alternate(state: &mut Bridge, at: usize) -> bool {
    let moved = agree(state, at);
    let (hello, port) = (state.tree.hello, &mut state.members[at].port);
    port.forward_left = port.delay();
    port.recent_root_left = 0;
    if port.role == Role::Backup {
        port.recent_backup_left = 2 * hello;
    }
    let unsettled = port.sync || !port.synced || port.reroot;
    (port.sync, port.synced, port.reroot) = (false, true, false);
    moved || unsettled
}

fn root(state: &mut Bridge, at: usize) -> bool {
    let mut moved = false;
    let port = &state.members[at].port;
    if port.state != State::Forwarding && !port.reroot {
        for member in state.members.iter_mut().filter(|member| member.port.taking_part) {
            member.port.reroot = true;
        }
        moved = true;
    }
    moved |= agree(state, at);
    let others = state.members.iter().enumerate().filter(|(place, _)| *place != at);
    let rerooted = others.into_iter().all(|(_, member)| member.port.recent_root_left == 0);
    let forward_delay = state.tree.root_times.forward_delay / super::UNIT;
    let port = &mut state.members[at].port;
    let may_open = port.forward_left == 0 || rerooted && port.recent_backup_left == 0 && port.rapid;
    if port.state != State::Forwarding && may_open {
        port.open_further();
        moved = true;
    }
    if port.state == State::Forwarding && port.reroot {
        port.reroot = false;
        moved = true;
    }
    // As long as it is the root port it was so recently.
    port.recent_root_left = forward_delay;
    moved
}

impl Port {
    fn designated(&mut self) -> bool {
        let mut moved = false;
        if self.recent_root_left == 0 && self.reroot {
            self.reroot = false;
            moved = true;
        }
        let in_order = self.state == State::Discarding || self.agreed || self.edge;
        if in_order && !self.synced || self.sync && self.synced {
            self.recent_root_left = 0;
            (self.synced, self.sync) = (true, false);
            moved = true;
        }
        let must_close = self.sync && !self.synced || self.reroot && self.recent_root_left != 0 || self.disputed;
        if must_close && !self.edge && self.state != State::Discarding {
            self.state = State::Discarding;
            self.disputed = false;
            self.forward_left = self.delay();
            moved = true;
        }
        if self.state != State::Forwarding && !self.agreed && !self.proposing && !self.edge {
            (self.proposing, self.news) = (true, true);
            self.edge_left = MIGRATE_DELAY;
            moved = true;
        }
        let may_open = (self.forward_left == 0 || self.agreed || self.edge)
            && (self.recent_root_left == 0 || !self.reroot)
            && !self.sync;
        if self.state != State::Forwarding && may_open {
            self.open_further();
            if self.agreed || self.edge {
                self.open_further();
            }
            moved = true;
        }
        moved
    }

    /// From discarding to learning, from learning to forwarding.
    fn open_further(&mut self) {
        self.state = match self.state {
            State::Discarding => State::Learning,
            State::Learning | State::Forwarding => {
                self.transitions = self.transitions.wrapping_add(1);
                State::Forwarding
            }
        };
        self.forward_left = if self.state == State::Forwarding { 0 } else { self.delay() };
    }
}
