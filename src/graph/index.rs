//! Where in a graph each object is. What is kept is a number for each, so that a large lab's fits a processor's cache; what the objects
//! are recognised by is looked up in themselves.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::Owner;
use super::identity::Identity;
use super::object::Object;

/// Places of objects by what these are recognised by.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    places: HashTable<usize>,
    hasher: foldhash::fast::RandomState,
}

impl Index {
    /// Of all objects, or one that has the identity of an earlier one.
    pub(super) fn of_all(objects: &[(Owner, Object)]) -> Result<Self, &Object> {
        let mut index = Self { places: HashTable::with_capacity(objects.len()), ..Self::default() };
        for (place, (_, object)) in objects.iter().enumerate() {
            let hasher = &index.hasher;
            let hash = |place: &usize| hasher.hash_one(objects[*place].1.identity());
            let is_it = |other: &usize| objects[*other].1.identity() == object.identity();
            match index.places.entry(hash(&place), is_it, hash) {
                Entry::Occupied(_) => return Err(object),
                Entry::Vacant(free) => drop(free.insert(place)),
            }
        }
        Ok(index)
    }

    /// Where the object of that identity is.
    pub(super) fn find(&self, objects: &[(Owner, Object)], identity: Identity<'_>) -> Option<usize> {
        let is_it = |place: &usize| objects[*place].1.identity() == identity;
        self.places.find(self.hasher.hash_one(identity), is_it).copied()
    }
}
