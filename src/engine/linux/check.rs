//! What this engine cannot do of a model, and what it does otherwise than written, at the place in the file.

use std::collections::BTreeMap;

use super::features::{Answer, Feature};
use super::kernel::Knob;
use crate::diagnostic::{Diagnostic, Origin};
use crate::graph::linux::{Sending, translate};
use crate::model::{Delay, Link, Model, Mtu, Node, NodeId, NodeKind, RootFs, Shaping, SwitchDriver, Wire};

/// Findings of what is left out on Linux: a sysctl, a parameter of a jail.
pub const LEFT_OUT: [&str; 2] = ["L002", "L004"];

/// Ports that a bridge takes (net/bridge/br_private.h, BR_PORT_BITS): numbers 1 to 1,023.
const PORTS: usize = 1023;

/// The smallest MTU that IPv6 and Ethernet devices of Linux take (ETH_MIN_MTU).
const LEAST_MTU: u16 = 68;

/// Finds everything; without an error among them the engine can do it on the kernel that is asked for features.
#[must_use]
pub fn check(model: &Model, ask: &mut dyn FnMut(Feature) -> Answer) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    check_features(model, ask, &mut found);
    for node in &model.nodes {
        check_driver(node, &mut found);
        check_sysctls(node, &mut found);
        check_jail(node, &mut found);
        check_life(node, &mut found);
    }
    for link in &model.links {
        check_link(link, &mut found);
    }
    check_ports(model, &mut found);
    found
}

/// Where a model needs a feature first.
fn needs(model: &Model) -> impl Iterator<Item = (Feature, Origin)> {
    let switch = model.nodes.iter().find(|node| node.kind.is_layer2());
    let link = model.links.first();
    let mut addresses = model.nodes.iter().flat_map(|node| node.interfaces.values().flat_map(|own| &own.addresses));
    let v6 = addresses.find(|address| address.net.is_ipv6());
    let host = model.nodes.iter().find(|node| node.kind == NodeKind::SelfHost);
    let limits = |names: &'static [&'static str]| {
        let all = model.nodes.iter().flat_map(|node| &node.limits);
        all.filter(|(name, _)| names.contains(&name.as_str())).map(|(_, limit)| limit.origin).next()
    };
    let cpus = model.nodes.iter().find_map(|node| node.cpus.as_ref());
    let firewall = model.nodes.iter().find_map(|node| node.firewall.as_ref());
    let layered = model.nodes.iter().find(|node| matches!(node.rootfs.value, RootFs::Layered { .. }));
    let shaped = |has: fn(&Sending) -> bool| {
        let mut shapings = model.links.iter().flat_map(|link| link.shaping.iter().flatten());
        shapings.find(|shaping| has(&Sending::of(shaping, Mtu::ETHERNET))).map(|shaping| shaping.origin)
    };
    let needs = [
        limits(&["memoryuse", "swapuse"]).map(|origin| (Feature::MemoryGroups, origin)),
        limits(&["maxproc"]).map(|origin| (Feature::ProcessGroups, origin)),
        limits(&["pcpu"]).map(|origin| (Feature::ShareGroups, origin)),
        cpus.map(|cpus| (Feature::ProcessorGroups, cpus.origin)),
        layered.map(|node| (Feature::ReadOnlyRoots, node.rootfs.origin)),
        firewall.map(|firewall| (Feature::Nftables, firewall.origin)),
        host.map(|node| (Feature::OwnStack, node.name.origin)),
        shaped(|sending| sending.bottleneck.is_some()).map(|origin| (Feature::Tbf, origin)),
        shaped(|sending| sending.line.is_some()).map(|origin| (Feature::Netem, origin)),
        switch.map(|node| (Feature::Bridge, node.name.origin)),
        link.map(|link| (Feature::Veth, link.origin)),
        v6.map(|address| (Feature::Ipv6, address.origin)),
    ];
    needs.into_iter().flatten()
}

fn check_features(model: &Model, ask: &mut dyn FnMut(Feature) -> Answer, found: &mut Vec<Diagnostic>) {
    for (feature, origin) in needs(model) {
        if let Err(why) = ask(feature) {
            let (name, fact) = (feature.name(), feature.fact(Err(why.clone())));
            let finding =
                Diagnostic::error("L011", format!("this kernel has no {name}: {why}")).at(origin, "needed here");
            found.push(match fact.hint {
                Some(hint) => finding.help(hint),
                None => finding,
            });
        }
    }
}

fn check_driver(node: &Node, found: &mut Vec<Diagnostic>) {
    let what = match node.kind {
        NodeKind::Switch(SwitchDriver::IfBridge { .. }) => "if_bridge",
        NodeKind::Hub => "a hub",
        _ => return,
    };
    let how = if node.kind == NodeKind::Hub { "a bridge that remembers nobody" } else { "a bridge of Linux" };
    found.push(
        Diagnostic::warning("L001", format!("on linux `{}` is {how}", node.name))
            .at(node.name.origin, format!("{what} is FreeBSD's")),
    );
}

