//! Names of nodes, hooks and types as the kernel keeps them: up to 31 bytes, any but NUL.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name in a 32-byte field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Label(ngsock::name::Name);

impl Label {
    /// A name; `None` past 31 bytes or with a NUL.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>) -> Option<Self> {
        ngsock::name::Name::new(name).map(Self)
    }

    /// The name without its NULs.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The field that carries it.
    #[must_use]
    pub fn field(self) -> ngsock::name::Name {
        self.0
    }
}

impl From<ngsock::name::Name> for Label {
    fn from(name: ngsock::name::Name) -> Self {
        Self(name)
    }
}

impl From<Label> for Vec<u8> {
    fn from(label: Label) -> Self {
        label.as_bytes().to_vec()
    }
}

impl TryFrom<Vec<u8>> for Label {
    type Error = &'static str;

    fn try_from(name: Vec<u8>) -> Result<Self, &'static str> {
        Self::new(name).ok_or("a netgraph name has at most 31 bytes and no NUL")
    }
}

impl PartialEq<str> for Label {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
