//! Netgraph by its control socket; each actor has one, which stays open until it is dropped.

use cellblock::abi::Errno;
use cellblock::engine::freebsd::doors::{Doors, Sock, SocketKind};
use ngsock::generic::{BinaryToText, CString, Enclosed, TextToBinary};
use ngsock::message::{Header, Message, encode};
use ngsock::name::Name;
use ngsock::{CallError, Client, HookName, NodeName, NodePath, Transport, TypeName};

use super::{Arguments, done, listed};
use crate::world::{Failed, Reply, World};

struct Wire<'d, D>(&'d mut D, Sock);

impl<D: Doors> Transport for Wire<'_, D> {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        self.0.netgraph_send(self.1, path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.0.netgraph_receive(self.1, buffer)
    }
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        match error.errno() {
            Some(errno) => Self::Kernel(errno, String::new()),
            None => Self::Script(error.to_string()),
        }
    }
}

fn wrong(error: impl std::fmt::Display) -> Failed {
    Failed::Script(error.to_string())
}

fn path(text: &str) -> Result<NodePath, Failed> {
    NodePath::parse(text).map_err(wrong)
}

fn hook(arguments: &mut Arguments<'_>) -> Result<HookName, Failed> {
    HookName::new(arguments.next("a hook")?).map_err(wrong)
}

pub fn perform<D: Doors>(world: &mut World<'_, D>, who: &str, arguments: &mut Arguments<'_>) -> Reply {
    let verb = arguments.next("what to do")?;
    let sock = match world.held.get(who).or_else(|| world.graphs.get(who)) {
        Some(sock) => *sock,
        None => {
            let sock = world.open(who, SocketKind::Netgraph)?;
            world.graphs.insert(who.to_owned(), sock);
            sock
        }
    };
    let before = world.before.clone();
    let mut client = Client::new(Wire(world.doors, sock));
    match verb {
        "names" => {
            let nodes = client.list_nodes()?.0;
            let shown = nodes.iter().filter(|node| text(&node.kind) != "socket").filter_map(|node| {
                let (name, kind) = (text(&node.name), text(&node.kind));
                let old =
                    who == "host" && before.iter().any(|line| line.starts_with(&format!("node {name:?} {kind:?}")));
                (!old).then(|| format!("{}:{kind}", if name.is_empty() { "-" } else { &name }))
            });
            return Ok(listed(shown.collect()));
        }
        "types" => {
            let types = client.list_types()?.0;
            return Ok(listed(types.iter().map(|kind| text(&kind.name)).collect()));
        }
        _ => {}
    }
    let at = path(arguments.next("a path")?)?;
    match verb {
        // mkpeer PATH TYPE OURS THEIRS
        "mkpeer" => {
            let kind = TypeName::new(arguments.next("a type")?).map_err(wrong)?;
            let (ours, theirs) = (hook(arguments)?, hook(arguments)?);
            client.mkpeer(&at, &kind, &ours, &theirs)?;
        }
        // connect PATH PEER OURS THEIRS
        "connect" => {
            let peer = path(arguments.next("a peer")?)?;
            let (ours, theirs) = (hook(arguments)?, hook(arguments)?);
            client.connect(&at, &peer, &ours, &theirs)?;
        }
        "name" => client.name(&at, &NodeName::new(arguments.next("a name")?).map_err(wrong)?)?,
        "rmhook" => client.rmhook(&at, &hook(arguments)?)?,
        "shutdown" => client.shutdown(&at)?,
        // show PATH: name, type, hooks.
        "show" => {
            let info = client.node_info(&at)?;
            let name = text(&info.name);
            let name = if name.is_empty() { "-" } else { &name };
            return Ok(format!("{name} {} {}", text(&info.kind), info.hooks));
        }
        "id" => return Ok(format!("[{:x}]", client.node_id(&at)?.0)),
        // hooks PATH: each as ours=peer:theirs.
        "hooks" => {
            let hooks = client.list_hooks(&at)?;
            let shown = hooks.links.iter().map(|link| {
                let peer = text(&link.peer.name);
                let peer = if peer.is_empty() { text(&link.peer.kind) } else { peer };
                format!("{}={peer}:{}", text(&link.our_hook), text(&link.peer_hook))
            });
            return Ok(listed(shown.collect()));
        }
        // msg PATH COMMAND [ARGUMENTS]: in the kernel's own notation, both ways.
        "msg" => {
            let command = arguments.next("a command")?;
            let words: Vec<&str> = arguments.rest().iter().map(|word| word.text.as_str()).collect();
            return message(&mut client, &at, command, &words.join(" "));
        }
        other => return Err(Failed::Script(format!("ng does not `{other}`"))),
    }
    done()
}

fn text(name: &Name) -> String {
    name.as_str().unwrap_or("?").to_owned()
}

/// The kernel turns text into a message, carries it out, and turns its answer into text.
fn message<D: Doors>(client: &mut Client<Wire<'_, D>>, at: &NodePath, command: &str, arguments: &str) -> Reply {
    let name = Name::new(command).ok_or_else(|| Failed::Script(format!("`{command}` is no command")))?;
    let header = Header { cookie: 0, command: 0, flags: 0, token: 0, text: name };
    let asked = Enclosed::new(header, &CString::new(arguments)).map_err(wrong)?;
    let binary = client.call(at, &TextToBinary(asked))?;
    let request = Header { token: 0x7fff_0001, ..*binary.header() };
    let mut datagram = Vec::new();
    encode(&mut datagram, &request, &RawPayload(binary.payload().to_vec())).map_err(wrong)?;
    let address = at.as_address().map_err(wrong)?.to_vec();
    client.transport().send(&address, &datagram)?;
    let mut buffer = Vec::new();
    let mut answer = None;
    while client.transport().receive(&mut buffer)?.is_some() {
        if let Ok(found) = Message::parse(&buffer)
            && found.header.answers(&request)
        {
            answer = Some(Enclosed::from_bytes(found.header, found.payload.to_vec()).map_err(wrong)?);
        }
    }
    let Some(answer) = answer else { return done() };
    let words = client.call(at, &BinaryToText(answer))?;
    let end = words.payload().iter().position(|byte| *byte == 0).unwrap_or(words.payload().len());
    Ok(String::from_utf8_lossy(&words.payload()[..end]).into_owned())
}

/// A payload that is bytes already.
struct RawPayload(Vec<u8>);

impl ngsock::message::Payload for RawPayload {
    const TEXT: Option<&'static ngsock::text::Type> = None;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(payload: &[u8]) -> Result<Self, ngsock::message::Malformed> {
        Ok(Self(payload.to_vec()))
    }
}
