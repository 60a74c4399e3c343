//! The kernel of a FreeBSD host.
#![allow(unsafe_code, reason = "system calls that have no safe form: jails, modules, poll(2) of three descriptors")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant};

use ngsock::generic::GetNodeInfo;
use ngsock::sys::{ControlSocket, DataSocket};
use ngsock::{Client, DataTransport, Errno, NodeName, NodePath, Transport};

use super::{Kernel, NO_HOST, Ready, Refusal, SYSTEM_ERROR, error_text, no_node};

/// What SO_RCVBUF is raised to, in bytes: lists of thousands of nodes.
const RECEIVE_BUFFER: u32 = 1 << 20;

/// `EX_NOPERM`.
const NOT_PERMITTED: u8 = 77;

/// A control socket and its data socket.
#[derive(Debug)]
pub struct System {
    control: ControlSocket,
    data: DataSocket,
    begin: Instant,
}

impl System {
    /// Attaches to the jail, if one is given, and opens the sockets there.
    pub fn open(jail: Option<&str>, name: &[u8]) -> Result<Self, Refusal> {
        if let Some(jail) = jail {
            attach(jail)?;
        }
        let mut control = open_control().map_err(no_node)?;
        // Without it long lists fail, and only they.
        let _ = control.set_receive_buffer(RECEIVE_BUFFER);
        if !name.is_empty() {
            NodeName::new(name).map_err(|_| Errno::EINVAL).and_then(|name| control.bind(&name)).map_err(no_node)?;
        }
        let mut client = Client::new(control);
        let info = client.call(&NodePath::here(), &GetNodeInfo);
        let info = info.map_err(|error| Refusal::new(SYSTEM_ERROR, format!("can't create node: {error}")))?;
        let data = DataSocket::open().map_err(no_node)?;
        data.connect(&info.id.into()).map_err(no_node)?;
        Ok(Self { control: client.into_transport(), data, begin: Instant::now() })
    }
}

// sys/sys/linker.h. The libc crate has kld_load(3) in its place, which is libutil's, and that library's number differs among
// releases.
unsafe extern "C" {
    fn kldload(file: *const libc::c_char) -> libc::c_int;
}

/// Opens a control socket; the module is loaded first where it is not.
fn open_control() -> Result<ControlSocket, Errno> {
    match ControlSocket::open() {
        Err(Errno::EAFNOSUPPORT) => {
            // SAFETY: kldload(2) reads a string that ends with NUL.
            if unsafe { kldload(c"ng_socket".as_ptr()) } < 0 {
                return Err(last_error());
            }
            ControlSocket::open()
        }
        opened => opened,
    }
}

/// jail_getid(3) and jail_attach(2).
fn attach(jail: &str) -> Result<(), Refusal> {
    let jid = match jail.parse() {
        Ok(jid) => jid,
        Err(_) => jail_id(jail)?,
    };
    // SAFETY: jail_attach(2) takes no pointers.
    if unsafe { libc::jail_attach(jid) } == 0 {
        return Ok(());
    }
    Err(Refusal::new(permission_or(SYSTEM_ERROR), "cannot attach to jail"))
}

/// jail_get(2) by name.
fn jail_id(jail: &str) -> Result<libc::c_int, Refusal> {
    let name = CString::new(jail).map_err(|_| Refusal::new(NO_HOST, format!("jail \"{jail}\" not found")))?;
    let mut message = [0_u8; 1024];
    let mut parameters = [
        text(c"name".to_bytes_with_nul()),
        text(name.as_bytes_with_nul()),
        text(c"errmsg".to_bytes_with_nul()),
        libc::iovec { iov_base: message.as_mut_ptr().cast(), iov_len: message.len() },
    ];
    // SAFETY: four live iovecs; the kernel reads the first three and writes at most its length into the last.
    let jid = unsafe { libc::jail_get(parameters.as_mut_ptr(), 4, 0) };
    if jid >= 0 {
        return Ok(jid);
    }
    let status = permission_or(NO_HOST);
    let words = message.split(|&byte| byte == 0).next().unwrap_or_default();
    if words.is_empty() {
        return Err(Refusal::new(status, format!("jail_get: {}", error_text(last_error()))));
    }
    Err(Refusal::new(status, String::from_utf8_lossy(words)))
}

fn text(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

fn permission_or(status: u8) -> u8 {
    if last_error() == Errno::EPERM { NOT_PERMITTED } else { status }
}

fn last_error() -> Errno {
    io::Error::last_os_error().raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EIO)
}

impl Transport for System {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        // What the kernel says of an address that is too long.
        if path.len() > ngsock::SockaddrNg::MAX_TEXT {
            return Err(Errno::EINVAL);
        }
        self.control.send(path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.control.receive(buffer)
    }

    fn wait(&mut self, time: Duration) -> Result<Option<Duration>, Errno> {
        Transport::wait(&mut self.control, time)
    }
}

impl DataTransport for System {
    fn send_frame(&mut self, hook: &[u8], frame: &[u8]) -> Result<(), Errno> {
        self.data.send_frame(hook, frame)
    }

    fn receive_frame(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.data.receive_frame(buffer)
    }
}

impl Kernel for System {
    fn poll(&mut self, input: bool) -> io::Result<Ready> {
        let descriptors = [self.control.as_fd().as_raw_fd(), self.data.as_fd().as_raw_fd(), libc::STDIN_FILENO];
        let mut polled = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
        let (count, time) = if input { (3, -1) } else { (2, 0) };
        // SAFETY: at least `count` live pollfds are given.
        if unsafe { libc::poll(polled.as_mut_ptr(), count, time) } < 0 {
            return match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(Ready::default()),
                error => Err(error),
            };
        }
        let [control, data, input] = polled.map(|polled| polled.revents != 0);
        Ok(Ready { control, data, input })
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn now(&mut self) -> Duration {
        self.begin.elapsed()
    }

    fn close(self: Box<Self>) -> Result<(), Refusal> {
        Ok(())
    }
}
