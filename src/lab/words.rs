//! Errors and plans of a lab in words.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::{LabError, LabErrorKind};
use super::types::EngineKind;
use crate::abi::Errno;
use crate::diagnostic::Diagnostic;
use crate::engine::{EngineError, Lack, LockError, RecordError, Unusable};
use crate::graph::{GraphError, ObjectId, Owner, Place, place_of};
use crate::model::{LabName, Model, Node, NodeName, System};
use crate::plan::{Action, Change, LinuxStep, Observed, Plan, Planned, Step};
use crate::sim::persist::LoadError;

pub(super) fn no_such_lab(lab: &LabName) -> LabError {
    LabError::new(LabErrorKind::NoSuchLab, format!("there is no lab `{lab}`"))
        .hint("`cellblock inspect --all` lists the labs; another engine or `--state-dir` may have it")
}

/// The file asks for what the engine cannot do.
pub(super) fn refuse_wrong_files(diagnostics: Vec<Diagnostic>) -> Result<(), LabError> {
    if !diagnostics.iter().any(Diagnostic::is_error) {
        return Ok(());
    }
    let mut error = LabError::new(LabErrorKind::File, "the engine cannot do what the file says");
    error.diagnostics = diagnostics;
    Err(error)
}

/// The same of a node that could not be entered; of one whose jail another tool runs it says so.
pub(super) fn not_entered(model: &Model, error: EngineError) -> EngineError {
    let no_jail = error.errno.is_none() && error.call == "jail_get";
    let node = model.find(&error.object).filter(|_| no_jail).map(|id| model.node(id));
    let Some(node) = node.filter(|node| node.is_run_elsewhere()) else { return error };
    let jail = format!("{}.{}", model.lab, node.name);
    let message = format!("node `{}` does not run: there is no jail `{jail}`", node.name);
    let hint = format!(
        "the file leaves that jail to another tool (`jail: {{ persist: false }}`): start it there, for example by `jail -c {jail}` \
         with what `cellblock export jail.conf` writes"
    );
    EngineError { message, ..error }.hint(hint)
}

/// A refusal before or while something was changed.
pub(super) fn refused(error: EngineError) -> LabError {
    let kind = if error.errno == Some(Errno::EPERM) { LabErrorKind::NotPermitted } else { LabErrorKind::Refused };
    from_engine(kind, error)
}

/// A refusal before anything was changed: without an errno it is the host that is not set up for it.
pub(super) fn not_prepared(error: EngineError) -> LabError {
    if error.errno.is_none() { from_engine(LabErrorKind::BadState, error) } else { refused(error) }
}

/// A kernel that cannot be looked at, or that holds a jail of somebody else under our name.
pub(super) fn unreadable(error: EngineError) -> LabError {
    let kind = match error.errno {
        Some(Errno::EPERM) => LabErrorKind::NotPermitted,
        Some(_) => LabErrorKind::Refused,
        None => LabErrorKind::BadState,
    };
    from_engine(kind, error)
}

fn from_engine(kind: LabErrorKind, error: EngineError) -> LabError {
    let message = match &error.detail {
        Some(detail) => format!("{} ({detail})", error.message),
        None => error.message.clone(),
    };
    let known = |text: String| (!text.is_empty()).then_some(text);
    let mut failure = LabError::new(kind, message);
    failure.object = known(error.object);
    failure.call = known(error.call);
    failure.errno = error.errno;
    failure.hint = error.hint.or_else(|| error.errno.and_then(usual_remedy).map(str::to_owned));
    failure
}

/// What helps against a refusal that can come from any call.
fn usual_remedy(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EPERM | Errno::EACCES => {
            "only root may do this, and inside a jail only what that jail may: `doctor` says what is missing"
        }
        Errno::ENOBUFS | Errno::ENOMEM => {
            "the kernel has no room for it: raise `kern.ipc.maxsockbuf` (a list of nodes comes in one piece), or look at its memory"
        }
        Errno::EMFILE | Errno::ENFILE => {
            "too many descriptors are open: `ulimit -n` and `kern.maxfiles` raise the limits"
        }
        _ => return None,
    })
}

