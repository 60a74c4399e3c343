//! `bpf`: sends frames to one hook or another by a BPF program (`sys/netgraph/ng_bpf.c`).

mod machine;

use ngsock::Payload;
use ngsock::message::Request;
use ngsock::name::Name;
use ngsock::node::bpf::{
    COOKIE, ClearStats, GetAndClearStats, GetProgram, GetStats, HookStats, Instruction, Program, SetProgram,
};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{HookId, Hooks, Private, count, hook_in};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// `net.bpf.maxinsns` of a kernel (`BPF_MAXINSNS`, `sys/net/bpf.h`).
const MOST_INSTRUCTIONS: usize = 512;

/// `BPF_RET` with 0: the program of a new hook, which matches nothing (`sys/netgraph/ng_bpf.c:217`).
const MATCH_NOTHING: Instruction = Instruction { code: 6, jump_if_true: 0, jump_if_false: 0, operand: 0 };

/// What a hook does with the frames that come in by it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Filter {
    /// Where frames go that match, and the others, by name.
    if_match: Label,
    if_not_match: Label,
    /// The same, found when the program was set or the hook came.
    matching: Option<HookId>,
    other: Option<HookId>,
    /// Instructions as they are on the wire.
    program: Vec<(u16, u8, u8, u32)>,
    received_frames: u64,
    received_octets: u64,
    matched_frames: u64,
    matched_octets: u64,
    sent_frames: u64,
    sent_octets: u64,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            if_match: Label::default(),
            if_not_match: Label::default(),
            matching: None,
            other: None,
            program: vec![stored(&MATCH_NOTHING)],
            received_frames: 0,
            received_octets: 0,
            matched_frames: 0,
            matched_octets: 0,
            sent_frames: 0,
            sent_octets: 0,
        }
    }
}

fn stored(instruction: &Instruction) -> (u16, u8, u8, u32) {
    (instruction.code, instruction.jump_if_true, instruction.jump_if_false, instruction.operand)
}

impl Filter {
    fn of(hooks: &mut Hooks, hook: HookId) -> Option<&mut Self> {
        match &mut hooks.get_mut(hook)?.private {
            Private::Filter(filter) => Some(filter),
            _ => None,
        }
    }

    fn instructions(&self) -> Vec<Instruction> {
        let whole = |&(code, jump_if_true, jump_if_false, operand): &(u16, u8, u8, u32)| Instruction {
            code,
            jump_if_true,
            jump_if_false,
            operand,
        };
        self.program.iter().map(whole).collect()
    }

    fn stats(&self) -> HookStats {
        HookStats {
            received_frames: self.received_frames,
            received_octets: self.received_octets,
            matched_frames: self.matched_frames,
            matched_octets: self.matched_octets,
            sent_frames: self.sent_frames,
            sent_octets: self.sent_octets,
        }
    }

    fn clear(&mut self) {
        (self.received_frames, self.received_octets) = (0, 0);
        (self.matched_frames, self.matched_octets) = (0, 0);
        (self.sent_frames, self.sent_octets) = (0, 0);
    }
}

/// Any name will do; programs that were set before and name the hook find it now.
///
/// # Errors
/// `ENOMEM` once every handle was used.
pub(in crate::sim::netgraph) fn new_hook(hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
    let hook = hooks.add(name, Private::Filter(Box::default()))?;
    for other in hooks.iter_mut().filter(|other| other.id != hook) {
        if let Private::Filter(filter) = &mut other.private {
            if filter.if_match == name {
                filter.matching = Some(hook);
            }
            if filter.if_not_match == name {
                filter.other = Some(hook);
            }
        }
    }
    Ok(hook)
}

pub(in crate::sim::netgraph) fn receive(hooks: &mut Hooks, call: &Call<'_>) -> Answer {
    if call.header.cookie != COOKIE {
        return Err(Errno::EINVAL);
    }
    match call.header.command {
        SetProgram::COMMAND => {
            let SetProgram(program) = SetProgram::decode(call.payload).map_err(|_| Errno::EINVAL)?;
            set(hooks, &program)?;
            Ok(Outcome::Done)
        }
        GetProgram::COMMAND => {
            let hook = hook_in(hooks, call.payload)?;
            let name = hooks.get(hook).map(|hook| hook.name).unwrap_or_default().field();
            let filter = Filter::of(hooks, hook).ok_or(Errno::ENOENT)?;
            let (if_match, if_not_match) = (filter.if_match.field(), filter.if_not_match.field());
            answer(&Program { hook: name, if_match, if_not_match, instructions: filter.instructions() })
        }
        GetStats::COMMAND | ClearStats::COMMAND | GetAndClearStats::COMMAND => {
            let hook = hook_in(hooks, call.payload)?;
            let filter = Filter::of(hooks, hook).ok_or(Errno::ENOENT)?;
            let stats = filter.stats();
            if call.header.command != GetStats::COMMAND {
                filter.clear();
            }
            if call.header.command == ClearStats::COMMAND { Ok(Outcome::Done) } else { answer(&stats) }
        }
        _ => Err(Errno::EINVAL),
    }
}

fn set(hooks: &mut Hooks, program: &Program) -> Result<(), Errno> {
    let find = |name: Name| hooks.find(&Label::from(name)).map(|hook| hook.id);
    let hook = find(program.hook).ok_or(Errno::ENOENT)?;
    let (matching, other) = (find(program.if_match), find(program.if_not_match));
    if program.instructions.len() > MOST_INSTRUCTIONS || !machine::is_valid(&program.instructions) {
        return Err(Errno::EINVAL);
    }
    let filter = Filter::of(hooks, hook).ok_or(Errno::ENOENT)?;
    filter.program = program.instructions.iter().map(stored).collect();
    (filter.if_match, filter.if_not_match) = (program.if_match.into(), program.if_not_match.into());
    (filter.matching, filter.other) = (matching, other);
    Ok(())
}

/// Runs the program of the hook. What it returns is also how much of a frame that matches goes on.
pub(in crate::sim::netgraph) fn data(hooks: &mut Hooks, hook: HookId, mut frame: Frame, wire: &mut Wire<'_>) {
    let octets = frame.len();
    let Some(filter) = Filter::of(hooks, hook) else { return };
    count(&mut filter.received_frames, 1);
    count(&mut filter.received_octets, octets as u64);
    // An empty frame is not shown to the program.
    let kept = if frame.is_empty() { 0 } else { machine::run(&filter.instructions(), &frame) };
    let to = if kept > 0 {
        count(&mut filter.matched_frames, 1);
        count(&mut filter.matched_octets, octets as u64);
        frame.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        filter.matching
    } else {
        filter.other
    };
    let Some(to) = to else { return };
    if let Some(filter) = Filter::of(hooks, to) {
        count(&mut filter.sent_frames, 1);
        count(&mut filter.sent_octets, frame.len() as u64);
    }
    if let Some(to) = hooks.get(to) {
        wire.send(to, frame);
    }
}
