//! `addressing:`: ranges that subnets are taken from by number.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use super::codes;
use super::draft::DraftPool;
use super::findings::Findings;
use super::prefix::{Family, Prefix};
use crate::diagnostic::{At, Diagnostic, Origin};

/// Ranges that no interface can have addresses from.
const SPECIAL: [(Prefix, &str); 9] = [
    (v4(0x0000_0000, 8), "\"this network\""),
    (v4(0x7f00_0000, 8), "the loopback range"),
    (v4(0xe000_0000, 4), "multicast"),
    (v4(0xf000_0000, 4), "reserved"),
    (v6(0, 128), "the unspecified address"),
    (v6(1, 128), "the loopback address"),
    (v6(0xffff_0000_0000, 96), "the IPv4-mapped range"),
    (v6(0xfe80 << 112, 10), "link-local: every interface makes its own from its MAC address"),
    (v6(0xff00 << 112, 8), "multicast"),
];

const fn v4(first: u128, length: u8) -> Prefix {
    Prefix { family: Family::V4, first, length }
}

const fn v6(first: u128, length: u8) -> Prefix {
    Prefix { family: Family::V6, first, length }
}

/// What makes (a part of) the prefix unusable for interfaces.
pub(super) fn special(prefix: Prefix) -> Option<&'static str> {
    SPECIAL.iter().find(|(range, _)| range.overlaps(prefix)).map(|(_, meaning)| *meaning)
}

/// One family of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) whole: Prefix,
    /// Prefix length of each subnet, at least that of the whole.
    pub(super) length: u8,
    /// Where the range is written.
    pub(super) origin: Origin,
    /// Where the length of the subnets is written.
    pub(super) length_origin: Origin,
}

impl Range {
    pub(super) fn family(&self) -> Family {
        self.whole.family
    }

    /// How many addresses one subnet has, as a shift.
    fn shift(&self) -> u32 {
        u32::from(self.family().width() - self.length)
    }

    fn subnets(&self) -> u128 {
        1u128.checked_shl(u32::from(self.length - self.whole.length)).unwrap_or(u128::MAX)
    }

    /// The subnet of that number, which is below [`Pool::capacity`].
    pub(super) fn subnet(&self, number: u128) -> Prefix {
        let offset = number.checked_shl(self.shift()).unwrap_or(0);
        Prefix { family: self.family(), first: self.whole.first + offset, length: self.length }
    }

    /// The first and last number whose subnets overlap the prefix.
    fn numbers(&self, prefix: Prefix) -> Option<(u128, u128)> {
        let number = |address: u128| (address - self.whole.first).checked_shr(self.shift()).unwrap_or(0);
        let (first, last) = (prefix.first.max(self.whole.first), prefix.last().min(self.whole.last()));
        self.whole.overlaps(prefix).then(|| (number(first), number(last)))
    }

    /// The number of the subnet that starts where `prefix` does.
    pub(super) fn number(&self, prefix: Prefix) -> Option<u128> {
        self.numbers(prefix).map(|(first, _)| first)
    }
}

/// A pool and which of its numbers are gone.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) origin: Origin,
    /// IPv4 first.
    pub(super) ranges: Vec<Range>,
    /// Numbers handed out, the same for both families.
    taken: BTreeSet<u128>,
    /// Numbers that overlap what the file gives: by family, ascending, disjoint.
    blocked: BTreeMap<Family, Vec<(u128, u128)>>,
    /// Below these nothing is free, by whether IPv4 and IPv6 are asked for.
    cursors: BTreeMap<(bool, bool), u128>,
}

impl Pool {
    /// How many subnets every family of the pool has.
    pub(super) fn capacity(&self) -> u128 {
        self.ranges.iter().map(Range::subnets).min().unwrap_or(0)
    }

    /// Keeps the pool off the prefixes, which are in ascending order.
    pub(super) fn avoid(&mut self, given: &[Prefix]) {
        for range in &self.ranges {
            let mut merged: Vec<(u128, u128)> = Vec::new();
            // Only prefixes of the family overlap; their order is that of the numbers.
            for (first, last) in given.iter().filter_map(|prefix| range.numbers(*prefix)) {
                match merged.last_mut() {
                    Some(before) if first <= before.1 => before.1 = before.1.max(last),
                    _ => merged.push((first, last)),
                }
            }
            self.blocked.insert(range.family(), merged);
        }
    }

    /// The end of the blocked stretch that holds the number.
    fn blocked_until(&self, family: Family, number: u128) -> Option<u128> {
        let blocked = self.blocked.get(&family)?;
        let place = blocked.partition_point(|(_, last)| *last < number);
        blocked.get(place).filter(|(first, _)| *first <= number).map(|(_, last)| *last)
    }

