//! Typed calls over a [`Transport`].

use core::time::Duration;
use std::collections::VecDeque;

use crate::addr::{NodeId, NodePath};
use crate::error::CallError;
use crate::generic::{
    self, Connect, GetNodeInfo, HookList, Join, ListHooks, ListNames, ListNodes, ListTypes, MkPeer, NewPeer, NodeInfo,
    NodeList, RemoveHook, SetName, Shutdown, TypeList,
};
use crate::message::{HEADER_LEN, Header, Message, Payload, Request, encode};
use crate::name::{HookName, NameError, NodeName, TypeName};
use crate::node::bridge::{self, LinkHook};
use crate::pipeline::Pipeline;
use crate::transport::Transport;

/// A message that nobody asked for: an event, or a reply to a call that had failed before it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsolicited {
    /// The address it came from, such as `[2b]:`.
    pub from: Vec<u8>,
    /// The datagram, which may not be a message at all.
    pub datagram: Vec<u8>,
}

/// Calls over one control socket.
///
/// A call sends a request, looks at the errno, and reads the reply, which is there as soon as the request is
/// handled (`sys/netgraph/netgraph.h:1026`). Unless it was given a time ([`Client::set_timeout`]) it never waits: a
/// reply that is not there is an error. Other messages that are found on the way are kept for
/// [`Client::unsolicited`]. Many requests can be under way at once ([`Client::pipeline`]).
#[derive(Debug)]
pub struct Client<T> {
    transport: T,
    token: u32,
    timeout: Duration,
    request: Vec<u8>,
    reply: Vec<u8>,
    unsolicited: VecDeque<Unsolicited>,
    dropped: u64,
}

/// So many unsolicited messages are kept; older ones give way.
const MAX_UNSOLICITED: usize = 1024;

/// So many messages are read in search of one reply. No socket buffer holds as many.
pub(crate) const MAX_SEARCH: usize = 1 << 17;

/// The reply to a command that has none: its type has no content, so there is nothing to look for.
pub(crate) fn nothing<R: Request>() -> Option<R::Reply> {
    R::Reply::absent().filter(|_| size_of::<R::Reply>() == 0)
}

impl<T: Transport> Client<T> {
    /// Calls over `transport`.
    pub fn new(transport: T) -> Self {
        Self {
            transport,
            token: 0,
            timeout: Duration::ZERO,
            request: Vec::new(),
            reply: Vec::new(),
            unsolicited: VecDeque::new(),
            dropped: 0,
        }
    }

    /// The transport.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Gives the transport back.
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// How long a call waits for a reply that is not there when its request was handled; not at all at first. Nodes
    /// that are asked through others that queue, and sockets in jails under load, may need it. A reply that a command
    /// may leave out is waited for as well.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Sends `request` to the node at `path` and reads the reply.
    ///
    /// # Errors
    /// The kernel's errno with what it means for this command, a path that does not fit into a socket address, a
    /// reply that is missing or malformed.
    pub fn call<R: Request>(&mut self, path: &NodePath, request: &R) -> Result<R::Reply, CallError> {
        let header = self.next_header::<R>();
        self.dispatch(path, &header, request)?;
        match nothing::<R>() {
            Some(nothing) => Ok(nothing),
            None => self.find_reply::<R>(path, &header),
        }
    }

