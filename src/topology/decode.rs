//! From a value tree to a type of [`super::file`], with every error at the value it is about.
//!
//! What is right is read where it stands. Only of what is not a copy is made: serde stops at the first error, so the value that caused
//! it is taken out and decoding starts again, and one wrong key of a node does not hide another one.

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use serde_yaml::{Mapping, Value};

use super::choice::NOT_YET;
use super::codes;
use super::each::Note;
use super::findings::Findings;
use super::plainly;
use super::tree::{Shape, Tree};
use crate::diagnostic::{Diagnostic, Origin, suggest};

/// Keys of later versions: in no place are they a typing error.
const LATER_KEYS: [&str; 13] =
    ["events", "external", "gif", "gre", "ipfw", "nat", "netgraph", "pf", "phys", "tap", "vlan", "vxlan", "wlan"];
/// Wrong values of one node or link that are told apart.
const MOST_TRIES: usize = 20;

/// Decodes a tree; errors go to the findings. `None` if what is right in it is not enough for a value.
pub fn decode<T: DeserializeOwned>(tree: &Tree, row: Option<&Note>, findings: &mut Findings) -> Option<T> {
    plainly::read(tree).or_else(|| decode_stepwise(tree, row, findings))
}

/// The same for a tree in which something may be wrong.
pub(super) fn decode_stepwise<T: DeserializeOwned>(
    tree: &Tree,
    row: Option<&Note>,
    findings: &mut Findings,
) -> Option<T> {
    let mut value = to_value(tree);
    let mut taken_out: Vec<String> = Vec::new();
    for _ in 0..MOST_TRIES {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(decoded) => return Some(decoded),
            Err(error) => error,
        };
        let wrong = Wrong::new(tree, error.path(), &error.inner().to_string());
        // A key that is missing because its value was wrong is no second error.
        let consequence = taken_out.contains(&wrong.steps)
            || wrong.instead.as_ref().is_some_and(|instead| taken_out.contains(instead));
        if !consequence {
            findings.push(with_row(wrong.diagnostic, row));
        }
        taken_out.extend(wrong.meant);
        taken_out.push(take_out(&mut value, error.path(), wrong.key.as_deref())?);
    }
    None
}

/// Adds the row that a template was filled from.
pub fn with_row(diagnostic: Diagnostic, row: Option<&Note>) -> Diagnostic {
    match row {
        Some(note) => diagnostic.at(note.origin, note.text.clone()),
        None => diagnostic,
    }
}

/// Every scalar as text, so that only the wanted type says what it means; nothing stays nothing.
fn to_value(tree: &Tree) -> Value {
    match &tree.shape {
        Shape::Scalar(_) if tree.is_null() => Value::Null,
        Shape::Scalar(scalar) => Value::String(scalar.text.clone()),
        Shape::List(items) => Value::Sequence(items.iter().map(to_value).collect()),
        Shape::Map(entries) => {
            let pair = |entry: &super::tree::Entry| (Value::String(entry.key.value.clone()), to_value(&entry.value));
            Value::Mapping(entries.iter().map(pair).collect::<Mapping>())
        }
    }
}

/// One error, understood.
struct Wrong {
    diagnostic: Diagnostic,
    /// The path of the wrong value, or of the missing one.
    steps: String,
    /// An unknown key, which the path may or may not end in.
    key: Option<String>,
    /// The path of the key that could stand in the place of a missing one.
    instead: Option<String>,
    /// The path of the key that was probably meant by an unknown one: it is not missing.
    meant: Option<String>,
}

impl Wrong {
    fn new(tree: &Tree, path: &Path, message: &str) -> Self {
        let (place, key_origin) = follow(tree, path);
        let steps = steps(path, None);
        if let Some((key, known)) = quoted_after(message, "unknown field ") {
            let holder = if place.entry(key).is_some() { place } else { parent(tree, path) };
            let origin = holder.entry(key).map_or(place.origin, |entry| entry.key.origin);
            let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
            let around = steps.strip_suffix(&format!("/{key}")).unwrap_or(&steps);
            let meant = suggest::nearest(key, known.iter().copied()).map(|meant| format!("{around}/{meant}"));
            return Self {
                diagnostic: unknown_key(key, &known, origin),
                steps,
                key: Some(key.to_owned()),
                instead: None,
                meant,
            };
        }
        if let Some((key, rest)) = quoted_after(message, "missing field ") {
            let other = quoted_after(rest, " or ").map(|(other, _)| other);
            let what = other.map_or_else(|| format!("`{key}`"), |other| format!("`{key}` or `{other}`"));
            let diagnostic =
                Diagnostic::error(codes::MISSING_KEY, format!("{what} is missing here")).at(place.origin, "");
            let instead = other.map(|other| self::steps(path, Some(other)));
            return Self { diagnostic, steps: self::steps(path, Some(key)), key: None, instead, meant: None };
        }
        let origin = if place.is_null() { key_origin } else { place.origin };
        let diagnostic = match message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected ")) {
            Some((_, wanted)) => {
                let wanted = wanted.strip_prefix("struct ").map_or(wanted, |_| "a map");
                let wanted = if wanted == "a sequence" { "a list" } else { wanted };
                let message = format!("expected {wanted}, found {}", place.describe());
                Diagnostic::error(codes::WRONG_TYPE, message).at(origin, "")
            }
            None => bad_value(message, origin),
        };
        Self { diagnostic, steps, key: None, instead: None, meant: None }
    }
}

