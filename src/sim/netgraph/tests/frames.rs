//! Frames through bridges, hubs, tees and echoes.

use super::*;

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

#[test]
fn a_data_socket_sends_and_receives_by_hook() {
    let mut lab = Lab::new();
    let sock = lab.sock;
    lab.mkpeer(".:", "echo", "e", "x").unwrap();
    assert_eq!(data_send(&mut lab.kernel, sock, b"e", frame(2, 1)), Err(Errno::ENOTCONN));
    data_open(&mut lab.kernel, sock).unwrap();
    assert_eq!(data_open(&mut lab.kernel, sock), Err(Errno::EADDRINUSE));
    data_send(&mut lab.kernel, sock, b"e", frame(2, 1)).unwrap();
    data_send(&mut lab.kernel, sock, b"", frame(3, 1)).unwrap();
    lab.kernel.settle();
    assert_eq!(data_receive(&mut lab.kernel, sock), Some((b"e".to_vec(), frame(2, 1))));
    assert_eq!(data_receive(&mut lab.kernel, sock), Some((b"e".to_vec(), frame(3, 1))));
    assert_eq!(data_receive(&mut lab.kernel, sock), None);
    assert_eq!(data_send(&mut lab.kernel, sock, b"none", frame(2, 1)), Err(Errno::EHOSTUNREACH));
    assert_eq!(data_send(&mut lab.kernel, sock, &[b'x'; 32], frame(2, 1)), Err(Errno::EINVAL));
    assert_eq!(data_send(&mut lab.kernel, sock, b"e", vec![0; 20481]), Err(Errno::EMSGSIZE));
    lab.mkpeer(".:", "hole", "h", "h").unwrap();
    assert_eq!(data_send(&mut lab.kernel, sock, b"", frame(2, 1)), Err(Errno::EDESTADDRREQ));
}

#[test]
fn what_a_data_socket_has_no_room_for_is_lost() {
    let mut lab = Lab::new();
    let sock = lab.sock;
    lab.mkpeer(".:", "echo", "e", "x").unwrap();
    data_open(&mut lab.kernel, sock).unwrap();
    for _ in 0..15 {
        data_send(&mut lab.kernel, sock, b"e", vec![1; 1500]).unwrap();
    }
    lab.kernel.settle();
    let received = std::iter::from_fn(|| data_receive(&mut lab.kernel, sock)).count();
    assert_eq!(received, 13, "20480 bytes hold 13 frames of 1504");
}
