//! Desired against observed: what becomes of each object, and because of which attribute.

use std::collections::{BTreeMap, HashSet};

use super::{linux, words};
use crate::graph::{Difference, Graph, Linux, Nic, Object, ObjectId, PipeSettings, Place, Table};

/// What becomes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is made.
    Create,
    /// It stays, with other attributes.
    Change(Vec<Attribute>),
    /// It is destroyed and made again.
    Replace(Vec<Attribute>),
    /// It is destroyed.
    Destroy,
}

/// One attribute before and after.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// After.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// It cannot change in place: it forces the object to be replaced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forces: bool,
}

impl Attribute {
    /// It stands for an object that this one rests on.
    fn is_of_another(&self) -> bool {
        self.old.is_none()
    }
}

/// What becomes of each object that does not stay as it is.
pub(super) type Fates = Table<ObjectId, Fate>;

/// Decides about every object of both graphs.
pub(super) fn fates(desired: &Graph, observed: &Graph) -> Fates {
    let Difference { new, changed, gone } = desired.difference(observed);
    let mut fates: Fates = gone.iter().map(|object| (object.id(), Fate::Destroy)).collect();
    if new.is_empty() && gone.is_empty() {
        // As long as nothing goes, is new or is made anew, nothing can be forced to follow it: in a large lab of which little changes
        // that is so of nearly every change.
        let decided = changed.iter().map(|(object, old)| (object.id(), compare((observed, old), (desired, object))));
        fates.extend(decided.filter_map(|(id, fate)| Some((id, fate?))));
        if !fates.values().any(|fate| matches!(fate, Fate::Replace(_))) {
            return fates;
        }
        fates.clear();
    }
    let mut is_forced = !fates.is_empty();
    for object in desired.in_order() {
        let fate = match observed.get(&object.id()) {
            None => Some(Fate::Create),
            Some(old) => match is_forced.then(|| forced(object, desired, observed, &fates)).flatten() {
                Some(attribute) => Some(Fate::Replace(vec![attribute])),
                None if old == object => None,
                None => compare((observed, old), (desired, object)),
            },
        };
        is_forced |= matches!(fate, Some(Fate::Create | Fate::Replace(_)));
        fates.extend(fate.map(|fate| (object.id(), fate)));
    }
    fates
}

/// Objects that are not as they are wanted although what is wanted was applied before: somebody else changed them.
pub(super) fn drifted(desired: &Graph, applied: &Graph, fates: &Fates) -> HashSet<ObjectId> {
    let mut drifted = HashSet::new();
    for object in desired.sorted(fates.keys()) {
        let id = object.id();
        let by_itself = match fates.get(&id) {
            None | Some(Fate::Destroy) => continue,
            Some(Fate::Create | Fate::Change(_)) => true,
            // What is made anew with something that it rests on has the cause of that.
            Some(Fate::Replace(attributes)) => {
                !attributes.iter().any(|attribute| attribute.forces && attribute.is_of_another())
            }
        };
        let rests_on_drift = || desired.needs(&id).any(|needed| drifted.contains(&needed.id()));
        if applied.get(&id) == Some(object) && (by_itself || rests_on_drift()) {
            drifted.insert(id);
        }
    }
    let goes = |id: &ObjectId| fates.get(id) == Some(&Fate::Destroy) && applied.get(id).is_none();
    drifted.extend(fates.keys().filter(|id| goes(id)).cloned());
    drifted
}

/// An object does not outlive what it needs: whether something that it rests on is made anew.
fn forced(object: &Object, desired: &Graph, observed: &Graph, fates: &Fates) -> Option<Attribute> {
    let id = object.id();
    let standing = standing(object, desired, fates);
    let carries = |needed: &&Object| {
        let is_spare = matches!(needed, Object::Address(address) if standing.contains(&&*address.interface));
        !is_spare && carries(needed, object)
    };
    let replaced = desired
        .needs(&id)
        .filter(carries)
        .find(|needed| matches!(fates.get(&needed.id()), Some(Fate::Replace(_))))
        .or_else(|| displaced(object, desired, fates));
    let gone = || observed.needs(&id).filter(carries).find(|needed| desired.get(&needed.id()).is_none());
    let (graph, needed) = match replaced {
        Some(needed) => (desired, needed),
        None => (observed, gone()?),
    };
    let (kind, name) = words::describe(graph, needed);
    Some(Attribute { name: kind.to_owned(), old: None, new: Some(name), forces: true })
}

