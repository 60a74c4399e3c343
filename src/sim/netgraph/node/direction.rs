//! One direction of a pipe: its configuration, its two queues, and what became of the frames.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use ngsock::node::pipe::{DirectionChanges, DirectionConfig, DirectionQueues, DirectionStats, Setting};
use serde::{Deserialize, Serialize};

use super::HookId;
use crate::sim::kernel::{Frame, Random};

/// What a bandwidth can be, in bit/s.
pub const BANDWIDTH: RangeInclusive<u64> = 100..=1_000_000_000;

/// 1 in the fixed-point numbers that probabilities are computed in.
const ONE: u64 = 1 << 48;

/// One direction. Times are microseconds since boot.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Direction {
    /// Where its frames come in.
    pub hook: Option<HookId>,
    /// Bit/s; 0 is no limit.
    pub bandwidth: u64,
    /// One bit in so many is wrong; 0 is none.
    pub bits_per_error: u64,
    queue_limit: u32,
    delay_queue_limit: u32,
    duplicate_percent: u32,
    fifo: bool,
    wfq: bool,
    drr_quantum: u32,
    drop_tail: bool,
    drop_head: bool,
    /// Configured so that frames pass untouched. Never before the first configuration, which the kernel has too.
    passes: bool,
    /// When the line is free again.
    line_free: u64,
    /// Waiting for the line.
    waiting: VecDeque<Frame>,
    waiting_octets: u64,
    /// On the line or delayed, with the time at which each is due.
    delayed: VecDeque<(u64, Frame)>,
    delayed_octets: u64,
    forwarded: Count,
    refused: Count,
    lost: Count,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Count {
    frames: u64,
    octets: u64,
}

impl Count {
    fn add(&mut self, octets: usize) {
        self.frames = self.frames.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u64);
    }
}

impl Direction {
    /// As it is when its hook is connected (`sys/netgraph/ng_pipe.c:284`).
    pub fn connected(hook: HookId) -> Self {
        Self { hook: Some(hook), queue_limit: 50, fifo: true, drop_tail: true, ..Self::default() }
    }

    /// The hook went: so do the frames, but not the configuration.
    pub fn disconnect(&mut self) {
        self.hook = None;
        self.waiting = VecDeque::new();
        self.waiting_octets = 0;
        self.delayed = VecDeque::new();
        self.delayed_octets = 0;
    }

    /// A frame comes in: it is given back if it may pass at once, else queued. If the queue is too long then, the
    /// newest or the oldest frame of it is dropped; with a limit of 0 that is every frame, as the kernel has it.
    pub fn enqueue(&mut self, frame: Frame, now: u64) -> Option<Frame> {
        if self.passes && self.waiting.is_empty() && self.delayed.is_empty() {
            return Some(frame);
        }
        if self.waiting.is_empty() {
            self.line_free = self.line_free.max(now);
        }
        self.waiting_octets = self.waiting_octets.saturating_add(frame.len() as u64);
        self.waiting.push_back(frame);
        if self.waiting.len() as u64 > u64::from(self.queue_limit) {
            let dropped = if self.drop_head { self.waiting.pop_front() } else { self.waiting.pop_back() };
            if let Some(dropped) = dropped {
                self.waiting_octets = self.waiting_octets.saturating_sub(dropped.len() as u64);
                self.refused.add(dropped.len());
            }
        }
        None
    }

    /// Puts onto the line what it has time for: serialisation, duplicates, bit errors, delay
    /// (`pipe_dequeue`, `sys/netgraph/ng_pipe.c:760`).
    pub fn shape(&mut self, now: u64, delay: u64, overhead: u32, random: &mut Random) {
        while self.line_free <= now {
            let Some(frame) = self.waiting.pop_front() else { break };
            let octets = frame.len() as u64;
            if self.duplicate_percent != 0 && random.next_u64() % 100 <= u64::from(self.duplicate_percent.min(50)) {
                self.waiting.push_front(frame.clone());
            } else {
                self.waiting_octets = self.waiting_octets.saturating_sub(octets);
            }
            if let Some(time) =
                octets.saturating_add(u64::from(overhead)).saturating_mul(8_000_000).checked_div(self.bandwidth)
            {
                self.line_free = self.line_free.saturating_add(time);
            }
            let is_whole = self.bits_per_error == 0
                || random.next_u64() >> 16
                    < passes_whole(self.bits_per_error, octets.saturating_add(u64::from(overhead)));
            let has_room =
                self.delay_queue_limit == 0 || (self.delayed.len() as u64) < u64::from(self.delay_queue_limit);
            if is_whole && has_room {
                self.delayed_octets = self.delayed_octets.saturating_add(octets);
                self.delayed.push_back((self.line_free.saturating_add(delay), frame));
            } else {
                self.lost.add(frame.len());
            }
        }
    }

    /// The next frame whose delay is over.
    pub fn due(&mut self, now: u64) -> Option<Frame> {
        let (_, frame) = self.delayed.pop_front_if(|(at, _)| *at <= now)?;
        self.delayed_octets = self.delayed_octets.saturating_sub(frame.len() as u64);
        Some(frame)
    }

    /// Counts a frame that went out, or could not.
    pub fn count(&mut self, sent: bool, octets: usize) {
        if sent { self.forwarded.add(octets) } else { self.lost.add(octets) }
    }

