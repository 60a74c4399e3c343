//! `doctor`: which engines work here, what the host lacks for the others, and where labs are remembered.

use serde::Serialize;

use super::context::Context;
use super::site;
use crate::cli::Format;
use crate::lab::{self, Access, EngineKind, Fact, Standing};
use crate::output::table::{self, Align};
use crate::output::{Failure, Status, amount};

/// What there is to know of an engine.
#[derive(Debug, Serialize)]
struct Finding {
    engine: &'static str,
    works: bool,
    chosen: bool,
    state_dir: String,
    remark: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// What its kernel has for labs.
    host: Vec<Fact>,
}

pub(super) fn run(context: &mut Context<'_>) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let (best, why) = lab::choose_engine();
    let asked = site::asked(context);
    let chosen = asked.unwrap_or(best);
    let findings: Vec<Finding> = [EngineKind::FreeBsd, EngineKind::Linux, EngineKind::Sim]
        .into_iter()
        .map(|engine| finding(context, engine, chosen))
        .collect();
    let works = |finding: &Finding| finding.works && (asked.is_none() || finding.chosen);
    let status = if findings.iter().any(works) { Status::Done } else { Status::NoEngine };
    if format == Format::Table {
        print_table(context, findings);
        context.printer.result(match asked {
            None => format!("auto: {why}\n"),
            Some(engine) => format!("asked for: engine {}\n", engine.name()),
        });
    } else {
        context.print_value(format, &findings)?;
    }
    Ok(status)
}

fn finding(context: &mut Context<'_>, engine: EngineKind, chosen: EngineKind) -> Finding {
    let opened = site::open_as(context, engine, Access::Look);
    let looked = opened.and_then(|mut site| {
        let labs = site.labs().map_err(site::failure)?;
        Ok((labs.len(), site.survey()))
    });
    let (works, remark, hint, host) = match looked {
        Ok((labs, host)) => (true, format!("{} here", amount(labs, "lab")), None, host),
        Err(failure) => (false, failure.message, failure.hint, lab::survey(engine)),
    };
    let state_dir = context.state_dir(engine).map_or_else(|_| "-".to_owned(), |dir| dir.display().to_string());
    Finding { engine: engine.name(), works, chosen: engine == chosen, state_dir, remark, hint, host }
}

fn print_table(context: &mut Context<'_>, findings: Vec<Finding>) {
    let left = |names: &[&'static str]| names.iter().map(|name| (*name, Align::Left)).collect::<Vec<_>>();
    let word = |works: bool| if works { "yes" } else { "no" }.to_owned();
    let row = |finding: &Finding| {
        vec![finding.engine.to_owned(), word(finding.works), finding.state_dir.clone(), finding.remark.clone()]
    };
    let rows: Vec<_> = findings.iter().map(row).collect();
    context.printer.result(table::render(&left(&["ENGINE", "WORKS", "STATE", "REMARK"]), &rows));
    // The simulated kernel has what it has: it is told about only when it is meant.
    let told = |finding: &Finding| !finding.host.is_empty() && (finding.engine != "sim" || finding.chosen);
    for finding in findings.into_iter().filter(told) {
        let row = |fact: &Fact| vec![fact.what.to_owned(), standing(fact.standing).to_owned(), fact.found.clone()];
        let rows: Vec<_> = finding.host.iter().map(row).collect();
        let name = finding.engine;
        let headings = left(&["NEEDED", "STANDS", "FOUND"]);
        context.printer.result(format!("\nkernel of engine {name}:\n{}", table::render(&headings, &rows)));
        for fact in finding.host {
            if let Some(hint) = fact.hint {
                context.printer.result(format!("{}: {hint}\n", fact.what));
            }
        }
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Fine => "fine",
        Standing::Limited => "limited",
        Standing::Missing => "MISSING",
    }
}
