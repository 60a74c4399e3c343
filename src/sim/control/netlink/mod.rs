//! netlink(4), the route family (`sys/netlink/`): several requests in one datagram, each answered in order.

mod address;
mod link;
mod neighbour;
mod route;

use std::collections::{BTreeSet, VecDeque};

pub(super) use self::address::write as write_address;
pub(super) use self::link::write as write_link;
pub(super) use self::neighbour::write as write_neighbour;
pub(super) use self::route::write as write_route;
use super::settle;
use crate::abi::Errno;
use crate::netlink::consts::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_MULTI, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    NLMSGERR_ATTR_COOKIE, NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS, RTM_DELADDR, RTM_DELLINK, RTM_DELNEIGH, RTM_DELROUTE,
    RTM_GETADDR, RTM_GETLINK, RTM_GETNEIGH, RTM_GETNEXTHOP, RTM_GETROUTE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH,
    RTM_NEWROUTE,
};
use crate::netlink::wire::{HEADER, Message, Messages, Writer, attributes};
use crate::sim::kernel::{IfIndex, Kernel, VnetId};
use crate::sim::sockets::{Protocol, SockId};

/// Octets one datagram may have (`net.netlink.sendspace`).
const SEND_SPACE: usize = 65536;
/// Octets of notifications a slow reader keeps (`net.netlink.recvspace`); answers are never dropped.
const RECEIVE_SPACE: usize = 65536;
/// Octets one read gives at most, rounded up to a whole message.
const READ: usize = 32768;

/// What waits in a netlink socket, and its options. Both acknowledgement options are on, as the doors set them.
#[derive(Clone, Debug)]
pub struct NetlinkSocket {
    /// `NETLINK_CAP_ACK`: a failed request is not repeated.
    pub cap_ack: bool,
    /// `NETLINK_EXT_ACK`: errors come in words too.
    pub ext_ack: bool,
    /// The port it is bound to.
    pub port: u32,
    /// `RTNLGRP_*` it has joined.
    pub groups: BTreeSet<u32>,
    queue: VecDeque<Vec<u8>>,
    octets: usize,
}

impl Default for NetlinkSocket {
    fn default() -> Self {
        Self { cap_ack: true, ext_ack: true, port: 0, groups: BTreeSet::new(), queue: VecDeque::new(), octets: 0 }
    }
}

impl NetlinkSocket {
    /// Whether something waits.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.queue.is_empty()
    }

    fn push(&mut self, message: Vec<u8>) {
        self.octets += message.len();
        self.queue.push_back(message);
    }

    /// Answers, cut into reads of whole messages: a long dump takes its reader several.
    fn answer(&mut self, answers: &[u8]) {
        let (mut start, mut end) = (0, 0);
        for message in Messages::new(answers) {
            let next = end + message.whole.len().next_multiple_of(4);
            if next - start > READ && end > start {
                self.push(answers[start..end].to_vec());
                start = end;
            }
            end = next.min(answers.len());
        }
        if end > start {
            self.push(answers[start..end].to_vec());
        }
    }

    /// A notification; dropped if the reader is too slow.
    pub(super) fn notify(&mut self, message: &[u8]) {
        if self.octets + message.len() <= RECEIVE_SPACE {
            self.push(message.to_vec());
        }
    }
}

/// A refusal of one request.
#[derive(Debug)]
struct Refusal {
    errno: Errno,
    text: Option<String>,
    offset: Option<u32>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self { errno, text: None, offset: None }
    }
}

/// A refusal with the kernel's text.
fn refuse(errno: Errno, text: impl Into<String>) -> Refusal {
    Refusal { errno, text: Some(text.into()), offset: None }
}

/// A request that is being carried out, and its answers so far.
struct Request<'a> {
    vnet: VnetId,
    message: Message<'a>,
    /// As the answers repeat them: the kernel changes both on the way.
    kind: u16,
    flags: u16,
    port: u32,
    answers: Writer,
    created: Option<(u32, String)>,
    /// Whether it was a dump, which ends with NLMSG_DONE and has no other acknowledgement.
    dumped: bool,
}

