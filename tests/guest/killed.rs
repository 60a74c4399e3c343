//! kill -9 of a running command, at moments spread over its life; the next command finishes the work.

use std::fmt::Debug;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use cellblock::engine::freebsd::doors::Doors;

use super::faults::LAB;
use super::outcome::{Suite, same};
use super::picture::host_picture;
use super::{Wanted, beside, cellblock, said};

/// So many moments of each command.
const MOMENTS: u32 = 20;

/// What is killed, and what has been there before.
struct Site {
    /// The lab, the same with other addresses and wires, and where records are.
    lab: String,
    edited: String,
    state: PathBuf,
}

pub fn run<D: Doors + Debug>(wanted: &Wanted, doors: &mut dyn FnMut() -> D) -> Suite {
    let mut suite = Suite::new("killed");
    let folder = std::env::temp_dir().join(format!("cellblock-killed-{}", std::process::id()));
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let site = Site { lab: file("lab.yaml"), edited: file("edited.yaml"), state: folder.join("state") };
    let edited =
        LAB.replace("10.203.0.2/16", "10.203.0.3/16").replace(", tc: { delay: 5ms }", "").replace("type: epair, ", "");
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&site.lab, LAB))
        .and_then(|()| std::fs::write(&site.edited, edited));
    if let Err(error) = written {
        suite.case("the lab".to_owned(), Err(error.to_string()));
        return suite;
    }
    let mut machine = doors();
    let before = host_picture(&mut machine);
    for (title, command) in
        [("up", ["up", site.lab.as_str()]), ("an edit", ["up", site.edited.as_str()]), ("down", ["down", "cbfaults"])]
    {
        let Some(whole) = measure(&mut suite, title, command, &site) else { continue };
        for moment in 1..=MOMENTS {
            let name = format!("{title} killed after {moment}/{MOMENTS} of its time");
            if !wanted.fits(&name) {
                continue;
            }
            let outcome = strike(title, command, &site, (moment, whole * moment / (MOMENTS + 1)))
                .and_then(|()| same(&before, &host_picture(&mut machine)));
            suite.case(name, outcome);
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    suite
}

fn require(output: &std::process::Output) -> Result<(), String> {
    if output.status.success() { Ok(()) } else { Err(said(output)) }
}

/// An edit and `down` need a lab that is up.
fn prepare(title: &str, site: &Site) -> Result<(), String> {
    if title == "up" { Ok(()) } else { require(&cellblock(&site.state, &["up", &site.lab])) }
}

/// How long the command takes when nobody kills it; afterwards the lab is not there.
fn measure(suite: &mut Suite, title: &str, command: [&str; 2], site: &Site) -> Option<Duration> {
    let prepared = prepare(title, site);
    let started = Instant::now();
    let outcome = prepared.and_then(|()| require(&cellblock(&site.state, &command)));
    let whole = started.elapsed();
    let swept = if title == "down" { Ok(()) } else { require(&cellblock(&site.state, &["down", "cbfaults"])) };
    suite.case(format!("{title} that nobody kills"), outcome.and(swept)).then_some(whole)
}

fn strike(title: &str, command: [&str; 2], site: &Site, (moment, after): (u32, Duration)) -> Result<(), String> {
    prepare(title, site)?;
    let mut process = beside("cellblock");
    process.args(["--engine", "freebsd", "--load-modules", "--state-dir"]).arg(&site.state).args(command);
    process.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = process.spawn().map_err(|error| error.to_string())?;
    std::thread::sleep(after);
    // SIGKILL; a command that was faster is as good.
    let _ = child.kill();
    child.wait().map_err(|error| error.to_string())?;
    // By `up` and `down`, or by `down` alone: each finds its way.
    if moment.is_multiple_of(2) {
        let file = if title == "down" { site.lab.as_str() } else { command[1] };
        require(&cellblock(&site.state, &["up", file]))?;
        require(&cellblock(&site.state, &["plan", "--detailed-exitcode", file]))?;
    }
    let output = cellblock(&site.state, &["down", "cbfaults"]);
    // Killed before anything was recorded, or after everything was undone, there is no such lab.
    if output.status.code() == Some(66) { Ok(()) } else { require(&output) }
}
