//! The helper itself: a forked process that attaches to a jail and obeys until nobody talks to it any more.
//!
//! Between fork and exit only calls are made that are async-signal-safe: plain system calls on memory that was there
//! before. Nothing is allocated, nothing can panic.
#![allow(unsafe_code, reason = "system calls")]

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::call::{check, last_error};
use super::helper::{HEAD, Task, head, numbers};
use super::{jail, kernel, passing, socket};
use crate::abi::Errno;
use crate::abi::ioctl::{SIOCSIFRVNET, SIOCSIFVNET, argument_size};
use crate::engine::freebsd::doors::SocketKind;

/// Where the channel is while everything above is closed: descriptors inherited from the parent may be sockets of other
/// jails, which would be kept from dying.
const CHANNEL: libc::c_int = 3;

/// What an order came to: how many bytes of the room are the answer, and a descriptor to go with it.
type Outcome = Result<(usize, Option<OwnedFd>), Errno>;

/// The life of a helper.
pub(super) fn serve(channel: OwnedFd, jid: i32, room: &mut [u8]) -> ! {
    let raw = channel.as_raw_fd();
    std::mem::forget(channel);
    become_quiet();
    if raw != CHANNEL {
        // SAFETY: numbers only; what was at the new place belongs to a parent that this process is not.
        if check(unsafe { libc::dup2(raw, CHANNEL) }).is_err() {
            leave();
        }
    }
    // SAFETY: this process uses no descriptor above the channel.
    unsafe { libc::closefrom(CHANNEL + 1) };
    // SAFETY: the descriptor is open for as long as this process runs.
    let channel = unsafe { BorrowedFd::borrow_raw(CHANNEL) };
    let attached = jail::attach(jid);
    let is_in = attached.is_ok();
    answer(channel, attached.map(|()| (0, None)), room);
    if is_in {
        obey(channel, room);
    }
    leave()
}

/// Orders and answers, until the end of the stream.
fn obey(channel: BorrowedFd<'_>, room: &mut [u8]) {
    let mut own = None;
    loop {
        let (mut order, mut passed) = ([0; HEAD], None);
        if !matches!(passing::receive(channel, &mut order, &mut passed), Ok(true)) {
            return;
        }
        let [task, a, b, c, length] = numbers(&order);
        let Some(body) = usize::try_from(length).ok().and_then(|length| room.get_mut(..length)) else { return };
        if !matches!(passing::receive(channel, body, &mut passed), Ok(true)) {
            return;
        }
        let length = body.len();
        let outcome = match Task::of(task) {
            Some(Task::Open) => socket::open([a, b, c]).map(|socket| (0, Some(socket))),
            Some(Task::Get) => get(room, length),
            Some(Task::Set) => set(body),
            Some(Task::Ioctl) => control(&mut own, a.cast_unsigned(), body).map(|()| (length, None)),
            Some(Task::Kill) => kill(a).map(|()| (0, None)),
            Some(Task::List) => match list(body, a) {
                Ok((pages, length)) => {
                    answer(channel, Ok((length, None)), pages.octets());
                    continue;
                }
                Err(errno) => Err(errno),
            },
            None => Err(Errno::ENOSYS),
        };
        answer(channel, outcome, room);
    }
}

/// Signals are for the parent, whose end is ours: those that end a command from the terminal most of all.
fn become_quiet() {
    let mut every = MaybeUninit::uninit();
    // SAFETY: sigfillset(3) fills a live local, which sigprocmask(2) then reads; no old mask is asked for.
    unsafe {
        libc::sigfillset(every.as_mut_ptr());
        libc::sigprocmask(libc::SIG_BLOCK, every.as_ptr(), std::ptr::null_mut());
    }
}

fn leave() -> ! {
    // SAFETY: _exit(2) runs none of the parent's exit handlers.
    unsafe { libc::_exit(0) }
}

fn answer(channel: BorrowedFd<'_>, outcome: Outcome, room: &[u8]) {
    let (errno, length, passed) = match &outcome {
        Ok((length, passed)) => (0, *length, passed.as_ref()),
        Err(errno) => (errno.raw(), 0, None),
    };
    let value = room.get(..length).unwrap_or_default();
    let length = i32::try_from(value.len()).unwrap_or(0);
    let sent = passing::send(channel, &head([errno, 0, 0, 0, length]), passed.map(AsFd::as_fd))
        .and_then(|()| passing::send(channel, value, None));
    if sent.is_err() {
        leave();
    }
}

fn get(room: &mut [u8], length: usize) -> Outcome {
    let (name, value) = room.split_at_mut_checked(length).ok_or(Errno::EINVAL)?;
    let name = CStr::from_bytes_with_nul(name).map_err(|_| Errno::EINVAL)?;
    let read = kernel::sysctl_read(name, value)?;
    room.copy_within(length..length.saturating_add(read), 0);
    Ok((read, None))
}

fn set(body: &[u8]) -> Outcome {
    let name = CStr::from_bytes_until_nul(body).map_err(|_| Errno::EINVAL)?;
    let value = body.get(name.count_bytes() + 1..).unwrap_or_default();
    kernel::sysctl_set(name, value).map(|()| (0, None))
}

/// A list, in pages of its own: how long it is nobody knew before the fork.
fn list(body: &[u8], count: libc::c_int) -> Result<(Pages, usize), Errno> {
    let name = kernel::Numbers::of(body, count)?;
    loop {
        let mut pages = Pages::new(kernel::room_for(kernel::list_length(name)?).ok_or(Errno::ENOMEM)?)?;
        match kernel::list_read(name, pages.octets_mut()) {
            Ok(length) => return Ok((pages, length)),
            // It grew by more than the room we left.
            Err(Errno::ENOMEM) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Memory of the kernel's own giving: the heap of a forked process must not be touched.
struct Pages {
    at: std::ptr::NonNull<u8>,
    length: usize,
}

impl Pages {
    /// mmap(2) of zeros.
    fn new(length: usize) -> Result<Self, Errno> {
        let (protection, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_ANON | libc::MAP_PRIVATE);
        // SAFETY: new memory at a place of the kernel's choice touches nothing that is there.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, kind, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(last_error());
        }
        let at = std::ptr::NonNull::new(at.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self { at, length })
    }

    fn octets(&self) -> &[u8] {
        // SAFETY: the mapping is ours, readable, of that length and filled with zeros or what was written since; it lives
        // until this is dropped.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.length) }
    }

    fn octets_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and writable; nobody else has a reference while this one is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and no reference to it is left. That it could not be
        // undone would be no harm: the process is short-lived.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.length) };
    }
}

/// kill(2) of -1: from inside a jail that is everything in it, and nothing else.
fn kill(signal: libc::c_int) -> Result<(), Errno> {
    // SAFETY: numbers only. This process is attached: it never gets here otherwise.
    check(unsafe { libc::kill(-1, signal) }).map(drop)
}

/// Moves of interfaces, on a socket of this process and this jail.
fn control(own: &mut Option<OwnedFd>, request: u32, body: &mut [u8]) -> Result<(), Errno> {
    if !matches!(request, SIOCSIFVNET | SIOCSIFRVNET) || body.len() < argument_size(request) {
        return Err(Errno::EINVAL);
    }
    if own.is_none() {
        *own = Some(socket::open(socket::arguments(SocketKind::Inet))?);
    }
    let socket = own.as_ref().ok_or(Errno::EBADF)?;
    // SAFETY: `body` is live and as long as the kernel reads and writes for this request, which has no pointers.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), request.into(), body.as_mut_ptr()) }).map(drop)
}
