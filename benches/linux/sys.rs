//! System calls of the benchmark, one per function.
#![allow(unsafe_code, reason = "system calls")]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// unshare(2).
pub fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no memory of ours; only what the calling thread sees changes.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

/// setns(2) into a network namespace.
pub fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as it is borrowed.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// mount(2).
pub fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    // SAFETY: all strings end with NUL and live through the call, which only reads them.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) }).map(drop)
}

/// umount2(2) of a whole tree.
pub fn unmount(target: &CStr) -> io::Result<()> {
    // SAFETY: the string ends with NUL and lives through the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) }).map(drop)
}

/// A socket of rtnetlink in the calling thread's namespace.
pub fn netlink() -> io::Result<OwnedFd> {
    // SAFETY: takes no memory of ours.
    let raw =
        check(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) })?;
    // SAFETY: the descriptor is open, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// send(2).
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length are those of a live slice.
    let sent = unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// recv(2) of one datagram: how long it is. `flags` may say that it is not to wait.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    // SAFETY: pointer and length are those of a live slice of ours.
    let got = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}

/// Binds a netlink socket to groups of notifications, a bit for each.
pub fn listen(socket: BorrowedFd<'_>, groups: u32) -> io::Result<()> {
    // SAFETY: all bytes zero is a value of this structure of integers.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or(16);
    address.nl_groups = groups;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or(12);
    // SAFETY: the address is ours, of that length, and only read.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) }).map(drop)
}

/// Raises the limit of descriptors as far as it goes.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours and as large as the call expects.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the structure is ours and only read.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}

/// getrusage(2): the time of processors that the calling thread, the process or its children that have ended took.
pub fn processor_time(whose: libc::c_int) -> io::Result<Duration> {
    // SAFETY: all bytes zero is a value of this structure of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is ours and as large as the call expects.
    check(unsafe { libc::getrusage(whose, &raw mut usage) })?;
    let span = |time: libc::timeval| {
        let (seconds, micros) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_usec));
        Duration::from_secs(seconds.unwrap_or(0)) + Duration::from_micros(micros.unwrap_or(0))
    };
    Ok(span(usage.ru_utime) + span(usage.ru_stime))
}

/// clock_gettime(2): the time of processors that a process has taken so far; 0 is the calling one. Under load this tells more than the
/// time of day.
pub fn time_taken_by(process: u32) -> io::Result<Duration> {
    let process = libc::pid_t::try_from(process).map_err(io::Error::other)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the number is ours and as large as the call expects.
    match unsafe { libc::clock_getcpuclockid(process, &raw mut clock) } {
        0 => {}
        error => return Err(io::Error::from_raw_os_error(error)),
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours and as large as the call expects.
    check(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    Ok(Duration::from_secs(seconds.unwrap_or(0)) + Duration::from_nanos(nanos.unwrap_or(0)))
}

/// prctl(2): whose parent ends is ours from now on.
pub fn adopt() -> io::Result<()> {
    // SAFETY: takes no memory of ours.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// wait(2) until there is no child any more.
pub fn wait_for_all() -> io::Result<()> {
    loop {
        // SAFETY: no status is asked for.
        match check(unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) }) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
