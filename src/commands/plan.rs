//! `plan`: what `up` would change.

use super::context::Context;
use super::{site, topology, validate};
use crate::cli::{Format, PlanArgs};
use crate::lab::{self, Access};
use crate::output::printer::{BAD, CHANGED, GOOD, styled};
use crate::output::{Failure, Status};
use crate::plan::{Plan, render};

pub(super) fn run(context: &mut Context<'_>, args: &PlanArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let mut topology = topology::load_target(context, &args.target)?;
    let mut site = site::open(context, Some(&topology.model.lab), Access::Look)?;
    if args.strict {
        topology.findings.diagnostics.extend(lab::check(site.engine(), &topology.model));
        topology = validate::refuse_errors(topology, true)?;
    }
    let planned = site.plan(&topology.model);
    let plan = planned.map_err(|error| site::file_failure(error, std::mem::take(&mut topology.findings.sources)))?;
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

fn status(plan: &Plan, detailed: bool) -> Status {
    if detailed && !plan.is_empty() { Status::Changes } else { Status::Done }
}

/// Paints each line by the sign it begins with.
fn coloured(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.trim_start() {
            inner if inner.starts_with("-/+ ") || inner.starts_with("~ ") => styled(CHANGED, line),
            inner if inner.starts_with("+ ") => styled(GOOD, line),
            inner if inner.starts_with("- ") => styled(BAD, line),
            _ => line.to_owned(),
        })
        .collect()
}
