//! `plan`: what `up` would change.

use super::context::Context;
use super::topology::Topology;
use super::{site, target, topology};
use crate::cli::{Format, PlanArgs};
use crate::lab::{self, Access, PlanOptions, SavedPlan, Site};
use crate::output::printer::{BAD, CHANGED, GOOD, styled};
use crate::output::{Failure, Status};
use crate::plan::{Plan, render};

pub(super) fn run(context: &mut Context<'_>, args: &PlanArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let mut topology = topology::load_target(context, &args.target)?;
    let mut site = site::open(context, Some(&topology.model.lab), Access::Look)?;
    if args.strict {
        topology = refuse_left_out(&site, topology)?;
    }
    let options = PlanOptions { targets: target::nodes(&args.only)?, strict: args.strict };
    let planned = site.plan_with(&topology.model, &options);
    let plan = planned.map_err(|error| site::file_failure(error, std::mem::take(&mut topology.findings.sources)))?;
    if let Some(path) = &args.out {
        let saved = SavedPlan::new(site.engine().name(), &plan, &topology.model, &options.targets);
        let text = saved.encode(&plan).map_err(site::failure)?;
        std::fs::write(path, text)
            .map_err(|error| Failure::new(Status::BadState, format!("cannot write {}: {error}", path.display())))?;
        context.printer.progress(format!("the plan is in {0}; `cellblock apply {0}` carries it out", path.display()));
    }
    match format {
        Format::Table if args.show_commands => {
            for line in render::commands(&plan) {
                context.printer.result(line + "\n");
            }
        }
        Format::Table => context.printer.result(coloured(&render::text(&plan))),
        _ => {
            let mut value = render::json(&plan);
            if args.show_commands
                && let Some(map) = value.as_object_mut()
            {
                map.insert("commands".into(), render::commands(&plan).into());
            }
            context.print_value(format, &value)?;
        }
    }
    site::close(site, Ok(status(&plan, args.detailed_exitcode)))
}

/// Fails if the engine would leave something out that the file says.
pub(super) fn refuse_left_out(site: &Site, mut topology: Topology) -> Result<Topology, Failure> {
    let found = lab::check(site.engine(), &topology.model);
    if !found.iter().any(lab::is_left_out) {
        return Ok(topology);
    }
    topology.findings.diagnostics.extend(found);
    Err(Failure::file(topology.findings))
}

pub(super) fn status(plan: &Plan, detailed: bool) -> Status {
    if detailed && !plan.is_empty() { Status::Changes } else { Status::Done }
}

/// Paints each line by the sign it begins with.
pub(super) fn coloured(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.trim_start() {
            inner if inner.starts_with("-/+ ") || inner.starts_with("~ ") || inner.starts_with("! ") => {
                styled(CHANGED, line)
            }
            inner if inner.starts_with("+ ") => styled(GOOD, line),
            inner if inner.starts_with("- ") => styled(BAD, line),
            _ => line.to_owned(),
        })
        .collect()
}
