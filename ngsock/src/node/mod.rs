//! The node types, one module each: cookie, hooks, commands, structures.
//!
//! Each module has the constants `TYPE` (the name for [`MkPeer`](crate::generic::MkPeer)) and `COOKIE`, one type
//! per command, and the enums `Command` and `Reply` over all of them for those who read messages.

pub mod bpf;
pub mod bridge;
pub mod car;
pub mod checksum;
pub mod device;
pub mod echo;
pub mod eiface;
pub mod etf;
pub mod ether;
pub mod hole;
pub mod hub;
pub mod iface;
pub mod ksocket;
pub mod l2tp;
pub mod macfilter;
pub mod nat;
pub mod one2many;
pub mod patch;
pub mod pipe;
pub mod pppoe;
pub mod socket;
pub mod source;
pub mod split;
pub mod tag;
pub mod tcpmss;
pub mod tee;
pub mod vlan;
pub mod vlan_rotate;

use crate::text::Command;

/// The text forms of each type's commands.
pub(crate) static TEXT_FORMS: &[(&str, &[Command])] = &[
    ("bpf", bpf::TEXT_FORM),
    ("bridge", bridge::TEXT_FORM),
    ("car", car::TEXT_FORM),
    ("checksum", checksum::TEXT_FORM),
    ("device", device::TEXT_FORM),
    ("eiface", eiface::TEXT_FORM),
    ("etf", etf::TEXT_FORM),
    ("ether", ether::TEXT_FORM),
    ("hole", hole::TEXT_FORM),
    ("hub", hub::TEXT_FORM),
    ("iface", iface::TEXT_FORM),
    ("ksocket", ksocket::TEXT_FORM),
    ("l2tp", l2tp::TEXT_FORM),
    ("macfilter", macfilter::TEXT_FORM),
    ("nat", nat::TEXT_FORM),
    ("one2many", one2many::TEXT_FORM),
    ("patch", patch::TEXT_FORM),
    ("pipe", pipe::TEXT_FORM),
    ("pppoe", pppoe::TEXT_FORM),
    ("socket", socket::TEXT_FORM),
    ("source", source::TEXT_FORM),
    ("tag", tag::TEXT_FORM),
    ("tcpmss", tcpmss::TEXT_FORM),
    ("tee", tee::TEXT_FORM),
    ("vlan", vlan::TEXT_FORM),
    ("vlan_rotate", vlan_rotate::TEXT_FORM),
    ("echo", &[]),
    ("split", &[]),
];
