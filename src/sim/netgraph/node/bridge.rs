//! `bridge`: a learning switch that mutes links on which a host jumps about (`sys/netgraph/ng_bridge.c`).
//!
//! The kernel wakes up every second to age its hosts and links; here their ages are computed from the clock when
//! they are looked at, which gives the same seconds and costs nothing for bridges at rest.

use std::collections::BTreeMap;

use ngsock::MacAddress;
use ngsock::node::bridge::{
    COOKIE, ClearStats, Command, Config, GetAndClearStats, GetStats, Host as HostEntry, HostPlace, HostTable, LinkHook,
    MoveHost, SetConfig,
};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::hooks::Hook;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::super::units::Units;
use super::link::{Destination, Link};
use super::{Fate, HookId, Hooks, Private, count};
use crate::abi::Errno;
use crate::sim::clock::Nanos;
use crate::sim::kernel::Frame;

/// The octets of an Ethernet header; anything shorter is a runt.
const HEADER: usize = 14;

/// `MIN_BUCKETS` and `MAX_BUCKETS` of the host table, whose order is seen in its listing.
const FEWEST_BUCKETS: usize = 32;
const MOST_BUCKETS: usize = 1 << 14;

/// A switch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bridge {
    debug_level: u8,
    loop_timeout_seconds: u32,
    maximum_staleness_seconds: u32,
    minimum_stable_age_seconds: u32,
    persistent: bool,
    /// Whether links get frames to unknown hosts: not if the first hook was an uplink.
    floods_links: bool,
    hosts: BTreeMap<[u8; 6], Host>,
    buckets: usize,
    /// Hosts entered so far.
    entered: u64,
    links: Units,
    uplinks: Units,
    /// When the node was made: its seconds count from here.
    since: Nanos,
}

/// A host that was learnt. Seconds are those of the bridge.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Host {
    hook: HookId,
    /// Since when it is behind that hook.
    settled: u64,
    /// When it was last heard.
    heard: u64,
    serial: u64,
}

impl Host {
    fn age(&self, second: u64) -> u16 {
        u16::try_from(second.saturating_sub(self.settled)).unwrap_or(u16::MAX)
    }

    fn silence(&self, second: u64) -> u64 {
        second.saturating_sub(self.heard)
    }
}

impl Bridge {
    pub(in crate::sim::netgraph) fn new(now: Nanos) -> Self {
        let Config { debug_level, loop_timeout_seconds, maximum_staleness_seconds, minimum_stable_age_seconds } =
            Config::default();
        Self {
            debug_level,
            loop_timeout_seconds,
            maximum_staleness_seconds,
            minimum_stable_age_seconds,
            persistent: false,
            floods_links: true,
            hosts: BTreeMap::new(),
            buckets: FEWEST_BUCKETS,
            entered: 0,
            // Link numbers are an unr(9) up to INT_MAX.
            links: Units::new(0, i32::MAX.unsigned_abs()),
            uplinks: Units::new(1, i32::MAX.unsigned_abs()),
            since: now,
        }
    }

    /// How often the kernel's timer would have run.
    fn second(&self, now: Nanos) -> u64 {
        now.saturating_sub(self.since) / 1_000_000_000
    }

