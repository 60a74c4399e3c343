//! What Linux queues and delays frames with: token bucket and network emulator, as bytes.
//!
//! The messages are those of tc(8), without the table of transmission times that it adds for kernels before 3.8. A kernel keeps spans
//! in ticks of 64 ns (`PSCHED_SHIFT`, include/net/pkt_sched.h), so what is read back is a multiple of that.

use super::consts::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST};
use super::wire::{Message, Writer, attributes, string_of, u32_of};

/// `RTM_NEWQDISC` (include/uapi/linux/rtnetlink.h).
const RTM_NEWQDISC: u16 = 36;
/// `RTM_DELQDISC`.
const RTM_DELQDISC: u16 = 37;
/// `RTM_GETQDISC`.
const RTM_GETQDISC: u16 = 38;
/// `TCA_KIND`.
const TCA_KIND: u16 = 1;
/// `TCA_OPTIONS`.
const TCA_OPTIONS: u16 = 2;
/// `TC_H_ROOT` (include/uapi/linux/pkt_sched.h).
pub const ROOT: u32 = u32::MAX;
/// `TCA_TBF_PARMS`.
const TCA_TBF_PARMS: u16 = 1;
/// `TCA_TBF_RATE64`.
const TCA_TBF_RATE64: u16 = 4;
/// `TCA_TBF_BURST`.
const TCA_TBF_BURST: u16 = 6;
/// `TCA_NETEM_REORDER`.
const TCA_NETEM_REORDER: u16 = 3;
/// `TCA_NETEM_CORRUPT`.
const TCA_NETEM_CORRUPT: u16 = 4;
/// `TC_LINKLAYER_ETHERNET`.
const ETHERNET: u8 = 1;
/// `cell_log` for frames of up to 2 KiB in a table of 256 cells: what tc(8) writes. Kernels read it together with the table only.
const CELL_LOG: u8 = 3;

/// Nanoseconds of a tick.
pub const TICK: u64 = 64;

/// A token bucket: how fast frames leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tbf {
    /// Octets per second.
    pub rate: u64,
    /// Octets that may leave at once.
    pub burst: u32,
    /// Octets that may wait.
    pub limit: u32,
}

/// A network emulator: what happens to frames on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Netem {
    /// Ticks.
    pub delay: u32,
    /// Ticks that the delay varies by, both ways.
    pub jitter: u32,
    /// Frames on the way.
    pub limit: u32,
    /// Out of 2^32 - 1 frames, so many are lost.
    pub loss: u32,
    /// So many are sent twice.
    pub duplicate: u32,
    /// So many get a wrong bit.
    pub corrupt: u32,
    /// So many do not wait, and overtake others.
    pub reorder: u32,
}

/// A queueing discipline of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `tbf`.
    Tbf(Tbf),
    /// `netem`.
    Netem(Netem),
}

/// Whether a discipline is to be made or to be given other values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Nothing may be in its place.
    New,
    /// It is there.
    Change,
}

/// A discipline as the kernel tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qdisc {
    /// The interface.
    pub index: u32,
    /// Its own number; 0 is one that the kernel put there by itself.
    pub handle: u32,
    /// Where it is: [`ROOT`], or a class of another.
    pub parent: u32,
    /// `tbf`, `netem`, …
    pub name: String,
    /// What we know the values of.
    pub kind: Option<Kind>,
}

/// RTM_NEWQDISC, with an acknowledgement.
pub fn set(writer: &mut Writer, index: u32, handle: u32, parent: u32, kind: &Kind, how: Set) {
    let flags = if how == Set::New { NLM_F_CREATE | NLM_F_EXCL } else { 0 };
    writer.begin(RTM_NEWQDISC, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0, &header(index, handle, parent));
    match kind {
        Kind::Tbf(tbf) => {
            // tc(8) writes four octets here and six below.
            writer.attribute(TCA_KIND, b"tbf\0");
            write_tbf(writer, tbf);
        }
        Kind::Netem(netem) => {
            writer.attribute(TCA_KIND, b"netem\0");
            write_netem(writer, netem);
        }
    }
    writer.end();
}

fn write_tbf(writer: &mut Writer, tbf: &Tbf) {
    let nest = writer.nest(TCA_OPTIONS, false);
    // `struct tc_tbf_qopt`: rate, peak rate, limit, buffer, mtu.
    let low = u32::try_from(tbf.rate).unwrap_or(u32::MAX);
    let mut options = [0; 36];
    // `struct tc_ratespec`: cell_log, linklayer, overhead, cell_align, mpu, rate.
    options[..6].copy_from_slice(&[CELL_LOG, ETHERNET, 0, 0, 0xff, 0xff]);
    options[8..12].copy_from_slice(&low.to_ne_bytes());
    options[24..28].copy_from_slice(&tbf.limit.to_ne_bytes());
    options[28..32].copy_from_slice(&ticks_for(tbf.burst, tbf.rate).to_ne_bytes());
    writer.attribute(TCA_TBF_PARMS, &options);
    if tbf.rate > u64::from(u32::MAX) {
        writer.attribute(TCA_TBF_RATE64, &tbf.rate.to_ne_bytes());
    }
    writer.number(TCA_TBF_BURST, tbf.burst);
    writer.close(nest);
}

