//! The graph of kernel objects: what exists because of what. Orders, levels and teardown all come from it.

mod build;
pub mod dot;
pub mod life;
pub mod linux;
pub mod names;
mod needs;
mod numbering;
pub mod object;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::model::{LabName, NodeName};
use needs::Needs;

pub use build::{FIRST_RULESET, build, is_shaped, place_of};
pub use life::{Cpus, Folder, Limit, Mount, Mounted, Ruleset};
pub use linux::Linux;
pub use numbering::Numbering;
pub use object::{
    Address, Eiface, Epair, Hook, Hooks, IfBridge, Jail, Member, Name, Netgraph, NetgraphKind, Nic, Object, ObjectId,
    PipeDirection, PipeSettings, Place, Placement, Route, Shape, Sysctl, Up,
};

/// A table that is looked up all the time. What it holds is the author's own: nobody gains by choosing names that meet in it.
pub type Table<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The sysctl that says how often an IPv6 address is probed for before it may be used.
pub const DAD_COUNT: &str = "net.inet6.ip6.dad_count";

/// A graph that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two objects are recognised by the same name.
    #[error("two objects would both be {0:?}")]
    Twice(ObjectId),
    /// Nothing says whose graph it is.
    #[error("a graph without a lab")]
    NoLab,
}

/// Whose object it is to the author.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Owner {
    /// The lab's own.
    Lab,
    /// A node's.
    Node(Name),
    /// A link's, by its identity.
    Link(Name),
}

/// Kernel objects and what each of them needs. Places in it are the order in which they were given.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The lab.
    pub lab: LabName,
    objects: Vec<(Owner, Object)>,
    index: Table<ObjectId, usize>,
    /// Creators of interfaces, by the interface's name in the lab jail.
    makers: Table<Name, usize>,
    /// Found out when somebody asks: of a lab of which nothing changes nobody does.
    needs: OnceLock<Needs>,
    /// Nodes whose jails another tool runs, with their interfaces' names in the lab jail.
    elsewhere: BTreeMap<NodeName, Vec<Name>>,
}

impl Graph {
    /// The graph of nothing.
    #[must_use]
    pub fn empty(lab: LabName) -> Self {
        Self {
            lab,
            objects: Vec::new(),
            index: Table::default(),
            makers: Table::default(),
            needs: OnceLock::new(),
            elsewhere: BTreeMap::new(),
        }
    }

    /// The graph of these objects; what one needs and is not among them, it does not need.
    ///
    /// # Errors
    /// Two objects of one identity.
    pub fn new(lab: LabName, objects: Vec<(Owner, Object)>) -> Result<Self, GraphError> {
        let mut graph = Self { objects, ..Self::empty(lab) };
        graph.index.reserve(graph.objects.len());
        for (place, (_, object)) in graph.objects.iter().enumerate() {
            if graph.index.insert(object.id(), place).is_some() {
                return Err(GraphError::Twice(object.id()));
            }
            graph.makers.extend(object.nics().iter().map(|nic| (nic.name.clone(), place)));
        }
        Ok(graph)
    }

    /// The same, with nodes whose jails another tool runs and the names of their interfaces in the lab jail.
    #[must_use]
    pub fn with_nodes_elsewhere(mut self, nodes: BTreeMap<NodeName, Vec<Name>>) -> Self {
        self.elsewhere = nodes;
        self
    }

    /// Places whose jails another tool runs: what is inside is not ours.
    pub fn places_elsewhere(&self) -> impl Iterator<Item = Place> {
        self.elsewhere.keys().cloned().map(Place::Node)
    }

    /// Whether an interface is one that another tool takes out of the lab and brings back as it likes.
    #[must_use]
    pub fn is_lent(&self, nic: &str) -> bool {
        self.elsewhere.values().flatten().any(|name| &**name == nic)
    }

    /// The interfaces that other tools may have taken out of the lab.
    pub fn lent(&self) -> impl Iterator<Item = &Nic> {
        self.elsewhere.values().flatten().filter_map(|name| self.nic(name))
    }

    /// The interface of that name in the lab jail.
    #[must_use]
    pub fn nic(&self, name: &str) -> Option<&Nic> {
        self.maker(name)?.nics().iter().find(|nic| &*nic.name == name)
    }

    /// Every object and whose it is, in the order in which they were given.
    pub fn parts(&self) -> impl Iterator<Item = (&Owner, &Object)> {
        self.objects.iter().map(|(owner, object)| (owner, object))
    }

