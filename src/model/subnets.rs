//! Which subnet of its pool each segment takes: by its index, by the addresses that the file gives, else the next one.

use std::collections::BTreeMap;

use super::findings::{Findings, later_first};
use super::pools::{Pool, Range};
use super::prefix::{Family, Prefix};
use super::segments::{Domain, Holder};
use super::wiring::Wiring;
use super::{codes, natural_order};
use crate::diagnostic::{Diagnostic, Origin};

/// The subnet of one family that a segment takes from its pool.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) pool: String,
    pub(super) number: u128,
    pub(super) prefix: Prefix,
    /// Neither an index nor an address of the file holds the segment there.
    pub(super) may_move: bool,
    /// Where the pool's range is written.
    pub(super) origin: Origin,
    /// Where the pool's prefix length is written.
    pub(super) length_origin: Origin,
}

/// A segment that takes from a pool, with the numbers that its given addresses fix.
struct Request<'a> {
    place: usize,
    domain: &'a Domain,
    holder: &'a Holder,
    fixed: BTreeMap<Family, (u128, Origin)>,
}

/// Subnets by segment; `None` if a pool cannot serve.
pub(super) fn take(
    domains: &[Domain],
    wiring: &Wiring,
    mut pools: BTreeMap<String, Pool>,
    findings: &mut Findings,
) -> Option<Vec<Vec<Taken>>> {
    let errors = findings.errors();
    let given = given_prefixes(wiring);
    let mut requests: BTreeMap<&str, Vec<Request<'_>>> = BTreeMap::new();
    for (place, domain) in domains.iter().enumerate() {
        let Some(holder) = &domain.pool else { continue };
        match pools.get(&holder.pool.value) {
            Some(pool) => {
                let fixed = fixed_numbers(pool, domain, wiring, findings);
                requests.entry(&holder.pool.value).or_default().push(Request { place, domain, holder, fixed });
            }
            None => report_unknown(holder, &pools, findings),
        }
    }
    let mut taken = vec![Vec::new(); domains.len()];
    for (name, mut requests) in requests {
        let Some(pool) = pools.get_mut(name) else { continue };
        pool.avoid(&given);
        requests.sort_by(|a, b| natural_order(&a.holder.key, &b.holder.key));
        let numbers = serve(pool, &requests, findings);
        for (request, numbers) in requests.iter().zip(numbers) {
            for (range, number) in pool.ranges.iter().zip(numbers) {
                taken[request.place].push(Taken {
                    pool: pool.name.clone(),
                    number,
                    prefix: range.subnet(number),
                    may_move: request.domain.index.is_none() && !request.fixed.contains_key(&range.family()),
                    origin: range.origin,
                    length_origin: range.length_origin,
                });
            }
        }
    }
    (findings.errors() == errors).then_some(taken)
}

/// Every network that the file gives to an interface or a loopback, ascending.
fn given_prefixes(wiring: &Wiring) -> Vec<Prefix> {
    let ports = wiring.ports.iter().flat_map(|port| &port.given);
    let loopbacks = wiring.nodes.iter().flat_map(|node| &node.loopback);
    let mut given: Vec<Prefix> = ports.chain(loopbacks).map(|address| Prefix::of(address.value)).collect();
    given.sort_unstable();
    given.dedup();
    given
}

/// An address given within the pool's range says which subnet the segment has.
fn fixed_numbers(
    pool: &Pool,
    domain: &Domain,
    wiring: &Wiring,
    findings: &mut Findings,
) -> BTreeMap<Family, (u128, Origin)> {
    let mut fixed: BTreeMap<Family, (u128, Origin)> = BTreeMap::new();
    let ports = domain.ports.iter().map(|place| &wiring.ports[*place]);
    for (port, address) in ports.flat_map(|port| port.given.iter().map(move |address| (port, address))) {
        let prefix = Prefix::of(address.value);
        let Some(range) = pool.ranges.iter().find(|range| range.whole.contains_address(address.ip())) else { continue };
        let outside = |reason: String| {
            let message = format!("`{}` of `{}` {reason}", address.value, wiring.port_name(port));
            Diagnostic::error(codes::OUTSIDE_SUBNET, message).at(address.origin, "")
        };
        if prefix.length != range.length {
            let reason = format!("is from the pool `{}`, whose subnets are /{}", pool.name, range.length);
            findings.push(outside(reason).at(range.length_origin, "the length is from here"));
            continue;
        }
        let Some(number) = range.number(prefix) else { continue };
        match fixed.get(&range.family()) {
            Some((first, origin)) if *first != number => {
                let subnet = range.subnet(*first).network();
                findings.push(
                    outside(format!("is outside its subnet {subnet}"))
                        .at(*origin, "this address has put the segment there")
                        .help(format!("one subnet of the pool `{}` is taken per segment", pool.name)),
                );
            }
            Some(_) => {}
            None => {
                fixed.insert(range.family(), (number, address.origin));
            }
        }
    }
    fixed
}

fn report_unknown(holder: &Holder, pools: &BTreeMap<String, Pool>, findings: &mut Findings) {
    let message = format!("the pool `{}` does not exist", holder.pool.value);
    let mut finding = Diagnostic::error(codes::UNKNOWN_POOL, message).at(holder.pool.origin, "");
    let nearest = findings.nearest(&holder.pool.value, pools.keys().map(String::as_str));
    finding.help = nearest.or_else(|| Some("pools are declared under `addressing:`".into()));
    findings.push(finding);
}

