//! A lab as jail.conf(5) text, so that jail(8) runs nodes with our wiring.
//!
//! What is inside a node comes from the same graph of objects that a lab is made of; here it becomes the node's own `exec.start`.
//! The text goes through two readers: jail(8) reads strings, and sh(1) reads the commands in some of them.

use std::fmt::Write as _;

use crate::graph::life::{MOUNT_DEVFS, is_no};
use crate::graph::{self, Graph, GraphError, Jail, Numbering, Object, Place, Placement};
use crate::model::{Model, Node, System};
use crate::plan::quoted;

/// Why a lab cannot be written as jail.conf(5).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Our own fault: the same graph could not be made into a lab.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// jail.conf(5) text of a lab: its jail and those of its nodes. `program` is how the hooks call us: the program's path and
/// the options that lead to the lab.
///
/// # Errors
/// A model that makes no graph.
pub fn jail_conf(model: &Model, program: &[String]) -> Result<String, ExportError> {
    let whole = run_by_us(model);
    let graph = graph::build(&whole, &mut Numbering::default())?;
    let mut text = String::new();
    let lab = &model.lab;
    let call: Vec<String> = program.iter().map(|word| quoted(word)).collect();
    line(
        &mut text,
        &format!("# Lab {lab} for jail(8). Its jail and its wiring are made by `cellblock up`, beforehand."),
    );
    line(&mut text, &format!("$cellblock = {};", string(&call.join(" "))));
    for object in graph.in_order() {
        let Object::Jail(jail) = object else { continue };
        text.push('\n');
        match &jail.place {
            Place::Host => {}
            Place::Lab => parent(&mut text, lab.as_str(), jail),
            Place::Node(name) => {
                if let Some(node) = model.find(name.as_str()).map(|id| model.node(id)) {
                    child(&mut text, &graph, node, jail);
                }
            }
        }
    }
    Ok(text)
}

/// The same lab with every node run by us: what we would do for it is what jail(8) is to do.
fn run_by_us(model: &Model) -> Model {
    let mut model = model.clone();
    for node in model.nodes.iter_mut().filter(|node| node.is_run_elsewhere()) {
        node.jail.remove("persist");
    }
    model
}

/// The lab jail: known to jail(8) because its children need it, and because what it is about is good to know; but it bears a mark
/// that only we can give it, and goes with everything inside.
fn parent(text: &mut String, lab: &str, jail: &Jail) {
    line(text, &format!("{lab} {{"));
    common(text, lab, jail);
    setting(text, "exec.prestart", &refuse(&format!("lab {lab} is not up: cellblock up makes it")));
    setting(text, "exec.prestop", &refuse(&format!("lab {lab} goes by: cellblock down {lab}")));
    line(text, "}");
}

