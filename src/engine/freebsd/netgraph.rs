//! Netgraph nodes of the lab jail and their hooks, by control messages on a socket that was opened there.

use std::time::Duration;

use ngsock::node::{bridge, eiface, hub, pipe};
use ngsock::{CallError, Client, HookName, NodeName, NodePath, Transport, TypeName};

use super::FreeBsd;
use super::doors::{Doors, NetgraphDoor, Sock, SocketKind};
use super::session::Session;
use crate::abi::Errno;
use crate::engine::EngineError;
use crate::graph::{Eiface, Hook, Hooks, Name, Netgraph, NetgraphKind, PipeDirection, PipeSettings};

/// The far side of a hook that goes is told of it a little later: a hook that seems taken may be free at the next look.
const BUSY_ROUNDS: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// A control socket of the doors as ngsock wants it.
pub(super) struct DoorTransport<'d, D> {
    doors: &'d mut D,
    sock: Sock,
}

impl<D: NetgraphDoor> Transport for DoorTransport<'_, D> {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        self.doors.netgraph_send(self.sock, path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.doors.netgraph_receive(self.sock, buffer)
    }
}

/// Where a new node starts from: its path until it has a name, and a hook of ours to let go afterwards.
struct Birth {
    path: NodePath,
    throw_away: Option<HookName>,
}

/// Our own socket's hook while a node is being made.
fn temporary() -> HookName {
    HookName::new("tmp").expect("three letters are a hook name")
}

