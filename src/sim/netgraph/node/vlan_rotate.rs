//! `vlan_rotate`: rotates the stack of VLAN tags of each frame (`sys/netgraph/ng_vlan_rotate.c`).

use ngsock::node::vlan_rotate::{COOKIE, Command, Config, MAX_TAGS, SetConfig, Stats};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{Fate, HookId, Hooks, Private, count};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// Two addresses stand before the first tag, in octets.
const TAGS_AT: usize = 12;
/// A tag: its type and the rest, in octets.
const TAG: usize = 4;
/// The types of tags (`sys/net/ethernet.h`).
const TAG_TYPES: [u16; 5] = [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300];

/// A rotator of tags.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VlanRotate {
    ordered: Option<HookId>,
    original: Option<HookId>,
    excessive: Option<HookId>,
    incomplete: Option<HookId>,
    rotation: i8,
    minimum: u8,
    maximum: u8,
    drops: u64,
    too_many: u64,
    too_few: u64,
    histogram: [u64; MAX_TAGS],
}

impl Default for VlanRotate {
    fn default() -> Self {
        Self {
            ordered: None,
            original: None,
            excessive: None,
            incomplete: None,
            rotation: 0,
            minimum: 0,
            maximum: MOST,
            drops: 0,
            too_many: 0,
            too_few: 0,
            histogram: [0; MAX_TAGS],
        }
    }
}

/// `NG_VLANROTATE_MAX_VLANS`, as a configuration has it.
const MOST: u8 = 10;
const _: () = assert!(MOST as usize == MAX_TAGS);

impl VlanRotate {
    /// # Errors
    /// `EINVAL` for a name it does not know.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let place = match name.as_bytes() {
            b"ordered" => &mut self.ordered,
            b"original" => &mut self.original,
            b"excessive" => &mut self.excessive,
            b"incomplete" => &mut self.incomplete,
            _ => return Err(Errno::EINVAL),
        };
        let hook = hooks.add(name, Private::None)?;
        *place = Some(hook);
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        for place in [&mut self.ordered, &mut self.original, &mut self.excessive, &mut self.incomplete] {
            place.take_if(|place| *place == hook);
        }
        Fate::with_last_hook(left)
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, call: &Call<'_>) -> Answer {
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
            Command::GetConfig(_) => {
                let (rotation, minimum_tags, maximum_tags) = (self.rotation, self.minimum, self.maximum);
                return answer(&Config { rotation, minimum_tags, maximum_tags });
            }
            Command::SetConfig(SetConfig(config)) => self.configure(&config)?,
            Command::GetStats(_) => return answer(&self.stats()),
            Command::ClearStats(_) => self.clear(),
            Command::GetAndClearStats(_) => {
                let stats = self.stats();
                self.clear();
                return answer(&stats);
            }
        }
        Ok(Outcome::Done)
    }

    fn configure(&mut self, config: &Config) -> Result<(), Errno> {
        // 0 keeps the maximum that is set.
        let maximum = if config.maximum_tags == 0 { self.maximum } else { config.maximum_tags };
        if maximum > MOST || config.minimum_tags > maximum || config.rotation.unsigned_abs() >= maximum {
            return Err(Errno::EINVAL);
        }
        (self.rotation, self.minimum, self.maximum) = (config.rotation, config.minimum_tags, maximum);
        Ok(())
    }

    fn stats(&self) -> Stats {
        let (drops, excessive, incomplete) = (self.drops, self.too_many, self.too_few);
        Stats { drops, excessive, incomplete, histogram: self.histogram }
    }

    fn clear(&mut self) {
        (self.drops, self.too_many, self.too_few) = (0, 0, 0);
        self.histogram = [0; MAX_TAGS];
    }

    pub(in crate::sim::netgraph) fn data(
        &mut self,
        hooks: &Hooks,
        hook: HookId,
        mut frame: Frame,
        wire: &mut Wire<'_>,
    ) {
        let to = match Some(hook) {
            from if from == self.ordered => self.rotate(&mut frame, self.rotation, self.original),
            from if from == self.original => {
                let back = self.rotation.checked_neg().unwrap_or(0);
                self.rotate(&mut frame, back, self.ordered)
            }
            // Everything else goes out unmodified.
            _ => self.original,
        };
        match to.and_then(|to| hooks.get(to)) {
            Some(to) => {
                wire.send(to, frame);
            }
            None => count(&mut self.drops, 1),
        }
    }

    /// Rotates the tags to the left, or to the right if negative; gives where the frame goes.
    fn rotate(&mut self, frame: &mut [u8], rotation: i8, straight: Option<HookId>) -> Option<HookId> {
        straight?;
        let tags = count_tags(frame)?;
        if tags > usize::from(self.maximum) || tags >= MAX_TAGS {
            count(&mut self.too_many, 1);
            return self.excessive;
        }
        let places = usize::from(rotation.unsigned_abs());
        if tags < usize::from(self.minimum) || tags <= places {
            count(&mut self.too_few, 1);
            return self.incomplete;
        }
        if let Some(bin) = self.histogram.get_mut(tags) {
            count(bin, 1);
        }
        let stack = frame.get_mut(TAGS_AT..TAGS_AT + tags * TAG)?;
        if rotation >= 0 {
            stack.rotate_left(places * TAG)
        } else {
            stack.rotate_right(places * TAG)
        }
        straight
    }
}

/// How many tags a frame has, more than can be handled being one more; `None` if it ends too early for the kernel,
/// which wants the four octets behind the last tag too.
fn count_tags(frame: &[u8]) -> Option<usize> {
    for tags in 0..=MAX_TAGS {
        let [high, low, ..] = *frame.get(TAGS_AT + tags * TAG..)?.first_chunk::<TAG>()?;
        if !TAG_TYPES.contains(&u16::from_be_bytes([high, low])) {
            return Some(tags);
        }
    }
    Some(MAX_TAGS + 1)
}
