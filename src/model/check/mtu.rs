//! MTUs that the wire can carry and that fit together.

use crate::diagnostic::Diagnostic;
use crate::model::findings::Findings;
use crate::model::mtu::Decided;
use crate::model::segments::Domain;
use crate::model::wiring::Wiring;
use crate::model::{Address, LinkId, Mtu, NodeKind, SwitchDriver, Wire, codes};

/// Checks the decided MTUs of all ports and links.
pub(in crate::model) fn check(
    domains: &[Domain],
    wiring: &Wiring,
    ports: &[Decided],
    links: &[Mtu],
    addresses: &[Vec<Address>],
    findings: &mut Findings,
) {
    for (place, link) in wiring.links.iter().enumerate() {
        check_carried(LinkId(place), ports, links, wiring, findings);
        for port in link.ports.iter().flatten() {
            check_ipv6(*port, ports, wiring, &addresses[*port], findings);
        }
    }
    for domain in domains {
        if !check_bridges(domain, links, wiring, findings) {
            check_alike(domain, ports, wiring, findings);
        }
    }
}

fn is_if_bridge(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::Switch(SwitchDriver::IfBridge { .. }))
}

/// An eiface takes up to 9,018 (sys/netgraph/ng_eiface.c:171). Epairs and pure pairs of hooks take any MTU.
fn check_carried(id: LinkId, ports: &[Decided], links: &[Mtu], wiring: &Wiring, findings: &mut Findings) {
    let link = wiring.link(id);
    let trunk = wiring.is_trunk(link);
    let bridges = link.nodes.iter().filter(|node| is_if_bridge(wiring.kind(**node))).count();
    let has_eiface = if trunk { bridges == 1 } else { wiring.type_of(id) == Wire::Netgraph };
    if !has_eiface {
        return;
    }
    let of_ports = link.ports.iter().flatten().map(|place| (ports[*place].mtu, ports[*place].origin));
    let of_link = link.draft.mtu.map_or(link.draft.origin, |mtu| mtu.origin);
    let Some((mtu, origin)) = of_ports.chain([(links[id.0], of_link)]).find(|(mtu, _)| *mtu > Mtu::EIFACE_MOST) else {
        return;
    };
    let message = format!(
        "the link `{}` cannot carry an MTU of {mtu}: an eiface takes at most {}",
        link.identity,
        Mtu::EIFACE_MOST
    );
    let origin = if origin.is_somewhere() { origin } else { link.draft.origin };
    let finding = Diagnostic::error(codes::MTU_TOO_LARGE, message).at(origin, "");
    let can_be_epair =
        link.nodes.iter().all(|node| !wiring.kind(*node).is_layer2() || is_if_bridge(wiring.kind(*node)));
    findings.push(match can_be_epair && !trunk {
        true => finding.help("`type: epair` takes up to 65535"),
        false => finding,
    });
}

fn check_ipv6(place: usize, ports: &[Decided], wiring: &Wiring, addresses: &[Address], findings: &mut Findings) {
    let Decided { mtu, origin, .. } = ports[place];
    let Some(address) = addresses.iter().find(|address| address.net.is_ipv6()) else { return };
    if mtu < Mtu::IPV6_LEAST {
        let name = wiring.port_name(&wiring.ports[place]);
        let message = format!("`{name}` has the MTU {mtu}, but IPv6 needs {}", Mtu::IPV6_LEAST);
        findings.push(
            Diagnostic::error(codes::MTU_BELOW_IPV6, message)
                .at(origin, "")
                .at(address.origin, format!("its address {} is from here", address.net)),
        );
    }
}

/// The kernel forces the MTU of the first member on every later one (sys/net/if_bridge.c:1473). Says whether it found any.
fn check_bridges(domain: &Domain, links: &[Mtu], wiring: &Wiring, findings: &mut Findings) -> bool {
    let errors = findings.errors();
    let mut first: Vec<(LinkId, Mtu)> = Vec::new();
    let mut first_of = std::collections::BTreeMap::new();
    for id in &domain.links {
        for node in wiring.link(*id).nodes.iter().filter(|node| is_if_bridge(wiring.kind(**node))) {
            let place = *first_of.entry(*node).or_insert_with(|| {
                first.push((*id, links[id.0]));
                first.len() - 1
            });
            let (other, mtu) = first[place];
            if mtu != links[id.0] {
                let (a, b) = (wiring.link(other), wiring.link(*id));
                let message = format!(
                    "members of the if_bridge `{}` have different MTUs: {} of `{}`, {mtu} of `{}`",
                    *wiring.node(*node).name,
                    links[id.0],
                    b.identity,
                    a.identity
                );
                let origin =
                    |link: &crate::model::wiring::WiredLink| link.draft.mtu.map_or(link.draft.origin, |mtu| mtu.origin);
                findings.push(
                    Diagnostic::error(codes::BRIDGE_MTUS_DIFFER, message)
                        .at(origin(b), "")
                        .at(origin(a), "the other one")
                        .help("an if_bridge has one MTU: the kernel changes every member to that of the first"),
                );
            }
        }
    }
    findings.errors() > errors
}

/// Large frames would vanish without an error that anybody sees.
fn check_alike(domain: &Domain, ports: &[Decided], wiring: &Wiring, findings: &mut Findings) {
    let by_mtu = |place: &&usize| ports[**place].mtu;
    let (Some(low), Some(high)) =
        (domain.ports.iter().min_by_key(by_mtu), domain.ports.iter().rev().max_by_key(by_mtu))
    else {
        return;
    };
    if ports[*low].mtu == ports[*high].mtu {
        return;
    }
    let name = |place: usize| wiring.port_name(&wiring.ports[place]);
    let message = format!(
        "interfaces of one segment have different MTUs: {} of `{}`, {} of `{}`",
        ports[*low].mtu,
        name(*low),
        ports[*high].mtu,
        name(*high)
    );
    let origin = |place: usize| match ports[place].origin {
        origin if origin.is_somewhere() => origin,
        _ => wiring.ports[place].origin,
    };
    findings.push(
        Diagnostic::warning(codes::MTUS_DIFFER, message)
            .at(origin(*low), "")
            .at(origin(*high), "the other one")
            .help("frames over the smaller MTU are lost on the way there"),
    );
}
