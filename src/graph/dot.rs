//! Pictures: what the author wrote as DOT and Mermaid, and the kernel objects as DOT.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Graph, Linux, Numbering, Object, ObjectId, Place, build};
use crate::model::{Endpoint, Link, Model, Node, NodeKind, SwitchDriver};

/// What the author wrote, as a Graphviz graph.
#[must_use]
pub fn topology_dot(model: &Model) -> String {
    let mut text = format!("graph {} {{\n", dot(model.lab.as_str()));
    text.push_str("  node [fontname=\"sans-serif\"];\n");
    for node in &model.nodes {
        let name = dot(node.name.as_str());
        let shape = match node.kind {
            NodeKind::Host => "box",
            NodeKind::Router => "ellipse",
            NodeKind::Switch(_) => "hexagon",
            NodeKind::Hub => "triangle",
            NodeKind::SelfHost => "house",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name} [shape={shape}];");
    }
    for link in &model.links {
        let [a, b] = &link.ends;
        let (from, to) = (dot(name_of(model, a)), dot(name_of(model, b)));
        let mut attributes: Vec<String> = Vec::new();
        for (key, end) in [("taillabel", a), ("headlabel", b)] {
            if let Some(interface) = &end.interface {
                attributes.push(format!("{key}={}", dot(interface.as_str())));
            }
        }
        if let Some(label) = link_label(model, link) {
            attributes.push(format!("label={}", dot(&label)));
        }
        let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        let _ = writeln!(text, "  {from} -- {to}{attributes};");
    }
    text.push_str("}\n");
    text
}

/// What the author wrote, as a Mermaid flowchart.
#[must_use]
pub fn topology_mermaid(model: &Model) -> String {
    let mut text = String::from("flowchart LR\n");
    for (index, node) in model.nodes.iter().enumerate() {
        let label = mermaid(node.name.as_str());
        let shape = match node.kind {
            NodeKind::Host => format!("[\"{label}\"]"),
            NodeKind::Router => format!("([\"{label}\"])"),
            NodeKind::Switch(_) => format!("{{{{\"{label}\"}}}}"),
            NodeKind::Hub => format!("[/\"{label}\"\\]"),
            NodeKind::SelfHost => format!("[[\"{label}\"]]"),
        };
        let _ = writeln!(text, "  n{index}{shape}");
    }
    for link in &model.links {
        let [a, b] = &link.ends;
        let ends: Vec<&str> =
            link.ends.iter().filter_map(|end| end.interface.as_ref().map(|name| name.as_str())).collect();
        let label = link_label(model, link).into_iter().chain([ends.join(" - ")]).filter(|part| !part.is_empty());
        let label = label.map(|part| mermaid(&part)).collect::<Vec<_>>().join(", ");
        let label = if label.is_empty() { String::new() } else { format!("|\"{label}\"|") };
        let _ = writeln!(text, "  n{} ---{label} n{}", a.node.0, b.node.0);
    }
    text
}

/// The kernel objects with their hooks, as a Graphviz digraph; the graph's own objection in a comment if it cannot be built.
#[must_use]
pub fn objects_dot(model: &Model) -> String {
    match build(model, &mut Numbering::default()) {
        Ok(graph) => objects(&graph),
        Err(error) => format!("// {error}\n"),
    }
}

