//! What was seen of roots, limits and processors, and the same as objects.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::observed::{ObservedJail, by_text};
use crate::graph::life::{Clone as ZfsClone, DEVFS_RULESET};
use crate::graph::linux::{Linux, Root, Rules};
use crate::graph::{Cpus, Folder, Graph, Limit, Mount, Mounted, Name, Object, ObjectId, Place, Ruleset};
use crate::model::CpuSet;

/// What a copy that was begun and not finished says of its source.
const UNFINISHED: &str = "(unfinished)";

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct LifeScope {
    /// Paths of folders.
    pub folders: BTreeSet<Name>,
    /// Names of datasets, and where ours is mounted.
    pub clones: BTreeMap<Name, Name>,
    /// Where something is mounted.
    pub mounts: BTreeSet<Name>,
    /// Numbers of rulesets.
    pub rulesets: BTreeSet<u16>,
    /// Jails with limits.
    pub limits: BTreeSet<Place>,
    /// Jails with processors of their own.
    pub cpus: BTreeSet<Place>,
    /// Nodes of Linux with files of their own.
    pub roots: BTreeSet<Place>,
    /// Nodes of Linux with firewalls.
    pub rules: BTreeSet<Place>,
}

impl LifeScope {
    pub(super) fn add(&mut self, object: &Object) {
        match object {
            Object::Folder(folder) => drop(self.folders.insert(folder.path.clone())),
            Object::Clone(clone) => drop(self.clones.insert(clone.dataset.clone(), clone.at.clone())),
            Object::Mount(mount) => drop(self.mounts.insert(mount.at.clone())),
            Object::Ruleset(ruleset) => drop(self.rulesets.insert(ruleset.number)),
            Object::Limit(limit) => drop(self.limits.insert(limit.place.clone())),
            Object::Cpus(cpus) => drop(self.cpus.insert(cpus.place.clone())),
            Object::Linux(Linux::Rules(rules)) => drop(self.rules.insert(rules.place.clone())),
            Object::Linux(Linux::Root(root)) => drop(self.roots.insert(root.place.clone())),
            _ => {}
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObservedLife {
    /// Folders of ours, and whether each is whole.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub folders: BTreeMap<Name, bool>,
    /// Clones of ours by dataset.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clones: BTreeMap<Name, ObservedClone>,
    /// The uppermost mount at each place asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mounts: BTreeMap<Name, ObservedMount>,
    /// Rulesets that bear our mark.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub rulesets: BTreeSet<u16>,
    /// Rules on our jails.
    #[serde(serialize_with = "by_text", skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<Place, Vec<ObservedLimit>>,
    /// Processors of the jails asked for, and of the lab jail.
    #[serde(serialize_with = "by_text", skip_serializing_if = "BTreeMap::is_empty")]
    pub cpus: BTreeMap<Place, CpuSet>,
    /// What nodes of Linux see as their files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<Root>,
    /// The firewalls of nodes of Linux, as they were loaded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rules>,
}

/// A clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObservedClone {
    /// Its snapshot.
    pub of: Name,
    /// Where it is mounted.
    pub at: Name,
}

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObservedMount {
    /// `nullfs`, `devfs`…
    pub kind: String,
    /// What it shows.
    pub from: Name,
    /// Nothing can be written to it.
    pub read_only: bool,
}

/// A rule of rctl(4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObservedLimit {
    /// Of what.
    pub resource: Name,
    /// What happens.
    pub action: Name,
    /// How much.
    pub amount: u64,
}

impl ObservedLife {
    pub(super) fn is_empty(&self) -> bool {
        self.folders.is_empty()
            && self.clones.is_empty()
            && self.mounts.is_empty()
            && self.rulesets.is_empty()
            && self.limits.values().all(Vec::is_empty)
    }

    /// The same as objects; `known` is what roots were to be made of, `wanted` all that is wanted now.
    pub(super) fn objects(
        &self,
        known: &[&Object],
        wanted: Option<&Graph>,
        jails: &BTreeMap<Place, ObservedJail>,
    ) -> Vec<Object> {
        let mut objects = Vec::new();
        let mut told = BTreeSet::new();
        for object in known {
            let seen = match object {
                Object::Folder(folder) => self.folder(folder),
                Object::Clone(clone) => self.clone_of(clone),
                Object::Mount(mount) => self.mount(mount, jails),
                Object::Ruleset(ruleset) => {
                    self.rulesets.contains(&ruleset.number).then_some(Object::Ruleset(Ruleset { ..*ruleset }))
                }
                _ => None,
            };
            objects.extend(seen.filter(|seen| told.insert(seen.id())));
        }
        for (place, limits) in &self.limits {
            let limit = |seen: &ObservedLimit| {
                let ObservedLimit { resource, action, amount } = seen.clone();
                Object::Limit(Limit { place: place.clone(), resource, action, amount })
            };
            objects.extend(limits.iter().map(limit).filter(|limit| told.insert(limit.id())));
        }
        objects.extend(self.cpus(wanted));
        objects.extend(self.rules.iter().cloned().map(|rules| Object::Linux(Linux::Rules(rules))));
        objects.extend(self.roots.iter().cloned().map(|root| Object::Linux(Linux::Root(Box::new(root)))));
        objects
    }

    fn folder(&self, known: &Folder) -> Option<Object> {
        let whole = *self.folders.get(&known.path)?;
        let copy_of = if whole { known.copy_of.clone() } else { Some(UNFINISHED.into()) };
        Some(Object::Folder(Folder { copy_of, ..known.clone() }))
    }

    fn clone_of(&self, known: &ZfsClone) -> Option<Object> {
        let ObservedClone { of, at } = self.clones.get(&known.dataset)?.clone();
        Some(Object::Clone(ZfsClone { of, at, ..known.clone() }))
    }

    /// Which rules a devfs was mounted with, nobody tells; its jail has the same number.
    fn mount(&self, known: &Mount, jails: &BTreeMap<Place, ObservedJail>) -> Option<Object> {
        let seen = self.mounts.get(&known.at)?;
        let what = match (seen.kind.as_str(), &known.what) {
            ("devfs", Mounted::Devices { ruleset }) => {
                let jail = jails.get(&Place::Node(known.node.clone()));
                let number = jail.and_then(|jail| jail.parameters.get(DEVFS_RULESET)?.parse().ok());
                Mounted::Devices { ruleset: number.unwrap_or(*ruleset) }
            }
            _ => Mounted::Folder { from: seen.from.clone(), read_only: seen.read_only },
        };
        Some(Object::Mount(Mount { what, ..known.clone() }))
    }

    /// A jail that has what its lab has was not told anything, unless just that is wanted.
    fn cpus<'c>(&'c self, wanted: Option<&'c Graph>) -> impl Iterator<Item = Object> + 'c {
        let lab = self.cpus.get(&Place::Lab);
        self.cpus.iter().filter(|(place, _)| **place != Place::Lab).filter_map(move |(place, set)| {
            let seen = Object::Cpus(Cpus { place: place.clone(), set: set.clone() });
            let is_wanted = wanted.and_then(|graph| graph.get(&ObjectId::Cpus(place.clone()))) == Some(&seen);
            (Some(set) != lab || is_wanted).then_some(seen)
        })
    }
}
