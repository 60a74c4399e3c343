//! From the events of [`super::index`] to the value tree: keys, aliases, what a topology leaves out.

use std::collections::BTreeMap;

use super::codes;
use super::findings::Findings;
use super::index::{self, Item, ItemKind, MOST_DEPTH, MOST_EVENTS};
use super::tree::{Entry, Scalar, Shape, Tree, is_null};
use crate::diagnostic::{At, Diagnostic, Origin};

/// All text of a topology with what aliases repeat, in bytes: an alias may repeat a long text very often.
const MOST_TEXT: usize = 128 << 20;

/// What is left of the limits of a topology.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    events: usize,
    text: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { events: MOST_EVENTS, text: MOST_TEXT }
    }
}

impl Budget {
    fn spend(&mut self, events: usize, bytes: usize) -> bool {
        let left = self.events.checked_sub(events).zip(self.text.checked_sub(bytes));
        if let Some((events, text)) = left {
            *self = Self { events, text };
        }
        left.is_some()
    }
}

/// Maps up to this size are searched key by key for duplicates.
const SMALL: usize = 16;

/// Builds the tree of a document and takes its events from `budget`, and their texts unless some of them are repeated. Keys beginning
/// with `x-` are left out with their values.
///
/// `None` if the text is empty or a limit is passed; findings say why, and name every duplicate or odd key.
pub fn grow(items: &mut [Item], budget: &mut Budget, findings: &mut Findings) -> Option<Tree> {
    let repeats = items.iter().any(|item| matches!(item.kind, ItemKind::Alias(_)));
    let mut grower = Grower { items, repeats, budget, findings, alias: None, over: false };
    let tree = grower.value(0, 0)?;
    (!grower.over).then_some(tree)
}

struct Grower<'a> {
    items: &'a mut [Item],
    /// Some of the items stand in the tree more than once: their texts are copied. Else each is moved there.
    repeats: bool,
    budget: &'a mut Budget,
    findings: &'a mut Findings,
    /// The outermost alias that is being expanded: what is to blame for a limit.
    alias: Option<Origin>,
    /// A limit was passed; nothing more is built.
    over: bool,
}

