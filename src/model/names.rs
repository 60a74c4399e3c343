//! Names that cannot be wrong: parsed once at the edge, ordered the way people count (`pc2` before `pc10`).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a name was refused: a sentence part such as "is longer than 15 bytes".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` {reason}")]
pub struct NameError {
    /// What was given.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Compares with runs of digits taken as numbers; equal numbers of different length order by length.
#[must_use]
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (whole_a, whole_b) = (a.as_bytes(), b.as_bytes());
    // What they begin with alike decides nothing, except for a number that goes on behind it.
    let alike = whole_a.iter().zip(whole_b).take_while(|(x, y)| x == y).count();
    let number = whole_a[..alike].iter().rev().take_while(|c| c.is_ascii_digit()).count();
    let (mut a, mut b) = (&whole_a[alike - number..], &whole_b[alike - number..]);
    loop {
        match (a.first(), b.first()) {
            (None, None) => return whole_a.len().cmp(&whole_b.len()).then_with(|| whole_a.cmp(whole_b)),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (da, rest_a) = digits(a);
                let (db, rest_b) = digits(b);
                let order = da.len().cmp(&db.len()).then_with(|| da.cmp(db));
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (rest_a, rest_b);
            }
            (Some(x), Some(y)) => match x.cmp(y) {
                Ordering::Equal => (a, b) = (&a[1..], &b[1..]),
                other => return other,
            },
        }
    }
}

/// The leading digits without their zeros, and what follows them.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let zeros = number.iter().take_while(|c| **c == b'0').count();
    (&number[zeros..], rest)
}

macro_rules! name_type {
    ($(#[$meta:meta])* $name:ident, $check:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the rules of the name.
            ///
            /// # Errors
            /// What is wrong with it, in words.
            pub fn new(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> Result<(), String> = $check;
                check(text).map_err(|reason| NameError { name: text.to_owned(), reason })?;
                Ok(Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                natural_order(&self.0, &other.0)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(d)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type!(
    /// The name of a lab: `[a-z][a-z0-9-]{0,30}`.
    LabName, |text| pattern(text, 31, b"-"));
name_type!(
/// The name of a node: `[a-z][a-z0-9_-]{0,62}`, not `host`, not `self`.
NodeName, |text| {
    pattern(text, 63, b"_-")?;
    if text == "host" || text == "self" { return Err("is reserved".into()); }
    Ok(())
});
name_type!(
/// The name of an interface inside its node: `[a-z][a-z0-9_]{0,14}`, not `lo0`, not a cloner's name with digits.
IfName, |text| {
    pattern(text, 15, b"_")?;
    if text == "lo0" { return Err("is the loopback; write `lo`".into()); }
    if let Some(cloner) = cloner_name(text) {
        return Err(format!("would collide with the interfaces that the kernel names `{cloner}N`"));
    }
    Ok(())
});

/// Cloners of FreeBSD 13 to 15 whose unit names an author must not use.
const CLONERS: [&str; 29] = [
    "bridge", "carp", "disc", "edsc", "enc", "epair", "faith", "fwe", "fwip", "gif", "gre", "ipfw", "ipsec", "lagg",
    "lo", "me", "ng", "ngeth", "pflog", "pfsync", "ppp", "stf", "tap", "tun", "vlan", "vmnet", "vxlan", "wg", "wlan",
];

/// The cloner whose `nameN` (or `nameNa`, for epair) this is.
fn cloner_name(text: &str) -> Option<&'static str> {
    let stem = text.strip_suffix(['a', 'b']).filter(|t| t.starts_with("epair")).unwrap_or(text);
    let name = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    if name.len() == stem.len() {
        return None;
    }
    CLONERS.into_iter().find(|cloner| *cloner == name)
}

fn pattern(text: &str, longest: usize, extra: &[u8]) -> Result<(), String> {
    let Some(first) = text.bytes().next() else { return Err("is empty".into()) };
    if !first.is_ascii_lowercase() {
        return Err("must begin with a letter a to z".into());
    }
    let bad = text
        .chars()
        .find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || (c.is_ascii() && extra.contains(&(*c as u8)))));
    if let Some(c) = bad {
        let extra = String::from_utf8_lossy(extra);
        return Err(format!(
            "has `{c}`; allowed are a to z, 0 to 9 and {}",
            extra.chars().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(" ")
        ));
    }
    if text.len() > longest {
        return Err(format!("is longer than {longest} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused<T: FromStr<Err = NameError> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().unwrap_err().to_string()
    }

    #[test]
    fn people_count_before_they_spell() {
        let mut names = ["pc10", "pc2", "pc", "pc02", "pc1", "pc2a", "a9-b", "a10-a", "pc002"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a9-b", "a10-a", "pc", "pc1", "pc2", "pc02", "pc002", "pc2a", "pc10"]);
    }

    #[test]
    fn labs_have_31_bytes_and_no_underscore() {
        assert!("a".parse::<LabName>().is_ok() && "isp-fw-2".parse::<LabName>().is_ok());
        assert!("a".repeat(31).parse::<LabName>().is_ok());
        assert!(refused::<LabName>(&"a".repeat(32)).contains("longer than 31"));
        assert!(refused::<LabName>("a_b").contains("has `_`"));
        assert!(refused::<LabName>("").contains("is empty"));
    }

    #[test]
    fn nodes_begin_with_a_letter_and_leave_reserved_words() {
        assert!("core_1-a".parse::<NodeName>().is_ok() && "a".repeat(63).parse::<NodeName>().is_ok());
        assert!(refused::<NodeName>(&"a".repeat(64)).contains("longer than 63"));
        assert!(refused::<NodeName>("1").contains("must begin with a letter"));
        assert!(refused::<NodeName>("Core").contains("must begin with a letter a to z"));
        assert!(refused::<NodeName>("a.b").contains("has `.`"));
        assert!(refused::<NodeName>("größe").contains("has `ö`"));
        assert!(refused::<NodeName>("host").contains("reserved") && refused::<NodeName>("self").contains("reserved"));
    }

    #[test]
    fn interfaces_leave_the_names_of_cloners_to_the_kernel() {
        for name in ["eth0", "wan", "lo1a", "bridge", "epair0ab", "e0a", "tap_1", "wg0x"] {
            assert!(name.parse::<IfName>().is_ok(), "{name}");
        }
        for name in ["epair0", "epair0a", "epair12b", "bridge1", "vlan2", "ngeth3", "lo1", "wg0"] {
            assert!(refused::<IfName>(name).contains("collide"), "{name}");
        }
        assert!(refused::<IfName>("lo0").contains("write `lo`"));
        assert!(refused::<IfName>(&"e".repeat(16)).contains("longer than 15"));
        assert!(refused::<IfName>("eth-0").contains("has `-`"));
    }

    proptest! {
        #[test]
        fn the_natural_order_is_total(a in "[a-c0-2]{0,6}", b in "[a-c0-2]{0,6}", c in "[a-c0-2]{0,6}") {
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            prop_assert_eq!(natural_order(&a, &b).is_eq(), a == b);
            if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
                prop_assert!(natural_order(&a, &c).is_le());
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}", other in "\\PC{0,20}") {
            let _ = (text.parse::<LabName>(), text.parse::<NodeName>(), text.parse::<IfName>());
            let _ = natural_order(&text, &other);
        }
    }
}
