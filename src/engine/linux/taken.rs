//! Names of the host that a lab needs and that somebody else has.

use std::collections::BTreeSet;

use super::Engineer;
use super::kernel::Kernel;
use crate::engine::EngineError;
use crate::graph::{Linux, Object, Place};

impl<K: Kernel> Engineer<'_, K> {
    /// Those of the names of objects that are to be made, in words.
    pub(super) fn names_taken(&mut self, new: &[&Object]) -> Result<Vec<String>, EngineError> {
        let places = |object: &&Object| match object {
            Object::Linux(Linux::Namespace(namespace)) => Some(namespace.place.clone()),
            _ => None,
        };
        let places: Vec<Place> = new.iter().filter_map(places).collect();
        let names = self.kernel.names_taken(&self.lab, &places)?;
        let mut taken: Vec<String> = names.into_iter().map(|name| format!("namespace `{name}`")).collect();
        let wanted: BTreeSet<&str> = new.iter().flat_map(|object| on_host(object)).collect();
        if wanted.is_empty() {
            return Ok(taken);
        }
        let ours = format!("cellblock {} ", self.lab);
        for link in self.links(&Place::Host)? {
            let is_ours = link.alias.as_deref().is_some_and(|alias| alias.starts_with(&ours));
            if !is_ours && wanted.contains(link.name.as_str()) {
                taken.push(format!("interface `{}`", link.name));
            }
        }
        Ok(taken)
    }
}

/// What ends of a pair are called in the host's own stack.
fn on_host(object: &Object) -> Vec<&str> {
    match object {
        Object::Linux(Linux::Veth(veth)) => {
            veth.ends.iter().filter(|end| end.place == Place::Host).map(|end| &*end.name).collect()
        }
        _ => Vec::new(),
    }
}
