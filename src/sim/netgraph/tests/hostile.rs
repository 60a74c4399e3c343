//! Any bytes at any socket give an errno, never a panic, and leave a graph that is in order.

use ngsock::{flow, generic, node};
use proptest::prelude::*;

use super::*;

/// Cookies of types that are simulated, and one of none.
const COOKIES: [u32; 29] = [
    generic::COOKIE,
    generic::COOKIE,
    generic::COOKIE,
    flow::COOKIE,
    bridge::COOKIE,
    hub::COOKIE,
    pipe::COOKIE,
    tee::COOKIE,
    hole::COOKIE,
    node::vlan::COOKIE,
    node::one2many::COOKIE,
    node::etf::COOKIE,
    node::macfilter::COOKIE,
    node::socket::COOKIE,
    node::iface::COOKIE,
    node::bpf::COOKIE,
    node::tag::COOKIE,
    node::tcpmss::COOKIE,
    node::patch::COOKIE,
    node::checksum::COOKIE,
    node::vlan_rotate::COOKIE,
    node::car::COOKIE,
    node::source::COOKIE,
    node::device::COOKIE,
    node::ksocket::COOKIE,
    node::nat::COOKIE,
    node::l2tp::COOKIE,
    node::pppoe::COOKIE,
    1,
];

const KINDS: [&str; 27] = [
    "hub",
    "bridge",
    "pipe",
    "tee",
    "hole",
    "echo",
    "split",
    "vlan",
    "one2many",
    "etf",
    "macfilter",
    "eiface",
    "nosuch",
    "iface",
    "bpf",
    "tag",
    "tcpmss",
    "patch",
    "checksum",
    "vlan_rotate",
    "car",
    "source",
    "device",
    "ksocket",
    "nat",
    "l2tp",
    "pppoe",
];

const HOOKS: [&str; 27] = [
    "a",
    "b",
    "link0",
    "link",
    "uplink1",
    "upper",
    "lower",
    "left",
    "right",
    "left2right",
    "many0",
    "one",
    "downstream",
    "ether",
    "mixed",
    "in",
    "out",
    "inet",
    "inet6",
    "original",
    "ordered",
    "input",
    "output",
    "session_00ff",
    "ethernet",
    "inet/dgram/udp",
    "",
];

const PATHS: [&str; 14] =
    [".:", ".", "a", "b", "a.b", "x:", "y:", "x:a", "y:link0", "[2]:", "[3]:", "[4]:upper", "z:..", "[5]:link1"];

/// What is done to the kernel.
#[derive(Clone, Debug)]
enum Act {
    Bytes(Vec<u8>, Vec<u8>),
    Header { path: usize, cookie: usize, command: u32, flags: u32, payload: Vec<u8> },
    MkPeer { path: usize, kind: usize, ours: usize, theirs: usize },
    Connect { path: usize, to: usize, ours: usize, theirs: usize },
    Name { path: usize, name: u8 },
    RmHook { path: usize, hook: usize },
    Shutdown { path: usize },
    Frame { node: u32, hook: u32, frame: Vec<u8> },
    Pass(u32),
}

fn act() -> impl Strategy<Value = Act> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let command = prop_oneof![0u32..20, (0u32..16).prop_map(|low| 0x3000_0000 | low), any::<u32>()];
    prop_oneof![
        1 => (bytes(40), bytes(200)).prop_map(|(path, datagram)| Act::Bytes(path, datagram)),
        4 => (0..PATHS.len(), 0..COOKIES.len(), command, 0u32..2, bytes(130)).prop_map(
            |(path, cookie, command, flags, payload)| Act::Header { path, cookie, command, flags, payload }
        ),
        6 => (0..PATHS.len(), 0..KINDS.len(), 0..HOOKS.len(), 0..HOOKS.len())
            .prop_map(|(path, kind, ours, theirs)| Act::MkPeer { path, kind, ours, theirs }),
        4 => (0..PATHS.len(), 0..PATHS.len(), 0..HOOKS.len(), 0..HOOKS.len())
            .prop_map(|(path, to, ours, theirs)| Act::Connect { path, to, ours, theirs }),
        2 => (0..PATHS.len(), b'x'..=b'z').prop_map(|(path, name)| Act::Name { path, name }),
        1 => (0..PATHS.len(), 0..HOOKS.len()).prop_map(|(path, hook)| Act::RmHook { path, hook }),
        1 => (0..PATHS.len()).prop_map(|path| Act::Shutdown { path }),
        3 => (0u32..8, 0u32..4, bytes(40)).prop_map(|(node, hook, frame)| Act::Frame { node, hook, frame }),
        1 => (0u32..3_000_000).prop_map(Act::Pass),
    ]
}

