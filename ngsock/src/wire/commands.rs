//! The commands of a node type.

/// Defines a node type's commands: for each a request type, over all of them the enums `Command` and `Reply` that
/// whoever plays the kernel's part reads requests and replies with, and the list of their text forms.
///
/// `without text` marks commands that ngctl(8) has no word for; `[argument T]`, `[reply T]` say how the argument or
/// reply is printed if not as its type always is, `[unspoken argument]` that it has no text form.
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
    ($argument:tt unspoken $text:path, $($rest:tt)*) => {
        None
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
    ($reply:ty, unspoken $text:path, $($rest:tt)*) => {
        $crate::wire::reply_text!($reply, $($rest)*)
    };
    ($reply:ty, reply $text:path, $($rest:tt)*) => {
        Some($text)
    };
    ($reply:ty,) => {
        <$reply as $crate::message::Payload>::TEXT
    };
}

pub(crate) use {argument_text, command_payload, commands, reply_text, text_form};
