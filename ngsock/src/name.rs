//! Names of nodes, hooks and types, and the NUL-padded fields that carry them.
//!
//! A [`Text`] is what stands in a message, whoever wrote it; [`NodeName`], [`HookName`] and [`TypeName`] are
//! names that a kernel takes and that a path can reach. Requests are made from the latter and can be read
//! back as the former, because a reader of messages must cope with any name.

use core::fmt;
use core::str::FromStr;

use crate::addr::NodeId;

pub use crate::chars::{InterfaceName, Name, ShortBytes, Text};

/// Why bytes are no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// No bytes at all.
    Empty,
    /// More bytes than the kernel's field takes; it would be cut without notice.
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// A byte that the kernel refuses in such a name, or with which no path could reach the thing.
    Byte(u8),
    /// `[hex]` is how a node is addressed by its number, so it cannot be a name (`sys/netgraph/ng_base.c:949`).
    LooksLikeId,
    /// `link` or `uplink` with a number above 2147483647: as a bridge's hook it takes FreeBSD 15.1 down.
    LinkNumber,
    /// `uplink0`: a bridge counts its uplinks from 1.
    UplinkZero,
    /// No hook that a bridge has: `link<N>`, `uplink<N>`, N in decimal without leading zeros.
    NotABridgeHook,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("name is empty"),
            Self::TooLong { len, max } => write!(f, "name has {len} bytes, the kernel takes {max}"),
            Self::Byte(byte) => write!(f, "name contains `{}`", byte.escape_ascii()),
            Self::LooksLikeId => f.write_str("name has the form of a node number"),
            Self::LinkNumber => f.write_str("bridge link number is above 2147483647"),
            Self::UplinkZero => f.write_str("bridge uplinks are counted from 1"),
            Self::NotABridgeHook => f.write_str("not a hook of a bridge (`link<N>` or `uplink<N>`)"),
        }
    }
}

impl core::error::Error for NameError {}

fn field(bytes: &[u8]) -> Result<Name, NameError> {
    if bytes.is_empty() {
        return Err(NameError::Empty);
    }
    if bytes.contains(&0) {
        return Err(NameError::Byte(0));
    }
    Name::new(bytes).ok_or(NameError::TooLong { len: bytes.len(), max: Name::CAPACITY })
}

