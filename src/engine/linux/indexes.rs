//! Which interface has which index: chosen by us in namespaces that we made, read where something was before.

use std::collections::HashMap;

use super::kernel::Kernel;
use super::{Engineer, errno};
use crate::abi::Errno;
use crate::engine::EngineError;
use crate::graph::linux::LOOPBACK;
use crate::graph::{Name, Place};
use crate::netlink::linux::Link;

/// The indexes of a lab's interfaces, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Indexes(HashMap<Place, Own>);

/// Those of one namespace.
#[derive(Debug)]
struct Own {
    by_name: HashMap<Name, u32>,
    next: u32,
}

impl Indexes {
    /// A namespace that was made just now holds a loopback and nothing else.
    pub(super) fn is_new(&mut self, place: &Place) {
        let by_name = HashMap::from([(Name::from(LOOPBACK), 1)]);
        self.0.insert(place.clone(), Own { by_name, next: 2 });
    }

    pub(super) fn learn(&mut self, place: &Place, links: &[Link]) {
        let by_name = links.iter().map(|link| (Name::from(link.name.as_str()), link.index)).collect();
        let next = links.iter().map(|link| link.index).max().unwrap_or(0).saturating_add(1);
        self.0.insert(place.clone(), Own { by_name, next });
    }

    pub(super) fn forget(&mut self, place: &Place) {
        self.0.remove(place);
    }

    fn of(&self, place: &Place, name: &str) -> Option<u32> {
        self.0.get(place)?.by_name.get(name).copied()
    }
}

impl<K: Kernel> Engineer<'_, K> {
    /// The index of an interface.
    pub(super) fn index(&mut self, place: &Place, name: &str) -> Result<u32, EngineError> {
        self.known(place)?;
        if self.indexes.of(place, name).is_none() {
            // The kernel chose it, or somebody else made it.
            self.learn(place)?;
        }
        self.indexes
            .of(place, name)
            .ok_or_else(|| EngineError::refused(self.at(place, name), "RTM_GETLINK", Errno::ENODEV))
    }

    /// An index for an interface that is about to be made. On the host the kernel chooses: others choose there too.
    pub(super) fn choose(&mut self, place: &Place, name: &Name) -> Result<u32, EngineError> {
        self.known(place)?;
        if *place == Place::Host {
            self.indexes.forget(place);
            return Ok(0);
        }
        let Some(own) = self.indexes.0.get_mut(place) else {
            return Err(errno::refused(place.to_string(), "RTM_GETLINK", 19));
        };
        let index = own.next;
        own.next = index.saturating_add(1);
        own.by_name.insert(name.clone(), index);
        Ok(index)
    }

    /// An interface went.
    pub(super) fn went(&mut self, place: &Place, name: &str) {
        if let Some(own) = self.indexes.0.get_mut(place) {
            own.by_name.remove(name);
        }
    }

    fn known(&mut self, place: &Place) -> Result<(), EngineError> {
        if self.indexes.0.contains_key(place) { Ok(()) } else { self.learn(place) }
    }

    fn learn(&mut self, place: &Place) -> Result<(), EngineError> {
        let links = self.links(place)?;
        self.indexes.learn(place, &links);
        Ok(())
    }
}
