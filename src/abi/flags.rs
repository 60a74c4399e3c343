//! Flag words, by their C names. They are FreeBSD's values, not Linux's: `IFF_MULTICAST` is 0x8000 here.

macro_rules! constants {
    ($($(#[$attribute:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$attribute])* pub const $name: u32 = $value;)*
    };
}

// Interface flags, sys/net/if.h:139-190.
constants! {
    /// Administratively up.
    IFF_UP = 0x1;
    /// Broadcast address valid.
    IFF_BROADCAST = 0x2;
    /// Loopback network.
    IFF_LOOPBACK = 0x8;
    /// Point-to-point link.
    IFF_POINTOPOINT = 0x10;
    /// `IFF_DRV_RUNNING`: the driver has resources allocated.
    IFF_RUNNING = 0x40;
    /// No address resolution protocol.
    IFF_NOARP = 0x80;
    /// Receives all packets, counted over its users.
    IFF_PROMISC = 0x100;
    /// Receives all multicast packets.
    IFF_ALLMULTI = 0x200;
    /// `IFF_DRV_OACTIVE`: the transmit queue is full.
    IFF_OACTIVE = 0x400;
    /// Cannot hear its own transmissions.
    IFF_SIMPLEX = 0x800;
    /// Supports multicast.
    IFF_MULTICAST = 0x8000;
    /// Promiscuous by the user's wish.
    IFF_PPROMISC = 0x2_0000;
    /// Being destroyed.
    IFF_DYING = 0x20_0000;
    /// Has left its vnet or is about to (sys/net/if.h, `IFF_RENAMING` is 0x400000).
    IFF_RENAMING = 0x40_0000;
    /// Reported by netlink only: the carrier is there (sys/net/if.h:164).
    IFF_LOWER_UP = 0x100_0000;
    /// What SIOCSIFFLAGS leaves alone.
    IFF_CANTCHANGE = 0x21_8f72;
}

// Capabilities, sys/net/if.h:266-306.
constants! {
    /// Checks IPv4 checksums of received packets.
    IFCAP_RXCSUM = 0x1;
    /// Computes IPv4 checksums of sent packets.
    IFCAP_TXCSUM = 0x2;
    /// Frames with a VLAN tag may be longer.
    IFCAP_VLAN_MTU = 0x8;
    /// Inserts and removes VLAN tags.
    IFCAP_VLAN_HWTAGGING = 0x10;
    /// Jumbo frames.
    IFCAP_JUMBO_MTU = 0x20;
    /// The carrier is reported.
    IFCAP_LINKSTATE = 0x8_0000;
    /// As `IFCAP_RXCSUM`, IPv6.
    IFCAP_RXCSUM_IPV6 = 0x20_0000;
    /// As `IFCAP_TXCSUM`, IPv6.
    IFCAP_TXCSUM_IPV6 = 0x40_0000;
}

// IPv6 address flags, sys/netinet6/in6_var.h:492-505.
constants! {
    /// Anycast address.
    IN6_IFF_ANYCAST = 0x1;
    /// Duplicate address detection runs.
    IN6_IFF_TENTATIVE = 0x2;
    /// Found to be a duplicate.
    IN6_IFF_DUPLICATED = 0x4;
    /// The link is gone.
    IN6_IFF_DETACHED = 0x8;
    /// Preferred lifetime over.
    IN6_IFF_DEPRECATED = 0x10;
    /// Accepted and without effect: see `ND6_IFF_NO_DAD`.
    IN6_IFF_NODAD = 0x20;
    /// Made from a router advertisement.
    IN6_IFF_AUTOCONF = 0x40;
}

// Neighbour discovery flags of an interface, sys/netinet6/nd6.h:81-91.
constants! {
    /// Performs neighbour unreachability detection.
    ND6_IFF_PERFORMNUD = 0x1;
    /// Accepts router advertisements.
    ND6_IFF_ACCEPT_RTADV = 0x2;
    /// IPv6 is off.
    ND6_IFF_IFDISABLED = 0x8;
    /// A link-local address is made when IPv6 comes on.
    ND6_IFF_AUTO_LINKLOCAL = 0x20;
    /// Default routes of router advertisements are ignored.
    ND6_IFF_NO_RADR = 0x40;
    /// No duplicate address detection: the only way to skip it on one interface.
    ND6_IFF_NO_DAD = 0x100;
}

// Route flags, sys/net/route.h.
constants! {
    /// Usable.
    RTF_UP = 0x1;
    /// The destination is reached through a gateway.
    RTF_GATEWAY = 0x2;
    /// A host, not a network.
    RTF_HOST = 0x4;
    /// Sends unreachables.
    RTF_REJECT = 0x8;
    /// Added by hand.
    RTF_STATIC = 0x800;
    /// Discards silently.
    RTF_BLACKHOLE = 0x1000;
    /// The MTU of the route is fixed.
    RTF_FIXEDMTU = 0x8_0000;
    /// Made by the kernel, not to be removed.
    RTF_PINNED = 0x10_0000;
    /// An address of this machine.
    RTF_LOCAL = 0x20_0000;
    /// A broadcast address.
    RTF_BROADCAST = 0x40_0000;
    /// A multicast address.
    RTF_MULTICAST = 0x80_0000;
}

/// Address families (sys/sys/socket.h).
pub mod family {
    /// Any.
    pub const AF_UNSPEC: u8 = 0;
    /// IPv4.
    pub const AF_INET: u8 = 2;
    /// PF_ROUTE.
    pub const AF_ROUTE: u8 = 17;
    /// Link layer.
    pub const AF_LINK: u8 = 18;
    /// IPv6: 28, not Linux's 10.
    pub const AF_INET6: u8 = 28;
    /// Netgraph.
    pub const AF_NETGRAPH: u8 = 32;
    /// Netlink.
    pub const AF_NETLINK: u8 = 38;
}

/// Interface types (`sys/net/if_types.h`).
pub mod iftype {
    /// Ethernet.
    pub const IFT_ETHER: u8 = 0x06;
    /// What has no other type, such as ng_iface(4).
    pub const IFT_PROPVIRTUAL: u8 = 0x35;
    /// Point-to-point.
    pub const IFT_PPP: u8 = 0x17;
    /// gif(4).
    pub const IFT_GIF: u8 = 0xf0;
    /// Loopback.
    pub const IFT_LOOP: u8 = 0x18;
    /// vlan(4).
    pub const IFT_L2VLAN: u8 = 0x87;
    /// if_bridge(4).
    pub const IFT_BRIDGE: u8 = 0xd1;
    /// pflog(4).
    pub const IFT_PFLOG: u8 = 0xf6;
    /// pfsync(4).
    pub const IFT_PFSYNC: u8 = 0xf7;
}
