//! `validate`: everything that is wrong with a file, and what the engine will do otherwise than written.

use std::path::Path;

use serde_json::json;

use super::context::Context;
use super::topology::Topology;
use super::{site, target, topology};
use crate::cli::{Format, ValidateArgs};
use crate::lab;
use crate::output::{Failure, Findings, Status, amount, diagnostic};

pub(super) fn run(context: &mut Context<'_>, args: &ValidateArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let file = target::resolve_file(context, &args.target)?;
    let outcome = topology::load(context, &file).and_then(|topology| with_engine(context, topology, args.strict));
    if format != Format::Table {
        return print_value(context, format, &file, outcome);
    }
    let topology = outcome?;
    context.printer.findings(&topology.findings);
    let found = topology.findings.summary();
    let found = if found.is_empty() { "fine".to_owned() } else { found };
    context.printer.result(format!("{}: {found}; {}\n", file.display(), summary(&topology)));
    Ok(Status::Done)
}

/// Adds what the engine has to say about the model.
fn with_engine(context: &Context<'_>, mut topology: Topology, strict: bool) -> Result<Topology, Failure> {
    let engine = site::asked(context).unwrap_or_else(|| lab::choose_engine().0);
    topology.findings.diagnostics.extend(lab::check(engine, &topology.model));
    refuse_errors(topology, strict)
}

/// Fails if a finding is an error, with `--strict` also if it is a warning.
fn refuse_errors(topology: Topology, strict: bool) -> Result<Topology, Failure> {
    let (errors, warnings) = topology.findings.count();
    if errors > 0 || (strict && warnings > 0) { Err(Failure::file(topology.findings)) } else { Ok(topology) }
}

fn summary(topology: &Topology) -> String {
    let model = &topology.model;
    format!(
        "lab `{}`, {}, {}, {}",
        model.lab,
        amount(model.nodes.len(), "node"),
        amount(model.links.len(), "link"),
        amount(topology.checks.len(), "check")
    )
}

fn print_value(
    context: &mut Context<'_>,
    format: Format,
    file: &Path,
    outcome: Result<Topology, Failure>,
) -> Result<Status, Failure> {
    let (status, topology, findings) = match outcome {
        Ok(mut topology) => {
            let findings = std::mem::take(&mut topology.findings);
            (Status::Done, Some(topology), findings)
        }
        Err(Failure { status, findings: Some(findings), .. }) => (status, None, findings),
        Err(failure) => return Err(failure),
    };
    let Findings { sources, diagnostics } = &findings;
    let (errors, warnings) = findings.count();
    let value = json!({
        "file": file.display().to_string(),
        "valid": status == Status::Done,
        "errors": errors,
        "warnings": warnings,
        "lab": topology.as_ref().map(|topology| topology.model.lab.as_str()),
        "nodes": topology.as_ref().map(|topology| topology.model.nodes.len()),
        "links": topology.as_ref().map(|topology| topology.model.links.len()),
        "checks": topology.as_ref().map(|topology| topology.checks.len()),
        "diagnostics": diagnostics.iter().map(|one| diagnostic::to_json(one, sources)).collect::<Vec<_>>(),
    });
    context.print_value(format, &value)?;
    Ok(status)
}
