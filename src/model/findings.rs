//! Collects diagnostics: every kind of mistake is told, one mistake made ten thousand times is not told ten thousand times.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Origin, Severity, suggest};

/// How many of one kind at one place are told: rows of one `each` share their place.
const PER_PLACE: usize = 3;
/// How many of one kind are told.
const PER_KIND: usize = 50;

/// For how many mistakes the nearest name is looked for: each look compares with every name.
const SUGGESTIONS: usize = 20;

/// Kind, severity and, for a count of one place, the place.
type Kind = (&'static str, Severity, Option<Origin>);

/// The two places of a conflict, the later one in the file first: it is the one that is too much.
pub(super) fn later_first(a: Origin, b: Origin) -> (Origin, Origin) {
    if a > b { (a, b) } else { (b, a) }
}

/// Diagnostics on their way to the caller.
#[derive(Debug, Default)]
pub(super) struct Findings {
    told: Vec<Diagnostic>,
    counts: BTreeMap<Kind, usize>,
    errors: usize,
    looks: usize,
}

impl Findings {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.is_error());
        // Rows of an `each` often make the very same mistake.
        if self.told.iter().rev().take(PER_PLACE).any(|told| *told == diagnostic) {
            return;
        }
        let (code, severity) = (diagnostic.code, diagnostic.severity);
        let place = place(&diagnostic);
        let at_place = match place.is_somewhere() {
            true => increase(&mut self.counts, (code, severity, Some(place))),
            false => 0,
        };
        if at_place < PER_PLACE && increase(&mut self.counts, (code, severity, None)) < PER_KIND {
            self.told.push(diagnostic);
        }
    }

    /// How many errors there were so far, told or not.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// `did you mean …?` for the candidate nearest to `name`, if one is near.
    pub(super) fn nearest<'a>(&mut self, name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
        self.looks += 1;
        if self.looks > SUGGESTIONS {
            return None;
        }
        suggest::meant(name, candidates)
    }

    /// Everything in the order of the texts, with a line for what was left out.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        for ((code, severity, place), count) in std::mem::take(&mut self.counts) {
            let (limit, of_what) = match place {
                Some(_) => (PER_PLACE, "from the same place"),
                None => (PER_KIND, "of the same kind"),
            };
            let Some(more) = count.checked_sub(limit).filter(|more| *more > 0) else { continue };
            let rest = Diagnostic { severity, ..Diagnostic::error(code, format!("and {more} more {of_what}")) };
            self.told.push(match place {
                Some(origin) => rest.at(origin, ""),
                None => rest,
            });
        }
        // Stable: what was left out comes after what was told at its place.
        self.told.sort_by_key(|diagnostic| (place(diagnostic), diagnostic.code));
        self.told
    }
}

fn place(diagnostic: &Diagnostic) -> Origin {
    diagnostic.labels.first().map_or(Origin::NOWHERE, |label| label.origin)
}

/// Counts one more and returns how many there were before.
fn increase(counts: &mut BTreeMap<Kind, usize>, kind: Kind) -> usize {
    let count = counts.entry(kind).or_default();
    *count += 1;
    *count - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceId;

    #[test]
    fn a_mistake_of_a_template_is_told_three_times() {
        let origin = Origin { source: SourceId(0), start: 5, end: 9 };
        let mut findings = Findings::default();
        for n in 0..1000 {
            findings.push(Diagnostic::error("M001", format!("{n}")).at(origin, ""));
        }
        findings.push(Diagnostic::warning("M001", "other"));
        assert_eq!(findings.errors(), 1000);
        let messages: Vec<String> = findings.finish().into_iter().map(|d| d.message).collect();
        assert_eq!(messages, ["0", "1", "2", "and 997 more from the same place", "other"]);
    }

    #[test]
    fn the_nearest_name_is_suggested_if_near() {
        let names = ["core1", "core10", "edge"];
        let mut findings = Findings::default();
        assert_eq!(findings.nearest("coer1", names.into_iter()).as_deref(), Some("did you mean `core1`?"));
        assert_eq!(findings.nearest("printer", names.into_iter()), None);
    }
}
