//! Doors that fail on purpose: every door call can be the one that is refused, or the last one our process makes. And
//! something else can happen between any two of them.
//!
//! Used by the tests of every layer; a kernel may be simulated or real.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::doors::{
    Actor, ExecuteError, Exit, FileDoor, FileRefusal, Helper, HostDoor, IoctlDoor, JailDoor, JailRefusal, Jid,
    MountOption, MountPoint, NetgraphDoor, ProbeDoor, Process, RctlCall, ResourceDoor, RouteDoor, Running, Sock,
    SocketDoor, SocketKind, Stream, Until, ZfsAnswer,
};
use crate::abi::{Errno, IoctlArgument, JailParam};
pub use crate::engine::faults::{Fault, Faults};

/// Doors that count the calls through them and fail at one.
#[derive(Debug)]
pub struct FaultyDoors<D> {
    inner: D,
    faults: Faults,
    meanwhile: Option<Meanwhile<D>>,
    /// For so many more echoes there is room, and for how many there ever is.
    room: Option<(usize, usize)>,
}

/// What others do before each call.
struct Meanwhile<D>(Box<dyn FnMut(&mut D)>);

impl<D> fmt::Debug for Meanwhile<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl<D> FaultyDoors<D> {
    /// Doors that fail at the `call`-th call, counted from 1; `None` only counts.
    pub fn new(inner: D, at: Option<(u64, Fault)>) -> Self {
        Self::sharing(inner, Faults::at(at))
    }

    /// Doors that share what counts their calls, with others of the same process.
    pub fn sharing(inner: D, faults: Faults) -> Self {
        Self { inner, faults, meanwhile: None, room: None }
    }

    /// The same; others do something, or look, as each call finds the doors.
    pub fn watching(inner: D, faults: Faults, others: impl FnMut(&mut D) + 'static) -> Self {
        Self { inner, faults, meanwhile: Some(Meanwhile(Box::new(others))), room: None }
    }

    /// Doors that never fail, and through which others do something before each call.
    pub fn with_others(inner: D, others: impl FnMut(&mut D) + 'static) -> Self {
        Self { inner, faults: Faults::at(None), meanwhile: Some(Meanwhile(Box::new(others))), room: None }
    }

    /// Doors to a kernel that drops, without a word, every echo above so many that are under way at once.
    pub fn narrow(inner: D, room: usize) -> Self {
        Self { room: Some((room, room)), ..Self::new(inner, None) }
    }

    /// How many calls there were that could have failed.
    pub fn calls(&self) -> u64 {
        self.faults.calls()
    }

    /// Whether the fault has happened.
    pub fn has_struck(&self) -> bool {
        self.faults.has_struck()
    }

    /// The doors inside.
    pub fn into_inner(self) -> D {
        self.inner
    }

    /// Counts a call; the error it is to fail with.
    fn step(&mut self) -> Result<(), Errno> {
        let outcome = self.faults.step();
        if let Some(Meanwhile(others)) = &mut self.meanwhile {
            others(&mut self.inner);
        }
        outcome
    }

    /// Whether our process is still there to close, to end and to wait.
    fn is_alive(&self) -> bool {
        self.faults.is_alive()
    }

    fn jail_step(&mut self) -> Result<(), JailRefusal> {
        self.step().map_err(|errno| JailRefusal { errno, message: String::new() })
    }
}

impl<D: SocketDoor> SocketDoor for FaultyDoors<D> {
    fn open(&mut self, actor: Actor, kind: SocketKind) -> Result<Sock, Errno> {
        self.step()?;
        self.inner.open(actor, kind)
    }

    fn close(&mut self, sock: Sock) {
        if self.is_alive() {
            self.inner.close(sock);
        }
    }
}

impl<D: NetgraphDoor> NetgraphDoor for FaultyDoors<D> {
    fn netgraph_send(&mut self, sock: Sock, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        self.step()?;
        self.inner.netgraph_send(sock, path, datagram)
    }

    fn netgraph_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.step()?;
        self.inner.netgraph_receive(sock, buffer)
    }
}

