//! One pass over the events of a YAML text: limits, and a flat list from which the value tree is built.
//!
//! Two steps, because an alias must be counted by what it expands to before anything is copied: [`scan`] keeps every event
//! with its place, [`super::grow`] turns them into a [`super::tree::Tree`].

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::codes;
use super::findings::Findings;
use crate::diagnostic::{Diagnostic, Origin, SourceId};

/// How deep maps and lists may stand in each other.
pub const MOST_DEPTH: usize = 32;
/// How many events a topology may have with all its files, aliases counted by what they expand to.
pub const MOST_EVENTS: usize = 2_000_000;

/// One event worth keeping.
#[derive(Debug)]
pub struct Item {
    /// Its bytes.
    pub origin: Origin,
    /// What it is.
    pub kind: ItemKind,
    /// The place after its last content; its own place plus one for a scalar.
    pub end: usize,
}

/// What an item is; contents of lists and maps follow it, maps as key, value, key, value.
#[derive(Debug)]
pub enum ItemKind {
    /// A scalar.
    Scalar {
        /// Its text.
        text: String,
        /// Neither quoted nor a block.
        plain: bool,
    },
    /// A list.
    List,
    /// A map.
    Map,
    /// What stands at that place again.
    Alias(usize),
}

/// Reads the events of one document. `None` if there is nothing to go on with; findings say why.
pub fn scan(source: SourceId, text: &str, findings: &mut Findings) -> Option<Vec<Item>> {
    let mut scanner = Scanner { offsets: Offsets::new(text), text, source, items: Vec::new(), anchors: Vec::new() };
    match scanner.run() {
        Ok(()) => Some(scanner.items),
        Err(diagnostic) => {
            findings.push(*diagnostic);
            None
        }
    }
}

struct Scanner<'t> {
    text: &'t str,
    offsets: Offsets<'t>,
    source: SourceId,
    items: Vec<Item>,
    /// Item of each anchor, by the parser's number.
    anchors: Vec<Option<usize>>,
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), Box<Diagnostic>> {
        let mut open: Vec<usize> = Vec::new();
        let mut documents = 0;
        for event in Parser::new_from_str(self.text) {
            let (event, span) = event.map_err(|error| self.not_yaml(&error))?;
            let origin = self.origin(span);
            if self.items.len() >= MOST_EVENTS {
                return Err(Box::new(too_many_events(origin)));
            }
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Box::new(second_document(origin)));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let plain = style == ScalarStyle::Plain;
                    let kind = ItemKind::Scalar { text: text.into_owned(), plain };
                    self.begin(anchor, origin, kind);
                    self.refuse_tag(tag.is_some(), origin)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse_tag(tag.is_some(), origin)?;
                    open.push(self.begin(anchor, origin, ItemKind::List));
                }
                Event::MappingStart(anchor, tag) => {
                    self.refuse_tag(tag.is_some(), origin)?;
                    open.push(self.begin(anchor, origin, ItemKind::Map));
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(place) = open.pop() {
                        self.finish(place, origin.end);
                    }
                }
                Event::Alias(anchor) => {
                    let target = self.anchors.get(anchor).copied().flatten();
                    // Inside its own anchor an alias has no end to expand to.
                    let target = target.filter(|place| !open.contains(place)).ok_or_else(|| self_alias(origin))?;
                    self.begin(0, origin, ItemKind::Alias(target));
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
            if open.len() > MOST_DEPTH {
                return Err(Box::new(too_deep(origin)));
            }
        }
        Ok(())
    }

    /// Keeps an item and returns its place.
    fn begin(&mut self, anchor: usize, origin: Origin, kind: ItemKind) -> usize {
        let place = self.items.len();
        if anchor > 0 {
            // The parser counts anchors from 1 without gaps.
            self.anchors.resize(anchor + 1, None);
            self.anchors[anchor] = Some(place);
        }
        self.items.push(Item { origin, kind, end: place + 1 });
        place
    }

    /// A list or map ends: what was kept since it began is its content.
    fn finish(&mut self, place: usize, end: u32) {
        let items = self.items.len();
        let Some(item) = self.items.get_mut(place) else { return };
        item.end = items;
        // In block style the end is only seen at the next key, after blank lines.
        let whole = Origin { end: end.max(item.origin.end), ..item.origin };
        item.origin = trimmed(self.text, whole);
    }

    fn refuse_tag(&self, tagged: bool, origin: Origin) -> Result<(), Box<Diagnostic>> {
        if !tagged {
            return Ok(());
        }
        Err(Box::new(
            Diagnostic::error(codes::UNUSED_YAML, "a topology has no tags")
                .at(self.tag_before(origin), "")
                .help("take the `!…` away: the key decides what a value is"),
        ))
    }

    /// The tag that stands before a value, if it is on the same line.
    fn tag_before(&self, origin: Origin) -> Origin {
        let start = usize::try_from(origin.start).unwrap_or(0);
        let before = self.text.get(..start).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let tag = before.get(line..).and_then(|line| line.rfind('!')).map(|at| line + at);
        let Some(tag) = tag else { return origin };
        let length = before.get(tag..).and_then(|tag| tag.find(char::is_whitespace)).unwrap_or(start - tag);
        Origin { start: place(tag), end: place(tag + length), ..origin }
    }

    /// From characters to bytes.
    fn origin(&self, span: Span) -> Origin {
        let start = self.offsets.byte(span.start.index());
        let end = self.offsets.byte(span.end.index()).max(start);
        trimmed(self.text, Origin { source: self.source, start: place(start), end: place(end) })
    }

    fn not_yaml(&self, error: &ScanError) -> Box<Diagnostic> {
        let start = self.offsets.byte(error.marker().index());
        let rest = self.text.get(start..).unwrap_or_default();
        let first = rest.chars().next();
        let word = rest.find(|c: char| c.is_whitespace() || ",]}".contains(c)).unwrap_or(rest.len());
        let length = if first == Some('*') { word } else { first.map_or(0, char::len_utf8) };
        let origin = Origin { source: self.source, start: place(start), end: place(start + length) };
        let info = error.info();
        if info.contains("recursion limit") {
            return Box::new(too_deep(origin));
        }
        if let Some(tab) = self.indenting_tab(start) {
            let origin = Origin { source: self.source, start: place(tab), end: place(tab + 1) };
            return Box::new(
                Diagnostic::error(codes::SYNTAX, "a tab cannot indent")
                    .at(origin, "this is a tab")
                    .help("indent with spaces"),
            );
        }
        let (message, help) = explain(info, self.line_before(start));
        let diagnostic = Diagnostic::error(codes::SYNTAX, message).at(origin, "");
        Box::new(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        })
    }

    /// What stands before `at` on its line.
    fn line_before(&self, at: usize) -> &str {
        let before = self.text.get(..at).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default()
    }

    /// A tab in the white space that begins the line of `at`, or the line before it.
    fn indenting_tab(&self, at: usize) -> Option<usize> {
        let line_start = |end: usize| self.text.get(..end)?.rfind('\n').map_or(Some(0), |line| Some(line + 1));
        let tab = |start: usize| {
            let line = self.text.get(start..)?;
            let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
            line.get(..blank)?.find('\t').map(|tab| start + tab)
        };
        let here = line_start(at)?;
        tab(here).or_else(|| tab(line_start(here.checked_sub(1)?)?))
    }
}

