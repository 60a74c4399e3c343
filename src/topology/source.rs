//! Source texts and the way from a byte to its line and column.

use std::ops::Range;

use crate::diagnostic::{Origin, SourceId};

/// Every text that was read, by [`SourceId`].
#[derive(Clone, Debug, Default)]
pub struct Sources {
    texts: Vec<Source>,
}

/// One text.
#[derive(Clone, Debug)]
pub struct Source {
    /// How the user would call it: a path as given, or `<stdin>`.
    pub name: String,
    /// The whole text.
    pub text: String,
    line_starts: Vec<u32>,
}

impl Source {
    /// The bytes of the line that `offset` is on, without the end of line.
    #[must_use]
    pub fn line(&self, offset: usize) -> Range<usize> {
        let next = self.line_starts.partition_point(|start| usize::try_from(*start).is_ok_and(|start| start <= offset));
        let at = |line: usize| self.line_starts.get(line).and_then(|start| usize::try_from(*start).ok());
        let start = at(next.saturating_sub(1)).unwrap_or(0);
        let end = at(next).unwrap_or(self.text.len());
        let text = self.text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r']);
        start..start + text.len()
    }
}

/// A place as people write it: both count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Sources {
    /// Adds a text.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        let text = text.into();
        let starts =
            text.bytes().enumerate().filter(|(_, b)| *b == b'\n').filter_map(|(i, _)| u32::try_from(i + 1).ok());
        let line_starts = std::iter::once(0).chain(starts).collect();
        self.texts.push(Source { name: name.into(), text, line_starts });
        SourceId(u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX))
    }

    /// The text an origin points into; `None` for [`Origin::NOWHERE`].
    #[must_use]
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.texts.get(usize::try_from(id.0).ok()?)
    }

    /// Line and column of the first byte of `origin`.
    #[must_use]
    pub fn position(&self, origin: Origin) -> Option<Position> {
        let source = self.get(origin.source)?;
        let line = source.line_starts.partition_point(|start| *start <= origin.start).max(1);
        let start = usize::try_from(source.line_starts[line - 1]).ok()?;
        let end = usize::try_from(origin.start).ok()?.min(source.text.len());
        let column = source.text.get(start..end).map_or(end - start, |text| text.chars().count());
        Some(Position { line: u32::try_from(line).ok()?, column: u32::try_from(column + 1).ok()? })
    }

    /// The text of an origin; empty for [`Origin::NOWHERE`].
    #[must_use]
    pub fn slice(&self, origin: Origin) -> &str {
        let bytes = usize::try_from(origin.start).ok().zip(usize::try_from(origin.end).ok());
        let text = self.get(origin.source).zip(bytes).and_then(|(source, (start, end))| source.text.get(start..end));
        text.unwrap_or_default()
    }

    /// The origin of the first `part` inside `origin`, or `origin` itself if its text does not hold `part` as written.
    #[must_use]
    pub fn part(&self, origin: Origin, part: &str) -> Origin {
        let found = self.slice(origin).find(part).filter(|_| !part.is_empty());
        let at = found.and_then(|at| Some((u32::try_from(at).ok()?, u32::try_from(part.len()).ok()?)));
        match at {
            Some((at, length)) => Origin { start: origin.start + at, end: origin.start + at + length, ..origin },
            None => origin,
        }
    }

    /// `file:line:column`, or `-` for a value that no text holds.
    #[must_use]
    pub fn describe(&self, origin: Origin) -> String {
        match (self.get(origin.source), self.position(origin)) {
            (Some(source), Some(at)) => format!("{}:{}:{}", source.name, at.line, at.column),
            _ => "-".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(source: SourceId, start: u32, end: u32) -> Origin {
        Origin { source, start, end }
    }

    #[test]
    fn columns_count_characters_and_lines_end_before_their_break() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "eins: zwölf\r\nzwei: \"x:y\"\n");
        assert_eq!(sources.describe(origin(id, 10, 11)), "a.yaml:1:10");
        assert_eq!(sources.describe(origin(id, 20, 25)), "a.yaml:2:7");
        assert_eq!(sources.describe(Origin::NOWHERE), "-");
        let source = sources.get(id).unwrap();
        assert_eq!(source.line(3), 0..12);
        assert_eq!(source.line(14), 14..25);
        assert_eq!(source.line(26), 26..26);
        assert_eq!(source.line(999), 26..26);
    }

    #[test]
    fn a_part_is_found_where_it_is_written() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "- \"r1:wan0\"");
        let whole = origin(id, 2, 11);
        assert_eq!(sources.slice(whole), "\"r1:wan0\"");
        assert_eq!(sources.slice(sources.part(whole, "wan0")), "wan0");
        assert_eq!(sources.part(whole, "lan0"), whole);
        assert_eq!(sources.part(whole, ""), whole);
        assert_eq!(sources.slice(Origin::NOWHERE), "");
    }
}