impl<D: Doors> FreeBsd<'_, D> {
    pub(super) fn client(&mut self, session: &mut Session) -> Result<Client<DoorTransport<'_, D>>, EngineError> {
        let sock = self.sock(session, SocketKind::Netgraph)?;
        Ok(Client::new(DoorTransport { doors: self.doors, sock }))
    }

    pub(super) fn create_node(
        &mut self,
        session: &mut Session,
        node: &Netgraph,
        from: Option<&Hooks>,
    ) -> Result<(), EngineError> {
        let (kind, hook) = match &node.kind {
            NetgraphKind::Bridge => (bridge::TYPE, bridge::LinkHook::link(0).expect("0 is a link number").name()),
            NetgraphKind::Hub => (hub::TYPE, temporary()),
            NetgraphKind::Pipe => (pipe::TYPE, pipe::HOOK_UPPER),
            NetgraphKind::Stray(kind) => {
                return Err(EngineError::strange(
                    &*node.name,
                    "NGM_MKPEER",
                    format!("a node of type {kind} is not ours to make"),
                ));
            }
        };
        let birth = self.bear(session, &kind, &node.name, &hook, from)?;
        let mut client = self.client(session)?;
        match &node.kind {
            NetgraphKind::Bridge => {
                client.call(&birth.path, &bridge::SetPersistent).map_err(|e| failed(&node.name, e))?
            }
            NetgraphKind::Hub => client.call(&birth.path, &hub::SetPersistent).map_err(|e| failed(&node.name, e))?,
            NetgraphKind::Pipe | NetgraphKind::Stray(_) => {}
        }
        self.let_go(session, &node.name, birth)
    }

    pub(super) fn create_eiface(
        &mut self,
        session: &mut Session,
        eiface: &Eiface,
        from: Option<&Hooks>,
    ) -> Result<(), EngineError> {
        let birth = self.bear(session, &eiface::TYPE, &eiface.node, &eiface::HOOK_ETHER, from)?;
        let reply = self.client(session)?.call(&birth.path, &eiface::GetInterfaceName);
        let name = reply.map_err(|error| failed(&eiface.node, error))?;
        let name = name.as_str().unwrap_or_default().to_owned();
        self.let_go(session, &eiface.node, birth)?;
        self.rename(session, &name, &eiface.nic.name)?;
        self.dress(session, &eiface.nic)
    }

    /// NGM_MKPEER from the hook of a node that is there, or from our own socket; names the new node.
    fn bear(
        &mut self,
        session: &mut Session,
        kind: &TypeName,
        name: &Name,
        hook: &HookName,
        from: Option<&Hooks>,
    ) -> Result<Birth, EngineError> {
        let joined = from.and_then(|hooks| hooks.seen_from(name));
        let (parent, ours, theirs, birth) = match joined {
            Some((own, peer)) => {
                let parent = self.node_path(session, &peer.node)?;
                let (ours, theirs) = (hook_name(peer)?, hook_name(own)?);
                let path = parent.join(&ours).map_err(|error| malformed(name, &error.to_string()))?;
                (parent, ours, theirs, Birth { path, throw_away: None })
            }
            None => {
                let path = NodePath::hook(&temporary());
                (NodePath::here(), temporary(), *hook, Birth { path, throw_away: Some(temporary()) })
            }
        };
        let node = node_name(name)?;
        self.patiently(session, name, |client| client.mkpeer(&parent, kind, &ours, &theirs))?;
        if let Err(error) = self.client(session)?.name(&birth.path, &node) {
            // Without its name nobody would find it again.
            let _ = self.client(session)?.shutdown(&birth.path);
            return Err(failed(name, error));
        }
        Ok(birth)
    }

    fn let_go(&mut self, session: &mut Session, name: &Name, birth: Birth) -> Result<(), EngineError> {
        let Some(hook) = birth.throw_away else { return Ok(()) };
        self.client(session)?.rmhook(&NodePath::here(), &hook).map_err(|error| failed(name, error))
    }

    pub(super) fn shutdown(&mut self, session: &mut Session, name: &Name) -> Result<(), EngineError> {
        session.nodes.remove(&**name);
        let path = direct_path(name)?;
        match self.client(session)?.shutdown(&path) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(()),
            other => other.map_err(|error| failed(name, error)),
        }
    }

    pub(super) fn join(&mut self, session: &mut Session, hooks: &Hooks) -> Result<(), EngineError> {
        let [a, b] = &hooks.ends;
        let (here, there) = (self.node_path(session, &a.node)?, self.node_path(session, &b.node)?);
        let (ours, theirs) = (hook_name(a)?, hook_name(b)?);
        self.patiently(session, &a.node, |client| client.connect(&here, &there, &ours, &theirs))
    }

    /// NGM_RMHOOK; hooks or nodes that are gone already are what was wanted.
    pub(super) fn part(&mut self, session: &mut Session, hooks: &Hooks) -> Result<(), EngineError> {
        let [a, _] = &hooks.ends;
        let (path, hook) = (direct_path(&a.node)?, hook_name(a)?);
        match self.client(session)?.rmhook(&path, &hook) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(()),
            other => other.map_err(|error| failed(&a.node, error)),
        }
    }

    /// NGM_PIPE_SET_CFG, and NGM_PIPE_GET_CFG: the kernel ignores without a word what it does not like.
    pub(super) fn set_pipe(
        &mut self,
        session: &mut Session,
        name: &Name,
        to: &PipeSettings,
    ) -> Result<(), EngineError> {
        let path = self.node_path(session, name)?;
        let mut client = self.client(session)?;
        let told = client.call(&path, &pipe::SetConfig(changes(to)));
        let found = client.call(&path, &pipe::GetConfig).map_err(|error| failed(name, error))?;
        let found = settings(&found);
        if found == *to {
            // Its errno may be a neighbour's that was told of a link going up or down.
            return Ok(());
        }
        told.map_err(|error| failed(name, error))?;
        Err(EngineError::strange(&**name, "NGM_PIPE_SET_CFG", format!("pipe `{name}` does not take its settings"))
            .detail(format!("it has {found:?}")))
    }

    /// The address of a node: its number, which keeps paths short.
    fn node_path(&mut self, session: &mut Session, name: &Name) -> Result<NodePath, EngineError> {
        if let Some(id) = session.nodes.get(&**name) {
            return Ok(NodePath::id(*id));
        }
        let path = direct_path(name)?;
        let id = self.client(session)?.node_id(&path).map_err(|error| failed(name, error))?;
        session.nodes.insert(name.to_string(), id);
        Ok(NodePath::id(id))
    }

    fn patiently(
        &mut self,
        session: &mut Session,
        name: &Name,
        mut call: impl FnMut(&mut Client<DoorTransport<'_, D>>) -> Result<(), CallError>,
    ) -> Result<(), EngineError> {
        for _ in 0..BUSY_ROUNDS {
            match call(&mut self.client(session)?) {
                Err(error) if matches!(error.errno(), Some(Errno::EEXIST | Errno::EISCONN)) => {}
                other => return other.map_err(|error| failed(name, error)),
            }
            self.doors.wait(BUSY_PAUSE, &[]);
        }
        call(&mut self.client(session)?).map_err(|error| failed(name, error))
    }
}

