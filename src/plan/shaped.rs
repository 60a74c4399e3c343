//! How the ends of veth pairs send: steps, words and the lines of tc(8).

use std::collections::BTreeMap;

use super::diff::Attributes;
use super::linux::LinuxStep;
use super::step::Step;
use crate::graph::linux::{Bottleneck, Line, Sending, Shaped};
use crate::model::{Bandwidth, Delay, Share};

/// The steps that make each end send as `to` says.
pub(super) fn steps(from: Option<&Shaped>, to: Option<&Shaped>) -> Vec<Step> {
    let Some(own) = to.or(from) else { return Vec::new() };
    let sending = |of: Option<&Shaped>, at: usize| of.map(|of| of.ends[at].sending.clone()).unwrap_or_default();
    let ends = own.ends.iter().enumerate().map(|(at, end)| (end, sending(from, at), sending(to, at)));
    ends.filter(|(_, from, to)| from != to)
        .map(|(end, from, to)| {
            let (place, interface) = (end.place.clone(), end.interface.clone());
            Step::Linux(LinuxStep::SetSending { place, interface, from, to })
        })
        .collect()
}

/// What there is to say of both directions; what both have in common is said once.
pub(super) fn attributes(shaped: &Shaped) -> Vec<(String, String)> {
    let [there, back] = shaped.ends.each_ref().map(|end| words(&end.sending));
    if there == back {
        return there.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    }
    let directed = |prefix: &'static str, words: BTreeMap<&'static str, String>| {
        words.into_iter().map(move |(name, value)| (format!("{prefix} {name}"), value))
    };
    directed("a2b", there).chain(directed("b2a", back)).collect()
}

pub(super) fn compare(found: &mut Attributes, old: &Shaped, new: &Shaped) {
    let [old, new] = [old, new].map(|shaped| shaped.ends.each_ref().map(|end| words(&end.sending)));
    let alike = old[0] == old[1] && new[0] == new[1];
    for (at, prefix) in if alike { vec![(0, "")] } else { vec![(0, "a2b "), (1, "b2a ")] } {
        let names: BTreeMap<&str, ()> = old[at].keys().chain(new[at].keys()).map(|name| (*name, ())).collect();
        for name in names.keys() {
            let value = |of: &BTreeMap<&str, String>| of.get(name).cloned().unwrap_or_else(|| "off".to_owned());
            found.differ(&format!("{prefix}{name}"), value(&old[at]), value(&new[at]), false);
        }
    }
}

/// What is on, by the keys of the file where they say it.
fn words(sending: &Sending) -> BTreeMap<&'static str, String> {
    let mut words = BTreeMap::new();
    let mut say = |name, value: String| drop(words.insert(name, value));
    if let Some(line) = sending.line {
        for (name, ticks) in [("delay", line.delay), ("jitter", line.jitter)] {
            if ticks > 0 {
                say(name, span(ticks));
            }
        }
        let shares =
            [("loss", line.loss), ("duplicate", line.duplicate), ("corrupt", line.corrupt), ("reorder", line.reorder)];
        for (name, share) in shares {
            if share > 0 {
                say(name, percent(share));
            }
        }
        say("frames on the way", line.limit.to_string());
    }
    if let Some(bottleneck) = sending.bottleneck {
        say("rate", rate(&bottleneck));
        say("octets at once", bottleneck.burst.to_string());
        say("octets that wait", bottleneck.limit.to_string());
    }
    if let Some(other) = &sending.other {
        say("discipline", other.to_string());
    }
    words
}

fn span(ticks: u32) -> String {
    Delay(u64::from(ticks) * Sending::TICK).to_string()
}

fn percent(share: u32) -> String {
    let all = u64::from(u32::MAX);
    let millionths = (u64::from(share) * 1_000_000 + all / 2) / all;
    Share(u32::try_from(millionths).unwrap_or(0)).to_string()
}

fn rate(bottleneck: &Bottleneck) -> String {
    Bandwidth(bottleneck.rate.saturating_mul(8)).to_string()
}

/// The lines of tc(8) that do the same by hand; `tc` begins each.
pub(super) fn commands(tc: &str, interface: &str, from: &Sending, to: &Sending) -> Vec<String> {
    let mut lines = Vec::new();
    if !from.is_plain() {
        lines.push(format!("{tc} qdisc del dev {interface} root"));
    }
    let mut at = "root handle 1:";
    if let Some(line) = &to.line {
        lines.push(format!("{tc} qdisc add dev {interface} {at} {}", netem(line)));
        at = "parent 1:1 handle 10:";
    }
    if let Some(bottleneck) = &to.bottleneck {
        let Bottleneck { rate, burst, limit } = bottleneck;
        // tc(8) takes octets per second as `bps`.
        lines.push(format!("{tc} qdisc add dev {interface} {at} tbf rate {rate}bps burst {burst} limit {limit}"));
    }
    lines
}

fn netem(line: &Line) -> String {
    let mut words = format!("netem limit {}", line.limit);
    if line.delay > 0 || line.jitter > 0 {
        words.push_str(&format!(" delay {}", span(line.delay)));
    }
    if line.jitter > 0 {
        words.push_str(&format!(" {}", span(line.jitter)));
    }
    for (name, share) in
        [("loss", line.loss), ("duplicate", line.duplicate), ("corrupt", line.corrupt), ("reorder", line.reorder)]
    {
        if share > 0 {
            words.push_str(&format!(" {name} {}", percent(share)));
        }
    }
    words
}
