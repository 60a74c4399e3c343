//! A bridge with traffic on it, for a kernel that has none: two sources that send at a rate of theirs, and a listener.

use ngsock::generic::{Connect, Join, MkPeer, NewPeer, SetName};
use ngsock::message::{Header, encode};
use ngsock::name::{Name, Text};
use ngsock::node::bridge::SetPersistent;
use ngsock::node::source::{SetPacketsPerSecond, Start};
use ngsock::{Errno, Request};

use crate::kernel::{Kernel, Refusal, SYSTEM_ERROR, error_text};

/// The sources: name, link, host, octets of a frame, frames per tick.
const SOURCES: [(&str, &str, u8, usize, u32); 2] = [("quick", "link0", 1, 60, 4), ("large", "link1", 2, 1514, 1)];

/// Ticks in a second. At each a source sends what is due since the last, so below one frame nothing at all, and no more
/// than it has stored.
const TICKS: u32 = 1000;

/// Makes a bridge `demo` with the sources on its first links and a listener, which hears all of it, on `link2`.
pub fn begin(kernel: &mut dyn Kernel) -> Result<(), Refusal> {
    build(kernel).map_err(|errno| Refusal::new(SYSTEM_ERROR, format!("cannot make traffic: {}", error_text(errno))))
}

fn build(kernel: &mut dyn Kernel) -> Result<(), Errno> {
    mkpeer(kernel, ".:", "bridge", "b", "link9")?;
    call(kernel, ".:b", &SetName(name("demo")?))?;
    call(kernel, "demo:", &SetPersistent)?;
    mkpeer(kernel, "demo:", "hole", "link2", "h")?;
    call(kernel, "demo:link2", &SetName(name("listener")?))?;
    for (source, link, host, octets, frames) in SOURCES {
        mkpeer(kernel, "demo:", "source", link, "output")?;
        call(kernel, &format!("demo:{link}"), &SetName(name(source)?))?;
        let path = format!("{source}:");
        let peer = Text::new(&path).ok_or(Errno::ENAMETOOLONG)?;
        call(kernel, ".:", &Connect(Join { path: peer, our_hook: name("s")?, peer_hook: name("input")? }))?;
        for _ in 0..frames {
            kernel.send_frame(b"s", &frame(host, octets))?;
        }
        call(kernel, ".:", &ngsock::generic::RemoveHook(name("s")?))?;
        call(kernel, &path, &SetPacketsPerSecond(frames * TICKS))?;
        call(kernel, &path, &Start(u64::MAX))?;
    }
    call(kernel, ".:", &ngsock::generic::RemoveHook(name("b")?))
}

/// A frame to a host that nobody has seen, so that it goes out of every other link.
fn frame(host: u8, octets: usize) -> Vec<u8> {
    let mut frame = [&[2, 0, 0, 0, 0, 9][..], &[2, 0, 0, 0, 0, host], &[0x88, 0xb5]].concat();
    frame.resize(octets, 0);
    frame
}

fn name(text: &str) -> Result<Name, Errno> {
    Name::new(text).ok_or(Errno::ENAMETOOLONG)
}

fn mkpeer(kernel: &mut dyn Kernel, path: &str, kind: &str, ours: &str, theirs: &str) -> Result<(), Errno> {
    let peer = NewPeer { kind: name(kind)?, our_hook: name(ours)?, peer_hook: name(theirs)? };
    call(kernel, path, &MkPeer(peer))
}

/// Sends a request that has no reply.
fn call<R: Request<Reply = ()>>(kernel: &mut dyn Kernel, path: &str, request: &R) -> Result<(), Errno> {
    let mut datagram = Vec::new();
    encode(&mut datagram, &Header::request::<R>(1), request).map_err(|_| Errno::EMSGSIZE)?;
    kernel.send(path.as_bytes(), &datagram)
}
