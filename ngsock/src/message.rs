//! The header that every control message begins with, and the one rule the kernel trusts its callers with.
//!
//! A message is a 56-byte header (`struct ng_msghdr`, `sys/netgraph/ng_message.h:58`) and a payload. The header
//! says how long the payload is, and the kernel believes it without a look at the datagram
//! (`sys/netgraph/ng_socket.c:256`): a lie makes it read and write past its buffer. Therefore the length stands
//! in no type here. [`encode`] fills it in, [`Message::parse`] compares it, and nothing else does either.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::name::Name;
use crate::text::Type;
use crate::wire::Field;

/// `NG_VERSION` (`sys/netgraph/ng_message.h:98`).
pub const VERSION: u8 = 8;

/// `sizeof(struct ng_mesg)`, in bytes.
pub const HEADER_LEN: usize = 56;

/// The longest payload this crate makes, in bytes: more than any socket buffer of the kernel takes
/// (`kern.ipc.maxsockbuf`, 8 MiB).
pub const MAX_PAYLOAD: usize = 16 << 20;

/// `NGF_RESP` in [`Header::flags`]: the message is a reply (`sys/netgraph/ng_message.h:102`).
#[doc(alias = "NGF_RESP")]
pub const FLAG_REPLY: u32 = 1;

/// `NGM_READONLY`, a part of some command numbers: nodes may handle it beside data
/// (`sys/netgraph/ng_message.h:74`).
#[doc(alias = "NGM_READONLY")]
pub const COMMAND_READONLY: u32 = 0x1000_0000;

/// `NGM_HASREPLY`, a part of some command numbers: a reply is certain (`sys/netgraph/ng_message.h:76`).
#[doc(alias = "NGM_HASREPLY")]
pub const COMMAND_HAS_REPLY: u32 = 0x2000_0000;

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct RawHeader {
    version: u8,
    spare: u8,
    spare2: u16,
    arglen: u32,
    cmd: u32,
    flags: u32,
    token: u32,
    typecookie: u32,
    cmdstr: [u8; 32],
}

const _: () = assert!(size_of::<RawHeader>() == HEADER_LEN); // struct ng_msghdr, ng_message.h:58

/// What a header says beside the length of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "ng_msghdr")]
pub struct Header {
    /// Whose command numbers these are: one cookie per node type, one for the generic commands.
    pub cookie: u32,
    /// The command, with its two flag bits ([`COMMAND_READONLY`], [`COMMAND_HAS_REPLY`]).
    pub command: u32,
    /// 0 or [`FLAG_REPLY`].
    pub flags: u32,
    /// Chosen by the sender of a request, repeated in its reply, never looked at by the kernel.
    pub token: u32,
    /// `cmdstr`: the command in words, for readers; empty is as good.
    pub text: Name,
}

impl Header {
    /// The header of a request.
    #[must_use]
    pub fn request<R: Request>(token: u32) -> Self {
        let text = Name::new(R::NAME).unwrap_or_default();
        Self { cookie: R::COOKIE, command: R::COMMAND, flags: 0, token, text }
    }

    /// The header of the reply to this request: all the same but for the flag (`NG_MKRESPONSE`,
    /// `sys/netgraph/ng_message.h:398`).
    #[must_use]
    pub fn reply(&self) -> Self {
        Self { flags: self.flags | FLAG_REPLY, ..*self }
    }

    /// Whether the message is a reply.
    #[must_use]
    pub fn is_reply(&self) -> bool {
        self.flags & FLAG_REPLY != 0
    }

    /// Whether the message is the reply to `request`.
    #[must_use]
    pub fn answers(&self, request: &Self) -> bool {
        self.is_reply() && (self.token, self.cookie, self.command) == (request.token, request.cookie, request.command)
    }
}

/// A message as it stands in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "ng_mesg")]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    /// What follows it.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Takes a datagram apart.
    ///
    /// # Errors
    /// `Short`, `Version`, or `Length` if the header's length is not that of the datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let short = Malformed::Short { len: datagram.len() };
        let (raw, payload) = RawHeader::read_from_prefix(datagram).map_err(|_| short)?;
        if raw.version != VERSION {
            return Err(Malformed::Version(raw.version));
        }
        if usize::try_from(raw.arglen) != Ok(payload.len()) {
            return Err(Malformed::Length { stated: raw.arglen, actual: payload.len() });
        }
        let header = Header {
            cookie: raw.typecookie,
            command: raw.cmd,
            flags: raw.flags,
            token: raw.token,
            text: Name::from_raw(raw.cmdstr),
        };
        Ok(Self { header, payload })
    }

    /// The payload as request `R`; `None` if the message is not that request.
    ///
    /// # Errors
    /// What the payload's decoder finds.
    pub fn request<R: Request>(&self) -> Result<Option<R>, Malformed> {
        let header = &self.header;
        if header.is_reply() || (header.cookie, header.command) != (R::COOKIE, R::COMMAND) {
            return Ok(None);
        }
        R::decode(self.payload).map(Some)
    }
}

