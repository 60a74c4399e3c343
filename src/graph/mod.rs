//! The graph of kernel objects: what exists because of what. Orders, levels and teardown all come from it.

mod build;
pub mod dot;
mod identity;
mod index;
pub mod life;
pub mod linux;
pub mod names;
mod needs;
mod numbering;
pub mod object;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::model::{LabName, NodeName};
use identity::Identity;
use index::Index;
use needs::{Needs, Order};

pub use build::{FIRST_RULESET, build, is_shaped, place_of};
pub use identity::ObjectId;
pub use life::{Cpus, Folder, Limit, Mount, Mounted, Ruleset};
pub use linux::Linux;
pub use numbering::Numbering;
pub use object::{
    Address, Eiface, Epair, Hook, Hooks, IfBridge, Jail, Member, Name, Netgraph, NetgraphKind, Nic, Object,
    PipeDirection, PipeSettings, Place, Placement, Route, Shape, Sysctl, Up,
};

/// A table that is looked up all the time. What it holds is the author's own: nobody gains by choosing names that meet in it.
pub type Table<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// So many objects are ordered by what they rest on alone.
const FEW: usize = 1000;

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
    /// Of what was seen, where in the graph of what is wanted the same object probably is, by place.
    likely: Vec<Option<usize>>,
    // What follows from the objects is found out when somebody asks: of a lab of which nothing changes nobody does.
    index: OnceLock<Index>,
    /// Creators of interfaces, by the interface's name in the lab jail.
    makers: OnceLock<Table<Name, usize>>,
    needs: OnceLock<Needs>,
    order: OnceLock<Order>,
    /// Nodes whose jails another tool runs, with their interfaces' names in the lab jail.
    elsewhere: BTreeMap<NodeName, Vec<Name>>,
}

/// How two graphs differ.
#[derive(Debug, Default)]
pub(crate) struct Difference<'g> {
    /// What only the first has, in its order.
    pub(crate) new: Vec<&'g Object>,
    /// What both have with other attributes, as the first and the second have it, in the order of the first.
    pub(crate) changed: Vec<(&'g Object, &'g Object)>,
    /// What only the second has, in its order.
    pub(crate) gone: Vec<&'g Object>,
}

impl Graph {
    /// The graph of nothing.
    #[must_use]
    pub fn empty(lab: LabName) -> Self {
        Self {
            lab,
            objects: Vec::new(),
            likely: Vec::new(),
            index: OnceLock::new(),
            makers: OnceLock::new(),
            needs: OnceLock::new(),
            order: OnceLock::new(),
            elsewhere: BTreeMap::new(),
        }
    }

    /// The graph of these objects; what one needs and is not among them, it does not need.
    ///
    /// # Errors
    /// Two objects of one identity.
    pub fn new(lab: LabName, objects: Vec<(Owner, Object)>) -> Result<Self, GraphError> {
        let index = Index::of_all(&objects).map_err(|object| GraphError::Twice(object.id()))?;
        Ok(Self { objects, index: index.into(), ..Self::empty(lab) })
    }

    /// The graph of objects that were seen, each with where it is in the graph of what is wanted, if it is there: they are compared
    /// without being looked for.
    ///
    /// # Errors
    /// Two objects of one identity.
    pub(crate) fn seen(
        lab: LabName,
        objects: Vec<(Owner, Object)>,
        likely: Vec<Option<usize>>,
    ) -> Result<Self, GraphError> {
        let wanted = likely.iter().flatten().max().map_or(0, |last| last + 1);
        let mut known = vec![false; wanted];
        let mut unknown: HashSet<Identity<'_>> = HashSet::new();
        for ((_, object), likely) in objects.iter().zip(&likely) {
            let is_new = match likely {
                Some(place) => !std::mem::replace(&mut known[*place], true),
                None => unknown.insert(object.identity()),
            };
            if !is_new {
                return Err(GraphError::Twice(object.id()));
            }
        }
        Ok(Self { objects, likely, ..Self::empty(lab) })
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
        self.known_order().places().iter().map(|place| &self.objects[*place].1)
    }

