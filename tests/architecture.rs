//! The rules of who may know whom, read from the sources themselves. Changing a rule means changing a list here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file there may be; one that comes near has two subjects.
const MOST_LINES: usize = 600;

/// What the code of each module may name behind `crate::`. A module that is not listed here fails the test.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("abi", &[]),
    ("diagnostic", &[]),
    ("cli", &[]),
    ("model", &["diagnostic"]),
    ("topology", &["diagnostic", "model"]),
    ("graph", &["diagnostic", "model"]),
    ("plan", &["abi", "diagnostic", "graph", "model"]),
    ("netlink", &["abi"]),
    ("engine", &["abi", "diagnostic", "graph", "model", "netlink", "plan"]),
    ("sim", &["abi", "engine::freebsd::doors", "netlink"]),
    ("export", &["graph", "model", "plan"]),
    ("lab", &["abi", "diagnostic", "engine", "graph", "model", "plan", "sim"]),
    ("checks", &["diagnostic", "lab", "model"]),
    ("output", &["diagnostic", "topology::source"]),
    ("terminal", &[]),
    (
        "commands",
        &["checks", "cli", "diagnostic", "export", "graph", "lab", "model", "output", "plan", "terminal", "topology"],
    ),
];

/// Crates with one home, and the folders or files that are it.
const ONE_HOME: &[(&[&str], &[&str])] = &[
    (&["serde_yaml", "saphyr_parser", "csv"], &["src/topology/"]),
    (&["petgraph"], &["src/graph/"]),
    (&["annotate_snippets", "comfy_table", "anstream", "anstyle", "quick_junit"], &["src/output/"]),
    (&["netlink_packet_core", "netlink_packet_route"], &["src/netlink/"]),
    (&["clap", "clap_complete"], &["src/cli.rs", "src/main.rs", "src/commands/"]),
    (&["libc", "nix"], &["src/engine/freebsd/sys", "src/engine/linux/sys", "ngsock/src/sys.rs", "src/main.rs"]),
    (&["rustix"], &["src/terminal/", "src/engine/linux/sys", "src/engine/files.rs"]),
    (&["signal_hook"], &["src/terminal/"]),
    (&["anyhow"], &["src/main.rs"]),
];

/// What reaches out of the process, and where that may be.
const EFFECTS: &[&str] = &[
    "std::fs",
    "fs::read",
    "fs::write",
    "File::open",
    "std::env",
    "env::var",
    "Instant::now",
    "SystemTime",
    "std::process",
];
const WITH_EFFECTS: &[&str] = &[
    "src/main.rs",
    "src/commands/",
    "src/engine/",
    "src/lab/",
    "src/output/",
    "src/sim/persist.rs",
    "src/topology/reader.rs",
    "ngsock/src/sys.rs",
];

/// A source file without its tests and comments.
struct Source {
    /// From the root, with `/`.
    path: String,
    code: String,
    lines: usize,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    assert!(!found.is_empty());
    let tests: BTreeSet<String> = found.iter().flat_map(test_modules).collect();
    for source in found.iter_mut().filter(|source| tests.contains(&source.path)) {
        source.code.clear();
    }
    found.sort_by(|a: &Source, b| a.path.cmp(&b.path));
    found
}

/// The files of modules that only tests see.
fn test_modules(source: &Source) -> Vec<String> {
    let folder = match source.path.strip_suffix("/mod.rs").or_else(|| source.path.strip_suffix("/lib.rs")) {
        Some(folder) => folder,
        None => source.path.trim_end_matches(".rs"),
    };
    let names = source.code.split("#[cfg(test)]\nmod ").skip(1).filter_map(|rest| rest.split_once(';'));
    names.filter(|(name, _)| name.chars().all(is_word)).map(|(name, _)| format!("{folder}/{name}.rs")).collect()
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            found.push(Source { code: code_of(&name, &text), path: name, lines: text.lines().count() });
        }
    }
}

/// What remains without comments and without what only tests see.
fn code_of(path: &str, text: &str) -> String {
    if path.ends_with("/tests.rs") || path.contains("/tests/") {
        return String::new();
    }
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let text = text.split("#[cfg(test)]\npub(crate) mod tests {").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether `word` stands in `code` by itself, as a path that begins with it.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + word.len()..];
        !before.is_some_and(|c| is_word(c) || c == ':' || c == '"' || c == '.') && after.starts_with("::")
    })
}

/// Every path that begins with `crate::`, groups taken apart at their first level.
fn crate_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| is_word(c) || c == '$') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => paths.push(rest.chars().take_while(|c| is_word(*c) || *c == ':').collect()),
            Some(group) => paths.extend(group_members(group)),
        }
    }
    paths
}

