//! What every system call has in common: how it says no.

use std::io;

use crate::abi::Errno;

/// The errno of the call that has just failed.
pub(super) fn last_error() -> Errno {
    io::Error::last_os_error().raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EIO)
}

/// The result of a call that gives -1 for a refusal.
pub(super) fn check(result: libc::c_int) -> Result<libc::c_int, Errno> {
    if result < 0 { Err(last_error()) } else { Ok(result) }
}

/// The count that a call gave, or -1 for a refusal.
pub(super) fn count(result: libc::ssize_t) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| last_error())
}

/// Makes a call again for as long as signals come in between.
pub(super) fn persist<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// A length as socket calls take it; what no socket could carry is cut to what none could either.
pub(super) fn socklen(length: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(length).unwrap_or(libc::socklen_t::MAX)
}
