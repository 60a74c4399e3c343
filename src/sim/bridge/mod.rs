//! if_bridge: members, learning, forwarding, RSTP.
//!
//! `control` answers the ioctls, `forward` carries frames, `rstp` decides which ports carry them, `bpdu` is what
//! bridges tell each other. A bridge is taken out of its interface while it works (`with`): nothing it calls
//! needs it, because frames only join the kernel's queue.

mod bpdu;
mod control;
mod forward;
mod listing;
mod parameters;
mod rstp;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::clock::Nanos;
use super::ifnet::Driver;
use super::kernel::{IfIndex, Kernel};
use super::{clock, ifnet};
use crate::abi::flags::{IFCAP_TXCSUM, IFCAP_TXCSUM_IPV6};
pub use control::control;
pub use forward::{input, output, transmit};
pub use listing::{View, view};

/// Capabilities that all members must have (`BRIDGE_IFCAPS_MASK`).
const OFFLOADED: u32 = IFCAP_TXCSUM | IFCAP_TXCSUM_IPV6;
/// `IFF_DRV_RUNNING`.
const IFF_RUNNING: u32 = 0x40;
const SECOND: Nanos = 1_000_000_000;

/// The state of one if_bridge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bridge {
    /// Newest first, as the kernel lists them.
    members: Vec<Member>,
    /// Interfaces that get a copy of everything, newest first.
    spans: Vec<IfIndex>,
    /// Who was heard where; keyed by MAC and VLAN.
    cache: BTreeMap<([u8; 6], u16), Heard>,
    /// Counts entries of the cache, for the order in which they are listed.
    serial: u64,
    /// Addresses the cache may hold.
    cache_limit: u32,
    /// Seconds an address is remembered without being heard.
    timeout: u32,
    /// Addresses that found the cache full.
    exceeded: u32,
    /// `IFBRF_*`.
    flags: u32,
    /// Untagged VLAN of new members, 0 for none.
    default_pvid: u16,
    /// The spanning tree.
    tree: rstp::Tree,
}

/// One member.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Member {
    interface: IfIndex,
    /// `IFBIF_*`, those of the spanning tree aside.
    flags: u32,
    address_limit: u32,
    exceeded: u32,
    pvid: u16,
    /// Bitmap of 4096 tagged VLANs, empty for none.
    vlans: Vec<u8>,
    vlan_protocol: u16,
    /// `IFCAP_*` as they were when it joined.
    saved_capabilities: u32,
    port: rstp::Port,
}

/// An address in the cache.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Heard {
    member: IfIndex,
    /// `None` for static ones.
    expires: Option<Nanos>,
    sticky: bool,
    serial: u64,
}

/// What a bridge asked the clock for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {
    /// A second of the spanning tree is over.
    Tick {
        /// The bridge's interface.
        bridge: IfIndex,
    },
}

impl Default for Bridge {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            spans: Vec::new(),
            cache: BTreeMap::new(),
            serial: 0,
            cache_limit: 2000,
            timeout: 1200,
            exceeded: 0,
            flags: 0,
            default_pvid: 0,
            tree: rstp::Tree::default(),
        }
    }
}

impl Bridge {
    /// Its members' interfaces, newest first.
    pub fn members(&self) -> impl Iterator<Item = IfIndex> {
        self.members.iter().map(|member| member.interface)
    }

    fn member(&self, interface: IfIndex) -> Option<&Member> {
        self.members.iter().find(|member| member.interface == interface)
    }

    fn member_mut(&mut self, interface: IfIndex) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.interface == interface)
    }
}

/// Runs `work` with the bridge of that interface taken out; `None` if there is none.
fn with<T>(kernel: &mut Kernel, bridge: IfIndex, work: impl FnOnce(&mut Kernel, &mut Bridge) -> T) -> Option<T> {
    let Driver::Bridge(slot) = &mut kernel.interfaces.get_mut(bridge)?.driver else { return None };
    let mut state = std::mem::take(slot);
    let result = work(kernel, &mut state);
    if let Some(interface) = kernel.interfaces.get_mut(bridge)
        && let Driver::Bridge(slot) = &mut interface.driver
    {
        *slot = state;
    }
    Some(result)
}

