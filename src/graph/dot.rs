//! Pictures: what the author wrote as DOT and Mermaid, and the kernel objects as DOT.

use crate::model::Model;

/// What the author wrote, as a Graphviz graph.
#[must_use]
pub fn topology_dot(_model: &Model) -> String {
    String::new()
}

/// What the author wrote, as a Mermaid flowchart.
#[must_use]
pub fn topology_mermaid(_model: &Model) -> String {
    String::new()
}

/// The kernel objects with their hooks, as a Graphviz digraph.
#[must_use]
pub fn objects_dot(_model: &Model) -> String {
    String::new()
}
