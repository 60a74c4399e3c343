//! if_bridge: members, learning, forwarding, RSTP.
//!
//! `control` answers the ioctls, `forward` carries frames, `rstp` decides which ports carry them, `bpdu` is what
//! bridges tell each other. A bridge is taken out of its interface while it works ([`with`]): nothing it calls
//! needs it, because frames only join the kernel's queue.

mod bpdu;
mod control;
mod forward;
mod rstp;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::clock::Nanos;
use super::ifnet::Driver;
use super::kernel::{IfIndex, Kernel};
use super::{clock, ifnet};
pub use control::control;
pub use forward::{input, transmit};

/// `IFF_PROMISC` (`sys/net/if.h`).
const IFF_PROMISC: u32 = 0x100;
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
        for member in state.members().chain(state.spans.iter().copied()).collect::<Vec<_>>() {
            release(kernel, member);
        }
        *state = Bridge::default();
    });
}

/// A member's carrier or flags changed, or the bridge's own.
pub fn member_changed(kernel: &mut Kernel, member: IfIndex) {
    let Some(interface) = kernel.interfaces.get(member) else { return };
    let bridge = if matches!(interface.driver, Driver::Bridge(_)) { Some(member) } else { interface.bridge };
    let Some(bridge) = bridge else { return };
    with(kernel, bridge, |kernel, state| rstp::links_changed(kernel, bridge, state));
    check_link(kernel, bridge);
}

/// A timer is due.
pub fn timer(kernel: &mut Kernel, timer: Timer) {
    let Timer::Tick { bridge } = timer;
    with(kernel, bridge, |kernel, state| rstp::tick(kernel, bridge, state));
}

/// Takes a member out; its addresses are forgotten.
fn remove(kernel: &mut Kernel, bridge: IfIndex, state: &mut Bridge, member: IfIndex) {
    state.members.retain(|other| other.interface != member);
    state.spans.retain(|other| *other != member);
    state.cache.retain(|_, heard| heard.member != member);
    release(kernel, member);
    rstp::links_changed(kernel, bridge, state);
}

/// Gives an interface back to itself.
fn release(kernel: &mut Kernel, member: IfIndex) {
    if let Some(interface) = kernel.interfaces.get_mut(member) {
        interface.bridge = None;
        interface.flags &= !IFF_PROMISC;
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

/// Asks for the next second of a bridge's spanning tree.
fn set_tick(kernel: &mut Kernel, bridge: IfIndex) {
    kernel.clock.set(SECOND, clock::Timer::Bridge(Timer::Tick { bridge }));
}
