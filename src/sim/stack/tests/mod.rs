//! Scenarios: vnets joined by epairs, looked at as an administrator and pinged as a prober would.

mod hosts;
mod limits;
mod robust;
mod routers;
mod routes;
mod v6;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{NewAddress4, NewAddress6, NewPath, NewRoute, Prefix};
use crate::abi::Errno;
use crate::sim::clock::Nanos;
use crate::sim::ifnet::{self, Driver};
use crate::sim::kernel::{IfIndex, Kernel, VnetId};
use crate::sim::sockets::{Protocol, SockId, Socket};

pub(crate) const MILLISECOND: Nanos = 1_000_000;
pub(crate) const SECOND: Nanos = 1_000 * MILLISECOND;
const IFF_UP: u32 = 1;

/// A kernel with verbs.
pub(crate) struct Lab {
    pub kernel: Kernel,
    serial: u16,
}

/// What a ping saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Reply(IpAddr),
    /// An ICMP error: from whom, type, code, the word after the checksum.
    Error(IpAddr, u8, u8, u32),
    Nothing,
    Refused(Errno),
}

impl Lab {
    pub fn new() -> Self {
        let mut kernel = Kernel::boot(1);
        kernel.modules.extend(["if_epair", "if_bridge"].map(str::to_owned));
        Self { kernel, serial: 0 }
    }

    /// A vnet with lo0 up.
    pub fn vnet(&mut self) -> VnetId {
        let vnet = self.kernel.new_vnet(None);
        let lo0 = ifnet::find(&self.kernel, vnet, "lo0").unwrap();
        self.flags(lo0, true);
        vnet
    }

    /// A vnet that forwards both families.
    pub fn router(&mut self) -> VnetId {
        let vnet = self.vnet();
        for name in ["net.inet.ip.forwarding", "net.inet6.ip6.forwarding"] {
            super::sysctl_set(&mut self.kernel, vnet, name, 1).unwrap();
        }
        vnet
    }

    /// An epair with an end in each of two vnets, both down.
    pub fn wire(&mut self, a: VnetId, b: VnetId) -> (IfIndex, IfIndex) {
        let one = ifnet::create(&mut self.kernel, VnetId::HOST, "epair", None).unwrap();
        let Driver::Epair { peer } = self.kernel.interfaces.get(one).unwrap().driver else { panic!("no epair") };
        for (end, vnet) in [(one, a), (peer, b)] {
            if vnet != VnetId::HOST {
                ifnet::give(&mut self.kernel, end, vnet, false).unwrap();
            }
        }
        (one, peer)
    }

    /// `ifconfig IF up` or `down`.
    pub fn flags(&mut self, index: IfIndex, up: bool) {
        let flags = self.kernel.interfaces.get(index).unwrap().flags;
        let flags = if up { flags | IFF_UP } else { flags & !IFF_UP };
        ifnet::set_flags(&mut self.kernel, index, flags, true).unwrap();
        self.kernel.settle();
    }

    /// `ifconfig IF inet ADDRESS/LENGTH alias` or `inet6`.
    pub fn address(&mut self, index: IfIndex, text: &str) {
        let (address, length) = text.split_once('/').unwrap();
        let length = length.parse().unwrap();
        match address.parse().unwrap() {
            IpAddr::V4(address) => {
                let new = NewAddress4 { address, length, broadcast: None, peer: None };
                super::add_address4(&mut self.kernel, index, &new).unwrap();
            }
            IpAddr::V6(address) => self.address6(index, address, length).unwrap(),
        }
        self.kernel.settle();
    }

    pub fn address6(&mut self, index: IfIndex, address: Ipv6Addr, length: u8) -> Result<(), Errno> {
        let valid = super::INFINITE;
        let new = NewAddress6 { address, length, peer: None, flags: 0, valid, preferred: valid };
        super::add_address6(&mut self.kernel, index, &new)
    }

    /// `route add PREFIX GATEWAY`.
    pub fn route(&mut self, vnet: VnetId, to: &str, gateway: &str) {
        let new = route(to, &[gateway]);
        let mode = super::AddMode { create: true, append: true, replace: false };
        super::route_add(&mut self.kernel, vnet, &new, mode).unwrap();
    }

    pub fn sysctl(&mut self, vnet: VnetId, name: &str, value: i32) {
        super::sysctl_set(&mut self.kernel, vnet, name, value).unwrap();
    }

    pub fn wait(&mut self, span: Nanos) {
        self.kernel.run(span, |_| false);
    }

    /// `ping -c 1 -t 1`.
    pub fn ping(&mut self, vnet: VnetId, to: &str) -> Seen {
        self.ping_with(vnet, to, None, 56, SECOND)
    }

    /// A ping with a TTL, a size and a patience.
    pub fn ping_with(&mut self, vnet: VnetId, to: &str, ttl: Option<u8>, size: usize, patience: Nanos) -> Seen {
        let (to, scope) = self.destination(vnet, to);
        let sock = self.open(vnet, to.is_ipv4());
        super::raw_set_ttl(&mut self.kernel, sock, ttl).unwrap();
        self.serial += 1;
        let word = u32::from(self.serial) << 16 | 1;
        let kind = if to.is_ipv4() { 8 } else { 128 };
        let message = super::packet::icmp4(kind, 0, word, &vec![0x5a; size]);
        let sent = super::raw_send(&mut self.kernel, sock, to, scope, &message);
        let seen = match sent {
            Ok(()) => self.listen(sock, word, patience),
            Err(errno) => Seen::Refused(errno),
        };
        self.kernel.sockets.open.remove(&sock);
        seen
    }

