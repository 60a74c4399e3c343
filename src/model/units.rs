//! Quantities with their units in the type: parsed from what people write, never from bare guesses.
//!
//! All arithmetic is on integers: a text that would have to be rounded is refused. `FromStr` accepts what `Display` prints.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a quantity was refused: a sentence part such as "needs a unit".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {reason}")]
pub struct UnitError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl UnitError {
    fn new(text: &str, reason: impl Into<String>) -> Self {
        Self { text: text.to_owned(), reason: reason.into() }
    }
}

/// Bits per second, written `10mbit`, `1.5gbit`, `100kbit`, `64000bit` or bare `64000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Bandwidth(pub u64);

/// Nanoseconds, written `5ms`, `100us`, `1.5s`, `250ns`; a bare number is refused unless it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Delay(pub u64);

/// A share in millionths: 1 % is 10,000. Written `1%`, `0.01%`; a bare number is refused unless it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Share(pub u32);

/// Octets of an Ethernet payload: 72 to 65,535 (sys/net/if.c:2739); an eiface takes at most 9,018.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "u64")]
pub struct Mtu(pub u16);

/// A MAC address, written as six pairs of hexadecimal digits: `02:00:5e:10:00:01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mac(pub [u8; 6]);

impl Share {
    /// The whole.
    pub const ALL: Self = Self(1_000_000);
}

impl Mtu {
    /// What Ethernet starts with.
    pub const ETHERNET: Self = Self(1500);
    /// `IF_MINMTU`, the least that FreeBSD lets an interface have (sys/net/if.h).
    pub const LEAST: Self = Self(72);
    /// The most that ng_eiface takes (sys/netgraph/ng_eiface.c:171).
    pub const EIFACE_MOST: Self = Self(9018);
    /// The least that IPv6 works with (RFC 8200).
    pub const IPV6_LEAST: Self = Self(1280);
}

impl Mac {
    /// The group bit is set: no interface can have such an address.
    #[must_use]
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// All bits are zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }
}

/// A unit and how many of the base unit it is.
type Unit = (&'static str, u64);

const RATES: [Unit; 4] = [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)];
const TIMES: [Unit; 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];
const PERCENT: [Unit; 1] = [("%", 10_000)];

impl FromStr for Bandwidth {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let advice = "write a number with bit, kbit, mbit or gbit, such as `10mbit`";
        match split(text) {
            Some((number, "")) => decimal(text, number, 1, "1 bit/s").map(Self),
            Some((number, unit)) => match find(&RATES, unit) {
                Some(scale) => decimal(text, number, scale, "1 bit/s").map(Self),
                None => Err(UnitError::new(text, format!("has the unknown unit `{unit}`; {advice}"))),
            },
            None => Err(UnitError::new(text, format!("is not a rate; {advice}"))),
        }
    }
}

impl FromStr for Delay {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let advice = "write a number with ns, us, ms or s, such as `5ms`";
        match split(text) {
            Some((number, "")) if decimal(text, number, 1, "1") == Ok(0) => Ok(Self(0)),
            Some((_, "")) => Err(UnitError::new(text, format!("needs a unit; {advice}"))),
            Some((number, unit)) => match find(&TIMES, unit) {
                Some(scale) => decimal(text, number, scale, "1 ns").map(Self),
                None => Err(UnitError::new(text, format!("has the unknown unit `{unit}`; {advice}"))),
            },
            None => Err(UnitError::new(text, format!("is not a time; {advice}"))),
        }
    }
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let advice = "write a percentage, such as `1%` or `0.05%`";
        let millionths = match split(text) {
            Some((number, "%")) => decimal(text, number, PERCENT[0].1, "0.0001 %")?,
            Some((number, "")) if decimal(text, number, 1, "1") == Ok(0) => 0,
            Some((_, "")) => return Err(UnitError::new(text, format!("needs a `%`; {advice}"))),
            _ => return Err(UnitError::new(text, format!("is not a share; {advice}"))),
        };
        match u32::try_from(millionths) {
            Ok(share) if share <= Self::ALL.0 => Ok(Self(share)),
            _ => Err(UnitError::new(text, "is more than 100 %")),
        }
    }
}

impl FromStr for Mtu {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
            return Err(UnitError::new(text, "is not an MTU; write a whole number of bytes, such as `1500`"));
        }
        // Too many digits for a u64 is too much as well.
        Self::try_from(text.parse().unwrap_or(u64::MAX)).map_err(|error| UnitError::new(text, error.reason))
    }
}

