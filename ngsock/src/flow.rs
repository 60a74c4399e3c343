//! What nodes tell their neighbours about links and queues (`sys/netgraph/ng_message.h:153`).
//!
//! Few types send or understand these: one2many and ether say when a link goes up or down, and so does a pipe whose
//! errors are set to one per bit; eiface follows them. A control socket receives them without having asked.

use crate::addr::NodeId;
use crate::wire::{commands, wire_struct};

/// `NGM_FLOW_COOKIE` (`sys/netgraph/ng_message.h:153`).
#[doc(alias = "NGM_FLOW_COOKIE")]
pub const COOKIE: u32 = 851_672_669;

commands! { COOKIE:
    /// There is a carrier.
    #[doc(alias = "NGM_LINK_IS_UP")]
    LinkIsUp = 32 "link_is_up" without text => ();
    /// There is none any more.
    #[doc(alias = "NGM_LINK_IS_DOWN")]
    LinkIsDown = 33 "link_is_down" without text => ();
    /// The queue is filling.
    #[doc(alias = "NGM_HIGH_WATER_PASSED")]
    HighWaterPassed(QueueState) = 34 "high_water_passed" without text => ();
    /// The queue is emptying.
    #[doc(alias = "NGM_LOW_WATER_PASSED")]
    LowWaterPassed(QueueState) = 35 "low_water_passed" without text => ();
    /// The queue after a packet was sent.
    #[doc(alias = "NGM_SYNC_QUEUE_STATE")]
    SyncQueueState(QueueState) = 36 "sync_queue_state" without text => ();
    /// Hang up, but stay in the graph.
    #[doc(alias = "NGM_DROP_LINK")]
    DropLink = 41 "drop_link" without text => ();
    /// Take the link up again.
    #[doc(alias = "NGM_RAISE_LINK")]
    RaiseLink = 42 "raise_link" without text => ();
    /// Empty the queue.
    #[doc(alias = "NGM_FLUSH_QUEUE")]
    FlushQueue = 43 "flush_queue" without text => ();
    /// How fast the link is.
    #[doc(alias = "NGM_GET_BANDWIDTH")]
    GetBandwidth = 0x1000_002c "get_bandwidth" without text => Bandwidth;
    /// Sets the limits of the queue.
    #[doc(alias = "NGM_SET_XMIT_Q_LIMITS")]
    SetQueueLimits(QueueState) = 45 "set_xmit_q_limits" without text => ();
    /// The queue and its limits.
    #[doc(alias = "NGM_GET_XMIT_Q_LIMITS")]
    GetQueueLimits = 0x1000_002e "get_xmit_q_limits" without text => QueueState;
    /// Tell of the queue after each packet.
    #[doc(alias = "NGM_MICROMANAGE")]
    Micromanage = 47 "micromanage" without text => ();
    /// Who is to be told.
    #[doc(alias = "NGM_SET_FLOW_MANAGER")]
    SetFlowManager(FlowManager) = 48 "set_flow_manager" without text => ();
}

wire_struct! {
    /// `struct ngm_bandwidth`, in bit/s (`sys/netgraph/ng_message.h:306`).
    #[doc(alias = "ngm_bandwidth")]
    #[derive(Default)]
    pub struct Bandwidth = RawBandwidth, 32 bytes {
        /// What the link can receive.
        nominal_in: u64 = "nominal_in",
        /// What it was seen to receive.
        seen_in: u64 = "seen_in",
        /// What it can send.
        nominal_out: u64 = "nominal_out",
        /// What it was seen to send.
        seen_out: u64 = "seen_out",
    }
}

wire_struct! {
    /// `struct ngm_queue_state` (`sys/netgraph/ng_message.h:332`).
    #[doc(alias = "ngm_queue_state")]
    #[derive(Default)]
    pub struct QueueState = RawQueueState, 24 bytes {
        /// Which queue; all ones is all.
        priority: u32 = "queue_priority",
        /// Its limit in octets.
        maximum_octets: u32 = "max_queuelen_bytes",
        /// Its limit in packets.
        maximum_packets: u32 = "max_queuelen_packets",
        /// Where it counts as emptying.
        low_watermark: u32 = "low_watermark",
        /// Where it counts as filling.
        high_watermark: u32 = "high_watermark",
        /// How full it is.
        current: u32 = "current",
    }
}

wire_struct! {
    /// `struct flow_manager` (`sys/netgraph/ng_message.h:352`).
    #[doc(alias = "flow_manager")]
    pub struct FlowManager = RawFlowManager, 4 bytes {
        /// The node to be told.
        id: NodeId = "id",
    }
}
