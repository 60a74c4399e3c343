//! `car`: committed access rate, a policer and shaper (`sys/netgraph/ng_car.h`).
//!
//! Configure both directions before traffic passes: a new node lets 10240 bit/s through
//! (`sys/netgraph/ng_car.c:209`). The node goes with its last hook.

use crate::name::{HookName, TypeName};
use crate::wire::{commands, wire_struct};

/// `NG_CAR_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("car");

/// `NGM_CAR_COOKIE` (`sys/netgraph/ng_car.h:34`).
#[doc(alias = "NGM_CAR_COOKIE")]
pub const COOKIE: u32 = 1_173_648_034;

/// The upper end.
#[doc(alias = "NG_CAR_HOOK_UPPER")]
pub const HOOK_UPPER: HookName = HookName::known("upper");
/// The lower end.
#[doc(alias = "NG_CAR_HOOK_LOWER")]
pub const HOOK_LOWER: HookName = HookName::known("lower");

/// An action: let pass (`sys/netgraph/ng_car.h:101`).
#[doc(alias = "NG_CAR_ACTION_FORWARD")]
pub const ACTION_FORWARD: u8 = 1;
/// An action: drop.
#[doc(alias = "NG_CAR_ACTION_DROP")]
pub const ACTION_DROP: u8 = 2;
/// An action: mark the packet with its colour, for policers that are [`OPTION_COLOR_AWARE`], and let it pass
/// (`sys/netgraph/ng_car.c:290`).
#[doc(alias = "NG_CAR_ACTION_MARK")]
pub const ACTION_MARK: u8 = 3;

/// A mode: one rate, three colours (RFC 2697; `sys/netgraph/ng_car.h:108`).
#[doc(alias = "NG_CAR_SINGLE_RATE")]
pub const MODE_SINGLE_RATE: u8 = 0;
/// A mode: two rates, three colours (RFC 2698).
#[doc(alias = "NG_CAR_DOUBLE_RATE")]
pub const MODE_DOUBLE_RATE: u8 = 1;
/// A mode: random early drop.
#[doc(alias = "NG_CAR_RED")]
pub const MODE_RED: u8 = 2;
/// A mode: a queue of 100 packets instead of drops.
#[doc(alias = "NG_CAR_SHAPE")]
pub const MODE_SHAPE: u8 = 3;

/// An option: look at the colour a packet has already.
#[doc(alias = "NG_CAR_COLOR_AWARE")]
pub const OPTION_COLOR_AWARE: u8 = 1;
/// An option: rates in packets; the kernel then multiplies rates by 1024 and bursts by 128 before it checks their
/// limits (`sys/netgraph/ng_car.c:491`).
#[doc(alias = "NG_CAR_COUNT_PACKETS")]
pub const OPTION_COUNT_PACKETS: u8 = 2;

commands! { COOKIE:
    /// The counters (`sys/netgraph/ng_car.c:427`).
    #[doc(alias = "NGM_CAR_GET_STATS")]
    GetStats = 1 "getstats" => Stats;
    /// Clears them.
    #[doc(alias = "NGM_CAR_CLR_STATS")]
    ClearStats = 2 "clrstats" => ();
    /// Both at once.
    #[doc(alias = "NGM_CAR_GETCLR_STATS")]
    GetAndClearStats = 3 "getclrstats" => Stats;
    /// The configuration (`sys/netgraph/ng_car.c:453`).
    #[doc(alias = "NGM_CAR_GET_CONF")]
    GetConfig = 4 "getconf" => Config;
    /// Sets it; `EINVAL` for rates above 10^9, for bursts that are both 0, and for shaping without a rate
    /// (`sys/netgraph/ng_car.c:484`).
    #[doc(alias = "NGM_CAR_SET_CONF")]
    SetConfig(Config) = 5 "setconf" => ();
}

wire_struct! {
    /// `struct ng_car_hookconf`: one direction (`sys/netgraph/ng_car.h:71`).
    #[doc(alias = "ng_car_hookconf")]
    #[derive(Default)]
    pub struct DirectionConfig = RawDirectionConfig, 40 bytes {
        /// `cbs`: committed burst, in octets.
        committed_burst_octets: u64 = "cbs",
        /// `ebs`: exceeding or peak burst, in octets.
        exceeding_burst_octets: u64 = "ebs",
        /// `cir`: committed rate, in bit/s.
        committed_bits_per_second: u64 = "cir",
        /// `pir`: peak rate, in bit/s.
        peak_bits_per_second: u64 = "pir",
        /// What happens within the committed burst.
        green_action: u8 = "greenAction",
        /// What happens beyond it.
        yellow_action: u8 = "yellowAction",
        /// What happens beyond the exceeding burst.
        red_action: u8 = "redAction",
        /// From [`MODE_SINGLE_RATE`] on.
        mode: u8 = "mode",
        /// [`OPTION_COLOR_AWARE`], [`OPTION_COUNT_PACKETS`].
        options: u8 = "opt",
        pad _pad: 3,
    }
}

wire_struct! {
    /// `struct ng_car_bulkconf` (`sys/netgraph/ng_car.h:120`).
    #[doc(alias = "ng_car_bulkconf")]
    #[derive(Default)]
    pub struct Config = RawConfig, 80 bytes {
        /// From `lower` to `upper`.
        upstream: DirectionConfig = "upstream",
        /// From `upper` to `lower`.
        downstream: DirectionConfig = "downstream",
    }
}

wire_struct! {
    /// `struct ng_car_hookstats`, in packets (`sys/netgraph/ng_car.h:41`).
    #[doc(alias = "ng_car_hookstats")]
    #[derive(Default)]
    pub struct DirectionStats = RawDirectionStats, 48 bytes {
        /// Let pass.
        passed: u64 = "passed",
        /// Dropped.
        dropped: u64 = "dropped",
        /// Green.
        green: u64 = "green",
        /// Yellow.
        yellow: u64 = "yellow",
        /// Red.
        red: u64 = "red",
        /// Failures.
        errors: u64 = "errors",
    }
}

wire_struct! {
    /// `struct ng_car_bulkstats` (`sys/netgraph/ng_car.h:60`).
    #[doc(alias = "ng_car_bulkstats")]
    #[derive(Default)]
    pub struct Stats = RawStats, 96 bytes {
        /// From `lower` to `upper`.
        upstream: DirectionStats = "upstream",
        /// From `upper` to `lower`.
        downstream: DirectionStats = "downstream",
    }
}
