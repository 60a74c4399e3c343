//! `l2tp`: the Layer Two Tunneling Protocol, version 2 (`sys/netgraph/ng_l2tp.h`).
//!
//! The node goes with its last hook. It sends [`AckFailure`] to whoever configured it when the peer has not
//! answered for too long.

use crate::name::{HookName, TypeName};
use crate::text::{Member, Type};
use crate::wire::{commands, wire_struct};

/// `NG_L2TP_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("l2tp");

/// `NGM_L2TP_COOKIE` (`sys/netgraph/ng_l2tp.h:45`).
#[doc(alias = "NGM_L2TP_COOKIE")]
pub const COOKIE: u32 = 1_091_515_793;

/// Control messages, without header.
#[doc(alias = "NG_L2TP_HOOK_CTRL")]
pub const HOOK_CONTROL: HookName = HookName::known("ctrl");
/// Towards the peer, such as a UDP ksocket.
#[doc(alias = "NG_L2TP_HOOK_LOWER")]
pub const HOOK_LOWER: HookName = HookName::known("lower");

/// `session_%04x`: the hook of a session's data, exactly four lower-case digits (`sys/netgraph/ng_l2tp.c:417`).
#[doc(alias = "NG_L2TP_HOOK_SESSION_F")]
#[must_use]
pub fn session_hook(session_id: u16) -> HookName {
    HookName::new(format!("session_{session_id:04x}")).expect("a prefix and four hex digits")
}

/// In words only half of the structure exists; the kernel refuses what comes of it (`sys/netgraph/ng_l2tp.h:64`).
const SEQUENCE_ARGUMENT: &Type =
    &Type::Struct(&[Member { name: "ns", kind: Type::UINT16 }, Member { name: "nr", kind: Type::UINT16 }]);

commands! { COOKIE:
    /// Sets the configuration; `EBUSY` if numbers change while enabled (`sys/netgraph/ng_l2tp.c:463`).
    #[doc(alias = "NGM_L2TP_SET_CONFIG")]
    SetConfig(Config) = 1 "setconfig" => ();
    /// The configuration (`sys/netgraph/ng_l2tp.c:495`).
    #[doc(alias = "NGM_L2TP_GET_CONFIG")]
    GetConfig = 2 "getconfig" => Config;
    /// Configures a session whose hook is there (`sys/netgraph/ng_l2tp.c:508`).
    #[doc(alias = "NGM_L2TP_SET_SESS_CONFIG")]
    SetSessionConfig(SessionConfig) = 3 "setsessconfig" => ();
    /// The configuration of a session, by its number (`sys/netgraph/ng_l2tp.c:531`).
    #[doc(alias = "NGM_L2TP_GET_SESS_CONFIG")]
    GetSessionConfig(u16) = 4 "getsessconfig" => SessionConfig [argument Type::HINT16];
    /// The counters (`sys/netgraph/ng_l2tp.c:561`).
    #[doc(alias = "NGM_L2TP_GET_STATS")]
    GetStats = 5 "getstats" => Stats;
    /// Clears them.
    #[doc(alias = "NGM_L2TP_CLR_STATS")]
    ClearStats = 6 "clrstats" => ();
    /// Both at once.
    #[doc(alias = "NGM_L2TP_GETCLR_STATS")]
    GetAndClearStats = 7 "getclrstats" => Stats;
    /// The counters of a session, by its number (`sys/netgraph/ng_l2tp.c:579`).
    #[doc(alias = "NGM_L2TP_GET_SESSION_STATS")]
    GetSessionStats(u16) = 8 "getsessstats" => SessionStats [argument Type::INT16];
    /// Clears them.
    #[doc(alias = "NGM_L2TP_CLR_SESSION_STATS")]
    ClearSessionStats(u16) = 9 "clrsessstats" => () [argument Type::INT16];
    /// Both at once.
    #[doc(alias = "NGM_L2TP_GETCLR_SESSION_STATS")]
    GetAndClearSessionStats(u16) = 10 "getclrsessstats" => SessionStats [argument Type::INT16];
    /// Sent **by** the node when a control message was not acknowledged in time.
    #[doc(alias = "NGM_L2TP_ACK_FAILURE")]
    AckFailure = 11 "ackfailure" => ();
    /// Sets the sequence numbers of a node that is not yet enabled (`sys/netgraph/ng_l2tp.c:614`).
    #[doc(alias = "NGM_L2TP_SET_SEQ")]
    SetSequence(SequenceConfig) = 12 "setsequence" => () [argument SEQUENCE_ARGUMENT];
}

