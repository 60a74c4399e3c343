//! How an interface sends: what `tc` of a link becomes at each end, in the units in which Linux keeps it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Name, Place};
use crate::graph::PipeDirection;
use crate::model::{Mtu, Shaping};

/// Octets of an Ethernet header, which count as part of a frame.
const HEADER: u64 = 14;
/// Frames on the way that a line takes: enough for 10 Gbit/s and a tenth of a second. An ng_pipe has no such limit.
const ON_THE_WAY: u32 = 100_000;
/// Out of how many frames Linux counts.
const ALL: u64 = u32::MAX as u64;

/// How both ends of a veth pair send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shaped {
    /// The first end's name that is unique in the lab.
    pub nic: Name,
    /// The ends, in the order of the pair.
    pub ends: [ShapedEnd; 2],
}

impl Shaped {
    /// The same while these places do not exist: an end that is kept for one of them is a plain interface. `None` if both ends are.
    pub(in crate::graph) fn without(mut self, places: &BTreeSet<Place>) -> Option<Self> {
        for end in self.ends.iter_mut().filter(|end| places.contains(&end.place)) {
            end.place = Place::Lab;
            end.sending = Sending::default();
        }
        self.ends.iter().any(|end| !end.sending.is_plain()).then_some(self)
    }
}

/// How one end sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapedEnd {
    /// Where it is.
    pub place: Place,
    /// What it is called there.
    pub interface: Name,
    /// How it sends.
    pub sending: Sending,
}

/// A line with delays and losses, and a bottleneck at its end; neither is a plain interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// `netem`.
    pub line: Option<Line>,
    /// `tbf`.
    pub bottleneck: Option<Bottleneck>,
    /// What somebody else put in their place.
    pub other: Option<Name>,
}

/// What happens to frames on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Ticks of 64 ns, as the kernel counts.
    pub delay: u32,
    /// The same.
    pub jitter: u32,
    /// Frames on the way.
    pub limit: u32,
    /// Out of 2^32 - 1 frames.
    pub loss: u32,
    /// The same.
    pub duplicate: u32,
    /// The same.
    pub corrupt: u32,
    /// The same.
    pub reorder: u32,
}

/// How fast frames leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bottleneck {
    /// Octets per second.
    pub rate: u64,
    /// Octets that may leave at once.
    pub burst: u32,
    /// Octets that may wait.
    pub limit: u32,
}

impl Sending {
    /// Nanoseconds of a tick.
    pub const TICK: u64 = 64;
    /// Bursts are multiples of so many octets: what the kernel tells of them is not exact to the octet.
    pub const BURST: u64 = 1024;

    /// What a file's `tc` is at an interface of that MTU. Spans beyond what the kernel counts are the longest it can; the engine
    /// refuses files with such.
    #[must_use]
    pub fn of(shaping: &Shaping, mtu: Mtu) -> Self {
        let Shaping { rate, delay, duplicate, queue, jitter, loss, corrupt, reorder, one_error_in_bits: _ } = *shaping;
        let ticks = |span: Option<crate::model::Delay>| span.map_or(0, |span| clamp(span.0 / Self::TICK));
        let share = |share: Option<crate::model::Share>| {
            let millionths = u64::from(share.map_or(0, |share| share.0));
            clamp((millionths * ALL + 500_000) / 1_000_000)
        };
        let line = Line {
            delay: ticks(delay),
            jitter: ticks(jitter),
            limit: ON_THE_WAY,
            loss: share(loss),
            duplicate: share(duplicate),
            corrupt: share(corrupt),
            reorder: share(reorder),
        };
        let unimpaired = Line { limit: ON_THE_WAY, ..Line::default() };
        let frame = u64::from(mtu.0) + HEADER;
        let bottleneck = rate.map(|rate| {
            let rate = rate.0 / 8;
            // Two frames at least; at high rates what passes in two milliseconds, so that a late timer costs no throughput.
            let burst = (2 * frame).max(rate / 500).next_multiple_of(Self::BURST);
            let queue = u64::from(queue.unwrap_or(PipeDirection::DEFAULT_QUEUE));
            Bottleneck { rate, burst: clamp(burst), limit: clamp(queue * frame) }
        });
        Self { line: (line != unimpaired).then_some(line), bottleneck, other: None }
    }

    /// Whether it is that of a plain interface.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

fn clamp(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bandwidth, Delay, Share};

    #[test]
    fn a_rate_is_a_bottleneck_and_a_delay_is_a_line() {
        let shaping = Shaping { rate: Some(Bandwidth(10_000_000)), ..Shaping::default() };
        let sending = Sending::of(&shaping, Mtu(1500));
        assert_eq!(sending.bottleneck, Some(Bottleneck { rate: 1_250_000, burst: 3072, limit: 75_700 }));
        assert_eq!(sending.line, None);
        let shaping = Shaping { delay: Some(Delay(5_000_000)), loss: Some(Share(15_000)), ..shaping };
        let line = Sending::of(&shaping, Mtu(1500)).line.unwrap();
        assert_eq!((line.delay, line.loss), (78_125, 0x03d7_0a3d));
    }

    #[test]
    fn a_file_without_anything_is_a_plain_interface() {
        assert!(Sending::of(&Shaping { queue: Some(5), ..Shaping::default() }, Mtu(1500)).is_plain());
    }

    #[test]
    fn bursts_grow_with_the_rate() {
        let burst = |rate| {
            let shaping = Shaping { rate: Some(Bandwidth(rate)), ..Shaping::default() };
            Sending::of(&shaping, Mtu(9000)).bottleneck.unwrap().burst
        };
        assert_eq!(burst(1_000_000), 18_432);
        assert_eq!(burst(1_000_000_000), 250_880);
    }
}
