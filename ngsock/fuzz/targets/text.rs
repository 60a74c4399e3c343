//! Any text as the argument or reply of any command.
//!
//! What can be read is printed, and what was printed can be read again and is printed the same, where the kernel could.

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ngsock::text::{self, Type};

static TYPES: LazyLock<Vec<(&str, &Type)>> = LazyLock::new(|| {
    let commands = common::ALL.iter().flat_map(|commands| {
        common::numbers(commands).into_iter().filter_map(|number| text::find(commands.cookie, number))
    });
    let types = commands
        .flat_map(|command| [command.argument, command.reply].into_iter().flatten().map(|kind| (command.name, kind)));
    // A socket option's value is as long as the rest of the message, whatever the text says.
    types.filter(|(name, _)| !name.ends_with("opt")).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, text)) = bytes.split_first() else { return };
    let (_, kind) = TYPES[usize::from(choice) % TYPES.len()];
    let Ok(payload) = kind.read(text) else { return };
    // A text that is as long as its field has room may print to something longer than the reader takes.
    let Ok(printed) = kind.print(&payload) else { return };
    if common::kernel_reads_back(&printed)
        && let Ok(again) = kind.read(&printed)
    {
        assert_eq!(kind.print(&again), Ok(printed));
    }
});
