//! The bytes of a netgraph socket address.

use core::fmt;

use crate::addr::{NodePath, PathError};
use crate::name::NodeName;

/// `struct sockaddr_ng`: a length byte, the family, and a string (`sys/netgraph/ng_socket.h:60`).
///
/// The kernel adds the NUL itself, so none is sent to sendto(2); bind(2) wants one
/// (`sys/netgraph/ng_socket.c:250`, `sys/netgraph/ng_socket.c:757`).
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "sockaddr_ng")]
pub struct SockaddrNg {
    bytes: [u8; 34],
    len: u8,
}

impl SockaddrNg {
    /// `AF_NETGRAPH`, `PF_NETGRAPH` (`sys/sys/socket.h:262`).
    pub const FAMILY: u8 = 32;

    /// The longest string, in bytes (`sys/netgraph/ng_socket.c:241`).
    pub const MAX_TEXT: usize = 32;

    /// The destination of a message.
    ///
    /// # Errors
    /// `TooLong` past 32 bytes.
    pub fn to_path(path: &NodePath) -> Result<Self, PathError> {
        Self::from_text(path.as_address()?)
    }

    /// The argument of bind(2): a plain name and its NUL.
    #[must_use]
    pub fn to_bind(name: &NodeName) -> Self {
        // 31 bytes and a NUL always fit.
        Self::fill(name.as_bytes(), 1)
    }

    /// An address string as it is, without judging it: what a [`Transport`](crate::Transport) is given.
    ///
    /// # Errors
    /// `TooLong` past 32 bytes.
    pub fn from_text(text: &[u8]) -> Result<Self, PathError> {
        if text.len() > Self::MAX_TEXT {
            return Err(PathError::TooLong { len: text.len(), max: Self::MAX_TEXT });
        }
        Ok(Self::fill(text, 0))
    }

    /// An address string and its NUL, which connect(2) of a data socket wants: the kernel reads on to the next NUL
    /// wherever it is (`sys/netgraph/ng_socket.c:713`).
    ///
    /// # Errors
    /// `TooLong` past 31 bytes.
    pub fn with_nul(text: &[u8]) -> Result<Self, PathError> {
        let max = Self::MAX_TEXT - 1;
        if text.len() > max {
            return Err(PathError::TooLong { len: text.len(), max });
        }
        Ok(Self::fill(text, 1))
    }

    fn fill(text: &[u8], nuls: usize) -> Self {
        let mut bytes = [0; 34];
        for (place, byte) in bytes.iter_mut().skip(2).zip(text) {
            *place = *byte;
        }
        let len = u8::try_from((2 + text.len() + nuls).min(bytes.len())).unwrap_or(34);
        bytes[0] = len;
        bytes[1] = Self::FAMILY;
        Self { bytes, len }
    }

    /// The structure, as long as `socklen` says.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The address string of a structure that recvfrom(2) or getsockname(2) gave: up to its first NUL.
    /// `None` if the family is another one or the bytes end before the string.
    #[must_use]
    pub fn text(sockaddr: &[u8]) -> Option<&[u8]> {
        let (&[_, family], text) = sockaddr.split_first_chunk::<2>()?;
        if family != Self::FAMILY {
            return None;
        }
        let text = text.get(..Self::MAX_TEXT.min(text.len())).unwrap_or_default();
        text.split(|&byte| byte == 0).next()
    }
}

impl fmt::Debug for SockaddrNg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SockaddrNg(\"{}\")", Self::text(self.as_bytes()).unwrap_or_default().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;

    #[test]
    fn socket_addresses_are_the_kernels_bytes() {
        let to = SockaddrNg::to_path(&NodePath::id(NodeId(0x2b))).unwrap();
        assert_eq!(to.as_bytes(), b"\x07\x20[2b]:");
        assert_eq!(SockaddrNg::to_bind(&NodeName::new("tape").unwrap()).as_bytes(), b"\x07\x20tape\0");
        assert_eq!(SockaddrNg::text(b"\x22\x20[2]:\0\0\0\0"), Some(&b"[2]:"[..]));
        assert_eq!(SockaddrNg::text(b"\x10\x02\0\0"), None);
        assert_eq!(SockaddrNg::text(b"\x10"), None);
        assert_eq!(SockaddrNg::to_bind(&NodeName::new([b'n'; 31]).unwrap()).as_bytes().len(), 34);
    }
}
