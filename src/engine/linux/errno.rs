//! Linux's error numbers as the ones that the rest of the program knows, by name.

use crate::abi::Errno;
use crate::engine::EngineError;

/// The error of that number (include/uapi/asm-generic/errno-base.h, errno.h); `None` for one that FreeBSD has no name for.
#[must_use]
pub fn errno(number: i32) -> Option<Errno> {
    Some(match number {
        1 => Errno::EPERM,
        2 => Errno::ENOENT,
        3 => Errno::ESRCH,
        4 => Errno::EINTR,
        5 => Errno::EIO,
        6 => Errno::ENXIO,
        7 => Errno::E2BIG,
        8 => Errno::ENOEXEC,
        9 => Errno::EBADF,
        11 => Errno::EAGAIN,
        12 => Errno::ENOMEM,
        13 => Errno::EACCES,
        14 => Errno::EFAULT,
        16 => Errno::EBUSY,
        17 => Errno::EEXIST,
        19 => Errno::ENODEV,
        20 => Errno::ENOTDIR,
        21 => Errno::EISDIR,
        22 => Errno::EINVAL,
        23 => Errno::ENFILE,
        24 => Errno::EMFILE,
        28 => Errno::ENOSPC,
        32 => Errno::EPIPE,
        34 => Errno::ERANGE,
        36 => Errno::ENAMETOOLONG,
        38 => Errno::ENOSYS,
        39 => Errno::ENOTEMPTY,
        40 => Errno::ELOOP,
        71 => Errno::EPROTO,
        90 => Errno::EMSGSIZE,
        92 => Errno::ENOPROTOOPT,
        93 => Errno::EPROTONOSUPPORT,
        95 => Errno::EOPNOTSUPP,
        97 => Errno::EAFNOSUPPORT,
        98 => Errno::EADDRINUSE,
        99 => Errno::EADDRNOTAVAIL,
        100 => Errno::ENETDOWN,
        101 => Errno::ENETUNREACH,
        105 => Errno::ENOBUFS,
        107 => Errno::ENOTCONN,
        110 => Errno::ETIMEDOUT,
        112 => Errno::EHOSTDOWN,
        113 => Errno::EHOSTUNREACH,
        _ => return None,
    })
}

/// A refusal of `call` on `object` with Linux's number.
#[must_use]
pub fn refused(object: impl Into<String>, call: impl Into<String>, number: i32) -> EngineError {
    let (object, call) = (object.into(), call.into());
    match errno(number) {
        Some(errno) => EngineError::refused(object, call, errno),
        None => {
            let message = format!("{call} on `{object}` failed with error {number} of Linux");
            EngineError::strange(object, call, message)
        }
    }
}