    /// Lets `patience` pass, or less if an answer comes.
    fn listen(&mut self, sock: SockId, word: u32, patience: Nanos) -> Seen {
        let until = self.kernel.clock.now() + patience;
        loop {
            while let Some((from, bytes)) = super::raw_receive(&mut self.kernel, sock) {
                if let Some(seen) = read(from, &bytes, word) {
                    return seen;
                }
            }
            let left = until.saturating_sub(self.kernel.clock.now());
            if left == 0 {
                return Seen::Nothing;
            }
            self.kernel.run(left, |kernel| super::raw_is_readable(kernel, sock));
            if !super::raw_is_readable(&self.kernel, sock) {
                return Seen::Nothing;
            }
        }
    }

    pub fn open(&mut self, vnet: VnetId, v4: bool) -> SockId {
        let protocol =
            if v4 { Protocol::Icmp(super::RawSocket::default()) } else { Protocol::Icmp6(super::RawSocket::default()) };
        self.kernel.sockets.next += 1;
        let sock = SockId(self.kernel.sockets.next);
        self.kernel.sockets.open.insert(sock, Socket { vnet, jail: None, protocol });
        sock
    }

    /// An address, with `%interface` behind a link-local one.
    fn destination(&self, vnet: VnetId, text: &str) -> (IpAddr, u32) {
        match text.split_once('%') {
            Some((address, name)) => {
                (address.parse().unwrap(), u32::from(ifnet::find(&self.kernel, vnet, name).unwrap().0))
            }
            None => (text.parse().unwrap(), 0),
        }
    }

    /// `netstat -rn`: destination, gateway, flags, interface.
    pub fn table(&self, vnet: VnetId, v6: bool) -> Vec<String> {
        super::routes(&self.kernel, vnet, v6)
            .map(|route| {
                let hop = &route.paths[0].hop;
                let name = |index: IfIndex| self.kernel.interfaces.get(index).unwrap().name.clone();
                let scope = route.prefix.scope.map(|scope| format!("%{}", name(scope))).unwrap_or_default();
                let length = if route.prefix.is_host() { String::new() } else { format!("/{}", route.prefix.length) };
                let gateway = hop.gateway.map_or_else(|| "link".to_owned(), |gateway| gateway.to_string());
                let letters = [(super::RTF_GATEWAY, 'G'), (super::RTF_HOST, 'H'), (super::RTF_STATIC, 'S')];
                let flags: String = letters.iter().filter(|l| hop.flags & l.0 != 0).map(|l| l.1).collect();
                format!("{}{scope}{length} {gateway} U{flags} {}", route.prefix.address, name(hop.interface))
            })
            .collect()
    }

    pub fn link_local(&self, index: IfIndex) -> Ipv6Addr {
        let interface = self.kernel.interfaces.get(index).unwrap();
        super::address::v6(interface).map(|a| a.address).find(Ipv6Addr::is_unicast_link_local).unwrap()
    }

    pub fn flags6(&self, index: IfIndex, address: &str) -> u32 {
        let wanted: Ipv6Addr = address.parse().unwrap();
        let interface = self.kernel.interfaces.get(index).unwrap();
        super::address::v6(interface).find(|a| a.address == wanted).unwrap().flags
    }

    pub fn name(&self, index: IfIndex) -> String {
        self.kernel.interfaces.get(index).unwrap().name.clone()
    }
}

pub(crate) fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix::new(address.parse().unwrap(), length.parse().unwrap(), None).unwrap()
}

pub(crate) fn route(to: &str, gateways: &[&str]) -> NewRoute {
    let path = |gateway: &&str| NewPath { gateway: Some(gateway.parse().unwrap()), interface: None, weight: 1 };
    NewRoute { prefix: prefix(to), paths: gateways.iter().map(path).collect(), flags: super::RTF_STATIC, mtu: None }
}

/// What a message on a raw socket says about our echo, if anything.
fn read(from: IpAddr, bytes: &[u8], word: u32) -> Option<Seen> {
    let message = if from.is_ipv4() { &bytes[20..] } else { bytes };
    let said = u32::from_be_bytes(message[4..8].try_into().unwrap());
    match (from, message[0]) {
        (IpAddr::V4(_), 0) | (IpAddr::V6(_), 129) => (said == word).then_some(Seen::Reply(from)),
        (IpAddr::V4(_), kind) => {
            let quoted = &message[8..];
            (quoted[20 + 4..20 + 8] == word.to_be_bytes()).then_some(Seen::Error(from, kind, message[1], said))
        }
        (IpAddr::V6(_), kind @ 1..=4) => {
            let quoted = &message[8..];
            (quoted[40 + 4..40 + 8] == word.to_be_bytes()).then_some(Seen::Error(from, kind, message[1], said))
        }
        _ => None,
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn v4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}
