//! `bpf`: sends frames to one hook or another by a BPF program (`sys/netgraph/ng_bpf.h`).
//!
//! Any hook name is taken; each hook has a program for what comes in by it. The first matches nothing and forwards
//! nowhere (`sys/netgraph/ng_bpf.c:217`). The node goes with its last hook.

use crate::message::{Malformed, Payload};
use crate::name::{Name, TypeName};
use crate::text::{Count, Member, Type};
use crate::wire::{Field, commands, count_of, get_all, get_prefix, put, put_all, wire_struct};

/// `NG_BPF_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("bpf");

/// `NGM_BPF_COOKIE` (`sys/netgraph/ng_bpf.h:47`).
#[doc(alias = "NGM_BPF_COOKIE")]
pub const COOKIE: u32 = 944_100_792;

commands! { COOKIE:
    /// Sets a hook's program (`sys/netgraph/ng_bpf.c:312`). `EINVAL` for a program that BPF refuses, `ENOENT` if
    /// there is no such hook.
    #[doc(alias = "NGM_BPF_SET_PROGRAM")]
    SetProgram(Program) = 1 "setprogram" => ();
    /// The program of the hook named (`sys/netgraph/ng_bpf.c:334`).
    #[doc(alias = "NGM_BPF_GET_PROGRAM")]
    GetProgram(Name) = 2 "getprogram" => Program;
    /// The counters of the hook named (`sys/netgraph/ng_bpf.c:359`).
    #[doc(alias = "NGM_BPF_GET_STATS")]
    GetStats(Name) = 3 "getstats" => HookStats;
    /// Clears them.
    #[doc(alias = "NGM_BPF_CLR_STATS")]
    ClearStats(Name) = 4 "clrstats" => ();
    /// Both at once.
    #[doc(alias = "NGM_BPF_GETCLR_STATS")]
    GetAndClearStats(Name) = 5 "getclrstats" => HookStats;
}

/// `struct ng_bpf_hookprog` (`sys/netgraph/ng_bpf.h:50`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[doc(alias = "ng_bpf_hookprog")]
pub struct Program {
    /// `thisHook`: whose program it is.
    pub hook: Name,
    /// `ifMatch`: where frames go for which it returns not 0; empty drops them.
    pub if_match: Name,
    /// `ifNotMatch`: where the others go; empty drops them.
    pub if_not_match: Name,
    /// The program, at most `net.bpf.maxinsns` (512) long.
    pub instructions: Vec<Instruction>,
}

wire_struct! {
    /// `struct bpf_insn` (`sys/net/bpf.h`).
    #[doc(alias = "bpf_insn")]
    #[derive(Default)]
    pub struct Instruction = RawInstruction, 8 bytes {
        /// The operation.
        code: u16 = "code" as HINT16,
        /// How many instructions to skip if a condition holds.
        jump_if_true: u8 = "jt",
        /// How many if it does not.
        jump_if_false: u8 = "jf",
        /// The operand.
        operand: u32 = "k",
    }
}

wire_struct! {
    /// What stands before the instructions.
    pub(crate) struct ProgramHead = RawProgramHead, 100 bytes {
        /// `thisHook`.
        hook: Name = "thisHook",
        /// `ifMatch`.
        if_match: Name = "ifMatch",
        /// `ifNotMatch`.
        if_not_match: Name = "ifNotMatch",
        /// `bpf_prog_len`.
        count: u32 = "bpf_prog_len" as INT32,
    }
}

impl Payload for Program {
    const TEXT: Option<&'static Type> = Some(&Type::Struct(&[
        Member { name: "thisHook", kind: <Name as Field>::TEXT },
        Member { name: "ifMatch", kind: <Name as Field>::TEXT },
        Member { name: "ifNotMatch", kind: <Name as Field>::TEXT },
        Member { name: "bpf_prog_len", kind: Type::INT32 },
        Member { name: "bpf_prog", kind: &Type::Array(<Instruction as Field>::TEXT, Count::U32_JUST_BEFORE) },
    ]));

    fn encode(&self, out: &mut Vec<u8>) {
        let Self { hook, if_match, if_not_match, ref instructions } = *self;
        put(out, &ProgramHead { hook, if_match, if_not_match, count: count_of(instructions) });
        put_all(out, instructions);
    }

    /// The kernel wants the length to fit exactly (`sys/netgraph/ng_bpf.c:319`).
    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (ProgramHead { hook, if_match, if_not_match, count }, rest) = get_prefix(payload)?;
        match get_all(count, rest)? {
            (instructions, []) => Ok(Self { hook, if_match, if_not_match, instructions }),
            (_, excess) => {
                Err(Malformed::PayloadSize { expected: payload.len() - excess.len(), actual: payload.len() })
            }
        }
    }
}

wire_struct! {
    /// `struct ng_bpf_hookstat` (`sys/netgraph/ng_bpf.h:72`).
    #[doc(alias = "ng_bpf_hookstat")]
    #[derive(Default)]
    pub struct HookStats = RawHookStats, 48 bytes {
        /// `recvFrames`.
        received_frames: u64 = "recvFrames",
        /// `recvOctets`.
        received_octets: u64 = "recvOctets",
        /// `recvMatchFrames`: of these, the frames that matched.
        matched_frames: u64 = "recvMatchFrames",
        /// `recvMatchOctets`.
        matched_octets: u64 = "recvMatchOctets",
        /// `xmitFrames`.
        sent_frames: u64 = "xmitFrames",
        /// `xmitOctets`.
        sent_octets: u64 = "xmitOctets",
    }
}
