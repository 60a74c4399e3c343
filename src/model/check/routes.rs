//! `routes:` of nodes: the kernel must be able to set each one, and it must lead to somebody.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::diagnostic::{Diagnostic, Origin};
use crate::model::draft::{DraftNode, DraftRoute};
use crate::model::findings::Findings;
use crate::model::prefix::{Family, Prefix};
use crate::model::segments::Domain;
use crate::model::wiring::Wiring;
use crate::model::{Address, NodeId, NodeKind, codes};

/// The subnets of one node, with its addresses.
struct Connected<'a> {
    domain: usize,
    name: String,
    prefix: Prefix,
    address: &'a Address,
}

/// Checks the routes of all nodes against the decided addresses of all ports.
pub(in crate::model) fn check(
    domains: &[Domain],
    wiring: &Wiring,
    addresses: &[Vec<Address>],
    findings: &mut Findings,
) {
    let mut domain_of: Vec<usize> = vec![0; wiring.ports.len()];
    let mut owners: BTreeMap<(usize, IpAddr), NodeId> = BTreeMap::new();
    for (domain, members) in domains.iter().enumerate() {
        for place in &members.ports {
            domain_of[*place] = domain;
            let node = wiring.ports[*place].node;
            owners.extend(addresses[*place].iter().map(|address| ((domain, address.net.ip()), node)));
        }
    }
    let mut connected: Vec<Vec<Connected<'_>>> = wiring.nodes.iter().map(|_| Vec::new()).collect();
    for (place, port) in wiring.ports.iter().enumerate() {
        connected[port.node.0].extend(addresses[place].iter().map(|address| Connected {
            domain: domain_of[place],
            name: wiring.port_name(port),
            prefix: Prefix::of(address.net),
            address,
        }));
    }
    for (node, connected) in wiring.nodes.iter().zip(&connected) {
        let mut seen: BTreeMap<Prefix, Origin> = BTreeMap::new();
        for route in &node.routes {
            if check_destination(node, route, connected, findings) {
                check_gateway(node, route, connected, &owners, findings);
                if let Some(first) = seen.insert(Prefix::of(route.to.value), route.to.origin) {
                    let message = format!("`{}` has two routes to {}", *node.name, route.to.value);
                    findings.push(
                        Diagnostic::error(codes::SAME_DESTINATION, message)
                            .at(route.to.origin, "")
                            .at(first, "the first one"),
                    );
                }
            }
        }
    }
}

fn check_destination(
    node: &DraftNode,
    route: &DraftRoute,
    connected: &[Connected<'_>],
    findings: &mut Findings,
) -> bool {
    let errors = findings.errors();
    let to = Prefix::of(route.to.value);
    let wrong = |message: String| Diagnostic::error(codes::BAD_DESTINATION, message).at(route.to.origin, "");
    if to.network() != route.to.value {
        let message = format!("the destination {} has host bits", route.to.value);
        findings.push(wrong(message).help(format!("write `{}`", to.network())));
    } else if to.family != Family::of(route.via.value) {
        let message = format!(
            "a route to {} cannot lead through {}, an {} address",
            route.to.value,
            route.via.value,
            Family::of(route.via.value).name()
        );
        findings.push(wrong(message).at(route.via.origin, "the next hop"));
    } else if to.length == 0 && node.kind.value == NodeKind::SelfHost {
        let message = format!("`{}` is the host itself: a default route would replace the host's own", *node.name);
        findings.push(
            Diagnostic::error(codes::DEFAULT_ON_SELF, message)
                .at(route.to.origin, "")
                .help("name the prefixes of the lab that the host shall reach"),
        );
    } else if let Some(own) = connected.iter().find(|own| own.prefix == to) {
        let message = format!("`{}` is in the subnet {} itself, by `{}`", *node.name, route.to.value, own.name);
        findings.push(
            Diagnostic::error(codes::SAME_DESTINATION, message)
                .at(route.to.origin, "")
                .at(own.address.origin, "its address there is from here"),
        );
    }
    findings.errors() == errors
}

fn check_gateway(
    node: &DraftNode,
    route: &DraftRoute,
    connected: &[Connected<'_>],
    owners: &BTreeMap<(usize, IpAddr), NodeId>,
    findings: &mut Findings,
) {
    let via = route.via.value;
    let name = &node.name.value;
    let own = connected.iter().map(|own| own.address).find(|own| own.net.ip() == via);
    let loopback = node.loopback.iter().find(|own| own.ip() == via).map(|own| own.origin);
    if let Some(origin) = own.map(|own| own.origin).or(loopback) {
        findings.push(
            Diagnostic::error(codes::GATEWAY_IS_SELF, format!("the next hop {via} is `{name}` itself"))
                .at(route.via.origin, "")
                .at(origin, "its own address is from here"),
        );
        return;
    }
    let mut reachable = connected.iter().filter(|own| own.prefix.contains_address(via)).peekable();
    if reachable.peek().is_none() {
        let mut finding =
            Diagnostic::error(codes::GATEWAY_UNREACHABLE, format!("`{name}` cannot reach the next hop {via}"))
                .at(route.via.origin, "on no subnet of the node");
        let subnets = connected.iter().filter(|own| own.prefix.family == Family::of(via));
        let mut subnets: Vec<String> = subnets.map(|own| own.prefix.network().to_string()).collect();
        subnets.dedup();
        finding.help = Some(match subnets.as_slice() {
            [] => format!("`{name}` has no {} address on any interface", Family::of(via).name()),
            few if few.len() <= 5 => format!("`{name}` is in {}", few.join(", ")),
            many => format!("`{name}` is in {} and {} more", many[..4].join(", "), many.len() - 4),
        });
        findings.push(finding);
    } else if !reachable.any(|own| owners.contains_key(&(own.domain, via))) {
        findings.push(
            Diagnostic::warning(codes::GATEWAY_ABSENT, format!("no interface on that segment has the next hop {via}"))
                .at(route.via.origin, ""),
        );
    }
}
