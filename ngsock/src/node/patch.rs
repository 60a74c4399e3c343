//! `patch`: changes bytes of each packet (`sys/netgraph/ng_patch.h`).
//!
//! Only packets from `in` to `out` are changed. The node goes with its last hook.

use crate::message::{Malformed, Payload};
use crate::name::{HookName, TypeName};
use crate::text::{Count, Member, Type};
use crate::wire::{Field, commands, count_of, get_all, get_prefix, put, put_all, wire_struct};

/// `NG_PATCH_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("patch");

/// `NGM_PATCH_COOKIE` (`sys/netgraph/ng_patch.h:37`).
#[doc(alias = "NGM_PATCH_COOKIE")]
pub const COOKIE: u32 = 1_262_445_509;

/// Where packets to be changed come in.
#[doc(alias = "NG_PATCH_HOOK_IN")]
pub const HOOK_IN: HookName = HookName::known("in");
/// Where they go out. If nothing is connected, they go back out of `in`.
#[doc(alias = "NG_PATCH_HOOK_OUT")]
pub const HOOK_OUT: HookName = HookName::known("out");

commands! { COOKIE:
    /// Sets all operations; `EINVAL` for a length or mode that does not exist (`sys/netgraph/ng_patch.c:255`).
    #[doc(alias = "NGM_PATCH_SETCONFIG")]
    SetConfig(Config) = 1 "setconfig" => ();
    /// The operations. **No reply** as long as none were set (`sys/netgraph/ng_patch.c:221`).
    #[doc(alias = "NGM_PATCH_GETCONFIG")]
    GetConfig = 2 "getconfig" => Option<Config>;
    /// The counters (`sys/netgraph/ng_patch.c:295`).
    #[doc(alias = "NGM_PATCH_GET_STATS")]
    GetStats = 3 "getstats" => Stats;
    /// Clears them.
    #[doc(alias = "NGM_PATCH_CLR_STATS")]
    ClearStats = 4 "clrstats" => ();
    /// Both at once.
    #[doc(alias = "NGM_PATCH_GETCLR_STATS")]
    GetAndClearStats = 5 "getclrstats" => Stats;
    /// What packets are: 12 is IP (`DLT_RAW`), 1 Ethernet (`sys/netgraph/ng_patch.c:312`).
    #[doc(alias = "NGM_PATCH_GETDLT")]
    GetLinkType = 6 "getdlt" => u8;
    /// Sets that (`sys/netgraph/ng_patch.c:322`).
    #[doc(alias = "NGM_PATCH_SETDLT")]
    SetLinkType(u8) = 7 "setdlt" => ();
}

/// What is done with the bytes (`sys/netgraph/ng_patch.h:59`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Replaces them.
    Set,
    /// Adds.
    Add,
    /// Subtracts.
    Subtract,
    /// Multiplies.
    Multiply,
    /// Divides. By 0: the kernel does not look (`sys/netgraph/ng_patch.c:383`).
    Divide,
    /// Changes the sign.
    Negate,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Shifts left.
    ShiftLeft,
    /// Shifts right.
    ShiftRight,
    /// None that FreeBSD 15.1 knows.
    Other(u16),
}

impl Field for Mode {
    type Raw = u16;

    const TEXT: &'static Type = Type::UINT16;

    fn to_raw(&self) -> u16 {
        match *self {
            Self::Set => 1,
            Self::Add => 2,
            Self::Subtract => 3,
            Self::Multiply => 4,
            Self::Divide => 5,
            Self::Negate => 6,
            Self::And => 7,
            Self::Or => 8,
            Self::Xor => 9,
            Self::ShiftLeft => 10,
            Self::ShiftRight => 11,
            Self::Other(mode) => mode,
        }
    }

    fn from_raw(raw: u16) -> Self {
        match raw {
            1 => Self::Set,
            2 => Self::Add,
            3 => Self::Subtract,
            4 => Self::Multiply,
            5 => Self::Divide,
            6 => Self::Negate,
            7 => Self::And,
            8 => Self::Or,
            9 => Self::Xor,
            10 => Self::ShiftLeft,
            11 => Self::ShiftRight,
            mode => Self::Other(mode),
        }
    }
}

wire_struct! {
    /// `struct ng_patch_op` (`sys/netgraph/ng_patch.h:105`).
    #[doc(alias = "ng_patch_op")]
    pub struct Operation = RawOperation, 16 bytes {
        /// Where the bytes are, in octets from the beginning.
        offset_octets: u32 = "offset",
        /// How many: 1, 2, 4 or 8.
        length_octets: u16 = "length",
        /// What is done with them, in network order.
        mode: Mode = "mode",
        /// With this value, of which the union's member of that length counts.
        value: u64 = "value",
    }
}

wire_struct! {
    /// What stands before the operations.
    pub(crate) struct ConfigHead = RawConfigHead, 24 bytes {
        /// `count`.
        count: u32 = "count",
        pad _pad: 4,
        /// `csum_flags`.
        checksum_flags: u64 = "csum_flags",
        /// `relative_offset`.
        relative_offset: u32 = "relative_offset",
        pad _pad2: 4,
    }
}

/// `struct ng_patch_config` (`sys/netgraph/ng_patch.h:112`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[doc(alias = "ng_patch_config")]
pub struct Config {
    /// Which checksums to make anew: `CSUM_IP` 1, `CSUM_UDP` 2, `CSUM_TCP` 4 … (`sys/sys/mbuf.h`).
    pub checksum_flags: u64,
    /// Not 0: offsets count from behind the Ethernet and VLAN headers.
    pub relative_offset: u32,
    /// In this order.
    pub operations: Vec<Operation>,
}

impl Payload for Config {
    const TEXT: Option<&'static Type> = Some(&Type::Struct(&[
        Member { name: "count", kind: Type::UINT32 },
        Member { name: "csum_flags", kind: Type::UINT64 },
        Member { name: "relative_offset", kind: Type::UINT32 },
        Member { name: "ops", kind: &Type::Array(<Operation as Field>::TEXT, Count::Before { size: 4, back: 24 }) },
    ]));

    fn encode(&self, out: &mut Vec<u8>) {
        let Self { checksum_flags, relative_offset, ref operations } = *self;
        put(out, &ConfigHead { count: count_of(operations), checksum_flags, relative_offset });
        put_all(out, operations);
    }

    /// More bytes than operations are no error (`sys/netgraph/ng_patch.c:258`).
    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (ConfigHead { count, checksum_flags, relative_offset }, rest) = get_prefix(payload)?;
        Ok(Self { checksum_flags, relative_offset, operations: get_all(count, rest)?.0 })
    }
}

wire_struct! {
    /// `struct ng_patch_stats`, in packets (`sys/netgraph/ng_patch.h:119`).
    #[doc(alias = "ng_patch_stats")]
    #[derive(Default)]
    pub struct Stats = RawStats, 24 bytes {
        /// Received by `in`.
        received: u64 = "Received",
        /// Changed.
        patched: u64 = "Patched",
        /// Dropped.
        dropped: u64 = "Dropped",
    }
}
