//! What this engine cannot do of a model, said before the first step and at the place in the file.

use std::collections::BTreeMap;

use crate::diagnostic::{At, Diagnostic};
use crate::graph::is_shaped;
use crate::graph::life::{MOUNT_DEVFS, has_devices, is_no};
use crate::model::{Endpoint, Link, Model, Node, NodeKind, RootFs, Shaping, SwitchDriver, Wire};

/// ng_eiface's largest MTU (`sys/netgraph/ng_eiface.c:171`).
const EIFACE_MTU: u16 = 9018;

/// Interface indexes are 16 bits for the whole host, every lo0 counted (`sys/net/if.c:570`).
const INTERFACES: usize = 60_000;

/// Finds everything; an empty list means that the engine can do it.
#[must_use]
pub fn check(model: &Model) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for link in &model.links {
        check_shaping(link, &mut found);
        check_wire(model, link, &mut found);
        check_mtu(link, &mut found);
        check_lent(model, link, &mut found);
    }
    check_roots(model, &mut found);
    check_elsewhere(model, &mut found);
    check_count(model, &mut found);
    for (node, firewall) in model.nodes.iter().filter_map(|node| Some((node, node.firewall.as_ref()?))) {
        found.push(
            Diagnostic::error(
                "E012",
                format!("the freebsd engine cannot load `{}` for `{}`", firewall.file, node.name),
            )
            .at(firewall.origin, "rules of nft are for Linux")
            .help("leave `firewall` out here"),
        );
    }
    found
}

fn check_shaping(link: &Link, found: &mut Vec<Diagnostic>) {
    for shaping in link.shaping.iter().flatten() {
        let mut refuse = |what: &str, why: &str| {
            found.push(
                Diagnostic::error("E001", format!("the freebsd engine cannot do `{what}` on link `{}`", link.identity))
                    .at(shaping.origin, why)
                    .help("ng_pipe does rate, delay, duplicate, ber and queue"),
            );
        };
        let Shaping { jitter, loss, corrupt, reorder, .. } = shaping.value;
        for (name, set) in [("jitter", jitter.is_some()), ("loss", loss.is_some())]
            .into_iter()
            .chain([("corrupt", corrupt.is_some()), ("reorder", reorder.is_some())])
        {
            if set {
                refuse(name, "ng_pipe has no such setting");
            }
        }
        check_ranges(shaping, refuse);
    }
    let delays = [0, 1].map(|direction: usize| link.shaping[direction].as_ref().and_then(|shaping| shaping.delay));
    if delays[0] != delays[1] {
        let at = link.shaping.iter().flatten().find(|shaping| shaping.delay.is_some());
        found.push(
            Diagnostic::error(
                "E002",
                format!("the freebsd engine delays both directions of link `{}` alike", link.identity),
            )
            .at(at.map_or(link.origin, |shaping| shaping.origin), "an ng_pipe has one delay for both directions")
            .help("write `delay` for the whole link"),
        );
    }
}

fn check_ranges(shaping: &At<Shaping>, mut refuse: impl FnMut(&str, &str)) {
    let Shaping { rate, delay, duplicate, one_error_in_bits, queue, .. } = shaping.value;
    if rate.is_some_and(|rate| !(100..=1_000_000_000).contains(&rate.0)) {
        refuse("rate", "ng_pipe takes 100 bit/s to 1 Gbit/s and ignores the rest");
    }
    if delay.is_some_and(|delay| delay.0 >= 10_000_000_000) {
        refuse("delay", "ng_pipe takes less than 10 s and ignores the rest");
    }
    if delay.is_some_and(|delay| delay.0 % 1000 != 0) {
        refuse("delay", "ng_pipe counts in whole microseconds");
    }
    if duplicate.is_some_and(|share| share.0 > 500_000 || share.0 % 10_000 != 0) {
        refuse("duplicate", "ng_pipe takes whole percents up to 50");
    }
    if one_error_in_bits.is_some_and(|bits| !(1..=1_000_000_000_000).contains(&bits)) {
        refuse("ber", "ng_pipe takes one error in 1 to 10^12 bits");
    }
    if queue.is_some_and(|queue| queue < 5) {
        refuse("queue", "ng_pipe keeps at least 5 packets");
    }
}

fn check_wire(model: &Model, link: &Link, found: &mut Vec<Diagnostic>) {
    if link.wire != Wire::Epair {
        return;
    }
    let meets_netgraph = link
        .ends
        .iter()
        .map(|end| model.node(end.node))
        .find(|node| matches!(node.kind, NodeKind::Hub | NodeKind::Switch(SwitchDriver::Netgraph)));
    if let Some(node) = meets_netgraph {
        found.push(
            Diagnostic::error("E003", format!("an epair cannot end at `{}`, which is made of netgraph", node.name))
                .at(link.origin, "type: epair")
                .help("give the switch `driver: if_bridge`, or leave `type` out: ng_ether would attach to every NIC of the host"),
        );
    } else if is_shaped(link) {
        found.push(
            Diagnostic::error("E004", format!("the epair `{}` cannot be shaped", link.identity))
                .at(link.origin, "`tc` needs an ng_pipe between the ends")
                .help("leave `type` out"),
        );
    }
}