/// A number per range of the pool for each request: first those with an index, then the rest in order. Nothing on errors.
fn serve(pool: &mut Pool, requests: &[Request<'_>], findings: &mut Findings) -> Vec<Vec<u128>> {
    let errors = findings.errors();
    check_fixed(pool, requests, findings);
    let mut numbers = vec![Vec::new(); requests.len()];
    let mut by_index: BTreeMap<u32, Origin> = BTreeMap::new();
    for (request, numbers) in requests.iter().zip(&mut numbers) {
        let Some(index) = request.domain.index else { continue };
        let number = u128::from(index.value);
        match by_index.get(&index.value) {
            Some(first) => {
                let (later, earlier) = later_first(*first, index.origin);
                let message = format!("two segments take subnet {number} of pool `{}`", pool.name);
                findings.push(Diagnostic::error(codes::INDEX, message).at(later, "").at(earlier, "the other one"));
            }
            None => check_index(pool, request, index.origin, number, findings),
        }
        by_index.entry(index.value).or_insert(index.origin);
        *numbers = vec![number; pool.ranges.len()];
    }
    if findings.errors() > errors {
        return Vec::new();
    }
    by_index.keys().for_each(|index| pool.take(u128::from(*index)));
    for (request, numbers) in requests.iter().zip(&mut numbers).filter(|(_, numbers)| numbers.is_empty()) {
        match next_numbers(pool, request) {
            Some(next) => *numbers = next,
            None => {
                findings.push(exhausted(pool, request, requests.len()));
                return Vec::new();
            }
        }
    }
    numbers
}

/// Two segments cannot fill the same subnet.
fn check_fixed(pool: &Pool, requests: &[Request<'_>], findings: &mut Findings) {
    let mut fixed: BTreeMap<(Family, u128), Origin> = BTreeMap::new();
    for (family, (number, origin)) in requests.iter().flat_map(|request| &request.fixed) {
        if let Some(first) = fixed.insert((*family, *number), *origin) {
            let range = pool.ranges.iter().find(|range| range.family() == *family);
            let subnet = range.map(|range| range.subnet(*number).network().to_string()).unwrap_or_default();
            let (later, earlier) = later_first(first, *origin);
            findings.push(
                Diagnostic::error(codes::SUBNETS_OVERLAP, format!("two segments are in the subnet {subnet}"))
                    .at(later, "")
                    .at(earlier, "this address is on another segment")
                    .help("a subnet lives on one segment; give one of them other addresses"),
            );
        }
    }
}

fn check_index(pool: &Pool, request: &Request<'_>, origin: Origin, number: u128, findings: &mut Findings) {
    let capacity = pool.capacity();
    if number >= capacity {
        let message = format!("the pool `{}` has no subnet {number}", pool.name);
        findings.push(
            Diagnostic::error(codes::INDEX, message)
                .at(origin, "")
                .help(format!("it has {capacity}, numbered from 0 to {}", capacity.saturating_sub(1))),
        );
        return;
    }
    for range in &pool.ranges {
        let subnet = range.subnet(number).network();
        let means = format!("index {number} means {subnet} of pool `{}`", pool.name);
        match request.fixed.get(&range.family()) {
            Some((fixed, given)) if *fixed != number => findings.push(
                Diagnostic::error(codes::INDEX, format!("{means}, but the file gives the segment another subnet"))
                    .at(origin, "")
                    .at(*given, "by this address"),
            ),
            None if !pool.is_free(number, &[range.family()]) => findings.push(
                Diagnostic::error(codes::INDEX, format!("{means}, which is not free"))
                    .at(origin, "")
                    .help("addresses given elsewhere in the file are in that subnet; take another index"),
            ),
            _ => {}
        }
    }
}

/// What is fixed stays; the other family takes the same number if it can, so that both count alike.
fn next_numbers(pool: &mut Pool, request: &Request<'_>) -> Option<Vec<u128>> {
    let families: Vec<Family> = pool.ranges.iter().map(Range::family).collect();
    let open: Vec<Family> = families.iter().copied().filter(|family| !request.fixed.contains_key(family)).collect();
    let number = match request.fixed.values().next() {
        _ if open.is_empty() => None,
        Some((fixed, _)) if pool.is_free(*fixed, &open) => {
            pool.take(*fixed);
            Some(*fixed)
        }
        _ => Some(pool.take_next(&open)?),
    };
    families.iter().map(|family| request.fixed.get(family).map(|(fixed, _)| *fixed).or(number)).collect()
}

fn exhausted(pool: &Pool, request: &Request<'_>, segments: usize) -> Diagnostic {
    let capacity = pool.capacity();
    let message = format!("the pool `{}` has no subnet left for `{}`", pool.name, request.holder.key);
    let lengths: Vec<String> = pool.ranges.iter().map(|range| format!("/{}", range.length)).collect();
    Diagnostic::error(codes::NO_SUBNET_LEFT, message)
        .at(request.holder.pool.origin, "")
        .at(pool.ranges.first().map_or(pool.origin, |range| range.origin), "the pool's range")
        .help(format!(
            "it has {capacity} subnets of {}, and {segments} segments take from it; some may be taken by given addresses",
            lengths.join(" and ")
        ))
}
