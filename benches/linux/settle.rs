//! When the kernel has settled: it takes namespaces apart in the background, all that wait at once. A sentinel that is let go after
//! them is in the same batch or a later one, a second one in a batch that begins when all those have ended.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use cellblock::netlink::consts::RTM_DELLINK;
use cellblock::netlink::linux::{Links, VethEnd};
use cellblock::netlink::wire::Messages;

use super::sys;

/// `RTMGRP_LINK` (include/uapi/linux/rtnetlink.h).
const LINKS: u32 = 1;

/// Two namespaces, each with one end of a veth pair whose other end is watched in a third.
pub struct Settling {
    sentinels: [(u32, File); 2],
    watch: OwnedFd,
}

impl Settling {
    /// Makes them; the calling thread is in `home` afterwards.
    pub fn prepare(home: &File) -> io::Result<Self> {
        let make = || -> io::Result<File> {
            sys::unshare(libc::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        };
        let sentinels = [(2, make()?), (3, make()?)];
        sys::unshare(libc::CLONE_NEWNET)?;
        let socket = sys::netlink()?;
        let mut links = Links::new(1);
        for (index, namespace) in &sentinels {
            let names = [format!("s{index}"), format!("t{index}")];
            let end = |name, index, namespace| VethEnd {
                name,
                index,
                mac: [2, 0, 0, 0, 0, 1],
                mtu: 1500,
                namespace,
                bridge: None,
            };
            links.create_veth(&end(&names[0], *index, None), &end(&names[1], 2, Some(namespace.as_raw_fd())));
        }
        sys::send(socket.as_fd(), &links.finish())?;
        let mut buffer = vec![0; 1 << 16];
        let mut answers = 0;
        while answers < 2 {
            let got = sys::receive(socket.as_fd(), &mut buffer, 0)?;
            answers += Messages::new(&buffer[..got]).count();
        }
        let watch = sys::netlink()?;
        sys::listen(watch.as_fd(), LINKS)?;
        sys::enter(home.as_fd())?;
        Ok(Self { sentinels, watch })
    }

    /// Waits until everything that was let go before has gone.
    pub fn wait(self) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        for (index, namespace) in self.sentinels {
            drop(namespace);
            let mut gone = false;
            while !gone {
                let got = sys::receive(self.watch.as_fd(), &mut buffer, 0)?;
                gone = Messages::new(&buffer[..got]).any(|message| {
                    message.kind == RTM_DELLINK && message.payload.get(4..8) == Some(&index.to_ne_bytes()[..])
                });
            }
        }
        Ok(())
    }
}
