//! The whole life of every topology by the program itself, over both route doors; in between the system's own tools say
//! what they see.

use std::path::{Path, PathBuf};
use std::process::Command;

use cellblock::engine::freebsd::doors::Doors;

use super::outcome::{Suite, same};
use super::picture::host_picture;
use super::{Wanted, cellblock, said};

pub fn run<D: Doors>(wanted: &Wanted, doors: &mut dyn FnMut() -> D) -> Suite {
    let mut suite = Suite::new("topologies");
    let folder = std::env::current_exe().ok().and_then(|own| own.parent().map(Path::to_owned)).unwrap_or_default();
    let entries = std::fs::read_dir(folder.join("topologies"));
    let mut files: Vec<PathBuf> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    if files.is_empty() {
        suite.case("the bundle has topologies".to_owned(), Err("none were found".to_owned()));
    }
    for file in files {
        for door in ["netlink", "rtsock"] {
            let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let name = format!("{stem} [{door}]");
            if wanted.fits(&name) {
                life(&mut suite, &name, &file, door, &mut doors());
            }
        }
    }
    suite
}

fn life<D: Doors>(suite: &mut Suite, name: &str, file: &Path, door: &str, doors: &mut D) {
    let state = std::env::temp_dir().join(format!("cellblock-guest-{}", std::process::id()));
    let lab = lab_of(file);
    let path = file.to_string_lossy().into_owned();
    let before = host_picture(doors);
    let verb = |words: &[&str]| cellblock(&state, &[&["--route-door", door], words].concat());
    let expect = |words: &[&str], code: i32| {
        let output = verb(words);
        if output.status.code() == Some(code) { Ok(()) } else { Err(said(&output)) }
    };
    let up = suite.case(format!("{name}: up"), expect(&["up", &path], 0));
    if up {
        suite.case(format!("{name}: a second plan is empty"), expect(&["plan", "--detailed-exitcode", &path], 0));
        suite.case(format!("{name}: checks"), expect(&["test", &path], 0));
        suite.case(format!("{name}: inspect"), expect(&["inspect", &lab], 0));
        tools_agree(suite, name, &lab, &state);
    }
    // A record may be there even of an `up` that failed.
    let down = expect(&["down", &lab], 0);
    if up {
        suite.case(format!("{name}: down"), down);
    }
    suite.case(format!("{name}: the host is as before"), same(&before, &host_picture(doors)));
    let _ = std::fs::remove_dir_all(&state);
}

/// The lab's name stands in its file.
fn lab_of(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("name:"));
    name.map(|name| name.split('#').next().unwrap_or_default().trim().to_owned()).unwrap_or_default()
}

/// jls(8), jexec(8) with ifconfig(8), and ngctl(8) find what `inspect` names.
fn tools_agree(suite: &mut Suite, name: &str, lab: &str, state: &Path) {
    let output = cellblock(state, &["--format", "json", "inspect", "--names", lab]);
    let Ok(names) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else {
        suite.case(format!("{name}: inspect --names"), Err(said(&output)));
        return;
    };
    let mut words = Vec::new();
    strings(&names, &mut words);
    tool(suite, name, "jls", &["-N", "name"], |listed| {
        let jails: Vec<&str> = listed.lines().map(str::trim).filter(|jail| *jail == lab || below(jail, lab)).collect();
        if jails.is_empty() { Err(format!("no jail of {lab}: {listed}")) } else { Ok(()) }
    });
    let jails = Command::new("jls").args(["-N", "name"]).output().map(|output| output.stdout).unwrap_or_default();
    for jail in String::from_utf8_lossy(&jails).lines().map(str::trim).filter(|jail| below(jail, lab)).take(3) {
        tool(suite, name, "jexec", &[jail, "ifconfig", "-l"], |listed| {
            let strange: Vec<&str> = listed
                .split_whitespace()
                .filter(|interface| !["lo0", "pflog0", "pfsync0", "enc0"].contains(interface))
                .filter(|interface| {
                    !words.iter().any(|word| word == interface || word.ends_with(&format!(":{interface}")))
                })
                .collect();
            if strange.is_empty() { Ok(()) } else { Err(format!("inspect does not name {strange:?} of {jail}")) }
        });
    }
    tool(suite, name, "jexec", &[lab, "ngctl", "list"], |listed| {
        let nodes = listed.lines().filter_map(|line| line.split("Name: ").nth(1)?.split_whitespace().next());
        let own = |node: &&str| *node != "<unnamed>" && !node.starts_with("ngctl");
        let strange: Vec<&str> =
            nodes.filter(own).filter(|node| !words.iter().any(|word| word.contains(node))).collect();
        if strange.is_empty() { Ok(()) } else { Err(format!("inspect does not name {strange:?}")) }
    });
}

fn below(jail: &str, lab: &str) -> bool {
    jail.strip_prefix(lab).is_some_and(|rest| rest.starts_with('.'))
}

fn strings(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(list) => list.iter().for_each(|value| strings(value, found)),
        serde_json::Value::Object(map) => map.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

fn tool(
    suite: &mut Suite,
    name: &str,
    program: &str,
    arguments: &[&str],
    judge: impl FnOnce(&str) -> Result<(), String>,
) {
    let title = format!("{name}: {program} {}", arguments.join(" "));
    match Command::new(program).args(arguments).output() {
        Err(error) => suite.skip(title, format!("{program}: {error}")),
        Ok(output) if !output.status.success() => {
            // A small machine may not have the inner program.
            suite.skip(title, said(&output));
        }
        Ok(output) => {
            suite.case(title, judge(&String::from_utf8_lossy(&output.stdout)));
        }
    }
}