fn child(text: &mut String, graph: &Graph, node: &Node, jail: &Jail) {
    let name = node.name.as_str();
    let place = &jail.place;
    let lab = graph.lab.as_str();
    line(text, &format!("{lab}.{name} {{"));
    if !node.is_run_elsewhere() {
        line(text, "\t# The lab runs this node itself until the file says `jail: { persist: false }` for it.");
    }
    common(text, name, jail);
    if node.jail.get(MOUNT_DEVFS).is_some_and(|value| !is_no(&value.value)) {
        line(text, "\tmount.devfs;");
    }
    let placements: Vec<&Placement> = graph
        .in_order()
        .filter_map(|object| match object {
            Object::Placement(placement) if placement.place == *place => Some(placement),
            _ => None,
        })
        .collect();
    if !placements.is_empty() {
        let nics: Vec<String> = placements.iter().map(|placement| string(&placement.nic)).collect();
        line(text, &format!("\tvnet.interface = {};", nics.join(", ")));
        line(text, &format!("\texec.prestart = {};", hook("attach", name, lab)));
    }
    let own = node.exec.iter().filter(|exec| exec.is_for(System::FreeBsd));
    let own = own.map(|exec| exec.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
    let commands: Vec<String> = graph.in_order().filter_map(|object| inside(object, place)).chain(own).collect();
    list(text, "exec.start", &commands);
    let back = |placement: &&Placement| format!("/sbin/ifconfig {} name {} || :", placement.name, placement.nic);
    let back: Vec<String> = placements.iter().map(back).collect();
    list(text, "exec.stop", &back);
    if !node.is_run_elsewhere() {
        // jail(8) stops the children of a jail before it asks whether that one may be stopped.
        setting(text, "exec.prestop", &refuse(&format!("node {name} is run by the lab {lab} itself")));
    }
    if !placements.is_empty() {
        line(text, &format!("\texec.poststop = {};", hook("detach", name, lab)));
    }
    line(text, "}");
}

/// What every jail of ours has, and the parameters of this one.
fn common(text: &mut String, name: &str, jail: &Jail) {
    for (parameter, value) in [("path", "/"), ("host.hostname", name)] {
        if !jail.parameters.contains_key(parameter) {
            setting(text, parameter, value);
        }
    }
    line(text, "\tvnet;");
    line(text, "\tpersist;");
    for (parameter, value) in &jail.parameters {
        match value.as_str() {
            "true" => line(text, &format!("\t{};", word(parameter))),
            value => setting(text, parameter, value),
        }
    }
}

/// A command that tells why something is not to be done, and fails, so that jail(8) does not do it.
fn refuse(why: &str) -> String {
    format!("echo {} >&2; exit 1", quoted(why))
}

/// A call of ours by jail(8): `$cellblock` is replaced inside double quotes; names of nodes and labs are plain words.
fn hook(verb: &str, node: &str, lab: &str) -> String {
    format!("\"$cellblock {verb} {node}@{lab}\"")
}

/// The command that makes an object of a node, given by the base system inside.
fn inside(object: &Object, place: &Place) -> Option<String> {
    let family = |v4: bool| if v4 { "inet" } else { "inet6" };
    Some(match object {
        Object::Placement(of) if of.place == *place => format!("/sbin/ifconfig {} name {}", of.nic, of.name),
        Object::Sysctl(of) if of.place == *place => {
            format!("/sbin/sysctl {}", quoted(&format!("{}={}", of.name, of.value)))
        }
        Object::Address(of) if of.place == *place => {
            format!("/sbin/ifconfig {} {} {} alias", of.interface, family(of.net.is_ipv4()), of.net)
        }
        Object::Up(of) if of.place == *place => format!("/sbin/ifconfig {} up", of.interface),
        Object::Route(of) if of.place == *place => {
            let to = if of.to.prefix() == 0 { "default".to_owned() } else { format!("-net {}", of.to) };
            format!("/sbin/route add -{} {to} {}", family(of.to.is_ipv4()), of.via)
        }
        _ => return None,
    })
}

fn setting(text: &mut String, name: &str, value: &str) {
    line(text, &format!("\t{} = {};", word(name), string(value)));
}

fn list(text: &mut String, name: &str, values: &[String]) {
    for (place, value) in values.iter().enumerate() {
        let sign = if place == 0 { "=" } else { "+=" };
        line(text, &format!("\t{name} {sign} {};", string(value)));
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The name of a parameter: as it is where jail(8) takes it for one word, else as a string.
fn word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if !name.is_empty() && name.chars().all(plain) { name.to_owned() } else { string(name) }
}

/// A string of jail.conf(5). Double quotes where nothing in it means anything to jail(8); else single quotes, inside of which no
/// variable is replaced and a backslash takes the next character as it is.
fn string(value: &str) -> String {
    if !value.chars().any(|c| c.is_control() || "\"\\$".contains(c)) {
        return format!("\"{value}\"");
    }
    let mut text = String::from("'");
    for c in value.chars() {
        match c {
            '\'' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            c if c.is_ascii_control() => {
                // Writing to a string does not fail.
                let _ = write!(text, "\\{:03o}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_reach_jail_8_as_they_are() {
        for (value, written) in [
            ("/", r#""/""#),
            ("it's", r#""it's""#),
            ("$HOME", "'$HOME'"),
            (r#"a"b"#, r#"'a"b'"#),
            (r"a\b'c", r"'a\\b\'c'"),
            ("two\nlines\u{1}", r"'two\nlines\001'"),
        ] {
            assert_eq!(string(value), written);
        }
        assert_eq!(word("allow.raw_sockets"), "allow.raw_sockets");
        assert_eq!(word("a; b {"), r#""a; b {""#);
    }
}
