//! `ether`: access to an Ethernet interface (`sys/netgraph/ng_ether.c`). The node comes and goes with the
//! interface's presence in the vnet.

use std::collections::BTreeSet;

use ngsock::MacAddress;
use ngsock::node::ether::{
    AddMulticast, COOKIE, Command, RemoveMulticast, SetAutomaticSource, SetMacAddress, SetPromiscuous,
};
use serde::{Deserialize, Serialize};

use super::super::label::Label;
use super::super::life::{Graph, Removal};
use super::super::message::{Answer, Call, Outcome, answer};
use super::super::{HookId, NodeId, Tags};
use super::eiface::interface_name;
use super::{Fate, Hooks, Kind, Node, Private};
use crate::abi::Errno;
use crate::sim::kernel::{Frame, IfIndex, Kernel, Work};
use crate::sim::{bridge, ifnet, stack};

/// The octets of an Ethernet header.
const HEADER: usize = 14;

/// An ether node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ether {
    /// Its interface.
    pub interface: IfIndex,
    lower: Option<HookId>,
    upper: Option<HookId>,
    orphans: Option<HookId>,
    promiscuous: bool,
    automatic_source: bool,
    multicast: BTreeSet<[u8; 6]>,
}

/// Where a frame that came in by a hook goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Out of the interface, with its own address as source if set.
    Out(IfIndex, bool),
    /// Up to the stack, as if received.
    Up(IfIndex),
}

impl Ether {
    fn new(interface: IfIndex) -> Self {
        Self {
            interface,
            lower: None,
            upper: None,
            orphans: None,
            promiscuous: false,
            automatic_source: false,
            multicast: BTreeSet::new(),
        }
    }

    /// # Errors
    /// `EINVAL` for a name it does not know, `EISCONN` if that place is taken (`sys/netgraph/ng_ether.c:459`).
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let place = match name.as_bytes() {
            b"lower" | b"divert" => &mut self.lower,
            b"upper" => &mut self.upper,
            b"orphans" => &mut self.orphans,
            _ => return Err(Errno::EINVAL),
        };
        if place.is_some() {
            return Err(Errno::EISCONN);
        }
        let hook = hooks.add(name, Private::None)?;
        *place = Some(hook);
        Ok(hook)
    }

    /// A node without hooks is reset, not removed.
    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        for place in [&mut self.lower, &mut self.upper, &mut self.orphans] {
            place.take_if(|place| *place == hook);
        }
        Fate::with_last_hook(left)
    }

    /// What a shutdown does (`sys/netgraph/ng_ether.c:303`); whether the interface was promiscuous for the node.
    pub(in crate::sim::netgraph) fn reset(&mut self) -> bool {
        std::mem::take(&mut self.promiscuous)
    }

    /// What becomes of a frame that came in by `hook`.
    pub(in crate::sim::netgraph) fn entry(&self, hook: HookId) -> Entry {
        if self.upper == Some(hook) {
            Entry::Up(self.interface)
        } else {
            Entry::Out(self.interface, self.automatic_source)
        }
    }
}

pub(in crate::sim::netgraph) fn receive(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    if call.header.cookie != COOKIE {
        return Err(Errno::EINVAL);
    }
    let command = Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)?;
    let Some(Node { kind: Kind::Ether(ether), .. }) = graph.node(to) else { return Err(Errno::EINVAL) };
    let index = ether.interface;
    match command {
        Command::GetPromiscuous(_) => return answer(&u32::from(ether.promiscuous)),
        Command::SetPromiscuous(SetPromiscuous(on)) => {
            if std::mem::replace(&mut ether.promiscuous, on != 0) != (on != 0) {
                ifnet::set_promiscuous(graph.kernel, index, on != 0);
            }
        }
        Command::GetAutomaticSource(_) => return answer(&u32::from(ether.automatic_source)),
        Command::SetAutomaticSource(SetAutomaticSource(on)) => ether.automatic_source = on != 0,
        // A group address is one with the lowest bit of its first octet (ether_resolvemulti).
        Command::AddMulticast(AddMulticast(MacAddress(mac))) if mac[0] & 1 == 0 => return Err(Errno::EADDRNOTAVAIL),
        Command::AddMulticast(AddMulticast(MacAddress(mac))) => {
            if !ether.multicast.insert(mac) {
                return Err(Errno::EADDRINUSE);
            }
        }
        Command::RemoveMulticast(RemoveMulticast(MacAddress(mac))) => {
            if !ether.multicast.remove(&mac) {
                return Err(Errno::ENOENT);
            }
        }
        Command::Detach(_) => graph.remove_node(to, Removal::ForGood),
        Command::SetMacAddress(SetMacAddress(MacAddress(mac))) => ifnet::set_mac(graph.kernel, index, mac)?,
        Command::GetInterfaceName(_) | Command::GetInterfaceIndex(_) | Command::GetMacAddress(_) => {
            let interface = graph.kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
            return match command {
                Command::GetInterfaceName(_) => answer(&interface_name(interface)),
                Command::GetInterfaceIndex(_) => answer(&u32::from(index.0)),
                _ => answer(&MacAddress(interface.mac)),
            };
        }
    }
    Ok(Outcome::Done)
}

