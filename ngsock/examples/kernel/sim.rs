//! A simulated kernel, in memory or in a file.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cellblock::abi::JailParam;
use cellblock::engine::Lock;
use cellblock::engine::freebsd::doors::{
    Actor, HostDoor as _, JailDoor as _, NetgraphDoor as _, Sock, SocketDoor as _,
};
use cellblock::engine::freebsd::doors::{Jid, SocketKind};
use cellblock::sim::persist::LoadError;
use cellblock::sim::sockets::SockId;
use cellblock::sim::{Kernel as Memory, SimDoors, netgraph, persist};
use ngsock::message::{COMMAND_READONLY, Message};
use ngsock::{DataTransport, Errno, Transport};

use super::{IO_ERROR, Kernel, NO_HOST, Ready, Refusal, no_node};

/// The simulated kernel's file in a state directory of cellblock.
pub const IN_DIRECTORY: &str = "sim.kernel";

/// The lock of a state directory.
const LOCK: &str = "lock";

/// How long another process may hold the lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// A simulated kernel with one control socket and one data socket.
#[derive(Debug)]
pub struct Simulated {
    doors: SimDoors,
    sock: Sock,
    file: Option<File>,
    /// Whether anything was sent that may change the kernel.
    changed: bool,
}

/// Where a kernel is kept, locked as long as it is in use.
#[derive(Debug)]
struct File {
    path: PathBuf,
    _lock: Lock,
}

impl Simulated {
    /// A kernel that has just begun; always the same one.
    pub fn fresh(jail: Option<&str>, name: &[u8]) -> Result<Self, Refusal> {
        Self::over(Memory::boot(1), None, jail, name)
    }

    /// The kernel in a file; a new one if there is no such file yet.
    pub fn kept(path: &Path, jail: Option<&str>, name: &[u8]) -> Result<Self, Refusal> {
        let lock = match path.file_name() {
            Some(file) if file == IN_DIRECTORY => path.with_file_name(LOCK),
            _ => path.with_added_extension(LOCK),
        };
        let holder = format!("pid {}: an example of ngsock", std::process::id());
        let lock = Lock::take(&lock, &holder, PATIENCE).map_err(|error| Refusal::new(IO_ERROR, error.to_string()))?;
        let kernel = match persist::load(path) {
            Ok(kernel) => kernel,
            // Not the same one each time: records of labs know kernels by their first random number.
            Err(LoadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                Memory::boot(RandomState::new().hash_one(0))
            }
            Err(error) => return Err(Refusal::new(IO_ERROR, format!("{}: {error}", path.display()))),
        };
        Self::over(kernel, Some(File { path: path.to_owned(), _lock: lock }), jail, name)
    }

    /// A kernel that was prepared; the sockets are the host's.
    #[allow(dead_code, reason = "only some examples and tests prepare one")]
    pub fn prepared(kernel: Memory, name: &[u8]) -> Result<Self, Refusal> {
        Self::over(kernel, None, None, name)
    }

    fn over(mut kernel: Memory, file: Option<File>, jail: Option<&str>, name: &[u8]) -> Result<Self, Refusal> {
        netgraph::load_module(&mut kernel, "ng_socket").map_err(no_node)?;
        let mut doors = SimDoors::new(kernel);
        let actor = match jail {
            None => Actor::Host,
            Some(jail) => Actor::Helper(attach(&mut doors, jail)?),
        };
        let sock = doors.open(actor, SocketKind::Netgraph).map_err(no_node)?;
        let mut simulated = Self { doors, sock, file, changed: false };
        if !name.is_empty() {
            let address = [name, b"\0"].concat();
            netgraph::bind(&mut simulated.doors.kernel, SockId(sock.0), &address).map_err(no_node)?;
        }
        netgraph::data_open(&mut simulated.doors.kernel, SockId(sock.0)).map_err(no_node)?;
        Ok(simulated)
    }

    /// Closes the sockets and gives the kernel back, with whatever other sockets there are.
    #[allow(dead_code, reason = "only tests do")]
    pub fn release(mut self) -> Memory {
        self.doors.close(self.sock);
        self.doors.kernel
    }

    /// The kernel itself.
    #[allow(dead_code, reason = "only tests look inside")]
    pub fn kernel(&mut self) -> &mut Memory {
        &mut self.doors.kernel
    }

    fn is_readable(&self, is_data: bool) -> bool {
        netgraph::is_readable(&self.doors.kernel, SockId(self.sock.0), is_data)
    }
}

/// jail_getid(3) and jail_attach(2).
fn attach(doors: &mut SimDoors, jail: &str) -> Result<cellblock::engine::freebsd::doors::Helper, Refusal> {
    let jid = match jail.parse() {
        Ok(jid) => Jid(jid),
        Err(_) => doors
            .jail_get(&mut [JailParam::string("name", jail)], 0)
            .map_err(|refusal| Refusal::new(NO_HOST, refusal.message))?,
    };
    doors.helper_start(jid).map_err(|_| Refusal::new(super::SYSTEM_ERROR, "cannot attach to jail"))
}

impl Transport for Simulated {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        let reads_only = |message: Message<'_>| message.header.command & COMMAND_READONLY != 0;
        self.changed |= !Message::parse(datagram).is_ok_and(reads_only);
        self.doors.netgraph_send(self.sock, path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.doors.netgraph_receive(self.sock, buffer)
    }
}

impl DataTransport for Simulated {
    fn send_frame(&mut self, hook: &[u8], frame: &[u8]) -> Result<(), Errno> {
        self.changed = true;
        let kernel = &mut self.doors.kernel;
        let sent = netgraph::data_send(kernel, SockId(self.sock.0), hook, frame.to_vec());
        kernel.settle();
        sent
    }

    fn receive_frame(&mut self, frame: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        let received = netgraph::data_receive(&mut self.doors.kernel, SockId(self.sock.0));
        Ok(received.map(|(hook, bytes)| {
            *frame = bytes;
            hook
        }))
    }
}

impl Kernel for Simulated {
    /// Nothing comes by itself, so whoever waits waits for the input.
    fn poll(&mut self, input: bool) -> io::Result<Ready> {
        let ready = Ready { control: self.is_readable(false), data: self.is_readable(true), input: false };
        Ok(Ready { input: input && !ready.control && !ready.data, ..ready })
    }

    fn pause(&mut self, time: Duration) {
        self.changed = true;
        self.doors.wait(time, &[]);
    }

    fn now(&mut self) -> Duration {
        self.doors.now()
    }

    fn close(self: Box<Self>) -> Result<(), Refusal> {
        let Self { doors, file, changed, .. } = *self;
        let Some(File { path, .. }) = &file else { return Ok(()) };
        if !changed {
            return Ok(());
        }
        persist::save(&doors.into_kernel(), path).map_err(|error| Refusal::new(IO_ERROR, error.to_string()))
    }
}
