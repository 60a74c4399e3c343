//! if_bridge(4) through SIOCSDRVSPEC and SIOCGDRVSPEC: an `ifdrv` whose pointer leads to the command's structure.

mod spanning_tree;

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Call, IoctlArgument, SIOCGDRVSPEC, SIOCSDRVSPEC};
use crate::abi::name::{IFNAMSIZ, InterfaceName};

pub use self::spanning_tree::{SpanningTree, spanning_tree, spanning_tree_of};

/// Octets of `struct ifdrv`.
pub const IFDRV: usize = 40;
/// Octets of `struct ifbreq`.
pub const IFBREQ: usize = 80;
/// Octets of `struct ifbareq`.
pub const IFBAREQ: usize = 40;
/// Octets of `struct ifbifconf` and `struct ifbaconf`.
pub const IFBIFCONF: usize = 16;
/// Octets of `struct ifbrparam`.
pub const IFBRPARAM: usize = 4;
/// Octets of `struct ifbropreq`.
pub const IFBROPREQ: usize = 56;
/// Octets of `struct ifbpstpreq`.
pub const IFBPSTPREQ: usize = 32;
/// Octets of `struct ifbif_vlan_req`.
pub const IFBIF_VLAN_REQ: usize = 536;

macro_rules! commands {
    ($($name:ident = $value:literal, $what:literal;)*) => {
        $(#[doc = $what] pub const $name: u64 = $value;)*
    };
}

// sys/net/if_bridgevar.h:94-134.
commands! {
    BRDGADD = 0, "Adds a member (`ifbreq`).";
    BRDGDEL = 1, "Removes a member (`ifbreq`).";
    BRDGGIFFLGS = 2, "A member's flags (`ifbreq`).";
    BRDGSIFFLGS = 3, "Sets a member's flags (`ifbreq`).";
    BRDGSCACHE = 4, "Sets the size of the address cache (`ifbrparam`).";
    BRDGGCACHE = 5, "Size of the address cache (`ifbrparam`).";
    BRDGGIFS = 6, "The members (`ifbifconf`).";
    BRDGRTS = 7, "The address cache (`ifbaconf`).";
    BRDGSADDR = 8, "Sets a static address (`ifbareq`).";
    BRDGSTO = 9, "Sets the cache timeout (`ifbrparam`).";
    BRDGGTO = 10, "Cache timeout (`ifbrparam`).";
    BRDGDADDR = 11, "Removes an address (`ifbareq`).";
    BRDGFLUSH = 12, "Empties the address cache (`ifbreq`).";
    BRDGGPRI = 13, "Bridge priority (`ifbrparam`).";
    BRDGSPRI = 14, "Sets the bridge priority (`ifbrparam`).";
    BRDGGHT = 15, "Hello time (`ifbrparam`).";
    BRDGSHT = 16, "Sets the hello time (`ifbrparam`).";
    BRDGGFD = 17, "Forward delay (`ifbrparam`).";
    BRDGSFD = 18, "Sets the forward delay (`ifbrparam`).";
    BRDGGMA = 19, "Maximum age (`ifbrparam`).";
    BRDGSMA = 20, "Sets the maximum age (`ifbrparam`).";
    BRDGSIFPRIO = 21, "Sets a member's priority (`ifbreq`).";
    BRDGSIFCOST = 22, "Sets a member's path cost (`ifbreq`).";
    BRDGADDS = 23, "Adds a span port (`ifbreq`).";
    BRDGDELS = 24, "Removes a span port (`ifbreq`).";
    BRDGPARAM = 25, "Spanning-tree parameters (`ifbropreq`).";
    BRDGGRTE = 26, "Addresses dropped because the cache was full (`ifbrparam`).";
    BRDGGIFSSTP = 27, "Spanning-tree state of the members (`ifbpstpconf`).";
    BRDGSPROTO = 28, "Sets the spanning-tree protocol (`ifbrparam`).";
    BRDGSTXHC = 29, "Sets the transmit hold count (`ifbrparam`).";
    BRDGSIFAMAX = 30, "Sets a member's limit of addresses (`ifbreq`).";
    BRDGSIFPVID = 31, "Sets a member's untagged VLAN (`ifbreq`).";
    BRDGSIFVLANSET = 32, "Sets a member's tagged VLANs (`ifbif_vlan_req`).";
    BRDGGIFVLANSET = 33, "A member's tagged VLANs (`ifbif_vlan_req`).";
    BRDGGFLAGS = 34, "Bridge flags (`ifbrparam`).";
    BRDGSFLAGS = 35, "Sets the bridge flags (`ifbrparam`).";
    BRDGGDEFPVID = 36, "Default untagged VLAN (`ifbrparam`).";
    BRDGSDEFPVID = 37, "Sets the default untagged VLAN (`ifbrparam`).";
    BRDGSIFVLANPROTO = 38, "Sets a member's VLAN protocol (`ifbreq`).";
}

/// `IFBIF_LEARNING`: the member learns addresses.
pub const IFBIF_LEARNING: u32 = 0x01;
/// `IFBIF_DISCOVER`: frames for unknown addresses are sent to the member.
pub const IFBIF_DISCOVER: u32 = 0x02;
/// `IFBIF_STP`: the member takes part in the spanning tree.
pub const IFBIF_STP: u32 = 0x04;
/// `IFBIF_SPAN`: a span port.
pub const IFBIF_SPAN: u32 = 0x08;
/// `IFBIF_STICKY`: learned addresses stay.
pub const IFBIF_STICKY: u32 = 0x10;
/// `IFBIF_BSTP_EDGE`.
pub const IFBIF_BSTP_EDGE: u32 = 0x20;
/// `IFBIF_BSTP_AUTOEDGE`.
pub const IFBIF_BSTP_AUTOEDGE: u32 = 0x40;
/// `IFBIF_BSTP_PTP`.
pub const IFBIF_BSTP_PTP: u32 = 0x80;
/// `IFBIF_BSTP_AUTOPTP`.
pub const IFBIF_BSTP_AUTOPTP: u32 = 0x100;
/// `IFBIF_PRIVATE`: members so marked do not hear each other.
pub const IFBIF_PRIVATE: u32 = 0x800;

/// `struct ifbreq`.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawMember {
    name: [u8; IFNAMSIZ],
    flags: U32,
    stp_flags: U32,
    path_cost: U32,
    port: u8,
    priority: u8,
    protocol: u8,
    role: u8,
    state: u8,
    pad: [u8; 3],
    addresses: U32,
    address_limit: U32,
    exceeded: U32,
    pvid: U16,
    vlan_protocol: U16,
    tail: [u8; 28],
}
const _: () = assert!(size_of::<RawMember>() == IFBREQ);

