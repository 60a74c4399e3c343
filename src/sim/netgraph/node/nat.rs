//! `nat`: network address translation (`sys/netgraph/ng_nat.c`). What can be configured is; translation itself,
//! libalias, is not simulated: packets pass as they are until an address is set, as in the kernel, and are dropped
//! from then on.

use std::net::Ipv4Addr;

use ngsock::node::nat::{
    AddProxyRule, AddServer, COOKIE, Command, Description, LINK_TYPE_ETHERNET, LINK_TYPE_RAW, LinkCounts, MakeDynamic,
    PROTOCOL_ADDRESS, Redirect, RedirectAddress, RedirectList, RedirectPort, RedirectProtocol, RemoveRedirect,
    SetLinkType,
};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::in_out::{InOut, Side};
use super::{Fate, HookId, Hooks};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// So many redirections are kept; a kernel has no limit but its memory.
const MOST: usize = 4096;

const TCP: u16 = 6;
const UDP: u16 = 17;
const SCTP: u16 = 132;

/// A translator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nat {
    sides: InOut,
    has_address: bool,
    link_type: u8,
    next: u32,
    redirects: Vec<Kept>,
    /// Links of redirections that were made dynamic: they are not listed any more but count until they expire.
    unlisted: Vec<u16>,
}

/// A redirection.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    id: u32,
    local: Ipv4Addr,
    alias: Ipv4Addr,
    remote: Ipv4Addr,
    local_port: u16,
    alias_port: u16,
    remote_port: u16,
    protocol: u16,
    servers: u16,
    description: Vec<u8>,
    /// Whether all that a link needs is known of the far side: only such ones can become dynamic.
    is_complete: bool,
}

impl Default for Nat {
    fn default() -> Self {
        Self {
            sides: InOut::default(),
            has_address: false,
            link_type: LINK_TYPE_RAW,
            next: 1,
            redirects: Vec::new(),
            unlisted: Vec::new(),
        }
    }
}

impl Nat {
    /// # Errors
    /// `EINVAL` for any name but `in` and `out`.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let side = Side::named(name.as_bytes());
        self.sides.add(hooks, name, side)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        self.sides.disconnected(hook, left)
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, call: &Call<'_>) -> Answer {
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
            Command::SetAddress(_) => self.has_address = true,
            Command::SetMode(_) | Command::SetTarget(_) => {}
            Command::RedirectPort(RedirectPort(port)) => {
                if !matches!(u16::from(port.protocol), TCP | UDP | SCTP) {
                    return Err(Errno::ENOMEM);
                }
                let addresses = [port.local_address, port.alias_address, port.remote_address];
                let ports = [port.local_port, port.alias_port, port.remote_port];
                return self.redirect(addresses, ports, port.protocol.into(), &port.description);
            }
            Command::RedirectAddress(RedirectAddress(address)) => {
                let addresses = [address.local_address, address.alias_address, Ipv4Addr::UNSPECIFIED];
                return self.redirect(addresses, [0; 3], PROTOCOL_ADDRESS, &address.description);
            }
            Command::RedirectProtocol(RedirectProtocol(protocol)) => {
                let addresses = [protocol.local_address, protocol.alias_address, protocol.remote_address];
                return self.redirect(addresses, [0; 3], protocol.protocol.into(), &protocol.description);
            }
            Command::MakeDynamic(MakeDynamic(id)) => {
                let place = self.place(id)?;
                let kept = self.redirects.get(place).filter(|kept| kept.is_complete).ok_or(Errno::ENOTTY)?;
                self.unlisted.push(kept.protocol);
                self.redirects.remove(place);
            }
            Command::RemoveRedirect(RemoveRedirect(id)) => {
                let place = self.place(id)?;
                self.redirects.remove(place);
            }
            Command::AddServer(AddServer(server)) => {
                let place = self.place(server.redirect)?;
                if let Some(kept) = self.redirects.get_mut(place) {
                    kept.servers = kept.servers.wrapping_add(1);
                }
            }
            Command::ListRedirects(_) => {
                return answer(&RedirectList(self.redirects.iter().map(Kept::listed).collect()));
            }
            Command::AddProxyRule(AddProxyRule(rule)) => {
                if call.payload.len() < 6 {
                    return Err(Errno::EINVAL);
                }
                check_rule(rule.as_bytes())?;
            }
            Command::GetLinkCounts(_) => return answer(&self.link_counts()),
            Command::SetLinkType(SetLinkType(kind @ (LINK_TYPE_ETHERNET | LINK_TYPE_RAW))) => self.link_type = kind,
            // The latter's case stands in the wrong switch of the kernel.
            Command::SetLinkType(_) | Command::GetLinkType(_) => return Err(Errno::EINVAL),
        }
        Ok(Outcome::Done)
    }

    fn redirect(
        &mut self,
        [local, alias, remote]: [Ipv4Addr; 3],
        [local_port, alias_port, remote_port]: [u16; 3],
        protocol: u16,
        description: &Description,
    ) -> Answer {
        if self.redirects.len() + self.unlisted.len() >= MOST {
            return Err(Errno::ENOMEM);
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        // A protocol has no ports and needs none; an address is never complete.
        let needs_port = matches!(protocol, TCP | UDP | SCTP | PROTOCOL_ADDRESS);
        let is_complete = !remote.is_unspecified() && (remote_port != 0 || !needs_port);
        let description = description.as_bytes().to_vec();
        let servers = 0;
        self.redirects.push(Kept {
            id,
            local,
            alias,
            remote,
            local_port,
            alias_port,
            remote_port,
            protocol,
            servers,
            description,
            is_complete,
        });
        answer(&id)
    }

    fn place(&self, id: u32) -> Result<usize, Errno> {
        self.redirects.iter().position(|kept| kept.id == id).ok_or(Errno::ENOENT)
    }

    /// Redirected addresses are not counted.
    fn link_counts(&self) -> LinkCounts {
        let mut counts = LinkCounts::default();
        for protocol in self.redirects.iter().map(|kept| kept.protocol).chain(self.unlisted.iter().copied()) {
            match protocol {
                PROTOCOL_ADDRESS => {}
                TCP => counts.tcp += 1,
                UDP => counts.udp += 1,
                SCTP => counts.sctp += 1,
                _ => counts.protocol += 1,
            }
        }
        counts
    }

    pub(in crate::sim::netgraph) fn data(&self, hooks: &Hooks, hook: HookId, packet: Frame, wire: &mut Wire<'_>) {
        let to = self.sides.across(hook).and_then(|to| hooks.get(to));
        if let (false, Some(to)) = (self.has_address, to) {
            wire.send(to, packet);
        }
    }
}

