//! What a machine looks like outside of every lab, as ip(8) and the kernel's own tables tell it.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What ip(8) says.
pub fn ip(arguments: &[&str]) -> Value {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut said = if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    stop_clocks(&mut said);
    said
}

/// Timers of bridges run whatever anybody does.
fn stop_clocks(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("_timer"));
            fields.values_mut().for_each(stop_clocks);
        }
        Value::Array(rows) => rows.iter_mut().for_each(stop_clocks),
        _ => {}
    }
}

/// Does what ip(8) does.
pub fn run_ip(arguments: &[&str]) {
    assert!(Command::new("ip").args(arguments).status().unwrap().success(), "ip {arguments:?}");
}

/// The machine outside of every lab: names in /run, mounts, interfaces, routes, and the sysctls that labs may set.
#[derive(Debug, PartialEq)]
pub struct Machine {
    names: BTreeSet<String>,
    mounts: Vec<String>,
    links: Value,
    routes: Value,
    sysctls: Vec<String>,
}

/// Fails with what differs.
#[track_caller]
pub fn assert_same(now: &Machine, before: &Machine, when: &str) {
    let gone: Vec<_> = before.lines().difference(&now.lines()).cloned().collect();
    let new: Vec<_> = now.lines().difference(&before.lines()).cloned().collect();
    assert!(gone.is_empty() && new.is_empty(), "{when}: the machine is not as before\ngone: {gone:#?}\nnew: {new:#?}");
}

impl Machine {
    /// All of it, a line for each thing.
    fn lines(&self) -> BTreeSet<String> {
        let rows = |value: &Value| value.as_array().into_iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
        let parts = [self.names.iter().cloned().collect(), self.mounts.clone(), rows(&self.links), rows(&self.routes)];
        parts.into_iter().flatten().chain(self.sysctls.iter().cloned()).collect()
    }
}

/// What it looks like now.
pub fn machine() -> Machine {
    let mut names = BTreeSet::new();
    collect(Path::new("/run"), &mut names);
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = table.lines().map(|line| line.split(' ').skip(3).collect::<Vec<_>>().join(" ")).collect();
    let sysctls = ["net/ipv4/ip_default_ttl", "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];
    let sysctls = sysctls.map(|name| std::fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap_or_default());
    let links = ip(&["-j", "-d", "addr", "show"]);
    Machine { names, mounts, links, routes: ip(&["-j", "route", "show", "table", "all"]), sysctls: sysctls.into() }
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        names.insert(format!("{} {:?}", entry.path().display(), std::fs::read_link(entry.path()).ok()));
        if kind.is_dir() {
            collect(&entry.path(), names);
        }
    }
}
