//! Mounts, devfs rules, folders, and zfs(8).
#![allow(unsafe_code, reason = "system calls")]

use std::ffi::{CString, OsStr, c_char};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::call::check;
use crate::abi::ioctl::argument_size;
use crate::abi::{Errno, sysctl};
use crate::engine::folders::{self, FolderError};
use crate::engine::freebsd::doors::{ExecuteError, FileRefusal, MountOption, MountPoint, ZfsAnswer};

/// Octets of the kernel's own words about a mount that it refuses.
const MESSAGE: usize = 256;
/// Where zfs(8) is.
const ZFS: &str = "/sbin/zfs";
/// More mounts than any host has.
const MOST_MOUNTS: usize = 1 << 20;

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EIO)
}

/// nmount(2).
pub(super) fn mount(options: &[MountOption], flags: i32) -> Result<(), FileRefusal> {
    let mut message = vec![0_u8; MESSAGE];
    let mut strings: Vec<Vec<u8>> = options
        .iter()
        .flat_map(|option| [sysctl::string(option.name), sysctl::string(&option.value)])
        .chain([sysctl::string("errmsg")])
        .collect();
    let refuse = |errno, message: &[u8]| FileRefusal { errno, message: sysctl::read_string(message) };
    let mut pairs: Vec<libc::iovec> = strings.iter_mut().map(|string| slice(string)).collect();
    pairs.push(slice(&mut message));
    let number = libc::c_uint::try_from(pairs.len()).map_err(|_| refuse(Errno::E2BIG, b""))?;
    // SAFETY: `pairs` is live and holds `number` iovecs, each of which leads to live memory of the length beside it; the kernel
    // writes into the message only.
    let result = check(unsafe { libc::nmount(pairs.as_mut_ptr(), number, flags) });
    result.map(drop).map_err(|errno| refuse(errno, &message))
}

fn slice(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

/// unmount(2).
pub(super) fn unmount(path: &str, flags: i32) -> Result<(), Errno> {
    let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `path` is a live C string; unmount(2) only reads it.
    check(unsafe { libc::unmount(path.as_ptr(), flags) }).map(drop)
}

/// getfsstat(2).
pub(super) fn mounts() -> Result<Vec<MountPoint>, Errno> {
    let mut room = 64;
    loop {
        let mut list: Vec<libc::statfs> = Vec::with_capacity(room);
        let octets = libc::c_long::try_from(room * size_of::<libc::statfs>()).map_err(|_| Errno::E2BIG)?;
        // SAFETY: `list` has room for `octets` bytes of whole structures; the kernel fills as many as it says.
        let found = check(unsafe { libc::getfsstat(list.as_mut_ptr(), octets, libc::MNT_NOWAIT) })?;
        let found = usize::try_from(found).unwrap_or(0).min(room);
        // SAFETY: the kernel has written that many structures.
        unsafe { list.set_len(found) };
        if found < room || room >= MOST_MOUNTS {
            return Ok(list.iter().map(point).collect());
        }
        room *= 4;
    }
}

fn point(mount: &libc::statfs) -> MountPoint {
    let read_only = u64::try_from(libc::MNT_RDONLY).unwrap_or(1);
    MountPoint {
        at: text(&mount.f_mntonname),
        from: text(&mount.f_mntfromname),
        kind: text(&mount.f_fstypename),
        read_only: mount.f_flags & read_only != 0,
    }
}

fn text(letters: &[c_char]) -> String {
    let bytes: Vec<u8> = letters.iter().flat_map(|letter| letter.to_ne_bytes()).collect();
    sysctl::read_string(&bytes)
}

/// ioctl(2) on `/dev`.
pub(super) fn devfs_ioctl(request: u32, argument: &mut [u8]) -> Result<(), Errno> {
    if argument.len() != argument_size(request) {
        return Err(Errno::EINVAL);
    }
    let dev = File::open("/dev").map_err(|error| errno_of(&error))?;
    // SAFETY: `argument` is live and as long as the kernel reads and writes for this request, which has no pointers.
    check(unsafe { libc::ioctl(dev.as_raw_fd(), request.into(), argument.as_mut_ptr()) }).map(drop)
}

/// Whether there is a directory of that name.
pub(super) fn is_folder(path: &str) -> Result<bool, Errno> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) => match errno_of(&error) {
            Errno::ENOENT | Errno::ENOTDIR => Ok(false),
            errno => Err(errno),
        },
    }
}

/// Makes a directory, or a copy that is whole or has another name.
pub(super) fn make_folder(path: &str, copy_of: Option<&str>) -> Result<(), FileRefusal> {
    folders::provide(path, copy_of, &unlock).map_err(refusal)
}

/// Removes a directory with everything inside.
pub(super) fn remove_folder(path: &str) -> Result<(), FileRefusal> {
    folders::discard(path, &unlock).map_err(refusal)
}

fn refusal(error: FolderError) -> FileRefusal {
    FileRefusal { errno: errno_of(&error.cause), message: error.path.display().to_string() }
}

/// lchflags(2): files that are marked as unchangeable cannot be removed.
fn unlock(path: &Path) -> bool {
    let Ok(path) = CString::new(OsStr::new(path).as_bytes()) else { return false };
    // SAFETY: `path` is a live C string; lchflags(2) only reads it.
    unsafe { libc::lchflags(path.as_ptr(), 0) == 0 }
}

/// Runs zfs(8).
pub(super) fn zfs(arguments: &[&str]) -> Result<ZfsAnswer, ExecuteError> {
    let run = Command::new(ZFS).args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = run.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ExecuteError::NotFound,
        io::ErrorKind::PermissionDenied => ExecuteError::NotExecutable,
        _ => ExecuteError::Kernel(errno_of(&error)),
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(ZfsAnswer {
        code: output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX),
        output: text(&output.stdout),
        complaint: text(&output.stderr),
    })
}
