//! The 16-byte name field that every interface request begins with.

use std::fmt;

use crate::abi::Errno;

/// `IFNAMSIZ` (`sys/net/if.h`): 15 bytes and a NUL.
pub const IFNAMSIZ: usize = 16;

/// A name as it stands in a request: at most 15 bytes without NUL, padded with zeros. The kernel sets no other rule,
/// so blanks, slashes and digits alone are legal; a text that is not UTF-8 is not an [`InterfaceName`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceName {
    bytes: [u8; IFNAMSIZ],
}

impl InterfaceName {
    /// The name `text`; the empty one is allowed, because a kernel must be able to refuse it.
    ///
    /// # Errors
    /// `ENAMETOOLONG` above 15 bytes, `EINVAL` for a NUL inside: what the kernel would say.
    pub fn new(text: &str) -> Result<Self, Errno> {
        if text.len() >= IFNAMSIZ {
            return Err(Errno::ENAMETOOLONG);
        }
        if text.contains('\0') {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; IFNAMSIZ];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { bytes })
    }

    /// Reads a name field up to its NUL. `None` if it has no NUL in the first 16 bytes or is not UTF-8.
    #[must_use]
    pub fn read(field: &[u8]) -> Option<Self> {
        let field = field.get(..field.len().min(IFNAMSIZ))?;
        let end = field.iter().position(|&byte| byte == 0)?;
        Self::new(std::str::from_utf8(field.get(..end)?).ok()?).ok()
    }

    /// The field: 16 bytes, zero padded.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; IFNAMSIZ] {
        &self.bytes
    }

    /// The name without padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.bytes.iter().position(|&byte| byte == 0).unwrap_or(IFNAMSIZ);
        std::str::from_utf8(&self.bytes[..end]).unwrap_or_default()
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_or_are_refused() {
        assert_eq!(InterfaceName::new("abcdefghijklmno").unwrap().as_str(), "abcdefghijklmno");
        assert_eq!(InterfaceName::new("abcdefghijklmnop"), Err(Errno::ENAMETOOLONG));
        assert_eq!(InterfaceName::new("a\0b"), Err(Errno::EINVAL));
        assert_eq!(InterfaceName::read(b"epair0a\0junk").unwrap().as_str(), "epair0a");
        assert_eq!(InterfaceName::read(&[b'a'; 16]), None);
        assert_eq!(InterfaceName::read(b""), None);
    }
}
