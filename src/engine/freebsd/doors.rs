//! The doors: the only ways in which the FreeBSD engine reaches a kernel.
//!
//! Everything that crosses them is what a FreeBSD kernel takes and gives: datagrams, ioctl structures, jail
//! parameters, errno values. The real doors (FreeBSD only) turn each call into one system call; the simulated
//! kernel parses the same bytes. Sockets and helpers are keys that the doors map to what they hold.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::abi::Errno;
pub use crate::abi::ioctl::{Call, IoctlArgument};
pub use crate::abi::jail::{JAIL_CREATE, JAIL_DYING, JAIL_UPDATE, JailParam};
pub use crate::abi::mount::{MountOption, MountPoint};
pub use crate::engine::{Exit, Running, Stream, Until};

/// A socket held by the doors. It acts in the vnet of whoever opened it, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sock(pub u64);

/// A jail's number; 0 is the host, where that can be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Jid(pub i32);

impl Jid {
    /// The host itself.
    pub const HOST: Self = Self(0);
}

/// Who acts inside a jail: a short-lived process that is attached to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Helper(pub u64);

/// Who does a thing: sockets belong to the vnet of their opener, sysctls and moves act on the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Our own process, on the host.
    Host,
    /// A helper in a jail.
    Helper(Helper),
}

/// The sockets the engine uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// `PF_NETGRAPH`, control.
    Netgraph,
    /// `AF_INET` datagrams: interface and IPv4 address ioctls.
    Inet,
    /// `AF_INET6` datagrams: IPv6 address ioctls.
    Inet6,
    /// `AF_NETLINK`, `NETLINK_ROUTE`; the doors switch `NETLINK_CAP_ACK` and `NETLINK_EXT_ACK` on.
    Netlink,
    /// `PF_ROUTE`.
    Route,
    /// Raw ICMP: sends an ICMP message, receives whole IPv4 packets.
    Icmp,
    /// Raw ICMPv6: sends and receives ICMPv6 messages.
    Icmp6,
}

/// Sockets of any kind. Opening by a helper is `socket(2)` inside the jail and passing it out.
pub trait SocketDoor {
    /// socket(2) in the vnet of `actor`.
    ///
    /// # Errors
    /// `EAFNOSUPPORT` if the family's module is missing, `EMFILE`, `EPERM`.
    fn open(&mut self, actor: Actor, kind: SocketKind) -> Result<Sock, Errno>;

    /// close(2). A socket opened in a jail keeps that jail's vnet alive until then.
    fn close(&mut self, sock: Sock);
}

/// Netgraph control datagrams; the rules are those of [`ngsock::Transport`].
pub trait NetgraphDoor {
    /// sendto(2) with the address string `path`.
    ///
    /// # Errors
    /// As the kernel's.
    fn netgraph_send(&mut self, sock: Sock, path: &[u8], datagram: &[u8]) -> Result<(), Errno>;

    /// recvfrom(2), never blocking: the datagram replaces `buffer`; the source path, or `None` when nothing waits.
    ///
    /// # Errors
    /// As the kernel's.
    fn netgraph_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno>;
}

/// Netlink and PF_ROUTE datagrams, and the lists that need neither.
pub trait RouteDoor {
    /// send(2): one write, several messages in it if the family allows.
    ///
    /// # Errors
    /// As the kernel's.
    fn route_send(&mut self, sock: Sock, datagram: &[u8]) -> Result<(), Errno>;

    /// recv(2), never blocking: replaces `buffer`; `false` when nothing waits.
    ///
    /// # Errors
    /// As the kernel's.
    fn route_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<bool, Errno>;

    /// sysctl(3) by numbers, read, by `actor`: the lists of [`crate::abi::rtsock::list`] of its vnet. No socket is needed.
    ///
    /// # Errors
    /// `ENOENT`, `EINVAL`, `ENOTDIR` no such list, `ENOMEM` one that is larger than anything a lab can make.
    fn route_list(&mut self, actor: Actor, name: &[i32]) -> Result<Vec<u8>, Errno>;
}

