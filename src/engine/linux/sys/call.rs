//! System calls: a function is one call, with the reason why it is sound.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// Linux's number for a refusal.
pub(super) fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

pub(super) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn count(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// unshare(2): the calling thread gets a namespace of its own.
pub(super) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no memory of ours; CLONE_NEWNET and CLONE_NEWNS change the calling thread alone.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

/// setns(2): the calling thread enters a namespace.
pub(super) fn setns(namespace: BorrowedFd<'_>, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as it is borrowed.
    check(unsafe { libc::setns(namespace.as_raw_fd(), kind) }).map(drop)
}

/// mount(2) without data beyond a string.
pub(super) fn mount(
    source: &CStr,
    target: &CStr,
    kind: &CStr,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> io::Result<()> {
    let data = data.map_or(ptr::null(), |data| data.as_ptr().cast());
    // SAFETY: all strings end with NUL and live through the call, which only reads them.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data) }).map(drop)
}

/// umount2(2).
pub(super) fn unmount(target: &CStr, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: the string ends with NUL and lives through the call.
    check(unsafe { libc::umount2(target.as_ptr(), flags) }).map(drop)
}

/// mount_setattr(2) of a mount and all below it: nothing can be written there.
pub(super) fn make_read_only(at: &CStr) -> io::Result<()> {
    const AT_RECURSIVE: libc::c_int = 0x8000;
    const MOUNT_ATTR_RDONLY: u64 = 1;
    // struct mount_attr (include/uapi/linux/mount.h): what is set, what is cleared, propagation, a user namespace.
    let attributes = [MOUNT_ATTR_RDONLY, 0, 0, 0];
    // SAFETY: the string ends with NUL, the structure is ours and of the size that is given; both are only read.
    let result = unsafe {
        let (attributes, size) = (attributes.as_ptr(), size_of_val(&attributes));
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, at.as_ptr(), AT_RECURSIVE, attributes, size)
    };
    check(libc::c_int::try_from(result).unwrap_or(-1)).map(drop)
}

/// pivot_root(2), and the new root as the working directory.
pub(super) fn pivot_root(root: &CStr, old: &CStr) -> io::Result<()> {
    // SAFETY: the strings end with NUL and live through the calls, which only read them.
    unsafe {
        let result = libc::syscall(libc::SYS_pivot_root, root.as_ptr(), old.as_ptr());
        check(libc::c_int::try_from(result).unwrap_or(-1))?;
        check(libc::chdir(c"/".as_ptr())).map(drop)
    }
}

/// Whether a file is a namespace: fstatfs(2) says `NSFS_MAGIC` (include/uapi/linux/magic.h).
pub(super) fn is_namespace(file: BorrowedFd<'_>) -> io::Result<bool> {
    const NSFS_MAGIC: i128 = 0x6e73_6673;
    // SAFETY: all bytes zero is a value of this structure of integers.
    let mut about: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, the structure is ours and as large as the call expects.
    check(unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut about) })?;
    // The field's type differs between architectures.
    Ok(i128::from(about.f_type) == NSFS_MAGIC)
}

/// socket(2), closed on exec.
pub(super) fn socket(family: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes no memory of ours.
    let descriptor = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the call gave a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// setsockopt(2) of a number.
pub(super) fn set_option(socket: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: i32) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or(4);
    // SAFETY: the value is ours, of that length, and only read.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    check(result).map(drop)
}

/// send(2).
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length are those of a slice that lives through the call.
    count(unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) }).map(drop)
}

/// recv(2) of one datagram, as long as it is.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<()> {
    receive_with(socket, buffer, 0)
}

/// The same without waiting.
pub(super) fn receive_now(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<()> {
    receive_with(socket, buffer, libc::MSG_DONTWAIT)
}

fn receive_with(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>, flags: libc::c_int) -> io::Result<()> {
    const LARGEST: usize = 64 * 1024;
    buffer.clear();
    buffer.reserve(LARGEST);
    let room = buffer.spare_capacity_mut();
    // SAFETY: pointer and length are those of memory of ours that lives through the call, which only writes there.
    let got = count(unsafe { libc::recv(socket.as_raw_fd(), room.as_mut_ptr().cast(), room.len(), flags) })?;
    // SAFETY: the kernel wrote so many octets from the beginning of the room, which is no shorter.
    unsafe { buffer.set_len(got.min(buffer.capacity())) };
    Ok(())
}

/// sendto(2) to an address, without waiting.
pub(super) fn send_to(socket: BorrowedFd<'_>, to: IpAddr, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: all bytes zero is a value of this structure of integers.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let length = match to {
        IpAddr::V4(ip) => {
            let address = libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: 0,
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: a storage is larger than, and aligned for, every kind of address.
            unsafe { ptr::write((&raw mut storage).cast(), address) };
            size_of::<libc::sockaddr_in>()
        }
        IpAddr::V6(ip) => {
            let address = libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: ip.octets() },
                sin6_scope_id: 0,
            };
            // SAFETY: a storage is larger than, and aligned for, every kind of address.
            unsafe { ptr::write((&raw mut storage).cast(), address) };
            size_of::<libc::sockaddr_in6>()
        }
    };
    let length = libc::socklen_t::try_from(length).unwrap_or(0);
    // SAFETY: both pointers are ours with their lengths, and only read.
    count(unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            (&raw const storage).cast(),
            length,
        )
    })
    .map(drop)
}

