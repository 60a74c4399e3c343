//! `nat`: network address translation with libalias (`sys/netgraph/ng_nat.h`).
//!
//! Traffic passes as it is until [`SetAddress`]. Ports are in host order. The node goes with its last hook.

use core::net::Ipv4Addr;

use crate::generic::CString;
use crate::message::{Malformed, Payload};
use crate::name::{HookName, Text, TypeName};
use crate::text::{Count, Member, Type};
use crate::wire::{Field, commands, get_counted, put_counted, wire_struct};

/// `NG_NAT_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("nat");

/// `NGM_NAT_COOKIE` (`sys/netgraph/ng_nat.h:30`).
#[doc(alias = "NGM_NAT_COOKIE")]
pub const COOKIE: u32 = 1_107_718_711;

/// Packets received here are incoming: their destination becomes the inner host again.
#[doc(alias = "NG_NAT_HOOK_IN")]
pub const HOOK_IN: HookName = HookName::known("in");
/// Packets received here are outgoing: their source becomes the alias address.
#[doc(alias = "NG_NAT_HOOK_OUT")]
pub const HOOK_OUT: HookName = HookName::known("out");

macro_rules! flags {
    ($($(#[$meta:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$meta])* pub const $name: u32 = $value;)*
    };
}

// sys/netgraph/ng_nat.h:48
flags! {
    /// For [`Mode`]: log to the console.
    #[doc(alias = "NG_NAT_LOG")]
    LOG = 0x01;
    /// For [`Mode`]: drop connections from outside.
    #[doc(alias = "NG_NAT_DENY_INCOMING")]
    DENY_INCOMING = 0x02;
    /// For [`Mode`]: keep the source port if possible.
    #[doc(alias = "NG_NAT_SAME_PORTS")]
    SAME_PORTS = 0x04;
    /// For [`Mode`]: translate private addresses (RFC 1918) only.
    #[doc(alias = "NG_NAT_UNREGISTERED_ONLY")]
    UNREGISTERED_ONLY = 0x10;
    /// For [`Mode`]: forget all links when the address changes.
    #[doc(alias = "NG_NAT_RESET_ON_ADDR_CHANGE")]
    RESET_ON_ADDRESS_CHANGE = 0x20;
    /// For [`Mode`]: only the proxy rules work.
    #[doc(alias = "NG_NAT_PROXY_ONLY")]
    PROXY_ONLY = 0x40;
    /// For [`Mode`]: swap inside and outside.
    #[doc(alias = "NG_NAT_REVERSE")]
    REVERSE = 0x80;
    /// For [`Mode`]: like `UNREGISTERED_ONLY`, with the carrier's addresses (RFC 6598) too.
    #[doc(alias = "NG_NAT_UNREGISTERED_CGN")]
    UNREGISTERED_CGN = 0x100;
    /// For [`Mode`]: endpoint-independent mapping of UDP (not in 13.2).
    #[doc(alias = "NG_NAT_UDP_EIM")]
    UDP_ENDPOINT_INDEPENDENT = 0x200;
}

/// `NG_NAT_REDIRPROTO_ADDR`: [`Redirect::protocol`] of a redirected address (`sys/netgraph/ng_nat.h:59`).
#[doc(alias = "NG_NAT_REDIRPROTO_ADDR")]
pub const PROTOCOL_ADDRESS: u16 = 259;

/// `DLT_RAW`: frames are IPv4 packets, as at first (`sys/net/dlt.h`).
#[doc(alias = "DLT_RAW")]
pub const LINK_TYPE_RAW: u8 = 12;
/// `DLT_EN10MB`: frames are Ethernet's.
#[doc(alias = "DLT_EN10MB")]
pub const LINK_TYPE_ETHERNET: u8 = 1;

commands! { COOKIE:
    /// Sets the outer address and so turns translation on (`sys/netgraph/ng_nat.c:375`).
    #[doc(alias = "NGM_NAT_SET_IPADDR")]
    SetAddress(Ipv4Addr) = 1 "setaliasaddr" => ();
    /// Sets and clears flags (`sys/netgraph/ng_nat.c:389`).
    #[doc(alias = "NGM_NAT_SET_MODE")]
    SetMode(Mode) = 2 "setmode" => ();
    /// Where connections from outside go that fit nothing else (`sys/netgraph/ng_nat.c:407`).
    #[doc(alias = "NGM_NAT_SET_TARGET")]
    SetTarget(Ipv4Addr) = 3 "settarget" => ();
    /// Redirects a port; replies with the number of the redirection (`sys/netgraph/ng_nat.c:419`).
    #[doc(alias = "NGM_NAT_REDIRECT_PORT")]
    RedirectPort(PortRedirect) = 4 "redirectport" => u32;
    /// Redirects an address (`sys/netgraph/ng_nat.c:478`).
    #[doc(alias = "NGM_NAT_REDIRECT_ADDR")]
    RedirectAddress(AddressRedirect) = 5 "redirectaddr" => u32;
    /// Redirects a protocol (`sys/netgraph/ng_nat.c:530`).
    #[doc(alias = "NGM_NAT_REDIRECT_PROTO")]
    RedirectProtocol(ProtocolRedirect) = 6 "redirectproto" => u32;
    /// Makes a redirection go with its first use; `ENOENT`, `ENOTTY` (`sys/netgraph/ng_nat.c:584`).
    #[doc(alias = "NGM_NAT_REDIRECT_DYNAMIC")]
    MakeDynamic(u32) = 7 "redirectdynamic" => ();
    /// Removes a redirection; `ENOENT`.
    #[doc(alias = "NGM_NAT_REDIRECT_DELETE")]
    RemoveRedirect(u32) = 8 "redirectdelete" => ();
    /// Adds a server among which a redirection spreads connections (`sys/netgraph/ng_nat.c:623`).
    #[doc(alias = "NGM_NAT_ADD_SERVER")]
    AddServer(Server) = 9 "addserver" => ();
    /// All redirections (`sys/netgraph/ng_nat.c:655`).
    #[doc(alias = "NGM_NAT_LIST_REDIRECTS")]
    ListRedirects = 10 "listredirects" => RedirectList;
    /// A rule in the words of libalias(3), such as `type no_encode port 80 server 10.0.0.1:3128`
    /// (`sys/netgraph/ng_nat.c:677`).
    #[doc(alias = "NGM_NAT_PROXY_RULE")]
    AddProxyRule(CString) = 11 "proxyrule" => ();
    /// How many links libalias has (`sys/netgraph/ng_nat.c:690`).
    #[doc(alias = "NGM_NAT_LIBALIAS_INFO")]
    GetLinkCounts = 12 "libaliasinfo" => LinkCounts;
    /// Sets what frames are: [`LINK_TYPE_RAW`] or [`LINK_TYPE_ETHERNET`] (`sys/netgraph/ng_nat.c:720`).
    #[doc(alias = "NGM_NAT_SET_DLT")]
    SetLinkType(u8) = 13 "setdlt" => ();
    /// What frames are. Always answered with `EINVAL`: its case stands in the wrong switch
    /// (`sys/netgraph/ng_nat.c:740`).
    #[doc(alias = "NGM_NAT_GET_DLT")]
    GetLinkType = 14 "getdlt" => u8;
}

/// `NG_NAT_DESC_LENGTH`: a description, 63 bytes of text (`sys/netgraph/ng_nat.h:58`).
pub type Description = Text<64>;

wire_struct! {
    /// `struct ng_nat_mode` (`sys/netgraph/ng_nat.h:36`).
    #[doc(alias = "ng_nat_mode")]
    #[derive(Default)]
    pub struct Mode = RawMode, 8 bytes {
        /// The new values, from [`LOG`] on.
        flags: u32 = "flags",
        /// Which flags to set.
        mask: u32 = "mask",
    }
}

wire_struct! {
    /// `struct ng_nat_redirect_port` (`sys/netgraph/ng_nat.h:62`).
    #[doc(alias = "ng_nat_redirect_port")]
    pub struct PortRedirect = RawPortRedirect, 84 bytes {
        /// The inner host.
        local_address: Ipv4Addr = "local_addr",
        /// The outer address; 0.0.0.0 is the node's own.
        alias_address: Ipv4Addr = "alias_addr",
        /// Only connections from here; 0.0.0.0 is anywhere.
        remote_address: Ipv4Addr = "remote_addr",
        /// The inner port.
        local_port: u16 = "local_port",
        /// The outer port.
        alias_port: u16 = "alias_port",
        /// Only connections from this port; 0 is any.
        remote_port: u16 = "remote_port",
        /// 6 is TCP, 17 UDP.
        protocol: u8 = "proto",
        /// For [`ListRedirects`].
        description: Description = "description",
        pad _pad: 1,
    }
}

wire_struct! {
    /// `struct ng_nat_redirect_addr` (`sys/netgraph/ng_nat.h:87`).
    #[doc(alias = "ng_nat_redirect_addr")]
    pub struct AddressRedirect = RawAddressRedirect, 72 bytes {
        /// The inner host.
        local_address: Ipv4Addr = "local_addr",
        /// The outer address.
        alias_address: Ipv4Addr = "alias_addr",
        /// For [`ListRedirects`].
        description: Description = "description",
    }
}

wire_struct! {
    /// `struct ng_nat_redirect_proto` (`sys/netgraph/ng_nat.h:102`).
    #[doc(alias = "ng_nat_redirect_proto")]
    pub struct ProtocolRedirect = RawProtocolRedirect, 80 bytes {
        /// The inner host.
        local_address: Ipv4Addr = "local_addr",
        /// The outer address.
        alias_address: Ipv4Addr = "alias_addr",
        /// Only packets from here; 0.0.0.0 is anywhere.
        remote_address: Ipv4Addr = "remote_addr",
        /// The protocol's number.
        protocol: u8 = "proto",
        /// For [`ListRedirects`].
        description: Description = "description",
        pad _pad: 3,
    }
}

wire_struct! {
    /// `struct ng_nat_add_server` (`sys/netgraph/ng_nat.h:121`).
    #[doc(alias = "ng_nat_add_server")]
    pub struct Server = RawServer, 12 bytes {
        /// The redirection.
        redirect: u32 = "id",
        /// The server.
        address: Ipv4Addr = "addr",
        /// Its port.
        port: u16 = "port",
        pad _pad: 2,
    }
}

wire_struct! {
    /// `struct ng_nat_listrdrs_entry` (`sys/netgraph/ng_nat.h:136`).
    #[doc(alias = "ng_nat_listrdrs_entry")]
    pub struct Redirect = RawRedirect, 92 bytes {
        /// Its number, not 0.
        id: u32 = "id",
        /// The inner host.
        local_address: Ipv4Addr = "local_addr",
        /// The outer address.
        alias_address: Ipv4Addr = "alias_addr",
        /// The only address from which.
        remote_address: Ipv4Addr = "remote_addr",
        /// The inner port.
        local_port: u16 = "local_port",
        /// The outer port.
        alias_port: u16 = "alias_port",
        /// The only port from which.
        remote_port: u16 = "remote_port",
        /// The protocol, or [`PROTOCOL_ADDRESS`].
        protocol: u16 = "proto",
        /// `lsnat`: how many servers it has.
        servers: u16 = "lsnat",
        /// What was given with it.
        description: Description = "description",
        pad _pad: 2,
    }
}

/// `struct ng_nat_list_redirects` (`sys/netgraph/ng_nat.h:165`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[doc(alias = "ng_nat_list_redirects")]
pub struct RedirectList(pub Vec<Redirect>);

/// The kernel reserves the size of its own list entry, 112 bytes, for each of 92 (`sys/netgraph/ng_nat.c:661`).
const UNUSED_PER_ENTRY: usize = 112 - size_of::<RawRedirect>();

impl Payload for RedirectList {
    const TEXT: Option<&'static Type> = Some(&Type::Struct(&[
        Member { name: "total_count", kind: Type::UINT32 },
        Member { name: "redirects", kind: &Type::Array(<Redirect as Field>::TEXT, Count::U32_JUST_BEFORE) },
    ]));

    fn encode(&self, out: &mut Vec<u8>) {
        put_counted(out, 4, &self.0);
        out.resize(out.len() + self.0.len() * UNUSED_PER_ENTRY, 0);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        get_counted(payload, 4).map(Self)
    }
}

wire_struct! {
    /// `struct ng_nat_libalias_info`; -1 for what libalias does not count (`sys/netgraph/ng_nat.h:178`).
    #[doc(alias = "ng_nat_libalias_info")]
    #[derive(Default)]
    pub struct LinkCounts = RawLinkCounts, 36 bytes {
        /// ICMP.
        icmp: u32 = "icmpLinkCount",
        /// UDP.
        udp: u32 = "udpLinkCount",
        /// TCP.
        tcp: u32 = "tcpLinkCount",
        /// SCTP.
        sctp: u32 = "sctpLinkCount",
        /// PPTP.
        pptp: u32 = "pptpLinkCount",
        /// Other protocols.
        protocol: u32 = "protoLinkCount",
        /// Fragments by number.
        fragment_id: u32 = "fragmentIdLinkCount",
        /// Fragments kept.
        fragment_pointer: u32 = "fragmentPtrLinkCount",
        /// Sockets.
        sockets: u32 = "sockCount",
    }
}