    /// Whether nothing handed out or given overlaps the subnets of that number.
    pub(super) fn is_free(&self, number: u128, families: &[Family]) -> bool {
        number < self.capacity()
            && !self.taken.contains(&number)
            && families.iter().all(|family| self.blocked_until(*family, number).is_none())
    }

    /// Hands out a number.
    pub(super) fn take(&mut self, number: u128) {
        self.taken.insert(number);
    }

    /// Hands out the lowest number that is free in the families.
    pub(super) fn take_next(&mut self, families: &[Family]) -> Option<u128> {
        let asked = (families.contains(&Family::V4), families.contains(&Family::V6));
        let mut number = self.cursors.get(&asked).copied().unwrap_or(0);
        while number < self.capacity() {
            let blocked = families.iter().filter_map(|family| self.blocked_until(*family, number)).max();
            number = match blocked {
                Some(last) => last.checked_add(1)?,
                None if self.taken.contains(&number) => number.checked_add(1)?,
                None => {
                    self.cursors.insert(asked, number);
                    self.take(number);
                    return Some(number);
                }
            };
        }
        None
    }
}

/// Reads `addressing:`; `None` if a pool cannot be used.
pub(super) fn read(drafts: &BTreeMap<String, DraftPool>, findings: &mut Findings) -> Option<BTreeMap<String, Pool>> {
    let errors = findings.errors();
    let mut pools = BTreeMap::new();
    for (name, draft) in drafts {
        let v4 = draft.ipv4.as_ref().map(|(net, length)| (At::new(IpNetwork::V4(net.value), net.origin), length));
        let v6 = draft.ipv6.as_ref().map(|(net, length)| (At::new(IpNetwork::V6(net.value), net.origin), length));
        let ranges = v4.into_iter().chain(v6).filter_map(|(net, length)| range(name, &net, length, findings)).collect();
        let pool = Pool {
            name: name.clone(),
            origin: draft.origin,
            ranges,
            taken: BTreeSet::new(),
            blocked: BTreeMap::new(),
            cursors: BTreeMap::new(),
        };
        pools.insert(name.clone(), pool);
    }
    check_overlaps(&pools, findings);
    (findings.errors() == errors).then_some(pools)
}

fn range(pool: &str, net: &At<IpNetwork>, length: &At<u8>, findings: &mut Findings) -> Option<Range> {
    let whole = Prefix::of(net.value);
    let network = whole.network();
    if network != net.value {
        findings.push(
            Diagnostic::error(codes::BAD_POOL, format!("the range of pool `{pool}` has host bits: {}", net.value))
                .at(net.origin, "")
                .help(format!("write `{network}`")),
        );
        return None;
    }
    if let Some(meaning) = special(whole) {
        let message = format!("the range of pool `{pool}` holds addresses that no interface can have");
        findings.push(Diagnostic::error(codes::BAD_POOL, message).at(net.origin, format!("part of it is {meaning}")));
        return None;
    }
    let width = whole.family.width();
    if length.value < whole.length || length.value > width {
        let message = format!("pool `{pool}` cannot have subnets of /{}", length.value);
        findings.push(
            Diagnostic::error(codes::BAD_POOL, message)
                .at(length.origin, "")
                .at(net.origin, "the range they are taken from")
                .help(format!("a prefix length from {} to {width} fits", whole.length)),
        );
        return None;
    }
    Some(Range { whole, length: length.value, origin: net.origin, length_origin: length.origin })
}

fn check_overlaps(pools: &BTreeMap<String, Pool>, findings: &mut Findings) {
    let ranges = pools.values().flat_map(|pool| pool.ranges.iter().map(move |range| (range, pool)));
    let mut ranges: Vec<(&Range, &Pool)> = ranges.collect();
    ranges.sort_by_key(|(range, pool)| (range.whole, &pool.name));
    // The range so far that reaches furthest: whatever overlaps an earlier one overlaps this one.
    let mut widest: Option<(&Range, &Pool)> = None;
    for (range, pool) in ranges {
        match widest {
            Some((earlier, other)) if earlier.whole.overlaps(range.whole) => {
                let (a, b) = (earlier.whole.network(), range.whole.network());
                let message = format!("the pools `{}` and `{}` overlap: {a} and {b}", other.name, pool.name);
                findings.push(
                    Diagnostic::error(codes::POOLS_OVERLAP, message)
                        .at(range.origin, "")
                        .at(earlier.origin, "overlaps this range"),
                );
            }
            _ => widest = Some((range, pool)),
        }
    }
}
