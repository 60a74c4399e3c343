//! Steps that only a Linux kernel takes, their inverses, and what they are called.

use serde::{Deserialize, Serialize};

use crate::graph::linux::{Bridge, BridgeSettings, Linux, Namespace, Root, Rules, Sending, Veth};
use crate::graph::{Name, Place};

use super::diff::Attributes;
use super::shaped;
use super::step::Step;
use super::words::quoted;

/// One change of one object that only Linux has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinuxStep {
    /// unshare(2), kept by a mount and shown to `ip netns`.
    CreateNamespace(Namespace),
    /// Its mount and name go: of the lab with everything that it owns.
    RemoveNamespace(Namespace),
    /// RTM_NEWLINK of both ends at once, each where it belongs.
    CreateVeth(Veth),
    /// RTM_DELLINK of one end takes the other with it.
    RemoveVeth(Veth),
    /// RTM_NEWLINK.
    CreateBridge(Bridge),
    /// RTM_DELLINK.
    RemoveBridge(Bridge),
    /// RTM_NEWLINK of a bridge that is there.
    SetBridge {
        /// The bridge.
        bridge: Name,
        /// Before.
        from: BridgeSettings,
        /// After.
        to: BridgeSettings,
    },
    /// IFLA_INET6_ADDR_GEN_MODE.
    SetLinkLocal {
        /// Where.
        place: Place,
        /// The interface's name there.
        interface: Name,
        /// Whether it makes itself a link-local address.
        on: bool,
    },
    /// IFLA_INET_CONF.
    SetForwarding {
        /// Where.
        place: Place,
        /// The interface's name there.
        interface: Name,
        /// Whether it sends on what comes in over IPv4 for others.
        on: bool,
    },
    /// RTM_NEWQDISC, RTM_DELQDISC: how an interface sends.
    SetSending {
        /// Where.
        place: Place,
        /// The interface's name there.
        interface: Name,
        /// Before.
        from: Sending,
        /// After.
        to: Sending,
    },
    /// pivot_root(2) of the node's first process, which is made for it: what ran in the node has other files, and ends.
    SetRoot(Root),
    /// The node has the host's files: what runs in it ends.
    UnsetRoot(Root),
    /// nft(8), in one transaction.
    SetRules {
        /// Where.
        place: Place,
        /// Before.
        from: Option<Rules>,
        /// After.
        to: Option<Rules>,
    },
}

