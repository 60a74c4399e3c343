//! `patch`: changes bytes of each packet (`sys/netgraph/ng_patch.c`).
//!
//! Checksums that a configuration asks for are not made anew: that is the work of network cards, which there are none
//! of here. A division by 0, which takes a real kernel down, leaves the bytes as they are.

use ngsock::node::patch::{COOKIE, Command, Config, Mode, Operation, SetConfig, SetLinkType, Stats};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::in_out::{ETHERNET, InOut, RAW, Side, behind_ethernet};
use super::{Fate, HookId, Hooks, count};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// `NG_PATCH_CSUM_IPV4 | NG_PATCH_CSUM_IPV6`: the checksums that can be asked for (`sys/netgraph/ng_patch.h:44`).
const CHECKSUMS: u64 = 0x1 | 0x2 | 0x4 | 0x8 | 0x200 | 0x400 | 0x800;

/// A patcher.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Patch {
    sides: InOut,
    link_type: u8,
    config: Option<Plan>,
    received: u64,
    patched: u64,
    dropped: u64,
}

/// A configuration as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Plan {
    checksum_flags: u64,
    relative: bool,
    /// Offset, length, mode, value.
    operations: Vec<(u32, u16, u16, u64)>,
}

impl Default for Patch {
    fn default() -> Self {
        Self { sides: InOut::default(), link_type: RAW, config: None, received: 0, patched: 0, dropped: 0 }
    }
}

impl Patch {
    /// Any name that begins with `in` or `out`; the newest one counts.
    ///
    /// # Errors
    /// `EINVAL` for other names.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let side = Side::prefixed(name.as_bytes());
        self.sides.add(hooks, name, side)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        self.sides.disconnected(hook, left)
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, call: &Call<'_>) -> Answer {
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
            Command::SetConfig(SetConfig(config)) => self.config = Some(Plan::of(&config)?),
            // Without a configuration there is no answer.
            Command::GetConfig(_) => {
                return self.config.as_ref().map_or(Ok(Outcome::Done), |plan| answer(&plan.config()));
            }
            Command::GetStats(_) => return answer(&self.stats()),
            Command::ClearStats(_) => self.clear(),
            Command::GetAndClearStats(_) => {
                let stats = self.stats();
                self.clear();
                return answer(&stats);
            }
            Command::GetLinkType(_) => return answer(&self.link_type),
            Command::SetLinkType(SetLinkType(kind @ (ETHERNET | RAW))) => self.link_type = kind,
            Command::SetLinkType(_) => return Err(Errno::EINVAL),
        }
        Ok(Outcome::Done)
    }

    fn stats(&self) -> Stats {
        Stats { received: self.received, patched: self.patched, dropped: self.dropped }
    }

    fn clear(&mut self) {
        (self.received, self.patched, self.dropped) = (0, 0, 0);
    }

    /// Packets from `in` are changed; without `out` they go back where they came from.
    pub(in crate::sim::netgraph) fn data(
        &mut self,
        hooks: &Hooks,
        hook: HookId,
        mut packet: Frame,
        wire: &mut Wire<'_>,
    ) {
        count(&mut self.received, 1);
        if let (true, Some(plan)) = (self.sides.is_in(hook), &self.config) {
            let begin = match (plan.relative, self.link_type) {
                (true, ETHERNET) => behind_ethernet(&packet).map(|(begin, _)| begin),
                _ => Some(0),
            };
            if begin.is_some_and(|begin| plan.apply(&mut packet, begin)) {
                count(&mut self.patched, 1);
            }
        }
        if !self.sides.pass(hooks, hook, packet, wire) {
            count(&mut self.dropped, 1);
        }
    }
}

impl Plan {
    fn of(config: &Config) -> Result<Self, Errno> {
        let operation = |operation: &Operation| {
            let Operation { offset_octets, length_octets, mode, value } = *operation;
            let kept = match length_octets {
                1 => value & 0xff,
                2 => value & 0xffff,
                4 => value & 0xffff_ffff,
                8 => value,
                _ => return Err(Errno::EINVAL),
            };
            Ok((offset_octets, length_octets, number(mode), kept))
        };
        Ok(Self {
            checksum_flags: config.checksum_flags & CHECKSUMS,
            relative: config.relative_offset != 0,
            operations: config.operations.iter().map(operation).collect::<Result<_, _>>()?,
        })
    }

    fn config(&self) -> Config {
        let operation = |&(offset_octets, length_octets, mode, value): &(u32, u16, u16, u64)| Operation {
            offset_octets,
            length_octets,
            mode: MODES.get(usize::from(mode).wrapping_sub(1)).copied().unwrap_or(Mode::Other(mode)),
            value,
        };
        Config {
            checksum_flags: self.checksum_flags,
            relative_offset: self.relative.into(),
            operations: self.operations.iter().map(operation).collect(),
        }
    }

    /// Whether anything was done; operations past the end of the packet are left out.
    fn apply(&self, packet: &mut [u8], begin: usize) -> bool {
        let mut patched = false;
        for &(offset, length, mode, value) in &self.operations {
            let at = usize::try_from(offset).ok().and_then(|offset| begin.checked_add(offset));
            let end = at.and_then(|at| at.checked_add(length.into()));
            let Some(place) = at.zip(end).and_then(|(at, end)| packet.get_mut(at..end)) else { continue };
            let old = place.iter().fold(0_u64, |value, octet| value << 8 | u64::from(*octet));
            let new = compute(mode, old, value, u32::from(length) * 8).to_be_bytes();
            place.copy_from_slice(new.get(new.len() - place.len()..).unwrap_or_default());
            patched = true;
        }
        patched
    }
}

/// In the order of their numbers, from 1.
const MODES: [Mode; 11] = [
    Mode::Set,
    Mode::Add,
    Mode::Subtract,
    Mode::Multiply,
    Mode::Divide,
    Mode::Negate,
    Mode::And,
    Mode::Or,
    Mode::Xor,
    Mode::ShiftLeft,
    Mode::ShiftRight,
];

fn number(mode: Mode) -> u16 {
    match mode {
        Mode::Other(mode) => mode,
        mode => MODES.iter().position(|other| *other == mode).and_then(|at| u16::try_from(at + 1).ok()).unwrap_or(0),
    }
}

/// What becomes of a number of so many bits; those above them do not matter. Modes that do not exist change nothing.
fn compute(mode: u16, old: u64, value: u64, bits: u32) -> u64 {
    let shift = u32::try_from(value).unwrap_or(u32::MAX);
    match MODES.get(usize::from(mode).wrapping_sub(1)) {
        Some(Mode::Set) => value,
        Some(Mode::Add) => old.wrapping_add(value),
        Some(Mode::Subtract) => old.wrapping_sub(value),
        Some(Mode::Multiply) => old.wrapping_mul(value),
        Some(Mode::Divide) => old.checked_div(value).unwrap_or(old),
        Some(Mode::Negate) => old.wrapping_neg(),
        Some(Mode::And) => old & value,
        Some(Mode::Or) => old | value,
        Some(Mode::Xor) => old ^ value,
        Some(Mode::ShiftLeft) if shift < bits => old << shift,
        Some(Mode::ShiftRight) if shift < bits => old >> shift,
        Some(Mode::ShiftLeft | Mode::ShiftRight) => 0,
        Some(Mode::Other(_)) | None => old,
    }
}
