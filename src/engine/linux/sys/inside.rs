//! Threads inside namespaces: entering one changes the thread that does it, so each is started for that and ends with it.

use std::os::fd::BorrowedFd;
use std::{io, thread};

use super::call;

/// Runs `work` on a thread that is in the namespace.
pub(super) fn within<T: Send>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    alone(move || {
        call::setns(namespace, libc::CLONE_NEWNET)?;
        work()
    })
}

/// Runs `work` on a thread of its own.
pub(super) fn alone<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread inside a namespace gave up")))
    })
}
