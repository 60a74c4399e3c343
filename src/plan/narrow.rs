//! A plan for some nodes alone.

use std::collections::HashSet;

use crate::graph::{Graph, GraphError, Object, ObjectId, Owner, Place};

/// What the kernel is to hold when only what belongs to `owners` may change: of them what `desired` says, of all else what is there.
/// What a new object of theirs cannot exist without comes too.
///
/// # Errors
/// None that whole graphs did not have.
pub fn narrow(desired: &Graph, before: &Graph, owners: &HashSet<Owner>) -> Result<Graph, GraphError> {
    let mut chosen: HashSet<ObjectId> = HashSet::new();
    for graph in [desired, before] {
        let theirs = graph.parts().filter(|(owner, _)| owners.contains(owner));
        chosen.extend(theirs.map(|(_, object)| object.id()));
    }
    // What carries something that is new; the lab's own jail has to admit it.
    let mut missing: Vec<ObjectId> = chosen.iter().cloned().collect();
    while let Some(id) = missing.pop() {
        for needed in desired.needs(&id).map(Object::id) {
            let is_admitting = needed == ObjectId::Jail(Place::Lab);
            if (is_admitting || before.get(&needed).is_none()) && chosen.insert(needed.clone()) {
                missing.push(needed);
            }
        }
    }
    let mut parts: Vec<(Owner, Object)> = Vec::new();
    for (owner, object) in desired.parts() {
        let id = object.id();
        let kept = if chosen.contains(&id) { Some(object) } else { before.get(&id) };
        parts.extend(kept.map(|object| (owner.clone(), object.clone())));
    }
    for (owner, object) in before.parts() {
        let id = object.id();
        if desired.get(&id).is_none() && !chosen.contains(&id) {
            parts.push((owner.clone(), object.clone()));
        }
    }
    desired.with_parts(parts)
}
