//! `pipe`: limits bandwidth, delays, loses and doubles frames (`sys/netgraph/ng_pipe.c`).
//!
//! As in the kernel, time is counted in microseconds and queues are worked off when a frame arrives and at clock
//! ticks ([`TICK`]): a frame leaves at the first tick after it is due. The kernel looks at every tick while
//! something is queued; here only the ticks are waited for at which something is due, which comes to the same.
//! Queues for wfq and drr are configured, reported, and served as one fifo.

use ngsock::flow;
use ngsock::node::pipe::{
    COOKIE, Changes, Command, Config, DirectionQueues, DirectionStats, Queues, SetConfig, Setting, Stats,
};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::life::Graph;
use super::super::message::{Answer, Call, Outcome, answer};
use super::super::{HookId, NodeId, Timer};
use super::direction::Direction;
use super::{Fate, Hooks, Kind, Node, Private};
use crate::abi::Errno;
use crate::sim::clock::{self, Clock, Nanos, TimerKey};
use crate::sim::kernel::{Frame, Random, VnetId};

/// A clock tick: `kern.hz` is 1000 here, as on bare metal; virtual machines have 100 (`sys/kern/subr_param.c:62`).
pub const TICK: Nanos = 1_000_000;

/// A pipe. Frames that come in by `upper` go downstream, out of `lower`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pipe {
    delay_microseconds: u64,
    overhead_octets: u32,
    header_offset_octets: u32,
    /// Of frames that come in by `upper`.
    upper: Direction,
    /// Of frames that come in by `lower`.
    lower: Direction,
    timer: Option<(Nanos, TimerKey)>,
}

impl Pipe {
    /// # Errors
    /// `EINVAL` for any name but `upper` and `lower`.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let direction = match name.as_bytes() {
            b"upper" => &mut self.upper,
            b"lower" => &mut self.lower,
            _ => return Err(Errno::EINVAL),
        };
        let hook = hooks.add(name, Private::None)?;
        *direction = Direction::connected(hook);
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        for direction in [&mut self.upper, &mut self.lower] {
            if direction.hook == Some(hook) {
                direction.disconnect();
            }
        }
        Fate::with_last_hook(left)
    }

    pub(in crate::sim::netgraph) fn data(
        &mut self,
        hooks: &Hooks,
        hook: HookId,
        frame: Frame,
        now: Nanos,
        random: &mut Random,
        wire: &mut Wire<'_>,
    ) {
        let downstream = self.upper.hook == Some(hook);
        let way = if downstream { &mut self.upper } else { &mut self.lower };
        let frame = match way.enqueue(frame, now / 1000) {
            None => return self.serve(downstream, hooks, now, random, wire),
            Some(frame) => frame,
        };
        let octets = frame.len();
        let sent = self.send(downstream, hooks, frame, wire);
        let way = if downstream { &mut self.upper } else { &mut self.lower };
        way.count(sent, octets);
    }

    /// Moves what is due through the queues of one direction and out.
    fn serve(&mut self, downstream: bool, hooks: &Hooks, now: Nanos, random: &mut Random, wire: &mut Wire<'_>) {
        let (delay, overhead) = (self.delay_microseconds, self.overhead_octets);
        let way = if downstream { &mut self.upper } else { &mut self.lower };
        way.shape(now / 1000, delay, overhead, random);
        while let Some(frame) = self.way(downstream).due(now / 1000) {
            let octets = frame.len();
            let sent = self.send(downstream, hooks, frame, wire);
            self.way(downstream).count(sent, octets);
        }
    }

    fn way(&mut self, downstream: bool) -> &mut Direction {
        if downstream { &mut self.upper } else { &mut self.lower }
    }

    fn send(&self, downstream: bool, hooks: &Hooks, frame: Frame, wire: &mut Wire<'_>) -> bool {
        let out = if downstream { self.lower.hook } else { self.upper.hook };
        out.and_then(|out| hooks.get(out)).is_some_and(|out| wire.send(out, frame))
    }

    /// The timer is due: works off both directions.
    pub(in crate::sim::netgraph) fn tick(
        &mut self,
        hooks: &Hooks,
        now: Nanos,
        random: &mut Random,
        wire: &mut Wire<'_>,
    ) {
        self.timer = None;
        self.serve(true, hooks, now, random, wire);
        self.serve(false, hooks, now, random, wire);
    }

    /// Sets the timer to the tick at which the next frame is due.
    pub(in crate::sim::netgraph) fn arm(&mut self, vnet: VnetId, node: NodeId, clock: &mut Clock) {
        let due = [self.upper.next_due(), self.lower.next_due()].into_iter().flatten().min();
        let Some(due) = due else { return self.forget_timer(clock) };
        let now = clock.now();
        let tick = due.saturating_mul(1000).max(now.saturating_add(1)).div_ceil(TICK).saturating_mul(TICK);
        if self.timer.is_some_and(|(at, _)| at == tick && at > now) {
            return;
        }
        self.forget_timer(clock);
        let key = clock.set(tick.saturating_sub(now), clock::Timer::Netgraph(Timer::Pipe { vnet, node }));
        self.timer = Some((tick, key));
    }

    pub(in crate::sim::netgraph) fn forget_timer(&mut self, clock: &mut Clock) {
        if let Some((_, key)) = self.timer.take() {
            clock.cancel(key);
        }
    }

    fn stats(&self) -> Stats {
        Stats { downstream: self.upper.stats(), upstream: self.lower.stats() }
    }

    /// Equal bandwidths of both directions are told as one (`sys/netgraph/ng_pipe.c:357`).
    fn config(&self) -> Config {
        let (mut downstream, mut upstream) = (self.upper.config(), self.lower.config());
        let mut bandwidth = 0;
        if downstream.bandwidth_bits_per_second == upstream.bandwidth_bits_per_second {
            bandwidth = downstream.bandwidth_bits_per_second;
            downstream.bandwidth_bits_per_second = 0;
            upstream.bandwidth_bits_per_second = 0;
        }
        Config {
            bandwidth_bits_per_second: bandwidth,
            delay_microseconds: self.delay_microseconds,
            header_offset_octets: self.header_offset_octets,
            overhead_octets: self.overhead_octets,
            downstream,
            upstream,
        }
    }

    /// Makes the changes that are in range and leaves out the others without a word; whether the link was up or
    /// down before and is the other way round now.
    fn change(&mut self, changes: &Changes) -> Option<ngsock::Header> {
        match changes.delay_microseconds {
            Setting::Reset => self.delay_microseconds = 0,
            Setting::Set(delay) if delay < 10_000_000 => self.delay_microseconds = delay,
            _ => {}
        }
        match changes.bandwidth_bits_per_second {
            Setting::Reset => {
                self.set_bandwidth(0);
                self.overhead_octets = 0;
            }
            Setting::Set(bandwidth) if super::direction::BANDWIDTH.contains(&bandwidth) => {
                self.set_bandwidth(bandwidth);
                // Preamble, checksum and gap of Ethernet; HDLC below 10 Mbit/s (sys/netgraph/ng_pipe.c:380).
                self.overhead_octets = if bandwidth >= 10_000_000 { 8 + 4 + 12 } else { 10 };
            }
            _ => {}
        }
        match changes.overhead_octets {
            Setting::Reset => self.overhead_octets = 0,
            Setting::Set(overhead) if overhead < 256 => self.overhead_octets = overhead,
            _ => {}
        }
        match changes.header_offset_octets {
            Setting::Reset => self.header_offset_octets = 0,
            Setting::Set(offset) if offset < 64 => self.header_offset_octets = offset,
            _ => {}
        }
        let was_down = self.is_down();
        self.upper.change(&changes.downstream, self.delay_microseconds);
        self.lower.change(&changes.upstream, self.delay_microseconds);
        match (was_down, self.is_down()) {
            (false, true) => Some(flow_header::<flow::LinkIsDown>()),
            (true, false) => Some(flow_header::<flow::LinkIsUp>()),
            _ => None,
        }
    }

    fn set_bandwidth(&mut self, bandwidth: u64) {
        self.upper.bandwidth = bandwidth;
        self.lower.bandwidth = bandwidth;
    }

    /// One error in every bit is how a link is taken down.
    fn is_down(&self) -> bool {
        self.upper.bits_per_error == 1 || self.lower.bits_per_error == 1
    }
}

