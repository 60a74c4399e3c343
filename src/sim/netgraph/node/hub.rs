//! `hub`: every frame goes out of all other hooks (`sys/netgraph/ng_hub.c`).

use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::message::{Answer, Call, Outcome};
use super::{HookId, Hooks};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// A hub.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Hub {
    /// Stays without hooks.
    pub persistent: bool,
}

impl Hub {
    pub(in crate::sim::netgraph) fn receive(&mut self, call: &Call<'_>) -> Answer {
        use ngsock::node::hub::{COOKIE, Command};
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
            Command::SetPersistent(_) => self.persistent = true,
        }
        Ok(Outcome::Done)
    }
}

pub(in crate::sim::netgraph) fn data(hooks: &Hooks, hook: HookId, frame: Frame, wire: &mut Wire<'_>) {
    let mut others = hooks.iter().filter(|other| other.id != hook).peekable();
    while let Some(other) = others.next() {
        if others.peek().is_none() {
            wire.send(other, frame);
            return;
        }
        wire.send(other, frame.clone());
    }
}