fn objects(graph: &Graph) -> String {
    let mut text = format!("digraph {} {{\n", dot(graph.lab.as_str()));
    text.push_str("  rankdir=LR;\n  node [fontname=\"monospace\", shape=record];\n");
    let names: BTreeMap<ObjectId, usize> = graph.in_order().enumerate().map(|(at, object)| (object.id(), at)).collect();
    for (at, object) in graph.in_order().enumerate() {
        let Some(label) = label(object) else { continue };
        let _ = writeln!(text, "  o{at} [label={}];", dot(&label));
    }
    for (at, object) in graph.in_order().enumerate() {
        if let Object::Hooks(hooks) = object {
            let number = |node: &super::Name| names.get(&ObjectId::Netgraph(node.clone())).copied();
            if let [Some(a), Some(b)] = hooks.ends.each_ref().map(|end| number(&end.node)) {
                let (tail, head) = (dot(&hooks.ends[0].hook), dot(&hooks.ends[1].hook));
                let _ = writeln!(text, "  o{a} -> o{b} [dir=none, style=bold, taillabel={tail}, headlabel={head}];");
            }
            continue;
        }
        if label(object).is_none() {
            continue;
        }
        for needed in graph.needs(&object.id()) {
            if let Some(from) = names.get(&needed.id()) {
                let _ = writeln!(text, "  o{from} -> o{at};");
            }
        }
    }
    text.push_str("}\n");
    text
}

/// What stands in an object's box; a pair of hooks is a line, not a box.
fn label(object: &Object) -> Option<String> {
    let at = |place: &Place, name: &str| format!("{name} in {place}");
    Some(match object {
        Object::Jail(jail) => format!("jail\n{}", jail.place),
        Object::Netgraph(node) => format!("ng_{}\n{}", node.kind.type_name(), node.name),
        Object::Eiface(eiface) => format!("eiface {}\n{} {}", eiface.node, eiface.nic.name, eiface.nic.mac),
        Object::Epair(epair) => format!("epair\n{} {}", epair.ends[0].name, epair.ends[1].name),
        Object::IfBridge(bridge) => format!("if_bridge\n{}", bridge.nic.name),
        Object::Hooks(_) | Object::Shape(_) | Object::Linux(Linux::Shaped(_)) => return None,
        Object::Placement(placement) => at(&placement.place, &placement.name),
        Object::Member(member) => format!("member\n{} of {}", member.member, member.bridge),
        Object::Sysctl(sysctl) => format!("{}={}", sysctl.name, sysctl.value),
        Object::Address(address) => address.net.to_string(),
        Object::Up(up) => format!("up\n{}", at(&up.place, &up.interface)),
        Object::Route(route) => format!("{} via {}", route.to, route.via),
        Object::Folder(folder) => format!("folder\n{}", folder.path),
        Object::Clone(clone) => format!("clone\n{}", clone.dataset),
        Object::Ruleset(ruleset) => format!("devfs ruleset\n{}", ruleset.number),
        Object::Mount(mount) => format!("mount\n{}", mount.at),
        Object::Limit(limit) => format!("{} {}={}", limit.resource, limit.action, limit.amount),
        Object::Cpus(cpus) => format!("processors {}", cpus.set),
        Object::Linux(Linux::Namespace(namespace)) => format!("namespace\n{}", namespace.place),
        Object::Linux(Linux::Veth(veth)) => format!("veth\n{} {}", veth.nics[0].of(), veth.nics[1].of()),
        Object::Linux(Linux::Bridge(bridge)) => format!("bridge\n{}", bridge.nic.of()),
        Object::Linux(Linux::Rules(rules)) => format!("nft\n{}", rules.file),
        Object::Linux(Linux::Root(root)) => format!("root\n{}", root.base),
    })
}

fn name_of<'m>(model: &'m Model, end: &Endpoint) -> &'m str {
    let node: &Node = model.node(end.node);
    node.name.as_str()
}

/// What is special about a link.
fn link_label(model: &Model, link: &Link) -> Option<String> {
    let shaped = super::is_shaped(link).then(|| {
        let found = link.shaping.iter().flatten().next()?;
        let parts = [found.rate.map(|rate| rate.to_string()), found.delay.map(|delay| delay.to_string())];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    });
    let bridged = link
        .ends
        .iter()
        .any(|end| matches!(model.node(end.node).kind, NodeKind::Switch(SwitchDriver::IfBridge { stp: true })));
    let stp = bridged.then(|| "stp".to_owned());
    shaped.flatten().filter(|text| !text.is_empty()).or(stp)
}

/// A quoted DOT identifier.
fn dot(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Text inside a quoted Mermaid label.
fn mermaid(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
