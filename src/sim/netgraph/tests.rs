//! Graphs without interfaces: control messages, life and death of nodes, frames through nodes in virtual time.

use ngsock::message::{Message, Payload, Request};
use ngsock::node::{bridge, hole, hub, pipe, tee};

use super::label::Label;
use super::*;
use crate::abi::Errno;
use crate::sim::kernel::Work;
use crate::sim::sockets::{Protocol, SockId, Socket};

/// A kernel with one control socket whose node every test begins at.
struct Lab {
    kernel: Kernel,
    sock: SockId,
    token: u32,
}

impl Lab {
    fn new() -> Self {
        let mut kernel = Kernel::boot(1);
        for module in ["ng_socket", "ng_hub", "ng_bridge", "ng_pipe", "ng_tee", "ng_hole", "ng_echo", "ng_split"] {
            load_module(&mut kernel, module).unwrap();
        }
        let sock = open(&mut kernel, VnetId::HOST, None);
        Self { kernel, sock, token: 0 }
    }

    fn call<R: Request>(&mut self, path: &str, request: &R) -> Result<R::Reply, Errno> {
        self.token += 1;
        let mut datagram = Vec::new();
        ngsock::message::encode_request(&mut datagram, self.token, request).unwrap();
        send(&mut self.kernel, self.sock, path.as_bytes(), &datagram)?;
        let Some((_, reply)) = receive(&mut self.kernel, self.sock) else { return Ok(R::Reply::absent().unwrap()) };
        let reply = Message::parse(&reply).unwrap();
        assert!(reply.header.is_reply());
        assert_eq!(reply.header.token, self.token);
        Ok(R::Reply::decode(reply.payload).unwrap())
    }

    fn mkpeer(&mut self, path: &str, kind: &str, ours: &str, theirs: &str) -> Result<(), Errno> {
        let new = ngsock::generic::NewPeer { kind: field(kind), our_hook: field(ours), peer_hook: field(theirs) };
        self.call(path, &ngsock::generic::MkPeer(new))
    }

    fn connect(&mut self, path: &str, to: &str, ours: &str, theirs: &str) -> Result<(), Errno> {
        let path_of_peer = ngsock::name::Text::new(to).unwrap();
        let join = ngsock::generic::Join { path: path_of_peer, our_hook: field(ours), peer_hook: field(theirs) };
        self.call(path, &ngsock::generic::Connect(join))
    }

    fn name(&mut self, path: &str, name: &str) -> Result<(), Errno> {
        self.call(path, &ngsock::generic::SetName(field(name)))
    }

    fn rmhook(&mut self, path: &str, hook: &str) {
        self.call(path, &ngsock::generic::RemoveHook(field(hook))).unwrap();
    }

    fn shutdown(&mut self, path: &str) -> Result<(), Errno> {
        self.call(path, &ngsock::generic::Shutdown)
    }

    fn exists(&mut self, path: &str) -> bool {
        self.call(path, &ngsock::generic::GetNodeInfo).is_ok()
    }

    /// Sends a frame out of a hook of the socket's node, as a data socket would.
    fn emit(&mut self, hook: &str, frame: &[u8]) {
        let nodes = &self.kernel.vnets[&VnetId::HOST].netgraph.nodes;
        let (_, node) = nodes.iter().next().unwrap();
        let peer = node.hooks.find(&Label::new(hook).unwrap()).unwrap().peer.unwrap();
        let work = Work::Data { vnet: VnetId::HOST, node: peer.node, hook: peer.hook, frame: frame.to_vec() };
        self.kernel.work.push_back(work);
        self.kernel.settle();
    }

    /// Frames that the hole at `path` swallowed by hook `h`.
    fn swallowed(&mut self, path: &str) -> u64 {
        self.call(path, &hole::GetStats(field("h"))).unwrap().frames
    }