/// What to send for a pipe to be as wanted, whatever it was.
fn changes(to: &PipeSettings) -> pipe::Changes {
    fn set64(value: u64) -> pipe::Setting<u64> {
        if value == 0 { pipe::Setting::Reset } else { pipe::Setting::Set(value) }
    }
    fn direction(to: &PipeDirection) -> pipe::DirectionChanges {
        let duplicate = if to.duplicate == 0 { pipe::Setting::Reset } else { pipe::Setting::Set(to.duplicate) };
        let queue = if to.queue == 0 { PipeDirection::DEFAULT_QUEUE } else { to.queue };
        pipe::DirectionChanges {
            bandwidth_bits_per_second: set64(to.bandwidth),
            bits_per_error: set64(to.one_error_in_bits),
            queue_limit_frames: pipe::Setting::Set(queue),
            duplicate_percent: duplicate,
            ..pipe::DirectionChanges::default()
        }
    }
    pipe::Changes {
        delay_microseconds: set64(to.delay),
        downstream: direction(&to.downstream),
        upstream: direction(&to.upstream),
        ..pipe::Changes::default()
    }
}

/// What a pipe says of itself, in our terms: bandwidths that are equal stand for both directions.
pub(super) fn settings(found: &pipe::Config) -> PipeSettings {
    let direction = |of: &pipe::DirectionConfig| PipeDirection {
        bandwidth: of.bandwidth_bits_per_second.max(found.bandwidth_bits_per_second),
        one_error_in_bits: of.bits_per_error,
        queue: if of.queue_limit_frames == PipeDirection::DEFAULT_QUEUE { 0 } else { of.queue_limit_frames },
        duplicate: of.duplicate_percent,
    };
    PipeSettings {
        delay: found.delay_microseconds,
        downstream: direction(&found.downstream),
        upstream: direction(&found.upstream),
    }
}

/// A node's path from its name, or from its number where it has none.
fn direct_path(name: &Name) -> Result<NodePath, EngineError> {
    match ngsock::NodeId::from_bracketed(name.as_bytes()) {
        Some(id) => Ok(NodePath::id(id)),
        None => Ok(NodePath::name(&node_name(name)?)),
    }
}

fn node_name(name: &Name) -> Result<NodeName, EngineError> {
    NodeName::new(&**name).map_err(|error| malformed(name, &error.to_string()))
}

fn hook_name(hook: &Hook) -> Result<HookName, EngineError> {
    HookName::new(&*hook.hook).map_err(|error| malformed(&hook.hook, &error.to_string()))
}

fn malformed(name: &str, why: &str) -> EngineError {
    EngineError::strange(name, "netgraph", format!("`{name}` cannot be a netgraph name: {why}"))
}

pub(super) fn failed(object: &str, error: CallError) -> EngineError {
    let call = format!("netgraph {} to `{}`", error.command, error.path);
    match error.errno() {
        Some(errno) => {
            let refused = EngineError::refused(object, call, errno);
            match error.meaning() {
                Some(meaning) => refused.detail(meaning),
                None => refused,
            }
        }
        None => EngineError::strange(object, call, error.to_string()),
    }
}
