//! `start`, `stop`, `restart`: nodes of a lab that stays up.

use std::time::Duration;

use serde_json::json;

use super::context::{Context, duration};
use super::up::{Commands, Teller, run_commands, tell_notes};
use super::{sight, site, target};
use crate::cli::{Format, NodesArgs, RestartArgs, StartArgs, StopArgs};
use crate::lab::{Access, Applied, ApplyOptions, CommandFailure, GRACE, Site};
use crate::model::{LabName, NodeName};
use crate::output::{Failure, Status, amount};

/// What is to be done to the nodes.
#[derive(Clone, Copy)]
struct Doing {
    /// End them within that time.
    stop: Option<Duration>,
    /// Make them run.
    start: bool,
    word: &'static str,
}

pub(super) fn start(context: &mut Context<'_>, args: &StartArgs) -> Result<Status, Failure> {
    run(context, &args.nodes, args.no_exec, Doing { stop: None, start: true, word: "started" })
}

pub(super) fn stop(context: &mut Context<'_>, args: &StopArgs) -> Result<Status, Failure> {
    let stop = Some(grace(args.grace.as_deref())?);
    run(context, &args.nodes, false, Doing { stop, start: false, word: "stopped" })
}

pub(super) fn restart(context: &mut Context<'_>, args: &RestartArgs) -> Result<Status, Failure> {
    let stop = Some(grace(args.grace.as_deref())?);
    run(context, &args.start.nodes, args.start.no_exec, Doing { stop, start: true, word: "restarted" })
}

fn grace(given: Option<&str>) -> Result<Duration, Failure> {
    given.map_or(Ok(GRACE), |text| duration("--grace", text))
}

fn run(context: &mut Context<'_>, args: &NodesArgs, no_exec: bool, doing: Doing) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let (options, _interrupts) = context.apply_options()?;
    let (lab, nodes) = nodes_of(context, &args.nodes)?;
    let mut site = site::open(context, Some(&lab), Access::Change)?;
    let outcome = change(&mut site, (&lab, &nodes), doing, (no_exec, &options), context);
    let (applied, failures) = site::close(site, outcome)?;
    tell_notes(context.printer, &applied);
    let seconds = context.seconds();
    if format == Format::Table {
        let unchanged = if applied.steps == 0 { ", nothing to change" } else { "" };
        let what = match nodes.as_slice() {
            [one] => format!("{one} {}", doing.word),
            several => format!("{} {}", amount(several.len(), "node"), doing.word),
        };
        context.printer.result(format!("{what} in {seconds:.2} s{unchanged}\n"));
    } else {
        let value = json!({
            "lab": lab, "nodes": nodes, "done": doing.word, "seconds": seconds, "steps": applied.steps,
            "notes": applied.notes, "failed_commands": failures,
        });
        context.print_value(format, &value)?;
    }
    Ok(if failures.is_empty() { Status::Done } else { Status::CheckFailed })
}

fn change(
    site: &mut Site,
    (lab, nodes): (&LabName, &[NodeName]),
    doing: Doing,
    (no_exec, options): (bool, &ApplyOptions),
    context: &mut Context<'_>,
) -> Result<(Applied, Vec<CommandFailure>), Failure> {
    let mut done = Applied { steps: 0, nodes: 0, links: 0, notes: Vec::new() };
    let mut failures = Vec::new();
    if let Some(grace) = doing.stop {
        let mut teller = Teller::new(context.printer);
        let stopped = site.stop(lab, nodes, grace, options, &mut |progress| teller.tell(progress));
        let stopped = stopped.map_err(site::failure)?;
        teller.finish();
        add(&mut done, stopped);
    }
    if doing.start {
        let before = site.before(lab).map_err(site::failure)?;
        let mut teller = Teller::new(context.printer);
        let started = site.start(lab, nodes, options, &mut |progress| teller.tell(progress));
        let (started, plan) = started.map_err(|error| match doing.stop {
            Some(_) if error.hint.is_none() => {
                site::failure(error.hint("what was stopped is so still: `start` starts it"))
            }
            _ => site::failure(error),
        })?;
        teller.finish();
        add(&mut done, started);
        let model = site.model(lab).map_err(site::failure)?;
        let commands = Commands { no_exec, options, before: &before };
        failures = run_commands(site, &plan, &model, &commands, context.printer)?;
    }
    Ok((done, failures))
}

fn add(sum: &mut Applied, more: Applied) {
    sum.steps += more.steps;
    sum.notes.extend(more.notes);
}

/// The nodes and the one lab that they are of: where one names it, the others need not.
fn nodes_of(context: &mut Context<'_>, texts: &[String]) -> Result<(LabName, Vec<NodeName>), Failure> {
    let mut named: Option<LabName> = None;
    let mut nodes = Vec::new();
    for text in texts {
        let found = target::node_ref(text)?;
        match (&named, found.lab) {
            (Some(one), Some(other)) if *one != other => {
                return Err(Failure::usage(format!("nodes of two labs, `{one}` and `{other}`"))
                    .hint("one lab is changed at a time"));
            }
            (_, Some(lab)) => named = Some(lab),
            (_, None) => {}
        }
        if !nodes.contains(&found.node) {
            nodes.push(found.node);
        }
    }
    Ok((sight::lab_of(context, named)?, nodes))
}
