//! Kernel names that we derive: always short enough, never the author's problem, the same for the same file.

use sha2::{Digest, Sha256};

use super::Table;
use super::object::Name;
use crate::model::{LabName, Mac};

/// Bytes of a node name that leave room for the rest of a path in the 32 address bytes of a control message.
pub const NETGRAPH_NAME: usize = 30;

/// The first 50 bits of SHA-256 over the NUL-separated parts, as ten lower-case base32 digits (RFC 4648).
fn digits(parts: &[&str]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = Sha256::digest(parts.join("\0"));
    let bits = hash.iter().take(8).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    (0..10).map(|i| char::from(ALPHABET[usize::try_from(bits >> (59 - 5 * i) & 31).unwrap_or(0)])).collect()
}

/// What an interface is called in the lab jail: `c` and ten digits.
///
/// `node` is the node that uses it, `interface` its name there; for the loose end of a link at an if_bridge the bridge and the
/// far end's `node:interface`; for a bridge itself the empty string.
#[must_use]
pub fn in_lab(lab: &LabName, node: &str, interface: &str) -> Name {
    format!("c{}", digits(&["cellblock interface 1", lab.as_str(), node, interface])).into()
}

/// A MAC for an interface the author never named: locally administered, made like those of the model.
#[must_use]
pub fn mac(lab: &LabName, node: &str, interface: &str) -> Mac {
    let hash = Sha256::digest(["cellblock mac 1", lab.as_str(), node, interface].join("\0"));
    let mut mac = [2; 6];
    mac[1..].copy_from_slice(&hash[..5]);
    Mac(mac)
}

/// Names of netgraph nodes: the readable form where it fits and is unique, else the hashed one.
#[derive(Debug, Default)]
pub struct NetgraphNames<'m> {
    wanted: Vec<(String, [&'m str; 2])>,
    given: Table<[&'m str; 2], Name>,
}

impl<'m> NetgraphNames<'m> {
    /// Asks for `readable` for what the pair `key` stands for.
    pub fn want(&mut self, readable: String, key: [&'m str; 2]) {
        self.wanted.push((readable, key));
    }

    /// Decides all of them, whatever the order of asking.
    pub fn decide(&mut self) {
        let mut uses: Table<&str, usize> = Table::default();
        uses.reserve(self.wanted.len());
        for (readable, _) in &self.wanted {
            *uses.entry(readable).or_default() += 1;
        }
        self.given.reserve(self.wanted.len());
        for (readable, key) in &self.wanted {
            let plain = readable.len() <= NETGRAPH_NAME && uses.get(readable.as_str()) == Some(&1);
            let name = if plain { readable.as_str().into() } else { hashed(readable, key) };
            self.given.insert(*key, name);
        }
    }

    /// The name decided for `key`.
    #[must_use]
    pub fn get(&self, key: [&str; 2]) -> Option<Name> {
        self.given.get(&key).cloned()
    }
}

fn hashed(readable: &str, key: &[&str; 2]) -> Name {
    let end = readable.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= 19).last().unwrap_or(0);
    format!("{}~{}", &readable[..end], digits(&["cellblock netgraph 1", key[0], key[1]])).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_names_are_short_and_stable() {
        let lab: LabName = "office".parse().unwrap();
        let name = in_lab(&lab, "pc01", "eth0");
        assert_eq!(name.len(), 11);
        assert!(name.starts_with('c'));
        assert_eq!(name, in_lab(&lab, "pc01", "eth0"));
        assert_ne!(name, in_lab(&lab, "pc0", "1eth0"), "parts do not run into each other");
    }

    #[test]
    fn netgraph_names_are_readable_where_they_fit_and_are_unique() {
        let mut names = NetgraphNames::default();
        let long = "a-very-long-node-name-that-goes-on".to_owned();
        names.want("pc01_eth0".into(), ["pc01", "eth0"]);
        names.want("a_b_c".into(), ["a", "b_c"]);
        names.want("a_b_c".into(), ["a_b", "c"]);
        names.want(format!("{long}_eth0"), [&long, "eth0"]);
        names.decide();
        assert_eq!(&*names.get(["pc01", "eth0"]).unwrap(), "pc01_eth0");
        let (one, two) = (names.get(["a", "b_c"]).unwrap(), names.get(["a_b", "c"]).unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("a_b_c~"));
        let name = names.get([&long, "eth0"]).unwrap();
        assert_eq!(name.len(), NETGRAPH_NAME);
        assert!(name.starts_with("a-very-long-node-na~"));
    }
}
