//! Sockets: opening, buffers, datagrams.
#![allow(unsafe_code, reason = "system calls")]

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use ngsock::Transport;
use ngsock::sys::ControlSocket;

use super::call::{check, count, last_error, persist, socklen};
use crate::abi::flags::family;
use crate::abi::{Errno, Sockaddr, sockaddr};
use crate::engine::freebsd::doors::SocketKind;

/// `NG_CONTROL` (sys/netgraph/ng_socket.h:51).
const NG_CONTROL: libc::c_int = 2;
/// `NETLINK_ROUTE` (sys/netlink/netlink.h).
const NETLINK_ROUTE: libc::c_int = 0;
/// `SOL_NETLINK`, `NETLINK_CAP_ACK`, `NETLINK_EXT_ACK` (sys/netlink/netlink.h).
const SOL_NETLINK: libc::c_int = 270;
const NETLINK_CAP_ACK: libc::c_int = 10;
const NETLINK_EXT_ACK: libc::c_int = 11;

/// What receive buffers are raised to: as much as the kernel grants, at most this. Lists of nodes and hooks come in one
/// datagram, and what does not fit is refused; routing messages that do not fit are lost.
const MOST_BUFFER: libc::c_int = 7_456_540;
/// Below this, raising is not worth a call.
const LEAST_BUFFER: libc::c_int = 64 * 1024;
/// What one read of a route or ICMP socket may give.
const DATAGRAM: usize = 256 * 1024;

/// An open socket.
#[derive(Debug)]
pub(super) enum Socket {
    Netgraph(ControlSocket),
    Plain(OwnedFd),
}

/// The three arguments of socket(2), as numbers that can be handed to a helper.
pub(super) fn arguments(kind: SocketKind) -> [libc::c_int; 3] {
    match kind {
        SocketKind::Netgraph => [family::AF_NETGRAPH.into(), libc::SOCK_DGRAM, NG_CONTROL],
        SocketKind::Inet => [family::AF_INET.into(), libc::SOCK_DGRAM, 0],
        SocketKind::Inet6 => [family::AF_INET6.into(), libc::SOCK_DGRAM, 0],
        SocketKind::Netlink => [family::AF_NETLINK.into(), libc::SOCK_RAW, NETLINK_ROUTE],
        SocketKind::Route => [family::AF_ROUTE.into(), libc::SOCK_RAW, 0],
        SocketKind::Icmp => [family::AF_INET.into(), libc::SOCK_RAW, libc::IPPROTO_ICMP],
        SocketKind::Icmp6 => [family::AF_INET6.into(), libc::SOCK_RAW, libc::IPPROTO_ICMPV6],
    }
}

/// socket(2), closed on exec. Calls nothing that a child may not call between fork and exec.
pub(super) fn open([domain, kind, protocol]: [libc::c_int; 3]) -> Result<OwnedFd, Errno> {
    // SAFETY: socket(2) takes no pointers.
    let raw = check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor is open, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

impl Socket {
    /// Makes a descriptor ready for its use.
    pub(super) fn adopt(kind: SocketKind, descriptor: OwnedFd) -> Result<Self, Errno> {
        match kind {
            SocketKind::Netgraph => {
                raise_receive_buffer(descriptor.as_fd());
                return ControlSocket::adopt(descriptor).map(Self::Netgraph);
            }
            SocketKind::Netlink => {
                set_option(descriptor.as_fd(), SOL_NETLINK, NETLINK_CAP_ACK, 1)?;
                set_option(descriptor.as_fd(), SOL_NETLINK, NETLINK_EXT_ACK, 1)?;
                raise_receive_buffer(descriptor.as_fd());
            }
            SocketKind::Route | SocketKind::Icmp | SocketKind::Icmp6 => raise_receive_buffer(descriptor.as_fd()),
            SocketKind::Inet | SocketKind::Inet6 => {}
        }
        Ok(Self::Plain(descriptor))
    }

    pub(super) fn raw(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }

    /// sendto(2) of a netgraph message.
    pub(super) fn send_to_node(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Netgraph(control) => control.send(path, datagram),
            Self::Plain(_) => Err(Errno::EOPNOTSUPP),
        }
    }

    /// recvfrom(2) of a netgraph message, never blocking; the sender's path.
    pub(super) fn receive_from_node(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        match self {
            Self::Netgraph(control) => control.receive(buffer),
            Self::Plain(_) => Err(Errno::EOPNOTSUPP),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Netgraph(control) => control.as_fd(),
            Self::Plain(descriptor) => descriptor.as_fd(),
        }
    }
}

