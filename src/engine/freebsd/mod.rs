//! The FreeBSD engine: plain logic over the doors, compiled and tested on every system.

pub mod doors;