/// Interfaces with an address that a route rests on and that stays: others that they have in its subnet may come and go.
fn standing<'g>(object: &Object, desired: &'g Graph, fates: &Fates) -> Vec<&'g str> {
    let Object::Route(_) = object else { return Vec::new() };
    let id = object.id();
    let stays = |needed: &&Object| matches!(fates.get(&needed.id()), None | Some(Fate::Change(_)));
    let interface = |needed: &'g Object| match needed {
        Object::Address(address) => Some(&*address.interface),
        _ => None,
    };
    desired.needs(&id).filter(stays).filter_map(interface).collect()
}

/// The address that a route is to rest on, if all that it is to rest on is yet to be made: what it rests on now is none of ours, or goes.
fn displaced<'g>(object: &Object, desired: &'g Graph, fates: &Fates) -> Option<&'g Object> {
    let Object::Route(_) = object else { return None };
    let id = object.id();
    let addresses = || desired.needs(&id).filter(|needed| matches!(needed, Object::Address(_)));
    let is_new = |needed: &Object| matches!(fates.get(&needed.id()), Some(Fate::Create | Fate::Replace(_)));
    addresses().next().filter(|_| addresses().all(is_new))
}

/// Whether `object` goes when `needed` goes, as against merely having to come after it.
fn carries(needed: &Object, object: &Object) -> bool {
    match (needed, object) {
        // A bridge comes up after its ports, and stays up when one of them is made anew.
        (Object::Sysctl(_), _) | (Object::Up(_), Object::Up(_)) => false,
        (Object::Member(member), Object::Up(up)) => member.member == up.interface,
        // A root names its copies: with other ones it is another root.
        (Object::Folder(_), Object::Linux(Linux::Root(_))) => false,
        _ => true,
    }
}

/// `None` if there is no difference that matters.
fn compare((observed, old): (&Graph, &Object), (desired, new): (&Graph, &Object)) -> Option<Fate> {
    let mut found = Attributes::default();
    match (old, new) {
        (Object::Jail(old), Object::Jail(new)) => {
            for (name, value) in &new.parameters {
                let before = old.parameters.get(name).cloned();
                found.differ(name, before.unwrap_or_default(), value.clone(), creation_only(name));
            }
            // Without a root of its own a node has the host's.
            if let (Some(path), None) = (old.parameters.get("path"), new.parameters.get("path")) {
                found.differ("path", path.as_str(), "/", true);
            }
        }
        (Object::Netgraph(old), Object::Netgraph(new)) => {
            found.differ("type", old.kind.type_name(), new.kind.type_name(), true);
        }
        (Object::Shape(old), Object::Shape(new)) => found.pipe(&old.settings, &new.settings),
        (Object::Eiface(old), Object::Eiface(new)) => found.nic("", &old.nic, &new.nic),
        (Object::IfBridge(old), Object::IfBridge(new)) => found.nic("", &old.nic, &new.nic),
        (Object::Epair(old), Object::Epair(new)) => {
            found.nic("a ", &old.ends[0], &new.ends[0]);
            found.nic("b ", &old.ends[1], &new.ends[1]);
        }
        (Object::Hooks(old), Object::Hooks(new)) => {
            found.differ("peer", old.ends[1].to_string(), new.ends[1].to_string(), true);
        }
        (Object::Placement(old), Object::Placement(new)) => {
            found.differ("place", old.place.to_string(), new.place.to_string(), true);
            found.differ("name", &*old.name, &*new.name, false);
        }
        (Object::Member(old), Object::Member(new)) => {
            found.differ("bridge", &*old.bridge, &*new.bridge, true);
            found.differ("mtu", old.mtu.to_string(), new.mtu.to_string(), true);
            found.differ("stp", old.stp.to_string(), new.stp.to_string(), false);
        }
        (Object::Sysctl(old), Object::Sysctl(new)) => found.differ("value", &*old.value, &*new.value, false),
        (Object::Address(old), Object::Address(new)) => {
            found.differ("prefix length", old.net.prefix().to_string(), new.net.prefix().to_string(), true);
        }
        (Object::Route(old), Object::Route(new)) => {
            found.differ("via", old.via.to_string(), new.via.to_string(), false);
        }
        (Object::Clone(old), Object::Clone(new)) => {
            found.differ("snapshot", &*old.of, &*new.of, true);
            found.differ("mountpoint", &*old.at, &*new.at, true);
        }
        (Object::Ruleset(old), Object::Ruleset(new)) => {
            found.differ("number", old.number.to_string(), new.number.to_string(), true);
        }
        (Object::Mount(old), Object::Mount(new)) => {
            found.differ("what", words::mounted(&old.what), words::mounted(&new.what), true);
        }
        (Object::Limit(old), Object::Limit(new)) => {
            found.differ("amount", old.amount.to_string(), new.amount.to_string(), false);
        }
        (Object::Cpus(old), Object::Cpus(new)) => {
            found.differ("processors", old.set.to_string(), new.set.to_string(), false);
        }
        (Object::Folder(old), Object::Folder(new)) => {
            let source = |of: &Option<crate::graph::Name>| of.as_deref().unwrap_or_default().to_owned();
            found.differ("copy of", source(&old.copy_of), source(&new.copy_of), true);
        }
        (Object::Up(_), Object::Up(_)) => {}
        (Object::Linux(old), Object::Linux(new)) => linux::compare(&mut found, old, new),
        (old, new) => found.differ("kind", words::describe(observed, old).0, words::describe(desired, new).0, true),
    }
    found.fate()
}