pub(in crate::sim::netgraph) fn receive(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    if call.header.cookie != COOKIE {
        return Err(Errno::EINVAL);
    }
    let command = Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)?;
    let Some(Node { kind: Kind::Pipe(pipe), .. }) = graph.node(to) else { return Err(Errno::EINVAL) };
    match command {
        Command::GetStats(_) => answer(&pipe.stats()),
        Command::ClearStats(_) => {
            pipe.upper.clear_stats();
            pipe.lower.clear_stats();
            Ok(Outcome::Done)
        }
        Command::GetAndClearStats(_) => {
            let stats: [DirectionStats; 2] = [&mut pipe.upper, &mut pipe.lower].map(Direction::clear_stats);
            let [downstream, upstream] = stats;
            answer(&Stats { downstream, upstream })
        }
        Command::GetQueues(_) => {
            let queues: [DirectionQueues; 2] = [&pipe.upper, &pipe.lower].map(Direction::queues);
            let [downstream, upstream] = queues;
            answer(&Queues { downstream, upstream })
        }
        Command::GetConfig(_) => answer(&pipe.config()),
        Command::SetConfig(SetConfig(changes)) => {
            let told = pipe.change(&changes);
            let ends = [pipe.lower.hook, pipe.upper.hook];
            match told {
                Some(header) => tell_neighbours(graph, to, ends, header, call),
                None => Ok(Outcome::Done),
            }
        }
    }
}

/// Both neighbours are told that the link went up or down. The error is that of the last one, although the change
/// was made (`sys/netgraph/ng_pipe.c:406`).
fn tell_neighbours(
    graph: &mut Graph<'_>,
    pipe: NodeId,
    ends: [Option<HookId>; 2],
    header: ngsock::Header,
    call: &Call<'_>,
) -> Answer {
    let mut result = Ok(Outcome::Done);
    for end in ends.into_iter().flatten() {
        let peer = graph.node(pipe).and_then(|node| node.hooks.get(end)?.peer);
        let Some(peer) = peer else { continue };
        let told = Call { header, payload: &[], from: pipe, by: Some(peer.hook), now: call.now };
        result = graph.deliver(peer.node, told).map(|()| Outcome::Done);
    }
    result
}

/// The header of a flow message. Its text is the name of the C variable that holds the command.
fn flow_header<R: ngsock::Request>() -> ngsock::Header {
    ngsock::Header { text: ngsock::name::Name::new("cmd").unwrap_or_default(), ..ngsock::Header::request::<R>(0) }
}