fn check_sysctls(node: &Node, found: &mut Vec<Diagnostic>) {
    for (name, value) in &node.sysctls {
        if translate(name).is_none() {
            found.push(
                Diagnostic::warning("L002", format!("sysctl `{name}` of `{}` is not on this engine", node.name))
                    .at(value.origin, "it has no form on Linux")
                    .help("forwarding, ttl and redirects are translated; Linux's own names go under `linux:`"),
            );
        }
    }
    for (name, value) in &node.linux_sysctls {
        let fits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if !name.starts_with("net.") || !name.split('.').all(fits) {
            found.push(
                Diagnostic::error("L003", format!("sysctl `{name}` of `{}` is not one of a network stack", node.name))
                    .at(value.origin, "it would change the whole machine")
                    .help("names begin with `net.` and are written with dots"),
            );
        }
    }
}

fn check_jail(node: &Node, found: &mut Vec<Diagnostic>) {
    if node.is_run_elsewhere() {
        found.push(
            Diagnostic::error("L010", format!("the linux engine cannot leave `{}` to another tool", node.name))
                .at(node.name.origin, "its jail is not persistent")
                .help("only jails of FreeBSD are attached to and detached from"),
        );
        return;
    }
    for (name, value) in &node.jail {
        found.push(
            Diagnostic::warning("L004", format!("jail parameter `{name}` of `{}` is not on this engine", node.name))
                .at(value.origin, "Linux has no jails"),
        );
    }
}

fn check_life(node: &Node, found: &mut Vec<Diagnostic>) {
    if let RootFs::Zfs(snapshot) = &node.rootfs.value {
        found.push(
            Diagnostic::error("L009", format!("the linux engine cannot clone `{snapshot}` for `{}`", node.name))
                .at(node.rootfs.origin, "clones of ZFS are made on FreeBSD")
                .help("`rootfs: { base: … }` does the same with copies of what a node may write to"),
        );
    }
    for (resource, limit) in &node.limits {
        if Knob::of(resource, &limit.action, limit.amount).is_none() {
            found.push(
                Diagnostic::error("L012", format!("the linux engine cannot {} `{resource}`", limit.action))
                    .at(limit.origin, format!("a limit of `{}` that only FreeBSD has", node.name))
                    .help("it limits `memoryuse`, `swapuse`, `maxproc` and `pcpu`, by `deny`"),
            );
        }
    }
}

fn check_link(link: &Link, found: &mut Vec<Diagnostic>) {
    if link.wire == Wire::Epair {
        found.push(
            Diagnostic::warning("L005", format!("on linux link `{}` is a veth pair", link.identity))
                .at(link.origin, "an epair is FreeBSD's"),
        );
    }
    if link.mtu.0 < LEAST_MTU {
        found.push(
            Diagnostic::error("L006", format!("a veth cannot have MTU {}", link.mtu))
                .at(link.origin, format!("Linux takes {LEAST_MTU} or more")),
        );
    }
    let [there, back] = &link.shaping;
    // One `tc` for both directions is told once.
    let back = back.as_ref().filter(|back| there.as_ref() != Some(*back));
    for shaping in there.iter().chain(back) {
        for (what, why, help) in not_shaped(shaping, link.mtu) {
            let message = format!("the linux engine cannot do `{what}` of link `{}`", link.identity);
            found.push(Diagnostic::error("L007", message).at(shaping.origin, why).help(help));
        }
    }
}

/// What Linux cannot do of a link's `tc`: the key, why, and what else could be written.
fn not_shaped(shaping: &Shaping, mtu: Mtu) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let Shaping { delay, jitter, reorder, one_error_in_bits, .. } = *shaping;
    let longest = u64::from(u32::MAX) * Sending::TICK;
    let too_long = |span: Option<Delay>| span.is_some_and(|span| span.0 > longest);
    let waits = delay.is_some_and(|delay| delay.0 > 0);
    let bottleneck = Sending::of(shaping, mtu).bottleneck;
    let too_slow = bottleneck.is_some_and(|bottleneck| {
        u64::from(bottleneck.burst) * 1_000_000_000 >= longest.saturating_mul(bottleneck.rate)
    });
    [
        (one_error_in_bits.is_some(), "ber", "netem counts wrong frames, not wrong bits", "use `corrupt`"),
        (too_long(delay), "delay", "it is more than 274 s", "write a shorter one"),
        (too_long(jitter), "jitter", "it is more than 274 s", "write a shorter one"),
        (jitter.is_some() && !waits, "jitter", "there is no `delay` that could vary", "add a `delay`"),
        (reorder.is_some() && !waits, "reorder", "without a `delay` no frame overtakes another", "add a `delay`"),
        (too_slow, "rate", "two frames would take more than 274 s", "write a higher one"),
    ]
    .into_iter()
    .filter(|(applies, ..)| *applies)
    .map(|(_, what, why, help)| (what, why, help))
}

fn check_ports(model: &Model, found: &mut Vec<Diagnostic>) {
    let mut ports: BTreeMap<NodeId, usize> = BTreeMap::new();
    for end in model.links.iter().flat_map(|link| &link.ends) {
        *ports.entry(end.node).or_default() += 1;
    }
    for (id, count) in ports {
        let node = model.node(id);
        if node.kind.is_layer2() && count > PORTS {
            found.push(
                Diagnostic::error(
                    "L008",
                    format!("`{}` has {count} ports, a bridge of Linux takes {PORTS}", node.name),
                )
                .at(node.name.origin, "too many links")
                .help("join two switches by a link"),
            );
        }
    }
}
