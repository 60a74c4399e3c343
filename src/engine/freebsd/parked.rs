//! Sessions of nodes that have been set up and are about to be read back: what is open in them is used once more, instead of
//! being opened again. Whoever looks takes them all; a jail that is removed loses its own first, or it would not die.

use std::collections::BTreeMap;

use super::doors::{Doors, Jid};
use super::session::Session;

/// Nodes whose sessions are kept at a time: each is a few descriptors and a thread of the kernel.
const MOST: usize = 256;
/// Descriptors that are left to everybody else for each one that is kept.
const SHARE: usize = 4;

/// Sessions by jail.
#[derive(Debug, Default)]
pub(super) struct Parked {
    sessions: BTreeMap<Jid, Session>,
    /// Sockets of all of them.
    open: usize,
}

impl Parked {
    /// Keeps a session, or closes it where enough are kept.
    pub(super) fn keep(&mut self, jid: Jid, session: Session, doors: &mut impl Doors) {
        let open = self.open + session.open();
        if self.sessions.len() >= MOST || open > doors.descriptors() / SHARE {
            return session.close(doors);
        }
        self.open = open;
        if let Some(older) = self.sessions.insert(jid, session) {
            self.open -= older.open();
            older.close(doors);
        }
    }

    /// The session of a jail.
    pub(super) fn take(&mut self, jid: Jid) -> Option<Session> {
        let session = self.sessions.remove(&jid)?;
        self.open -= session.open();
        Some(session)
    }

    /// Closes all; whether there was one.
    pub(super) fn clear(&mut self, doors: &mut impl Doors) -> bool {
        let is_some = !self.sessions.is_empty();
        for session in std::mem::take(&mut self.sessions).into_values() {
            session.close(doors);
        }
        self.open = 0;
        is_some
    }
}
