//! `echo`: sends back what it gets, frames and messages (`sys/netgraph/ng_echo.c`).

use super::super::data::Wire;
use super::super::message::{Answer, Call, Outcome};
use super::{HookId, Hooks};
use crate::sim::kernel::Frame;

/// Any message comes back as its own answer.
pub(in crate::sim::netgraph) fn receive(call: &Call<'_>) -> Answer {
    Ok(Outcome::Answer(call.payload.to_vec()))
}

pub(in crate::sim::netgraph) fn data(hooks: &Hooks, hook: HookId, frame: Frame, wire: &mut Wire<'_>) {
    if let Some(hook) = hooks.get(hook) {
        wire.send(hook, frame);
    }
}
