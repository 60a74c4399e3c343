//! `ifreq` in its variants, groups, cloners and vlans.

use super::{
    Call, IoctlArgument, SIOCAIFGROUP, SIOCDIFGROUP, SIOCGETVLAN, SIOCGHWADDR, SIOCGIFCAP, SIOCGIFDESCR, SIOCGIFFLAGS,
    SIOCGIFGMEMB, SIOCGIFGROUP, SIOCGIFINDEX, SIOCGIFMTU, SIOCIFCREATE2, SIOCIFDESTROY, SIOCIFGCLONERS, SIOCSETVLAN,
    SIOCSIFCAP, SIOCSIFDESCR, SIOCSIFFLAGS, SIOCSIFLLADDR, SIOCSIFMTU, SIOCSIFNAME, SIOCSIFRVNET, SIOCSIFVNET,
};
use crate::abi::flags::family::AF_LINK;
use crate::abi::name::{IFNAMSIZ, InterfaceName};

/// Octets of `struct ifreq`.
pub const IFREQ: usize = 32;
/// Octets of `struct ifgroupreq`.
pub const IFGROUPREQ: usize = 40;
/// Octets of `struct vlanreq`.
pub const VLANREQ: usize = 20;
/// Octets of `struct if_clonereq`.
pub const IF_CLONEREQ: usize = 16;
/// Where the union of an ifreq begins.
pub const UNION: usize = IFNAMSIZ;

/// An `ifreq` with `value` at the head of its union.
fn ifreq(name: InterfaceName, value: &[u8]) -> IoctlArgument {
    let mut bytes = vec![0; IFREQ];
    bytes[..IFNAMSIZ].copy_from_slice(name.bytes());
    let length = value.len().min(IFREQ - UNION);
    bytes[UNION..UNION + length].copy_from_slice(&value[..length]);
    IoctlArgument::flat(bytes)
}

/// SIOCIFCREATE2: `template` is a cloner (`epair`), or a cloner and a unit (`epair7`). The name that was made stands
/// in the argument afterwards; of an epair it is the `a` end.
#[must_use]
pub fn create(template: InterfaceName) -> Call {
    Call { request: SIOCIFCREATE2, argument: ifreq(template, &[]) }
}

/// SIOCIFDESTROY.
#[must_use]
pub fn destroy(name: InterfaceName) -> Call {
    Call { request: SIOCIFDESTROY, argument: ifreq(name, &[]) }
}

/// SIOCSIFNAME.
#[must_use]
pub fn rename(name: InterfaceName, new: InterfaceName) -> Call {
    let behind = IoctlArgument::flat(new.bytes().to_vec());
    let argument = IoctlArgument::with_pointer(ifreq(name, &[]).bytes, UNION, behind);
    Call { request: SIOCSIFNAME, argument }
}

/// SIOCSIFVNET: gives an interface of the caller's vnet to the jail. To be issued by a thread on a socket of its own
/// vnet only (`sys/net/if.c:1319`).
#[must_use]
pub fn give_to_jail(name: InterfaceName, jid: i32) -> Call {
    Call { request: SIOCSIFVNET, argument: ifreq(name, &jid.to_le_bytes()) }
}

/// SIOCSIFRVNET: takes an interface of the jail into the caller's vnet; names are not checked on the way.
#[must_use]
pub fn take_from_jail(name: InterfaceName, jid: i32) -> Call {
    Call { request: SIOCSIFRVNET, argument: ifreq(name, &jid.to_le_bytes()) }
}

/// SIOCGIFFLAGS; the answer is read by [`flags_of`].
#[must_use]
pub fn flags(name: InterfaceName) -> Call {
    Call { request: SIOCGIFFLAGS, argument: ifreq(name, &[]) }
}

/// SIOCSIFFLAGS: the whole word; read it first and change it. It stands as two halves of 16 bits.
#[must_use]
pub fn set_flags(name: InterfaceName, flags: u32) -> Call {
    Call { request: SIOCSIFFLAGS, argument: ifreq(name, &flags.to_le_bytes()) }
}

/// The flags in an argument of SIOCGIFFLAGS or SIOCSIFFLAGS.
#[must_use]
pub fn flags_of(argument: &IoctlArgument) -> Option<u32> {
    number_of(argument)
}

/// SIOCGIFMTU; the answer is read by [`number_of`].
#[must_use]
pub fn mtu(name: InterfaceName) -> Call {
    Call { request: SIOCGIFMTU, argument: ifreq(name, &[]) }
}

/// SIOCSIFMTU, octets.
#[must_use]
pub fn set_mtu(name: InterfaceName, mtu: u32) -> Call {
    Call { request: SIOCSIFMTU, argument: ifreq(name, &mtu.to_le_bytes()) }
}

