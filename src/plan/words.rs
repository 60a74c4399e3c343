//! Objects and their attributes in words.

use std::collections::BTreeMap;

use super::{linux, shaped};
use crate::graph::{Graph, Linux, Mounted, NetgraphKind, Nic, Object, PipeDirection, PipeSettings, Place};
use crate::model::{Bandwidth, Delay};

/// Kind and name of an object of `graph`.
pub(super) fn describe(graph: &Graph, object: &Object) -> (&'static str, String) {
    match object {
        Object::Jail(jail) => ("jail", jail_name(graph.lab.as_str(), &jail.place).unwrap_or_default()),
        Object::Netgraph(node) => match &node.kind {
            NetgraphKind::Bridge => ("ng_bridge", node.name.to_string()),
            NetgraphKind::Hub => ("ng_hub", node.name.to_string()),
            NetgraphKind::Pipe => ("ng_pipe", node.name.to_string()),
            NetgraphKind::Stray(kind) => ("netgraph node", format!("{} of type {kind}", node.name)),
        },
        Object::Eiface(eiface) => ("eiface", eiface.nic.of().to_owned()),
        Object::Epair(epair) => ("epair", format!("{} and {}", epair.ends[0].of(), epair.ends[1].of())),
        Object::IfBridge(bridge) => ("if_bridge", bridge.nic.of().to_owned()),
        Object::Hooks(hooks) => ("hooks", format!("{} - {}", hooks.ends[0], hooks.ends[1])),
        Object::Shape(shape) => ("shape", shape.pipe.to_string()),
        Object::Placement(placement) => ("placement", format!("{} in {}", placement.name, placement.place)),
        Object::Member(member) => {
            ("member", format!("{} of {}", nic_of(graph, &member.member), nic_of(graph, &member.bridge)))
        }
        Object::Sysctl(sysctl) => ("sysctl", sysctl.name.to_string()),
        Object::Address(address) => ("address", format!("{} on {}", address.net, address.interface)),
        Object::Up(up) => ("up", up.interface.to_string()),
        Object::Route(route) => ("route", destination(route.to)),
        Object::Folder(folder) => ("folder", folder.path.to_string()),
        Object::Clone(clone) => ("clone", clone.dataset.to_string()),
        Object::Ruleset(ruleset) => ("devfs ruleset", ruleset.number.to_string()),
        Object::Mount(mount) => ("mount", mount.at.to_string()),
        Object::Limit(limit) => ("limit", format!("{} {}", limit.resource, limit.action)),
        Object::Cpus(cpus) => ("cpus", cpus.set.to_string()),
        Object::Linux(Linux::Shaped(shaped)) => ("tc", link_of(graph, &shaped.nic)),
        Object::Linux(object) => (linux::kind(object), linux::name(graph.lab.as_str(), object)),
    }
}

/// What a mount shows.
pub(super) fn mounted(what: &Mounted) -> String {
    match what {
        Mounted::Folder { from, read_only: true } => format!("{from} (read-only)"),
        Mounted::Folder { from, read_only: false } => from.to_string(),
        Mounted::Devices { ruleset } => format!("devfs, ruleset {ruleset}"),
    }
}

/// What an interface of the lab jail is to the author.
fn nic_of<'g>(graph: &'g Graph, name: &'g str) -> &'g str {
    let nics = graph.maker(name).into_iter().flat_map(Object::nics);
    nics.into_iter().find(|nic| &*nic.name == name).map_or(name, Nic::of)
}

/// What the pair that an interface is an end of is to the author.
fn link_of(graph: &Graph, name: &str) -> String {
    let ends: Vec<&str> = graph.maker(name).into_iter().flat_map(Object::nics).map(Nic::of).collect();
    if ends.is_empty() { name.to_owned() } else { ends.join(" and ") }
}

/// `default` or the prefix.
pub(super) fn destination(to: ipnetwork::IpNetwork) -> String {
    if to.prefix() == 0 {
        if to.is_ipv4() { "default".to_owned() } else { "default (v6)".to_owned() }
    } else {
        to.to_string()
    }
}

