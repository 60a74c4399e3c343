//! The netgraph of the simulated kernel against the recording of a real one, byte for byte.
//!
//! `CELLBLOCK_SHARED` names the folder that has `fixtures/freebsd-15.1/netgraph.jsonl`. Numbers of nodes and
//! interfaces are the real ones as long as nothing was skipped; where a skipped line used numbers up, they are
//! mapped, and so are Ethernet addresses of the kernel's making.

#![allow(clippy::unwrap_used, reason = "a recording that cannot be read is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;

use cellblock::sim::ifnet;
use cellblock::sim::kernel::{Kernel, VnetId};
use cellblock::sim::netgraph;
use cellblock::sim::sockets::{Protocol, SockId, Socket};
use ngsock::generic;
use ngsock::message::{Header, Message, Payload};
use serde_json::Value;

/// The modules of the recorded kernel, in the order in which it came to know their types.
const MODULES: [&str; 27] = [
    "UI",
    "bpf",
    "bridge",
    "car",
    "checksum",
    "device",
    "echo",
    "eiface",
    "ether",
    "ether_echo",
    "hole",
    "iface",
    "ipfw",
    "ksocket",
    "l2tp",
    "nat",
    "one2many",
    "patch",
    "pipe",
    "ppp",
    "pppoe",
    "split",
    "tag",
    "tcpmss",
    "tee",
    "vlan",
    "socket",
];

struct Replay {
    kernel: Kernel,
    sock: SockId,
    /// Recorded numbers of nodes and ours.
    nodes: BTreeMap<u32, u32>,
    /// Nodes, by the name or path by which they are addressed, whose type is not simulated.
    missing: BTreeMap<String, String>,
    skipped: BTreeMap<String, usize>,
    replayed: usize,
    failures: Vec<String>,
}

#[test]
fn the_netgraph_recording_replays() {
    let Ok(shared) = std::env::var("CELLBLOCK_SHARED") else {
        println!("skipped: CELLBLOCK_SHARED does not name the folder of the recordings");
        return;
    };
    let path = Path::new(&shared).join("fixtures/freebsd-15.1/netgraph.jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut replay = Replay::new();
    let mut total = 0;
    for (index, line) in text.lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        total += 1;
        replay.line(index + 1, &line);
    }
    let skipped: usize = replay.skipped.values().sum();
    let names: Vec<String> = replay.skipped.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("replayed {} of {total}, skipped {skipped} (types: {})", replay.replayed, names.join(", "));
    assert!(replay.failures.is_empty(), "{} lines differ:\n{}", replay.failures.len(), replay.failures.join("\n"));
    assert_eq!(replay.replayed + skipped, total);
}

impl Replay {
    fn new() -> Self {
        let mut kernel = Kernel::boot(15);
        ifnet::enable_pf(&mut kernel);
        kernel.modules.insert("if_epair".to_owned());
        for kind in MODULES {
            if netgraph::load_module(&mut kernel, &format!("ng_{kind}")).is_err() {
                kernel.node_types.list(kind);
            }
        }
        let sock = open(&mut kernel);
        netgraph::set_receive_buffer(&mut kernel, sock, 1 << 20).unwrap();
        Self {
            kernel,
            sock,
            nodes: BTreeMap::new(),
            missing: BTreeMap::new(),
            skipped: BTreeMap::new(),
            replayed: 0,
            failures: Vec::new(),
        }
    }

    fn line(&mut self, number: usize, line: &Value) {
        if let Some(shell) = line["sh"].as_str() {
            match self.shell(shell, line) {
                Ok(()) => self.replayed += 1,
                Err(reason) => self.skip(reason),
            }
            return;
        }
        let op = line["op"].as_str().unwrap();
        if let Some(kind) = self.concerns_missing(op, line) {
            self.skip(&kind);
            return;
        }
        let result = match (op.strip_prefix("bind "), line["ascii2binary_errno"].as_i64()) {
            (Some(name), _) => {
                let address = [name.as_bytes(), b"\0"].concat();
                let errno = errno(netgraph::bind(&mut self.kernel, self.sock, &address));
                equal("errno", line["errno"].as_i64().unwrap(), errno)
            }
            (None, Some(expected)) => {
                equal("errno of the text", expected, self.ask_from_text(op, line).map_or_else(|errno| errno, |_| 0))
            }
            (None, None) => self.request(op, line),
        };
        match result {
            Ok(()) => self.replayed += 1,
            Err(difference) => self.failures.push(format!("line {number}: {op}: {difference}")),
        }
    }

    fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
    }

    /// What a command did that was run beside, where it matters.
    fn shell(&mut self, shell: &str, line: &Value) -> Result<(), &'static str> {
        let output = line["output"].as_str().unwrap();
        match shell {
            "ifconfig ngeth0 name tapif0" => {
                let index = ifnet::find(&self.kernel, VnetId::HOST, "ngeth0").unwrap();
                ifnet::rename(&mut self.kernel, index, "tapif0").unwrap();
                Ok(())
            }
            "ifconfig epair create" => {
                let index = ifnet::create(&mut self.kernel, VnetId::HOST, "epair", None).unwrap();
                assert_eq!(format!("{}\n", self.kernel.interfaces.get(index).unwrap().name), output);
                Ok(())
            }
            "ifconfig ngeth0 | grep ether" => {
                let index = ifnet::find(&self.kernel, VnetId::HOST, "ngeth0").unwrap();
                let mac = ngsock::MacAddress(self.kernel.interfaces.get(index).unwrap().mac);
                assert_eq!(format!("\tether {mac}\n"), output);
                Ok(())
            }
            _ if shell.starts_with("ngctl list") => {
                // A process with a socket of its own.
                let sock = open(&mut self.kernel);
                let Some(Socket { protocol: Protocol::Netgraph(control), vnet, .. }) =
                    self.kernel.sockets.open.remove(&sock)
                else {
                    unreachable!("it was just opened")
                };
                netgraph::socket_close(&mut self.kernel, vnet, control);
                Err("shell")
            }
            _ => Err("shell"),
        }
    }

    /// The type that is not simulated and that this line is about. Nodes of such types are remembered by what the
    /// recording calls them.
    fn concerns_missing(&mut self, op: &str, line: &Value) -> Option<String> {
        let words: Vec<&str> = op.split(' ').collect();
        let path = line["path"].as_str().unwrap_or_default();
        if let Some(kind) = self.missing_at(path) {
            if let ["name", _, name] = *words.as_slice() {
                self.missing.insert(format!("{name}:"), kind.clone());
            }
            return Some(kind);
        }
        if let ["mkpeer", here, kind, ours, _] = *words.as_slice()
            && !netgraph::simulates(kind)
            && kind != "nosuchtype"
        {
            let separator = if here.ends_with(':') { "" } else { "." };
            self.missing.insert(format!("{here}{separator}{ours}"), kind.to_owned());
            return Some(kind.to_owned());
        }
        listed_types(line).into_iter().find(|kind| !netgraph::simulates(kind))
    }

    fn missing_at(&self, path: &str) -> Option<String> {
        let begins = |known: &str| path == known || path.strip_prefix(known).is_some_and(|_| known.ends_with(':'));
        self.missing.iter().find(|(known, _)| begins(known)).map(|(_, kind)| kind.clone())
    }

    fn request(&mut self, op: &str, line: &Value) -> Result<(), String> {
        let request = unhex(line["request"].as_str().unwrap());
        let path = line["path"].as_str().unwrap().to_owned();
        if op.starts_with("msg ") {
            let payload = self.ask_from_text(op, line).map_err(|errno| format!("its text is refused with {errno}"))?;
            equal("payload from text", hex(&request[ngsock::message::HEADER_LEN..]), hex(&payload))?;
        }
        let errno = errno(netgraph::send(&mut self.kernel, self.sock, path.as_bytes(), &request));
        equal("errno", line["errno"].as_i64().unwrap(), errno)?;
        let replies = line["replies"].as_array().unwrap();
        for reply in replies {
            let (from, bytes) = netgraph::receive(&mut self.kernel, self.sock).ok_or("a reply is missing")?;
            let recorded = unhex(reply["bytes"].as_str().unwrap());
            self.same_node(id(reply["from"].as_str().unwrap().as_bytes()), id(&from))?;
            let bytes = self.mapped(op, &recorded, bytes)?;
            equal("reply", hex(&recorded), hex(&bytes))?;
            if let Some(text) = reply["text"].as_str() {
                equal("reply as text", text.to_owned(), self.ask_for_text(&path, &bytes)?)?;
            }
        }
        match netgraph::receive(&mut self.kernel, self.sock) {
            None => Ok(()),
            Some((_, extra)) => Err(format!("a reply too many: {}", hex(&extra))),
        }
    }

    /// Notes that two numbers mean the same node.
    fn same_node(&mut self, recorded: u32, ours: u32) -> Result<(), String> {
        let known = *self.nodes.entry(recorded).or_insert(ours);
        equal(&format!("our number of node [{recorded:x}]"), known, ours)?;
        let others = self.nodes.values().filter(|other| **other == ours).count();
        equal("nodes of one number", 1, others)
    }

    /// Our reply with the recorded numbers where only those differ.
    fn mapped(&mut self, op: &str, recorded: &[u8], ours: Vec<u8>) -> Result<Vec<u8>, String> {
        let (Ok(theirs), Ok(message)) = (Message::parse(recorded), Message::parse(&ours)) else {
            return Ok(ours);
        };
        let mut mapped = ours.clone();
        let payload = &mut mapped[ngsock::message::HEADER_LEN..];
        if message.header.cookie == generic::COOKIE {
            for at in ids(message.header.command, message.payload.len()) {
                if let (Some(recorded), Some(ours)) = (number(theirs.payload, at), number(message.payload, at)) {
                    self.same_node(recorded, ours)?;
                    payload[at..at + 4].copy_from_slice(&recorded.to_le_bytes());
                }
            }
        }
        if op.ends_with("getenaddr") && payload.len() == theirs.payload.len() {
            payload.copy_from_slice(theirs.payload);
        }
        Ok(mapped)
    }

    /// NGM_ASCII2BINARY, as ngctl(8) does it.
    fn ask_from_text(&mut self, op: &str, line: &Value) -> Result<Vec<u8>, i64> {
        let mut words = op.splitn(4, ' ').skip(2);
        let name = words.next().unwrap();
        let text = generic::CString::new(words.next().unwrap_or_default());
        let path = line["path"].as_str().unwrap();
        let header = Header { cookie: 0, command: 0, flags: 0, token: 0, text: ngsock::name::Name::new(name).unwrap() };
        let enclosed = generic::Enclosed::new(header, &text).unwrap();
        let reply = self.convert(path, &generic::TextToBinary(enclosed))?;
        Ok(reply.payload().to_vec())
    }

    /// NGM_BINARY2ASCII.
    fn ask_for_text(&mut self, path: &str, message: &[u8]) -> Result<String, String> {
        let enclosed = generic::Enclosed::decode(message).unwrap();
        let reply = self.convert(path, &generic::BinaryToText(enclosed)).map_err(|errno| errno.to_string())?;
        let text = generic::CString::decode(reply.payload()).unwrap();
        Ok(text.as_str().unwrap().to_owned())
    }

    fn convert<R>(&mut self, path: &str, request: &R) -> Result<generic::Enclosed, i64>
    where
        R: ngsock::Request<Reply = generic::Enclosed>,
    {
        let mut datagram = Vec::new();
        ngsock::message::encode_request(&mut datagram, 0, request).unwrap();
        match errno(netgraph::send(&mut self.kernel, self.sock, path.as_bytes(), &datagram)) {
            0 => {}
            errno => return Err(errno),
        }
        let (_, reply) = netgraph::receive(&mut self.kernel, self.sock).unwrap();
        Ok(generic::Enclosed::decode(Message::parse(&reply).unwrap().payload).unwrap())
    }
}

