//! Source texts and the way from a byte to its line and column.

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

    /// `file:line:column`, or `-` for a value that no text holds.
    #[must_use]
    pub fn describe(&self, origin: Origin) -> String {
        match (self.get(origin.source), self.position(origin)) {
            (Some(source), Some(at)) => format!("{}:{}:{}", source.name, at.line, at.column),
            _ => "-".to_owned(),
        }
    }
}
