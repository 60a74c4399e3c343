//! `ksocket`: a socket of the kernel as a node (`sys/netgraph/ng_ksocket.c`).
//!
//! Names are given, kept and told as in the kernel; nothing is sent or received: packets from the hook are dropped,
//! nobody connects to a socket that listens, and a stream that is to be connected is refused with `EOPNOTSUPP`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ngsock::node::ksocket::{
    Bind, COOKIE, Command, Connect, GetOption, Listen, SetOption, SocketAddress, SocketOption,
};
use serde::{Deserialize, Serialize};

use super::super::NodeId;
use super::super::label::Label;
use super::super::life::Graph;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{HookId, Hooks, Kind, Node, Private};
use crate::abi::Errno;
use crate::sim::stack;

/// Of FreeBSD (`sys/sys/socket.h`): families, types, and the level of options of any socket.
const INET: u32 = 2;
const INET6: u32 = 28;
const STREAM: u32 = 1;
const DATAGRAM: u32 = 2;
const SOL_SOCKET: i32 = 0xffff;

/// `net.inet.ip.portrange.first` and `last`: where a port is taken from if none was asked for.
const PORTS: std::ops::RangeInclusive<u16> = 10_000..=65_535;

/// A socket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ksocket {
    /// Once there is a hook: what it chose.
    socket: Option<Socket>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Socket {
    is_inet6: bool,
    is_stream: bool,
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    listens: bool,
    accepts: bool,
    /// Options of `SOL_SOCKET` that were set, all of which are numbers.
    options: BTreeMap<i32, i32>,
}

impl Ksocket {
    /// One hook, whose name is `family/type/protocol`.
    ///
    /// # Errors
    /// `EISCONN` for a second hook, `EINVAL` for a name of another form; as socket(2) would: `EAFNOSUPPORT`,
    /// `EPROTOTYPE`, `EPROTONOSUPPORT`. Only datagrams and streams of the internet are simulated.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        if self.socket.is_some() {
            return Err(Errno::EISCONN);
        }
        let text = std::str::from_utf8(name.as_bytes()).map_err(|_| Errno::EINVAL)?;
        let mut parts = text.splitn(3, '/');
        let mut part = |aliases: &[(&str, u32)]| number(parts.next()?, aliases);
        let family = part(&[("local", 1), ("inet", INET), ("inet6", INET6), ("atm", 30), ("divert", 44)]);
        let family = family.ok_or(Errno::EINVAL)?;
        let kind = part(&[("stream", STREAM), ("dgram", DATAGRAM), ("raw", 3), ("rdm", 4), ("seqpacket", 5)]);
        let kind = kind.ok_or(Errno::EINVAL)?;
        let protocols: &[(&str, u32)] = match family {
            INET => &[("ip", 0), ("raw", 255), ("icmp", 1), ("igmp", 2), ("tcp", TCP), ("udp", UDP), ("gre", 47)],
            INET6 => &[("ip6", 41), ("raw6", 255), ("icmp6", 58), ("tcp6", TCP), ("udp6", UDP), ("gre6", 47)],
            _ => &[],
        };
        let protocol = part(protocols).ok_or(Errno::EINVAL)?;
        let is_stream = match (kind, protocol) {
            (STREAM, 0 | TCP) => true,
            (DATAGRAM, 0 | UDP) => false,
            (STREAM, UDP) | (DATAGRAM, TCP) => return Err(Errno::EPROTOTYPE),
            _ => return Err(Errno::EPROTONOSUPPORT),
        };
        if !matches!(family, INET | INET6) {
            return Err(Errno::EAFNOSUPPORT);
        }
        let hook = hooks.add(name, Private::None)?;
        self.socket = Some(Socket {
            is_inet6: family == INET6,
            is_stream,
            local: None,
            peer: None,
            listens: false,
            accepts: false,
            options: BTreeMap::new(),
        });
        Ok(hook)
    }
}

const TCP: u32 = 6;
const UDP: u32 = 17;

