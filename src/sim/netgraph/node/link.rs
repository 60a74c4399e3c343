//! What a bridge keeps for each of its links.

use ngsock::node::bridge::LinkStats;
use serde::{Deserialize, Serialize};

use super::super::hooks::Hook;
use super::{Private, count};

/// A link of a bridge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    /// Hosts behind it are learnt.
    pub learns: bool,
    /// It gets frames to unknown hosts.
    pub gets_unknown: bool,
    /// Until which second of the bridge it is mute because of a loop.
    mute_until: u64,
    /// Its statistics.
    pub counters: Counters,
}

/// To how many a frame is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// One host.
    One,
    /// A group.
    Group,
    /// All.
    All,
}

impl Destination {
    /// By the destination address.
    pub fn of(mac: [u8; 6]) -> Self {
        match mac {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => Self::All,
            [first, ..] if first & 1 != 0 => Self::Group,
            _ => Self::One,
        }
    }
}

impl Link {
    /// A new link.
    pub fn new(learns: bool, gets_unknown: bool) -> Self {
        Self { learns, gets_unknown, mute_until: 0, counters: Counters::default() }
    }

    /// The link of a bridge's hook.
    pub(in crate::sim::netgraph) fn of(hook: &mut Hook) -> Option<&mut Self> {
        match &mut hook.private {
            Private::Link(link) => Some(link),
            _ => None,
        }
    }

    /// Whether it is mute in this second.
    pub fn is_mute(&self, second: u64) -> bool {
        second < self.mute_until
    }

    /// Mutes it. The kernel counts the seconds in 16 bits.
    pub fn mute(&mut self, second: u64, seconds: u32) {
        self.mute_until = second.saturating_add(u64::from(seconds & 0xffff));
        count(&mut self.counters.loop_detects, 1);
    }

    /// NGM_BRIDGE_RESET: heard again, statistics cleared.
    pub fn reset(&mut self) {
        self.mute_until = 0;
        self.counters = Counters::default();
    }
}

/// The statistics of a link.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    received_octets: u64,
    received_frames: u64,
    received_multicasts: u64,
    received_broadcasts: u64,
    /// Frames to hosts that were not in the table.
    pub received_unknown: u64,
    /// Frames without a whole header.
    pub received_runts: u64,
    /// Frames from a group address.
    pub received_invalid: u64,
    sent_octets: u64,
    sent_frames: u64,
    sent_multicasts: u64,
    sent_broadcasts: u64,
    /// Frames dropped because of a loop.
    pub loop_drops: u64,
    loop_detects: u64,
}

impl Counters {
    /// Counts a frame that came in.
    pub fn receive(&mut self, to: Destination, octets: usize) {
        count(&mut self.received_octets, octets as u64);
        count(&mut self.received_frames, 1);
        match to {
            Destination::One => {}
            Destination::Group => count(&mut self.received_multicasts, 1),
            Destination::All => count(&mut self.received_broadcasts, 1),
        }
    }

    /// Counts a frame that went out.
    pub fn send(&mut self, to: Destination, octets: usize) {
        count(&mut self.sent_octets, octets as u64);
        count(&mut self.sent_frames, 1);
        match to {
            Destination::One => {}
            Destination::Group => count(&mut self.sent_multicasts, 1),
            Destination::All => count(&mut self.sent_broadcasts, 1),
        }
    }

    /// As they are told; memory never fails here.
    pub fn wire(&self) -> LinkStats {
        LinkStats {
            received_octets: self.received_octets,
            received_frames: self.received_frames,
            received_multicasts: self.received_multicasts,
            received_broadcasts: self.received_broadcasts,
            received_unknown: self.received_unknown,
            received_runts: self.received_runts,
            received_invalid: self.received_invalid,
            sent_octets: self.sent_octets,
            sent_frames: self.sent_frames,
            sent_multicasts: self.sent_multicasts,
            sent_broadcasts: self.sent_broadcasts,
            loop_drops: self.loop_drops,
            loop_detects: self.loop_detects,
            memory_failures: 0,
        }
    }
}
