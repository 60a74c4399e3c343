//! When the kernel has settled. It takes namespaces apart in the background, all that wait at once: a sentinel that is let go after
//! them is in the same batch or a later one, and a second sentinel in a batch that begins when those have ended.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::counted::Counted;
use super::{call, inside, netlink_socket, no};
use crate::engine::{EngineError, Settling};
use crate::netlink::consts::{NLMSG_ERROR, RTM_DELLINK};
use crate::netlink::linux::{self, Links, VethEnd};
use crate::netlink::wire::Messages;

/// `RTNLGRP_LINK` (include/uapi/linux/rtnetlink.h): interfaces that come and go.
const LINKS: i32 = 1;

impl Settling for Counted {
    fn wait(self: Box<Self>, limit: Duration) -> Result<(), EngineError> {
        settled(Counted::wait(*self, limit), limit)
    }
}

impl Settling for Sentinels {
    fn wait(self: Box<Self>, limit: Duration) -> Result<(), EngineError> {
        settled(self.relieve(limit), limit)
    }
}

fn settled(waited: io::Result<bool>, limit: Duration) -> Result<(), EngineError> {
    match waited {
        Ok(true) => Ok(()),
        Ok(false) => {
            let message = format!("the kernel is still taking namespaces apart after {} s", limit.as_secs());
            Err(EngineError::strange("namespaces", "cleanup_net", message)
                .hint("the lab is gone for everybody else; `--timeout` waits longer"))
        }
        Err(error) => Err(no("a namespace to watch", "recv", &error)),
    }
}

/// Two namespaces, each with one end of a veth pair whose other end is watched in a third.
#[derive(Debug)]
pub(super) struct Sentinels {
    /// The index of the watched end, and what holds the namespace of the other.
    held: Vec<(u32, File)>,
    watch: OwnedFd,
}

impl Sentinels {
    /// Posts them.
    pub(super) fn post() -> io::Result<Self> {
        inside::alone(|| {
            let namespace = || {
                call::unshare(libc::CLONE_NEWNET)?;
                File::open("/proc/thread-self/ns/net")
            };
            let held = vec![(2, namespace()?), (3, namespace()?)];
            call::unshare(libc::CLONE_NEWNET)?;
            let watch = netlink_socket(libc::NETLINK_ROUTE)?;
            for (index, namespace) in &held {
                pair(&watch, *index, namespace)?;
            }
            call::set_option(watch.as_fd(), libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, LINKS)?;
            Ok(Self { held, watch })
        })
    }

    /// Lets them go one after the other, and waits for each; whether both were gone within `limit`.
    pub(super) fn relieve(self, limit: Duration) -> io::Result<bool> {
        let began = Instant::now();
        let mut buffer = Vec::new();
        for (index, namespace) in self.held {
            drop(namespace);
            let mut gone = false;
            while !gone {
                let Some(rest) = limit.checked_sub(began.elapsed()) else { return Ok(false) };
                call::wait_readable(&[self.watch.as_fd()], rest.min(Duration::from_secs(1)));
                match call::receive_now(self.watch.as_fd(), &mut buffer) {
                    Ok(()) => {
                        gone = Messages::new(&buffer)
                            .any(|message| message.kind == RTM_DELLINK && linux::index_of(&message) == Some(index))
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(true)
    }
}

fn pair(socket: &OwnedFd, index: u32, namespace: &File) -> io::Result<()> {
    let names = [format!("here{index}"), format!("there{index}")];
    let end = |name, mac, index, namespace| VethEnd { name, index, mac, mtu: 1500, namespace, bridge: None };
    let here = end(names[0].as_str(), [2, 0, 0, 0, 0, 1], index, None);
    let there = end(names[1].as_str(), [2, 0, 0, 0, 0, 2], 2, Some(namespace.as_raw_fd()));
    let mut links = Links::new(1);
    links.create_veth(&here, &there);
    call::send(socket.as_fd(), &links.finish())?;
    let mut buffer = Vec::new();
    call::receive(socket.as_fd(), &mut buffer)?;
    let answer = Messages::new(&buffer).find(|message| message.kind == NLMSG_ERROR);
    match answer.and_then(|message| message.payload.first_chunk().copied()).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_abs())),
        None => Err(io::Error::from_raw_os_error(libc::EPROTO)),
    }
}
