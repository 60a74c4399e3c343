//! The commands of the base system that were run beside the recorded messages.

use cellblock::engine::freebsd::doors::Exit;
use cellblock::sim::ifnet;
use cellblock::sim::kernel::VnetId;
use cellblock::sim::netgraph;
use cellblock::sim::programs;
use cellblock::sim::sockets::{Protocol, Socket};
use ngsock::generic::{ListNodes, NodeList};
use ngsock::message::{Message, Payload, encode_request};

use super::replay::{Replay, open};

impl Replay {
    /// Runs a line of commands and compares what they print; `None` if the simulator has not all of them.
    pub fn shell(&mut self, line: &str, recorded: &str) -> Option<Result<(), String>> {
        let mut printed = String::new();
        for command in line.split(';') {
            printed += &self.command(command.trim(), recorded)?;
        }
        let (recorded, printed) = (masked(recorded), masked(&printed));
        Some(if recorded == printed { Ok(()) } else { Err(format!("prints\n{printed}  recorded\n{recorded}")) })
    }

    fn command(&mut self, command: &str, recorded: &str) -> Option<String> {
        let (command, pattern) = match command.split_once('|') {
            Some((command, filter)) => (command.trim(), Some(filter.trim().strip_prefix("grep ")?)),
            None => (command, None),
        };
        let words: Vec<&str> = command.split_whitespace().collect();
        let printed = match *words.as_slice() {
            ["ifconfig", name, "name", new] => {
                let index = ifnet::find(&self.kernel, VnetId::HOST, name)?;
                ifnet::rename(&mut self.kernel, index, new).ok()?;
                format!("{new}\n")
            }
            ["ifconfig", cloner, "create"] => {
                let index = ifnet::create(&mut self.kernel, VnetId::HOST, cloner, None).ok()?;
                format!("{}\n", self.kernel.interfaces.get(index)?.name)
            }
            ["ngctl", "list"] => self.list(recorded),
            ["ifconfig", ..] => self.program(&words)?,
            _ => return None,
        };
        let kept = |line: &&str| pattern.is_none_or(|pattern| line.contains(pattern));
        Some(printed.split_inclusive('\n').filter(kept).collect())
    }

    /// A program of the simulator; `None` if it does not take such arguments.
    fn program(&mut self, words: &[&str]) -> Option<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut printed = Vec::new();
        let exit = programs::run(&mut self.kernel, VnetId::HOST, 0, &words, &mut |_, bytes| printed.extend(bytes));
        match exit {
            Ok(Exit::Code(0)) => Some(String::from_utf8(printed).unwrap()),
            _ => None,
        }
    }

    /// `ngctl list`: a process with a socket of its own, named after its number, which the recording knows.
    fn list(&mut self, recorded: &str) -> String {
        let name = recorded.split_whitespace().find(|word| word.starts_with("ngctl")).unwrap_or("ngctl1").to_owned();
        let sock = open(&mut self.kernel);
        netgraph::bind(&mut self.kernel, sock, format!("{name}\0").as_bytes()).unwrap();
        let mut request = Vec::new();
        encode_request(&mut request, 1, &ListNodes).unwrap();
        netgraph::send(&mut self.kernel, sock, b".:", &request).unwrap();
        let (_, reply) = netgraph::receive(&mut self.kernel, sock).unwrap();
        let NodeList(nodes) = NodeList::decode(Message::parse(&reply).unwrap().payload).unwrap();
        let Some(Socket { protocol: Protocol::Netgraph(control), vnet, .. }) = self.kernel.sockets.open.remove(&sock)
        else {
            unreachable!("it was just opened")
        };
        netgraph::socket_close(&mut self.kernel, vnet, control);
        let mut printed = format!("There are {} total nodes:\n", nodes.len());
        for node in nodes {
            let name = if node.name.is_empty() { "<unnamed>".to_owned() } else { node.name.to_string() };
            let (kind, id, hooks) = (node.kind.to_string(), node.id.0, node.hooks);
            let id = self.recorded_number(id);
            printed += &format!("  Name: {name:<15} Type: {kind:<15} ID: {id:08x}   Num hooks: {hooks}\n");
        }
        printed
    }
}

/// Without Ethernet addresses, which the kernel makes by chance.
fn masked(printed: &str) -> String {
    let line = |line: &str| match line.split_once("ether ") {
        Some((before, _)) if line.trim_start().starts_with("ether ") && !line.contains("02:00:00") => {
            format!("{before}ether (made by the kernel)\n")
        }
        _ => line.to_owned(),
    };
    printed.split_inclusive('\n').map(line).collect()
}
