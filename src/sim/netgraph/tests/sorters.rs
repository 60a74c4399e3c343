//! Nodes that choose a hook for each frame: vlan, one2many, etf, macfilter, split.

use ngsock::node::{etf, macfilter, one2many, vlan};

use super::*;

/// A node of a type with holes behind hooks; the socket is at hook `s` of it.
fn lab(kind: &str, ours: &str, holes: &[&str]) -> Lab {
    let mut lab = Lab::new();
    lab.mkpeer(".:", kind, "s", ours).unwrap();
    lab.name("s", "node").unwrap();
    for hole in holes {
        lab.mkpeer("node:", "hole", hole, "h").unwrap();
    }
    lab
}

fn counts<const N: usize>(lab: &mut Lab, holes: [&str; N]) -> [u64; N] {
    holes.map(|hole| lab.swallowed(&format!("node:{hole}")))
}

/// A frame of a VLAN.
fn tagged(vlan: u16) -> Vec<u8> {
    let mut frame = frame(1, 2);
    let [high, low] = vlan.to_be_bytes();
    frame.splice(12..12, [0x81, 0, high, low]);
    frame
}

#[test]
fn a_vlan_node_sorts_by_tag_and_takes_it_off() {
    let mut lab = lab("vlan", "downstream", &["v7", "nomatch"]);
    let filter = vlan::Filter { hook: field("v7"), vlan_id: 7, priority: 3, ..vlan::Filter::default() };
    lab.call("node:", &vlan::AddFilter(filter)).unwrap();
    assert_eq!(lab.call("node:", &vlan::AddFilter(filter)), Err(Errno::EEXIST));
    let wrong = vlan::Filter { vlan: 8, ..filter };
    assert_eq!(lab.call("node:", &vlan::AddFilter(wrong)), Err(Errno::EINVAL), "vlan and vid differ");
    lab.emit("s", &tagged(7));
    lab.emit("s", &tagged(8));
    lab.emit("s", &frame(1, 2));
    assert_eq!(counts(&mut lab, ["v7", "nomatch"]), [1, 2]);
    let stats = lab.call("node:v7", &hole::GetStats(field("h"))).unwrap();
    assert_eq!(stats.octets, 60, "without the tag");
    lab.rmhook("node:", "v7");
    assert!(lab.call("node:", &vlan::GetTable).unwrap().0.is_empty());
    assert_eq!(lab.call("node:", &vlan::RemoveVlan(7)), Err(Errno::ENOENT));
}

#[test]
fn a_vlan_node_tags_what_comes_from_a_vlans_hook() {
    let mut lab = lab("vlan", "v7", &["downstream"]);
    lab.emit("s", &frame(1, 2));
    assert_eq!(counts(&mut lab, ["downstream"]), [0], "a hook without VLAN leads nowhere");
    let filter = vlan::Filter { hook: field("v7"), vlan: 7, ..vlan::Filter::default() };
    lab.call("node:", &vlan::AddFilter(filter)).unwrap();
    lab.emit("s", &frame(1, 2));
    let stats = lab.call("node:downstream", &hole::GetStats(field("h"))).unwrap();
    assert_eq!((stats.frames, stats.octets), (1, 64));
}

#[test]
fn one2many_takes_turns_or_sends_to_all_or_to_the_first() {
    let mut lab = lab("one2many", "one", &["many0", "many5", "many63"]);
    assert_eq!(lab.told, [32], "told once that there is a link");
    let all = ["many0", "many5", "many63"];
    for _ in 0..4 {
        lab.emit("s", &frame(1, 2));
    }
    assert_eq!(counts(&mut lab, all), [2, 1, 1]);
    let mut config = lab.call("node:", &one2many::GetConfig).unwrap();
    config.distribution = one2many::DISTRIBUTE_TO_ALL;
    lab.call("node:", &one2many::SetConfig(config)).unwrap();
    lab.emit("s", &frame(1, 2));
    assert_eq!(counts(&mut lab, all), [3, 2, 2]);
    config.distribution = one2many::DISTRIBUTE_FAILOVER;
    config.enabled[0] = 0;
    lab.call("node:", &one2many::SetConfig(config)).unwrap();
    lab.emit("s", &frame(1, 2));
    assert_eq!(counts(&mut lab, all), [3, 3, 2]);
    config.distribution = 4;
    assert_eq!(lab.call("node:", &one2many::SetConfig(config)), Err(Errno::EINVAL));
    for bad in ["many64", "many00", "many", "two", "many999"] {
        assert_eq!(lab.mkpeer("node:", "hole", bad, "h"), Err(Errno::EINVAL), "{bad}");
    }
    let stats = lab.call("node:", &one2many::GetStats(one2many::LINK_ONE)).unwrap();
    assert_eq!(stats.received_frames, 6);
    lab.shutdown("node:").unwrap();
    assert_eq!(lab.told, [32, 33]);
}

