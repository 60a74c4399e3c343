//! Text to bytes (`ng_parse_composite`, `sys/netgraph/ng_parse.c:1198`).

use std::collections::BTreeMap;

use super::lex::{Found, Quoted, Token, quoted, skip_spaces, skip_value, token};
use super::number::{integer, unsigned};
use super::{Count, IndexOf, MAX_PAYLOAD, Member, Style, TextError, TextErrorKind, Type, sockaddr};

/// More elements than the kernel reserves places for.
const MAX_ELEMENTS: i64 = 0x1fff_ffff;

pub(super) fn read(kind: &Type, text: &[u8], index_of: IndexOf<'_>) -> Result<Vec<u8>, TextError> {
    // To the kernel the text is a C string.
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut reader = Reader { text, index_of, message_len: text.len() + 1, limit: MAX_PAYLOAD, out: Vec::new() };
    reader.value(kind, 0)?;
    Ok(reader.out)
}

/// So far back any count stands before its array.
const LOOK_BACK: usize = 64;

/// The default of `kind` behind `before`, if it has one of at most `limit` bytes. Used by the printer.
pub(super) fn default(kind: &Type, before: &[u8], message_len: usize, limit: usize) -> Option<Vec<u8>> {
    let near = before.get(before.len().saturating_sub(LOOK_BACK)..).unwrap_or_default();
    let limit = near.len() + limit;
    let mut reader = Reader { text: &[], index_of: &|_| None, message_len, limit, out: near.to_vec() };
    reader.default(kind, 0).ok()?;
    Some(reader.out.split_off(near.len()))
}

struct Reader<'a> {
    text: &'a [u8],
    index_of: IndexOf<'a>,
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
                let mut text = self.quoted(at)?;
                text.push(0);
                self.put(at, &text)
            }
            Type::FixedString(size) => {
                let text = self.quoted(at)?;
                let padding = size.checked_sub(text.len()).filter(|&padding| padding > 0);
                let padding = padding.ok_or(TextError::at(at, TextErrorKind::TooLong))?;
                self.put(at, &text)?;
                self.zeros(at, padding)
            }
            Type::SizedString => {
                let text = self.quoted(at)?;
                let len = u16::try_from(text.len()).map_err(|_| TextError::at(at, TextErrorKind::Syntax))?;
                self.put(at, &len.to_ne_bytes())?;
                self.put(at, &text)
            }
            Type::Ipv4 => self.dotted(at),
            Type::Mac => self.mac(at),
            Type::Struct(members) => self.structure(kind, members, at),
            Type::FixedArray(element, count) => self.array(kind, element, *count, at),
            Type::Array(element, count) => {
                let count = self.elements(*count, at)?;
                self.array(kind, element, count, at)
            }
            Type::Bytes(count) => self.bytes(kind, *count, at),
            Type::SocketAddress => match token(self.text, at).token {
                Token::LeftBrace => self.value(sockaddr::GENERIC, at),
                _ => {
                    let address = sockaddr::read(self.text, skip_spaces(self.text, at), self.index_of)?;
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
                let count = self.elements(*count, at)?;
                self.lay_out_array(kind, element, count, &BTreeMap::new(), at)
            }
            Type::Bytes(count) => {
                let count = self.elements(*count, at)?;
                self.zeros(at, count)
            }
        }
    }

    /// How many elements an array has.
    fn elements(&self, count: Count, at: usize) -> Result<usize, TextError> {
        let count = super::count(count, &self.out, self.message_len).filter(|&count| count <= MAX_ELEMENTS);
        count.and_then(|count| usize::try_from(count).ok()).ok_or(TextError::at(at, TextErrorKind::Syntax))
    }

    fn quoted(&self, at: usize) -> Result<Vec<u8>, TextError> {
        let at = skip_spaces(self.text, at);
        quoted(self.text, at).map(|Quoted { value, .. }| value).ok_or(TextError::at(at, TextErrorKind::Syntax))
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
        // An open text is then not found to be an array either.
        let Ok(text) = self.quoted(at) else {
            let len = self.elements(count, at)?;
            return self.array(kind, Type::HINT8, len, at);
        };
        let room = self.limit.saturating_sub(self.out.len());
        let len = super::count(count, &self.out, self.message_len).ok_or(TextError::at(at, TextErrorKind::Syntax))?;
        // A length below zero has room for nothing.
        let len = usize::try_from(len).map_err(|_| TextError::at(at, TextErrorKind::TooLong))?;
        if len > room {
            return Err(TextError::at(at, TextErrorKind::Overflow));
        }
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
            let found = token(self.text, next);
            match found.token {
                Token::RightBrace => return Ok(values),
                Token::Word => {}
                _ => return Err(TextError::at(found.begin, TextErrorKind::Syntax)),
            }
            let name = self.text.get(found.begin..found.end()).unwrap_or_default();
            let index = members.iter().position(|member| member.name.as_bytes() == name);
            let index = index.ok_or(TextError::at(found.begin, TextErrorKind::UnknownMember))?;
            let after_equals = self.expect(Token::Equals, found.end())?;
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
            let found = token(self.text, next);
            let (index, value) = match found.token {
                Token::RightBracket => return Ok(values),
                Token::LeftBrace | Token::LeftBracket => (implied, found.begin),
                Token::Word => self.index(found)?.unwrap_or((implied, found.begin)),
                _ => return Err(TextError::at(found.begin, TextErrorKind::Syntax)),
            };
            if index >= count {
                return Err(TextError::at(found.begin, TextErrorKind::TooLong));
            }
            implied = index + 1;
            next = self.note(&mut values, index, value)?;
        }
    }

    /// The index that a word is, if `=` follows, and where its value is to be. The kernel does not count white space
    /// before the `=`, which then stands where the value should.
    fn index(&self, word: Found) -> Result<Option<(usize, usize)>, TextError> {
        let equals = token(self.text, word.end());
        if equals.token != Token::Equals {
            return Ok(None);
        }
        let syntax = TextError::at(word.begin, TextErrorKind::Syntax);
        let (index, end) = unsigned(self.text, word.begin, 0).ok_or(syntax)?;
        if index == u64::MAX || end != word.end() {
            return Err(syntax);
        }
        // Only its lower half is kept.
        let index = usize::try_from(index & u64::from(u32::MAX)).map_err(|_| syntax)?;
        Ok(Some((index, word.end() + 1)))
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
        let found = token(self.text, at);
        if found.token == expected { Ok(found.end()) } else { Err(TextError::at(found.begin, TextErrorKind::Syntax)) }
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
