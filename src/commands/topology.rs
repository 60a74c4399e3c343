//! From a file to a model whose checks lead somewhere, with every finding on the way.

use std::io::Read as _;
use std::path::Path;

use super::context::Context;
use super::target::{self, Target};
use crate::checks::{self, Check};
use crate::cli::TargetArgs;
use crate::model::{self, LabName, Model};
use crate::output::{Failure, Findings, Status};
use crate::topology::{self, DiskReader, Input};

/// More than the limit of the format, so that it is the format's own check that speaks.
const STDIN_LIMIT: u64 = (16 << 20) + 1;

/// A topology that can be used.
#[derive(Debug)]
pub(super) struct Topology {
    pub(super) model: Model,
    pub(super) checks: Vec<Check>,
    /// Warnings only, with the texts they point into.
    pub(super) findings: Findings,
}

/// Reads and resolves a file.
pub(super) fn load(context: &mut Context<'_>, file: &Path) -> Result<Topology, Failure> {
    let options = context.load_options()?;
    let input = if file == Path::new("-") { Input::stdin(read_stdin(context)?) } else { Input::Path(file.to_owned()) };
    let loaded = topology::load(input, &options, &DiskReader);
    let missing = loaded.is_input_missing();
    let mut findings = Findings { sources: loaded.sources, diagnostics: loaded.diagnostics };
    let Some(draft) = loaded.draft else {
        let failure = Failure::file(findings);
        return Err(if missing { failure.with_status(Status::NotFound) } else { failure });
    };
    let resolved = model::resolve(draft).and_then(|(model, warnings)| {
        findings.diagnostics.extend(warnings);
        checks::compile(&model).map(|checks| (model, checks))
    });
    match resolved {
        Ok((model, checks)) => Ok(Topology { model, checks, findings }),
        Err(errors) => {
            findings.diagnostics.extend(errors);
            Err(Failure::file(findings))
        }
    }
}

fn read_stdin(context: &mut Context<'_>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = context.environment.stdin.by_ref().take(STDIN_LIMIT).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(Status::NotFound, format!("cannot read standard input: {error}")))?;
    Ok(bytes)
}

/// Reads the topology that a verb is about and shows its warnings.
pub(super) fn load_target(context: &mut Context<'_>, args: &TargetArgs) -> Result<Topology, Failure> {
    let file = target::resolve_file(context, args)?;
    let topology = load(context, &file)?;
    context.printer.findings(&topology.findings);
    Ok(topology)
}

/// What a verb for an existing lab is about: the lab and, if a file named it, what the file says.
pub(super) fn lab_of_target(
    context: &mut Context<'_>,
    args: &TargetArgs,
) -> Result<(LabName, Option<Topology>), Failure> {
    match target::resolve(context, args)? {
        Target::Lab(lab) => Ok((lab, None)),
        Target::File(file) => {
            let topology = load(context, &file)?;
            Ok((topology.model.lab.clone(), Some(topology)))
        }
    }
}
