//! The commands every node understands (`ng_generic_msg`, `sys/netgraph/ng_base.c:2500`).

use ngsock::generic::{Command, HookList, LinkInfo, NodeInfo, NodeList, TypeInfo, TypeList};

use super::NodeId;
use super::label::Label;
use super::life::{Graph, Removal};
use super::message::{Answer, Call, Outcome, answer};
use super::table::{Node, Nodes};
use super::{convert, node};
use crate::abi::Errno;
use crate::sim::ifnet;

/// A generic command arrives at a node.
pub(super) fn receive(graph: &mut Graph<'_>, here: NodeId, call: &Call<'_>) -> Answer {
    let command = Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)?;
    if graph.node(here).is_none() {
        return Err(Errno::ENOENT);
    }
    match command {
        Command::Shutdown(_) => graph.remove_node(here, Removal::Shutdown),
        Command::MkPeer(ngsock::generic::MkPeer(new)) => {
            graph.mkpeer(here, new.kind.into(), new.our_hook.into(), new.peer_hook.into())?;
        }
        Command::Connect(ngsock::generic::Connect(join)) => {
            graph.connect(here, join.path.as_bytes(), join.our_hook.into(), join.peer_hook.into())?;
        }
        Command::SetName(ngsock::generic::SetName(name)) => {
            graph.netgraph()?.nodes.rename(here, name.as_bytes())?;
        }
        Command::RemoveHook(ngsock::generic::RemoveHook(name)) => {
            let hook = graph.node(here).and_then(|node| Some(node.hooks.find(&Label::from(name))?.id));
            if let Some(hook) = hook {
                graph.remove_hook(here, hook);
            }
        }
        Command::GetNodeInfo(_) => {
            let node = graph.node(here).ok_or(Errno::ENOENT)?;
            return answer(&info(here, node));
        }
        Command::ListHooks(_) => return list_hooks(&graph.netgraph()?.nodes, here),
        Command::ListNames(_) => {
            let nodes = graph.netgraph()?.nodes.listed_names().map(|(id, node)| info(id, node)).collect();
            return answer(&NodeList(nodes));
        }
        Command::ListNodes(_) => {
            let nodes = graph.netgraph()?.nodes.listed().map(|(id, node)| info(id, node)).collect();
            return answer(&NodeList(nodes));
        }
        Command::ListTypes(_) => return list_types(graph),
        // Up to the type; hardly any has them.
        Command::GetTextStatus(_) | Command::TextConfig(_) => return node::receive(graph, here, call),
        Command::BinaryToText(ngsock::generic::BinaryToText(message)) => {
            return convert::to_text(type_of(graph, here)?, &message);
        }
        Command::TextToBinary(ngsock::generic::TextToBinary(message)) => {
            let kind = type_of(graph, here)?;
            let (kernel, vnet) = (&*graph.kernel, graph.vnet);
            return convert::from_text(kind, &message, &|name| {
                ifnet::find(kernel, vnet, std::str::from_utf8(name).ok()?).map(|index| index.0.into())
            });
        }
    }
    Ok(Outcome::Done)
}

fn type_of(graph: &mut Graph<'_>, here: NodeId) -> Result<Label, Errno> {
    graph.node(here).map(|node| node.kind.type_name()).ok_or(Errno::ENOENT)
}

fn info(id: NodeId, node: &Node) -> NodeInfo {
    NodeInfo {
        name: node.name.unwrap_or_default().field(),
        kind: node.kind.type_name().field(),
        id: ngsock::NodeId(id.0),
        hooks: u32::try_from(node.hooks.len()).unwrap_or(u32::MAX),
    }
}

fn list_hooks(nodes: &Nodes, here: NodeId) -> Answer {
    let node = nodes.get(here).ok_or(Errno::ENOENT)?;
    let links = node.hooks.iter().filter_map(|hook| {
        let peer = hook.peer?;
        let far = nodes.get(peer.node)?;
        let peer_hook = far.hooks.get(peer.hook)?.name.field();
        Some(LinkInfo { our_hook: hook.name.field(), peer_hook, peer: info(peer.node, far) })
    });
    let NodeInfo { name, kind, id, .. } = info(here, node);
    answer(&HookList { name, kind, id, links: links.collect() })
}

/// Types belong to the kernel, so their nodes are counted over all vnets.
fn list_types(graph: &Graph<'_>) -> Answer {
    let mut counts = std::collections::BTreeMap::<Label, u32>::new();
    for vnet in graph.kernel.vnets.values() {
        for (_, node) in vnet.netgraph.nodes.iter() {
            *counts.entry(node.kind.type_name()).or_default() += 1;
        }
    }
    let types = graph
        .kernel
        .node_types
        .iter()
        .map(|name| TypeInfo { name: name.field(), nodes: counts.get(&name).copied().unwrap_or(0) });
    answer(&TypeList(types.collect()))
}
