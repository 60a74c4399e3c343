//! `iface`: a layer-3 interface `ng<N>` whose other side is a hook per protocol (`sys/netgraph/ng_iface.h`).
//!
//! Point-to-point and without ARP at first. The node survives without hooks; [`Shutdown`](crate::generic::Shutdown)
//! removes it and the interface. Names and vnets are as with [`eiface`](super::eiface).

use crate::name::{HookName, InterfaceName, TypeName};
use crate::wire::commands;

/// `NG_IFACE_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("iface");

/// `NGM_IFACE_COOKIE` (`sys/netgraph/ng_iface.h:47`).
#[doc(alias = "NGM_IFACE_COOKIE")]
pub const COOKIE: u32 = 1_108_312_559;

/// IPv4 packets.
#[doc(alias = "NG_IFACE_HOOK_INET")]
pub const HOOK_INET: HookName = HookName::known("inet");
/// IPv6 packets.
#[doc(alias = "NG_IFACE_HOOK_INET6")]
pub const HOOK_INET6: HookName = HookName::known("inet6");

commands! { COOKIE:
    /// The present name of the interface (`sys/netgraph/ng_iface.c:609`).
    #[doc(alias = "NGM_IFACE_GET_IFNAME")]
    GetInterfaceName = 1 "getifname" => InterfaceName;
    /// Makes the interface point-to-point; `EBUSY` while it is up (`sys/netgraph/ng_iface.c:618`).
    #[doc(alias = "NGM_IFACE_POINT2POINT")]
    PointToPoint = 2 "point2point" => ();
    /// Makes the interface a broadcast one; `EBUSY` while it is up.
    #[doc(alias = "NGM_IFACE_BROADCAST")]
    Broadcast = 3 "broadcast" => ();
    /// The interface's index (`sys/netgraph/ng_iface.c:639`).
    #[doc(alias = "NGM_IFACE_GET_IFINDEX")]
    GetInterfaceIndex = 4 "getifindex" => u32;
}
