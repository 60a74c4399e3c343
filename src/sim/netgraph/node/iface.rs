//! `iface`: a layer-3 interface whose other side is a hook per protocol (`sys/netgraph/ng_iface.c`). The node stays in
//! its vnet while the interface is moved about.

use ngsock::node::iface::{COOKIE, Command};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::life::Graph;
use super::super::message::{Answer, Call, Outcome, answer};
use super::super::{HookId, NodeId};
use super::eiface::interface_name;
use super::{Hooks, Kind, Node, Private, backed};
use crate::abi::Errno;
use crate::abi::flags::{IFF_BROADCAST, IFF_POINTOPOINT, IFF_UP};
use crate::sim::ifnet;
use crate::sim::kernel::{Frame, IfIndex, Kernel};

/// The back end of an interface `ngN`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Iface {
    /// The N.
    pub unit: u32,
    /// `None` only while it is being made.
    pub interface: Option<IfIndex>,
    inet: Option<HookId>,
    inet6: Option<HookId>,
}

/// The version of IP that a hook is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `inet`.
    Inet,
    /// `inet6`.
    Inet6,
}

impl Iface {
    /// # Errors
    /// `EPFNOSUPPORT` for any name but `inet` and `inet6`, `EISCONN` if it is connected
    /// (`sys/netgraph/ng_iface.c:571`).
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let place = match name.as_bytes() {
            b"inet" => &mut self.inet,
            b"inet6" => &mut self.inet6,
            _ => return Err(Errno::EPFNOSUPPORT),
        };
        if place.is_some() {
            return Err(Errno::EISCONN);
        }
        let hook = hooks.add(name, Private::None)?;
        *place = Some(hook);
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId) {
        for place in [&mut self.inet, &mut self.inet6] {
            place.take_if(|place| *place == hook);
        }
    }

    /// Where a packet by that hook goes: the interface, as a packet of that family.
    pub(in crate::sim::netgraph) fn packet(&self, hook: HookId) -> Option<(IfIndex, Family)> {
        let family = match Some(hook) {
            from if from == self.inet => Family::Inet,
            from if from == self.inet6 => Family::Inet6,
            _ => return None,
        };
        Some((self.interface?, family))
    }

    /// A packet that the stack sends leaves by the hook of its family.
    pub(in crate::sim::netgraph) fn output(&self, hooks: &Hooks, packet: Frame, wire: &mut Wire<'_>) -> bool {
        let hook = if packet.first().is_some_and(|first| first >> 4 == 6) { self.inet6 } else { self.inet };
        hook.and_then(|hook| hooks.get(hook)).is_some_and(|hook| wire.send(hook, packet))
    }
}

/// Makes the node under `id`, named like its interface if that name is free, and the interface.
///
/// # Errors
/// `ENOSPC` when units or interface indexes are used up.
pub(in crate::sim::netgraph) fn make(graph: &mut Graph<'_>, id: NodeId) -> Result<(), Errno> {
    let netgraph = graph.netgraph()?;
    let unit = netgraph.iface_units.take().ok_or(Errno::ENOSPC)?;
    netgraph.nodes.enter(id, Kind::Iface(Iface { unit, interface: None, inet: None, inet6: None }));
    let _ = netgraph.nodes.rename(id, format!("ng{unit}").as_bytes());
    let made = ifnet::attach_iface(graph.kernel, graph.vnet, id, unit);
    let given = backed::give(graph, id, made);
    if given.is_err() {
        graph.netgraph()?.iface_units.free(unit);
    }
    given
}

pub(in crate::sim::netgraph) fn receive(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    let Some(Node { kind: Kind::Iface(iface), .. }) = graph.node(to) else { return Err(Errno::EINVAL) };
    let index = iface.interface.ok_or(Errno::ENXIO)?;
    if let Some(answer) = backed::flow(graph, index, call) {
        return answer;
    }
    if call.header.cookie != COOKIE {
        return Err(Errno::EINVAL);
    }
    let interface = graph.kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
        Command::GetInterfaceName(_) => return answer(&interface_name(interface)),
        Command::GetInterfaceIndex(_) => return answer(&u32::from(index.0)),
        Command::PointToPoint(_) | Command::Broadcast(_) if interface.flags & IFF_UP != 0 => {
            return Err(Errno::EBUSY);
        }
        Command::PointToPoint(_) => interface.flags = interface.flags & !IFF_BROADCAST | IFF_POINTOPOINT,
        Command::Broadcast(_) => interface.flags = interface.flags & !IFF_POINTOPOINT | IFF_BROADCAST,
    }
    Ok(Outcome::Done)
}

/// A packet from the graph is received by the interface.
pub(in crate::sim::netgraph) fn data(kernel: &mut Kernel, packet: Option<(IfIndex, Family)>, frame: Frame) {
    if let Some((index, family)) = packet {
        ifnet::receive_packet(kernel, index, family == Family::Inet6, frame);
    }
}
