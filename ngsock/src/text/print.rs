//! Bytes to text (`ng_unparse_composite`, `sys/netgraph/ng_parse.c:1377`).

use core::fmt::Write as _;

use super::lex::quote;
use super::{MAX_PAYLOAD, Style, TextError, TextErrorKind, Type, read, sockaddr};
use crate::message::HEADER_LEN;

pub(super) fn print(kind: &Type, payload: &[u8]) -> Result<String, TextError> {
    let mut printer = Printer { payload, at: 0, out: String::new() };
    printer.value(kind)?;
    Ok(printer.out)
}

pub(super) struct Printer<'a> {
    payload: &'a [u8],
    at: usize,
    out: String,
}

impl<'a> Printer<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], TextError> {
        let short = TextError::at(self.at, TextErrorKind::Short);
        let end = self.at.checked_add(len).ok_or(short)?;
        let bytes = self.payload.get(self.at..end).ok_or(short)?;
        self.at = end;
        Ok(bytes)
    }

    fn value(&mut self, kind: &Type) -> Result<(), TextError> {
        match kind {
            Type::Integer(size, style) => {
                let bytes = self.take(*size)?;
                self.integer(bytes, *style);
            }
            Type::String => {
                let rest = self.payload.get(self.at..).unwrap_or_default();
                let len = rest.iter().position(|&byte| byte == 0);
                let text = self.take(len.ok_or(TextError::at(self.at, TextErrorKind::Short))?)?;
                quote(text, &mut self.out);
                self.at += 1;
            }
            Type::FixedString(size) => {
                // A field without NUL is printed on, as far as there is none.
                let rest = self.payload.get(self.at..).unwrap_or_default();
                self.take(*size)?;
                quote(rest.split(|&byte| byte == 0).next().unwrap_or_default(), &mut self.out);
            }
            Type::SizedString => {
                let len = match *self.take(2)? {
                    [a, b] => u16::from_ne_bytes([a, b]),
                    _ => 0,
                };
                let text = self.take(len.into())?;
                quote(text, &mut self.out);
            }
            Type::Ipv4 => {
                let octets: Vec<String> = self.take(4)?.iter().map(u8::to_string).collect();
                self.out.push_str(&octets.join("."));
            }
            Type::Mac => {
                let octets: Vec<String> = self.take(6)?.iter().map(|octet| format!("{octet:02x}")).collect();
                self.out.push_str(&octets.join(":"));
            }
            Type::Struct(members) => {
                self.out.push('{');
                let mut any = false;
                for member in *members {
                    if self.skip_default(member.kind) {
                        continue;
                    }
                    self.out.push(' ');
                    self.out.push_str(member.name);
                    self.out.push('=');
                    self.value(member.kind)?;
                    any = true;
                }
                self.out.push_str(if any { " }" } else { "}" });
            }
            Type::FixedArray(element, count) => self.array(element, *count)?,
            Type::Array(element, count) => {
                let count = self.count(*count)?;
                self.array(element, count)?;
            }
            Type::Bytes(count) => {
                let count = self.count(*count)?;
                self.array(Type::HINT8, count)?;
            }
            Type::SocketAddress => {
                let rest = self.payload.get(self.at..).unwrap_or_default();
                match sockaddr::print(rest, &mut self.out) {
                    Some(len) => self.at += len,
                    None => self.value(sockaddr::GENERIC)?,
                }
            }
        }
        Ok(())
    }

    fn integer(&mut self, bytes: &[u8], style: Style) {
        let (unsigned, signed) = match *bytes {
            [a] => (a.into(), a.cast_signed().into()),
            [a, b] => {
                let value = u16::from_ne_bytes([a, b]);
                (value.into(), value.cast_signed().into())
            }
            [a, b, c, d] => {
                let value = u32::from_ne_bytes([a, b, c, d]);
                (value.into(), value.cast_signed().into())
            }
            _ => {
                let value = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
                (value, value.cast_signed())
            }
        };
        // Writing into a String cannot fail.
        let _ = match style {
            Style::Signed => write!(self.out, "{signed}"),
            Style::Unsigned => write!(self.out, "{unsigned}"),
            Style::Hex => write!(self.out, "{unsigned:#x}"),
        };
    }

    fn count(&self, count: super::Count) -> Result<usize, TextError> {
        let before = self.payload.get(..self.at).unwrap_or_default();
        let count = super::count(count, before, self.payload.len());
        // Below zero there are none.
        count.map(|count| usize::try_from(count).unwrap_or(0)).ok_or(TextError::at(self.at, TextErrorKind::Short))
    }

    fn array(&mut self, element: &Type, count: usize) -> Result<(), TextError> {
        self.out.push('[');
        let (mut next, mut any) = (0, false);
        for index in 0..count {
            // Every element takes up bytes, so a count that lies ends here.
            if self.at >= self.payload.len() {
                return Err(TextError::at(self.at, TextErrorKind::Short));
            }
            if self.skip_default(element) {
                continue;
            }
            self.out.push(' ');
            if index != next {
                let _ = write!(self.out, "{index}=");
            }
            next = index + 1;
            self.value(element)?;
            any = true;
        }
        self.out.push_str(if any { " ]" } else { "]" });
        Ok(())
    }

    /// Goes to where the value begins, and past it if it is what is left out.
    fn skip_default(&mut self, kind: &Type) -> bool {
        self.at = self.at.next_multiple_of(kind.alignment());
        let before = self.payload.get(..self.at).unwrap_or_default();
        // The kernel compares in a buffer of this size and prints everything that lies beyond.
        let Some(room) = MAX_PAYLOAD.checked_sub(HEADER_LEN + self.at).filter(|&room| room > 0) else {
            return false;
        };
        let Some(default) = read::default(kind, before, self.payload.len(), room) else {
            return false;
        };
        let is_default = self.payload.get(self.at..).is_some_and(|rest| rest.starts_with(&default));
        if is_default {
            self.at += default.len();
        }
        is_default
    }
}
