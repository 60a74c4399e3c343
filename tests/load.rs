//! Loading topologies: hostile bytes and limits.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cellblock::diagnostic::{Diagnostic, Severity};
use cellblock::output::diagnostic::{Style, render_all};
use cellblock::topology::{DiskReader, FileReader, Input, LoadOptions, Loaded, load};
use proptest::prelude::*;

/// Files that exist in memory only.
#[derive(Debug, Default)]
struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl FileReader for Memory {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let bytes = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        if bytes.len() > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.clone()) }
    }

    fn identity(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

fn load_text(text: impl Into<Vec<u8>>) -> Loaded {
    load(Input::stdin(text.into()), &LoadOptions::default(), &Memory::default())
}

fn errors(loaded: &Loaded) -> Vec<(&'static str, String)> {
    let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
    loaded.diagnostics.iter().filter(is_error).map(|error| (error.code, error.message.clone())).collect()
}

#[test]
fn a_file_over_the_size_limit_is_refused_before_it_is_parsed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.yaml");
    let mut text = String::from("version: 1\nname: lab\ntopology: { nodes: {} }\n# ");
    text.push_str(&"x".repeat(16 << 20));
    fs::write(&path, &text).unwrap();
    let loaded = load(Input::Path(path), &LoadOptions::default(), &DiskReader);
    let [(code, message)] = errors(&loaded).try_into().unwrap();
    assert_eq!(code, "T004");
    assert!(message.contains("16 MiB"), "{message}");

    // The same through standard input, and one byte less is no error.
    assert_eq!(errors(&load_text(text.clone()))[0].0, "T004");
    text.truncate(16 << 20);
    let loaded = load_text(text);
    assert!(loaded.draft.is_some(), "{:?}", loaded.diagnostics);
}

#[test]
fn a_file_of_too_many_events_is_refused() {
    let mut text = String::from("version: 1\nname: lab\ntopology: { nodes: {} }\nvars:\n  many: [");
    text.push_str(&"a,".repeat(2_000_000));
    text.push_str("]\n");
    let loaded = load_text(text);
    let [(code, message)] = errors(&loaded).try_into().unwrap();
    assert_eq!((code, message.contains("2 million")), ("T004", true), "{message}");
}

#[test]
fn a_csv_file_over_the_size_limit_is_refused() {
    let mut files = Memory::default();
    files.0.insert("large.csv".into(), vec![b'a'; (16 << 20) + 1]);
    let text = "version: 1\nname: lab\ntopology: { nodes: { \"${c.a}\": { kind: host, each: { c: large.csv } } } }\n";
    let loaded = load(Input::stdin(text.into()), &LoadOptions::default(), &files);
    assert_eq!(errors(&loaded)[0].0, "T004");
}

#[test]
fn substitution_cannot_grow_without_bounds() {
    let mut text = String::from("version: 1\nname: lab\nvars:\n  v0: \"0123456789abcdef\"\n");
    for level in 1..40 {
        let before = level - 1;
        text.push_str(&format!("  v{level}: \"${{v{before}}}${{v{before}}}\"\n"));
    }
    text.push_str("topology: { nodes: {} }\n");
    let loaded = load_text(text);
    assert!(errors(&loaded).iter().any(|(code, _)| *code == "T004"), "{:?}", errors(&loaded));

    let mut text = String::from("version: 1\nname: lab\nvars:\n  v0: [a, b]\n");
    for level in 1..40 {
        let before = level - 1;
        text.push_str(&format!("  v{level}: [\"${{v{before}}}\", \"${{v{before}}}\"]\n"));
    }
    text.push_str("topology: { nodes: {} }\n");
    let loaded = load_text(text);
    assert!(errors(&loaded).iter().any(|(code, _)| *code == "T004"), "{:?}", errors(&loaded));
}

