//! Diagnostics the way rustc prints them, and as JSON.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Origin, Severity, SourceId};
use crate::topology::source::{Source, Sources};

/// For whom the text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Files and pipes: no escape sequences.
    #[default]
    Plain,
    /// Terminals; the writer (anstream) takes the colours out where they are not wanted.
    Colour,
}

/// One diagnostic with its excerpts, ending in a line break.
#[must_use]
pub fn render(diagnostic: &Diagnostic, sources: &Sources, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    };
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&diagnostic.message).id(diagnostic.code));
    for snippet in snippets(diagnostic, sources) {
        group = group.element(snippet);
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    let mut text = renderer.render(&[group]);
    text.push('\n');
    text
}

/// Every diagnostic, one empty line after each.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], sources: &Sources, style: Style) -> String {
    diagnostics.iter().map(|diagnostic| render(diagnostic, sources, style) + "\n").collect()
}

/// `{code, severity, message, help, labels}`; a label has file, line, column (both from 1), its bytes and its text.
#[must_use]
pub fn to_json(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let labels = diagnostic.labels.iter().filter_map(|label| {
        let source = sources.get(label.origin.source)?;
        let position = sources.position(label.origin)?;
        Some(json!({
            "file": source.name,
            "line": position.line,
            "column": position.column,
            "start": label.origin.start,
            "end": label.origin.end,
            "text": label.text,
        }))
    });
    json!({
        "code": diagnostic.code,
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": diagnostic.message,
        "help": diagnostic.help,
        "labels": labels.collect::<Vec<_>>(),
    })
}

/// One excerpt per text, in the order in which the labels name the texts.
fn snippets<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Vec<Snippet<'a, Annotation<'a>>> {
    let mut order: Vec<SourceId> = Vec::new();
    for label in &diagnostic.labels {
        if sources.get(label.origin.source).is_some() && !order.contains(&label.origin.source) {
            order.push(label.origin.source);
        }
    }
    order.into_iter().filter_map(|id| Some(snippet(diagnostic, id, sources.get(id)?))).collect()
}

/// The lines from the first label to the last one; the renderer would otherwise split the whole text, every time.
fn snippet<'a>(diagnostic: &'a Diagnostic, id: SourceId, source: &'a Source) -> Snippet<'a, Annotation<'a>> {
    let labels = || diagnostic.labels.iter().enumerate().filter(move |(_, label)| label.origin.source == id);
    let spans = || labels().map(|(_, label)| first_line(source, label.origin));
    let start = spans().map(|span| source.line(span.start).start).min().unwrap_or(0);
    let end = spans().map(|span| source.line(span.start).end).max().unwrap_or(0);
    let first = source.text.get(..start).map_or(0, |before| before.bytes().filter(|b| *b == b'\n').count());

    let annotations = labels().zip(spans()).map(|((place, label), span)| {
        let kind = if place == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let text = (!label.text.is_empty()).then_some(label.text.as_str());
        kind.span(span.start - start..span.end - start).label(text)
    });
    Snippet::source(source.text.get(start..end).unwrap_or_default())
        .line_start(first + 1)
        .path(source.name.as_str())
        .annotations(annotations)
}

/// The bytes to underline: what is meant, as far as it is on its first line.
fn first_line(source: &Source, origin: Origin) -> Range<usize> {
    let bound = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX).min(source.text.len());
    let (start, end) = (bound(origin.start), bound(origin.end));
    let line = source.line(start);
    let start = start.clamp(line.start, line.end);
    start..end.clamp(start, line.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> (Sources, Origin, Origin) {
        let mut sources = Sources::default();
        let main = sources.add("lab.yaml", "version: 1\nmtu: 70\nname: zwölf\n");
        let other = sources.add("base.yaml", "mtu: 1500\n");
        (sources, Origin { source: main, start: 16, end: 18 }, Origin { source: other, start: 0, end: 9 })
    }

    #[test]
    fn the_caret_is_under_the_value() {
        let (sources, mtu, base) = sources();
        let diagnostic =
            Diagnostic::error("T012", "`70` is not an MTU").at(mtu, "").at(base, "replaces this").help("ask");
        insta::assert_snapshot!(render(&diagnostic, &sources, Style::Plain), @r"
        error[T012]: `70` is not an MTU
         --> lab.yaml:2:6
          |
        2 | mtu: 70
          |      ^^
          |
         ::: base.yaml:1:1
          |
        1 | mtu: 1500
          | --------- replaces this
          |
          = help: ask
        ");
        assert!(render(&diagnostic, &sources, Style::Colour).contains("\u{1b}["));
    }

    #[test]
    fn json_has_every_place() {
        let (sources, mtu, _) = sources();
        let json = to_json(&Diagnostic::warning("M001", "small").at(mtu, "here").at(Origin::NOWHERE, ""), &sources);
        assert_eq!(json["labels"].as_array().unwrap().len(), 1);
        assert_eq!((&json["labels"][0]["line"], &json["labels"][0]["column"]), (&json!(2), &json!(6)));
        assert_eq!(json["severity"], "warning");
    }

    #[test]
    fn odd_places_are_survived() {
        let (sources, mtu, _) = sources();
        for (start, end) in [(0, 0), (31, 31), (500, 900), (11, 400), (29, 12), (24, 25)] {
            let text =
                render(&Diagnostic::error("T000", "odd").at(Origin { start, end, ..mtu }, ""), &sources, Style::Plain);
            assert!(text.contains("lab.yaml"), "{text}");
        }
        let mut empty = Sources::default();
        let source = empty.add("empty.yaml", "");
        let text = render(
            &Diagnostic::error("T003", "empty").at(Origin { source, start: 0, end: 0 }, ""),
            &empty,
            Style::Plain,
        );
        assert!(text.contains("empty.yaml:1:1"), "{text}");
    }
}