impl LinuxStep {
    /// What takes it back.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::CreateNamespace(namespace) => Self::RemoveNamespace(namespace),
            Self::RemoveNamespace(namespace) => Self::CreateNamespace(namespace),
            Self::CreateVeth(veth) => Self::RemoveVeth(veth),
            Self::RemoveVeth(veth) => Self::CreateVeth(veth),
            Self::CreateBridge(bridge) => Self::RemoveBridge(bridge),
            Self::RemoveBridge(bridge) => Self::CreateBridge(bridge),
            Self::SetBridge { bridge, from, to } => Self::SetBridge { bridge, from: to, to: from },
            Self::SetLinkLocal { place, interface, on } => Self::SetLinkLocal { place, interface, on: !on },
            Self::SetForwarding { place, interface, on } => Self::SetForwarding { place, interface, on: !on },
            Self::SetSending { place, interface, from, to } => {
                Self::SetSending { place, interface, from: to, to: from }
            }
            Self::SetRoot(root) => Self::UnsetRoot(root),
            Self::UnsetRoot(root) => Self::SetRoot(root),
            Self::SetRules { place, from, to } => Self::SetRules { place, from: to, to: from },
        }
    }

    /// Who does it.
    #[must_use]
    pub fn lane(&self) -> Place {
        match self {
            Self::CreateNamespace(_) | Self::RemoveNamespace(_) => Place::Host,
            // The host's end must be gone before the lab's namespace goes, and one actor keeps the order.
            Self::RemoveVeth(_) if self.outlives_the_lab() => Place::Host,
            Self::SetLinkLocal { place, .. } | Self::SetForwarding { place, .. } | Self::SetSending { place, .. } => {
                place.clone()
            }
            Self::SetRoot(root) | Self::UnsetRoot(root) => root.place.clone(),
            Self::SetRules { place, .. } => place.clone(),
            _ => Place::Lab,
        }
    }

    /// Whether its object stays when the lab's namespaces are gone, or is the lab itself.
    pub(super) fn outlives_the_lab(&self) -> bool {
        match self {
            Self::RemoveNamespace(namespace) => namespace.place == Place::Lab,
            Self::RemoveVeth(veth) => veth.ends.iter().any(|end| end.place == Place::Host),
            _ => false,
        }
    }

    /// One word for what it is about.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::CreateNamespace(_) | Self::RemoveNamespace(_) => "namespace",
            Self::CreateVeth(_) | Self::RemoveVeth(_) => "veth",
            Self::CreateBridge(_) | Self::RemoveBridge(_) | Self::SetBridge { .. } => "bridge",
            Self::SetLinkLocal { .. } | Self::SetForwarding { .. } => "attribute",
            Self::SetSending { .. } => "tc",
            Self::SetRoot(_) | Self::UnsetRoot(_) => "root",
            Self::SetRules { .. } => "firewall",
        }
    }

    /// The lines of ip(8) that do the same by hand.
    #[must_use]
    pub fn commands(&self, lab: &str) -> Vec<String> {
        let ip = |place: &Place| namespace(lab, place).map_or_else(|| "ip".to_owned(), |name| format!("ip -n {name}"));
        let bridge_options = |settings: &BridgeSettings| {
            let ageing = if settings.learning { "30000" } else { "0" };
            format!("stp_state {} ageing_time {ageing}", u8::from(settings.stp))
        };
        match self {
            Self::CreateNamespace(made) => {
                vec![format!("ip netns add {}", namespace(lab, &made.place).unwrap_or_default())]
            }
            Self::RemoveNamespace(gone) => {
                vec![format!("ip netns del {}", namespace(lab, &gone.place).unwrap_or_default())]
            }
            Self::CreateVeth(veth) => {
                let [a, b] = &veth.ends;
                let dress = |at: usize| format!("address {} mtu {}", veth.nics[at].mac, veth.nics[at].mtu);
                // Number 1 is in the host's namespace, whoever asks.
                let there = namespace(lab, &b.place).unwrap_or_else(|| "1".to_owned());
                let (here, own, peer) = (ip(&a.place), dress(0), dress(1));
                let mut lines = vec![format!(
                    "{here} link add {} {own} type veth peer name {} {peer} netns {there}",
                    a.name, b.name
                )];
                for (end, nic) in veth.ends.iter().zip(&veth.nics) {
                    let master = end.bridge.as_ref().map(|bridge| format!(" master {bridge}")).unwrap_or_default();
                    let mode = if end.link_local { "eui64" } else { "none" };
                    let (here, alias) = (ip(&end.place), quoted(&nic.description));
                    lines.push(format!("{here} link set {}{master} addrgenmode {mode} alias {alias}", end.name));
                    lines.extend(end.forwards.filter(|on| *on).map(|on| forwarding(lab, &end.place, &end.name, on)));
                }
                lines
            }
            Self::RemoveVeth(veth) => {
                vec![format!("{} link del {}", ip(&veth.ends[0].place), veth.ends[0].name)]
            }
            Self::CreateBridge(bridge) => {
                let (name, mac, options) = (&bridge.nic.name, bridge.nic.mac, bridge_options(&bridge.settings));
                vec![format!("ip -n {lab} link add {name} address {mac} type bridge {options}")]
            }
            Self::RemoveBridge(bridge) => vec![format!("ip -n {lab} link del {}", bridge.nic.name)],
            Self::SetBridge { bridge, to, .. } => {
                vec![format!("ip -n {lab} link set {bridge} type bridge {}", bridge_options(to))]
            }
            Self::SetLinkLocal { place, interface, on } => {
                let mode = if *on { "eui64" } else { "none" };
                vec![format!("{} link set {interface} addrgenmode {mode}", ip(place))]
            }
            Self::SetForwarding { place, interface, on } => vec![forwarding(lab, place, interface, *on)],
            Self::SetSending { place, interface, from, to } => {
                let tc = namespace(lab, place).map_or_else(|| "tc".to_owned(), |name| format!("tc -n {name}"));
                shaped::commands(&tc, interface, from, to)
            }
            Self::SetRules { place, to, .. } => {
                let within = namespace(lab, place).map(|name| format!("ip netns exec {name} ")).unwrap_or_default();
                let load = to.iter().map(|rules| format!("{within}nft -f {}", quoted(&rules.file)));
                std::iter::once(format!("{within}nft flush ruleset")).chain(load).collect()
            }
            // ip(8) gives no namespace files of its own.
            Self::SetRoot(_) | Self::UnsetRoot(_) => Vec::new(),
        }
    }
}

