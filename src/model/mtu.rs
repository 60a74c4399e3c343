//! Which MTU each interface and each link has.

use super::wiring::{Port, WiredLink, Wiring};
use super::{Mtu, MtuReason};
use crate::diagnostic::Origin;

/// The MTU of an interface and what decided it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) mtu: Mtu,
    pub(super) why: MtuReason,
    pub(super) origin: Origin,
}

/// The most specific one wins: interface, link, node, switch, else Ethernet's.
pub(super) fn of_port(port: &Port, wiring: &Wiring) -> Decided {
    let link = wiring.link(port.link);
    let other = wiring.node(link.nodes[1 - port.end]);
    let candidates = [
        (port.mtu, MtuReason::Interface),
        (link.draft.mtu, MtuReason::Link),
        (wiring.node(port.node).mtu, MtuReason::Node),
        (other.mtu.filter(|_| other.kind.is_layer2()), MtuReason::Switch),
    ];
    let given = candidates.into_iter().find_map(|(mtu, why)| mtu.map(|mtu| (mtu, why)));
    given.map_or(Decided { mtu: Mtu::ETHERNET, why: MtuReason::Ethernet, origin: Origin::NOWHERE }, |(mtu, why)| {
        Decided { mtu: mtu.value, why, origin: mtu.origin }
    })
}

/// Its own, else the larger one of its interfaces; between layer-2 nodes that of the nodes, else the largest of the
/// segment, so that it is no bottleneck.
pub(super) fn of_link(link: &WiredLink, largest_of_segment: Option<Mtu>, wiring: &Wiring, ports: &[Decided]) -> Mtu {
    let own = link.draft.mtu.map(|mtu| mtu.value);
    let ends = || link.ports.iter().flatten().map(|place| ports[*place].mtu).max();
    let nodes = || link.nodes.iter().filter_map(|node| wiring.node(*node).mtu).map(|mtu| mtu.value).max();
    own.or_else(ends).or_else(nodes).or(largest_of_segment).unwrap_or(Mtu::ETHERNET)
}