    /// Hooks are `link<N>`, `uplink<N>`, or without a number, which gets the lowest free one
    /// (`sys/netgraph/ng_bridge.c:403`).
    ///
    /// A number above 2147483647 is refused; FreeBSD 15.1 takes it and panics when the hook goes (`free_unr`).
    ///
    /// # Errors
    /// `EINVAL` for other names, `ELOOP` if the other end is of the same bridge.
    pub(in crate::sim::netgraph) fn new_hook(
        &mut self,
        hooks: &mut Hooks,
        name: Label,
        loops: bool,
    ) -> Result<HookId, Errno> {
        let wanted = match name.as_bytes() {
            b"link" | b"uplink" => None,
            name => Some(LinkHook::parse(name).map_err(|_| Errno::EINVAL)?),
        };
        if loops {
            return Err(Errno::ELOOP);
        }
        let is_uplink = wanted.map_or(name == *"uplink", LinkHook::is_uplink);
        let units = if is_uplink { &mut self.uplinks } else { &mut self.links };
        let link = match wanted {
            Some(link) if units.take_this(link.number()) => link,
            Some(_) => return Err(Errno::EINVAL),
            None => {
                let number = units.take().ok_or(Errno::ENOMEM)?;
                let link = if is_uplink { LinkHook::uplink(number) } else { LinkHook::link(number) };
                link.map_err(|_| Errno::EINVAL)?
            }
        };
        if is_uplink && hooks.len() == 0 {
            self.floods_links = false;
        }
        let private = Link::new(!is_uplink, is_uplink || self.floods_links);
        let name = ngsock::name::Name::from(link.name());
        hooks.add(name.into(), Private::Link(Box::new(private)))
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: &Hook, left: usize) -> Fate {
        if let Ok(link) = LinkHook::parse(hook.name.as_bytes()) {
            let units = if link.is_uplink() { &mut self.uplinks } else { &mut self.links };
            units.free(link.number());
        }
        self.forget_behind(hook.id);
        if self.persistent { Fate::Stays } else { Fate::with_last_hook(left) }
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, hooks: &mut Hooks, call: &Call<'_>) -> Answer {
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        let second = self.second(call.now);
        // MOVE_HOST takes a longer argument too (sys/netgraph/ng_bridge.c:668).
        let payload = match call.header.command {
            9 => call.payload.get(..38).unwrap_or(call.payload),
            _ => call.payload,
        };
        match Command::decode(call.header.command, payload).map_err(|_| Errno::EINVAL)? {
            Command::SetConfig(SetConfig(config)) => {
                self.forget_stale(second);
                self.debug_level = config.debug_level;
                self.loop_timeout_seconds = config.loop_timeout_seconds;
                self.maximum_staleness_seconds = config.maximum_staleness_seconds;
                self.minimum_stable_age_seconds = config.minimum_stable_age_seconds;
            }
            Command::GetConfig(_) => {
                return answer(&Config {
                    debug_level: self.debug_level,
                    loop_timeout_seconds: self.loop_timeout_seconds,
                    maximum_staleness_seconds: self.maximum_staleness_seconds,
                    minimum_stable_age_seconds: self.minimum_stable_age_seconds,
                });
            }
            Command::Reset(_) => {
                self.forget_all();
                hooks.iter_mut().filter_map(Link::of).for_each(Link::reset);
            }
            Command::GetStats(GetStats(link)) => return answer(&stats(hooks, link)?.counters.wire()),
            Command::ClearStats(ClearStats(link)) => stats(hooks, link)?.counters = Default::default(),
            Command::GetAndClearStats(GetAndClearStats(link)) => {
                return answer(&std::mem::take(&mut stats(hooks, link)?.counters).wire());
            }
            Command::GetTable(_) => return answer(&self.table(hooks, second)),
            Command::SetPersistent(_) => self.persistent = true,
            Command::MoveHost(MoveHost(HostPlace { mac, hook })) => {
                let hook = if hook.is_empty() { call.by } else { hooks.find(&hook.into()).map(|hook| hook.id) };
                self.put(hooks, mac.0, hook.ok_or(Errno::ENOENT)?, second)?;
            }
        }
        Ok(Outcome::Done)
    }

    /// The hosts in the order of the kernel's table: by bucket, newest first.
    fn table(&mut self, hooks: &Hooks, second: u64) -> HostTable {
        self.forget_stale(second);
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        let buckets = self.buckets.max(1);
        hosts.sort_by_key(|(mac, host)| (bucket(mac) % buckets, std::cmp::Reverse(host.serial)));
        let entry = |(mac, host): (&[u8; 6], &Host)| HostEntry {
            mac: MacAddress(*mac),
            hook: hooks.get(host.hook).map(|hook| hook.name.field()).unwrap_or_default(),
            age_seconds: host.age(second),
            staleness_seconds: u16::try_from(host.silence(second) & 0xffff).unwrap_or(0),
        };
        HostTable(hosts.into_iter().map(entry).collect())
    }

    pub(in crate::sim::netgraph) fn data(
        &mut self,
        hooks: &mut Hooks,
        hook: HookId,
        frame: Frame,
        now: Nanos,
        wire: &mut Wire<'_>,
    ) {
        let second = self.second(now);
        let Some(link) = hooks.get_mut(hook).and_then(Link::of) else { return };
        let (Some((destination, rest)), true) = (frame.split_first_chunk::<6>(), frame.len() >= HEADER) else {
            count(&mut link.counters.received_runts, 1);
            return;
        };
        let (destination, source) = (*destination, rest.first_chunk::<6>().copied().unwrap_or_default());
        if source[0] & 1 != 0 {
            count(&mut link.counters.received_invalid, 1);
            return;
        }
        if link.is_mute(second) {
            count(&mut link.counters.loop_drops, 1);
            return;
        }
        let to = Destination::of(destination);
        link.counters.receive(to, frame.len());
        let known = self.host(source, second).map(|host| {
            host.heard = second;
            (host.hook, host.age(second))
        });
        let moved = known.filter(|(place, _)| *place != hook);
        let learns = moved.is_some() || (known.is_none() && link.learns);
        if moved.is_some_and(|(_, age)| u32::from(age) < self.minimum_stable_age_seconds) {
            count(&mut link.counters.loop_drops, 1);
        } else {
            self.forward(hooks, hook, destination, frame, second, wire);
        }
        // The table changes after the frame has passed: the kernel does it by a message of the node to itself.
        if learns {
            let _ = self.put(hooks, source, hook, second);
        }
    }