/// Appends a whole message to `out`, header, length and payload. Allocates only when `out` must grow.
///
/// # Errors
/// `TooLong` past [`MAX_PAYLOAD`]; `out` is then as it was.
pub fn encode(out: &mut Vec<u8>, header: &Header, payload: &impl Payload) -> Result<(), Malformed> {
    let start = out.len();
    let mut raw = RawHeader {
        version: VERSION,
        spare: 0,
        spare2: 0,
        arglen: 0,
        cmd: header.command,
        flags: header.flags,
        token: header.token,
        typecookie: header.cookie,
        cmdstr: header.text.to_raw(),
    };
    out.extend_from_slice(raw.as_bytes());
    payload.encode(out);
    let len = out.len() - start - HEADER_LEN;
    match u32::try_from(len) {
        Ok(arglen) if len <= MAX_PAYLOAD => raw.arglen = arglen,
        _ => {
            out.truncate(start);
            return Err(Malformed::TooLong { len });
        }
    }
    if let Some(place) = out.get_mut(start..start + HEADER_LEN) {
        place.copy_from_slice(raw.as_bytes());
    }
    Ok(())
}

/// Appends a request with this token.
///
/// # Errors
/// `TooLong` past [`MAX_PAYLOAD`].
pub fn encode_request<R: Request>(out: &mut Vec<u8>, token: u32, request: &R) -> Result<(), Malformed> {
    encode(out, &Header::request::<R>(token), request)
}

/// Appends the reply to a request.
///
/// # Errors
/// `TooLong` past [`MAX_PAYLOAD`].
pub fn encode_reply(out: &mut Vec<u8>, request: &Header, reply: &impl Payload) -> Result<(), Malformed> {
    encode(out, &request.reply(), reply)
}

/// A payload, or the argument within one: what a typed value looks like on the wire.
pub trait Payload: Sized {
    /// What the bytes look like in words; `None` if there are none, or no words for them.
    const TEXT: Option<&'static Type> = None;

    /// Appends the bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads the bytes.
    ///
    /// # Errors
    /// Too few or too many bytes, or counts that do not agree with them.
    fn decode(payload: &[u8]) -> Result<Self, Malformed>;

    /// The value that stands for no message at all. `None`, the rule, means that a missing reply is an error.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

/// No payload. A missing reply is as good as an empty one.
impl Payload for () {
    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(_: &[u8]) -> Result<Self, Malformed> {
        Ok(())
    }

    fn absent() -> Option<Self> {
        Some(())
    }
}

/// Bytes as they are.
impl Payload for Vec<u8> {
    fn encode(&self, out: &mut Self) {
        out.extend_from_slice(self);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        Ok(payload.to_vec())
    }
}

/// A reply that may be missing.
impl<T: Payload> Payload for Option<T> {
    const TEXT: Option<&'static Type> = T::TEXT;

    fn encode(&self, out: &mut Vec<u8>) {
        if let Some(payload) = self {
            payload.encode(out);
        }
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        T::decode(payload).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// A request: its number, its name and what answers it.
pub trait Request: Payload {
    /// Whose command it is.
    const COOKIE: u32;
    /// Its number among that cookie's, flag bits included.
    const COMMAND: u32;
    /// What ngctl(8) calls it.
    const NAME: &'static str;
    /// The reply: `()` if there is none, `Option` if the node may leave it out.
    type Reply: Payload;
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// Fewer bytes than a header has.
    Short {
        /// Bytes of the datagram.
        len: usize,
    },
    /// Another version than 8.
    Version(u8),
    /// The header's length is not that of the payload.
    Length {
        /// The header's.
        stated: u32,
        /// The payload's, in bytes.
        actual: usize,
    },
    /// The payload of a fixed structure has another size.
    PayloadSize {
        /// Bytes of the structure.
        expected: usize,
        /// Bytes of the payload.
        actual: usize,
    },
    /// The payload ends too early.
    PayloadShort {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        actual: usize,
    },
    /// A count of elements that the payload has no room for.
    Count {
        /// Elements announced.
        count: u32,
        /// Elements that fit.
        room: usize,
    },
    /// A payload longer than any kernel takes.
    TooLong {
        /// Bytes.
        len: usize,
    },
    /// A value that this field cannot have.
    Value {
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// The cookie's node type has no such command, or this crate does not know it.
    UnknownCommand {
        /// The cookie.
        cookie: u32,
        /// The command number.
        command: u32,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { len } => write!(f, "message of {len} bytes is shorter than its header"),
            Self::Version(version) => write!(f, "message version is {version}, not {VERSION}"),
            Self::Length { stated, actual } => write!(f, "header announces {stated} bytes, {actual} follow"),
            Self::PayloadSize { expected, actual } => write!(f, "payload has {actual} bytes, not {expected}"),
            Self::PayloadShort { needed, actual } => write!(f, "payload has {actual} bytes, {needed} are needed"),
            Self::Count { count, room } => write!(f, "payload announces {count} elements, {room} fit"),
            Self::TooLong { len } => write!(f, "payload of {len} bytes is longer than any kernel takes"),
            Self::Value { field, value } => write!(f, "{field} cannot be {value}"),
            Self::UnknownCommand { cookie, command } => write!(f, "no command {command:#x} of cookie {cookie}"),
        }
    }
}

impl core::error::Error for Malformed {}
