//! ngctl against what a real kernel was recorded to answer: the bytes it sends, and what it prints of the replies.
//!
//! `CELLBLOCK_SHARED` names the folder that has `fixtures/freebsd-15.1/netgraph.jsonl`.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use ngsock::generic::{self, BinaryToText, Enclosed, TextToBinary};
use ngsock::message::{Header, Message, Payload, Request, encode, encode_reply};
use ngsock::name::Name;
use ngsock::{DataTransport, Errno, Transport};
use serde_json::Value;

use crate::Screen;
use crate::app::session::Session;
use crate::kernel::{Kernel, Ready, Refusal};

/// A kernel that expects what one line of the recording sent, and answers as that did.
struct Recorded<'a> {
    line: &'a Value,
    waiting: VecDeque<(Vec<u8>, Vec<u8>)>,
    /// Whether the request was sent.
    was_sent: bool,
}

impl Recorded<'_> {
    fn request(&self) -> Vec<u8> {
        unhex(self.line["request"].as_str().unwrap())
    }

    fn answer(&mut self, request: &Header, reply: &impl Payload) {
        let mut datagram = Vec::new();
        encode_reply(&mut datagram, request, reply).unwrap();
        self.waiting.push_back((b"[1]:".to_vec(), datagram));
    }

    /// Words become the recorded request, if they are those of the line.
    fn give_binary(&mut self, message: &Message<'_>) -> Result<(), Errno> {
        let Some(TextToBinary(words)) = message.request().unwrap() else { unreachable!("the caller looked") };
        let text = generic::CString::decode(words.payload()).unwrap();
        let mut expected = self.line["op"].as_str().unwrap().splitn(4, ' ').skip(2);
        assert_eq!(words.header().text.as_str(), expected.next());
        assert_eq!(text.as_str(), Some(expected.next().unwrap_or_default()));
        if let Some(errno) = self.line["ascii2binary_errno"].as_i64() {
            return Err(Errno::from_raw(errno.try_into().unwrap()).unwrap());
        }
        let request = self.request();
        let recorded = Message::parse(&request).unwrap();
        let header = Header { token: 0, text: words.header().text, ..recorded.header };
        let enclosed = Enclosed::from_bytes(header, recorded.payload.to_vec()).unwrap();
        self.answer(&message.header, &enclosed);
        Ok(())
    }

    /// The recorded reply becomes the recorded text.
    fn give_text(&mut self, message: &Message<'_>) -> Result<(), Errno> {
        let Some(BinaryToText(reply)) = message.request().unwrap() else { unreachable!("the caller looked") };
        let replies = self.line["replies"].as_array().unwrap();
        let is_it = |recorded: &&Value| {
            let bytes = unhex(recorded["bytes"].as_str().unwrap());
            Message::parse(&bytes).unwrap().payload == reply.payload()
        };
        let text = replies.iter().find(is_it).and_then(|reply| reply["text"].as_str()).ok_or(Errno::ENOSYS)?;
        let name = self.line["op"].as_str().unwrap().split(' ').nth(2).unwrap();
        let header = Header { text: Name::new(name).unwrap(), ..*reply.header() };
        self.answer(&message.header, &Enclosed::new(header, &generic::CString::new(text)).unwrap());
        Ok(())
    }
}

impl Transport for Recorded<'_> {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        let message = Message::parse(datagram).unwrap();
        match (message.header.cookie, message.header.command) {
            (generic::COOKIE, TextToBinary::COMMAND) => return self.give_binary(&message),
            (generic::COOKIE, BinaryToText::COMMAND) => return self.give_text(&message),
            _ => {}
        }
        let recorded = self.request();
        let recorded = Message::parse(&recorded).unwrap();
        let path = if path == b"." { b".:" } else { path };
        assert_eq!(std::str::from_utf8(path).unwrap(), self.line["path"].as_str().unwrap());
        assert_eq!(
            (message.header.cookie, message.header.command, message.payload),
            (recorded.header.cookie, recorded.header.command, recorded.payload)
        );
        self.was_sent = true;
        for reply in self.line["replies"].as_array().unwrap() {
            let bytes = unhex(reply["bytes"].as_str().unwrap());
            let answer = Message::parse(&bytes).unwrap();
            let token = if answer.header.is_reply() { message.header.token } else { answer.header.token };
            let mut datagram = Vec::new();
            encode(&mut datagram, &Header { token, ..answer.header }, &answer.payload.to_vec()).unwrap();
            self.waiting.push_back((reply["from"].as_str().unwrap().as_bytes().to_vec(), datagram));
        }
        match Errno::from_raw(self.line["errno"].as_i64().unwrap().try_into().unwrap()) {
            None => Ok(()),
            Some(errno) => Err(errno),
        }
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        Ok(self.waiting.pop_front().map(|(from, datagram)| {
            *buffer = datagram;
            from
        }))
    }
}

impl DataTransport for Recorded<'_> {
    fn send_frame(&mut self, _: &[u8], _: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOTCONN)
    }

    fn receive_frame(&mut self, _: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        Ok(None)
    }
}

