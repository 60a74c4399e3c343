//! What the author wrote: texts, spans, includes, variables, repetition, decoding.
//!
//! ```text
//! bytes --> index --> grow --> include --> vars, fill, each --> decode --> lower --> Draft
//!           events    tree     one tree    no `${}` left        types      settings resolved
//! ```
//!
//! Only `index`, `decode` and `agreement` name a YAML crate. Until `decode`, every scalar is the text that was written, with its
//! place; there the type that a key wants decides what it means.

mod choice;
pub mod codes;
mod decode;
mod each;
mod expr;
mod file;
mod fill;
mod findings;
mod grow;
mod include;
mod index;
mod leaf;
mod lower;
mod net;
mod plainly;
pub mod reader;
mod schema;
mod session;
mod shapes;
pub mod source;
mod table;
mod tree;
mod vars;

use std::path::PathBuf;

use crate::diagnostic::Diagnostic;
use crate::model::draft::Draft;
use each::Expander;
use fill::Filler;
use lower::Parts;
pub use reader::{DiskReader, FileReader};
pub use schema::{format_table, schema};
use session::Session;
pub use source::Sources;
use tree::Tree;

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
pub fn load(input: Input, options: &LoadOptions, files: &dyn FileReader) -> Loaded {
    let mut session = Session::new(files);
    let draft = draft(input, options, &mut session);
    let sound = session.findings.errors() == 0;
    Loaded { draft: draft.filter(|_| sound), sources: session.sources, diagnostics: session.findings.finish() }
}

fn draft(input: Input, options: &LoadOptions, session: &mut Session<'_>) -> Option<Draft> {
    let root = match input {
        Input::Path(path) => {
            let source = session.read(&path, None)?;
            include::assemble(source, Some(&path), session)?
        }
        Input::Bytes { name, bytes } => {
            let source = session.text(name, bytes)?;
            include::assemble(source, None, session)?
        }
    };
    let parts = parts(root, options, session);
    lower::lower(parts, options, session)
}

/// Variables and `each` go; what is left is the file as if it had been written out.
fn parts(mut root: Tree, options: &LoadOptions, session: &mut Session<'_>) -> Parts {
    let mut filler = Filler::new(session);
    let vars = vars::resolve(root.take("vars"), &options.overrides, &mut filler);
    Parts::new(root, &mut Expander::new(&mut filler, &vars))
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod tests;
