//! Integers as the kernel's strtol family reads them (`sys/libkern/strtol.c`).

use super::lex::skip_spaces;
use super::{TextError, TextErrorKind};

/// Digits after an optional sign; the value without the sign saturates.
struct Digits {
    negative: bool,
    value: u64,
    overflow: bool,
    end: usize,
}

fn digits(text: &[u8], at: usize, radix: u32) -> Option<Digits> {
    let mut end = skip_spaces(text, at);
    let negative = text.get(end) == Some(&b'-');
    if negative || text.get(end) == Some(&b'+') {
        end += 1;
    }
    let mut radix = radix;
    if matches!(radix, 0 | 16) && text.get(end) == Some(&b'0') && matches!(text.get(end + 1), Some(b'x' | b'X')) {
        // Without digits after it the prefix is no number, unlike in the C library.
        radix = 16;
        end += 2;
    }
    if radix == 0 {
        radix = if text.get(end) == Some(&b'0') { 8 } else { 10 };
    }
    let (mut value, mut overflow, mut any) = (0_u64, false, false);
    while let Some(digit) = text.get(end).and_then(|&byte| char::from(byte).to_digit(radix)) {
        match value.checked_mul(radix.into()).and_then(|value| value.checked_add(digit.into())) {
            Some(next) => value = next,
            None => overflow = true,
        }
        any = true;
        end += 1;
    }
    any.then_some(Digits { negative, value, overflow, end })
}

/// strtol(3) of a 64-bit long: the value, saturated, and where it ends.
fn signed(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let Digits { negative, value, overflow, end } = digits(text, at, 0)?;
    let value = match (negative, overflow) {
        (false, false) => i64::try_from(value).unwrap_or(i64::MAX),
        (true, false) => 0_i64.checked_sub_unsigned(value).unwrap_or(i64::MIN),
        (false, true) => i64::MAX,
        (true, true) => i64::MIN,
    };
    Some((value, end))
}

/// strtoul(3) of a 64-bit long.
pub(super) fn unsigned(text: &[u8], at: usize, radix: u32) -> Option<(u64, usize)> {
    let Digits { negative, value, overflow, end } = digits(text, at, radix)?;
    let value = match (negative, overflow) {
        (_, true) => u64::MAX,
        (true, false) => value.wrapping_neg(),
        (false, false) => value,
    };
    Some((value, end))
}

/// An integer of `size` bytes, in the machine's order, and where it ends. Signed and unsigned values of the size
/// are both taken, whatever the type (`sys/netgraph/ng_parse.c:340`). One of 8 bytes is at most `i64::MAX`, also where
/// it is printed without sign: the kernel cannot read back what it prints above.
pub(super) fn integer(text: &[u8], at: usize, size: usize, is_signed: bool) -> Result<(i64, usize), TextError> {
    let error = TextError::at(at, TextErrorKind::Syntax);
    let (value, end) = match size {
        4 if !is_signed => unsigned(text, at, 0).map(|(value, end)| (value.cast_signed(), end)),
        _ => signed(text, at),
    }
    .ok_or(error)?;
    let (least, most) = match size {
        1 => (i8::MIN.into(), u8::MAX.into()),
        2 => (i16::MIN.into(), u16::MAX.into()),
        4 => (i32::MIN.into(), u32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    if (least..=most).contains(&value) { Ok((value, end)) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_three_bases() {
        for (text, value) in
            [("10", 10), ("0x1F", 31), ("010", 8), (" -1", -1), ("+7}", 7), ("4294967295", 0xffff_ffff)]
        {
            assert_eq!(integer(text.as_bytes(), 0, 4, false).map(|(value, _)| value), Ok(value), "{text}");
        }
        for text in ["", "x", "0x", "-", "4294967296", "-2147483649"] {
            assert!(integer(text.as_bytes(), 0, 4, true).is_err(), "{text}");
        }
        for is_signed in [false, true] {
            assert_eq!(integer(b"9223372036854775807", 0, 8, is_signed), Ok((i64::MAX, 19)));
            assert_eq!(integer(b"9223372036854775808", 0, 8, is_signed), Ok((i64::MAX, 19)));
            assert_eq!(integer(b"18446744073709551615", 0, 8, is_signed), Ok((i64::MAX, 20)));
            assert_eq!(integer(b"-1", 0, 8, is_signed), Ok((-1, 2)));
        }
        assert_eq!(integer(b"18446744073709551615", 0, 4, false), Ok((-1, 20)));
        assert_eq!(integer(b"-99999999999999999999", 0, 8, true), Ok((i64::MIN, 21)));
    }
}