/// What is said of a failure after which everything is as before.
pub(super) fn kind_of_refusal(error: &LabError) -> LabErrorKind {
    match error.kind {
        LabErrorKind::NotPermitted => LabErrorKind::NotPermitted,
        _ => LabErrorKind::Refused,
    }
}

impl From<GraphError> for LabError {
    fn from(error: GraphError) -> Self {
        Self::new(LabErrorKind::Bug, error.to_string())
    }
}

impl From<RecordError> for LabError {
    fn from(error: RecordError) -> Self {
        let denied = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::PermissionDenied;
        let kind = match &error {
            RecordError::Io { cause, .. } if denied(cause) => LabErrorKind::NotPermitted,
            _ => LabErrorKind::BadState,
        };
        let failure = Self::new(kind, error.to_string());
        match error {
            RecordError::Io { .. } => failure,
            RecordError::Full { .. } => failure.hint("make room there, or name another directory with `--state-dir`"),
            RecordError::Foreign { .. } | RecordError::Damaged { .. } => failure.hint(
                "`gc` finds what is left of labs without it: move the file away then; else a newer version may read it",
            ),
        }
    }
}

impl From<LockError> for LabError {
    fn from(error: LockError) -> Self {
        let kind = match &error {
            LockError::Held { .. } => LabErrorKind::Locked,
            LockError::Io { cause, .. } if cause.kind() == std::io::ErrorKind::PermissionDenied => {
                LabErrorKind::NotPermitted
            }
            LockError::Io { .. } => LabErrorKind::BadState,
        };
        Self::new(kind, error.to_string())
    }
}

/// Names that a lab needs and that somebody else has on the host.
pub(super) fn names_taken(taken: &[String]) -> LabError {
    let are = if taken.len() == 1 { "is" } else { "are" };
    let message = format!("somebody else has what the lab is to be called: {} {are} not ours", taken.join(", "));
    LabError::new(LabErrorKind::BadState, message)
        .hint("give the lab another name (`--name`), interfaces on the host other ones in the file, or remove what nobody needs")
}

/// An object of a plan that should not be there, or is not.
pub(super) fn of_change(change: &Change) -> String {
    let differs = change.attributes.iter().filter_map(|attribute| {
        let (old, new) = (attribute.old.as_deref()?, attribute.new.as_deref()?);
        Some(format!("{} is {old}, not {new}", attribute.name))
    });
    let differs: Vec<String> = differs.collect();
    let place = match &change.owner {
        Owner::Lab => String::new(),
        Owner::Node(name) | Owner::Link(name) => format!(" of {name}"),
    };
    let what = if differs.is_empty() { String::new() } else { format!(" ({})", differs.join(", ")) };
    format!("{} {}{place}{what}", change.kind, change.name)
}

/// An object that is otherwise than when a plan was made.
pub(super) fn of_move(change: &Change) -> String {
    let what = of_change(change);
    match change.action {
        Action::Create => format!("{what} has come"),
        Action::Destroy => format!("{what} is gone"),
        Action::Change | Action::Replace => {
            let differs = change.attributes.iter().filter_map(|attribute| {
                let (old, new) = (attribute.old.as_deref()?, attribute.new.as_deref()?);
                Some(format!("{} was {old}, is {new}", attribute.name))
            });
            let differs: Vec<String> = differs.collect();
            if differs.is_empty() {
                return format!("{what} is another one");
            }
            let what = what.split(" (").next().unwrap_or_default().to_owned();
            format!("{what}: {}", differs.join(", "))
        }
    }
}

/// Addresses that the kernel found in use by somebody else, or has not made sure of.
pub(super) fn unusable(observed: &Observed) -> Vec<String> {
    let interfaces = observed
        .interfaces
        .iter()
        .flat_map(|(place, interfaces)| interfaces.iter().map(move |(name, seen)| (place, name, seen)));
    interfaces
        .flat_map(|(place, name, seen)| {
            seen.unusable.iter().map(move |net| format!("address {net} on {name} of {place} is not usable"))
        })
        .collect()
}

