//! A plan as text, as JSON, and as the commands that would do the same by hand.

use super::Plan;

/// The plan for people: `+ ~ -/+ -` at the start of lines, last line `Plan: A to add, C to change, R to replace, D to destroy.`
#[must_use]
pub fn text(_plan: &Plan) -> String {
    String::new()
}

/// The plan for programs.
#[must_use]
pub fn json(_plan: &Plan) -> serde_json::Value {
    serde_json::Value::Null
}

/// `--show-commands`: ngctl, ifconfig, jail and route lines, in order; comments start with `#`.
#[must_use]
pub fn commands(_plan: &Plan) -> Vec<String> {
    Vec::new()
}