fn check_mtu(link: &Link, found: &mut Vec<Diagnostic>) {
    if link.wire != Wire::Epair && link.mtu.0 > EIFACE_MTU {
        found.push(
            Diagnostic::error("E005", format!("an eiface cannot have MTU {}", link.mtu))
                .at(link.origin, format!("ng_eiface takes at most {EIFACE_MTU}"))
                .help("`type: epair` takes any MTU"),
        );
    }
}

/// Devices are mounted over a directory, which must be the node's alone.
fn check_roots(model: &Model, found: &mut Vec<Diagnostic>) {
    let mut with_devices: BTreeMap<&str, &Node> = BTreeMap::new();
    for node in &model.nodes {
        if let (Some(path), false) = (node.jail.get("path"), node.rootfs.is_host()) {
            found.push(
                Diagnostic::error("E007", format!("node `{}` has two roots", node.name))
                    .at(path.origin, "`path` of jail(8)")
                    .at(node.rootfs.origin, "and `rootfs`")
                    .help("leave one of them out; `rootfs` says more"),
            );
        }
        let devices = node.jail.get(MOUNT_DEVFS);
        if let Some(devices) = devices.filter(|value| node.rootfs.is_host() && !is_no(value)) {
            found.push(
                Diagnostic::error("E008", format!("node `{}` would mount devices over the host's own", node.name))
                    .at(devices.origin, "it shares the host's files, /dev among them")
                    .help("`mount.devfs` needs a `rootfs` that is not the host's"),
            );
        }
        if let RootFs::Folder(folder) = &node.rootfs.value
            && has_devices(node)
            && let Some(other) = with_devices.insert(folder.as_str(), node)
        {
            let message =
                format!("nodes `{}` and `{}` would both mount devices on `{folder}/dev`", other.name, node.name);
            found.push(
                Diagnostic::error("E009", message)
                    .at(node.rootfs.origin, "the second one")
                    .at(other.rootfs.origin, "the first one")
                    .help("`rootfs: { base: … }` lets nodes share a directory and have devices of their own"),
            );
        }
    }
}

/// Of an epair one end tells that the other exists; with both of them away nobody would.
fn check_lent(model: &Model, link: &Link, found: &mut Vec<Diagnostic>) {
    let elsewhere = |end: &Endpoint| model.node(end.node).is_run_elsewhere();
    if link.wire == Wire::Epair && link.ends.iter().all(elsewhere) {
        found.push(
            Diagnostic::error("E010", format!("both ends of the epair `{}` go to jails of other tools", link.identity))
                .at(link.origin, "nothing of it would be left in the lab to know it by")
                .help("leave `type` out: a netgraph node stays in the lab whoever has its interface"),
        );
    }
}

/// What is only done while a jail is made cannot be done for a jail that somebody else makes.
fn check_elsewhere(model: &Model, found: &mut Vec<Diagnostic>) {
    for node in model.nodes.iter().filter(|node| node.is_run_elsewhere()) {
        let made = matches!(node.rootfs.value, RootFs::Layered { .. } | RootFs::Zfs(_)).then_some(node.rootfs.origin);
        let ours = [("rootfs", made), ("cpus", node.cpus.as_ref().map(|cpus| cpus.origin))];
        let limits = node.limits.values().map(|limit| ("limits", Some(limit.origin)));
        for (key, origin) in ours.into_iter().chain(limits) {
            let Some(origin) = origin else { continue };
            found.push(
                Diagnostic::error("E011", format!("`{key}` of node `{}` is for the tool that runs it", node.name))
                    .at(origin, "the lab makes no jail for it")
                    .help("leave it out here and say it there; a `rootfs` that is a path may stay"),
            );
        }
    }
}

/// Every end of a link is an interface at most once, every jail has its lo0.
fn check_count(model: &Model, found: &mut Vec<Diagnostic>) {
    let ends = model.links.len() * 2;
    let jails = model.nodes.iter().filter(|node| !node.kind.is_layer2()).count() + 1;
    if ends + jails > INTERFACES {
        found.push(
            Diagnostic::error(
                "E006",
                format!("the lab needs up to {} interfaces, a host has {INTERFACES}", ends + jails),
            )
            .help("interface numbers of a FreeBSD kernel are 16 bits wide, for all jails together"),
        );
    }
}
