//! The commands that the recorder ran in between, as far as later lines depend on them.

use std::net::IpAddr;

use cellblock::abi::InterfaceName;
use cellblock::abi::ioctl::{Call, address, bridge, interface};
use cellblock::sim::ifnet;
use cellblock::sim::netgraph;

use super::world::World;

impl World {
    /// Runs a line of commands; gives what `ifconfig -l` printed.
    pub fn shell(&mut self, line: &str) -> String {
        let mut output = String::new();
        for command in line.split(';') {
            let command = command.split(['|', '>']).next().unwrap_or_default();
            let words = words(command);
            self.command(0, &words.iter().map(String::as_str).collect::<Vec<_>>(), &mut output);
        }
        output
    }

    fn command(&mut self, jid: i32, words: &[&str], output: &mut String) {
        match words {
            ["jexec", jail, rest @ ..] => {
                if let Some(&jid) = self.jails.get(*jail) {
                    self.command(jid, rest, output);
                }
            }
            ["jail", "-r", names @ ..] => {
                for name in names {
                    if let Some(jid) = self.jails.remove(*name) {
                        self.close_all(jid);
                        cellblock::sim::jail::remove(&mut self.kernel, 0, jid).expect("the jail is there");
                    }
                }
            }
            ["sleep", seconds] => {
                let seconds: u64 = seconds.parse().expect("a number of seconds");
                self.kernel.run(seconds * 1_000_000_000, |_| false);
            }
            ["ifconfig", "-l"] => {
                let vnet = self.vnet(jid);
                let names: Vec<&str> = ifnet::present(&self.kernel, vnet).map(|i| i.name.as_str()).collect();
                output.push_str(&names.join(" "));
                output.push('\n');
            }
            ["ifconfig", name, rest @ ..] => self.ifconfig(jid, name, rest),
            ["ngctl", rest @ ..] => self.ngctl(jid, rest),
            ["arp", "-s", address, mac] => {
                let address: IpAddr = address.parse().expect("an address");
                let vnet = self.vnet(jid);
                let index = cellblock::sim::stack::gateway_interface(&self.kernel, vnet, address).expect("a route");
                cellblock::sim::stack::neighbour_add(&mut self.kernel, index, address, mac_of(mac), None)
                    .expect("a neighbour");
            }
            ["ping", .., address] => self.ping(jid, address),
            _ => {}
        }
    }

    fn call(&mut self, jid: i32, v6: bool, mut call: Call) -> Option<Call> {
        let answer = self.inside(jid, v6, call.request, &mut call.argument);
        answer.ok().map(|()| call)
    }

    fn ifconfig(&mut self, jid: i32, name: &str, arguments: &[&str]) {
        let mut name = InterfaceName::new(name).expect("a name");
        let mut rest = arguments.iter().copied();
        // ifconfig(8) sets addresses last.
        let mut addresses = Vec::new();
        while let Some(word) = rest.next() {
            match word {
                "create" if arguments.contains(&"vlan") => {
                    let words: Vec<&str> = rest.by_ref().collect();
                    let [_, tag, _, parent] = words.as_slice() else { panic!("vlan TAG vlandev PARENT") };
                    let parent = InterfaceName::new(parent).expect("a name");
                    let vlan = interface::Vlan { parent, tag: tag.parse().expect("a tag"), protocol: 0 };
                    self.call(jid, false, interface::create_vlan(name, &vlan));
                }
                "create" => {
                    let made = self.call(jid, false, interface::create(name));
                    name = made.and_then(|call| call.argument.name()).unwrap_or(name);
                }
                "destroy" => drop(self.call(jid, false, interface::destroy(name))),
                "vnet" | "-vnet" => {
                    let jail = self.jails.get(rest.next().expect("a jail")).copied().unwrap_or(-1);
                    let call = if word == "vnet" {
                        interface::give_to_jail(name, jail)
                    } else {
                        interface::take_from_jail(name, jail)
                    };
                    self.call(jid, false, call);
                }
                "name" => {
                    let new = InterfaceName::new(rest.next().expect("a name")).expect("a name");
                    self.call(jid, false, interface::rename(name, new));
                    name = new;
                }
                "mtu" => {
                    let mtu = rest.next().and_then(|mtu| mtu.parse().ok()).expect("an MTU");
                    self.call(jid, false, interface::set_mtu(name, mtu));
                }
                "ether" => {
                    self.call(jid, false, interface::set_mac(name, mac_of(rest.next().expect("a MAC"))));
                }
                "descr" | "description" => {
                    let text = rest.next().expect("a text");
                    self.call(jid, false, interface::set_description(name, text.as_bytes()));
                }
                "group" => {
                    let group = InterfaceName::new(rest.next().expect("a group")).expect("a name");
                    self.call(jid, false, interface::join_group(name, group));
                }
                "addm" | "deletem" => {
                    let member = InterfaceName::new(rest.next().expect("a member")).expect("a name");
                    let call = if word == "addm" {
                        bridge::add_member(name, member)
                    } else {
                        bridge::remove_member(name, member)
                    };
                    self.call(jid, false, call);
                }
                "up" => self.flags(jid, name, 1, 0),
                "down" => self.flags(jid, name, 0, 1),
                "promisc" => self.flags(jid, name, 0x2_0000, 0),
                "-promisc" => self.flags(jid, name, 0, 0x2_0000),
                "no_dad" => self.neighbour_flags(jid, name, 0x100),
                "inet" | "inet6" => {
                    let Some(given) = rest.next() else { return };
                    let words: Vec<&str> = arguments.to_vec();
                    if words.contains(&"no_dad") {
                        self.neighbour_flags(jid, name, 0x100);
                    }
                    addresses.push((given, words.contains(&"-alias") || words.contains(&"delete")));
                }
                _ if word.contains('/') => addresses.push((word, false)),
                _ => {}
            }
        }
        for (given, remove) in addresses {
            self.address(jid, name, given, remove);
        }
    }