fn write_netem(writer: &mut Writer, netem: &Netem) {
    let nest = writer.nest(TCA_OPTIONS, false);
    // `struct tc_netem_qopt`: latency, limit, loss, gap, duplicate, jitter. Reordering wants a gap of at least 1.
    let gap = u32::from(netem.reorder > 0);
    let fields = [netem.delay, netem.limit, netem.loss, gap, netem.duplicate, netem.jitter];
    writer.raw(&fields.map(u32::to_ne_bytes).concat());
    // `struct tc_netem_reorder`, `struct tc_netem_corrupt`: probability, correlation.
    for (kind, probability) in [(TCA_NETEM_REORDER, netem.reorder), (TCA_NETEM_CORRUPT, netem.corrupt)] {
        if probability > 0 {
            writer.attribute(kind, &[probability, 0].map(u32::to_ne_bytes).concat());
        }
    }
    writer.close(nest);
}

/// RTM_DELQDISC of what is at the root, and of all below it.
pub fn remove(writer: &mut Writer, index: u32) {
    writer.begin(RTM_DELQDISC, NLM_F_REQUEST | NLM_F_ACK, 1, 0, &header(index, 0, ROOT));
    writer.end();
}

/// RTM_GETQDISC of every interface.
pub fn dump(writer: &mut Writer) {
    writer.begin(RTM_GETQDISC, NLM_F_REQUEST | NLM_F_DUMP, 1, 0, &header(0, 0, 0));
    writer.end();
}

/// Reads RTM_NEWQDISC; `None` for other messages and for what is too short.
#[must_use]
pub fn read(message: &Message<'_>) -> Option<Qdisc> {
    let header: &[u8; 20] = message.payload.first_chunk().filter(|_| message.kind == RTM_NEWQDISC)?;
    let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let mut found = Qdisc { index: word(4), handle: word(8), parent: word(12), name: String::new(), kind: None };
    let mut options: &[u8] = &[];
    for (kind, value) in attributes(message.payload, header.len()) {
        match kind {
            TCA_KIND => found.name = string_of(value),
            TCA_OPTIONS => options = value,
            _ => {}
        }
    }
    found.kind = match found.name.as_str() {
        "tbf" => read_tbf(options).map(Kind::Tbf),
        "netem" => read_netem(options).map(Kind::Netem),
        _ => None,
    };
    Some(found)
}

fn read_tbf(options: &[u8]) -> Option<Tbf> {
    let mut tbf = None;
    let mut rate64 = None;
    for (kind, value) in attributes(options, 0) {
        match kind {
            TCA_TBF_PARMS => tbf = Some((u32_at(value, 8)?, u32_at(value, 24)?, u32_at(value, 28)?)),
            TCA_TBF_RATE64 => rate64 = Some(u64::from_ne_bytes(*value.first_chunk()?)),
            _ => {}
        }
    }
    let (low, limit, ticks) = tbf?;
    let rate = rate64.unwrap_or(u64::from(low));
    Some(Tbf { rate, burst: octets_in(ticks, rate), limit })
}

fn read_netem(options: &[u8]) -> Option<Netem> {
    let field = |number: usize| u32_at(options, 4 * number);
    let mut netem = Netem {
        delay: field(0)?,
        limit: field(1)?,
        loss: field(2)?,
        duplicate: field(4)?,
        jitter: field(5)?,
        ..Netem::default()
    };
    for (kind, value) in attributes(options, 24) {
        match kind {
            TCA_NETEM_REORDER => netem.reorder = u32_of(value.get(..4)?)?,
            TCA_NETEM_CORRUPT => netem.corrupt = u32_of(value.get(..4)?)?,
            _ => {}
        }
    }
    Some(netem)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    u32_of(bytes.get(at..at + 4)?)
}

/// `struct tcmsg`.
fn header(index: u32, handle: u32, parent: u32) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&handle.to_ne_bytes());
    bytes[12..16].copy_from_slice(&parent.to_ne_bytes());
    bytes
}

/// How long octets take at a rate, in ticks; as long as can be said where it is longer, or there is no rate.
#[must_use]
pub fn ticks_for(octets: u32, rate: u64) -> u32 {
    let nanoseconds = (u128::from(octets) * 1_000_000_000).checked_div(u128::from(rate));
    nanoseconds.and_then(|span| u32::try_from(span / u128::from(TICK)).ok()).unwrap_or(u32::MAX)
}

/// Octets that take so long at a rate, in the whole [`BURST`]s that a burst is made of: a tick alone is many octets at a high rate,
/// and what is left of a tick is lost on the way, so that the next multiple is meant.
fn octets_in(ticks: u32, rate: u64) -> u32 {
    let octets = u128::from(ticks) * u128::from(TICK) * u128::from(rate) / 1_000_000_000;
    let whole = octets.div_ceil(u128::from(BURST)) * u128::from(BURST);
    u32::try_from(whole).unwrap_or(u32::MAX)
}

