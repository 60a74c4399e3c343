//! System calls of the floor, one per function.
#![allow(unsafe_code, reason = "system calls")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// socket(2), for interface ioctls.
pub fn inet_socket() -> io::Result<OwnedFd> {
    // SAFETY: socket(2) takes no pointers.
    let raw = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is open, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// ioctl(2) with a structure that has no pointers.
pub fn ioctl(socket: BorrowedFd<'_>, request: u32, argument: &mut [u8]) -> io::Result<()> {
    if argument.len() != cellblock::abi::ioctl::argument_size(request) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: `argument` is live, writable and exactly as long as the request says.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::c_ulong::from(request), argument.as_mut_ptr()) }).map(drop)
}

/// jail_set(2): a persistent jail with a stack of its own.
pub fn make_jail(name: &str) -> io::Result<i32> {
    let mut vnet = 1_i32.to_ne_bytes();
    let mut name = format!("{name}\0").into_bytes();
    let mut words: [Vec<u8>; 4] = ["name\0", "vnet\0", "persist\0", "path\0"].map(|word| word.as_bytes().to_vec());
    let mut root = *b"/\0";
    let slice = |bytes: &mut [u8]| libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let [name_key, vnet_key, persist_key, path_key] = &mut words;
    let mut pairs = [
        slice(name_key),
        slice(&mut name),
        slice(vnet_key),
        slice(&mut vnet),
        slice(persist_key),
        libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 },
        slice(path_key),
        slice(&mut root),
    ];
    // SAFETY: `pairs` holds 8 iovecs, each of live memory of the length beside it or empty. 1 is JAIL_CREATE.
    check(unsafe { libc::jail_set(pairs.as_mut_ptr(), 8, 1) })
}

/// jail_remove(2).
pub fn remove_jail(jid: i32) -> io::Result<()> {
    // SAFETY: jail_remove(2) takes a number.
    check(unsafe { libc::jail_remove(jid) }).map(drop)
}

/// fork(2), jail_attach(2), socket(2), ioctl(2), _exit(2); and wait(2) for it.
pub fn ioctl_in_jail(jid: i32, request: u32, argument: &[u8]) -> io::Result<()> {
    let mut argument = argument.to_vec();
    if argument.len() != cellblock::abi::ioctl::argument_size(request) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: the child calls nothing but jail_attach, socket, ioctl and _exit, which may be called between fork and
    // exec; `argument` is its own copy, as long as the request says.
    let child = check(unsafe {
        let child = libc::fork();
        if child == 0 {
            let mut code = 1;
            if libc::jail_attach(jid) == 0 {
                let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
                code =
                    if libc::ioctl(socket, libc::c_ulong::from(request), argument.as_mut_ptr()) == 0 { 0 } else { 2 };
            }
            libc::_exit(code);
        }
        child
    })?;
    let mut status = 0;
    // SAFETY: `status` is a live local, and the child is ours.
    check(unsafe { libc::waitpid(child, &raw mut status, 0) })?;
    match libc::WEXITSTATUS(status) {
        0 if libc::WIFEXITED(status) => Ok(()),
        code => Err(io::Error::other(format!("the child ended with {code}"))),
    }
}

/// getrusage(2): what a process, or its children, have used of the processor for themselves, and in the kernel for them.
pub fn usage(of: libc::c_int) -> (Duration, Duration) {
    // SAFETY: all zeros is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is live and writable.
    let done = unsafe { libc::getrusage(of, &raw mut usage) };
    if done != 0 {
        return (Duration::ZERO, Duration::ZERO);
    }
    let span = |time: libc::timeval| {
        let micros = u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0);
        Duration::from_micros(micros)
    };
    (span(usage.ru_utime), span(usage.ru_stime))
}

/// The kernel and the machine in a line, as sysctl(8) says it.
pub fn machine() -> String {
    let names = ["kern.osrelease", "kern.ident", "hw.model", "hw.ncpu", "kern.hz", "kern.vm_guest"];
    let said = std::process::Command::new("sysctl").arg("-n").args(names).output();
    said.map(|said| String::from_utf8_lossy(&said.stdout).lines().collect::<Vec<_>>().join(", ")).unwrap_or_default()
}