/// send(2).
pub(super) fn send(socket: BorrowedFd<'_>, datagram: &[u8]) -> Result<(), Errno> {
    persist(|| {
        // SAFETY: `datagram` is live for the length given with it; send(2) only reads it.
        count(unsafe { libc::send(socket.as_raw_fd(), datagram.as_ptr().cast(), datagram.len(), libc::MSG_NOSIGNAL) })
    })
    .map(drop)
}

/// sendto(2) to an IP address.
pub(super) fn send_to(socket: BorrowedFd<'_>, to: IpAddr, scope: u32, datagram: &[u8]) -> Result<(), Errno> {
    let address = match to {
        IpAddr::V4(to) => sockaddr::inet(to).to_vec(),
        IpAddr::V6(to) => sockaddr::inet6(to, scope).to_vec(),
    };
    persist(|| {
        // SAFETY: `datagram` and `address`, a sockaddr of its family, are live for the lengths given with them;
        // sendto(2) only reads them.
        count(unsafe {
            libc::sendto(
                socket.as_raw_fd(),
                datagram.as_ptr().cast(),
                datagram.len(),
                libc::MSG_NOSIGNAL,
                address.as_ptr().cast(),
                socklen(address.len()),
            )
        })
    })
    .map(drop)
}

/// recvfrom(2), never blocking: the datagram replaces `buffer`; its sender, if it is an IP address. `None` if nothing
/// waits.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<Option<Option<IpAddr>>, Errno> {
    buffer.clear();
    buffer.reserve(DATAGRAM);
    let mut address = [0_u8; 128];
    let mut address_length = socklen(address.len());
    let space = buffer.spare_capacity_mut();
    // SAFETY: `space` and `address` are live and writable for the lengths given with them, `address_length` is a live
    // local.
    let received = unsafe {
        libc::recvfrom(
            socket.as_raw_fd(),
            space.as_mut_ptr().cast(),
            space.len(),
            libc::MSG_DONTWAIT,
            address.as_mut_ptr().cast(),
            &raw mut address_length,
        )
    };
    let Ok(length) = usize::try_from(received) else {
        return match last_error() {
            Errno::EAGAIN | Errno::EINTR => Ok(None),
            errno => Err(errno),
        };
    };
    // SAFETY: recvfrom(2) has written `length` bytes, no more than the capacity it was given.
    unsafe { buffer.set_len(length) };
    let address_length = usize::try_from(address_length).unwrap_or(0).min(address.len());
    let from = address.get(..address_length).and_then(Sockaddr::read).and_then(|sockaddr| sockaddr.ip());
    Ok(Some(from))
}

/// setsockopt(2) of an int.
fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> Result<(), Errno> {
    let length = socklen(size_of::<libc::c_int>());
    // SAFETY: the pointer is to a live local of the size given; setsockopt(2) only reads it.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) }).map(drop)
}

/// `SO_RCVBUF`, as large as the kernel grants. A socket that stays small still works, for less at a time.
fn raise_receive_buffer(socket: BorrowedFd<'_>) {
    let mut size = MOST_BUFFER;
    while size >= LEAST_BUFFER && set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, size).is_err() {
        size /= 2;
    }
}
