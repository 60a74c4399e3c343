//! Visits of jails: short-lived processes that attach to one, do there what only a thread inside can do, and end.
//!
//! A visitor shares our memory, as that of posix_spawn(3) does: copying the address space of a process takes the kernel longer
//! than all that is done in the jail. Meanwhile the thread that sent it waits, so nobody else is on its memory. It dies with us,
//! however we die (`PROC_PDEATHSIG_CTL`), and what it opens comes out over a pair of sockets.
#![allow(unsafe_code, reason = "system calls")]

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::call::{check, persist};
use super::inside::{self, Visit};
use super::kernel::{MOST_LIST, Numbers, room_for};
use super::pages::Pages;
use super::{orders, passing};
use crate::abi::Errno;

/// The longest value that an errand brings back, but for lists.
const ROOM: usize = 64 * 1024;
/// What a visitor has for its calls; it calls little, and nothing deep.
const STACK: usize = 128 * 1024;

/// What a visitor is to do.
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
    /// sysctl(3) by numbers, read: how many, and the numbers.
    List = 6,
    /// The same, but only how long the value is.
    Length = 7,
}

impl Task {
    pub(super) fn of(number: i32) -> Option<Self> {
        let all = [Self::Open, Self::Get, Self::Set, Self::Ioctl, Self::Kill, Self::List, Self::Length];
        all.into_iter().find(|task| *task as i32 == number)
    }
}

/// One thing to do in a jail.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    task: Task,
    numbers: [i32; 3],
    bytes: Vec<u8>,
    /// Octets that it may bring back.
    most: usize,
}

impl Errand {
    /// socket(2); it comes out.
    pub(super) fn open(arguments: [libc::c_int; 3]) -> Self {
        Self { task: Task::Open, numbers: arguments, bytes: Vec::new(), most: 0 }
    }

    /// ioctl(2) on the visitor's own socket; structures without pointers only.
    pub(super) fn ioctl(request: u32, structure: &[u8]) -> Self {
        let numbers = [request.cast_signed(), 0, 0];
        Self { task: Task::Ioctl, numbers, bytes: structure.to_vec(), most: structure.len() }
    }

    fn new(task: Task, numbers: [i32; 3], bytes: Vec<u8>, most: usize) -> Self {
        Self { task, numbers, bytes, most }
    }
}

/// What an errand brought.
pub(super) type Brought = Result<(Vec<u8>, Option<OwnedFd>), Errno>;

/// What visits need, kept from one to the next.
#[derive(Debug)]
pub(super) struct Visitor {
    stack: Pages,
    /// Orders and answers.
    room: Pages,
    /// Sockets come out over it: our end, and the visitor's.
    pair: [OwnedFd; 2],
    /// Ourselves.
    parent: libc::pid_t,
}

impl Visitor {
    pub(super) fn new() -> Result<Self, Errno> {
        // SAFETY: getpid(2) takes nothing and cannot fail.
        let parent = unsafe { libc::getpid() };
        Ok(Self { stack: Pages::new(STACK)?, room: Pages::shared(ROOM)?, pair: passing::pair()?, parent })
    }

    /// Enters a jail and does what is asked there, in order; one that fails does not keep the rest from being done, but for moves of
    /// interfaces: of these none is done after one that failed.
    ///
    /// # Errors
    /// Why it could not enter, or did not come back.
    pub(super) fn visit(&mut self, jid: i32, errands: &[Errand]) -> Result<Vec<Brought>, Errno> {
        let most = |errand: &Errand| errand.bytes.len().max(errand.most);
        let length: usize = errands.iter().map(|errand| orders::space(most(errand))).sum();
        if self.room.octets().len() < orders::HEAD + length {
            self.room = Pages::shared(orders::HEAD + length)?;
        }
        let (head, mut rest) = self.room.octets_mut().split_at_mut(orders::HEAD);
        orders::Outcome::NONE.write(head);
        for errand in errands {
            let numbers = errand.numbers;
            rest = orders::write(rest, errand.task as i32, numbers, &errand.bytes, most(errand)).ok_or(Errno::E2BIG)?;
        }
        let passed = self.send(jid, errands.len())?;
        let mut passed = self.passed(passed)?.into_iter();
        let mut brought = Vec::with_capacity(errands.len());
        let mut rest = self.room.octets().get(orders::HEAD..).unwrap_or_default();
        for errand in errands {
            let (answer, after) = orders::answer(rest).ok_or(Errno::EIO)?;
            rest = after;
            brought.push(match (answer, errand.task) {
                (Err(errno), _) => Err(errno),
                (Ok(_), Task::Open) => passed.next().map(|socket| (Vec::new(), Some(socket))).ok_or(Errno::EMFILE),
                (Ok(value), _) => Ok((value.to_vec(), None)),
            });
        }
        Ok(brought)
    }

    /// Lets a process visit the jail and come to its end: how many sockets it passed out.
    fn send(&mut self, jid: i32, orders: usize) -> Result<usize, Errno> {
        let [_, theirs] = &self.pair;
        let room = self.room.octets_mut();
        let (at, length) = (room.as_mut_ptr(), room.len());
        let mut visit = Visit { jid, parent: self.parent, channel: theirs.as_raw_fd(), at, length, orders };
        {
            let _quiet = Quiet::new();
            wait(spawn(&mut self.stack, &mut visit)?)?;
        }
        match orders::Outcome::read(self.room.octets()) {
            // Killed with its jail, for example.
            orders::Outcome { has_come_back: false, .. } => Err(Errno::ESRCH),
            orders::Outcome { errno, passed, .. } => Errno::from_raw(errno).map_or(Ok(passed), Err),
        }
    }

