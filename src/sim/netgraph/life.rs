//! How nodes and hooks come and go (`sys/netgraph/ng_base.c`: `ng_mkpeer`, `ng_con_nodes`, `ng_destroy_hook`,
//! `ng_rmnode`).

use std::collections::VecDeque;

use ngsock::message::Header;

use super::hooks::Peer;
use super::label::Label;
use super::message::Call;
use super::node::{Fate, Kind, device, eiface, iface};
use super::path;
use super::table::Node;
use super::{HookId, Netgraph, NodeId};
use crate::abi::Errno;
use crate::sim::ifnet;
use crate::sim::kernel::{Kernel, VnetId};

/// The graph of one vnet while it is changed. What follows from a change (the far end of a hook that went, a node
/// that lost its last hook) is queued and worked off by [`Graph::settle`], so no chain of nodes is too long.
pub(super) struct Graph<'k> {
    pub(super) kernel: &'k mut Kernel,
    pub(super) vnet: VnetId,
    consequences: VecDeque<Consequence>,
}

enum Consequence {
    HookGoes(NodeId, HookId),
    NodeGoes(NodeId),
    /// A node sends a message to a neighbour.
    Told(NodeId, Peer, Header, Vec<u8>),
}

/// So many neighbours are told in consequence of one message; distributors in a ring could go on for ever, and do in
/// a real kernel.
const MOST_TOLD: usize = 10_000;

impl<'k> Graph<'k> {
    pub(super) fn new(kernel: &'k mut Kernel, vnet: VnetId) -> Self {
        Self { kernel, vnet, consequences: VecDeque::new() }
    }

    /// # Errors
    /// `ENOENT` if the vnet is gone.
    pub(super) fn netgraph(&mut self) -> Result<&mut Netgraph, Errno> {
        self.kernel.vnets.get_mut(&self.vnet).map(|vnet| &mut vnet.netgraph).ok_or(Errno::ENOENT)
    }

    pub(super) fn node(&mut self, id: NodeId) -> Option<&mut Node> {
        self.netgraph().ok()?.nodes.get_mut(id)
    }

    /// Makes a node of a type and joins `ours` of `here` with `theirs` of it.
    pub(super) fn mkpeer(&mut self, here: NodeId, kind: Label, ours: Label, theirs: Label) -> Result<(), Errno> {
        let peer = self.make(kind)?;
        let our_hook = match self.add_hook(here, ours, false) {
            Ok(hook) => hook,
            Err(errno) => {
                self.remove_node(peer, Removal::Shutdown);
                return Err(errno);
            }
        };
        match self.add_hook(peer, theirs, false) {
            Ok(their_hook) => {
                self.join(Peer { node: here, hook: our_hook }, Peer { node: peer, hook: their_hook });
                Ok(())
            }
            Err(errno) => {
                self.remove_node(peer, Removal::Shutdown);
                self.remove_hook(here, our_hook);
                Err(errno)
            }
        }
    }

    /// Joins `ours` of `here` with `theirs` of the node at `address`.
    pub(super) fn connect(&mut self, here: NodeId, address: &[u8], ours: Label, theirs: Label) -> Result<(), Errno> {
        let nodes = &self.netgraph()?.nodes;
        let peer = path::resolve(nodes, here, address)?.node;
        if nodes.get(peer).is_some_and(|node| node.hooks.find(&theirs).is_some()) {
            return Err(Errno::EEXIST);
        }
        let our_hook = self.add_hook(here, ours, false)?;
        match self.add_hook(peer, theirs, peer == here) {
            Ok(their_hook) => {
                self.join(Peer { node: here, hook: our_hook }, Peer { node: peer, hook: their_hook });
                Ok(())
            }
            Err(errno) => {
                self.remove_hook(here, our_hook);
                Err(errno)
            }
        }
    }

    /// Makes a node; its number is used up even if its type refuses.
    fn make(&mut self, kind: Label) -> Result<NodeId, Errno> {
        if !self.kernel.node_types.knows(&kind) {
            return Err(Errno::ENXIO);
        }
        let now = self.kernel.clock.now();
        let nodes = &mut self.netgraph()?.nodes;
        let id = nodes.take_id();
        match kind.as_bytes() {
            b"eiface" => return eiface::make(self, id).map(|()| id),
            b"iface" => return iface::make(self, id).map(|()| id),
            b"device" => return device::make(self, id).map(|()| id),
            _ => {}
        }
        let nodes = &mut self.netgraph()?.nodes;
        nodes.enter(id, Kind::new(&kind, now)?);
        Ok(id)
    }

    /// `loops` if the hook at the other end will be of the same node.
    fn add_hook(&mut self, id: NodeId, name: Label, loops: bool) -> Result<HookId, Errno> {
        let node = self.node(id).ok_or(Errno::ENOENT)?;
        if node.hooks.find(&name).is_some() {
            return Err(Errno::EEXIST);
        }
        let hook = node.kind.new_hook(&mut node.hooks, name, loops)?;
        self.carrier(id, true);
        self.notify(id);
        Ok(hook)
    }

    fn join(&mut self, a: Peer, b: Peer) {
        for (end, other) in [(a, b), (b, a)] {
            if let Some(hook) = self.node(end.node).and_then(|node| node.hooks.get_mut(end.hook)) {
                hook.peer = Some(other);
            }
        }
        for end in [b, a] {
            self.ask(end);
        }
    }

    /// Some nodes ask a new neighbour who it is.
    fn ask(&mut self, end: Peer) {
        let question = match self.node(end.node) {
            Some(Node { kind: Kind::Source(source), hooks, .. }) => source.question(hooks, end.hook),
            Some(Node { kind: Kind::Pppoe(pppoe), hooks, .. }) => pppoe.question(hooks, end.hook),
            _ => None,
        };
        if let Some((peer, header)) = question {
            self.tell(end.node, peer, header, Vec::new());
        }
    }

