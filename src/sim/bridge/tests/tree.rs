//! The spanning tree: rings, parallel cables, failures, and many bridges joined at random.

use std::collections::BTreeMap;

use super::{Bridges, Role, State};
use crate::abi::ioctl::bridge::{BRDGSIFFLGS, BRDGSPRI, BRDGSPROTO, IFBIF_STP};
use crate::sim::ifnet;
use crate::sim::kernel::{IfIndex, Random, VnetId};
use crate::sim::stack::tests::{SECOND, Seen, ip};

/// A cable between two bridges.
#[derive(Clone, Copy)]
struct Cable {
    bridges: (IfIndex, IfIndex),
    ends: (IfIndex, IfIndex),
    up: bool,
}

/// Bridges and cables between them.
struct Mesh {
    lab: Bridges,
    bridges: Vec<IfIndex>,
    cables: Vec<Cable>,
}

impl Mesh {
    fn new(bridges: usize, cables: &[(usize, usize)]) -> Self {
        let mut lab = Bridges::new();
        let bridges: Vec<IfIndex> = (0..bridges).map(|_| lab.bridge()).collect();
        let cables = cables
            .iter()
            .map(|&(a, b)| {
                let bridges = (bridges[a], bridges[b]);
                Cable { bridges, ends: lab.cable(bridges.0, bridges.1), up: true }
            })
            .collect();
        Self { lab, bridges, cables }
    }

    /// Lets seconds pass and looks at every one of them: never may a loop be open.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..4 * seconds {
            self.lab.wait(SECOND / 4);
            self.assert_no_loop();
        }
        assert!(self.lab.kernel.storms.is_empty(), "{:?}", self.lab.kernel.storms);
    }

    fn set(&mut self, cable: usize, up: bool) {
        let ends = self.cables[cable].ends;
        self.cables[cable].up = up;
        self.lab.flags(ends.0, up);
        self.lab.flags(ends.1, up);
    }

    fn is_open(&self, cable: &Cable) -> bool {
        let forwards = |bridge, end| self.lab.port(bridge, end).1 == State::Forwarding;
        cable.up && forwards(cable.bridges.0, cable.ends.0) && forwards(cable.bridges.1, cable.ends.1)
    }

    fn assert_no_loop(&self) {
        let mut groups = Groups::default();
        for cable in self.cables.iter().filter(|cable| self.is_open(cable)) {
            let joined = groups.join(cable.bridges.0, cable.bridges.1);
            assert!(joined, "a loop is open at {} ns: {}", self.lab.kernel.clock.now(), self.show());
        }
    }

    /// Whether whatever cables join is joined by open ones too.
    fn is_whole(&self) -> bool {
        let (mut open, mut all) = (Groups::default(), Groups::default());
        for cable in self.cables.iter().filter(|cable| cable.up) {
            all.join(cable.bridges.0, cable.bridges.1);
            if self.is_open(cable) {
                open.join(cable.bridges.0, cable.bridges.1);
            }
        }
        let pairs = self.bridges.iter().flat_map(|&a| self.bridges.iter().map(move |&b| (a, b)));
        pairs.into_iter().all(|(a, b)| (open.of(a) == open.of(b)) == (all.of(a) == all.of(b)))
    }

    fn show(&self) -> String {
        let one = |cable: &Cable| {
            let (a, b) = (self.lab.port(cable.bridges.0, cable.ends.0), self.lab.port(cable.bridges.1, cable.ends.1));
            format!("\n  {:?} {a:?} - {:?} {b:?} {}", cable.bridges.0, cable.bridges.1, cable.up)
        };
        self.cables.iter().map(one).collect()
    }

    /// Seconds until the tree is whole, at most `most`.
    fn settle(&mut self, most: u64) -> u64 {
        for second in 0..=most {
            if self.is_whole() {
                return second;
            }
            self.wait(1);
        }
        panic!("not whole after {most} s:{}", self.show());
    }
}

/// Bridges that reach each other.
#[derive(Default)]
struct Groups(BTreeMap<IfIndex, IfIndex>);

impl Groups {
    fn of(&self, mut bridge: IfIndex) -> IfIndex {
        while let Some(&next) = self.0.get(&bridge) {
            bridge = next;
        }
        bridge
    }

    /// `false` if they were joined before.
    fn join(&mut self, a: IfIndex, b: IfIndex) -> bool {
        let (a, b) = (self.of(a), self.of(b));
        if a != b {
            self.0.insert(a, b);
        }
        a != b
    }
}

const RING: [(usize, usize); 4] = [(0, 1), (1, 2), (2, 3), (3, 0)];

