//! The two hooks of a type that changes what passes from `in` to `out`.

use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::{Fate, HookId, Hooks, Private};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// `DLT_EN10MB`: packets are Ethernet frames.
pub(super) const ETHERNET: u8 = 1;
/// `DLT_RAW`: they begin with an IP header.
pub(super) const RAW: u8 = 12;

/// Which of the two a hook is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    In,
    Out,
}

impl Side {
    /// By the whole name.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"in" => Some(Self::In),
            b"out" => Some(Self::Out),
            _ => None,
        }
    }

    /// By the first letters: some types look at no more.
    pub(super) fn prefixed(name: &[u8]) -> Option<Self> {
        match name {
            name if name.starts_with(b"in") => Some(Self::In),
            name if name.starts_with(b"out") => Some(Self::Out),
            _ => None,
        }
    }
}

/// The hooks, while there are any.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct InOut {
    in_: Option<HookId>,
    out: Option<HookId>,
}

impl InOut {
    /// The newest hook of a side counts.
    ///
    /// # Errors
    /// `EINVAL` for a name that is of no side.
    pub(super) fn add(&mut self, hooks: &mut Hooks, name: Label, side: Option<Side>) -> Result<HookId, Errno> {
        let place = match side.ok_or(Errno::EINVAL)? {
            Side::In => &mut self.in_,
            Side::Out => &mut self.out,
        };
        let hook = hooks.add(name, Private::None)?;
        *place = Some(hook);
        Ok(hook)
    }

    pub(super) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        for place in [&mut self.in_, &mut self.out] {
            place.take_if(|place| *place == hook);
        }
        Fate::with_last_hook(left)
    }

    pub(super) fn is_in(&self, hook: HookId) -> bool {
        self.in_ == Some(hook)
    }

    /// The other hook, if both are there.
    pub(super) fn across(&self, hook: HookId) -> Option<HookId> {
        let (in_, out) = self.in_.zip(self.out)?;
        Some(if hook == in_ { out } else { in_ })
    }

    /// On to the other hook; without `out`, what came by `in` goes back where it came from. Whether there was a way.
    pub(super) fn pass(&self, hooks: &Hooks, hook: HookId, packet: Frame, wire: &mut Wire<'_>) -> bool {
        let to = match Some(hook) {
            from if from == self.in_ => self.out.or(self.in_),
            from if from == self.out => self.in_,
            _ => None,
        };
        let Some(to) = to.and_then(|to| hooks.get(to)) else { return false };
        wire.send(to, packet);
        true
    }
}

/// Where what follows the Ethernet header and VLAN tags begins, and of which type it is; `None` if the frame ends before.
pub(super) fn behind_ethernet(frame: &[u8]) -> Option<(usize, u16)> {
    let mut end = 14;
    loop {
        match u16::from_be_bytes(*frame.get(end - 2..end)?.first_chunk()?) {
            0x8100 | 0x88a8 | 0x9100 => end += 4,
            kind => return Some((end, kind)),
        }
    }
}