/// An alias or a number (`ng_ksocket_parse`).
fn number(text: &str, aliases: &[(&str, u32)]) -> Option<u32> {
    let alias = aliases.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    alias.or_else(|| text.parse().ok().filter(|value| i32::try_from(*value).is_ok()))
}

pub(in crate::sim::netgraph) fn receive(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    if call.header.cookie != COOKIE {
        return Err(Errno::EINVAL);
    }
    match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
        Command::Bind(Bind(address)) => bind(graph, to, &address)?,
        Command::Connect(Connect(address)) => connect(graph, to, &address)?,
        Command::Listen(Listen(_)) => {
            let socket = socket(graph, to)?;
            if !socket.is_stream {
                return Err(Errno::EOPNOTSUPP);
            }
            if socket.local.is_none() {
                let port = free_port(graph, to)?;
                set_local(graph, to, None, port)?;
            }
            self::socket(graph, to)?.listens = true;
        }
        Command::Accept(_) => {
            let socket = socket(graph, to)?;
            if !call.payload.is_empty() || !socket.listens {
                return Err(Errno::EINVAL);
            }
            if socket.accepts {
                return Err(Errno::EALREADY);
            }
            socket.accepts = true;
        }
        Command::GetName(_) if call.payload.is_empty() => {
            let socket = socket(graph, to)?;
            return answer(&SocketAddress::from(socket.local.unwrap_or_else(|| socket.unnamed())));
        }
        Command::GetPeerName(_) if call.payload.is_empty() => {
            return answer(&SocketAddress::from(socket(graph, to)?.peer.ok_or(Errno::ENOTCONN)?));
        }
        Command::GetOption(GetOption(option)) if option.value.is_empty() => {
            let socket = socket(graph, to)?;
            let value = socket.option(option.level, option.name)?.to_ne_bytes().to_vec();
            return answer(&SocketOption { value, ..option });
        }
        Command::SetOption(SetOption(option)) => socket(graph, to)?.set_option(&option)?,
        Command::GetName(_) | Command::GetPeerName(_) | Command::GetOption(_) => return Err(Errno::EINVAL),
    }
    Ok(Outcome::Done)
}

fn socket<'g>(graph: &'g mut Graph<'_>, to: NodeId) -> Result<&'g mut Socket, Errno> {
    let Some(Node { kind: Kind::Ksocket(ksocket), .. }) = graph.node(to) else { return Err(Errno::EINVAL) };
    ksocket.socket.as_mut().ok_or(Errno::ENXIO)
}

/// bind(2): an address of the vnet's own, or of no interface, and a port that no other such socket has.
fn bind(graph: &mut Graph<'_>, to: NodeId, address: &SocketAddress) -> Result<(), Errno> {
    let address = internet(graph, to, address)?;
    if socket(graph, to)?.local.is_some() {
        return Err(Errno::EINVAL);
    }
    let ip = address.ip();
    if !ip.is_unspecified() && !ip.is_multicast() && stack::own_address(graph.kernel, graph.vnet, ip, None).is_none() {
        // 127.0.0.1 is an address of lo0 once that is configured, which kernels do at boot.
        if !ip.is_loopback() {
            return Err(Errno::EADDRNOTAVAIL);
        }
    }
    let port = match address.port() {
        0 => free_port(graph, to)?,
        port if is_taken(graph, to, port)? => return Err(Errno::EADDRINUSE),
        port => port,
    };
    set_local(graph, to, Some(ip), port)
}

/// connect(2) of a datagram socket: its source is the vnet's address towards the peer.
fn connect(graph: &mut Graph<'_>, to: NodeId, address: &SocketAddress) -> Result<(), Errno> {
    let address = internet(graph, to, address)?;
    let socket = socket(graph, to)?;
    if socket.is_stream || socket.listens {
        return Err(Errno::EOPNOTSUPP);
    }
    if address.port() == 0 {
        return Err(Errno::EADDRNOTAVAIL);
    }
    if socket.local.is_none() {
        let port = free_port(graph, to)?;
        set_local(graph, to, None, port)?;
    }
    self::socket(graph, to)?.peer = Some(address);
    Ok(())
}

