//! The write-ahead journal of a change that is under way: what it is about to do, written and synced before the first step.
//!
//! A line that says what it is, then frames: length, checksum, body. The checksum of a frame covers that of the frame before it, so
//! that no frame can be left out, repeated or exchanged. The first frames are the intents, level by level, and are synced together, once, before
//! the first step of all; they are whole or the journal is damaged. After them come marks of what has begun and of what is done: they
//! are never synced and never needed, for what a kernel holds can be seen; a mark that is torn, and all after it, do not count.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::record::Record;
use crate::plan::Step;

/// The first line.
pub(super) const MAGIC: &[u8] = b"cellblock lab journal 2\n";
const HASH: usize = 32;
const LENGTH: usize = 4;

/// What a journal says of a change.
#[derive(Clone, Debug)]
pub struct Intents {
    /// What the lab is to become, and what may be there of earlier changes.
    pub record: Record,
    /// The steps, level by level, in the plan's order.
    pub levels: Vec<Vec<Step>>,
    /// How far it came, as far as that was written down.
    pub progress: JournalProgress,
}

/// How far a change came, as far as that was written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalProgress {
    /// Levels that had begun.
    pub begun: usize,
    /// It was being taken back.
    pub undoing: bool,
}

/// Why octets are no journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// They are something else, or of another version.
    Foreign,
    /// They are cut off or changed.
    Damaged,
}

/// What a frame holds.
#[derive(Debug, Serialize, Deserialize)]
enum Entry {
    Change(Box<Record>),
    Level(Vec<Step>),
    /// All intents stand before it.
    Written,
    Begun(usize),
    Undoing,
}

/// Puts frames one after the other.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    hash: [u8; HASH],
}

impl Writer {
    /// The journal of a change with all its intents, and the writer of its marks.
    pub(super) fn begin(record: &Record, levels: &[Vec<&Step>]) -> Result<(Vec<u8>, Self), postcard::Error> {
        let mut octets = MAGIC.to_vec();
        let mut writer = Self { hash: Sha256::digest(MAGIC).into() };
        writer.frame(&mut octets, &Entry::Change(Box::new(record.clone())))?;
        for level in levels {
            let steps: Vec<Step> = level.iter().map(|step| (*step).clone()).collect();
            writer.frame(&mut octets, &Entry::Level(steps))?;
        }
        writer.frame(&mut octets, &Entry::Written)?;
        Ok((octets, writer))
    }

    /// The mark that a level begins.
    pub(super) fn begun(&mut self, level: usize) -> Result<Vec<u8>, postcard::Error> {
        self.mark(&Entry::Begun(level))
    }

    /// The mark that steps are being taken back.
    pub(super) fn undoing(&mut self) -> Result<Vec<u8>, postcard::Error> {
        self.mark(&Entry::Undoing)
    }

    fn mark(&mut self, entry: &Entry) -> Result<Vec<u8>, postcard::Error> {
        let mut octets = Vec::new();
        self.frame(&mut octets, entry)?;
        Ok(octets)
    }

    fn frame(&mut self, octets: &mut Vec<u8>, entry: &Entry) -> Result<(), postcard::Error> {
        let body = postcard::to_stdvec(entry)?;
        let length = u32::try_from(body.len()).map_err(|_| postcard::Error::SerializeBufferFull)?;
        self.hash = chained(&self.hash, &body);
        octets.extend(length.to_le_bytes());
        octets.extend(self.hash);
        octets.extend(body);
        Ok(())
    }
}

fn chained(before: &[u8; HASH], body: &[u8]) -> [u8; HASH] {
    Sha256::new().chain_update(before).chain_update(body).finalize().into()
}

/// Reads a journal; nothing of it is taken before its checksums agree.
pub(super) fn read(octets: &[u8]) -> Result<Intents, Unreadable> {
    let Some(rest) = octets.strip_prefix(MAGIC) else {
        let cut = !octets.is_empty() && MAGIC.starts_with(octets);
        return Err(if cut { Unreadable::Damaged } else { Unreadable::Foreign });
    };
    let mut frames = Frames { rest, hash: Sha256::digest(MAGIC).into() };
    let Some(Entry::Change(record)) = frames.next() else { return Err(Unreadable::Damaged) };
    let mut levels = Vec::new();
    loop {
        match frames.next() {
            Some(Entry::Level(steps)) => levels.push(steps),
            Some(Entry::Written) => break,
            _ => return Err(Unreadable::Damaged),
        }
    }
    let mut progress = JournalProgress::default();
    loop {
        match frames.next() {
            Some(Entry::Begun(level)) if level < levels.len() => progress.begun = level + 1,
            Some(Entry::Undoing) => progress.undoing = true,
            _ => break,
        }
    }
    Ok(Intents { record: *record, levels, progress })
}

struct Frames<'f> {
    rest: &'f [u8],
    hash: [u8; HASH],
}

