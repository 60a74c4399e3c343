//! Children that do something in namespaces of their own, or after us: after fork(2) they make system calls alone, on what was prepared.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use super::call::{check, wait};

/// clone(2) of a child in namespaces of its own that opens a netlink socket there and ends: it shares our descriptors, so the socket is
/// ours. Unlike unshare(2) this makes user namespaces for programs with threads, too.
pub(super) fn clone_for_socket(namespaces: libc::c_int, protocol: libc::c_int) -> io::Result<OwnedFd> {
    let (mut told, teller) = io::pipe()?;
    let flags = libc::c_long::from(namespaces | libc::CLONE_FILES | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: without CLONE_VM the child has memory of its own. It makes system calls only, allocates nothing and takes no lock that a
    // thread of ours may have held, and ends.
    let child = unsafe {
        let child = libc::syscall(libc::SYS_clone, flags, none, none, none, none);
        if child == 0 {
            let socket = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol);
            let said: libc::c_int = if socket < 0 { -*libc::__errno_location() } else { socket };
            libc::write(teller.as_raw_fd(), (&raw const said).cast(), size_of::<libc::c_int>());
            libc::_exit(0);
        }
        child
    };
    let child = libc::pid_t::try_from(child).ok().filter(|child| *child > 0).ok_or_else(io::Error::last_os_error)?;
    // Closed any earlier, the end that the child writes to would be closed for it, too.
    wait(child)?;
    drop(teller);
    let mut said = [0; size_of::<libc::c_int>()];
    io::Read::read_exact(&mut told, &mut said)?;
    let descriptor = libc::c_int::from_ne_bytes(said);
    if descriptor < 0 {
        return Err(io::Error::from_raw_os_error(-descriptor));
    }
    // SAFETY: the child opened it in the table that we share and is gone.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// What a new user namespace is told about who is root in it: ourselves, alone.
struct Maps {
    user: CString,
    group: CString,
}

impl Maps {
    fn ours() -> io::Result<Self> {
        // SAFETY: they take nothing and cannot fail.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        Ok(Self { user: CString::new(format!("0 {user} 1"))?, group: CString::new(format!("0 {group} 1"))? })
    }

    /// Puts the calling process into namespaces of its own as their root; Linux's number if that is refused.
    ///
    /// For a child that was just forked: system calls only.
    unsafe fn take(&self) -> libc::c_int {
        let all = libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::CLONE_NEWNS;
        // SAFETY: takes no memory of ours.
        if unsafe { libc::unshare(all) } != 0 {
            // SAFETY: the number is this thread's.
            return unsafe { *libc::__errno_location() };
        }
        // Without privilege a group map is taken only where groups cannot be dropped.
        for (file, text) in [
            (c"/proc/self/setgroups", c"deny"),
            (c"/proc/self/uid_map", &self.user),
            (c"/proc/self/gid_map", &self.group),
        ] {
            // SAFETY: both strings end with NUL, and are only read.
            let written = unsafe {
                let file = libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
                let written = libc::write(file, text.as_ptr().cast(), text.count_bytes());
                if written < 0 {
                    return *libc::__errno_location();
                }
                libc::close(file);
                written
            };
            if usize::try_from(written) != Ok(text.count_bytes()) {
                return libc::EIO;
            }
        }
        0
    }
}

/// Whether we may be root of a user namespace: asked of the kernel by a child that becomes it, mounts something, and ends.
pub(super) fn try_user_namespace() -> io::Result<()> {
    let maps = Maps::ours()?;
    // SAFETY: the child makes system calls only, allocates nothing, takes no lock, and ends.
    let child = check(unsafe {
        let child = libc::fork();
        if child == 0 {
            let mut said = maps.take();
            let nothing = c"none".as_ptr();
            let mount = || libc::mount(nothing, c"/run".as_ptr(), c"tmpfs".as_ptr(), 0, ptr::null());
            if said == 0 && mount() != 0 {
                said = *libc::__errno_location();
            }
            libc::_exit(said);
        }
        child
    })?;
    match wait(child)? {
        0 => Ok(()),
        status if libc::WIFEXITED(status) => Err(io::Error::from_raw_os_error(libc::WEXITSTATUS(status))),
        _ => Err(io::Error::from_raw_os_error(libc::EIO)),
    }
}

/// fork(2) of a process that is root of namespaces of its own and does nothing: they live as long as it does. It says on `ready`
/// whether it got them (an errno, 0 is yes) and holds them once it gets an octet from `go`; when that ends without one, it ends too.
pub(super) fn fork_holder(
    ready: BorrowedFd<'_>,
    go: BorrowedFd<'_>,
    ours: &[BorrowedFd<'_>],
) -> io::Result<libc::pid_t> {
    let maps = Maps::ours()?;
    // SAFETY: the child makes system calls only, allocates nothing, takes no lock, and never returns from here.
    check(unsafe {
        let child = libc::fork();
        if child == 0 {
            for own in ours {
                libc::close(own.as_raw_fd());
            }
            let said = maps.take();
            libc::write(ready.as_raw_fd(), (&raw const said).cast(), size_of::<libc::c_int>());
            let mut octet = 0_u8;
            if said != 0 || libc::read(go.as_raw_fd(), (&raw mut octet).cast(), 1) != 1 {
                libc::_exit(1);
            }
            libc::setsid();
            libc::prctl(libc::PR_SET_NAME, c"cellblock-hold".as_ptr());
            libc::chdir(c"/".as_ptr());
            // Nobody's lock, pipe or terminal is kept.
            if libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0) != 0 {
                for descriptor in 0..65536 {
                    libc::close(descriptor);
                }
            }
            loop {
                libc::pause();
            }
        }
        child
    })
}

/// A process that was forked to send something later, see [`leave_behind`].
#[derive(Debug)]
pub(super) struct Left {
    /// Who forked it, and ends at once; nobody once that was waited for.
    child: Option<libc::pid_t>,
    /// Ends when it has closed what it does not need.
    ready: io::PipeReader,
    /// As long as this is open it waits.
    _go: io::PipeWriter,
}

impl Left {
    /// Waits until it has let go of everything but what it was given.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if let Some(child) = self.child.take() {
            wait(child)?;
        }
        io::copy(&mut &self.ready, &mut io::sink()).map(drop)
    }
}

