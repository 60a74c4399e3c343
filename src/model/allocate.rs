//! Addresses from pools: a pure function of the file. An interface whose node has an `index:` takes that address of its
//! subnet, the rest follow in natural order of their names, routers first; what the file gives is avoided.
//!
//! An address on a link (`ipv4:`, `ipv6:`) stands for what the pool would give that end. One under `interfaces:` is added,
//! unless it is in the subnet that the segment takes from its pool: then it is the interface's address there.

use std::collections::BTreeSet;

use super::findings::Findings;
use super::prefix::{Prefix, with_length};
use super::segments::Domain;
use super::subnets::Taken;
use super::wiring::{Port, Wiring};
use super::{Address, AddressReason, NodeKind, codes};
use crate::diagnostic::{Diagnostic, Origin};

/// The addresses of every port, in the order of [`Wiring::ports`]: given and taken from pools, sorted.
pub(super) fn allocate(
    domains: &[Domain],
    taken: &[Vec<Taken>],
    wiring: &Wiring,
    findings: &mut Findings,
) -> Vec<Vec<Address>> {
    let mut addresses: Vec<Vec<Address>> = wiring.ports.iter().map(given).collect();
    let all_given = all_given(wiring);
    let mut warned = BTreeSet::new();
    for (domain, subnets) in domains.iter().zip(taken) {
        for subnet in subnets {
            fill(domain, subnet, &all_given, wiring, &mut addresses, findings);
        }
        warn_without_index(domain, subnets, wiring, &addresses, &mut warned, findings);
    }
    for addresses in &mut addresses {
        addresses.sort_by_key(|address| (address.net.ip(), address.net.prefix()));
    }
    addresses
}

fn given(port: &Port) -> Vec<Address> {
    let given = port.given.iter();
    given.map(|at| Address { net: at.value, why: AddressReason::Given, origin: at.origin }).collect()
}

/// Every address that the file gives to an interface or a loopback, ascending.
fn all_given(wiring: &Wiring) -> Vec<Prefix> {
    let ports = wiring.ports.iter().flat_map(|port| &port.given);
    let loopbacks = wiring.nodes.iter().flat_map(|node| &node.loopback);
    let mut given: Vec<Prefix> = ports.chain(loopbacks).map(|address| Prefix::host(address.ip())).collect();
    given.sort_unstable();
    given
}

/// Gives every interface of the segment that has none an address of the subnet.
fn fill(
    domain: &Domain,
    subnet: &Taken,
    all_given: &[Prefix],
    wiring: &Wiring,
    addresses: &mut [Vec<Address>],
    findings: &mut Findings,
) {
    let prefix = subnet.prefix;
    let within = &all_given[all_given.partition_point(|given| *given < prefix)..];
    let within = within.iter().take_while(|given| prefix.contains(**given));
    let mut used: BTreeSet<u128> = within.map(|given| given.first - prefix.first).collect();
    let needs_one = |place: &usize| {
        let settled = wiring.ports[*place].settled.contains(&prefix.family);
        !settled && !addresses[*place].iter().any(|address| prefix.contains_address(address.net.ip()))
    };
    let mut open: Vec<usize> = domain.ports.iter().copied().filter(needs_one).collect();
    open.sort_by_key(|place| (wiring.kind(wiring.ports[*place].node) != NodeKind::Router, *place));
    let mut assign = |place: usize, host: u128, by_index: bool| {
        let why = AddressReason::Pool { pool: subnet.pool.clone(), subnet: subnet.number, host, by_index };
        let net = with_length(prefix.address(host), prefix.length);
        addresses[place].push(Address { net, why, origin: subnet.origin });
    };
    open.retain(|place| {
        let port = &wiring.ports[*place];
        let Some(index) = wiring.node(port.node).index else { return true };
        let host = u128::from(index.value);
        let fits = prefix.is_usable(host);
        if fits && used.insert(host) {
            assign(*place, host, true);
            return false;
        }
        // Two ends of a link do not change places, whatever else the file says.
        if !domain.layer2.is_empty() {
            findings.push(index_not_used(port, host, fits, prefix, index.origin, wiring));
        }
        true
    });
    let mut next = prefix.first_usable();
    for place in open {
        while used.contains(&next) {
            next += 1;
        }
        if !prefix.is_usable(next) {
            findings.push(exhausted(domain, subnet, wiring, place));
            return;
        }
        assign(place, next, false);
        // No pool is a whole family, so offsets stay below 2^127.
        next += 1;
    }
}

fn index_not_used(port: &Port, host: u128, fits: bool, prefix: Prefix, origin: Origin, wiring: &Wiring) -> Diagnostic {
    let reason = if fits { "is taken" } else { "does not exist" };
    let message = format!("address {host} of {} {reason}: `{}` gets another", prefix.network(), wiring.port_name(port));
    Diagnostic::warning(codes::INDEX_NOT_USED, message).at(origin, "")
}

fn exhausted(domain: &Domain, subnet: &Taken, wiring: &Wiring, place: usize) -> Diagnostic {
    let network = subnet.prefix.network();
    let port = &wiring.ports[place];
    let message =
        format!("the subnet {network} of pool `{}` has no address left for `{}`", subnet.pool, wiring.port_name(port));
    Diagnostic::error(codes::NO_ADDRESS_LEFT, message)
        .at(port.origin, "")
        .at(subnet.length_origin, "the length of the pool's subnets")
        .help(format!("it has {}, and {} interfaces share the segment", subnet.prefix.usable(), domain.ports.len()))
}

/// Inserting a row without an index may move what later rows get.
fn warn_without_index(
    domain: &Domain,
    subnets: &[Taken],
    wiring: &Wiring,
    addresses: &[Vec<Address>],
    warned: &mut BTreeSet<(Origin, String)>,
    findings: &mut Findings,
) {
    let Some(holder) = &domain.pool else { return };
    let pool = &holder.pool;
    let mut warn = |origin: Origin, what: &str| {
        if warned.insert((origin, pool.value.clone())) {
            let message = format!("{what} from the pool `{}` may change when rows are inserted", pool.value);
            findings.push(
                Diagnostic::warning(codes::NO_INDEX, message)
                    .at(origin, "an `each` without `index:`")
                    .at(pool.origin, "the pool is named here")
                    .help("give the rows an `index:`, so that each one keeps its own"),
            );
        }
    };
    if holder.repeated && subnets.iter().any(|subnet| subnet.may_move) {
        warn(holder.origin, "subnets");
    }
    // The two ends of a link without switches keep their addresses whatever rows there are.
    let shared = if domain.layer2.is_empty() { &[] } else { domain.ports.as_slice() };
    for place in shared {
        let node = wiring.node(wiring.ports[*place].node);
        let from_pool = |address: &Address| matches!(address.why, AddressReason::Pool { .. });
        if node.repeated && node.index.is_none() && addresses[*place].iter().any(from_pool) {
            warn(node.name.origin, "addresses");
        }
    }
}