/// SIOCGIFINDEX; the answer is read by [`index_of`].
#[must_use]
pub fn index(name: InterfaceName) -> Call {
    Call { request: SIOCGIFINDEX, argument: ifreq(name, &[]) }
}

/// The index in an argument of SIOCGIFINDEX: 16 bits.
#[must_use]
pub fn index_of(argument: &IoctlArgument) -> Option<u16> {
    argument.field(UNION).map(u16::from_le_bytes)
}

/// SIOCSIFLLADDR. The length byte of its sockaddr is that of the address, 6.
#[must_use]
pub fn set_mac(name: InterfaceName, mac: [u8; 6]) -> Call {
    let mut value = [6, AF_LINK, 0, 0, 0, 0, 0, 0];
    value[2..].copy_from_slice(&mac);
    Call { request: SIOCSIFLLADDR, argument: ifreq(name, &value) }
}

/// SIOCGHWADDR: the address an interface was made with; the answer is read by [`mac_of`].
#[must_use]
pub fn original_mac(name: InterfaceName) -> Call {
    Call { request: SIOCGHWADDR, argument: ifreq(name, &[]) }
}

/// The MAC in an argument of SIOCGHWADDR or SIOCSIFLLADDR.
#[must_use]
pub fn mac_of(argument: &IoctlArgument) -> Option<[u8; 6]> {
    argument.field(UNION + 2)
}

/// SIOCGIFCAP; the answer is read by [`capabilities_of`].
#[must_use]
pub fn capabilities(name: InterfaceName) -> Call {
    Call { request: SIOCGIFCAP, argument: ifreq(name, &[]) }
}

/// SIOCSIFCAP: the whole word of `IFCAP_*` to be enabled.
#[must_use]
pub fn set_capabilities(name: InterfaceName, enabled: u32) -> Call {
    Call { request: SIOCSIFCAP, argument: ifreq(name, &enabled.to_le_bytes()) }
}

/// Supported and enabled capabilities in an argument of SIOCGIFCAP.
#[must_use]
pub fn capabilities_of(argument: &IoctlArgument) -> Option<(u32, u32)> {
    Some((number_of(argument)?, argument.field(UNION + 4).map(u32::from_le_bytes)?))
}

/// The number at the head of the union: flags, MTU, jid, fib.
#[must_use]
pub fn number_of(argument: &IoctlArgument) -> Option<u32> {
    argument.field(UNION).map(u32::from_le_bytes)
}

/// SIOCSIFDESCR: `text` without NUL, at most 1023 bytes; an empty one removes the description.
#[must_use]
pub fn set_description(name: InterfaceName, text: &[u8]) -> Call {
    let mut behind = text.to_vec();
    if !behind.is_empty() {
        behind.push(0);
    }
    Call { request: SIOCSIFDESCR, argument: buffered(name, behind) }
}

/// SIOCGIFDESCR with a buffer of `capacity` octets; the answer is read by [`description_of`]. Without a description
/// the kernel answers `ENOMSG`; a buffer that is too small is success with the needed length and nothing written.
#[must_use]
pub fn description(name: InterfaceName, capacity: usize) -> Call {
    Call { request: SIOCGIFDESCR, argument: buffered(name, vec![0; capacity]) }
}

/// An `ifreq_buffer`: length at 16, pointer at 24.
fn buffered(name: InterfaceName, behind: Vec<u8>) -> IoctlArgument {
    let length = behind.len() as u64;
    let bytes = ifreq(name, &length.to_le_bytes()).bytes;
    IoctlArgument::with_pointer(bytes, UNION + 8, IoctlArgument::flat(behind))
}

/// The text in an argument of SIOCGIFDESCR, without its NUL.
#[must_use]
pub fn description_of(argument: &IoctlArgument) -> Option<Vec<u8>> {
    let length = usize::try_from(u64::from_le_bytes(argument.field(UNION)?)).ok()?;
    let text = argument.behind()?.bytes.get(..length)?;
    Some(text.iter().copied().take_while(|&byte| byte != 0).collect())
}

/// SIOCAIFGROUP.
#[must_use]
pub fn join_group(name: InterfaceName, group: InterfaceName) -> Call {
    Call { request: SIOCAIFGROUP, argument: group_request(name, group) }
}

/// SIOCDIFGROUP.
#[must_use]
pub fn leave_group(name: InterfaceName, group: InterfaceName) -> Call {
    Call { request: SIOCDIFGROUP, argument: group_request(name, group) }
}

fn group_request(name: InterfaceName, group: InterfaceName) -> IoctlArgument {
    let mut bytes = vec![0; IFGROUPREQ];
    bytes[..IFNAMSIZ].copy_from_slice(name.bytes());
    bytes[24..24 + IFNAMSIZ].copy_from_slice(group.bytes());
    IoctlArgument::flat(bytes)
}

