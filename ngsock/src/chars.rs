//! The NUL-padded character fields of messages, and bytes that are counted in 16 bits.

use core::fmt;

use crate::message::{Malformed, Payload};
use crate::text::Type;
use crate::wire::{self, Field};

/// A character field of `N` bytes with at least one NUL at its end: up to `N - 1` bytes of text, perhaps none.
///
/// Not judged: any bytes but NUL. What follows the first NUL on the wire is dropped, and a field without NUL
/// loses its last byte, which is what the kernel does (`sys/netgraph/ng_base.c:2537`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const N: usize>([u8; N]);

/// `NG_NODESIZ`, `NG_HOOKSIZ`, `NG_TYPESIZ`, `NG_CMDSTRSIZ`: the name fields of netgraph, 31 bytes of text
/// (`sys/netgraph/ng_message.h:49`).
pub type Name = Text<32>;

/// `IFNAMSIZ`: an interface name as a reply carries it, 15 bytes of text (`sys/net/if.h:55`).
pub type InterfaceName = Text<16>;

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Self = Self([0; N]);

    /// The longest text, in bytes.
    pub const CAPACITY: usize = N.saturating_sub(1);

    /// A field holding `text`; `None` if it is longer than [`Self::CAPACITY`] or holds a NUL.
    #[must_use]
    pub fn new(text: impl AsRef<[u8]>) -> Option<Self> {
        let text = text.as_ref();
        if text.len() > Self::CAPACITY || text.contains(&0) {
            return None;
        }
        let mut field = [0; N];
        field.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self(field))
    }

    /// A field whose bytes are known when the program is written: text, then NULs.
    pub(crate) const fn known(field: [u8; N]) -> Self {
        Self(field)
    }

    /// The text without its NULs.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|&byte| byte == 0).unwrap_or(N);
        self.0.get(..len).unwrap_or_default()
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(self.as_bytes()).ok()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl<const N: usize> Field for Text<N> {
    type Raw = [u8; N];

    const TEXT: &'static Type = &Type::FixedString(N);

    fn to_raw(&self) -> [u8; N] {
        self.0
    }

    fn from_raw(mut raw: [u8; N]) -> Self {
        let len = raw.iter().position(|&byte| byte == 0).unwrap_or(Self::CAPACITY);
        raw.iter_mut().skip(len).for_each(|byte| *byte = 0);
        Self(raw)
    }
}

/// An interface name as a reply: in words it is a text of any length, unlike the names of netgraph.
impl Payload for InterfaceName {
    const TEXT: Option<&'static Type> = Some(&Type::String);

    fn encode(&self, out: &mut Vec<u8>) {
        wire::put(out, self);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        wire::get(payload)
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(self.as_bytes(), f)
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl<const N: usize> PartialEq<str> for Text<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<&str> for Text<N> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

/// Bytes that a structure counts in 16 bits: at most 65535.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ShortBytes(Vec<u8>);

impl ShortBytes {
    /// `None` if there are more than 65535 bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        (bytes.len() <= usize::from(u16::MAX)).then_some(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Their number as the structure has it.
    pub(crate) fn count(&self) -> u16 {
        u16::try_from(self.0.len()).unwrap_or(u16::MAX)
    }

    /// The first `count` bytes of the rest of a payload.
    pub(crate) fn take(count: u16, rest: &[u8]) -> Result<Self, Malformed> {
        let bytes = rest.get(..count.into());
        let bytes = bytes.ok_or(Malformed::PayloadShort { needed: count.into(), actual: rest.len() })?;
        Ok(Self(bytes.to_vec()))
    }
}

impl fmt::Debug for ShortBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Writes bytes a terminal can show: anything but printable ASCII and whole UTF-8 as `\xNN`.
pub(crate) fn write_escaped(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_without_nul_loses_its_last_byte() {
        assert_eq!(Name::from_raw([b'x'; 32]).as_bytes(), [b'x'; 31]);
        assert_eq!(InterfaceName::from_raw(*b"ng0\0garbage12345"), InterfaceName::new("ng0").unwrap());
        assert_eq!(format!("{}", Name::new(b"a\n\xff").unwrap()), "a\\n\\xff");
    }
}
