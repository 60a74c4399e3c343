//! Framing: messages in a datagram, attributes in a message, both read with tolerance and written without copies. A large lab sends
//! hundreds of thousands of attributes: they are read without anything in between.

use netlink_packet_core::{Emitable, NLA_F_NESTED, NLA_HEADER_SIZE, NLA_TYPE_MASK, NLMSG_ALIGNTO, NetlinkHeader};

/// Octets of `struct nlmsghdr`.
pub const HEADER: usize = 16;

/// A message in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Type.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Whose question it answers.
    pub sequence: u32,
    /// Port of the asker.
    pub port: u32,
    /// What follows the header.
    pub payload: &'a [u8],
    /// All of it, without padding.
    pub whole: &'a [u8],
}

/// The messages of a datagram. It ends at the first length that is below 16 or beyond the end, as a FreeBSD kernel
/// reads too (`sys/netlink/netlink_io.c:270-277`).
#[derive(Clone, Debug)]
pub struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    /// The messages in `datagram`.
    #[must_use]
    pub fn new(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }

    /// What was not read: empty unless the datagram is malformed.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header = self.0.first_chunk::<HEADER>()?;
        let number = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let length = usize::try_from(number(0)).ok()?;
        let whole = self.0.get(..length)?;
        let message = Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: number(8),
            port: number(12),
            payload: whole.get(HEADER..)?,
            whole,
        };
        let next = length.next_multiple_of(usize::from(NLMSG_ALIGNTO));
        self.0 = self.0.get(next..).unwrap_or_default();
        Some(message)
    }
}

/// The attributes at `offset` of a payload: number without its flag bits, and value. What is malformed ends the list.
pub fn attributes(payload: &[u8], offset: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = payload.get(offset..).unwrap_or_default();
    std::iter::from_fn(move || {
        let &[a, b, c, d] = rest.first_chunk::<NLA_HEADER_SIZE>()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = rest.get(NLA_HEADER_SIZE..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([c, d]) & NLA_TYPE_MASK, value))
    })
}

/// A `u32` attribute.
#[must_use]
pub fn u32_of(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

/// A string attribute up to its NUL.
#[must_use]
pub fn string_of(value: &[u8]) -> String {
    crate::abi::sysctl::read_string(value)
}

/// Writes messages into one buffer, attribute by attribute; lengths are filled in behind.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    message: usize,
}

/// A nested attribute that is open.
#[derive(Debug)]
#[must_use = "a nest must be closed"]
pub struct Nest(usize);

impl Writer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a message with its fixed header `body`.
    pub fn begin(&mut self, kind: u16, flags: u16, sequence: u32, port: u32, body: &[u8]) {
        self.message = self.bytes.len();
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        header.flags = flags;
        header.sequence_number = sequence;
        header.port_number = port;
        self.bytes.resize(self.message + HEADER, 0);
        header.emit(&mut self.bytes[self.message..]);
        self.bytes.extend_from_slice(body);
        self.align();
    }

    /// Appends an attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        // An attribute of 64 KiB cannot be expressed; nothing we write comes near.
        let value = value.get(..value.len().min(usize::from(u16::MAX) - NLA_HEADER_SIZE)).unwrap_or_default();
        let length = u16::try_from(NLA_HEADER_SIZE + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.align();
    }

    /// Appends a `u32` attribute.
    pub fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// Appends a string attribute with its NUL.
    pub fn string(&mut self, kind: u16, value: &str) {
        self.attribute(kind, &crate::abi::sysctl::string(value));
    }

    /// Appends bytes that are a whole number of words, inside an open attribute.
    pub fn raw(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.align();
    }

    /// Opens a nested attribute; Linux marks it with a flag bit, FreeBSD does not.
    pub fn nest(&mut self, kind: u16, marked: bool) -> Nest {
        let at = self.bytes.len();
        self.attribute(if marked { kind | NLA_F_NESTED } else { kind }, &[]);
        Nest(at)
    }

    /// Closes a nested attribute.
    pub fn close(&mut self, nest: Nest) {
        let length = u16::try_from(self.bytes.len() - nest.0).unwrap_or(u16::MAX);
        self.bytes[nest.0..nest.0 + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// Ends the message that was begun.
    pub fn end(&mut self) {
        let length = u32::try_from(self.bytes.len() - self.message).unwrap_or(u32::MAX);
        self.bytes[self.message..self.message + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Octets written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