    fn pass(&mut self, milliseconds: u64) {
        self.kernel.run(milliseconds * 1_000_000, |_| false);
    }
}

fn open(kernel: &mut Kernel, vnet: VnetId, jail: Option<i32>) -> SockId {
    let sock = SockId(kernel.sockets.next);
    kernel.sockets.next += 1;
    let control = socket_open(kernel, vnet, sock);
    kernel.sockets.open.insert(sock, Socket { vnet, jail, protocol: Protocol::Netgraph(control) });
    sock
}

fn field(text: &str) -> ngsock::name::Name {
    ngsock::name::Name::new(text).unwrap()
}

/// 60 octets from host `from` to host `to`; 255 is everybody.
fn frame(to: u8, from: u8) -> Vec<u8> {
    let address = |host| if host == 255 { [255; 6] } else { [2, 0, 0, 0, 0, host] };
    [&address(to)[..], &address(from), &[0x88, 0xb5], &[0; 46]].concat()
}

#[test]
fn a_node_dies_with_its_last_hook_unless_it_is_persistent() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "hub", "a", "x").unwrap();
    lab.name("a", "mortal").unwrap();
    lab.mkpeer(".:", "hub", "b", "x").unwrap();
    lab.name("b", "lasting").unwrap();
    lab.call("b", &hub::SetPersistent).unwrap();
    lab.mkpeer("mortal:", "hole", "leaf", "h").unwrap();
    lab.rmhook(".:", "b");
    assert!(lab.exists("lasting:"));
    lab.rmhook(".:", "a");
    assert!(lab.exists("mortal:"));
    lab.rmhook("mortal:", "leaf");
    assert!(!lab.exists("mortal:"));
    assert_eq!(lab.kernel.vnets[&VnetId::HOST].netgraph.node_count(), 2);
    lab.shutdown("lasting:").unwrap();
    assert!(!lab.exists("lasting:"));
}

#[test]
fn a_closed_socket_takes_its_node_along_and_what_hung_on_it() {
    let mut lab = Lab::new();
    let other = open(&mut lab.kernel, VnetId::HOST, None);
    assert_eq!(bind(&mut lab.kernel, other, b"other\0"), Ok(()));
    lab.connect(".:", "other:", "x", "y").unwrap();
    lab.mkpeer("other:", "hole", "z", "h").unwrap();
    let Some(Socket { protocol: Protocol::Netgraph(control), .. }) = lab.kernel.sockets.open.remove(&other) else {
        panic!("no socket")
    };
    socket_close(&mut lab.kernel, VnetId::HOST, control);
    assert_eq!(lab.kernel.vnets[&VnetId::HOST].netgraph.node_count(), 1);
    assert!(lab.call(".:", &ngsock::generic::ListHooks).unwrap().links.is_empty());
}

#[test]
fn a_socket_whose_node_was_shut_down_is_of_no_more_use() {
    let mut lab = Lab::new();
    assert_eq!(lab.shutdown(".:"), Ok(()));
    assert_eq!(lab.call(".:", &ngsock::generic::GetNodeInfo), Err(Errno::EPIPE));
}

#[test]
fn a_failed_mkpeer_leaves_nothing_behind() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "bridge", "b", "link0").unwrap();
    assert_eq!(lab.mkpeer(".:", "hole", "b", "h"), Err(Errno::EEXIST));
    assert_eq!(lab.mkpeer("b", "bridge", "link1", "other"), Err(Errno::EINVAL));
    assert_eq!(lab.mkpeer(".:", "ether", "e", "lower"), Err(Errno::EINVAL), "its module is loaded, but makes none");
    assert_eq!(lab.mkpeer(".:", "nosuch", "e", "x"), Err(Errno::ENOENT));
    assert_eq!(lab.mkpeer(".:", "socket", "e", "x"), Err(Errno::EINVAL));
    let list = lab.call("b", &ngsock::generic::ListHooks).unwrap();
    assert_eq!(list.links.len(), 1);
    assert_eq!(lab.kernel.vnets[&VnetId::HOST].netgraph.node_count(), 2);
}

