//! `etf`: sorts frames by their Ethernet type (`sys/netgraph/ng_etf.c`).

use std::collections::BTreeMap;

use ngsock::node::etf::{COOKIE, Command, Filter, SetFilter, SetFlags, Stats};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{Fate, HookId, Hooks, Private};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// A filter by Ethernet type.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Etf {
    downstream: Option<HookId>,
    no_match: Option<HookId>,
    /// The hook of each Ethernet type.
    filters: BTreeMap<u16, HookId>,
    flags: u32,
    received: u32,
    sent: u32,
}

impl Etf {
    /// # Errors
    /// None of its own: any name will do.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let hook = hooks.add(name, Private::None)?;
        match name.as_bytes() {
            b"downstream" => {
                self.downstream = Some(hook);
                (self.received, self.sent) = (0, 0);
            }
            b"nomatch" => self.no_match = Some(hook),
            _ => {}
        }
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        self.filters.retain(|_, place| *place != hook);
        for place in [&mut self.downstream, &mut self.no_match] {
            place.take_if(|place| *place == hook);
        }
        Fate::with_last_hook(left)
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, hooks: &Hooks, call: &Call<'_>) -> Answer {
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
            Command::SetFlags(SetFlags(flags)) => self.flags = flags,
            Command::GetStats(_) => {
                return answer(&Stats { received_packets: self.received, sent_packets: self.sent });
            }
            Command::SetFilter(SetFilter(Filter { hook, ethernet_type })) => {
                let hook = hooks.find(&Label::from(hook)).ok_or(Errno::ENOENT)?.id;
                if self.downstream == Some(hook) {
                    return Err(Errno::EINVAL);
                }
                if self.filters.contains_key(&ethernet_type) {
                    return Err(Errno::EEXIST);
                }
                self.filters.insert(ethernet_type, hook);
            }
        }
        Ok(Outcome::Done)
    }

    /// From `downstream` to the hook of the frame's type; back only from that hook.
    pub(in crate::sim::netgraph) fn data(&mut self, hooks: &Hooks, hook: HookId, frame: Frame, wire: &mut Wire<'_>) {
        let Some(&[high, low]) = frame.get(12..14).and_then(<[u8]>::first_chunk::<2>) else { return };
        let matching = self.filters.get(&u16::from_be_bytes([high, low])).copied().or(self.no_match);
        let to = if self.downstream == Some(hook) {
            self.received = self.received.wrapping_add(1);
            matching
        } else if matching == Some(hook) {
            self.downstream
        } else {
            None
        };
        if let Some(to) = to.and_then(|to| hooks.get(to))
            && wire.send(to, frame)
            && self.downstream == Some(to.id)
        {
            self.sent = self.sent.wrapping_add(1);
        }
    }
}
