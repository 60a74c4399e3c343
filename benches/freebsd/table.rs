//! Runs everybody at every size, and prints the figures and their ratios.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::sys;

/// Who made a star and took it down again.
struct Row {
    who: &'static str,
    up: Measured,
    down: Measured,
}

/// How long a command took, and how much of the processor it used itself and in the kernel.
#[derive(Clone, Copy)]
struct Measured {
    wall: Duration,
    user: Duration,
    system: Duration,
}

/// The star as a lab: 64 hosts to a page of the address pool.
fn lab(nodes: u32) -> String {
    format!(
        "version: 1\nname: bench\naddressing:\n  lan: {{ ipv4: 10.64.0.0/16, prefix: 16 }}\ntopology:\n  nodes:\n    \
         centre: {{ kind: switch, pool: lan }}\n    \"h${{n}}\": {{ kind: host, each: {{ n: 1..{nodes} }}, index: \
         \"${{n}}\" }}\n  links:\n    - {{ each: {{ n: 1..{nodes} }}, endpoints: [ \"h${{n}}:eth0\", centre ] }}\n"
    )
}

fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().unwrap_or(Path::new(".")).join(name)
}

/// Runs a command; it must succeed.
fn measured(command: &mut Command) -> Result<Measured, String> {
    let before = sys::children();
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let wall = started.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("{command:?}: {}: {said}", output.status));
    }
    let after = sys::children();
    Ok(Measured { wall, user: after.0.saturating_sub(before.0), system: after.1.saturating_sub(before.1) })
}

pub fn run(sizes: &[u32]) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("cellblock-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let mut floors = Vec::new();
    for size in sizes {
        println!("star of {size}, seconds:");
        let rows = everybody(*size, &folder);
        floors.push((*size, print(*size, &rows)));
    }
    growth(&floors);
    calls(&folder);
    std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())
}

/// A row of each who can be measured here; the others say why not.
fn everybody(nodes: u32, folder: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |who: &'static str, outcome: Result<(Measured, Measured), String>| match outcome {
        Ok((up, down)) => rows.push(Row { who, up, down }),
        Err(why) => println!("  {who}: not measured: {why}"),
    };
    add("floor", floor(nodes));
    add("cellblock", cellblock(nodes, folder, "netlink"));
    add("cellblock, rtsock", cellblock(nodes, folder, "rtsock"));
    // Again, after the others: how much the figures drift within a boot.
    add("floor again", floor(nodes));
    add("base tools", script(&beside("base-tools.sh"), &[nodes.to_string()]));
    let peer = beside("peers/imunes-like.sh");
    if peer.is_file() {
        add("imunes-like", script(&peer, &[nodes.to_string()]));
    } else {
        println!("  imunes-like: not measured: it is not in the bundle (CELLBLOCK_SHARED was not set)");
    }
    let peer = beside("peers/floor");
    if peer.is_file() {
        match measured(Command::new(&peer).arg(nodes.to_string())) {
            Ok(both) => println!("  the independent floor, up and down together: {:.3}", both.wall.as_secs_f64()),
            Err(why) => println!("  the independent floor: not measured: {why}"),
        }
    }
    rows
}

/// The floor runs as a process of its own, so that its children count too.
fn floor(nodes: u32) -> Result<(Measured, Measured), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(own).args(["floor", &nodes.to_string()]).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut spans = said.split(' ').map(|word| word.parse().map(Duration::from_secs_f64));
    match (spans.next(), spans.next()) {
        (Some(Ok(up)), Some(Ok(down))) => {
            let of = |wall| Measured { wall, user: Duration::ZERO, system: wall };
            Ok((of(up), of(down)))
        }
        _ => Err(said),
    }
}

fn cellblock(nodes: u32, folder: &Path, door: &str) -> Result<(Measured, Measured), String> {
    let file = folder.join("bench.yaml");
    std::fs::write(&file, lab(nodes)).map_err(|error| error.to_string())?;
    let run = |verb: &str, target: &str| {
        let mut command = Command::new(beside("cellblock"));
        command.args(["--engine", "freebsd", "--load-modules", "-q", "--route-door", door, "--state-dir"]);
        measured(command.arg(folder.join("state")).args([verb, target]))
    };
    let up = run("up", &file.to_string_lossy());
    let down = run("down", "bench");
    Ok((up?, down?))
}

fn script(path: &Path, arguments: &[String]) -> Result<(Measured, Measured), String> {
    let run = |verb: &str| measured(Command::new("/bin/sh").arg(path).args(arguments).arg(verb));
    let up = run("up");
    let down = run("down");
    Ok((up?, down?))
}

/// How long up and down took, where both were measured.
type Walls = Option<(Duration, Duration)>;

