//! What a bridge says of its spanning tree: BRDGPARAM.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{BRDGPARAM, Call, IFBROPREQ, InterfaceName, IoctlArgument, command};

/// `struct ifbropreq`.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawSpanningTree {
    hold_count: u8,
    max_age: u8,
    hello_time: u8,
    forward_delay: u8,
    protocol: u8,
    pad: u8,
    priority: U16,
    root_port: U16,
    pad2: [u8; 2],
    root_path_cost: U32,
    bridge_id: U64,
    designated_root: U64,
    designated_bridge: U64,
    last_change: [U64; 2],
}
const _: () = assert!(size_of::<RawSpanningTree>() == IFBROPREQ);

/// The bridge's spanning tree as BRDGPARAM tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanningTree {
    /// Frames per second and port.
    pub hold_count: u8,
    /// Seconds.
    pub max_age: u8,
    /// Seconds.
    pub hello_time: u8,
    /// Seconds.
    pub forward_delay: u8,
    /// 0 STP, 2 RSTP.
    pub protocol: u8,
    /// Priority of this bridge.
    pub priority: u16,
    /// Port towards the root, 0 on the root.
    pub root_port: u16,
    /// Cost of the way to the root.
    pub root_path_cost: u32,
    /// Priority and MAC of this bridge, the priority in the highest 16 bits.
    pub bridge_id: u64,
    /// The root.
    pub designated_root: u64,
    /// Who connects this bridge to the root.
    pub designated_bridge: u64,
    /// Time of the last topology change: seconds and microseconds.
    pub last_change: (u64, u64),
}

impl SpanningTree {
    /// Reads an `ifbropreq`.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (raw, _) = RawSpanningTree::ref_from_prefix(bytes).ok()?;
        Some(Self {
            hold_count: raw.hold_count,
            max_age: raw.max_age,
            hello_time: raw.hello_time,
            forward_delay: raw.forward_delay,
            protocol: raw.protocol,
            priority: raw.priority.get(),
            root_port: raw.root_port.get(),
            root_path_cost: raw.root_path_cost.get(),
            bridge_id: raw.bridge_id.get(),
            designated_root: raw.designated_root.get(),
            designated_bridge: raw.designated_bridge.get(),
            last_change: (raw.last_change[0].get(), raw.last_change[1].get()),
        })
    }

    /// The structure.
    #[must_use]
    pub fn bytes(&self) -> [u8; IFBROPREQ] {
        let mut raw = RawSpanningTree::new_zeroed();
        raw.hold_count = self.hold_count;
        raw.max_age = self.max_age;
        raw.hello_time = self.hello_time;
        raw.forward_delay = self.forward_delay;
        raw.protocol = self.protocol;
        raw.priority = self.priority.into();
        raw.root_port = self.root_port.into();
        raw.root_path_cost = self.root_path_cost.into();
        raw.bridge_id = self.bridge_id.into();
        raw.designated_root = self.designated_root.into();
        raw.designated_bridge = self.designated_bridge.into();
        raw.last_change = [self.last_change.0.into(), self.last_change.1.into()];
        zerocopy::transmute!(raw)
    }
}

/// BRDGPARAM; the answer is read by [`spanning_tree_of`].
#[must_use]
pub fn spanning_tree(bridge: InterfaceName) -> Call {
    command(bridge, false, BRDGPARAM, IoctlArgument::flat(vec![0; IFBROPREQ]))
}

/// The spanning tree in the answer to BRDGPARAM.
#[must_use]
pub fn spanning_tree_of(argument: &IoctlArgument) -> Option<SpanningTree> {
    SpanningTree::read(&argument.behind()?.bytes)
}