/// recvfrom(2) without waiting: who sent it.
pub(super) fn receive_from(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<IpAddr> {
    const LARGEST: usize = 2048;
    buffer.resize(LARGEST, 0);
    // SAFETY: all bytes zero is a value of this structure of integers.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of::<libc::sockaddr_storage>()).unwrap_or(0);
    // SAFETY: buffer and storage are ours, of the lengths that are given.
    let got = count(unsafe {
        libc::recvfrom(
            socket.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_DONTWAIT,
            (&raw mut storage).cast(),
            &raw mut length,
        )
    })?;
    buffer.truncate(got);
    if i32::from(storage.ss_family) == libc::AF_INET {
        // SAFETY: the kernel wrote an address of that family, which is smaller than the storage.
        let address: libc::sockaddr_in = unsafe { ptr::read((&raw const storage).cast()) };
        return Ok(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()).into());
    }
    // SAFETY: the sockets of this engine are of one of two families.
    let address: libc::sockaddr_in6 = unsafe { ptr::read((&raw const storage).cast()) };
    Ok(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
}

fn family(number: libc::c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).unwrap_or(0)
}

/// poll(2) for something to read; whether there is something.
pub(super) fn wait_readable(sockets: &[BorrowedFd<'_>], at_most: Duration) -> bool {
    let mut asked: Vec<libc::pollfd> = sockets
        .iter()
        .map(|socket| libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    let milliseconds = libc::c_int::try_from(at_most.as_millis()).unwrap_or(libc::c_int::MAX);
    let length = libc::nfds_t::try_from(asked.len()).unwrap_or(0);
    // SAFETY: the array is ours, of that length. A signal only shortens the wait.
    unsafe { libc::poll(asked.as_mut_ptr(), length, milliseconds) > 0 }
}

/// geteuid(2).
pub(super) fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// waitpid(2): the child's status.
pub(super) fn wait(child: libc::pid_t) -> io::Result<libc::c_int> {
    let mut status = 0;
    loop {
        // SAFETY: the number is ours to write.
        match check(unsafe { libc::waitpid(child, &raw mut status, 0) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map(|_| status),
        }
    }
}

/// open_tree(2): copies of a mount and of all mounts below it that are nowhere; they go when this is closed.
pub(super) fn copy_mounts(at: &CStr) -> io::Result<OwnedFd> {
    /// `OPEN_TREE_CLONE` (include/uapi/linux/mount.h) and `AT_RECURSIVE`.
    const FLAGS: libc::c_int = 1 | libc::O_CLOEXEC | 0x8000;
    // SAFETY: the string ends with NUL and lives through the call, which only reads it.
    let tree = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, at.as_ptr(), FLAGS) };
    let tree = check(libc::c_int::try_from(tree).unwrap_or(-1))?;
    // SAFETY: the call gave a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(tree) })
}

/// pidfd_open(2): a process, whatever its number means later.
pub(super) fn open_process(process: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: takes no memory of ours.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    let descriptor = check(libc::c_int::try_from(descriptor).unwrap_or(-1))?;
    // SAFETY: the call gave a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// pidfd_send_signal(2).
pub(super) fn signal(process: BorrowedFd<'_>, signal: libc::c_int) -> io::Result<()> {
    let nothing = ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open; no structure is given.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, nothing, 0) };
    check(libc::c_int::try_from(result).unwrap_or(-1)).map(drop)
}

/// waitpid(2) without waiting: a child that ended is no longer listed. Not an error for others' children.
pub(super) fn reap(child: libc::pid_t) {
    // SAFETY: no status is asked for.
    unsafe { libc::waitpid(child, ptr::null_mut(), libc::WNOHANG) };
}

/// geteuid(2).
pub(super) fn user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}
