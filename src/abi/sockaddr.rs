//! Socket addresses as ioctls and the routing socket carry them: length byte first, then family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::flags::family::{AF_INET, AF_INET6, AF_LINK};

/// Octets of `struct sockaddr_in`.
pub const SOCKADDR_IN: usize = 16;
/// Octets of `struct sockaddr_in6`.
pub const SOCKADDR_IN6: usize = 28;
/// Octets of `struct sockaddr_dl`.
pub const SOCKADDR_DL: usize = 54;

/// A socket address that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sockaddr {
    /// `sockaddr_in`.
    Inet(Ipv4Addr),
    /// `sockaddr_in6` with its scope.
    Inet6(Ipv6Addr, u32),
    /// `sockaddr_dl`.
    Link(LinkAddress),
    /// Length 0: absent.
    Absent,
    /// Anything else: family and the whole.
    Other(u8, Vec<u8>),
}

/// What a `sockaddr_dl` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkAddress {
    /// The interface, 0 if none is meant.
    pub index: u16,
    /// `IFT_*`.
    pub kind: u8,
    /// The interface's name, often empty.
    pub name: String,
    /// The link-layer address, often empty.
    pub address: Vec<u8>,
}

impl Sockaddr {
    /// Reads the address at the head of `bytes`; fields that its length cuts off are zero, as the kernel's netmasks
    /// are (`sys/net/rtsock.c`). `None` if the length byte reaches over the end.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let length = usize::from(*bytes.first()?);
        if length == 0 {
            return Some(Self::Absent);
        }
        let raw = bytes.get(..length)?;
        let family = raw.get(1).copied().unwrap_or(0);
        Some(match family {
            AF_INET => Self::Inet(Ipv4Addr::from(padded::<4>(raw, 4))),
            AF_INET6 => Self::Inet6(Ipv6Addr::from(padded::<16>(raw, 8)), u32::from_le_bytes(padded(raw, 24))),
            AF_LINK => {
                let names = usize::from(raw.get(5).copied().unwrap_or(0));
                let octets = usize::from(raw.get(6).copied().unwrap_or(0));
                let name = raw.get(8..8 + names).unwrap_or_default();
                Self::Link(LinkAddress {
                    index: u16::from_le_bytes(padded(raw, 2)),
                    kind: raw.get(4).copied().unwrap_or(0),
                    name: String::from_utf8_lossy(name).into_owned(),
                    address: raw.get(8 + names..8 + names + octets).unwrap_or_default().to_vec(),
                })
            }
            _ => Self::Other(family, raw.to_vec()),
        })
    }

    /// The IP address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Inet(address) => Some(IpAddr::V4(*address)),
            Self::Inet6(address, _) => Some(IpAddr::V6(*address)),
            _ => None,
        }
    }
}

/// `N` bytes at `at`, zeros where `raw` ends.
fn padded<const N: usize>(raw: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    if let Some(rest) = raw.get(at..) {
        let length = rest.len().min(N);
        field[..length].copy_from_slice(&rest[..length]);
    }
    field
}

/// `struct sockaddr_in`, port 0.
#[must_use]
pub fn inet(address: Ipv4Addr) -> [u8; SOCKADDR_IN] {
    let mut bytes = [0; SOCKADDR_IN];
    bytes[0] = 16;
    bytes[1] = AF_INET;
    bytes[4..8].copy_from_slice(&address.octets());
    bytes
}

/// `struct sockaddr_in6`, port and flow 0.
#[must_use]
pub fn inet6(address: Ipv6Addr, scope: u32) -> [u8; SOCKADDR_IN6] {
    let mut bytes = [0; SOCKADDR_IN6];
    bytes[0] = 28;
    bytes[1] = AF_INET6;
    bytes[8..24].copy_from_slice(&address.octets());
    bytes[24..28].copy_from_slice(&scope.to_le_bytes());
    bytes
}

