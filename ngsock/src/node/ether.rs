//! `ether`: the node of an existing Ethernet interface (`sys/netgraph/ng_ether.h`).
//!
//! Made by the kernel while the module `ng_ether` is loaded, one per Ethernet-like interface of each vnet, named
//! like it with `.` and `:` turned into `_`. [`Shutdown`](crate::generic::Shutdown) only resets it. An interface
//! that moves to another vnet gets a new node there, and all hooks are lost (`sys/net/if_ethersubr.c:1050`).

use crate::mac::MacAddress;
use crate::name::{HookName, InterfaceName, TypeName};
use crate::text::Type;
use crate::wire::commands;

/// `NG_ETHER_NODE_TYPE`. A node of this type cannot be made by a message (`sys/netgraph/ng_ether.c:446`).
pub const TYPE: TypeName = TypeName::known("ether");

/// `NGM_ETHER_COOKIE` (`sys/netgraph/ng_ether.h:48`).
#[doc(alias = "NGM_ETHER_COOKIE")]
pub const COOKIE: u32 = 917_786_906;

/// The wire: all that the interface receives; what comes in here is sent.
#[doc(alias = "NG_ETHER_HOOK_LOWER")]
pub const HOOK_LOWER: HookName = HookName::known("lower");
/// The host's stack: all that it sends; what comes in here is received. Connecting it turns transmit checksum
/// offload off (`sys/netgraph/ng_ether.c:459`).
#[doc(alias = "NG_ETHER_HOOK_UPPER")]
pub const HOOK_UPPER: HookName = HookName::known("upper");
/// Another name of `lower`.
#[doc(alias = "NG_ETHER_HOOK_DIVERT")]
pub const HOOK_DIVERT: HookName = HookName::known("divert");
/// Received frames that no protocol wants.
#[doc(alias = "NG_ETHER_HOOK_ORPHAN")]
pub const HOOK_ORPHANS: HookName = HookName::known("orphans");

// The handlers of all of these: sys/netgraph/ng_ether.c:502.
commands! { COOKIE:
    /// The interface's name.
    #[doc(alias = "NGM_ETHER_GET_IFNAME")]
    GetInterfaceName = 1 "getifname" => InterfaceName;
    /// The interface's index.
    #[doc(alias = "NGM_ETHER_GET_IFINDEX")]
    GetInterfaceIndex = 2 "getifindex" => u32 [reply Type::INT32];
    /// The interface's Ethernet address.
    #[doc(alias = "NGM_ETHER_GET_ENADDR")]
    GetMacAddress = 3 "getenaddr" => MacAddress;
    /// Sets it.
    #[doc(alias = "NGM_ETHER_SET_ENADDR")]
    SetMacAddress(MacAddress) = 4 "setenaddr" => ();
    /// 1 if the node has put the interface into promiscuous mode.
    #[doc(alias = "NGM_ETHER_GET_PROMISC")]
    GetPromiscuous = 5 "getpromisc" => u32 [reply Type::INT32];
    /// Puts the interface into promiscuous mode (not 0) or out of it; a bridge on `lower` needs it.
    #[doc(alias = "NGM_ETHER_SET_PROMISC")]
    SetPromiscuous(u32) = 6 "setpromisc" => () [argument Type::INT32];
    /// 1 if the source address of frames into `lower` is overwritten with the interface's.
    #[doc(alias = "NGM_ETHER_GET_AUTOSRC")]
    GetAutomaticSource = 7 "getautosrc" => u32 [reply Type::INT32];
    /// Turns that on (not 0) or off; a bridge on `lower` needs it off, as it is at first.
    #[doc(alias = "NGM_ETHER_SET_AUTOSRC")]
    SetAutomaticSource(u32) = 8 "setautosrc" => () [argument Type::INT32];
    /// Joins a multicast group; `EADDRINUSE` if joined already.
    #[doc(alias = "NGM_ETHER_ADD_MULTI")]
    AddMulticast(MacAddress) = 9 "addmulti" => ();
    /// Leaves it.
    #[doc(alias = "NGM_ETHER_DEL_MULTI")]
    RemoveMulticast(MacAddress) = 10 "delmulti" => ();
    /// Removes the node until the interface is attached again.
    #[doc(alias = "NGM_ETHER_DETACH")]
    Detach = 11 "detach" => ();
}
