//! A plan as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::{Action, Cause, Change, Made, Plan};
use crate::graph::Owner;
use crate::model::NodeName;

pub use super::commands::commands;

/// The plan for people: `+ ~ -/+ -` at the start of lines, last line `Plan: A to add, C to change, R to replace, D to destroy.`
#[must_use]
pub fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for (owner, changes) in grouped(&plan.changes) {
        let title = match owner {
            Owner::Lab => format!("lab {}", plan.lab),
            Owner::Node(name) => format!("node {name}"),
            Owner::Link(identity) => format!("link {identity}"),
        };
        text.push_str(&title);
        text.push('\n');
        for change in changes {
            line(&mut text, change);
        }
        text.push('\n');
    }
    if !plan.made.is_empty() {
        text.push_str("made by programs in nodes, left alone\n");
        for Made { node, kind, name, of } in &plan.made {
            let of = of.as_ref().map_or_else(String::new, |of| format!("  type {of}"));
            let _ = writeln!(text, "  !   {} {node}:{name}{of}", kind.word());
        }
        text.push('\n');
    }
    for note in &plan.notes {
        text.push_str(note);
        text.push('\n');
    }
    if !plan.notes.is_empty() {
        text.push('\n');
    }
    let counts = plan.counts();
    let (add, change, replace, destroy) = (counts.add, counts.change, counts.replace, counts.destroy);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "Plan: {add} to add, {change} to change, {replace} to replace, {destroy} to destroy.");
    text
}

impl Action {
    /// The sign at the start of a line.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Change => "~",
            Self::Replace => "-/+",
            Self::Destroy => "-",
        }
    }
}

/// By owner: the lab, then nodes, then links, each in natural order; within one in the order of the plan.
fn grouped(changes: &[Change]) -> Vec<(&Owner, Vec<&Change>)> {
    let mut groups: BTreeMap<(u8, Natural<'_>), (&Owner, Vec<&Change>)> = BTreeMap::new();
    for change in changes {
        let key = match &change.owner {
            Owner::Lab => (0, Natural("")),
            Owner::Node(name) => (1, Natural(name)),
            Owner::Link(identity) => (2, Natural(identity)),
        };
        groups.entry(key).or_insert_with(|| (&change.owner, Vec::new())).1.push(change);
    }
    groups.into_values().collect()
}

#[derive(PartialEq, Eq)]
struct Natural<'t>(&'t str);

impl Ord for Natural<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        crate::model::natural_order(self.0, other.0)
    }
}

impl PartialOrd for Natural<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn line(text: &mut String, change: &Change) {
    let _ = write!(text, "  {:<3} {} {}", change.action.sign(), change.kind, change.name);
    let mut before = "  ";
    for attribute in &change.attributes {
        let value = match (&attribute.old, &attribute.new) {
            (Some(old), Some(new)) => format!("{old} -> {new}"),
            (None, Some(new)) if change.action == Action::Create => new.clone(),
            (None, Some(new)) => format!("-> {new}"),
            (Some(old), None) => format!("{old} ->"),
            (None, None) => String::new(),
        };
        let forces = if attribute.forces { " (forces replacement)" } else { "" };
        let _ = write!(text, "{before}{} {value}{forces}", attribute.name);
        before = ", ";
    }
    if change.cause == Cause::Drift {
        text.push_str(" (drift)");
    }
    text.push('\n');
}

/// The plan for programs.
#[must_use]
pub fn json(plan: &Plan) -> Value {
    let changes: Vec<Value> = plan.changes.iter().map(change_json).collect();
    let mut value = json!({
        "lab": plan.lab.as_str(),
        "changes": changes,
        "notes": plan.notes,
        "steps": plan.steps.len(),
        "counts": plan.counts(),
    });
    if !plan.renames.is_empty() {
        let rename = |(from, to): &(NodeName, NodeName)| json!({ "from": from, "to": to });
        value["renames"] = plan.renames.iter().map(rename).collect();
    }
    if !plan.made.is_empty() {
        value["made"] = json!(plan.made);
    }
    value
}

fn change_json(change: &Change) -> Value {
    let (of, owner) = match &change.owner {
        Owner::Lab => ("lab", None),
        Owner::Node(name) => ("node", Some(&**name)),
        Owner::Link(identity) => ("link", Some(&**identity)),
    };
    let mut value = json!({
        "action": change.action,
        "of": of,
        "owner": owner,
        "kind": change.kind,
        "name": change.name,
        "attributes": change.attributes,
    });
    if change.cause == Cause::Drift {
        value["cause"] = json!(change.cause);
    }
    value
}