/// What there is to say of an object that is made.
pub(super) fn attributes(object: &Object) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut say = |name: &str, value: String| found.push((name.to_owned(), value));
    match object {
        Object::Jail(jail) => jail.parameters.iter().for_each(|(name, value)| say(name, value.clone())),
        Object::Shape(shape) => found.extend(pipe(&shape.settings)),
        Object::Eiface(eiface) => {
            say("node", eiface.node.to_string());
            nic("", &eiface.nic, say);
        }
        Object::Epair(epair) => {
            nic("a ", &epair.ends[0], &mut say);
            nic("b ", &epair.ends[1], &mut say);
        }
        Object::IfBridge(bridge) => nic("", &bridge.nic, say),
        Object::Placement(placement) => say("from", placement.nic.to_string()),
        Object::Member(member) => {
            if member.stp {
                say("stp", "true".to_owned());
            }
        }
        Object::Sysctl(sysctl) => say("value", sysctl.value.clone()),
        Object::Route(route) => say("via", route.via.to_string()),
        Object::Folder(folder) => folder.copy_of.iter().for_each(|from| say("copy of", from.to_string())),
        Object::Clone(clone) => {
            say("snapshot", clone.of.to_string());
            say("mountpoint", clone.at.to_string());
        }
        Object::Mount(mount) => say("of", mounted(&mount.what)),
        Object::Limit(limit) => say("amount", limit.amount.to_string()),
        Object::Netgraph(_)
        | Object::Hooks(_)
        | Object::Address(_)
        | Object::Up(_)
        | Object::Ruleset(_)
        | Object::Cpus(_) => {}
        Object::Linux(Linux::Namespace(_)) => {}
        Object::Linux(Linux::Rules(rules)) => {
            say("nft", rules.file.to_string());
            say("rules", rules.digest());
        }
        Object::Linux(Linux::Root(root)) => linux::root(root).into_iter().for_each(|(name, value)| {
            if !value.is_empty() {
                say(name, value);
            }
        }),
        Object::Linux(Linux::Shaped(shaped)) => found.extend(shaped::attributes(shaped)),
        Object::Linux(Linux::Veth(veth)) => {
            nic("a ", &veth.nics[0], &mut say);
            nic("b ", &veth.nics[1], &mut say);
        }
        Object::Linux(Linux::Bridge(bridge)) => {
            nic("", &bridge.nic, &mut say);
            if bridge.settings.stp {
                say("stp", "yes".to_owned());
            }
            if !bridge.settings.learning {
                say("learning", "no".to_owned());
            }
        }
    }
    found
}

fn nic(prefix: &str, nic: &Nic, mut say: impl FnMut(&str, String)) {
    say(&format!("{prefix}mac"), nic.mac.to_string());
    say(&format!("{prefix}mtu"), nic.mtu.to_string());
}

/// An ng_pipe's settings that are on.
pub(super) fn pipe(settings: &PipeSettings) -> BTreeMap<String, String> {
    let mut words = BTreeMap::new();
    if settings.delay > 0 {
        words.insert("delay".to_owned(), Delay(settings.delay * 1000).to_string());
    }
    for (name, direction) in [("a2b", &settings.downstream), ("b2a", &settings.upstream)] {
        let PipeDirection { bandwidth, one_error_in_bits, queue, duplicate } = *direction;
        if bandwidth > 0 {
            words.insert(format!("{name} rate"), Bandwidth(bandwidth).to_string());
        }
        if one_error_in_bits > 0 {
            words.insert(format!("{name} ber"), format!("1 in {one_error_in_bits}"));
        }
        if queue > 0 {
            words.insert(format!("{name} queue"), queue.to_string());
        }
        if duplicate > 0 {
            words.insert(format!("{name} duplicate"), format!("{duplicate} %"));
        }
    }
    words
}

/// The jail of a place, as jail(8) calls it; the host has none.
pub(super) fn jail_name(lab: &str, place: &Place) -> Option<String> {
    match place {
        Place::Host => None,
        Place::Lab => Some(lab.to_owned()),
        Place::Node(node) => Some(format!("{lab}.{node}")),
    }
}

/// A word as sh(1) takes it.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_never_reach_a_shell_unquoted() {
        assert_eq!(quoted("10.0.0.1/24"), "10.0.0.1/24");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("$(rm -rf /)'"), "'$(rm -rf /)'\\'''");
        assert_eq!(quoted(""), "''");
    }
}
