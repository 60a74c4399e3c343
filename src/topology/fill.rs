//! Puts values where `${…}` stands, in keys and values, within bounds.

use super::codes;
use super::expr::{self, Piece, Trouble, Worth};
use super::grow::{Seen, duplicate};
use super::index::{MOST_DEPTH, too_deep};
use super::session::Session;
use super::tree::{Entry, Shape, Tree};
use super::vars::Scope;
use crate::diagnostic::{At, Diagnostic, Origin};

/// How many values and how many bytes of text substitution and repetition may make.
const MOST_VALUES: usize = 4_000_000;
const MOST_BYTES: usize = 256 << 20;

/// Substitution with what is left of its bounds.
#[derive(Debug)]
pub struct Filler<'s, 'f> {
    /// Where findings go.
    pub session: &'s mut Session<'f>,
    values: usize,
    bytes: usize,
}

impl<'s, 'f> Filler<'s, 'f> {
    /// With everything left.
    pub fn new(session: &'s mut Session<'f>) -> Self {
        Self { session, values: MOST_VALUES, bytes: MOST_BYTES }
    }

    /// A copy of a value, counted. `None` when there are too many, or when it is too deep to stand in another.
    pub fn copy(&mut self, tree: &Tree) -> Option<Tree> {
        if depth(tree) > MOST_DEPTH {
            // Without this, variables that stand in each other could grow deeper than the stack.
            self.session.findings.push(too_deep(tree.origin));
            return None;
        }
        if self.spend(tree) {
            return Some(tree.clone());
        }
        let message = format!("variables and `each` make more than {MOST_VALUES} values of this topology");
        self.session.findings.push(Diagnostic::error(codes::LIMIT, message).at(tree.origin, ""));
        None
    }

    fn spend(&mut self, tree: &Tree) -> bool {
        if self.values == 0 {
            return false;
        }
        self.values -= 1;
        match &tree.shape {
            Shape::Scalar(scalar) => self.spend_text(&scalar.text),
            Shape::List(items) => items.iter().all(|item| self.spend(item)),
            Shape::Map(entries) => {
                entries.iter().all(|entry| self.spend_text(&entry.key.value) && self.spend(&entry.value))
            }
        }
    }

    /// Reports that [`Self::spend_text`] found too many bytes.
    pub fn too_much_text(&mut self, origin: Origin) {
        let message = "variables and `each` make too much text of this topology";
        self.session.findings.push(Diagnostic::error(codes::LIMIT, message).at(origin, ""));
    }

    /// Counts bytes of text. `false` when there are too many.
    pub fn spend_text(&mut self, text: &str) -> bool {
        let enough = self.bytes >= text.len();
        self.bytes = self.bytes.saturating_sub(text.len());
        enough
    }

    /// Fills a value in place. `false` if something in it could not be filled; findings say why.
    pub fn fill(&mut self, tree: &mut Tree, scope: &Scope<'_>) -> bool {
        match &mut tree.shape {
            Shape::Scalar(scalar) if !scalar.text.contains("${") => true,
            Shape::Scalar(scalar) => match self.text(&scalar.text, tree.origin, scope) {
                Some(Worth::Text(text)) => {
                    scalar.text = text;
                    true
                }
                Some(Worth::Tree(value)) => self.copy(value).map(|value| *tree = value).is_some(),
                None => false,
            },
            Shape::List(items) => {
                let mut filled = true;
                for item in items {
                    filled &= self.fill(item, scope);
                }
                filled
            }
            Shape::Map(entries) => {
                let mut filled = true;
                let mut template = false;
                for Entry { key, value } in entries.iter_mut() {
                    template |= key.value.contains("${");
                    filled &= self.key(key, scope);
                    filled &= self.fill(value, scope);
                }
                filled && (!template || self.unique(entries))
            }
        }
    }

