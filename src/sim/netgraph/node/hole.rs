//! `hole`: counts and drops (`sys/netgraph/ng_hole.c`).

use ngsock::node::hole::{COOKIE, Command, HookStats};
use serde::{Deserialize, Serialize};

use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{HookId, Hooks, Private, count};
use crate::abi::Errno;

/// What came in by one hook.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Swallowed {
    frames: u64,
    octets: u64,
}

pub(in crate::sim::netgraph) fn receive(hooks: &mut Hooks, call: &Call<'_>) -> Answer {
    if call.header.cookie != COOKIE {
        return Err(Errno::EINVAL);
    }
    let command = Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)?;
    let (Command::GetStats(ngsock::node::hole::GetStats(name))
    | Command::ClearStats(ngsock::node::hole::ClearStats(name))
    | Command::GetAndClearStats(ngsock::node::hole::GetAndClearStats(name))) = command;
    let hook = hooks.find(&Label::from(name)).ok_or(Errno::ENOENT)?.id;
    let Some(Private::Hole(swallowed)) = hooks.get_mut(hook).map(|hook| &mut hook.private) else {
        return Err(Errno::ENOENT);
    };
    let stats = HookStats { frames: swallowed.frames, octets: swallowed.octets };
    if !matches!(command, Command::GetStats(_)) {
        *swallowed = Swallowed::default();
    }
    if matches!(command, Command::ClearStats(_)) { Ok(Outcome::Done) } else { answer(&stats) }
}

pub(in crate::sim::netgraph) fn data(hooks: &mut Hooks, hook: HookId, frame: &[u8]) {
    if let Some(Private::Hole(swallowed)) = hooks.get_mut(hook).map(|hook| &mut hook.private) {
        count(&mut swallowed.frames, 1);
        count(&mut swallowed.octets, frame.len() as u64);
    }
}
