//! One way through a policer: its buckets of tokens, its queue, its counters.

use std::collections::VecDeque;

use ngsock::node::car::{
    ACTION_DROP, ACTION_FORWARD, DirectionConfig, DirectionStats, MODE_DOUBLE_RATE, MODE_RED, MODE_SHAPE,
    MODE_SINGLE_RATE, OPTION_COUNT_PACKETS,
};
use serde::{Deserialize, Serialize};

use super::super::pipe::TICK;
use super::super::{Hooks, count};
use crate::abi::Errno;
use crate::sim::clock::{self, Clock, Nanos, TimerKey};
use crate::sim::kernel::{Frame, VnetId};
use crate::sim::netgraph::data::Wire;
use crate::sim::netgraph::{HookId, NodeId, Timer};

/// The highest rate, in bit/s.
const MOST: u64 = 1_000_000_000;
/// What a packet counts when packets are counted, in octets.
const PACKET: i64 = 128;
/// `NG_CAR_QUEUE_SIZE` less the place that is never filled.
const QUEUE: usize = 99;
/// `NG_CAR_QUEUE_SIZE`, against which tokens of early drop are held, and `NG_CAR_QUEUE_MIN_TH`.
const EARLY_DROP: i64 = 100;
const NO_EARLY_DROP: i64 = 8;

/// In this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Colour {
    Green,
    Yellow,
    Red,
}

/// A way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Way {
    pub(super) hook: Option<HookId>,
    committed_burst: u64,
    exceeding_burst: u64,
    committed_rate: u64,
    peak_rate: u64,
    /// Of green, yellow and red packets.
    pub(super) actions: [u8; 3],
    mode: u8,
    pub(super) options: u8,
    /// Tokens in the committed bucket and in the other.
    pub(super) committed: i64,
    other: i64,
    refilled: Nanos,
    passed: u64,
    pub(super) dropped: u64,
    /// Green, yellow and red packets.
    pub(super) coloured: [u64; 3],
    errors: u64,
    pub(super) waiting: VecDeque<Frame>,
    pub(super) timer: Option<TimerKey>,
}

impl Way {
    pub(super) fn new(now: Nanos) -> Self {
        Self {
            hook: None,
            committed_burst: 8192,
            exceeding_burst: 8192,
            committed_rate: 10_240,
            peak_rate: 0,
            actions: [ACTION_FORWARD, ACTION_FORWARD, ACTION_DROP],
            mode: MODE_SINGLE_RATE,
            options: 0,
            committed: 8192,
            other: 8192,
            refilled: now,
            passed: 0,
            dropped: 0,
            coloured: [0; 3],
            errors: 0,
            waiting: VecDeque::new(),
            timer: None,
        }
    }

    pub(super) fn clear(&mut self) {
        (self.passed, self.dropped, self.coloured, self.errors) = (0, 0, [0; 3], 0);
    }

    pub(super) fn stats(&self) -> DirectionStats {
        let [green, yellow, red] = self.coloured;
        DirectionStats { passed: self.passed, dropped: self.dropped, green, yellow, red, errors: self.errors }
    }

    fn counts_packets(&self) -> bool {
        self.options & OPTION_COUNT_PACKETS != 0
    }

    pub(super) fn config(&self) -> DirectionConfig {
        let (rate, burst) = if self.counts_packets() { (1024, 128) } else { (1, 1) };
        let [green_action, yellow_action, red_action] = self.actions;
        DirectionConfig {
            committed_burst_octets: self.committed_burst / burst,
            exceeding_burst_octets: self.exceeding_burst / burst,
            committed_bits_per_second: self.committed_rate / rate,
            peak_bits_per_second: self.peak_rate / rate,
            green_action,
            yellow_action,
            red_action,
            mode: self.mode,
            options: self.options,
        }
    }

    /// # Errors
    /// `EINVAL` for rates above 10^9, two empty bursts, and shaping without a rate.
    pub(super) fn check(config: &DirectionConfig) -> Result<DirectionConfig, Errno> {
        let (rate, burst) = if config.options & OPTION_COUNT_PACKETS != 0 { (1024, 128) } else { (1, 1) };
        let kept = DirectionConfig {
            committed_burst_octets: config.committed_burst_octets.wrapping_mul(burst),
            exceeding_burst_octets: config.exceeding_burst_octets.wrapping_mul(burst),
            committed_bits_per_second: config.committed_bits_per_second.wrapping_mul(rate),
            peak_bits_per_second: config.peak_bits_per_second.wrapping_mul(rate),
            ..*config
        };
        let too_fast = kept.committed_bits_per_second > MOST || kept.peak_bits_per_second > MOST;
        let no_burst = (kept.committed_burst_octets, kept.exceeding_burst_octets) == (0, 0);
        if too_fast || no_burst || (kept.mode == MODE_SHAPE && kept.committed_bits_per_second == 0) {
            return Err(Errno::EINVAL);
        }
        Ok(kept)
    }

    /// A configuration that was checked.
    pub(super) fn set(&mut self, kept: &DirectionConfig) {
        self.committed_burst = kept.committed_burst_octets;
        self.exceeding_burst = kept.exceeding_burst_octets;
        self.committed_rate = kept.committed_bits_per_second;
        self.peak_rate = kept.peak_bits_per_second;
        self.actions = [kept.green_action, kept.yellow_action, kept.red_action];
        (self.mode, self.options) = (kept.mode, kept.options);
        self.committed = signed(self.committed_burst);
        self.other = if matches!(self.mode, MODE_RED | MODE_SHAPE) { 0 } else { signed(self.exceeding_burst) };
    }

