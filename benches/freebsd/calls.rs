//! System calls of one more node: of a larger star less those of a smaller one. Counted by ktrace(1), children included.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::contender::{beside, words};

/// How often each call was made.
type Calls = BTreeMap<String, u64>;

/// A program and its arguments, for a star of so many nodes.
type Job<'j> = &'j dyn Fn(u32) -> Result<(PathBuf, Vec<String>), String>;

pub fn run(folder: &Path) {
    println!("system calls per node, processes of helpers included:");
    let own = |nodes: u32| {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        Ok((own, vec!["floor".to_owned(), nodes.to_string()]))
    };
    let ours = |verb: &'static str| move |nodes: u32| Ok((beside("cellblock"), words(verb, nodes, folder, "netlink")?));
    let tools = |verb: &'static str| {
        move |nodes: u32| {
            let script = beside("base-tools.sh").to_string_lossy().into_owned();
            Ok((PathBuf::from("/bin/sh"), vec![script, nodes.to_string(), verb.to_owned()]))
        }
    };
    tell("floor, up and down", [32, 64], &[&own], folder);
    tell("cellblock, up and down", [32, 64], &[&ours("up"), &ours("down")], folder);
    tell("base tools, up and down", [1, 3], &[&tools("up"), &tools("down")], folder);
}

/// Prints what each of the jobs makes per node; they are done one after the other at each size.
fn tell(who: &str, sizes: [u32; 2], jobs: &[Job<'_>], folder: &Path) {
    let count = |nodes: u32| -> Result<Vec<Calls>, String> {
        jobs.iter()
            .map(|job| job(nodes).and_then(|(program, arguments)| traced(&program, &arguments, folder)))
            .collect()
    };
    let (few, many) = match (count(sizes[0]), count(sizes[1])) {
        (Ok(few), Ok(many)) => (few, many),
        (Err(why), _) | (_, Err(why)) => return println!("  {who}: not counted: {why}"),
    };
    let more = f64::from(sizes[1] - sizes[0]);
    for (few, many) in few.iter().zip(&many) {
        let each = |call: &str| {
            let of = |calls: &Calls| calls.get(call).copied().unwrap_or(0);
            // Counts of this size are whole numbers in an f64.
            (of(many) as f64 - of(few) as f64) / more
        };
        let mut rows: Vec<(&String, f64)> = many.keys().map(|call| (call, each(call))).collect();
        let all: f64 = rows.iter().map(|(_, each)| each).sum();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        let most: Vec<String> = rows.iter().take(6).map(|(call, each)| format!("{call} {each:.1}")).collect();
        println!("  {who:24} {all:8.1}   most often {}", most.join(", "));
    }
}

fn traced(program: &Path, arguments: &[String], folder: &Path) -> Result<Calls, String> {
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
    // What cannot be removed is written over by the next.
    let _ = std::fs::remove_file(&trace);
    let mut calls = Calls::new();
    for line in String::from_utf8_lossy(&dump.stdout).lines() {
        if let Some((_, call)) = line.split_once(" CALL ") {
            let name = call.trim().split(['(', ' ']).next().unwrap_or_default();
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    Ok(calls)
}
