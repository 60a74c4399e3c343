//! The real doors: a FreeBSD kernel, by system calls.
//!
//! All unsafe code of this engine is here. A function is one call, with the reason why it is sound; what is above it
//! cannot misuse it.

mod call;
mod execute;
mod files;
mod helper;
mod inside;
mod ioctl;
mod jail;
mod kernel;
mod orders;
mod pages;
mod passing;
mod pulse;
mod resources;
mod socket;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use self::helper::{Brought, Errand, Visitor};
use self::pulse::Pulse;
use self::socket::Socket;
use super::doors::{
    Actor, Call, ExecuteError, Exit, FileDoor, FileRefusal, Helper, HostDoor, IoctlDoor, JailDoor, JailRefusal, Jid,
    MountOption, MountPoint, NetgraphDoor, ProbeDoor, Process, RctlCall, ResourceDoor, RouteDoor, Running, Sock,
    SocketDoor, SocketKind, Stream, Until, ZfsAnswer,
};
use super::{Machine, Settings, Unusable, admit};
use crate::abi::{Errno, IoctlArgument, JailParam};
use crate::engine::{Backend, Fact};

/// Whoever waits as long as that waits for something that no tick brings sooner.
const LONG: Duration = Duration::from_millis(500);

/// The kernel of this system.
///
/// # Errors
/// What keeps the engine from working here.
pub fn open(settings: Settings) -> Result<Box<dyn Backend>, Unusable> {
    let mut doors = KernelDoors::new();
    admit(&mut doors)?;
    Ok(Box::new(Machine { doors, settings }))
}

/// What the kernel of this system has for labs, also where the engine cannot work.
#[must_use]
pub fn survey(settings: Settings) -> Vec<Fact> {
    super::survey(&mut KernelDoors::new(), settings)
}

/// The doors of the kernel we run on.
#[derive(Debug)]
pub struct KernelDoors {
    sockets: BTreeMap<Sock, Socket>,
    /// The jails that helpers are in.
    helpers: BTreeMap<Helper, i32>,
    visitor: Option<Visitor>,
    next: u64,
    /// Datagrams are read into it and copied: it is as large as a socket's buffer, and kept.
    scratch: Vec<u8>,
    /// The limit of descriptors that programs get back.
    limit: Option<libc::rlimit>,
    /// Descriptors that we may have.
    most: usize,
    began: Instant,
    /// While steps are done.
    pulse: Option<Pulse>,
}

impl Default for KernelDoors {
    fn default() -> Self {
        Self::new()
    }
}

impl KernelDoors {
    /// Doors with nothing open. Raises the limit of open descriptors as far as it goes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sockets: BTreeMap::new(),
            helpers: BTreeMap::new(),
            visitor: None,
            next: 1,
            scratch: Vec::new(),
            limit: kernel::raise_descriptor_limit(),
            most: kernel::descriptor_limit(),
            began: Instant::now(),
            pulse: None,
        }
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn socket(&mut self, sock: Sock) -> Result<&mut Socket, Errno> {
        self.sockets.get_mut(&sock).ok_or(Errno::EBADF)
    }

    /// Who visits jails, and the jail of a helper.
    fn helper(&mut self, helper: Helper) -> Result<(&mut Visitor, i32), Errno> {
        let jid = *self.helpers.get(&helper).ok_or(Errno::ESRCH)?;
        Ok((self.visitor()?, jid))
    }

    fn visitor(&mut self) -> Result<&mut Visitor, Errno> {
        if self.visitor.is_none() {
            self.visitor = Some(Visitor::new()?);
        }
        self.visitor.as_mut().ok_or(Errno::ENOMEM)
    }

    /// Opens sockets in a jail.
    fn visit(&mut self, jid: i32, kinds: &[SocketKind]) -> Result<Vec<Result<Sock, Errno>>, Errno> {
        let errands: Vec<Errand> = kinds.iter().map(|kind| Errand::open(socket::arguments(*kind))).collect();
        let brought = self.visitor()?.visit(jid, &errands)?;
        let keep = |(kind, brought): (&SocketKind, Brought)| match brought? {
            (_, Some(descriptor)) => self.keep(*kind, descriptor),
            (_, None) => Err(Errno::EMFILE),
        };
        Ok(kinds.iter().zip(brought).map(keep).collect())
    }

    /// Keeps a socket that was opened.
    fn keep(&mut self, kind: SocketKind, descriptor: OwnedFd) -> Result<Sock, Errno> {
        let socket = Socket::adopt(kind, descriptor)?;
        let sock = Sock(self.number());
        self.sockets.insert(sock, socket);
        Ok(sock)
    }
}

