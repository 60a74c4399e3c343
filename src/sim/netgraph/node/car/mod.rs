//! `car`: committed access rate, a policer and shaper (`sys/netgraph/ng_car.c`).
//!
//! Tokens are counted as the kernel does, by a clock that is exact here and ticks there.

mod way;

use ngsock::name::ShortBytes;
use ngsock::node::car::{ACTION_FORWARD, ACTION_MARK, COOKIE, Command, Config, OPTION_COLOR_AWARE, SetConfig, Stats};
use ngsock::node::tag::Tag;
use serde::{Deserialize, Serialize};

use self::way::{Colour, Way, count_colour};
use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::super::tags::Tags;
use super::super::{HookId, NodeId};
use super::{Fate, Hooks, Private, count};
use crate::abi::Errno;
use crate::sim::clock::{Clock, Nanos};
use crate::sim::kernel::Frame;

/// `M_QOS_COOKIE` and `M_QOS_COLOR`: the tag with a packet's colour (`sys/netgraph/qos.h:34`).
const COLOUR_COOKIE: u32 = 1_571_268_051;
const COLOUR_ID: u16 = 23_568;

/// A policer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Car {
    /// Of packets that come in by `upper`, and by `lower`.
    upper: Way,
    lower: Way,
}

fn mark(colour: Colour) -> Tag {
    let number: u8 = match colour {
        Colour::Green => 0,
        Colour::Yellow => 1,
        Colour::Red => 2,
    };
    let data = ShortBytes::new([number]).unwrap_or_default();
    Tag { cookie: COLOUR_COOKIE, id: COLOUR_ID, data }
}

/// The place of a packet's colour among its tags, and the colour; green without one.
fn marked(tags: &Tags) -> (Option<usize>, Colour) {
    let place = tags.find(&Tag { cookie: COLOUR_COOKIE, id: COLOUR_ID, data: ShortBytes::default() });
    let number = place.and_then(|place| tags.get(place)?.data.as_bytes().first().copied());
    let colour = match number {
        None | Some(0) => Colour::Green,
        Some(1) => Colour::Yellow,
        Some(_) => Colour::Red,
    };
    (place, colour)
}

impl Car {
    pub(in crate::sim::netgraph) fn new(now: Nanos) -> Self {
        Self { upper: Way::new(now), lower: Way::new(now) }
    }

    /// # Errors
    /// `EINVAL` for any name but `upper` and `lower`.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let way = match name.as_bytes() {
            b"upper" => &mut self.upper,
            b"lower" => &mut self.lower,
            _ => return Err(Errno::EINVAL),
        };
        let hook = hooks.add(name, Private::None)?;
        way.hook = Some(hook);
        way.clear();
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        for way in [&mut self.upper, &mut self.lower] {
            if way.hook == Some(hook) {
                way.hook = None;
                way.waiting.clear();
            }
        }
        Fate::with_last_hook(left)
    }

    pub(in crate::sim::netgraph) fn forget_timers(&mut self, clock: &mut Clock) {
        for way in [&mut self.upper, &mut self.lower] {
            if let Some(key) = way.timer.take() {
                clock.cancel(key);
            }
        }
    }

    /// What comes in by `upper` goes downstream.
    pub(in crate::sim::netgraph) fn receive(&mut self, call: &Call<'_>) -> Answer {
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        let command = Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)?;
        let stats = Stats { upstream: self.lower.stats(), downstream: self.upper.stats() };
        match command {
            Command::GetStats(_) => return answer(&stats),
            Command::GetConfig(_) => {
                return answer(&Config { upstream: self.lower.config(), downstream: self.upper.config() });
            }
            Command::SetConfig(SetConfig(config)) => {
                let (downstream, upstream) = (Way::check(&config.downstream)?, Way::check(&config.upstream)?);
                self.upper.set(&downstream);
                self.lower.set(&upstream);
            }
            Command::ClearStats(_) | Command::GetAndClearStats(_) => {
                self.upper.clear();
                self.lower.clear();
                if matches!(command, Command::GetAndClearStats(_)) {
                    return answer(&stats);
                }
            }
        }
        Ok(Outcome::Done)
    }

    /// The way of packets that come in by `upper`, or by `lower`, and the hook where it ends.
    fn way(&mut self, is_upper: bool) -> (&mut Way, Option<HookId>) {
        let (upper, lower) = (self.upper.hook, self.lower.hook);
        if is_upper { (&mut self.upper, lower) } else { (&mut self.lower, upper) }
    }

    pub(in crate::sim::netgraph) fn data(
        &mut self,
        hooks: &Hooks,
        node: NodeId,
        hook: HookId,
        frame: Frame,
        clock: &mut Clock,
        wire: &mut Wire<'_>,
    ) {
        let is_upper = self.upper.hook == Some(hook);
        let (way, to) = self.way(is_upper);
        let (place, colour) = marked(&wire.tags);
        let had = if way.options & OPTION_COLOR_AWARE != 0 { colour } else { Colour::Green };
        let colour = if way.waiting.is_empty() { way.colour(frame.len(), had, clock.now()) } else { None };
        let Some(colour) = colour else {
            if way.enqueue(frame, had) {
                way.schedule(wire.vnet, node, is_upper, clock);
            }
            return;
        };
        count_colour(&mut way.coloured, colour);
        let [green, yellow, red] = way.actions;
        let action = match colour {
            Colour::Green => green,
            Colour::Yellow => yellow,
            Colour::Red => red,
        };
        match action {
            ACTION_FORWARD => {}
            ACTION_MARK => {
                if let Some(place) = place {
                    wire.tags.remove(place);
                }
                wire.tags.add(mark(colour));
            }
            _ => return count(&mut way.dropped, 1),
        }
        way.send(hooks, to, frame, wire);
    }

    /// Packets that waited may have their tokens now (`ng_car_q_event`).
    pub(in crate::sim::netgraph) fn tick(
        &mut self,
        hooks: &Hooks,
        node: NodeId,
        is_upper: bool,
        clock: &mut Clock,
        wire: &mut Wire<'_>,
    ) {
        let (way, to) = self.way(is_upper);
        way.timer = None;
        way.refill(clock.now());
        while way.committed >= 0 {
            let Some(frame) = way.waiting.pop_front() else { return };
            way.send(hooks, to, frame, wire);
            let Some(next) = way.waiting.front().map(Vec::len) else { return };
            way.committed = way.committed.saturating_sub(way.weight(next));
        }
        if !way.waiting.is_empty() {
            way.schedule(wire.vnet, node, is_upper, clock);
        }
    }
}
