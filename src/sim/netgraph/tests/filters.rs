//! Nodes that look into packets or change them: bpf, tag, tcpmss, patch, checksum, vlan_rotate, car, source.

use ngsock::name::ShortBytes;
use ngsock::node::{bpf, car, checksum, patch, source, tag, tcpmss, vlan_rotate};

use super::*;

/// A node of a type behind hook `s` of the socket, the socket again behind the node's other hooks of those names.
fn lab(kind: &str, ours: &str, others: &[&str]) -> Lab {
    let mut lab = Lab::new();
    lab.mkpeer(".:", kind, "s", ours).unwrap();
    lab.name("s", "node").unwrap();
    for other in others {
        lab.connect(".:", "node:", other, other).unwrap();
    }
    lab.listen();
    lab
}

/// `ip and udp` on packets without a frame around them: the protocol of IPv4 is at 9. Matches keep 24 octets.
fn udp_program(hook: &str) -> bpf::Program {
    let op =
        |code, operand, jump_if_true, jump_if_false| bpf::Instruction { code, jump_if_true, jump_if_false, operand };
    let instructions = vec![op(0x30, 9, 0, 0), op(0x15, 17, 0, 1), op(0x06, 24, 0, 0), op(0x06, 0, 0, 0)];
    bpf::Program { hook: field(hook), if_match: field("yes"), if_not_match: field("no"), instructions }
}

/// An IPv4 packet with a right header, of a protocol.
fn packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let sum = !sum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// RFC 1071, one word at a time.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let total: u32 = words.sum();
    let folded = (total >> 16) + (total & 0xffff);
    u16::try_from((folded >> 16) + (folded & 0xffff)).unwrap()
}

/// The sum of a TCP or UDP packet with its pseudo header: all ones if its checksum is right.
fn upper_sum(packet: &[u8]) -> u16 {
    let upper = &packet[20..];
    let length = u16::try_from(upper.len()).unwrap().to_be_bytes();
    sum(&[&packet[12..20], &[0, packet[9]], &length, upper].concat())
}

/// A TCP packet that opens a connection with this maximum segment size, its checksum being right.
fn syn(maximum: u16) -> Vec<u8> {
    let [high, low] = maximum.to_be_bytes();
    let mut tcp = vec![0, 80, 4, 210, 0, 0, 0, 1, 0, 0, 0, 0, 0x70, 2, 16, 0, 0, 0, 0, 0];
    tcp.extend_from_slice(&[1, 1, 4, 2, 2, 4, high, low]);
    let mut packet = packet(6, &tcp);
    let sum = !upper_sum(&packet);
    packet[36..38].copy_from_slice(&sum.to_be_bytes());
    packet
}

#[test]
fn a_bpf_node_sorts_by_program_and_cuts_what_matches() {
    let mut lab = lab("bpf", "in", &["yes", "no"]);
    lab.emit("s", &packet(17, &[0; 40]));
    assert_eq!(lab.heard(), [], "a new hook's program matches nothing and leads nowhere");
    lab.call("node:", &bpf::SetProgram(udp_program("in"))).unwrap();
    lab.emit("s", &packet(17, &[0; 40]));
    lab.emit("s", &packet(6, &[0; 40]));
    let heard: Vec<(String, usize)> = lab.heard().into_iter().map(|(hook, frame)| (hook, frame.len())).collect();
    assert_eq!(heard, [("yes".to_owned(), 24), ("no".to_owned(), 60)]);
    let stats = lab.call("node:", &bpf::GetStats(field("in"))).unwrap();
    assert_eq!((stats.received_frames, stats.received_octets, stats.matched_frames), (3, 180, 1));
    let stats = lab.call("node:", &bpf::GetStats(field("yes"))).unwrap();
    assert_eq!((stats.sent_frames, stats.sent_octets), (1, 24));
    lab.rmhook("node:", "yes");
    lab.emit("s", &packet(17, &[]));
    assert_eq!(lab.heard(), [], "the hook for matches is gone");
    lab.connect(".:", "node:", "yes", "yes").unwrap();
    lab.emit("s", &packet(17, &[]));
    assert_eq!(lab.heard().len(), 1, "a hook of that name is found when it comes");
}

