//! Which engine and which state directory a verb means, and the site that goes with them.

use std::path::PathBuf;
use std::time::Duration;

use super::context::Context;
use crate::cli::EngineChoice;
use crate::lab::{self, Access, EngineKind, LabError, LabErrorKind, Site, SiteOptions};
use crate::model::LabName;
use crate::output::{Failure, Findings, Status};
use crate::topology::Sources;

/// How long another process may hold the lock when `--timeout` says nothing: longer than a short verb takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the site where `lab` is or is to be: the engine asked for, else that of the lab's record, else the best here.
pub(super) fn open(context: &mut Context<'_>, lab: Option<&LabName>, access: Access) -> Result<Site, Failure> {
    let (engine, state_dir) = place(context, lab)?;
    open_at(context, engine, state_dir, access)
}

/// Opens the site of a lab to run something in it. On a real kernel that changes nothing of ours, and others may work on the lab
/// meanwhile; a simulated kernel is only kept by who holds it.
pub(super) fn open_to_run(context: &mut Context<'_>, lab: &LabName) -> Result<Site, Failure> {
    let (engine, state_dir) = place(context, Some(lab))?;
    let access = if engine == EngineKind::Sim { Access::Change } else { Access::Look };
    open_at(context, engine, state_dir, access)
}

/// Opens the site of an engine, whatever was asked for.
pub(super) fn open_as(context: &mut Context<'_>, engine: EngineKind, access: Access) -> Result<Site, Failure> {
    let state_dir = context.state_dir(engine)?;
    open_at(context, engine, state_dir, access)
}

fn open_at(context: &mut Context<'_>, engine: EngineKind, state_dir: PathBuf, access: Access) -> Result<Site, Failure> {
    let entropy = (context.environment.entropy)()
        .map_err(|error| Failure::new(Status::BadState, format!("no randomness from the system: {error}")))?;
    let options = SiteOptions {
        state_dir,
        access,
        route_door: context.route_door(),
        load_modules: context.global.load_modules,
        wait: context.timeout()?.unwrap_or(PATIENCE),
        holder: format!("pid {}: cellblock {}", context.environment.process_id, context.environment.invocation),
        entropy,
    };
    context.printer.detail(format!("engine {}, state in {}", engine.name(), options.state_dir.display()));
    Site::open(engine, options).map_err(failure)
}

fn place(context: &mut Context<'_>, lab: Option<&LabName>) -> Result<(EngineKind, PathBuf), Failure> {
    if let Some(engine) = asked(context) {
        let dir = context.state_dir(engine)?;
        return match lab.map(|lab| (lab, Site::engine_of(&dir, lab))) {
            Some((lab, Ok(Some(other)))) if other != engine => Err(Failure::new(
                Status::NotFound,
                format!("lab `{lab}` of {} was made with engine {}", dir.display(), other.name()),
            )
            .hint("leave --engine out: a lab's record names its engine")),
            Some((_, Err(error))) => Err(failure(error)),
            _ => Ok((engine, dir)),
        };
    }
    if let Some(found) = recorded(context, lab)? {
        return Ok(found);
    }
    let (engine, why) = lab::choose_engine();
    context.printer.progress(why);
    let dir = context.state_dir(engine)?;
    Ok((engine, dir))
}

/// The engine of a lab's record, looked for where each engine keeps its labs.
fn recorded(context: &Context<'_>, lab: Option<&LabName>) -> Result<Option<(EngineKind, PathBuf)>, Failure> {
    let Some(lab) = lab else { return Ok(None) };
    let mut looked: Vec<PathBuf> = Vec::new();
    for engine in [EngineKind::FreeBsd, EngineKind::Linux, EngineKind::Sim] {
        let dir = context.state_dir(engine)?;
        if looked.contains(&dir) {
            continue;
        }
        if let Some(engine) = Site::engine_of(&dir, lab).map_err(failure)? {
            return Ok(Some((engine, dir)));
        }
        looked.push(dir);
    }
    Ok(None)
}

/// `--engine`, unless it leaves the choice to us.
pub(super) fn asked(context: &Context<'_>) -> Option<EngineKind> {
    match context.global.engine? {
        EngineChoice::Auto => None,
        EngineChoice::Freebsd => Some(EngineKind::FreeBsd),
        EngineChoice::Linux => Some(EngineKind::Linux),
        EngineChoice::Sim => Some(EngineKind::Sim),
    }
}

/// Saves what the verb changed, also when it failed; the verb's own failure is the one that is told.
pub(super) fn close<T>(site: Site, outcome: Result<T, Failure>) -> Result<T, Failure> {
    let closed = site.close().map_err(failure);
    outcome.and_then(|value| closed.map(|()| value))
}

/// What a layer below says, as the user gets to see it.
pub(super) fn failure(error: LabError) -> Failure {
    file_failure(error, Sources::default())
}

/// As [`failure`], for errors that may point into a file.
pub(super) fn file_failure(error: LabError, sources: Sources) -> Failure {
    if error.kind == LabErrorKind::File && !error.diagnostics.is_empty() {
        return Failure::file(Findings { sources, diagnostics: error.diagnostics });
    }
    let mut failure = Failure::new(status(error.kind), error.to_string());
    let step = error.step.map(|(step, of)| format!("step {step} of {of}"));
    let place: Vec<String> = step.into_iter().chain(error.call).chain(error.object).collect();
    if !place.is_empty() {
        failure = failure.detail(place.join(", "));
    }
    let label = if error.kind == LabErrorKind::StalePlan { "" } else { "left: " };
    for object in error.left {
        failure = failure.detail(format!("{label}{object}"));
    }
    failure.hint = error.hint;
    failure
}

fn status(kind: LabErrorKind) -> Status {
    match kind {
        LabErrorKind::File | LabErrorKind::StalePlan => Status::BadFile,
        LabErrorKind::NoSuchLab => Status::NotFound,
        LabErrorKind::NoEngine => Status::NoEngine,
        LabErrorKind::Bug => Status::Bug,
        LabErrorKind::Refused => Status::Refused,
        LabErrorKind::NotUndone => Status::NotUndone,
        LabErrorKind::Locked => Status::Locked,
        LabErrorKind::NotPermitted => Status::NotPermitted,
        LabErrorKind::BadState => Status::BadState,
    }
}
