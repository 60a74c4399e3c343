//! The manual pages: what they say of verbs, options, exit codes and keys is made from what the program has, and mandoc(1) finds
//! nothing to say about them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use cellblock::cli::Cli;
use clap::{Arg, Command, CommandFactory as _};

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/man").join(name)
}

/// Compares the generated parts of a page, or writes them where CELLBLOCK_BLESS says so.
fn check(name: &str, parts: &[(&str, String)]) {
    let text = std::fs::read_to_string(page(name)).unwrap();
    let mut made = text.clone();
    for (part, generated) in parts {
        let mark = format!(".\\\" generated: {part}\n");
        let (before, rest) = made.split_once(&mark).unwrap_or_else(|| panic!("{name} has no place for {part}"));
        let (_, after) = rest.split_once(".\\\" end\n").unwrap();
        made = format!("{before}{mark}{generated}.\\\" end\n{after}");
    }
    if std::env::var_os("CELLBLOCK_BLESS").is_some() {
        std::fs::write(page(name), made).unwrap();
        return;
    }
    assert!(made == text, "{name} is not what the program has: CELLBLOCK_BLESS=1 cargo test --test man");
}

/// Text of ours as mdoc: what stands between backticks is quoted, each sentence begins a line.
fn prose(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace("FreeBSD", "Free\\&BSD").replace(". ", ".\n").replace("; ", ";\n");
    let mut made = String::new();
    for (place, piece) in text.split('`').enumerate() {
        let quote = if place == 0 {
            ""
        } else if place % 2 == 1 {
            "\\(oq"
        } else {
            "\\(cq"
        };
        made.push_str(quote);
        made.push_str(piece);
    }
    made.lines().map(wrapped).collect()
}

/// Lines of a page are not longer than a terminal is wide.
fn wrapped(line: &str) -> String {
    let mut made = String::new();
    let mut width = 0;
    for word in line.split_whitespace() {
        if width > 0 && width + 1 + word.len() > 78 {
            made.push('\n');
            width = 0;
        } else if width > 0 {
            made.push(' ');
            width += 1;
        }
        // What begins a line with a dot or a quote would be a macro.
        if width == 0 && word.starts_with(['.', '\'']) {
            made.push_str("\\&");
        }
        made.push_str(word);
        width += word.len();
    }
    made + "\n"
}

