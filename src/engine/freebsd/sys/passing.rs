//! Messages between us and a helper, with a descriptor in them.
//!
//! Everything here may be called between fork and exit: nothing is allocated.
#![allow(unsafe_code, reason = "system calls")]

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::call::{check, count, persist, socklen};
use crate::abi::Errno;

/// Octets of a descriptor, as the macros of ancillary data take it.
const DESCRIPTOR: libc::c_uint = 4;
const _: () = assert!(DESCRIPTOR as usize == size_of::<RawFd>());

/// Room for one descriptor as ancillary data, aligned as its header must be.
#[repr(C)]
union Control {
    header: libc::cmsghdr,
    room: [u8; 64],
}

const fn space() -> usize {
    // SAFETY: arithmetic only.
    (unsafe { libc::CMSG_SPACE(DESCRIPTOR) }) as usize
}
const _: () = assert!(space() <= size_of::<Control>());

/// socketpair(2) of streams, closed on exec.
pub(super) fn pair() -> Result<[OwnedFd; 2], Errno> {
    let mut raw = [-1; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: `raw` has room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, raw.as_mut_ptr()) })?;
    // SAFETY: both descriptors are open, and nobody else knows of them.
    Ok(raw.map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }))
}

/// Sends all of `bytes`, `passed` along with the first of them.
pub(super) fn send(to: BorrowedFd<'_>, bytes: &[u8], passed: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    let mut rest = bytes;
    let mut passed = passed;
    while !rest.is_empty() {
        let sent = persist(|| send_some(to, rest, passed))?;
        passed = None;
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

fn send_some(to: BorrowedFd<'_>, bytes: &[u8], passed: Option<BorrowedFd<'_>>) -> Result<usize, Errno> {
    let mut control = Control { room: [0; 64] };
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut message = empty();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if let Some(passed) = passed {
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = socklen(space());
        // SAFETY: `control` is large enough for a header and one descriptor (asserted above), so the header is not
        // null, and neither write leaves it.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(DESCRIPTOR);
            ptr::write_unaligned(libc::CMSG_DATA(header).cast::<RawFd>(), passed.as_raw_fd());
        }
    }
    // SAFETY: `message` leads to live locals and to `bytes`; sendmsg(2) only reads them.
    count(unsafe { libc::sendmsg(to.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) })
}

/// Fills `bytes`; a descriptor that came along. `false` at the end of the stream.
pub(super) fn receive(from: BorrowedFd<'_>, bytes: &mut [u8], passed: &mut Option<OwnedFd>) -> Result<bool, Errno> {
    let mut filled = 0;
    while filled < bytes.len() {
        let Some(rest) = bytes.get_mut(filled..) else { return Ok(false) };
        match persist(|| receive_some(from, rest, passed))? {
            0 => return Ok(false),
            received => filled += received,
        }
    }
    Ok(true)
}

fn receive_some(from: BorrowedFd<'_>, bytes: &mut [u8], passed: &mut Option<OwnedFd>) -> Result<usize, Errno> {
    let mut control = Control { room: [0; 64] };
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut message = empty();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = socklen(space());
    // SAFETY: `message` leads to `bytes` and to live locals, with their lengths.
    let received = count(unsafe { libc::recvmsg(from.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) })?;
    // SAFETY: the kernel has set msg_controllen to what it wrote into `control`; a header is looked at only if a whole
    // one with one descriptor is there, and that descriptor is new in this process.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_RIGHTS
            && (*header).cmsg_len >= libc::CMSG_LEN(DESCRIPTOR)
        {
            let raw = ptr::read_unaligned(libc::CMSG_DATA(header).cast::<RawFd>());
            *passed = Some(OwnedFd::from_raw_fd(raw));
        }
    }
    Ok(received)
}

fn empty() -> libc::msghdr {
    // SAFETY: a msghdr of zeros is one without name, parts and control data.
    unsafe { MaybeUninit::zeroed().assume_init() }
}
