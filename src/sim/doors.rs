//! The doors of the simulated kernel: our own process, its helpers in jails, and their sockets.
//!
//! Every call is carried out at once, and the frames it sets in motion are worked off before it returns. Time passes
//! in [`HostDoor::wait`] alone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::control::{Caller, ioctl, netlink, route_list, rtsock, sysctl};
use super::kernel::{Kernel, VnetId};
use super::sockets::{Protocol, SockId, Socket};
use super::{host, jail, netgraph, programs, stack};
use crate::abi::ioctl::request_name;
use crate::abi::{Errno, IoctlArgument, JailParam};
use crate::engine::freebsd::doors::{
    Actor, ExecuteError, Exit, FileDoor, FileRefusal, Helper, HostDoor, IoctlDoor, JailDoor, JailRefusal, Jid,
    MountOption, MountPoint, NetgraphDoor, ProbeDoor, Process, RctlCall, ResourceDoor, RouteDoor, Running, Sock,
    SocketDoor, SocketKind, Stream, Until, ZfsAnswer,
};

/// A simulated kernel behind the doors of the FreeBSD engine.
#[derive(Clone, Debug)]
pub struct SimDoors {
    /// The kernel.
    pub kernel: Kernel,
    helpers: BTreeMap<Helper, Attached>,
    next_helper: u64,
    /// How many descriptors our process may have open (`RLIMIT_NOFILE`): one for each socket, and two for each helper.
    pub most_descriptors: usize,
    /// Whether our process is root.
    pub root: bool,
    /// The jail our process is in; [`jail::HOST`] is none.
    pub jail: i32,
}

/// A helper: a process in a jail, with a socket of its own.
#[derive(Clone, Copy, Debug)]
struct Attached {
    jid: i32,
    vnet: VnetId,
    sock: SockId,
}

