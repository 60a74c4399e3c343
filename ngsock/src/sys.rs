//! The sockets of a FreeBSD kernel: the only unsafe code of this crate, compiled on FreeBSD only.
//!
//! A socket acts in the vnet of the thread that opened it, for ever, wherever it is used later. Opening a control
//! socket needs root, also root of a vnet jail (`PRIV_NETGRAPH_CONTROL`, `sys/netgraph/ng_socket.c:199`); using one
//! that somebody else opened needs nothing ([`ControlSocket::adopt`]).
#![allow(unsafe_code, reason = "system calls")]

use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Instant;

use crate::addr::{NodePath, SockaddrNg};
use crate::message::Message;
use crate::name::{HookName, NodeName};
use crate::{DataTransport, Errno, Transport};

/// `NG_DATA`, `NG_CONTROL` (`sys/netgraph/ng_socket.h:50`).
const NG_DATA: libc::c_int = 1;
const NG_CONTROL: libc::c_int = 2;

/// A netgraph control socket: a node of type `socket`, and the messages it sends and gets.
#[derive(Debug)]
pub struct ControlSocket {
    socket: Socket,
}

impl ControlSocket {
    /// socket(2) with `PF_NETGRAPH` and `NG_CONTROL`; closed on exec. The node has no name.
    ///
    /// # Errors
    /// `EAFNOSUPPORT` if the module `ng_socket` is not loaded, `EPERM`, `EMFILE`.
    pub fn open() -> Result<Self, Errno> {
        Socket::open(NG_CONTROL).map(|socket| Self { socket })
    }

    /// A control socket that was opened elsewhere, perhaps in a jail's vnet, and passed to this process.
    ///
    /// # Errors
    /// `ENOTSOCK`, `EBADF`.
    pub fn adopt(descriptor: OwnedFd) -> Result<Self, Errno> {
        Socket::adopt(descriptor).map(|socket| Self { socket })
    }

    /// bind(2): names the socket's node.
    ///
    /// # Errors
    /// `EADDRINUSE` if another node of the vnet has the name.
    pub fn bind(&self, name: &NodeName) -> Result<(), Errno> {
        self.socket.bind(&SockaddrNg::to_bind(name))
    }

    /// `SO_RCVBUF`, in bytes. A list of nodes takes 72 bytes for each, one of hooks 136; 20480 is the default, up to
    /// 7456540 are granted with the kernel's defaults (`kern.ipc.maxsockbuf`).
    ///
    /// # Errors
    /// `ENOBUFS` if it is too large.
    pub fn set_receive_buffer(&mut self, bytes: u32) -> Result<(), Errno> {
        self.socket.set_receive_buffer(bytes)
    }

    /// What `SO_RCVBUF` is, in bytes.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.socket.receive_len
    }

    /// `SO_SNDBUF`, in bytes: the longest message that can be sent.
    ///
    /// # Errors
    /// `ENOBUFS` if it is too large.
    pub fn set_send_buffer(&mut self, bytes: u32) -> Result<(), Errno> {
        self.socket.set_buffer(libc::SO_SNDBUF, bytes)
    }

    /// What `SO_SNDBUF` is, in bytes.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn send_buffer(&self) -> Result<usize, Errno> {
        self.socket.buffer(libc::SO_SNDBUF)
    }

    /// poll(2): waits until a message can be received, for messages that come without having been asked for.
    /// `false` if none came in time; no time is for ever.
    ///
    /// # Errors
    /// `EINTR` if a signal came first.
    pub fn wait(&self, time: Option<Duration>) -> Result<bool, Errno> {
        self.socket.wait(time)
    }
}

impl Transport for ControlSocket {
    /// A datagram that is no message, or whose header lies about its length, is `EINVAL` and not sent: the kernel would
    /// believe the header.
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        let address = SockaddrNg::from_text(path).map_err(|_| Errno::ENAMETOOLONG)?;
        Message::parse(datagram).map_err(|_| Errno::EINVAL)?;
        self.socket.send_to(datagram, Some(&address))
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.socket.receive_from(buffer)
    }

    fn wait(&mut self, time: Duration) -> Result<Option<Duration>, Errno> {
        let begin = Instant::now();
        let ready = self.socket.wait(Some(time))?;
        Ok(ready.then(|| time.saturating_sub(begin.elapsed())))
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.descriptor.as_fd()
    }
}

impl From<ControlSocket> for OwnedFd {
    fn from(control: ControlSocket) -> Self {
        control.socket.descriptor
    }
}

