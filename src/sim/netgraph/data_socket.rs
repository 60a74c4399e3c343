//! Data sockets: frames out of the hooks of a control socket's node and into them (`sys/netgraph/ng_socket.c`).
//!
//! A data socket is kept with the control socket whose node it is connected to, as ngctl(8) and libnetgraph have it.

use std::collections::VecDeque;

use super::data::Wire;
use super::label::Label;
use super::socket::{BUFFER, find};
use crate::abi::Errno;
use crate::sim::kernel::{Frame, Kernel};
use crate::sim::sockets::{Protocol, SockId};

/// What waits in a data socket: frames with the hooks they came by.
#[derive(Clone, Debug, Default)]
pub(super) struct DataSocket {
    waiting: VecDeque<(Label, Frame)>,
    used: usize,
}

impl DataSocket {
    /// A frame that does not fit beside what waits is lost, as in a real socket.
    fn take(&mut self, hook: Label, frame: Frame) {
        let size = size(&hook, &frame);
        if self.used.saturating_add(size) <= BUFFER {
            self.used += size;
            self.waiting.push_back((hook, frame));
        }
    }
}

/// What the buffer counts for a frame, in bytes: the address of its hook is counted too.
fn size(hook: &Label, frame: &Frame) -> usize {
    frame.len().saturating_add(hook.as_bytes().len()).saturating_add(3)
}

/// socket(2) and connect(2): a data socket for the node of a control socket.
///
/// # Errors
/// `EADDRINUSE` if it has one already, `ENOENT` if the node is gone.
pub fn data_open(kernel: &mut Kernel, sock: SockId) -> Result<(), Errno> {
    let (_, socket) = find(kernel, sock)?;
    if socket.data.is_some() {
        return Err(Errno::EADDRINUSE);
    }
    socket.node.ok_or(Errno::ENOENT)?;
    socket.data = Some(DataSocket::default());
    Ok(())
}

/// sendto(2) on the data socket: puts a frame on the kernel's queue. Without a name the only hook is meant.
///
/// # Errors
/// `ENOTCONN` without data socket or node, `EMSGSIZE` for a frame above 20480 bytes, `EINVAL` for a name above 31,
/// `EHOSTUNREACH` if there is no such hook, `EDESTADDRREQ` if there is not just one.
pub fn data_send(kernel: &mut Kernel, sock: SockId, hook: &[u8], frame: Frame) -> Result<(), Errno> {
    let (vnet, socket) = find(kernel, sock)?;
    let node = socket.node.filter(|_| socket.data.is_some()).ok_or(Errno::ENOTCONN)?;
    if frame.len() > BUFFER {
        return Err(Errno::EMSGSIZE);
    }
    let Kernel { vnets, work, .. } = kernel;
    let nodes = &vnets.get(&vnet).ok_or(Errno::ENOTCONN)?.netgraph.nodes;
    let hooks = &nodes.get(node).ok_or(Errno::ENOTCONN)?.hooks;
    let hook = match hook {
        [] => hooks.iter().next().filter(|_| hooks.len() == 1).ok_or(Errno::EDESTADDRREQ)?,
        name => hooks.find(&Label::new(name).ok_or(Errno::EINVAL)?).ok_or(Errno::EHOSTUNREACH)?,
    };
    Wire::new(vnet, work).send(hook, frame);
    Ok(())
}

/// recvfrom(2) on the data socket: the hook's name and the frame, oldest first.
pub fn data_receive(kernel: &mut Kernel, sock: SockId) -> Option<(Vec<u8>, Frame)> {
    let (_, socket) = find(kernel, sock).ok()?;
    let data = socket.data.as_mut()?;
    let (hook, frame) = data.waiting.pop_front()?;
    data.used = data.used.saturating_sub(size(&hook, &frame));
    Some((hook.as_bytes().to_vec(), frame))
}

/// poll(2) on the control socket or on its data socket: whether something waits.
#[must_use]
pub fn is_readable(kernel: &Kernel, sock: SockId, is_data: bool) -> bool {
    match kernel.sockets.open.get(&sock).map(|socket| &socket.protocol) {
        Some(Protocol::Netgraph(control)) if is_data => {
            control.data.as_ref().is_some_and(|data| !data.waiting.is_empty())
        }
        Some(Protocol::Netgraph(control)) => control.is_readable(),
        _ => false,
    }
}

/// A frame arrives at a socket's node: up to the data socket, if there is one.
pub(super) fn pass_up(kernel: &mut Kernel, sock: u64, hook: Label, frame: Frame) {
    if let Ok((_, socket)) = find(kernel, SockId(sock))
        && let Some(data) = &mut socket.data
    {
        data.take(hook, frame);
    }
}