#[test]
fn a_bpf_node_refuses_what_the_kernel_refuses() {
    let mut lab = lab("bpf", "in", &[]);
    let mut endless = udp_program("in");
    endless.instructions.pop();
    assert_eq!(lab.call("node:", &bpf::SetProgram(endless)), Err(Errno::EINVAL));
    let long = bpf::Program {
        instructions: vec![bpf::Instruction { code: 6, ..Default::default() }; 513],
        ..udp_program("in")
    };
    assert_eq!(lab.call("node:", &bpf::SetProgram(long)), Err(Errno::EINVAL));
    assert_eq!(lab.call("node:", &bpf::SetProgram(udp_program("out"))), Err(Errno::ENOENT));
    assert_eq!(lab.call("node:", &bpf::GetStats(field("out"))), Err(Errno::ENOENT));
}

#[test]
fn a_tag_that_one_node_adds_another_finds_and_takes_off() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "tag", "s", "in").unwrap();
    lab.name("s", "adds").unwrap();
    lab.mkpeer("adds:", "hub", "out", "a").unwrap();
    lab.mkpeer("adds:out", "tag", "b", "in").unwrap();
    lab.name("adds:out.b", "finds").unwrap();
    for hook in ["tagged", "plain"] {
        lab.connect(".:", "finds:", hook, hook).unwrap();
    }
    lab.listen();
    let mark = tag::Tag { cookie: 7, id: 1, data: ShortBytes::new([1, 2]).unwrap() };
    let straight = tag::Input { hook: field("in"), if_not_match: field("out"), ..Default::default() };
    lab.call("adds:", &tag::SetInput(tag::Padded(straight))).unwrap();
    let sort = tag::Input {
        hook: field("in"),
        if_match: field("tagged"),
        if_not_match: field("plain"),
        strip: 1,
        tag: mark.clone(),
    };
    lab.call("finds:", &tag::SetInput(tag::Padded(sort.clone()))).unwrap();
    assert_eq!(lab.call("finds:", &tag::GetInput(field("in"))), Ok(sort));
    lab.emit("s", b"before");
    let output = tag::Output { hook: field("out"), tag: mark };
    lab.call("adds:", &tag::SetOutput(tag::Padded(output.clone()))).unwrap();
    assert_eq!(lab.call("adds:", &tag::GetOutput(field("out"))), Ok(output));
    lab.emit("s", b"after");
    let heard = lab.heard();
    assert_eq!(heard, [("plain".to_owned(), b"before".to_vec()), ("tagged".to_owned(), b"after".to_vec())]);
}

#[test]
fn a_tcpmss_node_lowers_the_segments_and_keeps_the_checksum_right() {
    let mut lab = lab("tcpmss", "in", &["out"]);
    let config = tcpmss::Config { in_hook: field("in"), out_hook: field("out"), maximum_segment_octets: 1400 };
    lab.emit("s", &syn(1460));
    assert_eq!(lab.heard(), [], "no way was configured");
    lab.call("node:", &tcpmss::SetConfig(config)).unwrap();
    lab.emit("s", &syn(1460));
    lab.emit("s", &syn(1000));
    lab.emit("s", &packet(17, &[0; 8]));
    let heard = lab.heard();
    assert_eq!(heard[0].1[46..48], 1400_u16.to_be_bytes());
    assert_eq!(upper_sum(&heard[0].1), 0xffff);
    assert_eq!(heard[1].1, syn(1000));
    let stats = lab.call("node:", &tcpmss::GetAndClearStats(field("in"))).unwrap();
    assert_eq!((stats.packets, stats.syn_packets, stats.fixed_packets), (3, 2, 1));
    assert_eq!(lab.call("node:", &tcpmss::GetStats(field("in"))).unwrap().maximum_segment_octets, 0, "cleared too");
}

