//! `eiface`: the back end of an Ethernet interface (`sys/netgraph/ng_eiface.c`). The node stays in its vnet while
//! the interface is moved about.

use ngsock::message::Request;
use ngsock::name::InterfaceName;
use ngsock::node::eiface::{COOKIE, Command, InterfaceAddresses, SetMacAddress};
use ngsock::{MacAddress, flow};
use serde::{Deserialize, Serialize};

use super::super::label::Label;
use super::super::life::Graph;
use super::super::message::{Answer, Call, Outcome, answer};
use super::super::{HookId, NodeId};
use super::{Hooks, Kind, Node, Private};
use crate::abi::Errno;
use crate::sim::ifnet::{self, Interface};
use crate::sim::kernel::{Frame, IfIndex, Kernel};

/// `IFF_UP` and `IFF_DRV_RUNNING`: without both, frames are dropped.
const UP_AND_RUNNING: u32 = 0x1 | 0x40;

/// An eiface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Eiface {
    /// The N of `ngethN`, taken until the node goes.
    pub unit: u32,
    /// Its interface, wherever it is.
    pub interface: Option<IfIndex>,
    /// Its only hook.
    pub ether: Option<HookId>,
}

impl Eiface {
    /// # Errors
    /// `EPFNOSUPPORT` for any name but `ether`, `EISCONN` if it is connected (`sys/netgraph/ng_eiface.c:444`).
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        if name != *"ether" {
            return Err(Errno::EPFNOSUPPORT);
        }
        if self.ether.is_some() {
            return Err(Errno::EISCONN);
        }
        let hook = hooks.add(name, Private::None)?;
        self.ether = Some(hook);
        Ok(hook)
    }
}

/// Makes the node under `id`, named like its interface if that name is free, and the interface.
///
/// # Errors
/// `ENOSPC` when units or interface indexes are used up.
pub(in crate::sim::netgraph) fn make(graph: &mut Graph<'_>, id: NodeId) -> Result<(), Errno> {
    let netgraph = graph.netgraph()?;
    let unit = netgraph.eiface_units.take().ok_or(Errno::ENOSPC)?;
    netgraph.nodes.enter(id, Kind::Eiface(Eiface { unit, interface: None, ether: None }));
    let _ = netgraph.nodes.rename(id, format!("ngeth{unit}").as_bytes());
    match ifnet::attach_eiface(graph.kernel, graph.vnet, id, unit) {
        Ok(index) => {
            if let Some(Node { kind: Kind::Eiface(eiface), .. }) = graph.node(id) {
                eiface.interface = Some(index);
            }
            Ok(())
        }
        Err(errno) => {
            let netgraph = graph.netgraph()?;
            netgraph.nodes.remove(id);
            netgraph.eiface_units.free(unit);
            Err(errno)
        }
    }
}

pub(in crate::sim::netgraph) fn receive(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    let Some(Node { kind: Kind::Eiface(eiface), .. }) = graph.node(to) else { return Err(Errno::EINVAL) };
    let index = eiface.interface.ok_or(Errno::ENXIO)?;
    match call.header.cookie {
        flow::COOKIE => {
            match call.header.command {
                flow::LinkIsUp::COMMAND => ifnet::set_link(graph.kernel, index, true),
                flow::LinkIsDown::COMMAND => ifnet::set_link(graph.kernel, index, false),
                _ => {}
            }
            return Ok(Outcome::Done);
        }
        COOKIE => {}
        _ => return Err(Errno::EINVAL),
    }
    let interface = graph.kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
        Command::GetInterfaceName(_) => answer(&interface_name(interface)),
        Command::GetInterfaceAddresses(_) => {
            let mut addresses = InterfaceAddresses::default();
            addresses.push(&link_address(interface));
            answer(&addresses)
        }
        Command::SetMacAddress(SetMacAddress(MacAddress(mac))) => {
            ifnet::set_mac(graph.kernel, index, mac)?;
            Ok(Outcome::Done)
        }
    }
}

/// The field that carries an interface's name.
pub(super) fn interface_name(interface: &Interface) -> InterfaceName {
    InterfaceName::new(&interface.name).unwrap_or_default()
}

/// The interface's `sockaddr_dl` as the kernel allocates it, 56 bytes (`if_attach_internal`, `sys/net/if.c`).
fn link_address(interface: &Interface) -> [u8; 56] {
    let mut address = [0; 56];
    let name = interface_name(interface);
    let name = name.as_bytes();
    let [low, high] = interface.index.0.to_le_bytes();
    // sdl_len, AF_LINK, sdl_index, IFT_ETHER, sdl_nlen, sdl_alen, sdl_slen
    let head = [56, 18, low, high, 6, u8::try_from(name.len()).unwrap_or(0), 6, 0];
    for (place, byte) in address.iter_mut().zip(head.iter().chain(name).chain(&interface.mac)) {
        *place = *byte;
    }
    address
}

/// A frame from the graph is received by the interface.
pub(in crate::sim::netgraph) fn data(kernel: &mut Kernel, interface: Option<IfIndex>, frame: Frame) {
    let Some(index) = interface else { return };
    if kernel.interfaces.get(index).is_some_and(|interface| interface.flags & UP_AND_RUNNING == UP_AND_RUNNING) {
        ifnet::receive(kernel, index, frame);
    }
}