/// A member as `ifbreq` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The member's name.
    pub name: String,
    /// `IFBIF_*`.
    pub flags: u32,
    /// Spanning-tree flags.
    pub stp_flags: u32,
    /// Path cost.
    pub path_cost: u32,
    /// The member's interface index, cut to 8 bits (`sys/net/if_bridge.c`).
    pub port: u8,
    /// Spanning-tree priority.
    pub priority: u8,
    /// Spanning-tree protocol.
    pub protocol: u8,
    /// Spanning-tree role.
    pub role: u8,
    /// Spanning-tree state.
    pub state: u8,
    /// Addresses learned.
    pub addresses: u32,
    /// Most addresses, 0 for no limit.
    pub address_limit: u32,
    /// How often the limit was met.
    pub exceeded: u32,
    /// Untagged VLAN.
    pub pvid: u16,
    /// VLAN protocol.
    pub vlan_protocol: u16,
}

/// `BSTP_IFSTATE_FORWARDING` (`sys/net/bridgestp.h`).
const STATE_FORWARDING: u8 = 3;
/// `BSTP_ROLE_DISABLED`, `BSTP_ROLE_ROOT` and `BSTP_ROLE_DESIGNATED`: what carries frames once the tree stands, and a port whose link
/// was not looked at since it came.
const ROLES_TO_FORWARD: [u8; 3] = [0, 1, 2];

impl Member {
    /// Whether the spanning tree means this port, which is up, to forward and does not let it yet.
    #[must_use]
    pub fn is_about_to_forward(&self) -> bool {
        self.flags & IFBIF_STP != 0 && ROLES_TO_FORWARD.contains(&self.role) && self.state != STATE_FORWARDING
    }

