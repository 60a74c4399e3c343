//! Typed control messages for FreeBSD's netgraph(4).

mod errno;
pub mod transport;

pub use errno::Errno;
pub use transport::Transport;
