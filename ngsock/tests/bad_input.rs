//! What a caller, a kernel or a liar may hand in that is wrong: each gets an error of its own kind.

mod common;

use ngsock::generic::{GetNodeInfo, HookList, MkPeer, NodeInfo, NodeList, TypeList};
use ngsock::message::{MAX_PAYLOAD, Malformed, Message, Payload, encode, encode_reply, encode_request};
use ngsock::name::{Name, NameError, ShortBytes, Text};
use ngsock::node::bridge::{HostTable, LinkHook};
use ngsock::node::{bpf, etf, macfilter, nat, patch, vlan};
use ngsock::{Cause, Client, Errno, Header, HookName, NodeId, NodeName, NodePath, PathError, SockaddrNg, TypeName};
use ngsock::{Request, Transport};

#[test]
fn names_that_the_kernel_would_cut_or_never_find_are_refused() {
    let too_long = Err(NameError::TooLong { len: 32, max: 31 });
    for fits in ["n".to_owned(), "n".repeat(30), "n".repeat(31)] {
        assert!(NodeName::new(&fits).is_ok() && HookName::new(&fits).is_ok() && TypeName::new(&fits).is_ok());
    }
    let long = "n".repeat(32);
    assert_eq!(NodeName::new(&long).map(drop), too_long);
    assert_eq!(HookName::new(&long).map(drop), too_long);
    assert_eq!(TypeName::new(&long).map(drop), too_long);
    assert_eq!(NodeName::new("").map(drop), Err(NameError::Empty));
    assert_eq!(HookName::new("").map(drop), Err(NameError::Empty));
    assert_eq!(TypeName::new("").map(drop), Err(NameError::Empty));
    for embedded in ["\0", "a\0b", "a\0"] {
        assert_eq!(NodeName::new(embedded).map(drop), Err(NameError::Byte(0)));
        assert_eq!(HookName::new(embedded).map(drop), Err(NameError::Byte(0)));
        assert_eq!(TypeName::new(embedded).map(drop), Err(NameError::Byte(0)));
        assert_eq!(Name::new(embedded), None);
        assert!(matches!(NodePath::parse(["x:", embedded].concat()), Err(PathError::Hook(NameError::Byte(0)))));
    }
    assert_eq!(Text::<512>::new([b'a'; 512]), None);
}

#[test]
fn paths_end_where_an_address_and_a_message_end() {
    let name = |len: usize| NodePath::name(&NodeName::new("n".repeat(len)).unwrap());
    assert_eq!(name(30).as_address().map(<[u8]>::len), Ok(31));
    assert_eq!(name(31).as_address().map(<[u8]>::len), Ok(32), "without a NUL it just fits");
    assert_eq!(SockaddrNg::to_path(&name(31)).unwrap().as_bytes().len(), 34);
    assert_eq!(SockaddrNg::with_nul(name(31).as_bytes()), Err(PathError::TooLong { len: 32, max: 31 }));
    let further = name(31).join(&HookName::new("h").unwrap()).unwrap();
    assert_eq!(further.as_address(), Err(PathError::TooLong { len: 33, max: 32 }));
    let mut path = "h".repeat(31);
    while path.len() <= NodePath::MAX {
        assert!(NodePath::parse(&path).is_ok());
        path += &format!(".{}", "h".repeat(31));
    }
    assert_eq!(NodePath::parse(&path).map(drop), Err(PathError::TooLong { len: path.len(), max: 511 }));
    for (path, cause) in [
        ("", PathError::Empty),
        (":", PathError::Empty),
        (":hook", PathError::Empty),
        ("a:b:c", PathError::Colon),
        ("a:b..c", PathError::Dots),
        ("a:.b", PathError::Dots),
        ("..", PathError::Dots),
    ] {
        assert_eq!(NodePath::parse(path).map(drop), Err(cause), "{path}");
    }
}

#[test]
fn bridge_hooks_that_would_take_the_kernel_down_cannot_be_made() {
    for good in ["link0", "link1", "link2147483647", "uplink1", "uplink2147483647"] {
        assert_eq!(LinkHook::parse(good.as_bytes()).map(|hook| hook.name().to_string()), Ok(good.to_owned()));
        assert!(HookName::new(good).is_ok());
    }
    for deadly in ["link2147483648", "link4294967295", "link4294967296", "uplink2147483648", "link99999999999999999999"]
    {
        assert_eq!(LinkHook::parse(deadly.as_bytes()).map(drop), Err(NameError::LinkNumber), "{deadly}");
        assert_eq!(HookName::new(deadly).map(drop), Err(NameError::LinkNumber), "{deadly}");
        let path = NodePath::parse(["br0:", deadly].concat());
        assert_eq!(path.map(drop), Err(PathError::Hook(NameError::LinkNumber)), "{deadly}");
    }
    assert_eq!(LinkHook::parse(b"uplink0").map(drop), Err(NameError::UplinkZero));
    for other in ["link", "uplink", "link01", "link-1", "link1x", "other", ""] {
        assert_eq!(LinkHook::parse(other.as_bytes()).map(drop), Err(NameError::NotABridgeHook), "{other}");
    }
}

/// The first four bytes announce so many elements, and none follow.
fn announced<T: Payload + core::fmt::Debug>(head: usize) -> Malformed {
    let mut payload = u32::MAX.to_ne_bytes().to_vec();
    payload.resize(head, 0);
    T::decode(&payload).expect_err("nothing follows")
}

