//! Where a message goes and where it came from: node numbers, paths, and the bytes of [`SockaddrNg`].

use core::fmt;
use core::str::FromStr;

use crate::chars::write_escaped;
use crate::name::{HookName, NameError, NodeName};

pub use crate::sockaddr::SockaddrNg;

/// A node's number, as the kernel gives it: counted from 1 in each vnet, so that none comes twice before the count
/// wraps (`sys/netgraph/ng_base.c:685`). 0 is no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Reads `[hex]`, exactly as the kernel does; `None` is a name to it (`ng_decodeidname`,
    /// `sys/netgraph/ng_base.c:949`).
    #[must_use]
    pub fn from_bracketed(text: &[u8]) -> Option<Self> {
        let inside = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
        // strtoul(3) in base 16 takes the prefix too.
        let digits = match inside.strip_prefix(b"0x").or_else(|| inside.strip_prefix(b"0X")) {
            Some(digits) if !digits.is_empty() => digits,
            _ => inside,
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        // 64 bits are read and the lower half is kept; all ones is strtoul's overflow.
        let value = u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
        if value == u64::MAX {
            return None;
        }
        u32::try_from(value & u64::from(u32::MAX)).ok().filter(|&id| id != 0).map(Self)
    }
}

/// `[2b]`, as in a path.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:x}]", self.0)
    }
}

/// Why bytes are no path, or a path does not fit where it is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// No bytes, or nothing before the colon.
    Empty,
    /// More than one colon.
    Colon,
    /// Two dots in a row, or one at the beginning or the end of the hooks.
    Dots,
    /// The part before the colon.
    Node(NameError),
    /// One of the hooks.
    Hook(NameError),
    /// Too long for its use: 32 bytes as the destination of a message (`sys/netgraph/ng_socket.c:241`), 511
    /// inside `NGM_CONNECT` (`sys/netgraph/ng_message.h:52`). The kernel would refuse the one and cut the other.
    TooLong {
        /// Bytes of the path.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("path names no node"),
            Self::Colon => f.write_str("path has more than one colon"),
            Self::Dots => f.write_str("path has an empty hook between its dots"),
            Self::Node(cause) => write!(f, "node in path: {cause}"),
            Self::Hook(cause) => write!(f, "hook in path: {cause}"),
            Self::TooLong { len, max } => write!(f, "path has {len} bytes, {max} fit"),
        }
    }
}

impl core::error::Error for PathError {}

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathStart {
    /// No colon, or `.:`: at the node the message is sent from.
    Here,
    /// `name:`.
    Name(NodeName),
    /// `[id]:`.
    Id(NodeId),
}

/// A way to a node: a start and the hooks to follow from there (`ng_path_parse`, `sys/netgraph/ng_base.c:1659`).
///
/// At most 511 bytes, which fit into `NGM_CONNECT`; as the destination of a message only 32 fit, which
/// [`NodePath::as_address`] checks. Numbers make the shortest paths and are the fastest to resolve.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodePath(Vec<u8>);

impl NodePath {
    /// The longest path, in bytes: `NG_PATHSIZ` without its NUL (`sys/netgraph/ng_message.h:52`).
    pub const MAX: usize = 511;

    /// `.:`, the node of the socket the message is sent from.
    #[must_use]
    pub fn here() -> Self {
        Self(b".:".to_vec())
    }

    /// `name:`.
    #[must_use]
    pub fn name(name: &NodeName) -> Self {
        Self([name.as_bytes(), b":"].concat())
    }

    /// `[id]:`.
    #[must_use]
    pub fn id(id: NodeId) -> Self {
        Self(format!("{id}:").into_bytes())
    }

    /// The node at the other end of our own hook, a relative path without colon.
    #[must_use]
    pub fn hook(hook: &HookName) -> Self {
        Self(hook.as_bytes().to_vec())
    }

    /// One hook further.
    ///
    /// # Errors
    /// `TooLong` past 511 bytes.
    pub fn join(&self, hook: &HookName) -> Result<Self, PathError> {
        let separator: &[u8] = if self.0.ends_with(b":") { b"" } else { b"." };
        Self([self.0.as_slice(), separator, hook.as_bytes()].concat()).checked()
    }

    /// Reads a path in any of its forms: `name:`, `[id]:`, `.:`, `.`, `hook`, `hook.hook`, `name:hook.hook`.
    ///
    /// # Errors
    /// What the kernel answers with `EINVAL`, and what it would never find: names that no node or hook can have.
    pub fn parse(path: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let path = path.as_ref();
        let (start, hooks) = split(path)?;
        if start.is_none() && hooks == b"." {
            return Ok(Self::here());
        }
        match start {
            None if hooks.is_empty() => return Err(PathError::Empty),
            None | Some(b".") => {}
            Some(node) if NodeId::from_bracketed(node).is_some() => {}
            Some(node) => {
                NodeName::new(node).map_err(PathError::Node)?;
            }
        }
        if !hooks.is_empty() {
            for hook in hooks.split(|&byte| byte == b'.') {
                HookName::new(hook).map_err(|cause| match cause {
                    NameError::Empty => PathError::Dots,
                    cause => PathError::Hook(cause),
                })?;
            }
        }
        Self(path.to_vec()).checked()
    }

    fn checked(self) -> Result<Self, PathError> {
        if self.0.len() > Self::MAX {
            return Err(PathError::TooLong { len: self.0.len(), max: Self::MAX });
        }
        Ok(self)
    }

