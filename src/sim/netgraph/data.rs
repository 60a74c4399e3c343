//! The way of frames through nodes. A node never calls its neighbour: it puts the frame on the kernel's queue.

use std::collections::VecDeque;

use super::hooks::Hook;
use super::node::{Kind, bpf, echo, eiface, ether, hole, hub, iface, tag, tcpmss};
use super::table::Node;
use super::tags::Tags;
use super::{HookId, NodeId, data_socket};
use crate::sim::kernel::{Frame, Kernel, VnetId, Work};

/// Where a node puts the frames it sends.
pub(super) struct Wire<'k> {
    pub(super) vnet: VnetId,
    pub(super) work: &'k mut VecDeque<Work>,
    /// Those of the frame that came in, which what is sent in its consequence keeps.
    pub(super) tags: Tags,
}

impl<'k> Wire<'k> {
    /// For frames that begin here, or that waited: they have no tags.
    pub(super) fn new(vnet: VnetId, work: &'k mut VecDeque<Work>) -> Self {
        Self { vnet, work, tags: Tags::default() }
    }

    /// Sends a frame out of a hook. That the node behind it may drop it is not known yet, where a real kernel
    /// often tells the sender.
    pub(super) fn send(&mut self, hook: &Hook, frame: Frame) -> bool {
        let Some(peer) = hook.peer else { return false };
        let tags = self.tags.clone();
        self.work.push_back(Work::Data { vnet: self.vnet, node: peer.node, hook: peer.hook, frame, tags });
        true
    }
}

/// A frame arrives at a node by one of its hooks.
pub fn data(kernel: &mut Kernel, vnet: VnetId, node: NodeId, hook: HookId, frame: Frame, tags: Tags) {
    let Kernel { vnets, work, clock, random, .. } = kernel;
    let Some(Node { hooks, kind, .. }) = vnets.get_mut(&vnet).and_then(|vnet| vnet.netgraph.nodes.get_mut(node)) else {
        return;
    };
    let Some(name) = hooks.get(hook).map(|hook| hook.name) else { return };
    let mut wire = Wire { vnet, work, tags };
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
        Kind::Bpf => bpf::data(hooks, hook, frame, &mut wire),
        Kind::Tag => tag::data(hooks, hook, frame, &mut wire),
        Kind::TcpMss => tcpmss::data(hooks, hook, frame, &mut wire),
        Kind::Patch(patch) => patch.data(hooks, hook, frame, &mut wire),
        Kind::Checksum(checksum) => checksum.data(hooks, hook, frame, &mut wire),
        Kind::VlanRotate(rotate) => rotate.data(hooks, hook, frame, &mut wire),
        Kind::Nat(nat) => nat.data(hooks, hook, frame, &mut wire),
        Kind::Car(car) => car.data(hooks, node, hook, frame, clock, &mut wire),
        Kind::Source(source) => source.data(hook, frame),
        Kind::Iface(iface) => {
            let packet = iface.packet(hook);
            iface::data(kernel, packet, frame);
        }
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
        // What is behind these is not simulated: device files, sockets of the internet, tunnels, the packet filter.
        Kind::Device(_) | Kind::Ksocket(_) | Kind::L2tp(_) | Kind::Pppoe(_) | Kind::Ipfw => {}
    }
}
