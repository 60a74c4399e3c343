//! A plan as the commands that would do the same by hand.

use super::Plan;

/// `--show-commands`: ngctl, ifconfig, jail and route lines, in order; comments start with `#`.
#[must_use]
pub fn commands(_plan: &Plan) -> Vec<String> {
    Vec::new()
}