#[test]
fn a_patch_node_computes_in_network_order() {
    let mut lab = lab("patch", "in", &["out"]);
    let operation =
        |offset_octets, length_octets, mode, value| patch::Operation { offset_octets, length_octets, mode, value };
    let config = patch::Config {
        checksum_flags: u64::MAX,
        relative_offset: 0,
        operations: vec![
            operation(0, 1, patch::Mode::Set, 0x1_41),
            operation(1, 2, patch::Mode::Add, 1),
            operation(3, 4, patch::Mode::ShiftLeft, 8),
            operation(6, 2, patch::Mode::Set, 0),
            operation(0, 1, patch::Mode::Divide, 0),
        ],
    };
    assert_eq!(lab.call("node:", &patch::GetConfig), Ok(None));
    lab.call("node:", &patch::SetConfig(config)).unwrap();
    let kept = lab.call("node:", &patch::GetConfig).unwrap().unwrap();
    assert_eq!((kept.checksum_flags, kept.operations[0].value), (0xe0f, 0x41), "what it does not know is dropped");
    lab.emit("s", &[0, 0x12, 0xff, 1, 2, 3, 4]);
    lab.emit("out", b"back");
    let heard = lab.heard();
    assert_eq!(heard[0], ("out".to_owned(), vec![0x41, 0x13, 0, 2, 3, 4, 0]));
    assert_eq!(heard[1], ("s".to_owned(), b"back".to_vec()));
    let stats = lab.call("node:", &patch::GetStats).unwrap();
    assert_eq!((stats.received, stats.patched, stats.dropped), (2, 1, 0));
}

#[test]
fn a_patch_node_counts_from_behind_the_headers() {
    let mut lab = lab("patch", "in", &["out"]);
    lab.call("node:", &patch::SetLinkType(1)).unwrap();
    assert_eq!(lab.call("node:", &patch::SetLinkType(2)), Err(Errno::EINVAL));
    let first = patch::Operation { offset_octets: 0, length_octets: 1, mode: patch::Mode::Set, value: 9 };
    let config = patch::Config { relative_offset: 1, operations: vec![first], ..Default::default() };
    lab.call("node:", &patch::SetConfig(config)).unwrap();
    let mut tagged = frame(1, 2);
    tagged.splice(12..12, [0x81, 0, 0, 7]);
    lab.emit("s", &frame(1, 2));
    lab.emit("s", &tagged);
    lab.emit("s", b"short");
    let heard = lab.heard();
    assert_eq!((heard[0].1[14], heard[1].1[18], heard[2].1.as_slice()), (9, 9, &b"short"[..]));
}

