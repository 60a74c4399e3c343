//! `macfilter`: sorts frames by their source address (`sys/netgraph/ng_macfilter.c`).

use std::collections::BTreeMap;

use ngsock::MacAddress;
use ngsock::node::macfilter::{
    AddressEntry, AddressTable, COOKIE, Command, Direct, DirectByNumber, HookEntry, HookTable,
};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::super::units::Units;
use super::{Fate, HookId, Hooks, Private, count};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// The number of the hook `default`.
const DEFAULT: u16 = 0;

/// The octets of an Ethernet header, which the statistics leave out.
const HEADER: u64 = 14;

/// A filter by source address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MacFilter {
    ether: Option<HookId>,
    /// The hooks that go up, by number.
    upper: BTreeMap<u16, HookId>,
    numbers: Units,
    directed: BTreeMap<[u8; 6], Directed>,
}

/// An address and where its frames go.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Directed {
    hook: u16,
    received_frames: u64,
    received_octets: u64,
    sent_frames: u64,
    sent_octets: u64,
}

impl Default for MacFilter {
    fn default() -> Self {
        Self { ether: None, upper: BTreeMap::new(), numbers: Units::new(1, u16::MAX.into()), directed: BTreeMap::new() }
    }
}

impl MacFilter {
    /// # Errors
    /// `ENOMEM` when the numbers of hooks are used up.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let number = match name.as_bytes() {
            b"ether" => {
                let hook = hooks.add(name, Private::None)?;
                self.ether = Some(hook);
                return Ok(hook);
            }
            b"default" => DEFAULT,
            _ => self.numbers.take().and_then(|number| u16::try_from(number).ok()).ok_or(Errno::ENOMEM)?,
        };
        let hook = hooks.add(name, Private::None)?;
        self.upper.insert(number, hook);
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        self.ether.take_if(|ether| *ether == hook);
        if let Some(number) = self.upper.iter().find(|(_, place)| **place == hook).map(|(number, _)| *number) {
            self.upper.remove(&number);
            self.numbers.free(number.into());
            self.directed.retain(|_, directed| directed.hook != number);
        }
        Fate::with_last_hook(left)
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, hooks: &Hooks, call: &Call<'_>) -> Answer {
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
            Command::Reset(_) => self.directed.clear(),
            Command::Direct(Direct(direction)) => {
                let hook = hooks.find(&Label::from(direction.hook)).map(|hook| hook.id);
                // A hook that is not there means the default one.
                let number = self.upper.iter().find(|(_, place)| Some(**place) == hook).map(|(number, _)| *number);
                self.direct(direction.mac.0, number.unwrap_or(DEFAULT));
            }
            Command::DirectByNumber(DirectByNumber(direction)) => {
                if !self.upper.contains_key(&direction.hook) {
                    return Err(Errno::EINVAL);
                }
                self.direct(direction.mac.0, direction.hook);
            }
            Command::GetAddresses(_) => return answer(&self.addresses()),
            Command::GetAndClearAddresses(_) => {
                let addresses = self.addresses();
                self.clear();
                return answer(&addresses);
            }
            Command::ClearAddresses(_) => self.clear(),
            Command::GetHooks(_) => return answer(&self.hooks(hooks)),
        }
        Ok(Outcome::Done)
    }

    /// Directs an address; to the default hook means to forget it.
    fn direct(&mut self, mac: [u8; 6], number: u16) {
        if number == DEFAULT {
            self.directed.remove(&mac);
        } else {
            self.directed.entry(mac).or_default().hook = number;
        }
    }

    fn clear(&mut self) {
        for directed in self.directed.values_mut() {
            *directed = Directed { hook: directed.hook, ..Directed::default() };
        }
    }

    fn addresses(&self) -> AddressTable {
        let entry = |(mac, directed): (&[u8; 6], &Directed)| AddressEntry {
            mac: MacAddress(*mac),
            hook: directed.hook,
            received_packets: directed.received_frames,
            received_octets: directed.received_octets,
            sent_packets: directed.sent_frames,
            sent_octets: directed.sent_octets,
        };
        AddressTable(self.directed.iter().map(entry).collect())
    }

    fn hooks(&self, hooks: &Hooks) -> HookTable {
        let mut counts = BTreeMap::<u16, u32>::new();
        for directed in self.directed.values() {
            *counts.entry(directed.hook).or_default() += 1;
        }
        let entry = |(number, hook): (&u16, &HookId)| {
            let addresses = counts.get(number).copied().unwrap_or(0);
            Some(HookEntry { hook: hooks.get(*hook)?.name.field(), number: *number, addresses })
        };
        HookTable(self.upper.iter().filter_map(entry).collect())
    }

    /// Up by the source address, down whatever it is.
    pub(in crate::sim::netgraph) fn data(&mut self, hooks: &Hooks, hook: HookId, frame: Frame, wire: &mut Wire<'_>) {
        let octets = (frame.len() as u64).saturating_sub(HEADER);
        let address = |at: usize| frame.get(at..at + 6).and_then(<[u8]>::first_chunk::<6>).copied().unwrap_or_default();
        let to = if self.ether == Some(hook) {
            let directed = self.directed.get_mut(&address(6));
            let number = directed.map_or(DEFAULT, |directed| {
                count(&mut directed.received_frames, 1);
                count(&mut directed.received_octets, octets);
                directed.hook
            });
            self.upper.get(&number).copied()
        } else {
            if let (Some(directed), true) = (self.directed.get_mut(&address(0)), self.ether.is_some()) {
                count(&mut directed.sent_frames, 1);
                count(&mut directed.sent_octets, octets);
            }
            self.ether
        };
        if let Some(to) = to.and_then(|to| hooks.get(to)) {
            wire.send(to, frame);
        }
    }
}