impl TryFrom<u64> for Mtu {
    type Error = UnitError;

    fn try_from(bytes: u64) -> Result<Self, UnitError> {
        match u16::try_from(bytes) {
            Ok(mtu) if mtu >= Self::LEAST.0 => Ok(Self(mtu)),
            _ => Err(UnitError::new(&bytes.to_string(), "is not an MTU from 72 to 65535")),
        }
    }
}

impl FromStr for Mac {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::new(text, "is not a MAC address; write six pairs like `02:00:5e:10:00:01`");
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            let pair = pairs.next().filter(|p| p.len() == 2 && p.bytes().all(|c| c.is_ascii_hexdigit()));
            *octet = pair.and_then(|p| u8::from_str_radix(p, 16).ok()).ok_or_else(wrong)?;
        }
        if pairs.next().is_some() {
            return Err(wrong());
        }
        Ok(Self(octets))
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&print(self.0, &RATES))
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&print(self.0, &TIMES))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&print_in(self.0.into(), PERCENT[0]))
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        f.pad(&format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"))
    }
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnitError;

            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse()
            }
        }
    )*};
}

as_text!(Bandwidth Delay Share Mac);

impl From<Mtu> for u64 {
    fn from(mtu: Mtu) -> Self {
        mtu.0.into()
    }
}

/// The number in front and what follows it; `None` if no digit comes first.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    number.starts_with(|c: char| c.is_ascii_digit()).then_some((number, unit))
}

fn find(units: &[Unit], name: &str) -> Option<u64> {
    units.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(name)).map(|(_, scale)| *scale)
}

/// `number` (digits, perhaps a point and digits) times `scale`, exactly.
fn decimal(text: &str, number: &str, scale: u64, finest: &str) -> Result<u64, UnitError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(UnitError::new(text, "is not a decimal number"));
    }
    let too_fine = || UnitError::new(text, format!("is finer than {finest}"));
    let fraction = fraction.trim_end_matches('0');
    // 10^18 is above every scale's own power of ten, so longer fractions are too fine anyway.
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 18).ok_or_else(too_fine)?;
    let parts = u128::from(scale) * fraction.parse::<u128>().unwrap_or(0);
    let unit = 10u128.pow(places);
    if parts % unit != 0 {
        return Err(too_fine());
    }
    let sum = whole.parse::<u64>().ok().and_then(|w| w.checked_mul(scale));
    let sum = sum.and_then(|w| w.checked_add(u64::try_from(parts / unit).ok()?));
    sum.ok_or_else(|| UnitError::new(text, "is too large"))
}

/// In the largest unit that needs at most three places after the point.
fn print(value: u64, units: &[Unit]) -> String {
    let short = |(_, scale): &&Unit| value >= *scale && (u128::from(value) * 1000).is_multiple_of(u128::from(*scale));
    match units.iter().find(short) {
        Some(unit) => print_in(value, *unit),
        // Only 0 is below the base unit.
        None => units.last().map_or_else(|| value.to_string(), |unit| print_in(value, *unit)),
    }
}

