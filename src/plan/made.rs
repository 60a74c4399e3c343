//! What programs made inside nodes: interfaces and netgraph nodes that no file of ours asks for.

use serde::Serialize;

use super::observed::{Observed, ObservedInterface};
use crate::graph::linux::{LOOPBACK, Linux};
use crate::graph::{Graph, Name, Object, Place, Table};
use crate::model::NodeName;

/// Something that a program made inside a node. It is told, and left alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Made {
    /// In which node.
    pub node: NodeName,
    /// What it is.
    pub kind: MadeKind,
    /// What it is called there.
    pub name: Name,
    /// What made it, in the kernel's word: `gif`, `bridge`, `hub`; a network card has none.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub of: Option<Name>,
}

/// What programs make inside nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MadeKind {
    /// An interface.
    Interface,
    /// A netgraph node.
    Netgraph,
}

impl MadeKind {
    /// The word for people and for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Netgraph => "netgraph",
        }
    }
}

/// Interfaces that FreeBSD makes in every network stack, the last three where their modules are loaded.
const OF_EVERY_VNET: [&str; 4] = ["lo0", "enc0", "pflog0", "pfsync0"];

/// Interfaces that Linux makes in every namespace for the packets that no tunnel of that kind wants, once its module is loaded.
const FALLBACKS: [(&str, &str); 9] = [
    ("tunl0", "ipip"),
    ("sit0", "sit"),
    ("gre0", "gre"),
    ("gretap0", "gretap"),
    ("erspan0", "erspan"),
    ("ip_vti0", "vti"),
    ("ip6tnl0", "ip6tnl"),
    ("ip6gre0", "ip6gre"),
    ("ip6_vti0", "vti6"),
];

/// What was seen inside nodes and is in none of the `known` graphs, which are what we want there, or wanted.
#[must_use]
pub fn made_inside(observed: &Observed, known: &[&Graph]) -> Vec<Made> {
    let Some(lab) = known.first().map(|graph| &graph.lab) else { return Vec::new() };
    // Whatever it is called now: one that bears our description is told as renamed, or as missing.
    let description = format!("cellblock {lab} ");
    let ours = ours(known);
    let mut made = Vec::new();
    for (place, interfaces) in &observed.interfaces {
        let Place::Node(node) = place else { continue };
        for (name, seen) in interfaces {
            let is_ours = ours.contains_key(&(place, name)) || seen.description.starts_with(&description);
            if !is_ours && !is_the_kernels(name, seen) {
                let (kind, of) = (MadeKind::Interface, seen.cloner.clone());
                made.push(Made { node: node.clone(), kind, name: name.clone(), of });
            }
        }
    }
    for (place, nodes) in &observed.inside {
        let Place::Node(node) = place else { continue };
        made.extend(nodes.iter().map(|(name, of)| {
            let (kind, of) = (MadeKind::Netgraph, Some(of.clone()));
            Made { node: node.clone(), kind, name: name.clone(), of }
        }));
    }
    made.sort();
    made
}

/// Interfaces of ours in nodes, under the names that they have there and, until they are renamed, in the lab's own stack.
fn ours<'g>(known: &[&'g Graph]) -> Table<(&'g Place, &'g Name), ()> {
    let mut ours = Table::default();
    for object in known.iter().flat_map(|graph| graph.objects()) {
        match object {
            Object::Placement(placement) => {
                ours.insert((&placement.place, &placement.name), ());
                ours.insert((&placement.place, &placement.nic), ());
            }
            Object::Linux(Linux::Veth(veth)) => {
                for (nic, end) in veth.nics.iter().zip(&veth.ends) {
                    ours.insert((&end.place, &end.name), ());
                    ours.insert((&end.place, &nic.name), ());
                }
            }
            _ => {}
        }
    }
    ours
}

/// Whether the kernel itself makes such an interface in a new network stack. Linux has no mark for those: it is the name together
/// with the kind, for a program can give the name to something else.
fn is_the_kernels(name: &str, seen: &ObservedInterface) -> bool {
    if seen.linux.is_none() {
        return OF_EVERY_VNET.contains(&name);
    }
    name == LOOPBACK || seen.cloner.as_deref().is_some_and(|kind| FALLBACKS.contains(&(name, kind)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ObservedLink;

    #[test]
    fn what_a_kernel_makes_by_itself_is_told_by_its_name_and_on_linux_by_its_kind_too() {
        let seen = |cloner: Option<&str>, linux: bool| ObservedInterface {
            index: 1,
            mac: None,
            mtu: 1500,
            description: String::new(),
            up: false,
            carrier: false,
            cloner: cloner.map(Name::from),
            addresses: std::collections::BTreeSet::new(),
            unusable: std::collections::BTreeSet::new(),
            linux: linux.then(|| Box::new(ObservedLink::default())),
        };
        assert!(is_the_kernels("lo", &seen(None, true)) && is_the_kernels("sit0", &seen(Some("sit"), true)));
        assert!(
            !is_the_kernels("sit0", &seen(Some("bridge"), true)) && !is_the_kernels("sit1", &seen(Some("sit"), true))
        );
        assert!(!is_the_kernels("lo0", &seen(Some("dummy"), true)));
        assert!(is_the_kernels("lo0", &seen(Some("lo"), false)) && is_the_kernels("enc0", &seen(Some("enc"), false)));
        assert!(!is_the_kernels("lo1", &seen(Some("lo"), false)) && !is_the_kernels("gre0", &seen(Some("gre"), false)));
    }
}
