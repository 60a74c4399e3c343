//! `pipe`: limits bandwidth, delays, loses and doubles frames (`sys/netgraph/ng_pipe.h`).
//!
//! Downstream is from `upper` to `lower`, upstream the other way. The node goes with its last hook (15.1; 13.2
//! leaves it behind). It has no knowledge of frames, so it works on anything a hook carries.
//!
//! A field of a configuration message can keep, reset or set its property ([`Setting`]); a value out of range is
//! dropped **in silence**, the message still succeeds. [`Changes::check`] finds such values before they are sent.
//! Time runs in clock ticks (`kern.hz`): 10 ms in most virtual machines.

use core::fmt;
use core::ops::RangeInclusive;

use crate::name::{HookName, TypeName};
use crate::text::Type;
use crate::wire::{Field, commands, wire_struct};

/// `NG_PIPE_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("pipe");

/// `NGM_PIPE_COOKIE` (`sys/netgraph/ng_pipe.h:38`).
#[doc(alias = "NGM_PIPE_COOKIE")]
pub const COOKIE: u32 = 200_708_191;

/// The upper end.
#[doc(alias = "NG_PIPE_HOOK_UPPER")]
pub const HOOK_UPPER: HookName = HookName::known("upper");
/// The lower end.
#[doc(alias = "NG_PIPE_HOOK_LOWER")]
pub const HOOK_LOWER: HookName = HookName::known("lower");

commands! { COOKIE:
    /// The counters of both directions (`sys/netgraph/ng_pipe.c:311`).
    #[doc(alias = "NGM_PIPE_GET_STATS")]
    GetStats = 1 "getstats" => Stats;
    /// Clears them.
    #[doc(alias = "NGM_PIPE_CLR_STATS")]
    ClearStats = 2 "clrstats" => ();
    /// Both at once.
    #[doc(alias = "NGM_PIPE_GETCLR_STATS")]
    GetAndClearStats = 3 "getclrstats" => Stats;
    /// What stands in the queues (`sys/netgraph/ng_pipe.c:334`).
    #[doc(alias = "NGM_PIPE_GET_RUN")]
    GetQueues = 4 "getrun" => Queues;
    /// The configuration (`sys/netgraph/ng_pipe.c:346`).
    #[doc(alias = "NGM_PIPE_GET_CFG")]
    GetConfig = 5 "getcfg" => Config;
    /// Changes the configuration (`sys/netgraph/ng_pipe.c:368`). May report the error of a neighbour that was
    /// told of a link going up or down although the change was made; read back.
    #[doc(alias = "NGM_PIPE_SET_CFG")]
    SetConfig(Changes) = 6 "setcfg" => ();
}

/// What to do with a property: 0, all ones, or anything else on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Setting<T> {
    /// Leave it.
    #[default]
    Keep,
    /// Turn it off, or back to what a new pipe has.
    Reset,
    /// Set it. 0 and the largest value of the type are no values: they mean `Keep` and `Reset`.
    Set(T),
}

macro_rules! settings {
    ($($integer:ty = $text:ident)*) => {
        $(
            impl Field for Setting<$integer> {
                type Raw = $integer;

                const TEXT: &'static Type = Type::$text;

                fn to_raw(&self) -> $integer {
                    match *self {
                        Self::Keep => 0,
                        Self::Reset => <$integer>::MAX,
                        Self::Set(value) => value,
                    }
                }

                fn from_raw(raw: $integer) -> Self {
                    match raw {
                        0 => Self::Keep,
                        <$integer>::MAX => Self::Reset,
                        value => Self::Set(value),
                    }
                }
            }

            impl Setting<$integer> {
                fn check(self, field: &'static str, range: RangeInclusive<$integer>) -> Result<(), Ignored> {
                    match self {
                        Self::Set(value) if !range.contains(&value) => Err(Ignored {
                            field,
                            value: value.into(),
                            least: (*range.start()).into(),
                            most: (*range.end()).into(),
                        }),
                        _ => Ok(()),
                    }
                }
            }
        )*
    };
}

settings!(u32 = UINT32 u64 = UINT64);

/// A value that the kernel would drop without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The field of [`Changes`] or [`DirectionChanges`].
    pub field: &'static str,
    /// The value.
    pub value: u64,
    /// The least value the kernel takes.
    pub least: u64,
    /// The largest.
    pub most: u64,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, least, most } = self;
        write!(f, "ng_pipe ignores `{field}` = {value}: it takes {least} to {most}")
    }
}

impl core::error::Error for Ignored {}

