//! An edit of one thing in a lab of two hundred nodes is one line of the plan, and traffic that does not cross it loses
//! nothing: echoes are sent between every two calls that the engine makes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::cell::RefCell;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use cellblock::engine::Records;
use cellblock::engine::freebsd::doors::{Actor, Doors, JailDoor, JailParam, ProbeDoor, Sock, SocketDoor, SocketKind};
use cellblock::engine::freebsd::faults::FaultyDoors;
use cellblock::engine::freebsd::{Machine, Settings};
use cellblock::lab::{ApplyOptions, Labs};
use cellblock::model::Model;
use cellblock::plan::{Plan, render};
use cellblock::sim::{Kernel, SimDoors};
use support::model;

/// Sites in a row, each a router and hosts at a switch.
const SITES: u8 = 4;
const HOSTS: u8 = 49;

/// So many echoes are sent before each call.
const ECHOES: usize = 10;

/// The lab; the link between the last two routers delays, and the first host of the last site has a second address.
fn yaml(delay: &str, second: u8) -> String {
    let mut text = "version: 1\nname: sites\nrouting: auto\ntopology:\n  nodes:\n".to_owned();
    let mut links = String::new();
    for site in 1..=SITES {
        text += &format!("    r{site}: {{ kind: router }}\n    s{site}: {{ kind: switch }}\n");
        links += &format!("    - {{ endpoints: [ \"r{site}:lan0\", s{site} ], ipv4: [ 10.{site}.0.1/24, ~ ] }}\n");
        for host in 1..=HOSTS {
            let more = match (site, host) {
                (SITES, 1) => format!(", interfaces: {{ eth0: {{ ipv4: [ 10.99.0.{second}/24 ] }} }}"),
                _ => String::new(),
            };
            text += &format!("    h{site}-{host}: {{ kind: host{more} }}\n");
            let octet = host + 1;
            let ends = format!("endpoints: [ \"h{site}-{host}:eth0\", s{site} ]");
            links += &format!("    - {{ {ends}, ipv4: [ 10.{site}.0.{octet}/24, ~ ] }}\n");
        }
        if site > 1 {
            let (from, tc) =
                (site - 1, if site == SITES { format!(", tc: {{ delay: {delay} }}") } else { String::new() });
            let ends = format!("endpoints: [ \"r{from}:up0\", \"r{site}:down0\" ]");
            links += &format!("    - {{ {ends}, ipv4: [ 10.200.{site}.1/30, 10.200.{site}.2/30 ]{tc} }}\n");
        }
    }
    text + "  links:\n" + &links
}

/// Hosts that send echoes to each other all the time.
#[derive(Default)]
struct Traffic {
    hosts: Vec<(Sock, Ipv4Addr)>,
    next: usize,
    sent: usize,
    lost: Vec<String>,
}

impl Traffic {
    /// Opens a socket in each of these nodes, which have these addresses.
    fn between(doors: &mut SimDoors, nodes: &[(String, Ipv4Addr)]) -> Self {
        let mut traffic = Self::default();
        for (node, address) in nodes {
            let jid = doors.jail_get(&mut [JailParam::string("name", &format!("sites.{node}"))], 0).unwrap();
            let helper = doors.helper_start(jid).unwrap();
            traffic.hosts.push((doors.open(Actor::Helper(helper), SocketKind::Icmp).unwrap(), *address));
            doors.helper_end(helper);
        }
        traffic
    }

    fn pairs(&self) -> usize {
        self.hosts.len() * (self.hosts.len() - 1)
    }

    /// Sends the next echoes, pair after pair, for ever; the way is free of delay, so each answer is there at once.
    fn flow(&mut self, doors: &mut SimDoors, count: usize) {
        let mut buffer = Vec::new();
        for _ in 0..count {
            let (distance, from) = (self.next / self.hosts.len() + 1, self.next % self.hosts.len());
            let ((sock, own), (_, to)) = (self.hosts[from], self.hosts[(from + distance) % self.hosts.len()]);
            self.next = (self.next + 1) % self.pairs();
            self.sent += 1;
            let sent = doors.probe_send(sock, IpAddr::V4(to), 0, &echo(to));
            let mut answered = false;
            while let Some(peer) = doors.probe_receive(sock, &mut buffer).unwrap() {
                answered |= peer == IpAddr::V4(to) && buffer.get(20) == Some(&0);
            }
            if sent.is_err() || !answered {
                self.lost.push(format!("{own} to {to}: {sent:?}"));
            }
        }
    }
}

/// An echo request.
fn echo(to: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0];
    message.extend(to.octets());
    let sum: u32 = message.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    message[2..4].copy_from_slice(&(!u16::try_from(folded).unwrap()).to_be_bytes());
    message
}

fn apply(machine: &mut Machine<impl Doors + Debug>, records: &Records, model: &Model) -> Plan {
    let mut labs = Labs { backend: machine, records, engine: "sim", entropy: [7; 16] };
    let plan = labs.plan(model).unwrap();
    labs.apply(&plan, model, &ApplyOptions::default(), &mut |_| {}).unwrap();
    plan
}

fn settings() -> Settings {
    Settings { load_modules: true, ..Settings::default() }
}

#[test]
fn an_edit_of_one_thing_is_one_change_and_nobody_else_loses_an_echo() {
    let folder = tempfile::tempdir().unwrap();
    let records = Records::new(folder.path());
    let mut machine = Machine { doors: SimDoors::new(Kernel::boot(1)), settings: settings() };
    apply(&mut machine, &records, &model(&yaml("1ms", 222)));
    // Hosts of the last site are behind the link, or beside the address, that changes.
    let nodes: Vec<(String, Ipv4Addr)> = (1..SITES)
        .flat_map(|site| (1..=HOSTS).map(move |host| (site, host)))
        .map(|(site, host)| (format!("h{site}-{host}"), Ipv4Addr::new(10, site, 0, host + 1)))
        .collect();
    let mut doors = machine.doors;
    let traffic = Rc::new(RefCell::new(Traffic::between(&mut doors, &nodes)));
    let others = traffic.clone();
    let doors = FaultyDoors::with_others(doors, move |doors| others.borrow_mut().flow(doors, ECHOES));
    let mut machine = Machine { doors, settings: settings() };

    for (delay, address) in [("2ms", 222), ("2ms", 223)] {
        let plan = apply(&mut machine, &records, &model(&yaml(delay, address)));
        let counts = plan.counts();
        let counts = (counts.add, counts.change, counts.replace, counts.destroy);
        assert_eq!(counts, (0, 1, 0, 0), "{}", render::text(&plan));
    }
    let traffic = traffic.borrow();
    let (sent, pairs, calls) = (traffic.sent, traffic.pairs(), machine.doors.calls());
    println!("{sent} echoes between {pairs} pairs during {calls} calls");
    assert!(sent >= pairs, "not every pair had its turn: {sent} of {pairs}");
    assert_eq!(traffic.lost, Vec::<String>::new());
}
