//! Why an engine cannot work here.

/// Why the engine cannot work here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unusable {
    /// What kind of thing is missing.
    pub lack: Lack,
    /// What is missing, lower case.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What kind of thing is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lack {
    /// The system is another one, or its kernel cannot do it.
    System,
    /// We may not.
    Permission,
    /// The host could, were it set up for it.
    Configuration,
}

impl Unusable {
    /// Another system.
    #[must_use]
    pub fn elsewhere() -> Self {
        Self::new(Lack::System, "it is not built for this system", None)
    }

    /// Something that is missing, and what to do about it.
    #[must_use]
    pub fn new(lack: Lack, message: &str, hint: Option<&str>) -> Self {
        Self { lack, message: message.to_owned(), hint: hint.map(str::to_owned) }
    }
}
