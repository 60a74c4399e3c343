//! What a FreeBSD 15.1 kernel was sent and answered, line by line, against the typed values and the text form.
//!
//! `CELLBLOCK_SHARED` names the folder that has `fixtures/freebsd-15.1/netgraph.jsonl`; `CELLBLOCK_RECORDINGS` may
//! name a folder with more files of the same form (`*.jsonl`).

#![expect(clippy::print_stdout, reason = "the figures are what this is for")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ngsock::message::{Header, Malformed, Message, Payload, Request, encode};
use ngsock::name::{Name, Text};
use ngsock::{generic, text};
use serde_json::Value;

/// The payload after it went through the typed value of its command.
fn through_types(message: &Message<'_>) -> Result<Vec<u8>, Malformed> {
    let Header { cookie, command, .. } = message.header;
    let commands = common::of_cookie(cookie).ok_or(Malformed::UnknownCommand { cookie, command })?;
    (commands.through_types)(command, message.header.is_reply(), message.payload)
}

/// The payload that the words of a generic operation mean, and the command; `None` for other operations.
fn generic_request(op: &str) -> Option<(u32, Vec<u8>)> {
    let name = |text: &str| Name::new(text).expect("recorded names are short");
    let words: Vec<&str> = op.split(' ').collect();
    let mut payload = Vec::new();
    let command = match *words.as_slice() {
        ["mkpeer", _, kind, ours, theirs] => {
            let peer = generic::NewPeer { kind: name(kind), our_hook: name(ours), peer_hook: name(theirs) };
            generic::MkPeer(peer).encode(&mut payload);
            generic::MkPeer::COMMAND
        }
        ["connect", _, peer, ours, theirs] => {
            let path = Text::new(peer).expect("recorded paths are short");
            let join = generic::Join { path, our_hook: name(ours), peer_hook: name(theirs) };
            generic::Connect(join).encode(&mut payload);
            generic::Connect::COMMAND
        }
        ["name", _, new] => {
            generic::SetName(name(new)).encode(&mut payload);
            generic::SetName::COMMAND
        }
        ["rmhook", _, hook] => {
            generic::RemoveHook(name(hook)).encode(&mut payload);
            generic::RemoveHook::COMMAND
        }
        ["shutdown", _] => generic::Shutdown::COMMAND,
        ["nodeinfo", _] => generic::GetNodeInfo::COMMAND,
        ["listhooks", _] => generic::ListHooks::COMMAND,
        ["listnames", _] => generic::ListNames::COMMAND,
        ["listnodes", _] => generic::ListNodes::COMMAND,
        ["listtypes", _] => generic::ListTypes::COMMAND,
        ["textstatus", _] => generic::GetTextStatus::COMMAND,
        _ => return None,
    };
    Some((command, payload))
}

fn unhex(text: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("recordings are hex");
    (0..text.len()).step_by(2).map(pair).collect()
}

/// What the lines so far say about the types of nodes, by path.
#[derive(Default)]
struct Kinds(BTreeMap<String, String>);