    /// Where the path starts.
    #[must_use]
    pub fn start(&self) -> PathStart {
        match split(&self.0) {
            Ok((Some(node), _)) if node != b"." => match NodeId::from_bracketed(node) {
                Some(id) => PathStart::Id(id),
                None => NodeName::new(node).map_or(PathStart::Here, PathStart::Name),
            },
            _ => PathStart::Here,
        }
    }

    /// The hooks to follow, in order.
    pub fn hooks(&self) -> impl Iterator<Item = HookName> + '_ {
        let hooks = split(&self.0).map_or(&b""[..], |(_, hooks)| hooks);
        hooks.split(|&byte| byte == b'.').filter_map(|hook| HookName::new(hook).ok())
    }

    /// The path as bytes, without NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as the destination of a message.
    ///
    /// # Errors
    /// `TooLong` past 32 bytes: give the node by its number, or a shorter name.
    pub fn as_address(&self) -> Result<&[u8], PathError> {
        if self.0.len() > SockaddrNg::MAX_TEXT {
            return Err(PathError::TooLong { len: self.0.len(), max: SockaddrNg::MAX_TEXT });
        }
        Ok(&self.0)
    }
}

/// Cuts a path at its colon.
fn split(path: &[u8]) -> Result<(Option<&[u8]>, &[u8]), PathError> {
    let mut parts = path.splitn(2, |&byte| byte == b':');
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        None => Ok((None, first)),
        Some(rest) if rest.contains(&b':') => Err(PathError::Colon),
        Some(_) if first.is_empty() => Err(PathError::Empty),
        Some(rest) => Ok((Some(first), rest)),
    }
}

impl From<NodeId> for NodePath {
    fn from(id: NodeId) -> Self {
        Self::id(id)
    }
}

impl From<&NodeName> for NodePath {
    fn from(name: &NodeName) -> Self {
        Self::name(name)
    }
}

impl FromStr for NodePath {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        Self::parse(path)
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(&self.0, f)
    }
}

impl fmt::Debug for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(name: &str) -> HookName {
        HookName::new(name).unwrap()
    }

    #[test]
    fn paths_of_every_form_are_read() {
        for path in [".:", "a:", "[2b]:", "a:b", "[1f]:a.b", "hook", "a.b.c", ".:hook", "[zz]:", "1x:link0.ether"] {
            assert_eq!(NodePath::parse(path).unwrap().to_string(), path);
        }
        assert_eq!(NodePath::parse(".").unwrap(), NodePath::here());
        let path = NodePath::parse("[1F]:a.b").unwrap();
        assert_eq!(path.start(), PathStart::Id(NodeId(0x1f)));
        assert_eq!(path.hooks().collect::<Vec<_>>(), [hook("a"), hook("b")]);
        assert_eq!(NodePath::parse("br0:").unwrap().start(), PathStart::Name(NodeName::new("br0").unwrap()));
        assert_eq!(NodePath::hook(&hook("a")).start(), PathStart::Here);
    }

    #[test]
    fn wrong_paths_say_what_is_wrong() {
        assert_eq!(NodePath::parse(""), Err(PathError::Empty));
        assert_eq!(NodePath::parse(":a"), Err(PathError::Empty));
        assert_eq!(NodePath::parse("a:b:c"), Err(PathError::Colon));
        assert_eq!(NodePath::parse("a:b..c"), Err(PathError::Dots));
        assert_eq!(NodePath::parse("a:b."), Err(PathError::Dots));
        assert_eq!(NodePath::parse("a.b:"), Err(PathError::Node(NameError::Byte(b'.'))));
        assert_eq!(NodePath::parse("a:b c"), Err(PathError::Hook(NameError::Byte(b' '))));
        assert_eq!(NodePath::parse("a:\0"), Err(PathError::Hook(NameError::Byte(0))));
    }

    #[test]
    fn what_the_kernel_would_cut_is_refused() {
        let long = NodeName::new([b'n'; 31]).unwrap();
        let fits = NodePath::name(&long);
        assert_eq!(fits.as_address().map(<[u8]>::len), Ok(32));
        let too_long = fits.join(&hook("a")).unwrap();
        assert_eq!(too_long.as_address(), Err(PathError::TooLong { len: 33, max: 32 }));
        let mut path = NodePath::here();
        let step = hook(&"h".repeat(31));
        while let Ok(longer) = path.join(&step) {
            path = longer;
        }
        assert_eq!(path.as_bytes().len(), 2 + 31 + 14 * 32);
        assert_eq!(
            NodePath::parse([b'h'; 31].repeat(20)),
            Err(PathError::Hook(NameError::TooLong { len: 620, max: 31 }))
        );
    }

    #[test]
    fn node_numbers_are_read_as_strtoul_does() {
        assert_eq!(NodeId::from_bracketed(b"[2b]"), Some(NodeId(0x2b)));
        assert_eq!(NodeId::from_bracketed(b"[0x2B]"), Some(NodeId(0x2b)));
        assert_eq!(NodeId::from_bracketed(b"[100000001]"), Some(NodeId(1)));
        for name in ["[0]", "[]", "[0x]", "[zz]", "[ 1]", "2b", "[ffffffffffffffff]", "[100000000]"] {
            assert_eq!(NodeId::from_bracketed(name.as_bytes()), None, "{name}");
        }
        assert_eq!(NodeId(0x2b).to_string(), "[2b]");
    }
}
