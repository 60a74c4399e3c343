//! Messages byte by byte, as compiled from the headers of FreeBSD 15.1 (little endian).

#![cfg(target_endian = "little")]

use ngsock::generic::{Connect, ListHooks, MkPeer};
use ngsock::message::{HEADER_LEN, Message, encode_request};
use ngsock::node::pipe::{Changes, DirectionChanges, SetConfig, Setting};
use ngsock::{HookName, NodeId, NodePath, Request, SockaddrNg, TypeName};

fn hook(name: &str) -> HookName {
    HookName::new(name).expect("a good name")
}

fn encoded<R: Request>(token: u32, request: &R) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_request(&mut bytes, token, request).expect("short messages fit");
    bytes
}

/// A message of `len` bytes that is zero but for these.
fn message(len: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (at, part) in parts {
        bytes[*at..at + part.len()].copy_from_slice(part);
    }
    bytes
}

#[test]
fn mkpeer() {
    let bytes = encoded(1, &MkPeer::new(&TypeName::new("eiface").unwrap(), &hook("tmp0"), &hook("ether")));
    let expected = message(
        152,
        &[
            (0, &[0x08, 0, 0, 0, 0x60, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0]),
            (0x10, &[0x01, 0, 0, 0, 0x1e, 0x51, 0xc6, 0x43]),
            (0x18, b"mkpeer"),
            (0x38, b"eiface"),
            (0x58, b"tmp0"),
            (0x78, b"ether"),
        ],
    );
    assert_eq!(bytes, expected);
}

#[test]
fn connect() {
    let bytes = encoded(2, &Connect::new(&NodePath::id(NodeId(0x2b)), &hook("ether"), &hook("link7")));
    let expected = message(
        632,
        &[
            (0, &[8, 0, 0, 0, 0x40, 0x02, 0, 0, 3]),
            (16, &[2, 0, 0, 0, 0x1e, 0x51, 0xc6, 0x43]),
            (24, b"connect"),
            (56, b"[2b]:"),
            (568, b"ether"),
            (600, b"link7"),
        ],
    );
    assert_eq!(bytes, expected);
}

#[test]
fn listhooks() {
    let bytes = encoded(3, &ListHooks);
    let expected = message(
        56,
        &[
            (0, &[8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0x30]),
            (16, &[3, 0, 0, 0, 0x1e, 0x51, 0xc6, 0x43]),
            (24, b"listhooks"),
        ],
    );
    assert_eq!(bytes, expected);
}

#[test]
fn pipe_configuration() {
    let queue = DirectionChanges { queue_limit_frames: Setting::Set(1000), ..DirectionChanges::default() };
    let changes = Changes {
        bandwidth_bits_per_second: Setting::Set(10_000_000),
        delay_microseconds: Setting::Set(25_000),
        header_offset_octets: Setting::Set(14),
        downstream: DirectionChanges { drop_tail: Setting::Set(1), ..queue },
        upstream: queue,
        ..Changes::default()
    };
    let expected = message(
        176,
        &[
            (0, &[8, 0, 0, 0, 120, 0, 0, 0, 6]),
            (16, &[4, 0, 0, 0, 0x5f, 0x90, 0xf6, 0x0b]),
            (24, b"setcfg"),
            (56, &[0x80, 0x96, 0x98]),
            (64, &[0xa8, 0x61]),
            (72, &[0x0e]),
            (96, &[0xe8, 0x03]),
            (120, &[0x01]),
            (144, &[0xe8, 0x03]),
        ],
    );
    assert_eq!(encoded(4, &SetConfig(changes)), expected);
}

#[test]
fn resetting_a_pipe_is_all_ones() {
    let changes = Changes { delay_microseconds: Setting::Reset, ..Changes::default() };
    let bytes = encoded(5, &SetConfig(changes));
    let payload = Message::parse(&bytes).unwrap().payload;
    assert_eq!(payload, message(120, &[(8, &[0xff; 8])]));
}

#[test]
fn socket_address() {
    let path = NodePath::id(NodeId(0x2b));
    assert_eq!(SockaddrNg::with_nul(path.as_bytes()).unwrap().as_bytes(), [8, 0x20, 0x5b, 0x32, 0x62, 0x5d, 0x3a, 0]);
    assert_eq!(SockaddrNg::to_path(&path).unwrap().as_bytes(), [7, 0x20, 0x5b, 0x32, 0x62, 0x5d, 0x3a]);
}

#[test]
fn messages_can_follow_each_other_in_one_buffer() {
    let mut bytes = encoded(1, &ListHooks);
    encode_request(&mut bytes, 2, &ListHooks).unwrap();
    let second = Message::parse(&bytes[HEADER_LEN..]).unwrap();
    assert_eq!((bytes.len(), second.header.token), (2 * HEADER_LEN, 2));
}
