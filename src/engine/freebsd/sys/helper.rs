//! Helpers: short-lived processes in jails that open sockets, pass them out, and do what only a thread inside can do.
//!
//! A helper is made with pdfork(2): when our process dies, however it dies, the kernel closes the process descriptor
//! and kills the helper with it. Orders and answers go over a pair of sockets, one answer for each order.
#![allow(unsafe_code, reason = "system calls")]

use std::ffi::CStr;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use super::call::{check, persist};
use super::kernel::{MOST_LIST, Numbers};
use super::{inside, passing};
use crate::abi::{Errno, IoctlArgument};

/// The longest value that an order or an answer carries, but for lists.
pub(super) const ROOM: usize = 64 * 1024;

/// What a helper is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// socket(2) with three arguments.
    Open = 1,
    /// sysctlbyname(3): the name.
    Get = 2,
    /// sysctlbyname(3): the name, a NUL, the value.
    Set = 3,
    /// ioctl(2) on a socket of its own: the request, and the structure.
    Ioctl = 4,
    /// kill(2) of everything in the jail: the signal.
    Kill = 5,
    /// sysctl(3) by numbers, read: how many, and the numbers. The answer may be longer than [`ROOM`].
    List = 6,
}

impl Task {
    pub(super) fn of(number: i32) -> Option<Self> {
        let all = [Self::Open, Self::Get, Self::Set, Self::Ioctl, Self::Kill, Self::List];
        all.into_iter().find(|task| *task as i32 == number)
    }
}

/// What stands at the head of an order: the task, three numbers, and how many bytes follow. An answer has the errno in
/// the place of the task.
pub(super) const HEAD: usize = 20;

/// Numbers as the head of an order or an answer.
pub(super) fn head(numbers: [i32; 5]) -> [u8; HEAD] {
    let mut bytes = [0; HEAD];
    for (field, number) in bytes.chunks_exact_mut(4).zip(numbers) {
        field.copy_from_slice(&number.to_ne_bytes());
    }
    bytes
}

/// The numbers in a head.
pub(super) fn numbers(head: &[u8; HEAD]) -> [i32; 5] {
    let mut numbers = [0; 5];
    for (number, field) in numbers.iter_mut().zip(head.chunks_exact(4)) {
        *number = field.try_into().map_or(0, i32::from_ne_bytes);
    }
    numbers
}

/// A process in a jail that waits for orders.
#[derive(Debug)]
pub(super) struct Attached {
    process: libc::pid_t,
    /// Closing it kills the process.
    _descriptor: OwnedFd,
    channel: Option<OwnedFd>,
}

impl Attached {
    /// Forks a helper that attaches to a jail.
    ///
    /// # Errors
    /// Why it could not be forked, or not attach.
    pub(super) fn start(jid: i32) -> Result<Self, Errno> {
        let [ours, theirs] = passing::pair()?;
        // Made before the fork: the child must not allocate.
        let mut room = vec![0; ROOM];
        let Some((process, descriptor)) = fork()? else { inside::serve(theirs, jid, &mut room) };
        drop(theirs);
        let mut helper = Self { process, _descriptor: descriptor, channel: Some(ours) };
        helper.answer(ROOM).map(|_| helper)
    }

    /// socket(2) in the jail; the socket comes out.
    pub(super) fn open(&mut self, arguments: [libc::c_int; 3]) -> Result<OwnedFd, Errno> {
        let (_, passed) = self.order(Task::Open, arguments, &[])?;
        // A socket that was opened and did not come through met our own limit of descriptors.
        passed.ok_or(Errno::EMFILE)
    }

    /// kill(2) of every process in the jail but this one.
    pub(super) fn kill(&mut self, signal: libc::c_int) -> Result<(), Errno> {
        self.order(Task::Kill, [signal, 0, 0], &[]).map(drop)
    }

    /// sysctlbyname(3) in the jail, read.
    pub(super) fn sysctl_get(&mut self, name: &CStr) -> Result<Vec<u8>, Errno> {
        self.order(Task::Get, [0; 3], name.to_bytes_with_nul()).map(|(value, _)| value)
    }

