//! Nodes that have another name than before.

use std::collections::BTreeMap;

use crate::model::{Model, Node, NodeName};

/// Nodes of `before` that are in `now` under another name, where nothing else fits: what they are, their interfaces and their
/// neighbours are the same.
pub(super) fn renames(before: &Model, now: &Model) -> Vec<(NodeName, NodeName)> {
    let gone = fingerprints(before, only_in(before, now));
    let come = fingerprints(now, only_in(now, before));
    let mut found: Vec<(NodeName, NodeName)> = gone
        .into_iter()
        .filter_map(|(print, from)| match (from.as_slice(), come.get(&print).map(Vec::as_slice)) {
            ([from], Some([to])) => Some((from.clone(), to.clone())),
            _ => None,
        })
        .collect();
    found.sort();
    found
}

fn only_in<'m>(model: &'m Model, other: &Model) -> impl Iterator<Item = &'m NodeName> {
    model.nodes.iter().map(|node| &node.name.value).filter(|name| other.find(name.as_str()).is_none())
}

/// Nodes by what they are apart from their names and addresses, which follow from names and order.
fn fingerprints<'n>(model: &Model, names: impl Iterator<Item = &'n NodeName>) -> BTreeMap<String, Vec<NodeName>> {
    let mut found: BTreeMap<String, Vec<NodeName>> = BTreeMap::new();
    for name in names {
        if let Some(id) = model.find(name.as_str()) {
            found.entry(fingerprint(model, model.node(id))).or_default().push(name.clone());
        }
    }
    found
}

fn fingerprint(model: &Model, node: &Node) -> String {
    let mut wires: Vec<String> = Vec::new();
    for link in &model.links {
        for (own, far) in [(&link.ends[0], &link.ends[1]), (&link.ends[1], &link.ends[0])] {
            if model.node(own.node).name.value == node.name.value {
                let peer = &model.node(far.node).name.value;
                wires.push(format!("{:?} to {peer} {:?} {:?} {:?}", own.interface, far.interface, link.wire, link.mtu));
            }
        }
    }
    wires.sort();
    let sysctls: Vec<_> = node.sysctls.iter().map(|(name, value)| (name, &value.value)).collect();
    let jail: Vec<_> = node.jail.iter().map(|(name, value)| (name, &value.value)).collect();
    let interfaces: Vec<_> = node.interfaces.keys().collect();
    format!("{:?} {interfaces:?} {wires:?} {sysctls:?} {jail:?} {:?} {:?}", node.kind, node.rootfs.value, node.labels)
}