impl Frames<'_> {
    /// The next frame, if it is whole.
    fn next(&mut self) -> Option<Entry> {
        let (length, rest) = self.rest.split_first_chunk::<LENGTH>()?;
        let (hash, rest) = rest.split_first_chunk::<HASH>()?;
        let (body, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        if chained(&self.hash, body) != *hash {
            return None;
        }
        let (entry, over) = postcard::take_from_bytes(body).ok()?;
        (self.hash, self.rest) = (*hash, rest);
        over.is_empty().then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::record::tests::record;
    use crate::graph::{Place, Up};

    fn step(name: &str) -> Step {
        Step::SetUp(Up { place: Place::Node("pc1".parse().unwrap()), interface: name.into() })
    }

    fn journal() -> Vec<u8> {
        let (first, second) = (step("eth0"), step("eth1"));
        let (mut octets, mut writer) =
            Writer::begin(&record("office"), &[vec![&first, &second], vec![&first]]).unwrap();
        octets.extend(writer.begun(0).unwrap());
        octets.extend(writer.begun(1).unwrap());
        octets.extend(writer.undoing().unwrap());
        octets
    }

    /// Where the marks begin: up to there every octet counts.
    fn synced() -> usize {
        let (first, second) = (step("eth0"), step("eth1"));
        Writer::begin(&record("office"), &[vec![&first, &second], vec![&first]]).unwrap().0.len()
    }

    #[test]
    fn intents_and_marks_come_back() {
        let read = read(&journal()).unwrap();
        assert_eq!(read.levels, [vec![step("eth0"), step("eth1")], vec![step("eth0")]]);
        assert_eq!(read.progress, JournalProgress { begun: 2, undoing: true });
        assert_eq!(read.record.engine, "sim");
    }

    #[test]
    fn a_journal_cut_anywhere_is_damaged_or_lacks_marks() {
        let whole = journal();
        for length in 0..whole.len() {
            match read(&whole[..length]) {
                Err(_) => assert!(length < synced(), "{length}"),
                Ok(found) => {
                    assert!(length >= synced(), "{length}");
                    assert_eq!(found.levels.len(), 2);
                    assert!(!found.progress.undoing, "{length}");
                }
            }
        }
        assert_eq!(read(&whole[..10]).unwrap_err(), Unreadable::Damaged);
        assert_eq!(read(b"").unwrap_err(), Unreadable::Foreign);
        assert_eq!(read(b"cellblock lab journal 9\n").unwrap_err(), Unreadable::Foreign);
    }

    #[test]
    fn a_changed_octet_never_changes_what_was_meant() {
        let whole = journal();
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x10;
            match read(&changed) {
                Err(_) => assert!(place < synced(), "{place}"),
                Ok(found) => {
                    assert!(place >= synced(), "{place}");
                    assert_eq!(found.levels, [vec![step("eth0"), step("eth1")], vec![step("eth0")]]);
                }
            }
        }
    }

    #[test]
    fn frames_cannot_be_exchanged_repeated_or_left_out() {
        let (first, second) = (step("eth0"), step("eth1"));
        let (octets, _) = Writer::begin(&record("office"), &[vec![&first], vec![&second]]).unwrap();
        let mut frames = Vec::new();
        let mut at = MAGIC.len();
        while at < octets.len() {
            let length = u32::from_le_bytes(octets[at..at + LENGTH].try_into().unwrap());
            let end = at + LENGTH + HASH + usize::try_from(length).unwrap();
            frames.push(octets[at..end].to_vec());
            at = end;
        }
        assert_eq!(frames.len(), 4);
        for order in [&[0, 2, 1, 3][..], &[0, 1, 1, 2, 3], &[0, 2, 3], &[1, 2, 3], &[0, 1, 3]] {
            let built: Vec<u8> =
                MAGIC.iter().copied().chain(order.iter().flat_map(|place| frames[*place].clone())).collect();
            assert_eq!(read(&built).unwrap_err(), Unreadable::Damaged, "{order:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&octets);
            let _ = read(&[MAGIC, &octets].concat());
        }

        /// Frames whose checksum is right although nothing else is.
        #[test]
        fn bodies_made_by_hand_never_panic(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..5)) {
            let mut octets = MAGIC.to_vec();
            let mut hash: [u8; HASH] = Sha256::digest(MAGIC).into();
            for body in bodies {
                hash = chained(&hash, &body);
                octets.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
                octets.extend(hash);
                octets.extend(body);
            }
            let _ = read(&octets);
        }

        #[test]
        fn damaged_journals_never_panic(at in any::<prop::sample::Index>(), with in prop::collection::vec(any::<u8>(), 0..9), cut in 0usize..40) {
            let mut octets = journal();
            let at = at.index(octets.len());
            let end = (at + cut).min(octets.len());
            octets.splice(at..end, with);
            if let Ok(found) = read(&octets) {
                prop_assert_eq!(found.levels.len(), 2);
            }
        }
    }
}
