//! kill -9 of a running command, at moments spread over its life; the next command finishes the work.

use std::fmt::Debug;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use cellblock::engine::freebsd::doors::Doors;

use super::faults::LAB;
use super::outcome::{Suite, same};
use super::picture::host_picture;
use super::{Wanted, beside, cellblock, said};

/// So many moments of each command.
const MOMENTS: u32 = 12;

pub fn run<D: Doors + Debug>(wanted: &Wanted, doors: &mut dyn FnMut() -> D) -> Suite {
    let mut suite = Suite::new("killed");
    let state = std::env::temp_dir().join(format!("cellblock-killed-{}", std::process::id()));
    let file = state.with_extension("yaml");
    if let Err(error) = std::fs::write(&file, LAB) {
        suite.case("the lab".to_owned(), Err(error.to_string()));
        return suite;
    }
    let path = file.to_string_lossy().into_owned();
    let mut machine = doors();
    let before = host_picture(&mut machine);
    for command in ["up", "down"] {
        let target = if command == "up" { path.as_str() } else { "cbfaults" };
        let Some(whole) = measure(&mut suite, command, target, &path, &state) else { continue };
        for moment in 1..=MOMENTS {
            let name = format!("{command} killed after {moment}/{MOMENTS} of its time");
            if !wanted.fits(&name) {
                continue;
            }
            let outcome = strike(command, target, &path, &state, whole * moment / (MOMENTS + 1))
                .and_then(|()| same(&before, &host_picture(&mut machine)));
            suite.case(name, outcome);
        }
    }
    let _ = std::fs::remove_file(&file);
    let _ = std::fs::remove_dir_all(&state);
    suite
}

fn require(output: &std::process::Output) -> Result<(), String> {
    if output.status.success() { Ok(()) } else { Err(said(output)) }
}

/// How long the command takes when nobody kills it; afterwards the lab is not there.
fn measure(suite: &mut Suite, command: &str, target: &str, path: &str, state: &Path) -> Option<Duration> {
    let prepared = if command == "down" { require(&cellblock(state, &["up", path])) } else { Ok(()) };
    let started = Instant::now();
    let outcome = prepared.and_then(|()| require(&cellblock(state, &[command, target])));
    let whole = started.elapsed();
    let swept = if command == "up" { require(&cellblock(state, &["down", "cbfaults"])) } else { Ok(()) };
    suite.case(format!("{command} that nobody kills"), outcome.and(swept)).then_some(whole)
}

fn strike(command: &str, target: &str, path: &str, state: &Path, after: Duration) -> Result<(), String> {
    if command == "down" {
        require(&cellblock(state, &["up", path]))?;
    }
    let mut process = beside("cellblock");
    process.args(["--engine", "freebsd", "--load-modules", "--state-dir"]).arg(state).args([command, target]);
    process.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = process.spawn().map_err(|error| error.to_string())?;
    std::thread::sleep(after);
    // SIGKILL; a command that was faster is as good.
    let _ = child.kill();
    child.wait().map_err(|error| error.to_string())?;
    // By `up` and `down`, or by `down` alone: each finds its way.
    if after.as_millis().is_multiple_of(2) {
        require(&cellblock(state, &["up", path]))?;
    }
    let output = cellblock(state, &["down", "cbfaults"]);
    // Killed before anything was recorded, or after everything was undone, there is no such lab.
    if output.status.code() == Some(66) { Ok(()) } else { require(&output) }
}