    /// The objects of these identities, in that order; what is not there is left out.
    pub fn sorted<'i>(&self, ids: impl Iterator<Item = &'i ObjectId>) -> impl DoubleEndedIterator<Item = &Object> {
        let mut places: Vec<usize> = ids.filter_map(|id| self.place(id.identity())).collect();
        places.sort_unstable();
        if !self.are_in_order(&places) {
            let order = self.known_order();
            places.sort_unstable_by_key(|place| order.rank(*place));
        }
        places.into_iter().map(|place| &self.objects[place].1)
    }

    /// Whether it is clear without the order of all objects that these are in it as they were given: that is so if nothing that one of
    /// them rests on was given after the next of them.
    fn are_in_order(&self, places: &[usize]) -> bool {
        if places.len() < 2 {
            return true;
        }
        // Of many, the order of all is found out sooner.
        if self.order.get().is_some() || places.len() > FEW {
            return false;
        }
        let mut known = Table::default();
        places.windows(2).all(|pair| self.furthest(pair[0], &mut known).is_some_and(|furthest| furthest < pair[1]))
    }

    /// The last place of an object and everything that it rests on; `None` if that rests on itself.
    fn furthest(&self, place: usize, known: &mut Table<usize, Option<usize>>) -> Option<usize> {
        if let Some(furthest) = known.get(&place) {
            return *furthest;
        }
        known.insert(place, None);
        let mut furthest = place;
        for needed in self.known_needs().of(self, place) {
            furthest = furthest.max(self.furthest(needed, known)?);
        }
        known.insert(place, Some(furthest));
        Some(furthest)
    }

    /// How this graph differs from one that was seen.
    pub(crate) fn difference<'g>(&'g self, seen: &'g Self) -> Difference<'g> {
        let mut difference = Difference::default();
        let mut found: Vec<bool> = vec![false; self.objects.len()];
        let mut changed: Vec<(usize, &Object)> = Vec::new();
        for (at, (_, object)) in seen.objects.iter().enumerate() {
            let likely = seen.likely.get(at).copied().flatten();
            let is_there = |place: &usize| self.objects.get(*place).is_some_and(|(_, own)| own == object);
            match likely.filter(is_there).or_else(|| self.place(object.identity())) {
                Some(place) => {
                    found[place] = true;
                    if self.objects[place].1 != *object {
                        changed.push((place, object));
                    }
                }
                None => difference.gone.push(object),
            }
        }
        changed.sort_unstable_by_key(|(place, _)| *place);
        difference.changed = changed.into_iter().map(|(place, old)| (&self.objects[place].1, old)).collect();
        let missing = self.objects.iter().zip(&found).filter(|(_, found)| !**found);
        difference.new = missing.map(|((_, object), _)| object).collect();
        difference
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
        self.place(id.identity()).map(|place| &self.objects[place]).map(|(owner, object)| (owner, object))
    }

    /// The object of the same identity, its place and whose it is.
    pub(crate) fn counterpart(&self, object: &Object) -> Option<(usize, &Owner, &Object)> {
        let place = self.place(object.identity())?;
        let (owner, object) = &self.objects[place];
        Some((place, owner, object))
    }

    fn place(&self, identity: Identity<'_>) -> Option<usize> {
        // No two are alike: that was made sure of when the graph was made.
        let index = self.index.get_or_init(|| Index::of_all(&self.objects).unwrap_or_default());
        index.find(&self.objects, identity)
    }

    /// What an object needs directly, in order.
    pub fn needs(&self, id: &ObjectId) -> impl Iterator<Item = &Object> {
        let places = self.place(id.identity()).map(|place| match self.order.get() {
            Some(order) => order.needs(place),
            None => self.known_needs().of(self, place),
        });
        places.unwrap_or_default().into_iter().map(|place| &self.objects[place].1)
    }

    /// The object that makes the interface of that name in the lab jail.
    #[must_use]
    pub fn maker(&self, nic: &str) -> Option<&Object> {
        self.maker_place(nic).map(|place| &self.objects[place].1)
    }

    fn maker_place(&self, nic: &str) -> Option<usize> {
        let makers = self.makers.get_or_init(|| {
            let nics = self
                .objects()
                .enumerate()
                .flat_map(|(place, object)| object.nics().iter().map(move |nic| (nic, place)));
            nics.map(|(nic, place)| (nic.name.clone(), place)).collect()
        });
        makers.get(nic).copied()
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
        let order = self.known_order();
        let mut level_of = vec![0usize; self.objects.len()];
        let mut levels: Vec<Vec<&Object>> = Vec::new();
        for place in order.places() {
            let level = order.needs(*place).into_iter().map(|other| level_of[other] + 1).max().unwrap_or(0);
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

    fn known_order(&self) -> &Order {
        self.order.get_or_init(|| Order::of_all(self, self.known_needs()))
    }
}

#[cfg(test)]
mod tests;