fn print_in(value: u64, (name, scale): Unit) -> String {
    let places = scale.ilog10() as usize;
    let fraction = format!("{:0places$}", value % scale);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}{name}", value / scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused<T: FromStr<Err = UnitError> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().unwrap_err().to_string()
    }

    #[test]
    fn rates_are_read_and_printed_exactly() {
        for (text, bits, printed) in [
            ("10mbit", 10_000_000, "10mbit"),
            ("1.5gbit", 1_500_000_000, "1.5gbit"),
            ("100kbit", 100_000, "100kbit"),
            ("64000", 64_000, "64kbit"),
            ("0", 0, "0bit"),
            ("10Mbit", 10_000_000, "10mbit"),
            ("1.234567mbit", 1_234_567, "1234.567kbit"),
            ("0.100mbit", 100_000, "100kbit"),
            ("18446744073709551615", u64::MAX, "18446744073709551.615kbit"),
        ] {
            assert_eq!(text.parse(), Ok(Bandwidth(bits)), "{text}");
            assert_eq!(Bandwidth(bits).to_string(), printed);
        }
    }

    #[test]
    fn rates_that_are_guesses_or_roundings_are_refused() {
        assert!(refused::<Bandwidth>("10mbps").contains("unknown unit `mbps`"));
        assert!(refused::<Bandwidth>("10 mbit").contains("unknown unit ` mbit`"));
        assert!(refused::<Bandwidth>("fast").contains("is not a rate"));
        assert!(refused::<Bandwidth>("-1mbit").contains("is not a rate"));
        assert!(refused::<Bandwidth>("").contains("is not a rate"));
        assert!(refused::<Bandwidth>(".5mbit").contains("is not a rate"));
        assert!(refused::<Bandwidth>("1.mbit").contains("is not a decimal number"));
        assert!(refused::<Bandwidth>("1.2.3mbit").contains("is not a decimal number"));
        assert!(refused::<Bandwidth>("1e3mbit").contains("unknown unit"));
        assert!(refused::<Bandwidth>("1.5bit").contains("finer than 1 bit/s"));
        assert!(refused::<Bandwidth>("0.00000000000000000000000000000000000001gbit").contains("finer than"));
        assert!(refused::<Bandwidth>("18446744073709551616").contains("too large"));
        assert!(refused::<Bandwidth>("99999999999999999999999999999999999999999999gbit").contains("too large"));
    }

    #[test]
    fn times_need_a_unit() {
        assert_eq!("5ms".parse(), Ok(Delay(5_000_000)));
        assert_eq!("1.5s".parse(), Ok(Delay(1_500_000_000)));
        assert_eq!("100us".parse(), Ok(Delay(100_000)));
        assert_eq!("0".parse(), Ok(Delay(0)));
        assert_eq!(Delay(1_500_000).to_string(), "1.5ms");
        assert_eq!(Delay(1_234_567).to_string(), "1234.567us");
        assert!(refused::<Delay>("5").contains("needs a unit"));
        assert!(refused::<Delay>("0.1ns").contains("finer than 1 ns"));
        assert!(refused::<Delay>("5min").contains("unknown unit `min`"));
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!("1%".parse(), Ok(Share(10_000)));
        assert_eq!("0.0001%".parse(), Ok(Share(1)));
        assert_eq!("100%".parse(), Ok(Share::ALL));
        assert_eq!("0".parse(), Ok(Share(0)));
        assert_eq!(Share(15_000).to_string(), "1.5%");
        assert!(refused::<Share>("0.5").contains("needs a `%`"));
        assert!(refused::<Share>("100.0001%").contains("more than 100 %"));
        assert!(refused::<Share>("0.00001%").contains("finer than"));
        assert!(refused::<Share>("1‰").contains("is not a share"));
    }

    #[test]
    fn mtus_have_a_range() {
        assert_eq!("1500".parse(), Ok(Mtu::ETHERNET));
        assert_eq!("72".parse(), Ok(Mtu::LEAST));
        assert_eq!("65535".parse(), Ok(Mtu(65535)));
        for text in ["71", "65536", "99999999999999999999999"] {
            assert!(refused::<Mtu>(text).starts_with(&format!("`{text}` is not an MTU from 72")));
        }
        assert!(refused::<Mtu>("-5").contains("whole number"));
    }

    #[test]
    fn macs_are_six_pairs() {
        let mac = Mac([0x02, 0, 0x5e, 0x10, 0, 0xff]);
        assert_eq!("02:00:5E:10:00:ff".parse(), Ok(mac));
        assert_eq!(mac.to_string(), "02:00:5e:10:00:ff");
        assert!(Mac([1, 0, 0x5e, 0, 0, 1]).is_multicast() && !mac.is_multicast());
        for text in [
            "",
            "02",
            "2:0:5e:10:0:1",
            "02:00:5e:10:00",
            "02:00:5e:10:00:01:02",
            "0g:00:5e:10:00:01",
            "+2:00:5e:10:00:01",
        ] {
            assert!(refused::<Mac>(text).contains("six pairs"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(value: u64, share in 0..=1_000_000u32, octets: [u8; 6], mtu in 72u16..) {
            prop_assert_eq!(Bandwidth(value).to_string().parse(), Ok(Bandwidth(value)));
            prop_assert_eq!(Delay(value).to_string().parse(), Ok(Delay(value)));
            prop_assert_eq!(Share(share).to_string().parse(), Ok(Share(share)));
            prop_assert_eq!(Mac(octets).to_string().parse(), Ok(Mac(octets)));
            prop_assert_eq!(Mtu(mtu).to_string().parse(), Ok(Mtu(mtu)));
        }

        #[test]
        fn no_text_panics(text in "[0-9.%a-z ]{0,40}|\\PC{0,20}") {
            let _ = (text.parse::<Bandwidth>(), text.parse::<Delay>(), text.parse::<Share>());
            let _ = (text.parse::<Mtu>(), text.parse::<Mac>());
        }
    }
}
