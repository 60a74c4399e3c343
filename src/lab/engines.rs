//! The engines: which one this system has, what it finds there, what it makes of a model.

use super::types::EngineKind;
use crate::diagnostic::Diagnostic;
use crate::engine::freebsd::{self, Settings};
use crate::engine::linux::{self, sys::Way};
use crate::engine::{Fact, Unusable};
use crate::model::Model;

/// The engine that `--engine auto` means on this system, and one line saying which and why.
#[must_use]
pub fn choose_engine() -> (EngineKind, String) {
    let freebsd = match freebsd::sys::open(Settings::default()) {
        Ok(_) => {
            return (EngineKind::FreeBsd, "engine freebsd: this kernel has VNET jails, and we are root".to_owned());
        }
        Err(unusable) => unusable,
    };
    match linux::sys::way() {
        Ok(Way::Direct) => (EngineKind::Linux, "engine linux: we may make namespaces".to_owned()),
        Ok(Way::Rootless { why }) => {
            (EngineKind::Linux, format!("engine linux, each lab in a user namespace of its own: {why}"))
        }
        Err(linux) => {
            let unusable = if linux == Unusable::elsewhere() { freebsd } else { linux };
            (EngineKind::Sim, format!("engine sim: {}", unusable.message))
        }
    }
}

/// What this host has for the labs of an engine, and what it lacks, also where the engine cannot work at all; nothing where there is
/// nobody to ask.
#[must_use]
pub fn survey(engine: EngineKind) -> Vec<Fact> {
    match engine {
        EngineKind::FreeBsd => freebsd::sys::survey(Settings::default()),
        EngineKind::Linux => linux::sys::survey(),
        EngineKind::Sim => Vec::new(),
    }
}

/// What the engine cannot do of a model, or will do otherwise than written; for `validate` and before a plan.
#[must_use]
pub fn check(engine: EngineKind, model: &Model) -> Vec<Diagnostic> {
    match engine {
        EngineKind::FreeBsd | EngineKind::Sim => freebsd::check(model),
        EngineKind::Linux => linux::check(model, &mut linux::sys::ask),
    }
}

/// Whether a finding of [`check`] is of something that the engine leaves out, as against does otherwise than written.
#[must_use]
pub fn is_left_out(finding: &Diagnostic) -> bool {
    finding.is_error() || linux::LEFT_OUT.contains(&finding.code)
}

/// The programs that nodes of the simulator have.
#[must_use]
pub fn simulated_programs() -> &'static [&'static str] {
    &crate::sim::programs::NAMES
}
