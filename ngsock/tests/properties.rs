//! What holds for any bytes, any values and any text.

mod common;

use ngsock::message::Message;
use ngsock::text;
use ngsock::{HookName, NodeName, NodePath, SockaddrNg};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// A command by its place among all and its number, whether its reply is meant, and lengths of payloads it takes.
type Shape = (usize, u32, bool, Vec<usize>);

/// Every command and every reply.
fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (index, commands) in common::ALL.iter().enumerate() {
        for number in common::numbers(commands) {
            for is_reply in [false, true] {
                let fits = |len: &usize| (commands.through_types)(number, is_reply, &vec![0; *len]).is_ok();
                let lens: Vec<usize> = (0..=700).filter(fits).take(200).collect();
                let lens = if lens.is_empty() { whole_lens(commands, number) } else { lens };
                shapes.push((index, number, is_reply, lens));
            }
        }
    }
    assert!(shapes.len() > 400, "there are more commands than {}", shapes.len());
    shapes
}

/// Payloads of one shape, filled with anything; counts are often small.
fn payload((index, number, is_reply, lens): Shape) -> impl Strategy<Value = (usize, u32, bool, Vec<u8>)> {
    let bytes = prop::sample::select(lens).prop_flat_map(|len| {
        let byte = prop_oneof![3 => Just(0_u8), 2 => any::<u8>(), 1 => 0x20_u8..0x7f];
        prop::collection::vec(byte, len)
    });
    let small_count = prop::option::of(0_u8..4);
    (bytes, small_count).prop_map(move |(mut bytes, count)| {
        if let (Some(count), Some(place)) = (count, bytes.first_chunk_mut::<4>()) {
            *place = u32::from(count).to_ne_bytes();
        }
        make_whole(&common::ALL[index], number, is_reply, &mut bytes);
        (index, number, is_reply, bytes)
    })
}

/// Payloads of any shape.
fn payloads() -> impl Strategy<Value = (usize, u32, bool, Vec<u8>)> {
    prop::sample::select(shapes()).prop_flat_map(payload)
}

/// Lengths of payloads that say themselves how long they are, so that zeros are none: a message as a payload, and a
/// socket address.
fn whole_lens(commands: &common::Commands, number: u32) -> Vec<usize> {
    match commands.name {
        "generic" => (56..=120).collect(),
        "ksocket" => (6..=40).collect(),
        name => panic!("no payload of up to 700 zeros is one of {name} {number:#x}"),
    }
}

/// Writes into such a payload how long it is.
fn make_whole(commands: &common::Commands, number: u32, is_reply: bool, bytes: &mut [u8]) {
    let len = bytes.len();
    match (commands.name, number) {
        ("generic", 0x3000_000c | 0x3000_000d) => {
            bytes[0] = 8;
            bytes[4..8].copy_from_slice(&u32::try_from(len - 56).expect("short").to_ne_bytes());
        }
        ("ksocket", 3) if is_reply => bytes[4] = u8::try_from(len - 4).expect("short"),
        ("ksocket", 1 | 4) if !is_reply => bytes[0] = u8::try_from(len).expect("short"),
        ("ksocket", 5 | 6) if is_reply => bytes[0] = u8::try_from(len).expect("short"),
        _ => {}
    }
}

