//! What nodes run on and with: folders of ours, clones, mounts, devices, limits, processors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::object::{Name, Object, Place};
use crate::model::life::{Folder as Path, Inside};
use crate::model::{CpuSet, LabName, Node, NodeName, RootFs};

/// A directory that exists because of us, with everything inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// The node it is for; `None` is the lab's own, which holds those of its nodes.
    pub node: Option<NodeName>,
    /// Its absolute path.
    pub path: Name,
    /// What it is a copy of; `None` is an empty one.
    pub copy_of: Option<Name>,
}

/// A ZFS clone of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clone {
    /// The node it is for.
    pub node: NodeName,
    /// The dataset it is.
    pub dataset: Name,
    /// The snapshot it comes from.
    pub of: Name,
    /// Where it is mounted.
    pub at: Name,
}

/// A devfs ruleset of ours: what nodes with devices of their own see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruleset {
    /// Its number, free when it was chosen.
    pub number: u16,
}

/// A mount of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The node it is for.
    pub node: NodeName,
    /// Where.
    pub at: Name,
    /// What.
    pub what: Mounted,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mounted {
    /// A directory, by nullfs.
    Folder {
        /// Which.
        from: Name,
        /// Nothing can be written to it.
        read_only: bool,
    },
    /// Devices, by devfs.
    Devices {
        /// The rules that say which.
        ruleset: u16,
    },
}

/// A rule of rctl(4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Whose jail.
    pub place: Place,
    /// Of what.
    pub resource: Name,
    /// What happens beyond it.
    pub action: Name,
    /// How much.
    pub amount: u64,
}

/// The processors that a jail may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpus {
    /// Whose jail.
    pub place: Place,
    /// Which.
    pub set: CpuSet,
}

/// Devices that a node's own `/dev` shows: what /etc/defaults/devfs.rules shows to jails, and what acts on the node's own network
/// stack alone.
pub const DEVICES: [&str; 17] = [
    "null",
    "zero",
    "crypto",
    "random",
    "urandom",
    "ptmx",
    "pts",
    "pts/*",
    "fd",
    "fd/*",
    "stdin",
    "stdout",
    "stderr",
    "pf",
    "bpf",
    "bpf[0-9]*",
    "full",
];

/// Where the files of a lab's nodes are when nobody says.
pub const ROOTS: &str = "/var/db/cellblock/roots";

/// Whether the node gets a devfs of its own on its `/dev`: `mount.devfs` of jail(8) says so; by itself a root that we put together
/// has one, and a given directory has none. What another tool runs gets none from us.
#[must_use]
pub fn has_devices(node: &Node) -> bool {
    if node.is_run_elsewhere() {
        return false;
    }
    let by_itself = matches!(node.rootfs.value, RootFs::Layered { .. } | RootFs::Zfs(_));
    match node.jail.get(MOUNT_DEVFS).map(|value| value.as_str()) {
        Some(value) => !node.rootfs.is_host() && !is_no(value),
        None => by_itself,
    }
}

/// Whether the value of a boolean parameter says no.
#[must_use]
pub fn is_no(value: &str) -> bool {
    matches!(value, "false" | "0" | "no")
}

/// Whether its devices are shown by rules of ours, because the file names no ruleset.
#[must_use]
pub fn needs_ruleset(node: &Node) -> bool {
    has_devices(node) && !node.jail.contains_key(DEVFS_RULESET)
}

/// Parameters of jail(8) that are about devices. The first is jail(8)'s own, the kernel does not know it.
pub const MOUNT_DEVFS: &str = "mount.devfs";
/// The number of the ruleset.
pub const DEVFS_RULESET: &str = "devfs_ruleset";

/// The directory that holds the roots of a lab's nodes, if one of them is put together by us.
pub(super) fn home<'n>(lab: &LabName, mut nodes: impl Iterator<Item = &'n Node>, roots: &str) -> Option<Object> {
    let needs_one = |node: &Node| matches!(node.rootfs.value, RootFs::Layered { .. } | RootFs::Zfs(_));
    nodes.any(needs_one).then(|| folder(None, format!("{roots}/{lab}")))
}

pub(super) fn folder(node: Option<&NodeName>, path: String) -> Object {
    Object::Folder(Folder { node: node.cloned(), path: path.into(), copy_of: None })
}

/// What a node's root is made of, and the jail parameters that follow from it.
pub(super) struct Root {
    pub(super) objects: Vec<Object>,
    pub(super) parameters: BTreeMap<String, String>,
}

/// The root of a node.
pub(super) fn root(lab: &LabName, node: &Node, roots: &str, ruleset: u16) -> Root {
    let name = &node.name.value;
    let home = format!("{roots}/{lab}/{name}");
    let mut root = Root { objects: Vec::new(), parameters: BTreeMap::new() };
    let path = match &node.rootfs.value {
        RootFs::Host => return root,
        RootFs::Folder(folder) => folder.as_str().to_owned(),
        RootFs::Layered { base, rw } => {
            let at = format!("{home}/root");
            layers(&mut root.objects, name, (&home, &at), base, rw);
            at
        }
        RootFs::Zfs(snapshot) => {
            let at = format!("{home}/root");
            root.objects.extend([folder(Some(name), home), folder(Some(name), at.clone())]);
            root.objects.push(Object::Clone(Clone {
                node: name.clone(),
                dataset: format!("{}.{lab}.{name}", snapshot.dataset()).into(),
                of: snapshot.as_str().into(),
                at: at.as_str().into(),
            }));
            at
        }
    };
    if has_devices(node) {
        let given = node.jail.get(DEVFS_RULESET).and_then(|value| value.parse().ok());
        let ruleset = given.unwrap_or(ruleset);
        root.parameters.insert(DEVFS_RULESET.to_owned(), ruleset.to_string());
        root.objects.push(Object::Mount(Mount {
            node: name.clone(),
            at: format!("{path}/dev").into(),
            what: Mounted::Devices { ruleset },
        }));
    }
    root.parameters.insert("path".to_owned(), path);
    root
}

/// A base that all share, and over it what the node has for itself.
fn layers(objects: &mut Vec<Object>, node: &NodeName, (home, at): (&str, &str), base: &Path, rw: &[Inside]) {
    objects.extend([folder(Some(node), home.to_owned()), folder(Some(node), at.to_owned())]);
    let private = |folder: &Inside| copy_at(home, base, folder);
    let mut mount = |at: String, from: &str, read_only: bool| {
        let what = Mounted::Folder { from: from.into(), read_only };
        objects.push(Object::Mount(Mount { node: node.clone(), at: at.into(), what }));
    };
    mount(at.to_owned(), base.as_str(), true);
    for folder in rw {
        mount(format!("{at}/{folder}"), &private(folder), false);
    }
    objects.extend(rw.iter().map(|folder| copy(node, home, base, folder)));
}

/// Where a node has its copy of a folder of a base. Its name says what it was copied from: another base means other copies.
pub(super) fn copy_at(home: &str, base: &Path, folder: &Inside) -> String {
    let digest = Sha256::digest(base.as_str());
    let tag: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("{home}/{tag}-{}", folder.as_str().replace('%', "%25").replace('/', "%2F"))
}

/// That copy.
pub(super) fn copy(node: &NodeName, home: &str, base: &Path, folder: &Inside) -> Object {
    let copy_of = Some(format!("{base}/{folder}").into());
    Object::Folder(Folder { node: Some(node.clone()), path: copy_at(home, base, folder).into(), copy_of })
}

/// Whether `path` is `above` or below it.
#[must_use]
pub fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
