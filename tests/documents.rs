//! The documents say what is true: their console blocks are run, what is generated is fresh.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Sandbox, root};

const TWO_HOSTS: &str = "topologies/two-hosts.yaml";

/// A command of a console block and what the document says it prints.
struct Shown {
    line: usize,
    command: String,
    output: String,
}

/// The commands of the `console` blocks of a document.
fn console_blocks(text: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut inside = false;
    for (place, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), inside) {
            (Some(kind), false) => inside = kind == "console",
            (Some(_), true) => inside = false,
            (None, false) => {}
            (None, true) => match (line.strip_prefix("$ "), shown.last_mut()) {
                (Some(command), _) => {
                    shown.push(Shown { line: place + 1, command: command.to_owned(), output: String::new() });
                }
                (None, Some(last)) => last.output += &format!("{line}\n"),
                (None, None) => panic!("line {}: output before any command", place + 1),
            },
        }
    }
    shown
}

/// Times differ from run to run; a line of three dots stands for any lines.
fn assert_matches(document: &str, shown: &Shown, actual: &str) {
    let mask = |line: &str| mask_seconds(line.trim_end());
    let actual: Vec<String> = actual.lines().map(mask).collect();
    let parts: Vec<Vec<String>> = format!("\n{}", shown.output)
        .split("\n...\n")
        .map(|part| part.lines().filter(|line| !line.is_empty()).map(mask).collect())
        .collect();
    let kept: Vec<String> = actual.iter().filter(|line| !line.is_empty()).cloned().collect();
    let mut at = 0;
    for (number, part) in parts.iter().enumerate() {
        let found = (at..=kept.len().saturating_sub(part.len())).find(|start| kept[*start..].starts_with(part));
        let exact_start = number > 0 || found == Some(0);
        let place = format!("{document}:{}: $ {}", shown.line, shown.command);
        match found.filter(|_| exact_start) {
            Some(start) => at = start + part.len(),
            None => panic!("{place}\nthe document says:\n{}\nbut it prints:\n{}", shown.output, actual.join("\n")),
        }
    }
    let complete = at == kept.len() || shown.output.ends_with("...\n");
    assert!(complete, "{document}:{}: $ {} prints more:\n{}", shown.line, shown.command, actual.join("\n"));
}

fn mask_seconds(line: &str) -> String {
    let words = line.split(' ').collect::<Vec<_>>();
    let masked = words.iter().enumerate().map(|(place, word)| {
        let seconds = words.get(place + 1).is_some_and(|next| matches!(*next, "s" | "s:"));
        if seconds && word.parse::<f64>().is_ok() { "N" } else { word }
    });
    masked.collect::<Vec<_>>().join(" ")
}

/// Runs the console blocks of a document from top to bottom in the repository.
fn run_document(document: &str) {
    let sandbox = Sandbox::in_repository();
    let blocks = console_blocks(&std::fs::read_to_string(root().join(document)).unwrap());
    assert!(!blocks.is_empty());
    for shown in blocks {
        let words: Vec<&str> = shown.command.split_whitespace().collect();
        let Some(("cellblock", arguments)) = words.split_first().map(|(first, rest)| (*first, rest)) else {
            panic!("{document}:{}: only cellblock is run here", shown.line);
        };
        assert_matches(document, &shown, &sandbox.run_merged(arguments));
    }
}

#[test]
fn the_readme_shows_what_happens() {
    run_document("README.md");
}

#[test]
fn the_guide_shows_what_happens() {
    run_document("docs/guide.md");
}

#[test]
fn the_readme_shows_the_first_topology_without_its_comments() {
    let file = std::fs::read_to_string(root().join(TWO_HOSTS)).unwrap();
    let code: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(code.len(), 12, "the first topology has twelve lines");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("```yaml\n{}\n```", code.join("\n"))));
}

#[test]
fn the_field_table_is_what_the_types_say() {
    const MARK: &str = "<!-- generated: CELLBLOCK_BLESS=1 cargo test --test documents -->\n";
    let path = root().join("docs/format.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (prose, table) = text.split_once(MARK).expect("the mark before the generated part");
    let made = format!("\n{}", cellblock::topology::format_table().trim_end_matches('\n')) + "\n";
    if std::env::var_os("CELLBLOCK_BLESS").is_some() {
        std::fs::write(&path, format!("{prose}{MARK}{made}")).unwrap();
        return;
    }
    assert!(table == made, "docs/format.md is not what the types say; run this test with CELLBLOCK_BLESS=1");
}