    /// Every object, in the order in which they were given.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().map(|(_, object)| object)
    }

    /// A graph of other objects of the same lab.
    ///
    /// # Errors
    /// As [`Graph::new`].
    pub fn with_parts(&self, parts: Vec<(Owner, Object)>) -> Result<Self, GraphError> {
        Ok(Self::new(self.lab.clone(), parts)?.with_nodes_elsewhere(self.elsewhere.clone()))
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Every object after everything it needs; ties in the order in which they were given.
    pub fn in_order(&self) -> impl DoubleEndedIterator<Item = &Object> {
        self.known_needs().order().iter().map(|place| &self.objects[*place].1)
    }

    /// The objects of these identities, in that order; what is not there is left out.
    pub fn sorted<'i>(&self, ids: impl Iterator<Item = &'i ObjectId>) -> impl DoubleEndedIterator<Item = &Object> {
        let mut places: Vec<usize> = ids.filter_map(|id| self.index.get(id).copied()).collect();
        if places.len() > 1 {
            places.sort_unstable_by_key(|place| self.known_needs().rank(*place));
        }
        places.into_iter().map(|place| &self.objects[place].1)
    }

    /// The object of that identity.
    #[must_use]
    pub fn get(&self, id: &ObjectId) -> Option<&Object> {
        self.part(id).map(|(_, object)| object)
    }

    /// Whose it is to the author.
    #[must_use]
    pub fn owner(&self, id: &ObjectId) -> Option<&Owner> {
        self.part(id).map(|(owner, _)| owner)
    }

    /// The object of that identity, and whose it is.
    #[must_use]
    pub fn part(&self, id: &ObjectId) -> Option<(&Owner, &Object)> {
        self.index.get(id).map(|place| &self.objects[*place]).map(|(owner, object)| (owner, object))
    }

    /// What an object needs directly, in order.
    pub fn needs(&self, id: &ObjectId) -> impl Iterator<Item = &Object> {
        let places = self.index.get(id).map(|place| self.known_needs().of(*place)).unwrap_or_default();
        places.into_iter().map(|place| &self.objects[place].1)
    }

    /// The object that makes the interface of that name in the lab jail.
    #[must_use]
    pub fn maker(&self, nic: &str) -> Option<&Object> {
        self.makers.get(nic).map(|place| &self.objects[*place].1)
    }

    /// The hook pairs that a netgraph node has a part in.
    pub fn hooks_of(&self, node: &str) -> impl Iterator<Item = &Hooks> {
        self.known_needs().hooks_of(node).iter().filter_map(|place| match &self.objects[*place].1 {
            Object::Hooks(hooks) => Some(hooks),
            _ => None,
        })
    }

    /// The same without the jails of these places and everything that is inside them; what their roots are made of stays.
    ///
    /// # Errors
    /// None that a whole graph did not have.
    pub fn without(&self, places: &BTreeSet<Place>) -> Result<Self, GraphError> {
        let inside = |object: &Object| object.place().is_some_and(|place| places.contains(place));
        let kept = self.objects.iter().filter(|(_, object)| !inside(object)).cloned();
        let kept = kept.filter_map(|(owner, object)| match object {
            Object::Linux(Linux::Veth(veth)) => {
                Some((owner, Object::Linux(Linux::Veth(Box::new(veth.without(places))))))
            }
            Object::Linux(Linux::Shaped(shaped)) => {
                Some((owner, Object::Linux(Linux::Shaped(Box::new(shaped.without(places)?)))))
            }
            other => Some((owner, other)),
        });
        Ok(Self::new(self.lab.clone(), kept.collect())?.with_nodes_elsewhere(self.elsewhere.clone()))
    }

    /// Objects that may be made at the same time: each level needs only those before it. Teardown is the reverse.
    #[must_use]
    pub fn levels(&self) -> Vec<Vec<&Object>> {
        let needs = self.known_needs();
        let mut level_of = vec![0usize; self.objects.len()];
        let mut levels: Vec<Vec<&Object>> = Vec::new();
        for place in needs.order() {
            let level = needs.of(*place).into_iter().map(|other| level_of[other] + 1).max().unwrap_or(0);
            level_of[*place] = level;
            if levels.len() <= level {
                levels.resize_with(level + 1, Vec::new);
            }
            levels[level].push(&self.objects[*place].1);
        }
        levels
    }

    fn known_needs(&self) -> &Needs {
        self.needs.get_or_init(|| Needs::of_all(self))
    }
}

#[cfg(test)]
mod tests;