/// The types of the nodes that the recorded reply lists.
fn listed_types(line: &Value) -> Vec<String> {
    let Some(bytes) = line["replies"][0]["bytes"].as_str().map(unhex) else { return Vec::new() };
    let Ok(message) = Message::parse(&bytes) else { return Vec::new() };
    if message.header.cookie != generic::COOKIE {
        return Vec::new();
    }
    let at = |at: usize| generic::CString::new(message.payload.get(at - 32..at).unwrap_or_default());
    ids(message.header.command, message.payload.len())
        .into_iter()
        .map(|id| at(id).as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Where numbers of nodes stand in the reply to a generic command.
fn ids(command: u32, len: usize) -> Vec<usize> {
    let (first, step) = match command & 0xff {
        6 => (64, len),
        7 => (64, 136),
        8 | 9 => (4 + 64, 72),
        _ => return Vec::new(),
    };
    (first..len).step_by(step.max(1)).collect()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn id(path: &[u8]) -> u32 {
    let bracketed = path.strip_suffix(b":").unwrap_or_default();
    ngsock::NodeId::from_bracketed(bracketed).expect("replies come from numbers").0
}

fn open(kernel: &mut Kernel) -> SockId {
    let sock = SockId(kernel.sockets.next);
    kernel.sockets.next += 1;
    let control = netgraph::socket_open(kernel, VnetId::HOST, sock);
    let socket = Socket { vnet: VnetId::HOST, jail: None, protocol: Protocol::Netgraph(control) };
    kernel.sockets.open.insert(sock, socket);
    sock
}

fn errno(result: Result<(), ngsock::Errno>) -> i64 {
    result.err().map_or(0, |errno| i64::from(errno.raw()))
}

fn equal<T: PartialEq + std::fmt::Display>(what: &str, recorded: T, ours: T) -> Result<(), String> {
    if recorded == ours { Ok(()) } else { Err(format!("{what} is\n    {ours}\n  recorded\n    {recorded}")) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
