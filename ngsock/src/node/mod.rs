//! The node types, one module each: cookie, hooks, commands, structures.
//!
//! Each module has the constants `TYPE` (the name for [`MkPeer`](crate::generic::MkPeer)) and `COOKIE`, one type
//! per command, and the enums `Command` and `Reply` over all of them for those who read messages.

pub mod bridge;
pub mod echo;
pub mod eiface;
pub mod ether;
pub mod hole;
pub mod hub;
pub mod pipe;
pub mod socket;
pub mod tee;