fn perform(lab: &mut Lab, act: Act) {
    match act {
        Act::Bytes(path, datagram) => {
            let _ = send(&mut lab.kernel, lab.sock, &path, &datagram);
            let _ = bind(&mut lab.kernel, lab.sock, &path);
        }
        Act::Header { path, cookie, command, flags, payload } => {
            let header = ngsock::Header { cookie: COOKIES[cookie], command, flags, token: 0, text: field("getcfg") };
            let mut datagram = Vec::new();
            ngsock::message::encode(&mut datagram, &header, &message::Bytes(&payload)).unwrap();
            let _ = send(&mut lab.kernel, lab.sock, PATHS[path].as_bytes(), &datagram);
        }
        Act::MkPeer { path, kind, ours, theirs } => {
            lab.mkpeer_blind(PATHS[path], KINDS[kind], HOOKS[ours], HOOKS[theirs]);
        }
        Act::Connect { path, to, ours, theirs } => {
            let join = generic::Join {
                path: ngsock::name::Text::new(PATHS[to]).unwrap(),
                our_hook: field(HOOKS[ours]),
                peer_hook: field(HOOKS[theirs]),
            };
            lab.post(PATHS[path], &generic::Connect(join));
        }
        Act::Name { path, name } => lab.post(PATHS[path], &generic::SetName(ngsock::name::Name::new([name]).unwrap())),
        Act::RmHook { path, hook } => lab.post(PATHS[path], &generic::RemoveHook(field(HOOKS[hook]))),
        Act::Shutdown { path } => lab.post(PATHS[path], &generic::Shutdown),
        Act::Frame { node, hook, frame } => {
            let (node, hook) = (NodeId(node), HookId(hook));
            lab.kernel.work.push_back(Work::Data { vnet: VnetId::HOST, node, hook, frame, tags: Tags::default() });
            lab.kernel.settle();
        }
        Act::Pass(microseconds) => {
            lab.kernel.run(u64::from(microseconds) * 1000, |_| false);
        }
    }
    while receive(&mut lab.kernel, lab.sock).is_some() {}
}

impl Lab {
    fn post<R: Request>(&mut self, path: &str, request: &R) {
        let mut datagram = Vec::new();
        ngsock::message::encode_request(&mut datagram, 0, request).unwrap();
        let _ = send(&mut self.kernel, self.sock, path.as_bytes(), &datagram);
    }

    fn mkpeer_blind(&mut self, path: &str, kind: &str, ours: &str, theirs: &str) {
        let new = generic::NewPeer { kind: field(kind), our_hook: field(ours), peer_hook: field(theirs) };
        self.post(path, &generic::MkPeer(new));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_sent_to_a_socket_breaks_the_graph(acts in prop::collection::vec(act(), 0..60)) {
        let mut lab = Lab::new();
        // A storm is dull and slow; a few steps are enough to see that nothing breaks.
        lab.kernel.frame_budget = 500;
        for act in acts {
            perform(&mut lab, act);
            let graph = &mut lab.kernel.vnets.get_mut(&VnetId::HOST).unwrap().netgraph;
            prop_assert_eq!(graph.clone().restore(), Ok(()));
        }
        let octets = crate::sim::persist::encode(&lab.kernel).unwrap();
        let loaded = crate::sim::persist::decode(&octets).unwrap();
        prop_assert!(loaded.vnets[&VnetId::HOST].netgraph.node_count() <= lab.kernel.vnets[&VnetId::HOST].netgraph.node_count());
    }
}
