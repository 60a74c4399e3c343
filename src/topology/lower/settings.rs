//! `defaults`, `kinds` and `groups`, and how a node's settings come out of them.
//!
//! Precedence is node > groups in their order > kind > defaults. Maps merge, lists append with the weaker ones first,
//! of scalars the strongest stands.

use std::collections::{BTreeMap, BTreeSet};

use super::super::choice::Kind;
use super::super::each::{Note, Unit};
use super::super::file::Node;
use super::super::leaf::{Leaf, Written};
use super::super::shapes::Settings;
use super::super::tree::Tree;
use super::super::{codes, decode};
use super::Lowering;
use crate::diagnostic::{At, Diagnostic, Origin, suggest};

/// Settings and the tree that says where they stand.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) tree: Tree,
    pub(super) node: Node,
}

/// What nodes share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    defaults: Option<Layer>,
    kinds: BTreeMap<Kind, Layer>,
    groups: BTreeMap<String, Layer>,
    /// The names of groups, with those that have errors.
    names: BTreeSet<String>,
}

/// The layers of one node, the strongest first.
#[derive(Debug)]
pub(super) struct Stack<'a> {
    pub(super) layers: Vec<&'a Layer>,
}

impl Stack<'_> {
    /// The strongest value of a key.
    pub(super) fn strongest<T: Clone>(&self, key: &str, pick: impl Fn(&Node) -> Option<&Leaf<T>>) -> Option<At<T>> {
        self.layers.iter().find_map(|layer| {
            let value = pick(&layer.node)?;
            Some(At::new(value.0.clone(), layer.tree.origin_of(key)))
        })
    }

    /// Entries of a map, the strongest of each name.
    pub(super) fn merged(
        &self,
        key: &str,
        pick: impl Fn(&Node) -> &BTreeMap<String, Leaf<String>>,
    ) -> BTreeMap<String, At<String>> {
        let mut merged = BTreeMap::new();
        for layer in self.weakest_first() {
            let Some(tree) = layer.tree.get(key) else { continue };
            for entry in tree.entries() {
                if let Some(value) = pick(&layer.node).get(&entry.key.value) {
                    merged.insert(entry.key.value.clone(), At::new(value.0.clone(), entry.value.origin));
                }
            }
        }
        merged
    }

    pub(super) fn weakest_first(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().rev().copied()
    }
}

impl Lowering<'_, '_> {
    pub(super) fn settings(&mut self, defaults: Option<Tree>, kinds: Vec<Unit>, groups: Vec<Unit>) -> Shared {
        let mut shared = Shared::default();
        if let Some(tree) = defaults {
            shared.defaults = self.layer(tree, "defaults");
        }
        for unit in kinds {
            let Some(key) = unit.key else { continue };
            match Kind::read(&key.value) {
                Ok(kind) => {
                    if let Some(entry) = unit.tree.entry("kind") {
                        let message = "`kind` means nothing in the settings of a kind";
                        self.report(Diagnostic::error(codes::OUT_OF_PLACE, message).at(entry.key.origin, ""), None);
                    }
                    let layer = self.layer(unit.tree, "kinds");
                    shared.kinds.extend(layer.map(|layer| (kind, layer)));
                }
                Err(message) => self.report(unknown_kind(&message, key.origin), None),
            }
        }
        for unit in groups {
            let Some(key) = unit.key else { continue };
            shared.names.insert(key.value.clone());
            let layer = self.layer(unit.tree, "groups");
            shared.groups.extend(layer.map(|layer| (key.value, layer)));
        }
        shared
    }

    fn layer(&mut self, tree: Tree, place: &str) -> Option<Layer> {
        for key in Settings::NOT_SHARED {
            if let Some(entry) = tree.entry(key) {
                let message = format!("`{key}` belongs to a node and means nothing in `{place}`");
                self.report(Diagnostic::error(codes::OUT_OF_PLACE, message).at(entry.key.origin, ""), None);
            }
        }
        let Settings(node) = self.decode(&tree, None)?;
        Some(Layer { tree, node })
    }

    /// The groups, kind and layers of a node. `None` if it has no kind.
    pub(super) fn stack<'a>(
        &mut self,
        name: &At<String>,
        own: &'a Layer,
        shared: &'a Shared,
        row: Option<&Note>,
    ) -> Option<(At<Kind>, Stack<'a>)> {
        let mut layers = vec![own];
        let groups = own.node.group.as_ref().map(|groups| groups.0.as_slice()).unwrap_or_default();
        let written = own.tree.get("group");
        for (place, group) in groups.iter().enumerate() {
            let origin =
                written.map_or(own.tree.origin, |tree| tree.items().get(place).map_or(tree.origin, |item| item.origin));
            match shared.groups.get(group.as_str()) {
                Some(layer) => layers.push(layer),
                None if shared.names.contains(group.as_str()) => {}
                None => self.unknown_group(group, &shared.names, origin, row),
            }
        }
        layers.extend(&shared.defaults);
        let mut stack = Stack { layers };
        let Some(kind) = stack.strongest("kind", |node| node.kind.as_ref()) else {
            // A kind that could not be decoded has its error already.
            if own.tree.entry("kind").is_none() {
                let words: Vec<_> = Kind::ALL.iter().map(|(word, _)| *word).collect();
                let help =
                    suggest::list(&words).map(|list| format!("add `kind:`, here or in `defaults`; there are {list}"));
                let finding = Diagnostic::error(codes::MISSING_KEY, format!("the node `{}` has no kind", name.value));
                self.report(finding.at(name.origin, "").help(help.unwrap_or_default()), row);
            }
            return None;
        };
        if let Some(layer) = shared.kinds.get(&kind.value) {
            let place = stack.layers.len() - usize::from(shared.defaults.is_some());
            stack.layers.insert(place, layer);
        }
        Some((kind, stack))
    }

    fn unknown_group(&mut self, group: &str, names: &BTreeSet<String>, origin: Origin, row: Option<&Note>) {
        let help = suggest::help(group, names.iter().map(String::as_str));
        let help = help.unwrap_or_else(|| "declare it under `topology: groups:`".into());
        let finding = Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no group `{group}`"));
        self.report(finding.at(origin, "").help(help), row);
    }
}

fn unknown_kind(message: &str, origin: Origin) -> Diagnostic {
    if message.ends_with(super::super::choice::NOT_YET) {
        return decode::not_yet(message.to_owned(), origin);
    }
    match message.split_once("; ") {
        Some((message, help)) => Diagnostic::error(codes::UNKNOWN_NAME, message).at(origin, "").help(help),
        None => Diagnostic::error(codes::UNKNOWN_NAME, message).at(origin, ""),
    }
}