/// ioctl(2) on a socket.
pub trait IoctlDoor {
    /// ioctl(2) by our own process on `sock`, which may come from a jail: the socket's vnet, our privileges.
    ///
    /// # Errors
    /// As the kernel's; `argument` holds what the kernel wrote back.
    fn ioctl(&mut self, sock: Sock, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno>;

    /// ioctl(2) by a helper on an `AF_INET` datagram socket of its own: the only way in which interfaces are
    /// moved (`SIOCSIFVNET`, `SIOCSIFRVNET`), because the kernel wants thread and socket in one vnet.
    ///
    /// # Errors
    /// As the kernel's.
    fn helper_ioctl(&mut self, helper: Helper, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno>;

    /// Several of them in a row, up to the first that is refused: as many results as were made.
    fn helper_ioctls(&mut self, helper: Helper, calls: &mut [Call]) -> Vec<Result<(), Errno>> {
        let mut results = Vec::with_capacity(calls.len());
        for Call { request, argument } in calls {
            results.push(self.helper_ioctl(helper, *request, argument));
            if results.last().is_some_and(Result::is_err) {
                break;
            }
        }
        results
    }
}

/// A refusal of the jail system calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JailRefusal {
    /// The errno.
    pub errno: Errno,
    /// The kernel's own words from `errmsg`; often empty.
    pub message: String,
}

/// Jails and what must be done inside them. The doors pass `errmsg` with every jail call themselves.
pub trait JailDoor {
    /// jail_set(2) by our own process.
    ///
    /// # Errors
    /// The errno and the kernel's text.
    fn jail_set(&mut self, params: &[JailParam], flags: i32) -> Result<Jid, JailRefusal>;

    /// Several jails that do not need each other, up to `jobs` at a time. As many results as sets of parameters; `None` was not
    /// tried, because another was refused.
    fn jail_set_all(
        &mut self,
        sets: &[Vec<JailParam>],
        flags: i32,
        jobs: NonZeroUsize,
    ) -> Vec<Option<Result<Jid, JailRefusal>>> {
        let _ = jobs;
        let mut results = Vec::with_capacity(sets.len());
        for set in sets {
            results.push(Some(self.jail_set(set, flags)));
            if results.last().is_some_and(|result| matches!(result, Some(Err(_)))) {
                break;
            }
        }
        results.resize(sets.len(), None);
        results
    }

    /// jail_get(2): values are buffers of the size the caller can take; on success they hold what the kernel
    /// wrote, cut to its length.
    ///
    /// # Errors
    /// The errno and the kernel's text.
    fn jail_get(&mut self, params: &mut [JailParam], flags: i32) -> Result<Jid, JailRefusal>;

    /// jail_remove(2).
    ///
    /// # Errors
    /// `EINVAL` if there is no such jail.
    fn jail_remove(&mut self, jid: Jid) -> Result<(), Errno>;

    /// The same for the jail of that number that has that name: where the kernel has descriptors of jails, no other one that got the
    /// number meanwhile.
    ///
    /// # Errors
    /// `EINVAL` if there is no such jail.
    fn jail_remove_named(&mut self, jid: Jid, name: &str) -> Result<(), Errno> {
        let _ = name;
        self.jail_remove(jid)
    }

    /// Makes a helper that does what it is told after jail_attach(2) to `jid`. On a kernel there is a process only while
    /// something is done.
    ///
    /// # Errors
    /// `EINVAL` if the jail is gone or dying, `EPERM`, `EAGAIN`.
    fn helper_start(&mut self, jid: Jid) -> Result<Helper, Errno>;

    /// The same, and the helper opens sockets at once: a result for each.
    ///
    /// # Errors
    /// As [`JailDoor::helper_start`].
    fn helper_open(&mut self, jid: Jid, kinds: &[SocketKind]) -> Result<(Helper, Vec<Result<Sock, Errno>>), Errno>
    where
        Self: SocketDoor + Sized,
    {
        let helper = self.helper_start(jid)?;
        Ok((helper, kinds.iter().map(|kind| self.open(Actor::Helper(helper), *kind)).collect()))
    }

    /// Ends a helper. One left behind may keep its jail alive.
    fn helper_end(&mut self, helper: Helper);

