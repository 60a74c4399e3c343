//! Structures, lists, and other payloads of a fixed form.

/// Defines a structure, its private `#[repr(C)]` twin with the asserted size of the C structure, the codec
/// between them and the text form. After each type stands the name that the text form has for the member, and, if
/// it is not printed as its type always is, `as` how. `pad name: N` stands for bytes the C compiler leaves unused.
macro_rules! wire_struct {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident = $raw:ident, $size:literal bytes { $($body:tt)* }) => {
        $crate::wire::wire_struct! { @split [$(#[$meta])*] [$visibility] $name $raw $size {} {} {} {} {} $($body)* }
    };
    (@split $meta:tt $visibility:tt $name:ident $raw:ident $size:literal
        {$($public:tt)*} {$($private:tt)*} {$($fields:ident)*} {$($pads:ident)*} {$($text:tt)*}
        pad $pad:ident: $len:literal, $($rest:tt)*
    ) => {
        $crate::wire::wire_struct! { @split $meta $visibility $name $raw $size
            {$($public)*} {$($private)* $pad: [u8; $len],} {$($fields)*} {$($pads)* $pad} {$($text)*} $($rest)* }
    };
    (@split $meta:tt $visibility:tt $name:ident $raw:ident $size:literal
        {$($public:tt)*} {$($private:tt)*} {$($fields:ident)*} {$($pads:ident)*} {$($text:tt)*}
        $(#[$field_meta:meta])* $field:ident: $type:ty = $text_name:literal $(as $text_type:ident)?, $($rest:tt)*
    ) => {
        $crate::wire::wire_struct! { @split $meta $visibility $name $raw $size
            {$($public)* $(#[$field_meta])* pub $field: $type,}
            {$($private)* $field: <$type as $crate::wire::Field>::Raw,}
            {$($fields)* $field} {$($pads)*}
            {$($text)* $crate::text::Member {
                name: $text_name,
                kind: $crate::wire::member_text!($type $(as $text_type)?),
            },}
            $($rest)* }
    };
    (@split [$($meta:tt)*] [$visibility:vis] $name:ident $raw:ident $size:literal
        {$($public:tt)*} {$($private:tt)*} {$($fields:ident)*} {$($pads:ident)*} {$($text:tt)*}
    ) => {
        $($meta)*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility struct $name { $($public)* }

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

pub(crate) use {counted_list, fixed_payload, member_text, wire_struct};