    /// When there is something to do next.
    pub fn next_due(&self) -> Option<u64> {
        let line = if self.waiting.is_empty() { None } else { Some(self.line_free) };
        let delay = self.delayed.front().map(|(at, _)| *at);
        [line, delay].into_iter().flatten().min()
    }

    /// Makes the changes that are in range (`parse_cfg`, `sys/netgraph/ng_pipe.c:455`).
    pub fn change(&mut self, changes: &DirectionChanges, delay: u64) {
        match changes.bits_per_error {
            Setting::Reset => self.bits_per_error = 0,
            Setting::Set(bits) if bits <= 1_000_000_000_000 => self.bits_per_error = bits,
            _ => {}
        }
        for (limit, setting) in [
            (&mut self.queue_limit, changes.queue_limit_frames),
            (&mut self.delay_queue_limit, changes.delay_queue_limit_frames),
        ] {
            match setting {
                Setting::Reset => *limit = 0,
                Setting::Set(frames) if frames >= 5 => *limit = frames,
                _ => {}
            }
        }
        match changes.duplicate_percent {
            Setting::Reset => self.duplicate_percent = 0,
            Setting::Set(percent) if percent <= 50 => self.duplicate_percent = percent,
            _ => {}
        }
        if changes.fifo != Setting::Keep {
            self.schedule(true, false, 0);
        }
        if changes.wfq != Setting::Keep {
            self.schedule(false, true, 0);
        }
        match changes.drr_quantum_octets {
            Setting::Keep => {}
            Setting::Set(quantum) if quantum < 32 => self.schedule(false, false, 2048),
            Setting::Set(quantum) => self.schedule(false, false, quantum),
            Setting::Reset => self.schedule(false, false, u32::MAX),
        }
        if changes.drop_tail != Setting::Keep {
            (self.drop_tail, self.drop_head) = (true, false);
        }
        if changes.drop_head != Setting::Keep {
            (self.drop_tail, self.drop_head) = (false, true);
        }
        match changes.bandwidth_bits_per_second {
            Setting::Reset => {
                self.bandwidth = 0;
                self.schedule(true, false, 0);
            }
            Setting::Set(bandwidth) if BANDWIDTH.contains(&bandwidth) => self.bandwidth = bandwidth,
            _ => {}
        }
        self.passes = self.bandwidth == 0 && delay == 0 && self.duplicate_percent == 0 && self.bits_per_error == 0;
    }

    fn schedule(&mut self, fifo: bool, wfq: bool, drr_quantum: u32) {
        (self.fifo, self.wfq, self.drr_quantum) = (fifo, wfq, drr_quantum);
    }

    /// The configuration as it is told.
    pub fn config(&self) -> DirectionConfig {
        DirectionConfig {
            bandwidth_bits_per_second: self.bandwidth,
            bits_per_error: self.bits_per_error,
            queue_limit_frames: self.queue_limit,
            delay_queue_limit_frames: self.delay_queue_limit,
            duplicate_percent: self.duplicate_percent,
            fifo: self.fifo.into(),
            drr_quantum_octets: self.drr_quantum,
            wfq: self.wfq.into(),
            drop_tail: self.drop_tail.into(),
            drop_head: self.drop_head.into(),
        }
    }

    /// The counters as they are told.
    pub fn stats(&self) -> DirectionStats {
        DirectionStats {
            forwarded_octets: self.forwarded.octets,
            forwarded_frames: self.forwarded.frames,
            queue_dropped_octets: self.refused.octets,
            queue_dropped_frames: self.refused.frames,
            delay_dropped_octets: self.lost.octets,
            delay_dropped_frames: self.lost.frames,
        }
    }

    /// The counters, which then begin anew.
    pub fn clear_stats(&mut self) -> DirectionStats {
        let stats = self.stats();
        (self.forwarded, self.refused, self.lost) = Default::default();
        stats
    }

    /// The queues as they are told.
    pub fn queues(&self) -> DirectionQueues {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let octets = |octets: u64| u32::try_from(octets).unwrap_or(u32::MAX);
        DirectionQueues {
            queues: (!self.waiting.is_empty()).into(),
            queued_octets: octets(self.waiting_octets),
            queued_frames: count(self.waiting.len()),
            delayed_octets: octets(self.delayed_octets),
            delayed_frames: count(self.delayed.len()),
        }
    }
}

/// The probability, of [`ONE`], that all bits of a frame are right: `(1 - 1/bits_per_error) ^ (8 * octets)`.
fn passes_whole(bits_per_error: u64, octets: u64) -> u64 {
    let times = |a: u64, b: u64| u64::try_from((u128::from(a) * u128::from(b)) >> 48).unwrap_or(ONE);
    let mut factor = ONE - ONE.checked_div(bits_per_error).unwrap_or(0);
    let mut bits = octets.saturating_mul(8);
    let mut whole = ONE;
    while bits != 0 {
        if bits & 1 != 0 {
            whole = times(whole, factor);
        }
        factor = times(factor, factor);
        bits >>= 1;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_whole_frames_is_a_power() {
        assert_eq!(passes_whole(1, 1), 0);
        assert_eq!(passes_whole(1, 0), ONE);
        assert_eq!(passes_whole(2, 1), ONE >> 8);
        // e^-0.8: 1000 octets at one error in 10000 bits.
        let share = u32::try_from(passes_whole(10_000, 1000) >> 16).map(f64::from).unwrap() / 4_294_967_296.0;
        assert!((share - 0.4493).abs() < 0.0001, "{share}");
    }
}