/// No message is left out of what the properties below are tried on, and none of them is only ever refused.
#[test]
fn every_command_and_every_reply_is_among_the_payloads() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for shape in shapes() {
        let (name, number, is_reply) = (common::ALL[shape.0].name, shape.1, shape.2);
        let payload = payload(shape);
        let is_read = (0..1000).any(|_| {
            let tree = payload.new_tree(&mut runner).expect("nothing is filtered");
            let (index, number, is_reply, bytes) = tree.current();
            (common::ALL[index].through_types)(number, is_reply, &bytes).is_ok()
        });
        assert!(is_read, "{name} {number:#x}, reply: {is_reply}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_survive_the_way_through_bytes((index, number, is_reply, bytes) in payloads()) {
        let commands = &common::ALL[index];
        // That the value read from the new bytes is the same is checked within.
        if let Ok(again) = (commands.through_types)(number, is_reply, &bytes) {
            prop_assert_eq!((commands.through_types)(number, is_reply, &again), Ok(again));
        }
    }

    #[test]
    fn values_survive_the_way_through_text((index, number, is_reply, bytes) in payloads()) {
        let commands = &common::ALL[index];
        let Ok(payload) = (commands.through_types)(number, is_reply, &bytes) else { return Ok(()) };
        let Some(command) = text::find(commands.cookie, number) else { return Ok(()) };
        let kind = if is_reply { command.reply } else { command.argument };
        let Some(kind) = kind else { return Ok(()) };
        let printed = kind.print(&payload);
        prop_assert!(printed.is_ok(), "{}: {:?}", command.name, printed);
        let printed = printed.unwrap();
        // The rest of a message is as long as the text when a text is read.
        if command.name.ends_with("opt") {
            return Ok(());
        }
        let read = kind.read(&printed);
        if !common::kernel_reads_back(&printed) {
            return Ok(());
        }
        prop_assert!(read.is_ok(), "{} {}: {:?}", command.name, printed, read);
        let read = read.unwrap();
        prop_assert_eq!(kind.print(&read).unwrap(), printed);
        if read.len() == payload.len() {
            prop_assert_eq!(read, payload);
        }
    }

    #[test]
    fn paths_of_any_form_survive(
        node in prop::option::of(prop_oneof![Just(".".to_owned()), "[a-zA-Z0-9_ /-]{1,31}", "\\[[1-9a-f][0-9a-f]{0,7}\\]"]),
        hooks in prop::collection::vec("[a-zA-Z0-9_-]{1,31}", 0..20),
    ) {
        let text = node.map_or_else(|| hooks.join("."), |node| format!("{node}:{}", hooks.join(".")));
        match NodePath::parse(&text) {
            Ok(path) => {
                prop_assert_eq!(path.to_string(), text.clone());
                prop_assert_eq!(path.hooks().map(|hook| hook.to_string()).collect::<Vec<_>>(), hooks);
                prop_assert_eq!(path.as_address().is_ok(), text.len() <= 32);
            }
            // Too long, nothing at all, or a hook that endangers bridges.
            Err(_) => prop_assert!(text.len() > 511 || text.is_empty() || text.contains("link")),
        }
    }

    #[test]
    fn any_bytes_are_a_name_or_not(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(name) = NodeName::new(&bytes) {
            prop_assert_eq!(name.as_bytes(), bytes.as_slice());
            prop_assert_eq!(NodePath::parse(NodePath::name(&name).as_bytes()), Ok(NodePath::name(&name)));
        }
        if let Ok(name) = HookName::new(&bytes) {
            prop_assert_eq!(NodePath::parse(NodePath::hook(&name).as_bytes()), Ok(NodePath::hook(&name)));
        }
        let _ = NodePath::parse(&bytes);
    }
}

// Each case goes through every command.
proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_taken_in_peace(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::parse(&bytes);
        let _ = SockaddrNg::text(&bytes);
        for commands in common::ALL {
            for number in common::numbers(commands) {
                let _ = (commands.through_types)(number, false, &bytes);
                let _ = (commands.through_types)(number, true, &bytes);
                if let Some(command) = text::find(commands.cookie, number) {
                    let _ = command.print_argument(&bytes);
                    let _ = command.print_reply(&bytes);
                }
            }
        }
    }

    #[test]
    fn any_text_is_taken_in_peace(
        text in prop::collection::vec(
            prop_oneof![
                Just("{ ".to_owned()), Just("} ".to_owned()), Just("[ ".to_owned()), Just("] ".to_owned()),
                Just("=".to_owned()), Just("\"".to_owned()), Just("\\".to_owned()), Just("data=".to_owned()),
                Just("n=".to_owned()), Just("count=".to_owned()), Just("ops=".to_owned()), Just("tag_len=65535 ".to_owned()),
                Just("bpf_prog_len=2147483647 ".to_owned()), Just("inet6/[::1]:".to_owned()), Just("local/".to_owned()),
                "[0-9]{1,20} ", "[a-z]{1,5}", "\\PC{0,4}",
            ],
            0..12,
        ),
    ) {
        let text = text.concat();
        for commands in common::ALL {
            for number in common::numbers(commands) {
                if let Some(command) = text::find(commands.cookie, number) {
                    let _ = command.read_argument(&text);
                    let _ = command.reply.map(|reply| reply.read(&text));
                }
            }
        }
    }
}
