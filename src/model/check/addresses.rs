//! Addresses that the file gives: each one possible, none twice.
//!
//! Link-local addresses of IPv6 are refused: every interface makes its own from its MAC address, which is the same on
//! every run, and a second one would need a scope in every route and check that uses it.

use ipnetwork::IpNetwork;

use crate::diagnostic::{At, Diagnostic};
use crate::model::codes;
use crate::model::draft::{DraftLink, DraftNode};
use crate::model::findings::Findings;
use crate::model::pools::special;
use crate::model::prefix::{Family, Prefix, bits};

/// An address that the file gives, and whose it is, in words.
type Given<'a> = (&'a At<IpNetwork>, String);

/// Says whether every address is possible; the wiring may be wrong, so the addresses of links are still with their ends.
pub(in crate::model) fn check<'a>(
    nodes: &'a [DraftNode],
    links: impl Iterator<Item = &'a DraftLink>,
    findings: &mut Findings,
) -> bool {
    let mut given: Vec<Given<'_>> = Vec::new();
    for node in nodes {
        for (name, interface) in &node.interfaces {
            given.extend(interface.addresses.iter().map(|address| (address, format!("{}:{name}", *node.name))));
        }
        given.extend(node.loopback.iter().map(|address| (address, format!("{}:lo", *node.name))));
    }
    for end in links.flat_map(|link| &link.ends) {
        let interface = end.interface.as_ref().map_or("", |interface| interface.value.as_str());
        given.extend(end.addresses.iter().map(|address| (address, format!("{}:{interface}", *end.node))));
    }
    given.sort_by(|(a, of_a), (b, of_b)| (a.ip(), of_a, a.origin).cmp(&(b.ip(), of_b, b.origin)));
    let errors = findings.errors();
    for (address, owner) in &given {
        check_possible(address, owner, findings);
    }
    let possible = findings.errors() == errors;
    for pair in given.windows(2) {
        let [(first, first_owner), (second, second_owner)] = pair else { continue };
        if first.ip() == second.ip() {
            findings.push(same_address(first, first_owner, second, second_owner));
        }
    }
    possible
}

fn same_address(first: &At<IpNetwork>, first_owner: &str, second: &At<IpNetwork>, second_owner: &str) -> Diagnostic {
    let address = second.ip();
    let message = match first_owner == second_owner {
        true => format!("`{first_owner}` has the address {address} twice"),
        false => format!("`{first_owner}` and `{second_owner}` have the same address {address}"),
    };
    // The later one in the file is the one that is too much.
    let (first, second) = if first.origin <= second.origin { (first, second) } else { (second, first) };
    Diagnostic::error(codes::SAME_ADDRESS, message).at(second.origin, "").at(first.origin, "given here first")
}

fn check_possible(address: &At<IpNetwork>, owner: &str, findings: &mut Findings) {
    if let Some(meaning) = special(Prefix::host(address.ip())) {
        let message = format!("`{owner}` cannot have the address {}", address.ip());
        findings
            .push(Diagnostic::error(codes::SPECIAL_ADDRESS, message).at(address.origin, format!("this is {meaning}")));
        return;
    }
    let prefix = Prefix::of(address.value);
    if prefix.length == 0 {
        let message =
            format!("the prefix length 0 makes the whole of {} the subnet of `{owner}`", prefix.family.name());
        findings.push(Diagnostic::error(codes::SUBNET_ADDRESS, message).at(address.origin, ""));
        return;
    }
    let offset = bits(address.ip()) - prefix.first;
    if !prefix.is_usable(offset) {
        let what = match (prefix.family, offset) {
            (Family::V4, 0) => "network address",
            (Family::V4, _) => "broadcast address",
            (Family::V6, _) => "anycast address of the routers",
        };
        let message = format!("`{owner}` cannot have {}, the {what} of {}", address.ip(), prefix.network());
        let last = if prefix.family == Family::V4 { prefix.last() - 1 } else { prefix.last() };
        findings.push(Diagnostic::error(codes::SUBNET_ADDRESS, message).at(address.origin, "").help(format!(
            "hosts of that subnet are {} to {}",
            prefix.address(1),
            prefix.address(last - prefix.first)
        )));
    }
}
