//! The netgraph core: nodes, hooks, paths, generic commands; one file per node type.

use serde::{Deserialize, Serialize};

use super::kernel::{Frame, IfIndex, Kernel, VnetId};
use super::sockets::SockId;
use crate::abi::Errno;

/// A node's number in its vnet, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub u32);

/// A hook's number in its node: an internal handle, never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HookId(pub u32);

/// The nodes of one vnet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Netgraph {}

/// What waits in a control socket.
#[derive(Clone, Debug, Default)]
pub struct ControlSocket {}

/// Node types, newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Types {}

/// What a node asked the clock for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {}

/// kldload(2) of `netgraph` or an `ng_*` module; one that is loaded already is no error. `ng_ether` gives every
/// Ethernet interface its node at once.
///
/// # Errors
/// `ENOENT` if there is no such module.
pub fn load_module(_kernel: &mut Kernel, _name: &str) -> Result<(), Errno> {
    Err(Errno::ENOENT)
}

/// A control socket is opened in `vnet` and will be entered as `sock` (`SockId(kernel.sockets.next)`): makes its node.
pub fn socket_open(_kernel: &mut Kernel, _vnet: VnetId, _sock: SockId) -> ControlSocket {
    ControlSocket {}
}

/// SO_RCVBUF of a control socket, in bytes; 20480 at first.
///
/// # Errors
/// `ENOBUFS` above what `kern.ipc.maxsockbuf` allows.
pub fn set_receive_buffer(_kernel: &mut Kernel, _sock: SockId, _bytes: usize) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

/// A control socket is closed: its node goes.
pub fn socket_close(_kernel: &mut Kernel, _vnet: VnetId, _socket: ControlSocket) {}

/// bind(2): names the socket's node; `address` is what stands in `sg_data`, NUL included.
///
/// # Errors
/// `EINVAL`, `EADDRINUSE`.
pub fn bind(_kernel: &mut Kernel, _sock: SockId, _address: &[u8]) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

/// sendto(2) on a control socket: delivers the message and queues the reply.
///
/// # Errors
/// As ng_socket.c gives them.
pub fn send(_kernel: &mut Kernel, _sock: SockId, _path: &[u8], _datagram: &[u8]) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

/// recvfrom(2): source path and datagram, oldest first.
pub fn receive(_kernel: &mut Kernel, _sock: SockId) -> Option<(Vec<u8>, Vec<u8>)> {
    None
}

/// A frame arrives at a node.
pub fn data(_kernel: &mut Kernel, _vnet: VnetId, _node: NodeId, _hook: HookId, _frame: Frame) {}

/// A frame that the stack sends out of an eiface: leaves through the node's `ether` hook.
pub fn eiface_transmit(_kernel: &mut Kernel, _vnet: VnetId, _node: NodeId, _frame: Frame) {}

/// An interface appeared in its vnet (made, moved, or come home): its ether node may be made.
pub fn interface_arrived(_kernel: &mut Kernel, _index: IfIndex) {}

/// An interface is about to leave its vnet or to be destroyed: its ether node goes.
pub fn interface_leaves(_kernel: &mut Kernel, _index: IfIndex) {}

/// An interface was renamed: its ether node follows.
pub fn interface_renamed(_kernel: &mut Kernel, _index: IfIndex) {}

/// Gives a frame from the wire to the hook `lower` of the interface's ether node; `Some` gives it back unused.
pub fn ether_input(_kernel: &mut Kernel, _index: IfIndex, frame: Frame) -> Option<Frame> {
    Some(frame)
}

/// Offers a frame that the stack sends to the hook `upper` of the interface's ether node, before
/// [`super::ifnet::transmit`]; `Some` gives it back unused.
pub fn ether_output(_kernel: &mut Kernel, _index: IfIndex, frame: Frame) -> Option<Frame> {
    Some(frame)
}

/// A vnet dies: all its nodes go, with the interfaces of its eifaces wherever they are.
pub fn vnet_destroy(_kernel: &mut Kernel, _vnet: VnetId) {}

/// A timer of a node is due.
pub fn timer(_kernel: &mut Kernel, timer: Timer) {
    match timer {}
}
