//! Descriptors that a visitor passes out.
//!
//! Everything that sends may be called between fork and exit: nothing is allocated.
#![allow(unsafe_code, reason = "system calls")]

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::call::{check, count, persist, socklen};
use crate::abi::Errno;

/// Descriptors of one message.
pub(super) const MOST: usize = 16;
/// Octets of one.
const DESCRIPTOR: usize = size_of::<RawFd>();
/// Octets of as many as there can be, as the macros of ancillary data take it.
const OCTETS: libc::c_uint = 64;
const _: () = assert!(OCTETS as usize == MOST * DESCRIPTOR);

/// Room for descriptors as ancillary data, aligned as its header must be.
#[repr(C)]
union Control {
    header: libc::cmsghdr,
    room: [u8; 128],
}

// SAFETY: arithmetic only.
const _: () = assert!((unsafe { libc::CMSG_SPACE(OCTETS) }) as usize <= size_of::<Control>());

/// socketpair(2) of datagrams, closed on exec.
pub(super) fn pair() -> Result<[OwnedFd; 2], Errno> {
    let mut raw = [-1; 2];
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: `raw` has room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, raw.as_mut_ptr()) })?;
    // SAFETY: both descriptors are open, and nobody else knows of them.
    Ok(raw.map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }))
}

/// Sends descriptors, at most [`MOST`], in one message; nothing where there are none.
pub(super) fn send(to: BorrowedFd<'_>, passed: &[Option<OwnedFd>]) -> Result<(), Errno> {
    if passed.is_empty() {
        return Ok(());
    }
    if passed.len() > MOST {
        return Err(Errno::E2BIG);
    }
    let octets = socklen(passed.len() * DESCRIPTOR);
    let (mut control, mut byte) = (Control { room: [0; 128] }, [0_u8; 1]);
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    let mut message = empty();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    // SAFETY: arithmetic only.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(octets) };
    // SAFETY: `control` is large enough for a header and that many descriptors (asserted above), so the header is not
    // null, and no write leaves it.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(octets);
        let data = libc::CMSG_DATA(header).cast::<RawFd>();
        for (place, socket) in passed.iter().enumerate() {
            ptr::write_unaligned(data.add(place), socket.as_ref().map_or(-1, AsRawFd::as_raw_fd));
        }
    }
    persist(|| {
        // SAFETY: `message` leads to live locals; sendmsg(2) only reads them.
        count(unsafe { libc::sendmsg(to.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) })
    })
    .map(drop)
}

/// The descriptors of the message that waits.
pub(super) fn receive(from: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, Errno> {
    let (mut control, mut byte) = (Control { room: [0; 128] }, [0_u8; 1]);
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    let mut message = empty();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = socklen(size_of::<Control>());
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    persist(|| {
        // SAFETY: `message` leads to live locals, with their lengths.
        count(unsafe { libc::recvmsg(from.as_raw_fd(), &raw mut message, flags) })
    })?;
    let mut passed = Vec::new();
    // SAFETY: the kernel has set msg_controllen to what it wrote into `control`; only as many descriptors are read as the
    // header says that there are, and each is new in this process.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if !header.is_null() && (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
            let octets = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
            let data = libc::CMSG_DATA(header).cast::<RawFd>();
            for place in 0..(octets / DESCRIPTOR).min(MOST) {
                passed.push(OwnedFd::from_raw_fd(ptr::read_unaligned(data.add(place))));
            }
        }
    }
    Ok(passed)
}

fn empty() -> libc::msghdr {
    // SAFETY: a msghdr of zeros is one without name, parts and control data.
    unsafe { MaybeUninit::zeroed().assume_init() }
}
