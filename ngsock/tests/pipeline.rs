//! Many requests at once, against a transport with a small buffer, whims, and a sense of time.

use core::time::Duration;
use std::collections::VecDeque;

use ngsock::generic::{GetNodeInfo, ListNodes, NodeInfo};
use ngsock::message::{Malformed, Message, Payload, encode, encode_reply};
use ngsock::name::Name;
use ngsock::node::{hub, patch, source};
use ngsock::{Cause, Client, Errno, NodeId, NodePath, Transport};

/// A socket of which each node has its number from the path.
#[derive(Default)]
struct Socket {
    waiting: VecDeque<Vec<u8>>,
    /// Replies that come when they are waited for.
    late: VecDeque<Vec<u8>>,
    /// How many replies there is room for; no limit if 0.
    room: usize,
    most_waiting: usize,
    sent: usize,
    newest_first: bool,
    all_late: bool,
    waits: usize,
}

impl Transport for Socket {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        self.sent += 1;
        let request = Message::parse(datagram).expect("a client sends whole messages");
        let inside = path.strip_suffix(b":").unwrap_or_default();
        let id = NodeId::from_bracketed(inside).ok_or(Errno::ENOENT)?;
        if id.0.is_multiple_of(7) {
            return Err(Errno::ENXIO);
        }
        if request.header.cookie == hub::COOKIE {
            return Ok(());
        }
        let mut reply = Vec::new();
        let payload = info(id);
        encode_reply(&mut reply, &request.header, &payload).expect("short");
        if self.all_late {
            self.late.push_back(reply);
            return Ok(());
        }
        if self.room != 0 && self.waiting.len() == self.room {
            return Err(Errno::ENOBUFS);
        }
        if self.newest_first {
            self.waiting.push_front(reply)
        } else {
            self.waiting.push_back(reply)
        }
        self.most_waiting = self.most_waiting.max(self.waiting.len());
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        Ok(self.waiting.pop_front().map(|datagram| {
            *buffer = datagram;
            b"[1]:".to_vec()
        }))
    }

    /// Something comes every millisecond.
    fn wait(&mut self, time: Duration) -> Result<Option<Duration>, Errno> {
        self.waits += 1;
        match (time.checked_sub(Duration::from_millis(1)), self.late.pop_front()) {
            (Some(left), Some(datagram)) => {
                self.waiting.push_back(datagram);
                Ok(Some(left))
            }
            _ => Ok(None),
        }
    }
}

fn info(id: NodeId) -> NodeInfo {
    let name = |text| Name::new(text).expect("short and without NUL");
    NodeInfo { name: name("n"), kind: name("hub"), id, hooks: 0 }
}

fn node(id: u32) -> NodePath {
    NodePath::id(NodeId(id))
}

#[test]
fn replies_come_in_any_order_and_no_failure_hides_another() {
    for newest_first in [false, true] {
        let mut client = Client::new(Socket { newest_first, ..Socket::default() });
        let mut pipeline = client.pipeline(1000);
        let tickets: Vec<_> = (1..=100).map(|id| (id, pipeline.send(&node(id), &GetNodeInfo))).collect();
        let long = NodePath::parse(["a:", &"h".repeat(31)].concat()).unwrap();
        let unsent = pipeline.send(&long, &GetNodeInfo);
        assert_eq!(pipeline.outstanding(), 100 - 14);
        for (id, ticket) in tickets.into_iter().rev() {
            match pipeline.collect(ticket) {
                Ok(reply) => assert_eq!(reply, info(NodeId(id))),
                Err(error) => {
                    assert!(id % 7 == 0, "{error}");
                    assert_eq!((error.errno(), error.path), (Some(Errno::ENXIO), node(id)));
                }
            }
        }
        assert!(matches!(pipeline.collect(unsent).unwrap_err().cause, Cause::Path(_)));
        assert_eq!(pipeline.outstanding(), 0);
        drop(pipeline);
        assert_eq!(client.unsolicited(), Ok(None));
    }
}

#[test]
fn no_more_replies_wait_in_the_socket_than_the_window_allows() {
    let mut client = Client::new(Socket::default());
    let mut pipeline = client.pipeline(5);
    let tickets: Vec<_> = (0..1000).map(|id| pipeline.send(&node(id * 7 + 1), &GetNodeInfo)).collect();
    assert!(pipeline.outstanding() <= 5);
    for (id, ticket) in (0..1000).zip(tickets) {
        assert_eq!(pipeline.collect(ticket), Ok(info(NodeId(id * 7 + 1))));
    }
    drop(pipeline);
    assert_eq!((client.transport().most_waiting, client.transport().sent), (5, 1000));
    let mut narrow = client.pipeline(0);
    let ticket = narrow.send(&node(1), &GetNodeInfo);
    assert_eq!(narrow.collect(ticket), Ok(info(NodeId(1))), "a window of none is one of one");
}