#[test]
fn distributors_in_a_ring_do_not_tell_each_other_for_ever() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "one2many", "s", "many9").unwrap();
    lab.name("s", "a").unwrap();
    lab.mkpeer("a:", "one2many", "one", "many0").unwrap();
    lab.name("a:one", "b").unwrap();
    for node in ["a:", "b:"] {
        let mut config = lab.call(node, &one2many::GetConfig).unwrap();
        config.failure_detection = one2many::DETECT_BY_MESSAGE;
        lab.call(node, &one2many::SetConfig(config)).unwrap();
    }
    lab.connect("b:", "a:", "one", "many0").unwrap();
    lab.rmhook("a:", "many9");
    lab.shutdown("a:").unwrap();
    assert!(!lab.exists("b:"));
}

#[test]
fn an_etf_node_sorts_by_type_and_lets_back_only_that() {
    let mut lab = lab("etf", "downstream", &["own", "nomatch"]);
    let filter = etf::Filter { hook: field("own"), ethernet_type: 0x88b5 };
    lab.call("node:", &etf::SetFilter(filter)).unwrap();
    assert_eq!(lab.call("node:", &etf::SetFilter(filter)), Err(Errno::EEXIST));
    lab.emit("s", &frame(1, 2));
    lab.emit("s", &tagged(1));
    assert_eq!(counts(&mut lab, ["own", "nomatch"]), [1, 1]);
    lab.connect(".:", "node:", "t", "other").unwrap();
    lab.emit("t", &frame(1, 2));
    assert_eq!(lab.call("node:", &etf::GetStats).unwrap(), etf::Stats { received_packets: 2, sent_packets: 0 });
}

#[test]
fn a_macfilter_sorts_by_source() {
    let mut lab = lab("macfilter", "ether", &["default", "up1"]);
    let direction = |host, hook| macfilter::Direction { mac: ngsock::MacAddress([2, 0, 0, 0, 0, host]), hook };
    lab.call("node:", &macfilter::Direct(direction(2, field("up1")))).unwrap();
    lab.call("node:", &macfilter::Direct(direction(3, field("nosuch")))).unwrap();
    lab.emit("s", &frame(1, 2));
    lab.emit("s", &frame(1, 3));
    assert_eq!(counts(&mut lab, ["default", "up1"]), [1, 1]);
    let table = lab.call("node:", &macfilter::GetAndClearAddresses).unwrap().0;
    assert_eq!((table.len(), table[0].received_packets, table[0].received_octets), (1, 1, 46));
    lab.rmhook("node:", "up1");
    assert!(lab.call("node:", &macfilter::GetAddresses).unwrap().0.is_empty());
    assert_eq!(lab.call("node:", &macfilter::GetHooks).unwrap().0.len(), 1);
}

#[test]
fn a_split_parts_the_directions() {
    let mut lab = lab("split", "mixed", &["out", "in"]);
    lab.emit("s", &frame(1, 2));
    assert_eq!(counts(&mut lab, ["out", "in"]), [1, 0]);
    lab.rmhook("node:", "in");
    lab.connect(".:", "node:", "t", "in").unwrap();
    lab.emit("t", &frame(1, 2));
    assert_eq!(counts(&mut lab, ["out"]), [1], "it went to the socket");
}
