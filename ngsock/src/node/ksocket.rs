//! `ksocket`: a socket of the kernel as a node (`sys/netgraph/ng_ksocket.h`).
//!
//! Its one hook chooses the socket by its name: `inet/dgram/udp`, `inet6/stream/tcp`, numbers also. The socket is
//! made in the vnet and with the rights of the thread that sends [`MkPeer`](crate::generic::MkPeer). The node goes
//! with its hook.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::addr::NodeId;
use crate::message::{Malformed, Payload};
use crate::name::TypeName;
use crate::text::sockaddr::GENERIC;
use crate::text::{Count, Member, Type};
use crate::wire::{commands, get_prefix, put};

/// `NG_KSOCKET_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("ksocket");

/// `NGM_KSOCKET_COOKIE` (`sys/netgraph/ng_ksocket.h:49`).
#[doc(alias = "NGM_KSOCKET_COOKIE")]
pub const COOKIE: u32 = 942_710_669;

/// `NG_KSOCKET_MAX_OPTLEN`: the longest option [`GetOption`] gives, in bytes (`sys/netgraph/ng_ksocket.h:61`).
pub const MAX_OPTION_LEN: usize = 1024;

commands! { COOKIE:
    /// bind(2) (`sys/netgraph/ng_ksocket.c:759`).
    #[doc(alias = "NGM_KSOCKET_BIND")]
    Bind(SocketAddress) = 1 "bind" => ();
    /// listen(2) with this backlog (`sys/netgraph/ng_ksocket.c:775`).
    #[doc(alias = "NGM_KSOCKET_LISTEN")]
    Listen(i32) = 2 "listen" => ();
    /// accept(2). Replies at once if a connection waits, else when one comes (`sys/netgraph/ng_ksocket.c:795`).
    #[doc(alias = "NGM_KSOCKET_ACCEPT")]
    Accept = 3 "accept" => Option<Accepted>;
    /// connect(2). `EINPROGRESS` if that takes time; then a reply with an errno, 0 for success, comes later
    /// (`sys/netgraph/ng_ksocket.c:826`).
    #[doc(alias = "NGM_KSOCKET_CONNECT")]
    Connect(SocketAddress) = 4 "connect" => Option<i32>;
    /// getsockname(2) (`sys/netgraph/ng_ksocket.c:855`).
    #[doc(alias = "NGM_KSOCKET_GETNAME")]
    GetName = 5 "getname" => SocketAddress;
    /// getpeername(2).
    #[doc(alias = "NGM_KSOCKET_GETPEERNAME")]
    GetPeerName = 6 "getpeername" => SocketAddress;
    /// setsockopt(2) (`sys/netgraph/ng_ksocket.c:927`).
    #[doc(alias = "NGM_KSOCKET_SETOPT")]
    SetOption(SocketOption) = 7 "setopt" => ();
    /// getsockopt(2); the value in the request must be empty (`sys/netgraph/ng_ksocket.c:890`).
    #[doc(alias = "NGM_KSOCKET_GETOPT")]
    GetOption(SocketOption) = 8 "getopt" => SocketOption;
}

/// A `struct sockaddr` of FreeBSD: its length, its family, its data; at most 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "sockaddr")]
pub struct SocketAddress(Vec<u8>);

impl SocketAddress {
    /// Any address, its first two bytes being length and family. `None` if the length is not that of the bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [len, _, ..] if usize::from(*len) == bytes.len() => Some(Self(bytes.to_vec())),
            _ => None,
        }
    }

    /// A path of a local socket; `None` past 253 bytes.
    #[must_use]
    pub fn local(path: &[u8]) -> Option<Self> {
        let len = u8::try_from(path.len() + 2).ok()?;
        Some(Self([&[len, 1], path].concat()))
    }

    /// The structure.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The address, if it is one of the internet.
    #[must_use]
    pub fn to_socket_addr(&self) -> Option<SocketAddr> {
        let port = u16::from_be_bytes(self.0.get(2..4)?.try_into().ok()?);
        match self.0.as_slice() {
            [16, 2, _, _, a, b, c, d, ..] => Some(SocketAddrV4::new(Ipv4Addr::new(*a, *b, *c, *d), port).into()),
            [28, 28, ..] => {
                let flow = u32::from_be_bytes(self.0.get(4..8)?.try_into().ok()?);
                let ip: [u8; 16] = self.0.get(8..24)?.try_into().ok()?;
                let scope = u32::from_ne_bytes(self.0.get(24..28)?.try_into().ok()?);
                Some(SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, scope).into())
            }
            _ => None,
        }
    }
}

