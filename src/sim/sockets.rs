//! Sockets: who opened them, in which vnet, and what waits in them.

use std::collections::BTreeMap;

use super::kernel::VnetId;

/// A socket, by the key the doors give out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SockId(pub u64);

/// Every open socket.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    /// By key.
    pub open: BTreeMap<SockId, Socket>,
    /// The next key; keys are never used again.
    pub next: u64,
    /// The raw ones by vnet, as the stack last saw them.
    pub raw: super::stack::RawIndex,
}

/// One open socket.
#[derive(Clone, Debug)]
pub struct Socket {
    /// The vnet it acts in for ever.
    pub vnet: VnetId,
    /// The jail whose credentials opened it.
    pub jail: Option<i32>,
    /// What it is.
    pub protocol: Protocol,
}

/// What a socket is, with what waits in it.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// Netgraph control.
    Netgraph(super::netgraph::ControlSocket),
    /// `AF_INET` datagrams, for ioctls.
    Inet,
    /// `AF_INET6` datagrams, for ioctls.
    Inet6,
    /// Netlink.
    Netlink(super::control::NetlinkSocket),
    /// PF_ROUTE.
    Route(super::control::RouteSocket),
    /// Raw ICMP.
    Icmp(super::stack::RawSocket),
    /// Raw ICMPv6.
    Icmp6(super::stack::RawSocket),
}
