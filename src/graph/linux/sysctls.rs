//! Sysctls of FreeBSD's names as those of Linux that mean the same.

use std::collections::BTreeMap;

use super::LOOPBACK;
use crate::model::{Node, NodeKind};

/// What a FreeBSD sysctl is on Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translated {
    /// One name for the whole stack, the same values.
    Stack(&'static str),
    /// One for each interface: what stands before and after its name; 0 and 1 change places where `inverted`. `all` is set too where
    /// both must agree.
    Interfaces {
        /// `net.ipv4.conf.`
        before: &'static str,
        /// `.accept_redirects`
        after: &'static str,
        /// FreeBSD's name says what is not to be done.
        inverted: bool,
        /// `conf.all` counts too.
        all: bool,
    },
}

/// The Linux form of a FreeBSD sysctl; `None` if there is none.
#[must_use]
pub fn translate(name: &str) -> Option<Translated> {
    let interfaces = |before, after, inverted, all| Translated::Interfaces { before, after, inverted, all };
    Some(match name {
        "net.inet.ip.forwarding" => Translated::Stack("net.ipv4.ip_forward"),
        "net.inet6.ip6.forwarding" => Translated::Stack("net.ipv6.conf.all.forwarding"),
        "net.inet.ip.ttl" => Translated::Stack("net.ipv4.ip_default_ttl"),
        "net.inet6.ip6.hlim" => interfaces("net.ipv6.conf.", ".hop_limit", false, false),
        "net.inet.ip.redirect" => interfaces("net.ipv4.conf.", ".send_redirects", false, true),
        "net.inet.icmp.drop_redirect" => interfaces("net.ipv4.conf.", ".accept_redirects", true, true),
        "net.inet6.icmp6.rediraccept" => interfaces("net.ipv6.conf.", ".accept_redirects", false, false),
        _ => return None,
    })
}

/// Whether the interfaces of a node forward IPv4, unless the file's sysctls say it.
pub(super) fn forwards(node: &Node) -> Option<bool> {
    let own = node.linux_sysctls.keys().any(|name| {
        name == "net.ipv4.ip_forward" || (name.starts_with("net.ipv4.conf.") && name.ends_with(".forwarding"))
    });
    match node.kind {
        _ if own || node.sysctls.contains_key("net.inet.ip.forwarding") => None,
        NodeKind::Host => Some(false),
        NodeKind::Router => Some(true),
        _ => None,
    }
}

/// IPv6 forwarding of routers, the file's sysctls where they have a Linux form, then those that the file gives by Linux's names.
pub(super) fn of(node: &Node) -> BTreeMap<String, String> {
    let mut sysctls = BTreeMap::new();
    if node.kind == NodeKind::Router && super::has_ipv6(node) {
        sysctls.insert("net.ipv6.conf.all.forwarding".to_owned(), "1".to_owned());
    }
    for (name, value) in &node.sysctls {
        match translate(name) {
            Some(Translated::Stack(name)) => {
                sysctls.insert(name.to_owned(), value.value.clone());
            }
            Some(Translated::Interfaces { before, after, inverted, all }) => {
                let value = match (inverted, value.value.as_str()) {
                    (true, "0") => "1",
                    (true, "1") => "0",
                    (_, value) => value,
                };
                let own = node.interfaces.keys().map(|name| name.as_str());
                for interface in own.chain([LOOPBACK]).chain(all.then_some("all")) {
                    sysctls.insert(format!("{before}{interface}{after}"), value.to_owned());
                }
            }
            None => {}
        }
    }
    sysctls.extend(node.linux_sysctls.iter().map(|(name, value)| (name.clone(), value.value.clone())));
    sysctls
}

/// The interface that a sysctl is of, which must exist before it is set.
pub fn interface_of(name: &str) -> Option<&str> {
    let rest = ["net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.", "net.ipv6.neigh."]
        .iter()
        .find_map(|before| name.strip_prefix(before))?;
    rest.split('.').next().filter(|name| !matches!(*name, "all" | "default"))
}
