//! Tokens (`ng_parse_get_token`, `sys/netgraph/ng_parse.c:1682`). Positions are offsets in the whole text.

use super::{TextError, TextErrorKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Equals,
    Quoted,
    Word,
    End,
}

/// C's isspace(3).
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

pub(super) fn skip_spaces(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|&&byte| is_space(byte)).count()
}

/// The next token: what it is, where it begins and where it ends.
pub(super) fn token(text: &[u8], at: usize) -> Result<(Token, usize, usize), TextError> {
    let at = skip_spaces(text, at);
    let token = match text.get(at) {
        None => return Ok((Token::End, at, at)),
        Some(b'{') => Token::LeftBrace,
        Some(b'}') => Token::RightBrace,
        Some(b'[') => Token::LeftBracket,
        Some(b']') => Token::RightBracket,
        Some(b'=') => Token::Equals,
        Some(b'"') => return quoted(text, at).map(|(_, end)| (Token::Quoted, at, end)),
        Some(_) => {
            let rest = text.get(at + 1..).unwrap_or_default();
            let ends = |byte: &u8| is_space(*byte) || b"{}[]=\"".contains(byte);
            let len = rest.iter().position(ends).unwrap_or(rest.len());
            return Ok((Token::Word, at, at + 1 + len));
        }
    };
    Ok((token, at, at + 1))
}

/// Where the value at `at` ends: a word, a text, or everything between two brackets.
pub(super) fn skip_value(text: &[u8], at: usize) -> Result<usize, TextError> {
    let (mut end, mut brackets, mut braces) = (at, 0_usize, 0_usize);
    loop {
        let (token, begin, after) = token(text, end)?;
        let unopened = TextError::at(begin, TextErrorKind::Syntax);
        match token {
            Token::LeftBracket => brackets += 1,
            Token::LeftBrace => braces += 1,
            Token::RightBracket => brackets = brackets.checked_sub(1).ok_or(unopened)?,
            Token::RightBrace => braces = braces.checked_sub(1).ok_or(unopened)?,
            Token::End => return Err(unopened),
            Token::Equals | Token::Quoted | Token::Word => {}
        }
        end = after;
        if brackets == 0 && braces == 0 {
            return Ok(end);
        }
    }
}

/// A text in double quotes, its escapes resolved, and where it ends.
pub(super) fn quoted(text: &[u8], at: usize) -> Result<(Vec<u8>, usize), TextError> {
    let error = TextError::at(at, TextErrorKind::Syntax);
    let at = skip_spaces(text, at);
    let mut rest = text.get(at..).and_then(|rest| rest.strip_prefix(b"\"")).ok_or(error)?;
    let mut value = Vec::new();
    loop {
        let (&byte, after) = rest.split_first().ok_or(error)?;
        rest = after;
        match byte {
            b'"' => return Ok((value, text.len() - rest.len())),
            b'\\' => {
                let (byte, after) = escape(rest).ok_or(error)?;
                value.push(byte);
                rest = after;
            }
            byte => value.push(byte),
        }
    }
}

/// What a backslash makes of the bytes after it.
fn escape(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (&byte, after) = rest.split_first()?;
    Some(match byte {
        b't' => (b'\t', after),
        b'n' => (b'\n', after),
        b'r' => (b'\r', after),
        b'v' => (0x0b, after),
        b'f' => (0x0c, after),
        b'x' => digits(after, 16, 2),
        b'0'..=b'7' => digits(rest, 8, 3),
        other => (other, after),
    })
}

/// At most `most` digits; the value is cut to a byte, as a C char is.
fn digits(bytes: &[u8], radix: u32, most: usize) -> (u8, &[u8]) {
    let (mut value, mut rest) = (0_u32, bytes);
    for _ in 0..most {
        let Some((digit, after)) =
            rest.split_first().and_then(|(&byte, after)| char::from(byte).to_digit(radix).map(|digit| (digit, after)))
        else {
            break;
        };
        value = value * radix + digit;
        rest = after;
    }
    let [byte, ..] = value.to_le_bytes();
    (byte, rest)
}

/// Puts bytes into double quotes (`ng_encode_string`, `sys/netgraph/ng_parse.c:1816`).
pub(super) fn quote(bytes: &[u8], out: &mut String) {
    use core::fmt::Write as _;

    out.push('"');
    for &byte in bytes {
        match byte {
            b'\t' => out.push_str("\\t"),
            0x0c => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            0x0b => out.push_str("\\v"),
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            0x20..=0x7e => out.push(char::from(byte)),
            // Writing into a String cannot fail.
            byte => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_c() {
        let (value, end) = quoted(br#"  "a\tb\"c\\d\x41e\101f" rest"#, 0).unwrap();
        assert_eq!((value.as_slice(), end), (&b"a\tb\"c\\dAeAf"[..], 24));
        assert!(quoted(b"\"open", 0).is_err());
        assert!(quoted(b"\"open\\", 0).is_err());
    }

    #[test]
    fn every_byte_survives_quoting() {
        let bytes: Vec<u8> = (0..=255).chain([1, b'a', 0x80, b'0']).collect();
        let mut text = String::new();
        quote(&bytes, &mut text);
        assert!(text.is_ascii());
        assert_eq!(quoted(text.as_bytes(), 0).unwrap(), (bytes, text.len()));
    }

    #[test]
    fn values_are_skipped_whole() {
        assert_eq!(skip_value(b"{ a=[ 1 2 ] } rest", 0), Ok(13));
        assert_eq!(skip_value(b" word }", 0), Ok(5));
        assert!(skip_value(b"}", 0).is_err());
        assert!(skip_value(b"{ a", 0).is_err());
        assert!(skip_value(b"", 0).is_err());
    }
}
