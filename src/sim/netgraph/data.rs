//! The way of frames through nodes. A node never calls its neighbour: it puts the frame on the kernel's queue.

use std::collections::VecDeque;

use super::hooks::Hook;
use super::node::{Kind, echo, eiface, ether, hole, hub};
use super::table::Node;
use super::{HookId, NodeId, data_socket};
use crate::sim::kernel::{Frame, Kernel, VnetId, Work};

/// Where a node puts the frames it sends.
pub(super) struct Wire<'k> {
    pub(super) vnet: VnetId,
    pub(super) work: &'k mut VecDeque<Work>,
}

impl Wire<'_> {
    /// Sends a frame out of a hook. That the node behind it may drop it is not known yet, where a real kernel
    /// often tells the sender.
    pub(super) fn send(&mut self, hook: &Hook, frame: Frame) -> bool {
        let Some(peer) = hook.peer else { return false };
        self.work.push_back(Work::Data { vnet: self.vnet, node: peer.node, hook: peer.hook, frame });
        true
    }
}

/// A frame arrives at a node by one of its hooks.
pub fn data(kernel: &mut Kernel, vnet: VnetId, node: NodeId, hook: HookId, frame: Frame) {
    let Kernel { vnets, work, clock, random, .. } = kernel;
    let Some(Node { hooks, kind, .. }) = vnets.get_mut(&vnet).and_then(|vnet| vnet.netgraph.nodes.get_mut(node)) else {
        return;
    };
    let Some(name) = hooks.get(hook).map(|hook| hook.name) else { return };
    let mut wire = Wire { vnet, work };
    match kind {
        Kind::Bridge(bridge) => bridge.data(hooks, hook, frame, clock.now(), &mut wire),
        Kind::Hub(_) => hub::data(hooks, hook, frame, &mut wire),
        Kind::Tee(tee) => tee.data(hooks, hook, frame, &mut wire),
        Kind::Pipe(pipe) => {
            pipe.data(hooks, hook, frame, clock.now(), random, &mut wire);
            pipe.arm(vnet, node, clock);
        }
        Kind::Hole => hole::data(hooks, hook, &frame),
        Kind::Echo => echo::data(hooks, hook, frame, &mut wire),
        Kind::Vlan(vlan) => vlan.data(hooks, hook, frame, &mut wire),
        Kind::OneToMany(one2many) => one2many.data(hooks, hook, frame, &mut wire),
        Kind::Etf(etf) => etf.data(hooks, hook, frame, &mut wire),
        Kind::MacFilter(macfilter) => macfilter.data(hooks, hook, frame, &mut wire),
        Kind::Split(split) => split.data(hooks, hook, frame, &mut wire),
        Kind::Eiface(eiface) => {
            let interface = eiface.interface;
            eiface::data(kernel, interface, frame);
        }
        Kind::Ether(ether) => {
            let entry = ether.entry(hook);
            ether::data(kernel, entry, frame);
        }
        Kind::Socket(socket) => {
            let sock = socket.sock;
            data_socket::pass_up(kernel, sock, name, frame);
        }
        Kind::Ipfw => {}
    }
}
