//! `source`: sends stored packets again and again (`sys/netgraph/ng_source.c`).
//!
//! An interface that is to be filled takes as much at each tick as the kernel makes room for in its queue.

use std::collections::VecDeque;

use ngsock::message::{Header, Payload, Request};
use ngsock::name::InterfaceName;
use ngsock::node::ether;
use ngsock::node::source::{
    COOKIE, COUNT_PER_ROUND, COUNTERS, Command, Counter, EMBED_ENABLE, GetCounter, SetCounter, SetInterface,
    SetPacketsPerSecond, SetTimestamp, Start, Stats, Time, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::hooks::Peer;
use super::super::label::Label;
use super::super::life::Graph;
use super::super::message::{Answer, Call, Outcome, answer};
use super::super::{HookId, NodeId, Timer};
use super::pipe::TICK;
use super::{Fate, Hooks, Kind, Node, Private, count};
use crate::abi::Errno;
use crate::sim::clock::{self, Clock, Nanos, TimerKey};
use crate::sim::ifnet;
use crate::sim::kernel::{Frame, VnetId};

/// So many packets are stored at most (`sys/netgraph/ng_source.c:270`).
const MOST_STORED: usize = 2048;

/// `NG_SOURCE_DRIVER_IFQ_MAXLEN`: what an interface's queue takes at a tick.
const AT_ONCE: u64 = 4096;

/// A source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Source {
    input: Option<HookId>,
    output: Option<HookId>,
    /// Whether there is an interface whose queue is to be filled.
    fills_interface: bool,
    packets_per_second: u32,
    stored: VecDeque<Frame>,
    /// Where the packet that was stored last is.
    last: Option<usize>,
    /// How many are to be sent still, while it runs.
    running: Option<u64>,
    timer: Option<TimerKey>,
    sent_octets: u64,
    sent_frames: u64,
    started: Nanos,
    ended: Option<Nanos>,
    elapsed: Nanos,
    last_sent: Nanos,
    /// Offset and flags of the time that is written into packets.
    timestamp: (u16, u8),
    counters: [Embedded; COUNTERS as usize],
}

/// A counter that is written into packets.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Embedded {
    offset: u16,
    flags: u8,
    width: u8,
    next: u32,
    minimum: u32,
    maximum: u32,
    increment: i32,
}

