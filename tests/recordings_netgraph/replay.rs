//! One recording against one simulated kernel, line by line.

use std::collections::BTreeMap;

use cellblock::sim::ifnet;
use cellblock::sim::kernel::{Kernel, VnetId};
use cellblock::sim::netgraph;
use cellblock::sim::sockets::{Protocol, SockId, Socket};
use ngsock::generic;
use ngsock::message::{HEADER_LEN, Header, Message, Payload};
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

pub struct Replay {
    pub kernel: Kernel,
    sock: SockId,
    /// Whether numbers of nodes and interfaces must be the recorded ones.
    exact: bool,
    /// Recorded numbers of nodes and ours.
    nodes: BTreeMap<u32, u32>,
    /// Lines that were replayed and are alike.
    pub covered: usize,
    /// Commands that the simulator does not have.
    pub unknown: Vec<String>,
    pub differences: Vec<String>,
}

impl Replay {
    /// Of the kernel that `MODULES` describes.
    pub fn exact() -> Self {
        Self::new(true)
    }

    /// Of any kernel: numbers of nodes and interfaces are mapped.
    pub fn mapped() -> Self {
        Self::new(false)
    }

    fn new(exact: bool) -> Self {
        Self {
            kernel: Kernel::boot(15),
            sock: SockId(0),
            exact,
            nodes: BTreeMap::new(),
            covered: 0,
            unknown: Vec::new(),
            differences: Vec::new(),
        }
    }

    /// Boots the kernel that was recorded, as its first list of types has it.
    pub fn boot(&mut self, lines: &[Value]) {
        ifnet::enable_pf(&mut self.kernel);
        self.kernel.modules.insert("if_epair".to_owned());
        // What is to be compared cannot be taken from the recording itself where it must be exact.
        let first = lines.iter().find(|line| line["op"].as_str().is_some_and(|op| op.starts_with("listtypes")));
        for kind in
            first.filter(|_| !self.exact).and_then(types_of).unwrap_or_else(|| MODULES.map(str::to_owned).to_vec())
        {
            if netgraph::load_module(&mut self.kernel, &format!("ng_{kind}")).is_err() {
                self.kernel.node_types.list(&kind);
            }
        }
        self.sock = open(&mut self.kernel);
        netgraph::set_receive_buffer(&mut self.kernel, self.sock, 1 << 20).unwrap();
    }

    pub fn line(&mut self, number: usize, line: &Value) {
        let result = match (line["sh"].as_str(), line["op"].as_str()) {
            (Some(shell), _) => match self.shell(shell, line["output"].as_str().unwrap_or_default()) {
                Some(result) => result.map_err(|difference| format!("{shell}: {difference}")),
                None => return self.unknown.push(shell.to_owned()),
            },
            (None, Some(op)) => self.operation(op, line).map_err(|difference| format!("{op}: {difference}")),
            (None, None) => Err("neither an operation nor a command".to_owned()),
        };
        match result {
            Ok(()) => self.covered += 1,
            Err(difference) => self.differences.push(format!("line {number}: {difference}")),
        }
    }

    fn operation(&mut self, op: &str, line: &Value) -> Result<(), String> {
        match (op.strip_prefix("bind "), line["ascii2binary_errno"].as_i64()) {
            (Some(name), _) => {
                let address = [name.as_bytes(), b"\0"].concat();
                let errno = errno(netgraph::bind(&mut self.kernel, self.sock, &address));
                equal("errno", line["errno"].as_i64().unwrap(), errno)
            }
            (None, Some(expected)) => {
                equal("errno of the text", expected, self.ask_from_text(op, line).map_or_else(|errno| errno, |_| 0))
            }
            (None, None) => self.request(op, line),
        }
    }

