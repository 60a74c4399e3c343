//! What an errno means for a command: the same number has many causes, a command only a few.

use crate::node::{
    bpf, bridge, car, eiface, etf, ether, hole, iface, ksocket, l2tp, nat, one2many, patch, pipe, pppoe, source, tag,
    tcpmss, vlan,
};
use crate::{Errno, generic};

/// What `errno` means as the answer to `command` (its ngctl(8) name) of `cookie`, where that is known.
///
/// `sys/netgraph/ng_base.c`, `sys/netgraph/ng_socket.c` and the node types are the source; a node's own answer
/// comes through the generic commands too, so these name the likely cause.
#[must_use]
pub fn explain(cookie: u32, command: &str, errno: Errno) -> Option<&'static str> {
    let applies = |meaning: &&Meaning| {
        let (whose, commands, number, _) = meaning;
        *whose == cookie && *number == errno && (commands.is_empty() || commands.contains(&command))
    };
    let of_command = MEANINGS.iter().find(applies).map(|(.., meaning)| *meaning);
    of_command.or_else(|| OF_ANY.iter().find(|(number, _)| *number == errno).map(|(_, meaning)| *meaning))
}

/// Whose commands, which of them (none is all), the errno, what it means. The first that fits counts.
type Meaning = (u32, &'static [&'static str], Errno, &'static str);

const STATS: &[&str] = &["getstats", "clrstats", "getclrstats"];

const MEANINGS: &[Meaning] = &[
    (generic::COOKIE, &["mkpeer"], Errno::EEXIST, "the addressed node already has that hook"),
    (generic::COOKIE, &["mkpeer"], Errno::ENOENT, "no such node, or no such type and no module of its name"),
    (
        generic::COOKIE,
        &["mkpeer"],
        Errno::ENXIO,
        "no such type, although a module of its name is loaded; or the node is going away",
    ),
    (generic::COOKIE, &["mkpeer"], Errno::EPERM, "the type's module is not loaded, and cannot be from here"),
    (
        generic::COOKIE,
        &["mkpeer", "connect"],
        Errno::EINVAL,
        "malformed path, or one of the two node types does not take the hook",
    ),
    (
        generic::COOKIE,
        &["mkpeer", "connect"],
        Errno::EPFNOSUPPORT,
        "an eiface has no other hook than `ether`, an iface none but `inet` and `inet6`",
    ),
    (generic::COOKIE, &["mkpeer", "connect"], Errno::EISCONN, "the hook is connected already"),
    (generic::COOKIE, &["mkpeer", "connect"], Errno::EADDRINUSE, "the node has that hook already"),
    (
        generic::COOKIE,
        &["connect"],
        Errno::EEXIST,
        "one of the two nodes already has that hook, or has not yet let go of it",
    ),
    (generic::COOKIE, &["connect"], Errno::ENOENT, "no such node, or the path to the peer leads nowhere"),
    (generic::COOKIE, &["connect"], Errno::ELOOP, "a bridge cannot be connected to itself"),
    (generic::COOKIE, &["name"], Errno::EADDRINUSE, "another node of this vnet has that name"),
    (generic::COOKIE, &["name"], Errno::EINVAL, "not a node name: empty, with `.` or `:`, or `[hex]`"),
    (
        generic::COOKIE,
        &["listhooks", "listnodes", "listnames", "listtypes"],
        Errno::ENOBUFS,
        "the list does not fit into the socket's receive buffer; raise SO_RCVBUF",
    ),
    (generic::COOKIE, &["textstatus", "textconfig"], Errno::EINVAL, "the node's type does not implement it"),
    (generic::COOKIE, &["binary2ascii", "ascii2binary"], Errno::ENOSYS, "the node's type has no such command"),
    (generic::COOKIE, &["ascii2binary"], Errno::EINVAL, "the argument is not of the command's form"),
    (
        generic::COOKIE,
        &["ascii2binary"],
        Errno::ENOENT,
        "no such node, or the argument has a field that the structure has not",
    ),
    (generic::COOKIE, &["ascii2binary"], Errno::EALREADY, "the argument has a field twice"),
    (generic::COOKIE, &["ascii2binary"], Errno::E2BIG, "an array or text of the argument is too long"),
    (generic::COOKIE, &["ascii2binary"], Errno::ERANGE, "the argument is too long"),
    (bpf::COOKIE, &["setprogram"], Errno::EINVAL, "not a bpf node, or BPF refuses the program"),
    (bpf::COOKIE, &[], Errno::ENOENT, "the node has no such hook"),
    (bridge::COOKIE, STATS, Errno::ENOTCONN, "the bridge has no such link"),
    (bridge::COOKIE, &["movehost"], Errno::ENOENT, "the bridge has no such hook"),
    (bridge::COOKIE, &[], Errno::EINVAL, "not a bridge, or an argument of the wrong size"),
    (
        car::COOKIE,
        &["setconf"],
        Errno::EINVAL,
        "not a car node, a rate above 10^9, bursts that are both 0, or shaping without a rate",
    ),
    (eiface::COOKIE, &[], Errno::EINVAL, "not an eiface node, or not exactly six octets"),
    (etf::COOKIE, &["setfilter"], Errno::ENOENT, "the node has no such hook"),
    (etf::COOKIE, &["setfilter"], Errno::EEXIST, "that Ethernet type has a hook already"),
    (ether::COOKIE, &["addmulti"], Errno::EADDRINUSE, "that group is joined already"),
    (ether::COOKIE, &["delmulti"], Errno::ENOENT, "that group is not joined"),
    (ether::COOKIE, &[], Errno::EINVAL, "not an ether node, or an argument of the wrong size"),
    (hole::COOKIE, &[], Errno::ENOENT, "the node has no such hook"),
    (iface::COOKIE, &["point2point", "broadcast"], Errno::EBUSY, "the interface is up"),
    (ksocket::COOKIE, &["connect"], Errno::EINPROGRESS, "connecting; a reply with the result comes later"),
    (ksocket::COOKIE, &["connect", "accept"], Errno::EALREADY, "that is under way already"),
    (ksocket::COOKIE, &["getpeername"], Errno::ENOTCONN, "the socket is not connected"),
    (ksocket::COOKIE, &["listen"], Errno::EOPNOTSUPP, "not a stream socket"),
    (l2tp::COOKIE, &["setconfig"], Errno::EBUSY, "the numbers of a tunnel cannot change while it is enabled"),
    (
        l2tp::COOKIE,
        &["setsessconfig", "getsessconfig", "getsessstats", "clrsessstats", "getclrsessstats"],
        Errno::ENOENT,
        "no hook of that session",
    ),
    (nat::COOKIE, &["redirectdynamic", "redirectdelete", "addserver"], Errno::ENOENT, "no redirection of that number"),
    (nat::COOKIE, &["redirectdynamic"], Errno::ENOTTY, "that redirection cannot be made dynamic"),
    (nat::COOKIE, &["getdlt"], Errno::EINVAL, "the kernel does not answer this command, by mistake"),
    (one2many::COOKIE, STATS, Errno::EINVAL, "not a one2many node, or it has no such link"),
    (one2many::COOKIE, &["setconfig"], Errno::EINVAL, "not a one2many node, or an unknown algorithm"),
    (patch::COOKIE, &["setconfig"], Errno::EINVAL, "not a patch node, or a length or mode that does not exist"),
    (
        pipe::COOKIE,
        &["setcfg"],
        Errno::EINVAL,
        "not a pipe, or a neighbour did not understand that the link went up or down; the change may have been made",
    ),
    (pipe::COOKIE, &["setcfg"], Errno::ENOMEM, "no memory for the table of bit errors"),
    (pipe::COOKIE, &[], Errno::EINVAL, "not a pipe"),
    (pppoe::COOKIE, &[], Errno::EMSGSIZE, "the text is longer than the kernel takes"),
    (pppoe::COOKIE, &[], Errno::ENOENT, "the node has no such hook"),
    (pppoe::COOKIE, &["pppoe_listen"], Errno::EEXIST, "another hook waits for that service"),
    (pppoe::COOKIE, &["send_hurl", "send_motm"], Errno::EISCONN, "the session is not active"),
    (pppoe::COOKIE, &["pppoe_service"], Errno::EISCONN, "the hook has made no offer"),
    (pppoe::COOKIE, &[], Errno::EISCONN, "the session has begun already"),
    (source::COOKIE, &["start"], Errno::ENXIO, "neither an interface nor a rate is set"),
    (source::COOKIE, &["start"], Errno::EBUSY, "it is sending already"),
    (tag::COOKIE, &[], Errno::ENOENT, "the node has no such hook"),
    (tcpmss::COOKIE, &[], Errno::ENOENT, "the node has no such hook"),
    (vlan::COOKIE, &["addfilter"], Errno::EEXIST, "the hook has a VLAN already, or the VLAN a hook"),
    (vlan::COOKIE, &["addfilter"], Errno::ENOENT, "the node has no such hook"),
    (vlan::COOKIE, &["addfilter"], Errno::EINVAL, "a number out of range, or a hook that can have no VLAN"),
    (vlan::COOKIE, &["delfilter", "delvidflt"], Errno::ENOENT, "no such hook, or no filter to remove"),
];

