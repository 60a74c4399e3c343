//! Two ways to the same. The two YAML parsers agree: what the index pass accepts has the same structure for `serde_yaml`. So do the two
//! decodings: what is read where it stands is what comes of a copy.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};

use super::findings::Findings;
use super::reader::DiskReader;
use super::session::Session;
use super::tree::{Shape, Tree};
use super::{decode, file, plainly, shapes};

/// The tree of a text, if nothing in it was refused.
fn tree(text: &str) -> Option<Tree> {
    let mut session = Session::new(&DiskReader);
    let source = session.text("test".into(), text.into())?;
    let tree = session.tree(source)?;
    (session.findings.errors() == 0).then_some(tree)
}

/// Where two readings differ, as a path.
fn difference(tree: &Tree, value: &Value) -> Option<String> {
    match (&tree.shape, value) {
        (Shape::List(items), Value::Sequence(values)) if items.len() == values.len() => {
            let pairs = items.iter().zip(values).enumerate();
            pairs.into_iter().find_map(|(at, (item, value))| Some(format!("/{at}{}", difference(item, value)?)))
        }
        (Shape::Map(entries), Value::Mapping(map)) => {
            // The index pass leaves `x-` keys out.
            let ours: Vec<_> = entries.iter().map(|entry| entry.key.value.clone()).collect();
            let theirs: Vec<_> = map.keys().map(text_of).filter(|key| !key.starts_with("x-")).collect();
            if ours != theirs {
                return Some(format!(": keys {ours:?} and {theirs:?}"));
            }
            let values = map.iter().filter(|(key, _)| !text_of(key).starts_with("x-")).map(|(_, value)| value);
            let mut pairs = entries.iter().zip(values);
            pairs.find_map(|(entry, value)| Some(format!("/{}{}", entry.key.value, difference(&entry.value, value)?)))
        }
        (Shape::Scalar(scalar), Value::String(text)) => {
            (scalar.text != *text).then(|| format!(": `{}` and `{text}`", scalar.text))
        }
        // Only plain scalars are anything but text, and they are what their text alone would be.
        (Shape::Scalar(scalar), other) if scalar.plain => {
            let alone: Option<Value> = serde_yaml::from_str(&scalar.text).ok();
            (alone.as_ref() != Some(other)).then(|| format!(": `{}` and {other:?}", scalar.text))
        }
        (_, other) => Some(format!(": {} and {other:?}", tree.describe())),
    }
}

/// A key as its text; the few that are no text stand for themselves.
fn text_of(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim_end().to_owned(),
    }
}

fn yaml_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            yaml_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
}

#[test]
fn both_parsers_read_every_file_of_the_project_alike() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["topologies", "tests/cases"] {
        yaml_files(&root.join(folder), &mut files);
    }
    let mut compared = 0;
    for path in &files {
        let Ok(text) = fs::read_to_string(path) else { continue };
        let Some(tree) = tree(&text) else { continue };
        let value: Value = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(difference(&tree, &value), None, "{}", path.display());
        compared += 1;
    }
    assert!(compared > 20, "only {compared} of {} files could be compared", files.len());
}

/// What is read of a tree and everything inside it, by every type of the format: as many values as could be read where they stand.
fn decoded_alike(tree: &Tree) -> usize {
    fn one<T: DeserializeOwned + std::fmt::Debug>(tree: &Tree) -> usize {
        let Some(plain) = plainly::read::<T>(tree) else { return 0 };
        let mut findings = Findings::default();
        let stepwise = decode::decode_stepwise::<T>(tree, None, &mut findings);
        assert_eq!(findings.errors(), 0, "{tree:?}");
        assert_eq!(format!("{:?}", Some(plain)), format!("{stepwise:?}"));
        1
    }
    let own = one::<file::File>(tree)
        + one::<file::Pool>(tree)
        + one::<file::Node>(tree)
        + one::<shapes::Settings>(tree)
        + one::<file::Interface>(tree)
        + one::<file::Link>(tree)
        + one::<file::Check>(tree);
    let inside = tree.items().iter().chain(tree.entries().iter().map(|entry| &entry.value));
    own + inside.map(decoded_alike).sum::<usize>()
}

#[test]
fn what_is_read_where_it_stands_is_what_comes_of_a_copy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["topologies", "tests/cases", "tests/golden"] {
        yaml_files(&root.join(folder), &mut files);
    }
    let texts = files.iter().filter_map(|path| fs::read_to_string(path).ok());
    let alike: usize = texts.filter_map(|text| tree(&text)).map(|tree| decoded_alike(&tree)).sum();
    assert!(alike > 1000, "only {alike} values were read where they stand");
}

/// Values as a topology may have them.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        "[a-z0-9 :#{}\\[\\],&*!|>'\"%@`~.=-]{0,12}".prop_map(Value::String),
        // Where YAML 1.1 ends a line there, 1.2 does not.
        "\\PC{0,8}".prop_map(|text| Value::String(text.replace(['\u{2028}', '\u{2029}'], ""))),
        any::<i64>().prop_map(|number| Value::Number(number.into())),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        prop::sample::select(vec!["no", "on", "010", "12:30:45", "0x1f", "1e3", "null", "~", "line\nline\n", " x "])
            .prop_map(|text| Value::String(text.into())),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Sequence),
            prop::collection::btree_map("[a-w][a-z0-9_-]{0,6}", inner, 0..5).prop_map(|map| {
                let pairs = map.into_iter().map(|(key, value)| (Value::String(key), value));
                Value::Mapping(pairs.collect::<Mapping>())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_one_writes_the_other_reads(value in value()) {
        let text = serde_yaml::to_string(&value).unwrap();
        let again: Value = serde_yaml::from_str(&text).unwrap();
        let tree = tree(&text);
        prop_assert!(tree.is_some(), "refused:\n{text}");
        let tree = tree.unwrap();
        prop_assert_eq!(difference(&tree, &again), None, "{}", text);
        decoded_alike(&tree);
    }
}
