//! Counters of links, read again and again.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use ngsock::generic::NodeInfo;
use ngsock::node::bridge::{self, GetStats, LinkHook, LinkStats};
use ngsock::{CallError, Client, Errno, NodeId, NodePath};

use crate::kernel::{Kernel, Refusal, SYSTEM_ERROR};

/// How long to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    Stopped,
    Intervals(u64),
}

/// Why the watch ended.
#[derive(Debug)]
pub enum Error {
    Call(CallError),
    Output(io::Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Call(error) => Self::new(SYSTEM_ERROR, error.to_string()),
            Error::Output(error) => Self::new(SYSTEM_ERROR, format!("cannot write: {error}")),
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Bridges being watched.
pub struct Watch<'a> {
    client: Client<&'a mut dyn Kernel>,
    /// The only one that is watched; else all there are.
    only: Option<NodeId>,
}

/// A link: its bridge's number and its hook.
type Link = (NodeId, LinkHook);

/// What is known of a link at some moment.
struct Reading {
    bridge: String,
    peer: String,
    counters: LinkStats,
}

impl<'a> Watch<'a> {
    /// Watches the bridge that is given by its name, its `[number]` or a path; else all bridges, also those to come.
    pub fn new(kernel: &'a mut dyn Kernel, bridge: Option<&str>) -> Result<Self, Refusal> {
        let mut client = Client::new(kernel);
        let only = bridge.map(|bridge| find(&mut client, bridge)).transpose()?;
        Ok(Self { client, only })
    }

    /// Prints a line per link after each interval: what it took in and gave out, and what it dropped, per second.
    pub fn run(&mut self, interval: Duration, until: Until, out: &mut dyn Write) -> Result<(), Error> {
        writeln!(
            out,
            "{:>10} {:<15} {:<10} {:<15} {:>12} {:>14} {:>12} {:>14} {:>10}",
            "seconds",
            "bridge",
            "link",
            "peer",
            "frames in/s",
            "octets in/s",
            "frames out/s",
            "octets out/s",
            "drops/s"
        )?;
        let begin = self.now();
        let (mut before, mut then) = (self.read()?, begin);
        let mut intervals = 0;
        while until != Until::Intervals(intervals) {
            self.client.transport().pause(interval);
            let (after, now) = (self.read()?, self.now());
            for (link, reading) in &after {
                // A link that was not there before has no rate yet.
                if let Some(earlier) = before.get(link) {
                    let rates = Rates::between(&earlier.counters, &reading.counters, now.saturating_sub(then));
                    let (seconds, Reading { bridge, peer, .. }) = (now.saturating_sub(begin).as_secs_f64(), reading);
                    let hook = link.1.name().to_string();
                    writeln!(out, "{seconds:>10.3} {bridge:<15} {hook:<10} {peer:<15} {rates}")?;
                }
            }
            out.flush()?;
            (before, then) = (after, now);
            intervals += 1;
        }
        Ok(())
    }

    fn now(&mut self) -> Duration {
        self.client.transport().now()
    }

    /// The counters of all links now.
    fn read(&mut self) -> Result<BTreeMap<Link, Reading>, CallError> {
        let bridges = match self.only {
            Some(id) => vec![id],
            None => self.client.list_nodes()?.0.into_iter().filter(is_bridge).map(|node| node.id).collect(),
        };
        let mut readings = BTreeMap::new();
        for id in bridges {
            match self.read_bridge(id, &mut readings) {
                // It went while we looked, and was not the one that is asked for.
                Err(error) if error.errno() == Some(Errno::ENOENT) && self.only.is_none() => {}
                read => read?,
            }
        }
        Ok(readings)
    }

    fn read_bridge(&mut self, id: NodeId, readings: &mut BTreeMap<Link, Reading>) -> Result<(), CallError> {
        let path = NodePath::from(id);
        let list = self.client.list_hooks(&path)?;
        for link in &list.links {
            // All hooks of a bridge are links.
            let Ok(hook) = LinkHook::parse(link.our_hook.as_bytes()) else { continue };
            let counters = match self.client.call(&path, &GetStats(hook)) {
                Err(error) if error.errno() == Some(Errno::ENOTCONN) => continue,
                counters => counters?,
            };
            let bridge = shown(list.name, id);
            readings.insert((id, hook), Reading { bridge, peer: shown(link.peer.name, link.peer.id), counters });
        }
        Ok(())
    }
}

fn find(client: &mut Client<&mut dyn Kernel>, bridge: &str) -> Result<NodeId, Refusal> {
    let path = if bridge.contains([':', '.']) { bridge.to_owned() } else { format!("{bridge}:") };
    let path: NodePath =
        path.parse().map_err(|cause| Refusal::new(SYSTEM_ERROR, format!("`{bridge}` is no path: {cause}")))?;
    let node = client.node_info(&path).map_err(|error| Refusal::from(Error::Call(error)))?;
    if is_bridge(&node) {
        Ok(node.id)
    } else {
        Err(Refusal::new(SYSTEM_ERROR, format!("`{path}` is of type {}, not a bridge", node.kind)))
    }
}

fn is_bridge(node: &NodeInfo) -> bool {
    node.kind.as_bytes() == bridge::TYPE.as_bytes()
}

fn shown(name: ngsock::name::Name, id: NodeId) -> String {
    if name.is_empty() { id.to_string() } else { name.to_string() }
}

/// What became more, per second.
struct Rates {
    frames_in: f64,
    octets_in: f64,
    frames_out: f64,
    octets_out: f64,
    drops: f64,
}

impl Rates {
    fn between(before: &LinkStats, after: &LinkStats, time: Duration) -> Self {
        let rate = |counter: fn(&LinkStats) -> u64| {
            let (before, after) = (counter(before), counter(after));
            // Fewer than before: somebody cleared them, and what there is came since.
            let more = after.checked_sub(before).unwrap_or(after);
            // Exact up to 2^53, far above what a link carries between two looks.
            #[expect(clippy::cast_precision_loss, reason = "a rate is shown with one decimal")]
            let more = more as f64;
            if time.is_zero() { 0.0 } else { more / time.as_secs_f64() }
        };
        Self {
            frames_in: rate(|link| link.received_frames),
            octets_in: rate(|link| link.received_octets),
            frames_out: rate(|link| link.sent_frames),
            octets_out: rate(|link| link.sent_octets),
            drops: rate(|link| {
                let malformed = link.received_runts.saturating_add(link.received_invalid);
                malformed.saturating_add(link.loop_drops).saturating_add(link.memory_failures)
            }),
        }
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames_in, octets_in, frames_out, octets_out, drops } = self;
        write!(f, "{frames_in:>12.1} {octets_in:>14.1} {frames_out:>12.1} {octets_out:>14.1} {drops:>10.1}")
    }
}
