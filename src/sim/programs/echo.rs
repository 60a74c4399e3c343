//! Echo requests and what comes back, over a raw ICMP socket: what ping and traceroute share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Shell;
use crate::abi::Errno;
use crate::sim::clock::Nanos;
use crate::sim::sockets::{Protocol, SockId, Socket};
use crate::sim::stack;

/// Octets of an ICMP or ICMPv6 echo header.
pub(super) const HEADER: usize = 8;

const V4_REPLY: u8 = 0;
const V4_UNREACHABLE: u8 = 3;
const V4_REQUEST: u8 = 8;
const V4_EXCEEDED: u8 = 11;
const V6_UNREACHABLE: u8 = 1;
const V6_TOO_BIG: u8 = 2;
const V6_EXCEEDED: u8 = 3;
const V6_REQUEST: u8 = 128;
const V6_REPLY: u8 = 129;

/// A raw socket of one family that sends echo requests with one identifier.
#[derive(Debug)]
pub(super) struct Prober {
    sock: SockId,
    id: u16,
    v6: bool,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    /// Who sent it.
    pub from: IpAddr,
    /// The TTL or hop limit with which it arrived.
    pub hops: u8,
    /// Octets of ICMP: header and data.
    pub size: usize,
    /// What it says.
    pub what: What,
    /// The sequence number of the request it answers.
    pub sequence: u16,
}

/// The kinds of answer that concern an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It arrived.
    Reply,
    /// TTL or hop limit ran out.
    TimeExceeded,
    /// It could not be delivered, with the code.
    Unreachable(u8),
    /// It was too big for a link of this MTU.
    TooBig(u32),
}

impl Prober {
    /// Opens a raw socket in the shell's vnet.
    pub fn open(shell: &mut Shell<'_>, v6: bool) -> Self {
        let protocol =
            if v6 { Protocol::Icmp6(stack::RawSocket::default()) } else { Protocol::Icmp(stack::RawSocket::default()) };
        let sock = SockId(shell.kernel.sockets.next);
        shell.kernel.sockets.next += 1;
        // The program lives no longer than this call, so its jail keeps the vnet for it.
        let socket = Socket { vnet: shell.vnet, jail: Some(shell.jid), protocol };
        shell.kernel.sockets.open.insert(sock, socket);
        // A process id would do on a kernel; here the socket's number keeps two programs apart.
        let id = u16::try_from(sock.0 & 0xffff).unwrap_or_default() | 1;
        Self { sock, id, v6 }
    }

    /// Closes the socket.
    pub fn close(self, shell: &mut Shell<'_>) {
        shell.kernel.sockets.open.remove(&self.sock);
    }