/// A frame from the graph goes out of the interface or up to the stack.
pub(in crate::sim::netgraph) fn data(kernel: &mut Kernel, entry: Entry, mut frame: Frame) {
    if frame.len() < HEADER {
        return;
    }
    match entry {
        Entry::Out(index, automatic_source) => {
            let Some(interface) = kernel.interfaces.get(index) else { return };
            if let (true, Some(source)) = (automatic_source, frame.get_mut(6..12)) {
                source.copy_from_slice(&interface.mac);
            }
            ifnet::transmit(kernel, index, frame);
        }
        Entry::Up(index) => match kernel.interfaces.get(index).and_then(|interface| interface.bridge) {
            Some(member_of) => bridge::input(kernel, member_of, index, frame),
            None => stack::input(kernel, index, frame),
        },
    }
}

/// Which hook of an interface's node a frame of the interface itself is offered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// Frames from the wire.
    Lower,
    /// Frames from the stack.
    Upper,
}

/// Gives a frame to a hook of the interface's ether node; `Some` gives it back unused.
pub(in crate::sim::netgraph) fn offer(kernel: &mut Kernel, index: IfIndex, tap: Tap, frame: Frame) -> Option<Frame> {
    let peer = peer_of(kernel, index, tap);
    let Some((vnet, peer)) = peer else { return Some(frame) };
    kernel.work.push_back(Work::Data { vnet, node: peer.node, hook: peer.hook, frame, tags: Tags::default() });
    None
}

fn peer_of(
    kernel: &Kernel,
    index: IfIndex,
    tap: Tap,
) -> Option<(crate::sim::kernel::VnetId, super::super::hooks::Peer)> {
    let vnet = kernel.interfaces.get(index)?.vnet;
    let netgraph = &kernel.vnets.get(&vnet)?.netgraph;
    let Node { kind: Kind::Ether(ether), hooks, .. } = netgraph.nodes.get(*netgraph.ethers.get(&index)?)? else {
        return None;
    };
    let hook = match tap {
        Tap::Lower => ether.lower,
        Tap::Upper => ether.upper,
    };
    Some((vnet, hooks.get(hook?)?.peer?))
}

/// An interface appeared in its vnet: it gets a node if the module is there, it is Ethernet, and no node has its
/// name (which an eiface's usually has in the vnet where it was made; `sys/netgraph/ng_ether.c:303`).
pub(in crate::sim::netgraph) fn arrived(kernel: &mut Kernel, index: IfIndex) {
    if !kernel.modules.contains("ng_ether") {
        return;
    }
    let Some(interface) = kernel.interfaces.get(index) else { return };
    if !interface.is_ethernet() {
        return;
    }
    let Some(name) = node_name(&interface.name) else { return };
    let mut graph = Graph::new(kernel, interface.vnet);
    let Ok(netgraph) = graph.netgraph() else { return };
    if netgraph.ethers.contains_key(&index) || netgraph.nodes.named(&name).is_some() {
        return;
    }
    let id = netgraph.nodes.take_id();
    netgraph.nodes.enter(id, Kind::Ether(Ether::new(index)));
    netgraph.ethers.insert(index, id);
    let _ = netgraph.nodes.rename(id, name.as_bytes());
}

/// An interface is about to leave its vnet: its node goes.
pub(in crate::sim::netgraph) fn leaves(kernel: &mut Kernel, index: IfIndex) {
    let Some(vnet) = kernel.interfaces.get(index).map(|interface| interface.vnet) else { return };
    let mut graph = Graph::new(kernel, vnet);
    if let Some(id) = graph.netgraph().ok().and_then(|netgraph| netgraph.ethers.get(&index).copied()) {
        graph.remove_node(id, Removal::ForGood);
        graph.settle();
    }
}

/// An interface was renamed: its node follows if the name is free (`sys/netgraph/ng_ether.c:410`).
pub(in crate::sim::netgraph) fn renamed(kernel: &mut Kernel, index: IfIndex) {
    let Some(interface) = kernel.interfaces.get(index) else { return };
    let (vnet, name) = (interface.vnet, node_name(&interface.name));
    let mut graph = Graph::new(kernel, vnet);
    if let (Ok(netgraph), Some(name)) = (graph.netgraph(), name)
        && let Some(id) = netgraph.ethers.get(&index)
    {
        let _ = netgraph.nodes.rename(*id, name.as_bytes());
    }
}

/// `.` and `:` cannot stand in a node's name (`sys/netgraph/ng_ether.c:222`).
fn node_name(interface: &str) -> Option<Label> {
    Label::new(interface.replace(['.', ':'], "_"))
}