/// Words on a macro line: what could be taken for a macro or for punctuation is text.
fn arguments(text: &str) -> String {
    let word = |word: &str| {
        let is_macro = word.len() == 2 && word.starts_with(|c: char| c.is_ascii_uppercase());
        let is_mark = word.len() == 1 && !word.chars().all(char::is_alphanumeric);
        let word = word.replace('"', "\\(dq");
        if is_macro || is_mark { format!("\\&{word}") } else { word }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn is_own(argument: &&Arg) -> bool {
    !argument.is_global_set() && !matches!(argument.get_id().as_str(), "help" | "version")
}

fn values(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.iter().map(|name| format!("Ar {}", arguments(&name.to_lowercase()))).collect::<Vec<_>>().join(" ")
}

/// `.It Fl t , Fl -topology Ar file` and what it does.
fn option(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("Fl {short}"));
    let long = argument.get_long().map(|long| format!("Fl -{long}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    let takes = argument.get_action().takes_values();
    let line = match (flags.is_empty(), takes) {
        (true, _) => values(argument),
        (false, true) => format!("{} {}", flags.join(" , "), values(argument)),
        (false, false) => flags.join(" , "),
    };
    let mut text = format!(".It {line}\n{}", sentence(&help(argument)));
    let choices: Vec<_> = argument.get_possible_values().into_iter().filter(|choice| !choice.is_hide_set()).collect();
    if takes && !choices.is_empty() {
        text.push_str(".Bl -tag -width Ds -compact\n");
        for choice in choices {
            let about = choice.get_help().map(|text| sentence(&text.to_string())).unwrap_or_default();
            let _ = write!(text, ".It Cm {}\n{about}", choice.get_name());
        }
        text.push_str(".El\n");
    }
    text
}

fn help(argument: &Arg) -> String {
    argument.get_help().map(ToString::to_string).unwrap_or_default()
}

/// A sentence with its full stop.
fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with('.') { prose(text) } else { prose(&format!("{text}.")) }
}

fn verb(command: &Command) -> String {
    let mut line = format!(".It Ic {}", command.get_name());
    for argument in command.get_arguments().filter(is_own) {
        let text = match argument.get_long() {
            Some(long) => format!("Oo Fl -{long} Oc"),
            None if argument.is_required_set() => values(argument),
            None => format!("Oo {} Oc", values(argument)),
        };
        let dots = if argument.is_trailing_var_arg_set() { " ..." } else { "" };
        let _ = write!(line, " {text}{dots}");
    }
    let mut text = format!("{line}\n{}", sentence(&command.get_about().unwrap().to_string()));
    for alias in command.get_visible_aliases() {
        let _ = write!(text, "Its other name is\n.Ic {alias} .\n");
    }
    // What a file or a lab is, the page says before.
    let told = |argument: &&Arg| argument.get_id() != "target" && !help(argument).is_empty();
    let own: Vec<&Arg> = command.get_arguments().filter(is_own).filter(told).collect();
    if !own.is_empty() {
        text.push_str(".Bl -tag -width Ds -compact\n");
        own.into_iter().for_each(|argument| text.push_str(&option(argument)));
        text.push_str(".El\n");
    }
    text
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!(".Bl -tag -width Ds\n{}.El\n", items.collect::<String>())
}

/// Cells of the rows of Markdown tables: escaped bars are text.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?.replace("\\|", "\u{0}");
    let cells: Vec<String> = inner.split(" | ").map(|cell| cell.replace('\u{0}', "|")).collect();
    (!cells[0].starts_with("---")).then_some(cells)
}

fn exit_codes() -> String {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide.md")).unwrap();
    let (_, table) = guide.split_once("| code | meaning |\n").unwrap();
    let (table, rest) = table.split_once("\n\n").unwrap();
    let rows: Vec<Vec<String>> = table.lines().filter_map(cells).collect();
    assert!(rows.len() > 10);
    let codes = list(rows.iter().map(|row| format!(".It {}\n{}", row[0], sentence(&capital(&row[1])))));
    let (words, _) = rest.split_once("\n\n").unwrap_or((rest, ""));
    format!("{codes}.Pp\n{}", prose(&words.replace('\n', " ")))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// `[Name](#name)` without where it leads.
fn unlinked(text: &str) -> String {
    let mut parts = text.split("](#");
    let mut made = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        made.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
    }
    made.replace(['[', '`'], "")
}

fn keys() -> String {
    let mut text = String::new();
    let tables = cellblock::topology::format_table();
    for section in tables.split("### ").skip(1) {
        let (title, body) = section.split_once('\n').unwrap();
        let (about, rows) = body.trim().split_once("\n\n").unwrap_or((body, ""));
        let rows = rows.lines().filter_map(cells).filter(|row| row[0] != "key");
        let item = |row: Vec<String>| {
            let must = if row[0].ends_with("(required)") { " Pq required" } else { "" };
            let key = unlinked(row[0].trim_end_matches(" (required)"));
            let value = arguments(&unlinked(&row[1]));
            format!(".It Ic {key} : Ar {value}{must}\n{}", sentence(&row[2]))
        };
        let _ = write!(text, ".Ss {title}\n{}{}", sentence(about), list(rows.map(item)));
    }
    text
}

#[test]
fn the_page_of_the_program_says_what_help_says() {
    let mut command = Cli::command();
    command.build();
    let verbs = list(command.get_subcommands().filter(|verb| verb.get_name() != "help").map(verb));
    let global = || command.get_arguments().filter(|argument| argument.is_global_set());
    let options = list(command.get_arguments().filter(|argument| !argument.is_positional()).map(option));
    let environment = list(global().filter_map(|argument| {
        let variable = argument.get_env()?.to_str().unwrap().to_owned();
        Some(format!(".It Ev {variable}\nStands in for\n.Fl -{} .\n", argument.get_long().unwrap()))
    }));
    let parts = [("verbs", verbs), ("options", options), ("environment", environment), ("exit", exit_codes())];
    check("cellblock.8", &parts);
}

#[test]
fn the_page_of_the_format_has_the_keys_of_the_schema() {
    check("cellblock-topology.5", &[("keys", keys())]);
    let schema = serde_json::to_value(cellblock::topology::schema()).unwrap();
    let text = std::fs::read_to_string(page("cellblock-topology.5")).unwrap();
    let mut counted = 0;
    let parts = std::iter::once(&schema).chain(schema["$defs"].as_object().unwrap().values());
    for key in parts.filter_map(|part| part["properties"].as_object()).flat_map(|properties| properties.keys()) {
        assert!(text.contains(&format!("\n.It Ic {key} : ")), "{key}");
        counted += 1;
    }
    assert!(counted > 60, "{counted} keys");
}

#[test]
fn the_example_of_the_page_is_a_topology() {
    let text = std::fs::read_to_string(page("cellblock-topology.5")).unwrap();
    let (_, example) = text.split_once(".Bd -literal -offset indent\n").unwrap();
    let (example, _) = example.split_once(".Ed\n").unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("page.yaml"), example).unwrap();
    let program = Process::new(env!("CARGO_BIN_EXE_cellblock"))
        .args(["validate", "--strict", "page.yaml", "--engine", "sim"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));
}

#[test]
fn mandoc_has_nothing_to_say() {
    for name in ["cellblock.8", "cellblock-topology.5"] {
        // Pages of the base system that the two refer to are only on FreeBSD.
        let elsewhere = "referenced manual not found";
        let mandoc = match Process::new("mandoc").args(["-Tlint", "-Wstyle"]).arg(page(name)).output() {
            Ok(output) => output,
            Err(error) => {
                eprintln!("skipped: no mandoc(1) here: {error}");
                return;
            }
        };
        let said = String::from_utf8_lossy(&mandoc.stdout);
        let said: Vec<&str> = said.lines().filter(|line| !line.contains(elsewhere)).collect();
        assert!(said.is_empty(), "{name}:\n{}", said.join("\n"));
    }
}
