//! How interfaces send: what the graph says as queueing disciplines, and back.
//!
//! A line alone is a netem at the root, a bottleneck alone a tbf. With both, the tbf is below the netem.

use std::collections::HashMap;

use super::Engineer;
use super::encode::{Encoded, Removal, is_missing};
use super::kernel::Kernel;
use crate::engine::EngineError;
use crate::graph::linux::{Bottleneck, Line, Sending};
use crate::graph::{Name, Place};
use crate::netlink::linux::Link;
use crate::netlink::qdisc::{self, Kind, Netem, Qdisc, ROOT, Set, Tbf};
use crate::netlink::wire::Writer;

/// Ours at the root, `1:`.
const AT_ROOT: u32 = 0x0001_0000;
/// The class of a netem below which there may be another, `1:1`.
const BELOW: u32 = 0x0001_0001;
/// Ours below it, `10:`.
const BELOW_ROOT: u32 = 0x0010_0000;
/// What interfaces without a queue of their own have, and those that are down.
const NONE: &[&str] = &["", "noqueue", "noop"];

impl<K: Kernel> Engineer<'_, K> {
    pub(super) fn set_sending(
        &mut self,
        place: &Place,
        interface: &Name,
        from: &Sending,
        to: &Sending,
    ) -> Result<Encoded, EngineError> {
        let removal = if to.is_plain() { Removal::Yes } else { Removal::No };
        let messages = match self.index(place, interface) {
            Ok(index) => messages(index, from, to),
            Err(error) if removal == Removal::Yes && is_missing(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        let object = format!("tc of {}", self.at(place, interface));
        Ok(Encoded { object, call: "RTM_NEWQDISC", messages, follow: Vec::new(), removal, otherwise: None })
    }

    /// How each interface of a place sends, of those that do not send plainly. The kernel is asked only if there are such.
    pub(super) fn sending(&mut self, place: &Place, links: &[Link]) -> Result<HashMap<u32, Sending>, EngineError> {
        let is_plain = |link: &Link| NONE.contains(&link.qdisc.as_str()) || link.kind.as_deref() != Some("veth");
        if links.iter().all(is_plain) {
            return Ok(HashMap::new());
        }
        Ok(read(&self.qdiscs(place)?))
    }
}

fn messages(index: u32, from: &Sending, to: &Sending) -> Vec<Vec<u8>> {
    let one = |write: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::new();
        write(&mut writer);
        writer.finish()
    };
    let set = |handle, parent, kind: Kind, how| one(&|writer| qdisc::set(writer, index, handle, parent, &kind, how));
    let alike = from.line.is_some() == to.line.is_some()
        && from.bottleneck.is_some() == to.bottleneck.is_some()
        && from.other.is_none();
    let mut messages = Vec::new();
    if !alike && !from.is_plain() {
        messages.push(one(&|writer| qdisc::remove(writer, index)));
    }
    let how = if alike { Set::Change } else { Set::New };
    if let Some(line) = to.line.filter(|line| !alike || from.line != Some(*line)) {
        messages.push(set(AT_ROOT, ROOT, Kind::Netem(netem(&line)), how));
    }
    if let Some(bottleneck) = to.bottleneck.filter(|bottleneck| !alike || from.bottleneck != Some(*bottleneck)) {
        let (handle, parent) = if to.line.is_some() { (BELOW_ROOT, BELOW) } else { (AT_ROOT, ROOT) };
        messages.push(set(handle, parent, Kind::Tbf(tbf(&bottleneck)), how));
    }
    messages
}

/// By interface; what is not as we make it is somebody else's.
fn read(qdiscs: &[Qdisc]) -> HashMap<u32, Sending> {
    let mut found: HashMap<u32, Sending> = HashMap::new();
    // Number 0 is the kernel's own, which comes by itself.
    for qdisc in qdiscs.iter().filter(|qdisc| qdisc.handle != 0) {
        let sending = found.entry(qdisc.index).or_default();
        match (&qdisc.kind, qdisc.handle, qdisc.parent) {
            (Some(Kind::Netem(netem)), AT_ROOT, ROOT) => sending.line = Some(line(netem)),
            (Some(Kind::Tbf(tbf)), AT_ROOT, ROOT) | (Some(Kind::Tbf(tbf)), BELOW_ROOT, BELOW) => {
                sending.bottleneck = Some(bottleneck(tbf));
            }
            _ => sending.other = Some(qdisc.name.as_str().into()),
        }
    }
    found
}

