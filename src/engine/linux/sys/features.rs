//! Features asked of the kernel of this machine: by trying them in a namespace that nobody else sees and that goes with the only
//! socket in it. What is asked may load a module, as using it would.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::super::errno::errno;
use super::super::features::{Answer, Feature};
use super::{Way, call, groups, inside, netlink_socket, way};
use crate::netlink::linux::{Links, VethEnd};
use crate::netlink::qdisc::{self, Kind, Netem, Set, Tbf};
use crate::netlink::reply::{self, Acknowledgement};
use crate::netlink::wire::Writer;

/// The index of a loopback.
const LOOPBACK: u32 = 1;

/// What was asked already.
#[derive(Debug, Default)]
pub(super) struct Features(BTreeMap<Feature, Answer>);

impl Features {
    /// The kernel's answer, which it gives once.
    pub(super) fn ask(&mut self, feature: Feature) -> Answer {
        self.0.entry(feature).or_insert_with(|| ask(feature)).clone()
    }
}

fn ask(feature: Feature) -> Answer {
    match feature {
        Feature::Namespaces => match way() {
            Ok(Way::Direct) => Ok("we may make them".to_owned()),
            Ok(Way::Rootless { why }) => Ok(format!("each lab has them in a user namespace: {why}")),
            Err(unusable) => Err(unusable.message),
        },
        Feature::OwnStack => match way() {
            Ok(Way::Direct) => Ok("labs can reach it".to_owned()),
            Ok(Way::Rootless { why }) => Err(format!("labs in user namespaces have no way to it: {why}")),
            Err(unusable) => Err(unusable.message),
        },
        Feature::MemoryGroups => groups::answer("memory"),
        Feature::ProcessGroups => groups::answer("pids"),
        Feature::ShareGroups => groups::answer("cpu"),
        Feature::ProcessorGroups => groups::answer("cpuset"),
        Feature::ReadOnlyRoots => match call::make_read_only(c"") {
            // No mount has that name; a kernel that lacks the call says so first.
            Err(error) if call::number(&error) == libc::ENOSYS => Err(error.to_string()),
            _ => Ok("this kernel has mount_setattr".to_owned()),
        },
        Feature::UserNamespaces => said(call::clone_for_socket(libc::CLONE_NEWUSER), "users may make them"),
        Feature::Veth => {
            let end = |name, mac| VethEnd { name, index: 0, mac, mtu: 1500, namespace: None, bridge: None };
            link(|links| links.create_veth(&end("a", [2, 0, 0, 0, 0, 1]), &end("b", [2, 0, 0, 0, 0, 2])))
        }
        Feature::Bridge => link(|links| links.create_bridge("a", 0, [2, 0, 0, 0, 0, 1], 1500, false, true)),
        Feature::Tbf => discipline(&Kind::Tbf(Tbf { rate: 125_000, burst: 4096, limit: 4096 })),
        Feature::Netem => discipline(&Kind::Netem(Netem { limit: 1, ..Netem::default() })),
        Feature::Ipv6 => said(call::socket(libc::AF_INET6, libc::SOCK_DGRAM, 0), "this kernel speaks it"),
    }
}

fn said<T>(result: io::Result<T>, fine: &str) -> Answer {
    result.map(|_| fine.to_owned()).map_err(|error| error.to_string())
}

/// Whether the kernel takes messages about interfaces.
fn link(write: impl FnOnce(&mut Links)) -> Answer {
    let mut links = Links::new(1);
    write(&mut links);
    takes(&links.finish())
}

/// Whether the kernel puts a queueing discipline on a loopback.
fn discipline(kind: &Kind) -> Answer {
    let mut writer = Writer::new();
    qdisc::set(&mut writer, LOOPBACK, 0x0001_0000, qdisc::ROOT, kind, Set::New);
    takes(&writer.finish()).map(|_| "this kernel queues so".to_owned())
}

fn takes(message: &[u8]) -> Answer {
    let asked = Scratch::open().and_then(|scratch| scratch.converse(message));
    match asked.map_err(|error| error.to_string())?.error {
        None => Ok("this kernel makes them".to_owned()),
        Some(error) => {
            Err(errno(error.raw()).map_or_else(|| format!("error {}", error.raw()), |errno| errno.to_string()))
        }
    }
}

/// A namespace to try something in; it goes when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    netlink: OwnedFd,
}

impl Scratch {
    /// A new one: in a user namespace of its own where we have no privilege.
    pub(super) fn open() -> io::Result<Self> {
        let made = inside::alone(|| {
            call::unshare(libc::CLONE_NEWNET)?;
            netlink_socket()
        });
        let netlink = match made {
            Err(error) if call::number(&error) == libc::EPERM => {
                call::clone_for_socket(libc::CLONE_NEWUSER | libc::CLONE_NEWNET)
            }
            other => other,
        };
        Ok(Self { netlink: netlink? })
    }

    /// Sends one message that asks for an acknowledgement, and gives that.
    pub(super) fn converse(&self, message: &[u8]) -> io::Result<Acknowledgement> {
        call::send(self.netlink.as_fd(), message)?;
        let mut buffer = Vec::new();
        loop {
            call::receive(self.netlink.as_fd(), &mut buffer)?;
            for reply in reply::read(&buffer) {
                if let reply::Answer::Acknowledgement(answer) = reply.answer {
                    return Ok(answer);
                }
            }
        }
    }
}