impl From<SocketAddr> for SocketAddress {
    /// `struct sockaddr_in` (`sys/netinet/in.h:94`) or `struct sockaddr_in6` (`sys/netinet6/in6.h:128`).
    fn from(address: SocketAddr) -> Self {
        let port = address.port().to_be_bytes();
        Self(match address {
            SocketAddr::V4(v4) => [&[16, 2][..], &port, &v4.ip().octets(), &[0; 8]].concat(),
            SocketAddr::V6(v6) => {
                let (flow, scope) = (v6.flowinfo().to_be_bytes(), v6.scope_id().to_ne_bytes());
                [&[28, 28][..], &port, &flow, &v6.ip().octets(), &scope].concat()
            }
        })
    }
}

impl Payload for SocketAddress {
    const TEXT: Option<&'static Type> = Some(&Type::SocketAddress);

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let stated = payload.first().copied().unwrap_or(2);
        Self::new(payload).ok_or(Malformed::PayloadSize { expected: stated.into(), actual: payload.len() })
    }
}

/// `struct ng_ksocket_accept`: a new connection (`sys/netgraph/ng_ksocket.h:72`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "ng_ksocket_accept")]
pub struct Accepted {
    /// The node of the new socket, which has no hook yet.
    pub node: NodeId,
    /// Who connected.
    pub peer: SocketAddress,
}

impl Payload for Accepted {
    const TEXT: Option<&'static Type> =
        Some(&Type::Struct(&[Member { name: "nodeid", kind: Type::HINT32 }, Member { name: "addr", kind: GENERIC }]));

    fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.node);
        self.peer.encode(out);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (node, rest) = get_prefix(payload)?;
        Ok(Self { node, peer: SocketAddress::decode(rest)? })
    }
}

/// `struct ng_ksocket_sockopt` (`sys/netgraph/ng_ksocket.h:52`).
///
/// In words the value has as many bytes as the rest of the message; when a text is read that is the length of the
/// text, as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[doc(alias = "ng_ksocket_sockopt")]
pub struct SocketOption {
    /// Such as `SOL_SOCKET`, 65535.
    pub level: i32,
    /// The option of that level.
    pub name: i32,
    /// Its value.
    pub value: Vec<u8>,
}

impl Payload for SocketOption {
    const TEXT: Option<&'static Type> = Some(&Type::Struct(&[
        Member { name: "level", kind: Type::INT32 },
        Member { name: "name", kind: Type::INT32 },
        Member { name: "value", kind: &Type::Bytes(Count::RestOfMessage { less: 8 }) },
    ]));

    fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.level);
        put(out, &self.name);
        out.extend_from_slice(&self.value);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (level, rest) = get_prefix(payload)?;
        let (name, value) = get_prefix(rest)?;
        Ok(Self { level, name, value: value.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internet_addresses_survive_the_way_through_bytes() {
        for text in ["10.0.0.1:80", "[2001:db8::1]:443", "[fe80::1%3]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            let bytes = SocketAddress::from(address);
            assert_eq!(SocketAddress::new(bytes.as_bytes()), Some(bytes.clone()));
            assert_eq!(bytes.to_socket_addr(), Some(address));
        }
        assert_eq!(SocketAddress::local(b"/tmp/x").unwrap().to_socket_addr(), None);
        assert_eq!(SocketAddress::new(&[16, 2, 0]), None);
        assert_eq!(SocketAddress::local(&[b'a'; 254]), None);
    }
}
