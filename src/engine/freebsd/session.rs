//! What is open in one place while its steps are done: a helper and its sockets, opened when needed, closed early because they
//! keep a jail from dying.

use std::collections::BTreeMap;

use super::FreeBsd;
use super::doors::{Actor, Doors, Helper, Jid, Sock, SocketKind};
use crate::abi::Errno;
use crate::engine::EngineError;
use crate::graph::Place;

/// Helper and sockets of one place.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) place: Place,
    helper: Option<Helper>,
    socks: Vec<(SocketKind, Sock)>,
    /// Interface numbers, asked for once.
    pub(super) indexes: BTreeMap<String, u32>,
    /// Numbers of netgraph nodes, asked for once.
    pub(super) nodes: BTreeMap<String, ngsock::NodeId>,
    /// The next sequence number of the route sockets.
    pub(super) sequence: u32,
}

impl Session {
    pub(super) fn new(place: Place) -> Self {
        Self { place, helper: None, socks: Vec::new(), indexes: BTreeMap::new(), nodes: BTreeMap::new(), sequence: 1 }
    }

    /// Closes every socket and ends the helper.
    pub(super) fn close(self, doors: &mut impl Doors) {
        for (_, sock) in self.socks {
            doors.close(sock);
        }
        if let Some(helper) = self.helper {
            doors.helper_end(helper);
        }
    }
}

impl<D: Doors> FreeBsd<'_, D> {
    /// Who acts in a place: our own process on the host, else its helper.
    pub(super) fn actor(&mut self, session: &mut Session) -> Result<Actor, EngineError> {
        if session.place == Place::Host {
            return Ok(Actor::Host);
        }
        if let Some(helper) = session.helper {
            return Ok(Actor::Helper(helper));
        }
        let jid = self.jid(&session.place)?;
        let helper = self.doors.helper_start(jid).map_err(|errno| refused(&session.place, "jail_attach", errno))?;
        session.helper = Some(helper);
        Ok(Actor::Helper(helper))
    }

    /// The helper of a place that is not the host.
    pub(super) fn helper(&mut self, session: &mut Session) -> Result<Helper, EngineError> {
        match self.actor(session)? {
            Actor::Helper(helper) => Ok(helper),
            Actor::Host => Err(EngineError::strange("the host", "jail_attach", "the host needs no helper")),
        }
    }

    /// A socket of the place.
    pub(super) fn sock(&mut self, session: &mut Session, kind: SocketKind) -> Result<Sock, EngineError> {
        if let Some((_, sock)) = session.socks.iter().find(|(open, _)| *open == kind) {
            return Ok(*sock);
        }
        let actor = self.actor(session)?;
        let sock = self
            .doors
            .open(actor, kind)
            .map_err(|errno| refused(&session.place, &format!("socket ({kind:?})"), errno))?;
        session.socks.push((kind, sock));
        Ok(sock)
    }

    /// The number of a place's jail.
    pub(super) fn jid(&mut self, place: &Place) -> Result<Jid, EngineError> {
        if let Some(jid) = self.jids.get(place) {
            return Ok(*jid);
        }
        let jid = self.find_jail(place)?.ok_or_else(|| {
            EngineError::strange(place.to_string(), "jail_get", format!("there is no jail for {place}"))
                .hint("it was stopped, or another program removed it: `start` the node, or run `up` again")
        })?;
        self.jids.insert(place.clone(), jid);
        Ok(jid)
    }
}

/// A helper or a socket that could not be had.
fn refused(place: &Place, call: &str, errno: Errno) -> EngineError {
    let error = EngineError::refused(place.to_string(), call, errno);
    match errno {
        Errno::EMFILE => error.hint("the limit of open descriptors is too low for this lab: `ulimit -n` raises it"),
        Errno::EAFNOSUPPORT => error.hint("the module of that socket family is missing: `--load-modules` loads it"),
        _ => error,
    }
}