#[test]
fn modules_are_not_loaded_for_jails() {
    let mut lab = Lab::new();
    let vnet = lab.kernel.new_vnet(Some(1));
    lab.sock = open(&mut lab.kernel, vnet, Some(1));
    assert_eq!(lab.mkpeer(".:", "ether_echo", "e", "x"), Err(Errno::EPERM));
    assert_eq!(lab.mkpeer(".:", "hub", "e", "x"), Ok(()));
    let info = lab.call("e", &ngsock::generic::GetNodeInfo).unwrap();
    assert_eq!(info.id.0, 2, "numbers are per vnet");
}

#[test]
fn bridge_hooks_are_numbered_and_looped_ones_refused() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "bridge", "b", "link1").unwrap();
    lab.mkpeer("b", "hole", "link", "h").unwrap();
    lab.mkpeer("b", "hole", "link", "h").unwrap();
    lab.mkpeer("b", "hole", "uplink", "h").unwrap();
    let hooks = |lab: &mut Lab| {
        let list = lab.call("b", &ngsock::generic::ListHooks).unwrap();
        list.links.iter().map(|link| link.our_hook.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(hooks(&mut lab), ["uplink1", "link2", "link0", "link1"]);
    for bad in ["link00", "uplink0", "other", "link4294967295", "link2147483648", "lin"] {
        assert_eq!(lab.mkpeer("b", "hole", bad, "h"), Err(Errno::EINVAL), "{bad}");
    }
    lab.name("b", "br").unwrap();
    assert_eq!(lab.connect("br:", "br:", "link20", "link21"), Err(Errno::ELOOP));
    lab.mkpeer("br:", "hole", "link2147483647", "h").unwrap();
    lab.rmhook("br:", "link0");
    lab.mkpeer("br:", "hole", "link", "h").unwrap();
    assert_eq!(hooks(&mut lab).first().map(String::as_str), Some("link0"));
    assert_eq!(lab.shutdown("br:"), Ok(()));
}

/// A bridge with holes at link1 to link3; the socket is at link0.
fn bridge_lab() -> Lab {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "bridge", "b", "link0").unwrap();
    lab.name("b", "br").unwrap();
    for link in ["link1", "link2", "link3"] {
        lab.mkpeer("br:", "hole", link, "h").unwrap();
    }
    lab
}

#[test]
fn a_bridge_floods_learns_and_forgets() {
    let mut lab = bridge_lab();
    lab.emit("b", &frame(255, 1));
    let counts = |lab: &mut Lab| ["br:link1", "br:link2", "br:link3"].map(|hole| lab.swallowed(hole));
    assert_eq!(counts(&mut lab), [1, 1, 1]);
    let place = bridge::HostPlace { mac: ngsock::MacAddress([2, 0, 0, 0, 0, 9]), hook: field("link2") };
    lab.call("br:", &bridge::MoveHost(place)).unwrap();
    lab.emit("b", &frame(9, 1));
    lab.emit("b", &frame(1, 1));
    assert_eq!(counts(&mut lab), [1, 2, 1], "known hosts are behind one link, oneself behind none");
    lab.emit("b", &frame(8, 1));
    assert_eq!(counts(&mut lab), [2, 3, 2]);
    lab.pass(5000);
    lab.emit("b", &frame(255, 1));
    let table = lab.call("br:", &bridge::GetTable).unwrap().0;
    let seen: Vec<_> = table.iter().map(|host| (host.mac.0[5], host.age_seconds, host.staleness_seconds)).collect();
    assert_eq!(seen, [(9, 5, 5), (1, 5, 0)], "one bucket, the newest first");
    lab.pass(895_000);
    let table = lab.call("br:", &bridge::GetTable).unwrap().0;
    assert_eq!(table.len(), 1, "silent for 900 seconds");
    lab.rmhook(".:", "b");
    assert!(lab.call("br:", &bridge::GetTable).unwrap().0.is_empty());
    let stats = lab.call("br:", &bridge::GetStats(bridge::LinkHook::link(2).unwrap())).unwrap();
    assert_eq!((stats.sent_frames, stats.sent_broadcasts, stats.sent_octets), (4, 2, 240));
    let gone = lab.call("br:", &bridge::GetStats(bridge::LinkHook::link(0).unwrap()));
    assert_eq!(gone, Err(Errno::ENOTCONN));
}