    /// Reads one `ifbreq`; `None` if it is too short or the name not terminated.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (raw, _) = RawMember::ref_from_prefix(bytes).ok()?;
        Some(Self {
            name: InterfaceName::read(&raw.name)?.as_str().to_owned(),
            flags: raw.flags.get(),
            stp_flags: raw.stp_flags.get(),
            path_cost: raw.path_cost.get(),
            port: raw.port,
            priority: raw.priority,
            protocol: raw.protocol,
            role: raw.role,
            state: raw.state,
            addresses: raw.addresses.get(),
            address_limit: raw.address_limit.get(),
            exceeded: raw.exceeded.get(),
            pvid: raw.pvid.get(),
            vlan_protocol: raw.vlan_protocol.get(),
        })
    }

    /// The structure; a name of more than 15 bytes is cut, which a [`Member`] that was read never needs.
    #[must_use]
    pub fn bytes(&self) -> [u8; IFBREQ] {
        let mut raw = RawMember::new_zeroed();
        let length = self.name.len().min(IFNAMSIZ - 1);
        raw.name[..length].copy_from_slice(&self.name.as_bytes()[..length]);
        raw.flags = self.flags.into();
        raw.stp_flags = self.stp_flags.into();
        raw.path_cost = self.path_cost.into();
        raw.port = self.port;
        raw.priority = self.priority;
        raw.protocol = self.protocol;
        raw.role = self.role;
        raw.state = self.state;
        raw.addresses = self.addresses.into();
        raw.address_limit = self.address_limit.into();
        raw.exceeded = self.exceeded.into();
        raw.pvid = self.pvid.into();
        raw.vlan_protocol = self.vlan_protocol.into();
        zerocopy::transmute!(raw)
    }
}

/// Any command with the structure it takes; `set` chooses SIOCSDRVSPEC, which commands that change something need.
#[must_use]
pub fn command(bridge: InterfaceName, set: bool, command: u64, argument: IoctlArgument) -> Call {
    let mut bytes = vec![0; IFDRV];
    bytes[..IFNAMSIZ].copy_from_slice(bridge.bytes());
    bytes[16..24].copy_from_slice(&command.to_le_bytes());
    bytes[24..32].copy_from_slice(&(argument.bytes.len() as u64).to_le_bytes());
    let request = if set { SIOCSDRVSPEC } else { SIOCGDRVSPEC };
    Call { request, argument: IoctlArgument::with_pointer(bytes, 32, argument) }
}

/// A command about one member that takes nothing but its name: BRDGADD, BRDGDEL, BRDGADDS, BRDGDELS.
#[must_use]
pub fn member_command(bridge: InterfaceName, number: u64, member: InterfaceName) -> Call {
    let mut bytes = member.bytes().to_vec();
    bytes.resize(IFBREQ, 0);
    command(bridge, true, number, IoctlArgument::flat(bytes))
}

/// BRDGADD.
#[must_use]
pub fn add_member(bridge: InterfaceName, member: InterfaceName) -> Call {
    member_command(bridge, BRDGADD, member)
}

/// BRDGDEL.
#[must_use]
pub fn remove_member(bridge: InterfaceName, member: InterfaceName) -> Call {
    member_command(bridge, BRDGDEL, member)
}

/// BRDGGIFFLGS, the answer read by [`member_of`]; or, to set what it held, [`set_member`].
#[must_use]
pub fn member(bridge: InterfaceName, member: InterfaceName) -> Call {
    let mut bytes = member.bytes().to_vec();
    bytes.resize(IFBREQ, 0);
    command(bridge, false, BRDGGIFFLGS, IoctlArgument::flat(bytes))
}

/// A command that sets something of a member: BRDGSIFFLGS, BRDGSIFPRIO, BRDGSIFCOST, BRDGSIFAMAX…
#[must_use]
pub fn set_member(bridge: InterfaceName, number: u64, member: &Member) -> Call {
    command(bridge, true, number, IoctlArgument::flat(member.bytes().to_vec()))
}

