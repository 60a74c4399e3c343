//! Runs everybody in turns, and prints the figures and their ratios.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use super::shape::Shape;
use super::{Figures, aims, floor, independent, lab, others, sys};

/// Where the independent floor program is told to be.
const INDEPENDENT: &str = "CELLBLOCK_BENCH_FLOOR";
const EVERYBODY: &[&str] = &["floor", "independent", "up", "wait", "batch", "script", "mininet"];

/// One run in namespaces of its own; its figures as one line of milliseconds.
pub fn one(who: &str, shape: &str, nodes: &str) -> Result<(), String> {
    let say = |error: io::Error| format!("{who}: {error}");
    let (Some(shape), Ok(nodes)) = (Shape::of(shape), nodes.parse::<u32>()) else {
        return Err("one WHO star|ring N".to_owned());
    };
    alone().map_err(say)?;
    let figures = match who {
        "floor" => floor::run(shape, nodes),
        "independent" => independent::run(Path::new(&env::var_os(INDEPENDENT).unwrap_or_default()), shape, nodes),
        "up" => lab::run(shape, nodes, false),
        "wait" => lab::run(shape, nodes, true),
        "batch" => others::scripts(shape, nodes, true),
        "script" => others::scripts(shape, nodes, false),
        "mininet" => others::mininet(nodes),
        _ => return Err(format!("nobody is called `{who}`: {}", EVERYBODY.join(", "))),
    };
    let figures = figures.map_err(say)?;
    let number =
        |span: Option<Duration>| span.map_or_else(|| "-".to_owned(), |span| format!("{:.3}", milliseconds(span)));
    let Figures { create, worked, up, returned, settled, processor, frames } = figures;
    let times = [Some(create), up, Some(returned), settled, processor, worked].map(number);
    let frames = frames.map_or_else(|| "-".to_owned(), |frames| frames.to_string());
    println!("{} {frames}", times.join(" "));
    Ok(())
}

fn alone() -> io::Result<()> {
    sys::raise_descriptor_limit()?;
    sys::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS)?;
    sys::mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE)?;
    sys::mount(c"bench", c"/run", c"tmpfs", 0)?;
    fs::create_dir("/run/netns")
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

struct Options {
    shapes: Vec<Shape>,
    sizes: Vec<u32>,
    rounds: usize,
    who: Vec<String>,
    /// How long anybody may take for one shape and size in all; a run that was begun is ended.
    patience: Duration,
}

fn options(words: &[&str]) -> Result<Options, String> {
    let mut options = Options {
        shapes: vec![Shape::Star, Shape::Ring],
        sizes: vec![50, 200, 1000],
        rounds: 5,
        who: EVERYBODY.iter().map(|who| (*who).to_owned()).collect(),
        patience: Duration::from_secs(50),
    };
    for pair in words.chunks(2) {
        let &[name, value] = pair else { return Err(format!("`{}` wants a value", pair[0])) };
        let wrong = || format!("{name} `{value}`: no such value");
        let list = value.split(',');
        match name {
            "--shapes" => options.shapes = list.map(Shape::of).collect::<Option<_>>().ok_or_else(wrong)?,
            "--sizes" => options.sizes = list.map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?,
            "--rounds" => options.rounds = value.parse().map_err(|_| wrong())?,
            "--who" => options.who = list.map(str::to_owned).collect(),
            "--patience" => options.patience = Duration::from_secs(value.parse().map_err(|_| wrong())?),
            _ => return Err(format!("no option `{name}`: --shapes, --sizes, --rounds, --who, --patience")),
        }
    }
    Ok(options)
}

