//! Rounds at every size, and the figures with their ratios.
//!
//! A machine's speed drifts, an emulated one's more than others: those that are near each other take turns, every round begins
//! with another of them, and a ratio is one of the same round. What is printed is the median of the rounds.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::contender::{Contender, Measured, QUICK, SLOW, Sample};
use super::{calls, sys};

/// What was measured of one contender: a sample of each round.
struct Row {
    who: Contender,
    samples: Vec<Sample>,
}

/// One of the two ways.
type Way = fn(&Sample) -> Measured;
const WAYS: [(&str, Way); 2] = [("up", |sample| sample.up), ("down", |sample| sample.down)];

pub fn run(sizes: &[u32], rounds: usize) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("cellblock-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    println!("{}", sys::machine());
    let mut tables = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        // Scripts take minutes: they are measured at the first size alone.
        let rows = everybody(*size, rounds, number == 0, &folder);
        print(*size, &rows);
        tables.push((*size, rows));
    }
    growth(&tables);
    calls::run(&folder);
    std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())
}

/// A row of each who can be measured here; the others say why not.
fn everybody(nodes: u32, rounds: usize, scripts: bool, folder: &Path) -> Vec<Row> {
    println!("star of {nodes}, seconds, median of {rounds} rounds (least to most):");
    let here = |who: &Contender| match who.is_missing() {
        None => true,
        Some(why) => {
            println!("  {}: not measured: {why}", who.name());
            false
        }
    };
    let mut quick: Vec<Contender> = QUICK.into_iter().filter(here).collect();
    let mut rows: Vec<Row> = quick.iter().map(|who| Row { who: *who, samples: Vec::new() }).collect();
    // The first of all fills caches, and ours loads what modules are missing for itself and the floor: they do not count.
    measure(&mut rows, Contender::Cellblock("netlink"), 1, folder);
    measure(&mut rows, Contender::Floor, 1, folder);
    rows.iter_mut().for_each(|row| row.samples.clear());
    for _ in 0..rounds {
        for who in &quick {
            measure(&mut rows, *who, nodes, folder);
        }
        quick.rotate_left(1);
    }
    if scripts {
        for who in SLOW.into_iter().filter(here) {
            rows.push(Row { who, samples: Vec::new() });
            measure(&mut rows, who, nodes, folder);
        }
    }
    rows
}

/// Once up and down; one that cannot do it says why and has a sample less.
fn measure(rows: &mut [Row], who: Contender, nodes: u32, folder: &Path) {
    match who.run(nodes, folder) {
        Ok(sample) => rows.iter_mut().filter(|row| row.who == who).for_each(|row| row.samples.push(sample)),
        Err(why) => println!("  {}: failed: {why}", who.name()),
    }
}

fn print(nodes: u32, rows: &[Row]) {
    let of = |who: Contender| rows.iter().find(|row| row.who == who);
    let (floor, ours) = (of(Contender::Floor), of(Contender::Cellblock("netlink")));
    for (way, take) in WAYS {
        println!(
            "  {way:22} {:>8} {:>17} {:>8} {:>8} {:>9} {:>8} {:>8}",
            "seconds", "", "own", "kernel", "ms/node", "/floor", "/ours"
        );
        for row in rows {
            let seconds = |part: fn(Measured) -> Duration| {
                sorted(row.samples.iter().map(|sample| part(take(sample)).as_secs_f64()))
            };
            let walls = seconds(|measured| measured.wall);
            let (Some(least), Some(most)) = (walls.first(), walls.last()) else { continue };
            let mut line = format!("  {:22} {:8.3}", row.who.name(), median(&walls));
            // Writing to a string cannot fail.
            let _ = write!(line, " {:>17}", format!("({least:.3} to {most:.3})"));
            for part in [|measured: Measured| measured.user, |measured: Measured| measured.kernel] {
                let _ = write!(line, " {:8.3}", median(&seconds(part)));
            }
            let _ = write!(line, " {:9.2}", median(&walls) * 1e3 / f64::from(nodes));
            for other in [floor, ours] {
                match other.and_then(|other| ratio(row, other, take)) {
                    Some(ratio) => {
                        let _ = write!(line, " {ratio:8.2}");
                    }
                    None => line.push_str("        -"),
                }
            }
            println!("{line}");
        }
    }
}

/// How many times as long one took as another: round by round where both have the same rounds, else by their medians.
fn ratio(row: &Row, other: &Row, take: Way) -> Option<f64> {
    let seconds =
        |row: &Row| -> Vec<f64> { row.samples.iter().map(|sample| take(sample).wall.as_secs_f64()).collect() };
    let (of, to) = (seconds(row), seconds(other));
    if of.is_empty() || to.is_empty() || to.contains(&0.0) {
        return None;
    }
    if of.len() == to.len() {
        return Some(median(&sorted(of.iter().zip(&to).map(|(of, to)| of / to))));
    }
    Some(median(&sorted(of.into_iter())) / median(&sorted(to.into_iter())))
}

/// Milliseconds per node at every size: a straight line stays what it is.
fn growth(tables: &[(u32, Vec<Row>)]) {
    println!("growth, ms per node:");
    for who in QUICK {
        for (way, take) in WAYS {
            let told: Vec<String> = tables
                .iter()
                .filter_map(|(nodes, rows)| {
                    let row = rows.iter().find(|row| row.who == who && !row.samples.is_empty())?;
                    let walls = sorted(row.samples.iter().map(|sample| take(sample).wall.as_secs_f64()));
                    Some(format!("{nodes}: {:.2}", median(&walls) * 1e3 / f64::from(*nodes)))
                })
                .collect();
            if !told.is_empty() {
                println!("  {:18} {way:4} {}", who.name(), told.join("   "));
            }
        }
    }
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// The middle one of sorted numbers, the lower of two.
fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}
