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
    /// A text in double quotes that is not closed.
    Broken,
}

/// C's isspace(3).
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

pub(super) fn skip_spaces(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|&&byte| is_space(byte)).count()
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) token: Token,
    /// Where it begins, behind white space.
    pub(super) begin: usize,
    /// How long the kernel takes it for. `None` for what is no token: the kernel then goes by the length of the one
    /// before.
    pub(super) len: Option<usize>,
}

impl Found {
    /// Where it ends; nothing follows what is no token.
    pub(super) fn end(self) -> usize {
        self.begin + self.len.unwrap_or(0)
    }
}

/// The next token.
pub(super) fn token(text: &[u8], at: usize) -> Found {
    let begin = skip_spaces(text, at);
    let (token, len) = match text.get(begin) {
        None => (Token::End, Some(0)),
        Some(b'{') => (Token::LeftBrace, Some(1)),
        Some(b'}') => (Token::RightBrace, Some(1)),
        Some(b'[') => (Token::LeftBracket, Some(1)),
        Some(b']') => (Token::RightBracket, Some(1)),
        Some(b'=') => (Token::Equals, Some(1)),
        Some(b'"') => match quoted(text, begin) {
            Some(quoted) => (Token::Quoted, Some(quoted.len)),
            None => (Token::Broken, None),
        },
        Some(_) => {
            let rest = text.get(begin + 1..).unwrap_or_default();
            let ends = |byte: &u8| is_space(*byte) || b"{}[]=\"".contains(byte);
            (Token::Word, Some(1 + rest.iter().position(ends).unwrap_or(rest.len())))
        }
    };
    Found { token, begin, len }
}

/// Where the value at `at` ends: a word, a text, or everything between two brackets (`ng_parse_skip_value`,
/// `sys/netgraph/ng_parse.c:1643`).
pub(super) fn skip_value(text: &[u8], at: usize) -> Result<usize, TextError> {
    let (mut end, mut len, mut brackets, mut braces) = (at, 0, 0_usize, 0_usize);
    loop {
        let found = token(text, end);
        let unopened = TextError::at(found.begin, TextErrorKind::Syntax);
        match found.token {
            Token::LeftBracket => brackets += 1,
            Token::LeftBrace => braces += 1,
            Token::RightBracket => brackets = brackets.checked_sub(1).ok_or(unopened)?,
            Token::RightBrace => braces = braces.checked_sub(1).ok_or(unopened)?,
            Token::End => return Err(unopened),
            Token::Equals | Token::Quoted | Token::Word | Token::Broken => {}
        }
        len = found.len.unwrap_or(len);
        end = found.begin + len;
        if brackets == 0 && braces == 0 {
            return Ok(end);
        }
    }
}

/// A text that stood in double quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quoted {
    /// Its bytes, escapes resolved.
    pub(super) value: Vec<u8>,
    /// How many bytes of the source the kernel takes it for, quotes included: one too few for each `\x` and for each
    /// escape that only stands for itself, such as `\\`. So after these nothing can follow, and they end a structure.
    pub(super) len: usize,
}

/// The text in double quotes at `at`, if it is closed (`ng_get_string_token`, `sys/netgraph/ng_parse.c:1728`).
pub(super) fn quoted(text: &[u8], at: usize) -> Option<Quoted> {
    let mut rest = text.get(at..)?.strip_prefix(b"\"")?;
    let (mut value, mut len) = (Vec::new(), 1);
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        let (byte, counted) = match (byte, rest) {
            (b'"', _) => return Some(Quoted { value, len: len + 1 }),
            (b'\\', [escape, after @ ..]) => {
                let (byte, after, counted) = escaped(*escape, after)?;
                rest = after;
                (byte, counted)
            }
            (byte, _) => (byte, 1),
        };
        value.push(byte);
        len += counted;
    }
}

