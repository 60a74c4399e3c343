//! `source`: sends stored packets again and again (`sys/netgraph/ng_source.h`).
//!
//! Packets to send are written to `input`. Losing `output` removes the node (`sys/netgraph/ng_source.c:602`).

use crate::generic::CString;
use crate::name::{HookName, TypeName};
use crate::wire::{commands, wire_struct};

/// `NG_SOURCE_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("source");

/// `NGM_SOURCE_COOKIE` (`sys/netgraph/ng_source.h:45`).
#[doc(alias = "NGM_SOURCE_COOKIE")]
pub const COOKIE: u32 = 1_110_646_684;

/// Where packets are stored from.
#[doc(alias = "NG_SOURCE_HOOK_INPUT")]
pub const HOOK_INPUT: HookName = HookName::known("input");
/// Where they are sent.
#[doc(alias = "NG_SOURCE_HOOK_OUTPUT")]
pub const HOOK_OUTPUT: HookName = HookName::known("output");

/// `NG_SOURCE_COUNTERS`: how many counters can be written into a packet (`sys/netgraph/ng_source.h:96`).
pub const COUNTERS: u8 = 4;

/// A flag: write the time or counter (`sys/netgraph/ng_source.h:85`).
#[doc(alias = "NGM_SOURCE_EMBED_ENABLE")]
pub const EMBED_ENABLE: u8 = 1;
/// A flag: count once per round of stored packets, not per packet.
#[doc(alias = "NGM_SOURCE_INC_CNT_PER_LIST")]
pub const COUNT_PER_ROUND: u8 = 2;

commands! { COOKIE:
    /// The counters (`sys/netgraph/ng_source.c:362`).
    #[doc(alias = "NGM_SOURCE_GET_STATS")]
    GetStats = 1 "getstats" => Stats;
    /// Clears them.
    #[doc(alias = "NGM_SOURCE_CLR_STATS")]
    ClearStats = 2 "clrstats" => ();
    /// Both at once.
    #[doc(alias = "NGM_SOURCE_GETCLR_STATS")]
    GetAndClearStats = 3 "getclrstats" => Stats;
    /// Sends so many packets (`sys/netgraph/ng_source.c:390`).
    #[doc(alias = "NGM_SOURCE_START")]
    Start(u64) = 4 "start" => ();
    /// Stops.
    #[doc(alias = "NGM_SOURCE_STOP")]
    Stop = 5 "stop" => ();
    /// Forgets the stored packets.
    #[doc(alias = "NGM_SOURCE_CLR_DATA")]
    ClearData = 6 "clrdata" => ();
    /// Fills the queue of this interface at its own pace (`sys/netgraph/ng_source.c:411`).
    #[doc(alias = "NGM_SOURCE_SETIFACE")]
    SetInterface(CString) = 7 "setiface" => ();
    /// Sends at most so many packets a second; 0 is no limit (`sys/netgraph/ng_source.c:423`).
    #[doc(alias = "NGM_SOURCE_SETPPS")]
    SetPacketsPerSecond(u32) = 8 "setpps" => ();
    /// Writes the time of sending into each packet (`sys/netgraph/ng_source.c:438`).
    #[doc(alias = "NGM_SOURCE_SET_TIMESTAMP")]
    SetTimestamp(Timestamp) = 9 "settimestamp" => ();
    /// Where that is written.
    #[doc(alias = "NGM_SOURCE_GET_TIMESTAMP")]
    GetTimestamp = 10 "gettimestamp" => Timestamp;
    /// Writes a counter into each packet; `EINVAL` past [`COUNTERS`] (`sys/netgraph/ng_source.c:465`).
    #[doc(alias = "NGM_SOURCE_SET_COUNTER")]
    SetCounter(Counter) = 11 "setcounter" => ();
    /// A counter, by its index (`sys/netgraph/ng_source.c:485`).
    #[doc(alias = "NGM_SOURCE_GET_COUNTER")]
    GetCounter(u8) = 12 "getcounter" => Counter;
}

wire_struct! {
    /// `struct timeval` of a 64-bit kernel.
    #[doc(alias = "timeval")]
    #[derive(Default)]
    pub struct Time = RawTime, 16 bytes {
        /// Whole seconds.
        seconds: i64 = "tv_sec",
        /// And microseconds.
        microseconds: i64 = "tv_usec",
    }
}

wire_struct! {
    /// `struct ng_source_stats` (`sys/netgraph/ng_source.h:52`).
    #[doc(alias = "ng_source_stats")]
    #[derive(Default)]
    pub struct Stats = RawStats, 96 bytes {
        /// `outOctets`.
        sent_octets: u64 = "outOctets",
        /// `outFrames`.
        sent_frames: u64 = "outFrames",
        /// `queueOctets`: stored.
        stored_octets: u32 = "queueOctets",
        /// `queueFrames`.
        stored_frames: u32 = "queueFrames",
        /// `maxPps`.
        maximum_packets_per_second: u32 = "maxPps",
        pad _pad: 4,
        /// When sending began.
        start_time: Time = "startTime",
        /// When it ended.
        end_time: Time = "endTime",
        /// How long it took or has taken.
        elapsed_time: Time = "elapsedTime",
        /// When packets were sent last.
        last_time: Time = "lastTime",
    }
}

wire_struct! {
    /// `struct ng_source_embed_info` (`sys/netgraph/ng_source.h:80`).
    #[doc(alias = "ng_source_embed_info")]
    #[derive(Default)]
    pub struct Timestamp = RawTimestamp, 4 bytes {
        /// Where, in octets from the Ethernet header.
        offset_octets: u16 = "offset" as HINT16,
        /// [`EMBED_ENABLE`].
        flags: u8 = "flags" as HINT8,
        pad _spare: 1,
    }
}

wire_struct! {
    /// `struct ng_source_embed_cnt_info` (`sys/netgraph/ng_source.h:97`).
    #[doc(alias = "ng_source_embed_cnt_info")]
    #[derive(Default)]
    pub struct Counter = RawCounter, 24 bytes {
        /// Where, in octets from the Ethernet header.
        offset_octets: u16 = "offset" as HINT16,
        /// [`EMBED_ENABLE`], [`COUNT_PER_ROUND`].
        flags: u8 = "flags" as HINT8,
        /// How wide: 1, 2 or 4 octets.
        width_octets: u8 = "width",
        /// The next value.
        next_value: u32 = "next_val",
        /// The least value.
        minimum: u32 = "min_val",
        /// The largest value; the least follows it.
        maximum: u32 = "max_val",
        /// What is added each time.
        increment: i32 = "increment",
        /// Which counter, below [`COUNTERS`].
        index: u8 = "index",
        pad _pad: 3,
    }
}
