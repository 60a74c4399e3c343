//! Control sockets and their nodes (`sys/netgraph/ng_socket.c`).

use std::collections::VecDeque;

use ngsock::generic::MkPeer;
use ngsock::message::{Header, Message};

use super::data_socket::DataSocket;
use super::life::{Graph, Removal};
use super::message::{Bytes, Call};
use super::node::{Kind, SocketNode};
use super::{NodeId, path, types};
use crate::abi::Errno;
use crate::sim::kernel::{Kernel, VnetId};
use crate::sim::sockets::{Protocol, SockId};

/// `net.graph.maxdgram` and `net.graph.recvspace`: the socket buffers of a new socket, in bytes
/// (`sys/netgraph/ng_socket.c:149`).
pub(super) const BUFFER: usize = 20480;

/// The largest SO_RCVBUF, in bytes: `kern.ipc.maxsockbuf` of 8 MiB, less its share for mbufs
/// (`sys/kern/uipc_sockbuf.c:66`).
const LARGEST_BUFFER: usize = 7_456_540;

/// What the buffer counts for the address of a message, in bytes: `sizeof(struct sockaddr_ng)`.
const ADDRESS: usize = 34;

/// What waits in a control socket.
#[derive(Clone, Debug)]
pub struct ControlSocket {
    /// Its node; `None` once that was shut down.
    pub(super) node: Option<NodeId>,
    /// The data socket that is connected to the node.
    pub(super) data: Option<DataSocket>,
    waiting: VecDeque<(Vec<u8>, Vec<u8>)>,
    used: usize,
    limit: usize,
}

impl ControlSocket {
    /// Whether something waits to be received.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// # Errors
    /// `ENOBUFS` if it does not fit beside what waits already; it is lost then.
    fn take(&mut self, from: NodeId, datagram: Vec<u8>) -> Result<(), Errno> {
        let size = datagram.len().saturating_add(ADDRESS);
        if self.used.saturating_add(size) > self.limit {
            return Err(Errno::ENOBUFS);
        }
        self.used += size;
        self.waiting.push_back((format!("[{:x}]:", from.0).into_bytes(), datagram));
        Ok(())
    }
}

/// A control socket is opened in `vnet` and will be entered as `sock` (`SockId(kernel.sockets.next)`): makes its
/// node.
pub fn socket_open(kernel: &mut Kernel, vnet: VnetId, sock: SockId) -> ControlSocket {
    let node = Graph::new(kernel, vnet).netgraph().ok().map(|netgraph| {
        let id = netgraph.nodes.take_id();
        netgraph.nodes.enter(id, Kind::Socket(SocketNode { sock: sock.0, linger: true }));
        id
    });
    ControlSocket { node, data: None, waiting: VecDeque::new(), used: 0, limit: BUFFER }
}

/// A control socket is closed: its node goes.
pub fn socket_close(kernel: &mut Kernel, vnet: VnetId, socket: ControlSocket) {
    if let Some(node) = socket.node {
        let mut graph = Graph::new(kernel, vnet);
        graph.remove_node(node, Removal::ForGood);
        graph.settle();
    }
}

/// The node of a socket was shut down: nothing can be sent any more.
pub(super) fn disconnect(kernel: &mut Kernel, sock: u64) {
    if let Ok((_, socket)) = find(kernel, SockId(sock)) {
        socket.node = None;
    }
}

