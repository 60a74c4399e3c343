//! `include`: the named files first, in order, then this file over them.
//!
//! Maps merge, lists append, scalars replace. A file that is included by several others is taken once, at its first place:
//! taking it again would undo what stands between, and would double its lists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::codes;
use super::session::Session;
use super::tree::{Entry, Shape, Tree};
use crate::diagnostic::{At, Diagnostic, Origin, SourceId};

/// How many files may include each other in a row, and how many files a topology may have.
const MOST_NESTED: usize = 32;
const MOST_FILES: usize = 256;

/// The tree of a file with everything it includes. `None` if a file could not be used; findings say why.
pub fn assemble(source: SourceId, path: Option<&Path>, session: &mut Session<'_>) -> Option<Tree> {
    let mut assembly = Assembly { session, open: Vec::new(), taken: BTreeSet::new() };
    let identity = path.map(|path| assembly.session.files.identity(path));
    assembly.taken.extend(identity.clone());
    assembly.open.extend(identity);
    assembly.file(source)
}

struct Assembly<'s, 'f> {
    session: &'s mut Session<'f>,
    /// The files being read, outermost first.
    open: Vec<PathBuf>,
    /// The files read or being read.
    taken: BTreeSet<PathBuf>,
}

impl Assembly<'_, '_> {
    fn file(&mut self, source: SourceId) -> Option<Tree> {
        let mut tree = self.session.tree(source)?;
        if !matches!(tree.shape, Shape::Map(_)) {
            let message = format!("a topology is a map with keys such as `version`, but this is {}", tree.describe());
            self.session.findings.push(Diagnostic::error(codes::WRONG_TYPE, message).at(tree.origin, ""));
            return None;
        }
        self.check_version(&tree)?;
        let Some(include) = tree.take("include") else { return Some(tree) };

        let mut all = None;
        let mut complete = true;
        for named in self.names(&include.value) {
            match self.included(&named) {
                Ok(Some(tree)) => {
                    all = Some(match all.take() {
                        Some(all) => merge(all, tree),
                        None => tree,
                    });
                }
                Ok(None) => {}
                Err(Refused) => complete = false,
            }
        }
        complete.then(|| match all {
            Some(all) => merge(all, tree),
            None => tree,
        })
    }

    /// A file of another version is not looked at further: every other finding would be noise.
    fn check_version(&mut self, tree: &Tree) -> Option<()> {
        let Some(version) = tree.get("version") else { return Some(()) };
        if version.as_text() == Some("1") {
            return Some(());
        }
        let written = version.as_text().map_or(version.describe().to_owned(), |text| format!("`{text}`"));
        let message = format!("format version {written} is not known");
        let help = "this cellblock reads `version: 1`";
        self.session.findings.push(Diagnostic::error(codes::VERSION, message).at(version.origin, "").help(help));
        None
    }

    /// The names in `include`: one, or a list.
    fn names(&mut self, include: &Tree) -> Vec<At<String>> {
        let alone = std::slice::from_ref(include);
        let list = match &include.shape {
            Shape::List(items) => items,
            _ if include.is_null() => return Vec::new(),
            _ => alone,
        };
        let mut names = Vec::new();
        for item in list {
            match item.as_text() {
                Some(text) if text.contains("${") => {
                    let message = "`include` is read before variables are known";
                    let help = "write the path out";
                    let finding = Diagnostic::error(codes::INCLUDE, message).at(item.origin, "").help(help);
                    self.session.findings.push(finding);
                }
                Some(text) if !item.is_null() => names.push(At::new(text.to_owned(), item.origin)),
                _ => {
                    let message = format!("`include` takes paths of files, found {}", item.describe());
                    self.session.findings.push(Diagnostic::error(codes::WRONG_TYPE, message).at(item.origin, ""));
                }
            }
        }
        names
    }

    /// The tree of an included file; `Ok(None)` if it was taken before.
    fn included(&mut self, named: &At<String>) -> Result<Option<Tree>, Refused> {
        let path = self.session.beside(named.origin.source, &named.value);
        let identity = self.session.files.identity(&path);
        if let Some(place) = self.open.iter().position(|open| *open == identity) {
            self.session.findings.push(cycle(&self.open[place..], &identity, named.origin));
            return Err(Refused);
        }
        if self.open.len() >= MOST_NESTED || self.taken.len() >= MOST_FILES {
            let message =
                format!("more than {MOST_FILES} files, or more than {MOST_NESTED} that include each other in a row");
            self.session.findings.push(Diagnostic::error(codes::LIMIT, message).at(named.origin, ""));
            return Err(Refused);
        }
        if !self.taken.insert(identity.clone()) {
            return Ok(None);
        }
        let source = self.session.read(&path, Some(named.origin)).ok_or(Refused)?;
        self.open.push(identity);
        let tree = self.file(source);
        self.open.pop();
        tree.map(Some).ok_or(Refused)
    }
}

/// Findings say why.
struct Refused;

fn cycle(open: &[PathBuf], again: &Path, origin: Origin) -> Diagnostic {
    let name = |path: &Path| {
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    let names: Vec<_> =
        open.iter().map(PathBuf::as_path).chain([again]).map(|path| format!("`{}`", name(path))).collect();
    Diagnostic::error(codes::INCLUDE, format!("files include each other in a circle: {}", names.join(" → ")))
        .at(origin, "closes the circle")
        .help("move what both need into a third file that includes neither")
}

/// `over` over `base`.
fn merge(base: Tree, over: Tree) -> Tree {
    match (base.shape, over.shape) {
        (Shape::Map(entries), Shape::Map(over)) => {
            Tree { origin: base.origin, shape: Shape::Map(merge_maps(entries, over)) }
        }
        (Shape::List(mut items), Shape::List(over)) => {
            items.extend(over);
            Tree { origin: base.origin, shape: Shape::List(items) }
        }
        // `links:` with nothing under it adds nothing; it does not take the included links away.
        (shape @ (Shape::Map(_) | Shape::List(_)), Shape::Scalar(scalar))
            if scalar.plain && super::tree::is_null(&scalar.text) =>
        {
            Tree { origin: base.origin, shape }
        }
        (_, shape) => Tree { origin: over.origin, shape },
    }
}

fn merge_maps(base: Vec<Entry>, over: Vec<Entry>) -> Vec<Entry> {
    let mut places: BTreeMap<String, usize> =
        base.iter().enumerate().map(|(place, entry)| (entry.key.value.clone(), place)).collect();
    let mut slots: Vec<Option<Entry>> = base.into_iter().map(Some).collect();
    for entry in over {
        match places.get(&entry.key.value).and_then(|place| slots.get_mut(*place)) {
            Some(slot) => {
                *slot = Some(match slot.take() {
                    Some(old) => Entry { key: old.key, value: merge(old.value, entry.value) },
                    None => entry,
                });
            }
            None => {
                places.insert(entry.key.value.clone(), slots.len());
                slots.push(Some(entry));
            }
        }
    }
    slots.into_iter().flatten().collect()
}
