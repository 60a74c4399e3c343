//! `checksum`: computes IP, TCP and UDP checksums of packets (`sys/netgraph/ng_checksum.h`).
//!
//! The node goes with its last hook.

use crate::name::{HookName, TypeName};
use crate::wire::{commands, wire_struct};

/// `NG_CHECKSUM_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("checksum");

/// `NGM_CHECKSUM_COOKIE` (`sys/netgraph/ng_checksum.h:34`).
#[doc(alias = "NGM_CHECKSUM_COOKIE")]
pub const COOKIE: u32 = 439_419_912;

/// Where packets come in.
#[doc(alias = "NG_CHECKSUM_HOOK_IN")]
pub const HOOK_IN: HookName = HookName::known("in");
/// Where they go out. If nothing is connected, they go back out of `in`.
#[doc(alias = "NG_CHECKSUM_HOOK_OUT")]
pub const HOOK_OUT: HookName = HookName::known("out");

commands! { COOKIE:
    /// What packets are: 12 is IP (`DLT_RAW`), 1 Ethernet (`sys/netgraph/ng_checksum.c:203`).
    #[doc(alias = "NGM_CHECKSUM_GETDLT")]
    GetLinkType = 1 "getdlt" => u8;
    /// Sets that (`sys/netgraph/ng_checksum.c:213`).
    #[doc(alias = "NGM_CHECKSUM_SETDLT")]
    SetLinkType(u8) = 2 "setdlt" => ();
    /// The configuration. **No reply** as long as none was set (`sys/netgraph/ng_checksum.c:230`).
    #[doc(alias = "NGM_CHECKSUM_GETCONFIG")]
    GetConfig = 3 "getconfig" => Option<Config>;
    /// Sets it (`sys/netgraph/ng_checksum.c:243`).
    #[doc(alias = "NGM_CHECKSUM_SETCONFIG")]
    SetConfig(Config) = 4 "setconfig" => ();
    /// Reads and clears the counters (`sys/netgraph/ng_checksum.c:263`).
    #[doc(alias = "NGM_CHECKSUM_GETCLR_STATS")]
    GetAndClearStats = 5 "getclrstats" => Stats;
    /// The counters.
    #[doc(alias = "NGM_CHECKSUM_GET_STATS")]
    GetStats = 6 "getstats" => Stats;
    /// Clears them.
    #[doc(alias = "NGM_CHECKSUM_CLR_STATS")]
    ClearStats = 7 "clrstats" => ();
}

wire_struct! {
    /// `struct ng_checksum_config`; `CSUM_IP` 1, `CSUM_UDP` 2, `CSUM_TCP` 4, and those of IPv6
    /// (`sys/netgraph/ng_checksum.h:70`). The node drops flags it does not know.
    #[doc(alias = "ng_checksum_config")]
    #[derive(Default)]
    pub struct Config = RawConfig, 16 bytes {
        /// `csum_flags`: which checksums to compute.
        flags: u64 = "csum_flags",
        /// `csum_offload`: which of these to leave to the network card.
        offload: u64 = "csum_offload",
    }
}

wire_struct! {
    /// `struct ng_checksum_stats`, in packets (`sys/netgraph/ng_checksum.h:75`).
    #[doc(alias = "ng_checksum_stats")]
    #[derive(Default)]
    pub struct Stats = RawStats, 24 bytes {
        /// Received.
        received: u64 = "Received",
        /// With a checksum computed.
        processed: u64 = "Processed",
        /// Dropped.
        dropped: u64 = "Dropped",
    }
}
