//! What is open of a lab's namespaces, and who else may have them open.

use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::{Namespaces, call, descriptors, folder, fork, inside, netlink_socket, no, open_namespace};
use crate::engine::EngineError;
use crate::graph::Place;
use crate::model::LabName;

/// Namespaces of a lab whose bridges are so large that the kernel takes its time to set them down: with a thousand ports, 60 ms.
const MANY: usize = 400;

/// A namespace that is open, and a netlink socket in it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) namespace: OwnedFd,
    pub(super) netlink: OwnedFd,
}

impl Namespaces {
    /// The descriptors of a place, opened if they are not.
    pub(super) fn held(&mut self, lab: &LabName, place: &Place) -> Result<&Held, EngineError> {
        match self.held.entry((lab.clone(), place.clone())) {
            Entry::Occupied(held) => Ok(held.into_mut()),
            Entry::Vacant(free) => {
                let namespace = open_namespace(lab, place)?;
                let netlink = inside::within(namespace.as_fd(), || netlink_socket(libc::NETLINK_ROUTE))
                    .map_err(|error| no(place, "socket", &error))?;
                Ok(free.insert(Held { namespace: namespace.into(), netlink }))
            }
        }
    }

    /// Does something in a place, on a thread of its own.
    pub(super) fn within<T: Send>(
        &mut self,
        lab: &LabName,
        place: &Place,
        call: &str,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> Result<T, EngineError> {
        let namespace = open_namespace(lab, place)?;
        inside::within(namespace.as_fd(), work).map_err(|error| no(place, call, &error))
    }

    /// Opens many places with one thread, which goes into all of them: to start one takes longer than to ask a small namespace for
    /// what it has. What cannot be opened is told when it is used.
    pub(super) fn open_all(&mut self, lab: &LabName, places: &[&Place]) {
        let missing = |place: &&&Place| !self.held.contains_key(&(lab.clone(), (**place).clone()));
        let missing: Vec<&Place> = places.iter().filter(missing).copied().collect();
        if missing.is_empty() {
            return;
        }
        descriptors::make_room(self.held.len() + missing.len());
        let opened = inside::alone(|| {
            let open = |place: &Place| {
                let namespace = open_namespace(lab, place).ok()?;
                call::setns(namespace.as_fd(), libc::CLONE_NEWNET).ok()?;
                Some(Held { netlink: netlink_socket(libc::NETLINK_ROUTE).ok()?, namespace: namespace.into() })
            };
            Ok(missing.iter().map(|place| open(place)).collect::<Vec<_>>())
        });
        for (place, held) in missing.iter().zip(opened.unwrap_or_default()) {
            if let Some(held) = held {
                self.held.insert((lab.clone(), (*place).clone()), held);
            }
        }
    }

    /// The token of the lab that is mounted there, and what to do about something else. The table of mounts is long where there are
    /// many namespaces: it is read again only when another file system is there.
    pub(super) fn read_token(&mut self, lab: &LabName) -> Result<Option<String>, EngineError> {
        if let Some((own, system, token)) = &self.seen
            && own == lab
            && system.is_on(lab)
        {
            return Ok(Some(token.clone()));
        }
        self.seen = None;
        let Some(system) = folder::file_system(lab).map_err(|error| no(folder::lab(lab).display(), "open", &error))?
        else {
            return Ok(None);
        };
        match folder::mounted(lab) {
            Ok(None) => Ok(None),
            Ok(Some(Ok(token))) => {
                self.seen = Some((lab.clone(), system, token.clone()));
                Ok(Some(token))
            }
            Ok(Some(Err(source))) => {
                let at = folder::lab(lab).display().to_string();
                let message = format!("`{source}` is mounted on `{at}`, and it is not ours");
                Err(EngineError::strange(at, "mount", message).hint("choose another `name`, or unmount it"))
            }
            Err(error) => Err(no("/proc/thread-self/mountinfo", "read", &error)),
        }
    }

    /// Has a process that nobody waits for send messages in a lab's own namespace when all of it is out of sight, with copies of the
    /// lab's mounts that keep its namespaces until then; `false` if that is not done.
    pub(super) fn have_sent(&mut self, lab: &LabName, messages: &[u8]) -> Result<bool, EngineError> {
        let listed = folder::places(lab).map_err(|error| no(folder::lab(lab).display(), "readdir", &error))?;
        if self.is_awaited || self.entered.is_some() || listed.len() < MANY {
            return Ok(false);
        }
        let at = folder::path(&folder::lab(lab)).map_err(|error| no(lab, "open_tree", &error))?;
        // A kernel that is too old for it, or forbids it, is no reason to fail.
        let Ok(mounts) = call::copy_mounts(&at) else { return Ok(false) };
        let netlink = self.held(lab, &Place::Lab)?.netlink.as_fd();
        let Ok(left) = fork::leave_behind(netlink, messages, mounts.as_fd()) else { return Ok(false) };
        self.left.push(left);
        Ok(true)
    }
}
