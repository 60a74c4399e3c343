//! JSON results: pretty, keys in the order of the types, a line end at the end.

use serde::Serialize;

/// Renders a value.
///
/// # Errors
/// The value cannot be written as JSON: a bug of the type, not of the data.
pub fn render(value: &impl Serialize) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}
