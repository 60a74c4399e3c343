//! What the types that are the back end of an interface have in common.

use ngsock::flow;
use ngsock::message::Request;

use super::super::NodeId;
use super::super::life::Graph;
use super::super::message::{Answer, Call, Outcome};
use super::{Kind, Node};
use crate::abi::Errno;
use crate::sim::ifnet;
use crate::sim::kernel::IfIndex;

/// Gives a node that is being made its interface; without one the node goes too.
///
/// # Errors
/// That of making the interface.
pub(super) fn give(graph: &mut Graph<'_>, id: NodeId, made: Result<IfIndex, Errno>) -> Result<(), Errno> {
    match (made, graph.node(id)) {
        (Ok(index), Some(Node { kind: Kind::Eiface(eiface), .. })) => eiface.interface = Some(index),
        (Ok(index), Some(Node { kind: Kind::Iface(iface), .. })) => iface.interface = Some(index),
        (Ok(_), _) => {}
        (Err(errno), _) => {
            graph.netgraph()?.nodes.remove(id);
            return Err(errno);
        }
    }
    Ok(())
}

/// Carries out a message about the state of the link, which every such type takes; `None` if it is none.
pub(super) fn flow(graph: &mut Graph<'_>, index: IfIndex, call: &Call<'_>) -> Option<Answer> {
    if call.header.cookie != flow::COOKIE {
        return None;
    }
    match call.header.command {
        flow::LinkIsUp::COMMAND => ifnet::set_link(graph.kernel, index, true),
        flow::LinkIsDown::COMMAND => ifnet::set_link(graph.kernel, index, false),
        _ => {}
    }
    Some(Ok(Outcome::Done))
}