/// A member leaves (destroyed, moved): silently removed.
pub fn member_leaves(kernel: &mut Kernel, member: IfIndex) {
    let Some(bridge) = kernel.interfaces.get(member).and_then(|interface| interface.bridge) else { return };
    with(kernel, bridge, |kernel, state| remove(kernel, bridge, state, member));
}

/// A bridge is about to be destroyed: its members are free again.
pub fn destroyed(kernel: &mut Kernel, bridge: IfIndex) {
    with(kernel, bridge, |kernel, state| {
        for member in &state.members {
            release(kernel, member);
        }
        *state = Bridge::default();
    });
}

/// A member's carrier came or went.
pub fn link_changed(kernel: &mut Kernel, member: IfIndex) {
    let Some(bridge) = kernel.interfaces.get(member).and_then(|interface| interface.bridge) else { return };
    with(kernel, bridge, |kernel, state| rstp::link_changed(kernel, state, member));
    check_link(kernel, bridge);
}

/// An interface was brought up or down. A bridge begins or ends its work; of its members it is not told, but looks at them by and by.
pub fn flags_changed(kernel: &mut Kernel, index: IfIndex) {
    let is_bridge = kernel.interfaces.get(index).is_some_and(|interface| matches!(interface.driver, Driver::Bridge(_)));
    if is_bridge {
        with(kernel, index, |kernel, state| rstp::links_changed(kernel, index, state));
        check_link(kernel, index);
    }
}

/// A timer is due.
pub fn timer(kernel: &mut Kernel, timer: Timer) {
    let Timer::Tick { bridge } = timer;
    with(kernel, bridge, |kernel, state| rstp::tick(kernel, bridge, state));
}

/// Takes a member out; its addresses are forgotten.
fn remove(kernel: &mut Kernel, bridge: IfIndex, state: &mut Bridge, member: IfIndex) {
    if let Some(place) = state.members.iter().position(|other| other.interface == member) {
        let member = state.members.remove(place);
        release(kernel, &member);
        mute(kernel, state);
    }
    state.spans.retain(|other| *other != member);
    state.cache.retain(|_, heard| heard.member != member);
    rstp::links_changed(kernel, bridge, state);
}

/// Gives an interface back to itself, with the capabilities it came with.
fn release(kernel: &mut Kernel, member: &Member) {
    let index = member.interface;
    if let Some(interface) = kernel.interfaces.get_mut(index) {
        interface.bridge = None;
    }
    if !is_tunnel(kernel, index) {
        ifnet::set_promiscuous(kernel, index, false);
    }
    ifnet::restore_capabilities(kernel, index, member.saved_capabilities);
}

/// A gif is no Ethernet interface and has no promiscuous mode.
fn is_tunnel(kernel: &Kernel, index: IfIndex) -> bool {
    let interface = kernel.interfaces.get(index);
    interface.is_some_and(|interface| matches!(&interface.driver, Driver::Other { cloner } if cloner == "gif"))
}

/// What one member cannot compute, none may leave to its driver (`sys/net/if_bridge.c`, bridge_mutecaps).
fn mute(kernel: &mut Kernel, state: &Bridge) {
    let common = state.members.iter().fold(OFFLOADED, |common, member| common & member.saved_capabilities);
    for member in &state.members {
        let enabled = kernel.interfaces.get(member.interface).map_or(0, |interface| interface.capabilities);
        let wanted = enabled & !OFFLOADED | common;
        if wanted != enabled {
            ifnet::restore_capabilities(kernel, member.interface, wanted);
        }
    }
}

/// A bridge has a carrier when one of its members has.
fn check_link(kernel: &mut Kernel, bridge: IfIndex) {
    let Some(interface) = kernel.interfaces.get(bridge) else { return };
    let Driver::Bridge(state) = &interface.driver else { return };
    let up = state.members().any(|member| kernel.interfaces.get(member).is_some_and(|member| member.link_up));
    if interface.link_up != up {
        ifnet::set_link(kernel, bridge, up);
    }
}

/// Asks for the next second of a bridge's spanning tree; when that will be.
fn set_tick(kernel: &mut Kernel, bridge: IfIndex) -> Nanos {
    kernel.clock.set(SECOND, clock::Timer::Bridge(Timer::Tick { bridge }));
    kernel.clock.now() + SECOND
}

#[cfg(test)]
mod tests;
