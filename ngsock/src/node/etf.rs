//! `etf`: sorts frames by their Ethernet type (`sys/netgraph/ng_etf.h`).
//!
//! Any hook but the two named can have Ethernet types. A filter cannot be removed but with its hook. The node goes
//! with its last hook.

use crate::name::{HookName, Name, TypeName};
use crate::text::Type;
use crate::wire::{commands, wire_struct};

/// `NG_ETF_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("etf");

/// `NGM_ETF_COOKIE` (`sys/netgraph/ng_etf.h:46`).
#[doc(alias = "NGM_ETF_COOKIE")]
pub const COOKIE: u32 = 983_084_516;

/// The side with all frames.
#[doc(alias = "NG_ETF_HOOK_DOWNSTREAM")]
pub const HOOK_DOWNSTREAM: HookName = HookName::known("downstream");
/// Frames of no type that has a hook.
#[doc(alias = "NG_ETF_HOOK_NOMATCH")]
pub const HOOK_NO_MATCH: HookName = HookName::known("nomatch");

commands! { COOKIE:
    /// Sets the node's flags, which mean nothing yet (`sys/netgraph/ng_etf.c:271`).
    #[doc(alias = "NGM_ETF_SET_FLAG")]
    SetFlags(u32) = 1 "setflag" => () [argument Type::INT32];
    /// The counters (`sys/netgraph/ng_etf.c:257`).
    #[doc(alias = "NGM_ETF_GET_STATUS")]
    GetStats = 2 "getstatus" => Stats;
    /// Gives a hook an Ethernet type; `ENOENT` if there is no such hook, `EEXIST` if the type has one
    /// (`sys/netgraph/ng_etf.c:278`).
    #[doc(alias = "NGM_ETF_SET_FILTER")]
    SetFilter(Filter) = 3 "setfilter" => ();
}

wire_struct! {
    /// `struct ng_etfstat` (`sys/netgraph/ng_etf.h:61`).
    #[doc(alias = "ng_etfstat")]
    #[derive(Default)]
    pub struct Stats = RawStats, 8 bytes {
        /// From `downstream`.
        received_packets: u32 = "packets_in",
        /// To `downstream`.
        sent_packets: u32 = "packets_out",
    }
}

wire_struct! {
    /// `struct ng_etffilter` (`sys/netgraph/ng_etf.h:76`).
    #[doc(alias = "ng_etffilter")]
    #[derive(Default)]
    pub struct Filter = RawFilter, 34 bytes {
        /// The hook.
        hook: Name = "matchhook",
        /// The Ethernet type, in host order.
        ethernet_type: u16 = "ethertype",
    }
}