/// The line of sysctl(8) that does what we do over netlink.
fn forwarding(lab: &str, place: &Place, interface: &str, on: bool) -> String {
    let within = namespace(lab, place).map(|name| format!("ip netns exec {name} ")).unwrap_or_default();
    format!("{within}sysctl -w net.ipv4.conf.{interface}.forwarding={}", u8::from(on))
}

/// The lines of ip(8) and sysctl(8) for a step that other kernels take too; none for one that Linux never sees.
pub(super) fn commands(lab: &str, step: &Step) -> Vec<String> {
    let ip = |place: &Place, rest: String| match namespace(lab, place) {
        Some(name) => vec![format!("ip -n {name} {rest}")],
        None => vec![format!("ip {rest}")],
    };
    match step {
        Step::Linux(step) => step.commands(lab),
        Step::SetMac { place, interface, to, .. } => ip(place, format!("link set {interface} address {to}")),
        Step::SetMtu { place, interface, to, .. } => ip(place, format!("link set {interface} mtu {to}")),
        Step::SetDescription { place, interface, to, .. } => {
            ip(place, format!("link set {interface} alias {}", quoted(to)))
        }
        Step::SetUp(up) => ip(&up.place, format!("link set {} up", up.interface)),
        Step::SetDown(up) => ip(&up.place, format!("link set {} down", up.interface)),
        Step::AddAddress(address) => {
            let nodad = if address.net.is_ipv6() { " nodad" } else { "" };
            ip(&address.place, format!("address add {} dev {}{nodad}", address.net, address.interface))
        }
        Step::RemoveAddress(address) => {
            ip(&address.place, format!("address del {} dev {}", address.net, address.interface))
        }
        Step::AddRoute(route) => ip(&route.place, format!("route add {} via {}", route.to, route.via)),
        Step::RemoveRoute(route) => ip(&route.place, format!("route del {} via {}", route.to, route.via)),
        Step::ChangeRoute { place, to, via, .. } => ip(place, format!("route replace {to} via {via}")),
        Step::SetSysctl { place, name, to, .. } => match namespace(lab, place) {
            Some(namespace) => vec![format!("ip netns exec {namespace} sysctl -w {name}={}", quoted(to))],
            None => vec![format!("sysctl -w {name}={}", quoted(to))],
        },
        _ => Vec::new(),
    }
}

/// The name of a place's namespace; the host's own has none.
fn namespace(lab: &str, place: &Place) -> Option<String> {
    super::words::jail_name(lab, place)
}

/// The steps that make an object.
pub(super) fn creation(object: &Linux) -> Vec<Step> {
    vec![Step::Linux(match object.clone() {
        Linux::Namespace(namespace) => LinuxStep::CreateNamespace(namespace),
        Linux::Veth(veth) => LinuxStep::CreateVeth(*veth),
        Linux::Bridge(bridge) => LinuxStep::CreateBridge(bridge),
        Linux::Shaped(shaped) => return shaped::steps(None, Some(&shaped)),
        Linux::Root(root) => LinuxStep::SetRoot(*root),
        Linux::Rules(rules) => LinuxStep::SetRules { place: rules.place.clone(), from: None, to: Some(rules) },
    })]
}

/// The steps that take it away.
pub(super) fn removal(object: &Linux) -> Vec<Step> {
    vec![Step::Linux(match object.clone() {
        Linux::Namespace(namespace) => LinuxStep::RemoveNamespace(namespace),
        Linux::Veth(veth) => LinuxStep::RemoveVeth(*veth),
        Linux::Bridge(bridge) => LinuxStep::RemoveBridge(bridge),
        Linux::Shaped(shaped) => return shaped::steps(Some(&shaped), None),
        Linux::Root(root) => LinuxStep::UnsetRoot(*root),
        Linux::Rules(rules) => LinuxStep::SetRules { place: rules.place.clone(), from: Some(rules), to: None },
    })]
}