#[test]
fn huge_arrays_are_refused_before_anything_is_reserved() {
    let nothing_fits = Malformed::Count { count: u32::MAX, room: 0 };
    assert_eq!(announced::<NodeList>(4), nothing_fits);
    assert_eq!(announced::<TypeList>(4), nothing_fits);
    assert_eq!(announced::<HostTable>(4), nothing_fits);
    assert_eq!(announced::<vlan::FilterTable>(4), nothing_fits);
    assert_eq!(announced::<macfilter::AddressTable>(8), nothing_fits);
    assert_eq!(announced::<macfilter::HookTable>(4), nothing_fits);
    assert_eq!(announced::<nat::RedirectList>(4), nothing_fits);
    assert_eq!(announced::<patch::Config>(24), nothing_fits);
    let mut hooks = Vec::new();
    HookList { name: Name::EMPTY, kind: Name::EMPTY, id: NodeId(1), links: Vec::new() }.encode(&mut hooks);
    hooks[68..72].fill(0xff);
    assert_eq!(HookList::decode(&hooks), Err(nothing_fits));
    let mut program = Vec::new();
    bpf::Program::default().encode(&mut program);
    program[96..100].fill(0xff);
    assert_eq!(bpf::Program::decode(&program), Err(nothing_fits));
    assert_eq!(ShortBytes::new(vec![0; 65_536]), None);

    let mut out = b"before".to_vec();
    let header = Header::request::<GetNodeInfo>(1);
    let len = MAX_PAYLOAD + 1;
    assert_eq!(encode(&mut out, &header, &vec![0; len]), Err(Malformed::TooLong { len }));
    assert_eq!(out, b"before", "what was there before is left alone");
}

#[test]
fn payloads_that_end_too_early_are_errors_for_every_command() {
    for commands in common::ALL {
        for number in common::numbers(commands) {
            for is_reply in [false, true] {
                // The shortest payload that is taken; everything below it has a typed error.
                let shortest = (0..=700).find(|len| (commands.through_types)(number, is_reply, &vec![0; *len]).is_ok());
                for len in 0..shortest.unwrap_or(64) {
                    let error = (commands.through_types)(number, is_reply, &vec![0; len]).unwrap_err();
                    let is_typed = matches!(
                        error,
                        Malformed::PayloadSize { .. }
                            | Malformed::PayloadShort { .. }
                            | Malformed::Short { .. }
                            | Malformed::Version(_)
                            | Malformed::Value { .. }
                    );
                    assert!(is_typed, "{} {number:#x}, {len} bytes: {error:?}", commands.name);
                }
            }
        }
    }
}

#[test]
fn a_length_that_lies_is_found_out() {
    let mut request = Vec::new();
    encode_request(&mut request, 1, &MkPeer::new(&etf::TYPE, &etf::HOOK_DOWNSTREAM, &etf::HOOK_DOWNSTREAM)).unwrap();
    assert_eq!(request.len(), 56 + 96);
    for stated in [0_u32, 95, 97, 96 << 8, u32::MAX] {
        let mut lying = request.clone();
        lying[4..8].copy_from_slice(&stated.to_ne_bytes());
        assert_eq!(Message::parse(&lying), Err(Malformed::Length { stated, actual: 96 }));
    }
    for len in 0..56 {
        assert_eq!(Message::parse(&request[..len]), Err(Malformed::Short { len }));
    }
    assert_eq!(Message::parse(&request[..151]), Err(Malformed::Length { stated: 96, actual: 95 }));
    for version in (0..=u8::MAX).filter(|version| *version != 8) {
        request[0] = version;
        assert_eq!(Message::parse(&request), Err(Malformed::Version(version)));
    }
    assert_eq!(
        (etf::Command::decode(99, &[]), etf::Reply::decode(99, &[])),
        (
            Err(Malformed::UnknownCommand { cookie: etf::COOKIE, command: 99 }),
            Err(Malformed::UnknownCommand { cookie: etf::COOKIE, command: 99 })
        )
    );
}

/// Answers every request with one datagram.
struct Answers(Vec<u8>, bool);

impl Transport for Answers {
    fn send(&mut self, _: &[u8], _: &[u8]) -> Result<(), Errno> {
        self.1 = true;
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        if !std::mem::take(&mut self.1) {
            return Ok(None);
        }
        *buffer = self.0.clone();
        Ok(Some(b"[1]:".to_vec()))
    }
}

#[test]
fn replies_that_are_not_ours_are_no_replies() {
    let info = NodeInfo { name: Name::EMPTY, kind: Name::EMPTY, id: NodeId(1), hooks: 0 };
    let request = Header::request::<GetNodeInfo>(1);
    let reply = |header: &Header| {
        let mut bytes = Vec::new();
        encode_reply(&mut bytes, header, &info).unwrap();
        bytes
    };
    let good = reply(&request);
    let no_reply_flag = {
        let mut bytes = good.clone();
        bytes[12] = 0;
        bytes
    };
    let strangers = [
        reply(&Header { token: 2, ..request }),
        reply(&Header { token: 0, ..request }),
        reply(&Header { cookie: etf::COOKIE, ..request }),
        reply(&Header { command: MkPeer::COMMAND, ..request }),
        no_reply_flag,
        good[..55].to_vec(),
        good[..127].to_vec(),
        Vec::new(),
    ];
    for stranger in strangers {
        let mut client = Client::new(Answers(stranger.clone(), false));
        assert_eq!(client.node_info(&NodePath::here()).unwrap_err().cause, Cause::NoReply, "{stranger:02x?}");
        assert_eq!(client.unsolicited().unwrap().unwrap().datagram, stranger, "it is kept aside");
    }
    assert_eq!(Client::new(Answers(good, false)).node_info(&NodePath::here()), Ok(info));
    let mut short = Vec::new();
    encode_reply(&mut short, &request, &vec![0; 71]).unwrap();
    let cause = Client::new(Answers(short, false)).node_info(&NodePath::here()).unwrap_err().cause;
    assert_eq!(cause, Cause::Malformed(Malformed::PayloadSize { expected: 72, actual: 71 }));
}