    /// Fills a key in place.
    pub fn key(&mut self, key: &mut At<String>, scope: &Scope<'_>) -> bool {
        if !key.value.contains("${") {
            return true;
        }
        match self.text(&key.value, key.origin, scope) {
            Some(Worth::Text(text)) => {
                key.value = text;
                true
            }
            Some(Worth::Tree(_)) => {
                let message = "a list or map cannot be a key";
                self.session.findings.push(Diagnostic::error(codes::EXPRESSION, message).at(key.origin, ""));
                false
            }
            None => false,
        }
    }

    /// Reports keys that are the same once they are filled.
    pub fn unique(&mut self, entries: &[Entry]) -> bool {
        let mut seen = Seen::default();
        let mut unique = true;
        for (place, entry) in entries.iter().enumerate() {
            if let Some(first) = seen.insert(&entry.key, &entries[..place]) {
                unique = false;
                self.session.findings.push(duplicate(&entry.key, first));
            }
        }
        unique
    }

    /// What a text with `${…}` in it is worth. A text that is only one `${…}` may be worth a list or map.
    fn text<'a>(&mut self, text: &str, origin: Origin, scope: &Scope<'a>) -> Option<Worth<'a, Tree>> {
        let pieces = match expr::pieces(text) {
            Ok(pieces) => pieces,
            Err(rest) => {
                let origin = self.session.sources.part(origin, rest);
                let finding = Diagnostic::error(codes::EXPRESSION, "this `${` has no `}`").at(origin, "");
                self.session.findings.push(finding.help("close it; for a literal `${` write `$${`"));
                return None;
            }
        };
        self.remember(&pieces, origin, scope);
        let alone = pieces.len() == 1;
        let mut result = Some(String::new());
        for piece in pieces {
            let (inside, whole) = match piece {
                Piece::Text(text) => {
                    result.iter_mut().for_each(|result| result.push_str(text));
                    continue;
                }
                Piece::Expression { inside, whole } => (inside, whole),
            };
            match expr::evaluate(inside, &|name, field| scope.find(name, field)) {
                Ok(Worth::Tree(tree)) if alone => return Some(Worth::Tree(tree)),
                Ok(Worth::Text(text)) if self.spend_text(&text) => {
                    result.iter_mut().for_each(|result| result.push_str(&text));
                }
                Ok(Worth::Text(_)) => {
                    self.too_much_text(origin);
                    return None;
                }
                Ok(Worth::Tree(tree)) => {
                    let what = Tree::describe(tree);
                    let message = format!("`{whole}` is {what} and cannot stand among other text");
                    self.report(Trouble::Expression(message), origin, whole);
                    result = None;
                }
                Err(trouble) => {
                    self.report(trouble, origin, whole);
                    result = None;
                }
            }
        }
        result.map(Worth::Text)
    }

    /// Keeps where the first variable of a text is written, for findings about the text.
    fn remember(&mut self, pieces: &[Piece<'_>], origin: Origin, scope: &Scope<'_>) {
        let names = pieces.iter().filter_map(|piece| match piece {
            Piece::Expression { inside, .. } => Some(expr::names_inside(inside)),
            Piece::Text(_) => None,
        });
        // A row has no name of a variable, so what is found here is one.
        if let Some(variable) = names.flatten().find_map(|name| scope.vars.get(name)) {
            self.session.findings.came_from(origin, variable.origin);
        }
    }

    fn report(&mut self, trouble: Trouble, origin: Origin, whole: &str) {
        let origin = self.session.sources.part(origin, whole);
        self.session.findings.push(match trouble {
            Trouble::Expression(message) => Diagnostic::error(codes::EXPRESSION, message).at(origin, ""),
            Trouble::Name(message, help) => {
                let diagnostic = Diagnostic::error(codes::VARIABLE, message).at(origin, "");
                match help {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                }
            }
        });
    }
}

/// How deep lists and maps stand in each other.
fn depth(tree: &Tree) -> usize {
    match &tree.shape {
        Shape::Scalar(_) => 0,
        Shape::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Shape::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
    }
}
