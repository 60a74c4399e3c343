//! Which node types the kernel knows, and the modules that bring them.

use serde::{Deserialize, Serialize};

use super::label::Label;
use super::life::Graph;
use super::node::{Kind, ether};
use crate::abi::Errno;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

/// Node types, the last loaded first: the order of NGM_LISTTYPES.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Types {
    newest_first: Vec<Label>,
}

/// Types whose modules can be loaded.
const AVAILABLE: [&str; 29] = [
    "socket",
    "eiface",
    "bridge",
    "hub",
    "ether",
    "pipe",
    "tee",
    "hole",
    "echo",
    "ipfw",
    "split",
    "vlan",
    "one2many",
    "etf",
    "macfilter",
    "iface",
    "bpf",
    "tag",
    "tcpmss",
    "patch",
    "checksum",
    "vlan_rotate",
    "car",
    "source",
    "device",
    "ksocket",
    "nat",
    "l2tp",
    "pppoe",
];

/// Whether nodes of a type are simulated.
#[must_use]
pub fn simulates(kind: &str) -> bool {
    AVAILABLE.contains(&kind)
}

impl Types {
    pub(super) fn knows(&self, kind: &Label) -> bool {
        self.newest_first.contains(kind)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Label> {
        self.newest_first.iter().copied()
    }

    /// Enters a type that is only listed: making a node of it fails with `EOPNOTSUPP`. For kernels that are to
    /// look like one with more modules than are simulated.
    pub fn list(&mut self, kind: &str) {
        if let Some(kind) = Label::new(kind).filter(|kind| !self.knows(kind)) {
            self.newest_first.insert(0, kind);
        }
    }
}

/// kldload(2) of `netgraph` or an `ng_*` module; one that is loaded already is no error. `ng_ether` gives every
/// Ethernet interface its node at once, `ng_ipfw` makes its only node.
///
/// # Errors
/// `ENOENT` if there is no such module.
pub fn load_module(kernel: &mut Kernel, name: &str) -> Result<(), Errno> {
    if name == "netgraph" {
        kernel.modules.insert(name.to_owned());
        return Ok(());
    }
    let kind = name.strip_prefix("ng_").filter(|kind| simulates(kind)).ok_or(Errno::ENOENT)?;
    if !kernel.modules.insert(name.to_owned()) {
        return Ok(());
    }
    kernel.modules.insert("netgraph".to_owned());
    kernel.node_types.list(kind);
    match kind {
        "ether" => attach_all(kernel),
        "ipfw" => make_ipfw(kernel),
        _ => {}
    }
    Ok(())
}

/// MKPEER of a type that is not known loads its module (`sys/netgraph/ng_socket.c:281`).
///
/// # Errors
/// `EPERM` from a jail, `ENOENT` if there is no such module.
pub(super) fn autoload(kernel: &mut Kernel, kind: &Label, jailed: bool) -> Result<(), Errno> {
    if kernel.node_types.knows(kind) {
        return Ok(());
    }
    if jailed {
        return Err(Errno::EPERM);
    }
    let kind = std::str::from_utf8(kind.as_bytes()).map_err(|_| Errno::ENOENT)?;
    load_module(kernel, &format!("ng_{kind}"))
}

fn attach_all(kernel: &mut Kernel) {
    let present = |index: &IfIndex| kernel.interfaces.get(*index).is_some();
    let indexes: Vec<IfIndex> = (1..=u16::MAX).map(IfIndex).filter(present).collect();
    for index in indexes {
        ether::arrived(kernel, index);
    }
}

fn make_ipfw(kernel: &mut Kernel) {
    let mut graph = Graph::new(kernel, VnetId::HOST);
    if let Ok(netgraph) = graph.netgraph() {
        let id = netgraph.nodes.take_id();
        netgraph.nodes.enter(id, Kind::Ipfw);
        // Without the name, if another node took it, it is a node all the same.
        let _ = netgraph.nodes.rename(id, b"ipfw");
    }
}
