//! Who shares a subnet: everybody on a segment with somebody, nobody with another segment.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Origin};
use crate::model::findings::Findings;
use crate::model::prefix::{Family, Prefix};
use crate::model::segments::Domain;
use crate::model::wiring::Wiring;
use crate::model::{Address, NodeId, Routing, codes};

/// Checks the decided addresses of all ports.
pub(in crate::model) fn check(
    domains: &[Domain],
    wiring: &Wiring,
    addresses: &[Vec<Address>],
    routing: Routing,
    findings: &mut Findings,
) {
    for domain in domains {
        for family in Family::BOTH {
            check_neighbours(domain, family, wiring, addresses, findings);
        }
    }
    let stays = stays(domains, wiring, addresses);
    check_nodes(&stays, wiring, routing, findings);
    if routing == Routing::Auto {
        check_unambiguous(&stays, wiring, findings);
    }
}

/// An interface that has addresses of a family must share a subnet with some other interface of its segment that has.
fn check_neighbours(
    domain: &Domain,
    family: Family,
    wiring: &Wiring,
    addresses: &[Vec<Address>],
    findings: &mut Findings,
) {
    let of_family = |place: &usize| {
        let of_port = addresses[*place].iter().filter(|address| Family::of(address.net.ip()) == family);
        of_port.map(|address| (Prefix::of(address.net), address)).collect::<Vec<_>>()
    };
    let members: Vec<(usize, Vec<(Prefix, &Address)>)> =
        domain.ports.iter().map(|place| (*place, of_family(place))).filter(|(_, nets)| !nets.is_empty()).collect();
    let mut inhabitants: BTreeMap<Prefix, Vec<usize>> = BTreeMap::new();
    for (place, nets) in &members {
        for (prefix, _) in nets {
            let there = inhabitants.entry(*prefix).or_default();
            if there.last() != Some(place) {
                there.push(*place);
            }
        }
    }
    let told = check_lengths(&members, wiring, findings);
    // The subnet with most interfaces is the one that others are outside of; the lowest of several.
    let Some(home) = inhabitants.iter().rev().max_by_key(|(_, there)| there.len()).map(|(prefix, _)| *prefix) else {
        return;
    };
    let all = members.iter().flat_map(|(place, nets)| nets.iter().map(move |net| (*place, net)));
    let mut at_home = all.filter(|(_, (prefix, _))| *prefix == home).map(|(place, (_, address))| (place, *address));
    let Some(example) = at_home.next_back() else { return };
    for (place, nets) in &members {
        let alone = nets.iter().all(|(prefix, _)| *prefix != home && inhabitants[prefix].len() == 1);
        if alone
            && !told.contains(place)
            && let Some((_, address)) = nets.first()
        {
            findings.push(outside(domain, wiring, (*place, address), home, example));
        }
    }
}

/// Subnets of one segment are the same or apart: who takes part of a subnet for the whole misses the rest. Returns the
/// ports it tells about.
fn check_lengths(
    members: &[(usize, Vec<(Prefix, &Address)>)],
    wiring: &Wiring,
    findings: &mut Findings,
) -> BTreeSet<usize> {
    let mut told = BTreeSet::new();
    let nets = members.iter().flat_map(|(place, nets)| nets.iter().map(move |(prefix, at)| (*prefix, *place, *at)));
    let mut nets: Vec<(Prefix, usize, &Address)> = nets.collect();
    nets.sort_by_key(|(prefix, place, _)| (*prefix, *place));
    nets.dedup_by_key(|(prefix, ..)| *prefix);
    for pair in nets.windows(2) {
        let [(outer, first, there), (inner, second, here)] = pair else { continue };
        if outer.contains(*inner) {
            let [a, b] = [first, second].map(|place| wiring.port_name(&wiring.ports[*place]));
            let message =
                format!("prefix lengths differ on one segment: {} of `{b}`, {} of `{a}`", here.net, there.net);
            findings.push(
                Diagnostic::error(codes::OUTSIDE_SUBNET, message)
                    .at(here.origin, "")
                    .at(there.origin, "the other one")
                    .help("whoever shares a subnet must agree where it ends"),
            );
            told.extend([*first, *second]);
        }
    }
    told
}

fn outside(
    domain: &Domain,
    wiring: &Wiring,
    (place, address): (usize, &Address),
    home: Prefix,
    (other, there): (usize, &Address),
) -> Diagnostic {
    let [name, other] = [place, other].map(|place| wiring.port_name(&wiring.ports[place]));
    let (net, home) = (address.net, home.network());
    if domain.layer2.is_empty() {
        let message =
            format!("the two ends of a link are in different subnets: `{name}` has {net}, `{other}` has {}", there.net);
        return Diagnostic::error(codes::ENDS_DIFFER, message).at(address.origin, "").at(there.origin, "the other end");
    }
    Diagnostic::error(codes::OUTSIDE_SUBNET, format!("{net} of `{name}` is outside its subnet {home}"))
        .at(address.origin, "")
        .at(there.origin, format!("this interface of the segment is in {home}"))
}

