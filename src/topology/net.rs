//! Addresses and prefixes of the file, with words that say which half of one is wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use serde_json::{Value, json};

use super::leaf::Written;

/// A range of addresses: no host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<N>(pub N);

/// An address of an interface: host bits kept, with or without a prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<N> {
    /// Address and prefix length.
    pub net: N,
    /// The text has a `/`.
    pub has_prefix: bool,
}

macro_rules! family {
    ($net:ty, $address:ty, $name:literal, $block:literal, $host:literal, $block_wanted:literal, $host_wanted:literal) => {
        impl Written for Block<$net> {
            const WANTED: &'static str = $block_wanted;

            fn read(text: &str) -> Result<Self, String> {
                let net = network::<$net, $address>(text, $name, $block)?;
                let clean = <$net>::new(net.network(), net.prefix()).map_err(|error| error.to_string())?;
                if net != clean {
                    return Err(format!("`{text}` has bits beyond its prefix; the range is `{clean}`"));
                }
                Ok(Self(net))
            }

            fn schema() -> Value {
                json!({ "type": "string", "examples": [$block] })
            }
        }

        impl Written for Host<$net> {
            const WANTED: &'static str = $host_wanted;

            fn read(text: &str) -> Result<Self, String> {
                if let Ok(address) = text.parse::<$address>() {
                    return Ok(Self { net: <$net>::from(address), has_prefix: false });
                }
                Ok(Self { net: network::<$net, $address>(text, $name, $host)?, has_prefix: true })
            }

            fn schema() -> Value {
                json!({ "type": "string", "examples": [$host] })
            }
        }
    };
}

family!(
    Ipv4Network,
    Ipv4Addr,
    "IPv4",
    "10.0.0.0/16",
    "10.0.0.1/24",
    "an IPv4 range, such as `10.0.0.0/16`",
    "an IPv4 address, such as `10.0.0.1/24`"
);
family!(
    Ipv6Network,
    Ipv6Addr,
    "IPv6",
    "fd00:1::/48",
    "fd00:1::1/64",
    "an IPv6 range, such as `fd00:1::/48`",
    "an IPv6 address, such as `fd00:1::1/64`"
);

/// `ADDRESS/LENGTH` with words that say which half is wrong.
fn network<N, A>(text: &str, family: &str, example: &str) -> Result<N, String>
where
    N: std::str::FromStr,
    A: std::str::FromStr,
{
    let Some((address, length)) = text.split_once('/') else {
        return Err(format!("`{text}` is not an {family} prefix; write one such as `{example}`"));
    };
    if address.parse::<A>().is_err() {
        return Err(format!("`{address}` is not an {family} address"));
    }
    text.parse().map_err(|_| format!("`/{length}` is not a prefix length of {family}"))
}

/// Every address of the family of `via`.
#[must_use]
pub fn everything(via: IpAddr) -> IpNetwork {
    match via {
        IpAddr::V4(_) => {
            IpNetwork::V4(Ipv4Network::new_checked(Ipv4Addr::UNSPECIFIED, 0).expect("0 is a prefix length"))
        }
        IpAddr::V6(_) => {
            IpNetwork::V6(Ipv6Network::new_checked(Ipv6Addr::UNSPECIFIED, 0).expect("0 is a prefix length"))
        }
    }
}

/// `to:` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// `default`.
    Default,
    /// A prefix without host bits.
    Prefix(IpNetwork),
}

impl Written for Destination {
    const WANTED: &'static str = "`default` or a prefix, such as `10.0.0.0/8`";

    fn read(text: &str) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self::Default);
        }
        if text.split('/').next().is_some_and(|address| address.contains(':')) {
            return Block::<Ipv6Network>::read(text).map(|block| Self::Prefix(block.0.into()));
        }
        Block::<Ipv4Network>::read(text).map(|block| Self::Prefix(block.0.into()))
    }

    fn schema() -> Value {
        json!({ "type": "string", "examples": ["default", "10.0.0.0/8", "fd00::/8"] })
    }
}

impl Written for IpAddr {
    const WANTED: &'static str = "an address, such as `10.0.0.1`";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is not an IPv4 or IPv6 address"))
    }

    fn schema() -> Value {
        json!({ "type": "string", "examples": ["10.0.0.1", "fd00:1::1"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_half_of_a_prefix_has_its_own_words() {
        let block = |text| Block::<Ipv4Network>::read(text).map(|block| block.0.to_string());
        assert_eq!(block("10.0.0.0/16").as_deref(), Ok("10.0.0.0/16"));
        assert_eq!(
            block("10.0.1.0/16").unwrap_err(),
            "`10.0.1.0/16` has bits beyond its prefix; the range is `10.0.0.0/16`"
        );
        assert_eq!(block("10.0.0.300/16").unwrap_err(), "`10.0.0.300` is not an IPv4 address");
        assert_eq!(block("10.0.0.0/33").unwrap_err(), "`/33` is not a prefix length of IPv4");
        assert_eq!(block("fd00::/48").unwrap_err(), "`fd00::` is not an IPv4 address");
        assert!(block("10.0.0.0").unwrap_err().contains("write one such as `10.0.0.0/16`"));
        assert!(Host::<Ipv6Network>::read("fd00::1").is_ok_and(|host| !host.has_prefix && host.net.prefix() == 128));
        assert!(Host::<Ipv6Network>::read("fd00::1/64").is_ok_and(|host| host.has_prefix));
    }

    #[test]
    fn a_destination_is_default_or_a_prefix() {
        assert_eq!(Destination::read("default"), Ok(Destination::Default));
        assert!(matches!(Destination::read("fd00::/8"), Ok(Destination::Prefix(IpNetwork::V6(_)))));
        assert!(Destination::read("10.0.0.1").is_err());
        assert!(Destination::read("10.0.0.1/8").unwrap_err().contains("`10.0.0.0/8`"));
    }
}