impl SimDoors {
    /// The doors of a kernel, with no helper and no socket.
    #[must_use]
    pub fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            helpers: BTreeMap::new(),
            next_helper: 1,
            most_descriptors: usize::MAX,
            root: true,
            jail: jail::HOST,
        }
    }

    /// Ends every helper, closes every socket and gives the kernel back, as the end of our process would.
    #[must_use]
    pub fn into_kernel(mut self) -> Kernel {
        for helper in self.helpers.keys().copied().collect::<Vec<_>>() {
            self.helper_end(helper);
        }
        for sock in self.kernel.sockets.open.keys().copied().collect::<Vec<_>>() {
            self.close_socket(sock);
        }
        self.finish();
        self.kernel
    }

    /// Whether so many descriptors more can be open: the standard streams and a lock are, too.
    fn room_for(&self, more: usize) -> Result<(), Errno> {
        // A helper's own socket is not a descriptor of ours.
        let open = 4 + self.kernel.sockets.open.len() + self.helpers.len();
        if open.saturating_add(more) > self.most_descriptors { Err(Errno::EMFILE) } else { Ok(()) }
    }

    /// priv_check(9) of our process.
    fn privileged(&self) -> Result<(), Errno> {
        if self.root { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// The same for what no process in a jail may do, root or not (`sys/kern/kern_jail.c`, prison_priv_check).
    fn privileged_on_the_host(&self) -> Result<(), Errno> {
        self.privileged()?;
        if self.jail == jail::HOST { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// The same for what concerns a network stack: a jail may do it with its own.
    fn privileged_on_its_network(&self) -> Result<(), Errno> {
        self.privileged()?;
        let own = self.jail == jail::HOST || self.kernel.jails.get(self.jail).is_some_and(|jail| jail.owns_vnet);
        if own { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Our process, by its jail and network stack.
    fn ourselves(&self) -> Caller {
        let vnet = jail::vnet_of(&self.kernel, self.jail).unwrap_or(VnetId::HOST);
        Caller { vnet, jail: self.jail }
    }

    /// Who makes a call.
    fn caller(&self, actor: Actor) -> Result<Caller, Errno> {
        match actor {
            Actor::Host => Ok(self.ourselves()),
            Actor::Helper(helper) => {
                let attached = self.helpers.get(&helper).ok_or(Errno::ESRCH)?;
                Ok(Caller { vnet: attached.vnet, jail: attached.jid })
            }
        }
    }

    fn open_socket(&mut self, caller: Caller, kind: SocketKind) -> Result<SockId, Errno> {
        if kind == SocketKind::Netlink && !self.kernel.host.has_netlink {
            return Err(Errno::EAFNOSUPPORT);
        }
        let sock = SockId(self.kernel.sockets.next);
        self.kernel.sockets.next += 1;
        let protocol = match kind {
            SocketKind::Netgraph => Protocol::Netgraph(netgraph::socket_open(&mut self.kernel, caller.vnet, sock)),
            SocketKind::Inet => Protocol::Inet,
            SocketKind::Inet6 => Protocol::Inet6,
            SocketKind::Netlink => Protocol::Netlink(netlink::NetlinkSocket::default()),
            SocketKind::Route => Protocol::Route(rtsock::RouteSocket::default()),
            SocketKind::Icmp => Protocol::Icmp(stack::RawSocket::default()),
            SocketKind::Icmp6 => Protocol::Icmp6(stack::RawSocket::default()),
        };
        let jailed = (caller.jail != jail::HOST).then_some(caller.jail);
        self.kernel.sockets.open.insert(sock, Socket { vnet: caller.vnet, jail: jailed, protocol });
        if let Some(jid) = jailed {
            jail::hold(&mut self.kernel, jid)?;
        }
        if kind == SocketKind::Netgraph {
            let most = self.kernel.host.most_buffer;
            netgraph::set_receive_buffer(&mut self.kernel, sock, most)?;
        }
        Ok(sock)
    }

    fn close_socket(&mut self, sock: SockId) {
        let Some(socket) = self.kernel.sockets.open.remove(&sock) else { return };
        if let Protocol::Netgraph(control) = socket.protocol {
            netgraph::socket_close(&mut self.kernel, socket.vnet, control);
        }
        if let Some(jid) = socket.jail {
            jail::release(&mut self.kernel, jid);
        }
    }

    /// Works off what a call set in motion. Each call has the frame budget of an instant for itself: a thousand
    /// hosts announcing themselves one after the other are no storm.
    fn finish(&mut self) {
        self.kernel.spent = 0;
        self.kernel.settle();
    }
}

/// Whether an ioctl only asks: the kernel names those that do `SIOCG…`, and bridges answer anybody.
fn is_question(request: u32) -> bool {
    request_name(request).is_some_and(|name| name.starts_with("SIOCG") || name == "SIOCIFGCLONERS")
}

fn id(sock: Sock) -> SockId {
    SockId(sock.0)
}

impl SocketDoor for SimDoors {
    fn open(&mut self, actor: Actor, kind: SocketKind) -> Result<Sock, Errno> {
        let caller = self.caller(actor)?;
        match kind {
            SocketKind::Netgraph => self.privileged_on_its_network()?,
            // Raw sockets are another matter inside a jail; ours are for stacks of their own.
            SocketKind::Icmp | SocketKind::Icmp6 => self.privileged_on_its_network()?,
            SocketKind::Inet | SocketKind::Inet6 | SocketKind::Netlink | SocketKind::Route => {}
        }
        self.room_for(1)?;
        self.open_socket(caller, kind).map(|sock| Sock(sock.0))
    }

    fn close(&mut self, sock: Sock) {
        self.close_socket(id(sock));
        self.finish();
    }
}

impl NetgraphDoor for SimDoors {
    fn netgraph_send(&mut self, sock: Sock, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        let result = netgraph::send(&mut self.kernel, id(sock), path, datagram);
        self.finish();
        result
    }

    fn netgraph_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        let Some((from, datagram)) = netgraph::receive(&mut self.kernel, id(sock)) else { return Ok(None) };
        *buffer = datagram;
        Ok(Some(from))
    }
}

impl RouteDoor for SimDoors {
    fn route_send(&mut self, sock: Sock, datagram: &[u8]) -> Result<(), Errno> {
        let socket = self.kernel.sockets.open.get(&id(sock)).ok_or(Errno::EBADF)?;
        let result = match socket.protocol {
            Protocol::Netlink(_) => netlink::send(&mut self.kernel, id(sock), datagram),
            Protocol::Route(_) => rtsock::send(&mut self.kernel, id(sock), datagram),
            _ => Err(Errno::EOPNOTSUPP),
        };
        self.finish();
        result
    }

    fn route_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<bool, Errno> {
        let received = match self.kernel.sockets.open.get(&id(sock)).ok_or(Errno::EBADF)?.protocol {
            Protocol::Netlink(_) => netlink::receive(&mut self.kernel, id(sock)),
            Protocol::Route(_) => rtsock::receive(&mut self.kernel, id(sock)),
            _ => return Err(Errno::EOPNOTSUPP),
        };
        let Some(datagram) = received else { return Ok(false) };
        *buffer = datagram;
        Ok(true)
    }

    fn route_list(&mut self, actor: Actor, name: &[i32]) -> Result<Vec<u8>, Errno> {
        let caller = self.caller(actor)?;
        route_list::read(&self.kernel, caller, name)
    }
}

impl IoctlDoor for SimDoors {
    fn ioctl(&mut self, sock: Sock, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
        if !is_question(request) {
            self.privileged_on_its_network()?;
        }
        let caller = self.ourselves();
        let result = ioctl::ioctl(&mut self.kernel, caller, id(sock), request, argument);
        self.finish();
        result
    }

    fn helper_ioctl(&mut self, helper: Helper, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
        let attached = *self.helpers.get(&helper).ok_or(Errno::ESRCH)?;
        let caller = Caller { vnet: attached.vnet, jail: attached.jid };
        let result = ioctl::ioctl(&mut self.kernel, caller, attached.sock, request, argument);
        self.finish();
        result
    }
}

impl JailDoor for SimDoors {
    fn jail_set(&mut self, params: &[JailParam], flags: i32) -> Result<Jid, JailRefusal> {
        self.privileged().map_err(|errno| JailRefusal { errno, message: String::new() })?;
        let result = jail::set(&mut self.kernel, self.jail, params, flags).map(Jid);
        self.finish();
        result
    }

    fn jail_get(&mut self, params: &mut [JailParam], flags: i32) -> Result<Jid, JailRefusal> {
        jail::get(&self.kernel, self.jail, params, flags).map(Jid)
    }

    fn jail_remove(&mut self, jid: Jid) -> Result<(), Errno> {
        self.privileged()?;
        // Its processes are killed first; a helper's sockets go with it.
        let doomed = |attached: &Attached| attached.jid == jid.0 || self.kernel.jails.is_below(attached.jid, jid.0);
        let killed: Vec<Helper> = self.helpers.iter().filter(|(_, a)| doomed(a)).map(|(helper, _)| *helper).collect();
        let result = jail::remove(&mut self.kernel, self.jail, jid.0);
        if result.is_ok() {
            for helper in killed {
                self.helper_end(helper);
            }
        }
        self.finish();
        result
    }

    fn helper_start(&mut self, jid: Jid) -> Result<Helper, Errno> {
        self.privileged()?;
        let vnet = self.kernel.jails.live_below(jid.0, self.jail).ok_or(Errno::EINVAL)?.vnet;
        self.room_for(2)?;
        jail::hold(&mut self.kernel, jid.0)?;
        let sock = self.open_socket(Caller { vnet, jail: jid.0 }, SocketKind::Inet)?;
        let helper = Helper(self.next_helper);
        self.next_helper += 1;
        self.helpers.insert(helper, Attached { jid: jid.0, vnet, sock });
        Ok(helper)
    }

    fn helper_end(&mut self, helper: Helper) {
        if let Some(attached) = self.helpers.remove(&helper) {
            self.close_socket(attached.sock);
            jail::release(&mut self.kernel, attached.jid);
            self.finish();
        }
    }

    fn execute(
        &mut self,
        jid: Jid,
        command: &[String],
        _until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, ExecuteError> {
        let vnet = if jid == Jid::HOST {
            VnetId::HOST
        } else {
            let inside = self.kernel.jails.live_below(jid.0, jail::HOST);
            inside.ok_or(ExecuteError::Kernel(Errno::EINVAL))?.vnet
        };
        let exit = programs::run(&mut self.kernel, vnet, jid.0, command, output);
        self.finish();
        exit
    }

    /// The programs there are here write and end; none has anything to do with a terminal of the machine that simulates.
    fn execute_on(
        &mut self,
        _jid: Jid,
        _command: &[String],
        _terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, ExecuteError> {
        Err(ExecuteError::Kernel(Errno::EOPNOTSUPP))
    }
}

impl HostDoor for SimDoors {
    fn sysctl_get(&mut self, actor: Actor, name: &str) -> Result<Vec<u8>, Errno> {
        let caller = self.caller(actor)?;
        sysctl::get(&self.kernel, caller, name)
    }

    fn sysctl_set(&mut self, actor: Actor, name: &str, value: &[u8]) -> Result<(), Errno> {
        self.privileged()?;
        let caller = self.caller(actor)?;
        sysctl::set(&mut self.kernel, caller, name, value)
    }

    fn is_root(&mut self) -> bool {
        self.root
    }

    fn load_module(&mut self, name: &str) -> Result<(), Errno> {
        // `sys/kern/kern_linker.c:1207`: the level first, then PRIV_KLD_LOAD, which no jail grants.
        if jail::securelevel(&self.kernel, self.jail) > 0 {
            return Err(Errno::EPERM);
        }
        self.privileged_on_the_host()?;
        if name == "netgraph" || name.starts_with("ng_") {
            return netgraph::load_module(&mut self.kernel, name);
        }
        if !sysctl::MODULES.contains(&name) {
            return Err(Errno::ENOENT);
        }
        self.kernel.modules.insert(name.to_owned());
        Ok(())
    }

    fn has_module(&mut self, name: &str) -> bool {
        self.kernel.modules.contains(name)
    }

    fn descriptors(&mut self) -> usize {
        self.most_descriptors
    }

    fn boot_identity(&mut self) -> String {
        self.kernel.boot.clone()
    }

    fn now(&mut self) -> Duration {
        Duration::from_nanos(self.kernel.clock.now())
    }

    fn wait(&mut self, at_most: Duration, wake: &[Sock]) {
        let span = u64::try_from(at_most.as_nanos()).unwrap_or(u64::MAX);
        self.kernel.spent = 0;
        self.kernel.run(span, |kernel| wake.iter().any(|sock| is_readable(kernel, id(*sock))));
    }
}

/// What poll(2) would say.
fn is_readable(kernel: &Kernel, sock: SockId) -> bool {
    match kernel.sockets.open.get(&sock).map(|socket| &socket.protocol) {
        Some(Protocol::Netgraph(socket)) => socket.is_readable(),
        Some(Protocol::Netlink(socket)) => socket.is_readable(),
        Some(Protocol::Route(socket)) => socket.is_readable(),
        Some(Protocol::Icmp(socket) | Protocol::Icmp6(socket)) => socket.is_readable(),
        Some(Protocol::Inet | Protocol::Inet6) | None => false,
    }
}

impl ProbeDoor for SimDoors {
    fn probe_send(&mut self, sock: Sock, to: IpAddr, scope: u32, message: &[u8]) -> Result<(), Errno> {
        let result = stack::raw_send(&mut self.kernel, id(sock), to, scope, message);
        self.finish();
        result
    }

    fn probe_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<Option<IpAddr>, Errno> {
        let Some((from, bytes)) = stack::raw_receive(&mut self.kernel, id(sock)) else { return Ok(None) };
        *buffer = bytes;
        Ok(Some(from))
    }
}

impl FileDoor for SimDoors {
    fn roots(&mut self) -> Option<String> {
        Some(host::OURS.to_owned())
    }

    fn mount(&mut self, options: &[MountOption], flags: i32) -> Result<(), FileRefusal> {
        self.privileged_on_the_host().map_err(|errno| FileRefusal { errno, message: String::new() })?;
        host::mount(&mut self.kernel, options, flags)
    }

    fn unmount(&mut self, path: &str, _flags: i32) -> Result<(), Errno> {
        host::unmount(&mut self.kernel, path)
    }

    fn mounts(&mut self) -> Result<Vec<MountPoint>, Errno> {
        Ok(host::mounts(&self.kernel))
    }

    fn is_folder(&mut self, path: &str) -> Result<bool, Errno> {
        Ok(host::is_folder(&self.kernel, path))
    }

    fn make_folder(&mut self, path: &str, copy_of: Option<&str>) -> Result<(), FileRefusal> {
        host::make_folder(&mut self.kernel, path, copy_of)
    }

    fn remove_folder(&mut self, path: &str) -> Result<(), FileRefusal> {
        host::remove_folder(&mut self.kernel, path)
    }

    fn devfs_ioctl(&mut self, request: u32, argument: &mut [u8]) -> Result<(), Errno> {
        self.privileged_on_the_host()?;
        host::devfs_ioctl(&mut self.kernel, request, argument)
    }

    fn zfs(&mut self, arguments: &[&str]) -> Result<ZfsAnswer, ExecuteError> {
        Ok(host::zfs(&mut self.kernel, arguments))
    }
}

impl ResourceDoor for SimDoors {
    fn rctl(&mut self, call: RctlCall, rule: &str) -> Result<String, Errno> {
        self.privileged_on_the_host()?;
        host::rctl(&mut self.kernel, call, rule)
    }

    fn cpuset_get(&mut self, jid: Jid) -> Result<Vec<u8>, Errno> {
        host::cpuset_get(&self.kernel, jid.0)
    }

    fn cpuset_set(&mut self, jid: Jid, mask: &[u8]) -> Result<(), Errno> {
        self.privileged()?;
        host::cpuset_set(&mut self.kernel, jid.0, mask)
    }

    fn processes(&mut self) -> Result<Vec<Process>, Errno> {
        let helpers = self.helpers.iter().map(|(helper, attached)| Process {
            pid: i32::try_from(helper.0).unwrap_or(i32::MAX),
            jid: attached.jid,
            command: "cellblock".to_owned(),
        });
        let helpers: Vec<Process> = helpers.collect();
        let others = host::processes(&mut self.kernel);
        let others =
            others.into_iter().map(|(pid, process)| Process { pid, jid: process.jid, command: process.command });
        Ok(helpers.into_iter().chain(others).collect())
    }

    fn helper_kill(&mut self, helper: Helper, signal: i32) -> Result<(), Errno> {
        let attached = *self.helpers.get(&helper).ok_or(Errno::ESRCH)?;
        host::kill_all(&mut self.kernel, attached.jid, signal)
    }
}
