//! `tcpmss`: lowers the maximum segment size that TCP connections agree on (`sys/netgraph/ng_tcpmss.h`).
//!
//! Any hook name is taken. The node goes with its last hook.

use crate::name::{Name, TypeName};
use crate::wire::{commands, wire_struct};

/// `NG_TCPMSS_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("tcpmss");

/// `NGM_TCPMSS_COOKIE` (`sys/netgraph/ng_tcpmss.h:37`).
#[doc(alias = "NGM_TCPMSS_COOKIE")]
pub const COOKIE: u32 = 1_097_623_478;

commands! { COOKIE:
    /// The counters of the hook named (`sys/netgraph/ng_tcpmss.c:192`).
    #[doc(alias = "NGM_TCPMSS_GET_STATS")]
    GetStats(Name) = 1 "getstats" => HookStats;
    /// Clears them.
    #[doc(alias = "NGM_TCPMSS_CLR_STATS")]
    ClearStats(Name) = 2 "clrstats" => ();
    /// Both at once.
    #[doc(alias = "NGM_TCPMSS_GETCLR_STATS")]
    GetAndClearStats(Name) = 3 "getclrstats" => HookStats;
    /// Sets where packets of a hook go, and their limit; `ENOENT` if one of the hooks is not there
    /// (`sys/netgraph/ng_tcpmss.c:225`).
    #[doc(alias = "NGM_TCPMSS_CONFIG")]
    SetConfig(Config) = 4 "config" => ();
}

wire_struct! {
    /// `struct ng_tcpmss_config` (`sys/netgraph/ng_tcpmss.h:59`).
    #[doc(alias = "ng_tcpmss_config")]
    #[derive(Default)]
    pub struct Config = RawConfig, 66 bytes {
        /// Where packets come in.
        in_hook: Name = "inHook",
        /// Where they go out.
        out_hook: Name = "outHook",
        /// The largest segment, in octets.
        maximum_segment_octets: u16 = "maxMSS",
    }
}

wire_struct! {
    /// `struct ng_tcpmss_hookstat` (`sys/netgraph/ng_tcpmss.h:40`).
    #[doc(alias = "ng_tcpmss_hookstat")]
    #[derive(Default)]
    pub struct HookStats = RawHookStats, 40 bytes {
        /// Octets that came in.
        octets: u64 = "Octets",
        /// Packets that came in.
        packets: u64 = "Packets",
        /// The limit set, in octets.
        maximum_segment_octets: u16 = "maxMSS",
        pad _pad: 6,
        /// Packets that open a connection.
        syn_packets: u64 = "SYNPkts",
        /// Of these, the ones changed.
        fixed_packets: u64 = "FixedPkts",
    }
}