pub fn all(words: &[&str]) -> Result<(), String> {
    let mut options = options(words)?;
    let folder = env::temp_dir().join(format!("cellblock-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let independent = folder.join("floor");
    options.who.retain(|who| match missing(who, &independent) {
        None => true,
        Some(why) => {
            println!("left out: {who}: {why}");
            false
        }
    });
    let mut floors = BTreeMap::new();
    for shape in &options.shapes {
        for size in &options.sizes {
            let rows = everybody(&options, *shape, *size, &independent);
            let medians = print(*shape, *size, &rows);
            floors.insert((shape.word(), *size), medians);
        }
    }
    growth(&options, &floors);
    aims::print(&floors);
    fs::remove_dir_all(&folder).map_err(|error| error.to_string())
}

/// Why somebody cannot take part.
fn missing(who: &str, independent: &Path) -> Option<String> {
    match who {
        "independent" => independent::compile(independent).err().map(|error| error.to_string()),
        "mininet" => {
            let asked = Command::new("/usr/bin/python3").args(["-c", "import mininet.net"]).output();
            (!asked.is_ok_and(|output| output.status.success())).then(|| "it is not installed".to_owned())
        }
        "batch" | "script" => Command::new("ip").arg("-V").output().err().map(|error| error.to_string()),
        _ => None,
    }
}

type Rows = BTreeMap<String, Vec<Row>>;

/// Milliseconds of one run, in the order of [`Figures`], and frames.
pub type Row = [Option<f64>; 7];

/// The order is turned around every other round, so that nobody always follows the same.
fn everybody(options: &Options, shape: Shape, size: u32, independent: &PathBuf) -> Rows {
    let mut rows = Rows::new();
    let mut who: Vec<&String> = options.who.iter().filter(|who| *who != "mininet" || shape == Shape::Star).collect();
    let mut spent: BTreeMap<&String, Duration> = BTreeMap::new();
    for _ in 0..options.rounds {
        who.retain(|who| spent.get(who).is_none_or(|spent| *spent < options.patience));
        for who in &who {
            let own = env::current_exe().unwrap_or_default();
            let size = size.to_string();
            let began = Instant::now();
            let output =
                Command::new(own).args(["one", who, shape.word(), &size]).env(INDEPENDENT, independent).output();
            *spent.entry(who).or_default() += began.elapsed();
            let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            match said.as_deref().map(row) {
                Ok(Some(row)) => rows.entry((*who).clone()).or_default().push(row),
                Ok(None) => println!("{} of {size} by {who} failed: {}", shape.word(), said.unwrap_or_default().trim()),
                Err(error) => println!("{} of {size} by {who} failed: {error}", shape.word()),
            }
        }
        who.reverse();
    }
    rows
}

fn row(line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let row: Row = words.try_into().ok().map(|words: [&str; 7]| words.map(|word| word.parse().ok()))?;
    row[0].map(|_| row)
}

fn median(rows: &[Row], column: usize) -> Option<f64> {
    let mut values: Vec<f64> = rows.iter().filter_map(|row| row[column]).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The medians of everybody's columns.
pub type Medians = BTreeMap<String, Row>;

fn print(shape: Shape, size: u32, rows: &Rows) -> Medians {
    let medians: Medians = rows
        .iter()
        .map(|(who, rows)| (who.clone(), [0, 1, 2, 3, 4, 5, 6].map(|column| median(rows, column))))
        .collect();
    let floor = medians.get("floor").copied().unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    println!("\n{} of {size}, milliseconds (medians), and how many times the floor; load {load}:", shape.word());
    println!(
        "{:<12} {:>4} {:>9} {:>19} {:>7} {:>9} {:>7} {:>9} {:>7} {:>9} {:>7} {:>9} {:>7} {:>7}",
        "",
        "runs",
        "create",
        "(least..most)",
        "",
        "(cpu)",
        "",
        "read back",
        "",
        "returned",
        "(cpu)",
        "settled",
        "",
        "frames"
    );
    for who in EVERYBODY.iter().filter(|who| rows.contains_key(**who)) {
        let (own, runs) = (&medians[*who], &rows[*who]);
        let creates: Vec<f64> = runs.iter().filter_map(|row| row[0]).collect();
        let [least, most] = [f64::min, f64::max].map(|pick| creates.iter().copied().reduce(pick).unwrap_or(0.0));
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.1}"));
        // Reading back is held against the floor's creation: that is what must be done in any case.
        let times = |value: Option<f64>, floor: Option<f64>| match (value, floor) {
            (Some(value), Some(floor)) => format!("x{:.2}", value / floor),
            _ => String::new(),
        };
        println!(
            "{who:<12} {:>4} {:>9} {:>19} {:>7} {:>9} {:>7} {:>9} {:>7} {:>9} {:>7} {:>9} {:>7} {:>7}",
            runs.len(),
            text(own[0]),
            format!("({least:.0}..{most:.0})"),
            times(own[0], floor[0]),
            text(own[5]),
            times(own[5], floor[5]),
            text(own[1]),
            times(own[1], floor[0]),
            text(own[2]),
            text(own[4]),
            text(own[3]),
            times(own[3], floor[3]),
            own[6].map_or_else(String::new, |frames| format!("{frames:.0}")),
        );
    }
    medians
}

/// How much longer the largest takes than the one before it, beside the floor.
fn growth(options: &Options, medians: &BTreeMap<(&str, u32), Medians>) {
    let [.., small, large] = options.sizes.as_slice() else { return };
    for shape in options.shapes.iter().map(|shape| shape.word()) {
        let grew = |who: &str| {
            let at = |size: u32| medians.get(&(shape, size))?.get(who)?[0];
            Some(at(*large)? / at(*small)?)
        };
        let (Some(floor), Some(up)) = (grew("floor"), grew("up")) else { continue };
        println!(
            "\n{shape}, creation of {large} in creations of {small}: floor {floor:.2}, up {up:.2}, x{:.2}",
            up / floor
        );
    }
}