/// The member in the answer to BRDGGIFFLGS.
#[must_use]
pub fn member_of(argument: &IoctlArgument) -> Option<Member> {
    Member::read(&argument.behind()?.bytes)
}

/// BRDGGIFS with room for `count` members; with 0 the kernel gives the needed length, read by [`list_bytes_of`].
#[must_use]
pub fn members(bridge: InterfaceName, count: usize) -> Call {
    list(bridge, BRDGGIFS, count.saturating_mul(IFBREQ))
}

/// BRDGRTS with room for `count` addresses.
#[must_use]
pub fn addresses(bridge: InterfaceName, count: usize) -> Call {
    list(bridge, BRDGRTS, count.saturating_mul(IFBAREQ))
}

fn list(bridge: InterfaceName, number: u64, length: usize) -> Call {
    let mut bytes = vec![0; IFBIFCONF];
    bytes[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    let conf = if length == 0 {
        IoctlArgument::flat(bytes)
    } else {
        IoctlArgument::with_pointer(bytes, 8, IoctlArgument::flat(vec![0; length]))
    };
    command(bridge, false, number, conf)
}

/// The length in octets that BRDGGIFS or BRDGRTS gave.
#[must_use]
pub fn list_bytes_of(argument: &IoctlArgument) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(argument.behind()?.field(0)?)).ok()
}

/// The members in the answer to BRDGGIFS.
#[must_use]
pub fn members_of(argument: &IoctlArgument) -> Option<Vec<Member>> {
    let length = list_bytes_of(argument)?;
    let array = argument.behind()?.behind()?.bytes.get(..length)?;
    array.chunks_exact(IFBREQ).map(Member::read).collect()
}

/// An address that a bridge has learned (`ifbareq`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The member behind which it is.
    pub member: String,
    /// Seconds until it is forgotten.
    pub expire: u64,
    /// `IFBAF_*`.
    pub flags: u8,
    /// The MAC.
    pub mac: [u8; 6],
    /// The VLAN.
    pub vlan: u16,
}

impl Learned {
    /// Reads one `ifbareq`.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let argument = bytes.get(..IFBAREQ)?;
        Some(Self {
            member: InterfaceName::read(&argument[..IFNAMSIZ])?.as_str().to_owned(),
            expire: u64::from_le_bytes(argument[16..24].try_into().ok()?),
            flags: argument[24],
            mac: argument[25..31].try_into().ok()?,
            vlan: u16::from_le_bytes(argument[32..34].try_into().ok()?),
        })
    }

    /// The structure.
    #[must_use]
    pub fn bytes(&self) -> [u8; IFBAREQ] {
        let mut bytes = [0; IFBAREQ];
        let length = self.member.len().min(IFNAMSIZ - 1);
        bytes[..length].copy_from_slice(&self.member.as_bytes()[..length]);
        bytes[16..24].copy_from_slice(&self.expire.to_le_bytes());
        bytes[24] = self.flags;
        bytes[25..31].copy_from_slice(&self.mac);
        bytes[32..34].copy_from_slice(&self.vlan.to_le_bytes());
        bytes
    }
}

/// The addresses in the answer to BRDGRTS.
#[must_use]
pub fn addresses_of(argument: &IoctlArgument) -> Option<Vec<Learned>> {
    let length = list_bytes_of(argument)?;
    let array = argument.behind()?.behind()?.bytes.get(..length)?;
    array.chunks_exact(IFBAREQ).map(Learned::read).collect()
}

/// A getter with an `ifbrparam` (BRDGGPRI, BRDGGFD…); the answer is read by [`parameter_of`].
#[must_use]
pub fn parameter(bridge: InterfaceName, number: u64) -> Call {
    command(bridge, false, number, IoctlArgument::flat(vec![0; IFBRPARAM]))
}

/// A setter with an `ifbrparam`: priority, times, protocol, cache size.
#[must_use]
pub fn set_parameter(bridge: InterfaceName, number: u64, value: u32) -> Call {
    command(bridge, true, number, IoctlArgument::flat(value.to_le_bytes().to_vec()))
}

/// The value in an `ifbrparam`.
#[must_use]
pub fn parameter_of(argument: &IoctlArgument) -> Option<u32> {
    argument.behind()?.field(0).map(u32::from_le_bytes)
}
