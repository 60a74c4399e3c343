//! `each`: one entry or item of the file becomes one per row.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::codes;
use super::expr;
use super::fill::Filler;
use super::table::Table;
use super::tree::{Entry, Shape, Tree};
use super::vars::{self, Frame, Row, Scope};
use crate::diagnostic::{At, Diagnostic, Origin};

/// How many rows the `each` of a topology may have together.
const MOST_ROWS: usize = 100_000;
/// Keys of a node whose entries or items may have an `each` of their own.
const REPEATED_IN_NODES: [&str; 2] = ["interfaces", "routes"];

/// A node, link, check or pool, after substitution.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The key, for what stands in a map.
    pub key: Option<At<String>>,
    /// The value.
    pub tree: Tree,
    /// The row it was made from.
    pub row: Option<Note>,
}

/// The row behind a unit, for diagnostics.
#[derive(Clone, Debug)]
pub struct Note {
    /// Where the row is written.
    pub origin: Origin,
    /// `with n = 7`.
    pub text: String,
}

/// The finding for too many rows.
pub fn too_many_rows(origin: Origin) -> Diagnostic {
    Diagnostic::error(codes::LIMIT, format!("the `each` of this topology have more than {MOST_ROWS} rows"))
        .at(origin, "")
        .help("split the topology into several labs")
}

/// Repetition with what is left of its bounds.
#[derive(Debug)]
pub struct Expander<'r, 's, 'f> {
    filler: &'r mut Filler<'s, 'f>,
    vars: &'r vars::Vars,
    rows: usize,
    /// CSV files by path; `None` for one that could not be used.
    tables: BTreeMap<PathBuf, Option<Rc<Table>>>,
}

/// The rows of one `each`.
enum Rows {
    Range(std::ops::Range<i64>),
    List(Vec<Tree>),
    Table(Rc<Table>),
}

impl<'r, 's, 'f> Expander<'r, 's, 'f> {
    /// With every row left.
    pub fn new(filler: &'r mut Filler<'s, 'f>, vars: &'r vars::Vars) -> Self {
        Self { filler, vars, rows: MOST_ROWS, tables: BTreeMap::new() }
    }

    /// The units of a map or list of the file; what cannot be filled is left out, findings say why.
    pub fn units(&mut self, container: Option<Tree>) -> Vec<Unit> {
        let scope = Scope { vars: self.vars, row: None };
        let mut units = Vec::new();
        match container.map(|tree| tree.shape) {
            Some(Shape::Map(entries)) => {
                for Entry { key, value } in entries {
                    self.unit(Unit { key: Some(key), tree: value, row: None }, &scope, &mut units);
                }
            }
            Some(Shape::List(items)) => {
                for tree in items {
                    self.unit(Unit { key: None, tree, row: None }, &scope, &mut units);
                }
            }
            _ => {}
        }
        units
    }

    /// The units of `kinds` or `groups`, where nothing is repeated.
    pub fn shared(&mut self, container: Option<Tree>) -> Vec<Unit> {
        let Some(Shape::Map(entries)) = container.map(|tree| tree.shape) else { return Vec::new() };
        let scope = Scope { vars: self.vars, row: None };
        let mut units = Vec::new();
        for Entry { key, value } in entries {
            self.finish(Unit { key: Some(key), tree: value, row: None }, &scope, &mut units);
        }
        units
    }

    /// Fills a value that is not repeated.
    pub fn fill(&mut self, tree: &mut Tree) -> bool {
        let scope = Scope { vars: self.vars, row: None };
        self.fill_unit(tree, &scope)
    }

    fn unit(&mut self, mut unit: Unit, scope: &Scope<'_>, units: &mut Vec<Unit>) {
        match unit.tree.take("each") {
            Some(each) => self.repeat(&unit, each, scope, units),
            None => self.finish(unit, scope, units),
        }
    }

    fn finish(&mut self, mut unit: Unit, scope: &Scope<'_>, units: &mut Vec<Unit>) {
        let key = unit.key.as_mut().is_none_or(|key| self.filler.key(key, scope));
        let value = self.fill_unit(&mut unit.tree, scope);
        if key && value {
            units.push(unit);
        }
    }

    fn repeat(&mut self, template: &Unit, each: Entry, scope: &Scope<'_>, units: &mut Vec<Unit>) {
        let Some((name, rows)) = self.rows(each, scope) else { return };
        let count = match &rows {
            Rows::Range(range) => usize::try_from(range.end - range.start).unwrap_or(usize::MAX),
            Rows::List(items) => items.len(),
            Rows::Table(table) => table.len(),
        };
        let Some(left) = self.rows.checked_sub(count) else {
            self.filler.session.findings.push(too_many_rows(name.origin));
            return;
        };
        self.rows = left;
        for place in 0..count {
            let (row, origin) = match &rows {
                Rows::Range(range) => {
                    let offset = i64::try_from(place).unwrap_or(i64::MAX);
                    (Row::Number(range.start.saturating_add(offset)), name.origin)
                }
                Rows::List(items) => (Row::Item(&items[place]), items[place].origin),
                Rows::Table(table) => (Row::Record(table, place), table.origin(place).unwrap_or(name.origin)),
            };
            let text = match row {
                Row::Number(number) => format!("with `{}` = {number}", name.value),
                _ => format!("with `{}` from here", name.value),
            };
            let frame = Frame { name: &name.value, row, outer: scope.row };
            let scope = Scope { vars: scope.vars, row: Some(&frame) };
            let Some(tree) = self.filler.copy(&template.tree) else { return };
            if template.key.as_ref().is_some_and(|key| !self.filler.spend_text(&key.value)) {
                return self.filler.too_much_text(template.tree.origin);
            }
            let unit = Unit { key: template.key.clone(), tree, row: Some(Note { origin, text }) };
            self.finish(unit, &scope, units);
        }
    }

