//! The routing table of one family: prefixes, shared next hops and their numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::prefix::{Key, Prefix, bits, mask};
use super::route::RTF_PINNED;
use crate::sim::kernel::IfIndex;

/// Where packets go next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NextHop {
    /// The router; `None` if destinations are on the link.
    pub gateway: Option<IpAddr>,
    /// The interface that sends.
    pub interface: IfIndex,
    /// `RTF_*` without `RTF_UP`.
    pub flags: u32,
    /// A fixed MTU; without one the interface's counts.
    pub mtu: Option<u32>,
    /// The interface whose address it is, where that is not the one that sends (host routes of own addresses).
    pub source: Option<IfIndex>,
}

/// One way of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// Where to.
    pub hop: NextHop,
    /// Its share among several; 1 if not given.
    pub weight: u32,
    /// The next hop's number (`Nhop#`), shared by equal ones of the vnet and family.
    pub id: u32,
}

/// A prefix and its ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to.
    pub prefix: Prefix,
    /// At least one.
    pub paths: Vec<Path>,
    /// The number of the only path's next hop, or of the group.
    pub id: u32,
}

impl Route {
    /// Whether the kernel made it for an address.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.paths.first().is_some_and(|path| path.hop.flags & RTF_PINNED != 0)
    }

    /// The path for a flow; the same hash gives the same one, and weights are respected.
    #[must_use]
    pub fn select(&self, hash: u32) -> Option<&Path> {
        if let [only] = self.paths.as_slice() {
            return Some(only);
        }
        let total: u64 = self.paths.iter().map(|path| u64::from(path.weight.max(1))).sum();
        let mut point = u64::from(hash) % total.max(1);
        self.paths.iter().find(|path| {
            let weight = u64::from(path.weight.max(1));
            let hit = point < weight;
            point = point.saturating_sub(weight);
            hit
        })
    }
}

/// The routes of one family in one vnet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    routes: BTreeMap<Key, Route>,
    /// Prefix lengths in use and how often, longest first.
    lengths: Vec<(u8, u32)>,
    numbers: Numbers,
}

impl Table {
    /// The route of exactly that prefix.
    #[must_use]
    pub fn get(&self, prefix: &Prefix) -> Option<&Route> {
        self.routes.get(&prefix.key())
    }

    /// The route with the longest prefix that covers an address.
    #[must_use]
    pub fn lookup(&self, address: IpAddr, scope: Option<IfIndex>) -> Option<&Route> {
        let bits = bits(address, scope);
        self.lengths.iter().find_map(|&(length, _)| self.routes.get(&Key { bits: bits & mask(length), length }))
    }

    /// All routes in the order of a radix tree walk.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.values()
    }

    /// Sets the paths of a prefix, whatever stood there; their numbers are filled in.
    pub fn put(&mut self, prefix: Prefix, mut paths: Vec<Path>) {
        for path in &mut paths {
            path.id = self.numbers.take_hop(&path.hop);
        }
        let id = match paths.as_slice() {
            [only] => only.id,
            several => self.numbers.take_group(several.iter().map(|path| (path.id, path.weight)).collect()),
        };
        match self.routes.insert(prefix.key(), Route { prefix, paths, id }) {
            Some(old) => self.release(&old),
            None => match self.lengths.binary_search_by(|entry| prefix.length.cmp(&entry.0)) {
                Ok(at) => self.lengths[at].1 += 1,
                Err(at) => self.lengths.insert(at, (prefix.length, 1)),
            },
        }
    }

    /// Removes a prefix with all its paths.
    pub fn remove(&mut self, prefix: &Prefix) -> Option<Route> {
        let old = self.routes.remove(&prefix.key())?;
        if let Ok(at) = self.lengths.binary_search_by(|entry| prefix.length.cmp(&entry.0)) {
            self.lengths[at].1 -= 1;
            if self.lengths[at].1 == 0 {
                self.lengths.remove(at);
            }
        }
        self.release(&old);
        Some(old)
    }

    /// Removes every path out of an interface, or of its addresses; gives the routes as they were, with the path
    /// that went first.
    pub fn remove_interface(&mut self, index: IfIndex) -> Vec<(Route, Path)> {
        let of_it = |path: &Path| path.hop.interface == index || path.hop.source == Some(index);
        let touched: Vec<Route> = self.routes.values().filter(|route| route.paths.iter().any(of_it)).cloned().collect();
        touched
            .into_iter()
            .filter_map(|route| {
                let gone = *route.paths.iter().find(|path| of_it(path))?;
                let rest: Vec<Path> = route.paths.iter().filter(|path| !of_it(path)).cloned().collect();
                if rest.is_empty() {
                    self.remove(&route.prefix);
                } else {
                    self.put(route.prefix, rest);
                }
                Some((route, gone))
            })
            .collect()
    }

    fn release(&mut self, route: &Route) {
        if route.paths.len() > 1 {
            self.numbers.drop_group(&route.paths.iter().map(|path| (path.id, path.weight)).collect::<Vec<_>>());
        }
        for path in &route.paths {
            self.numbers.drop_hop(&path.hop);
        }
    }
}

/// Next hops and groups, equal ones shared, numbered from 1 with the lowest free number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Numbers {
    hops: BTreeMap<NextHop, Shared>,
    groups: BTreeMap<Vec<(u32, u32)>, Shared>,
    free: BTreeSet<u32>,
    top: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Shared {
    id: u32,
    users: u32,
}

impl Numbers {
    fn take_hop(&mut self, hop: &NextHop) -> u32 {
        if let Some(shared) = self.hops.get_mut(hop) {
            shared.users += 1;
            return shared.id;
        }
        let id = self.number();
        self.hops.insert(*hop, Shared { id, users: 1 });
        id
    }

    fn take_group(&mut self, members: Vec<(u32, u32)>) -> u32 {
        if let Some(shared) = self.groups.get_mut(&members) {
            shared.users += 1;
            return shared.id;
        }
        let id = self.number();
        self.groups.insert(members, Shared { id, users: 1 });
        id
    }

    fn drop_hop(&mut self, hop: &NextHop) {
        if let Some(shared) = self.hops.get_mut(hop) {
            shared.users -= 1;
            if shared.users == 0 {
                self.free.insert(shared.id);
                self.hops.remove(hop);
            }
        }
    }

    fn drop_group(&mut self, members: &[(u32, u32)]) {
        if let Some(shared) = self.groups.get_mut(members) {
            shared.users -= 1;
            if shared.users == 0 {
                self.free.insert(shared.id);
                self.groups.remove(members);
            }
        }
    }

    fn number(&mut self) -> u32 {
        self.free.pop_first().unwrap_or_else(|| {
            self.top += 1;
            self.top
        })
    }
}