/// Parameters that jail_set(2) takes only when a jail is made.
fn creation_only(name: &str) -> bool {
    matches!(name, "vnet" | "path" | "osrelease" | "osreldate" | "ip4" | "ip6")
}

#[derive(Default)]
pub(super) struct Attributes(Vec<Attribute>);

impl Attributes {
    pub(super) fn differ(&mut self, name: &str, old: impl Into<String>, new: impl Into<String>, forces: bool) {
        let (old, new) = (old.into(), new.into());
        if old != new {
            let known = |value: String| (!value.is_empty()).then_some(value);
            self.0.push(Attribute { name: name.to_owned(), old: known(old), new: known(new), forces });
        }
    }

    pub(super) fn nic(&mut self, prefix: &str, old: &Nic, new: &Nic) {
        self.differ(&format!("{prefix}name"), &*old.name, &*new.name, true);
        self.differ(&format!("{prefix}mac"), old.mac.to_string(), new.mac.to_string(), false);
        self.differ(&format!("{prefix}mtu"), old.mtu.to_string(), new.mtu.to_string(), false);
        self.differ(&format!("{prefix}description"), &*old.description, &*new.description, false);
    }

    fn pipe(&mut self, old: &PipeSettings, new: &PipeSettings) {
        let (old, new) = (words::pipe(old), words::pipe(new));
        let names: BTreeMap<&str, ()> = old.keys().chain(new.keys()).map(|name| (name.as_str(), ())).collect();
        for name in names.keys() {
            let value = |of: &BTreeMap<String, String>| of.get(*name).cloned().unwrap_or_else(|| "off".to_owned());
            self.differ(name, value(&old), value(&new), false);
        }
    }

    fn fate(self) -> Option<Fate> {
        let forces = self.0.iter().any(|attribute| attribute.forces);
        let fate = if forces { Fate::Replace } else { Fate::Change };
        (!self.0.is_empty()).then(|| fate(self.0))
    }
}

/// Where an interface can be configured while its maker's turn has come: at its place if it stays there, else in the lab jail.
pub(super) fn whereabouts(nic: &Nic, observed: &Graph, fates: &Fates) -> (Place, crate::graph::Name) {
    let id = ObjectId::Placement(nic.name.clone());
    match (observed.get(&id), fates.get(&id)) {
        (Some(Object::Placement(placement)), None | Some(Fate::Change(_))) => {
            (placement.place.clone(), placement.name.clone())
        }
        _ => end_of(nic, observed).unwrap_or_else(|| (Place::Lab, nic.name.clone())),
    }
}

/// Where an end of a veth pair is: it never moves.
fn end_of(nic: &Nic, observed: &Graph) -> Option<(Place, crate::graph::Name)> {
    let Some(Object::Linux(Linux::Veth(veth))) = observed.maker(&nic.name) else { return None };
    let at = veth.nics.iter().position(|own| own.name == nic.name)?;
    Some((veth.ends[at].place.clone(), veth.ends[at].name.clone()))
}
