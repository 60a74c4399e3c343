//! The committed JSON Schema is the one that the types make. `CELLBLOCK_BLESS=1` writes it anew.

use std::path::Path;

#[test]
fn the_committed_schema_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/topology.schema.json");
    let mut made = serde_json::to_string_pretty(&cellblock::topology::schema()).unwrap();
    made.push('\n');
    if std::env::var_os("CELLBLOCK_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "docs/topology.schema.json is not what the types say; run this test with CELLBLOCK_BLESS=1"
    );
}
