//! `vlan`: sorts frames of an Ethernet by their VLAN (`sys/netgraph/ng_vlan.h`).
//!
//! The tagged side is [`HOOK_DOWNSTREAM`]; any other hook can have one VLAN. The node goes with its last hook.

use crate::name::{HookName, Name, TypeName};
use crate::text::Type;
use crate::wire::{commands, counted_list, wire_struct};

/// `NG_VLAN_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("vlan");

/// `NGM_VLAN_COOKIE` (`sys/netgraph/ng_vlan.h:40`).
#[doc(alias = "NGM_VLAN_COOKIE")]
pub const COOKIE: u32 = 1_068_486_472;

/// The tagged side.
#[doc(alias = "NG_VLAN_HOOK_DOWNSTREAM")]
pub const HOOK_DOWNSTREAM: HookName = HookName::known("downstream");
/// Frames of no VLAN that has a hook.
#[doc(alias = "NG_VLAN_HOOK_NOMATCH")]
pub const HOOK_NO_MATCH: HookName = HookName::known("nomatch");

/// For [`SetEncapsulation`]: tag frames that come from hooks with a VLAN (`sys/netgraph/ng_vlan.h:60`).
#[doc(alias = "VLAN_ENCAP_FROM_FILTER")]
pub const ENCAPSULATE_FROM_FILTER: u32 = 1;
/// For [`SetEncapsulation`]: move the tag of frames from `nomatch` into the frame.
#[doc(alias = "VLAN_ENCAP_FROM_NOMATCH")]
pub const ENCAPSULATE_FROM_NO_MATCH: u32 = 2;

commands! { COOKIE:
    /// Gives a hook its VLAN (`sys/netgraph/ng_vlan.c:268`). `EINVAL` for numbers out of range and for the two
    /// named hooks, `ENOENT` if there is no such hook, `EEXIST` if the hook or the VLAN has a filter already.
    #[doc(alias = "NGM_VLAN_ADD_FILTER")]
    AddFilter(Filter) = 1 "addfilter" => ();
    /// Takes the VLAN from the hook named; `ENOENT` (`sys/netgraph/ng_vlan.c:319`).
    #[doc(alias = "NGM_VLAN_DEL_FILTER")]
    RemoveFilter(Name) = 2 "delfilter" => ();
    /// All filters (`sys/netgraph/ng_vlan.c:379`).
    #[doc(alias = "NGM_VLAN_GET_TABLE")]
    GetTable = 3 "gettable" => FilterTable;
    /// Removes the filter of a VLAN, by its number (`sys/netgraph/ng_vlan.c:345`).
    #[doc(alias = "NGM_VLAN_DEL_VID_FLT")]
    RemoveVlan(u16) = 4 "delvidflt" => ();
    /// Whether tags are moved out of frames into their metadata (`sys/netgraph/ng_vlan.c:426`).
    #[doc(alias = "NGM_VLAN_GET_DECAP")]
    GetDecapsulation = 5 "getdecap" => u32 [reply Type::HINT32];
    /// Turns that on (not 0) or off, as it is at first.
    #[doc(alias = "NGM_VLAN_SET_DECAP")]
    SetDecapsulation(u32) = 6 "setdecap" => () [argument Type::HINT32];
    /// Whose frames are tagged in the frame itself (`sys/netgraph/ng_vlan.c:441`).
    #[doc(alias = "NGM_VLAN_GET_ENCAP")]
    GetEncapsulation = 7 "getencap" => u32 [reply Type::HINT32];
    /// Sets that: [`ENCAPSULATE_FROM_FILTER`], as it is at first, [`ENCAPSULATE_FROM_NO_MATCH`], or both.
    #[doc(alias = "NGM_VLAN_SET_ENCAP")]
    SetEncapsulation(u32) = 8 "setencap" => () [argument Type::HINT32];
    /// The Ethernet type of tags, in host order (`sys/netgraph/ng_vlan.c:456`).
    #[doc(alias = "NGM_VLAN_GET_ENCAP_PROTO")]
    GetTagType = 9 "getencapproto" => u16 [reply Type::HINT16];
    /// Sets it, in host order; 0x8100 at first.
    #[doc(alias = "NGM_VLAN_SET_ENCAP_PROTO")]
    SetTagType(u16) = 10 "setencapproto" => () [argument Type::HINT16];
}

wire_struct! {
    /// `struct ng_vlan_filter`: the VLAN of a hook (`sys/netgraph/ng_vlan.h:64`).
    #[doc(alias = "ng_vlan_filter")]
    #[derive(Default)]
    pub struct Filter = RawFilter, 38 bytes {
        /// The hook.
        hook: Name = "hook",
        /// The old name of `vlan_id`: the same, or 0.
        vlan: u16 = "vlan",
        /// `vid`: 0 to 4095.
        vlan_id: u16 = "vid",
        /// `pcp`: priority, 0 to 7.
        priority: u8 = "pcp",
        /// `cfi`: canonical format indicator, 0 or 1.
        canonical_format: u8 = "cfi",
    }
}

counted_list! {
    /// `struct ng_vlan_table` (`sys/netgraph/ng_vlan.h:95`).
    #[doc(alias = "ng_vlan_table")]
    pub struct FilterTable(Filter): "n" "filter", elements at 4;
}
