//! One suite of facts for two kernels: scripts of operations and what a FreeBSD kernel does of them.
//!
//! Without arguments the scripts run on the simulated kernel, in every `cargo test`. Built for FreeBSD, the same program
//! runs them on the kernel it stands on: `conformance --kernel`, as root. `README.md` beside this file says how to
//! write a script.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![allow(clippy::unwrap_used, reason = "a picture that cannot be taken has failed")]

#[path = "../support/picture.rs"]
#[expect(dead_code, reason = "the simulator's network stacks are counted here")]
mod picture;
mod run;
mod script;
mod verbs;
mod world;

use std::process::ExitCode;

use cellblock::sim::{Kernel, SimDoors};
use run::Report;
use script::Topic;

macro_rules! topics {
    ($($name:literal)*) => {
        /// Every file of scripts.
        const TOPICS: &[(&str, &str)] = &[$(($name, include_str!(concat!("scripts/", $name, ".facts")))),*];
    };
}

topics! {
    "addresses" "bridges" "dying" "interfaces" "jails" "moves" "netgraph" "netlink" "pipes" "routes" "system" "teardown"
}

/// What was asked for.
#[derive(Debug, Default)]
struct Wanted {
    /// The kernel underneath instead of the simulated one.
    kernel: bool,
    /// No netlink socket is to be opened.
    without_netlink: bool,
    list: bool,
    /// Every fact by its name, not only those that do not hold.
    names: bool,
    /// A file for the result as JSON.
    json: Option<String>,
    filters: Vec<String>,
}

fn main() -> ExitCode {
    let wanted = match arguments(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(why) => return ends(&why),
    };
    let topics: Result<Vec<Topic>, String> = TOPICS.iter().map(|(name, text)| script::parse(name, text)).collect();
    let topics = match script::self_test().and(topics) {
        Ok(topics) => topics,
        Err(why) => return ends(&why),
    };
    let topics = chosen(topics, &wanted.filters);
    if wanted.list {
        for script in topics.iter().flat_map(|topic| topic.scripts.iter().map(move |script| (topic, script))) {
            println!("{}/{}: test", script.0.name, script.1.name);
        }
        return ExitCode::SUCCESS;
    }
    let report =
        if wanted.kernel { on_this_kernel(&topics, !wanted.without_netlink) } else { Ok(on_the_simulator(&topics)) };
    match report {
        Ok(report) => finish(&report, &wanted),
        Err(why) => ends(&why),
    }
}

fn ends(why: &str) -> ExitCode {
    println!("conformance: {why}");
    ExitCode::FAILURE
}

/// The arguments of `cargo test` are taken too: a filter, `--list`, and what only its own harness knows.
fn arguments(given: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut given = given.peekable();
    while let Some(word) = given.next() {
        match word.as_str() {
            "--kernel" => wanted.kernel = true,
            "--without-netlink" => wanted.without_netlink = true,
            "--list" => wanted.list = true,
            "--names" => wanted.names = true,
            "--json" => wanted.json = Some(given.next().ok_or("--json wants a file")?),
            "--test-threads" | "--format" | "--color" | "-Z" => drop(given.next()),
            flag if flag.starts_with('-') => {}
            filter => wanted.filters.push(filter.to_owned()),
        }
    }
    Ok(wanted)
}

/// The scripts whose `topic/name` contains one of the filters.
fn chosen(topics: Vec<Topic>, filters: &[String]) -> Vec<Topic> {
    let keep = |topic: &str, script: &str| {
        let name = format!("{topic}/{script}");
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    let mut topics = topics;
    for topic in &mut topics {
        let name = topic.name.clone();
        topic.scripts.retain(|script| keep(&name, &script.name));
    }
    topics.retain(|topic| !topic.scripts.is_empty());
    topics
}

/// Each topic on a kernel of its own.
fn on_the_simulator(topics: &[Topic]) -> Report {
    let mut report = Report::default();
    for topic in topics {
        let mut doors = SimDoors::new(Kernel::boot(1));
        let stacks = doors.kernel.vnets.len();
        run::topic(&mut doors, topic, true, &mut report, &mut |_| {});
        // Nothing may notice that netlink is not there.
        doors.kernel.host.has_netlink = false;
        run::topic(&mut doors, topic, false, &mut report, &mut |_| {});
        let left = doors.kernel.vnets.len();
        let wrong = (left != stacks).then(|| format!("{left} network stacks instead of {stacks}"));
        report.verdicts.push(run::Verdict { name: format!("{}: no network stack is left", topic.name), wrong });
    }
    report
}

#[cfg(target_os = "freebsd")]
fn on_this_kernel(topics: &[Topic], netlink: bool) -> Result<Report, String> {
    let mut report = Report::default();
    for topic in topics {
        let mut doors = cellblock::engine::freebsd::sys::KernelDoors::new();
        run::topic(&mut doors, topic, netlink, &mut report, &mut |title| println!("# {title}"));
    }
    Ok(report)
}

#[cfg(not(target_os = "freebsd"))]
fn on_this_kernel(_: &[Topic], _: bool) -> Result<Report, String> {
    Err("--kernel: this program was not built for FreeBSD".to_owned())
}

fn finish(report: &Report, wanted: &Wanted) -> ExitCode {
    for verdict in report.verdicts.iter().filter(|verdict| wanted.names && verdict.wrong.is_none()) {
        println!("ok {}", verdict.name);
    }
    for failure in report.failures() {
        println!("FAILED {}\n    {}", failure.name, failure.wrong.as_deref().unwrap_or_default());
    }
    for (topic, why) in &report.skipped {
        println!("skipped {topic}: {why}");
    }
    for (topic, _) in TOPICS {
        let of_topic = |verdict: &&run::Verdict| verdict.name.split(['/', ':']).next() == Some(topic);
        let all = report.verdicts.iter().filter(of_topic).count();
        let wrong = report.failures().filter(of_topic).count();
        if all > 0 {
            println!("{topic}: {} of {all}", all - wrong);
        }
    }
    println!("conformance: {} of {} facts hold", report.passed(), report.verdicts.len());
    if let Some(file) = &wanted.json
        && let Err(error) = std::fs::write(file, json(report))
    {
        return ends(&format!("{file}: {error}"));
    }
    if report.failures().next().is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn json(report: &Report) -> String {
    let facts: Vec<_> = report
        .verdicts
        .iter()
        .map(|verdict| serde_json::json!({ "name": verdict.name, "wrong": verdict.wrong }))
        .collect();
    let skipped: Vec<_> =
        report.skipped.iter().map(|(topic, why)| serde_json::json!({ "name": topic, "why": why })).collect();
    serde_json::json!({ "suite": "conformance", "cases": facts, "skipped": skipped }).to_string()
}
