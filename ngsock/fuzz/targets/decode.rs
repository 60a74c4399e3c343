//! Any bytes as a datagram, and any payload as that of any command.
//!
//! What can be read is written and read again, and must be the same.

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ngsock::message::Message;
use ngsock::text;

static COMMANDS: LazyLock<Vec<(&common::Commands, u32)>> = LazyLock::new(|| {
    let all = common::ALL.iter();
    all.flat_map(|commands| common::numbers(commands).into_iter().map(move |number| (commands, number))).collect()
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::parse(bytes) {
        let header = message.header;
        if let Some(commands) = common::of_cookie(header.cookie) {
            check(commands, header.command, header.is_reply(), message.payload);
        }
    }
    // The first byte chooses the command, the second whether it is a reply.
    if let Some((&[choice, is_reply], payload)) = bytes.split_first_chunk() {
        let (commands, number) = COMMANDS[usize::from(choice) % COMMANDS.len()];
        check(commands, number, is_reply & 1 != 0, payload);
    }
});

fn check(commands: &common::Commands, number: u32, is_reply: bool, payload: &[u8]) {
    if let Ok(again) = (commands.through_types)(number, is_reply, payload) {
        assert_eq!((commands.through_types)(number, is_reply, &again), Ok(again));
    }
    if let Some(command) = text::find(commands.cookie, number) {
        let _ = if is_reply { command.print_reply(payload) } else { command.print_argument(payload) };
    }
}
