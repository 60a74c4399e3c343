//! Message types, flags and attribute numbers as FreeBSD has them (`sys/netlink/`). Most agree with Linux; the
//! comments say which do not.

macro_rules! constants {
    ($kind:ty: $($name:ident = $value:expr, $what:literal;)*) => { $(#[doc = $what] pub const $name: $kind = $value;)* };
}

constants! { u16:
    NLMSG_ERROR = 2, "An error or an acknowledgement.";
    NLMSG_DONE = 3, "The end of a dump, with its error.";
    RTM_NEWLINK = 16, "An interface; as a request, create or modify.";
    RTM_DELLINK = 17, "An interface is gone; as a request, destroy.";
    RTM_GETLINK = 18, "Asks for interfaces.";
    RTM_SETLINK = 19, "Not implemented by FreeBSD.";
    RTM_NEWADDR = 20, "An address; as a request, add.";
    RTM_DELADDR = 21, "An address is gone; as a request, remove.";
    RTM_GETADDR = 22, "Asks for addresses.";
    RTM_NEWROUTE = 24, "A route; as a request, add.";
    RTM_DELROUTE = 25, "A route is gone; as a request, remove.";
    RTM_GETROUTE = 26, "Asks for routes.";
    RTM_NEWNEIGH = 28, "A neighbour; as a request, add.";
    RTM_DELNEIGH = 29, "A neighbour is gone; as a request, remove.";
    RTM_GETNEIGH = 30, "Asks for neighbours.";
    RTM_NEWNEXTHOP = 104, "A nexthop; as a request, add.";
    RTM_DELNEXTHOP = 105, "A nexthop is gone; as a request, remove.";
    RTM_GETNEXTHOP = 106, "Asks for nexthops.";
}

constants! { u16:
    NLM_F_REQUEST = 0x1, "A request.";
    NLM_F_MULTI = 0x2, "Part of a dump.";
    NLM_F_ACK = 0x4, "Acknowledge success too.";
    NLM_F_DUMP_INTR = 0x10, "What a dump tells changed meanwhile.";
    NLM_F_DUMP = 0x300, "Everything.";
    NLM_F_REPLACE = 0x100, "Replace what is there.";
    NLM_F_EXCL = 0x200, "Fail if it is there.";
    NLM_F_CREATE = 0x400, "Create if it is not there.";
    NLM_F_APPEND = 0x800, "Add to what is there.";
    NLM_F_CAPPED = 0x100, "In an answer: the request is not repeated.";
    NLM_F_ACK_TLVS = 0x200, "In an answer: attributes follow.";
}

constants! { u16:
    NLMSGERR_ATTR_MSG = 1, "The error in words.";
    NLMSGERR_ATTR_OFFS = 2, "Offset of the offending attribute.";
    NLMSGERR_ATTR_COOKIE = 3, "What was created.";
}

constants! { u16:
    IFLA_ADDRESS = 1, "Link-layer address.";
    IFLA_BROADCAST = 2, "Link-layer broadcast address.";
    IFLA_IFNAME = 3, "Name.";
    IFLA_MTU = 4, "MTU.";
    IFLA_LINK = 5, "Parent of a vlan.";
    IFLA_OPERSTATE = 16, "Operational state (RFC 2863).";
    IFLA_LINKINFO = 18, "Nested: kind and its data.";
    IFLA_IFALIAS = 20, "Description.";
    IFLA_STATS64 = 23, "Counters.";
    IFLA_GROUP = 27, "A string on FreeBSD, a number on Linux.";
    IFLA_PROMISCUITY = 30, "Number of promiscuous users.";
    IFLA_CARRIER = 33, "Whether there is a carrier.";
    IFLA_NEW_IFINDEX = 49, "Index of a new interface.";
    IFLA_FREEBSD = 64, "Nested, FreeBSD only; Linux has a number here.";
    IFLA_INFO_KIND = 1, "In `IFLA_LINKINFO`: the kind.";
    IFLA_INFO_DATA = 2, "In `IFLA_LINKINFO`: what the kind takes.";
    IFLA_VLAN_ID = 1, "In `IFLA_INFO_DATA` of a vlan: the tag.";
    IFLA_VLAN_PROTOCOL = 5, "In `IFLA_INFO_DATA` of a vlan: the protocol, host order on FreeBSD.";
    IFLAF_ORIG_IFNAME = 1, "In `IFLA_FREEBSD`: the name it was made with.";
    IFLAF_ORIG_HWADDR = 2, "In `IFLA_FREEBSD`: the address it was made with.";
    IFLAF_CAPS = 3, "In `IFLA_FREEBSD`: capabilities as a bit set.";
}

constants! { u16:
    IFA_ADDRESS = 1, "The address, or the peer's on a point-to-point link.";
    IFA_LOCAL = 2, "The local address.";
    IFA_LABEL = 3, "Name of the interface.";
    IFA_BROADCAST = 4, "Broadcast address.";
    IFA_CACHEINFO = 6, "Lifetimes.";
    IFA_FLAGS = 8, "Flags of 32 bits.";
    IFA_FREEBSD = 11, "Nested, FreeBSD only; Linux has one byte here.";
    IFAF_VHID = 1, "In `IFA_FREEBSD`: CARP.";
    IFAF_FLAGS = 2, "In `IFA_FREEBSD`: `IN6_IFF_*`.";
}

constants! { u16:
    RTA_DST = 1, "Destination; needed by FreeBSD for the default route too.";
    RTA_OIF = 4, "Interface.";
    RTA_GATEWAY = 5, "Gateway.";
    RTA_METRICS = 8, "Nested metrics.";
    RTA_MULTIPATH = 9, "Several hops.";
    RTA_KNH_ID = 10, "Kernel's number of the nexthop.";
    RTA_WEIGHT = 13, "Weight of the only path (FreeBSD).";
    RTA_RTFLAGS = 14, "`RTF_*` (FreeBSD).";
    RTA_TABLE = 15, "Table.";
    RTA_VIA = 18, "Gateway of another family.";
    RTA_EXPIRES = 23, "Seconds.";
    RTA_NH_ID = 30, "User's nexthop.";
    RTAX_MTU = 2, "In `RTA_METRICS`: MTU.";
}

constants! { u16:
    NDA_DST = 1, "The neighbour's address.";
    NDA_LLADDR = 2, "Its link-layer address.";
    NDA_CACHEINFO = 3, "Ages.";
    NDA_PROBES = 4, "Probes sent.";
    NDA_IFINDEX = 8, "Interface.";
    NDA_FREEBSD = 18, "Nested, FreeBSD only.";
    NDAF_NEXT_STATE_TS = 1, "In `NDA_FREEBSD`: when the next state comes.";
}

constants! { u8:
    RTN_UNICAST = 1, "A gateway or a direct route.";
    RTN_LOCAL = 2, "An address of this machine.";
    RTN_BROADCAST = 3, "A broadcast address.";
    RTN_MULTICAST = 5, "Multicast.";
    RTN_BLACKHOLE = 6, "Drops silently.";
    RTN_UNREACHABLE = 7, "Rejects.";
    RTN_PROHIBIT = 8, "Rejects.";
    RTPROT_KERNEL = 2, "Made by the kernel.";
    RTPROT_STATIC = 4, "Made by hand.";
}

/// `IFA_F_NODAD` (Linux): no duplicate address detection.
pub const IFA_F_NODAD: u8 = 0x02;

/// `RTM_F_PREFIX` in `rtm_flags`: exactly this prefix, not the longest match.
pub const RTM_F_PREFIX: u32 = 0x800;

constants! { u32:
    RTNLGRP_LINK = 1, "Interfaces.";
    RTNLGRP_NEIGH = 3, "Neighbours.";
    RTNLGRP_IPV4_IFADDR = 5, "IPv4 addresses.";
    RTNLGRP_IPV4_ROUTE = 7, "IPv4 routes.";
    RTNLGRP_IPV6_IFADDR = 9, "IPv6 addresses.";
    RTNLGRP_IPV6_ROUTE = 11, "IPv6 routes.";
    RTNLGRP_NEXTHOP = 32, "Nexthops.";
}

constants! { u32:
    IFA_F_DEPRECATED = 0x20, "Preferred lifetime over.";
    IFA_F_TENTATIVE = 0x40, "Duplicate address detection runs.";
    IFA_F_PERMANENT = 0x80, "Never reported by FreeBSD.";
}
