//! `tee`: a link with a tap on it (`sys/netgraph/ng_tee.c`).

use ngsock::flow;
use ngsock::node::tee::{COOKIE, Command, HookStats, Stats};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{Fate, HookId, Hooks, Private, count};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// A tee. Its four ends stand in the order of the statistics message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tee {
    right: End,
    left: End,
    right_to_left: End,
    left_to_right: End,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct End {
    hook: Option<HookId>,
    in_octets: u64,
    in_frames: u64,
    out_octets: u64,
    out_frames: u64,
}

/// One of the four ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Right,
    Left,
    RightToLeft,
    LeftToRight,
}

impl Tee {
    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Right => &mut self.right,
            Side::Left => &mut self.left,
            Side::RightToLeft => &mut self.right_to_left,
            Side::LeftToRight => &mut self.left_to_right,
        }
    }

    fn side(&mut self, hook: HookId) -> Option<Side> {
        [Side::Right, Side::Left, Side::RightToLeft, Side::LeftToRight]
            .into_iter()
            .find(|side| self.end(*side).hook == Some(hook))
    }

    /// The hooks `left` and `right`.
    pub(in crate::sim::netgraph) fn ends(&self) -> [Option<HookId>; 2] {
        [self.left.hook, self.right.hook]
    }

    /// # Errors
    /// `EINVAL` for a name it does not know.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let side = match name.as_bytes() {
            b"right" => Side::Right,
            b"left" => Side::Left,
            b"right2left" => Side::RightToLeft,
            b"left2right" => Side::LeftToRight,
            _ => return Err(Errno::EINVAL),
        };
        let hook = hooks.add(name, Private::None)?;
        *self.end(side) = End { hook: Some(hook), ..End::default() };
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        if let Some(side) = self.side(hook) {
            self.end(side).hook = None;
        }
        Fate::with_last_hook(left)
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, hooks: &Hooks, call: &Call<'_>) -> Answer {
        // Flow messages pass through.
        if call.header.cookie == flow::COOKIE {
            let out = match call.by.and_then(|hook| self.side(hook)) {
                Some(Side::Left) => self.destination(Side::Left),
                Some(Side::Right) => self.destination(Side::Right),
                _ => None,
            };
            let peer = out.and_then(|side| self.end(side).hook).and_then(|hook| hooks.get(hook)?.peer);
            return Ok(peer.map_or(Outcome::Done, Outcome::Forward));
        }
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        let command = Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)?;
        let stats = Stats {
            right: self.right.stats(),
            left: self.left.stats(),
            right_to_left: self.right_to_left.stats(),
            left_to_right: self.left_to_right.stats(),
        };
        if !matches!(command, Command::GetStats(_)) {
            for side in [Side::Right, Side::Left, Side::RightToLeft, Side::LeftToRight] {
                let end = self.end(side);
                *end = End { hook: end.hook, ..End::default() };
            }
        }
        if matches!(command, Command::ClearStats(_)) { Ok(Outcome::Done) } else { answer(&stats) }
    }

    /// Where frames from a side go: the other side, or without it the tap of that direction.
    fn destination(&self, from: Side) -> Option<Side> {
        let (straight, tap) = match from {
            Side::Right => ((Side::Left, &self.left), Some((Side::RightToLeft, &self.right_to_left))),
            Side::Left => ((Side::Right, &self.right), Some((Side::LeftToRight, &self.left_to_right))),
            Side::RightToLeft => ((Side::Left, &self.left), None),
            Side::LeftToRight => ((Side::Right, &self.right), None),
        };
        [Some(straight), tap].into_iter().flatten().find(|(_, end)| end.hook.is_some()).map(|(side, _)| side)
    }

    /// The tap that gets a copy, if frames go straight on too.
    fn copy_to(&self, from: Side) -> Option<Side> {
        match from {
            Side::Right if self.left.hook.is_some() && self.right_to_left.hook.is_some() => Some(Side::RightToLeft),
            Side::Left if self.right.hook.is_some() && self.left_to_right.hook.is_some() => Some(Side::LeftToRight),
            _ => None,
        }
    }

    pub(in crate::sim::netgraph) fn data(&mut self, hooks: &Hooks, hook: HookId, frame: Frame, wire: &mut Wire<'_>) {
        let Some(from) = self.side(hook) else { return };
        let octets = frame.len() as u64;
        let end = self.end(from);
        count(&mut end.in_octets, octets);
        count(&mut end.in_frames, 1);
        let destination = self.destination(from);
        if let Some(tap) = self.copy_to(from) {
            self.send(hooks, tap, frame.clone(), wire);
        }
        if let Some(destination) = destination {
            self.send(hooks, destination, frame, wire);
        }
    }

    fn send(&mut self, hooks: &Hooks, side: Side, frame: Frame, wire: &mut Wire<'_>) {
        let end = self.end(side);
        count(&mut end.out_octets, frame.len() as u64);
        count(&mut end.out_frames, 1);
        if let Some(hook) = end.hook.and_then(|hook| hooks.get(hook)) {
            wire.send(hook, frame);
        }
    }
}

impl End {
    fn stats(&self) -> HookStats {
        HookStats {
            in_octets: self.in_octets,
            in_frames: self.in_frames,
            out_octets: self.out_octets,
            out_frames: self.out_frames,
        }
    }
}