#[test]
fn what_overflows_is_read_and_asked_again_if_it_only_reads() {
    let mut client = Client::new(Socket { room: 3, ..Socket::default() });
    let mut pipeline = client.pipeline(100);
    let tickets: Vec<_> = (0..20).map(|id| pipeline.send(&node(id * 7 + 1), &GetNodeInfo)).collect();
    for ticket in tickets {
        pipeline.collect(ticket).unwrap();
    }
    drop(pipeline);
    assert!(client.transport().sent > 20, "some were sent twice");

    // A command that also clears may have been carried out: it fails, and takes nothing else along.
    let mut pipeline = client.pipeline(100);
    let first: Vec<_> = (0..3).map(|id| pipeline.send(&node(id * 7 + 1), &GetNodeInfo)).collect();
    let lost = pipeline.send(&node(1), &source::GetAndClearStats);
    let after = pipeline.send(&node(1), &GetNodeInfo);
    assert_eq!(pipeline.collect(lost).unwrap_err().errno(), Some(Errno::ENOBUFS));
    for ticket in first {
        pipeline.collect(ticket).unwrap();
    }
    pipeline.collect(after).unwrap();
}

#[test]
fn strangers_and_lies_among_the_replies_are_told_apart() {
    let mut client = Client::new(Socket::default());
    let mut pipeline = client.pipeline(10);
    let good = pipeline.send(&node(1), &GetNodeInfo);
    let wrong = pipeline.send(&node(2), &ListNodes);
    let kept = pipeline.send(&node(3), &GetNodeInfo);
    // The reply to a list of nodes begins with their number, which here is the name of one.
    assert!(matches!(
        pipeline.collect(wrong).unwrap_err().cause,
        Cause::Malformed(Malformed::Count { count: 110, room: 0 })
    ));
    assert_eq!(pipeline.collect(good), Ok(info(NodeId(1))));
    drop(pipeline);
    let reply = client.unsolicited().unwrap().unwrap();
    let message = Message::parse(&reply.datagram).unwrap();
    assert_eq!(NodeInfo::decode(message.payload), Ok(info(NodeId(3))), "{kept:?} was not handed in");

    // A foreign token, an event, and bytes that are no message at all.
    let mut foreign = Vec::new();
    let header = ngsock::Header { token: 99, ..ngsock::Header::request::<GetNodeInfo>(0).reply() };
    encode(&mut foreign, &header, &info(NodeId(1))).unwrap();
    client.transport().waiting.extend([foreign.clone(), b"?".to_vec()]);
    let mut pipeline = client.pipeline(10);
    let ticket = pipeline.send(&node(1), &GetNodeInfo);
    assert_eq!(pipeline.collect(ticket), Ok(info(NodeId(1))));
    drop(pipeline);
    assert_eq!(client.unsolicited().unwrap().unwrap().datagram, foreign);
    assert_eq!(client.unsolicited().unwrap().unwrap().datagram, b"?");
    assert_eq!(client.unsolicited(), Ok(None));
}

#[test]
fn a_reply_may_be_late_but_not_later_than_allowed() {
    let mut client = Client::new(Socket { all_late: true, ..Socket::default() });
    assert_eq!(client.call(&node(1), &GetNodeInfo).unwrap_err().cause, Cause::NoReply, "no time is given");
    client.set_timeout(Duration::from_millis(10));
    assert_eq!(client.call(&node(2), &GetNodeInfo), Ok(info(NodeId(2))), "behind the late one");
    assert_eq!(client.call(&node(1), &hub::SetPersistent), Ok(()), "nothing is waited for");

    let mut pipeline = client.pipeline(2);
    let tickets: Vec<_> = (1..=5).map(|id| pipeline.send(&node(id), &GetNodeInfo)).collect();
    for (id, ticket) in (1..=5).zip(tickets) {
        assert_eq!(pipeline.collect(ticket), Ok(info(NodeId(id))));
    }
    drop(pipeline);

    // Nothing comes at all: the third of a window of two is not sent.
    client.set_timeout(Duration::ZERO);
    let mut pipeline = client.pipeline(2);
    let [a, b, c] = [1, 2, 3].map(|id| pipeline.send(&node(id), &GetNodeInfo));
    let full = pipeline.collect(c).unwrap_err();
    assert_eq!(full.cause, Cause::WindowFull);
    assert_eq!(full.to_string(), "nodeinfo to `[3]:`: not sent: too many replies are outstanding");
    for ticket in [a, b] {
        assert_eq!(pipeline.collect(ticket).unwrap_err().cause, Cause::NoReply);
    }
    assert_eq!(pipeline.outstanding(), 0);
    let optional = pipeline.send(&node(1), &patch::GetConfig);
    assert_eq!(pipeline.collect(optional), Ok(None), "a reply that may be missing");
}

#[test]
fn notifications_are_waited_for() {
    let mut client = Client::new(Socket { late: [b"event".to_vec()].into(), ..Socket::default() });
    assert_eq!(client.unsolicited(), Ok(None), "not there yet");
    let event = client.unsolicited_within(Duration::from_secs(1)).unwrap().unwrap();
    assert_eq!((event.from.as_slice(), event.datagram.as_slice()), (&b"[1]:"[..], &b"event"[..]));
    assert_eq!(client.unsolicited_within(Duration::from_secs(1)), Ok(None));
    assert_eq!(client.transport().waits, 2);
}
