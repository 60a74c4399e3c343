//! `socket`: the node behind a control socket (`sys/netgraph/ng_socket.h`). Made by socket(2), never by a message.
//!
//! Any hook name is taken. The node goes when the socket is closed.

use crate::name::TypeName;
use crate::wire::commands;

/// `NG_SOCKET_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("socket");

/// `NGM_SOCKET_COOKIE` (`sys/netgraph/ng_socket.h:47`).
#[doc(alias = "NGM_SOCKET_COOKIE")]
pub const COOKIE: u32 = 851_601_233;

commands! { COOKIE:
    /// From now on the node goes with its last hook (`sys/netgraph/ng_socket.h:55`). Send it to `.:`.
    #[doc(alias = "NGM_SOCK_CMD_NOLINGER")]
    NoLinger = 1 "nolinger" without text => ();
    /// From now on the node stays without hooks, as it does at first.
    #[doc(alias = "NGM_SOCK_CMD_LINGER")]
    Linger = 2 "linger" without text => ();
}