    fn flags(&mut self, jid: i32, name: InterfaceName, set: u32, clear: u32) {
        let Some(call) = self.call(jid, false, interface::flags(name)) else { return };
        let flags = interface::flags_of(&call.argument).expect("flags");
        self.call(jid, false, interface::set_flags(name, flags & !clear | set));
    }

    fn neighbour_flags(&mut self, jid: i32, name: InterfaceName, set: u32) {
        let Some(call) = self.call(jid, true, address::neighbour_settings(name)) else { return };
        let flags = address::neighbour_flags_of(&call.argument).expect("flags");
        self.call(jid, true, address::set_neighbour_flags(&call.argument, flags | set));
    }

    fn address(&mut self, jid: i32, name: InterfaceName, given: &str, remove: bool) {
        let (given, prefix) = given.split_once('/').unwrap_or((given, "0"));
        let prefix = prefix.parse().expect("a prefix length");
        let call = match (given.parse().expect("an address"), remove) {
            (IpAddr::V4(address), false) => address::add4(name, address, prefix, None),
            (IpAddr::V4(address), true) => address::remove4(name, address),
            (IpAddr::V6(address), false) => address::add6(name, address, prefix),
            (IpAddr::V6(address), true) => address::remove6(name, address),
        };
        self.call(jid, given.contains(':'), call);
    }

    /// Sends one echo request and gives it a second.
    fn ping(&mut self, jid: i32, address: &str) {
        use cellblock::sim::sockets::Protocol;
        let sock = self.open(jid, |_, _, _| Protocol::Icmp(cellblock::sim::stack::RawSocket::default()));
        let mut message = vec![8, 0, 0, 0, 0, 1, 0, 1];
        let sum: u32 = message.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let sum = !u16::try_from(sum % 0xffff).expect("below 65535");
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let to = address.parse().expect("an address");
        // An unreachable one is the recorder's intention.
        let _ = cellblock::sim::stack::raw_send(&mut self.kernel, sock, to, 0, &message);
        self.kernel.run(1_000_000_000, |_| false);
        self.close(sock);
    }

    /// One command of ngctl(8), whose socket ends with it.
    fn ngctl(&mut self, jid: i32, words: &[&str]) {
        let (command, path, fields): (u32, &str, Vec<(&str, usize)>) = match words {
            ["mkpeer", path, kind, ours, theirs] => (2, path, vec![(kind, 32), (ours, 32), (theirs, 32)]),
            ["connect", path, peer, ours, theirs] => (3, path, vec![(peer, 512), (ours, 32), (theirs, 32)]),
            ["name", path, name] => (4, path, vec![(name, 32)]),
            ["rmhook", path, hook] => (5, path, vec![(hook, 32)]),
            ["shutdown", path] => (1, path, Vec::new()),
            _ => return,
        };
        let mut arguments = Vec::new();
        for (text, size) in fields {
            let end = arguments.len() + size;
            arguments.extend_from_slice(text.as_bytes());
            arguments.resize(end, 0);
        }
        let mut message = vec![8, 0, 0, 0];
        message.extend_from_slice(&u32::try_from(arguments.len()).expect("short").to_le_bytes());
        message.extend_from_slice(&command.to_le_bytes());
        message.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0, 0x1e, 0x51, 0xc6, 0x43]);
        message.resize(56, 0);
        message.extend_from_slice(&arguments);
        let sock = self.netgraph(jid);
        let path = if path == "." { ".:" } else { path };
        netgraph::send(&mut self.kernel, sock, path.as_bytes(), &message)
            .unwrap_or_else(|errno| panic!("ngctl {words:?}: {errno}"));
        self.kernel.settle();
        self.close(sock);
    }
}

/// Words, with single quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in command.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn mac_of(text: &str) -> [u8; 6] {
    let octets: Vec<u8> = text.split(':').map(|octet| u8::from_str_radix(octet, 16).expect("hex")).collect();
    octets.try_into().expect("six octets")
}