#[test]
fn a_host_that_jumps_too_soon_mutes_the_link_it_jumps_to() {
    let mut lab = bridge_lab();
    lab.connect(".:", "br:", "c", "link4").unwrap();
    lab.emit("b", &frame(255, 1));
    lab.emit("c", &frame(255, 1));
    let link = bridge::LinkHook::link(4).unwrap();
    let stats = lab.call("br:", &bridge::GetStats(link)).unwrap();
    assert_eq!((stats.loop_detects, stats.loop_drops, stats.received_frames), (1, 1, 1));
    assert_eq!(lab.swallowed("br:link1"), 1);
    lab.pass(59_000);
    lab.emit("c", &frame(255, 2));
    assert_eq!(lab.swallowed("br:link1"), 1, "mute for 60 seconds");
    lab.pass(1000);
    lab.emit("c", &frame(255, 1));
    assert_eq!(lab.swallowed("br:link1"), 2, "after a while a host may move");
    let table = lab.call("br:", &bridge::GetTable).unwrap().0;
    assert_eq!(table.iter().map(|host| host.hook.to_string()).collect::<Vec<_>>(), ["link4"]);
    lab.call("br:", &bridge::Reset).unwrap();
    assert_eq!(lab.call("br:", &bridge::GetStats(link)).unwrap(), bridge::LinkStats::default());
}

#[test]
fn a_bridge_whose_first_hook_is_an_uplink_keeps_the_unknown_from_its_links() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "bridge", "u", "uplink1").unwrap();
    lab.name("u", "br").unwrap();
    lab.connect(".:", "br:", "b", "link0").unwrap();
    lab.mkpeer("br:", "hole", "link1", "h").unwrap();
    lab.mkpeer("br:", "hole", "uplink2", "h").unwrap();
    lab.emit("b", &frame(9, 1));
    assert_eq!((lab.swallowed("br:link1"), lab.swallowed("br:uplink2")), (0, 1));
    lab.emit("u", &frame(255, 2));
    assert_eq!((lab.swallowed("br:link1"), lab.swallowed("br:uplink2")), (1, 2));
    let table = lab.call("br:", &bridge::GetTable).unwrap().0;
    assert_eq!(table.len(), 1, "uplinks do not learn");
}

#[test]
fn bridges_in_a_ring_are_cut_off_and_reported() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "hub", "b", "x").unwrap();
    lab.name("b", "a").unwrap();
    lab.mkpeer("a:", "hub", "left", "left").unwrap();
    lab.connect("a:", "a:left", "right", "right").unwrap();
    lab.emit("b", &frame(255, 1));
    assert_eq!(lab.kernel.storms.len(), 1, "{:?}", lab.kernel.storms);
}

#[test]
fn a_hub_repeats_to_all_others() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "hub", "a", "x").unwrap();
    lab.mkpeer("a", "hole", "y", "h").unwrap();
    lab.mkpeer("a", "hole", "z", "h").unwrap();
    lab.emit("a", &frame(7, 1));
    assert_eq!((lab.swallowed("a.y"), lab.swallowed("a.z")), (1, 1));
}

