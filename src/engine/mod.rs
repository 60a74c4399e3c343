//! Engines realise steps on a kernel and read back what it holds.

pub mod freebsd;
