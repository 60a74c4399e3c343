//! How typed values become the kernel's structures: one private `#[repr(C)]` structure beside each public one.

mod commands;
mod structs;

use core::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::message::Malformed;
use crate::text::Type;

pub(crate) use commands::{argument_text, command_payload, commands, reply_text, text_form};
pub(crate) use structs::{counted_list, fixed_payload, member_text, wire_struct};

/// A value that fills a fixed place in a structure.
pub(crate) trait Field: Sized {
    /// The place, as C lays it out.
    type Raw: FromBytes + IntoBytes + Immutable;

    /// The place in words.
    const TEXT: &'static Type;

    fn to_raw(&self) -> Self::Raw;
    fn from_raw(raw: Self::Raw) -> Self;
}

macro_rules! integer_fields {
    ($($integer:ty = $text:ident)*) => {
        $(impl Field for $integer {
            type Raw = Self;

            const TEXT: &'static Type = Type::$text;

            fn to_raw(&self) -> Self {
                *self
            }

            fn from_raw(raw: Self) -> Self {
                raw
            }
        })*
    };
}

integer_fields!(u8 = UINT8 u16 = UINT16 u32 = UINT32 u64 = UINT64 i8 = INT8 i16 = INT16 i32 = INT32 i64 = INT64);

impl<T: Field, const N: usize> Field for [T; N] {
    type Raw = [T::Raw; N];

    const TEXT: &'static Type = &Type::FixedArray(T::TEXT, N);

    fn to_raw(&self) -> Self::Raw {
        self.each_ref().map(T::to_raw)
    }

    fn from_raw(raw: Self::Raw) -> Self {
        raw.map(T::from_raw)
    }
}

/// `struct in_addr`: network order whatever the machine's is.
impl Field for Ipv4Addr {
    type Raw = [u8; 4];

    const TEXT: &'static Type = &Type::Ipv4;

    fn to_raw(&self) -> [u8; 4] {
        self.octets()
    }

    fn from_raw(raw: [u8; 4]) -> Self {
        Self::from(raw)
    }
}

/// Appends the structure of `value`.
pub(crate) fn put<T: Field>(out: &mut Vec<u8>, value: &T) {
    out.extend_from_slice(value.to_raw().as_bytes());
}

/// Reads a payload that is exactly one structure.
pub(crate) fn get<T: Field>(bytes: &[u8]) -> Result<T, Malformed> {
    match T::Raw::read_from_bytes(bytes) {
        Ok(raw) => Ok(T::from_raw(raw)),
        Err(_) => Err(Malformed::PayloadSize { expected: size_of::<T::Raw>(), actual: bytes.len() }),
    }
}

/// Reads a structure at the front of a payload; gives what follows it.
pub(crate) fn get_prefix<T: Field>(bytes: &[u8]) -> Result<(T, &[u8]), Malformed> {
    match T::Raw::read_from_prefix(bytes) {
        Ok((raw, rest)) => Ok((T::from_raw(raw), rest)),
        Err(_) => Err(Malformed::PayloadShort { needed: size_of::<T::Raw>(), actual: bytes.len() }),
    }
}

/// Appends structures one after the other.
pub(crate) fn put_all<T: Field>(out: &mut Vec<u8>, values: &[T]) {
    for value in values {
        put(out, value);
    }
}

/// Reads `count` structures from the front; never reserves more than the bytes can hold.
pub(crate) fn get_all<T: Field>(count: u32, bytes: &[u8]) -> Result<(Vec<T>, &[u8]), Malformed> {
    let room = bytes.len() / size_of::<T::Raw>();
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    if wanted > room {
        return Err(Malformed::Count { count, room });
    }
    let mut values = Vec::with_capacity(wanted);
    let mut rest = bytes;
    for _ in 0..wanted {
        let (value, after) = get_prefix(rest)?;
        values.push(value);
        rest = after;
    }
    Ok((values, rest))
}

/// Appends a count and its elements, the first of them `at` bytes from the count.
pub(crate) fn put_counted<T: Field>(out: &mut Vec<u8>, at: usize, values: &[T]) {
    let begin = out.len();
    put(out, &count_of(values));
    out.resize(begin + at, 0);
    put_all(out, values);
}

/// Reads a count and its elements, the first of them `at` bytes from the count.
pub(crate) fn get_counted<T: Field>(payload: &[u8], at: usize) -> Result<Vec<T>, Malformed> {
    let (count, _) = get_prefix(payload)?;
    match (count, payload.get(at..)) {
        (0, _) => Ok(Vec::new()),
        (count, Some(elements)) => Ok(get_all(count, elements)?.0),
        (_, None) => Err(Malformed::PayloadShort { needed: at, actual: payload.len() }),
    }
}

/// The number of elements as a message carries it. Messages are far shorter than 4 GiB (see
/// [`MAX_PAYLOAD`](crate::message::MAX_PAYLOAD)), so nothing is lost.
pub(crate) fn count_of<T>(values: &[T]) -> u32 {
    u32::try_from(values.len()).unwrap_or(u32::MAX)
}

fixed_payload!(u8, u16, u32, u64, i32, Ipv4Addr, crate::name::Name);