#[test]
fn a_tee_copies_and_leaves_its_neighbours_joined() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "tee", "t", "left").unwrap();
    lab.name("t", "tap").unwrap();
    lab.mkpeer("tap:", "hole", "right", "h").unwrap();
    lab.mkpeer("tap:", "hole", "left2right", "h").unwrap();
    lab.name("tap:right", "far").unwrap();
    lab.emit("t", &frame(7, 1));
    assert_eq!((lab.swallowed("far:"), lab.swallowed("tap:left2right")), (1, 1));
    let stats = lab.call("tap:", &tee::GetAndClearStats).unwrap();
    assert_eq!((stats.left.in_frames, stats.right.out_octets, stats.left_to_right.out_frames), (1, 60, 1));
    assert_eq!(lab.call("tap:", &tee::GetStats).unwrap(), tee::Stats::default());
    lab.shutdown("tap:").unwrap();
    assert!(lab.exists("far:"));
    lab.emit("t", &frame(7, 1));
    assert_eq!(lab.swallowed("far:"), 2);
    assert_eq!(lab.kernel.vnets[&VnetId::HOST].netgraph.node_count(), 2);
}

#[test]
fn a_tee_between_its_own_hooks_just_goes() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "tee", "t", "left2right").unwrap();
    lab.connect("t", ".", "left", "right").unwrap();
    lab.emit("t", &frame(7, 1));
    lab.shutdown("t").unwrap();
    assert_eq!(lab.kernel.vnets[&VnetId::HOST].netgraph.node_count(), 1);
}

#[test]
fn an_echo_gives_back_frames_and_messages() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "hub", "a", "x").unwrap();
    lab.mkpeer("a", "echo", "e", "x").unwrap();
    lab.mkpeer("a", "hole", "z", "h").unwrap();
    lab.emit("a", &frame(7, 1));
    assert_eq!(lab.swallowed("a.z"), 2, "the frame and its echo");
    let header = ngsock::Header { cookie: 4711, command: 1, flags: 0, token: 9, text: field("hello") };
    let mut datagram = Vec::new();
    ngsock::message::encode(&mut datagram, &header, &5u32).unwrap();
    send(&mut lab.kernel, lab.sock, b"a.e", &datagram).unwrap();
    let (from, reply) = receive(&mut lab.kernel, lab.sock).unwrap();
    let reply = Message::parse(&reply).unwrap();
    assert_eq!((reply.header, reply.payload), (header.reply(), &[5, 0, 0, 0][..]));
    assert_eq!(from, b"[3]:");
}

/// A pipe from the socket's hook `p` to a hole.
fn pipe_lab(changes: pipe::Changes) -> Lab {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "pipe", "p", "upper").unwrap();
    lab.name("p", "pipe").unwrap();
    lab.mkpeer("pipe:", "hole", "lower", "h").unwrap();
    lab.call("pipe:", &pipe::SetConfig(changes)).unwrap();
    lab
}

#[test]
fn a_pipe_that_does_nothing_delays_nothing() {
    let mut lab = pipe_lab(pipe::Changes::default());
    lab.emit("p", &frame(7, 1));
    assert_eq!(lab.swallowed("pipe:lower"), 1);
    assert_eq!(lab.kernel.clock.next_due(), None);
}

#[test]
fn a_pipe_delays_to_the_next_tick() {
    let mut lab = pipe_lab(pipe::Changes { delay_microseconds: pipe::Setting::Set(2500), ..pipe::Changes::default() });
    lab.pass(1);
    lab.emit("p", &frame(7, 1));
    lab.pass(2);
    assert_eq!(lab.swallowed("pipe:lower"), 0);
    let queues = lab.call("pipe:", &pipe::GetQueues).unwrap();
    assert_eq!((queues.downstream.delayed_frames, queues.downstream.delayed_octets), (1, 60));
    lab.pass(1);
    assert_eq!(lab.swallowed("pipe:lower"), 1, "2.5 ms are 3 ticks");
    assert_eq!(lab.call("pipe:", &pipe::GetStats).unwrap().downstream.forwarded_octets, 60);
}