/// A netgraph data socket: what comes out of the hooks of a control socket's node, and what goes into them.
#[derive(Debug)]
pub struct DataSocket {
    socket: Socket,
}

impl DataSocket {
    /// socket(2) with `PF_NETGRAPH` and `NG_DATA`.
    ///
    /// # Errors
    /// `EAFNOSUPPORT` if the module `ng_socket` is not loaded, `EMFILE`.
    pub fn open() -> Result<Self, Errno> {
        Socket::open(NG_DATA).map(|socket| Self { socket })
    }

    /// A data socket that was opened elsewhere and passed to this process.
    ///
    /// # Errors
    /// `ENOTSOCK`, `EBADF`.
    pub fn adopt(descriptor: OwnedFd) -> Result<Self, Errno> {
        Socket::adopt(descriptor).map(|socket| Self { socket })
    }

    /// `SO_RCVBUF`, in bytes, 20480 at first: frames that do not fit beside those that wait are lost.
    ///
    /// # Errors
    /// `ENOBUFS` if it is too large.
    pub fn set_receive_buffer(&mut self, bytes: u32) -> Result<(), Errno> {
        self.socket.set_receive_buffer(bytes)
    }

    /// `SO_SNDBUF`, in bytes: the longest frame that can be sent.
    ///
    /// # Errors
    /// `ENOBUFS` if it is too large.
    pub fn set_send_buffer(&mut self, bytes: u32) -> Result<(), Errno> {
        self.socket.set_buffer(libc::SO_SNDBUF, bytes)
    }

    /// connect(2): becomes the data socket of a control socket's node, best given by its number.
    ///
    /// # Errors
    /// `EADDRINUSE` if the node has one already, `EINVAL` if it is no socket's node, `ENOENT`; `ENAMETOOLONG` past
    /// 31 bytes.
    pub fn connect(&self, path: &NodePath) -> Result<(), Errno> {
        let address = SockaddrNg::with_nul(path.as_bytes()).map_err(|_| Errno::ENAMETOOLONG)?;
        let bytes = address.as_bytes();
        // SAFETY: `bytes` is a live sockaddr_ng of the length given; connect(2) only reads it.
        check(unsafe { libc::connect(self.socket.raw(), bytes.as_ptr().cast(), socklen(bytes)) })
    }

    /// Sends a frame out of a hook.
    ///
    /// # Errors
    /// `ENOTCONN` before [`Self::connect`], `EHOSTUNREACH` if there is no such hook; what the neighbour answers.
    pub fn send(&self, hook: &HookName, frame: &[u8]) -> Result<(), Errno> {
        // A hook's name of at most 31 bytes always fits.
        let address = SockaddrNg::from_text(hook.as_bytes()).map_err(|_| Errno::ENAMETOOLONG)?;
        self.socket.send_to(frame, Some(&address))
    }

    /// Receives a frame into `buffer`; gives the name of the hook it came by, `None` if none waits.
    ///
    /// # Errors
    /// The errno of recvfrom(2).
    pub fn receive(&self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.socket.receive_from(buffer)
    }

    /// poll(2), as [`ControlSocket::wait`].
    ///
    /// # Errors
    /// `EINTR` if a signal came first.
    pub fn wait(&self, time: Option<Duration>) -> Result<bool, Errno> {
        self.socket.wait(time)
    }
}

impl DataTransport for DataSocket {
    fn send_frame(&mut self, hook: &[u8], frame: &[u8]) -> Result<(), Errno> {
        let address = match hook {
            [] => None,
            hook => Some(SockaddrNg::from_text(hook).map_err(|_| Errno::ENAMETOOLONG)?),
        };
        self.socket.send_to(frame, address.as_ref())
    }

    fn receive_frame(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.socket.receive_from(buffer)
    }
}

impl From<DataSocket> for OwnedFd {
    fn from(data: DataSocket) -> Self {
        data.socket.descriptor
    }
}

impl AsFd for DataSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.descriptor.as_fd()
    }
}

#[derive(Debug)]
struct Socket {
    descriptor: OwnedFd,
    /// No datagram is longer than the receive buffer it waits in.
    receive_len: usize,
}

