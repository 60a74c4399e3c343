//! The codes of diagnostics about what a topology means. A code is never given a new meaning.

/// A link names a node that does not exist.
pub const MISSING_NODE: &str = "M001";
/// A link leads from a node to itself.
pub const SELF_LINK: &str = "M002";
/// Two links end at the same interface.
pub const INTERFACE_TAKEN: &str = "M003";
/// A switch or hub is given an interface, an address, a MAC or a route.
pub const LAYER2_HAS_NO_STACK: &str = "M004";
/// A link to a node with a stack does not name the interface.
pub const NO_INTERFACE: &str = "M005";
/// Several links without names between the same two layer-2 nodes.
pub const PARALLEL_LINKS: &str = "M006";
/// Two links have the same identity.
pub const SAME_IDENTITY: &str = "M007";
/// A cycle of layer-2 nodes without a switch that has `stp: true`.
pub const LOOP: &str = "M008";
/// `type: epair` where ng_bridge or ng_hub is an end.
pub const EPAIR: &str = "M009";
/// `interfaces:` names an interface that no link has.
pub const UNLINKED_INTERFACE: &str = "M010";
/// More than one node is the host itself.
pub const SECOND_SELF: &str = "M011";
/// Two nodes have the same name.
pub const SAME_NODE: &str = "M012";
/// A link's name cannot be a name.
pub const LINK_NAME: &str = "M013";
/// A link ends at the loopback.
pub const LINKED_LOOPBACK: &str = "M014";

/// `pool:` names a pool that does not exist.
pub const UNKNOWN_POOL: &str = "M020";
/// Two pools are named within one segment.
pub const POOLS_DIFFER: &str = "M021";
/// `pool:` on a node that is not a switch or hub.
pub const POOL_ON_STACK: &str = "M022";
/// Two pools overlap.
pub const POOLS_OVERLAP: &str = "M023";
/// A pool's range or prefix length cannot be used.
pub const BAD_POOL: &str = "M024";
/// A pool has no subnet left.
pub const NO_SUBNET_LEFT: &str = "M025";
/// A subnet has no address left.
pub const NO_ADDRESS_LEFT: &str = "M026";
/// `index:` means a subnet that cannot be had.
pub const INDEX: &str = "M027";
/// A pool serves an `each` without `index:`.
pub const NO_INDEX: &str = "M028";
/// A node's `index:` is not free or not in the subnet.
pub const INDEX_NOT_USED: &str = "M029";

/// The same address twice.
pub const SAME_ADDRESS: &str = "M030";
/// An address that is not on the subnet of its segment.
pub const OUTSIDE_SUBNET: &str = "M031";
/// The two ends of a link are in different subnets.
pub const ENDS_DIFFER: &str = "M032";
/// An address that means the whole subnet.
pub const SUBNET_ADDRESS: &str = "M033";
/// An address that no interface can have.
pub const SPECIAL_ADDRESS: &str = "M034";
/// Two segments have overlapping subnets where that confuses a node.
pub const SUBNETS_OVERLAP: &str = "M035";
/// A node is in one subnet twice.
pub const TWICE_IN_SUBNET: &str = "M036";

/// A MAC address that no interface can have.
pub const BAD_MAC: &str = "M040";
/// The same MAC address twice.
pub const SAME_MAC: &str = "M041";
/// Two MAC addresses for one interface.
pub const TWO_MACS: &str = "M042";
/// An MTU over what the link can carry.
pub const MTU_TOO_LARGE: &str = "M043";
/// An MTU under what IPv6 needs.
pub const MTU_BELOW_IPV6: &str = "M044";
/// Interfaces of one segment have different MTUs.
pub const MTUS_DIFFER: &str = "M045";
/// Members of one if_bridge have different MTUs.
pub const BRIDGE_MTUS_DIFFER: &str = "M046";
/// `tc:` that lets nothing through or means nothing.
pub const SHAPING: &str = "M047";

/// The next hop of a route is on no subnet of the node.
pub const GATEWAY_UNREACHABLE: &str = "M050";
/// The next hop of a route is the node itself.
pub const GATEWAY_IS_SELF: &str = "M051";
/// The destination of a route is not a prefix of the next hop's family.
pub const BAD_DESTINATION: &str = "M052";
/// Two routes to one prefix, or a route to a subnet of the node.
pub const SAME_DESTINATION: &str = "M053";
/// Nobody has the address of the next hop.
pub const GATEWAY_ABSENT: &str = "M054";
/// A default route for the host itself.
pub const DEFAULT_ON_SELF: &str = "M055";
/// `routing: auto` makes more routes than can be set.
pub const TOO_MANY_ROUTES: &str = "M056";
/// The next hop of a route does not forward.
pub const GATEWAY_KEEPS: &str = "M057";

/// A check's pattern matches nothing.
pub const MATCHES_NOTHING: &str = "M060";
/// A check asks for a family that its nodes do not have.
pub const NO_FAMILY: &str = "M061";
/// A check's pattern cannot be one.
pub const BAD_PATTERN: &str = "M062";
