//! `vars` and `-s key=value`, and what a name means inside `${…}`.

use std::collections::BTreeMap;

use super::codes;
use super::expr::{self, Found, Trouble};
use super::fill::Filler;
use super::session::Session;
use super::table::Table;
use super::tree::{Entry, Scalar, Shape, Tree};
use crate::diagnostic::{At, Diagnostic, Origin, suggest};

/// How many variables may name each other in a row.
const MOST_NESTED: usize = 64;

/// How many fields `${x.field}` is looked up among.
const MOST_FIELDS: usize = 4096;

/// The variables of a file, with everything they name put in.
pub type Vars = BTreeMap<String, Tree>;

/// What names mean at one place: the variables, and the rows of the `each` around it.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// `vars`.
    pub vars: &'a Vars,
    /// The innermost row.
    pub row: Option<&'a Frame<'a>>,
}

/// One row of an `each` under its name.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The one key of the `each`.
    pub name: &'a str,
    /// Its row.
    pub row: Row<'a>,
    /// The row around this one.
    pub outer: Option<&'a Self>,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// Of a range.
    Number(i64),
    /// Of a list.
    Item(&'a Tree),
    /// Of a CSV file, by its place.
    Record(&'a Table, usize),
}

impl<'a> Scope<'a> {
    /// What `name` or `name.field` stands for.
    ///
    /// # Errors
    /// It does not exist, or has no such field.
    pub fn find(&self, name: &str, field: Option<&str>) -> Result<Found<'a, Tree>, Trouble> {
        let mut frame = self.row;
        while let Some(here) = frame {
            if here.name == name {
                return here.row.find(name, field);
            }
            frame = here.outer;
        }
        match self.vars.get(name) {
            Some(tree) => find_in(tree, name, field),
            None => Err(self.unknown(name)),
        }
    }

    /// Whether the name is taken.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let mut frame = self.row;
        while let Some(here) = frame {
            if here.name == name {
                return true;
            }
            frame = here.outer;
        }
        self.vars.contains_key(name)
    }

    fn names(&self) -> Vec<&'a str> {
        let mut names: Vec<_> = self.vars.keys().map(String::as_str).collect();
        let mut frame = self.row;
        while let Some(here) = frame {
            names.push(here.name);
            frame = here.outer;
        }
        names
    }

    fn unknown(&self, name: &str) -> Trouble {
        let help = match suggest::help(name, self.names()) {
            Some(help) if help.starts_with("did you mean") => help,
            Some(help) => format!("{help}; for a literal `${{` write `$${{`"),
            None => "declare it under `vars:`; for a literal `${` write `$${`".into(),
        };
        Trouble::Name(format!("there is no variable `{name}` here"), Some(help))
    }
}

impl<'a> Row<'a> {
    fn find(self, name: &str, field: Option<&str>) -> Result<Found<'a, Tree>, Trouble> {
        match (self, field) {
            (Self::Number(number), None) => Ok(Found::Number(number)),
            (Self::Number(_), Some(field)) => {
                let message = format!("`{name}` is a number and has no field `{field}`");
                Err(Trouble::Name(message, Some(format!("write `${{{name}}}`"))))
            }
            (Self::Item(tree), field) => find_in(tree, name, field),
            (Self::Record(table, row), Some(field)) => table.field(row, field).map(Found::Text).ok_or_else(|| {
                let message = format!("`{}` has no column `{field}`", table.name);
                Trouble::Name(message, suggest::help(field, table.columns()))
            }),
            (Self::Record(table, _), None) => {
                let message = format!("`{name}` is a whole row of `{}`", table.name);
                let columns: Vec<_> = table.columns().collect();
                let help = suggest::list(&columns).map(|list| format!("write `${{{name}.COLUMN}}`; there are {list}"));
                Err(Trouble::Name(message, help))
            }
        }
    }
}

/// Follows `a.b.c` through maps.
fn find_in<'a>(tree: &'a Tree, name: &str, field: Option<&str>) -> Result<Found<'a, Tree>, Trouble> {
    let mut here = tree;
    for part in field.into_iter().flat_map(|field| field.split('.')) {
        if here.entries().len() > MOST_FIELDS {
            let message = format!("`{name}` has more than {MOST_FIELDS} fields to look among");
            return Err(Trouble::Name(message, Some("use a list of maps, or a CSV file".into())));
        }
        here = here.get(part).ok_or_else(|| {
            let message = format!("`{name}` has no field `{part}`");
            Trouble::Name(message, suggest::help(part, here.entries().iter().map(|entry| entry.key.value.as_str())))
        })?;
    }
    Ok(here.as_text().map_or(Found::Tree(here), Found::Text))
}

