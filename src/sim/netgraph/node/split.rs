//! `split`: two one-way streams instead of one that goes both ways (`sys/netgraph/ng_split.c`).

use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::{Fate, HookId, Hooks, Private};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// A split.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Split {
    mixed: Option<HookId>,
    out: Option<HookId>,
    in_: Option<HookId>,
}

impl Split {
    /// # Errors
    /// `EINVAL` for a name it does not know.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let place = match name.as_bytes() {
            b"mixed" => &mut self.mixed,
            b"out" => &mut self.out,
            b"in" => &mut self.in_,
            _ => return Err(Errno::EINVAL),
        };
        let hook = hooks.add(name, Private::None)?;
        *place = Some(hook);
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        for place in [&mut self.mixed, &mut self.out, &mut self.in_] {
            place.take_if(|place| *place == hook);
        }
        Fate::with_last_hook(left)
    }

    /// From `mixed` to `out`, from `in` to `mixed`; what enters by `out` is dropped.
    pub(in crate::sim::netgraph) fn data(&self, hooks: &Hooks, hook: HookId, frame: Frame, wire: &mut Wire<'_>) {
        let to = match Some(hook) {
            from if from == self.mixed => self.out,
            from if from == self.in_ => self.mixed,
            _ => None,
        };
        if let Some(to) = to.and_then(|to| hooks.get(to)) {
            wire.send(to, frame);
        }
    }
}
