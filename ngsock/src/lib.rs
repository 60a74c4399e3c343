//! Typed control messages for FreeBSD's netgraph(4): encode, decode, send, receive.
//!
//! netgraph is a graph of nodes in the FreeBSD kernel: Ethernet switches, interfaces, delays, taps, filters, sockets.
//! Nodes have hooks, two hooks joined carry frames, and messages to nodes change all of it. A bridge made of two
//! hooks, with a new interface on each:
//!
//! ```
//! use ngsock::node::{bridge, eiface};
//! use ngsock::{CallError, Client, HookName, InterfaceName, NodePath, Transport};
//!
//! fn switch<T: Transport>(client: &mut Client<T>) -> Result<[InterfaceName; 2], CallError> {
//!     let (here, ours) = (NodePath::here(), bridge::HOOK_NEXT_LINK);
//!     client.mkpeer(&here, &bridge::TYPE, &ours, &bridge::HOOK_NEXT_LINK)?;
//!     let bridge = client.node_id(&NodePath::hook(&ours))?.into();
//!     let mut new_interface = |link: &HookName| {
//!         client.mkpeer(&bridge, &eiface::TYPE, link, &eiface::HOOK_ETHER)?;
//!         let interface = bridge.join(link).expect("a number and a hook are short");
//!         client.call(&interface, &eiface::GetInterfaceName)
//!     };
//!     Ok([new_interface(&HookName::new("link1").unwrap())?, new_interface(&HookName::new("link2").unwrap())?])
//! }
//! ```
//!
//! On FreeBSD the client speaks over `sys::ControlSocket`; elsewhere, and in tests, over anything that implements
//! [`Transport`], such as a simulated kernel.
//!
//! # What it does
//! - Every message of every node type listed in [`node`], the generic ones ([`generic`]) and those between neighbours
//!   ([`flow`]): one type per command, a typed reply to each, both encoded and decoded, so that it can play either part.
//! - Sizes: each structure has the asserted size of the kernel's, and the length in the header is that of the payload.
//!   The kernel does not look and would read past its buffer ([`message`]).
//! - Names and paths that the kernel would refuse, cut, or die of cannot be made ([`name`], [`addr`]).
//! - Replies are matched by token, command and cookie; messages nobody asked for are kept aside ([`Client`]).
//! - Many requests can be under way at once, with a bound on the replies outstanding ([`Client::pipeline`]).
//! - Errors name the command, the path and the errno, and say what the errno means there ([`CallError`]).
//! - The text form of ngctl(8), read and printed as the kernel does it ([`text`]).
//! - Encoding appends to a buffer of the caller and allocates nothing else.
//!
//! # What it does not
//! It loads no modules, runs no threads, retries nothing but what a full receive buffer lost and only reads
//! ([`Pipeline`]), and waits for a reply only if it is told to ([`Client::set_timeout`]): with netgraph a reply is there
//! when sending returns, or hardly ever comes. It knows nothing of networks; what a graph is for is up to others.
//!
//! Numbers are in the machine's byte order, as the kernel has them; a big-endian FreeBSD is not tested.

pub mod addr;
mod chars;
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
mod pipeline;
mod sockaddr;
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
pub use name::{HookName, InterfaceName, NameError, NodeName, TypeName};
pub use pipeline::{Pipeline, Ticket};
pub use transport::{DataTransport, Transport};
