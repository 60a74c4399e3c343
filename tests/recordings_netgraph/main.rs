//! The netgraph of the simulated kernel against recordings of a real one, byte for byte.
//!
//! `CELLBLOCK_SHARED` names the folder that has `fixtures/freebsd-15.1/netgraph.jsonl`, which must replay to the last
//! line and with the recorded numbers of nodes and interfaces; only Ethernet addresses of the kernel's making and the
//! number of a process are not compared. `CELLBLOCK_RECORDINGS` may name a folder with further files of the same form
//! (`*.jsonl`), from other boots: there, numbers are mapped.

#![allow(clippy::unwrap_used, reason = "a recording that cannot be read is a failed test")]
#![expect(clippy::print_stdout, reason = "the figures of a replay are its result")]

#[path = "../../ngsock/examples/ngctl/app/mod.rs"]
#[allow(dead_code, reason = "of the example only the commands are of use")]
mod app;
mod further;
#[path = "../../ngsock/examples/kernel/mod.rs"]
#[allow(dead_code, reason = "of the example only the commands are of use")]
mod kernel;
mod replay;
mod shell;

use std::path::Path;

use serde_json::Value;

use replay::Replay;

#[test]
fn the_netgraph_recording_replays() {
    let Ok(shared) = std::env::var("CELLBLOCK_SHARED") else {
        println!("skipped: CELLBLOCK_SHARED does not name the folder of the recordings");
        return;
    };
    let outcome = replay(&Path::new(&shared).join("fixtures/freebsd-15.1/netgraph.jsonl"), Replay::exact());
    assert!(outcome.differences.is_empty(), "{}", outcome.complaint());
    assert_eq!(outcome.covered, outcome.total);
}

#[test]
fn further_recordings_replay() {
    let Some(folder) = std::env::var_os("CELLBLOCK_RECORDINGS") else {
        println!("skipped: CELLBLOCK_RECORDINGS does not name a folder of further recordings");
        return;
    };
    let complaints = further::replay_all(Path::new(&folder)).unwrap_or_else(|error| panic!("{error}"));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// What came of a file.
struct Outcome {
    total: usize,
    /// Lines that were replayed and compared.
    covered: usize,
    /// Commands that the simulator does not have, and how often.
    unknown: Vec<String>,
    differences: Vec<String>,
}

impl Outcome {
    fn complaint(&self) -> String {
        format!("{} lines differ:\n{}", self.differences.len(), self.differences.join("\n"))
    }
}

fn replay(path: &Path, mut replay: Replay) -> Outcome {
    let lines = read(path);
    replay.boot(&lines);
    for (index, line) in lines.iter().enumerate() {
        replay.line(index + 1, line);
    }
    let Replay { covered, unknown, differences, .. } = replay;
    let outcome = Outcome { total: lines.len(), covered, unknown, differences };
    println!("{}: {covered}/{} lines", path.display(), outcome.total);
    for command in &outcome.unknown {
        println!("  not compared, as the simulator does not have it: {command}");
    }
    outcome
}

fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parsed = |(index, line): (usize, &str)| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{}, line {}: {error}", path.display(), index + 1))
    };
    text.lines().enumerate().map(parsed).collect()
}
