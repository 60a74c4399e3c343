//! What an errno means for a command: the same number has many causes, a command only a few.

use crate::node::{bridge, eiface, ether, pipe};
use crate::{Errno, generic};

/// What `errno` means as the answer to `command` (its ngctl(8) name) of `cookie`, where that is known.
///
/// `sys/netgraph/ng_base.c`, `sys/netgraph/ng_socket.c` and the node types are the source; a node's own answer
/// comes through the generic commands too, so these name the likely cause.
#[must_use]
pub fn explain(cookie: u32, command: &str, errno: Errno) -> Option<&'static str> {
    let own = match cookie {
        generic::COOKIE => of_generic(command, errno),
        bridge::COOKIE => of_bridge(command, errno),
        pipe::COOKIE => of_pipe(command, errno),
        ether::COOKIE => of_ether(command, errno),
        eiface::COOKIE if errno == Errno::EINVAL => Some("not an eiface node, or not exactly six octets"),
        _ => None,
    };
    own.or_else(|| of_any(errno))
}

fn of_generic(command: &str, errno: Errno) -> Option<&'static str> {
    Some(match (command, errno) {
        ("mkpeer", Errno::EEXIST) => "the addressed node already has that hook",
        ("mkpeer", Errno::ENOENT) => "no such node, or no such type and no module of its name",
        ("mkpeer", Errno::ENXIO) => "no such type, although a module of its name is loaded; or the node is going away",
        ("mkpeer", Errno::EPERM) => "the type's module is not loaded, and cannot be from here",
        ("mkpeer", Errno::EINVAL) => "malformed path, or one of the two node types does not take the hook",
        ("mkpeer", Errno::EPFNOSUPPORT) => "an eiface has no other hook than `ether`",
        ("mkpeer" | "connect", Errno::EISCONN) => "the hook is connected already",
        ("mkpeer" | "connect", Errno::EADDRINUSE) => "the node has that hook already",
        ("connect", Errno::EEXIST) => "one of the two nodes already has that hook, or has not yet let go of it",
        ("connect", Errno::ENOENT) => "no such node, or the path to the peer leads nowhere",
        ("connect", Errno::EINVAL) => "malformed path, or one of the two node types does not take the hook",
        ("connect", Errno::EPFNOSUPPORT) => "an eiface has no other hook than `ether`",
        ("connect", Errno::ELOOP) => "a bridge cannot be connected to itself",
        ("name", Errno::EADDRINUSE) => "another node of this vnet has that name",
        ("name", Errno::EINVAL) => "not a node name: empty, with `.` or `:`, or `[hex]`",
        ("listhooks" | "listnodes" | "listnames" | "listtypes", Errno::ENOBUFS) => {
            "the list does not fit into the socket's receive buffer; raise SO_RCVBUF"
        }
        ("textstatus" | "textconfig", Errno::EINVAL) => "the node's type does not implement it",
        ("binary2ascii" | "ascii2binary", Errno::ENOSYS) => "the node's type has no such command",
        ("ascii2binary", Errno::EINVAL) => "the argument is not of the command's form",
        ("ascii2binary", Errno::ENOENT) => "no such node, or the argument has a field that the structure has not",
        ("ascii2binary", Errno::EALREADY) => "the argument has a field twice",
        ("ascii2binary", Errno::E2BIG) => "an array or text of the argument is too long",
        ("ascii2binary", Errno::ERANGE) => "the argument is too long",
        _ => return None,
    })
}

fn of_bridge(command: &str, errno: Errno) -> Option<&'static str> {
    Some(match (command, errno) {
        ("getstats" | "clrstats" | "getclrstats", Errno::ENOTCONN) => "the bridge has no such link",
        ("movehost", Errno::ENOENT) => "the bridge has no such hook",
        (_, Errno::EINVAL) => "not a bridge, or an argument of the wrong size",
        _ => return None,
    })
}

fn of_pipe(command: &str, errno: Errno) -> Option<&'static str> {
    Some(match (command, errno) {
        ("setcfg", Errno::EINVAL) => {
            "not a pipe, or a neighbour did not understand that the link went up or down; the change may have been made"
        }
        ("setcfg", Errno::ENOMEM) => "no memory for the table of bit errors",
        (_, Errno::EINVAL) => "not a pipe",
        _ => return None,
    })
}

fn of_ether(command: &str, errno: Errno) -> Option<&'static str> {
    Some(match (command, errno) {
        ("addmulti", Errno::EADDRINUSE) => "that group is joined already",
        ("delmulti", Errno::ENOENT) => "that group is not joined",
        (_, Errno::EINVAL) => "not an ether node, or an argument of the wrong size",
        _ => return None,
    })
}

fn of_any(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOENT => "no such node or hook",
        Errno::ENXIO => "the node behind a hook of the path is going away",
        Errno::EINVAL => "malformed path, or a command or argument that the node's type does not know",
        Errno::ENOBUFS => "the reply did not fit into the socket's receive buffer",
        Errno::EMSGSIZE => "the message is larger than the socket's send buffer",
        Errno::ENAMETOOLONG => "the path is longer than a socket address",
        _ => return None,
    })
}
