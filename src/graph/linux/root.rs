//! The files of nodes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Linux;
use crate::graph::{Name, Object, Place, life};
use crate::model::{LabName, Node, RootFs};

/// What the programs of a node see as `/` in place of the host's own: mounted in the node's own mount namespace, where nobody else sees
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Whose.
    pub place: Place,
    /// A directory of the host.
    pub base: Name,
    /// Nothing can be written to it, but for the folders below.
    pub read_only: bool,
    /// Folders inside, and the copies of ours that lie over them.
    pub private: BTreeMap<Name, Name>,
}

/// The root of a node, and before it the folders that it needs.
pub(super) fn objects(lab: &LabName, node: &Node, roots: &str) -> Vec<Object> {
    let name = &node.name.value;
    let (base, read_only, rw) = match &node.rootfs.value {
        RootFs::Host | RootFs::Zfs(_) => return Vec::new(),
        RootFs::Folder(folder) => (folder, false, &[][..]),
        RootFs::Layered { base, rw } => (base, true, rw.as_slice()),
    };
    let home = format!("{roots}/{lab}/{name}");
    let mut objects = Vec::new();
    if read_only {
        objects.push(life::folder(Some(name), home.clone()));
    }
    objects.extend(rw.iter().map(|folder| life::copy(name, &home, base, folder)));
    let private = rw.iter().map(|folder| (folder.as_str().into(), life::copy_at(&home, base, folder).into())).collect();
    let place = Place::Node(name.clone());
    let root = Root { place, base: base.as_str().into(), read_only, private };
    objects.push(Object::Linux(Linux::Root(Box::new(root))));
    objects
}
