//! Typed control messages for FreeBSD's netgraph(4).

pub mod addr;
mod client;
mod errno;
mod error;
mod explain;
pub mod flow;
pub mod generic;
mod mac;
pub mod message;
pub mod name;
pub mod node;
#[cfg(target_os = "freebsd")]
pub mod sys;
pub mod text;
pub mod transport;
mod wire;

pub use addr::{NodeId, NodePath, PathError, SockaddrNg};
pub use client::{Client, Unsolicited};
pub use errno::Errno;
pub use error::{CallError, Cause};
pub use explain::explain;
pub use mac::{MacAddress, ParseMacError};
pub use message::{Header, Malformed, Message, Payload, Request};
pub use name::{HookName, NameError, NodeName, TypeName};
pub use transport::Transport;
