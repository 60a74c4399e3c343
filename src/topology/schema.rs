//! The JSON Schema of the file format and its table for people, both from the types of [`super::file`].

use std::fmt::Write;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::file::File;

/// Keys without which a file (not one that another includes) is no topology.
const REQUIRED: [&str; 3] = ["version", "name", "topology"];

/// The JSON Schema (2020-12) of a topology file.
///
/// It is as strict as a schema can be; names, references and `${…}` are checked only when a file is loaded.
#[must_use]
pub fn schema() -> Value {
    let root = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>();
    let mut schema = root.to_value();
    tidy(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), "cellblock topology, format 1".into());
        root.insert("required".into(), json!(REQUIRED));
    }
    schema
}

/// Optional keys may be left out, but not be written without a value; `x-…` keys are ignored everywhere.
fn tidy(schema: &mut Value) {
    let Value::Object(object) = schema else {
        if let Value::Array(items) = schema {
            items.iter_mut().for_each(tidy);
        }
        return;
    };
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(without_null);
    }
    if object.get("additionalProperties") == Some(&json!(false)) {
        object.insert("patternProperties".into(), json!({ "^x-": true }));
    }
    for key in ["format", "default"] {
        if object.get(key).is_some_and(|value| !value.is_object()) {
            object.remove(key);
        }
    }
    object.values_mut().for_each(tidy);
}

fn without_null(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type") != Some(&json!("null")));
    let [Value::Object(only)] = choices.as_slice() else { return };
    let only = only.clone();
    object.remove("anyOf");
    for (key, value) in only {
        object.entry(key).or_insert(value);
    }
}

/// The keys of the format as Markdown: one table for each map that has keys of its own.
#[must_use]
pub fn format_table() -> String {
    let schema = schema();
    let mut text = String::new();
    let empty = Map::new();
    table(&mut text, "The file", &schema);
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
    for (name, definition) in definitions {
        table(&mut text, name, definition);
    }
    text
}

fn table(text: &mut String, name: &str, schema: &Value) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let required: Vec<_> = schema.get("required").and_then(Value::as_array).into_iter().flatten().collect();
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let _ = write!(text, "### {name}\n\n{description}\n\n| key | value | meaning |\n| --- | --- | --- |\n");
    for (key, property) in properties {
        let meaning = property.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
        let must = if required.iter().any(|name| *name == key) { " (required)" } else { "" };
        let _ = writeln!(text, "| `{key}`{must} | {} | {meaning} |", value_of(property));
    }
    text.push('\n');
}

/// What a value may be, in a few words.
fn value_of(schema: &Value) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let is_template = |choice: &&Value| choice.get("pattern") != Some(&json!("\\$\\{"));
        let mut words: Vec<_> = choices.iter().filter(is_template).map(value_of).collect();
        words.dedup();
        return words.join(" or ");
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    if let Some(example) = schema.pointer("/examples/0").filter(|example| example.is_string()) {
        return format!("`{}`", example.as_str().unwrap_or_default());
    }
    if let Some(items) = schema.get("items") {
        return format!("list: {}", value_of(items));
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        return format!("map: {}", value_of(values));
    }
    match schema.get("type") {
        Some(Value::String(name)) if name == "integer" => "number".into(),
        Some(Value::String(name)) if name == "boolean" => "`true`, `false`".into(),
        Some(Value::String(name)) if name == "object" => "map".into(),
        Some(Value::String(name)) if name == "null" => "`~`".into(),
        _ => "text".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_keys_have_no_null_and_x_keys_are_allowed() {
        let schema = schema();
        let mtu = schema.pointer("/$defs/Node/properties/mtu").unwrap();
        assert!(!mtu.to_string().contains("null"), "{mtu}");
        assert_eq!(schema.pointer("/$defs/Node/patternProperties/^x-"), Some(&json!(true)));
        assert!(schema.pointer("/$defs/Settings/properties/mtu").is_some());
        assert!(schema.pointer("/$defs/Settings/properties/each").is_none());
        assert_eq!(schema.get("required"), Some(&json!(REQUIRED)));
    }

    #[test]
    fn the_table_has_every_key_once() {
        let table = format_table();
        for row in
            ["| `version` (required) | number |", "| `routing` | `none`, `default`, `auto` |", "| `a2b` | [Tc](#tc) |"]
        {
            assert!(table.contains(row), "{row}\n{table}");
        }
        assert!(!table.contains("null"), "{table}");
    }
}