fn group_members(group: &str) -> Vec<String> {
    let (mut depth, mut member, mut members) = (1, String::new(), Vec::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (c == ',' && depth == 1) {
            members.push(member.trim().to_owned());
            member.clear();
        } else if depth == 1 && (is_word(c) || c == ':') {
            member.push(c);
        }
        if depth == 0 {
            break;
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

#[test]
fn modules_know_only_what_stands_below_them() {
    let mut broken = Vec::new();
    for source in sources(&["src"]) {
        let module = source.path.trim_start_matches("src/").split('/').next().unwrap().trim_end_matches(".rs");
        if ["main", "lib"].contains(&module) {
            continue;
        }
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(name, _)| *name == module) else {
            broken.push(format!("{}: no rule for `{module}`", source.path));
            continue;
        };
        for path in crate_paths(&source.code) {
            let mine = path.split("::").next() == Some(module);
            let fits = |rule: &&str| path == **rule || path.starts_with(&format!("{rule}::"));
            if !mine && !allowed.iter().any(fits) {
                broken.push(format!("{} names crate::{path}", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn crates_stay_in_their_homes() {
    let mut broken = Vec::new();
    for source in sources(&["src", "ngsock/src"]) {
        for (crates, homes) in ONE_HOME {
            for name in crates.iter().filter(|name| names(&source.code, name)) {
                if !homes.iter().any(|home| source.path.starts_with(home)) {
                    broken.push(format!("{} names {name}, whose home is {homes:?}", source.path));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn effects_are_passed_in() {
    let mut broken = Vec::new();
    for source in sources(&["src", "ngsock/src"]) {
        let allowed = WITH_EFFECTS.iter().any(|place| source.path.starts_with(place));
        for effect in EFFECTS.iter().filter(|effect| !allowed && source.code.contains(**effect)) {
            broken.push(format!("{} uses {effect}", source.path));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn engines_do_not_know_each_other_nor_the_simulator() {
    for source in sources(&["src/engine"]) {
        assert!(!source.code.contains("crate::sim"), "{} knows the simulator", source.path);
        if source.path.starts_with("src/engine/freebsd/") {
            assert!(!source.code.contains("engine::linux"), "{} knows the other engine", source.path);
        }
        if source.path.starts_with("src/engine/linux/") {
            assert!(!source.code.contains("engine::freebsd"), "{} knows the other engine", source.path);
        }
    }
}

#[test]
fn systems_are_told_apart_where_sys_begins() {
    for source in sources(&["src", "ngsock/src"]) {
        let lines: Vec<&str> = source.code.lines().collect();
        for (place, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("target_os")) {
            let next = lines.get(place + 1).copied().unwrap_or_default();
            assert!(next.contains("mod sys") || next.contains("sys::"), "{}: {line}", source.path);
        }
    }
}

#[test]
fn ngsock_is_for_strangers() {
    for source in sources(&["ngsock/src"]) {
        assert!(!source.code.contains("cellblock"), "{} knows who uses it", source.path);
    }
    let manifest = fs::read_to_string(root().join("ngsock/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names: BTreeSet<&str> =
        dependencies.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|n| !n.is_empty()).collect();
    let allowed = BTreeSet::from(["libc", "zerocopy"]);
    assert!(names.is_subset(&allowed), "ngsock depends on {names:?}");
}

#[test]
fn files_have_one_subject() {
    let mut long = Vec::new();
    for source in sources(&["src", "ngsock", "tests", "benches", "examples", "xtask"]) {
        if source.lines > MOST_LINES {
            long.push(format!("{}: {} lines", source.path, source.lines));
        }
    }
    assert!(long.is_empty(), "longer than {MOST_LINES} lines:\n{}", long.join("\n"));
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(main.lines().count() < 80, "main.rs is arguments to command to exit code, nothing else");
}

#[test]
fn documents_name_only_what_exists() {
    let mut missing = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let folder = document.parent().unwrap();
        for name in paths_in(&text) {
            if !root().join(&name).exists() && !folder.join(&name).exists() {
                missing.push(format!("{} names {name}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].iter().map(|name| root().join(name)).collect();
    for entry in fs::read_dir(root().join("docs")).unwrap().chain(fs::read_dir(root().join("docs/decisions")).unwrap())
    {
        found.extend(Some(entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    found
}

/// What a document puts between backticks, or links to, and can only be a path of this repository.
fn paths_in(text: &str) -> BTreeSet<String> {
    let outside_blocks: String = text.split("```").step_by(2).collect();
    let quoted = outside_blocks.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let linked = outside_blocks.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned);
    let tops = ["src/", "ngsock/", "tests/", "topologies/", "docs/", "benches/", "examples/", ".ci/", "xtask/"];
    let endings = [".rs", ".md", ".yaml", ".toml", ".json", ".csv"];
    quoted
        .into_iter()
        .chain(linked)
        .map(|path| path.trim_start_matches("./").split('#').next().unwrap_or_default().to_owned())
        .filter(|path| !path.contains([' ', '*', '<', '{', '$']) && !path.contains("://"))
        .filter(|path| tops.iter().any(|top| path.starts_with(top)) || endings.iter().any(|end| path.ends_with(end)))
        .filter(|path| !["lab.yaml", "office.yaml"].contains(&path.as_str()))
        .collect()
}

#[test]
fn paths_are_found_behind_crate() {
    let code = "use crate::{a::B, c};\nuse crate::model::{Mac};\nlet x = crate::d::e(); $crate::f::g();";
    assert_eq!(crate_paths(code), ["a::B", "c", "model::", "d::e"]);
    assert!(names("use libc::c_int;", "libc") && !names("glibc::x", "libc") && !names("a.libc", "libc"));
}
