//! `up`: make the lab exist as the file says.

use serde_json::json;

use super::context::Context;
use super::topology::{self, Topology};
use super::{plan, site, target};
use crate::cli::{Format, UpArgs};
use crate::lab::{
    Access, Applied, ApplyOptions, Before, CommandFailure, EngineKind, PlanOptions, Progress, Site, Wish,
};
use crate::model::{LabName, Model};
use crate::output::{Failure, Printer, Status, amount};
use crate::plan::{Counts, Plan};

pub(super) fn run(context: &mut Context<'_>, args: &UpArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let (options, _interrupts) = context.apply_options()?;
    let planning = PlanOptions { targets: target::nodes(&args.only)?, strict: args.strict };
    let mut topology = topology::load_target(context, &args.target)?;
    let mut site = site::open(context, Some(&topology.model.lab), Access::Change)?;
    if args.strict {
        topology = plan::refuse_left_out(&site, topology)?;
    }
    let before = site.before(&topology.model.lab).map_err(site::failure)?;
    let outcome = bring_up(&mut site, &topology, (&planning, &options), context.printer).and_then(|(plan, applied)| {
        let commands = Commands { no_exec: args.no_exec, options: &options, before: &before };
        let failures = run_commands(&mut site, &plan, &topology.model, &commands, context.printer)?;
        Ok((plan.counts(), applied, failures))
    });
    let engine = site.engine();
    let done = site::close(site, outcome)?;
    report(context, format, &topology.model.lab, engine, done)
}

/// Says what was done.
pub(super) fn report(
    context: &mut Context<'_>,
    format: Format,
    lab: &LabName,
    engine: EngineKind,
    (counts, applied, failures): (Counts, Applied, Vec<CommandFailure>),
) -> Result<Status, Failure> {
    tell_notes(context.printer, &applied);
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
            "steps": applied.steps, "plan": counts, "notes": applied.notes, "failed_commands": failures,
        });
        context.print_value(format, &value)?;
    }
    Ok(if failures.is_empty() { Status::Done } else { Status::CheckFailed })
}

/// How the commands of a file are run.
pub(super) struct Commands<'c> {
    /// Not at all.
    pub(super) no_exec: bool,
    /// Who may want them to end.
    pub(super) options: &'c ApplyOptions,
    /// What is brought back then.
    pub(super) before: &'c Before,
}

/// Runs the commands of the file in the nodes that are new, each line of output with its node; names those that failed. When somebody
/// wants that to end, what the plan did is taken back.
pub(super) fn run_commands(
    site: &mut Site,
    plan: &Plan,
    model: &Model,
    Commands { no_exec, options, before }: &Commands<'_>,
    printer: &mut Printer,
) -> Result<Vec<CommandFailure>, Failure> {
    if *no_exec || plan.steps.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = Lines::default();
    let ran = site.run_commands(plan, model, options, &mut |node, _, bytes| lines.add(node.as_str(), bytes, printer));
    lines.finish(printer);
    let failures = ran.map_err(site::failure)?;
    for CommandFailure { node, command, why } in &failures {
        printer.warning(format!("node {node}: `{command}` {why}"));
    }
    if !failures.is_empty() && options.stop.wish() != Wish::GoOn {
        let mut teller = Teller::new(printer);
        site.take_back(plan, before, options, &mut |progress| teller.tell(progress)).map_err(site::failure)?;
        teller.finish();
        let message = "interrupted while the file's commands ran; everything is as before";
        return Err(Failure::new(Status::Refused, message));
    }
    Ok(failures)
}

/// Output of commands, cut into lines that say whose they are.
#[derive(Default)]
struct Lines {
    node: String,
    begun: Vec<u8>,
}

impl Lines {
    /// Longest line that is waited for.
    const LONGEST: usize = 8 << 10;

    fn add(&mut self, node: &str, bytes: &[u8], printer: &mut Printer) {
        if self.node != node {
            self.finish(printer);
            node.clone_into(&mut self.node);
        }
        for byte in bytes {
            match byte {
                b'\n' => self.say(printer),
                byte => self.begun.push(*byte),
            }
            if self.begun.len() >= Self::LONGEST {
                self.say(printer);
            }
        }
    }

    fn say(&mut self, printer: &mut Printer) {
        printer.progress(format!("{}: {}", self.node, String::from_utf8_lossy(&self.begun)));
        self.begun.clear();
    }

    fn finish(&mut self, printer: &mut Printer) {
        if !self.begun.is_empty() {
            self.say(printer);
        }
    }
}

fn bring_up(
    site: &mut Site,
    topology: &Topology,
    (planning, options): (&PlanOptions, &ApplyOptions),
    printer: &mut Printer,
) -> Result<(Plan, Applied), Failure> {
    let failed = |error| site::file_failure(error, topology.findings.sources.clone());
    let plan = site.plan_with(&topology.model, planning).map_err(failed)?;
    let mut teller = Teller::new(printer);
    let applied = site.apply(&plan, Some(&topology.model), options, &mut |progress| teller.tell(progress));
    let applied = applied.map_err(failed)?;
    teller.finish();
    Ok((plan, applied))
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