/// Ports that a spanning tree has kept waiting for longer than it should take.
pub(super) fn discarding(observed: &Observed) -> Option<String> {
    let ports: Vec<String> = observed.discarding.iter().map(ToString::to_string).collect();
    (!ports.is_empty()).then(|| format!("the spanning tree does not let these ports forward yet: {}", some_of(&ports)))
}

/// The first few of a list.
pub(super) fn some_of(list: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = list.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if list.len() > SHOWN {
        text.push_str(&format!("; and {} more", list.len() - SHOWN));
    }
    text
}

/// A stage in a few words: `12 jails, 3 sysctls`.
pub(super) fn of_steps(steps: &[&Step]) -> String {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for step in steps {
        *counts.entry(word(step)).or_default() += 1;
    }
    let parts: Vec<String> = counts
        .into_iter()
        .map(|(word, count)| match (word, count) {
            (word, 1) => format!("1 {word}"),
            ("address", count) => format!("{count} addresses"),
            (word, count) => format!("{count} {word}s"),
        })
        .collect();
    parts.join(", ")
}

fn word(step: &Step) -> &'static str {
    match step {
        Step::CreateJail(_) | Step::RemoveJail(_) | Step::SetJail { .. } => "jail",
        Step::CreateNetgraph { .. } | Step::RemoveNetgraph { .. } | Step::SetPipe { .. } => "netgraph node",
        Step::CreateEiface { .. }
        | Step::RemoveEiface { .. }
        | Step::CreateEpair(_)
        | Step::RemoveEpair(_)
        | Step::CreateBridge(_)
        | Step::RemoveBridge(_) => "interface",
        Step::Join(_) | Step::Part(_) => "hook pair",
        Step::Give(_) | Step::TakeBack(_) => "move",
        Step::Rename { .. } => "name",
        Step::SetMac { .. } | Step::SetMtu { .. } | Step::SetDescription { .. } | Step::SetNoDad { .. } => "attribute",
        Step::SetUp(_) | Step::SetDown(_) => "state",
        Step::AddMember(_) | Step::RemoveMember(_) | Step::SetSpanning { .. } => "bridge member",
        Step::SetSysctl { .. } => "sysctl",
        Step::AddAddress(_) | Step::RemoveAddress(_) => "address",
        Step::AddRoute(_) | Step::RemoveRoute(_) | Step::ChangeRoute { .. } => "route",
        Step::MakeFolder(_) | Step::RemoveFolder(_) => "folder",
        Step::MakeClone(_) | Step::RemoveClone(_) => "clone",
        Step::AddRuleset(_) | Step::RemoveRuleset(_) => "devfs ruleset",
        Step::Mount(_) | Step::Unmount(_) => "mount",
        Step::AddLimit(_) | Step::RemoveLimit(_) => "limit",
        Step::SetCpus { .. } => "processor set",
        Step::Linux(step) => step.word(),
    }
}

/// Nodes of the plan that see the host's own files.
pub(super) fn shared_files(model: &Model, plan: &Plan) -> Option<String> {
    let creates =
        |planned: &Planned| matches!(planned.step, Step::CreateJail(_) | Step::Linux(LinuxStep::CreateNamespace(_)));
    if !plan.steps.iter().any(creates) {
        return None;
    }
    let new = |node: &&Node| {
        let id = ObjectId::Jail(place_of(node));
        plan.desired.get(&id).is_some() && plan.before.get(&id).is_none()
    };
    let sharing: Vec<String> =
        model.nodes.iter().filter(|node| node.rootfs.is_host()).filter(new).map(|node| node.name.to_string()).collect();
    match sharing.as_slice() {
        [] => None,
        [one] => Some(format!("node {one} shares the host's files")),
        several => Some(format!("nodes share the host's files: {}", listed(several))),
    }
}