/// Whether `${name}` can be written.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

/// The finding for a name that `${name}` cannot be written with.
pub fn bad_name(name: &At<String>) -> Diagnostic {
    Diagnostic::error(codes::BAD_NAME, format!("`{}` cannot be the name of a variable", name.value))
        .at(name.origin, "")
        .help("use letters, digits and `_`, not beginning with a digit")
}

/// Puts `-s key=value` over `vars` and the variables into each other.
pub fn resolve(vars: Option<Entry>, overrides: &[(String, String)], filler: &mut Filler<'_, '_>) -> Vars {
    let mut written: BTreeMap<String, (Origin, Tree)> = BTreeMap::new();
    if let Some(Entry { value, .. }) = vars {
        let null = value.is_null();
        match value.shape {
            Shape::Map(entries) => {
                for Entry { key, value } in entries {
                    if is_name(&key.value) {
                        written.insert(key.value, (key.origin, value));
                    } else {
                        filler.session.findings.push(bad_name(&key));
                    }
                }
            }
            _ if null => {}
            _ => {
                let message = "`vars` is a map from names to values";
                filler.session.findings.push(Diagnostic::error(codes::WRONG_TYPE, message).at(value.origin, ""));
            }
        }
    }
    apply(overrides, &mut written, filler.session);

    let mut resolver = Resolver { written: &written, vars: Vars::new(), open: Vec::new(), filler };
    for name in written.keys() {
        resolver.visit(name);
    }
    resolver.vars
}

fn apply(overrides: &[(String, String)], written: &mut BTreeMap<String, (Origin, Tree)>, session: &mut Session<'_>) {
    for (key, value) in overrides {
        let Some((_, tree)) = written.get_mut(key) else {
            let names = written.keys().map(String::as_str);
            let help = suggest::help(key, names).unwrap_or_else(|| "the file has no `vars:`".into());
            let message = format!("`-s {key}=…`: the file has no variable `{key}`");
            session.findings.push(Diagnostic::error(codes::VARIABLE, message).help(help));
            continue;
        };
        let source = session.sources.add(format!("-s {key}"), value.as_str());
        let end = u32::try_from(value.len()).unwrap_or(u32::MAX);
        let shape = Shape::Scalar(Scalar { text: value.clone(), plain: false });
        *tree = Tree { origin: Origin { source, start: 0, end }, shape };
    }
}

struct Resolver<'w, 'r, 's, 'f> {
    written: &'w BTreeMap<String, (Origin, Tree)>,
    vars: Vars,
    /// The variables being resolved, outermost first.
    open: Vec<&'w str>,
    filler: &'r mut Filler<'s, 'f>,
}

impl<'w> Resolver<'w, '_, '_, '_> {
    fn visit(&mut self, name: &'w str) {
        let Some((key, tree)) = self.written.get(name).filter(|_| !self.vars.contains_key(name)) else { return };
        if self.open.contains(&name) || self.open.len() >= MOST_NESTED {
            let circle: Vec<_> = self.open.iter().chain([&name]).map(|name| format!("`{name}`")).collect();
            let message = if self.open.contains(&name) {
                format!("variables name each other in a circle: {}", circle.join(" → "))
            } else {
                format!("more than {MOST_NESTED} variables name each other in a row")
            };
            self.filler.session.findings.push(Diagnostic::error(codes::VARIABLE, message).at(*key, ""));
            // With some value it is known from here on, and not reported again at each use.
            self.vars.insert(name.to_owned(), Tree::text("", *key));
            return;
        }
        self.open.push(name);
        let mut named = Vec::new();
        names_in(tree, &mut named);
        for other in named {
            if let Some((other, _)) = self.written.get_key_value(other) {
                self.visit(other);
            }
        }
        self.open.pop();
        let mut tree = tree.clone();
        let scope = Scope { vars: &self.vars, row: None };
        self.filler.fill(&mut tree, &scope);
        self.vars.entry(name.to_owned()).or_insert(tree);
    }
}

/// The variables that a value names.
fn names_in<'t>(tree: &'t Tree, names: &mut Vec<&'t str>) {
    match &tree.shape {
        Shape::Scalar(scalar) => names.extend(expr::names(&scalar.text)),
        Shape::List(items) => items.iter().for_each(|item| names_in(item, names)),
        Shape::Map(entries) => {
            for entry in entries {
                names.extend(expr::names(&entry.key.value));
                names_in(&entry.value, names);
            }
        }
    }
}
