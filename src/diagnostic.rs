//! What is wrong with a file, and where: the one type every layer reports through. No renderer lives here.

pub mod suggest;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A source text, by its place in [`crate::topology::source::Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// The bytes of a source text that a value came from. `Copy`, so every value can carry one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Which text.
    pub source: SourceId,
    /// First byte of the value.
    pub start: u32,
    /// First byte after the value.
    pub end: u32,
}

impl Origin {
    /// The origin of values that no text holds: defaults, and models built by a program.
    pub const NOWHERE: Self = Self { source: SourceId(u32::MAX), start: 0, end: 0 };

    /// Whether a text holds the value.
    #[must_use]
    pub fn is_somewhere(self) -> bool {
        self.source.0 != u32::MAX
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self::NOWHERE
    }
}

/// Written as nothing: places are of one run, a record of a lab outlives it.
impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer).map(|()| Self::NOWHERE)
    }
}

/// A value and where it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub origin: Origin,
}

impl<T> At<T> {
    /// A value with its place.
    pub const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// A value that no text holds.
    pub const fn nowhere(value: T) -> Self {
        Self { value, origin: Origin::NOWHERE }
    }

    /// Another value at the same place.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> At<U> {
        At { value: f(self.value), origin: self.origin }
    }
}

/// Written as its value alone.
impl<T: Serialize> Serialize for At<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::nowhere)
    }
}

impl<T: std::fmt::Display> std::fmt::Display for At<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used; the author should know.
    Warning,
}

/// A place in a text with a few words about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The bytes meant.
    pub origin: Origin,
    /// What to say at the caret; may be empty.
    pub text: String,
}

/// One finding. The first label is where the caret goes; the others are context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code such as `T004`: `T` for the text of a file, `M` for its meaning, `E` for engines.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// Lower case, no full stop, names in backticks.
    pub message: String,
    /// Where: main place first.
    pub labels: Vec<Label>,
    /// What to do next.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error with its code and message.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), labels: Vec::new(), help: None }
    }

    /// A warning with its code and message.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place; the first one added is the main one.
    #[must_use]
    pub fn at(mut self, origin: Origin, text: impl Into<String>) -> Self {
        self.labels.push(Label { origin, text: text.into() });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Whether it makes the file unusable.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
