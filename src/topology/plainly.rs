//! A value tree read by serde where it stands: no copy of it, no paths. It answers only what is clear. Whatever is not goes to
//! [`super::decode`], which says what is wrong and where.

use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, Visitor};

use super::tree::{Entry, Scalar, Shape, Tree};

/// The value of a tree in which everything is as its type wants it.
pub(super) fn read<'t, T: Deserialize<'t>>(tree: &'t Tree) -> Option<T> {
    T::deserialize(Plainly(tree)).ok()
}

/// Something is wrong, or not clear: what it is, is found out with paths.
#[derive(Debug)]
struct Unclear;

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not clear")
    }
}

impl std::error::Error for Unclear {}

impl de::Error for Unclear {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

#[derive(Clone, Copy)]
struct Plainly<'t>(&'t Tree);

impl<'t> Plainly<'t> {
    fn text(self) -> Option<&'t str> {
        match &self.0.shape {
            Shape::Scalar(Scalar { text, .. }) if !self.0.is_null() => Some(text),
            _ => None,
        }
    }

    fn list<V: Visitor<'t>>(items: &'t [Tree], visitor: V) -> Result<V::Value, Unclear> {
        let mut items = SeqDeserializer::new(items.iter().map(Plainly));
        let value = visitor.visit_seq(&mut items)?;
        items.end().map(|()| value)
    }

    fn map<V: Visitor<'t>>(entries: &'t [Entry], visitor: V) -> Result<V::Value, Unclear> {
        let pair = |entry: &'t Entry| (Key(&entry.key.value), Plainly(&entry.value));
        let mut entries = MapDeserializer::new(entries.iter().map(pair));
        let value = visitor.visit_map(&mut entries)?;
        entries.end().map(|()| value)
    }
}

impl<'t> IntoDeserializer<'t, Unclear> for Plainly<'t> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A key of a map.
struct Key<'t>(&'t str);

impl<'t> IntoDeserializer<'t, Unclear> for Key<'t> {
    type Deserializer = BorrowedStrDeserializer<'t, Unclear>;

    fn into_deserializer(self) -> Self::Deserializer {
        BorrowedStrDeserializer::new(self.0)
    }
}

impl<'t> Deserializer<'t> for Plainly<'t> {
    type Error = Unclear;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Unclear> {
        match &self.0.shape {
            Shape::Scalar(_) if self.0.is_null() => visitor.visit_unit(),
            Shape::Scalar(scalar) => visitor.visit_borrowed_str(&scalar.text),
            Shape::List(items) => Self::list(items, visitor),
            Shape::Map(entries) => Self::map(entries, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Unclear> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unclear> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Unclear> {
        visitor.visit_borrowed_str(self.text().ok_or(Unclear)?)
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Unclear> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Unclear> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Unclear> {
        match &self.0.shape {
            Shape::List(items) => Self::list(items, visitor),
            _ => Err(Unclear),
        }
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Unclear> {
        match &self.0.shape {
            Shape::Map(entries) => Self::map(entries, visitor),
            _ => Err(Unclear),
        }
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unclear> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unclear> {
        let text = self.text().ok_or(Unclear)?;
        visitor.visit_enum(BorrowedStrDeserializer::<Unclear>::new(text))
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Unclear> {
        visitor.visit_unit()
    }

    // No type of the format asks for these: every scalar of it is read from its text.
    serde::forward_to_deserialize_any! {
        <W: Visitor<'t>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}
