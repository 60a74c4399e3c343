//! Calls against a transport that answers what it is told to.

use std::collections::VecDeque;

use ngsock::generic::{Connect, GetNodeInfo, Join, ListNodes, MkPeer, NewPeer, NodeInfo};
use ngsock::message::{Malformed, Message, encode, encode_reply};
use ngsock::name::{Name, NameError, Text};
use ngsock::node::bridge::{self, LinkHook};
use ngsock::node::{hub, patch};
use ngsock::{Cause, Client, Errno, HookName, NodeId, NodePath, PathError, Payload, Transport, TypeName};

/// What to answer to a request: datagrams with where they came from.
type Answer = Box<dyn FnMut(&Message<'_>) -> Result<Vec<Vec<u8>>, Errno>>;

struct Script {
    answer: Answer,
    waiting: VecDeque<Vec<u8>>,
    paths: Vec<Vec<u8>>,
}

impl Transport for Script {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        self.paths.push(path.to_vec());
        let request = Message::parse(datagram).expect("a client sends whole messages");
        self.waiting.extend((self.answer)(&request)?);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        Ok(self.waiting.pop_front().map(|datagram| {
            *buffer = datagram;
            b"[2b]:".to_vec()
        }))
    }
}

fn client(answer: impl FnMut(&Message<'_>) -> Result<Vec<Vec<u8>>, Errno> + 'static) -> Client<Script> {
    Client::new(Script { answer: Box::new(answer), waiting: VecDeque::new(), paths: Vec::new() })
}

fn reply(request: &Message<'_>, payload: &impl Payload) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_reply(&mut bytes, &request.header, payload).expect("short messages fit");
    bytes
}

fn info() -> NodeInfo {
    let name = |text| Name::new(text).expect("short and without NUL");
    NodeInfo { name: name("br0"), kind: name("bridge"), id: NodeId(0x2b), hooks: 3 }
}

fn hook(name: &str) -> HookName {
    HookName::new(name).expect("a good name")
}

fn here() -> NodePath {
    NodePath::here()
}

#[test]
fn a_reply_is_found_among_strangers() {
    let mut client = client(|request| {
        let mut foreign = request.header.reply();
        foreign.token += 1;
        let mut other = Vec::new();
        encode(&mut other, &foreign, &info()).unwrap();
        Ok(vec![other, b"not a message".to_vec(), reply(request, &info()), b"later".to_vec()])
    });
    assert_eq!(client.node_info(&here()), Ok(info()));
    for expected in [128, 13, 5] {
        let message = client.unsolicited().unwrap().unwrap();
        assert_eq!((message.from.as_slice(), message.datagram.len()), (&b"[2b]:"[..], expected));
    }
    assert_eq!(client.unsolicited(), Ok(None));
    assert_eq!(client.transport().paths, [b".:".to_vec()]);
}

#[test]
fn a_missing_reply_is_an_error_and_no_wait() {
    let mut silent = client(|_| Ok(Vec::new()));
    assert_eq!(silent.node_info(&here()).unwrap_err().cause, Cause::NoReply);
    assert_eq!(silent.call(&here(), &patch::GetConfig), Ok(None));
    assert_eq!(silent.call(&here(), &hub::SetPersistent), Ok(()));
}

#[test]
fn replies_that_lie_are_errors() {
    let mut short = client(|request| Ok(vec![reply(request, &vec![0; 71])]));
    let cause = short.call(&here(), &GetNodeInfo).unwrap_err().cause;
    assert_eq!(cause, Cause::Malformed(Malformed::PayloadSize { expected: 72, actual: 71 }));

    let mut huge = client(|request| Ok(vec![reply(request, &u32::MAX)]));
    let cause = huge.call(&here(), &ListNodes).unwrap_err().cause;
    assert_eq!(cause, Cause::Malformed(Malformed::Count { count: u32::MAX, room: 0 }));

    // One whose header does not fit its length is nobody's reply.
    let mut lying = client(|request| {
        let mut bytes = reply(request, &info());
        bytes[4] += 1;
        Ok(vec![bytes])
    });
    assert_eq!(lying.node_info(&here()).unwrap_err().cause, Cause::NoReply);
}

#[test]
fn a_lying_datagram_says_how() {
    let mut bytes = Vec::new();
    ngsock::message::encode_request(&mut bytes, 7, &GetNodeInfo).unwrap();
    assert_eq!(Message::parse(&bytes[..55]), Err(Malformed::Short { len: 55 }));
    assert_eq!(Message::parse(&[]), Err(Malformed::Short { len: 0 }));
    bytes[4] = 1;
    assert_eq!(Message::parse(&bytes), Err(Malformed::Length { stated: 1, actual: 0 }));
    bytes[0] = 7;
    assert_eq!(Message::parse(&bytes), Err(Malformed::Version(7)));
}

#[test]
fn a_refusal_names_command_path_and_meaning() {
    let mut client = client(|_| Err(Errno::ENOTCONN));
    let path: NodePath = "br0:".parse().unwrap();
    let error = client.call(&path, &bridge::GetStats(LinkHook::link(7).unwrap())).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOTCONN));
    assert_eq!(
        error.to_string(),
        "getstats to `br0:`: socket is not connected (ENOTCONN): the bridge has no such link"
    );
}

#[test]
fn what_cannot_work_is_not_sent() {
    let mut client = client(|_| panic!("nothing is to be sent"));
    let long = NodePath::parse(["a:", &"h".repeat(31)].concat()).unwrap();
    assert_eq!(client.shutdown(&long).unwrap_err().cause, Cause::Path(PathError::TooLong { len: 33, max: 32 }));
    let refused = |client: &mut Client<Script>, name: &str| {
        client.mkpeer(&here(), &bridge::TYPE, &hook("tmp"), &hook(name)).unwrap_err().cause
    };
    let cause = refused(&mut client, "uplink0");
    assert_eq!(cause, Cause::Hook(hook("uplink0").into(), NameError::UplinkZero));
    assert_eq!(refused(&mut client, "other"), Cause::Hook(hook("other").into(), NameError::NotABridgeHook));
}

#[test]
fn hooks_that_endanger_the_kernel_are_stopped_even_unchecked() {
    let mut client = client(|_| panic!("nothing is to be sent"));
    let name = |text| Name::new(text).unwrap();
    let deadly = name("link4294967295");
    let peer = NewPeer { kind: name("bridge"), our_hook: name("tmp"), peer_hook: deadly };
    let expected = Cause::Hook(deadly, NameError::LinkNumber);
    assert_eq!(client.call(&here(), &MkPeer(peer)).unwrap_err().cause, expected);
    let join = Join { path: Text::new("br0:").unwrap(), our_hook: name("tmp"), peer_hook: deadly };
    assert_eq!(client.call(&here(), &Connect(join)).unwrap_err().cause, expected);
}

#[test]
fn other_types_may_have_any_hook() {
    let mut client = client(|_| Ok(Vec::new()));
    let hub = TypeName::new("hub").unwrap();
    assert_eq!(client.mkpeer(&here(), &hub, &hook("tmp"), &hook("uplink0")), Ok(()));
    assert_eq!(client.mkpeer(&here(), &bridge::TYPE, &hook("tmp"), &bridge::HOOK_NEXT_LINK), Ok(()));
}

#[test]
fn unsolicited_messages_are_kept_in_bounds() {
    let mut client = client(|request| {
        let mut answers = vec![b"event".to_vec(); 3000];
        answers.push(reply(request, &info()));
        Ok(answers)
    });
    assert_eq!(client.node_info(&here()), Ok(info()));
    assert_eq!(client.dropped(), 3000 - 1024);
}
