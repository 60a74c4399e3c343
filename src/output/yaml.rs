//! YAML results, written from the JSON form: block style, every string that could be mistaken quoted as JSON quotes
//! it, which YAML 1.2 reads alike.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

/// Renders a value.
///
/// # Errors
/// The value has no JSON form: a bug of the type, not of the data.
pub fn render(value: &impl Serialize) -> serde_json::Result<String> {
    let mut text = String::new();
    block(&mut text, &serde_json::to_value(value)?, 0);
    Ok(text)
}

/// Writes a value that begins on a line of its own.
fn block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let _ = write!(text, "{:indent$}{}:", "", scalar(&Value::String(key.clone())));
                after(text, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                block(&mut inner, item, indent + 2);
                // The first line of the item takes the place of its own indentation.
                let _ = write!(text, "{:indent$}- {}", "", inner.trim_start_matches(' '));
            }
        }
        other => {
            let _ = writeln!(text, "{:indent$}{}", "", scalar(other));
        }
    }
}

/// Writes a value behind its key.
fn after(text: &mut String, value: &Value, indent: usize) {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        text.push('\n');
        block(text, value, indent + 2);
    } else {
        let _ = writeln!(text, " {}", scalar(value));
    }
}

/// A value on one line.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(word) if is_plain(word) => word.clone(),
        other => other.to_string(),
    }
}

/// Whether a string means itself without quotes in every version of YAML.
fn is_plain(word: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    let reserved = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(safe)
        && !reserved.contains(&word.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nests_and_quotes() {
        let value = serde_json::json!({
            "lab": "office", "answer": "no", "mac": "02:00:00:00:00:01", "empty": [], "none": null,
            "nodes": [ { "name": "r1", "addresses": ["10.0.0.1/24", "a b"] }, { "name": "12" } ],
        });
        assert_eq!(
            render(&value).unwrap(),
            "answer: \"no\"\nempty: []\nlab: office\nmac: \"02:00:00:00:00:01\"\nnodes:\n  - addresses:\n      \
             - \"10.0.0.1/24\"\n      - \"a b\"\n    name: r1\n  - name: \"12\"\nnone: null\n"
        );
    }
}
