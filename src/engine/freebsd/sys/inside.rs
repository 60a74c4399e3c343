//! The visitor itself: a process that attaches to a jail, does what it was told, and ends.
//!
//! It is on its parent's memory, where only the thread that waits for it stands still, so only calls are made that are
//! async-signal-safe: plain system calls on memory that was there before. Nothing is allocated, nothing can panic.
#![allow(unsafe_code, reason = "system calls")]

use std::ffi::{CStr, c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::call::check;
use super::helper::Task;
use super::orders::{self, Order, Outcome};
use super::{jail, kernel, passing, socket};
use crate::abi::Errno;
use crate::abi::ioctl::{SIOCSIFRVNET, SIOCSIFVNET, argument_size};
use crate::engine::freebsd::doors::SocketKind;

// sys/sys/procctl.h: not in the libc crate for every version.
const PROC_TRACE_CTL: c_int = 7;
const PROC_TRACE_CTL_DISABLE: c_int = 2;
const PROC_PDEATHSIG_CTL: c_int = 11;

/// What a visitor is given.
pub(super) struct Visit {
    pub(super) jid: i32,
    /// Whose child it is.
    pub(super) parent: libc::pid_t,
    /// Where sockets go out.
    pub(super) channel: RawFd,
    /// The orders.
    pub(super) at: *mut u8,
    pub(super) length: usize,
    pub(super) orders: usize,
}

/// The life of a visitor; its value is its exit status.
pub(super) extern "C" fn serve(visit: *mut c_void) -> c_int {
    // SAFETY: our parent passes a `Visit`, and waits for us before it looks at it again.
    let visit = unsafe { &*visit.cast::<Visit>() };
    // SAFETY: the orders are that long, and nobody but us has a reference to them until we end.
    let room = unsafe { std::slice::from_raw_parts_mut(visit.at, visit.length) };
    let Some((head, rest)) = room.split_at_mut_checked(orders::HEAD) else { return 1 };
    let ready = die_with(visit.parent).and_then(|()| close_to_debuggers());
    let outcome = ready.and_then(|()| jail::attach(visit.jid)).and_then(|()| obey(visit, rest));
    let (errno, passed) = outcome.map_or_else(|errno| (errno.raw(), 0), |passed| (0, passed));
    Outcome { has_come_back: true, errno, passed }.write(head);
    0
}

/// When our parent dies, however it dies, so do we, wherever we are.
fn die_with(parent: libc::pid_t) -> Result<(), Errno> {
    let mut signal = libc::SIGKILL;
    // SAFETY: procctl(2) reads a live int; 0 is ourselves.
    check(unsafe { libc::procctl(libc::P_PID, 0, PROC_PDEATHSIG_CTL, (&raw mut signal).cast()) })?;
    // SAFETY: getppid(2) takes nothing and cannot fail.
    // It may have died before.
    if unsafe { libc::getppid() } == parent { Ok(()) } else { Err(Errno::ESRCH) }
}

/// Root in a jail may debug what is in it, and our memory and descriptors are those of a process outside: nobody may debug us.
fn close_to_debuggers() -> Result<(), Errno> {
    let mut how = PROC_TRACE_CTL_DISABLE;
    // SAFETY: procctl(2) reads a live int; 0 is ourselves.
    match check(unsafe { libc::procctl(libc::P_PID, 0, PROC_TRACE_CTL, (&raw mut how).cast()) }) {
        // A person outside traces us, by ktrace(1) for example, and knows what for.
        Ok(_) | Err(Errno::EBUSY) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Does everything, and passes out what was opened: how many.
fn obey(visit: &Visit, room: &mut [u8]) -> Result<usize, Errno> {
    let mut opened: [Option<OwnedFd>; passing::MOST] = [const { None }; passing::MOST];
    let (mut number, mut own, mut moved) = (0, None, Ok(()));
    let mut rest = room;
    for _ in 0..visit.orders {
        let (mut order, after) = orders::next(rest).ok_or(Errno::EINVAL)?;
        rest = after;
        let answer = match Task::of(order.task) {
            Some(Task::Open) => match (socket::open(order.numbers), opened.get_mut(number)) {
                (Ok(socket), Some(place)) => {
                    *place = Some(socket);
                    number += 1;
                    Ok(0)
                }
                (Ok(_), None) => Err(Errno::EMFILE),
                (Err(errno), _) => Err(errno),
            },
            Some(Task::Get) => get(&mut order),
            Some(Task::Set) => set(&order),
            Some(Task::Ioctl) => match moved {
                Ok(()) => {
                    moved = control(&mut own, &mut order);
                    moved.map(|()| order.body.len())
                }
                Err(errno) => Err(errno),
            },
            Some(Task::Kill) => kill(order.numbers[0]),
            Some(Task::List) => numbers(&order).and_then(|name| kernel::list_read(name, order.body)),
            Some(Task::Length) => length(&mut order),
            None => Err(Errno::ENOSYS),
        };
        order.answer(answer);
    }
    // SAFETY: our parent's descriptor is open for as long as it waits.
    let channel = unsafe { BorrowedFd::borrow_raw(visit.channel) };
    passing::send(channel, opened.get(..number).unwrap_or_default()).map(|()| number)
}

fn get(order: &mut Order<'_>) -> Result<usize, Errno> {
    let length = order.length;
    let (name, value) = order.body.split_at_mut_checked(length).ok_or(Errno::EINVAL)?;
    let name = CStr::from_bytes_with_nul(name).map_err(|_| Errno::EINVAL)?;
    let read = kernel::sysctl_read(name, value)?;
    order.body.copy_within(length..length.saturating_add(read), 0);
    Ok(read)
}

fn set(order: &Order<'_>) -> Result<usize, Errno> {
    let body = order.body.get(..order.length).unwrap_or_default();
    let name = CStr::from_bytes_until_nul(body).map_err(|_| Errno::EINVAL)?;
    let value = body.get(name.count_bytes() + 1..).unwrap_or_default();
    kernel::sysctl_set(name, value).map(|()| 0)
}

fn numbers(order: &Order<'_>) -> Result<kernel::Numbers, Errno> {
    let [count, _, _] = order.numbers;
    kernel::Numbers::of(order.body.get(..order.length).unwrap_or_default(), count)
}

fn length(order: &mut Order<'_>) -> Result<usize, Errno> {
    let length = kernel::list_length(numbers(order)?)?.to_ne_bytes();
    order.body.get_mut(..length.len()).ok_or(Errno::EINVAL)?.copy_from_slice(&length);
    Ok(length.len())
}

/// kill(2) of -1: from inside a jail that is everything in it, and nothing else.
fn kill(signal: c_int) -> Result<usize, Errno> {
    // SAFETY: numbers only. This process is attached: it never gets here otherwise.
    check(unsafe { libc::kill(-1, signal) }).map(|_| 0)
}

/// ioctl(2) on our own socket: only the moves of interfaces, which cannot be made on a socket that was passed out.
fn control(own: &mut Option<OwnedFd>, order: &mut Order<'_>) -> Result<(), Errno> {
    let request = order.numbers[0].cast_unsigned();
    if !matches!(request, SIOCSIFVNET | SIOCSIFRVNET) || order.body.len() < argument_size(request) {
        return Err(Errno::EINVAL);
    }
    if own.is_none() {
        *own = Some(socket::open(socket::arguments(SocketKind::Inet))?);
    }
    let socket = own.as_ref().ok_or(Errno::EBADF)?;
    // SAFETY: the body is live and as long as the kernel reads and writes for this request, which has no pointers.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), request.into(), order.body.as_mut_ptr()) }).map(drop)
}
