//! Fates of objects as changes for people.

use std::collections::{BTreeMap, HashMap};

use super::build::default_of;
use super::diff::{self, Attribute, Fate, Fates};
use super::{Action, Cause, Change, words};
use crate::graph::{Address, Graph, Object, ObjectId, Owner, Place, Sysctl};

/// What the plan says, in the order of the graphs.
pub(super) fn changes(desired: &Graph, observed: &Graph, applied: Option<&Graph>, fates: &Fates) -> Vec<Change> {
    let drifted = applied.map(|applied| diff::drifted(desired, applied, fates)).unwrap_or_default();
    let caused = |id: &ObjectId, change: Change| {
        if drifted.contains(id) { Change { cause: Cause::Drift, ..change } } else { change }
    };
    let mut changes = Vec::new();
    let moves = address_changes(desired, observed, fates);
    for object in desired.sorted(fates.keys()) {
        let id = object.id();
        let (action, attributes) = match fates.get(&id) {
            Some(Fate::Create) if moves.contains_key(&id) => {
                changes.extend(moves.get(&id).map(|(old, new)| caused(&id, readdressed(desired, old, new))));
                continue;
            }
            Some(Fate::Create) => match object {
                Object::Up(_) if !follows_from_another(object, desired, fates, &Action::Create) => {
                    changes.push(caused(&id, set_to(desired, object, true)));
                    continue;
                }
                _ => (Action::Create, new_attributes(object)),
            },
            Some(Fate::Change(attributes)) => (Action::Change, attributes.clone()),
            Some(Fate::Replace(attributes)) => (Action::Replace, attributes.clone()),
            _ => continue,
        };
        if !follows_from_another(object, desired, fates, &action) {
            changes.push(caused(&id, change(desired, object, action, attributes)));
        }
    }
    for object in observed.sorted(going(fates)).rev() {
        let id = object.id();
        let goes = fates.get(&id) == Some(&Fate::Destroy) && !stays_as_it_is(object, fates) && !moves.contains_key(&id);
        if goes && !follows_from_another(object, observed, fates, &Action::Destroy) {
            changes.push(caused(
                &id,
                match object {
                    Object::Up(_) => set_to(observed, object, false),
                    _ => change(observed, object, Action::Destroy, Vec::new()),
                },
            ));
        }
    }
    changes
}

/// What goes.
fn going(fates: &Fates) -> impl Iterator<Item = &ObjectId> {
    fates.iter().filter(|(_, fate)| **fate == Fate::Destroy).map(|(id, _)| id)
}

/// Addresses of an interface that take the place of others, by the identity of the new one and of the old one: where one of a family
/// goes and one comes. The kernel knows no such change: it is a removal and an addition.
fn address_changes<'g>(
    desired: &'g Graph,
    observed: &'g Graph,
    fates: &Fates,
) -> HashMap<ObjectId, (&'g Address, &'g Address)> {
    if going(fates).next().is_none() {
        return HashMap::new();
    }
    let with = |graph: &'g Graph, fate: Fate| {
        let mut found: BTreeMap<(&Place, &str, bool), Vec<&Address>> = BTreeMap::new();
        for object in graph.sorted(fates.keys()) {
            if let (Object::Address(address), true) = (object, fates.get(&object.id()) == Some(&fate)) {
                let key = (&address.place, &*address.interface, address.net.is_ipv4());
                found.entry(key).or_default().push(address);
            }
        }
        found
    };
    let mut changes = HashMap::new();
    let goes = with(observed, Fate::Destroy);
    let comes = with(desired, Fate::Create);
    for (key, new) in &comes {
        if let (Some([old]), [new]) = (goes.get(key).map(Vec::as_slice), new.as_slice()) {
            changes.insert(Object::Address((*new).clone()).id(), (*old, *new));
            changes.insert(Object::Address((*old).clone()).id(), (*old, *new));
        }
    }
    changes
}

fn readdressed(desired: &Graph, old: &Address, new: &Address) -> Change {
    let object = Object::Address(new.clone());
    let name = if new.net.is_ipv4() { "ipv4" } else { "ipv6" };
    let attribute = Attribute {
        name: name.to_owned(),
        old: Some(old.net.to_string()),
        new: Some(new.net.to_string()),
        forces: false,
    };
    Change { name: format!("of {}", new.interface), ..change(desired, &object, Action::Change, vec![attribute]) }
}

/// An interface that stays comes up or goes down: to people that is a state of it, no object.
fn set_to(graph: &Graph, object: &Object, is_up: bool) -> Change {
    let word = |up: bool| Some(if up { "up" } else { "down" }.to_owned());
    let attribute = Attribute { name: "state".to_owned(), old: word(!is_up), new: word(is_up), forces: false };
    Change { kind: "interface", ..change(graph, object, Action::Change, vec![attribute]) }
}

/// A sysctl does not go. What it goes back to is known for some of a jail's own; the host's are restored by the record.
fn stays_as_it_is(object: &Object, fates: &Fates) -> bool {
    let Object::Sysctl(sysctl) = object else { return false };
    let jail_goes = fates.get(&ObjectId::Jail(sysctl.place.clone())) == Some(&Fate::Destroy);
    sysctl.place == Place::Host || !jail_goes && default_of(&sysctl.name).is_none_or(|value| value == sysctl.value)
}

/// What is said of a sysctl that the file no longer sets.
#[must_use]
pub fn unknown_first_value(Sysctl { place, name, value }: &Sysctl) -> String {
    format!("sysctl {name} of {place} stays {value}: its first value is not known")
}

/// Sysctls that the file no longer sets and that stay, because nobody knows what they were.
pub(super) fn notes(observed: &Graph, fates: &Fates) -> Vec<String> {
    let stays = |object: &Object| match object {
        Object::Sysctl(sysctl) if sysctl.place != Place::Host && default_of(&sysctl.name).is_none() => {
            let going = fates.get(&object.id()) == Some(&Fate::Destroy) && stays_as_it_is(object, fates);
            going.then(|| unknown_first_value(sysctl))
        }
        _ => None,
    };
    observed.sorted(going(fates)).filter_map(stays).collect()
}

/// Giving an interface to its node and setting it up belong to making it: said only when they happen alone.
fn follows_from_another(object: &Object, graph: &Graph, fates: &Fates, action: &Action) -> bool {
    if !matches!(object, Object::Up(_) | Object::Placement(_)) {
        return false;
    }
    let id = object.id();
    let mut carriers =
        graph.needs(&id).filter(|needed| !matches!((object, needed), (Object::Placement(_), Object::Jail(_))));
    carriers.any(|needed| match fates.get(&needed.id()) {
        Some(Fate::Create) => *action == Action::Create,
        Some(Fate::Replace(_)) => matches!(action, Action::Replace | Action::Create),
        Some(Fate::Destroy) => *action == Action::Destroy,
        _ => false,
    })
}

fn new_attributes(object: &Object) -> Vec<Attribute> {
    let attribute = |(name, value)| Attribute { name, old: None, new: Some(value), forces: false };
    words::attributes(object).into_iter().map(attribute).collect()
}

fn change(graph: &Graph, object: &Object, action: Action, attributes: Vec<Attribute>) -> Change {
    let (kind, name) = words::describe(graph, object);
    let owner = graph.owner(&object.id()).cloned().unwrap_or(Owner::Lab);
    Change { action, owner, kind, name, attributes, cause: Cause::Edit }
}
