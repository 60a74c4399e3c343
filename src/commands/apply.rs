//! `apply`: carry out a plan that was written down, exactly as it was read.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::context::Context;
use super::site;
use super::up::{self, Commands, Teller};
use crate::cli::{ApplyArgs, Format};
use crate::lab::{Access, EngineKind, LabError, SavedPlan};
use crate::output::{Failure, Status};

/// Larger files are no plans, in octets.
const LARGEST: u64 = 1 << 30;

pub(super) fn run(context: &mut Context<'_>, args: &ApplyArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let (options, _interrupts) = context.apply_options()?;
    let saved = read(&args.plan)?;
    let engine = EngineKind::named(&saved.engine)
        .ok_or_else(|| Failure::new(Status::NoEngine, format!("there is no engine {}", saved.engine)))?;
    let lab = saved.model.lab.clone();
    let mut site = site::open_as(context, engine, Access::Change)?;
    let model = saved.model.clone();
    let before = site.before(&lab).map_err(site::failure)?;
    let outcome = (|| {
        let plan = site.plan_again(&saved).map_err(site::failure)?;
        let mut teller = Teller::new(context.printer);
        let applied = site.apply(&plan, Some(&model), &options, &mut |progress| teller.tell(progress));
        let applied = applied.map_err(site::failure)?;
        teller.finish();
        let commands = Commands { no_exec: args.no_exec, options: &options, before: &before };
        let failures = up::run_commands(&mut site, &plan, &model, &commands, context.printer)?;
        Ok((plan.counts(), applied, failures))
    })();
    let done = site::close(site, outcome)?;
    up::report(context, format, &lab, engine, done)
}

fn read(path: &Path) -> Result<SavedPlan, Failure> {
    let unreadable = |error: std::io::Error| {
        let status = match error.kind() {
            std::io::ErrorKind::NotFound => Status::NotFound,
            std::io::ErrorKind::PermissionDenied => Status::NotPermitted,
            _ => Status::BadState,
        };
        Failure::new(status, format!("cannot read {}: {error}", path.display()))
    };
    let mut octets = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut octets)).map_err(unreadable)?;
    SavedPlan::decode(&octets)
        .map_err(|error| site::failure(LabError { message: format!("{}: {}", path.display(), error.message), ..error }))
}
