//! Netlink messages: dumps, changes, and whatever a script puts together.

use std::net::IpAddr;

use cellblock::engine::freebsd::doors::{Doors, Sock, SocketKind};
use cellblock::netlink::consts;
use cellblock::netlink::reply::{Acknowledgement, read};
use cellblock::netlink::wire::Writer;
use cellblock::netlink::{Answer, Requests};

use super::{Arguments, Word, number};
use crate::world::{Failed, PATIENCE, Reply, World};

/// A message that is only acknowledged: everything before it is answered when its acknowledgement comes.
const LAST: u32 = 0x7fff_fff0;
const NOOP: u16 = 1;

const KINDS: [(&str, u16); 13] = [
    ("newlink", consts::RTM_NEWLINK),
    ("dellink", consts::RTM_DELLINK),
    ("getlink", consts::RTM_GETLINK),
    ("setlink", consts::RTM_SETLINK),
    ("newaddr", consts::RTM_NEWADDR),
    ("deladdr", consts::RTM_DELADDR),
    ("getaddr", consts::RTM_GETADDR),
    ("newroute", consts::RTM_NEWROUTE),
    ("delroute", consts::RTM_DELROUTE),
    ("getroute", consts::RTM_GETROUTE),
    ("newneigh", consts::RTM_NEWNEIGH),
    ("delneigh", consts::RTM_DELNEIGH),
    ("getneigh", consts::RTM_GETNEIGH),
];

const FLAGS: [(&str, u16); 8] = [
    ("none", 0),
    ("request", consts::NLM_F_REQUEST),
    ("ack", consts::NLM_F_ACK),
    ("dump", consts::NLM_F_DUMP),
    ("replace", consts::NLM_F_REPLACE),
    ("excl", consts::NLM_F_EXCL),
    ("create", consts::NLM_F_CREATE),
    ("append", consts::NLM_F_APPEND),
];

/// Every answer to requests, in order.
pub fn exchange<D: Doors>(world: &mut World<'_, D>, who: &str, requests: &Requests) -> Result<Vec<Answer>, Failed> {
    world.sequence = requests.next_sequence();
    world.on(who, SocketKind::Netlink, |world, sock| answers(world, sock, requests.bytes()))
}

fn answers<D: Doors>(world: &mut World<'_, D>, sock: Sock, bytes: &[u8]) -> Result<Vec<Answer>, Failed> {
    world.doors.route_send(sock, bytes)?;
    let mut last = Writer::new();
    last.begin(NOOP, consts::NLM_F_REQUEST | consts::NLM_F_ACK, LAST, 0, &[]);
    last.end();
    world.doors.route_send(sock, &last.finish())?;
    let mut found = Vec::new();
    let mut buffer = Vec::new();
    let started = world.doors.now();
    while world.doors.now().saturating_sub(started) < PATIENCE {
        if !world.doors.route_receive(sock, &mut buffer)? {
            world.doors.wait(PATIENCE, &[sock]);
            continue;
        }
        for reply in read(&buffer) {
            if reply.sequence == LAST {
                return Ok(found);
            }
            found.push(reply.answer);
        }
    }
    Err("the netlink socket does not answer".into())
}

/// A dump, which must end without an error.
pub fn dump<D: Doors>(world: &mut World<'_, D>, who: &str, requests: Requests) -> Result<Vec<Answer>, Failed> {
    let answers = exchange(world, who, &requests)?;
    for answer in &answers {
        match answer {
            Answer::Done(Some(errno)) => return Err((*errno).into()),
            Answer::Acknowledgement(Acknowledgement { error: Some(errno), text, .. }) => {
                return Err(Failed::Kernel(*errno, text.clone().unwrap_or_default()));
            }
            _ => {}
        }
    }
    Ok(answers)
}

/// A change, which is acknowledged or refused.
pub fn acknowledged<D: Doors>(world: &mut World<'_, D>, who: &str, requests: Requests) -> Reply {
    let answers = exchange(world, who, &requests)?;
    first(answers, |answer| match answer {
        Answer::Acknowledgement(_) => Some(String::new()),
        _ => None,
    })
}

/// The first answer that `wanted` takes; a refusal is a refusal.
pub fn first(answers: Vec<Answer>, wanted: impl Fn(Answer) -> Option<String>) -> Reply {
    for answer in answers {
        if let Answer::Acknowledgement(Acknowledgement { error: Some(errno), text, .. }) = &answer {
            return Err(Failed::Kernel(*errno, text.clone().unwrap_or_default()));
        }
        if let Some(found) = wanted(answer) {
            return Ok(found);
        }
    }
    Err("the netlink socket gave no such answer".into())
}

/// `nl TYPE FLAGS [FIELD=VALUE…] [@NUMBER=KIND:VALUE…]`, and `nl and …` for another message in the same send.
pub fn perform<D: Doors>(world: &mut World<'_, D>, who: &str, arguments: &mut Arguments<'_>) -> Reply {
    let words = arguments.rest();
    let mut bytes = Vec::new();
    for message in words.split(|word| !word.quoted && word.text == "and") {
        bytes.extend(message_of(world.sequence, message)?);
        world.sequence = world.sequence.wrapping_add(1);
    }
    let found = world.on(who, SocketKind::Netlink, |world, sock| answers(world, sock, &bytes))?;
    if let [Answer::Acknowledgement(Acknowledgement { error: Some(errno), text, .. })] = found.as_slice() {
        return Err(Failed::Kernel(*errno, text.clone().unwrap_or_default()));
    }
    let shown: Vec<String> = found.iter().map(show).collect();
    Ok(if shown.is_empty() { "nothing".to_owned() } else { shown.join(" ") })
}