#[test]
fn a_pipe_spaces_frames_by_bandwidth_and_drops_what_does_not_fit() {
    // 476 octets and 24 of overhead are 4000 bits: 1 ms at 4 Mbit/s.
    let direction =
        pipe::DirectionChanges { queue_limit_frames: pipe::Setting::Set(5), ..pipe::DirectionChanges::default() };
    let mut lab = pipe_lab(pipe::Changes {
        bandwidth_bits_per_second: pipe::Setting::Set(4_000_000),
        overhead_octets: pipe::Setting::Set(24),
        downstream: direction,
        ..pipe::Changes::default()
    });
    for _ in 0..10 {
        lab.emit("p", &[[2, 0, 0, 0, 0, 1].as_slice(), &[2; 470]].concat());
    }
    let stats = lab.call("pipe:", &pipe::GetStats).unwrap().downstream;
    assert_eq!(stats.queue_dropped_frames, 4, "one on the line, five in the queue");
    for passed in 1..=6 {
        lab.pass(1);
        assert_eq!(lab.swallowed("pipe:lower"), passed);
    }
    lab.pass(100);
    assert_eq!(lab.swallowed("pipe:lower"), 6);
}

#[test]
fn a_pipe_loses_and_doubles_a_share_of_frames_and_the_same_ones_every_time() {
    let run = || {
        let direction = pipe::DirectionChanges {
            bits_per_error: pipe::Setting::Set(4800),
            duplicate_percent: pipe::Setting::Set(9),
            ..pipe::DirectionChanges::default()
        };
        let mut lab = pipe_lab(pipe::Changes { downstream: direction, ..pipe::Changes::default() });
        for _ in 0..2000 {
            lab.emit("p", &frame(7, 1));
        }
        let stats = lab.call("pipe:", &pipe::GetStats).unwrap().downstream;
        (lab.swallowed("pipe:lower"), stats)
    };
    let (frames, stats) = run();
    // 2000 frames and their doubles (one in ten, the kernel counts the limit in), of which 9.5 % are lost.
    let total = stats.forwarded_frames + stats.delay_dropped_frames;
    assert!((2150..2300).contains(&total), "{total}");
    assert!((150..280).contains(&stats.delay_dropped_frames), "{stats:?}");
    assert_eq!(run(), (frames, stats));
}

#[test]
fn a_pipe_ignores_what_is_out_of_range_and_folds_equal_bandwidths() {
    let mut lab = pipe_lab(pipe::Changes {
        bandwidth_bits_per_second: pipe::Setting::Set(2_000_000_000),
        delay_microseconds: pipe::Setting::Set(20_000_000),
        ..pipe::Changes::default()
    });
    let config = lab.call("pipe:", &pipe::GetConfig).unwrap();
    assert_eq!((config.bandwidth_bits_per_second, config.delay_microseconds), (0, 0));
    let bandwidth = |bits| pipe::DirectionChanges {
        bandwidth_bits_per_second: pipe::Setting::Set(bits),
        ..pipe::DirectionChanges::default()
    };
    let changes =
        |down, up| pipe::Changes { downstream: bandwidth(down), upstream: bandwidth(up), ..pipe::Changes::default() };
    lab.call("pipe:", &pipe::SetConfig(changes(1000, 2000))).unwrap();
    let config = lab.call("pipe:", &pipe::GetConfig).unwrap();
    assert_eq!((config.bandwidth_bits_per_second, config.downstream.bandwidth_bits_per_second), (0, 1000));
    lab.call("pipe:", &pipe::SetConfig(changes(3000, 3000))).unwrap();
    let config = lab.call("pipe:", &pipe::GetConfig).unwrap();
    assert_eq!((config.bandwidth_bits_per_second, config.upstream.bandwidth_bits_per_second), (3000, 0));
}

