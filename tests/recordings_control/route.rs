//! route.jsonl.

use cellblock::sim::control::rtsock as door;
use cellblock::sim::sockets::SockId;
use serde_json::Value;

use super::report::{Outcome, Report};
use super::world::World;
use super::{bytes, errno, lines, show, text};

/// Lines that answer otherwise, and why.
const KNOWN: &[(usize, &str)] = &[
    (26, "RTF_GATEWAY follows from the gateway here, not from the request"),
    (27, "as 26, with an own address as the gateway"),
    (28, "a blackhole does not remember its gateway"),
    (29, "a reject route does not remember its gateway"),
    (67, "a mask with holes counts its bits"),
];

#[test]
fn recording_of_routing_sockets() {
    let Some(lines) = lines("route.jsonl") else { return };
    let mut world = World::boot();
    let host = world.route(0);
    let mut jail = None;
    let mut report = Report::new("route.jsonl");
    for (at, line) in lines.iter().enumerate() {
        if text(line, "sh").contains("vnet tapert") && jail.is_none() {
            let jid = world.make_jail("tapert", true);
            jail = Some(world.route(jid));
        }
        let outcome = replay(&mut world, host, jail, line);
        let name = if line.get("sh").is_some() { text(line, "sh") } else { text(line, "op") };
        report.add(at + 1, name, outcome);
    }
    report.finish(KNOWN);
}

fn replay(world: &mut World, host: SockId, jail: Option<SockId>, line: &Value) -> Outcome {
    if let Some(commands) = line.get("sh").and_then(Value::as_str) {
        if commands.starts_with("ifconfig epair create") {
            world.shell(commands);
            world.shell("ifconfig epair0a ether 02:00:00:00:0a:01; ifconfig epair0b ether 02:00:00:00:0b:01");
            return Outcome::Skipped("a base-system command, run for its effect");
        }
        world.shell(commands);
        world.kernel.settle();
        for sock in [Some(host), jail].into_iter().flatten() {
            while door::receive(&mut world.kernel, sock).is_some() {}
        }
        return Outcome::Skipped("a base-system command, run for its effect");
    }
    let Some(request) = bytes(line, "request") else { return Outcome::Skipped("sockets, buffers and waiting") };
    let on = text(line, "on");
    let sock = match on {
        _ if on.starts_with("jail tapert") => jail.expect("the jail was made"),
        "socket of root, sender is uid 65534" => {
            return Outcome::Skipped("callers without privilege are not simulated");
        }
        _ => host,
    };
    while door::receive(&mut world.kernel, sock).is_some() {}
    let answer = door::send(&mut world.kernel, sock, &request);
    let mut got = Vec::new();
    while let Some(message) = door::receive(&mut world.kernel, sock) {
        got.push(message);
    }
    let got_errno = answer.map_or_else(|errno| errno.raw(), |()| 0);
    if got_errno != errno(line) {
        return Outcome::Different(format!("expected errno {}, got {got_errno}", errno(line)));
    }
    let replies = line.get("replies").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let recorded: Vec<Vec<u8>> = replies.iter().filter_map(|reply| bytes(reply, "bytes")).collect();
    if recorded.len() != got.len() {
        return Outcome::Different(format!("expected {} messages, got {}", recorded.len(), got.len()));
    }
    for (wanted, got) in recorded.iter().zip(&got) {
        let (wanted, got) = (masked(wanted), masked(got));
        if wanted != got {
            return Outcome::Different(format!("expected\n  {}\n  got\n  {}", show(&wanted), show(&got)));
        }
    }
    Outcome::Same
}

/// A route message without the sender's process and the number of the next hop.
fn masked(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    for range in [16..20, 128..136] {
        if let Some(field) = message.get_mut(range) {
            field.fill(0);
        }
    }
    message
}
