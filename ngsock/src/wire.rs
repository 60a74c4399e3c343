//! How typed values become the kernel's structures: one private `#[repr(C)]` structure beside each public one.

use core::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::message::Malformed;

/// A value that fills a fixed place in a structure.
pub(crate) trait Field: Sized {
    /// The place, as C lays it out.
    type Raw: FromBytes + IntoBytes + Immutable;

    fn to_raw(&self) -> Self::Raw;
    fn from_raw(raw: Self::Raw) -> Self;
}

macro_rules! integer_fields {
    ($($integer:ty)*) => {
        $(impl Field for $integer {
            type Raw = Self;

            fn to_raw(&self) -> Self {
                *self
            }

            fn from_raw(raw: Self) -> Self {
                raw
            }
        })*
    };
}

integer_fields!(u8 u16 u32 u64 i8 i16 i32 i64);

impl<T: Field, const N: usize> Field for [T; N] {
    type Raw = [T::Raw; N];

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

/// The number of elements as a message carries it. Messages are far shorter than 4 GiB (see
/// [`MAX_PAYLOAD`](crate::message::MAX_PAYLOAD)), so nothing is lost.
pub(crate) fn count_of<T>(values: &[T]) -> u32 {
    u32::try_from(values.len()).unwrap_or(u32::MAX)
}

/// Defines a public structure, its private `#[repr(C)]` twin with the asserted size of the C structure, and the
/// codec between them. `pad name: N` stands for bytes the C compiler leaves unused.
macro_rules! wire_struct {
    ($(#[$meta:meta])* pub struct $name:ident = $raw:ident, $size:literal bytes { $($body:tt)* }) => {
        $crate::wire::wire_struct! { @split [$(#[$meta])*] $name $raw $size {} {} {} {} $($body)* }
    };
    (@split $meta:tt $name:ident $raw:ident $size:literal {$($public:tt)*} {$($private:tt)*} {$($fields:ident)*} {$($pads:ident)*}
        pad $pad:ident: $len:literal, $($rest:tt)*
    ) => {
        $crate::wire::wire_struct! { @split $meta $name $raw $size
            {$($public)*} {$($private)* $pad: [u8; $len],} {$($fields)*} {$($pads)* $pad} $($rest)* }
    };
    (@split $meta:tt $name:ident $raw:ident $size:literal {$($public:tt)*} {$($private:tt)*} {$($fields:ident)*} {$($pads:ident)*}
        $(#[$field_meta:meta])* $field:ident: $type:ty, $($rest:tt)*
    ) => {
        $crate::wire::wire_struct! { @split $meta $name $raw $size
            {$($public)* $(#[$field_meta])* pub $field: $type,}
            {$($private)* $field: <$type as $crate::wire::Field>::Raw,}
            {$($fields)* $field} {$($pads)*} $($rest)* }
    };
    (@split [$($meta:tt)*] $name:ident $raw:ident $size:literal {$($public:tt)*} {$($private:tt)*} {$($fields:ident)*} {$($pads:ident)*}) => {
        $($meta)*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($public)* }

        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
        #[repr(C)]
        pub(crate) struct $raw { $($private)* }

        const _: () = assert!(size_of::<$raw>() == $size);

        impl $crate::wire::Field for $name {
            type Raw = $raw;

            fn to_raw(&self) -> $raw {
                $raw { $($fields: $crate::wire::Field::to_raw(&self.$fields),)* $($pads: Default::default(),)* }
            }

            fn from_raw(raw: $raw) -> Self {
                Self { $($fields: $crate::wire::Field::from_raw(raw.$fields),)* }
            }
        }

        $crate::wire::fixed_payload! { $name }
    };
}

/// Makes values of a fixed size payloads of their own.
macro_rules! fixed_payload {
    ($($type:ty),+) => {
        $(impl $crate::message::Payload for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                $crate::wire::put(out, self);
            }

            fn decode(payload: &[u8]) -> Result<Self, $crate::message::Malformed> {
                $crate::wire::get(payload)
            }
        })+
    };
}

/// Defines a node type's commands: for each a request type, and over all of them the enums `Command` and `Reply`
/// that whoever plays the kernel's part reads requests and replies with.
macro_rules! commands {
    ($cookie:ident: $($(#[$meta:meta])* $command:ident $(($argument:ty))? = $id:literal $text:literal => $reply:ty;)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $command $((pub $argument))?;

            $crate::wire::command_payload! { $command $(($argument))? }

            impl $crate::message::Request for $command {
                const COOKIE: u32 = $cookie;
                const COMMAND: u32 = $id;
                const NAME: &'static str = $text;
                type Reply = $reply;
            }
        )*

        /// A request to a node of this type, whichever it is.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "read once and matched; boxing would cost more than the copy")]
        pub enum Command {
            $(#[doc = concat!("`", $text, "`.")] $command($command),)*
        }

        impl Command {
            /// Reads the payload of a request by its command number.
            ///
            /// # Errors
            /// `UnknownCommand`, or what the payload's own decoder finds.
            pub fn decode(command: u32, payload: &[u8]) -> Result<Self, $crate::message::Malformed> {
                match command {
                    $($id => <$command as $crate::message::Payload>::decode(payload).map(Self::$command),)*
                    _ => Err($crate::message::Malformed::UnknownCommand { cookie: $cookie, command }),
                }
            }

            /// Appends the payload of the request.
            pub fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$command(request) => $crate::message::Payload::encode(request, out),)*
                }
            }

            /// The command number.
            #[must_use]
            pub const fn number(&self) -> u32 {
                match self {
                    $(Self::$command(_) => $id,)*
                }
            }

            /// The command as ngctl(8) calls it.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$command(_) => $text,)*
                }
            }
        }

        /// A reply of a node of this type, whichever it is.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "read once and matched; boxing would cost more than the copy")]
        pub enum Reply {
            $(#[doc = concat!("To `", $text, "`.")] $command($reply),)*
        }

        impl Reply {
            /// Reads the payload of a reply by its command number.
            ///
            /// # Errors
            /// `UnknownCommand`, or what the payload's own decoder finds.
            pub fn decode(command: u32, payload: &[u8]) -> Result<Self, $crate::message::Malformed> {
                match command {
                    $($id => <$reply as $crate::message::Payload>::decode(payload).map(Self::$command),)*
                    _ => Err($crate::message::Malformed::UnknownCommand { cookie: $cookie, command }),
                }
            }

            /// Appends the payload of the reply.
            pub fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$command(reply) => $crate::message::Payload::encode(reply, out),)*
                }
            }
        }
    };
}

macro_rules! command_payload {
    ($command:ident) => {
        impl $crate::message::Payload for $command {
            fn encode(&self, _: &mut Vec<u8>) {}

            // The handlers of requests without argument do not look at the length.
            fn decode(_: &[u8]) -> Result<Self, $crate::message::Malformed> {
                Ok(Self)
            }
        }
    };
    ($command:ident ($argument:ty)) => {
        impl $crate::message::Payload for $command {
            fn encode(&self, out: &mut Vec<u8>) {
                $crate::message::Payload::encode(&self.0, out);
            }

            fn decode(payload: &[u8]) -> Result<Self, $crate::message::Malformed> {
                <$argument as $crate::message::Payload>::decode(payload).map(Self)
            }
        }
    };
}

pub(crate) use {command_payload, commands, fixed_payload, wire_struct};

fixed_payload!(u8, u16, u32, u64, i32, Ipv4Addr, crate::name::Name, crate::name::InterfaceName);
