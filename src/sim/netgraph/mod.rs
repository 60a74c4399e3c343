//! The netgraph of a FreeBSD 15.1 kernel: nodes, hooks, addresses, generic commands; one file per node type.
//!
//! All of it is per vnet but the list of types. A message is delivered, worked off with everything that follows
//! from it, and answered before [`send`] returns, as the kernel does towards its caller. Frames wait on the
//! kernel's queue between any two nodes.

mod convert;
mod data;
mod data_socket;
mod generic;
mod hooks;
mod label;
mod life;
mod message;
mod node;
mod path;
mod socket;
mod table;
mod tags;
mod types;
mod units;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::data::data;
pub use self::data_socket::{data_open, data_receive, data_send, is_readable};
pub use self::node::pipe::TICK;
pub use self::socket::{ControlSocket, bind, receive, send, set_receive_buffer, socket_close, socket_open};
pub use self::tags::Tags;
pub use self::types::{Types, load_module, simulates};

use self::data::Wire;
use self::life::{Graph, Removal};
use self::node::{Kind, ether};
use self::table::{Node, Nodes};
use self::units::Units;
use super::kernel::{Frame, IfIndex, Kernel, VnetId};

/// A node's number in its vnet, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub u32);

/// A hook's number in its node: an internal handle, never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HookId(pub u32);

/// The nodes of one vnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Netgraph {
    nodes: Nodes,
    /// The N of `ngethN`: per vnet, and taken wherever the interface is (`sys/netgraph/ng_eiface.c:669`).
    eiface_units: Units,
    /// The N of `ngN`, likewise (`sys/netgraph/ng_iface.c:797`).
    iface_units: Units,
    /// The ether node of each interface that has one.
    ethers: BTreeMap<IfIndex, NodeId>,
}

impl Default for Netgraph {
    fn default() -> Self {
        let (eiface_units, iface_units) = (Units::new(0, 0xffff), Units::new(0, 0xffff));
        Self { nodes: Nodes::default(), eiface_units, iface_units, ethers: BTreeMap::new() }
    }
}

impl Netgraph {
    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.iter().count()
    }

    /// After loading: makes the indexes that are not saved.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn restore(&mut self) -> Result<(), &'static str> {
        self.nodes.restore()
    }
}

/// What a node asked the clock for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {
    /// Frames in a pipe are due.
    Pipe {
        /// The node's vnet.
        vnet: VnetId,
        /// The node.
        node: NodeId,
    },
    /// Packets that wait in a policer may have their tokens.
    Car {
        /// The node's vnet.
        vnet: VnetId,
        /// The node.
        node: NodeId,
        /// Which came in by `upper`, or else by `lower`.
        upper: bool,
    },
    /// A source sends the next packets.
    Source {
        /// The node's vnet.
        vnet: VnetId,
        /// The node.
        node: NodeId,
    },
}

/// A packet that the stack sends out of an iface: leaves through the hook of its family. Whether there is one.
pub fn iface_transmit(kernel: &mut Kernel, vnet: VnetId, node: NodeId, packet: Frame) -> bool {
    let Kernel { vnets, work, .. } = kernel;
    match vnets.get(&vnet).and_then(|vnet| vnet.netgraph.nodes.get(node)) {
        Some(Node { kind: Kind::Iface(iface), hooks, .. }) => iface.output(hooks, packet, &mut Wire::new(vnet, work)),
        _ => false,
    }
}

/// A frame that the stack sends out of an eiface: leaves through the node's `ether` hook.
pub fn eiface_transmit(kernel: &mut Kernel, vnet: VnetId, node: NodeId, frame: Frame) {
    let Kernel { vnets, work, .. } = kernel;
    let node = vnets.get(&vnet).and_then(|vnet| vnet.netgraph.nodes.get(node));
    if let Some(Node { kind: Kind::Eiface(eiface), hooks, .. }) = node
        && let Some(ether) = eiface.ether.and_then(|hook| hooks.get(hook))
    {
        Wire::new(vnet, work).send(ether, frame);
    }
}

/// An interface appeared in its vnet (made, moved, or come home): its ether node may be made.
pub fn interface_arrived(kernel: &mut Kernel, index: IfIndex) {
    ether::arrived(kernel, index);
}

/// An interface is about to leave its vnet or to be destroyed: its ether node goes.
pub fn interface_leaves(kernel: &mut Kernel, index: IfIndex) {
    ether::leaves(kernel, index);
}

/// An interface was renamed: its ether node follows.
pub fn interface_renamed(kernel: &mut Kernel, index: IfIndex) {
    ether::renamed(kernel, index);
}

/// Gives a frame from the wire to the hook `lower` of the interface's ether node; `Some` gives it back unused.
pub fn ether_input(kernel: &mut Kernel, index: IfIndex, frame: Frame) -> Option<Frame> {
    ether::offer(kernel, index, ether::Tap::Lower, frame)
}

/// Offers a frame that the stack sends to the hook `upper` of the interface's ether node, before
/// [`super::ifnet::transmit`]; `Some` gives it back unused.
pub fn ether_output(kernel: &mut Kernel, index: IfIndex, frame: Frame) -> Option<Frame> {
    ether::offer(kernel, index, ether::Tap::Upper, frame)
}

/// A vnet dies: all its nodes go, with the interfaces of its eifaces wherever they are.
pub fn vnet_destroy(kernel: &mut Kernel, vnet: VnetId) {
    let mut graph = Graph::new(kernel, vnet);
    let ids: Vec<NodeId> =
        graph.netgraph().map(|netgraph| netgraph.nodes.iter().map(|(id, _)| id).collect()).unwrap_or_default();
    for id in ids {
        graph.remove_node(id, Removal::ForGood);
    }
    graph.settle();
}

/// Removes the nodes of all sockets, as the end of the process that held them does.
pub fn close_sockets(kernel: &mut Kernel) {
    let vnets: Vec<VnetId> = kernel.vnets.keys().copied().collect();
    for vnet in vnets {
        let mut graph = Graph::new(kernel, vnet);
        let Ok(netgraph) = graph.netgraph() else { continue };
        let sockets = netgraph.nodes.iter().filter(|(_, node)| matches!(node.kind, Kind::Socket(_)));
        let ids: Vec<NodeId> = sockets.map(|(id, _)| id).collect();
        for id in ids {
            graph.remove_node(id, Removal::ForGood);
        }
        graph.settle();
    }
}

/// A timer of a node is due.
pub fn timer(kernel: &mut Kernel, timer: Timer) {
    let (Timer::Pipe { vnet, node } | Timer::Car { vnet, node, .. } | Timer::Source { vnet, node }) = timer;
    let Kernel { vnets, work, clock, random, .. } = kernel;
    let found = vnets.get_mut(&vnet).and_then(|vnet| vnet.netgraph.nodes.get_mut(node));
    let Some(Node { kind, hooks, .. }) = found else { return };
    let mut wire = Wire::new(vnet, work);
    match (kind, timer) {
        (Kind::Pipe(pipe), Timer::Pipe { .. }) => {
            pipe.tick(hooks, clock.now(), random, &mut wire);
            pipe.arm(vnet, node, clock);
        }
        (Kind::Car(car), Timer::Car { upper, .. }) => car.tick(hooks, node, upper, clock, &mut wire),
        (Kind::Source(source), Timer::Source { .. }) => source.tick(hooks, node, clock, &mut wire),
        _ => {}
    }
}