#[test]
fn aliases_cannot_repeat_a_long_text_without_bounds() {
    let long = "x".repeat(1 << 20);
    let text = format!("version: 1\nname: lab\nvars: {{ a: &a {long}, b: [{}] }}\n", "*a,".repeat(100_000));
    assert_eq!(errors(&load_text(text))[0].0, "T004");
}

#[test]
fn a_hundred_thousand_variables_in_each_other_do_not_grow_deep() {
    let mut text = String::from("version: 1\nname: lab\ntopology: { nodes: {} }\nvars:\n  v000000: [a]\n");
    for level in 1..100_000 {
        text.push_str(&format!("  v{level:06}: [[[\"${{v{:06}}}\"]]]\n", level - 1));
    }
    assert_eq!(errors(&load_text(text))[0].0, "T004");
}

#[test]
fn a_chain_of_a_hundred_thousand_variables_is_refused_not_followed() {
    let mut text = String::from("version: 1\nname: lab\ntopology: { nodes: {} }\nvars:\n");
    for level in 0..100_000 {
        text.push_str(&format!("  v{level:06}: \"${{v{:06}}}\"\n", level + 1));
    }
    assert!(load_text(text).draft.is_none());
}

#[test]
fn files_that_include_ever_more_files_are_refused() {
    let mut files = Memory::default();
    for level in 0..1000 {
        files.0.insert(format!("f{level}.yaml").into(), format!("include: f{}.yaml\n", level + 1).into());
    }
    let input = Input::Path("f0.yaml".into());
    let loaded = load(input, &LoadOptions::default(), &files);
    assert_eq!(errors(&loaded)[0].0, "T004", "{:?}", errors(&loaded));
}

#[test]
fn a_missing_topology_file_is_told_from_a_missing_include() {
    let loaded = load(Input::Path("no.yaml".into()), &LoadOptions::default(), &Memory::default());
    assert!(loaded.is_input_missing());
    assert!(!load_text("include: no.yaml\n").is_input_missing());
}

/// Texts made of the pieces that topologies are made of: most are wrong somewhere.
fn near_topology() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "version: 1\n",
        "name: lab\n",
        "topology:\n",
        "  nodes:\n",
        "  links:\n",
        "    pc1: ",
        "{ kind: host }\n",
        "\"a${n}\"",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "  ",
        "\t",
        "- ",
        "&a ",
        "*a",
        "<<",
        "? ",
        "!t ",
        "'",
        "\"",
        "|\n",
        "${",
        "$${",
        "x.y",
        ":02}",
        "each: { n: 1..3 }",
        "1..99",
        "~",
        "# c",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "é",
        "\u{feff}",
        "\0",
        "vars: { n: 1 }\n",
        "include: a.yaml\n",
        "endpoints: [ \"a:b\", c ]",
        "mtu: ",
        "tc: ",
        "ipv4: 10.0.0.1/24",
        "checks:\n",
        "reach: { from: a, to: b }\n",
        "addressing: { lan: { ipv4: 10.0.0.0/8, prefix: 24 } }\n",
        "exec: [ a ]",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Loads, and renders what was found: neither may panic, and no draft goes without a reason.
fn survives(bytes: Vec<u8>) {
    let loaded = load_text(bytes);
    let text = render_all(&loaded.diagnostics, &loaded.sources, Style::Plain);
    assert!(loaded.draft.is_some() || text.contains("error["), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(bytes);
    }

    #[test]
    fn arbitrary_texts_never_panic(text in "\\PC{0,200}") {
        survives(text.into_bytes());
    }

    #[test]
    fn nearly_right_texts_never_panic(text in near_topology()) {
        survives(text.into_bytes());
    }

    #[test]
    fn damaged_topologies_never_panic(at in 0usize..2000, with in any::<char>(), cut in 0usize..40) {
        let mut text: Vec<char> = include_str!("cases/later-keys/topology.yaml").chars().collect();
        let at = at % text.len();
        let end = (at + cut).min(text.len());
        text.splice(at..end, [with]);
        survives(text.into_iter().collect::<String>().into_bytes());
    }
}