impl<'a> Request<'a> {
    /// The fixed header of `N` octets, filled up with zeros if it is shorter.
    fn header<const N: usize>(&self) -> [u8; N] {
        let mut header = [0; N];
        let length = self.message.payload.len().min(N);
        header[..length].copy_from_slice(&self.message.payload[..length]);
        header
    }

    /// The attributes after a fixed header of `size` octets. One that reaches over the end is dropped.
    fn attributes(&self, size: usize) -> Result<Vec<(u16, &'a [u8])>, Refusal> {
        let mut rest = self.message.payload.get(size..).unwrap_or_default();
        let list: Vec<_> = attributes(self.message.payload, size).collect();
        for (_, value) in &list {
            rest = rest.get((value.len() + 4).next_multiple_of(4)..).unwrap_or_default();
        }
        match rest.first_chunk::<2>() {
            Some(&length) if rest.len() >= 4 && u16::from_ne_bytes(length) < 4 => Err(Errno::EINVAL.into()),
            _ => Ok(list),
        }
    }

    /// Begins one object of the answer.
    fn is_dump(&self) -> bool {
        self.message.flags & NLM_F_DUMP == NLM_F_DUMP
    }

    /// Ends a dump.
    fn done(&mut self, error: Option<Errno>) {
        self.dumped = true;
        let code = error.map_or(0, Errno::raw).to_ne_bytes();
        self.answers.begin(NLMSG_DONE, 0, self.message.sequence, self.port, &code);
        self.answers.end();
    }

    fn multi(&self) -> u16 {
        self.message.flags | NLM_F_MULTI
    }
}

/// A `u32` attribute, in the kernel's words if it is none.
fn number(kind: u16, value: &[u8], offset: usize) -> Result<u32, Refusal> {
    let number = value.try_into().map(u32::from_ne_bytes);
    number.map_err(|_| Refusal {
        errno: Errno::EINVAL,
        text: Some(format!("nla type {kind} size({}) is not uint32", value.len())),
        offset: u32::try_from(offset).ok(),
    })
}

/// A string attribute, which must have its NUL.
fn text(kind: u16, value: &[u8], offset: usize) -> Result<String, Refusal> {
    match value.iter().position(|&byte| byte == 0) {
        Some(end) => Ok(String::from_utf8_lossy(&value[..end]).into_owned()),
        None => Err(Refusal {
            errno: Errno::EINVAL,
            text: Some(format!("nla type {kind} size({}) is not NULL-terminated", value.len())),
            offset: u32::try_from(offset).ok(),
        }),
    }
}

/// Where an attribute of this list stands in the message, for `NLMSGERR_ATTR_OFFS`.
fn offset_of(request: &Request<'_>, value: &[u8]) -> usize {
    let (start, at) = (request.message.whole.as_ptr().addr(), value.as_ptr().addr());
    at.saturating_sub(start).saturating_sub(4)
}

/// send(2): carries out every request and queues the answers as one read.
///
/// # Errors
/// `EBADF` not a netlink socket, `ENOBUFS` fewer than 16 bytes, `EMSGSIZE` more than the send space.
pub fn send(kernel: &mut Kernel, sock: SockId, datagram: &[u8]) -> Result<(), Errno> {
    let socket = kernel.sockets.open.get(&sock).ok_or(Errno::EBADF)?;
    let Protocol::Netlink(options) = &socket.protocol else { return Err(Errno::EBADF) };
    let (vnet, port, cap_ack, ext_ack) = (socket.vnet, options.port, options.cap_ack, options.ext_ack);
    if datagram.len() < HEADER {
        return Err(Errno::ENOBUFS);
    }
    if datagram.len() > SEND_SPACE {
        return Err(Errno::EMSGSIZE);
    }
    for message in Messages::new(datagram) {
        let mut request = Request {
            vnet,
            message,
            kind: message.kind,
            flags: message.flags,
            port,
            answers: Writer::new(),
            created: None,
            dumped: false,
        };
        let outcome = carry_out(kernel, &mut request);
        settle(kernel, vnet);
        acknowledge(&mut request, outcome, cap_ack, ext_ack);
        let answers = request.answers.finish();
        if let Some(Protocol::Netlink(socket)) = kernel.sockets.open.get_mut(&sock).map(|socket| &mut socket.protocol) {
            socket.answer(&answers);
        }
    }
    Ok(())
}