/// The steps that change what is Linux's own about it; its interfaces' attributes are everybody's.
pub(super) fn alteration(old: &Linux, new: &Linux) -> Vec<Step> {
    match (old, new) {
        (Linux::Veth(old), Linux::Veth(new)) => {
            let mut steps = Vec::new();
            for (old, new) in old.ends.iter().zip(&new.ends) {
                let (place, interface) = (&new.place, &new.name);
                if old.link_local != new.link_local {
                    let (place, interface) = (place.clone(), interface.clone());
                    steps.push(Step::Linux(LinuxStep::SetLinkLocal { place, interface, on: new.link_local }));
                }
                if let Some(on) = new.forwards.filter(|on| old.forwards != Some(*on)) {
                    let (place, interface) = (place.clone(), interface.clone());
                    steps.push(Step::Linux(LinuxStep::SetForwarding { place, interface, on }));
                }
            }
            steps
        }
        (Linux::Bridge(old), Linux::Bridge(new)) if old.settings != new.settings => {
            let bridge = new.nic.name.clone();
            vec![Step::Linux(LinuxStep::SetBridge { bridge, from: old.settings, to: new.settings })]
        }
        (Linux::Shaped(old), Linux::Shaped(new)) => shaped::steps(Some(old), Some(new)),
        (Linux::Rules(old), Linux::Rules(new)) => {
            let (from, to) = (Some(old.clone()), Some(new.clone()));
            vec![Step::Linux(LinuxStep::SetRules { place: new.place.clone(), from, to })]
        }
        _ => Vec::new(),
    }
}

/// What differs between two objects of one identity.
pub(super) fn compare(found: &mut Attributes, old: &Linux, new: &Linux) {
    let yes_no = |value: bool| if value { "yes" } else { "no" };
    match (old, new) {
        (Linux::Namespace(_), Linux::Namespace(_)) => {}
        (Linux::Veth(old), Linux::Veth(new)) => {
            for (at, prefix) in ["a ", "b "].iter().enumerate() {
                let (was, is) = (&old.ends[at], &new.ends[at]);
                found.differ(&format!("{prefix}place"), was.place.to_string(), is.place.to_string(), true);
                found.differ(&format!("{prefix}name"), &*was.name, &*is.name, true);
                let bridge = |of: &Option<Name>| of.as_deref().unwrap_or("none").to_owned();
                found.differ(&format!("{prefix}bridge"), bridge(&was.bridge), bridge(&is.bridge), true);
                let (was_on, is_on) = (yes_no(was.link_local), yes_no(is.link_local));
                found.differ(&format!("{prefix}link-local address"), was_on, is_on, false);
                if let Some(on) = is.forwards {
                    found.differ(&format!("{prefix}forwards"), yes_no(was.forwards == Some(true)), yes_no(on), false);
                }
                found.nic(prefix, &old.nics[at], &new.nics[at]);
            }
        }
        (Linux::Bridge(old), Linux::Bridge(new)) => {
            found.nic("", &old.nic, &new.nic);
            found.differ("stp", yes_no(old.settings.stp), yes_no(new.settings.stp), false);
            found.differ("learning", yes_no(old.settings.learning), yes_no(new.settings.learning), false);
        }
        (Linux::Shaped(old), Linux::Shaped(new)) => shaped::compare(found, old, new),
        (Linux::Rules(old), Linux::Rules(new)) => found.differ("rules", old.digest(), new.digest(), false),
        (Linux::Root(old), Linux::Root(new)) => {
            for (name, old) in root(old) {
                let new = root(new).into_iter().find(|(other, _)| *other == name).map(|(_, value)| value);
                found.differ(name, old, new.unwrap_or_default(), true);
            }
        }
        (old, new) => found.differ("kind", kind(old), kind(new), true),
    }
}

/// What a node's files are.
pub(super) fn root(root: &Root) -> [(&'static str, String); 2] {
    let base = if root.read_only { format!("{} (read-only)", root.base) } else { root.base.to_string() };
    let private: Vec<&str> = root.private.keys().map(|folder| &**folder).collect();
    [("path", base), ("private", private.join(", "))]
}

/// What kind of object it is, in the kernel's word.
pub(super) fn kind(object: &Linux) -> &'static str {
    match object {
        Linux::Namespace(_) => "namespace",
        Linux::Veth(_) => "veth",
        Linux::Bridge(_) => "bridge",
        Linux::Shaped(_) => "tc",
        Linux::Root(_) => "root",
        Linux::Rules(_) => "firewall",
    }
}

/// Its name to a reader.
pub(super) fn name(lab: &str, object: &Linux) -> String {
    match object {
        Linux::Namespace(namespace) => super::words::jail_name(lab, &namespace.place).unwrap_or_default(),
        Linux::Veth(veth) => format!("{} and {}", veth.nics[0].of(), veth.nics[1].of()),
        Linux::Bridge(bridge) => bridge.nic.of().to_owned(),
        Linux::Shaped(shaped) => shaped.nic.to_string(),
        Linux::Root(root) => format!("of {}", root.place),
        Linux::Rules(rules) => format!("of {}", rules.place),
    }
}