impl Kinds {
    fn note(&mut self, op: &str) {
        let words: Vec<&str> = op.split(' ').collect();
        match *words.as_slice() {
            ["mkpeer", path, kind, ours, _] => {
                self.0.insert(format!("{path}{ours}"), kind.to_owned());
            }
            ["name", path, name] => {
                if let Some(kind) = self.0.get(path).cloned() {
                    self.0.insert(format!("{name}:"), kind);
                }
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct Tally {
    covered: usize,
    total: usize,
    missing: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Tally {
    fn count(&mut self, what: &str, outcome: Result<(), Option<String>>) {
        self.total += 1;
        match outcome {
            Ok(()) => self.covered += 1,
            Err(None) => {
                self.missing.insert(what.to_owned());
            }
            Err(Some(why)) => self.wrong.push(format!("{what}: {why}")),
        }
    }
}

fn check_request(op: &str, request: &[u8]) -> Result<(), Option<String>> {
    let message = Message::parse(request).map_err(|cause| Some(cause.to_string()))?;
    if let Some((command, payload)) = generic_request(op) {
        // Token and words are the recorder's own choice.
        let Header { token, text, .. } = message.header;
        let header = Header { cookie: generic::COOKIE, command, flags: 0, token, text };
        let mut bytes = Vec::new();
        encode(&mut bytes, &header, &payload).map_err(|cause| Some(cause.to_string()))?;
        if bytes != request {
            return Err(Some("words and bytes differ".to_owned()));
        }
    }
    if op.starts_with("raw ") {
        return check_raw(op, request, &message);
    }
    same_through_types(&message, request)
}

/// Commands that no type has: made without a type of ours.
fn check_raw(op: &str, request: &[u8], message: &Message<'_>) -> Result<(), Option<String>> {
    let words: Vec<&str> = op.split(' ').collect();
    let number = |index: usize| words[index].parse().expect("recorded numbers are decimal");
    let header =
        Header { cookie: number(2), command: number(3), flags: 0, token: message.header.token, text: Name::EMPTY };
    let mut bytes = Vec::new();
    encode(&mut bytes, &header, &unhex(words[4])).map_err(|cause| Some(cause.to_string()))?;
    if bytes == request { Ok(()) } else { Err(Some("words and bytes differ".to_owned())) }
}

fn same_through_types(message: &Message<'_>, datagram: &[u8]) -> Result<(), Option<String>> {
    match through_types(message) {
        Err(Malformed::UnknownCommand { .. }) => Err(None),
        Err(cause) => Err(Some(cause.to_string())),
        Ok(payload) => {
            let mut bytes = Vec::new();
            encode(&mut bytes, &message.header, &payload).map_err(|cause| Some(cause.to_string()))?;
            if bytes == datagram { Ok(()) } else { Err(Some(format!("encoded again: {bytes:02x?}"))) }
        }
    }
}

fn check_text(op: &str, request: &[u8]) -> Result<(), Option<String>> {
    let mut words = op.splitn(4, ' ').skip(2);
    let (name, argument) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let message = Message::parse(request).map_err(|cause| Some(cause.to_string()))?;
    let command = text::find(message.header.cookie, message.header.command).ok_or(None)?;
    if command.name != name {
        return Err(Some(format!("called {} here", command.name)));
    }
    let payload = command.read_argument(argument).map_err(|error| Some(error.to_string()))?;
    if payload == message.payload { Ok(()) } else { Err(Some(format!("read as {payload:02x?}"))) }
}

fn check_reply_text(reply: &[u8], expected: &str) -> Result<(), Option<String>> {
    let message = Message::parse(reply).map_err(|cause| Some(cause.to_string()))?;
    let command = text::find(message.header.cookie, message.header.command).ok_or(None)?;
    let printed = command.print_reply(message.payload).map_err(|error| Some(error.to_string()))?;
    if printed == expected { Ok(()) } else { Err(Some(format!("printed as {printed}, not {expected}"))) }
}

fn check_refusal(kinds: &Kinds, op: &str, errno: i64) -> Result<(), Option<String>> {
    let words: Vec<&str> = op.splitn(4, ' ').collect();
    let kind = kinds.0.get(words[1]).ok_or(Some("node of unknown type".to_owned()))?;
    let refusal = match text::command_named(kind, words[2]) {
        None => 78,
        Some(command) => match command.read_argument(words.get(3).copied().unwrap_or_default()) {
            Ok(payload) => return Err(Some(format!("read as {payload:02x?}"))),
            Err(error) => i64::from(error.errno().raw()),
        },
    };
    if refusal == errno { Ok(()) } else { Err(Some(format!("refused with {refusal}, not {errno}"))) }
}

fn replay(file: &Path) -> [(&'static str, Tally); 5] {
    let [mut requests, mut replies, mut texts, mut reply_texts, mut refusals] = <[Tally; 5]>::default();
    let mut kinds = Kinds::default();
    let recording = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    for line in recording.lines() {
        let line: Value = serde_json::from_str(line).expect("a recording is one JSON object per line");
        let Some(op) = line["op"].as_str() else { continue };
        if let Some(errno) = line["ascii2binary_errno"].as_i64() {
            refusals.count(op, check_refusal(&kinds, op, errno));
        }
        let Some(request) = line["request"].as_str().map(unhex) else { continue };
        if line["errno"] == 0 {
            kinds.note(op);
        }
        requests.count(op, check_request(op, &request));
        if op.starts_with("msg ") {
            texts.count(op, check_text(op, &request));
        }
        for reply in line["replies"].as_array().into_iter().flatten() {
            let bytes = unhex(reply["bytes"].as_str().expect("a reply has bytes"));
            let outcome = Message::parse(&bytes).map_err(|cause| Some(cause.to_string()));
            replies.count(op, outcome.and_then(|message| same_through_types(&message, &bytes)));
            if let Some(text) = reply["text"].as_str() {
                reply_texts.count(op, check_reply_text(&bytes, text));
            }
        }
    }
    [
        ("requests from typed values", requests),
        ("replies to typed values and back", replies),
        ("requests from text", texts),
        ("replies as text", reply_texts),
        ("texts refused", refusals),
    ]
}

/// The recordings of netgraph in a folder (`*.jsonl`), by name; files of other recordings may lie beside them.
fn recordings(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder is readable").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl") && is_netgraph(path));
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: no recording of netgraph (*.jsonl) is in it", folder.display()));
    }
    Ok(files)
}

fn is_netgraph(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).any(|line| line["op"].is_string())
}

/// Replays files and prints what was covered; gives what was not, and what differs.
fn judge(files: &[PathBuf]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        println!("{}", file.display());
        for (what, tally) in replay(file) {
            println!("  {what}: {}/{}", tally.covered, tally.total);
            for missing in tally.missing {
                println!("    not covered: {missing}");
                wrong.push(format!("not covered: {missing}"));
            }
            wrong.extend(tally.wrong);
        }
    }
    wrong
}

#[test]
fn netgraph_recordings_replay() {
    let Some(shared) = std::env::var_os("CELLBLOCK_SHARED") else {
        println!("skipped: CELLBLOCK_SHARED does not name the folder of the recordings");
        return;
    };
    let wrong = judge(&[Path::new(&shared).join("fixtures/freebsd-15.1/netgraph.jsonl")]);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn further_recordings_replay() {
    let Some(folder) = std::env::var_os("CELLBLOCK_RECORDINGS") else {
        println!("skipped: CELLBLOCK_RECORDINGS does not name a folder of further recordings");
        return;
    };
    let files = recordings(Path::new(&folder)).unwrap_or_else(|error| panic!("{error}"));
    let wrong = judge(&files);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_folder_of_recordings_is_searched_and_judged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, line: &Value| fs::write(folder.path().join(name), format!("{line}\n")).expect("written");
    assert!(recordings(folder.path()).is_err(), "nothing is in it");
    write("jail.jsonl", &serde_json::json!({"call": "jail_set"}));
    assert!(recordings(folder.path()).is_err(), "no recording of netgraph is in it");
    assert!(recordings(&folder.path().join("none")).is_err());

    let mut request = Vec::new();
    ngsock::message::encode_request(&mut request, 1, &generic::GetNodeInfo).expect("short");
    let hex: String = request.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = |op: &str| serde_json::json!({"op": op, "request": hex, "errno": 2, "replies": []});
    write("good.jsonl", &line("nodeinfo a:"));
    assert_eq!(judge(&recordings(folder.path()).expect("there is one")), Vec::<String>::new());
    write("wrong.jsonl", &line("shutdown a:"));
    let wrong = judge(&recordings(folder.path()).expect("there are two"));
    assert_eq!(wrong, ["shutdown a:: words and bytes differ"]);
}