/// recv(2): whole messages, as many as fit into one read.
pub fn receive(kernel: &mut Kernel, sock: SockId) -> Option<Vec<u8>> {
    let Protocol::Netlink(socket) = &mut kernel.sockets.open.get_mut(&sock)?.protocol else { return None };
    let mut read = socket.queue.pop_front()?;
    while let Some(next) = socket.queue.front()
        && read.len() + next.len() <= READ
    {
        read.extend_from_slice(next);
        socket.queue.pop_front();
    }
    socket.octets = socket.octets.saturating_sub(read.len());
    Some(read)
}

fn carry_out(kernel: &mut Kernel, request: &mut Request<'_>) -> Result<(), Refusal> {
    if request.message.kind < 16 || request.message.flags & NLM_F_REQUEST == 0 {
        return Ok(());
    }
    match request.message.kind {
        RTM_NEWLINK => link::new(kernel, request),
        RTM_DELLINK => link::delete(kernel, request),
        RTM_GETLINK => link::get(kernel, request),
        RTM_NEWADDR => address::change(kernel, request, true),
        RTM_DELADDR => address::change(kernel, request, false),
        RTM_GETADDR => address::get(kernel, request),
        RTM_NEWROUTE => route::new(kernel, request),
        RTM_DELROUTE => route::delete(kernel, request),
        RTM_GETROUTE => route::get(kernel, request),
        RTM_NEWNEIGH => neighbour::change(kernel, request, true),
        RTM_DELNEIGH => neighbour::change(kernel, request, false),
        RTM_GETNEIGH => neighbour::get(kernel, request),
        // No nexthop was made by hand.
        RTM_GETNEXTHOP => Err(Errno::ESRCH.into()),
        other => Err(refuse(Errno::EOPNOTSUPP, format!("unknown message type: {other}"))),
    }
}

/// NLMSG_ERROR: always for an error, for a success only if it was asked for. The number is positive.
fn acknowledge(request: &mut Request<'_>, outcome: Result<(), Refusal>, cap_ack: bool, ext_ack: bool) {
    let refusal = match outcome {
        Ok(()) if request.dumped || request.message.flags & NLM_F_ACK == 0 => return,
        Ok(()) => None,
        Err(refusal) => Some(refusal),
    };
    let capped = cap_ack || refusal.is_none();
    let told = refusal.as_ref().filter(|refusal| ext_ack && (refusal.text.is_some() || refusal.offset.is_some()));
    let mut flags = if capped { NLM_F_CAPPED } else { 0 };
    if told.is_some() {
        flags |= NLM_F_ACK_TLVS;
    }
    let code = refusal.as_ref().map_or(0, |refusal| refusal.errno.raw());
    let mut body = code.to_ne_bytes().to_vec();
    body.extend_from_slice(if capped { &request.message.whole[..HEADER] } else { request.message.whole });
    body[8..10].copy_from_slice(&request.kind.to_ne_bytes());
    body[10..12].copy_from_slice(&request.flags.to_ne_bytes());
    body[16..20].copy_from_slice(&request.port.to_ne_bytes());
    let answers = &mut request.answers;
    answers.begin(NLMSG_ERROR, flags, request.message.sequence, request.port, &body);
    if let Some(refusal) = told {
        if let Some(text) = &refusal.text {
            answers.string(NLMSGERR_ATTR_MSG, text);
        }
        if let Some(offset) = refusal.offset {
            answers.number(NLMSGERR_ATTR_OFFS, offset);
        }
    }
    if let Some((index, name)) = &request.created {
        let cookie = answers.nest(NLMSGERR_ATTR_COOKIE, false);
        answers.number(crate::netlink::consts::IFLA_NEW_IFINDEX, *index);
        answers.string(crate::netlink::consts::IFLA_IFNAME, name);
        answers.close(cookie);
    }
    answers.end();
}

/// The interface of an index in a vnet.
fn interface(kernel: &Kernel, vnet: VnetId, index: u32) -> Option<IfIndex> {
    let index = IfIndex(u16::try_from(index).ok()?);
    kernel.interfaces.get(index).filter(|interface| interface.vnet == vnet).map(|interface| interface.index)
}