/// What an errno means if nothing better is known.
const OF_ANY: &[(Errno, &str)] = &[
    (Errno::ENOENT, "no such node or hook"),
    (Errno::ENXIO, "the node behind a hook of the path is going away"),
    (Errno::EINVAL, "malformed path, or a command or argument that the node's type does not know"),
    (Errno::ENOBUFS, "the reply did not fit into the socket's receive buffer"),
    (Errno::EMSGSIZE, "the message is larger than the socket's send buffer"),
    (Errno::ENAMETOOLONG, "the path is longer than a socket address"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    #[test]
    #[cfg_attr(miri, ignore = "a million comparisons")]
    fn meanings_are_of_commands_that_exist() {
        for (cookie, commands, _, meaning) in MEANINGS {
            for command in *commands {
                let numbers = (0..64).flat_map(|number| [number, 0x3000_0000 | number]);
                let mut known = numbers.filter_map(|number| text::find(*cookie, number));
                assert!(known.any(|known| known.name == *command), "{command}: {meaning}");
            }
        }
    }

    #[test]
    fn a_node_explains_itself_before_the_rest_does() {
        assert_eq!(explain(bridge::COOKIE, "getstats", Errno::ENOTCONN), Some("the bridge has no such link"));
        assert_eq!(explain(bridge::COOKIE, "getconfig", Errno::ENOENT), Some("no such node or hook"));
        assert_eq!(explain(pppoe::COOKIE, "send_hurl", Errno::EISCONN), Some("the session is not active"));
        assert_eq!(explain(bridge::COOKIE, "getconfig", Errno::EDEADLK), None);
    }
}
