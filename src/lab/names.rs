//! Which kernel name is which of the author's.

use super::types::NameRow;
use crate::engine::jail_name;
use crate::graph::linux::{End, Veth};
use crate::graph::{Graph, Linux, Nic, Object, ObjectId, Owner, Place};
use crate::model::LabName;

/// Jails, interfaces and netgraph nodes of a lab.
pub(super) fn rows(lab: &LabName, graph: &Graph) -> Vec<NameRow> {
    let jail = |place: &Place| jail_name(lab.as_str(), place).unwrap_or_else(|| "-".to_owned());
    let mut rows = Vec::new();
    for object in graph.in_order() {
        let author = match graph.owner(&object.id()) {
            Some(Owner::Node(name) | Owner::Link(name)) => name.to_string(),
            Some(Owner::Lab) | None => lab.to_string(),
        };
        match object {
            Object::Jail(found) => {
                rows.push(NameRow { kind: "jail", author, kernel: jail(&found.place), place: "-".to_owned() })
            }
            Object::Linux(Linux::Namespace(found)) => {
                rows.push(NameRow { kind: "namespace", author, kernel: jail(&found.place), place: "-".to_owned() })
            }
            Object::Netgraph(node) => {
                rows.push(NameRow { kind: "netgraph", author, kernel: node.name.to_string(), place: jail(&Place::Lab) })
            }
            _ => {}
        }
        if let Object::Eiface(eiface) = object {
            rows.push(NameRow {
                kind: "netgraph",
                author: eiface.nic.of().to_owned(),
                kernel: eiface.node.to_string(),
                place: jail(&Place::Lab),
            });
        }
        for nic in object.nics() {
            let (kernel, place) = match graph.get(&ObjectId::Placement(nic.name.clone())) {
                Some(Object::Placement(placement)) => (placement.name.to_string(), jail(&placement.place)),
                _ => match object {
                    Object::Linux(Linux::Veth(veth)) => end_of(veth, nic).map_or_else(
                        || (nic.name.to_string(), jail(&Place::Lab)),
                        |end| (end.name.to_string(), jail(&end.place)),
                    ),
                    _ => (nic.name.to_string(), jail(&Place::Lab)),
                },
            };
            rows.push(NameRow { kind: "interface", author: nic.of().to_owned(), kernel, place });
        }
    }
    rows
}

/// The end of a veth pair that an interface is.
fn end_of<'v>(veth: &'v Veth, nic: &Nic) -> Option<&'v End> {
    veth.nics.iter().position(|own| own.name == nic.name).map(|at| &veth.ends[at])
}
