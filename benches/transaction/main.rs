//! What changing without destroying costs: an `up` that finds nothing to do against the dumps that it needs, the difference between a
//! file and a large lab, and the journal's share of an `up`.
//!
//! `cargo bench --bench transaction`, as root for what a Linux kernel is measured by; `-- idle`, `-- difference` or `-- journal` for
//! one of the three. What cannot be measured here is named and left out. Without `--bench`, as `cargo test --benches` calls it, small
//! labs of the simulator show that everything still works.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

mod difference;
mod idle;
#[cfg(target_os = "linux")]
mod journal;
#[cfg(target_os = "linux")]
mod linux;
#[path = "../scale/generate.rs"]
mod scale;
#[cfg(target_os = "linux")]
#[path = "../linux/shape.rs"]
#[allow(dead_code, reason = "the other benchmark of a Linux kernel needs more of it")]
mod shape;
mod subject;
#[cfg(target_os = "linux")]
#[path = "../linux/sys.rs"]
#[allow(dead_code, reason = "the other benchmark of a Linux kernel needs more of it")]
mod sys;

use std::error::Error;
use std::time::{Duration, Instant};

/// How often everything is done.
const ROUNDS: usize = 5;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let measured = words.iter().any(|word| word == "--bench");
    let named = |part: &str| {
        let mut others = words.iter().filter(|word| !word.starts_with("--")).peekable();
        others.peek().is_none() || others.any(|word| word == part)
    };
    if !measured {
        idle::simulated(50, 1)?;
        return difference::run(&[50], 1);
    }
    if named("idle") {
        on_linux("idle")?;
        idle::simulated(1000, ROUNDS)?;
    }
    if named("difference") {
        difference::run(&[1_000, 10_000], ROUNDS)?;
    }
    if named("journal") {
        on_linux("journal")?;
    }
    Ok(())
}

/// Measures the kernel of this machine in namespaces of our own, where that is possible.
#[cfg(target_os = "linux")]
fn on_linux(what: &str) -> Outcome {
    match linux::Ready::make() {
        Ok(ready) if what == "idle" => idle::linux(&ready, 1000, ROUNDS),
        Ok(ready) => journal::run(&ready, &[50, 200, 1000], ROUNDS),
        Err(why) => {
            println!("left out: {what} on Linux: {why}\n");
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn on_linux(what: &str) -> Outcome {
    println!("left out: {what} on Linux: this is another system\n");
    Ok(())
}

/// One of the two.
type Figure = fn(&Spent) -> Duration;

/// What something took: on a busy machine the processor's time says more than the wall's.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    wall: Duration,
    processor: Duration,
}

impl Spent {
    /// The two, and what they are called; only the wall's where the system is not asked for the other.
    const FIGURES: &[(&str, Figure)] = if cfg!(target_os = "linux") {
        &[("wall", |spent| spent.wall), ("cpu", |spent| spent.processor)]
    } else {
        &[("wall", |spent| spent.wall)]
    };
}

impl std::ops::Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { wall: self.wall + other.wall, processor: self.processor + other.processor }
    }
}

fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Spent)> {
    let (began, before) = (Instant::now(), processor_time()?);
    let value = work()?;
    Ok((value, Spent { wall: began.elapsed(), processor: processor_time()? - before }))
}

/// Of this thread.
#[cfg(target_os = "linux")]
fn processor_time() -> Outcome<Duration> {
    Ok(sys::processor_time(libc::RUSAGE_THREAD)?)
}

#[cfg(not(target_os = "linux"))]
fn processor_time() -> Outcome<Duration> {
    Ok(Duration::ZERO)
}

/// The one in the middle, in milliseconds.
fn median(spans: impl Iterator<Item = Duration>) -> f64 {
    let mut spans: Vec<Duration> = spans.collect();
    spans.sort();
    spans.get(spans.len() / 2).map_or(0.0, |span| span.as_secs_f64() * 1e3)
}

/// What a figure is to be at most, and whether it is.
fn aim(value: f64, most: f64, unit: &str) -> String {
    let verdict = if value <= most { "met" } else { "MISSED" };
    format!("aim {most}{unit}: {verdict}")
}

/// How many processes want a processor, where the system tells: figures of a busy machine say less.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().map_or_else(String::new, |load| format!("load {load}"))
}
