//! `tee`: passes data between `left` and `right` and gives copies to two more hooks (`sys/netgraph/ng_tee.h`).
//!
//! The node goes with its last hook. [`Shutdown`](crate::generic::Shutdown) joins its two neighbours
//! (`sys/netgraph/ng_tee.c:347`), so a tap can be taken out of a living link.

use crate::name::{HookName, TypeName};
use crate::wire::{commands, wire_struct};

/// `NG_TEE_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("tee");

/// `NGM_TEE_COOKIE` (`sys/netgraph/ng_tee.h:48`).
#[doc(alias = "NGM_TEE_COOKIE")]
pub const COOKIE: u32 = 916_107_047;

/// One end of the link.
#[doc(alias = "NG_TEE_HOOK_RIGHT")]
pub const HOOK_RIGHT: HookName = HookName::known("right");
/// The other end.
#[doc(alias = "NG_TEE_HOOK_LEFT")]
pub const HOOK_LEFT: HookName = HookName::known("left");
/// Copies of what goes from right to left; what comes in here goes out of `left`.
#[doc(alias = "NG_TEE_HOOK_RIGHT2LEFT")]
pub const HOOK_RIGHT_TO_LEFT: HookName = HookName::known("right2left");
/// Copies of what goes from left to right; what comes in here goes out of `right`.
#[doc(alias = "NG_TEE_HOOK_LEFT2RIGHT")]
pub const HOOK_LEFT_TO_RIGHT: HookName = HookName::known("left2right");

commands! { COOKIE:
    /// The statistics of all four hooks.
    #[doc(alias = "NGM_TEE_GET_STATS")]
    GetStats = 1 "getstats" => Stats;
    /// Clears them.
    #[doc(alias = "NGM_TEE_CLR_STATS")]
    ClearStats = 2 "clrstats" => ();
    /// Both at once.
    #[doc(alias = "NGM_TEE_GETCLR_STATS")]
    GetAndClearStats = 3 "getclrstats" => Stats;
}

wire_struct! {
    /// `struct ng_tee_hookstat`, one hook's counters (`sys/netgraph/ng_tee.h:57`).
    #[doc(alias = "ng_tee_hookstat")]
    #[derive(Default)]
    pub struct HookStats = RawHookStats, 32 bytes {
        /// Octets into the node.
        in_octets: u64 = "inOctets",
        /// Frames into the node.
        in_frames: u64 = "inFrames",
        /// Octets out of the node.
        out_octets: u64 = "outOctets",
        /// Frames out of the node.
        out_frames: u64 = "outFrames",
    }
}

wire_struct! {
    /// `struct ng_tee_stats` (`sys/netgraph/ng_tee.h:74`).
    #[doc(alias = "ng_tee_stats")]
    #[derive(Default)]
    pub struct Stats = RawStats, 128 bytes {
        /// Hook `right`.
        right: HookStats = "right",
        /// Hook `left`.
        left: HookStats = "left",
        /// Hook `right2left`.
        right_to_left: HookStats = "right2left",
        /// Hook `left2right`.
        left_to_right: HookStats = "left2right",
    }
}
