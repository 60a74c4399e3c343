//! `schema`: the JSON Schema of topology files.

use super::context::Context;
use crate::cli::Format;
use crate::output::{Failure, Status};
use crate::topology;

pub(super) fn run(context: &mut Context<'_>) -> Result<Status, Failure> {
    context.format(&[Format::Json])?;
    context.print_value(Format::Json, &topology::schema())?;
    Ok(Status::Done)
}
