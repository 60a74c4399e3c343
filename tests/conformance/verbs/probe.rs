//! Echoes, and what the routing socket tells.

use std::net::IpAddr;
use std::time::Duration;

use cellblock::abi::rtsock::{self, Message};
use cellblock::engine::freebsd::doors::{Doors, SocketKind};

use super::Arguments;
use crate::world::{Failed, Reply, World};

/// How long an echo may take.
const ECHO: Duration = Duration::from_secs(2);
const IDENTIFIER: [u8; 2] = [0xcb, 0x0c];

/// `ping ADDRESS [INTERFACE]`: `answered` or `silent`.
pub fn ping<D: Doors>(world: &mut World<'_, D>, who: &str, arguments: &mut Arguments<'_>) -> Reply {
    let text = arguments.next("an address")?;
    let to: IpAddr = text.parse().map_err(|_| Failed::Script(format!("`{text}` is not an address")))?;
    let scope = match arguments.optional() {
        Some(name) => {
            let call = cellblock::abi::ioctl::interface::index(super::interface(name)?);
            let found = world.ioctl(who, call)?;
            cellblock::abi::ioctl::interface::index_of(&found).unwrap_or(0).into()
        }
        None => 0,
    };
    let kind = if to.is_ipv4() { SocketKind::Icmp } else { SocketKind::Icmp6 };
    let message = echo(to);
    world.on(who, kind, |world, sock| {
        world.doors.probe_send(sock, to, scope, &message)?;
        let started = world.doors.now();
        let mut buffer = Vec::new();
        loop {
            while let Some(from) = world.doors.probe_receive(sock, &mut buffer)? {
                if from == to && is_answer(to, &buffer) {
                    return Ok("answered".to_owned());
                }
            }
            let spent = world.doors.now().saturating_sub(started);
            if spent >= ECHO {
                return Ok("silent".to_owned());
            }
            world.doors.wait(ECHO.saturating_sub(spent), &[sock]);
        }
    })
}

fn echo(to: IpAddr) -> Vec<u8> {
    let mut message = vec![if to.is_ipv4() { 8 } else { 128 }, 0, 0, 0];
    message.extend(IDENTIFIER);
    message.extend([0, 1]);
    if to.is_ipv4() {
        let sum: u32 = message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        let folded = u16::try_from(sum & 0xffff).unwrap_or(0);
        message[2..4].copy_from_slice(&(!folded).to_be_bytes());
    }
    message
}

fn is_answer(to: IpAddr, packet: &[u8]) -> bool {
    let (icmp, kind) = match to {
        IpAddr::V4(_) => {
            let header = packet.first().map_or(0, |byte| usize::from(byte & 0x0f) * 4);
            (packet.get(header..).unwrap_or_default(), 0)
        }
        IpAddr::V6(_) => (packet, 129),
    };
    icmp.first() == Some(&kind) && icmp.get(4..6) == Some(&IDENTIFIER)
}

/// What a held routing socket has heard so far, as words.
pub fn heard<D: Doors>(world: &mut World<'_, D>, who: &str) -> Reply {
    let sock = *world.held.get(who).ok_or_else(|| format!("`{who}` is no socket that is held"))?;
    let mut buffer = Vec::new();
    let words = world.heard.entry(who.to_owned()).or_default();
    while world.doors.route_receive(sock, &mut buffer)? {
        words.extend(Message::read(&buffer).map(|message| word(&message)));
    }
    Ok(if words.is_empty() { "nothing".to_owned() } else { words.join(" ") })
}

fn word(message: &Message) -> String {
    match message {
        Message::Route(route) => {
            let verb = match route.kind {
                rtsock::RTM_ADD => "add",
                rtsock::RTM_DELETE => "delete",
                rtsock::RTM_CHANGE => "change",
                _ => "get",
            };
            let to = route.addresses.get(rtsock::RTA_DST).and_then(|address| address.ip());
            format!("{verb}={}", to.map_or_else(|| "?".to_owned(), |to| to.to_string()))
        }
        Message::Address { kind, addresses, .. } => {
            let verb = if *kind == rtsock::RTM_NEWADDR { "newaddr" } else { "deladdr" };
            let address = addresses.get(rtsock::RTA_IFA).and_then(|address| address.ip());
            format!("{verb}={}", address.map_or_else(|| "?".to_owned(), |address| address.to_string()))
        }
        Message::Interface { flags, .. } => {
            format!("interface={}", if flags & cellblock::abi::flags::IFF_UP == 0 { "down" } else { "up" })
        }
        Message::Announce { name, departure, .. } => format!("{}={name}", if *departure { "gone" } else { "came" }),
        Message::Other(kind) => format!("type={kind}"),
    }
}
