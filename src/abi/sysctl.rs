//! Values of sysctls as bytes.

/// An `int` value.
#[must_use]
pub fn int(value: i32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// A string value with its NUL.
#[must_use]
pub fn string(value: &str) -> Vec<u8> {
    let mut bytes = value.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// Reads an integer of 1, 2, 4 or 8 bytes; 8-byte ones as a signed number.
#[must_use]
pub fn read_int(value: &[u8]) -> Option<i64> {
    match *value {
        [a] => Some(i64::from(a)),
        [a, b] => Some(i64::from(u16::from_le_bytes([a, b]))),
        [a, b, c, d] => Some(i64::from(i32::from_le_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => Some(i64::from_le_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    }
}

/// Reads a string up to its NUL or its end.
#[must_use]
pub fn read_string(value: &[u8]) -> String {
    let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(read_int(&int(-1)), Some(-1));
        assert_eq!(read_int(&[1, 2, 3]), None);
        assert_eq!(read_string(&string("a b")), "a b");
        assert_eq!(read_string(b"no end"), "no end");
    }
}
