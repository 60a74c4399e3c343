//! `one2many`: spreads the frames of one hook over many (`sys/netgraph/ng_one2many.c`).

use std::collections::BTreeMap;

use ngsock::flow;
use ngsock::message::{Header, Request};
use ngsock::node::one2many::{
    COOKIE, ClearStats, Command, Config, DETECT_BY_MESSAGE, DETECT_MANUALLY, DISTRIBUTE_FAILOVER,
    DISTRIBUTE_ROUND_ROBIN, DISTRIBUTE_TO_ALL, GetAndClearStats, GetStats, LINK_ONE, LinkStats, MAX_LINKS, SetConfig,
};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::hooks::Peer;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{Fate, HookId, Hooks, Private, count};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// A distributor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OneToMany {
    one: Link,
    many: BTreeMap<u8, Link>,
    distribution: u32,
    failure_detection: u32,
    /// One bit for each of the many.
    enabled: u64,
    /// Those of the many that are connected and enabled, ascending.
    active: Vec<u8>,
    next: usize,
    /// What the neighbour of `one` has not been told yet: whether any of the many is active.
    notice: Option<bool>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Link {
    hook: Option<HookId>,
    received_octets: u64,
    received_frames: u64,
    sent_octets: u64,
    sent_frames: u64,
}

impl Default for OneToMany {
    fn default() -> Self {
        Self {
            one: Link::default(),
            many: BTreeMap::new(),
            distribution: DISTRIBUTE_ROUND_ROBIN,
            failure_detection: DETECT_MANUALLY,
            enabled: 0,
            active: Vec::new(),
            next: 0,
            notice: None,
        }
    }
}

/// `one`, or the N of `many<N>`, which is below 64 and has no leading zeros.
fn number(name: &Label) -> Option<Option<u8>> {
    let digits = match name.as_bytes() {
        b"one" => return Some(None),
        name => std::str::from_utf8(name.strip_prefix(b"many")?).ok()?,
    };
    let number = digits.parse::<u8>().ok().filter(|number| usize::from(*number) < MAX_LINKS)?;
    (number.to_string() == digits).then_some(Some(number))
}

