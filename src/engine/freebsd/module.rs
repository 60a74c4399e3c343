//! Kernel modules that a plan needs.

use std::collections::BTreeSet;

use super::FreeBsd;
use super::doors::Doors;
use crate::abi::Errno;
use crate::engine::EngineError;
use crate::graph::{Mount, Mounted, NetgraphKind};
use crate::plan::{Plan, Step};

impl<D: Doors> FreeBsd<'_, D> {
    /// Loads what is missing, if that is allowed; gives the names of what was loaded, which stays.
    pub(super) fn load_modules(&mut self, plan: &Plan) -> Result<Vec<String>, EngineError> {
        let needed: BTreeSet<&'static str> =
            plan.steps.iter().flat_map(|planned| modules(&planned.step)).copied().collect();
        let missing: Vec<&'static str> = needed.into_iter().filter(|name| !self.doors.has_module(name)).collect();
        if !missing.is_empty() && !self.settings.load_modules {
            return Err(not_loaded(&missing));
        }
        let mut loaded = Vec::new();
        for name in missing {
            match self.doors.load_module(name) {
                Ok(()) | Err(Errno::EEXIST) => loaded.push(name.to_owned()),
                Err(errno) => return Err(EngineError::refused(name, "kldload", errno).hint(why_not(name, errno))),
            }
        }
        Ok(loaded)
    }
}

/// What to do about modules that are not there.
fn not_loaded(missing: &[&str]) -> EngineError {
    let list = missing.join(" ");
    let message = format!("the kernel lacks the modules that this lab needs: {list}");
    EngineError::strange(&list, "kldload", message)
        .hint(format!("`--load-modules` loads them now; `sysrc kld_list+=\"{list}\"` loads them at every boot"))
}

fn why_not(name: &str, errno: Errno) -> String {
    match errno {
        Errno::ENOENT => format!("the module `{name}` is not in the kernel's module path (`sysctl kern.module_path`)"),
        Errno::EPERM => "modules are not loaded inside jails, nor when kern.securelevel is above 0: load it on the \
                         host, at boot"
            .to_owned(),
        _ => format!("`kldload {name}` and the kernel's messages (dmesg) may say more"),
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
        Step::Mount(Mount { what: Mounted::Folder { .. }, .. }) => &["nullfs"],
        Step::CreateBridge(_) => &["if_bridge"],
        _ => &[],
    }
}