/// A text has at most 16 MiB, so every place fits.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Without the blanks that block values end with.
fn trimmed(text: &str, origin: Origin) -> Origin {
    let range = usize::try_from(origin.start).ok().zip(usize::try_from(origin.end).ok());
    let Some((start, end)) = range else { return origin };
    let blank = text.get(start..end).map_or(0, |text| text.len() - text.trim_end().len());
    Origin { end: place(end - blank), ..origin }
}

/// The parser's words in ours, where they say little to somebody who does not write YAML parsers.
fn explain(info: &str, line_before: &str) -> (String, Option<&'static str>) {
    if info.contains("mapping values are not allowed") && !line_before.contains(':') {
        let message = "this line goes on with the text of the line above, which is no key";
        return (message.to_owned(), Some("end that line with `:`"));
    }
    let known: [(&str, &str, &str); 7] = [
        ("quoted scalar", "this quote is not closed", "put the same quote at the end of the text"),
        (
            "mapping values are not allowed",
            "a second `:` on this line makes it neither a value nor a key",
            "put text that contains `: ` between quotes",
        ),
        (
            "simple key expect",
            "this line is neither `key: value` nor an item of a list",
            "write `key: value`, with a space after the colon",
        ),
        (
            "unknown anchor",
            "this alias names an anchor that does not exist",
            "write `&name` before the value to repeat",
        ),
        (
            "unprintable character",
            "a control character cannot stand in YAML",
            "take it away, or write it as an escape between double quotes",
        ),
        ("end of stream", "the file ends inside a value", "look for a missing bracket or quote above"),
        (
            "did not find expected ',' or",
            "a bracket is not closed, or a comma is missing",
            "look for a missing `,`, `]` or `}`; text that contains `: ` needs quotes",
        ),
    ];
    let found = known.iter().find(|(part, _, _)| info.contains(part));
    found.map_or_else(
        || (format!("not valid YAML: {info}"), None),
        |(_, message, help)| ((*message).to_owned(), Some(*help)),
    )
}

/// The diagnostic for a topology of too many events.
pub fn too_many_events(origin: Origin) -> Diagnostic {
    Diagnostic::error(codes::LIMIT, format!("this is more than {} million YAML events", MOST_EVENTS / 1_000_000))
        .at(origin, "counted up to here")
        .help("an alias counts as what it expands to; use `each` to repeat nodes and links")
}

/// The diagnostic for values that stand too deep in each other.
pub fn too_deep(origin: Origin) -> Diagnostic {
    Diagnostic::error(codes::LIMIT, format!("maps and lists stand more than {MOST_DEPTH} deep in each other"))
        .at(origin, "")
        .help("no topology needs that depth; is a bracket not closed?")
}

fn second_document(origin: Origin) -> Diagnostic {
    Diagnostic::error(codes::UNUSED_YAML, "a file holds one topology, but a second YAML document begins here")
        .at(origin, "")
        .help("make it a file of its own, or take the `---` away")
}

fn self_alias(origin: Origin) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(codes::UNUSED_YAML, "this alias stands inside the value that it repeats").at(origin, ""))
}

/// Byte offsets of characters; a table entry every so many characters, nothing at all for ASCII.
struct Offsets<'t> {
    text: &'t str,
    table: Vec<usize>,
}

impl<'t> Offsets<'t> {
    const STRIDE: usize = 64;

    fn new(text: &'t str) -> Self {
        let offsets = text.char_indices().map(|(at, _)| at).step_by(Self::STRIDE);
        Self { text, table: if text.is_ascii() { Vec::new() } else { offsets.collect() } }
    }

    fn byte(&self, character: usize) -> usize {
        if self.table.is_empty() {
            return character.min(self.text.len());
        }
        let base = self.table.get(character / Self::STRIDE).copied().unwrap_or(self.text.len());
        let rest = self.text.get(base..).unwrap_or_default();
        rest.char_indices().nth(character % Self::STRIDE).map_or(self.text.len(), |(at, _)| base + at)
    }
}