wire_struct! {
    /// `struct ng_pipe_hookcfg` as a request: changes of one direction (`sys/netgraph/ng_pipe.h:114`,
    /// `sys/netgraph/ng_pipe.c:455`).
    #[doc(alias = "ng_pipe_hookcfg")]
    #[derive(Default)]
    pub struct DirectionChanges = RawDirectionChanges, 48 bytes {
        /// `bandwidth`, in bit/s, 100 to 1000000000. `Reset` also goes back to one queue.
        bandwidth_bits_per_second: Setting<u64> = "bandwidth",
        /// `ber`: one bit in so many is wrong and its frame lost, 1 to 10^12; 1 is a dead link. The first use
        /// costs 526336 bytes of kernel memory.
        bits_per_error: Setting<u64> = "BER",
        /// `qin_size_limit`, in frames, from 5: the queue before the bandwidth limit; `Reset` is no limit.
        queue_limit_frames: Setting<u32> = "queuelen",
        /// `qout_size_limit`, in frames, from 5: the queue of delayed frames; `Reset` is no limit.
        delay_queue_limit_frames: Setting<u32> = "delaylen",
        /// `duplicate`: so many of 100 frames are sent twice, 1 to 50.
        duplicate_percent: Setting<u32> = "duplicate",
        /// `fifo`: not 0 is one queue for all. If several are set, the last of fifo, wfq, drr counts.
        fifo: Setting<u32> = "fifo",
        /// `drr`: deficit round robin with this quantum, in octets; below 32 is 2048.
        drr_quantum_octets: Setting<u32> = "drr",
        /// `wfq`: not 0 is weighted fair queueing.
        wfq: Setting<u32> = "wfq",
        /// `droptail`: not 0 drops the newest frame when the queue is full.
        drop_tail: Setting<u32> = "droptail",
        /// `drophead`: not 0 drops the oldest.
        drop_head: Setting<u32> = "drophead",
    }
}

wire_struct! {
    /// `struct ng_pipe_cfg` as a request (`sys/netgraph/ng_pipe.h:143`). The default keeps everything.
    #[doc(alias = "ng_pipe_cfg")]
    #[derive(Default)]
    pub struct Changes = RawChanges, 120 bytes {
        /// `bandwidth` of both directions, in bit/s, 100 to 1000000000: more cannot be expressed. Also sets the
        /// overhead, to 24 from 10 Mbit/s on, to 10 below (`sys/netgraph/ng_pipe.c:380`).
        bandwidth_bits_per_second: Setting<u64> = "bandwidth",
        /// `delay` of both directions, in microseconds, 1 to 9999999.
        delay_microseconds: Setting<u64> = "delay",
        /// `header_offset`: where the IPv4 header begins, in octets, 1 to 63; 14 for Ethernet. For wfq and drr.
        header_offset_octets: Setting<u32> = "header_offset",
        /// `overhead`: octets added to a frame to compute its time on the wire, 1 to 255.
        overhead_octets: Setting<u32> = "overhead",
        /// From `upper` to `lower`.
        downstream: DirectionChanges = "downstream",
        /// From `lower` to `upper`.
        upstream: DirectionChanges = "upstream",
    }
}

impl DirectionChanges {
    /// Finds the first value that the kernel would ignore.
    ///
    /// # Errors
    /// The field and its range.
    pub fn check(&self) -> Result<(), Ignored> {
        self.bandwidth_bits_per_second.check("bandwidth_bits_per_second", BANDWIDTH)?;
        self.bits_per_error.check("bits_per_error", 1..=1_000_000_000_000)?;
        self.queue_limit_frames.check("queue_limit_frames", 5..=u32::MAX)?;
        self.delay_queue_limit_frames.check("delay_queue_limit_frames", 5..=u32::MAX)?;
        self.duplicate_percent.check("duplicate_percent", 1..=50)
    }
}

const BANDWIDTH: RangeInclusive<u64> = 100..=1_000_000_000;

impl Changes {
    /// Finds the first value that the kernel would ignore.
    ///
    /// # Errors
    /// The field and its range.
    pub fn check(&self) -> Result<(), Ignored> {
        self.bandwidth_bits_per_second.check("bandwidth_bits_per_second", BANDWIDTH)?;
        self.delay_microseconds.check("delay_microseconds", 1..=9_999_999)?;
        self.header_offset_octets.check("header_offset_octets", 1..=63)?;
        self.overhead_octets.check("overhead_octets", 1..=255)?;
        self.downstream.check()?;
        self.upstream.check()
    }
}

