//! What one loading keeps: the texts read so far, the findings, and what is left of the limits.

use std::io;
use std::path::{Path, PathBuf};

use super::findings::Findings;
use super::grow::Budget;
use super::reader::FileReader;
use super::source::Sources;
use super::tree::Tree;
use super::{codes, grow, index};
use crate::diagnostic::{Diagnostic, Origin, SourceId};

/// The longest file, YAML or CSV.
const MOST_BYTES: usize = 16 << 20;
/// All texts of one topology together.
const MOST_BYTES_TOGETHER: usize = 64 << 20;

/// One loading.
#[derive(Debug)]
pub struct Session<'f> {
    /// File access.
    pub files: &'f dyn FileReader,
    /// Every text read so far.
    pub sources: Sources,
    /// What is wrong so far.
    pub findings: Findings,
    /// What YAML may still come.
    pub budget: Budget,
    bytes: usize,
}

impl<'f> Session<'f> {
    /// Nothing read yet.
    pub fn new(files: &'f dyn FileReader) -> Self {
        let (sources, findings) = (Sources::default(), Findings::default());
        Self { files, sources, findings, budget: Budget::default(), bytes: MOST_BYTES_TOGETHER }
    }

    /// Reads a file that the value at `named` names; the topology file itself has none.
    pub fn read(&mut self, path: &Path, named: Option<Origin>) -> Option<SourceId> {
        let name = path.display().to_string();
        let limit = MOST_BYTES.min(self.bytes);
        match self.files.read(path, limit) {
            Ok(bytes) => self.text(name, bytes),
            Err(error) => {
                let diagnostic = if error.kind() == io::ErrorKind::FileTooLarge {
                    too_large(&name)
                } else {
                    Diagnostic::error(codes::UNREADABLE, format!("cannot read `{name}`: {}", reason(&error)))
                };
                self.findings.push(match named {
                    Some(origin) => diagnostic.at(origin, "named here"),
                    None => diagnostic,
                });
                None
            }
        }
    }

    /// Keeps a text if it is UTF-8 and not too long.
    pub fn text(&mut self, name: String, bytes: Vec<u8>) -> Option<SourceId> {
        if bytes.len() > MOST_BYTES.min(self.bytes) {
            self.findings.push(too_large(&name));
            return None;
        }
        self.bytes -= bytes.len();
        match String::from_utf8(bytes) {
            Ok(text) => Some(self.sources.add(name, text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let byte = error.as_bytes().get(at).copied().unwrap_or_default();
                let wide = error.as_bytes().starts_with(&[0xff, 0xfe]) || error.as_bytes().starts_with(&[0xfe, 0xff]);
                let help = if wide { "it looks like UTF-16; save it as UTF-8" } else { "save it as UTF-8" };
                // What is shown has a replacement character where the byte is; what is before it is unchanged.
                let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let source = self.sources.add(name, shown);
                let start = u32::try_from(at).unwrap_or(u32::MAX);
                let origin = Origin { source, start, end: start.saturating_add(3) };
                let message = format!("not UTF-8: byte {at} is 0x{byte:02x}");
                self.findings.push(Diagnostic::error(codes::NOT_UTF8, message).at(origin, "").help(help));
                None
            }
        }
    }

    /// The value tree of a YAML text.
    pub fn tree(&mut self, source: SourceId) -> Option<Tree> {
        let text = &self.sources.get(source)?.text;
        let mut items = index::scan(source, text, &mut self.findings)?;
        if items.is_empty() {
            let origin = Origin { source, start: 0, end: 0 };
            let help = "a topology begins with `version: 1`; see `topologies/two-hosts.yaml`";
            self.findings.push(Diagnostic::error(codes::EMPTY, "the file is empty").at(origin, "").help(help));
            return None;
        }
        grow::grow(&mut items, &mut self.budget, &mut self.findings)
    }

    /// The path that `written` in `source` means: relative to the folder of that file.
    #[must_use]
    pub fn beside(&self, source: SourceId, written: &str) -> PathBuf {
        let including = self.sources.get(source).map(|source| Path::new(&source.name));
        including.and_then(Path::parent).map_or_else(|| written.into(), |folder| folder.join(written))
    }
}

fn too_large(name: &str) -> Diagnostic {
    let limit = MOST_BYTES >> 20;
    Diagnostic::error(
        codes::LIMIT,
        format!(
            "`{name}` is too large: a file may have {limit} MiB, all files together {} MiB",
            MOST_BYTES_TOGETHER >> 20
        ),
    )
}

/// The system's words without its error number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        io::ErrorKind::NotADirectory => "part of the path is not a folder".into(),
        _ => error.to_string(),
    }
}