impl SocketDoor for KernelDoors {
    fn open(&mut self, actor: Actor, kind: SocketKind) -> Result<Sock, Errno> {
        let arguments = socket::arguments(kind);
        match actor {
            Actor::Host => self.keep(kind, socket::open(arguments)?),
            Actor::Helper(helper) => {
                let jid = *self.helpers.get(&helper).ok_or(Errno::ESRCH)?;
                self.visit(jid, &[kind])?.pop().unwrap_or(Err(Errno::EMFILE))
            }
        }
    }

    fn close(&mut self, sock: Sock) {
        self.sockets.remove(&sock);
    }
}

impl NetgraphDoor for KernelDoors {
    fn netgraph_send(&mut self, sock: Sock, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        self.socket(sock)?.send_to_node(path, datagram)
    }

    fn netgraph_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        let socket = self.sockets.get_mut(&sock).ok_or(Errno::EBADF)?;
        let from = socket.receive_from_node(&mut self.scratch)?;
        buffer.clear();
        buffer.extend_from_slice(&self.scratch);
        Ok(from)
    }
}

impl RouteDoor for KernelDoors {
    fn route_send(&mut self, sock: Sock, datagram: &[u8]) -> Result<(), Errno> {
        socket::send(self.socket(sock)?.as_fd(), datagram)
    }

    fn route_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<bool, Errno> {
        let socket = self.sockets.get(&sock).ok_or(Errno::EBADF)?;
        let received = socket::receive(socket.as_fd(), &mut self.scratch)?;
        buffer.clear();
        buffer.extend_from_slice(&self.scratch);
        Ok(received.is_some())
    }

    fn route_list(&mut self, actor: Actor, name: &[i32]) -> Result<Vec<u8>, Errno> {
        let name = kernel::Numbers::new(name)?;
        match actor {
            Actor::Host => kernel::list(name),
            Actor::Helper(helper) => {
                let (visitor, jid) = self.helper(helper)?;
                visitor.list(jid, name)
            }
        }
    }
}

impl IoctlDoor for KernelDoors {
    fn ioctl(&mut self, sock: Sock, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
        ioctl::ioctl(self.socket(sock)?.as_fd(), request, argument)
    }

    fn helper_ioctl(&mut self, helper: Helper, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
        let mut call = [Call { request, argument: std::mem::take(argument) }];
        let result = self.helper_ioctls(helper, &mut call).pop();
        let [call] = call;
        *argument = call.argument;
        result.unwrap_or(Err(Errno::ESRCH))
    }

    fn helper_ioctls(&mut self, helper: Helper, calls: &mut [Call]) -> Vec<Result<(), Errno>> {
        if calls.iter().any(|call| call.argument.pointer.is_some()) {
            return vec![Err(Errno::EINVAL)];
        }
        let errands: Vec<Errand> = calls.iter().map(|call| Errand::ioctl(call.request, &call.argument.bytes)).collect();
        let brought = match self.helper(helper).and_then(|(visitor, jid)| visitor.visit(jid, &errands)) {
            Ok(brought) => brought,
            Err(errno) => return vec![Err(errno)],
        };
        let mut results = Vec::with_capacity(brought.len());
        for (call, brought) in calls.iter_mut().zip(brought) {
            results.push(brought.map(|(bytes, _)| call.argument.bytes = bytes));
            if results.last().is_some_and(Result::is_err) {
                break;
            }
        }
        results
    }
}

impl JailDoor for KernelDoors {
    fn jail_set(&mut self, params: &[JailParam], flags: i32) -> Result<Jid, JailRefusal> {
        jail::set(params, flags).map(Jid)
    }

    fn jail_set_all(
        &mut self,
        sets: &[Vec<JailParam>],
        flags: i32,
        jobs: NonZeroUsize,
    ) -> Vec<Option<Result<Jid, JailRefusal>>> {
        jail::set_all(sets, flags, jobs)
    }

    fn jail_get(&mut self, params: &mut [JailParam], flags: i32) -> Result<Jid, JailRefusal> {
        jail::get(params, flags).map(Jid)
    }

    fn jail_remove(&mut self, jid: Jid) -> Result<(), Errno> {
        jail::remove(jid.0)
    }

    fn jail_remove_named(&mut self, jid: Jid, name: &str) -> Result<(), Errno> {
        match jail::hold(jid.0, name)? {
            Some(held) => jail::remove_held(&held),
            None => jail::remove(jid.0),
        }
    }

    fn helper_start(&mut self, jid: Jid) -> Result<Helper, Errno> {
        self.helper_open(jid, &[]).map(|(helper, _)| helper)
    }

    fn helper_open(&mut self, jid: Jid, kinds: &[SocketKind]) -> Result<(Helper, Vec<Result<Sock, Errno>>), Errno> {
        let opened = self.visit(jid.0, kinds)?;
        let helper = Helper(self.number());
        self.helpers.insert(helper, jid.0);
        Ok((helper, opened))
    }

    fn helper_end(&mut self, helper: Helper) {
        self.helpers.remove(&helper);
    }

