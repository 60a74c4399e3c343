//! `inspect`: a lab as the kernel holds it, its names, or the list of labs.

use super::context::Context;
use super::{site, topology};
use crate::cli::{Format, InspectArgs};
use crate::lab::Access;
use crate::output::table::{self, Align};
use crate::output::{Failure, Status};

pub(super) fn run(context: &mut Context<'_>, args: &InspectArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    if args.all {
        return labs(context, format);
    }
    let (lab, _) = topology::lab_of_target(context, &args.target)?;
    let mut site = site::open(context, Some(&lab), Access::Look)?;
    if args.names {
        let rows = site.names(&lab).map_err(site::failure)?;
        if format != Format::Table {
            context.print_value(format, &rows)?;
            return Ok(Status::Done);
        }
        let headings =
            [("KIND", Align::Left), ("AUTHOR", Align::Left), ("KERNEL", Align::Left), ("PLACE", Align::Left)];
        let cells: Vec<_> =
            rows.into_iter().map(|row| vec![row.kind.to_owned(), row.author, row.kernel, row.place]).collect();
        context.printer.result(table::render(&headings, &cells));
        return Ok(Status::Done);
    }
    let observed = site.observe(&lab).map_err(site::failure)?;
    context.print_value(format, &observed)?;
    Ok(Status::Done)
}

fn labs(context: &mut Context<'_>, format: Format) -> Result<Status, Failure> {
    let site = site::open(context, None, Access::Look)?;
    let labs = site.labs().map_err(site::failure)?;
    if format != Format::Table {
        context.print_value(format, &labs)?;
        return Ok(Status::Done);
    }
    let headings = [
        ("LAB", Align::Left),
        ("ENGINE", Align::Left),
        ("STATE", Align::Left),
        ("NODES", Align::Right),
        ("LINKS", Align::Right),
    ];
    let word = |lab: &crate::lab::LabSummary| format!("{:?}", lab.state).to_lowercase();
    let cells: Vec<_> = labs
        .iter()
        .map(|lab| {
            let numbers = [lab.nodes.to_string(), lab.links.to_string()];
            [lab.name.to_string(), lab.engine.name().to_owned(), word(lab)].into_iter().chain(numbers).collect()
        })
        .collect();
    context.printer.result(table::render(&headings, &cells));
    Ok(Status::Done)
}