    /// Runs a program inside a jail, or on the host, to its end; `output` gets what it writes as it comes.
    ///
    /// # Errors
    /// Why it could not be run; a program that ran and failed is not an error.
    fn execute(
        &mut self,
        jid: Jid,
        command: &[String],
        until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, ExecuteError>;

    /// Starts a program inside a jail, or on the host, as the leader of a session whose terminal is `terminal`.
    ///
    /// # Errors
    /// Why it could not be run.
    fn execute_on(
        &mut self,
        jid: Jid,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, ExecuteError>;
}

/// Why a program could not be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// No such program in the jail.
    #[error("no such program")]
    NotFound,
    /// It exists and may not be executed.
    #[error("cannot be executed")]
    NotExecutable,
    /// It never got that far.
    #[error("{0}")]
    Kernel(Errno),
}

/// What concerns the host as a whole, and time.
pub trait HostDoor {
    /// sysctlbyname(3) read, by `actor`: per-vnet names answer for the actor's vnet.
    ///
    /// # Errors
    /// `ENOENT` if the name is unknown.
    fn sysctl_get(&mut self, actor: Actor, name: &str) -> Result<Vec<u8>, Errno>;

    /// sysctlbyname(3) write, by `actor`.
    ///
    /// # Errors
    /// `ENOENT` unknown, `EPERM` not settable there, `EINVAL` wrong size or value.
    fn sysctl_set(&mut self, actor: Actor, name: &str, value: &[u8]) -> Result<(), Errno>;

    /// Whether our process has root's effective user id.
    fn is_root(&mut self) -> bool;

    /// kldload(2) by bare module name; a module that is present already is no error.
    ///
    /// # Errors
    /// `ENOENT` no such module, `EPERM`.
    fn load_module(&mut self, name: &str) -> Result<(), Errno>;

    /// Whether a module of that name is in the kernel.
    fn has_module(&mut self, name: &str) -> bool;

    /// How many descriptors our process may have.
    fn descriptors(&mut self) -> usize {
        usize::MAX
    }

    /// A string that changes with every boot of this kernel.
    fn boot_identity(&mut self) -> String;

    /// Time since some fixed point; virtual in a simulated kernel.
    fn now(&mut self) -> Duration;

    /// Steps are about to be done: the doors may see to it that the kernel gets them done sooner.
    fn expect_steps(&mut self) {}

    /// Lets time pass, or less when one of `wake` becomes readable. A simulated kernel advances its clock.
    fn wait(&mut self, at_most: Duration, wake: &[Sock]);
}

/// Raw ICMP sockets ([`SocketKind::Icmp`], [`SocketKind::Icmp6`]) of the prober.
pub trait ProbeDoor {
    /// sendto(2): an ICMP or ICMPv6 message to `to`; `scope` is the interface index of a link-local one, else 0.
    ///
    /// # Errors
    /// `EHOSTUNREACH`, `ENETUNREACH` without a route, others as the kernel's.
    fn probe_send(&mut self, sock: Sock, to: IpAddr, scope: u32, message: &[u8]) -> Result<(), Errno>;

    /// recvfrom(2), never blocking: source address; `buffer` gets the IPv4 packet or the ICMPv6 message.
    ///
    /// # Errors
    /// As the kernel's.
    fn probe_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<Option<IpAddr>, Errno>;
}

/// A refusal that concerns files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRefusal {
    /// The errno.
    pub errno: Errno,
    /// The file in question, or the kernel's own words; may be empty.
    pub message: String,
}

/// What zfs(8) answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZfsAnswer {
    /// Its exit code.
    pub code: u8,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub complaint: String,
}

/// The host's file systems.
pub trait FileDoor {
    /// Where the machine behind the doors has the roots of nodes; `None` is where our own records are.
    fn roots(&mut self) -> Option<String>;

    /// nmount(2); the doors pass `errmsg` themselves.
    ///
    /// # Errors
    /// The errno and the kernel's text.
    fn mount(&mut self, options: &[MountOption], flags: i32) -> Result<(), FileRefusal>;

