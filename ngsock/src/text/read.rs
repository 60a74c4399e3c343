//! Text to bytes (`ng_parse_composite`, `sys/netgraph/ng_parse.c:1198`).

use std::collections::BTreeMap;

use super::lex::{Token, quoted, skip_spaces, skip_value, token};
use super::number::{integer, unsigned};
use super::{Count, MAX_PAYLOAD, Member, Style, TextError, TextErrorKind, Type, sockaddr};

/// More elements than the kernel reserves places for.
const MAX_ELEMENTS: usize = 0x1fff_ffff;

pub(super) fn read(kind: &Type, text: &[u8]) -> Result<Vec<u8>, TextError> {
    // To the kernel the text is a C string.
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut reader = Reader { text, message_len: text.len() + 1, limit: MAX_PAYLOAD, out: Vec::new() };
    reader.value(kind, 0)?;
    Ok(reader.out)
}

/// So far back any count stands before its array.
const LOOK_BACK: usize = 64;

/// The default of `kind` behind `before`, if it has one of at most `limit` bytes. Used by the printer.
pub(super) fn default(kind: &Type, before: &[u8], message_len: usize, limit: usize) -> Option<Vec<u8>> {
    let near = before.get(before.len().saturating_sub(LOOK_BACK)..).unwrap_or_default();
    let mut reader = Reader { text: &[], message_len, limit: near.len() + limit, out: near.to_vec() };
    reader.default(kind, 0).ok()?;
    Some(reader.out.split_off(near.len()))
}

struct Reader<'a> {
    text: &'a [u8],
    /// What the header says while the text is read: the length of the text and its NUL.
    message_len: usize,
    /// So many bytes at most.
    limit: usize,
    /// All bytes so far, from the beginning of the payload.
    out: Vec<u8>,
}