impl Grower<'_> {
    fn value(&mut self, place: usize, depth: usize) -> Option<Tree> {
        let item = self.items.get(place)?;
        let origin = item.origin;
        // A list or map is two events, as in the text.
        let (cost, bytes) = match &item.kind {
            ItemKind::Scalar { text, .. } => (1, text.len()),
            ItemKind::Alias(_) => (0, 0),
            ItemKind::List | ItemKind::Map => (2, 0),
        };
        if self.over || !self.budget.spend(cost, bytes) {
            return self.stop(self.too_much(bytes, origin));
        }
        let shape = match item.kind {
            ItemKind::Alias(target) => {
                let outer = self.alias;
                self.alias = outer.or(Some(origin));
                let value = self.value(target, depth);
                self.alias = outer;
                return value;
            }
            ItemKind::Scalar { plain, .. } => Shape::Scalar(Scalar { text: self.text(place), plain }),
            _ if depth >= MOST_DEPTH => return self.stop(index::too_deep(self.alias.unwrap_or(origin))),
            ItemKind::List => Shape::List(self.list(place, depth + 1)),
            ItemKind::Map => Shape::Map(self.map(place, depth + 1)),
        };
        Some(Tree { origin, shape })
    }

    /// The text of a scalar.
    fn text(&mut self, place: usize) -> String {
        match self.items.get_mut(place).map(|item| &mut item.kind) {
            Some(ItemKind::Scalar { text, .. }) if self.repeats => text.clone(),
            Some(ItemKind::Scalar { text, .. }) => std::mem::take(text),
            _ => String::new(),
        }
    }

    /// The finding for a value of so many bytes that did not fit into the budget.
    fn too_much(&self, bytes: usize, origin: Origin) -> Diagnostic {
        let origin = self.alias.unwrap_or(origin);
        if bytes <= self.budget.text {
            return index::too_many_events(origin);
        }
        let message = format!("aliases repeat more than {} MiB of text", MOST_TEXT >> 20);
        Diagnostic::error(codes::LIMIT, message).at(origin, "counted up to here")
    }

    fn stop(&mut self, diagnostic: Diagnostic) -> Option<Tree> {
        if !self.over {
            self.findings.push(diagnostic);
        }
        self.over = true;
        None
    }

    fn list(&mut self, place: usize, depth: usize) -> Vec<Tree> {
        let (mut next, end) = (place + 1, self.end(place));
        let mut list = Vec::new();
        while next < end && !self.over {
            list.extend(self.value(next, depth));
            next = self.end(next);
        }
        list
    }

    fn map(&mut self, place: usize, depth: usize) -> Vec<Entry> {
        let (mut next, end) = (place + 1, self.end(place));
        let mut map = Vec::new();
        let mut seen = Seen::default();
        while next < end && !self.over {
            let (key, value) = (next, self.end(next));
            next = self.end(value);
            let Some(key) = self.key(key) else { continue };
            if key.value.starts_with("x-") {
                continue;
            }
            if let Some(first) = seen.insert(&key, &map) {
                self.findings.push(duplicate(&key, first));
                continue;
            }
            if let Some(value) = self.value(value, depth) {
                map.push(Entry { key, value });
            }
        }
        map
    }

    /// The text of a key, or a finding.
    fn key(&mut self, mut place: usize) -> Option<At<String>> {
        let mut item = self.items.get(place)?;
        let origin = item.origin;
        if let ItemKind::Alias(target) = item.kind {
            place = target;
            item = self.items.get(place)?;
        }
        let bytes = if let ItemKind::Scalar { text, .. } = &item.kind { text.len() } else { 0 };
        if !self.budget.spend(1, bytes) {
            self.stop(self.too_much(bytes, origin));
            return None;
        }
        match &item.kind {
            ItemKind::Scalar { text, plain: true } if text == "<<" => {
                let message = "merge keys (`<<`) are not used in topologies";
                let help = "put what nodes share under `topology: kinds:` or `groups:`";
                self.findings.push(Diagnostic::error(codes::UNUSED_YAML, message).at(origin, "").help(help));
                None
            }
            ItemKind::Scalar { text, plain: true } if is_null(text) => {
                self.findings.push(Diagnostic::error(codes::UNUSED_YAML, "a key is missing here").at(origin, ""));
                None
            }
            ItemKind::Scalar { .. } => Some(At::new(self.text(place), origin)),
            _ => {
                let message = "a key must be text, not a list or map";
                let help = "a value such as `{{ x }}` or `[a]: …` must stand between quotes";
                self.findings.push(Diagnostic::error(codes::UNUSED_YAML, message).at(origin, "").help(help));
                None
            }
        }
    }

    /// The place after an item and its contents.
    fn end(&self, place: usize) -> usize {
        self.items.get(place).map_or(usize::MAX, |item| item.end)
    }
}

/// The diagnostic for a key that stands twice in a map.
pub fn duplicate(key: &At<String>, first: Origin) -> Diagnostic {
    Diagnostic::error(codes::DUPLICATE, format!("the key `{}` stands twice in this map", key.value))
        .at(key.origin, "again here")
        .at(first, "first here")
        .help("keep one of them; the other would be lost")
}

/// The keys of one map: a search while it is small, a table from then on.
#[derive(Debug, Default)]
pub struct Seen {
    table: BTreeMap<String, Origin>,
}

impl Seen {
    /// Remembers a key; if `map` or the table has it already, where it stood first.
    pub fn insert(&mut self, key: &At<String>, map: &[Entry]) -> Option<Origin> {
        if map.len() < SMALL {
            return map.iter().find(|entry| entry.key.value == key.value).map(|entry| entry.key.origin);
        }
        if self.table.is_empty() {
            self.table = map.iter().map(|entry| (entry.key.value.clone(), entry.key.origin)).collect();
        }
        match self.table.get(&key.value) {
            Some(first) => Some(*first),
            None => {
                self.table.insert(key.value.clone(), key.origin);
                None
            }
        }
    }
}
