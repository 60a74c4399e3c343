//! `socket`: the node of a control socket. The socket itself is in the table of sockets.

use ngsock::node::socket::{COOKIE, Command};
use serde::{Deserialize, Serialize};

use super::super::NodeId;
use super::super::life::Graph;
use super::super::message::{Answer, Call, Outcome};
use super::{Kind, Node};
use crate::abi::Errno;

/// A socket's node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SocketNode {
    /// The key of the socket.
    pub sock: u64,
    /// Whether the node stays without hooks (`NGM_SOCK_CMD_LINGER`, the default).
    pub linger: bool,
}

/// Messages go up to the socket, but for those that are for the node itself (`sys/netgraph/ng_socket.c:935`).
pub(in crate::sim::netgraph) fn receive(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    let Some(Node { kind: Kind::Socket(socket), .. }) = graph.node(to) else { return Err(Errno::EINVAL) };
    if call.header.cookie == COOKIE {
        let command = Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)?;
        socket.linger = matches!(command, Command::Linger(_));
        return Ok(Outcome::Done);
    }
    let sock = socket.sock;
    super::super::socket::pass_up(graph.kernel, sock, call).map(|()| Outcome::Done)
}
