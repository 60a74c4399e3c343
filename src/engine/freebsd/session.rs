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
    /// What will be asked for as well, once one socket is: a visit of the place opens them together.
    expected: Vec<SocketKind>,
    /// Interface numbers, asked for once.
    pub(super) indexes: BTreeMap<String, u32>,
    /// Numbers of netgraph nodes, asked for once.
    pub(super) nodes: BTreeMap<String, ngsock::NodeId>,
    /// The next sequence number of the route sockets.
    pub(super) sequence: u32,
}

impl Session {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            helper: None,
            socks: Vec::new(),
            expected: Vec::new(),
            indexes: BTreeMap::new(),
            nodes: BTreeMap::new(),
            sequence: 1,
        }
    }

    /// The same; sockets of these kinds will be asked for.
    pub(super) fn expecting(self, expected: &[SocketKind]) -> Self {
        Self { expected: expected.to_vec(), ..self }
    }

    /// How many sockets it has.
    pub(super) fn open(&self) -> usize {
        self.socks.len()
    }

    /// Lets the helper go, which would keep the jail alive, and what may be otherwise next time; the sockets stay.
    pub(super) fn leave(&mut self, doors: &mut impl Doors) {
        self.indexes.clear();
        self.nodes.clear();
        if let Some(helper) = self.helper.take() {
            doors.helper_end(helper);
        }
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
        let mut started = self.doors.helper_start(jid);
        if started.is_err_and(is_shortage) && self.parked.clear(self.doors) {
            started = self.doors.helper_start(jid);
        }
        let helper = started.map_err(|errno| refused(&session.place, "jail_attach", errno))?;
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
        let mut sock = self.open(session, kind)?;
        if sock.is_err_and(is_shortage) && self.parked.clear(self.doors) {
            sock = self.open(session, kind)?;
        }
        let sock = sock.map_err(|errno| refused(&session.place, &format!("socket ({kind:?})"), errno))?;
        session.socks.push((kind, sock));
        Ok(sock)
    }

    fn open(&mut self, session: &mut Session, kind: SocketKind) -> Result<Result<Sock, Errno>, EngineError> {
        Ok(match (session.place == Place::Host, session.helper) {
            (true, _) => self.doors.open(Actor::Host, kind),
            (false, Some(helper)) => self.doors.open(Actor::Helper(helper), kind),
            (false, None) => self.visit(session, kind)?,
        })
    }

    /// Enters a place for a socket, and for those that will be asked for.
    fn visit(&mut self, session: &mut Session, kind: SocketKind) -> Result<Result<Sock, Errno>, EngineError> {
        let jid = self.jid(&session.place)?;
        let others = session.expected.iter().copied().filter(|other| *other != kind);
        let kinds: Vec<SocketKind> = std::iter::once(kind).chain(others).collect();
        let mut opened = self.doors.helper_open(jid, &kinds);
        if opened.as_ref().is_err_and(|errno| is_shortage(*errno)) && self.parked.clear(self.doors) {
            opened = self.doors.helper_open(jid, &kinds);
        }
        let (helper, opened) = opened.map_err(|errno| refused(&session.place, "jail_attach", errno))?;
        session.helper = Some(helper);
        let mut opened = kinds.into_iter().zip(opened);
        let wanted = opened.next().map_or(Err(Errno::EMFILE), |(_, sock)| sock);
        // What could not be opened is told when it is asked for.
        session.socks.extend(opened.filter_map(|(kind, sock)| Some((kind, sock.ok()?))));
        Ok(wanted)
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

/// Whether what is kept may be what is missing.
fn is_shortage(errno: Errno) -> bool {
    matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM | Errno::EAGAIN)
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
