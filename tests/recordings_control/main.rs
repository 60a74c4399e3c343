//! Replays what a FreeBSD 15.1 kernel was asked through ioctl, netlink, PF_ROUTE and jail calls against the simulated
//! kernel, in the recorded order, and compares errno and bytes. Kernel-made MACs, times, statistics, pointers and
//! numbers of next hops are masked; interface indexes and jids are not.
//!
//! What is not replayed is printed with its reason; what is replayed and differs fails the test unless it stands in
//! the file's list of known differences, which also fails when a difference is gone.

#![expect(clippy::print_stdout, reason = "the figures of a replay are its result")]

mod ioctl;
mod jail;
mod mask;
mod netlink;
mod report;
mod route;
mod shell;
mod world;

use std::path::PathBuf;

use serde_json::Value;

/// The lines of a recording, or `None` with a note if the recordings are not there.
fn lines(file: &str) -> Option<Vec<Value>> {
    let Some(shared) = std::env::var_os("CELLBLOCK_SHARED") else {
        println!("skipped: CELLBLOCK_SHARED is not set, so there are no recordings to replay");
        return None;
    };
    let path = PathBuf::from(shared).join("fixtures/freebsd-15.1").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a recording is JSON")).collect())
}

/// The bytes of a hex field.
fn bytes(line: &Value, key: &str) -> Option<Vec<u8>> {
    hex(line.get(key)?.as_str()?)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

fn show(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn errno(line: &Value) -> i32 {
    line.get("errno").and_then(Value::as_i64).and_then(|errno| i32::try_from(errno).ok()).unwrap_or(0)
}
