//! Kernel modules that a plan needs.

use std::collections::BTreeSet;

use super::FreeBsd;
use super::doors::Doors;
use crate::abi::Errno;
use crate::engine::EngineError;
use crate::graph::NetgraphKind;
use crate::plan::{Plan, Step};

impl<D: Doors> FreeBsd<'_, D> {
    /// Loads what is missing; gives the names of what was loaded, which stays.
    pub(super) fn load_modules(&mut self, plan: &Plan) -> Result<Vec<String>, EngineError> {
        let needed: BTreeSet<&'static str> =
            plan.steps.iter().flat_map(|planned| modules(&planned.step)).copied().collect();
        let mut loaded = Vec::new();
        for name in needed {
            if self.doors.has_module(name) {
                continue;
            }
            match self.doors.load_module(name) {
                Ok(()) | Err(Errno::EEXIST) => loaded.push(name.to_owned()),
                Err(errno) => {
                    return Err(EngineError::refused(name, "kldload", errno).hint(format!(
                        "the kernel needs the module `{name}`; nothing can load it from inside a jail"
                    )));
                }
            }
        }
        Ok(loaded)
    }
}

fn modules(step: &Step) -> &'static [&'static str] {
    match step {
        Step::CreateEiface { .. } => &["ng_socket", "ng_eiface"],
        Step::CreateNetgraph { node, .. } => match node.kind {
            NetgraphKind::Bridge => &["ng_socket", "ng_bridge"],
            NetgraphKind::Hub => &["ng_socket", "ng_hub"],
            NetgraphKind::Pipe => &["ng_socket", "ng_pipe"],
            NetgraphKind::Stray(_) => &[],
        },
        Step::CreateEpair(_) => &["if_epair"],
        Step::CreateBridge(_) => &["if_bridge"],
        _ => &[],
    }
}
