//! How fast on Linux: star and ring of N nodes by the floor (the fewest system calls that make the same things), by `up` and `down`, by
//! a shell script of `ip` commands, by `ip -batch` and by Mininet, in turns in one run; medians, and how they stand to the floor.
//!
//! As root: `cargo bench --bench linux`, or with `-- [--shapes star,ring] [--sizes 50,200,1000] [--rounds 5] [--who floor,up,…]
//! [--patience 50]`: who has taken so many seconds for one shape and size has no further turn. All of it takes a quarter of an hour.
//! Every run is a process in namespaces of its own with a /run of its own. What is not installed is named and left out.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

#[cfg(target_os = "linux")]
mod aims;
#[cfg(target_os = "linux")]
mod floor;
#[cfg(target_os = "linux")]
mod independent;
#[cfg(target_os = "linux")]
mod lab;
#[cfg(target_os = "linux")]
mod others;
#[cfg(target_os = "linux")]
mod settle;
#[cfg(target_os = "linux")]
mod shape;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod table;

use std::process::ExitCode;
#[cfg(target_os = "linux")]
use std::time::Duration;

/// How long one run took.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
struct Figures {
    /// Until everything was made.
    create: Duration,
    /// The time of processors that it took, where one process does it.
    worked: Option<Duration>,
    /// Until it was read back as well.
    up: Option<Duration>,
    /// Until the removal returned.
    returned: Duration,
    /// Until the kernel had done what it was told, from the beginning of the removal.
    settled: Option<Duration>,
    /// The time of processors that the removal took until it returned, where it was a program of its own.
    processor: Option<Duration>,
    /// Frames that crossed the switch while nobody did anything.
    frames: Option<u64>,
}

/// How long everybody's lab stands before it is removed: what interfaces do by themselves when they are new takes a moment, and what
/// they have done has to be taken away, too.
#[cfg(target_os = "linux")]
const STANDS: Duration = Duration::from_secs(1);

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["one", who, shape, nodes] => table::one(who, shape, nodes),
        _ => table::all(&words),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("linux: {why}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("linux: measures a Linux kernel, and this is none");
    ExitCode::SUCCESS
}
