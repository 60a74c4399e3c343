//! Folders of the host that exist because of us: what nodes may write to of a base that they share.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::no;
use crate::engine::EngineError;
use crate::engine::folders::{self, UNFINISHED};
use crate::graph::{Folder, Name};

/// What the system does not let us remove stays.
fn never(_: &Path) -> bool {
    false
}

pub(super) fn make(folder: &Folder) -> Result<(), EngineError> {
    match folders::provide(&folder.path, folder.copy_of.as_deref(), &never) {
        // An empty one that is there already, from before a crash, is as good.
        Err(error) if error.cause.kind() == io::ErrorKind::AlreadyExists && folder.copy_of.is_none() => Ok(()),
        Err(error) => Err(match &folder.copy_of {
            Some(from) => no(error.path.display(), "copy", &error.cause)
                .hint(format!("`{from}` must be a directory that can be copied, and there must be room for it")),
            None => no(error.path.display(), "mkdir", &error.cause),
        }),
        Ok(()) => Ok(()),
    }
}

pub(super) fn remove(folder: &Folder) -> Result<(), EngineError> {
    folders::discard(&folder.path, &never).map_err(|error| no(error.path.display(), "rmdir", &error.cause))
}

/// Those that are there, and whether each is whole.
pub(super) fn find(paths: &BTreeSet<Name>) -> BTreeMap<Name, bool> {
    let is_folder = |path: &str| Path::new(path).is_dir();
    let state = |path: &Name| {
        let is_whole = is_folder(path);
        (is_whole || is_folder(&format!("{path}{UNFINISHED}"))).then(|| (path.clone(), is_whole))
    };
    paths.iter().filter_map(state).collect()
}