#[test]
fn a_checksum_node_makes_packets_right() {
    let mut lab = lab("checksum", "in", &["out"]);
    let mut udp = packet(17, &[0, 53, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
    let mut tcp = syn(1460);
    for packet in [&mut udp, &mut tcp] {
        packet[10..12].fill(0xaa);
    }
    tcp[36..38].fill(0xbb);
    lab.emit("s", &udp);
    assert_eq!(lab.heard(), [("out".to_owned(), udp.clone())], "as it is without a configuration");
    lab.call("node:", &checksum::SetConfig(checksum::Config { flags: 7, offload: 0 })).unwrap();
    lab.emit("s", &udp);
    lab.emit("s", &tcp);
    let heard = lab.heard();
    for (_, packet) in &heard {
        assert_eq!((sum(&packet[..20]), upper_sum(packet)), (0xffff, 0xffff));
    }
    let mut six = vec![0x60, 0, 0, 0, 0, 20, 0, 64];
    six.extend(
        [[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]]
            .concat(),
    );
    six.extend([17, 0, 1, 4, 0, 0, 0, 0, 0, 53, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
    lab.call("node:", &checksum::SetConfig(checksum::Config { flags: 0x200, offload: 0 })).unwrap();
    lab.emit("s", &six);
    let (_, six) = lab.heard().remove(0);
    assert_eq!(sum(&[&six[8..40], &[0, 17, 0, 12], &six[48..]].concat()), 0xffff);
    let stats = lab.call("node:", &checksum::GetStats).unwrap();
    assert_eq!((stats.received, stats.processed), (4, 3));
}

/// A frame with tags of these VLANs.
fn stacked(vlans: &[u8]) -> Vec<u8> {
    let mut bytes = frame(1, 2);
    let tags: Vec<u8> = vlans.iter().flat_map(|vlan| [0x81, 0, 0, *vlan]).collect();
    bytes.splice(12..12, tags);
    bytes
}

#[test]
fn a_vlan_rotate_node_rotates_there_and_back() {
    let mut lab = lab("vlan_rotate", "ordered", &["original", "excessive", "incomplete"]);
    let config = |rotation, minimum_tags, maximum_tags| vlan_rotate::Config { rotation, minimum_tags, maximum_tags };
    for wrong in [config(0, 0, 11), config(0, 5, 4), config(4, 0, 4), config(-4, 0, 4)] {
        assert_eq!(lab.call("node:", &vlan_rotate::SetConfig(wrong)), Err(Errno::EINVAL));
    }
    lab.call("node:", &vlan_rotate::SetConfig(config(1, 2, 4))).unwrap();
    lab.emit("s", &stacked(&[1, 2, 3]));
    assert_eq!(lab.heard(), [("original".to_owned(), stacked(&[2, 3, 1]))]);
    lab.emit("original", &stacked(&[2, 3, 1]));
    assert_eq!(lab.heard(), [("s".to_owned(), stacked(&[1, 2, 3]))]);
    lab.emit("s", &stacked(&[1, 2, 3, 4, 5]));
    lab.emit("s", &stacked(&[1]));
    let hooks: Vec<String> = lab.heard().into_iter().map(|(hook, _)| hook).collect();
    assert_eq!(hooks, ["excessive", "incomplete"]);
    lab.emit("s", b"too short");
    let stats = lab.call("node:", &vlan_rotate::GetAndClearStats).unwrap();
    assert_eq!((stats.excessive, stats.incomplete, stats.drops, stats.histogram[3]), (1, 1, 1, 2));
}

fn direction(rate: u64, burst: u64, mode: u8) -> car::DirectionConfig {
    car::DirectionConfig {
        committed_burst_octets: burst,
        exceeding_burst_octets: burst,
        committed_bits_per_second: rate,
        peak_bits_per_second: 0,
        green_action: car::ACTION_FORWARD,
        yellow_action: car::ACTION_FORWARD,
        red_action: car::ACTION_DROP,
        mode,
        options: 0,
    }
}

#[test]
fn a_car_node_polices_by_its_buckets() {
    let mut lab = lab("car", "upper", &["lower"]);
    let limit = direction(8_000, 1000, car::MODE_SINGLE_RATE);
    lab.call("node:", &car::SetConfig(car::Config { upstream: limit, downstream: limit })).unwrap();
    for _ in 0..5 {
        lab.emit("s", &[0; 500]);
    }
    // Two packets fill the committed burst, two the exceeding one.
    assert_eq!(lab.heard().len(), 4);
    let stats = lab.call("node:", &car::GetStats).unwrap();
    let down = stats.downstream;
    assert_eq!((down.green, down.yellow, down.red, down.passed, down.dropped), (2, 2, 1, 4, 1));
    // 8 kbit/s are 1000 octets a second.
    lab.pass(501);
    lab.emit("s", &[0; 500]);
    assert_eq!(lab.call("node:", &car::GetStats).unwrap().downstream.green, 3);
    let too_fast = direction(1_000_000_001, 1000, car::MODE_SINGLE_RATE);
    let wrong = car::Config { upstream: limit, downstream: too_fast };
    assert_eq!(lab.call("node:", &car::SetConfig(wrong)), Err(Errno::EINVAL));
}

#[test]
fn a_car_node_shapes_with_a_queue_and_in_order() {
    let mut lab = lab("car", "upper", &["lower"]);
    let shape = direction(80_000, 1000, car::MODE_SHAPE);
    lab.call("node:", &car::SetConfig(car::Config { upstream: shape, downstream: shape })).unwrap();
    for number in 0..6 {
        lab.emit("s", &[number; 1000]);
    }
    assert_eq!(lab.heard().len(), 1, "the burst");
    // 80 kbit/s are a packet of 1000 octets in 100 ms.
    let mut order = Vec::new();
    for _ in 0..5 {
        lab.pass(102);
        order.extend(lab.heard().iter().map(|(_, frame)| frame[0]));
    }
    assert_eq!(order, [1, 2, 3, 4, 5]);
    for number in 0..200 {
        lab.emit("s", &[number; 1000]);
    }
    let stats = lab.call("node:", &car::GetStats).unwrap().downstream;
    assert!(stats.dropped > 100, "the queue is bounded: {}", stats.dropped);
    lab.shutdown("node:").unwrap();
    lab.pass(1000);
}

#[test]
fn a_car_node_marks_and_another_heeds_the_colour() {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "car", "s", "upper").unwrap();
    lab.name("s", "marks").unwrap();
    lab.mkpeer("marks:", "car", "lower", "upper").unwrap();
    lab.name("marks:lower", "heeds").unwrap();
    lab.connect(".:", "heeds:", "out", "lower").unwrap();
    lab.listen();
    let marks = car::DirectionConfig { red_action: car::ACTION_MARK, ..direction(8_000, 100, 0) };
    lab.call("marks:", &car::SetConfig(car::Config { upstream: marks, downstream: marks })).unwrap();
    let heeds = car::DirectionConfig { options: car::OPTION_COLOR_AWARE, ..direction(1_000_000, 100_000, 0) };
    lab.call("heeds:", &car::SetConfig(car::Config { upstream: heeds, downstream: heeds })).unwrap();
    for _ in 0..3 {
        lab.emit("s", &[0; 100]);
    }
    assert_eq!(lab.heard().len(), 2, "the third is red, although the second policer has tokens");
    assert_eq!(lab.call("heeds:", &car::GetStats).unwrap().downstream.red, 1);
}

#[test]
fn a_source_repeats_what_it_was_given_at_its_rate() {
    let mut lab = lab("source", "input", &["output"]);
    lab.heard();
    assert_eq!(lab.call("node:", &source::Start(4)), Err(Errno::ENXIO), "neither interface nor rate");
    for number in [1, 2] {
        lab.emit("s", &[number; 8]);
    }
    let counter = source::Counter {
        offset_octets: 4,
        flags: source::EMBED_ENABLE,
        width_octets: 2,
        next_value: 9,
        minimum: 9,
        maximum: 10,
        increment: 1,
        index: 1,
    };
    lab.call("node:", &source::SetCounter(counter)).unwrap();
    let wrong = source::Counter { width_octets: 3, ..counter };
    assert_eq!(lab.call("node:", &source::SetCounter(wrong)), Err(Errno::EINVAL));
    lab.call("node:", &source::SetPacketsPerSecond(1000)).unwrap();
    lab.call("node:", &source::Start(5)).unwrap();
    assert_eq!(lab.call("node:", &source::Start(5)), Err(Errno::EBUSY));
    lab.pass(20);
    let heard: Vec<(u8, u8)> = lab.heard().iter().map(|(_, frame)| (frame[0], frame[5])).collect();
    assert_eq!(heard, [(1, 9), (2, 10), (1, 9), (2, 10), (1, 9)]);
    let stats = lab.call("node:", &source::GetStats).unwrap();
    assert_eq!((stats.sent_frames, stats.sent_octets, stats.stored_frames, stats.stored_octets), (5, 40, 2, 16));
    assert_eq!(stats.elapsed_time.seconds, 0);
    lab.call("node:", &source::Start(1_000_000)).unwrap();
    lab.rmhook("node:", "output");
    assert!(!lab.exists("node:"), "it goes with its output");
    lab.pass(20);
}