wire_struct! {
    /// `struct ng_l2tp_config` (`sys/netgraph/ng_l2tp.h:71`).
    #[doc(alias = "ng_l2tp_config")]
    #[derive(Default)]
    pub struct Config = RawConfig, 12 bytes {
        /// Not 0: traffic flows.
        enabled: u8 = "enabled",
        /// Not 0: packets of other tunnels are dropped.
        match_id: u8 = "match_id",
        /// The tunnel's number here.
        tunnel_id: u16 = "tunnel_id" as HINT16,
        /// The tunnel's number at the peer.
        peer_id: u16 = "peer_id" as HINT16,
        /// How many control messages the peer takes at once.
        peer_window: u16 = "peer_win",
        /// How often a control message is sent again before the tunnel has failed.
        maximum_retransmissions: u16 = "rexmit_max",
        /// The longest time between two of these, in seconds.
        maximum_retransmission_seconds: u16 = "rexmit_max_to",
    }
}

wire_struct! {
    /// `struct ng_l2tp_sess_config` (`sys/netgraph/ng_l2tp.h:94`).
    #[doc(alias = "ng_l2tp_sess_config")]
    #[derive(Default)]
    pub struct SessionConfig = RawSessionConfig, 8 bytes {
        /// The session's number here.
        session_id: u16 = "session_id" as HINT16,
        /// The session's number at the peer.
        peer_id: u16 = "peer_id" as HINT16,
        /// Not 0: this side decides on sequence numbers of data.
        control_sequencing: u8 = "control_dseq",
        /// Not 0: data has sequence numbers.
        enable_sequencing: u8 = "enable_dseq",
        /// Not 0: data has the length field.
        include_length: u8 = "include_length",
        pad _pad: 1,
    }
}

wire_struct! {
    /// `struct ng_l2tp_seq_config` (`sys/netgraph/ng_l2tp.h:56`).
    #[doc(alias = "ng_l2tp_seq_config")]
    #[derive(Default)]
    pub struct SequenceConfig = RawSequenceConfig, 8 bytes {
        /// `ns`: to be sent next.
        next_sent: u16 = "ns",
        /// `nr`: to be received next.
        next_received: u16 = "nr",
        /// `rack`: the last `nr` received.
        last_ack_received: u16 = "rack",
        /// `xack`: the last `nr` sent.
        last_ack_sent: u16 = "xack",
    }
}

wire_struct! {
    /// `struct ng_l2tp_stats` (`sys/netgraph/ng_l2tp.h:113`).
    #[doc(alias = "ng_l2tp_stats")]
    #[derive(Default)]
    pub struct Stats = RawStats, 80 bytes {
        /// `xmitPackets`.
        sent_packets: u32 = "xmitPackets",
        /// `xmitOctets`.
        sent_octets: u32 = "xmitOctets",
        /// `xmitZLBs`: acknowledgements without message.
        sent_acks: u32 = "xmitZLBs",
        /// `xmitDrops`: dropped because the window was full.
        sent_drops: u32 = "xmitDrops",
        /// `xmitTooBig`: control messages too long.
        sent_too_big: u32 = "xmitTooBig",
        /// `xmitInvalid`: control messages without session number.
        sent_invalid: u32 = "xmitInvalid",
        /// `xmitDataTooBig`: data packets too long.
        sent_data_too_big: u32 = "xmitDataTooBig",
        /// `xmitRetransmits`.
        retransmissions: u32 = "xmitRetransmits",
        /// `recvPackets`.
        received_packets: u32 = "recvPackets",
        /// `recvOctets`.
        received_octets: u32 = "recvOctets",
        /// `recvRunts`.
        received_runts: u32 = "recvRunts",
        /// `recvInvalid`.
        received_invalid: u32 = "recvInvalid",
        /// `recvWrongTunnel`.
        received_wrong_tunnel: u32 = "recvWrongTunnel",
        /// `recvUnknownSID`.
        received_unknown_session: u32 = "recvUnknownSID",
        /// `recvBadAcks`.
        received_bad_acks: u32 = "recvBadAcks",
        /// `recvOutOfOrder`.
        received_out_of_order: u32 = "recvOutOfOrder",
        /// `recvDuplicates`.
        received_duplicates: u32 = "recvDuplicates",
        /// `recvDataDrops`: data twice or out of order.
        received_data_drops: u32 = "recvDataDrops",
        /// `recvZLBs`: acknowledgements without message.
        received_acks: u32 = "recvZLBs",
        /// `memoryFailures`.
        memory_failures: u32 = "memoryFailures",
    }
}

wire_struct! {
    /// `struct ng_l2tp_session_stats` (`sys/netgraph/ng_l2tp.h:162`).
    #[doc(alias = "ng_l2tp_session_stats")]
    #[derive(Default)]
    pub struct SessionStats = RawSessionStats, 32 bytes {
        /// `xmitPackets`.
        sent_packets: u64 = "xmitPackets",
        /// `xmitOctets`.
        sent_octets: u64 = "xmitOctets",
        /// `recvPackets`.
        received_packets: u64 = "recvPackets",
        /// `recvOctets`.
        received_octets: u64 = "recvOctets",
    }
}
