//! The text form of messages: `{ bandwidth=10000000 delay=5000 upstream={ fifo=1 } }`.
//!
//! The notation is that of the kernel's ng_parse (`sys/netgraph/ng_parse.c`), which ngctl(8) uses through
//! `NGM_ASCII2BINARY` and `NGM_BINARY2ASCII`. One [`Type`] describes a structure; the reader and the printer both
//! walk it. Structures are `{ name=value … }`, arrays `[ value index=value … ]`, texts C strings in double quotes;
//! what is left out has its default, and what has its default is not printed. Layout follows C's alignment.
//!
//! Where the kernel is odd, so is this: it prints what it cannot read back. Texts with `\x`, or with a backslash before
//! what needs none (`\\`), only read well when nothing follows them, not within a structure
//! (`sys/netgraph/ng_parse.c:1728`); after `\x` and `\1` all digits are taken, however many; a number of 8 bytes is at
//! most 9223372036854775807; before the `=` of an array's index there is no space. What a real kernel would write past
//! its buffer for, read past it, or go down from, is refused instead: payloads above [`MAX_PAYLOAD`], addresses and
//! interfaces longer than any can be, the scope of an interface that is not there.

mod lex;
mod number;
mod print;
mod read;
pub(crate) mod sockaddr;
#[cfg(test)]
mod tests;

use core::fmt;

use crate::Errno;
use crate::generic;
use crate::message::{Payload, Request};
use crate::node;

/// The longest payload that text is turned into, in bytes (`sys/netgraph/ng_base.c:2854`).
pub const MAX_PAYLOAD: usize = 20 * 1024;

/// The index of an interface by its name, as the kernel that is to have the message knows it; `None` if there is no
/// such interface.
pub type IndexOf<'a> = &'a dyn Fn(&[u8]) -> Option<u32>;

/// How an integer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `-1`
    Signed,
    /// `4294967295`
    Unsigned,
    /// `0xffffffff`
    Hex,
}

/// What a value looks like, in bytes and in words (`struct ng_parse_type`, `sys/netgraph/ng_parse.h:278`).
#[derive(Debug)]
pub enum Type {
    /// An integer of 1, 2, 4 or 8 bytes.
    Integer(usize, Style),
    /// A text with its NUL, as long as it is.
    String,
    /// A text in a field of so many bytes, NUL included.
    FixedString(usize),
    /// A text after its length in two bytes, without NUL.
    SizedString,
    /// `10.0.0.1`
    Ipv4,
    /// `02:00:00:00:00:01`; has no default.
    Mac,
    /// `{ name=value }`
    Struct(&'static [Member]),
    /// `[ value index=value ]` of so many elements.
    FixedArray(&'static Type, usize),
    /// The same, as many as another place says.
    Array(&'static Type, Count),
    /// Bytes: `[ 0x1 0x2 ]` or `"text"`.
    Bytes(Count),
    /// A `struct sockaddr`: `inet/10.0.0.1:80`, `inet6/[::1]:80`, `local/"path"`, `{ family=… }`.
    SocketAddress,
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: &'static Type,
}

/// Where the number of an array's elements stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// In an integer of so many bytes (1, 2 or 4), so many bytes before the first element.
    Before {
        /// The integer's size.
        size: usize,
        /// From its first byte to the first element.
        back: usize,
    },
    /// In the first byte of a socket address, which counts itself and the family.
    SocketAddress,
    /// In the message's header: its length less these bytes.
    RestOfMessage {
        /// What stands before the array.
        less: usize,
    },
}

impl Count {
    /// In a `uint32_t` right before the first element.
    pub const U32_JUST_BEFORE: Self = Self::Before { size: 4, back: 4 };
}

macro_rules! integers {
    ($($name:ident = $size:literal $style:ident;)*) => {
        impl Type {
            $(#[doc = concat!("`ng_parse_", stringify!($name), "_type`, in lower case.")]
            pub const $name: &'static Self = &Self::Integer($size, Style::$style);)*
        }
    };
}

integers! {
    INT8 = 1 Signed; UINT8 = 1 Unsigned; HINT8 = 1 Hex;
    INT16 = 2 Signed; UINT16 = 2 Unsigned; HINT16 = 2 Hex;
    INT32 = 4 Signed; UINT32 = 4 Unsigned; HINT32 = 4 Hex;
    INT64 = 8 Signed; UINT64 = 8 Unsigned; HINT64 = 8 Hex;
}

impl Type {
    /// Reads a text into bytes. What follows the value is not looked at, as in the kernel. Texts that name an
    /// interface are refused ([`Self::read_with`]).
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn read(&self, text: impl AsRef<[u8]>) -> Result<Vec<u8>, TextError> {
        self.read_with(text, &|_| None)
    }

    /// Reads a text into bytes; interfaces that it names are looked up, as in `inet6/[fe80::1%em0]:80`.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn read_with(&self, text: impl AsRef<[u8]>, index_of: IndexOf<'_>) -> Result<Vec<u8>, TextError> {
        read::read(self, text.as_ref(), index_of)
    }

    /// Prints bytes as text.
    ///
    /// # Errors
    /// `Short` if the bytes end before the value does.
    pub fn print(&self, payload: &[u8]) -> Result<String, TextError> {
        print::print(self, payload)
    }

    /// To what multiple of bytes C places such a value; 1 for what it never does place (`getAlign`).
    fn alignment(&self) -> usize {
        match self {
            Self::Integer(size, _) => *size,
            Self::Ipv4 => 4,
            Self::Struct(members) => members.iter().map(|member| member.kind.alignment()).max().unwrap_or(1),
            Self::FixedArray(element, _) | Self::Array(element, _) => element.alignment(),
            _ => 1,
        }
    }
}

/// What is wrong with a text or with bytes to be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The kind.
    pub kind: TextErrorKind,
    /// Where: byte offset in the text, or in the payload when printing.
    pub offset: usize,
}

/// The kinds of [`TextError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// Something else was expected here.
    Syntax,
    /// The structure has no such member.
    UnknownMember,
    /// A member or element twice.
    Duplicate,
    /// An index past the end of the array, or a text too long for its field.
    TooLong,
    /// The payload would be longer than the kernel makes any from text.
    Overflow,
    /// A member that has no default is missing.
    Missing,
    /// The bytes end before the value does.
    Short,
    /// The node's type has no such command.
    UnknownCommand,
}