    /// Fills the buckets for the time that has passed, 1000 s of it at most (`ng_car_refillhook`).
    pub(super) fn refill(&mut self, now: Nanos) {
        const SECOND: u64 = 1_000_000_000;
        let passed = now.saturating_sub(self.refilled).min(1000 * SECOND);
        // In 2^20ths of a second; a rate in bit/s times that is 2^23 times octets.
        let span = ((passed / SECOND) << 20) + ((passed % SECOND) << 20) / SECOND;
        let tokens = |rate: u64| signed(rate.saturating_mul(span) >> 23);
        self.committed = self.committed.saturating_add(tokens(self.committed_rate));
        let spare = self.committed.saturating_sub(signed(self.committed_burst));
        if spare > 0 {
            self.committed = signed(self.committed_burst);
        }
        let more = match self.mode {
            MODE_SINGLE_RATE => spare.max(0),
            MODE_DOUBLE_RATE => tokens(self.peak_rate),
            _ => 0,
        };
        if more > 0 || self.mode == MODE_DOUBLE_RATE {
            self.other = self.other.saturating_add(more).min(signed(self.exceeding_burst));
        }
        self.refilled = now;
    }

    pub(super) fn weight(&self, octets: usize) -> i64 {
        if self.counts_packets() { PACKET } else { i64::try_from(octets).unwrap_or(i64::MAX) }
    }

    /// The colour a packet is found to have; `None` if it is to wait.
    pub(super) fn colour(&mut self, octets: usize, had: Colour, now: Nanos) -> Option<Colour> {
        let weight = self.weight(octets);
        for refilled in [false, true] {
            if refilled {
                self.refill(now);
            }
            if self.committed.saturating_sub(weight) >= 0 && had <= Colour::Green {
                self.committed -= weight;
                return Some(Colour::Green);
            }
        }
        match self.mode {
            MODE_SHAPE => None,
            MODE_RED => {
                let lacking = weight.saturating_sub(self.committed);
                let is_red = lacking.saturating_add(weight) > signed(self.exceeding_burst) || had >= Colour::Red;
                if !is_red && self.other.saturating_add(lacking) < signed(self.exceeding_burst) {
                    self.other = self.other.saturating_add(lacking);
                    self.committed = self.committed.saturating_sub(weight);
                    return Some(Colour::Yellow);
                }
                self.other = 0;
                Some(Colour::Red)
            }
            _ if self.other.saturating_sub(weight) >= 0 && had <= Colour::Yellow => {
                self.other -= weight;
                Some(Colour::Yellow)
            }
            _ => Some(Colour::Red),
        }
    }

    /// Lets a packet wait, or drops it (`ng_car_enqueue`); whether it is the first that waits.
    pub(super) fn enqueue(&mut self, frame: Frame, had: Colour) -> bool {
        let length = i64::try_from(self.waiting.len()).unwrap_or(i64::MAX);
        if self.waiting.len() >= QUEUE || self.other.saturating_add(length) >= EARLY_DROP || had >= Colour::Red {
            count_colour(&mut self.coloured, Colour::Red);
            count(&mut self.dropped, 1);
            self.other = 0;
            return false;
        }
        count_colour(&mut self.coloured, Colour::Yellow);
        if length > NO_EARLY_DROP {
            self.other = self.other.saturating_add(length - NO_EARLY_DROP);
        }
        let is_first = self.waiting.is_empty();
        if is_first {
            self.committed = self.committed.saturating_sub(self.weight(frame.len()));
        }
        self.waiting.push_back(frame);
        is_first
    }

    /// When the tokens that lack will be there, in clock ticks and one more (`ng_car_schedule`).
    fn ticks(&self) -> u64 {
        const PER_SECOND: u64 = 1_000_000_000 / TICK;
        let lacking = self.committed.min(0).unsigned_abs();
        let ticks = lacking.saturating_mul(PER_SECOND).saturating_mul(8).checked_div(self.committed_rate);
        ticks.unwrap_or(0).saturating_add(1)
    }
}

/// Bursts of more than 2^63 octets are as good as that many.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn count_colour(coloured: &mut [u64; 3], colour: Colour) {
    let [green, yellow, red] = coloured;
    count(
        match colour {
            Colour::Green => green,
            Colour::Yellow => yellow,
            Colour::Red => red,
        },
        1,
    );
}

impl Way {
    pub(super) fn send(&mut self, hooks: &Hooks, to: Option<HookId>, frame: Frame, wire: &mut Wire<'_>) {
        let sent = to.and_then(|to| hooks.get(to)).is_some_and(|to| wire.send(to, frame));
        count(&mut self.errors, u64::from(!sent));
        count(&mut self.passed, 1);
    }

    pub(super) fn schedule(&mut self, vnet: VnetId, node: NodeId, upper: bool, clock: &mut Clock) {
        if let Some(key) = self.timer.take() {
            clock.cancel(key);
        }
        let after = self.ticks().saturating_mul(TICK);
        self.timer = Some(clock.set(after, clock::Timer::Netgraph(Timer::Car { vnet, node, upper })));
    }
}
