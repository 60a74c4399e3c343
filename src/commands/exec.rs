//! `exec`: run a command in a node and end as it ended.

use super::context::Context;
use super::{sight, site, target};
use crate::cli::{ExecArgs, Format};
use crate::lab::{ExecError, Exit, LabErrorKind, Site, Stream};
use crate::model::{LabName, NodeName};
use crate::output::{Failure, Printer, Status};

pub(super) fn run(context: &mut Context<'_>, args: &ExecArgs) -> Result<Status, Failure> {
    context.format(&[Format::Table])?;
    let node = target::node_ref(&args.node)?;
    let lab = sight::lab_of(context, node.lab)?;
    let mut site = site::open_to_run(context, &lab).map_err(before_running)?;
    let outcome = execute(&mut site, (&lab, &node.node), &args.command, context.printer);
    site::close(site, outcome)
}

/// Runs a program to its end; what it writes is passed on as it comes.
pub(super) fn execute(
    site: &mut Site,
    (lab, node): (&LabName, &NodeName),
    command: &[String],
    printer: &mut Printer,
) -> Result<Status, Failure> {
    let exit = site.exec(lab, node, command, &mut |stream, bytes| match stream {
        Stream::Out => {
            printer.result_bytes(bytes);
            printer.flush();
        }
        Stream::Error => printer.error_bytes(bytes),
    });
    exit.map(ended).map_err(|error| not_run(error, node, command))
}

/// The status of a program that ran.
pub(super) fn ended(exit: Exit) -> Status {
    match exit {
        Exit::Code(code) => Status::Command(code),
        Exit::Signal(signal) => Status::Command(signal.saturating_add(128)),
    }
}

/// Why a program did not run.
pub(super) fn not_run(error: ExecError, node: &NodeName, command: &[String]) -> Failure {
    let program = command.first().map_or("", String::as_str);
    match error {
        ExecError::NotFound => Failure::new(Status::CommandNotFound, format!("no program `{program}` in `{node}`")),
        ExecError::NotExecutable => {
            Failure::new(Status::NotExecutable, format!("`{program}` cannot be executed in `{node}`"))
        }
        ExecError::Lab(error) if error.kind == LabErrorKind::NoSuchLab => site::failure(error),
        ExecError::Lab(error) => before_running(site::failure(error)),
    }
}

/// 125 for what went wrong with us rather than with the command; what is missing or misspelt keeps its code.
pub(super) fn before_running(failure: Failure) -> Failure {
    match failure.status {
        Status::NotFound | Status::Usage | Status::BadFile => failure,
        _ => failure.with_status(Status::ExecFailed),
    }
}