/// SIOCGIFGROUP with room for `count` groups; with 0 the kernel gives the needed length, read by
/// [`group_bytes_of`]; otherwise the answer is read by [`names_of`].
#[must_use]
pub fn groups(name: InterfaceName, count: usize) -> Call {
    Call { request: SIOCGIFGROUP, argument: group_list(name, count) }
}

/// SIOCGIFGMEMB: the members of a group, as [`groups`].
#[must_use]
pub fn group_members(group: InterfaceName, count: usize) -> Call {
    Call { request: SIOCGIFGMEMB, argument: group_list(group, count) }
}

fn group_list(name: InterfaceName, count: usize) -> IoctlArgument {
    let mut bytes = vec![0; IFGROUPREQ];
    bytes[..IFNAMSIZ].copy_from_slice(name.bytes());
    let length = count.saturating_mul(IFNAMSIZ);
    bytes[16..20].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    if count == 0 {
        return IoctlArgument::flat(bytes);
    }
    IoctlArgument::with_pointer(bytes, 24, IoctlArgument::flat(vec![0; length]))
}

/// The length that SIOCGIFGROUP and SIOCGIFGMEMB left in their structure.
#[must_use]
pub fn group_bytes_of(argument: &IoctlArgument) -> Option<usize> {
    argument.field(16).and_then(|field| usize::try_from(u32::from_le_bytes(field)).ok())
}

/// The names behind the pointer of SIOCGIFGROUP and SIOCGIFGMEMB, up to the length the kernel gave.
#[must_use]
pub fn names_of(argument: &IoctlArgument) -> Option<Vec<String>> {
    let length = group_bytes_of(argument)?;
    let names = argument.behind()?.bytes.get(..length)?;
    Some(names.chunks(IFNAMSIZ).map(crate::abi::sysctl::read_string).collect())
}

/// SIOCIFGCLONERS with room for `count` names; the answer is read by [`cloners_of`].
#[must_use]
pub fn cloners(count: u16) -> Call {
    let mut bytes = vec![0; IF_CLONEREQ];
    bytes[4..8].copy_from_slice(&u32::from(count).to_le_bytes());
    let behind = IoctlArgument::flat(vec![0; usize::from(count) * IFNAMSIZ]);
    Call { request: SIOCIFGCLONERS, argument: IoctlArgument::with_pointer(bytes, 8, behind) }
}

/// How many cloners there are, and the names that fitted.
#[must_use]
pub fn cloners_of(argument: &IoctlArgument) -> Option<(u32, Vec<String>)> {
    let total = u32::from_le_bytes(argument.field(0)?);
    let names = argument.behind().map(|behind| behind.bytes.as_slice()).unwrap_or_default();
    let names = names.chunks(IFNAMSIZ).map(crate::abi::sysctl::read_string).filter(|name| !name.is_empty()).collect();
    Some((total, names))
}

/// `struct vlanreq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// The parent interface.
    pub parent: InterfaceName,
    /// The tag, 1..=4094.
    pub tag: u16,
    /// 0x8100 or 0x88a8; 0 means 0x8100.
    pub protocol: u16,
}

impl Vlan {
    /// Reads the structure; `None` if it is too short or its name is not terminated.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        Some(Self { parent: InterfaceName::read(bytes.get(..16)?)?, tag: number(16)?, protocol: number(18)? })
    }

    /// The structure.
    #[must_use]
    pub fn bytes(&self) -> [u8; VLANREQ] {
        let mut bytes = [0; VLANREQ];
        bytes[..IFNAMSIZ].copy_from_slice(self.parent.bytes());
        bytes[16..18].copy_from_slice(&self.tag.to_le_bytes());
        bytes[18..20].copy_from_slice(&self.protocol.to_le_bytes());
        bytes
    }
}

/// SIOCIFCREATE2 of a vlan with its parameters.
#[must_use]
pub fn create_vlan(template: InterfaceName, vlan: &Vlan) -> Call {
    let behind = IoctlArgument::flat(vlan.bytes().to_vec());
    let argument = IoctlArgument::with_pointer(ifreq(template, &[]).bytes, UNION, behind);
    Call { request: SIOCIFCREATE2, argument }
}

/// SIOCSETVLAN.
#[must_use]
pub fn set_vlan(name: InterfaceName, vlan: &Vlan) -> Call {
    let behind = IoctlArgument::flat(vlan.bytes().to_vec());
    Call { request: SIOCSETVLAN, argument: IoctlArgument::with_pointer(ifreq(name, &[]).bytes, UNION, behind) }
}

/// SIOCGETVLAN; the answer stands behind the pointer, read by [`Vlan::read`].
#[must_use]
pub fn vlan(name: InterfaceName) -> Call {
    let behind = IoctlArgument::flat(vec![0; VLANREQ]);
    Call { request: SIOCGETVLAN, argument: IoctlArgument::with_pointer(ifreq(name, &[]).bytes, UNION, behind) }
}