impl Kept {
    fn listed(&self) -> Redirect {
        Redirect {
            id: self.id,
            local_address: self.local,
            alias_address: self.alias,
            remote_address: self.remote,
            local_port: self.local_port,
            alias_port: self.alias_port,
            remote_port: self.remote_port,
            protocol: self.protocol,
            servers: self.servers,
            description: Description::new(&self.description).unwrap_or_default(),
        }
    }
}

/// Whether the words of a proxy rule are what libalias reads (`LibAliasProxyRule`); names of ports, which a kernel
/// cannot look up, are not.
///
/// # Errors
/// `ENOMEM`, which is what the node answers to any fault of a rule.
fn check_rule(rule: &[u8]) -> Result<(), Errno> {
    let rule = std::str::from_utf8(rule).ok().filter(|rule| rule.len() < 256).ok_or(Errno::ENOMEM)?;
    let rule = rule.to_ascii_lowercase();
    let mut words = rule.split([' ', '\t']).filter(|word| !word.is_empty());
    let mut has_server = false;
    while let Some(keyword) = words.next() {
        // A keyword without its word is passed over.
        let Some(word) = words.next() else { break };
        let is_number = || word.parse::<u16>().is_ok();
        let good = match keyword {
            "type" => matches!(word, "encode_ip_hdr" | "encode_tcp_stream" | "no_encode"),
            "port" | "rule" => is_number(),
            "proto" => matches!(word, "tcp" | "udp"),
            "server" => {
                let (address, port) = word.split_once(':').unwrap_or((word, "0"));
                has_server = address.parse::<Ipv4Addr>().is_ok_and(|address| !address.is_unspecified());
                has_server && port.parse::<u16>().is_ok()
            }
            "src" | "dst" => {
                let (address, length) = word.split_once('/').unwrap_or((word, "32"));
                address.parse::<Ipv4Addr>().is_ok() && length.parse::<u8>().is_ok_and(|length| length <= 32)
            }
            // No rule has the number to be deleted, as none is kept.
            _ => false,
        };
        if !good {
            return Err(Errno::ENOMEM);
        }
    }
    if has_server { Ok(()) } else { Err(Errno::ENOMEM) }
}
