//! `doctor`: which engines work here, what the others lack, and where labs are remembered.

use serde::Serialize;

use super::context::Context;
use super::site;
use crate::cli::Format;
use crate::lab::{self, Access, EngineKind};
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
}

pub(super) fn run(context: &mut Context<'_>) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let (chosen, why) = lab::choose_engine();
    let mut findings = Vec::new();
    for engine in [EngineKind::FreeBsd, EngineKind::Linux, EngineKind::Sim] {
        let opened = site::open_as(context, engine, Access::Look).and_then(|site| site.labs().map_err(site::failure));
        let (works, remark) = match opened {
            Ok(labs) => (true, format!("{} here", amount(labs.len(), "lab"))),
            Err(failure) => (false, failure.message),
        };
        let state_dir = context.state_dir(engine).map_or_else(|_| "-".to_owned(), |dir| dir.display().to_string());
        findings.push(Finding { engine: engine.name(), works, chosen: engine == chosen, state_dir, remark });
    }
    let usable = findings.iter().any(|finding| finding.works);
    if format == Format::Table {
        let headings =
            [("ENGINE", Align::Left), ("WORKS", Align::Left), ("STATE", Align::Left), ("REMARK", Align::Left)];
        let word = |works: bool| if works { "yes" } else { "no" }.to_owned();
        let rows: Vec<_> = findings
            .into_iter()
            .map(|finding| vec![finding.engine.to_owned(), word(finding.works), finding.state_dir, finding.remark])
            .collect();
        context.printer.result(table::render(&headings, &rows));
        context.printer.result(format!("auto: {why}\n"));
    } else {
        context.print_value(format, &findings)?;
    }
    Ok(if usable { Status::Done } else { Status::NoEngine })
}