/// The table of one size; the seconds of floor and cellblock.
fn print(nodes: u32, rows: &[Row]) -> [Walls; 2] {
    let wall = |who: &str| rows.iter().find(|row| row.who == who).map(|row| (row.up.wall, row.down.wall));
    let (floor, ours) = (wall("floor"), wall("cellblock"));
    let ratio = |a: Duration, b: Option<Duration>| match b {
        Some(b) if !b.is_zero() => format!("{:6.2}", a.as_secs_f64() / b.as_secs_f64()),
        _ => "     -".to_owned(),
    };
    println!("  {:20} {:>8} {:>8} {:>8} {:>6} {:>6}   down", "up", "seconds", "user", "kernel", "/floor", "/ours");
    for row in rows {
        let mut line = format!("  {:20}", row.who);
        for (measured, of_floor, of_ours) in [
            (row.up, floor.map(|floor| floor.0), ours.map(|ours| ours.0)),
            (row.down, floor.map(|floor| floor.1), ours.map(|ours| ours.1)),
        ] {
            let seconds = [measured.wall, measured.user, measured.system].map(|span| span.as_secs_f64());
            // Writing to a string cannot fail.
            let _ = write!(
                line,
                " {:8.3} {:8.3} {:8.3} {} {}  ",
                seconds[0],
                seconds[1],
                seconds[2],
                ratio(measured.wall, of_floor),
                ratio(measured.wall, of_ours)
            );
        }
        println!("{}", line.trim_end());
    }
    if let Some((up, down)) = ours {
        let each = |span: Duration| span.as_secs_f64() * 1e3 / f64::from(nodes);
        println!("  cellblock, ms per node: up {:.2}, down {:.2}", each(up), each(down));
    }
    [floor, ours]
}

/// Milliseconds per node at every size: a straight line stays what it is.
fn growth(sizes: &[(u32, [Walls; 2])]) {
    println!("growth, ms per node:");
    for (who, at) in [("floor", 0), ("cellblock", 1)] {
        let each = |nodes: u32, span: Duration| span.as_secs_f64() * 1e3 / f64::from(nodes);
        let told = sizes.iter().filter_map(|(nodes, figures)| {
            let (up, down) = figures[at]?;
            Some(format!("{nodes}: up {:.2} down {:.2}", each(*nodes, up), each(*nodes, down)))
        });
        println!("  {who:10} {}", told.collect::<Vec<_>>().join("   "));
    }
}

/// System calls of one more node: of a star of 16 less those of a star of 8, by 8. Counted by ktrace(1), children included.
fn calls(folder: &Path) {
    println!("system calls per node:");
    let count = |who: &str, nodes: u32| -> Result<(u64, u64), String> {
        if who == "floor" {
            let own = std::env::current_exe().map_err(|error| error.to_string())?;
            let words = ["floor".to_owned(), nodes.to_string()];
            return Ok((traced(&own, &words, folder)?, 0));
        }
        let file = folder.join("bench.yaml");
        std::fs::write(&file, lab(nodes)).map_err(|error| error.to_string())?;
        let words = |verb: &str, target: String| -> Vec<String> {
            let state = folder.join("state").to_string_lossy().into_owned();
            ["--engine", "freebsd", "--load-modules", "-q", "--state-dir"]
                .map(str::to_owned)
                .into_iter()
                .chain([state, verb.to_owned(), target])
                .collect()
        };
        let up = traced(&beside("cellblock"), &words("up", file.to_string_lossy().into_owned()), folder)?;
        let down = traced(&beside("cellblock"), &words("down", "bench".to_owned()), folder)?;
        Ok((up, down))
    };
    for who in ["floor", "cellblock"] {
        match (count(who, 8), count(who, 16)) {
            (Ok(few), Ok(many)) => {
                let each = |few: u64, many: u64| many.saturating_sub(few) / 8;
                if who == "floor" {
                    println!("  floor      up and down {}", each(few.0, many.0));
                } else {
                    println!("  cellblock  up {}, down {}", each(few.0, many.0), each(few.1, many.1));
                }
            }
            (Err(why), _) | (_, Err(why)) => println!("  {who}: not counted: {why}"),
        }
    }
}

fn traced(program: &Path, arguments: &[String], folder: &Path) -> Result<u64, String> {
    let trace = folder.join("trace");
    let output = Command::new("ktrace")
        .args(["-i", "-t", "c", "-f"])
        .arg(&trace)
        .arg(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("ktrace: {error}"))?;
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    }
    let dump = Command::new("kdump").arg("-f").arg(&trace).output().map_err(|error| format!("kdump: {error}"))?;
    let lines = String::from_utf8_lossy(&dump.stdout);
    let _ = std::fs::remove_file(&trace);
    Ok(u64::try_from(lines.lines().filter(|line| line.contains(" CALL ")).count()).unwrap_or(u64::MAX))
}
