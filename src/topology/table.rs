//! CSV files as rows of an `each`: RFC 4180, UTF-8, with a header row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::codes;
use super::session::Session;
use crate::diagnostic::{Diagnostic, Origin, SourceId};

/// A CSV file.
#[derive(Debug)]
pub struct Table {
    /// As diagnostics call it.
    pub name: String,
    header: StringRecord,
    /// The place of each column.
    places: BTreeMap<String, usize>,
    source: SourceId,
    records: Vec<StringRecord>,
}

impl Table {
    /// Reads a CSV file that the value at `named` names; findings say why if there is none.
    pub fn read(path: &Path, named: Origin, most_rows: usize, session: &mut Session<'_>) -> Option<Self> {
        let source = session.read(path, Some(named))?;
        let text = session.sources.get(source)?.text.as_str();
        match parse(text, source, most_rows) {
            Ok((header, records)) => {
                let places = header.iter().enumerate().map(|(place, name)| (name.to_owned(), place)).collect();
                Some(Self { name: path.display().to_string(), header, places, source, records })
            }
            Err(diagnostic) => {
                session.findings.push(*diagnostic);
                None
            }
        }
    }

    /// How many rows follow the header.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The names of the columns, in their order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.header.iter()
    }

    /// One field of a row.
    #[must_use]
    pub fn field(&self, row: usize, column: &str) -> Option<&str> {
        self.records.get(row)?.get(*self.places.get(column)?)
    }

    /// Where a row is written.
    #[must_use]
    pub fn origin(&self, row: usize) -> Option<Origin> {
        let record = self.records.get(row)?;
        Some(place(self.source, record))
    }
}

fn parse(text: &str, source: SourceId, most_rows: usize) -> Result<(StringRecord, Vec<StringRecord>), Box<Diagnostic>> {
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let start = Origin { source, start: 0, end: 0 };
    let header = reader.headers().map_err(|error| refused(&error, text, start))?.clone();
    if header.iter().all(str::is_empty) {
        let help = "the first line names the columns, such as `name,ipv4`";
        return Err(Box::new(Diagnostic::error(codes::CSV, "the CSV file has no header row").at(start, "").help(help)));
    }
    let mut names = BTreeSet::new();
    for name in &header {
        if !names.insert(name) {
            let message = format!("the column `{name}` stands twice in the header row");
            return Err(Box::new(Diagnostic::error(codes::CSV, message).at(start, "")));
        }
    }
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| refused(&error, text, start))?;
        if records.len() >= most_rows {
            return Err(Box::new(super::each::too_many_rows(place(source, &record))));
        }
        records.push(record);
    }
    Ok((header, records))
}

fn refused(error: &csv::Error, text: &str, start: Origin) -> Box<Diagnostic> {
    let at = error.position().and_then(|position| u32::try_from(position.byte()).ok());
    let origin = at.map_or(start, |at| {
        let rest = usize::try_from(at).ok().and_then(|at| text.get(at..)).unwrap_or_default();
        let line = rest.lines().next().map_or(0, str::len);
        Origin { start: at, end: at.saturating_add(u32::try_from(line).unwrap_or(0)), ..start }
    });
    let message = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the header row names {expected_len} columns, but this row has {len}")
        }
        _ => format!("not CSV: {error}"),
    };
    let help = "put a field that contains a comma between double quotes";
    Box::new(Diagnostic::error(codes::CSV, message).at(origin, "").help(help))
}

fn place(source: SourceId, record: &StringRecord) -> Origin {
    let start = record.position().and_then(|position| u32::try_from(position.byte()).ok()).unwrap_or(0);
    let length: usize = record.iter().map(|field| field.len() + 1).sum();
    let length = u32::try_from(length.saturating_sub(1)).unwrap_or(0);
    Origin { source, start, end: start.saturating_add(length) }
}
