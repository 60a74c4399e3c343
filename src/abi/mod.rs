//! Structures and numbers of FreeBSD's ioctl, routing-socket and jail interfaces, by value and byte order:
//! nothing here depends on the system that compiles it. Engine and simulator share it.

pub use ngsock::Errno;