    /// Many requests, whose replies are collected later and in any order; at most `window` of them, at least one, are
    /// outstanding at a time.
    pub fn pipeline(&mut self, window: usize) -> Pipeline<'_, T> {
        Pipeline::new(self, window)
    }

    /// The header of the next request: no other one that is under way has its token.
    pub(crate) fn next_header<R: Request>(&mut self) -> Header {
        // The sign bit stays free, as in libnetgraph (lib/libnetgraph/msg.c:73); 0 is what nodes send unasked.
        self.token = self.token % 0x7fff_ffff + 1;
        Header::request::<R>(self.token)
    }

    /// Encodes a request and sends it.
    pub(crate) fn dispatch<R: Request>(
        &mut self,
        path: &NodePath,
        header: &Header,
        request: &R,
    ) -> Result<(), CallError> {
        let address = path.as_address().map_err(|cause| CallError::path::<R>(path, cause))?;
        self.request.clear();
        encode(&mut self.request, header, request).map_err(|cause| CallError::malformed::<R>(path, cause))?;
        self.refuse_deadly_hooks::<R>(path)?;
        self.transport.send(address, &self.request).map_err(|errno| CallError::refused::<R>(path, errno))
    }

    /// Requests can also be made from names that nobody has checked; these hooks would take the kernel down.
    fn refuse_deadly_hooks<R: Request>(&self, path: &NodePath) -> Result<(), CallError> {
        let payload = self.request.get(HEADER_LEN..).unwrap_or_default();
        let hooks = match (R::COOKIE, R::COMMAND) {
            (generic::COOKIE, MkPeer::COMMAND) => NewPeer::decode(payload).map(|peer| [peer.our_hook, peer.peer_hook]),
            (generic::COOKIE, Connect::COMMAND) => Join::decode(payload).map(|join| [join.our_hook, join.peer_hook]),
            _ => return Ok(()),
        };
        for hook in hooks.map_err(|cause| CallError::malformed::<R>(path, cause))? {
            if let Err(cause @ NameError::LinkNumber) = HookName::try_from(hook) {
                return Err(CallError::hook::<R>(path, hook, cause));
            }
        }
        Ok(())
    }

    fn find_reply<R: Request>(&mut self, path: &NodePath, request: &Header) -> Result<R::Reply, CallError> {
        let mut time = self.timeout;
        for _ in 0..MAX_SEARCH {
            let received = self.receive(&mut time).map_err(|errno| CallError::receive::<R>(path, errno))?;
            let Some(from) = received else { break };
            match Message::parse(&self.reply) {
                Ok(message) if message.header.answers(request) => {
                    return R::Reply::decode(message.payload).map_err(|cause| CallError::malformed::<R>(path, cause));
                }
                _ => self.keep(from),
            }
        }
        R::Reply::absent().ok_or_else(|| CallError::no_reply::<R>(path))
    }

    /// Receives into the buffer, waiting for `time` at most, which it takes from it; gives where it came from.
    pub(crate) fn receive(&mut self, time: &mut Duration) -> Result<Option<Vec<u8>>, crate::Errno> {
        loop {
            let received = self.transport.receive(&mut self.reply)?;
            if received.is_some() || time.is_zero() {
                return Ok(received);
            }
            *time = self.transport.wait(*time)?.unwrap_or(Duration::ZERO);
        }
    }

    /// The time that calls wait, and the datagram received last.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn datagram(&self) -> &[u8] {
        &self.reply
    }

    /// Keeps the datagram received last for [`Self::unsolicited`].
    pub(crate) fn keep(&mut self, from: Vec<u8>) {
        let datagram = self.reply.clone();
        self.keep_datagram(from, datagram);
    }

    pub(crate) fn keep_datagram(&mut self, from: Vec<u8>, datagram: Vec<u8>) {
        if self.unsolicited.len() == MAX_UNSOLICITED {
            self.unsolicited.pop_front();
            self.dropped += 1;
        }
        self.unsolicited.push_back(Unsolicited { from, datagram });
    }

    /// The oldest message that nobody asked for, of those met during calls; then of those that wait.
    ///
    /// # Errors
    /// The errno of the transport.
    pub fn unsolicited(&mut self) -> Result<Option<Unsolicited>, crate::Errno> {
        self.unsolicited_within(Duration::ZERO)
    }

    /// The same, waiting for a message to come, for `time` at most: how to listen to what nodes tell.
    ///
    /// # Errors
    /// The errno of the transport.
    pub fn unsolicited_within(&mut self, time: Duration) -> Result<Option<Unsolicited>, crate::Errno> {
        if let Some(message) = self.unsolicited.pop_front() {
            return Ok(Some(message));
        }
        let from = self.receive(&mut { time })?;
        Ok(from.map(|from| Unsolicited { from, datagram: core::mem::take(&mut self.reply) }))
    }

    /// How many unsolicited messages gave way to newer ones.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// `NGM_MKPEER`: creates a node of type `kind` and joins hook `ours` of the node at `path` with its hook
    /// `theirs`. The new node is reached by `path` and `ours`.
    ///
    /// # Errors
    /// `EEXIST` if `ours` is taken; `ENOENT` or `ENXIO` if there is no such type; what the types say of the two
    /// hooks. A bridge's hook is checked here ([`LinkHook`]).
    #[doc(alias = "NGM_MKPEER")]
    pub fn mkpeer(
        &mut self,
        path: &NodePath,
        kind: &TypeName,
        ours: &HookName,
        theirs: &HookName,
    ) -> Result<(), CallError> {
        let is_numbered_later = [bridge::HOOK_NEXT_LINK, bridge::HOOK_NEXT_UPLINK].contains(theirs);
        if *kind == bridge::TYPE && !is_numbered_later {
            LinkHook::parse(theirs.as_bytes())
                .map_err(|cause| CallError::hook::<MkPeer>(path, (*theirs).into(), cause))?;
        }
        self.call(path, &MkPeer::new(kind, ours, theirs))
    }

    /// `NGM_CONNECT`: joins hook `ours` of the node at `path` with hook `theirs` of the node at `peer`, a path
    /// that starts at the former.
    ///
    /// # Errors
    /// `EEXIST` if either hook is taken; `ENOENT` if there is no such peer; what the types say of the hooks.
    #[doc(alias = "NGM_CONNECT")]
    pub fn connect(
        &mut self,
        path: &NodePath,
        peer: &NodePath,
        ours: &HookName,
        theirs: &HookName,
    ) -> Result<(), CallError> {
        self.call(path, &Connect::new(peer, ours, theirs))
    }

    /// `NGM_NAME`: names the node at `path`.
    ///
    /// # Errors
    /// `EADDRINUSE` if another node has the name.
    #[doc(alias = "NGM_NAME")]
    pub fn name(&mut self, path: &NodePath, name: &NodeName) -> Result<(), CallError> {
        self.call(path, &SetName::new(name))
    }

    /// `NGM_RMHOOK`: breaks a hook of the node at `path`; one that is not there is no error.
    ///
    /// # Errors
    /// Those of the path.
    #[doc(alias = "NGM_RMHOOK")]
    pub fn rmhook(&mut self, path: &NodePath, hook: &HookName) -> Result<(), CallError> {
        self.call(path, &RemoveHook::new(hook))
    }

    /// `NGM_SHUTDOWN`: removes the node at `path`. Its neighbours learn of it a moment later.
    ///
    /// # Errors
    /// Those of the path.
    #[doc(alias = "NGM_SHUTDOWN")]
    pub fn shutdown(&mut self, path: &NodePath) -> Result<(), CallError> {
        self.call(path, &Shutdown)
    }

    /// `NGM_NODEINFO`: what the node at `path` is.
    ///
    /// # Errors
    /// Those of the path.
    #[doc(alias = "NGM_NODEINFO")]
    pub fn node_info(&mut self, path: &NodePath) -> Result<NodeInfo, CallError> {
        self.call(path, &GetNodeInfo)
    }

    /// The number of the node at `path`: the best address for all that follows.
    ///
    /// # Errors
    /// Those of the path.
    pub fn node_id(&mut self, path: &NodePath) -> Result<NodeId, CallError> {
        self.node_info(path).map(|info| info.id)
    }

    /// `NGM_LISTHOOKS`: the node at `path` and its hooks.
    ///
    /// # Errors
    /// `ENOBUFS` if the reply, 136 bytes per hook, is larger than the socket's receive buffer.
    #[doc(alias = "NGM_LISTHOOKS")]
    pub fn list_hooks(&mut self, path: &NodePath) -> Result<HookList, CallError> {
        self.call(path, &ListHooks)
    }

    /// `NGM_LISTNODES`: all nodes of the socket's vnet.
    ///
    /// # Errors
    /// `ENOBUFS` if the reply, 72 bytes per node, is larger than the socket's receive buffer.
    #[doc(alias = "NGM_LISTNODES")]
    pub fn list_nodes(&mut self) -> Result<NodeList, CallError> {
        self.call(&NodePath::here(), &ListNodes)
    }

    /// `NGM_LISTNAMES`: all nodes of the socket's vnet that have a name.
    ///
    /// # Errors
    /// `ENOBUFS` if the reply, 72 bytes per node, is larger than the socket's receive buffer.
    #[doc(alias = "NGM_LISTNAMES")]
    pub fn list_names(&mut self) -> Result<NodeList, CallError> {
        self.call(&NodePath::here(), &ListNames)
    }

    /// `NGM_LISTTYPES`: all node types that are loaded.
    ///
    /// # Errors
    /// Those of the transport.
    #[doc(alias = "NGM_LISTTYPES")]
    pub fn list_types(&mut self) -> Result<TypeList, CallError> {
        self.call(&NodePath::here(), &ListTypes)
    }
}