    /// unmount(2).
    ///
    /// # Errors
    /// `EINVAL` nothing is mounted there, `EBUSY` something is open.
    fn unmount(&mut self, path: &str, flags: i32) -> Result<(), Errno>;

    /// getfsstat(2): every mount, in the order in which they were made.
    ///
    /// # Errors
    /// As the kernel's.
    fn mounts(&mut self) -> Result<Vec<MountPoint>, Errno>;

    /// Whether there is a directory of that name.
    ///
    /// # Errors
    /// As the kernel's, but for what is not there.
    fn is_folder(&mut self, path: &str) -> Result<bool, Errno>;

    /// Makes a directory and what it lies in. As a copy it is whole or has another name: what is being copied is called the same
    /// with [`UNFINISHED`] behind it.
    ///
    /// # Errors
    /// `EEXIST` it is there; others as the kernel's, with the file in question.
    fn make_folder(&mut self, path: &str, copy_of: Option<&str>) -> Result<(), FileRefusal>;

    /// Removes a directory with everything inside, and what was left of an unfinished copy; never what lies on another file system.
    /// What is not there is no error.
    ///
    /// # Errors
    /// As the kernel's, with the file in question.
    fn remove_folder(&mut self, path: &str) -> Result<(), FileRefusal>;

    /// ioctl(2) on `/dev`: devfs rules.
    ///
    /// # Errors
    /// As the kernel's; `argument` holds what the kernel wrote back.
    fn devfs_ioctl(&mut self, request: u32, argument: &mut [u8]) -> Result<(), Errno>;

    /// Runs zfs(8), without a shell.
    ///
    /// # Errors
    /// Why it could not be run.
    fn zfs(&mut self, arguments: &[&str]) -> Result<ZfsAnswer, ExecuteError>;
}

pub use crate::engine::folders::UNFINISHED;

/// What rctl(4) is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RctlCall {
    /// rctl_add_rule(2).
    Add,
    /// rctl_remove_rule(2).
    Remove,
    /// rctl_get_rules(2).
    Get,
}

/// A process in a jail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// The jail that it is in; 0 is the host.
    pub jid: i32,
    /// What it is called.
    pub command: String,
}

/// Limits, processors and processes of jails.
pub trait ResourceDoor {
    /// One of the rctl calls with a rule or filter; what [`RctlCall::Get`] answers, else nothing.
    ///
    /// # Errors
    /// `ENOSYS` unless the machine was booted with `kern.racct.enable=1`, `ESRCH` no such rule, others as the kernel's.
    fn rctl(&mut self, call: RctlCall, rule: &str) -> Result<String, Errno>;

    /// cpuset_getaffinity(2) of a jail: [`crate::abi::cpuset::SIZE`] bytes.
    ///
    /// # Errors
    /// `ESRCH` no such jail.
    fn cpuset_get(&mut self, jid: Jid) -> Result<Vec<u8>, Errno>;

    /// cpuset_setaffinity(2) of a jail.
    ///
    /// # Errors
    /// `EDEADLK` an empty set, `EINVAL` processors that are not there.
    fn cpuset_set(&mut self, jid: Jid, mask: &[u8]) -> Result<(), Errno>;

    /// Every process of the machine (`kern.proc.proc`).
    ///
    /// # Errors
    /// As the kernel's.
    fn processes(&mut self) -> Result<Vec<Process>, Errno>;

    /// kill(2) of -1 by a helper: every process of its jail and of the jails below, but the helper. 0 only asks.
    ///
    /// # Errors
    /// `ESRCH` there is none.
    fn helper_kill(&mut self, helper: Helper, signal: i32) -> Result<(), Errno>;
}

/// All doors of one kernel.
pub trait Doors:
    SocketDoor + NetgraphDoor + RouteDoor + IoctlDoor + JailDoor + HostDoor + ProbeDoor + FileDoor + ResourceDoor
{
}

impl<T> Doors for T where
    T: SocketDoor + NetgraphDoor + RouteDoor + IoctlDoor + JailDoor + HostDoor + ProbeDoor + FileDoor + ResourceDoor
{
}
