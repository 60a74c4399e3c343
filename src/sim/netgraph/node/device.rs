//! `device`: a device file as a node (`sys/netgraph/ng_device.c`). There are no device files here: what is sent to it
//! would wait for a reader and is dropped.

use ngsock::generic::CString;
use ngsock::node::device::{COOKIE, Command, DeviceName};
use serde::{Deserialize, Serialize};

use super::super::NodeId;
use super::super::label::Label;
use super::super::life::Graph;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{HookId, Hooks, Kind, Private};
use crate::abi::Errno;

/// The last number of a device (`MAX_NGD`).
const LAST: u32 = 999;

/// A device.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Device {
    /// The N of `ngdN`, which all vnets share.
    unit: u32,
    hook: Option<HookId>,
}

/// Makes the node under `id`, named like its device if that name is free.
///
/// # Errors
/// `EINVAL` when the numbers are used up.
pub(in crate::sim::netgraph) fn make(graph: &mut Graph<'_>, id: NodeId) -> Result<(), Errno> {
    let nodes = graph.kernel.vnets.values().flat_map(|vnet| vnet.netgraph.nodes.iter());
    let taken = nodes.filter_map(|(_, node)| match node.kind {
        Kind::Device(Device { unit, .. }) => Some(unit),
        _ => None,
    });
    let taken: std::collections::BTreeSet<u32> = taken.collect();
    let unit = (0..=LAST).find(|unit| !taken.contains(unit)).ok_or(Errno::EINVAL)?;
    let nodes = &mut graph.netgraph()?.nodes;
    nodes.enter(id, Kind::Device(Device { unit, hook: None }));
    let _ = nodes.rename(id, format!("ngd{unit}").as_bytes());
    Ok(())
}

impl Device {
    /// One hook of any name.
    ///
    /// # Errors
    /// `EISCONN` for a second one.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        if self.hook.is_some() {
            return Err(Errno::EISCONN);
        }
        let hook = hooks.add(name, Private::None)?;
        self.hook = Some(hook);
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn receive(&self, call: &Call<'_>) -> Answer {
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
            Command::GetDeviceName(_) => answer(&DeviceName(CString::new(format!("ngd{}", self.unit)))),
            // Only machines that cannot read across words align anything.
            Command::AlignEthernet(_) => Ok(Outcome::Done),
        }
    }
}
