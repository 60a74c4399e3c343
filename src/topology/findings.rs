//! The list of what is wrong: without repetitions, of bounded length, in the order of the texts.

use std::collections::{BTreeMap, BTreeSet};

use super::codes;
use crate::diagnostic::{Diagnostic, Label, Origin};

/// More than this is not read by anybody.
const MOST: usize = 100;

/// The longest message, in bytes.
const LONGEST: usize = 400;

/// Diagnostics on their way to the user.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Diagnostic>,
    seen: BTreeSet<(&'static str, Origin, String)>,
    /// Where values that are used somewhere are written.
    written: BTreeMap<Origin, Origin>,
    left_off: usize,
    errors: usize,
}

impl Findings {
    /// Adds a finding; the same code at the same place (a template met again for its next row) is one finding.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.is_error());
        shorten(&mut diagnostic.message);
        if let Some(label) = diagnostic.labels.first() {
            // One map may lack several keys; all else that differs at one place differs by the row.
            let lacks = diagnostic.code == codes::MISSING_KEY;
            let which = if lacks { diagnostic.message.clone() } else { String::new() };
            if !self.seen.insert((diagnostic.code, label.origin, which)) {
                return;
            }
        }
        diagnostic.help.iter_mut().for_each(shorten);
        if self.list.len() < MOST {
            self.list.push(diagnostic);
        } else {
            self.left_off += 1;
        }
    }

    /// How many errors there were, repetitions included.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// The value at `used` has the value at `written` in it, through a variable.
    pub fn came_from(&mut self, used: Origin, written: Origin) {
        self.written.entry(used).or_insert(written);
    }

    /// The list, in the order of the texts.
    #[must_use]
    pub fn finish(mut self) -> Vec<Diagnostic> {
        // What is missing may stand in YAML that was refused.
        if self.list.iter().any(|diagnostic| diagnostic.code == codes::UNUSED_YAML) {
            self.list.retain(|diagnostic| diagnostic.code != codes::MISSING_KEY);
        }
        for diagnostic in &mut self.list {
            let written = diagnostic.labels.first().and_then(|label| self.written.get(&label.origin));
            if let Some(written) = written.filter(|_| diagnostic.code != codes::VARIABLE) {
                diagnostic.labels.push(Label { origin: *written, text: "the value comes from here".into() });
            }
        }
        self.list.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.origin));
        if self.left_off > 0 {
            let message = format!("{} more findings are not shown", self.left_off);
            self.list.push(Diagnostic::error(codes::MORE, message));
        }
        self.list
    }
}

/// A message may hold a name from the file, and a name of the file may have megabytes.
fn shorten(text: &mut String) {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceId;

    #[test]
    fn repetitions_are_one_finding_and_the_list_is_sorted_and_short() {
        let mut findings = Findings::default();
        let at = |start| Origin { source: SourceId(0), start, end: start + 1 };
        for start in (0..300).rev() {
            findings.push(Diagnostic::error(codes::BAD_VALUE, "bad").at(at(start % 150), ""));
        }
        assert_eq!(findings.errors(), 300);
        let list = findings.finish();
        assert_eq!(list.len(), MOST + 1);
        assert!(list[0].labels[0].origin < list[1].labels[0].origin);
        assert_eq!(list[MOST].message, "50 more findings are not shown");
    }

    #[test]
    fn one_place_may_lack_two_keys() {
        let mut findings = Findings::default();
        let at = Origin { source: SourceId(0), start: 0, end: 1 };
        for message in ["`name` is missing", "`topology` is missing", "`name` is missing"] {
            findings.push(Diagnostic::error(codes::MISSING_KEY, message).at(at, ""));
        }
        assert_eq!(findings.finish().len(), 2);
    }

    #[test]
    fn a_message_does_not_grow_with_the_file() {
        let mut findings = Findings::default();
        findings.push(Diagnostic::error(codes::BAD_NAME, "ä".repeat(1_000_000)));
        assert!(findings.finish()[0].message.len() <= LONGEST + '…'.len_utf8());
    }
}