impl<D: RouteDoor> RouteDoor for FaultyDoors<D> {
    fn route_send(&mut self, sock: Sock, datagram: &[u8]) -> Result<(), Errno> {
        self.step()?;
        self.inner.route_send(sock, datagram)
    }

    fn route_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<bool, Errno> {
        self.step()?;
        self.inner.route_receive(sock, buffer)
    }

    fn route_list(&mut self, actor: Actor, name: &[i32]) -> Result<Vec<u8>, Errno> {
        self.step()?;
        self.inner.route_list(actor, name)
    }
}

impl<D: IoctlDoor> IoctlDoor for FaultyDoors<D> {
    fn ioctl(&mut self, sock: Sock, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
        self.step()?;
        self.inner.ioctl(sock, request, argument)
    }

    fn helper_ioctl(&mut self, helper: Helper, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
        self.step()?;
        self.inner.helper_ioctl(helper, request, argument)
    }
}

impl<D: JailDoor> JailDoor for FaultyDoors<D> {
    fn jail_set(&mut self, params: &[JailParam], flags: i32) -> Result<Jid, JailRefusal> {
        self.jail_step()?;
        self.inner.jail_set(params, flags)
    }

    /// One after the other; but as many as would be under way beside one that is refused are made all the same.
    fn jail_set_all(
        &mut self,
        sets: &[Vec<JailParam>],
        flags: i32,
        jobs: NonZeroUsize,
    ) -> Vec<Option<Result<Jid, JailRefusal>>> {
        let (mut results, mut beside) = (Vec::with_capacity(sets.len()), jobs.get());
        for set in sets {
            if beside == 0 {
                break;
            }
            let made = self.jail_set(set, flags);
            beside -= usize::from(made.is_err() || beside < jobs.get());
            results.push(Some(made));
        }
        results.resize(sets.len(), None);
        results
    }

    fn jail_get(&mut self, params: &mut [JailParam], flags: i32) -> Result<Jid, JailRefusal> {
        self.jail_step()?;
        self.inner.jail_get(params, flags)
    }

    fn jail_remove(&mut self, jid: Jid) -> Result<(), Errno> {
        self.step()?;
        self.inner.jail_remove(jid)
    }

    fn jail_remove_named(&mut self, jid: Jid, name: &str) -> Result<(), Errno> {
        self.step()?;
        self.inner.jail_remove_named(jid, name)
    }

    fn helper_start(&mut self, jid: Jid) -> Result<Helper, Errno> {
        self.step()?;
        self.inner.helper_start(jid)
    }

    fn helper_end(&mut self, helper: Helper) {
        if self.is_alive() {
            self.inner.helper_end(helper);
        }
    }

