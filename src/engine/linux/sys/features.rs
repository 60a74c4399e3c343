//! Features asked of the kernel of this machine: by trying them in a namespace that nobody else sees and that goes with the only
//! socket in it. What is asked may load a module, as using it would. The namespace is kept as long as anything may still be asked: the
//! kernel takes its time to take one apart, and what else is done with network devices meanwhile waits for it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::super::errno::errno;
use super::super::features::{Answer, Feature};
use super::{Way, call, fork, groups, inside, netlink_socket, rules, way};
use crate::netlink::linux::{Links, VethEnd};
use crate::netlink::nftables;
use crate::netlink::qdisc::{self, Kind, Netem, Set, Tbf};
use crate::netlink::reply::{self, Acknowledgement};
use crate::netlink::wire::Writer;

/// The index of a loopback.
const LOOPBACK: u32 = 1;

/// What was asked already, and where.
#[derive(Debug, Default)]
pub(super) struct Features {
    answers: BTreeMap<Feature, Answer>,
    /// Where interfaces are asked about.
    links: Option<Scratch>,
    others: Vec<Scratch>,
}

impl Features {
    /// Asked in that namespace first.
    pub(super) fn within(netlink: OwnedFd) -> Self {
        Self { links: Some(Scratch { netlink }), ..Self::default() }
    }

    /// The kernel's answer, which it gives once.
    pub(super) fn ask(&mut self, feature: Feature) -> Answer {
        if let Some(answer) = self.answers.get(&feature) {
            return answer.clone();
        }
        let answer = self.find_out(feature);
        self.answers.insert(feature, answer.clone());
        answer
    }

    fn find_out(&mut self, feature: Feature) -> Answer {
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
            Feature::Nftables => match rules::program() {
                None => Err("the program nft is not there".to_owned()),
                Some(program) => {
                    let asked = Scratch::open_for(libc::NETLINK_NETFILTER);
                    let fine = format!("this kernel has it, and {}", program.display());
                    self.answered(asked, &nftables::generation(), &fine)
                }
            },
            Feature::UserNamespaces => {
                said(fork::clone_for_socket(libc::CLONE_NEWUSER, libc::NETLINK_ROUTE), "users may make them")
            }
            Feature::Veth => {
                let end = |name, mac| VethEnd { name, index: 0, mac, mtu: 1500, namespace: None, bridge: None };
                self.link(|links| links.create_veth(&end("a", [2, 0, 0, 0, 0, 1]), &end("b", [2, 0, 0, 0, 0, 2])))
            }
            Feature::Bridge => self.link(|links| links.create_bridge("c", 0, [2, 0, 0, 0, 0, 3], 1500, false, true)),
            Feature::Tbf => self.discipline(&Kind::Tbf(Tbf { rate: 125_000, burst: 4096, limit: 4096 })),
            Feature::Netem => self.discipline(&Kind::Netem(Netem { limit: 1, ..Netem::default() })),
            Feature::Ipv6 => said(call::socket(libc::AF_INET6, libc::SOCK_DGRAM, 0), "this kernel speaks it"),
        }
    }

    /// Whether the kernel takes messages about interfaces.
    fn link(&mut self, write: impl FnOnce(&mut Links)) -> Answer {
        let mut links = Links::new(1);
        write(&mut links);
        let scratch = self.links.take().map_or_else(Scratch::open, Ok);
        let kept = self.others.len();
        let answer = self.answered(scratch, &links.finish(), "this kernel makes them");
        self.links = self.others.drain(kept..).next();
        answer
    }

    /// Whether the kernel puts a queueing discipline on a loopback that has none yet.
    fn discipline(&mut self, kind: &Kind) -> Answer {
        let mut writer = Writer::new();
        qdisc::set(&mut writer, LOOPBACK, 0x0001_0000, qdisc::ROOT, kind, Set::New);
        self.answered(Scratch::open(), &writer.finish(), "this kernel queues so")
    }

    /// What a namespace says, which is kept.
    fn answered(&mut self, scratch: io::Result<Scratch>, message: &[u8], fine: &str) -> Answer {
        let asked = scratch.and_then(|scratch| {
            let asked = scratch.converse(message);
            self.others.push(scratch);
            asked
        });
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) => return said(Err::<(), _>(error), fine),
        };
        match asked.error {
            None => Ok(fine.to_owned()),
            Some(error) => {
                Err(errno(error.raw()).map_or_else(|| format!("error {}", error.raw()), |errno| errno.to_string()))
            }
        }
    }
}

/// What is said where we have no descriptor to ask with: that is no lack of the kernel, and the first step that needs one says so.
const UNASKED: &str = "it cannot be asked: too many descriptors are open";

fn said<T>(result: io::Result<T>, fine: &str) -> Answer {
    match result {
        Ok(_) => Ok(fine.to_owned()),
        Err(error) if [libc::EMFILE, libc::ENFILE].contains(&call::number(&error)) => Ok(UNASKED.to_owned()),
        Err(error) => Err(error.to_string()),
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
        Self::open_for(libc::NETLINK_ROUTE)
    }

    /// The same for another family of messages.
    fn open_for(protocol: libc::c_int) -> io::Result<Self> {
        let made = inside::alone(|| {
            call::unshare(libc::CLONE_NEWNET)?;
            netlink_socket(protocol)
        });
        let netlink = match made {
            Err(error) if call::number(&error) == libc::EPERM => {
                fork::clone_for_socket(libc::CLONE_NEWUSER | libc::CLONE_NEWNET, protocol)
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