impl OneToMany {
    /// # Errors
    /// `EINVAL` for a name it does not know.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let number = number(&name).ok_or(Errno::EINVAL)?;
        let hook = hooks.add(name, Private::None)?;
        let link = Link { hook: Some(hook), ..Link::default() };
        match number {
            None => self.one = link,
            Some(number) => {
                self.many.insert(number, link);
                self.enable(number, true);
            }
        }
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, name: &Label, left: usize) -> Fate {
        match number(name) {
            Some(Some(number)) => {
                if let Some(link) = self.many.get_mut(&number) {
                    link.hook = None;
                }
                self.enable(number, false);
            }
            _ => self.one.hook = None,
        }
        Fate::with_last_hook(left)
    }

    fn enable(&mut self, number: u8, on: bool) {
        let bit = 1u64.checked_shl(number.into()).unwrap_or(0);
        self.enabled = if on { self.enabled | bit } else { self.enabled & !bit };
        self.update();
    }

    /// Finds out which of the many are active (`ng_one2many_update_many`).
    fn update(&mut self) {
        let had = !self.active.is_empty();
        let enabled = self.enabled;
        let is_active = |(number, link): &(&u8, &Link)| {
            link.hook.is_some() && enabled.checked_shr(u32::from(**number)).unwrap_or(0) & 1 == 1
        };
        self.active = self.many.iter().filter(is_active).map(|(number, _)| *number).collect();
        let has = !self.active.is_empty();
        if had != has {
            self.notice = Some(has);
        }
    }

    /// What the neighbour of `one` is to be told now, and who that is.
    pub(in crate::sim::netgraph) fn take_notice(&mut self, hooks: &Hooks) -> Option<(Peer, Header)> {
        let is_up = self.notice.take()?;
        let peer = hooks.get(self.one.hook?)?.peer?;
        let mut header =
            if is_up { Header::request::<flow::LinkIsUp>(0) } else { Header::request::<flow::LinkIsDown>(0) };
        // The text is the name of the C variable that holds the command.
        header.text = ngsock::name::Name::new("cmd").unwrap_or_default();
        Some((peer, header))
    }

    fn link(&mut self, number: i32) -> Result<&mut Link, Errno> {
        if number == LINK_ONE {
            return Ok(&mut self.one);
        }
        let number = u8::try_from(number).ok().filter(|number| usize::from(*number) < MAX_LINKS);
        Ok(self.many.entry(number.ok_or(Errno::EINVAL)?).or_default())
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, hooks: &Hooks, call: &Call<'_>) -> Answer {
        if call.header.cookie == flow::COOKIE {
            let number = call.by.and_then(|hook| number(&hooks.get(hook)?.name)).flatten();
            if let (DETECT_BY_MESSAGE, Some(number)) = (self.failure_detection, number) {
                match call.header.command {
                    flow::LinkIsUp::COMMAND => self.enable(number, true),
                    flow::LinkIsDown::COMMAND => self.enable(number, false),
                    _ => {}
                }
            }
            return Ok(Outcome::Done);
        }
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
            Command::SetConfig(SetConfig(config)) => self.configure(&config)?,
            Command::GetConfig(_) => {
                let mut enabled = [0; MAX_LINKS];
                for (number, place) in enabled.iter_mut().enumerate() {
                    *place = u8::from(self.enabled >> number & 1 == 1);
                }
                let (distribution, failure_detection) = (self.distribution, self.failure_detection);
                return answer(&Config { distribution, failure_detection, enabled });
            }
            Command::GetStats(GetStats(number)) => return answer(&self.link(number)?.stats()),
            Command::ClearStats(ClearStats(number)) => self.link(number)?.clear(),
            Command::GetAndClearStats(GetAndClearStats(number)) => {
                let stats = self.link(number)?.stats();
                self.link(number)?.clear();
                return answer(&stats);
            }
        }
        Ok(Outcome::Done)
    }

    fn configure(&mut self, config: &Config) -> Result<(), Errno> {
        if !matches!(config.distribution, DISTRIBUTE_ROUND_ROBIN | DISTRIBUTE_TO_ALL | DISTRIBUTE_FAILOVER)
            || !matches!(config.failure_detection, DETECT_MANUALLY | DETECT_BY_MESSAGE)
        {
            return Err(Errno::EINVAL);
        }
        self.distribution = config.distribution;
        self.failure_detection = config.failure_detection;
        self.enabled = config.enabled.iter().rev().fold(0, |bits, on| bits << 1 | u64::from(*on != 0));
        self.update();
        Ok(())
    }

    pub(in crate::sim::netgraph) fn data(&mut self, hooks: &Hooks, hook: HookId, frame: Frame, wire: &mut Wire<'_>) {
        let octets = frame.len() as u64;
        let Some(from) = hooks.get(hook).and_then(|hook| number(&hook.name)) else { return };
        let source = match from {
            None => Some(&mut self.one),
            Some(number) => self.many.get_mut(&number),
        };
        if let Some(source) = source {
            count(&mut source.received_frames, 1);
            count(&mut source.received_octets, octets);
        }
        if from.is_some() {
            self.one.send(hooks, frame, wire);
            return;
        }
        let chosen = match self.distribution {
            DISTRIBUTE_TO_ALL => self.active.clone(),
            DISTRIBUTE_FAILOVER => self.active.first().copied().into_iter().collect(),
            _ => {
                let turn = self.next.checked_rem(self.active.len()).unwrap_or(0);
                self.next = turn.wrapping_add(1);
                self.active.get(turn).copied().into_iter().collect()
            }
        };
        // The first one gets the frame itself, and last.
        for number in chosen.iter().skip(1).chain(chosen.first()) {
            if let Some(link) = self.many.get_mut(number) {
                link.send(hooks, frame.clone(), wire);
            }
        }
    }
}

impl Link {
    fn send(&mut self, hooks: &Hooks, frame: Frame, wire: &mut Wire<'_>) {
        count(&mut self.sent_frames, 1);
        count(&mut self.sent_octets, frame.len() as u64);
        if let Some(hook) = self.hook.and_then(|hook| hooks.get(hook)) {
            wire.send(hook, frame);
        }
    }

    fn stats(&self) -> LinkStats {
        LinkStats {
            received_octets: self.received_octets,
            received_frames: self.received_frames,
            sent_octets: self.sent_octets,
            sent_frames: self.sent_frames,
            memory_failures: 0,
        }
    }

    fn clear(&mut self) {
        *self = Self { hook: self.hook, ..Self::default() };
    }
}
