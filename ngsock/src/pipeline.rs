//! Many requests under way at once over one [`Client`].

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use std::collections::BTreeMap;

use crate::Errno;
use crate::addr::NodePath;
use crate::client::{Client, MAX_SEARCH, nothing};
use crate::error::CallError;
use crate::message::{COMMAND_READONLY, Header, Message, Payload, Request};
use crate::transport::Transport;

/// Many requests, whose replies are collected later and in any order.
///
/// Each [`send`](Self::send) gives a [`Ticket`], whatever becomes of the request; [`collect`](Self::collect) gives for
/// it the reply or what went wrong, so no failure hides another. Replies are matched by token, command and cookie;
/// other messages go to [`Client::unsolicited`], and so do replies whose tickets were not handed in when the pipeline
/// ends.
///
/// No more replies than the window are left in the socket: before that many are outstanding, those that are there are
/// read. If a reply finds no room in the socket's receive buffer all the same (`ENOBUFS`), what waits there is read
/// and the request is sent once more, provided that its number says that it only reads
/// ([`COMMAND_READONLY`](crate::message::COMMAND_READONLY)); others, which may have been carried out, fail with
/// `ENOBUFS`.
///
/// ```
/// # use ngsock::{CallError, Client, NodeId, NodePath, Transport, generic::{GetNodeInfo, NodeInfo}};
/// fn look<T: Transport>(client: &mut Client<T>, nodes: &[NodeId]) -> Vec<Result<NodeInfo, CallError>> {
///     let mut pipeline = client.pipeline(64);
///     let tickets: Vec<_> = nodes.iter().map(|id| pipeline.send(&NodePath::id(*id), &GetNodeInfo)).collect();
///     tickets.into_iter().map(|ticket| pipeline.collect(ticket)).collect()
/// }
/// ```
#[derive(Debug)]
pub struct Pipeline<'c, T: Transport> {
    client: &'c mut Client<T>,
    window: usize,
    /// What became of each request, by token, until its ticket is handed in.
    sent: BTreeMap<u32, Sent>,
    /// How many of them are [`Sent::Waiting`].
    waiting: usize,
}

#[derive(Debug)]
enum Sent {
    /// It was handled; its reply has not been read.
    Waiting(Header),
    /// From where the reply came, and the datagram.
    Answered(Vec<u8>, Vec<u8>),
    /// It was handled and has no reply.
    Done,
    Failed(CallError),
}

/// Stands for the reply to a request that was sent; [`Pipeline::collect`] takes it.
#[must_use = "without its ticket a reply is nobody's"]
pub struct Ticket<R> {
    token: u32,
    path: NodePath,
    request: PhantomData<fn() -> R>,
}

impl<R> fmt::Debug for Ticket<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("token", &self.token).field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'c, T: Transport> Pipeline<'c, T> {
    pub(crate) fn new(client: &'c mut Client<T>, window: usize) -> Self {
        Self { client, window: window.max(1), sent: BTreeMap::new(), waiting: 0 }
    }

    /// How many replies are outstanding: sent for and not read yet.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.waiting
    }

    /// Sends a request; its ticket tells later what became of it.
    ///
    /// If the window is full of replies that come late, this waits for one of them as long as calls of this client do,
    /// and then fails for this request with [`Cause::WindowFull`](crate::Cause::WindowFull).
    pub fn send<R: Request>(&mut self, path: &NodePath, request: &R) -> Ticket<R> {
        let header = self.client.next_header::<R>();
        let sent = match self.try_send(path, &header, request) {
            Ok(()) if nothing::<R>().is_some() => Sent::Done,
            Ok(()) => Sent::Waiting(header),
            Err(error) => Sent::Failed(error),
        };
        self.waiting += usize::from(matches!(sent, Sent::Waiting(_)));
        self.sent.insert(header.token, sent);
        Ticket { token: header.token, path: path.clone(), request: PhantomData }
    }

    fn try_send<R: Request>(&mut self, path: &NodePath, header: &Header, request: &R) -> Result<(), CallError> {
        let receive_failed = |errno| CallError::receive::<R>(path, errno);
        if self.waiting >= self.window {
            self.read_some(self.client.timeout()).map_err(receive_failed)?;
            if self.waiting >= self.window {
                return Err(CallError::window_full::<R>(path));
            }
        }
        match self.client.dispatch(path, header, request) {
            Err(error) if error.errno() == Some(Errno::ENOBUFS) => {
                let read = self.read_some(Duration::ZERO).map_err(receive_failed)?;
                let may_repeat = R::COMMAND & COMMAND_READONLY != 0 && read > 0;
                if may_repeat { self.client.dispatch(path, header, request) } else { Err(error) }
            }
            other => other,
        }
    }

    /// The reply to a request, or what went wrong with it. Waits as long as calls of this client do.
    ///
    /// # Errors
    /// Those of [`Client::call`].
    pub fn collect<R: Request>(&mut self, ticket: Ticket<R>) -> Result<R::Reply, CallError> {
        let Ticket { token, path, .. } = ticket;
        let mut time = self.client.timeout();
        for _ in 0..MAX_SEARCH {
            if !matches!(self.sent.get(&token), Some(Sent::Waiting(_))) {
                break;
            }
            match self.read(&mut time) {
                Ok(true) => {}
                Ok(false) => break,
                Err(errno) => {
                    self.forget(token);
                    return Err(CallError::receive::<R>(&path, errno));
                }
            }
        }
        match self.forget(token) {
            Some(Sent::Answered(_, datagram)) => {
                let reply = Message::parse(&datagram).and_then(|message| R::Reply::decode(message.payload));
                reply.map_err(|cause| CallError::malformed::<R>(&path, cause))
            }
            Some(Sent::Failed(error)) => Err(error),
            // A ticket of another pipeline is as good as one whose reply never came.
            Some(Sent::Done | Sent::Waiting(_)) | None => {
                R::Reply::absent().ok_or_else(|| CallError::no_reply::<R>(&path))
            }
        }
    }

    fn forget(&mut self, token: u32) -> Option<Sent> {
        let sent = self.sent.remove(&token);
        self.waiting -= usize::from(matches!(sent, Some(Sent::Waiting(_))));
        sent
    }

    /// Reads what is there, and waits for the first message if there is nothing; how many there were.
    fn read_some(&mut self, mut time: Duration) -> Result<usize, Errno> {
        let mut count = 0;
        while count < MAX_SEARCH && self.read(&mut time)? {
            count += 1;
            time = Duration::ZERO;
        }
        Ok(count)
    }

    /// Reads one message and puts it where it belongs; whether there was one.
    fn read(&mut self, time: &mut Duration) -> Result<bool, Errno> {
        let Some(from) = self.client.receive(time)? else { return Ok(false) };
        let reply = Message::parse(self.client.datagram()).ok().map(|message| message.header);
        let is_awaited = |reply: &Header| matches!(self.sent.get(&reply.token), Some(Sent::Waiting(request)) if reply.answers(request));
        match reply.filter(is_awaited) {
            Some(reply) => {
                let datagram = self.client.datagram().to_vec();
                self.sent.insert(reply.token, Sent::Answered(from, datagram));
                self.waiting -= 1;
            }
            None => self.client.keep(from),
        }
        Ok(true)
    }
}

/// Replies that nobody collected are kept as messages that nobody asked for.
impl<T: Transport> Drop for Pipeline<'_, T> {
    fn drop(&mut self) {
        for sent in core::mem::take(&mut self.sent).into_values() {
            if let Sent::Answered(from, datagram) = sent {
                self.client.keep_datagram(from, datagram);
            }
        }
    }
}