impl TextError {
    pub(crate) const fn at(offset: usize, kind: TextErrorKind) -> Self {
        Self { kind, offset }
    }

    /// What the kernel answers to the same text (`sys/netgraph/ng_parse.h:213`).
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self.kind {
            TextErrorKind::Syntax | TextErrorKind::Short => Errno::EINVAL,
            TextErrorKind::UnknownMember => Errno::ENOENT,
            TextErrorKind::Duplicate => Errno::EALREADY,
            TextErrorKind::TooLong => Errno::E2BIG,
            TextErrorKind::Overflow => Errno::ERANGE,
            TextErrorKind::Missing => Errno::EOPNOTSUPP,
            TextErrorKind::UnknownCommand => Errno::ENOSYS,
        }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            TextErrorKind::Syntax => "cannot be read",
            TextErrorKind::UnknownMember => "no such member",
            TextErrorKind::Duplicate => "given twice",
            TextErrorKind::TooLong => "too long for its place",
            TextErrorKind::Overflow => "message would be too long",
            TextErrorKind::Missing => "a member without default is missing",
            TextErrorKind::Short => "payload ends too early",
            TextErrorKind::UnknownCommand => return f.write_str("no such command"),
        };
        write!(f, "{what} (at byte {})", self.offset)
    }
}

impl core::error::Error for TextError {}

/// A command as ngctl(8) knows it (`struct ng_cmdlist`, `sys/netgraph/netgraph.h:1056`).
#[derive(Debug)]
pub struct Command {
    /// Whose command it is.
    pub cookie: u32,
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// Its argument; `None` for no payload.
    pub argument: Option<&'static Type>,
    /// Its reply; `None` for no payload, and for payloads that have no text form.
    pub reply: Option<&'static Type>,
}