    fn request(&mut self, op: &str, line: &Value) -> Result<(), String> {
        let request = unhex(line["request"].as_str().ok_or("it has no request")?);
        let path = self.path(line);
        if op.starts_with("msg ") {
            let payload = self.ask_from_text(op, line).map_err(|errno| format!("its text is refused with {errno}"))?;
            equal("payload from text", hex(&request[HEADER_LEN..]), hex(&payload))?;
        }
        let errno = errno(netgraph::send(&mut self.kernel, self.sock, path.as_bytes(), &request));
        equal("errno", line["errno"].as_i64().unwrap(), errno)?;
        let replies = line["replies"].as_array().unwrap();
        for reply in replies {
            let (from, bytes) = netgraph::receive(&mut self.kernel, self.sock).ok_or("a reply is missing")?;
            let recorded = unhex(reply["bytes"].as_str().unwrap());
            self.same_node(id(reply["from"].as_str().unwrap().as_bytes()), id(&from))?;
            let bytes = self.with_recorded_numbers(op, &recorded, bytes)?;
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

    /// The destination, a number in it being ours.
    fn path(&self, line: &Value) -> String {
        let path = line["path"].as_str().unwrap_or_default();
        let number = path.split_once(':').and_then(|(node, _)| ngsock::NodeId::from_bracketed(node.as_bytes()));
        match number.and_then(|recorded| self.nodes.get(&recorded.0)) {
            Some(ours) => path.replacen(path.split(':').next().unwrap_or_default(), &format!("[{ours:x}]"), 1),
            None => path.to_owned(),
        }
    }

    /// The number of a node of ours as it would stand in the recording.
    pub fn recorded_number(&self, ours: u32) -> u32 {
        self.nodes.iter().find(|(_, other)| **other == ours).map_or(ours, |(recorded, _)| *recorded)
    }

    /// Notes that two numbers mean the same node.
    fn same_node(&mut self, recorded: u32, ours: u32) -> Result<(), String> {
        if self.exact {
            return equal("number of a node", recorded, ours);
        }
        let known = *self.nodes.entry(recorded).or_insert(ours);
        equal(&format!("our number of node [{recorded:x}]"), known, ours)?;
        let others = self.nodes.values().filter(|other| **other == ours).count();
        equal("nodes of one number", 1, others)
    }

    /// Our reply with the recorded numbers where only those differ.
    fn with_recorded_numbers(&mut self, op: &str, recorded: &[u8], ours: Vec<u8>) -> Result<Vec<u8>, String> {
        let (Ok(theirs), Ok(message)) = (Message::parse(recorded), Message::parse(&ours)) else {
            return Ok(ours);
        };
        let mut mapped = ours.clone();
        let payload = &mut mapped[HEADER_LEN..];
        if message.header.cookie == generic::COOKIE {
            for at in ids(message.header.command, message.payload.len()) {
                if let (Some(recorded), Some(ours)) = (number(theirs.payload, at), number(message.payload, at)) {
                    self.same_node(recorded, ours)?;
                    payload[at..at + 4].copy_from_slice(&recorded.to_le_bytes());
                }
            }
        }
        // Ethernet addresses are made by chance, indexes of interfaces depend on what was there before.
        let differs = op.ends_with("getenaddr") || (op.ends_with("getifindex") && !self.exact);
        if differs && payload.len() == theirs.payload.len() {
            payload.copy_from_slice(theirs.payload);
        }
        Ok(mapped)
    }

    /// NGM_ASCII2BINARY, as ngctl(8) does it.
    fn ask_from_text(&mut self, op: &str, line: &Value) -> Result<Vec<u8>, i64> {
        let mut words = op.splitn(4, ' ').skip(2);
        let name = words.next().unwrap();
        let text = generic::CString::new(words.next().unwrap_or_default());
        let path = self.path(line);
        let header = Header { cookie: 0, command: 0, flags: 0, token: 0, text: ngsock::name::Name::new(name).unwrap() };
        let enclosed = generic::Enclosed::new(header, &text).unwrap();
        let reply = self.convert(&path, &generic::TextToBinary(enclosed))?;
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

/// The types that a reply lists, the first loaded first.
fn types_of(line: &Value) -> Option<Vec<String>> {
    let reply = unhex(line["replies"][0]["bytes"].as_str()?);
    let list = generic::TypeList::decode(Message::parse(&reply).ok()?.payload).ok()?;
    Some(list.0.iter().rev().map(|kind| kind.name.to_string()).collect())
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

pub fn open(kernel: &mut Kernel) -> SockId {
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
