//! `hole`: swallows data and counts it (`sys/netgraph/ng_hole.h`).
//!
//! Any hook name is taken. The node goes with its last hook.

use crate::name::{Name, TypeName};
use crate::wire::{commands, wire_struct};

/// `NG_HOLE_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("hole");

/// `NGM_HOLE_COOKIE` (`sys/netgraph/ng_hole.h:47`).
#[doc(alias = "NGM_HOLE_COOKIE")]
pub const COOKIE: u32 = 915_433_206;

commands! { COOKIE:
    /// What came in by the hook named.
    #[doc(alias = "NGM_HOLE_GET_STATS")]
    GetStats(Name) = 1 "getstats" => HookStats;
    /// Clears the statistics of the hook named.
    #[doc(alias = "NGM_HOLE_CLR_STATS")]
    ClearStats(Name) = 2 "clrstats" => ();
    /// Both at once.
    #[doc(alias = "NGM_HOLE_GETCLR_STATS")]
    GetAndClearStats(Name) = 3 "getclrstats" => HookStats;
}

wire_struct! {
    /// `struct ng_hole_hookstat` (`sys/netgraph/ng_hole.h:50`).
    #[doc(alias = "ng_hole_hookstat")]
    #[derive(Default)]
    pub struct HookStats = RawHookStats, 16 bytes {
        /// Frames swallowed.
        frames: u64 = "frames",
        /// Their octets.
        octets: u64 = "octets",
    }
}