pub(super) fn find(kernel: &mut Kernel, sock: SockId) -> Result<(VnetId, &mut ControlSocket), Errno> {
    let socket = kernel.sockets.open.get_mut(&sock).ok_or(Errno::EBADF)?;
    match &mut socket.protocol {
        Protocol::Netgraph(control) => Ok((socket.vnet, control)),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// SO_RCVBUF of a control socket, in bytes; 20480 at first.
///
/// # Errors
/// `ENOBUFS` above what `kern.ipc.maxsockbuf` allows, `EINVAL` for 0.
pub fn set_receive_buffer(kernel: &mut Kernel, sock: SockId, bytes: usize) -> Result<(), Errno> {
    let (_, socket) = find(kernel, sock)?;
    match bytes {
        0 => Err(Errno::EINVAL),
        bytes if bytes > LARGEST_BUFFER => Err(Errno::ENOBUFS),
        bytes => {
            socket.limit = bytes;
            Ok(())
        }
    }
}

/// bind(2): names the socket's node; `address` is what stands in `sg_data`, NUL included
/// (`sys/netgraph/ng_socket.c:757`).
///
/// # Errors
/// `EINVAL` for what is no name with its NUL, `EADDRINUSE` if another node has it.
pub fn bind(kernel: &mut Kernel, sock: SockId, address: &[u8]) -> Result<(), Errno> {
    let (vnet, socket) = find(kernel, sock)?;
    let node = socket.node.ok_or(Errno::EINVAL)?;
    if !(2..=32).contains(&address.len()) || address.last() != Some(&0) {
        return Err(Errno::EINVAL);
    }
    let name = address.split(|byte| *byte == 0).next().unwrap_or_default();
    Graph::new(kernel, vnet).netgraph()?.nodes.rename(node, name)
}

/// sendto(2) on a control socket: delivers the message and queues the reply. Returns when all is done, as the
/// kernel does.
///
/// A datagram whose header announces another length than it has is `EINVAL` here; a real kernel believes the
/// header and reads past its buffer (`sys/netgraph/ng_socket.c:256`).
///
/// # Errors
/// `EMSGSIZE` for a datagram above the send buffer's 20480 bytes, `ENAMETOOLONG` and `EINVAL` for an address of
/// more than 253 and 32 bytes, `EPIPE` if the socket's node was shut down; what the address or the node gives;
/// `ENOBUFS` if the reply does not fit into the socket and is lost.
pub fn send(kernel: &mut Kernel, sock: SockId, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
    let jailed = kernel.sockets.open.get(&sock).is_some_and(|socket| socket.jail.is_some());
    let (vnet, socket) = find(kernel, sock)?;
    if path.len() > 253 {
        return Err(Errno::ENAMETOOLONG);
    }
    let here = socket.node.ok_or(Errno::EPIPE)?;
    if datagram.len() > BUFFER {
        return Err(Errno::EMSGSIZE);
    }
    if path.len() > ngsock::SockaddrNg::MAX_TEXT {
        return Err(Errno::EINVAL);
    }
    let address = path.split(|byte| *byte == 0).next().unwrap_or_default();
    let message = Message::parse(datagram).map_err(|_| Errno::EINVAL)?;
    if let Ok(Some(MkPeer(new))) = message.request() {
        types::autoload(kernel, &new.kind.into(), jailed)?;
    }
    let now = kernel.clock.now();
    let mut graph = Graph::new(kernel, vnet);
    let place = path::resolve(&graph.netgraph()?.nodes, here, address)?;
    let call = Call { header: message.header, payload: message.payload, from: here, by: place.by, now };
    let result = graph.deliver(place.node, call);
    graph.settle();
    result
}

/// recvfrom(2): source path and datagram, oldest first.
pub fn receive(kernel: &mut Kernel, sock: SockId) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, socket) = find(kernel, sock).ok()?;
    let (from, datagram) = socket.waiting.pop_front()?;
    socket.used = socket.used.saturating_sub(datagram.len().saturating_add(ADDRESS));
    Some((from, datagram))
}

/// A message arrives at a socket's node: up to whoever holds the socket.
///
/// # Errors
/// `EINVAL` without a socket, `ENOBUFS` if it is full.
pub(super) fn pass_up(kernel: &mut Kernel, sock: u64, call: &Call<'_>) -> Result<(), Errno> {
    let (_, socket) = find(kernel, SockId(sock)).map_err(|_| Errno::EINVAL)?;
    let datagram = encode(&call.header, call.payload)?;
    socket.take(call.from, datagram)
}

fn encode(header: &Header, payload: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut datagram = Vec::with_capacity(ngsock::message::HEADER_LEN.saturating_add(payload.len()));
    ngsock::message::encode(&mut datagram, header, &Bytes(payload)).map_err(|_| Errno::ENOBUFS)?;
    Ok(datagram)
}
