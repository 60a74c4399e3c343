//! `eiface`: the back end of an Ethernet interface (`sys/netgraph/ng_eiface.c`). The node stays in its vnet while
//! the interface is moved about.

use std::net::IpAddr;

use ngsock::MacAddress;
use ngsock::name::InterfaceName;
use ngsock::node::eiface::{COOKIE, Command, InterfaceAddresses, SetMacAddress};
use serde::{Deserialize, Serialize};

use super::super::label::Label;
use super::super::life::Graph;
use super::super::message::{Answer, Call, Outcome, answer};
use super::super::{HookId, NodeId};
use super::{Hooks, Kind, Node, Private, backed};
use crate::abi::Errno;
use crate::abi::sockaddr::{self, LinkAddress};
use crate::sim::ifnet::{self, Interface};
use crate::sim::kernel::{Frame, IfIndex, Kernel};

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
    let made = ifnet::attach_eiface(graph.kernel, graph.vnet, id, unit);
    let given = backed::give(graph, id, made);
    if given.is_err() {
        graph.netgraph()?.eiface_units.free(unit);
    }
    given
}

pub(in crate::sim::netgraph) fn receive(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    let Some(Node { kind: Kind::Eiface(eiface), .. }) = graph.node(to) else { return Err(Errno::EINVAL) };
    let index = eiface.interface.ok_or(Errno::ENXIO)?;
    if let Some(answer) = backed::flow(graph, index, call) {
        return answer;
    }
    if call.header.cookie != COOKIE {
        return Err(Errno::EINVAL);
    }
    let interface = graph.kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
        Command::GetInterfaceName(_) => answer(&interface_name(interface)),
        Command::GetInterfaceAddresses(_) => answer(&addresses(interface)),
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

/// A frame from the graph is received by the interface.
pub(in crate::sim::netgraph) fn data(kernel: &mut Kernel, interface: Option<IfIndex>, frame: Frame) {
    if let Some(index) = interface {
        ifnet::receive(kernel, index, frame);
    }
}

/// The interface's addresses in the order in which it got them, as the kernel keeps them: the link-level one first,
/// and IPv6 link-local ones with the interface's index in their third and fourth octet.
fn addresses(interface: &Interface) -> InterfaceAddresses {
    let mut addresses = InterfaceAddresses::default();
    let mut link = sockaddr::link(&LinkAddress {
        index: interface.index.0,
        kind: interface.kind(),
        name: interface.name.clone(),
        address: interface.mac.to_vec(),
    })
    .to_vec();
    // The kernel rounds it up to whole words and says so (`if_attach_internal`, `sys/net/if.c`).
    link.resize(56, 0);
    if let Some(length) = link.first_mut() {
        *length = 56;
    }
    addresses.push(&link);
    for address in &interface.net.addresses {
        match address.ip() {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                let mut segments = ip.segments();
                segments[1] = interface.index.0;
                addresses.push(&sockaddr::inet6(segments.into(), 0));
            }
            ip => addresses.push(&sockaddr::ip(ip)),
        }
    }
    addresses
}
