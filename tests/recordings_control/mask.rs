//! What differs from run to run in netlink and routing messages.

use std::collections::BTreeMap;

use cellblock::netlink::wire::Messages;

/// MACs that the recorder's kernel made, and those ours made instead.
#[derive(Default)]
pub struct Macs {
    ours: BTreeMap<[u8; 6], [u8; 6]>,
}

impl Macs {
    /// Whether a recorded MAC and ours may stand for each other; the first meeting decides.
    fn agree(&mut self, recorded: [u8; 6], ours: [u8; 6]) -> bool {
        recorded == ours || *self.ours.entry(recorded).or_insert(ours) == ours
    }
}

/// Compares two streams of netlink messages; `None` if they agree.
pub fn difference(macs: &mut Macs, recorded: &[u8], ours: &[u8]) -> Option<String> {
    let mut recorded: Vec<_> = Messages::new(recorded).collect();
    let mut ours: Vec<_> = Messages::new(ours).collect();
    for messages in [&mut recorded, &mut ours] {
        // Neighbours come in the order of a hash table: they are compared by interface and address.
        messages.sort_by_key(|message| match message.kind {
            28 => message.payload.get(..32).map(<[u8]>::to_vec).map(|mut key| {
                key[8..12].fill(0);
                key
            }),
            3 => Some(vec![0xff]),
            _ => None,
        });
    }
    for (at, (wanted, got)) in recorded.iter().zip(&ours).enumerate() {
        let (mut wanted, mut got) = (wanted.whole.to_vec(), got.whole.to_vec());
        normalise(macs, &mut wanted, &mut got);
        if wanted != got {
            return Some(format!("message {at}: expected\n  {}\n  got\n  {}", super::show(&wanted), super::show(&got)));
        }
    }
    (recorded.len() != ours.len()).then(|| format!("expected {} messages, got {}", recorded.len(), ours.len()))
}

fn normalise(macs: &mut Macs, wanted: &mut [u8], got: &mut [u8]) {
    let Some(&[low, high]) = wanted.get(4..6).and_then(|kind| kind.first_chunk()) else { return };
    match u16::from_le_bytes([low, high]) {
        16 | 17 => {
            for (kind, length) in [(1, 6), (23, 192)] {
                equalise(macs, wanted, got, 32, kind, 0..length);
            }
            // The hardware address is nested in the first attribute of IFLA_FREEBSD.
            equalise(macs, wanted, got, 32, 64, 4..10);
        }
        20 | 21 => equalise(macs, wanted, got, 24, 6, 8..16),
        24..=26 => equalise(macs, wanted, got, 28, 10, 0..4),
        28..=30 => {
            equalise(macs, wanted, got, 28, 2, 0..6);
            equalise(macs, wanted, got, 28, 3, 0..16);
            equalise(macs, wanted, got, 28, 18, 4..8);
        }
        _ => {}
    }
}

/// Blanks a range of one attribute in both if it may differ.
fn equalise(
    macs: &mut Macs,
    wanted: &mut [u8],
    got: &mut [u8],
    start: usize,
    kind: u16,
    range: std::ops::Range<usize>,
) {
    let (Some(one), Some(other)) = (find(wanted, start, kind), find(got, start, kind)) else { return };
    let (Some(one), Some(other)) =
        (wanted.get_mut(one + range.start..one + range.end), got.get_mut(other + range.start..other + range.end))
    else {
        return;
    };
    if let (Ok(recorded), Ok(ours)) = (<[u8; 6]>::try_from(&*one), <[u8; 6]>::try_from(&*other))
        && !macs.agree(recorded, ours)
    {
        return;
    }
    one.fill(0);
    other.fill(0);
}

/// Where the value of an attribute begins.
fn find(message: &[u8], start: usize, kind: u16) -> Option<usize> {
    let mut at = start;
    loop {
        let &[a, b, c, d] = message.get(at..)?.first_chunk()?;
        let length = usize::from(u16::from_le_bytes([a, b]));
        if u16::from_le_bytes([c, d]) & 0x3fff == kind {
            return Some(at + 4);
        }
        if length < 4 {
            return None;
        }
        at += length.next_multiple_of(4);
    }
}