    fn forward(
        &mut self,
        hooks: &mut Hooks,
        from: HookId,
        mac: [u8; 6],
        frame: Frame,
        second: u64,
        wire: &mut Wire<'_>,
    ) {
        let to = Destination::of(mac);
        if to == Destination::One {
            if let Some(place) = self.host(mac, second).map(|host| host.hook) {
                if place != from {
                    send(hooks.get_mut(place), to, frame, wire);
                }
                return;
            }
            if let Some(link) = hooks.get_mut(from).and_then(Link::of) {
                count(&mut link.counters.received_unknown, 1);
            }
        }
        let takes = |hook: &Hook| match &hook.private {
            Private::Link(link) => hook.id != from && (to != Destination::One || link.gets_unknown),
            _ => false,
        };
        let mut others = hooks.iter_mut().filter(|hook| takes(hook)).peekable();
        // The first one gets the frame itself, and last.
        let first = others.next();
        for other in others {
            send(Some(other), to, frame.clone(), wire);
        }
        send(first, to, frame, wire);
    }

    /// The host, unless it was silent for too long.
    fn host(&mut self, mac: [u8; 6], second: u64) -> Option<&mut Host> {
        if self.hosts.get(&mac).is_some_and(|host| self.is_stale(host, second)) {
            self.hosts.remove(&mac);
        }
        self.hosts.get_mut(&mac)
    }

    /// The kernel counts silence in 16 bits, so a longer patience never ends.
    fn is_stale(&self, host: &Host, second: u64) -> bool {
        let patience = self.maximum_staleness_seconds;
        patience <= u32::from(u16::MAX) && host.silence(second) >= u64::from(patience.max(1))
    }

    fn forget_stale(&mut self, second: u64) {
        let mut hosts = std::mem::take(&mut self.hosts);
        hosts.retain(|_, host| !self.is_stale(host, second));
        self.hosts = hosts;
        self.rehash();
    }

    pub(in crate::sim::netgraph) fn forget_all(&mut self) {
        self.hosts.clear();
    }

    fn forget_behind(&mut self, hook: HookId) {
        if !self.hosts.is_empty() {
            self.hosts.retain(|_, host| host.hook != hook);
        }
    }

    /// Enters or moves a host (`ng_bridge_put`).
    ///
    /// # Errors
    /// `ELOOP` if it moves too soon: the link where it appeared is mute from now on.
    fn put(&mut self, hooks: &mut Hooks, mac: [u8; 6], hook: HookId, second: u64) -> Result<(), Errno> {
        let minimum = self.minimum_stable_age_seconds;
        match self.host(mac, second) {
            None => {
                count(&mut self.entered, 1);
                let serial = self.entered;
                self.hosts.insert(mac, Host { hook, settled: second, heard: second, serial });
                self.rehash();
            }
            Some(host) if host.hook == hook => {}
            Some(host) if u32::from(host.age(second)) >= minimum => {
                host.hook = hook;
                host.settled = second;
            }
            Some(_) => {
                if let Some(link) = hooks.get_mut(hook).and_then(Link::of) {
                    link.mute(second, self.loop_timeout_seconds);
                }
                self.forget_behind(hook);
                return Err(Errno::ELOOP);
            }
        }
        Ok(())
    }

    fn rehash(&mut self) {
        let hosts = self.hosts.len();
        if hosts > self.buckets && self.buckets < MOST_BUCKETS {
            self.buckets = (self.buckets * 2).clamp(FEWEST_BUCKETS, MOST_BUCKETS);
        } else if hosts < self.buckets / 4 && self.buckets / 4 >= FEWEST_BUCKETS {
            self.buckets /= 4;
        }
    }
}

fn stats(hooks: &mut Hooks, link: LinkHook) -> Result<&mut Link, Errno> {
    let name = Label::from(ngsock::name::Name::from(link.name()));
    let hook = hooks.find(&name).ok_or(Errno::ENOTCONN)?.id;
    hooks.get_mut(hook).and_then(Link::of).ok_or(Errno::ENOTCONN)
}

fn send(hook: Option<&mut Hook>, to: Destination, frame: Frame, wire: &mut Wire<'_>) {
    let Some(hook) = hook else { return };
    let octets = frame.len();
    if wire.send(hook, frame)
        && let Some(link) = Link::of(hook)
    {
        link.counters.send(to, octets);
    }
}

/// `HASH` of the kernel's table: the three words of the address, folded.
fn bucket(mac: &[u8; 6]) -> usize {
    let [a, b, c, d, e, f] = *mac;
    usize::from(u16::from_le_bytes([a, b]) ^ u16::from_le_bytes([c, d]) ^ u16::from_le_bytes([e, f]))
}