impl Socket {
    fn open(protocol: libc::c_int) -> Result<Self, Errno> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: socket(2) takes no pointers.
        let raw = unsafe { libc::socket(SockaddrNg::FAMILY.into(), kind, protocol) };
        check(raw)?;
        // SAFETY: the descriptor is open, and nobody else knows of it.
        Self::adopt(unsafe { OwnedFd::from_raw_fd(raw) })
    }

    fn adopt(descriptor: OwnedFd) -> Result<Self, Errno> {
        let mut socket = Self { descriptor, receive_len: 0 };
        socket.receive_len = socket.buffer(libc::SO_RCVBUF)?;
        Ok(socket)
    }

    fn raw(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }

    fn bind(&self, address: &SockaddrNg) -> Result<(), Errno> {
        let bytes = address.as_bytes();
        // SAFETY: `bytes` is a live sockaddr_ng of the length given; bind(2) only reads it.
        check(unsafe { libc::bind(self.raw(), bytes.as_ptr().cast(), socklen(bytes)) })
    }

    fn buffer(&self, option: libc::c_int) -> Result<usize, Errno> {
        let mut value: libc::c_int = 0;
        let mut len = socklen_of::<libc::c_int>();
        // SAFETY: both pointers are to live locals, and `len` is the size of `value`.
        check(unsafe {
            libc::getsockopt(self.raw(), libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut len)
        })?;
        Ok(usize::try_from(value).unwrap_or(0))
    }

    fn set_receive_buffer(&mut self, bytes: u32) -> Result<(), Errno> {
        self.set_buffer(libc::SO_RCVBUF, bytes)?;
        self.receive_len = self.buffer(libc::SO_RCVBUF)?;
        Ok(())
    }

    fn set_buffer(&self, option: libc::c_int, bytes: u32) -> Result<(), Errno> {
        let value = libc::c_int::try_from(bytes).map_err(|_| Errno::ENOBUFS)?;
        let len = socklen_of::<libc::c_int>();
        // SAFETY: the pointer is to a live local of the size given; setsockopt(2) only reads it.
        check(unsafe { libc::setsockopt(self.raw(), libc::SOL_SOCKET, option, (&raw const value).cast(), len) })
    }

    fn send_to(&self, datagram: &[u8], address: Option<&SockaddrNg>) -> Result<(), Errno> {
        let bytes = address.map_or(&[][..], |address| address.as_bytes());
        let address = if bytes.is_empty() { core::ptr::null() } else { bytes.as_ptr() };
        // SAFETY: both slices are live and their lengths are given with them, or there is no address and none is
        // given; sendto(2) only reads them.
        let sent = unsafe {
            libc::sendto(self.raw(), datagram.as_ptr().cast(), datagram.len(), 0, address.cast(), socklen(bytes))
        };
        if sent < 0 { Err(last_error()) } else { Ok(()) }
    }

    fn receive_from(&self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        buffer.clear();
        buffer.reserve(self.receive_len);
        let space = buffer.spare_capacity_mut();
        // recvfrom(2) fills in at most as much as there is.
        let mut address = [0_u8; 64];
        let mut address_len = socklen(&address);
        // SAFETY: `space` and `address` are live and writable for the lengths given with them.
        let received = unsafe {
            libc::recvfrom(
                self.raw(),
                space.as_mut_ptr().cast(),
                space.len(),
                libc::MSG_DONTWAIT,
                address.as_mut_ptr().cast(),
                &raw mut address_len,
            )
        };
        let Ok(len) = usize::try_from(received) else {
            return match last_error() {
                Errno::EAGAIN => Ok(None),
                errno => Err(errno),
            };
        };
        // SAFETY: recvfrom(2) has written `len` bytes, no more than the capacity it was given.
        unsafe { buffer.set_len(len) };
        let address_len = usize::try_from(address_len).unwrap_or(0).min(address.len());
        let address = address.get(..address_len).unwrap_or_default();
        Ok(Some(SockaddrNg::text(address).unwrap_or_default().to_vec()))
    }

    fn wait(&self, time: Option<Duration>) -> Result<bool, Errno> {
        // Rounded up, so that no wait ends early; what is too long for poll(2) is as long as it can.
        let milliseconds =
            time.map_or(-1, |time| i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
        let mut poll = libc::pollfd { fd: self.raw(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live pollfd is given, and its number with it.
        let ready = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
        if ready < 0 { Err(last_error()) } else { Ok(ready > 0) }
    }
}

fn socklen(bytes: &[u8]) -> libc::socklen_t {
    libc::socklen_t::try_from(bytes.len()).unwrap_or(0)
}

fn socklen_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

fn check(result: libc::c_int) -> Result<(), Errno> {
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// The errno of the call that has just failed.
fn last_error() -> Errno {
    io::Error::last_os_error().raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EIO)
}