    /// Sends one request with `data` octets after the header.
    pub fn send(
        &self,
        shell: &mut Shell<'_>,
        to: IpAddr,
        scope: u32,
        hops: Option<u8>,
        sequence: u16,
        data: usize,
    ) -> Result<(), Errno> {
        let mut message = vec![if self.v6 { V6_REQUEST } else { V4_REQUEST }, 0, 0, 0];
        message.extend(self.id.to_be_bytes());
        message.extend(sequence.to_be_bytes());
        message.extend((0..data).map(|i| u8::try_from(i & 0xff).unwrap_or_default()));
        if !self.v6 {
            let sum = internet_checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        stack::raw_set_ttl(shell.kernel, self.sock, hops)?;
        stack::raw_send(shell.kernel, self.sock, to, scope, &message)
    }

    /// Waits at most `span` for an answer to one of our requests.
    pub fn wait(&self, shell: &mut Shell<'_>, to: IpAddr, span: Nanos) -> Option<Answer> {
        let until = shell.kernel.clock.now().saturating_add(span);
        loop {
            let sock = self.sock;
            let left = until.saturating_sub(shell.kernel.clock.now());
            shell.kernel.run(left, |kernel| stack::raw_is_readable(kernel, sock));
            let packet = stack::raw_receive_packet(shell.kernel, sock)?;
            let answer = if self.v6 { self.read6(&packet, to) } else { self.read4(&packet, to) };
            if answer.is_some() {
                return answer;
            }
        }
    }

    fn read4(&self, packet: &stack::RawPacket, to: IpAddr) -> Option<Answer> {
        let (header, message) = split4(&packet.bytes)?;
        let what = match (*message.first()?, *message.get(1)?) {
            (V4_REPLY, _) => What::Reply,
            (V4_UNREACHABLE, 4) => What::TooBig(u32::from(be16(message, 6)?)),
            (V4_UNREACHABLE, code) => What::Unreachable(code),
            (V4_EXCEEDED, _) => What::TimeExceeded,
            _ => return None,
        };
        let echo = if what == What::Reply {
            message
        } else {
            let (quoted, inner) = split4(message.get(HEADER..)?)?;
            let destination = Ipv4Addr::from(<[u8; 4]>::try_from(quoted.get(16..20)?).ok()?);
            if IpAddr::V4(destination) != to || *inner.first()? != V4_REQUEST {
                return None;
            }
            inner
        };
        (be16(echo, 4)? == self.id).then_some(())?;
        Some(Answer { from: packet.from, hops: *header.get(8)?, size: message.len(), what, sequence: be16(echo, 6)? })
    }

    fn read6(&self, packet: &stack::RawPacket, to: IpAddr) -> Option<Answer> {
        let message = packet.bytes.as_slice();
        let what = match (*message.first()?, *message.get(1)?) {
            (V6_REPLY, _) => What::Reply,
            (V6_UNREACHABLE, code) => What::Unreachable(code),
            (V6_EXCEEDED, _) => What::TimeExceeded,
            (V6_TOO_BIG, _) => What::TooBig(u32::from_be_bytes(message.get(4..8)?.try_into().ok()?)),
            _ => return None,
        };
        let echo = if what == What::Reply {
            message
        } else {
            let quoted = message.get(HEADER..)?;
            let destination = Ipv6Addr::from(<[u8; 16]>::try_from(quoted.get(24..40)?).ok()?);
            if IpAddr::V6(destination) != to || *quoted.get(40)? != V6_REQUEST {
                return None;
            }
            quoted.get(40..)?
        };
        (be16(echo, 4)? == self.id).then_some(())?;
        Some(Answer { from: packet.from, hops: packet.hops, size: message.len(), what, sequence: be16(echo, 6)? })
    }
}

/// The IPv4 header with its options and what follows it.
fn split4(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    (length >= 20 && packet.len() >= length).then(|| packet.split_at(length))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// RFC 1071.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// An operand as an address; `fe80::1%eth0` brings its interface's index with it.
pub(super) fn address(shell: &Shell<'_>, text: &str) -> Result<(IpAddr, u32), String> {
    let (plain, zone) = text.split_once('%').map_or((text, None), |(a, z)| (a, Some(z)));
    let unknown = || format!("cannot resolve {text}: Name does not resolve");
    let ip = plain.parse::<IpAddr>().map_err(|_| unknown())?;
    let scope = match zone {
        None => 0,
        Some(zone) => {
            crate::sim::ifnet::find(shell.kernel, shell.vnet, zone).map(|i| u32::from(i.0)).ok_or_else(unknown)?
        }
    };
    Ok((ip, scope))
}

/// strerror(3)'s text as the programs print it.
pub(super) fn strerror(errno: Errno) -> String {
    let text = errno.text().map_or_else(|| format!("Unknown error: {}", errno.raw()), str::to_owned);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// An address as the programs print it: link-local ones with their interface.
pub(super) fn show(shell: &Shell<'_>, address: IpAddr, scope: u32) -> String {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() && scope != 0 => {
            let name =
                u16::try_from(scope).ok().and_then(|i| shell.kernel.interfaces.get(crate::sim::kernel::IfIndex(i)));
            name.map_or_else(|| v6.to_string(), |interface| format!("{v6}%{}", interface.name))
        }
        _ => address.to_string(),
    }
}

/// Milliseconds with three decimals, rounded down as the tools do with whole nanoseconds.
pub(super) fn milliseconds(span: Nanos) -> String {
    let micros = (span + 500) / 1000;
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
