//! `exec`: run a command in a node and end as it ended.

use super::context::Context;
use super::{site, target, topology};
use crate::cli::{ExecArgs, Format, TargetArgs};
use crate::lab::{Access, ExecError, Exit, LabErrorKind, Site, Stream};
use crate::model::LabName;
use crate::output::{Failure, Status};

pub(super) fn run(context: &mut Context<'_>, args: &ExecArgs) -> Result<Status, Failure> {
    context.format(&[Format::Table])?;
    let node = target::node_ref(&args.node)?;
    let lab = match node.lab {
        Some(lab) => lab,
        None => lab_in_sight(context)?,
    };
    let mut site = site::open(context, Some(&lab), Access::Change).map_err(before_running)?;
    let printer = &mut *context.printer;
    let outcome = site.exec(&lab, &node.node, &args.command, &mut |stream, bytes| match stream {
        Stream::Out => printer.result_bytes(bytes),
        Stream::Error => printer.error_bytes(bytes),
    });
    let program = args.command.first().map_or("", String::as_str);
    let outcome = match outcome {
        Ok(Exit::Code(code)) => Ok(Status::Command(code)),
        Ok(Exit::Signal(signal)) => Ok(Status::Command(signal.saturating_add(128))),
        Err(ExecError::NotFound) => {
            Err(Failure::new(Status::CommandNotFound, format!("no program `{program}` in `{}`", node.node)))
        }
        Err(ExecError::NotExecutable) => {
            Err(Failure::new(Status::NotExecutable, format!("`{program}` cannot be executed in `{}`", node.node)))
        }
        Err(ExecError::Lab(error)) if error.kind == LabErrorKind::NoSuchLab => Err(site::failure(error)),
        Err(ExecError::Lab(error)) => Err(before_running(site::failure(error))),
    };
    site::close(site, outcome)
}

/// 125 for what went wrong with us rather than with the command; what is missing or misspelt keeps its code.
fn before_running(failure: Failure) -> Failure {
    match failure.status {
        Status::NotFound | Status::Usage | Status::BadFile => failure,
        _ => failure.with_status(Status::ExecFailed),
    }
}

/// The lab of a node that does not name it: that of `-t`, `--lab` or the only topology file here; else the only lab
/// there is.
pub(super) fn lab_in_sight(context: &mut Context<'_>) -> Result<LabName, Failure> {
    let nothing = TargetArgs { target: None };
    let failure = match topology::lab_of_target(context, &nothing) {
        Ok((lab, _)) => return Ok(lab),
        Err(failure) if failure.status == Status::Usage => failure,
        Err(failure) => return Err(failure),
    };
    let site: Site = site::open(context, None, Access::Look)?;
    let labs = site.labs().map_err(site::failure)?;
    match labs.as_slice() {
        [only] => Ok(only.name.clone()),
        _ => Err(failure.hint("say which lab is meant: NODE@LAB")),
    }
}