macro_rules! name_type {
    ($name:ident) => {
        impl $name {
            /// The bytes of the name.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// The name, if it is UTF-8.
            #[must_use]
            pub fn as_str(&self) -> Option<&str> {
                self.0.as_str()
            }
        }

        impl From<$name> for Name {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl TryFrom<Name> for $name {
            type Error = NameError;

            fn try_from(name: Name) -> Result<Self, NameError> {
                Self::new(name.as_bytes())
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
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

/// A node's name: 1 to 31 bytes, no `.`, no `:`, not of the form `[hex]` (`ng_name_node`,
/// `sys/netgraph/ng_base.c:852`).
///
/// The kernel takes all other bytes. A path `name:` of a 31-byte name just fits a socket address (32 bytes)
/// as long as no NUL is sent; ngctl(8) sends one and cannot reach such a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(Name);

name_type!(NodeName);

impl NodeName {
    /// Checks a name.
    ///
    /// # Errors
    /// What the kernel would answer with `EINVAL` or cut.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let name = field(name.as_ref())?;
        if let Some(&byte) = name.as_bytes().iter().find(|&&byte| matches!(byte, b'.' | b':')) {
            return Err(NameError::Byte(byte));
        }
        if NodeId::from_bracketed(name.as_bytes()).is_some() {
            return Err(NameError::LooksLikeId);
        }
        Ok(Self(name))
    }
}

/// A hook's name: 1 to 31 of the bytes `A-Z a-z 0-9 _ - /`.
///
/// The base code takes any name, but a hook with a `.` or `:` in it can never be addressed; node types have
/// rules of their own. The slash is there for ksocket, whose hook `inet/dgram/udp` chooses the socket.
///
/// `link<N>` and `uplink<N>` with N above 2147483647 are refused whatever the node: a bridge of FreeBSD 15.1
/// accepts such a hook and takes the machine down when it goes (`free_unr` past the end of its range).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HookName(Name);

name_type!(HookName);

impl HookName {
    /// Checks a name.
    ///
    /// # Errors
    /// Empty, too long, a byte outside the set, or a link number that is dangerous to the kernel.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let name = field(name.as_ref())?;
        let bytes = name.as_bytes();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/');
        if let Some(&byte) = bytes.iter().find(|&&byte| !allowed(byte)) {
            return Err(NameError::Byte(byte));
        }
        let number = bytes.strip_prefix(b"up").unwrap_or(bytes).strip_prefix(b"link");
        if number.is_some_and(is_above_i32_max) {
            return Err(NameError::LinkNumber);
        }
        Ok(Self(name))
    }
}

/// Whether `digits` is a decimal number, of any length, above 2147483647.
fn is_above_i32_max(digits: &[u8]) -> bool {
    !digits.is_empty()
        && digits.iter().all(u8::is_ascii_digit)
        && core::str::from_utf8(digits).ok().and_then(|text| text.parse::<i32>().ok()).is_none()
}

/// The name of a node type, such as `bridge`: 1 to 31 bytes of `A-Z a-z 0-9 _ -`.
///
/// The name becomes part of a module's file name (`ng_<type>`), hence the narrow set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeName(Name);

name_type!(TypeName);

impl TypeName {
    /// Checks a name.
    ///
    /// # Errors
    /// Empty, too long, or a byte outside the set.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let name = field(name.as_ref())?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        match name.as_bytes().iter().find(|&&byte| !allowed(byte)) {
            Some(&byte) => Err(NameError::Byte(byte)),
            None => Ok(Self(name)),
        }
    }

    /// A name known when the program is written.
    pub(crate) const fn known(name: &str) -> Self {
        let (bytes, mut field, mut at) = (name.as_bytes(), [0; 32], 0);
        while at < bytes.len() {
            field[at] = bytes[at];
            at += 1;
        }
        assert!(at > 0 && at < 32);
        Self(Text::known(field))
    }
}

impl HookName {
    /// A name known when the program is written.
    pub(crate) const fn known(name: &str) -> Self {
        Self(TypeName::known(name).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_are_what_the_kernel_takes() {
        for good in
            ["a", "123456789012345678901234567890", "1234567890123456789012345678901", "[zz]", "[]", "[0]", "a b"]
        {
            assert_eq!(NodeName::new(good).map(|name| name.as_bytes().to_vec()), Ok(good.as_bytes().to_vec()));
        }
        assert_eq!(NodeName::new(""), Err(NameError::Empty));
        assert_eq!(NodeName::new("12345678901234567890123456789012"), Err(NameError::TooLong { len: 32, max: 31 }));
        assert_eq!(NodeName::new("a.b"), Err(NameError::Byte(b'.')));
        assert_eq!(NodeName::new("a:b"), Err(NameError::Byte(b':')));
        assert_eq!(NodeName::new(b"a\0b"), Err(NameError::Byte(0)));
        assert_eq!(NodeName::new("[2b]"), Err(NameError::LooksLikeId));
        assert_eq!(NodeName::new("[0x2b]"), Err(NameError::LooksLikeId));
    }

    #[test]
    fn hook_names_that_endanger_the_kernel_are_refused() {
        for good in ["link0", "link2147483647", "uplink1", "link", "linkage", "inet/dgram/udp", "session_1000"] {
            assert!(HookName::new(good).is_ok(), "{good}");
        }
        for bad in ["link2147483648", "uplink4294967295", "link99999999999999999999"] {
            assert_eq!(HookName::new(bad), Err(NameError::LinkNumber), "{bad}");
        }
        assert_eq!(HookName::new("a.b"), Err(NameError::Byte(b'.')));
        assert_eq!(HookName::new(""), Err(NameError::Empty));
    }
}
