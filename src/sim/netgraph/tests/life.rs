//! How nodes, hooks and sockets come and go, and what is refused.

use super::*;

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

#[test]
fn a_listing_is_whole_or_refused() {
    let mut lab = Lab::new();
    for node in 0..2000 {
        lab.mkpeer(".:", "hub", &format!("h{node}"), "x").unwrap();
    }
    assert_eq!(lab.call(".:", &ngsock::generic::ListNodes), Err(Errno::ENOBUFS));
    assert_eq!(lab.call(".:", &ngsock::generic::ListHooks), Err(Errno::ENOBUFS));
    set_receive_buffer(&mut lab.kernel, lab.sock, 1 << 20).unwrap();
    assert_eq!(lab.call(".:", &ngsock::generic::ListNodes).unwrap().0.len(), 2001);
    let links = lab.call(".:", &ngsock::generic::ListHooks).unwrap().links;
    assert_eq!(links.first().map(|link| link.our_hook.to_string()).as_deref(), Some("h1999"), "newest first");
    assert!(lab.exists(".:h1000"));
    lab.rmhook(".:", "h1000");
    assert!(!lab.exists(".:h1000"));
}
