//! Prefixes of either family as numbers, for carving, comparing and merging.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

/// Address family; IPv4 sorts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(super) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Bits of an address.
    pub(super) fn width(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// A prefix without host bits. Sorts by family, then first address, then shortest first, so a prefix stands right before
/// those inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Prefix {
    pub(super) family: Family,
    /// The lowest address as a number.
    pub(super) first: u128,
    /// At most the family's width.
    pub(super) length: u8,
}

impl Prefix {
    /// The subnet of an address, host bits dropped.
    pub(super) fn of(net: IpNetwork) -> Self {
        let family = Family::of(net.ip());
        let length = net.prefix();
        Self { family, first: bits(net.ip()) & !host_mask(family, length), length }
    }

    /// The prefix that holds one address.
    pub(super) fn host(address: IpAddr) -> Self {
        let family = Family::of(address);
        Self { family, first: bits(address), length: family.width() }
    }

    /// The highest address as a number.
    pub(super) fn last(self) -> u128 {
        self.first | host_mask(self.family, self.length)
    }

    pub(super) fn contains(self, other: Self) -> bool {
        self.family == other.family && self.first <= other.first && other.last() <= self.last()
    }

    pub(super) fn contains_address(self, address: IpAddr) -> bool {
        self.contains(Self::host(address))
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// The prefix made of exactly this one and `other`, if they are its two halves.
    pub(super) fn merged(self, other: Self) -> Option<Self> {
        let length = self.length.checked_sub(1)?;
        let half = self.first ^ other.first;
        let halves = self.family == other.family
            && self.length == other.length
            && half == 1 << (self.family.width() - self.length);
        halves.then_some(Self { family: self.family, first: self.first & other.first, length })
    }

    /// The address `offset` above the first one.
    pub(super) fn address(self, offset: u128) -> IpAddr {
        address(self.family, self.first + offset)
    }

    /// Whether an interface may have the address `offset` above the first: not the network or broadcast address of
    /// IPv4, not the anycast address of IPv6, which prefixes of one or two addresses do not have (RFC 3021, RFC 6164).
    pub(super) fn is_usable(self, offset: u128) -> bool {
        let most = host_mask(self.family, self.length);
        match (self.family, most) {
            (_, 0 | 1) => offset <= most,
            (Family::V4, _) => offset > 0 && offset < most,
            (Family::V6, _) => offset > 0 && offset <= most,
        }
    }

    /// How many addresses are usable.
    pub(super) fn usable(self) -> u128 {
        let most = host_mask(self.family, self.length);
        match (self.family, most) {
            (_, 0 | 1) => most + 1,
            (Family::V4, _) => most - 1,
            (Family::V6, _) => most,
        }
    }

    /// The lowest usable offset.
    pub(super) fn first_usable(self) -> u128 {
        u128::from(!self.is_usable(0))
    }

    pub(super) fn network(self) -> IpNetwork {
        with_length(address(self.family, self.first), self.length)
    }
}

/// An address with a prefix length that its family has.
pub(super) fn with_length(address: IpAddr, length: u8) -> IpNetwork {
    IpNetwork::new(address, length).expect("the length comes from a prefix of the same family")
}

/// The bits below a prefix, all set.
pub(super) fn host_mask(family: Family, length: u8) -> u128 {
    u128::MAX.checked_shr(u32::from(128 - family.width() + length)).unwrap_or(0)
}

pub(super) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(family: Family, bits: u128) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from_bits(u32::try_from(bits).expect("an IPv4 prefix has 32 bits")).into(),
        Family::V6 => Ipv6Addr::from_bits(bits).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        Prefix::of(text.parse().unwrap())
    }

    #[test]
    fn edges_of_prefixes() {
        assert_eq!(prefix("10.1.2.3/8").network().to_string(), "10.0.0.0/8");
        assert_eq!(prefix("0.0.0.0/0").last(), u128::from(u32::MAX));
        assert_eq!(prefix("::/0").last(), u128::MAX);
        assert_eq!(prefix("::1/128").last(), 1);
        assert_eq!(prefix("10.0.0.0/24").address(7).to_string(), "10.0.0.7");
        assert!(prefix("10.0.0.0/8").overlaps(prefix("10.9.0.0/16")) && !prefix("10.0.0.0/8").overlaps(prefix("::/0")));
    }

    #[test]
    fn halves_merge_and_nothing_else_does() {
        assert_eq!(prefix("10.0.0.0/24").merged(prefix("10.0.1.0/24")), Some(prefix("10.0.0.0/23")));
        assert_eq!(prefix("10.0.1.0/24").merged(prefix("10.0.2.0/24")), None);
        assert_eq!(prefix("10.0.0.0/24").merged(prefix("10.0.0.0/24")), None);
        assert_eq!(prefix("10.0.0.0/24").merged(prefix("10.0.1.0/25")), None);
        assert_eq!(prefix("::/1").merged(prefix("8000::/1")), Some(prefix("::/0")));
        assert_eq!(prefix("0.0.0.0/0").merged(prefix("0.0.0.0/0")), None);
    }

    #[test]
    fn network_and_broadcast_exist_from_four_addresses_up() {
        let usable = |text| {
            let prefix = prefix(text);
            let offsets: Vec<u128> = (0..5).filter(|offset| prefix.is_usable(*offset)).collect();
            assert!(prefix.usable() > 5 || prefix.usable() == offsets.len() as u128);
            assert_eq!(prefix.first_usable(), offsets[0]);
            offsets
        };
        assert_eq!(usable("10.0.0.0/30"), [1, 2]);
        assert_eq!(usable("10.0.0.0/31"), [0, 1]);
        assert_eq!(usable("10.0.0.0/32"), [0]);
        assert_eq!(usable("fd00::/126"), [1, 2, 3]);
        assert_eq!(usable("fd00::/127"), [0, 1]);
        assert_eq!(usable("fd00::/128"), [0]);
        assert_eq!(prefix("10.0.0.0/24").usable(), 254);
        assert_eq!(prefix("::/0").usable(), u128::MAX);
    }
}