impl Kernel for Recorded<'_> {
    fn poll(&mut self, _: bool) -> io::Result<Ready> {
        Ok(Ready::default())
    }

    fn pause(&mut self, _: Duration) {}

    fn now(&mut self) -> Duration {
        Duration::ZERO
    }

    fn close(self: Box<Self>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// The command that does what a line did; `None` if ngctl has none.
fn command(op: &str, path: &str) -> Option<String> {
    Some(match op.split(' ').next().unwrap() {
        "mkpeer" | "connect" | "name" | "rmhook" | "shutdown" | "msg" => op.to_owned(),
        "listnodes" => "list".to_owned(),
        "listnames" => "list -n".to_owned(),
        "listtypes" => "types".to_owned(),
        "listhooks" => format!("show {path}"),
        "textstatus" => format!("status {path}"),
        _ => return None,
    })
}

/// strerror(3) of FreeBSD, of the numbers that were recorded.
fn error_text(errno: i64) -> &'static str {
    match errno {
        2 => "No such file or directory",
        17 => "File exists",
        22 => "Invalid argument",
        25 => "Inappropriate ioctl for device",
        45 => "Operation not supported",
        46 => "Protocol family not supported",
        48 => "Address already in use",
        57 => "Socket is not connected",
        78 => "Function not implemented",
        other => panic!("errno {other} has no text here"),
    }
}

/// What ngctl(8) prints of a line.
fn expected(line: &Value) -> String {
    let (op, path) = (line["op"].as_str().unwrap(), line["path"].as_str().unwrap());
    let verb = op.split(' ').next().unwrap();
    let errno = line["ascii2binary_errno"].as_i64().or(line["errno"].as_i64()).unwrap();
    match (verb, errno) {
        ("textstatus", 22) => return format!("No status available for \"{path}\"\n"),
        (_, 0) => {}
        ("shutdown", errno) => return format!("ngctl: shutdown: {}\n", error_text(errno)),
        (_, errno) => return format!("ngctl: send msg: {}\n", error_text(errno)),
    }
    let Some(reply) = line["replies"].as_array().and_then(|replies| replies.first()) else { return String::new() };
    let bytes = unhex(reply["bytes"].as_str().unwrap());
    let message = Message::parse(&bytes).unwrap();
    match verb {
        "msg" => {
            let (name, command) = (op.split(' ').nth(2).unwrap(), message.header.command.cast_signed());
            let (from, text) = (reply["from"].as_str().unwrap(), reply["text"].as_str().unwrap());
            format!("Rec'd response \"{name}\" ({command}) from \"{from}\":\nArgs:\t{text}\n")
        }
        "listnodes" | "listnames" => {
            let nodes = generic::NodeList::decode(message.payload).unwrap().0;
            let lines: String = nodes.iter().map(node).collect();
            let named = if verb == "listnames" { "named " } else { "" };
            format!("There are {} total {named}nodes:\n{lines}", nodes.len())
        }
        "listhooks" => hooks(&generic::HookList::decode(message.payload).unwrap()),
        "listtypes" => types(&generic::TypeList::decode(message.payload).unwrap()),
        _ => String::new(),
    }
}

fn name(name: Name) -> String {
    if name.is_empty() { "<unnamed>".to_owned() } else { name.to_string() }
}

fn node(node: &generic::NodeInfo) -> String {
    let (name, kind) = (name(node.name), node.kind.to_string());
    format!("  Name: {name:<15} Type: {kind:<15} ID: {:08x}   Num hooks: {}\n", node.id.0, node.hooks)
}

fn hooks(list: &generic::HookList) -> String {
    let hooks = u32::try_from(list.links.len()).unwrap();
    let mut text = node(&generic::NodeInfo { name: list.name, kind: list.kind, id: list.id, hooks });
    let row = |columns: [&str; 5]| {
        let [a, b, c, d, e] = columns;
        format!("  {a:<15} {b:<15} {c:<12} {d:<15} {e:<15}\n")
    };
    if hooks > 0 {
        text += &row(["Local hook", "Peer name", "Peer type", "Peer ID", "Peer hook"]);
        text += &row(["----------", "---------", "---------", "-------", "---------"]);
    }
    for link in &list.links {
        let (ours, theirs) = (link.our_hook.to_string(), link.peer_hook.to_string());
        let (kind, id) = (link.peer.kind.to_string(), format!("{:08x}", link.peer.id.0));
        text += &row([&ours, &name(link.peer.name), &kind, &id, &theirs]);
    }
    text
}

fn types(list: &generic::TypeList) -> String {
    let mut text = format!("There are {} total types:\n", list.0.len());
    text += "      Type name   Number of living nodes\n      ---------   ----------------------\n";
    for kind in &list.0 {
        text += &format!("{:>15}   {:>5}\n", kind.name.to_string(), kind.nodes);
    }
    text
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn recordings_are_sent_and_shown() {
    let Ok(shared) = std::env::var("CELLBLOCK_SHARED") else {
        println!("skipped: CELLBLOCK_SHARED does not name the folder of the recordings");
        return;
    };
    let file = std::path::Path::new(&shared).join("fixtures/freebsd-15.1/netgraph.jsonl");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (mut shown, mut others) = (0, 0);
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let op = line["op"].as_str().unwrap_or_default();
        let Some(command) = command(op, line["path"].as_str().unwrap_or_default()) else {
            others += 1;
            continue;
        };
        let mut kernel = Recorded { line: &line, waiting: VecDeque::new(), was_sent: false };
        let screen = Screen::default();
        let (mut out, mut err) = (screen.clone(), screen.clone());
        let words: Vec<Vec<u8>> = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        Session::new(&mut kernel, &mut out, &mut err, 0).command(&words).unwrap();
        assert_eq!(screen.text(), expected(&line), "{op}");
        assert_eq!(kernel.was_sent, line["request"].is_string(), "{op}");
        shown += 1;
    }
    println!("{shown} commands sent and shown as recorded, {others} lines are of no command of ngctl");
    assert!(shown > 300, "{shown}");
}
