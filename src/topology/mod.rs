//! What the author wrote: texts, spans, includes, variables, repetition, decoding.

pub mod codes;
pub mod reader;
pub mod source;

use std::path::PathBuf;

use crate::diagnostic::Diagnostic;
use crate::model::draft::Draft;
pub use reader::{DiskReader, FileReader};
pub use source::Sources;

/// Where the topology comes from.
#[derive(Clone, Debug)]
pub enum Input {
    /// A file; `include` and CSV files are relative to it.
    Path(PathBuf),
    /// Bytes that are at hand, such as standard input; `include` and CSV files are relative to the current folder.
    Bytes {
        /// What diagnostics call it.
        name: String,
        /// YAML, UTF-8.
        bytes: Vec<u8>,
    },
}

impl Input {
    /// What was read from standard input.
    #[must_use]
    pub fn stdin(bytes: Vec<u8>) -> Self {
        Self::Bytes { name: "<stdin>".into(), bytes }
    }
}

/// What the command line changes in the file.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// `-s key=value`: values for `vars:`, later ones win.
    pub overrides: Vec<(String, String)>,
    /// `--name`: instead of the file's `name:`.
    pub name: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Every text that was read; origins point into them.
    pub sources: Sources,
    /// The topology, if no diagnostic is an error.
    pub draft: Option<Draft>,
    /// In the order of the texts.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether the topology file itself (not one that it includes) could not be read.
    #[must_use]
    pub fn is_input_missing(&self) -> bool {
        self.diagnostics.iter().any(|d| d.code == codes::UNREADABLE && d.labels.is_empty())
    }
}

/// Reads a topology as far as it can be understood without asking what it means.
#[must_use]
pub fn load(_input: Input, _options: &LoadOptions, _files: &dyn FileReader) -> Loaded {
    let diagnostics = vec![Diagnostic::error(codes::UNREADABLE, "not read")];
    Loaded { sources: Sources::default(), draft: None, diagnostics }
}
