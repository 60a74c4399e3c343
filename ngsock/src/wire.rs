//! How typed values become the kernel's structures: one private `#[repr(C)]` structure beside each public one.

use core::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::message::Malformed;
use crate::text::Type;

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

/// Defines a public structure, its private `#[repr(C)]` twin with the asserted size of the C structure, the codec
/// between them and the text form. After each type stands the name that the text form has for the member, and, if
/// it is not printed as its type always is, `as` how. `pad name: N` stands for bytes the C compiler leaves unused.
macro_rules! wire_struct {
    ($(#[$meta:meta])* pub struct $name:ident = $raw:ident, $size:literal bytes { $($body:tt)* }) => {
        $crate::wire::wire_struct! { @split [$(#[$meta])*] $name $raw $size {} {} {} {} {} $($body)* }
    };
    (@split $meta:tt $name:ident $raw:ident $size:literal
        {$($public:tt)*} {$($private:tt)*} {$($fields:ident)*} {$($pads:ident)*} {$($text:tt)*}
        pad $pad:ident: $len:literal, $($rest:tt)*
    ) => {
        $crate::wire::wire_struct! { @split $meta $name $raw $size
            {$($public)*} {$($private)* $pad: [u8; $len],} {$($fields)*} {$($pads)* $pad} {$($text)*} $($rest)* }
    };
    (@split $meta:tt $name:ident $raw:ident $size:literal
        {$($public:tt)*} {$($private:tt)*} {$($fields:ident)*} {$($pads:ident)*} {$($text:tt)*}
        $(#[$field_meta:meta])* $field:ident: $type:ty = $text_name:literal $(as $text_type:ident)?, $($rest:tt)*
    ) => {
        $crate::wire::wire_struct! { @split $meta $name $raw $size
            {$($public)* $(#[$field_meta])* pub $field: $type,}
            {$($private)* $field: <$type as $crate::wire::Field>::Raw,}
            {$($fields)* $field} {$($pads)*}
            {$($text)* $crate::text::Member {
                name: $text_name,
                kind: $crate::wire::member_text!($type $(as $text_type)?),
            },}
            $($rest)* }
    };
    (@split [$($meta:tt)*] $name:ident $raw:ident $size:literal
        {$($public:tt)*} {$($private:tt)*} {$($fields:ident)*} {$($pads:ident)*} {$($text:tt)*}
    ) => {
        $($meta)*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($public)* }

        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
        #[repr(C)]
        pub(crate) struct $raw { $($private)* }

        const _: () = assert!(size_of::<$raw>() == $size);

        impl $crate::wire::Field for $name {
            type Raw = $raw;

            const TEXT: &'static $crate::text::Type = &$crate::text::Type::Struct(&[$($text)*]);

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

macro_rules! member_text {
    ($type:ty) => {
        <$type as $crate::wire::Field>::TEXT
    };
    ($type:ty as $text_type:ident) => {
        $crate::text::Type::$text_type
    };
}

/// Defines a public list and its codec: a count, padding up to where the first element stands, the elements. The
/// texts are the names of the two members in words.
macro_rules! counted_list {
    ($(
        $(#[$meta:meta])*
        pub struct $list:ident($element:ident): $count_name:literal $elements_name:literal, elements at $at:literal;
    )*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, PartialEq, Eq, Default)]
            pub struct $list(pub Vec<$element>);

            impl $crate::message::Payload for $list {
                const TEXT: Option<&'static $crate::text::Type> =
                    Some(&$crate::text::Type::Struct(&[
                        $crate::text::Member { name: $count_name, kind: $crate::text::Type::UINT32 },
                        $crate::text::Member {
                            name: $elements_name,
                            kind: &$crate::text::Type::Array(
                                <$element as $crate::wire::Field>::TEXT,
                                $crate::text::Count::Before { size: 4, back: $at },
                            ),
                        },
                    ]));

                fn encode(&self, out: &mut Vec<u8>) {
                    $crate::wire::put_counted(out, $at, &self.0);
                }

                /// The message may be longer than its elements; the count is right.
                fn decode(payload: &[u8]) -> Result<Self, $crate::message::Malformed> {
                    $crate::wire::get_counted(payload, $at).map(Self)
                }
            }
        )*
    };
}

/// Makes values of a fixed size payloads of their own.
macro_rules! fixed_payload {
    ($($type:ty),+) => {
        $(impl $crate::message::Payload for $type {
            const TEXT: Option<&'static $crate::text::Type> = Some(<$type as $crate::wire::Field>::TEXT);

            fn encode(&self, out: &mut Vec<u8>) {
                $crate::wire::put(out, self);
            }

            fn decode(payload: &[u8]) -> Result<Self, $crate::message::Malformed> {
                $crate::wire::get(payload)
            }
        })+
    };
}

/// Defines a node type's commands: for each a request type, over all of them the enums `Command` and `Reply` that
/// whoever plays the kernel's part reads requests and replies with, and the list of their text forms.
///
/// `without text` marks commands that ngctl(8) has no word for; `[argument T]`, `[reply T]` say how the argument or
/// reply is printed if not as its type always is.
macro_rules! commands {
    ($cookie:ident: $(
        $(#[$meta:meta])*
        $command:ident $(($argument:ty))? = $id:literal $text:literal $(without $without:ident)? => $reply:ty
            $([$($part:ident $part_text:path),+])?;
    )*) => {
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

        /// The commands in words, in the order of their numbers.
        pub static TEXT_FORM: &[$crate::text::Command] = $crate::wire::text_form! { $cookie [] $(
            { $command $id $text $($without)? [$($argument)?] $reply [$($($part $part_text,)+)?] }
        )* };

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

/// Collects the commands that have a text form.
macro_rules! text_form {
    ($cookie:ident [$($done:tt)*]) => {
        &[$($done)*]
    };
    ($cookie:ident $done:tt { $command:ident $id:literal $text:literal text $argument:tt $reply:ty [$($parts:tt)*] } $($rest:tt)*) => {
        $crate::wire::text_form! { $cookie $done $($rest)* }
    };
    ($cookie:ident [$($done:tt)*]
        { $command:ident $id:literal $text:literal [$($argument:ty)?] $reply:ty [$($parts:tt)*] } $($rest:tt)*
    ) => {
        $crate::wire::text_form! { $cookie [$($done)* $crate::text::Command {
            cookie: $cookie,
            number: $id,
            name: $text,
            argument: $crate::wire::argument_text!([$($argument)?] $($parts)*),
            reply: $crate::wire::reply_text!($reply, $($parts)*),
        },] $($rest)* }
    };
}

macro_rules! argument_text {
    ($argument:tt reply $text:path, $($rest:tt)*) => {
        $crate::wire::argument_text!($argument $($rest)*)
    };
    ($argument:tt argument $text:path, $($rest:tt)*) => {
        Some($text)
    };
    ([]) => {
        None
    };
    ([$argument:ty]) => {
        <$argument as $crate::message::Payload>::TEXT
    };
}

macro_rules! reply_text {
    ($reply:ty, argument $text:path, $($rest:tt)*) => {
        $crate::wire::reply_text!($reply, $($rest)*)
    };
    ($reply:ty, reply $text:path, $($rest:tt)*) => {
        Some($text)
    };
    ($reply:ty,) => {
        <$reply as $crate::message::Payload>::TEXT
    };
}

pub(crate) use {
    argument_text, command_payload, commands, counted_list, fixed_payload, member_text, reply_text, text_form,
    wire_struct,
};

fixed_payload!(u8, u16, u32, u64, i32, Ipv4Addr, crate::name::Name);
