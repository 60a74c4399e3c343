//! `schema`: the JSON Schema of topology files.

use super::context::Context;
use crate::cli::Format;
use crate::output::{Failure, Status};

pub(super) fn run(context: &mut Context<'_>) -> Result<Status, Failure> {
    context.format(&[Format::Json])?;
    context.printer.result(String::new());
    Ok(Status::Done)
}
