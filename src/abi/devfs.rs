//! Rules of devfs(4): which devices a mount shows (`sys/fs/devfs/devfs.h`).
//!
//! The requests go to any descriptor of a devfs, such as `/dev` itself.

/// `DEVFSIO_RADD`: adds a [`Rule`]; number 0 means "after the last one".
pub const DEVFSIO_RADD: u32 = 0xc0ec_4400;
/// `DEVFSIO_RDEL`: deletes the rule of an id.
pub const DEVFSIO_RDEL: u32 = 0x8004_4401;
/// `DEVFSIO_RGETNEXT`: the first rule of a ruleset with a higher number.
pub const DEVFSIO_RGETNEXT: u32 = 0xc0ec_4404;
/// `DEVFSIO_SGETNEXT`: the next higher number of a ruleset.
pub const DEVFSIO_SGETNEXT: u32 = 0xc002_440c;

/// Size of `struct devfs_rule`.
pub const RULE_SIZE: usize = 236;
/// `DEVFS_MAGIC`.
pub const MAGIC: u32 = 0xdb0a_087a;
/// Bytes of a path pattern with its NUL.
const PATTERN: usize = 200;

const AT_PATTERN: usize = 16;
const AT_ACTIONS: usize = AT_PATTERN + PATTERN;
const BY_PATTERN: u32 = 2;
const HIDES: u32 = 1;
const BOOLEAN: u32 = 1;

/// One rule: what it is about and whether it shows or hides that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Of which ruleset.
    pub ruleset: u16,
    /// Its place; 0 in a request means "after the last one".
    pub number: u16,
    /// Names it is about; `None` is all.
    pub pattern: Option<String>,
    /// Hides, else shows.
    pub hide: bool,
}

impl Rule {
    /// The structure; a pattern that does not fit is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; RULE_SIZE];
        let mut put = |at: usize, value: u32| {
            if let Some(field) = bytes.get_mut(at..at + 4) {
                field.copy_from_slice(&value.to_le_bytes());
            }
        };
        put(0, MAGIC);
        put(4, u32::from(self.ruleset) << 16 | u32::from(self.number));
        put(8, if self.pattern.is_some() { BY_PATTERN } else { 0 });
        put(AT_ACTIONS, BOOLEAN);
        put(AT_ACTIONS + 4, if self.hide { HIDES } else { 2 });
        for (field, byte) in
            bytes[AT_PATTERN..AT_ACTIONS - 1].iter_mut().zip(self.pattern.iter().flat_map(|text| text.bytes()))
        {
            *field = byte;
        }
        bytes
    }

    /// Reads what the kernel wrote; `None` if it is no rule.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let get = |at: usize| -> Option<u32> { Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)) };
        if bytes.len() != RULE_SIZE || get(0)? != MAGIC {
            return None;
        }
        let [low_a, low_b, high_a, high_b] = get(4)?.to_le_bytes();
        let has_pattern = get(8)? & BY_PATTERN != 0;
        Some(Self {
            ruleset: u16::from_le_bytes([high_a, high_b]),
            number: u16::from_le_bytes([low_a, low_b]),
            pattern: has_pattern.then(|| super::sysctl::read_string(&bytes[AT_PATTERN..AT_ACTIONS])),
            hide: get(AT_ACTIONS + 4)? & HIDES != 0,
        })
    }
}

/// The id of a rule, as [`DEVFSIO_RDEL`] takes it.
#[must_use]
pub fn rule_id(ruleset: u16, number: u16) -> Vec<u8> {
    (u32::from(ruleset) << 16 | u32::from(number)).to_le_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_go_and_come_back() {
        let rules = [
            Rule { ruleset: 4211, number: 0, pattern: None, hide: true },
            Rule { ruleset: 65535, number: 100, pattern: Some("pts/*".into()), hide: false },
        ];
        for rule in rules {
            let bytes = rule.encode();
            assert_eq!(bytes.len(), RULE_SIZE);
            assert_eq!(Rule::decode(&bytes), Some(rule));
        }
        assert_eq!(Rule::decode(&[0; RULE_SIZE]), None);
        assert_eq!(Rule::decode(&[]), None);
        let long = Rule { ruleset: 1, number: 1, pattern: Some("x".repeat(500)), hide: true };
        assert_eq!(Rule::decode(&long.encode()).unwrap().pattern.unwrap().len(), PATTERN - 1);
    }

    #[test]
    fn the_requests_carry_their_sizes() {
        use crate::abi::ioctl::argument_size;
        for (request, size) in
            [(DEVFSIO_RADD, RULE_SIZE), (DEVFSIO_RDEL, 4), (DEVFSIO_RGETNEXT, RULE_SIZE), (DEVFSIO_SGETNEXT, 2)]
        {
            assert_eq!(argument_size(request), size);
        }
    }
}
