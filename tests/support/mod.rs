//! What the tests of plans and engines share.
#![allow(dead_code, reason = "each test is a program of its own and uses its part")]

pub mod failing;
pub mod memory;
pub mod picture;
pub mod world;

use std::path::Path;

use cellblock::model::{self, Model};
use cellblock::topology::{self, DiskReader, Input, LoadOptions};

/// The model of a topology file, which must be right.
pub fn model_of_file(path: &Path) -> Model {
    resolve(Input::Path(path.to_owned()))
}

/// The model of a topology in the test's own text.
pub fn model(yaml: &str) -> Model {
    resolve(Input::Bytes { name: "test".to_owned(), bytes: yaml.as_bytes().to_vec() })
}

fn resolve(input: Input) -> Model {
    let loaded = topology::load(input, &LoadOptions::default(), &DiskReader);
    let draft = loaded.draft.unwrap_or_else(|| panic!("the topology is wrong: {:#?}", loaded.diagnostics));
    model::resolve(draft).unwrap_or_else(|findings| panic!("the topology is wrong: {findings:#?}")).0
}