fn unknown_key(key: &str, known: &[&str], origin: Origin) -> Diagnostic {
    if LATER_KEYS.contains(&key) {
        return not_yet(format!("`{key}` {NOT_YET}"), origin);
    }
    let diagnostic = Diagnostic::error(codes::UNKNOWN_KEY, format!("there is no key `{key}` here")).at(origin, "");
    match suggest::help(key, known.iter().copied()) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// The message is that of [`super::leaf::Written::read`]; what follows its `;` is advice.
fn bad_value(message: &str, origin: Origin) -> Diagnostic {
    if message.ends_with(NOT_YET) {
        return not_yet(message.to_owned(), origin);
    }
    match message.split_once("; ") {
        Some((message, help)) => Diagnostic::error(codes::BAD_VALUE, message).at(origin, "").help(help),
        None => Diagnostic::error(codes::BAD_VALUE, message).at(origin, ""),
    }
}

/// The diagnostic for what format 1 plans for.
pub fn not_yet(message: String, origin: Origin) -> Diagnostic {
    let help = "this version of cellblock would have to leave it out, and does not do so silently";
    Diagnostic::error(codes::NOT_YET, message).at(origin, "").help(help)
}

/// `` `key` `` and what follows it, in serde's messages.
fn quoted_after<'m>(message: &'m str, start: &str) -> Option<(&'m str, &'m str)> {
    message.strip_prefix(start)?.strip_prefix('`')?.split_once('`')
}

/// The value a path leads to, as far as it goes, and the key it has.
fn follow<'t>(tree: &'t Tree, path: &Path) -> (&'t Tree, Origin) {
    let mut here = (tree, tree.origin);
    for segment in path {
        let next = match segment {
            Segment::Map { key } => here.0.entry(key).map(|entry| (&entry.value, entry.key.origin)),
            Segment::Seq { index } => here.0.items().get(*index).map(|item| (item, item.origin)),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    here
}

/// The map around the value a path leads to.
fn parent<'t>(tree: &'t Tree, path: &Path) -> &'t Tree {
    let mut here = tree;
    let mut before = tree;
    for segment in path {
        let next = match segment {
            Segment::Map { key } => here.get(key),
            Segment::Seq { index } => here.items().get(*index),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        before = here;
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    before
}

fn steps(path: &Path, key: Option<&str>) -> String {
    let mut steps = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } => steps.push_str(&format!("/{key}")),
            Segment::Seq { index } => steps.push_str(&format!("/{index}")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    if let Some(key) = key {
        steps.push_str(&format!("/{key}"));
    }
    steps
}

/// Removes the innermost map entry on the way to a wrong value and says which; `None` if there is none.
fn take_out(value: &mut Value, path: &Path, unknown: Option<&str>) -> Option<String> {
    let mut keys: Vec<_> = path.iter().filter(|s| matches!(s, Segment::Map { .. } | Segment::Seq { .. })).collect();
    // Items of lists stay, or their places would be wrong from here on.
    while let Some(Segment::Seq { .. }) = keys.last() {
        if unknown.is_some() {
            break;
        }
        keys.pop();
    }
    let last = match (keys.last(), unknown) {
        (Some(Segment::Map { key }), Some(unknown)) if key == unknown => {
            keys.pop();
            unknown.to_owned()
        }
        (_, Some(unknown)) => unknown.to_owned(),
        (Some(Segment::Map { key }), None) => {
            keys.pop();
            key.clone()
        }
        _ => return None,
    };
    let mut here = value;
    let mut steps = String::new();
    for segment in keys {
        here = match segment {
            Segment::Map { key } => {
                steps.push_str(&format!("/{key}"));
                here.get_mut(key.as_str())?
            }
            Segment::Seq { index } => {
                steps.push_str(&format!("/{index}"));
                here.get_mut(*index)?
            }
            Segment::Enum { .. } | Segment::Unknown => return None,
        };
    }
    here.as_mapping_mut()?.shift_remove(last.as_str())?;
    Some(format!("{steps}/{last}"))
}