wire_struct! {
    /// `struct ng_pipe_hookcfg` as a reply: one direction as it is; 0 is off (`sys/netgraph/ng_pipe.h:114`).
    #[derive(Default)]
    pub struct DirectionConfig = RawDirectionConfig, 48 bytes {
        /// Bit/s; 0 also if both directions have the same, which then stands in [`Config`].
        bandwidth_bits_per_second: u64 = "bandwidth",
        /// One bit in so many is wrong.
        bits_per_error: u64 = "BER",
        /// Frames that may wait for the bandwidth limit.
        queue_limit_frames: u32 = "queuelen",
        /// Frames that may be delayed.
        delay_queue_limit_frames: u32 = "delaylen",
        /// Of 100 frames, how many are sent twice.
        duplicate_percent: u32 = "duplicate",
        /// 1 for one queue.
        fifo: u32 = "fifo",
        /// The quantum of deficit round robin, in octets.
        drr_quantum_octets: u32 = "drr",
        /// 1 for weighted fair queueing.
        wfq: u32 = "wfq",
        /// 1 if the newest frame is dropped.
        drop_tail: u32 = "droptail",
        /// 1 if the oldest frame is dropped.
        drop_head: u32 = "drophead",
    }
}

wire_struct! {
    /// `struct ng_pipe_cfg` as a reply: the configuration as it is; 0 is off (`sys/netgraph/ng_pipe.h:143`).
    #[derive(Default)]
    pub struct Config = RawConfig, 120 bytes {
        /// Bit/s of both directions, if they are equal.
        bandwidth_bits_per_second: u64 = "bandwidth",
        /// Delay of both directions, in microseconds.
        delay_microseconds: u64 = "delay",
        /// Where the IPv4 header begins, in octets.
        header_offset_octets: u32 = "header_offset",
        /// Octets added to each frame for its time on the wire.
        overhead_octets: u32 = "overhead",
        /// From `upper` to `lower`.
        downstream: DirectionConfig = "downstream",
        /// From `lower` to `upper`.
        upstream: DirectionConfig = "upstream",
    }
}

wire_struct! {
    /// `struct ng_pipe_hookstat`, one direction's counters (`sys/netgraph/ng_pipe.h:48`).
    #[doc(alias = "ng_pipe_hookstat")]
    #[derive(Default)]
    pub struct DirectionStats = RawDirectionStats, 48 bytes {
        /// `fwd_octets`.
        forwarded_octets: u64 = "FwdOctets",
        /// `fwd_frames`.
        forwarded_frames: u64 = "FwdFrames",
        /// `in_disc_octets`: dropped at the full queue.
        queue_dropped_octets: u64 = "queueDropOctets",
        /// `in_disc_frames`.
        queue_dropped_frames: u64 = "queueDropFrames",
        /// `out_disc_octets`: lost to bit errors or at the full delay queue.
        delay_dropped_octets: u64 = "delayDropOctets",
        /// `out_disc_frames`.
        delay_dropped_frames: u64 = "delayDropFrames",
    }
}

wire_struct! {
    /// `struct ng_pipe_stats` (`sys/netgraph/ng_pipe.h:69`).
    #[doc(alias = "ng_pipe_stats")]
    #[derive(Default)]
    pub struct Stats = RawStats, 96 bytes {
        /// From `upper` to `lower`.
        downstream: DirectionStats = "downstream",
        /// From `lower` to `upper`.
        upstream: DirectionStats = "upstream",
    }
}

wire_struct! {
    /// `struct ng_pipe_hookrun`, what stands in one direction's queues (`sys/netgraph/ng_pipe.h:82`).
    #[doc(alias = "ng_pipe_hookrun")]
    #[derive(Default)]
    pub struct DirectionQueues = RawDirectionQueues, 20 bytes {
        /// `fifo_queues`: queues in use.
        queues: u32 = "queues",
        /// `qin_octets`: waiting for the bandwidth limit.
        queued_octets: u32 = "queuedOctets",
        /// `qin_frames`.
        queued_frames: u32 = "queuedFrames",
        /// `qout_octets`: being delayed.
        delayed_octets: u32 = "delayedOctets",
        /// `qout_frames`.
        delayed_frames: u32 = "delayedFrames",
    }
}

wire_struct! {
    /// `struct ng_pipe_run` (`sys/netgraph/ng_pipe.h:101`).
    #[doc(alias = "ng_pipe_run")]
    #[derive(Default)]
    pub struct Queues = RawQueues, 40 bytes {
        /// From `upper` to `lower`.
        downstream: DirectionQueues = "downstream",
        /// From `lower` to `upper`.
        upstream: DirectionQueues = "upstream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_ignores_in_silence_is_found() {
        assert_eq!(Changes::default().check(), Ok(()));
        let too_fast = Changes { bandwidth_bits_per_second: Setting::Set(2_000_000_000), ..Changes::default() };
        let found = too_fast.check().unwrap_err();
        assert_eq!((found.field, found.least, found.most), ("bandwidth_bits_per_second", 100, 1_000_000_000));
        let short = DirectionChanges { queue_limit_frames: Setting::Set(4), ..DirectionChanges::default() };
        assert!(Changes { upstream: short, ..Changes::default() }.check().is_err());
        let reset = Changes { delay_microseconds: Setting::Reset, ..Changes::default() };
        assert_eq!(reset.check(), Ok(()));
    }
}