impl Source {
    /// # Errors
    /// `EINVAL` for any name but `input` and `output`.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let is_output = match name.as_bytes() {
            b"input" => false,
            b"output" => true,
            _ => return Err(Errno::EINVAL),
        };
        let hook = hooks.add(name, Private::None)?;
        if is_output {
            self.output = Some(hook);
            self.fills_interface = false;
            self.forget_counts();
            self.packets_per_second = 0;
        } else {
            self.input = Some(hook);
        }
        Ok(hook)
    }

    /// Goes with `output` too.
    pub(in crate::sim::netgraph) fn disconnected(&self, hook: HookId, left: usize) -> Fate {
        if self.output == Some(hook) { Fate::Goes } else { Fate::with_last_hook(left) }
    }

    /// What the node asks its neighbour when `output` was joined (`ng_source_connect`).
    pub(in crate::sim::netgraph) fn question(&self, hooks: &Hooks, joined: HookId) -> Option<(Peer, Header)> {
        let peer = hooks.get(self.output.filter(|output| *output == joined)?)?.peer?;
        // The text is the name of the C constant that is the command.
        let text = ngsock::name::Name::new("NGM_ETHER_GET_IFNAME").unwrap_or_default();
        Some((peer, Header { text, ..Header::request::<ether::GetInterfaceName>(0) }))
    }

    fn forget_counts(&mut self) {
        (self.sent_octets, self.sent_frames) = (0, 0);
        (self.started, self.ended, self.elapsed, self.last_sent) = (0, None, 0, 0);
    }

    fn stats(&mut self, now: Nanos) -> Stats {
        if self.running.is_some() && self.ended.is_none() {
            self.elapsed = now.saturating_sub(self.started);
        }
        let octets: usize = self.stored.iter().map(Vec::len).sum();
        Stats {
            sent_octets: self.sent_octets,
            sent_frames: self.sent_frames,
            stored_octets: u32::try_from(octets).unwrap_or(u32::MAX),
            stored_frames: u32::try_from(self.stored.len()).unwrap_or(u32::MAX),
            maximum_packets_per_second: self.packets_per_second,
            start_time: time(self.started),
            end_time: time(self.ended.unwrap_or(0)),
            elapsed_time: time(self.elapsed),
            last_time: time(self.last_sent),
        }
    }

    fn command(&mut self, command: &Command, call: &Call<'_>) -> Answer {
        match *command {
            Command::GetStats(_) => return answer(&self.stats(call.now)),
            Command::ClearStats(_) | Command::GetAndClearStats(_) => {
                let stats = self.stats(call.now);
                self.forget_counts();
                // The rate is kept among the counters, and cleared with them.
                self.packets_per_second = 0;
                if matches!(command, Command::GetAndClearStats(_)) {
                    return answer(&stats);
                }
            }
            Command::ClearData(_) => {
                self.stored.clear();
                self.last = None;
            }
            Command::SetPacketsPerSecond(SetPacketsPerSecond(rate)) => self.packets_per_second = rate,
            Command::SetTimestamp(SetTimestamp(Timestamp { offset_octets, flags })) => {
                self.timestamp = (offset_octets, flags);
            }
            Command::GetTimestamp(_) => {
                let (offset_octets, flags) = self.timestamp;
                return answer(&Timestamp { offset_octets, flags });
            }
            Command::SetCounter(SetCounter(counter)) => self.set_counter(&counter)?,
            Command::GetCounter(GetCounter(index)) => return answer(&self.counter(index)?),
            Command::Start(_) | Command::Stop(_) | Command::SetInterface(_) => {}
        }
        Ok(Outcome::Done)
    }

    fn set_counter(&mut self, counter: &Counter) -> Result<(), Errno> {
        let place = self.counters.get_mut(usize::from(counter.index)).ok_or(Errno::EINVAL)?;
        if !matches!(counter.width_octets, 1 | 2 | 4) {
            return Err(Errno::EINVAL);
        }
        *place = Embedded {
            offset: counter.offset_octets,
            flags: counter.flags,
            width: counter.width_octets,
            next: counter.next_value,
            minimum: counter.minimum,
            maximum: counter.maximum,
            increment: counter.increment,
        };
        Ok(())
    }

    /// One that was never set says nothing of itself, not even its index.
    fn counter(&self, index: u8) -> Result<Counter, Errno> {
        let kept = self.counters.get(usize::from(index)).ok_or(Errno::EINVAL)?;
        Ok(Counter {
            offset_octets: kept.offset,
            flags: kept.flags,
            width_octets: kept.width,
            next_value: kept.next,
            minimum: kept.minimum,
            maximum: kept.maximum,
            increment: kept.increment,
            index: if kept.width == 0 { 0 } else { index },
        })
    }

    fn start(&mut self, packets: u64, vnet: VnetId, node: NodeId, clock: &mut Clock) -> Result<(), Errno> {
        if !self.fills_interface && self.packets_per_second == 0 {
            return Err(Errno::ENXIO);
        }
        if self.running.is_some() {
            return Err(Errno::EBUSY);
        }
        self.running = Some(packets);
        (self.elapsed, self.ended) = (0, None);
        (self.started, self.last_sent) = (clock.now(), clock.now());
        self.arm(0, vnet, node, clock);
        Ok(())
    }

    fn arm(&mut self, after: Nanos, vnet: VnetId, node: NodeId, clock: &mut Clock) {
        self.timer = Some(clock.set(after, clock::Timer::Netgraph(Timer::Source { vnet, node })));
    }

    pub(in crate::sim::netgraph) fn stop(&mut self, clock: &mut Clock) {
        if let Some(key) = self.timer.take() {
            clock.cancel(key);
        }
        self.running = None;
        self.ended = Some(clock.now());
        self.elapsed = clock.now().saturating_sub(self.started);
    }

    /// What comes in by `input` is stored, up to what there is room for; the rest is dropped.
    pub(in crate::sim::netgraph) fn data(&mut self, hook: HookId, frame: Frame) {
        if self.input == Some(hook) && self.stored.len() < MOST_STORED {
            self.last = Some(self.stored.len());
            self.stored.push_back(frame);
        }
    }

    /// A clock tick: sends as many packets as are due, and goes on at the next one (`ng_source_intr`).
    pub(in crate::sim::netgraph) fn tick(
        &mut self,
        hooks: &Hooks,
        node: NodeId,
        clock: &mut Clock,
        wire: &mut Wire<'_>,
    ) {
        self.timer = None;
        let left = self.running.unwrap_or(0);
        if left == 0 || self.output.is_none() {
            return self.stop(clock);
        }
        let now = clock.now();
        let mut due = if self.fills_interface { AT_ONCE } else { self.stored.len() as u64 };
        if self.packets_per_second != 0 {
            let microseconds = now.saturating_sub(self.last_sent) / 1000;
            due = due.min(u64::from(self.packets_per_second).saturating_mul(microseconds) / 1_000_000);
            self.last_sent = now;
        }
        let sent = self.send(due.min(left), now, hooks, wire);
        self.running = Some(left - sent);
        if left == sent {
            self.stop(clock);
        } else {
            self.arm(TICK, wire.vnet, node, clock);
        }
    }

    fn send(&mut self, due: u64, now: Nanos, hooks: &Hooks, wire: &mut Wire<'_>) -> u64 {
        let Some(output) = self.output.and_then(|output| hooks.get(output)) else { return 0 };
        for sent in 0..due {
            let Some(frame) = self.stored.pop_front() else { return sent };
            // The round of stored packets ends with the one that was stored last.
            let ends_round = self.last == Some(0);
            self.last = match self.last {
                Some(0) => Some(self.stored.len()),
                last => last.map(|last| last - 1),
            };
            let copy = self.modified(frame.clone(), ends_round, now);
            self.stored.push_back(frame);
            count(&mut self.sent_frames, 1);
            count(&mut self.sent_octets, copy.len() as u64);
            wire.send(output, copy);
        }
        due
    }

    /// A copy with the counters and the time in it.
    fn modified(&mut self, mut frame: Frame, ends_round: bool, now: Nanos) -> Frame {
        for counter in &mut self.counters {
            if counter.flags & EMBED_ENABLE != 0 {
                let counts = counter.flags & COUNT_PER_ROUND == 0 || ends_round;
                counter.write(&mut frame, counts);
            }
        }
        let (offset, flags) = self.timestamp;
        if flags & EMBED_ENABLE != 0 {
            let Time { seconds, microseconds } = time(now);
            // Both are 64 bits wide, of which the lower half is turned round and the upper one is 0.
            let half = |value: i64| u64::from(u32::try_from(value).unwrap_or(0).swap_bytes()).to_le_bytes();
            put(&mut frame, offset, &[half(seconds), half(microseconds)].concat());
        }
        frame
    }
}