impl Command {
    /// The payload of the request from its text; without argument whatever text there is does not count.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn read_argument(&self, text: impl AsRef<[u8]>) -> Result<Vec<u8>, TextError> {
        self.argument.map_or_else(|| Ok(Vec::new()), |argument| argument.read(text))
    }

    /// The text of the request's payload; empty if the command has no argument.
    ///
    /// # Errors
    /// `Short`.
    pub fn print_argument(&self, payload: &[u8]) -> Result<String, TextError> {
        self.argument.map_or_else(|| Ok(String::new()), |argument| argument.print(payload))
    }

    /// The text of the reply's payload; empty if the command has none.
    ///
    /// # Errors
    /// `Short`.
    pub fn print_reply(&self, payload: &[u8]) -> Result<String, TextError> {
        self.reply.map_or_else(|| Ok(String::new()), |reply| reply.print(payload))
    }
}

/// The commands that have a text form, of one node type; the generic ones come after them
/// (`sys/netgraph/ng_base.c:2890`). Of an unknown type there are only these.
pub fn commands(kind: &str) -> impl Iterator<Item = &'static Command> {
    let own = node::TEXT_FORMS.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, own)| own);
    own.iter().chain(generic::TEXT_FORM)
}

/// A node type's command by its name.
#[must_use]
pub fn command_named(kind: &str, name: &str) -> Option<&'static Command> {
    commands(kind).find(|command| command.name == name)
}

/// A node type's command by its number.
#[must_use]
pub fn command_numbered(kind: &str, cookie: u32, number: u32) -> Option<&'static Command> {
    commands(kind).find(|command| (command.cookie, command.number) == (cookie, number))
}

/// Any type's command by its number: the cookie says whose it is.
#[must_use]
pub fn find(cookie: u32, number: u32) -> Option<&'static Command> {
    let all = node::TEXT_FORMS.iter().flat_map(|(_, own)| own.iter()).chain(generic::TEXT_FORM);
    all.into_iter().find(|command| (command.cookie, command.number) == (cookie, number))
}

/// A typed request from the text of its argument.
///
/// # Errors
/// What is wrong, and where; `UnknownCommand` if the command has no text form.
pub fn read_request<R: Request>(text: impl AsRef<[u8]>) -> Result<R, TextError> {
    let unknown = TextError::at(0, TextErrorKind::UnknownCommand);
    let command = find(R::COOKIE, R::COMMAND).ok_or(unknown)?;
    let payload = command.read_argument(text)?;
    R::decode(&payload).map_err(|_| TextError::at(payload.len(), TextErrorKind::Short))
}

/// The text of a typed request's argument.
///
/// # Errors
/// `UnknownCommand` if the command has no text form.
pub fn print_request<R: Request>(request: &R) -> Result<String, TextError> {
    let unknown = TextError::at(0, TextErrorKind::UnknownCommand);
    let command = find(R::COOKIE, R::COMMAND).ok_or(unknown)?;
    let mut payload = Vec::new();
    request.encode(&mut payload);
    command.print_argument(&payload)
}

/// The text of a typed reply.
///
/// # Errors
/// `UnknownCommand` if the command has no text form.
pub fn print_reply<R: Request>(reply: &R::Reply) -> Result<String, TextError> {
    let unknown = TextError::at(0, TextErrorKind::UnknownCommand);
    let command = find(R::COOKIE, R::COMMAND).ok_or(unknown)?;
    let mut payload = Vec::new();
    reply.encode(&mut payload);
    command.print_reply(&payload)
}

/// How many elements an array has, by the bytes before it, as the C int that the kernel counts in; `None` without the
/// bytes. `message_len` stands for the header's length.
fn count(count: Count, before: &[u8], message_len: usize) -> Option<i64> {
    match count {
        Count::Before { size, back } => {
            let at = before.len().checked_sub(back)?;
            let bytes = before.get(at..at + size)?;
            match *bytes {
                [a] => Some(a.into()),
                [a, b] => Some(u16::from_ne_bytes([a, b]).into()),
                [a, b, c, d] => Some(i32::from_ne_bytes([a, b, c, d]).into()),
                _ => None,
            }
        }
        Count::SocketAddress => {
            let len = *before.get(before.len().checked_sub(2)?)?;
            Some(len.saturating_sub(2).into())
        }
        Count::RestOfMessage { less } => Some(i64::try_from(message_len).ok()? - i64::try_from(less).ok()?),
    }
}