    /// sysctl(3) by numbers in the jail, read.
    pub(super) fn list(&mut self, name: Numbers) -> Result<Vec<u8>, Errno> {
        self.tell(Task::List, [name.count(), 0, 0], &name.octets())?;
        self.answer(MOST_LIST).map(|(value, _)| value)
    }

    /// sysctlbyname(3) in the jail, write.
    pub(super) fn sysctl_set(&mut self, name: &CStr, value: &[u8]) -> Result<(), Errno> {
        let both = [name.to_bytes_with_nul(), value].concat();
        self.order(Task::Set, [0; 3], &both).map(drop)
    }

    /// ioctl(2) on the helper's own socket; structures without pointers only.
    pub(super) fn ioctl(&mut self, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
        if argument.pointer.is_some() {
            return Err(Errno::EINVAL);
        }
        let (written, _) = self.order(Task::Ioctl, [request.cast_signed(), 0, 0], &argument.bytes)?;
        argument.bytes = written;
        Ok(())
    }

    fn order(&mut self, task: Task, numbers: [i32; 3], bytes: &[u8]) -> Result<(Vec<u8>, Option<OwnedFd>), Errno> {
        self.tell(task, numbers, bytes)?;
        self.answer(ROOM)
    }

    fn tell(&mut self, task: Task, [a, b, c]: [i32; 3], bytes: &[u8]) -> Result<(), Errno> {
        let length = i32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= ROOM).ok_or(Errno::E2BIG)?;
        let channel = self.channel.as_ref().ok_or(Errno::ESRCH)?;
        let told = passing::send(channel.as_fd(), &head([task as i32, a, b, c, length]), None)
            .and_then(|()| passing::send(channel.as_fd(), bytes, None));
        match told {
            // It was killed, with its jail for example.
            Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN) => Err(Errno::ESRCH),
            other => other,
        }
    }

    /// The answer to an order, with a value of at most `most` octets.
    fn answer(&mut self, most: usize) -> Result<(Vec<u8>, Option<OwnedFd>), Errno> {
        let channel = self.channel.as_ref().ok_or(Errno::ESRCH)?.as_fd();
        let (mut bytes, mut passed) = ([0; HEAD], None);
        if !passing::receive(channel, &mut bytes, &mut passed)? {
            return Err(Errno::ESRCH);
        }
        let [errno, _, _, _, length] = numbers(&bytes);
        let length = usize::try_from(length).ok().filter(|length| *length <= most).ok_or(Errno::EIO)?;
        let mut value = vec![0; length];
        if !passing::receive(channel, &mut value, &mut passed)? {
            return Err(Errno::ESRCH);
        }
        match Errno::from_raw(errno) {
            Some(errno) => Err(errno),
            None => Ok((value, passed)),
        }
    }
}

impl Drop for Attached {
    /// The end of the stream ends the helper; it is reaped.
    fn drop(&mut self) {
        self.channel = None;
        let _ = wait(self.process);
    }
}

/// pdfork(2): in the parent the child and its descriptor, in the child `None`. The child may do nothing but what is
/// allowed between fork and exec.
pub(super) fn fork() -> Result<Option<(libc::pid_t, OwnedFd)>, Errno> {
    let mut raw = -1;
    // SAFETY: the descriptor goes into a live local. The child runs with one thread and, as our callers promise, makes
    // async-signal-safe calls only.
    match check(unsafe { libc::pdfork(&raw mut raw, libc::PD_CLOEXEC) })? {
        0 => Ok(None),
        // SAFETY: in the parent the descriptor is open, and nobody else knows of it.
        process => Ok(Some((process, unsafe { OwnedFd::from_raw_fd(raw) }))),
    }
}

/// waitpid(2): how a child of ours ended, as wait(2) puts it.
pub(super) fn wait(process: libc::pid_t) -> Result<libc::c_int, Errno> {
    let mut status = 0;
    // SAFETY: the status goes into a live local.
    persist(|| check(unsafe { libc::waitpid(process, &raw mut status, 0) }))?;
    Ok(status)
}
