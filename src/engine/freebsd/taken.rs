//! Names of the host that a lab needs and that somebody else has.
//!
//! There are two kinds of them: the lab's own jail, and interfaces that are given to the host's stack. Every other name is below
//! these: jails of nodes are children of the lab's, and netgraph nodes and loose interfaces are in its network stack, where nobody
//! else makes any.

use std::collections::BTreeSet;

use super::FreeBsd;
use super::doors::Doors;
use super::session::Session;
use crate::engine::EngineError;
use crate::graph::{Object, Place};

impl<D: Doors> FreeBsd<'_, D> {
    /// Those of the names of objects that are to be made, in words.
    pub(super) fn names_taken(&mut self, new: &[&Object]) -> Result<Vec<String>, EngineError> {
        let mut taken = Vec::new();
        let is_lab = |object: &&Object| matches!(object, Object::Jail(jail) if jail.place == Place::Lab);
        if new.iter().any(is_lab) && self.find_jail(&Place::Lab)?.is_some() {
            taken.push(format!("jail `{}`", self.lab));
        }
        let wanted: BTreeSet<&str> = new.iter().filter_map(|object| on_host(object)).collect();
        if wanted.is_empty() {
            return Ok(taken);
        }
        let mut session = Session::new(Place::Host);
        let links = self.links(&mut session);
        session.close(self.doors);
        let ours = format!("cellblock {} ", self.lab);
        let is_ours = |description: &Option<String>| description.as_deref().is_some_and(|text| text.starts_with(&ours));
        let theirs = links?.into_iter().filter(|link| !is_ours(&link.description));
        taken.extend(
            theirs.filter(|link| wanted.contains(link.name.as_str())).map(|link| format!("interface `{}`", link.name)),
        );
        Ok(taken)
    }
}

/// What an object is called in the host's own stack.
fn on_host(object: &Object) -> Option<&str> {
    match object {
        Object::Placement(placement) if placement.place == Place::Host => Some(&placement.name),
        _ => None,
    }
}