    /// The sockets that a visitor passed out.
    fn passed(&mut self, number: usize) -> Result<Vec<OwnedFd>, Errno> {
        if number == 0 {
            return Ok(Vec::new());
        }
        let [ours, _] = &self.pair;
        let received = passing::receive(ours.as_fd());
        if received.as_ref().is_ok_and(|passed| passed.len() == number) {
            return received;
        }
        // Whatever is left in it must not be taken for another visit's.
        self.pair = passing::pair()?;
        // A socket that was opened and did not come through met our own limit of descriptors.
        Err(received.err().unwrap_or(Errno::EMFILE))
    }

    /// One errand.
    fn one(&mut self, jid: i32, errand: Errand) -> Brought {
        self.visit(jid, &[errand])?.pop().unwrap_or(Err(Errno::EIO))
    }

    /// kill(2) of every process in the jail but the visitor.
    pub(super) fn kill(&mut self, jid: i32, signal: libc::c_int) -> Result<(), Errno> {
        self.one(jid, Errand::new(Task::Kill, [signal, 0, 0], Vec::new(), 0)).map(drop)
    }

    /// sysctlbyname(3) in the jail, read.
    pub(super) fn sysctl_get(&mut self, jid: i32, name: &CStr) -> Result<Vec<u8>, Errno> {
        let name = name.to_bytes_with_nul().to_vec();
        self.one(jid, Errand::new(Task::Get, [0; 3], name, ROOM)).map(|(value, _)| value)
    }

    /// sysctlbyname(3) in the jail, write.
    pub(super) fn sysctl_set(&mut self, jid: i32, name: &CStr, value: &[u8]) -> Result<(), Errno> {
        let both = [name.to_bytes_with_nul(), value].concat();
        self.one(jid, Errand::new(Task::Set, [0; 3], both, 0)).map(drop)
    }

    /// sysctl(3) by numbers in the jail, read.
    pub(super) fn list(&mut self, jid: i32, name: Numbers) -> Result<Vec<u8>, Errno> {
        let numbers = [name.count(), 0, 0];
        let mut most = ROOM;
        loop {
            match self.one(jid, Errand::new(Task::List, numbers, name.octets().to_vec(), most)) {
                // It is longer than the room we left.
                Err(Errno::ENOMEM) => {}
                other => return other.map(|(value, _)| value),
            }
            let (length, _) = self.one(jid, Errand::new(Task::Length, numbers, name.octets().to_vec(), 8))?;
            let length = length.try_into().map_or(0, usize::from_ne_bytes);
            most = room_for(length).filter(|room| *room <= MOST_LIST).ok_or(Errno::ENOMEM)?.max(most);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod way {
    use std::ffi::{c_int, c_void};

    // sys/sys/unistd.h: what vfork(2) does, and the child forgets what signals of ours are caught.
    const RFSPAWN: c_int = c_int::MIN;

    // rfork_thread(3), lib/libsys/amd64: what posix_spawn(3) uses. Not in the libc crate.
    unsafe extern "C" {
        fn rfork_thread(
            flags: c_int,
            stack: *mut c_void,
            start: extern "C" fn(*mut c_void) -> c_int,
            argument: *mut c_void,
        ) -> c_int;
    }

    /// A child on our memory and a stack of its own, which has come to its end when this returns: its number.
    ///
    /// # Safety
    /// `top` is the end of a stack that nobody uses, `argument` what `start` takes, and `start` does only what a child of
    /// vfork(2) may do.
    pub(super) unsafe fn spawn(
        top: *mut u8,
        start: extern "C" fn(*mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int {
        // SAFETY: as the caller promises. A child on a stack of its own cannot spoil the frames of ours, which is suspended
        // until it ends, so they do not share their errno at any time either.
        unsafe { rfork_thread(RFSPAWN, top.cast(), start, argument) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod way {
    use std::ffi::{c_int, c_void};

    /// A child on a copy of our memory: there is no rfork_thread(3) for such processors. Its number.
    ///
    /// # Safety
    /// `argument` is what `start` takes, and `start` does only what a child of vfork(2) may do.
    pub(super) unsafe fn spawn(
        _top: *mut u8,
        start: extern "C" fn(*mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int {
        // SAFETY: the child makes async-signal-safe calls only, as the caller promises, and never returns from here.
        unsafe {
            match libc::fork() {
                0 => libc::_exit(start(argument)),
                process => process,
            }
        }
    }
}

/// A process that does a visit.
fn spawn(stack: &mut Pages, visit: &mut Visit) -> Result<libc::pid_t, Errno> {
    let top = stack.octets_mut().as_mut_ptr_range().end;
    let argument: *mut Visit = visit;
    // SAFETY: pages end at a multiple of what a stack must be aligned to, and only this visit uses them; `visit` lives until the
    // child has ended, and all it leads to with it; the child does only what one of vfork(2) may do.
    check(unsafe { way::spawn(top, inside::serve, argument.cast()) })
}

/// Signals are for us, not for a visitor that would die of them half-way: those that end a command from the terminal most of all.
struct Quiet {
    before: libc::sigset_t,
}

impl Quiet {
    /// Blocks every signal for this thread, and for the children that it makes.
    fn new() -> Self {
        let (mut every, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: sigfillset(3) and sigemptyset(3) fill live locals; pthread_sigmask(3) reads the one and writes the other.
        let before = unsafe {
            libc::sigfillset(every.as_mut_ptr());
            libc::sigemptyset(before.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, every.as_ptr(), before.as_mut_ptr());
            before.assume_init()
        };
        Self { before }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: pthread_sigmask(3) reads a live set; no old one is asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

/// pdfork(2): in the parent the child and its descriptor, in the child `None`. The child may do nothing but what is
/// allowed between fork and exec. When our process dies, however it dies, the kernel closes the descriptor and kills the child.
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