impl Reader<'_> {
    fn put(&mut self, at: usize, bytes: &[u8]) -> Result<(), TextError> {
        if self.out.len() + bytes.len() > self.limit {
            return Err(TextError::at(at, TextErrorKind::Overflow));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn zeros(&mut self, at: usize, len: usize) -> Result<(), TextError> {
        if self.out.len().saturating_add(len) > self.limit {
            return Err(TextError::at(at, TextErrorKind::Overflow));
        }
        self.out.resize(self.out.len() + len, 0);
        Ok(())
    }

    fn put_integer(&mut self, at: usize, value: i64, size: usize) -> Result<(), TextError> {
        // The lower bytes of the machine's own order.
        let bytes = value.to_ne_bytes();
        let low = if cfg!(target_endian = "little") { bytes.get(..size) } else { bytes.get(8 - size..) };
        self.put(at, low.unwrap_or_default())
    }

    /// Reads the value at `at`.
    fn value(&mut self, kind: &Type, at: usize) -> Result<(), TextError> {
        match kind {
            Type::Integer(size, style) => {
                let (value, _) = integer(self.text, at, *size, *style == Style::Signed)?;
                self.put_integer(at, value, *size)
            }
            Type::String => {
                let (mut text, _) = quoted(self.text, at)?;
                text.push(0);
                self.put(at, &text)
            }
            Type::FixedString(size) => {
                let (text, _) = quoted(self.text, at)?;
                let padding = size.checked_sub(text.len()).filter(|&padding| padding > 0);
                let padding = padding.ok_or(TextError::at(at, TextErrorKind::TooLong))?;
                self.put(at, &text)?;
                self.zeros(at, padding)
            }
            Type::SizedString => {
                let (text, _) = quoted(self.text, at)?;
                let len = u16::try_from(text.len()).map_err(|_| TextError::at(at, TextErrorKind::Syntax))?;
                self.put(at, &len.to_ne_bytes())?;
                self.put(at, &text)
            }
            Type::Ipv4 => self.dotted(at),
            Type::Mac => self.mac(at),
            Type::Struct(members) => self.structure(kind, members, at),
            Type::FixedArray(element, count) => self.array(kind, element, *count, at),
            Type::Array(element, count) => {
                let count = self.count(*count, at)?;
                self.array(kind, element, count, at)
            }
            Type::Bytes(count) => self.bytes(kind, *count, at),
            Type::SocketAddress => match token(self.text, at)? {
                (Token::LeftBrace, ..) => self.value(sockaddr::GENERIC, at),
                _ => {
                    let address = sockaddr::read(self.text, skip_spaces(self.text, at))?;
                    self.put(at, &address)
                }
            },
        }
    }

    /// What stands in place of a value that is not given (`getDefault`).
    fn default(&mut self, kind: &Type, at: usize) -> Result<(), TextError> {
        match kind {
            Type::Integer(size, _) | Type::FixedString(size) => self.zeros(at, *size),
            Type::String => self.zeros(at, 1),
            Type::SizedString => self.zeros(at, 2),
            Type::Ipv4 => self.zeros(at, 4),
            Type::Mac | Type::SocketAddress => Err(TextError::at(at, TextErrorKind::Missing)),
            Type::Struct(members) => {
                let members = members.iter().map(|member| member.kind);
                self.lay_out(kind, members, &BTreeMap::new(), at)
            }
            Type::FixedArray(element, count) => self.lay_out_array(kind, element, *count, &BTreeMap::new(), at),
            Type::Array(element, count) => {
                let count = self.count(*count, at)?;
                self.lay_out_array(kind, element, count, &BTreeMap::new(), at)
            }
            Type::Bytes(count) => {
                let count = self.count(*count, at)?;
                self.zeros(at, count)
            }
        }
    }

    fn count(&self, count: Count, at: usize) -> Result<usize, TextError> {
        let count = super::count(count, &self.out, self.message_len);
        count.filter(|&count| count <= MAX_ELEMENTS).ok_or(TextError::at(at, TextErrorKind::Syntax))
    }

    fn dotted(&mut self, at: usize) -> Result<(), TextError> {
        let mut next = at;
        for index in 0..4 {
            let (value, end) = integer(self.text, next, 1, true)?;
            self.put_integer(next, value, 1)?;
            next = self.separator(index < 3, b'.', end)?;
        }
        Ok(())
    }

    fn mac(&mut self, at: usize) -> Result<(), TextError> {
        let mut next = at;
        for index in 0..6 {
            let error = TextError::at(next, TextErrorKind::Syntax);
            let (value, end) = unsigned(self.text, next, 16).ok_or(error)?;
            let octet = u8::try_from(value).map_err(|_| error)?;
            self.put(next, &[octet])?;
            next = self.separator(index < 5, b':', end)?;
        }
        Ok(())
    }

    fn separator(&self, is_due: bool, separator: u8, at: usize) -> Result<usize, TextError> {
        match self.text.get(at) {
            _ if !is_due => Ok(at),
            Some(&byte) if byte == separator => Ok(at + 1),
            _ => Err(TextError::at(at, TextErrorKind::Syntax)),
        }
    }

    fn bytes(&mut self, kind: &Type, count: Count, at: usize) -> Result<(), TextError> {
        let len = self.count(count, at)?;
        let is_text = self.text.get(skip_spaces(self.text, at)) == Some(&b'"');
        if !is_text {
            return self.array(kind, Type::HINT8, len, at);
        }
        let (text, _) = quoted(self.text, at)?;
        let padding = len.checked_sub(text.len()).ok_or(TextError::at(at, TextErrorKind::TooLong))?;
        self.put(at, &text)?;
        self.zeros(at, padding)
    }

    fn structure(&mut self, kind: &Type, members: &'static [Member], at: usize) -> Result<(), TextError> {
        let values = self.named_values(members, at)?;
        self.lay_out(kind, members.iter().map(|member| member.kind), &values, at)
    }

    /// Where each member's value is.
    fn named_values(&self, members: &[Member], at: usize) -> Result<BTreeMap<usize, usize>, TextError> {
        let mut next = self.expect(Token::LeftBrace, at)?;
        let mut values = BTreeMap::new();
        loop {
            let (found, begin, end) = token(self.text, next)?;
            match found {
                Token::RightBrace => return Ok(values),
                Token::Word => {}
                _ => return Err(TextError::at(begin, TextErrorKind::Syntax)),
            }
            let name = self.text.get(begin..end).unwrap_or_default();
            let index = members.iter().position(|member| member.name.as_bytes() == name);
            let index = index.ok_or(TextError::at(begin, TextErrorKind::UnknownMember))?;
            let after_equals = self.expect(Token::Equals, end)?;
            next = self.note(&mut values, index, after_equals)?;
        }
    }

    fn array(&mut self, kind: &Type, element: &'static Type, count: usize, at: usize) -> Result<(), TextError> {
        let values = self.indexed_values(count, at)?;
        self.lay_out_array(kind, element, count, &values, at)
    }

    /// Where each element's value is; the index before `=` is optional.
    fn indexed_values(&self, count: usize, at: usize) -> Result<BTreeMap<usize, usize>, TextError> {
        let mut next = self.expect(Token::LeftBracket, at)?;
        let (mut values, mut implied) = (BTreeMap::new(), 0_usize);
        loop {
            let (found, begin, end) = token(self.text, next)?;
            let syntax = TextError::at(begin, TextErrorKind::Syntax);
            let (index, value) = match found {
                Token::RightBracket => return Ok(values),
                Token::LeftBrace | Token::LeftBracket => (implied, begin),
                Token::Word => match token(self.text, end)? {
                    (Token::Equals, _, after_equals) => {
                        let (index, index_end) = unsigned(self.text, begin, 0).ok_or(syntax)?;
                        let index = usize::try_from(index).ok().filter(|_| index_end == end && index != u64::MAX);
                        (index.ok_or(syntax)?, after_equals)
                    }
                    _ => (implied, begin),
                },
                _ => return Err(syntax),
            };
            if index >= count {
                return Err(TextError::at(begin, TextErrorKind::TooLong));
            }
            implied = index + 1;
            next = self.note(&mut values, index, value)?;
        }
    }

    /// Remembers where a value is and gives where it ends.
    fn note(&self, values: &mut BTreeMap<usize, usize>, index: usize, value: usize) -> Result<usize, TextError> {
        let value = skip_spaces(self.text, value);
        if values.insert(index, value).is_some() {
            return Err(TextError::at(value, TextErrorKind::Duplicate));
        }
        skip_value(self.text, value)
    }

    fn expect(&self, expected: Token, at: usize) -> Result<usize, TextError> {
        match token(self.text, at)? {
            (found, _, end) if found == expected => Ok(end),
            (_, begin, _) => Err(TextError::at(begin, TextErrorKind::Syntax)),
        }
    }

    fn lay_out_array(
        &mut self,
        kind: &Type,
        element: &'static Type,
        count: usize,
        values: &BTreeMap<usize, usize>,
        at: usize,
    ) -> Result<(), TextError> {
        self.lay_out(kind, core::iter::repeat_n(element, count), values, at)
    }

    /// Values and defaults one after the other, aligned from the beginning of this structure or array.
    fn lay_out(
        &mut self,
        kind: &Type,
        elements: impl Iterator<Item = &'static Type>,
        values: &BTreeMap<usize, usize>,
        at: usize,
    ) -> Result<(), TextError> {
        let begin = self.out.len();
        for (index, element) in elements.enumerate() {
            self.pad(begin, element.alignment(), at)?;
            match values.get(&index) {
                Some(&value) => self.value(element, value)?,
                None => self.default(element, at)?,
            }
        }
        self.pad(begin, kind.alignment(), at)
    }

    fn pad(&mut self, begin: usize, alignment: usize, at: usize) -> Result<(), TextError> {
        let len = self.out.len() - begin;
        self.zeros(at, len.next_multiple_of(alignment) - len)
    }
}
