//! Control messages: to whom they go, and back.

use ngsock::message::{Header, Payload};

use super::hooks::Peer;
use super::life::Graph;
use super::{HookId, NodeId, generic, node};
use crate::abi::Errno;
use crate::sim::clock::Nanos;

/// A message as a node gets it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'m> {
    pub(super) header: Header,
    pub(super) payload: &'m [u8],
    /// Where an answer goes.
    pub(super) from: NodeId,
    /// The hook it came in by, if the address ended with one.
    pub(super) by: Option<HookId>,
    pub(super) now: Nanos,
}

/// What a node does with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done.
    Done,
    /// It answers with this payload.
    Answer(Vec<u8>),
    /// It passes the message on to that hook.
    Forward(Peer),
}

/// What a node's handler returns.
pub(super) type Answer = Result<Outcome, Errno>;

/// An answer with a payload.
pub(super) fn answer(payload: &impl Payload) -> Answer {
    let mut bytes = Vec::new();
    payload.encode(&mut bytes);
    Ok(Outcome::Answer(bytes))
}

/// A payload that is bytes already.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Payload for Bytes<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }

    fn decode(_: &[u8]) -> Result<Self, ngsock::Malformed> {
        Ok(Self(&[]))
    }
}

/// A message is passed on at most so often: a ring of tees would hand it round for ever, and a real kernel does.
const MOST_FORWARDS: usize = 1000;

impl Graph<'_> {
    /// Brings a message to the node `to`, and its answer to where it came from.
    ///
    /// # Errors
    /// The handler's, or that of the answer's way back: `ENOBUFS` if it does not fit into the socket, `EINVAL` if
    /// there is nobody left to take it.
    pub(super) fn deliver(&mut self, to: NodeId, call: Call<'_>) -> Result<(), Errno> {
        let (mut to, mut call) = (to, call);
        for _ in 0..MOST_FORWARDS {
            let is_generic = call.header.cookie == ngsock::generic::COOKIE && !call.header.is_reply();
            let outcome = if is_generic { generic::receive(self, to, &call)? } else { node::receive(self, to, &call)? };
            match outcome {
                Outcome::Done => return Ok(()),
                Outcome::Answer(payload) => return self.bring_back(to, &call, &payload),
                Outcome::Forward(peer) => {
                    to = peer.node;
                    call.by = Some(peer.hook);
                }
            }
        }
        Err(Errno::ELOOP)
    }

    fn bring_back(&mut self, from: NodeId, call: &Call<'_>, payload: &[u8]) -> Result<(), Errno> {
        if self.node(call.from).is_none() {
            return Err(Errno::EINVAL);
        }
        let back = Call { header: call.header.reply(), payload, from, by: None, now: call.now };
        match node::receive(self, call.from, &back)? {
            // No type answers an answer but echo, which sends no requests.
            Outcome::Done | Outcome::Answer(_) | Outcome::Forward(_) => Ok(()),
        }
    }
}