/// An address of the socket's family.
fn internet(graph: &mut Graph<'_>, to: NodeId, address: &SocketAddress) -> Result<SocketAddr, Errno> {
    let address = address.to_socket_addr().ok_or(Errno::EAFNOSUPPORT)?;
    let is_inet6 = socket(graph, to)?.is_inet6;
    if address.is_ipv6() == is_inet6 { Ok(address) } else { Err(Errno::EAFNOSUPPORT) }
}

fn set_local(graph: &mut Graph<'_>, to: NodeId, ip: Option<IpAddr>, port: u16) -> Result<(), Errno> {
    let socket = socket(graph, to)?;
    let ip = ip.unwrap_or(socket.unnamed().ip());
    socket.local = Some(SocketAddr::new(ip, port));
    Ok(())
}

/// Whether another socket of the vnet, of the same family and type, has the port.
fn is_taken(graph: &mut Graph<'_>, to: NodeId, port: u16) -> Result<bool, Errno> {
    let own = socket(graph, to)?;
    let (is_inet6, is_stream) = (own.is_inet6, own.is_stream);
    let has_it = |(id, node): (NodeId, &Node)| {
        let Kind::Ksocket(other) = &node.kind else { return false };
        let Some(other) = &other.socket else { return false };
        let same_kind = (other.is_inet6, other.is_stream) == (is_inet6, is_stream);
        id != to && same_kind && other.local.is_some_and(|local| local.port() == port)
    };
    Ok(graph.netgraph()?.nodes.iter().any(has_it))
}

/// The lowest free one, where a kernel takes any.
fn free_port(graph: &mut Graph<'_>, to: NodeId) -> Result<u16, Errno> {
    for port in PORTS {
        if !is_taken(graph, to, port)? {
            return Ok(port);
        }
    }
    Err(Errno::EADDRNOTAVAIL)
}

impl Socket {
    fn unnamed(&self) -> SocketAddr {
        let ip = if self.is_inet6 { IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
        SocketAddr::new(ip, 0)
    }

    /// # Errors
    /// `ENOPROTOOPT` for those that are not simulated.
    fn option(&self, level: i32, name: i32) -> Result<i32, Errno> {
        let default = match (level, name) {
            // SO_REUSEADDR, SO_KEEPALIVE, SO_DONTROUTE, SO_BROADCAST, SO_REUSEPORT, SO_ERROR.
            (SOL_SOCKET, 0x4 | 0x8 | 0x10 | 0x20 | 0x200 | 0x1007) => 0,
            // SO_SNDBUF, SO_RCVBUF, SO_TYPE.
            (SOL_SOCKET, 0x1001) => 9216,
            (SOL_SOCKET, 0x1002) => 42_080,
            (SOL_SOCKET, 0x1008) => i32::from(!self.is_stream) + 1,
            // SO_ACCEPTCONN.
            (SOL_SOCKET, 0x2) => self.listens.into(),
            _ => return Err(Errno::ENOPROTOOPT),
        };
        Ok(self.options.get(&name).copied().unwrap_or(default))
    }

    /// # Errors
    /// `ENOPROTOOPT` for those that cannot be set, `EINVAL` for what is no number.
    fn set_option(&mut self, option: &SocketOption) -> Result<(), Errno> {
        self.option(option.level, option.name)?;
        let value = option.value.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)).ok_or(Errno::EINVAL)?;
        match option.name {
            0x1007 | 0x1008 | 0x2 => Err(Errno::ENOPROTOOPT),
            0x1001 | 0x1002 if value < 1 => Err(Errno::EINVAL),
            // A flag that is set is told by its own bit.
            name if name < 0x1000 => {
                self.options.insert(name, if value == 0 { 0 } else { name });
                Ok(())
            }
            name => {
                self.options.insert(name, value);
                Ok(())
            }
        }
    }
}
