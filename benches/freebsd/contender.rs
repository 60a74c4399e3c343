//! Who makes the star and takes it down, and what that took.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::sys;

/// What a stretch of work took.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub wall: Duration,
    /// Processor time of the processes themselves.
    pub user: Duration,
    /// Processor time of the kernel for them.
    pub kernel: Duration,
}

/// One time up and down.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub up: Measured,
    pub down: Measured,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// This program's own floor.
    Floor,
    /// The floor program of somebody else, where the bundle has it compiled.
    OtherFloor,
    /// `up` and `down`, with one of the route doors.
    Cellblock(&'static str),
    /// The shell script beside this file.
    BaseTools,
    /// What IMUNES does, as a script.
    Imunes,
}

/// The floor and those that come near it: measured in every round.
pub const QUICK: [Contender; 4] =
    [Contender::Floor, Contender::Cellblock("netlink"), Contender::Cellblock("rtsock"), Contender::OtherFloor];

/// Those that take so long that noise is no matter: measured once.
pub const SLOW: [Contender; 2] = [Contender::BaseTools, Contender::Imunes];

impl Contender {
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::OtherFloor => "independent floor",
            Self::Cellblock("rtsock") => "cellblock, rtsock",
            Self::Cellblock(_) => "cellblock",
            Self::BaseTools => "base tools",
            Self::Imunes => "imunes-like",
        }
    }

    /// Why it cannot be measured here.
    pub fn is_missing(self) -> Option<String> {
        let file = match self {
            Self::Floor => return None,
            Self::OtherFloor => beside("peers/floor"),
            Self::Cellblock(_) => beside("cellblock"),
            Self::BaseTools => beside("base-tools.sh"),
            Self::Imunes => beside("peers/imunes-like.sh"),
        };
        (!file.is_file()).then(|| format!("there is no {}", file.display()))
    }

    /// Makes the star and takes it down.
    pub fn run(self, nodes: u32, folder: &Path) -> Result<Sample, String> {
        match self {
            Self::Floor => floor(nodes),
            Self::OtherFloor => other_floor(nodes),
            Self::Cellblock(door) => cellblock(nodes, folder, door),
            Self::BaseTools => script(&beside("base-tools.sh"), nodes),
            Self::Imunes => script(&beside("peers/imunes-like.sh"), nodes),
        }
    }
}

/// The star as a lab.
pub fn lab(nodes: u32) -> String {
    format!(
        "version: 1\nname: bench\naddressing:\n  lan: {{ ipv4: 10.64.0.0/16, prefix: 16 }}\ntopology:\n  nodes:\n    \
         centre: {{ kind: switch, pool: lan }}\n    \"h${{n}}\": {{ kind: host, each: {{ n: 1..{nodes} }}, index: \
         \"${{n}}\" }}\n  links:\n    - {{ each: {{ n: 1..{nodes} }}, endpoints: [ \"h${{n}}:eth0\", centre ] }}\n"
    )
}

/// What the bundle has beside this program.
pub fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().unwrap_or(Path::new(".")).join(name)
}

/// The words of `up` and `down` for the star; the file is written.
pub fn words(verb: &str, nodes: u32, folder: &Path, door: &str) -> Result<Vec<String>, String> {
    let file = folder.join("bench.yaml");
    let target = if verb == "up" {
        std::fs::write(&file, lab(nodes)).map_err(|error| error.to_string())?;
        file.to_string_lossy().into_owned()
    } else {
        "bench".to_owned()
    };
    let state = folder.join("state").to_string_lossy().into_owned();
    let options =
        ["--engine", "freebsd", "--load-modules", "-q", "--route-door", door, "--state-dir", &state, verb, &target];
    Ok(options.map(str::to_owned).to_vec())
}

/// Runs a command; it must succeed.
fn measured(command: &mut Command) -> Result<Measured, String> {
    let before = sys::usage(libc::RUSAGE_CHILDREN);
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let wall = started.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("{command:?}: {}: {said}", output.status));
    }
    let after = sys::usage(libc::RUSAGE_CHILDREN);
    Ok(Measured { wall, user: after.0.saturating_sub(before.0), kernel: after.1.saturating_sub(before.1) })
}

/// The floor runs as a process of its own, as the others do; it measures itself and prints six numbers.
fn floor(nodes: u32) -> Result<Sample, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(own).args(["floor", &nodes.to_string()]).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let spans: Option<Vec<Duration>> =
        said.split(' ').map(|word| word.parse().ok().map(Duration::from_secs_f64)).collect();
    match spans.as_deref() {
        Some(&[up, up_user, up_kernel, down, down_user, down_kernel]) => Ok(Sample {
            up: Measured { wall: up, user: up_user, kernel: up_kernel },
            down: Measured { wall: down, user: down_user, kernel: down_kernel },
        }),
        _ => Err(said),
    }
}

/// It does both in one go, and prints how long the way up took and what each node took on the way down.
fn other_floor(nodes: u32) -> Result<Sample, String> {
    let before = sys::usage(libc::RUSAGE_CHILDREN);
    let output =
        Command::new(beside("peers/floor")).arg(nodes.to_string()).output().map_err(|error| error.to_string())?;
    let after = sys::usage(libc::RUSAGE_CHILDREN);
    let said = String::from_utf8_lossy(&output.stdout);
    let milliseconds = |line: &str| {
        let found = said.lines().find_map(|printed| printed.strip_prefix(line))?;
        found.split_whitespace().next()?.parse::<f64>().ok()
    };
    let (Some(up), Some(eifaces), Some(jails)) =
        (milliseconds("TOTAL up"), milliseconds("eif down"), milliseconds("jail rm"))
    else {
        return Err(format!("{}: {said}", output.status));
    };
    let of =
        |milliseconds: f64, user, kernel| Measured { wall: Duration::from_secs_f64(milliseconds / 1e3), user, kernel };
    // Its processor time is known for both ways together only.
    let (user, kernel) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    let down = of((eifaces + jails) * f64::from(nodes), Duration::ZERO, Duration::ZERO);
    Ok(Sample { up: of(up, user, kernel), down })
}

fn cellblock(nodes: u32, folder: &Path, door: &str) -> Result<Sample, String> {
    let run = |verb: &str| measured(Command::new(beside("cellblock")).args(words(verb, nodes, folder, door)?));
    let up = run("up");
    let down = run("down");
    Ok(Sample { up: up?, down: down? })
}

/// What the scripts use: a jail cannot load modules, and waits for ever for what it cannot make.
const MODULES: [&str; 5] = ["ng_socket", "ng_eiface", "ng_bridge", "ng_ether", "ng_pipe"];

/// A script that did not end after so many seconds does not end: one step of it was too slow for its own time limit.
const SCRIPT: &str = "600";

fn script(path: &Path, nodes: u32) -> Result<Sample, String> {
    measured(Command::new("kldload").arg("-n").args(MODULES))?;
    let run = |verb: &str| {
        let mut command = Command::new("timeout");
        measured(command.args([SCRIPT, "/bin/sh"]).arg(path).arg(nodes.to_string()).arg(verb))
    };
    let up = run("up");
    let down = run("down");
    Ok(Sample { up: up?, down: down? })
}