/// An address of either family, scope 0.
#[must_use]
pub fn ip(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => inet(address).to_vec(),
        IpAddr::V6(address) => inet6(address, 0).to_vec(),
    }
}

/// `struct sockaddr_dl` of the full 54 bytes; name and address are cut to its 46 bytes of data.
#[must_use]
pub fn link(address: &LinkAddress) -> [u8; SOCKADDR_DL] {
    let mut bytes = [0; SOCKADDR_DL];
    bytes[0] = 54;
    bytes[1] = AF_LINK;
    bytes[2..4].copy_from_slice(&address.index.to_le_bytes());
    bytes[4] = address.kind;
    let mut at = 8;
    for byte in address.name.bytes().take(super::name::IFNAMSIZ) {
        bytes[at] = byte;
        bytes[5] += 1;
        at += 1;
    }
    for &byte in address.address.iter().take(SOCKADDR_DL - at) {
        bytes[at] = byte;
        bytes[6] += 1;
        at += 1;
    }
    bytes
}

/// The netmask of a prefix of either family as a full sockaddr, as userland sends it.
#[must_use]
pub fn mask(family: &IpAddr, prefix: u8) -> Vec<u8> {
    match family {
        IpAddr::V4(_) => inet(mask4(prefix)).to_vec(),
        IpAddr::V6(_) => inet6(mask6(prefix), 0).to_vec(),
    }
}

/// The IPv4 netmask of a prefix length; above 32 as 32.
#[must_use]
pub fn mask4(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0))
}

/// The IPv6 netmask of a prefix length; above 128 as 128.
#[must_use]
pub fn mask6(prefix: u8) -> Ipv6Addr {
    Ipv6Addr::from(u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0))
}

/// The prefix length of a netmask, `None` if its bits are not contiguous.
#[must_use]
pub fn prefix_of(mask: IpAddr) -> Option<u8> {
    let (ones, contiguous) = match mask {
        IpAddr::V4(mask) => {
            let bits = u32::from(mask);
            (bits.leading_ones(), bits.count_ones() == bits.leading_ones())
        }
        IpAddr::V6(mask) => {
            let bits = u128::from(mask);
            (bits.leading_ones(), bits.count_ones() == bits.leading_ones())
        }
    };
    if contiguous { u8::try_from(ones).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        assert_eq!(mask4(0), Ipv4Addr::UNSPECIFIED);
        assert_eq!(mask4(24), Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!(mask6(128), Ipv6Addr::from(u128::MAX));
        assert_eq!(mask6(0), Ipv6Addr::UNSPECIFIED);
        for prefix in 0..=32 {
            assert_eq!(prefix_of(mask4(prefix).into()), Some(prefix));
        }
        for prefix in 0..=128 {
            assert_eq!(prefix_of(mask6(prefix).into()), Some(prefix));
        }
        assert_eq!(prefix_of(Ipv4Addr::new(255, 0, 255, 0).into()), None);
    }

    #[test]
    fn round_trips() {
        let four = Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!(Sockaddr::read(&inet(four)), Some(Sockaddr::Inet(four)));
        let six: Ipv6Addr = "fe80::1".parse().unwrap();
        assert_eq!(Sockaddr::read(&inet6(six, 7)), Some(Sockaddr::Inet6(six, 7)));
        let dl = LinkAddress { index: 3, kind: 6, name: "epair0a".into(), address: vec![2, 0, 0, 0, 0, 1] };
        assert_eq!(Sockaddr::read(&link(&dl)), Some(Sockaddr::Link(dl)));
        assert_eq!(Sockaddr::read(&[0; 8]), Some(Sockaddr::Absent));
        assert_eq!(Sockaddr::read(&[9, 2]), None);
        // A netmask that the kernel cut off after its last set byte.
        assert_eq!(Sockaddr::read(&[5, 2, 0, 0, 255]), Some(Sockaddr::Inet(Ipv4Addr::new(255, 0, 0, 0))));
    }
}
