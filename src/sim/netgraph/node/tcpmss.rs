//! `tcpmss`: lowers the maximum segment size that TCP connections agree on (`sys/netgraph/ng_tcpmss.c`).

use ngsock::node::tcpmss::{COOKIE, ClearStats, Command, Config, GetAndClearStats, GetStats, HookStats, SetConfig};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{HookId, Hooks, Private, count};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// What happens to packets that come in by a hook.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Limit {
    out: Option<HookId>,
    octets: u64,
    packets: u64,
    maximum: u16,
    syn_packets: u64,
    fixed_packets: u64,
}

impl Limit {
    fn of(hooks: &mut Hooks, hook: HookId) -> Option<&mut Self> {
        match &mut hooks.get_mut(hook)?.private {
            Private::Limit(limit) => Some(limit),
            _ => None,
        }
    }
}

pub(in crate::sim::netgraph) fn receive(hooks: &mut Hooks, call: &Call<'_>) -> Answer {
    if call.header.cookie != COOKIE {
        return Err(Errno::EINVAL);
    }
    let command = Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)?;
    let name = match command {
        Command::SetConfig(SetConfig(config)) => return configure(hooks, &config),
        Command::GetStats(GetStats(name))
        | Command::ClearStats(ClearStats(name))
        | Command::GetAndClearStats(GetAndClearStats(name)) => name,
    };
    let hook = hooks.find(&Label::from(name)).ok_or(Errno::ENOENT)?.id;
    let limit = Limit::of(hooks, hook).ok_or(Errno::ENOENT)?;
    let stats = HookStats {
        octets: limit.octets,
        packets: limit.packets,
        maximum_segment_octets: limit.maximum,
        syn_packets: limit.syn_packets,
        fixed_packets: limit.fixed_packets,
    };
    if !matches!(command, Command::GetStats(_)) {
        // The limit is kept among the counters, and cleared with them.
        *limit = Limit { out: limit.out, ..Limit::default() };
    }
    if matches!(command, Command::ClearStats(_)) { Ok(Outcome::Done) } else { answer(&stats) }
}

fn configure(hooks: &mut Hooks, config: &Config) -> Answer {
    let find = |name: ngsock::name::Name| hooks.find(&Label::from(name)).map(|hook| hook.id).ok_or(Errno::ENOENT);
    let (in_, out) = (find(config.in_hook)?, find(config.out_hook)?);
    let limit = Limit::of(hooks, in_).ok_or(Errno::ENOENT)?;
    limit.out = Some(out);
    limit.maximum = config.maximum_segment_octets;
    Ok(Outcome::Done)
}

/// Packets, which begin with their IPv4 header, go on to where the hook was configured to.
pub(in crate::sim::netgraph) fn data(hooks: &mut Hooks, hook: HookId, mut packet: Frame, wire: &mut Wire<'_>) {
    let Some(limit) = Limit::of(hooks, hook) else { return };
    let Some(out) = limit.out else { return };
    count(&mut limit.octets, packet.len() as u64);
    count(&mut limit.packets, 1);
    if limit.maximum != 0 {
        match segment(&packet) {
            Segment::Malformed => return,
            Segment::Other => {}
            Segment::Syn { header, options } => {
                count(&mut limit.syn_packets, 1);
                let maximum = limit.maximum;
                if lower(&mut packet, header, options, maximum) {
                    count(&mut limit.fixed_packets, 1);
                }
            }
        }
    }
    if let Some(out) = hooks.get(out) {
        wire.send(out, packet);
    }
}

/// What a packet is.
enum Segment {
    /// It contradicts itself and is dropped.
    Malformed,
    /// It goes on as it is.
    Other,
    /// It opens a TCP connection: where its TCP header and its options begin; those end with the header.
    Syn { header: usize, options: std::ops::Range<usize> },
}

const IPV4_HEADER: usize = 20;
const TCP_HEADER: usize = 20;
const TCP: u8 = 6;
const SYN: u8 = 2;

fn segment(packet: &[u8]) -> Segment {
    let Some(ip) = packet.first_chunk::<IPV4_HEADER>() else { return Segment::Other };
    let header = usize::from(ip[0] & 0xf) * 4;
    if ip[0] >> 4 != 4 || header < IPV4_HEADER || header > packet.len() {
        return Segment::Malformed;
    }
    if ip[9] != TCP {
        return Segment::Other;
    }
    let Some(tcp) = packet.get(header..).and_then(<[u8]>::first_chunk::<TCP_HEADER>) else { return Segment::Other };
    let length = usize::from(tcp[12] >> 4) * 4;
    if length < TCP_HEADER || length > packet.len() - header {
        return Segment::Malformed;
    }
    if tcp[13] & SYN == 0 || length == TCP_HEADER {
        return Segment::Other;
    }
    Segment::Syn { header, options: header + TCP_HEADER..header + length }
}

/// Lowers the option to the maximum if it is above it; the checksum follows (`correct_mss`).
fn lower(packet: &mut [u8], header: usize, options: std::ops::Range<usize>, maximum: u16) -> bool {
    const END: u8 = 0;
    const NOTHING: u8 = 1;
    const MAXIMUM_SEGMENT: u8 = 2;
    let mut at = options.start;
    let mut lowered = false;
    while at < options.end {
        let (kind, length) = match packet.get(at..options.end) {
            Some([END, ..]) | None => break,
            Some([NOTHING, ..]) => (NOTHING, 1),
            Some([kind, length, ..]) => (*kind, usize::from(*length)),
            Some(_) => break,
        };
        if length == 0 || length > options.end - at {
            break;
        }
        if (kind, length) == (MAXIMUM_SEGMENT, 4)
            && let Some(old) = word(packet, at + 2).filter(|old| *old > maximum)
        {
            let sum = word(packet, header + 16).unwrap_or(0);
            put(packet, header + 16, adjusted(sum, old, maximum));
            put(packet, at + 2, maximum);
            lowered = true;
        }
        at += length;
    }
    lowered
}

fn word(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}

fn put(packet: &mut [u8], at: usize, value: u16) {
    if let Some(place) = packet.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// A checksum after a word became a smaller one (`TCPMSS_ADJUST_CHECKSUM`).
fn adjusted(sum: u16, old: u16, new: u16) -> u16 {
    let total = u32::from(old.saturating_sub(new)) + u32::from(sum);
    let folded = (total >> 16) + (total & 0xffff);
    u16::try_from((folded + (folded >> 16)) & 0xffff).unwrap_or(0)
}