/// fork(2) of a process that is nobody's child, has nothing of ours open but these two, and waits: when what is given back is dropped,
/// or we end, it sends a datagram on the one, closes both and ends. The kernel is not kept from other work meanwhile: it sends for long
/// where a bridge has many ports, and whoever shares the processor waits as long.
pub(super) fn leave_behind(socket: BorrowedFd<'_>, message: &[u8], held: BorrowedFd<'_>) -> io::Result<Left> {
    let ((ready, told), (hear, go)) = (io::pipe()?, io::pipe()?);
    // SAFETY: the child and its child make system calls only, allocate nothing, take no lock, and never return from here.
    let child = check(unsafe {
        let child = libc::fork();
        if child == 0 {
            if libc::fork() != 0 {
                libc::_exit(0);
            }
            libc::setsid();
            libc::prctl(libc::PR_SET_NAME, c"cellblock-ends".as_ptr());
            // Beyond the first three, so that none is closed before it is copied.
            let high = |descriptor: BorrowedFd<'_>| libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD, 3);
            let (socket, held, hear) = (high(socket), high(held), high(hear.as_fd()));
            let placed = libc::dup2(socket, 0) == 0 && libc::dup2(held, 1) == 1 && libc::dup2(hear, 2) == 2;
            if placed && libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) == 0 {
                libc::chdir(c"/".as_ptr());
                let mut octet = 0_u8;
                libc::read(2, (&raw mut octet).cast(), 1);
                // There is nobody to tell how it went: without it the kernel has more to do, and does that.
                libc::send(0, message.as_ptr().cast(), message.len(), 0);
            }
            libc::_exit(0);
        }
        child
    })?;
    drop((told, hear));
    Ok(Left { child: Some(child), ready, _go: go })
}
