//! `vlan_rotate`: rotates the stack of VLAN tags of each frame (`sys/netgraph/ng_vlan_rotate.h`).
//!
//! The node goes with its last hook.

use crate::name::{HookName, TypeName};
use crate::wire::{commands, wire_struct};

/// `NG_VLANROTATE_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("vlan_rotate");

/// `NGM_VLANROTATE_COOKIE` (`sys/netgraph/ng_vlan_rotate.h:34`).
#[doc(alias = "NGM_VLANROTATE_COOKIE")]
pub const COOKIE: u32 = 1_568_378_766;

/// `NG_VLANROTATE_MAX_VLANS`: so many tags of a frame are looked at (`sys/netgraph/ng_vlan_rotate.h:43`).
pub const MAX_TAGS: usize = 10;

/// The rotated side.
#[doc(alias = "NG_VLANROTATE_HOOK_ORDERED")]
pub const HOOK_ORDERED: HookName = HookName::known("ordered");
/// The side as it comes.
#[doc(alias = "NG_VLANROTATE_HOOK_ORIGINAL")]
pub const HOOK_ORIGINAL: HookName = HookName::known("original");
/// Frames with more tags than the maximum.
#[doc(alias = "NG_VLANROTATE_HOOK_EXCESSIVE")]
pub const HOOK_EXCESSIVE: HookName = HookName::known("excessive");
/// Frames with fewer tags than the minimum.
#[doc(alias = "NG_VLANROTATE_HOOK_INCOMPLETE")]
pub const HOOK_INCOMPLETE: HookName = HookName::known("incomplete");

commands! { COOKIE:
    /// The configuration (`sys/netgraph/ng_vlan_rotate.c:231`).
    #[doc(alias = "NGM_VLANROTATE_GET_CONF")]
    GetConfig = 1 "getconf" => Config;
    /// Sets it (`sys/netgraph/ng_vlan_rotate.c:239`).
    #[doc(alias = "NGM_VLANROTATE_SET_CONF")]
    SetConfig(Config) = 2 "setconf" => ();
    /// The counters (`sys/netgraph/ng_vlan_rotate.c:259`).
    #[doc(alias = "NGM_VLANROTATE_GET_STAT")]
    GetStats = 3 "getstat" => Stats;
    /// Clears them.
    #[doc(alias = "NGM_VLANROTATE_CLR_STAT")]
    ClearStats = 4 "clrstat" => ();
    /// Both at once.
    #[doc(alias = "NGM_VLANROTATE_GETCLR_STAT")]
    GetAndClearStats = 5 "getclrstat" => Stats;
}

wire_struct! {
    /// `struct ng_vlanrotate_conf` (`sys/netgraph/ng_vlan_rotate.h:46`).
    #[doc(alias = "ng_vlanrotate_conf")]
    #[derive(Default)]
    pub struct Config = RawConfig, 3 bytes {
        /// `rot`: by how many places, to the left if negative.
        rotation: i8 = "rot",
        /// `min`: the fewest tags a frame may have.
        minimum_tags: u8 = "min",
        /// `max`: the most.
        maximum_tags: u8 = "max",
    }
}

wire_struct! {
    /// `struct ng_vlanrotate_stat`, all in frames (`sys/netgraph/ng_vlan_rotate.h:51`).
    #[doc(alias = "ng_vlanrotate_stat")]
    #[derive(Default)]
    pub struct Stats = RawStats, 104 bytes {
        /// Dropped.
        drops: u64 = "drops",
        /// With too many tags.
        excessive: u64 = "excessive",
        /// With too few.
        incomplete: u64 = "incomplete",
        /// With 0, 1, 2 … tags.
        histogram: [u64; MAX_TAGS] = "histogram",
    }
}