/// Bursts are multiples of so many octets.
pub const BURST: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::wire::Messages;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    fn written(kind: &Kind, how: Set) -> Vec<u8> {
        let mut writer = Writer::new();
        set(&mut writer, 7, 0x0001_0000, ROOT, kind, how);
        writer.finish()
    }

    const EVERYTHING: Netem = Netem {
        delay: 78_125,
        jitter: 15_625,
        limit: 1000,
        loss: 0x03d7_0a3d,
        duplicate: 0x051e_b852,
        corrupt: 0x0041_8937,
        reorder: 0x4000_0000,
    };

    /// `tc qdisc add dev X root handle 1: netem limit 1000 delay 5ms 1ms loss 1.5% duplicate 2% corrupt 0.1% reorder 25%`, as
    /// iproute2 6.1 sends it.
    #[test]
    fn netem_is_written_as_tc_writes_it() {
        let expected = hex("64000000 2400 0506 01000000 00000000  00000000 07000000 00000100 ffffffff 00000000 \
             0a00 0100 6e6574656d00 0000  3400 0200 \
             2d310100 e8030000 3d0ad703 01000000 52b81e05 093d0000 \
             0c00 0300 00000040 00000000  0c00 0400 37894100 00000000");
        assert_eq!(written(&Kind::Netem(EVERYTHING), Set::New), expected);
    }

    /// `tc qdisc change dev X root handle 1: netem limit 1000 delay 5ms`.
    #[test]
    fn a_change_of_netem_is_written_as_tc_writes_it() {
        let expected = hex("4c000000 2400 0500 01000000 00000000  00000000 07000000 00000100 ffffffff 00000000 \
             0a00 0100 6e6574656d00 0000  1c00 0200 2d310100 e8030000 00000000 00000000 00000000 00000000");
        let netem = Netem { delay: 78_125, limit: 1000, ..Netem::default() };
        assert_eq!(written(&Kind::Netem(netem), Set::Change), expected);
    }

    /// `tc qdisc add dev X root handle 1: tbf rate 10mbit burst 15140 limit 75000`, but for the table of times at its end.
    #[test]
    fn tbf_is_written_as_tc_writes_it_without_the_table() {
        let expected = hex("60000000 2400 0506 01000000 00000000  00000000 07000000 00000100 ffffffff 00000000 \
             0800 0100 74626600  3400 0200 \
             2800 0100 03010000ffff0000d0121300 000000000000000000000000 f8240100 42e30200 00000000 \
             0800 0600 243b0000");
        assert_eq!(written(&Kind::Tbf(Tbf { rate: 1_250_000, burst: 15_140, limit: 75_000 }), Set::New), expected);
    }

    /// `tbf rate 50gbit burst 1000000 limit 2000000`: the rate needs 64 bits.
    #[test]
    fn high_rates_are_written_in_64_bits() {
        let bytes = written(&Kind::Tbf(Tbf { rate: 6_250_000_000, burst: 1 << 20, limit: 2_000_000 }), Set::New);
        let expected = [&hex("0c00 0400")[..], &6_250_000_000_u64.to_ne_bytes()].concat();
        assert!(bytes.windows(12).any(|window| window == expected));
        assert!(bytes.windows(4).any(|window| window == [0xff; 4]));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let kinds = [
            Kind::Netem(EVERYTHING),
            Kind::Netem(Netem { delay: 1, limit: 7, ..Netem::default() }),
            Kind::Tbf(Tbf { rate: 12, burst: 3072, limit: 75_700 }),
            Kind::Tbf(Tbf { rate: 125_000, burst: 3072, limit: 1514 }),
            Kind::Tbf(Tbf { rate: 12_500_000_000, burst: 25_000 * 1024, limit: 75_700 }),
        ];
        for kind in kinds {
            let bytes = written(&kind, Set::New);
            let found = read(&Messages::new(&bytes).next().unwrap()).unwrap();
            assert_eq!((found.index, found.handle, found.parent), (7, 0x0001_0000, ROOT));
            assert_eq!(found.kind, Some(kind));
        }
    }

    #[test]
    fn short_messages_and_other_kinds_are_nothing() {
        for length in 0..96 {
            let bytes = written(&Kind::Tbf(Tbf { rate: 12_500, burst: 3072, limit: 1514 }), Set::New);
            let payload = bytes.get(16..16 + length).unwrap_or_default();
            let message = Message { kind: RTM_NEWQDISC, flags: 0, sequence: 0, port: 0, payload, whole: &[] };
            assert!(read(&message).is_none_or(|found| found.kind.is_none() || length > 70), "{length}");
            let other = Message { kind: RTM_DELQDISC, ..message };
            assert_eq!(read(&other), None);
        }
    }
}