/// A node that somebody stopped.
pub(super) fn stopped(node: &NodeName, what: &str) -> String {
    format!("node {node} is stopped: {what}")
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

/// Keys that no step stands for here.
pub(super) fn not_run(model: &Model, system: System) -> Vec<String> {
    let mut notes = Vec::new();
    for node in model.nodes.iter().filter(|_| system != System::Linux) {
        if node.is_run_elsewhere() {
            notes.push(format!(
                "node {}: another tool runs its jail; `attach` and `detach` hand over its interfaces",
                node.name
            ));
            continue;
        }
        for name in node.linux_sysctls.keys() {
            notes.push(format!("node {}: sysctl {name} is Linux's own: not on this engine", node.name));
        }
    }
    notes
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a simulated machine only keeps account of.
pub(super) fn not_real(model: &Model) -> Vec<String> {
    let mut notes = Vec::new();
    for node in model.nodes.iter().filter(|node| !node.is_run_elsewhere()) {
        for exec in &node.exec {
            notes.push(format!("node {}: exec `{}` is not run in the simulator", node.name, exec.command));
        }
        if !node.rootfs.is_host() {
            let (name, rootfs) = (&node.name, &node.rootfs);
            notes.push(format!("node {name}: rootfs `{rootfs}` is mounted in the simulator, which has no files"));
        }
        let cpus = node.cpus.iter().map(|cpus| format!("cpus `{cpus}`"));
        let limits = node.limits.iter().map(|(resource, limit)| format!("limit {resource} `{limit}`"));
        for setting in cpus.chain(limits) {
            notes.push(format!("node {}: {setting} is set in the simulator, where nothing uses it up", node.name));
        }
    }
    notes
}

/// The place of a node with a stack.
pub(super) fn station(model: &Model, node: &NodeName) -> Result<Place, LabError> {
    let missing = |what: String| LabError::new(LabErrorKind::NoSuchLab, what);
    let id = model
        .find(node.as_str())
        .ok_or_else(|| missing(format!("there is no node `{node}` in lab `{}`", model.lab)))?;
    let found = model.node(id);
    if found.kind.is_layer2() {
        return Err(missing(format!("node `{node}` is a switch: it has no network stack of its own")));
    }
    Ok(place_of(found))
}

pub(super) fn unusable_file(path: &Path, error: &std::io::Error) -> LabError {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied => LabErrorKind::NotPermitted,
        _ => LabErrorKind::BadState,
    };
    LabError::new(kind, format!("cannot use {}: {error}", path.display()))
}

/// An engine that cannot work here.
pub(super) fn no_engine(engine: EngineKind, unusable: Unusable) -> LabError {
    let kind = match unusable.lack {
        Lack::System => LabErrorKind::NoEngine,
        Lack::Permission => LabErrorKind::NotPermitted,
        Lack::Configuration => LabErrorKind::BadState,
    };
    let error = LabError::new(kind, format!("engine {} cannot work here: {}", engine.name(), unusable.message));
    error.hint(unusable.hint.unwrap_or_else(|| "`--engine sim` runs everywhere".to_owned()))
}

pub(super) fn unusable_kernel(path: &Path, error: &LoadError) -> LabError {
    LabError::new(LabErrorKind::BadState, format!("the simulated kernel {} cannot be used: {error}", path.display()))
        .hint("move the file away to begin with an empty one")
}

/// Somebody could not wait for it to be undone.
pub(super) fn abandoned(error: LabError, lab: &LabName) -> LabError {
    let left = vec!["what was done so far, and is written down in the journal".to_owned()];
    let hint = format!("`up` or `cellblock down {lab}` finishes it");
    LabError { kind: LabErrorKind::NotUndone, left, hint: Some(hint), ..error }
}

/// What was done to a kernel could not be kept.
pub(super) fn not_kept(error: EngineError) -> LabError {
    from_engine(LabErrorKind::BadState, error)
}