    fn execute(
        &mut self,
        jid: Jid,
        command: &[String],
        until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, ExecuteError> {
        self.pulse = None;
        execute::execute(jid.0, command, self.limit, until, output)
    }

    fn execute_on(
        &mut self,
        jid: Jid,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, ExecuteError> {
        self.pulse = None;
        let program = execute::execute_on(jid.0, command, self.limit, terminal)?;
        Ok(Box::new(program))
    }
}

impl HostDoor for KernelDoors {
    fn sysctl_get(&mut self, actor: Actor, name: &str) -> Result<Vec<u8>, Errno> {
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        match actor {
            Actor::Host => kernel::sysctl_get(&name),
            Actor::Helper(helper) => {
                let (visitor, jid) = self.helper(helper)?;
                visitor.sysctl_get(jid, &name)
            }
        }
    }

    fn sysctl_set(&mut self, actor: Actor, name: &str, value: &[u8]) -> Result<(), Errno> {
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        match actor {
            Actor::Host => kernel::sysctl_set(&name, value),
            Actor::Helper(helper) => {
                let (visitor, jid) = self.helper(helper)?;
                visitor.sysctl_set(jid, &name, value)
            }
        }
    }

    fn is_root(&mut self) -> bool {
        kernel::is_root()
    }

    fn load_module(&mut self, name: &str) -> Result<(), Errno> {
        kernel::load_module(name)
    }

    fn has_module(&mut self, name: &str) -> bool {
        kernel::has_module(name)
    }

    fn descriptors(&mut self) -> usize {
        self.most
    }

    fn boot_identity(&mut self) -> String {
        kernel::boot_identity()
    }

    fn now(&mut self) -> Duration {
        self.began.elapsed()
    }

    fn expect_steps(&mut self) {
        self.pulse.get_or_insert_with(Pulse::start);
    }

    fn wait(&mut self, at_most: Duration, wake: &[Sock]) {
        if at_most >= LONG && wake.is_empty() {
            self.pulse = None;
        }
        let descriptors: Vec<RawFd> = wake.iter().filter_map(|sock| self.sockets.get(sock)).map(Socket::raw).collect();
        // A signal ends the wait early, as a message would: callers look again.
        let _ = kernel::poll(&descriptors, Some(at_most));
    }
}

impl ProbeDoor for KernelDoors {
    fn probe_send(&mut self, sock: Sock, to: IpAddr, scope: u32, message: &[u8]) -> Result<(), Errno> {
        socket::send_to(self.socket(sock)?.as_fd(), to, scope, message)
    }

    fn probe_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<Option<IpAddr>, Errno> {
        let socket = self.sockets.get(&sock).ok_or(Errno::EBADF)?;
        let received = socket::receive(socket.as_fd(), buffer)?;
        Ok(received.flatten())
    }
}

impl FileDoor for KernelDoors {
    fn roots(&mut self) -> Option<String> {
        None
    }

    fn mount(&mut self, options: &[MountOption], flags: i32) -> Result<(), FileRefusal> {
        files::mount(options, flags)
    }

    fn unmount(&mut self, path: &str, flags: i32) -> Result<(), Errno> {
        files::unmount(path, flags)
    }

    fn mounts(&mut self) -> Result<Vec<MountPoint>, Errno> {
        files::mounts()
    }

    fn is_folder(&mut self, path: &str) -> Result<bool, Errno> {
        files::is_folder(path)
    }

    fn make_folder(&mut self, path: &str, copy_of: Option<&str>) -> Result<(), FileRefusal> {
        files::make_folder(path, copy_of)
    }

    fn remove_folder(&mut self, path: &str) -> Result<(), FileRefusal> {
        files::remove_folder(path)
    }

    fn devfs_ioctl(&mut self, request: u32, argument: &mut [u8]) -> Result<(), Errno> {
        files::devfs_ioctl(request, argument)
    }

    fn zfs(&mut self, arguments: &[&str]) -> Result<ZfsAnswer, ExecuteError> {
        files::zfs(arguments)
    }
}

impl ResourceDoor for KernelDoors {
    fn rctl(&mut self, call: RctlCall, rule: &str) -> Result<String, Errno> {
        resources::rctl(call, rule)
    }

    fn cpuset_get(&mut self, jid: Jid) -> Result<Vec<u8>, Errno> {
        resources::cpuset_get(jid.0)
    }

    fn cpuset_set(&mut self, jid: Jid, mask: &[u8]) -> Result<(), Errno> {
        resources::cpuset_set(jid.0, mask)
    }

    fn processes(&mut self) -> Result<Vec<Process>, Errno> {
        resources::processes()
    }

    fn helper_kill(&mut self, helper: Helper, signal: i32) -> Result<(), Errno> {
        let (visitor, jid) = self.helper(helper)?;
        visitor.kill(jid, signal)
    }
}