fn show(answer: &Answer) -> String {
    match answer {
        Answer::Link { link, .. } => format!("link={}", link.name),
        Answer::Address { address, .. } => format!("address={}/{}", address.address, address.prefix),
        Answer::Route { route, .. } => format!("route={}/{}", route.destination, route.prefix),
        Answer::Acknowledgement(Acknowledgement { error: Some(errno), .. }) => format!("{errno:?}"),
        Answer::Acknowledgement(Acknowledgement { created: Some((_, name)), .. }) => format!("created={name}"),
        Answer::Acknowledgement(_) => "ack".to_owned(),
        Answer::Done(None) => "done".to_owned(),
        Answer::Done(Some(errno)) => format!("done={errno:?}"),
        Answer::Other(kind) | Answer::Malformed(kind) => format!("type={kind}"),
    }
}

fn message_of(sequence: u32, words: &[Word]) -> Result<Vec<u8>, Failed> {
    let mut arguments = Arguments(words);
    let kind = arguments.next("a type")?;
    if kind == "hex" {
        return hex(arguments.next("octets")?);
    }
    let known = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, number)| *number);
    let kind = match known {
        Some(kind) => kind,
        None => u16::try_from(number(kind)?).map_err(|_| "a type has 16 bits")?,
    };
    let mut flags = 0;
    for word in arguments.next("flags")?.split(',') {
        let flag = FLAGS.iter().find(|(name, _)| *name == word);
        flags |= flag.ok_or_else(|| format!("there is no netlink flag `{word}`"))?.1;
    }
    let words = arguments.rest();
    let fields = words.iter().take_while(|word| !word.text.starts_with('@')).count();
    let (fields, attributes) = words.split_at(fields);
    let mut writer = Writer::new();
    writer.begin(kind, flags, sequence, 0, &header(kind, fields)?);
    let mut nests = Vec::new();
    for word in attributes {
        if word.text == "}" {
            let nest = nests.pop().ok_or("a brace too many")?;
            writer.close(nest);
            continue;
        }
        let (at, value) = word.text.trim_start_matches('@').split_once('=').ok_or("an attribute is @NUMBER=VALUE")?;
        let at = u16::try_from(number(at)?).map_err(|_| "an attribute's number has 16 bits")?;
        if value == "{" {
            nests.push(writer.nest(at, false));
        } else {
            writer.attribute(at, &value_of(value)?);
        }
    }
    writer.end();
    Ok(writer.finish())
}

/// The fixed structure behind the header: `ifinfomsg`, `ifaddrmsg`, `rtmsg`, `ndmsg`.
fn header(kind: u16, fields: &[Word]) -> Result<Vec<u8>, Failed> {
    let layout: &[(&str, usize, usize)] = match kind {
        consts::RTM_NEWLINK..=consts::RTM_SETLINK => {
            &[("family", 0, 1), ("type", 2, 2), ("index", 4, 4), ("flags", 8, 4), ("change", 12, 4)]
        }
        consts::RTM_NEWADDR..=consts::RTM_GETADDR => {
            &[("family", 0, 1), ("prefix", 1, 1), ("flags", 2, 1), ("scope", 3, 1), ("index", 4, 4)]
        }
        consts::RTM_NEWROUTE..=consts::RTM_GETROUTE => &[
            ("family", 0, 1),
            ("prefix", 1, 1),
            ("table", 4, 1),
            ("protocol", 5, 1),
            ("scope", 6, 1),
            ("type", 7, 1),
            ("flags", 8, 4),
        ],
        consts::RTM_NEWNEIGH..=consts::RTM_GETNEIGH => {
            &[("family", 0, 1), ("index", 4, 4), ("state", 8, 2), ("flags", 10, 1), ("type", 11, 1)]
        }
        _ => &[],
    };
    let size = match kind {
        consts::RTM_NEWLINK..=consts::RTM_SETLINK => 16,
        consts::RTM_NEWADDR..=consts::RTM_GETADDR => 8,
        consts::RTM_NEWROUTE..=consts::RTM_GETROUTE | consts::RTM_NEWNEIGH..=consts::RTM_GETNEIGH => 12,
        _ => 0,
    };
    let mut bytes = vec![0; size];
    for word in fields {
        let (name, value) = word.text.split_once('=').ok_or_else(|| format!("`{}` is no field", word.text))?;
        let field = layout.iter().find(|(known, ..)| *known == name);
        let (_, at, width) = field.ok_or_else(|| format!("this message has no `{name}`"))?;
        bytes[*at..at + width].copy_from_slice(&number(value)?.to_le_bytes()[..*width]);
    }
    Ok(bytes)
}

fn value_of(text: &str) -> Result<Vec<u8>, Failed> {
    let (kind, value) = text.split_once(':').ok_or_else(|| format!("`{text}` is not KIND:VALUE"))?;
    Ok(match kind {
        "u8" => vec![u8::try_from(number(value)?).map_err(|_| "more than 8 bits")?],
        "u16" => u16::try_from(number(value)?).map_err(|_| "more than 16 bits")?.to_le_bytes().to_vec(),
        "u32" => number(value)?.to_le_bytes().to_vec(),
        "text" => cellblock::abi::sysctl::string(value),
        "ip" => match value.parse() {
            Ok(IpAddr::V4(address)) => address.octets().to_vec(),
            Ok(IpAddr::V6(address)) => address.octets().to_vec(),
            Err(_) => return Err(Failed::Script(format!("`{value}` is not an address"))),
        },
        "hex" => hex(value)?,
        other => return Err(Failed::Script(format!("there is no kind of attribute `{other}`"))),
    })
}

fn hex(text: &str) -> Result<Vec<u8>, Failed> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let pair = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    digits.chunks(2).map(pair).collect::<Result<_, _>>().map_err(|_| Failed::Script(format!("`{text}` is not hex")))
}
