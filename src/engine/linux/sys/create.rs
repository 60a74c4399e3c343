//! Namespaces of labs are made: all of them by one thread, which is in the last one when it ends.

use std::fs::File;
use std::os::fd::AsFd;

use super::held::Held;
use super::{Namespaces, call, descriptors, folder, inside, netlink_socket, no, node, strays};
use crate::abi::Errno;
use crate::engine::EngineError;
use crate::engine::linux::kernel::Kernel;
use crate::graph::Place;
use crate::model::LabName;

impl Namespaces {
    /// Makes the lab's directory where it is not there, and ends what still runs in what somebody took out of sight.
    pub(super) fn prepare(&mut self, lab: &LabName, token: &str, places: &[&Place]) -> Result<(), EngineError> {
        if places.contains(&&Place::Lab) {
            self.house(lab, token)?;
            if !matches!(self.token(lab), Ok(Some(_))) {
                // Where the directory is not new, another file system was on it.
                let ended = if folder::was_here(lab) { strays::end(lab, token) } else { Ok(()) };
                let begun = ended.and_then(|()| folder::begin(lab, token));
                begun.map_err(|error| no(folder::lab(lab).display(), "mount", &error))?;
            }
        }
        // In the place of nodes whose namespaces went behind our back there are to be new ones.
        if node::had_keepers(lab) {
            places.iter().try_for_each(|place| node::end(lab, place).map_err(|error| no(place, "kill", &error)))?;
        }
        Ok(())
    }

    /// Makes the namespaces of places, as many at a time as may be open.
    pub(super) fn make_all(&mut self, lab: &LabName, places: &[&Place]) -> Vec<Result<(), EngineError>> {
        let mut results = Vec::with_capacity(places.len());
        let at_once = (self.room / 2).max(1);
        for places in places.chunks(at_once) {
            self.make_room();
            descriptors::make_room(self.held.len() + places.len());
            let made = inside::alone(|| Ok(places.iter().map(|place| make(lab, place)).collect::<Vec<_>>()));
            match made {
                Ok(made) => results.extend(places.iter().zip(made).map(|(place, held)| {
                    held.map(|held| drop(self.held.insert((lab.clone(), (*place).clone()), held)))
                })),
                Err(error) => results.extend(places.iter().map(|place| Err(no(place, "unshare", &error)))),
            }
        }
        results
    }
}

/// Makes a namespace with the calling thread, which is in it afterwards, and keeps it.
fn make(lab: &LabName, place: &Place) -> Result<Held, EngineError> {
    call::unshare(libc::CLONE_NEWNET).map_err(|error| no(place, "unshare", &error))?;
    let namespace = File::open("/proc/thread-self/ns/net").map_err(|error| no(place, "open", &error))?;
    let netlink = netlink_socket(libc::NETLINK_ROUTE).map_err(|error| no(place, "socket", &error))?;
    folder::keep(lab, place, namespace.as_fd()).map_err(|error| {
        let name = folder::name(lab, place).unwrap_or_default();
        let error = no(name.display(), "mount", &error);
        if error.errno == Some(Errno::EEXIST) {
            return error.hint("a namespace of that name belongs to somebody else: `ip netns` lists it");
        }
        error
    })?;
    Ok(Held { namespace: namespace.into(), netlink })
}
