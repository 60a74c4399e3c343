//! The graphs of two models at the same time.

use std::panic::resume_unwind;
use std::thread;

use crate::graph::{Graph, GraphError, Numbering};
use crate::model::Model;

/// Makes the objects of a model; threads may do that, each for a model of its own.
pub type GraphBuilder = fn(&Model, &mut Numbering) -> Result<Graph, GraphError>;

/// The objects of what is wanted and of what was wanted before.
///
/// # Errors
/// A derived name that two objects would share.
pub fn two_graphs(
    build: GraphBuilder,
    (wanted, numbering): (&Model, &mut Numbering),
    (before, earlier): (&Model, &Numbering),
) -> Result<(Graph, Graph), GraphError> {
    let of_before = || build(before, &mut earlier.clone());
    thread::scope(|scope| {
        let other = thread::Builder::new().name("graph".to_owned()).spawn_scoped(scope, of_before);
        let wanted = build(wanted, numbering);
        let before = match other {
            Ok(other) => other.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // A system that has no room for a thread.
            Err(_) => of_before(),
        };
        Ok((wanted?, before?))
    })
}
