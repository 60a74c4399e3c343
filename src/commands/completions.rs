//! `completions`: a script that teaches a shell our verbs.

use clap::CommandFactory as _;

use super::context::Context;
use crate::cli::{Cli, CompletionsArgs};
use crate::output::{Failure, Status};

pub(super) fn run(context: &mut Context<'_>, args: &CompletionsArgs) -> Result<Status, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cellblock", &mut script);
    context.printer.result_bytes(&script);
    Ok(Status::Done)
}
