//! netlink.jsonl.

use std::collections::BTreeMap;

use cellblock::sim::control::netlink as door;
use cellblock::sim::sockets::{Protocol, SockId};
use serde_json::Value;

use super::mask::{Macs, difference};
use super::report::{Outcome, Report};
use super::world::World;
use super::{bytes, errno, hex, lines, text};

/// Lines that answer otherwise, and why.
const KNOWN: &[(usize, &str)] = &[
    (253, "a gif takes a link-local address from a MAC of another interface; ours has none"),
    (390, "the kernel's text shows a pointer"),
    (402, "a neighbour without STICKY stays unusable in the cache; ours is gone at once"),
    (408, "as 402"),
];

struct Replay {
    world: World,
    sockets: BTreeMap<&'static str, SockId>,
    macs: Macs,
}

#[test]
fn recording_of_netlink() {
    let Some(lines) = lines("netlink.jsonl") else { return };
    let mut world = World::boot();
    let host = world.netlink(0);
    option(&mut world, host, |socket| socket.port = 26);
    let mut replay = Replay { world, sockets: BTreeMap::from([("host", host)]), macs: Macs::default() };
    let mut report = Report::new("netlink.jsonl");
    for (at, line) in lines.iter().enumerate() {
        let outcome = replay.line(at + 1, line);
        let name = if line.get("sh").is_some() { text(line, "sh") } else { text(line, "op") };
        report.add(at + 1, name, outcome);
    }
    report.finish(KNOWN);
}

fn option(world: &mut World, sock: SockId, set: impl FnOnce(&mut cellblock::sim::control::NetlinkSocket)) {
    let socket = world.kernel.sockets.open.get_mut(&sock).expect("the socket is open");
    if let Protocol::Netlink(socket) = &mut socket.protocol {
        set(socket);
    }
}

impl Replay {
    fn line(&mut self, number: usize, line: &Value) -> Outcome {
        self.unrecorded(number);
        if let Some(commands) = line.get("sh").and_then(Value::as_str) {
            return self.shell(commands, line);
        }
        if line.get("option").is_some() {
            return self.option(line);
        }
        let sock = match text(line, "on") {
            "host" => self.sockets["host"],
            "jail tapej" => *self.sockets.get("jail").expect("the jail was made"),
            "" => return Outcome::Skipped("sockets and buffers, which the doors do not show"),
            _ => return Outcome::Skipped("callers without privilege are not simulated"),
        };
        let Some(request) = bytes(line, "request") else { return Outcome::Skipped("no request recorded") };
        if text(line, "op").contains("strict checking") {
            return Outcome::Skipped("strict checking is not simulated");
        }
        let answer = door::send(&mut self.world.kernel, sock, &request);
        let mut got = Vec::new();
        while let Some(read) = door::receive(&mut self.world.kernel, sock) {
            got.extend_from_slice(&read);
        }
        self.world.kernel.settle();
        let got_errno = answer.map_or_else(|errno| errno.raw(), |()| 0);
        if got_errno != errno(line) {
            return Outcome::Different(format!("expected errno {}, got {got_errno}", errno(line)));
        }
        let replies = line.get("replies").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let recorded: Vec<u8> = replies.iter().filter_map(Value::as_str).filter_map(hex).flatten().collect();
        match difference(&mut self.macs, &recorded, &got) {
            None => Outcome::Same,
            Some(how) => Outcome::Different(how),
        }
    }

    /// What the recorder did between two lines without writing it down.
    fn unrecorded(&mut self, number: usize) {
        let shell = match number {
            53 => {
                "ifconfig epair0a ether 02:00:00:00:0a:01; ifconfig epair0b ether 02:00:00:00:0b:01;
                   ifconfig epair1a ether 02:00:00:00:0a:02; ifconfig epair1b ether 02:00:00:00:0b:02;
                   ifconfig bridge0 ether 02:00:00:00:00:b0; ifconfig tap0 ether 02:00:00:00:00:70;
                   ifconfig ngeth0 ether 02:00:00:00:0e:00; ifconfig ngeth1 ether 02:00:00:00:0e:01"
            }
            55 => {
                let jid = self.world.make_jail("tapej", true);
                let sock = self.world.netlink(jid);
                self.sockets.insert("jail", sock);
                ""
            }
            190 => "ifconfig bridge77 create; ifconfig epair9 create",
            198 => {
                "ifconfig epair2a destroy; ifconfig bridge1 destroy; ifconfig lo7 destroy; ifconfig vlan53 destroy;
                    ifconfig epair1a.202 destroy"
            }
            // Addresses without a lifetime end while the recorder looks.
            248 => "sleep 2",
            266 => {
                for last in ["1.2", "3.1", "4.0", "5.1", "6.1", "7.1", "8.1", "10.0", "11.255"] {
                    self.world.shell(&format!("ifconfig epair1a inet 10.5.{last} -alias"));
                }
                "ifconfig bridge0 inet 10.5.0.1 -alias; ifconfig bridge0 inet 10.5.1.9 -alias;
                 ifconfig epair0b inet 10.5.13.1 -alias; ifconfig epair1a inet6 fd00:f::1 delete"
            }
            366 => "ifconfig epair1 create; ifconfig epair1a inet 10.0.1.1/24",
            _ => "",
        };
        self.world.shell(shell);
    }

    fn shell(&mut self, commands: &str, line: &Value) -> Outcome {
        let printed = self.world.shell(commands);
        let only_lists = commands.split(';').all(|command| command.trim_end().ends_with("ifconfig -l"));
        match only_lists {
            false => Outcome::Skipped("a base-system command, run for its effect"),
            true if printed == text(line, "output") => Outcome::Same,
            true => Outcome::Different(format!("expected\n  {}  got\n  {printed}", text(line, "output"))),
        }
    }

    fn option(&mut self, line: &Value) -> Outcome {
        let op = text(line, "op");
        let sock = if op.contains("in the jail") { "jail" } else { "host" };
        let sock = self.sockets[sock];
        let on = op.contains("= 1 ");
        option(&mut self.world, sock, |socket| match line.get("option").and_then(Value::as_i64) {
            Some(10) if errno(line) == 0 => socket.cap_ack = on,
            Some(11) if errno(line) == 0 => socket.ext_ack = on,
            _ => {}
        });
        Outcome::Skipped("socket options, which the doors set themselves")
    }
}
