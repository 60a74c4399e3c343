//! Neighbour caches: ARP and neighbour discovery keep the same kind of entry, and age it when they look at it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::interface::has_link_layer;
use crate::abi::Errno;
use crate::sim::clock::Nanos;
use crate::sim::kernel::{IfIndex, Kernel};

/// How well a neighbour is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reachability {
    /// Asked for, not answered.
    Incomplete,
    /// Heard of, or confirmed, until that time.
    Reachable(Nanos),
    /// Heard of; to be confirmed when used.
    Stale,
    /// Used while stale; to be asked soon.
    Delay,
    /// Being asked.
    Probe,
    /// Set by hand, or an own address.
    Permanent,
}

/// An entry of a cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// `None` until answered.
    pub mac: Option<[u8; 6]>,
    /// How well it is known.
    pub state: Reachability,
    /// Whether it said that it is a router.
    pub router: bool,
    /// Requests sent without an answer.
    pub(super) asked: u32,
    /// When the last request was sent, or when the next step of neighbour discovery is due.
    pub(super) when: Nanos,
    /// IP packets that wait for the answer.
    pub(super) waiting: VecDeque<Vec<u8>>,
}

impl Neighbour {
    pub(super) fn incomplete(when: Nanos) -> Self {
        Self { mac: None, state: Reachability::Incomplete, router: false, asked: 0, when, waiting: VecDeque::new() }
    }

    pub(super) fn known(mac: [u8; 6], state: Reachability) -> Self {
        Self { mac: Some(mac), state, router: false, asked: 0, when: 0, waiting: VecDeque::new() }
    }

    /// Keeps a packet until the answer comes; gives back the oldest one if `most` wait already.
    pub(super) fn hold(&mut self, packet: Vec<u8>, most: usize) -> Option<Vec<u8>> {
        self.waiting.push_back(packet);
        if self.waiting.len() > most { self.waiting.pop_front() } else { None }
    }
}

/// The neighbours on the link of one interface.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Neighbours {
    pub entries: BTreeMap<IpAddr, Neighbour>,
}

/// Entries a cache of one interface holds at most; a flood of addresses pushes out what is not permanent.
const MOST: usize = 16_384;

impl Neighbours {
    /// The entry of an address, made anew if there is none.
    pub fn entry(&mut self, address: IpAddr, new: impl FnOnce() -> Neighbour) -> &mut Neighbour {
        if self.entries.len() >= MOST && !self.entries.contains_key(&address) {
            self.forget_dynamic();
        }
        self.entries.entry(address).or_insert_with(new)
    }

    pub fn forget_subnet4(&mut self, network: Ipv4Addr, length: u8) {
        let mask = super::prefix::mask4(length);
        self.entries.retain(|address, _| match address {
            IpAddr::V4(a) => a.to_bits() & mask != network.to_bits() & mask,
            IpAddr::V6(_) => true,
        });
    }

    pub fn forget_dynamic(&mut self) {
        self.entries.retain(|_, neighbour| neighbour.state == Reachability::Permanent);
    }
}

/// A line of `arp -an` or `ndp -an`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighbourView {
    /// Whose.
    pub address: IpAddr,
    /// `None` until answered.
    pub mac: Option<[u8; 6]>,
    /// How well it is known at this moment.
    pub state: Reachability,
    /// Whether it is an address of the interface itself.
    pub own: bool,
    /// Whether it is a router.
    pub router: bool,
    /// Nanoseconds until an ARP entry ends or a reachable one turns stale; `None` for permanent ones.
    pub expires: Option<Nanos>,
}

/// The neighbours of an interface: learnt ones by address, then its own in the order in which they were added.
#[must_use]
pub fn neighbours(kernel: &Kernel, index: IfIndex) -> Vec<NeighbourView> {
    let Some(interface) = kernel.interfaces.get(index) else { return Vec::new() };
    let now = kernel.clock.now();
    let learnt = interface.net.neighbours.entries.iter().filter_map(|(&address, neighbour)| {
        let (state, expires) = match neighbour.state {
            Reachability::Reachable(until) if until <= now && address.is_ipv4() => return None,
            Reachability::Reachable(until) if until <= now => (Reachability::Stale, None),
            Reachability::Reachable(until) => (neighbour.state, Some(until - now)),
            state => (state, None),
        };
        Some(NeighbourView { address, mac: neighbour.mac, state, own: false, router: neighbour.router, expires })
    });
    let own = interface.net.addresses.iter().filter(|_| has_link_layer(interface)).map(|address| NeighbourView {
        address: address.ip(),
        mac: Some(interface.mac),
        state: Reachability::Permanent,
        own: true,
        router: false,
        expires: None,
    });
    learnt.chain(own).filter(|view| !view.address.is_unspecified()).collect()
}

/// Sets an entry by hand; `until` is when it ends, `None` for a permanent one. Packets that wait for it are sent.
///
/// # Errors
/// `ENXIO` if there is no such interface, `EPERM` if the address is its own.
pub fn neighbour_add(
    kernel: &mut Kernel,
    index: IfIndex,
    address: IpAddr,
    mac: [u8; 6],
    until: Option<Nanos>,
) -> Result<(), Errno> {
    if super::own_address_at(kernel, index, address) {
        return Err(Errno::EPERM);
    }
    let state = until.map_or(Reachability::Permanent, Reachability::Reachable);
    settle(kernel, index, address, mac, state).then_some(()).ok_or(Errno::ENXIO)
}

/// Removes an entry.
///
/// # Errors
/// `ENOENT` if there is none.
pub fn neighbour_remove(kernel: &mut Kernel, index: IfIndex, address: IpAddr) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    interface.net.neighbours.entries.remove(&address).map(drop).ok_or(Errno::ENOENT)
}

/// Records what a neighbour's MAC is and sends what waited for it.
pub(super) fn settle(kernel: &mut Kernel, index: IfIndex, address: IpAddr, mac: [u8; 6], state: Reachability) -> bool {
    let Some(interface) = kernel.interfaces.get_mut(index) else { return false };
    let entry = interface.net.neighbours.entry(address, || Neighbour::known(mac, state));
    entry.mac = Some(mac);
    entry.state = state;
    entry.asked = 0;
    for packet in std::mem::take(&mut entry.waiting) {
        super::wire::send_to(kernel, index, mac, &packet);
    }
    true
}
