//! How many descriptors there may be, and room for them.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that must be free before anything is done. A step that fails is undone and looked at again, which takes some: with fewer
/// than that it could neither.
pub(super) const LEAST_FREE: usize = 16;

/// Descriptors that are left for everything but the two of each namespace that is held.
const SPARE: usize = 64;

/// Raises the limit of descriptors as far as it goes; what it was, for the programs that we start, and for how many namespaces it is
/// enough now.
pub(super) fn raise_limit() -> (Rlimit, usize) {
    let before = getrlimit(Resource::Nofile);
    // A refusal leaves the limit as it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    let most =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    (before, most.saturating_sub(SPARE) / 2)
}

/// Whether so many descriptors can be opened: they are, and closed.
pub(super) fn are_free(number: usize) -> io::Result<()> {
    let root = File::open("/")?;
    (1..number).map(|_| root.try_clone()).collect::<io::Result<Vec<_>>>().map(drop)
}

/// Has the kernel make room for the descriptors of so many namespaces while one thread alone is there: where a second one shares the
/// table, the kernel waits for a grace period each time it has to double it (fs/file.c, expand_fdtable()), and with two hundred nodes
/// that was a tenth of the time of making them.
pub(super) fn make_room(namespaces: usize) {
    let last = RawFd::try_from(namespaces.saturating_mul(2).saturating_add(SPARE)).unwrap_or(RawFd::MAX);
    // Without it, it takes longer.
    let _ = File::open("/").map(|root| rustix::io::fcntl_dupfd_cloexec(root, last));
}
