//! `one2many`: spreads frames from one hook over many (`sys/netgraph/ng_one2many.h`).
//!
//! Hooks are [`HOOK_ONE`] and `many0` to `many63`. The node goes with its last hook. Command numbers start at 0.

use crate::name::{HookName, TypeName};
use crate::wire::{commands, wire_struct};

/// `NG_ONE2MANY_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("one2many");

/// `NGM_ONE2MANY_COOKIE` (`sys/netgraph/ng_one2many.h:46`).
#[doc(alias = "NGM_ONE2MANY_COOKIE")]
pub const COOKIE: u32 = 1_100_897_444;

/// The one.
#[doc(alias = "NG_ONE2MANY_HOOK_ONE")]
pub const HOOK_ONE: HookName = HookName::known("one");

/// `NG_ONE2MANY_MAX_LINKS`: hooks `many<N>` with N below this (`sys/netgraph/ng_one2many.h:54`).
pub const MAX_LINKS: usize = 64;

/// `NG_ONE2MANY_ONE_LINKNUM`: the number of `one` in the statistics commands.
#[doc(alias = "NG_ONE2MANY_ONE_LINKNUM")]
pub const LINK_ONE: i32 = -1;

/// [`Config::distribution`]: each frame to the next hook (`sys/netgraph/ng_one2many.h:60`).
#[doc(alias = "NG_ONE2MANY_XMIT_ROUNDROBIN")]
pub const DISTRIBUTE_ROUND_ROBIN: u32 = 1;
/// [`Config::distribution`]: each frame to all hooks.
#[doc(alias = "NG_ONE2MANY_XMIT_ALL")]
pub const DISTRIBUTE_TO_ALL: u32 = 2;
/// [`Config::distribution`]: all frames to the first hook that is up.
#[doc(alias = "NG_ONE2MANY_XMIT_FAILOVER")]
pub const DISTRIBUTE_FAILOVER: u32 = 3;

/// [`Config::failure_detection`]: hooks are up that [`Config::enabled`] says (`sys/netgraph/ng_one2many.h:65`).
#[doc(alias = "NG_ONE2MANY_FAIL_MANUAL")]
pub const DETECT_MANUALLY: u32 = 1;
/// [`Config::failure_detection`]: hooks are up until their neighbour says otherwise.
#[doc(alias = "NG_ONE2MANY_FAIL_NOTIFY")]
pub const DETECT_BY_MESSAGE: u32 = 2;

commands! { COOKIE:
    /// Sets the configuration; `EINVAL` for an unknown algorithm (`sys/netgraph/ng_one2many.c:263`).
    #[doc(alias = "NGM_ONE2MANY_SET_CONFIG")]
    SetConfig(Config) = 0 "setconfig" => ();
    /// The configuration (`sys/netgraph/ng_one2many.c:303`).
    #[doc(alias = "NGM_ONE2MANY_GET_CONFIG")]
    GetConfig = 1 "getconfig" => Config;
    /// The counters of a link: N of `many<N>`, or [`LINK_ONE`]; `EINVAL` if there is none
    /// (`sys/netgraph/ng_one2many.c:316`).
    #[doc(alias = "NGM_ONE2MANY_GET_STATS")]
    GetStats(i32) = 2 "getstats" => LinkStats;
    /// Clears them.
    #[doc(alias = "NGM_ONE2MANY_CLR_STATS")]
    ClearStats(i32) = 3 "clrstats" => ();
    /// Both at once.
    #[doc(alias = "NGM_ONE2MANY_GETCLR_STATS")]
    GetAndClearStats(i32) = 4 "getclrstats" => LinkStats;
}

wire_struct! {
    /// `struct ng_one2many_config` (`sys/netgraph/ng_one2many.h:69`).
    #[doc(alias = "ng_one2many_config")]
    pub struct Config = RawConfig, 72 bytes {
        /// `xmitAlg`: [`DISTRIBUTE_ROUND_ROBIN`], [`DISTRIBUTE_TO_ALL`] or [`DISTRIBUTE_FAILOVER`].
        distribution: u32 = "xmitAlg",
        /// `failAlg`: [`DETECT_MANUALLY`] or [`DETECT_BY_MESSAGE`].
        failure_detection: u32 = "failAlg",
        /// `enabledLinks`: not 0 for each hook `many<N>` that is up.
        enabled: [u8; MAX_LINKS] = "enabledLinks",
    }
}

wire_struct! {
    /// `struct ng_one2many_link_stats` (`sys/netgraph/ng_one2many.h:84`).
    #[doc(alias = "ng_one2many_link_stats")]
    #[derive(Default)]
    pub struct LinkStats = RawLinkStats, 40 bytes {
        /// `recvOctets`.
        received_octets: u64 = "recvOctets",
        /// `recvPackets`.
        received_frames: u64 = "recvPackets",
        /// `xmitOctets`.
        sent_octets: u64 = "xmitOctets",
        /// `xmitPackets`.
        sent_frames: u64 = "xmitPackets",
        /// `memoryFailures`.
        memory_failures: u64 = "memoryFailures",
    }
}