#[test]
fn a_ring_of_four_converges_and_carries_traffic() {
    let mut mesh = Mesh::new(4, &RING);
    let took = mesh.settle(12);
    mesh.wait(10);
    assert!(took <= 6, "{took} s");
    let closed = mesh.cables.iter().filter(|cable| !mesh.is_open(cable)).count();
    assert_eq!(closed, 1, "{}", mesh.show());
    let alternates = mesh.cables.iter().flat_map(|c| [(c.bridges.0, c.ends.0), (c.bridges.1, c.ends.1)]);
    let alternates: Vec<_> = alternates.map(|(b, e)| mesh.lab.port(b, e)).filter(|p| p.0 == Role::Alternate).collect();
    assert_eq!(alternates, [(Role::Alternate, State::Discarding)]);
    let bridges = mesh.bridges.clone();
    let hosts: Vec<_> = (0..4).map(|at| mesh.lab.host(bridges[at], &format!("10.0.0.{}/24", at + 1), true)).collect();
    mesh.wait(10); // the ports of hosts become edges
    for (at, &host) in hosts.iter().enumerate() {
        let to = format!("10.0.0.{}", (at + 2) % 4 + 1);
        assert_eq!(mesh.lab.ping(host, &to), Seen::Reply(ip(&to)));
    }
}

#[test]
fn any_cable_of_the_ring_may_fail_and_return() {
    let mut mesh = Mesh::new(4, &RING);
    mesh.settle(12);
    mesh.wait(10);
    let bridges = mesh.bridges.clone();
    let hosts: Vec<_> =
        (0..2).map(|at| mesh.lab.host(bridges[2 * at], &format!("10.0.0.{}/24", at + 1), true)).collect();
    mesh.wait(10);
    for cable in 0..RING.len() {
        mesh.set(cable, false);
        let took = mesh.settle(20);
        assert!(took <= 8, "cable {cable} down: {took} s");
        mesh.wait(5);
        assert_eq!(mesh.lab.ping(hosts[0], "10.0.0.2"), Seen::Reply(ip("10.0.0.2")), "without cable {cable}");
        mesh.set(cable, true);
        mesh.wait(10);
        assert!(mesh.is_whole(), "{}", mesh.show());
        assert_eq!(mesh.lab.ping(hosts[0], "10.0.0.2"), Seen::Reply(ip("10.0.0.2")), "with cable {cable} again");
    }
}

#[test]
fn one_end_down_is_noticed_by_silence() {
    let mut mesh = Mesh::new(4, &RING);
    mesh.settle(12);
    mesh.wait(10);
    for cable in 0..RING.len() {
        let end = mesh.cables[cable].ends.0;
        mesh.cables[cable].up = false;
        mesh.lab.flags(end, false);
        let took = mesh.settle(20);
        assert!(took <= 12, "cable {cable}: {took} s");
        mesh.cables[cable].up = true;
        mesh.lab.flags(end, true);
        mesh.wait(15);
        assert!(mesh.is_whole(), "{}", mesh.show());
    }
}

#[test]
fn parallel_cables_leave_one_open() {
    let mut mesh = Mesh::new(2, &[(0, 1), (0, 1), (0, 1)]);
    mesh.settle(12);
    mesh.wait(20);
    assert_eq!(mesh.cables.iter().filter(|cable| mesh.is_open(cable)).count(), 1, "{}", mesh.show());
}

#[test]
fn a_cable_back_to_the_same_bridge_is_closed_as_backup() {
    let mut lab = Bridges::new();
    let bridge = lab.bridge();
    let (one, other) = lab.cable(bridge, bridge);
    for _ in 0..120 {
        lab.wait(SECOND / 4);
        let states = [one, other].map(|end| lab.port(bridge, end).1);
        assert!(states != [State::Forwarding; 2], "a loop at {} ns", lab.kernel.clock.now());
    }
    let mut roles = [one, other].map(|end| lab.port(bridge, end));
    roles.sort_by_key(|(role, _)| *role as u8);
    assert_eq!(roles, [(Role::Designated, State::Forwarding), (Role::Backup, State::Discarding)]);
    lab.host(bridge, "10.0.0.1/24", false);
    assert!(lab.kernel.storms.is_empty(), "{:?}", lab.kernel.storms);
}

#[test]
fn priority_chooses_the_root() {
    let mut mesh = Mesh::new(4, &RING);
    mesh.settle(12);
    for at in [2, 0, 3] {
        let bridge = mesh.bridges[at];
        mesh.lab.parameter(bridge, BRDGSPRI, 4096).unwrap();
        mesh.wait(20);
        assert!(mesh.is_whole(), "{}", mesh.show());
        let own = mesh.lab.state(bridge).tree.root.root;
        for &other in &mesh.bridges {
            assert_eq!(mesh.lab.state(other).tree.root.root, own);
        }
        assert_eq!(mesh.lab.state(bridge).tree.root_port, None);
        mesh.lab.parameter(bridge, BRDGSPRI, 32768).unwrap();
        mesh.wait(20);
        assert!(mesh.is_whole(), "{}", mesh.show());
    }
}