    /// The interface of an eiface has a carrier while its hook is connected.
    fn carrier(&mut self, id: NodeId, up: bool) {
        if let Some(Node { kind: Kind::Eiface(eiface), .. }) = self.node(id)
            && let Some(interface) = eiface.interface
        {
            ifnet::set_link(self.kernel, interface, up);
        }
    }

    /// A distributor tells the neighbour of its `one` when the first of the many comes or the last one goes.
    pub(super) fn notify(&mut self, id: NodeId) {
        if let Some(Node { kind: Kind::OneToMany(one2many), hooks, .. }) = self.node(id)
            && let Some((peer, header)) = one2many.take_notice(hooks)
        {
            self.tell(id, peer, header, Vec::new());
        }
    }

    /// Queues a message to a neighbour.
    pub(super) fn tell(&mut self, from: NodeId, to: Peer, header: Header, payload: Vec<u8>) {
        self.consequences.push_back(Consequence::Told(from, to, header, payload));
    }

    /// Removes a hook and queues what follows.
    pub(super) fn remove_hook(&mut self, id: NodeId, hook: HookId) {
        if self.detach_hook(id, hook) == Some(Fate::Goes) {
            self.consequences.push_back(Consequence::NodeGoes(id));
        }
    }

    /// Removes a hook; the far end follows later. What its node's type says to that.
    fn detach_hook(&mut self, id: NodeId, hook: HookId) -> Option<Fate> {
        let removed = self.node(id)?.hooks.remove(hook)?;
        if let Some(peer) = removed.peer {
            if let Some(far) = self.node(peer.node).and_then(|node| node.hooks.get_mut(peer.hook)) {
                far.peer = None;
            }
            self.consequences.push_back(Consequence::HookGoes(peer.node, peer.hook));
        }
        let node = self.node(id)?;
        let fate = node.kind.disconnected(&removed, node.hooks.len());
        self.carrier(id, false);
        self.notify(id);
        Some(fate)
    }

    /// Removes a node, whatever its hooks.
    pub(super) fn remove_node(&mut self, id: NodeId, removal: Removal) {
        self.bypass(id);
        if let Some(Node { kind: Kind::Bridge(bridge), .. }) = self.node(id) {
            // All hosts go anyway; searching the table once for each hook would take long on a large switch.
            bridge.forget_all();
        }
        while let Some(hook) = self.node(id).and_then(|node| node.hooks.newest()) {
            let _ = self.detach_hook(id, hook);
        }
        let Some(node) = self.node(id) else { return };
        if let (Kind::Ether(ether), Removal::Shutdown) = (&mut node.kind, removal) {
            let interface = ether.interface;
            if ether.reset() {
                ifnet::set_promiscuous(self.kernel, interface, false);
            }
            return;
        }
        let Ok(netgraph) = self.netgraph() else { return };
        let Some(node) = netgraph.nodes.remove(id) else { return };
        match node.kind {
            Kind::Eiface(eiface) => {
                netgraph.eiface_units.free(eiface.unit);
                if let Some(interface) = eiface.interface {
                    ifnet::detach(self.kernel, interface);
                }
            }
            Kind::Iface(iface) => {
                netgraph.iface_units.free(iface.unit);
                if let Some(interface) = iface.interface {
                    ifnet::detach(self.kernel, interface);
                }
            }
            Kind::Ether(ether) => {
                netgraph.ethers.remove(&ether.interface);
            }
            Kind::Car(mut car) => car.forget_timers(&mut self.kernel.clock),
            Kind::Source(mut source) => source.stop(&mut self.kernel.clock),
            Kind::Socket(socket) => super::socket::disconnect(self.kernel, socket.sock),
            Kind::Pipe(mut pipe) => pipe.forget_timer(&mut self.kernel.clock),
            _ => {}
        }
    }

    /// A tee that is shut down joins its neighbours first (`ng_tee_close`, `ng_bypass`).
    fn bypass(&mut self, id: NodeId) {
        let Some(Node { kind: Kind::Tee(tee), hooks, .. }) = self.node(id) else { return };
        let [left, right] = tee.ends();
        let take = |hooks: &mut super::hooks::Hooks, end: Option<HookId>| hooks.get_mut(end?)?.peer;
        let (Some(a), Some(b)) = (take(hooks, left), take(hooks, right)) else { return };
        if a.node == id || b.node == id {
            return;
        }
        for end in [left, right].into_iter().flatten() {
            if let Some(hook) = hooks.get_mut(end) {
                hook.peer = None;
            }
        }
        self.join(a, b);
    }

    /// Works off what follows from the changes made.
    pub(super) fn settle(&mut self) {
        let mut told = 0;
        while let Some(next) = self.consequences.pop_front() {
            match next {
                Consequence::Told(..) if told > MOST_TOLD => {}
                Consequence::Told(from, to, header, payload) => {
                    told += 1;
                    let now = self.kernel.clock.now();
                    let call = Call { header, payload: &payload, from, by: Some(to.hook), now };
                    // Nobody waits for what the neighbour thinks of it.
                    let _ = self.deliver(to.node, call);
                }
                Consequence::HookGoes(node, hook) => self.remove_hook(node, hook),
                Consequence::NodeGoes(node) => self.remove_node(node, Removal::Shutdown),
            }
        }
    }
}

/// Why a node is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// It was told to, or lost its last hook: an ether node comes back.
    Shutdown,
    /// What it stands for is gone.
    ForGood,
}
