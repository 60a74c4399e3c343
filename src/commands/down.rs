//! `down`: remove a lab, by its record alone.

use std::time::Duration;

use serde_json::json;

use super::context::Context;
use super::up::{Teller, tell_notes};
use super::{site, topology};
use crate::cli::{DownArgs, Format};
use crate::lab::Access;
use crate::output::{Failure, Status, amount};

/// How long the kernel may take when `--timeout` says nothing.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) fn run(context: &mut Context<'_>, args: &DownArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let (options, _interrupts) = context.apply_options()?;
    let (lab, _) = topology::lab_of_target(context, &args.target)?;
    let mut site = site::open(context, Some(&lab), Access::Change)?;
    let settling = args.wait.then(|| site.settling(&lab).map_err(site::failure)).transpose()?;
    let mut teller = Teller::new(context.printer);
    let mut outcome = site.down(&lab, &options, &mut |progress| teller.tell(progress)).map_err(site::failure);
    if outcome.is_ok() {
        teller.finish();
    }
    if let (Some(settling), Ok(_)) = (settling, &outcome) {
        let limit = options.timeout.unwrap_or(PATIENCE);
        outcome = settling.wait(limit).map_err(site::failure).and(outcome);
    }
    let engine = site.engine();
    let applied = site::close(site, outcome)?;
    tell_notes(context.printer, &applied);
    let seconds = context.seconds();
    if format == Format::Table {
        let steps = amount(applied.steps, "step");
        context.printer.result(format!("lab down in {seconds:.2} s: {steps}, engine {}\n", engine.name()));
    } else {
        let value = json!({
            "lab": lab, "engine": engine.name(), "seconds": seconds, "steps": applied.steps, "notes": applied.notes,
        });
        context.print_value(format, &value)?;
    }
    Ok(Status::Done)
}
