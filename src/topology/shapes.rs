//! Values that may be written in more than one shape: one or several, flat or by engine, brief or long.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::file::{LongEndpoint, Node};
use super::leaf::Leaf;
use crate::model;
use crate::model::life::{Folder, Inside, PRIVATE_FOLDERS, Snapshot};

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let text: StrDeserializer<'_, E> = text.into_deserializer();
                T::deserialize(text).map(|one| OneOrMany(vec![one]))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(OneOrMany::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany)
            }
        }

        deserializer.deserialize_any(Reader(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("one or many: {}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// Names and values, flat or under `freebsd:` and `linux:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineMap {
    /// Not under an engine.
    pub flat: BTreeMap<String, String>,
    /// Under `freebsd:`.
    pub freebsd: BTreeMap<String, String>,
    /// Under `linux:`.
    pub linux: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for EngineMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = EngineMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from names to values")
            }

            fn visit_unit<E: de::Error>(self) -> Result<EngineMap, E> {
                Ok(EngineMap::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EngineMap, A::Error> {
                let mut engines = EngineMap::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "freebsd" => engines.freebsd = texts(map.next_value()?),
                        "linux" => engines.linux = texts(map.next_value()?),
                        _ => {
                            engines.flat.insert(key, map.next_value::<Leaf<String>>()?.0);
                        }
                    }
                }
                Ok(engines)
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

fn texts(map: BTreeMap<String, Leaf<String>>) -> BTreeMap<String, String> {
    map.into_iter().map(|(key, value)| (key, value.0)).collect()
}

impl JsonSchema for EngineMap {
    fn schema_name() -> Cow<'static, str> {
        "EngineMap".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Leaf<String>>();
        let map = json_schema!({ "type": "object", "additionalProperties": value });
        json_schema!({
            "type": "object",
            "properties": { "freebsd": map, "linux": map },
            "additionalProperties": value,
        })
    }
}

/// A list, or lists under `freebsd:` and `linux:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineList {
    /// Not under an engine.
    pub flat: Vec<String>,
    /// Under `freebsd:`.
    pub freebsd: Vec<String>,
    /// Under `linux:`.
    pub linux: Vec<String>,
}

impl<'de> Deserialize<'de> for EngineList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct ByEngine {
            freebsd: Vec<Leaf<String>>,
            linux: Vec<Leaf<String>>,
        }

        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = EngineList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list, or a map with `freebsd` and `linux`")
            }

            fn visit_unit<E: de::Error>(self) -> Result<EngineList, E> {
                Ok(EngineList::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<EngineList, A::Error> {
                let list = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(EngineList { flat: plain(list), ..EngineList::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EngineList, A::Error> {
                let engines = ByEngine::deserialize(MapAccessDeserializer::new(map))?;
                Ok(EngineList { flat: Vec::new(), freebsd: plain(engines.freebsd), linux: plain(engines.linux) })
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

fn plain(list: Vec<Leaf<String>>) -> Vec<String> {
    list.into_iter().map(|leaf| leaf.0).collect()
}

impl JsonSchema for EngineList {
    fn schema_name() -> Cow<'static, str> {
        "EngineList".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let list = json_schema!({ "type": "array", "items": { "type": "string" } });
        json_schema!({
            "anyOf": [list, {
                "type": "object",
                "properties": { "freebsd": list, "linux": list },
                "additionalProperties": false,
            }],
        })
    }
}

/// One end of a link.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// `node:interface` or `node`.
    Brief(String),
    /// The map form.
    Long(Box<LongEndpoint>),
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Endpoint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`node:interface` or a map with `node`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Endpoint, E> {
                Ok(Endpoint::Brief(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Endpoint, A::Error> {
                let long = LongEndpoint::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Endpoint::Long(Box::new(long)))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Endpoint {
    fn schema_name() -> Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<LongEndpoint>();
        json_schema!({ "anyOf": [{ "type": "string", "examples": ["r1:wan0", "floor"] }, long] })
    }
}

/// `rootfs:` in its several forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootFs(pub model::RootFs);

/// A file system of its own for a node: `base` with `rw`, or `zfs`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Layered {
    /// The folder below, which all share and none can write to.
    #[serde(default)]
    base: Option<Leaf<Folder>>,
    /// Folders of the base that the node gets copies of: `etc`, `var`, `root` and `tmp` when the key is absent.
    #[serde(default)]
    rw: Option<OneOrMany<Leaf<Inside>>>,
    /// `DATASET@SNAPSHOT`, cloned for the node.
    #[serde(default)]
    zfs: Option<Leaf<Snapshot>>,
}

impl<'de> Deserialize<'de> for RootFs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = RootFs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`host`, a path, or a map with `base` or `zfs`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RootFs, E> {
                if text == "host" {
                    return Ok(RootFs(model::RootFs::Host));
                }
                if !text.starts_with('/') {
                    return Err(E::custom(format!("`{text}` is neither `host` nor a path that begins with `/`")));
                }
                text.parse().map(|folder| RootFs(model::RootFs::Folder(folder))).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RootFs, A::Error> {
                let layered = Layered::deserialize(MapAccessDeserializer::new(map))?;
                match (layered.base, layered.zfs, layered.rw) {
                    (Some(base), None, rw) => {
                        let rw = private(rw).map_err(de::Error::custom)?;
                        Ok(RootFs(model::RootFs::Layered { base: base.0, rw }))
                    }
                    (None, Some(zfs), None) => Ok(RootFs(model::RootFs::Zfs(zfs.0))),
                    (None, None, _) => Err(de::Error::custom("missing field `base` or `zfs`")),
                    _ => Err(de::Error::custom("`rootfs` has `base` (with `rw`) or `zfs`, not both")),
                }
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

/// The private folders of a layered root, sorted; none may lie inside another.
fn private(rw: Option<OneOrMany<Leaf<Inside>>>) -> Result<Vec<Inside>, String> {
    let mut folders: Vec<Inside> = match rw {
        Some(OneOrMany(list)) => list.into_iter().map(|leaf| leaf.0).collect(),
        None => PRIVATE_FOLDERS.iter().filter_map(|name| name.parse().ok()).collect(),
    };
    folders.sort();
    for (place, folder) in folders.iter().enumerate() {
        if let Some(other) = folders[..place].iter().find(|other| other.overlaps(folder)) {
            return Err(format!("`rw` has `{folder}` twice: it is in `{other}`"));
        }
    }
    Ok(folders)
}

impl JsonSchema for RootFs {
    fn schema_name() -> Cow<'static, str> {
        "RootFs".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<Layered>();
        json_schema!({ "anyOf": [{ "type": "string", "examples": ["host", "/jails/base"] }, map] })
    }
}

macro_rules! gone_before_decoding {
    ($($(#[$doc:meta])* $name:ident, $schema:tt;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                IgnoredAny::deserialize(deserializer).map(|_| Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

gone_before_decoding! {
    /// `each:`, which only the schema sees: repetition runs before decoding.
    Each, {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": { "type": ["string", "array"] },
        "examples": [{ "n": "1..8" }, { "c": "customers.csv" }]
    };
    /// `vars:`, which only the schema sees: substitution runs before decoding.
    Variables, { "type": "object" };
}

/// A [`Node`] as it stands in `defaults`, `kinds` and `groups`: without `each`, `group` and `index`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Settings(pub Node);

impl Settings {
    /// Keys that only a node itself has.
    pub const NOT_SHARED: [&'static str; 3] = ["each", "group", "index"];
}

impl JsonSchema for Settings {
    fn schema_name() -> Cow<'static, str> {
        "Settings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Node::json_schema(generator);
        if let Some(properties) = schema.get_mut("properties").and_then(|properties| properties.as_object_mut()) {
            properties.retain(|key, _| !Self::NOT_SHARED.contains(&key.as_str()));
        }
        schema.insert("description".into(), "Settings for nodes.".into());
        schema
    }
}