#[test]
fn the_root_may_die() {
    let mut mesh = Mesh::new(5, &[(0, 1), (1, 2), (2, 3), (3, 0), (4, 0), (4, 2)]);
    mesh.settle(12);
    mesh.wait(10);
    let root = mesh.bridges.iter().position(|&b| mesh.lab.state(b).tree.root_port.is_none()).unwrap();
    let dead = mesh.bridges[root];
    for at in 0..mesh.cables.len() {
        if mesh.cables[at].bridges.0 == dead || mesh.cables[at].bridges.1 == dead {
            mesh.cables[at].up = false;
        }
    }
    mesh.lab.flags(dead, false);
    let took = mesh.settle(60);
    assert!(took <= 40, "{took} s");
    mesh.wait(10);
    assert!(mesh.is_whole(), "{}", mesh.show());
}

#[test]
fn a_port_that_left_the_tree_begins_anew() {
    let mut mesh = Mesh::new(4, &RING);
    mesh.settle(12);
    mesh.wait(10);
    for cable in 0..RING.len() {
        let Cable { bridges, ends, .. } = mesh.cables[cable];
        let name = mesh.lab.name(ends.0);
        mesh.set(cable, false);
        let flags = mesh.lab.flags_of(bridges.0, ends.0);
        mesh.lab.member(bridges.0, BRDGSIFFLGS, &name, flags & !IFBIF_STP).unwrap();
        mesh.wait(10);
        mesh.lab.member(bridges.0, BRDGSIFFLGS, &name, flags | IFBIF_STP).unwrap();
        mesh.set(cable, true);
        mesh.wait(15);
        assert!(mesh.is_whole(), "{}", mesh.show());
    }
}

#[test]
fn the_old_protocol_makes_trees_too_and_rapid_bridges_speak_it() {
    for old in [1, 2, 4] {
        let mut mesh = Mesh::new(4, &RING);
        for bridge in mesh.bridges.clone().into_iter().take(old) {
            mesh.lab.parameter(bridge, BRDGSPROTO, 0).unwrap();
        }
        mesh.wait(90);
        assert!(mesh.is_whole(), "{old} of the old protocol: {}", mesh.show());
        mesh.set(0, false);
        mesh.wait(90);
        assert!(mesh.is_whole(), "{old} of the old protocol: {}", mesh.show());
    }
}

#[test]
fn another_bridge_at_the_same_index_keeps_its_own_time() {
    let mut lab = Bridges::new();
    let bridge = lab.bridge();
    lab.host(bridge, "10.0.0.1/24", true);
    lab.wait(SECOND / 2);
    ifnet::detach(&mut lab.kernel, bridge);
    let again = lab.bridge();
    assert_eq!(again, bridge);
    let (one, other) = lab.wire(VnetId::HOST, VnetId::HOST);
    lab.join(again, one, true);
    lab.flags(other, true);
    let sent = |lab: &Bridges| lab.kernel.interfaces.get(one).unwrap().net.counters.output_packets;
    lab.wait(10 * SECOND);
    let before = sent(&lab);
    lab.wait(20 * SECOND);
    assert_eq!(sent(&lab) - before, 10, "a hello every two seconds");
}

#[test]
fn random_meshes_are_trees_whatever_fails() {
    let mut random = Random(7);
    let mut below = |most: usize| usize::try_from(random.next_u64() % most as u64).unwrap();
    for _ in 0..12 {
        let bridges = 3 + below(6);
        let mut cables: Vec<(usize, usize)> = (1..bridges).map(|at| (at, below(at))).collect();
        for _ in 0..2 + below(bridges) {
            let (a, b) = (below(bridges), below(bridges));
            if a != b {
                cables.push((a, b));
            }
        }
        let mut mesh = Mesh::new(bridges, &cables);
        mesh.settle(60);
        mesh.wait(15);
        assert!(mesh.is_whole(), "{}", mesh.show());
        for _ in 0..6 {
            let cable = below(cables.len());
            let up = !mesh.cables[cable].up;
            mesh.set(cable, up);
            // Every bridge has looked at its links by then.
            mesh.wait(16);
            mesh.settle(60);
            mesh.wait(8);
            assert!(mesh.is_whole(), "{}", mesh.show());
        }
    }
}