#[test]
fn a_dead_pipe_tells_both_neighbours_and_reports_the_last_ones_error() {
    let mut lab = pipe_lab(pipe::Changes::default());
    let dead = pipe::DirectionChanges { bits_per_error: pipe::Setting::Set(1), ..pipe::DirectionChanges::default() };
    let changes = pipe::Changes { downstream: dead, ..pipe::Changes::default() };
    let mut datagram = Vec::new();
    ngsock::message::encode_request(&mut datagram, 1, &pipe::SetConfig(changes)).unwrap();
    // The hole below refuses flow messages, the socket above takes it.
    assert_eq!(send(&mut lab.kernel, lab.sock, b"pipe:", &datagram), Ok(()));
    let (_, flow) = receive(&mut lab.kernel, lab.sock).unwrap();
    let flow = Message::parse(&flow).unwrap();
    assert_eq!((flow.header.cookie, flow.header.command), (851_672_669, 33));
    lab.emit("p", &frame(7, 1));
    assert_eq!(lab.swallowed("pipe:lower"), 0);
}

#[test]
fn a_full_socket_refuses_the_answer_and_works_again_when_read() {
    let mut lab = Lab::new();
    let mut datagram = Vec::new();
    ngsock::message::encode_request(&mut datagram, 1, &ngsock::generic::GetNodeInfo).unwrap();
    let fill = |lab: &mut Lab| (0..).find(|_| send(&mut lab.kernel, lab.sock, b".", &datagram).is_err());
    assert_eq!(fill(&mut lab), Some(126));
    assert_eq!(send(&mut lab.kernel, lab.sock, b".", &datagram), Err(Errno::ENOBUFS));
    assert!(receive(&mut lab.kernel, lab.sock).is_some());
    assert_eq!(send(&mut lab.kernel, lab.sock, b".", &datagram), Ok(()));
    while receive(&mut lab.kernel, lab.sock).is_some() {}
    set_receive_buffer(&mut lab.kernel, lab.sock, 1 << 20).unwrap();
    assert_eq!(fill(&mut lab), Some(6472));
    assert_eq!(set_receive_buffer(&mut lab.kernel, lab.sock, 16 << 20), Err(Errno::ENOBUFS));
}

#[test]
fn addresses_have_the_length_of_the_kernels_structure() {
    let mut lab = Lab::new();
    let long = "n".repeat(31);
    lab.name(".:", &long).unwrap();
    assert!(lab.exists(&format!("{long}:")));
    assert_eq!(lab.call(&format!("{long}:\0"), &ngsock::generic::GetNodeInfo), Err(Errno::EINVAL));
    assert!(lab.exists(".:\0\0\0"));
    let endless = "n".repeat(254);
    assert_eq!(lab.call(&endless, &ngsock::generic::GetNodeInfo), Err(Errno::ENAMETOOLONG));
    for bad in [&b"a"[..], b"\0\0", b"a.b\0", b"", &[b'n'; 33]] {
        assert_eq!(bind(&mut lab.kernel, lab.sock, bad), Err(Errno::EINVAL), "{bad:?}");
    }
    assert_eq!(send(&mut lab.kernel, lab.sock, b".:", &[8; 20481]), Err(Errno::EMSGSIZE));
    assert_eq!(send(&mut lab.kernel, lab.sock, b".:", b""), Err(Errno::EINVAL));
}

#[test]
fn flow_messages_in_a_ring_of_tees_come_to_an_end() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "tee", "t", "left2right").unwrap();
    lab.connect("t", ".", "right", "left").unwrap();
    let header = ngsock::Header { cookie: 851_672_669, command: 32, flags: 0, token: 0, text: field("") };
    let mut datagram = Vec::new();
    ngsock::message::encode(&mut datagram, &header, &()).unwrap();
    assert_eq!(send(&mut lab.kernel, lab.sock, b"t.left", &datagram), Err(Errno::ELOOP));
}
