//! Sets of processors as cpuset_setaffinity(2) takes them: one bit each, in little endian words.

/// Bytes of a set in FreeBSD 15 (1024 processors, `sys/sys/_cpuset.h:43`); 13 takes 32, and more where the rest is zero.
pub const SIZE: usize = 128;

/// The set of these processors; numbers beyond the set are left out.
#[must_use]
pub fn encode(processors: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut mask = vec![0; SIZE];
    for number in processors {
        if let Some(byte) = mask.get_mut(usize::from(number / 8)) {
            *byte |= 1u8 << (number % 8);
        }
    }
    mask
}

/// The processors of a set, lowest first.
#[must_use]
pub fn decode(mask: &[u8]) -> Vec<u16> {
    let bits = mask.iter().take(SIZE).enumerate().flat_map(|(place, byte)| (0..8).map(move |bit| (place, byte, bit)));
    bits.filter(|(_, byte, bit)| **byte & (1 << bit) != 0)
        .filter_map(|(place, _, bit)| u16::try_from(place * 8 + bit).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_go_and_come_back() {
        assert_eq!(decode(&encode([0, 1, 9, 1023])), [0, 1, 9, 1023]);
        assert_eq!(encode([0, 9])[..2], [1, 2]);
        assert!(decode(&encode([1024])).is_empty());
    }
}