/// What a backslash makes of the bytes after it, what follows, and for how many bytes the kernel counts it.
fn escaped(escape: u8, after: &[u8]) -> Option<(u8, &[u8], usize)> {
    Some(match escape {
        b't' => (b'\t', after, 2),
        b'n' => (b'\n', after, 2),
        b'r' => (b'\r', after, 2),
        b'v' => (0x0b, after, 2),
        b'f' => (0x0c, after, 2),
        b'"' => (b'"', after, 2),
        b'x' => {
            let (byte, digits) = digits(after, 16, 0);
            // A NUL made of digits ends the text in the kernel's buffer, before its quote.
            if byte == 0 && digits > 0 {
                return None;
            }
            (byte, after.get(digits..)?, 1 + digits)
        }
        b'0'..=b'7' => {
            let (byte, digits) = digits(after, 8, escape - b'0');
            if byte == 0 && digits > 0 {
                return None;
            }
            (byte, after.get(digits..)?, 2 + digits)
        }
        other => (other, after, 1),
    })
}

/// All digits there are, not two or three as in C: the kernel forgets to count them. The low byte of their value, and
/// how many they are.
fn digits(bytes: &[u8], radix: u8, first: u8) -> (u8, usize) {
    let mut value = first;
    for (index, &byte) in bytes.iter().enumerate() {
        let Some(digit) = char::from(byte).to_digit(radix.into()) else { return (value, index) };
        let [digit, ..] = digit.to_le_bytes();
        value = value.wrapping_mul(radix).wrapping_add(digit);
    }
    (value, bytes.len())
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

    fn read(text: &str) -> Option<(Vec<u8>, usize)> {
        quoted(text.as_bytes(), 0).map(|quoted| (quoted.value, quoted.len))
    }

    #[test]
    fn escapes_are_those_of_the_kernel() {
        assert_eq!(read(r#""a\tb\"c\n\r\v\f" rest"#), Some((b"a\tb\"c\n\r\x0b\x0c".to_vec(), 17)));
        assert_eq!(read(r#""open"#), None);
        assert_eq!(read(r#""open\"#), None);
        assert_eq!(read(r#""open\""#), None);
    }

    #[test]
    fn digits_of_an_escape_are_all_taken() {
        assert_eq!(read(r#""\x41g""#), Some((b"Ag".to_vec(), 6)), "one byte too few");
        assert_eq!(read(r#""\x4142""#), Some((b"B".to_vec(), 7)));
        assert_eq!(read(r#""\101f""#), Some((b"Af".to_vec(), 7)));
        assert_eq!(read(r#""\1010""#), Some((vec![0x08], 7)));
        assert_eq!(read(r#""\x""#), Some((vec![0], 3)));
        assert_eq!(read(r#""\0x""#), Some((b"\0x".to_vec(), 5)));
        for ends_early in [r#""\x0""#, r#""\x00g""#, r#""\x100""#, r#""\00""#, r#""\000g""#, r#""\400""#] {
            assert_eq!(read(ends_early), None, "{ends_early}");
        }
    }

    #[test]
    fn an_escape_that_stands_for_itself_is_counted_short() {
        assert_eq!(read(r#""c\\d""#), Some((br"c\d".to_vec(), 5)));
        assert_eq!(read(r#""\a\8""#), Some((b"a8".to_vec(), 4)));
    }

    #[test]
    fn what_is_quoted_is_printable_and_reads_back_unless_the_kernel_cannot() {
        for byte in 0..=255 {
            let mut text = String::new();
            quote(&[byte, b'g'], &mut text);
            assert!(text.is_ascii());
            let expected = (byte != 0).then_some(vec![byte, b'g']);
            assert_eq!(read(&text).map(|(value, _)| value), expected, "{text}");
        }
    }

    #[test]
    fn values_are_skipped_whole() {
        assert_eq!(skip_value(b"{ a=[ 1 2 ] } rest", 0), Ok(13));
        assert_eq!(skip_value(b" word }", 0), Ok(5));
        assert!(skip_value(b"}", 0).is_err());
        assert!(skip_value(b"{ a", 0).is_err());
        assert!(skip_value(b"", 0).is_err());
        assert_eq!(skip_value(b" \"open", 0), Ok(1), "an open text is skipped by the length of what was before it");
        assert_eq!(skip_value(b"{ \"open }", 0), Ok(9));
    }
}