impl Embedded {
    /// Writes the value, in network order, and goes on to the next (`ng_source_mod_counter`).
    fn write(&mut self, frame: &mut [u8], counts: bool) {
        let value = self.next.to_be_bytes();
        put(frame, self.offset, value.get(4 - usize::from(self.width).min(4)..).unwrap_or_default());
        if !counts || self.increment == 0 {
            return;
        }
        self.next = self.next.wrapping_add_signed(self.increment);
        if self.increment > 0 && self.next > self.maximum {
            let over = self.next.wrapping_sub(self.maximum);
            self.next = self.minimum.wrapping_sub(1).wrapping_add(over).min(self.maximum);
        } else if self.increment < 0 && self.next < self.minimum {
            self.next = self.maximum.wrapping_add(1).wrapping_add(self.next.wrapping_sub(self.minimum));
            if self.next < self.minimum {
                self.next = self.maximum;
            }
        }
    }
}

/// Left out if it does not fit.
fn put(frame: &mut [u8], offset: u16, bytes: &[u8]) {
    let at = usize::from(offset);
    if let Some(place) = frame.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Since the simulated boot, where a kernel tells the time of day.
fn time(nanos: Nanos) -> Time {
    let (seconds, microseconds) = (nanos / 1_000_000_000, nanos / 1000 % 1_000_000);
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Time { seconds: whole(seconds), microseconds: whole(microseconds) }
}

pub(in crate::sim::netgraph) fn receive(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    if call.header.cookie == ether::COOKIE && call.header.is_reply() {
        return answered(graph, to, call);
    }
    if call.header.cookie != COOKIE || call.header.is_reply() {
        return Err(Errno::EINVAL);
    }
    let command = Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)?;
    if let Command::SetInterface(SetInterface(name)) = &command {
        if call.payload.len() < 2 {
            return Err(Errno::EINVAL);
        }
        // A name that no interface has changes nothing, without a word.
        fill(graph, to, name.as_bytes());
        return Ok(Outcome::Done);
    }
    let vnet = graph.vnet;
    let crate::sim::kernel::Kernel { vnets, clock, .. } = &mut *graph.kernel;
    let node = vnets.get_mut(&vnet).and_then(|vnet| vnet.netgraph.nodes.get_mut(to));
    let Some(Node { kind: Kind::Source(source), .. }) = node else { return Err(Errno::EINVAL) };
    match command {
        Command::Start(Start(packets)) => source.start(packets, vnet, to, clock).map(|()| Outcome::Done),
        Command::Stop(_) => {
            source.stop(clock);
            Ok(Outcome::Done)
        }
        command => source.command(&command, call),
    }
}

/// The neighbour of `output` said which interface it is: from now on that is filled, and the addresses in packets are
/// left as they are.
fn answered(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    if call.header.command != ether::GetInterfaceName::COMMAND || call.payload.len() < 2 {
        return Err(Errno::EINVAL);
    }
    let name = InterfaceName::decode(call.payload).map_err(|_| Errno::EINVAL)?;
    if fill(graph, to, name.as_bytes()) {
        let Some(Node { kind: Kind::Source(source), hooks, .. }) = graph.node(to) else { return Err(Errno::EINVAL) };
        let peer = source.output.and_then(|output| hooks.get(output)?.peer);
        if let Some(peer) = peer {
            // The text is the name of the C constant that is the command.
            let text = ngsock::name::Name::new("NGM_ETHER_SET_AUTOSRC").unwrap_or_default();
            let header = Header { text, ..Header::request::<ether::SetAutomaticSource>(0) };
            graph.tell(to, peer, header, 0_u32.to_ne_bytes().to_vec());
        }
    }
    Ok(Outcome::Done)
}

/// Whether there is such an interface in the vnet.
fn fill(graph: &mut Graph<'_>, to: NodeId, name: &[u8]) -> bool {
    let name = std::str::from_utf8(name).unwrap_or_default();
    let found = ifnet::find(graph.kernel, graph.vnet, name).is_some();
    if let (true, Some(Node { kind: Kind::Source(source), .. })) = (found, graph.node(to)) {
        source.fills_interface = true;
    }
    found
}