/// A subnet that an interface or a loopback is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stay {
    prefix: Prefix,
    /// The segment; `None` is the loopback.
    domain: Option<usize>,
    /// Place in [`Wiring::ports`]; `None` is the loopback.
    port: Option<usize>,
    node: NodeId,
    origin: Origin,
}

impl Stay {
    fn name(&self, wiring: &Wiring) -> String {
        match self.port {
            Some(port) => wiring.port_name(&wiring.ports[port]),
            None => format!("{}:lo", *wiring.node(self.node).name),
        }
    }
}

fn stays(domains: &[Domain], wiring: &Wiring, addresses: &[Vec<Address>]) -> Vec<Stay> {
    let mut stays = Vec::new();
    for (domain, members) in domains.iter().enumerate() {
        for port in &members.ports {
            stays.extend(addresses[*port].iter().map(|address| Stay {
                prefix: Prefix::of(address.net),
                domain: Some(domain),
                port: Some(*port),
                node: wiring.ports[*port].node,
                origin: address.origin,
            }));
        }
    }
    for (node, draft) in (0..).map(NodeId).zip(&wiring.nodes) {
        stays.extend(draft.loopback.iter().map(|address| Stay {
            prefix: Prefix::of(address.value),
            domain: None,
            port: None,
            node,
            origin: address.origin,
        }));
    }
    stays
}

/// Pairs of an outer and an inner (or the same) prefix, each inner one with the outer one next to it.
fn nested(stays: &[Stay]) -> Vec<(Stay, Stay)> {
    let mut pairs = Vec::new();
    let mut around: Vec<Stay> = Vec::new();
    for stay in stays {
        while around.pop_if(|outer| !outer.prefix.contains(stay.prefix)).is_some() {}
        pairs.extend(around.last().map(|outer| (*outer, *stay)));
        around.push(*stay);
    }
    pairs
}

/// Two interfaces of one node in overlapping subnets: the kernel sends everything out of one of them.
fn check_nodes(stays: &[Stay], wiring: &Wiring, routing: Routing, findings: &mut Findings) {
    let mut by_node = stays.to_vec();
    by_node.sort_unstable_by_key(|stay| (stay.node, stay.prefix, stay.domain, stay.port));
    for of_node in by_node.chunk_by(|a, b| a.node == b.node) {
        for (outer, inner) in nested(of_node) {
            let segments = outer.domain.zip(inner.domain);
            let apart = segments.is_some_and(|(outer, inner)| outer != inner);
            if outer.port == inner.port || (apart && routing == Routing::Auto) {
                // Nothing wrong, or an error of its own for the whole lab.
                continue;
            }
            let [a, b] = [outer, inner].map(|stay| stay.name(wiring));
            let subnet = inner.prefix.network();
            let finding = if outer.prefix != inner.prefix {
                let message = format!("the subnet {subnet} of `{b}` is part of {} of `{a}`", outer.prefix.network());
                Diagnostic::warning(codes::SUBNETS_OVERLAP, message)
            } else if segments.is_some() && !apart {
                let message =
                    format!("`{a}` and `{b}` are in one subnet {subnet}: the node sends from one of them only");
                Diagnostic::warning(codes::TWICE_IN_SUBNET, message)
            } else {
                let message = format!("`{a}` and `{b}` are apart and have the same subnet {subnet}");
                Diagnostic::error(codes::SUBNETS_OVERLAP, message)
            };
            findings.push(finding.at(inner.origin, "").at(outer.origin, "the other one"));
        }
    }
}

/// With `routing: auto` every prefix must mean one segment.
fn check_unambiguous(stays: &[Stay], wiring: &Wiring, findings: &mut Findings) {
    let mut stays: Vec<Stay> = stays.iter().copied().filter(|stay| stay.domain.is_some()).collect();
    stays.sort_unstable();
    stays.dedup_by_key(|stay| (stay.prefix, stay.domain));
    for (outer, inner) in nested(&stays).into_iter().filter(|(outer, inner)| outer.domain != inner.domain) {
        let [a, b] = [outer, inner].map(|stay| stay.name(wiring));
        let (at_a, at_b) = (outer.prefix.network(), inner.prefix.network());
        let message = format!("two segments with overlapping subnets: {at_a} at `{a}`, {at_b} at `{b}`");
        findings.push(
            Diagnostic::error(codes::SUBNETS_OVERLAP, message)
                .at(inner.origin, "")
                .at(outer.origin, "the other one")
                .help("`routing: auto` needs each prefix in one place"),
        );
    }
}