    /// The name of an `each` and its rows.
    fn rows(&mut self, each: Entry, scope: &Scope<'_>) -> Option<(At<String>, Rows)> {
        let whole = each.value.origin;
        let (name, mut value) = match each.value.shape {
            Shape::Map(entries) if entries.len() == 1 => {
                entries.into_iter().next().map(|entry| (entry.key, entry.value))?
            }
            Shape::Map(entries) if entries.len() > 1 => {
                let message = format!("`each` has {} keys, but only one is possible", entries.len());
                let origin = entries.get(1).map_or(whole, |entry| entry.key.origin);
                let help = "repeat over a list of maps or a CSV file, and use `${x.field}`";
                return self.refuse(Diagnostic::error(codes::EACH, message).at(origin, "").help(help));
            }
            _ => {
                let help = "write `each: { n: 1..8 }`";
                let finding =
                    Diagnostic::error(codes::EACH, "`each` is a map of one key: a name and what it runs over");
                return self
                    .refuse(finding.at(if whole.start < whole.end { whole } else { each.key.origin }, "").help(help));
            }
        };
        if !vars::is_name(&name.value) {
            return self.refuse(vars::bad_name(&name));
        }
        if scope.has(&name.value) {
            let message = format!("`{}` is a variable already", name.value);
            let help = "give this `each` another name";
            return self.refuse(Diagnostic::error(codes::EACH, message).at(name.origin, "").help(help));
        }
        if !self.filler.fill(&mut value, scope) {
            return None;
        }
        self.rows_of(value).map(|rows| (name, rows))
    }

    fn rows_of(&mut self, value: Tree) -> Option<Rows> {
        let origin = value.origin;
        match value.shape {
            Shape::List(items) => Some(Rows::List(items)),
            Shape::Scalar(scalar) => {
                if let Some(range) = expr::range(&scalar.text) {
                    // `1..0` has no rows: a variable may say that there are none.
                    if range.end < range.start {
                        let message = format!("the range `{}` runs backwards", scalar.text);
                        return self.refuse(Diagnostic::error(codes::EACH, message).at(origin, ""));
                    }
                    // An answer before the count overflows.
                    if range.end.checked_sub(range.start).is_none() {
                        return self.refuse(too_many_rows(origin));
                    }
                    return Some(Rows::Range(range));
                }
                if scalar.text.to_ascii_lowercase().ends_with(".csv") {
                    return self.table(&scalar.text, origin).map(Rows::Table);
                }
                let message = format!("`{}` is nothing that `each` can run over", scalar.text);
                let help = "write a range such as `1..8`, a list, or the path of a CSV file ending in `.csv`";
                self.refuse(Diagnostic::error(codes::EACH, message).at(origin, "").help(help))
            }
            Shape::Map(_) => {
                let help = "write a range such as `1..8`, a list, or the path of a CSV file ending in `.csv`";
                self.refuse(Diagnostic::error(codes::EACH, "`each` cannot run over a map").at(origin, "").help(help))
            }
        }
    }

    fn table(&mut self, written: &str, origin: Origin) -> Option<Rc<Table>> {
        let path = self.filler.session.beside(origin.source, written);
        if let Some(table) = self.tables.get(&path) {
            return table.clone();
        }
        let table = Table::read(&path, origin, MOST_ROWS, self.filler.session).map(Rc::new);
        self.tables.insert(path, table.clone());
        table
    }

    /// Reports a finding.
    pub fn refuse<T>(&mut self, diagnostic: Diagnostic) -> Option<T> {
        self.filler.session.findings.push(diagnostic);
        None
    }

    /// Fills a node, link, check or pool; `routes` and `interfaces` may have an `each` in each of theirs.
    fn fill_unit(&mut self, tree: &mut Tree, scope: &Scope<'_>) -> bool {
        let Shape::Map(entries) = &mut tree.shape else { return self.filler.fill(tree, scope) };
        let mut filled = true;
        for Entry { key, value } in entries.iter_mut() {
            filled &= self.filler.key(key, scope);
            filled &= if REPEATED_IN_NODES.contains(&key.value.as_str()) {
                self.fill_repeated(value, scope)
            } else {
                self.filler.fill(value, scope)
            };
        }
        filled && self.filler.unique(entries)
    }

    fn fill_repeated(&mut self, tree: &mut Tree, scope: &Scope<'_>) -> bool {
        let errors = self.filler.session.findings.errors();
        let mut units = Vec::new();
        match &mut tree.shape {
            Shape::List(items) => {
                for tree in items.drain(..) {
                    self.unit(Unit { key: None, tree, row: None }, scope, &mut units);
                }
                items.extend(units.into_iter().map(|unit| unit.tree));
            }
            Shape::Map(entries) => {
                for Entry { key, value } in entries.drain(..) {
                    self.unit(Unit { key: Some(key), tree: value, row: None }, scope, &mut units);
                }
                entries.extend(units.into_iter().filter_map(|unit| Some(Entry { key: unit.key?, value: unit.tree })));
                self.filler.unique(entries);
            }
            Shape::Scalar(_) => return self.filler.fill(tree, scope),
        }
        self.filler.session.findings.errors() == errors
    }
}
