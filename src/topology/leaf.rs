//! Single values: each type says how it is read from text and how the schema describes it.
//!
//! Every scalar arrives as the text that the author wrote; the type that its key wants decides what it means.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::{Value, json};

use crate::model::life::{Folder, Inside, Snapshot};
use crate::model::{Bandwidth, CpuSet, Delay, Mac, Mtu, Share};

/// A type that one scalar of the file is read as.
pub trait Written: Sized {
    /// What is wanted, for "expected …, found a list".
    const WANTED: &'static str;

    /// Reads the text of the scalar.
    ///
    /// # Errors
    /// The whole message.
    fn read(text: &str) -> Result<Self, String>;

    /// What the schema says, besides that a `${…}` may always stand there.
    fn schema() -> Value;
}

/// A [`Written`] value in a serde type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf<T>(pub T);

impl<T> Deref for Leaf<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Written> Deserialize<'de> for Leaf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<T: Written> Visitor<'_> for Reader<T> {
            type Value = Leaf<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::WANTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::read(text).map(Leaf).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Reader(PhantomData))
    }
}

impl<T: Written> JsonSchema for Leaf<T> {
    fn schema_name() -> Cow<'static, str> {
        T::WANTED.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let own = T::schema();
        let is_text = own.get("type").is_some_and(|kind| kind.to_string().contains("\"string\""));
        if is_text && own.get("enum").is_none() {
            return Schema::try_from(own).unwrap_or_default();
        }
        json_schema!({ "anyOf": [own, { "type": "string", "pattern": "\\$\\{" }] })
    }
}

/// Deserializes a field that is present: nothing (`key:`) is not the same as no key.
///
/// # Errors
/// Those of the field's type.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

macro_rules! by_from_str {
    ($($type:ty: $wanted:literal, $schema:tt;)*) => {$(
        impl Written for $type {
            const WANTED: &'static str = $wanted;

            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: <Self as std::str::FromStr>::Err| error.to_string())
            }

            fn schema() -> Value {
                json!($schema)
            }
        }
    )*};
}

by_from_str! {
    Mtu: "an MTU in bytes, such as `1500`", { "type": "integer", "minimum": 72, "maximum": 65535 };
    Mac: "a MAC address, such as `02:00:5e:10:00:01`", { "type": "string", "examples": ["02:00:5e:10:00:01"] };
    Bandwidth: "a rate, such as `10mbit`", { "type": ["string", "integer"], "examples": ["10mbit", "1gbit"] };
    Delay: "a time, such as `5ms`", { "type": ["string", "integer"], "examples": ["5ms", "1.5s"] };
    Share: "a share, such as `1%`", { "type": ["string", "integer"], "examples": ["1%", "0.05%"] };
    CpuSet: "processors, such as `0-3`", { "type": ["string", "integer"], "examples": ["0-3", "0,2"] };
    Folder: "a path, such as `/jails/base`", { "type": "string", "examples": ["/jails/base"] };
    Inside: "a folder of the base, such as `etc`", { "type": "string", "examples": ["etc", "var/db"] };
    Snapshot: "a snapshot, such as `tank/jails/base@1`", { "type": "string", "examples": ["tank/jails/base@1"] };
}

impl Written for String {
    const WANTED: &'static str = "text";

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn schema() -> Value {
        json!({ "type": ["string", "number", "boolean"] })
    }
}

impl Written for bool {
    const WANTED: &'static str = "`true` or `false`";

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            _ => Err(format!("`{text}` is neither `true` nor `false`")),
        }
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

macro_rules! whole_number {
    ($($type:ty)*) => {$(
        impl Written for $type {
            const WANTED: &'static str = "a whole number";

            fn read(text: &str) -> Result<Self, String> {
                if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
                    return Err(format!("`{text}` is not a whole number from 0 to {}", Self::MAX));
                }
                // YAML 1.1 would read eight here, YAML 1.2 ten, a person either.
                if text.len() > 1 && text.starts_with('0') {
                    let plain = text.trim_start_matches('0');
                    let plain = if plain.is_empty() { "0" } else { plain };
                    return Err(format!("`{text}` begins with a zero; write `{plain}` if that is the number"));
                }
                text.parse().map_err(|_| format!("`{text}` is more than {}", Self::MAX))
            }

            fn schema() -> Value {
                json!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
            }
        }
    )*};
}

whole_number!(u8 u32 u64);
