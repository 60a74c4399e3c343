//! `checksum`: computes IP, TCP and UDP checksums of packets (`sys/netgraph/ng_checksum.c`).
//!
//! What is configured to be left to the network card is computed too: there is no card.

use ngsock::node::checksum::{COOKIE, Command, Config, SetConfig, SetLinkType, Stats};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::in_out::{ETHERNET, InOut, RAW, Side, behind_ethernet};
use super::{Fate, HookId, Hooks, count};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

// Which checksums (sys/sys/mbuf.h:657).
const IP: u64 = 0x1;
const UDP: u64 = 0x2;
const TCP: u64 = 0x4;
const UDP6: u64 = 0x200;
const TCP6: u64 = 0x400;
const ALL: u64 = IP | UDP | TCP | UDP6 | TCP6;

/// Protocol numbers.
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;

/// A maker of checksums.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checksum {
    sides: InOut,
    link_type: u8,
    /// Which to compute, and which of them to leave to the card, once configured.
    config: Option<(u64, u64)>,
    received: u64,
    processed: u64,
    dropped: u64,
}

impl Default for Checksum {
    fn default() -> Self {
        Self { sides: InOut::default(), link_type: RAW, config: None, received: 0, processed: 0, dropped: 0 }
    }
}

impl Checksum {
    /// Any name that begins with `in` or `out`; the newest one counts.
    ///
    /// # Errors
    /// `EINVAL` for other names.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let side = Side::prefixed(name.as_bytes());
        self.sides.add(hooks, name, side)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        self.sides.disconnected(hook, left)
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, call: &Call<'_>) -> Answer {
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
            Command::GetLinkType(_) => return answer(&self.link_type),
            Command::SetLinkType(SetLinkType(kind @ (ETHERNET | RAW))) => self.link_type = kind,
            Command::SetLinkType(_) => return Err(Errno::EINVAL),
            // Without a configuration there is no answer.
            Command::GetConfig(_) => {
                let config = self.config.map(|(flags, offload)| Config { flags, offload });
                return config.map_or(Ok(Outcome::Done), |config| answer(&config));
            }
            Command::SetConfig(SetConfig(config)) => self.config = Some((config.flags & ALL, config.offload & ALL)),
            Command::GetStats(_) => return answer(&self.stats()),
            Command::ClearStats(_) => self.clear(),
            Command::GetAndClearStats(_) => {
                let stats = self.stats();
                self.clear();
                return answer(&stats);
            }
        }
        Ok(Outcome::Done)
    }

    fn stats(&self) -> Stats {
        Stats { received: self.received, processed: self.processed, dropped: self.dropped }
    }

    fn clear(&mut self) {
        (self.received, self.processed, self.dropped) = (0, 0, 0);
    }

    /// Packets from `in` get their checksums; without `out` they go back where they came from.
    pub(in crate::sim::netgraph) fn data(
        &mut self,
        hooks: &Hooks,
        hook: HookId,
        mut packet: Frame,
        wire: &mut Wire<'_>,
    ) {
        count(&mut self.received, 1);
        if let (true, Some((flags, _))) = (self.sides.is_in(hook), self.config)
            && write(&mut packet, self.link_type, flags).unwrap_or(false)
        {
            count(&mut self.processed, 1);
        }
        if !self.sides.pass(hooks, hook, packet, wire) {
            count(&mut self.dropped, 1);
        }
    }
}

/// Writes the checksums asked for; whether there were any to write, `None` for packets that are not whole.
fn write(packet: &mut [u8], link_type: u8, flags: u64) -> Option<bool> {
    let (begin, kind) = match link_type {
        ETHERNET => behind_ethernet(packet).map(|(begin, kind)| (begin, Some(kind)))?,
        _ => (0, None),
    };
    let packet = packet.get_mut(begin..)?;
    match (packet.first()? >> 4, kind) {
        (4, None | Some(0x0800)) => write4(packet, flags),
        (6, None | Some(0x86dd)) => write6(packet, flags),
        _ => Some(false),
    }
}

fn write4(packet: &mut [u8], flags: u64) -> Option<bool> {
    let fixed = *packet.first_chunk::<20>()?;
    let (header, total) = (usize::from(fixed[0] & 15) * 4, usize::from(u16::from_be_bytes([fixed[2], fixed[3]])));
    let packet = packet.get_mut(..total).filter(|packet| header >= 20 && header <= packet.len())?;
    let mut written = false;
    if flags & IP != 0 {
        let head = packet.get_mut(..header)?;
        head.get_mut(10..12)?.fill(0);
        let value = !folded(head, 0);
        head.get_mut(10..12)?.copy_from_slice(&value.to_be_bytes());
        written = true;
    }
    // Of fragments nothing more is known.
    if u16::from_be_bytes([fixed[6], fixed[7]]) & 0x3fff != 0 {
        return Some(written);
    }
    let upper = packet.get_mut(header..)?;
    let pseudo = folded(fixed.get(12..20)?, u32::from(fixed[9]).checked_add(u32::try_from(upper.len()).ok()?)?);
    let wanted = [(PROTOCOL_TCP, TCP), (PROTOCOL_UDP, UDP)];
    Some(write_upper(upper, fixed[9], pseudo, flags, wanted)? || written)
}

fn write6(packet: &mut [u8], flags: u64) -> Option<bool> {
    let fixed = *packet.first_chunk::<40>()?;
    let total = 40 + usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    let packet = packet.get_mut(..total)?;
    let (mut next, mut begin) = (fixed[6], 40);
    loop {
        let length = |unit: usize, more: usize| {
            let [_, count] = *packet.get(begin..)?.first_chunk::<2>()?;
            Some((usize::from(count) + more) * unit)
        };
        // Options, routing and authentication headers are passed over; of fragments nothing more is known.
        let length = match next {
            0 | 43 | 60 => length(8, 1)?,
            51 => length(4, 2)?,
            44 => return Some(false),
            _ => break,
        };
        next = *packet.get(begin)?;
        begin += length;
    }
    let upper = packet.get_mut(begin..)?;
    let pseudo = folded(fixed.get(8..40)?, u32::from(next).checked_add(u32::try_from(upper.len()).ok()?)?);
    write_upper(upper, next, pseudo, flags, [(PROTOCOL_TCP, TCP6), (PROTOCOL_UDP, UDP6)])
}

/// The checksum of a TCP or UDP packet, if it is asked for.
fn write_upper(upper: &mut [u8], protocol: u8, pseudo: u16, flags: u64, wanted: [(u8, u64); 2]) -> Option<bool> {
    if !wanted.iter().any(|(number, flag)| *number == protocol && flags & flag != 0) {
        return Some(false);
    }
    let (header, place) = if protocol == PROTOCOL_TCP { (20, 16..18) } else { (8, 6..8) };
    upper.get(..header)?;
    upper.get_mut(place.clone())?.fill(0);
    let mut value = !folded(upper, pseudo.into());
    if protocol == PROTOCOL_UDP && value == 0 {
        value = 0xffff;
    }
    upper.get_mut(place)?.copy_from_slice(&value.to_be_bytes());
    Some(true)
}

/// The sum of RFC 1071, not yet complemented.
fn folded(bytes: &[u8], seed: u32) -> u16 {
    let (words, rest) = bytes.as_chunks::<2>();
    let mut total = u64::from(seed);
    total += words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
    total += rest.first().map_or(0, |last| u64::from(*last) << 8);
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).unwrap_or(0)
}
