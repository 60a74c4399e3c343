//! What bridges tell each other: hearing (802.1D 17.27) and speaking (17.26).

use super::{Bridge, MIGRATE_DELAY, Port, Role, Source, State, UNIT, port_id, roles, run};
use crate::sim::bridge::bpdu::{self, Bpdu, Config, SenderRole, Vector};
use crate::sim::ifnet;
use crate::sim::kernel::{IfIndex, Kernel};

/// A frame to the bridge group address came in at a member.
pub(in crate::sim::bridge) fn receive(kernel: &mut Kernel, state: &mut Bridge, member: IfIndex, frame: &[u8]) {
    if !state.tree.running {
        return;
    }
    let own = super::identity(&state.tree);
    let Some(member) = state.member_mut(member) else { return };
    let id = port_id(&member.port, member.interface);
    let port = &mut member.port;
    if !port.taking_part || matches!(port.source, Source::Disabled | Source::Aged) {
        return;
    }
    let reselect = match bpdu::read(frame) {
        None => return,
        Some(Bpdu::ChangeNotification) => {
            port.met_bridge(false);
            port.heard_notification = true;
            false
        }
        // Our own frame, come back through a hub.
        Some(Bpdu::Config(config)) if config.vector.bridge == own && config.vector.port == id => return,
        Some(Bpdu::Config(config)) => {
            port.met_bridge(config.rapid);
            port.hear(&config)
        }
    };
    if reselect {
        roles::assign(state);
    }
    run(kernel, state);
}

/// Sends what waits, within the hold count.
pub(super) fn speak(kernel: &mut Kernel, state: &mut Bridge) {
    let tree = &state.tree;
    let mut frames = Vec::new();
    for member in &mut state.members {
        let id = port_id(&member.port, member.interface);
        let port = &mut member.port;
        if !port.taking_part || !port.news || port.role == Role::Disabled || port.sent >= tree.hold_count {
            continue;
        }
        let Some(interface) = kernel.interfaces.get(member.interface) else { continue };
        port.news = false;
        let rapid = tree.protocol == 2 && port.rapid;
        let frame = match port.role {
            _ if rapid => port.config(tree.root, tree.own, id, true).frame(interface.mac),
            Role::Designated => port.config(tree.root, tree.own, id, false).frame(interface.mac),
            Role::Root if port.change_left > 0 => bpdu::change_notification(interface.mac),
            _ => continue,
        };
        port.sent += 1;
        port.acknowledge = false;
        port.hello_left = (port.times.hello / UNIT).max(1);
        frames.push((member.interface, frame));
    }
    for (interface, frame) in frames {
        ifnet::transmit(kernel, interface, frame);
    }
}

impl Port {
    /// A bridge is on this link: it is no edge, and one of the old protocol is spoken to in it.
    fn met_bridge(&mut self, rapid: bool) {
        self.edge = false;
        self.edge_left = MIGRATE_DELAY;
        if !rapid {
            self.rapid = false;
        }
    }

    /// Takes in what a neighbour says; whether the roles must be chosen anew.
    fn hear(&mut self, config: &Config) -> bool {
        let proposal = config.proposal && !config.forwarding;
        match config.role {
            SenderRole::Designated => {
                let same_sender = roles::same_bridge(self.vector.bridge, config.vector.bridge)
                    && self.vector.port & 0xfff == config.vector.port & 0xfff;
                let same =
                    self.vector == config.vector && self.times == config.times && self.source == Source::Received;
                if same {
                    self.proposed |= proposal;
                    self.note_change(config);
                    self.age_left = age(config);
                    false
                } else if config.vector < self.vector || same_sender {
                    let as_good = self.source == Source::Received && config.vector <= self.vector;
                    (self.agreed, self.proposing) = (false, false);
                    self.proposed |= proposal;
                    self.note_change(config);
                    self.agree &= as_good;
                    (self.vector, self.times, self.source) = (config.vector, config.times, Source::Received);
                    self.age_left = age(config);
                    true
                } else {
                    // The neighbour does not hear us, or not yet: it shall, and until it does one of the two stays
                    // closed.
                    self.news = true;
                    if config.rapid && config.learning {
                        (self.disputed, self.agreed) = (true, false);
                    }
                    false
                }
            }
            SenderRole::Root | SenderRole::AlternateOrBackup if config.vector >= self.vector => {
                self.agreed = config.agreement && self.point_to_point;
                self.proposing &= !self.agreed;
                self.note_change(config);
                false
            }
            _ => false,
        }
    }

    fn note_change(&mut self, config: &Config) {
        self.heard_change |= config.topology_change;
        self.heard_acknowledgement |= config.acknowledgement;
    }

    fn config(&self, root: Vector, own: bpdu::BridgeId, id: u16, rapid: bool) -> Config {
        Config {
            rapid,
            vector: Vector { root: root.root, cost: root.cost, bridge: own, port: id },
            times: self.times,
            role: match self.role {
                Role::Root => SenderRole::Root,
                Role::Designated => SenderRole::Designated,
                Role::Disabled => SenderRole::Unknown,
                Role::Alternate | Role::Backup => SenderRole::AlternateOrBackup,
            },
            topology_change: self.change_left > 0,
            proposal: self.role == Role::Designated && self.proposing && self.state != State::Forwarding,
            learning: self.state != State::Discarding,
            forwarding: self.state == State::Forwarding,
            agreement: self.agree && self.role != Role::Designated,
            acknowledgement: self.acknowledge,
        }
    }
}

/// Seconds that information holds: three hellos, unless it travelled too far.
fn age(config: &Config) -> u16 {
    if config.times.message_age.saturating_add(UNIT) > config.times.max_age {
        return 1;
    }
    (config.times.hello.max(UNIT) / UNIT).saturating_mul(3)
}