    fn execute(
        &mut self,
        jid: Jid,
        command: &[String],
        until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, ExecuteError> {
        self.step().map_err(ExecuteError::Kernel)?;
        self.inner.execute(jid, command, until, output)
    }

    fn execute_on(
        &mut self,
        jid: Jid,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, ExecuteError> {
        self.step().map_err(ExecuteError::Kernel)?;
        self.inner.execute_on(jid, command, terminal)
    }
}

impl<D: HostDoor> HostDoor for FaultyDoors<D> {
    fn sysctl_get(&mut self, actor: Actor, name: &str) -> Result<Vec<u8>, Errno> {
        self.step()?;
        self.inner.sysctl_get(actor, name)
    }

    fn sysctl_set(&mut self, actor: Actor, name: &str, value: &[u8]) -> Result<(), Errno> {
        self.step()?;
        self.inner.sysctl_set(actor, name, value)
    }

    fn is_root(&mut self) -> bool {
        self.inner.is_root()
    }

    fn load_module(&mut self, name: &str) -> Result<(), Errno> {
        self.step()?;
        self.inner.load_module(name)
    }

    fn has_module(&mut self, name: &str) -> bool {
        self.inner.has_module(name)
    }

    fn descriptors(&mut self) -> usize {
        self.inner.descriptors()
    }

    fn boot_identity(&mut self) -> String {
        self.inner.boot_identity()
    }

    fn now(&mut self) -> Duration {
        self.inner.now()
    }

    fn expect_steps(&mut self) {
        self.inner.expect_steps();
    }

    fn wait(&mut self, at_most: Duration, wake: &[Sock]) {
        if self.is_alive() {
            self.inner.wait(at_most, wake);
        }
        if let Some((left, most)) = &mut self.room {
            // What was under way has come through, wherever it went.
            *left = *most;
        }
    }
}

impl<D: ProbeDoor> ProbeDoor for FaultyDoors<D> {
    fn probe_send(&mut self, sock: Sock, to: IpAddr, scope: u32, message: &[u8]) -> Result<(), Errno> {
        self.step()?;
        match &mut self.room {
            Some((0, _)) => return Ok(()),
            Some((left, _)) => *left -= 1,
            None => {}
        }
        self.inner.probe_send(sock, to, scope, message)
    }

    fn probe_receive(&mut self, sock: Sock, buffer: &mut Vec<u8>) -> Result<Option<IpAddr>, Errno> {
        self.step()?;
        let received = self.inner.probe_receive(sock, buffer)?;
        if let Some((left, most)) = &mut self.room
            && received.is_some()
        {
            *left = (*left + 1).min(*most);
        }
        Ok(received)
    }
}

impl<D> FaultyDoors<D> {
    fn file_step(&mut self) -> Result<(), FileRefusal> {
        self.step().map_err(|errno| FileRefusal { errno, message: String::new() })
    }
}

impl<D: FileDoor> FileDoor for FaultyDoors<D> {
    fn roots(&mut self) -> Option<String> {
        self.inner.roots()
    }

    fn mount(&mut self, options: &[MountOption], flags: i32) -> Result<(), FileRefusal> {
        self.file_step()?;
        self.inner.mount(options, flags)
    }

    fn unmount(&mut self, path: &str, flags: i32) -> Result<(), Errno> {
        self.step()?;
        self.inner.unmount(path, flags)
    }

    fn mounts(&mut self) -> Result<Vec<MountPoint>, Errno> {
        self.step()?;
        self.inner.mounts()
    }

    fn is_folder(&mut self, path: &str) -> Result<bool, Errno> {
        self.step()?;
        self.inner.is_folder(path)
    }

    fn make_folder(&mut self, path: &str, copy_of: Option<&str>) -> Result<(), FileRefusal> {
        self.file_step()?;
        self.inner.make_folder(path, copy_of)
    }

    fn remove_folder(&mut self, path: &str) -> Result<(), FileRefusal> {
        self.file_step()?;
        self.inner.remove_folder(path)
    }

    fn devfs_ioctl(&mut self, request: u32, argument: &mut [u8]) -> Result<(), Errno> {
        self.step()?;
        self.inner.devfs_ioctl(request, argument)
    }

    fn zfs(&mut self, arguments: &[&str]) -> Result<ZfsAnswer, ExecuteError> {
        self.step().map_err(ExecuteError::Kernel)?;
        self.inner.zfs(arguments)
    }
}

impl<D: ResourceDoor> ResourceDoor for FaultyDoors<D> {
    fn rctl(&mut self, call: RctlCall, rule: &str) -> Result<String, Errno> {
        self.step()?;
        self.inner.rctl(call, rule)
    }

    fn cpuset_get(&mut self, jid: Jid) -> Result<Vec<u8>, Errno> {
        self.step()?;
        self.inner.cpuset_get(jid)
    }

    fn cpuset_set(&mut self, jid: Jid, mask: &[u8]) -> Result<(), Errno> {
        self.step()?;
        self.inner.cpuset_set(jid, mask)
    }

    fn processes(&mut self) -> Result<Vec<Process>, Errno> {
        self.step()?;
        self.inner.processes()
    }

    fn helper_kill(&mut self, helper: Helper, signal: i32) -> Result<(), Errno> {
        self.step()?;
        self.inner.helper_kill(helper, signal)
    }
}
