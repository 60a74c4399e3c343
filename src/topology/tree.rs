//! What YAML says, with the place of every key and value, before anything is taken for a number or a switch.

use crate::diagnostic::{At, Origin};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Where it is written.
    pub origin: Origin,
    /// What it is.
    pub shape: Shape,
}

/// The three shapes of YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text as written: `no`, `010` and `12:30:45` stay what they are.
    Scalar(Scalar),
    /// `- …` or `[…]`.
    List(Vec<Tree>),
    /// `key: …` or `{…}`, in the order of the file; keys are unique.
    Map(Vec<Entry>),
}

/// Text and whether it was quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Without quotes, escapes resolved.
    pub text: String,
    /// Neither quoted nor a block.
    pub plain: bool,
}

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: At<String>,
    /// The value.
    pub value: Tree,
}

impl Tree {
    /// A plain scalar.
    pub fn text(text: impl Into<String>, origin: Origin) -> Self {
        Self { origin, shape: Shape::Scalar(Scalar { text: text.into(), plain: true }) }
    }

    /// A map.
    #[must_use]
    pub fn map(entries: Vec<Entry>, origin: Origin) -> Self {
        Self { origin, shape: Shape::Map(entries) }
    }

    /// Nothing was written, or `~`, or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.shape, Shape::Scalar(Scalar { text, plain: true }) if is_null(text))
    }

    /// The text of a scalar.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The entries of a map.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.shape {
            Shape::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.shape {
            Shape::List(items) => items,
            _ => &[],
        }
    }

    /// The entry of that key in a map.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.value == key)
    }

    /// The value of that key in a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Where the value of that key is written; where this value is written if it has no such key.
    #[must_use]
    pub fn origin_of(&self, key: &str) -> Origin {
        self.get(key).map_or(self.origin, |value| value.origin)
    }

    /// Takes an entry out of a map.
    pub fn take(&mut self, key: &str) -> Option<Entry> {
        match &mut self.shape {
            Shape::Map(entries) => {
                let place = entries.iter().position(|entry| entry.key.value == key)?;
                Some(entries.remove(place))
            }
            _ => None,
        }
    }

    /// What it is, for a sentence: `a map`, `nothing`.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.shape {
            Shape::Scalar(_) if self.is_null() => "nothing",
            Shape::Scalar(_) => "text",
            Shape::List(_) => "a list",
            Shape::Map(_) => "a map",
        }
    }
}

/// Whether a plain scalar is YAML's null.
#[must_use]
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}
