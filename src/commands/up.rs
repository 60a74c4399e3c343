//! `up`: make the lab exist as the file says.

use serde_json::json;

use super::context::Context;
use super::site;
use super::topology::{self, Topology};
use crate::cli::{Format, UpArgs};
use crate::lab::{Access, Applied, ApplyOptions, Progress, Site};
use crate::output::{Failure, Printer, Status, amount};
use crate::plan::Counts;

pub(super) fn run(context: &mut Context<'_>, args: &UpArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let options = ApplyOptions { timeout: context.timeout()? };
    let topology = topology::load_target(context, &args.target)?;
    let mut site = site::open(context, Some(&topology.model.lab), Access::Change)?;
    let outcome = bring_up(&mut site, &topology, &options, context.printer);
    let engine = site.engine();
    let (counts, applied) = site::close(site, outcome)?;
    tell_notes(context.printer, &applied);
    let lab = &topology.model.lab;
    let seconds = context.seconds();
    if format == Format::Table {
        let unchanged = if applied.steps == 0 { ", nothing to change" } else { "" };
        let (nodes, links) = (amount(applied.nodes, "node"), amount(applied.links, "link"));
        let engine = engine.name();
        let line = format!("lab up in {seconds:.2} s: {nodes}, {links}, engine {engine}{unchanged}\n");
        context.printer.result(line);
    } else {
        let value = json!({
            "lab": lab, "engine": engine.name(), "seconds": seconds, "nodes": applied.nodes, "links": applied.links,
            "steps": applied.steps, "plan": counts, "notes": applied.notes,
        });
        context.print_value(format, &value)?;
    }
    Ok(Status::Done)
}

fn bring_up(
    site: &mut Site,
    topology: &Topology,
    options: &ApplyOptions,
    printer: &mut Printer,
) -> Result<(Counts, Applied), Failure> {
    let failed = |error| site::file_failure(error, topology.findings.sources.clone());
    let plan = site.plan(&topology.model).map_err(failed)?;
    let mut teller = Teller::new(printer);
    let applied = site.apply(&plan, Some(&topology.model), options, &mut |progress| teller.tell(progress));
    let applied = applied.map_err(failed)?;
    teller.finish();
    Ok((plan.counts(), applied))
}

/// Tells what is going on: a level of steps is told when it is done, with how many steps are done by then.
pub(super) struct Teller<'a> {
    printer: &'a mut Printer,
    running: Option<(String, usize)>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(printer: &'a mut Printer) -> Self {
        Self { printer, running: None }
    }

    pub(super) fn tell(&mut self, progress: Progress) {
        match progress {
            Progress::Level { done, of, what } => {
                self.finish_level(done);
                self.running = Some((what, of));
            }
            Progress::Verifying => {
                self.finish();
                self.printer.detail("reading back");
            }
            Progress::Undoing { why } => {
                self.running = None;
                self.printer.warning(format!("{why}; undoing"));
            }
        }
    }

    /// All levels are done.
    pub(super) fn finish(&mut self) {
        let of = self.running.as_ref().map_or(0, |(_, of)| *of);
        self.finish_level(of);
    }

    fn finish_level(&mut self, done: usize) {
        if let Some((what, of)) = self.running.take() {
            let width = of.to_string().len();
            self.printer.progress(format!("[{done:>width$}/{of}] {what}"));
        }
    }
}

pub(super) fn tell_notes(printer: &mut Printer, applied: &Applied) {
    for note in &applied.notes {
        printer.progress(format!("note: {note}"));
    }
}