fn netem(line: &Line) -> Netem {
    let Line { delay, jitter, limit, loss, duplicate, corrupt, reorder } = *line;
    Netem { delay, jitter, limit, loss, duplicate, corrupt, reorder }
}

fn line(netem: &Netem) -> Line {
    let Netem { delay, jitter, limit, loss, duplicate, corrupt, reorder } = *netem;
    Line { delay, jitter, limit, loss, duplicate, corrupt, reorder }
}

fn tbf(bottleneck: &Bottleneck) -> Tbf {
    let Bottleneck { rate, burst, limit } = *bottleneck;
    Tbf { rate, burst, limit }
}

fn bottleneck(tbf: &Tbf) -> Bottleneck {
    let Tbf { rate, burst, limit } = *tbf;
    Bottleneck { rate, burst, limit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::wire::Messages;

    const LINE: Line = Line { delay: 78_125, jitter: 0, limit: 1000, loss: 5, duplicate: 0, corrupt: 0, reorder: 0 };
    const BOTTLENECK: Bottleneck = Bottleneck { rate: 125_000, burst: 3072, limit: 75_700 };

    fn sending(line: Option<Line>, bottleneck: Option<Bottleneck>) -> Sending {
        Sending { line, bottleneck, other: None }
    }

    fn asked(from: &Sending, to: &Sending) -> Vec<(u16, Option<Qdisc>)> {
        let bytes = messages(7, from, to).concat();
        Messages::new(&bytes).map(|message| (message.kind, qdisc::read(&message))).collect()
    }

    #[test]
    fn what_is_asked_for_is_what_is_read() {
        let plain = Sending::default();
        for to in [sending(Some(LINE), None), sending(None, Some(BOTTLENECK)), sending(Some(LINE), Some(BOTTLENECK))] {
            let made: Vec<Qdisc> = asked(&plain, &to).into_iter().filter_map(|(_, qdisc)| qdisc).collect();
            assert_eq!(read(&made), HashMap::from([(7, to)]));
        }
    }

    #[test]
    fn a_change_of_values_removes_nothing_and_names_what_changes() {
        let from = sending(Some(LINE), Some(BOTTLENECK));
        let to = sending(Some(LINE), Some(Bottleneck { rate: 250_000, ..BOTTLENECK }));
        let asked = asked(&from, &to);
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].1.as_ref().map(|qdisc| (qdisc.parent, qdisc.name.as_str())), Some((BELOW, "tbf")));
    }

    #[test]
    fn another_build_begins_at_a_plain_interface() {
        let kinds =
            |from: &Sending, to: &Sending| asked(from, to).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
        let both = sending(Some(LINE), Some(BOTTLENECK));
        assert_eq!(kinds(&sending(None, Some(BOTTLENECK)), &both), [37, 36, 36]);
        assert_eq!(kinds(&both, &Sending::default()), [37]);
        let theirs = Sending { other: Some("htb".into()), ..Sending::default() };
        assert_eq!(kinds(&theirs, &sending(None, Some(BOTTLENECK))), [37, 36]);
        assert!(kinds(&both, &both).is_empty());
    }

    #[test]
    fn what_somebody_else_put_there_is_told_apart() {
        let theirs = Qdisc { index: 3, handle: 0x8001_0000, parent: ROOT, name: "htb".into(), kind: None };
        let own = Qdisc { index: 4, handle: 0, parent: ROOT, name: "noqueue".into(), kind: None };
        let found = read(&[theirs, own]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[&3].other.as_deref(), Some("htb"));
    }
}
