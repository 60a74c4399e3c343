//! `inspect`: a lab as the kernel holds it, its names, or the list of labs.

use super::context::Context;
use super::{plan, site, topology};
use crate::cli::{Format, InspectArgs};
use crate::lab::Access;
use crate::output::table::{self, Align};
use crate::output::{Failure, Status, amount};
use crate::plan::{Observed, render};

pub(super) fn run(context: &mut Context<'_>, args: &InspectArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    if args.all {
        return labs(context, format);
    }
    let (lab, _) = topology::lab_of_target(context, &args.target)?;
    let mut site = site::open(context, Some(&lab), Access::Look)?;
    if args.drift {
        let drift = site.drift(&lab, args.strict).map_err(site::failure)?;
        match format {
            Format::Table if drift.is_empty() => {
                let notes: String = drift.notes.iter().map(|note| format!("{note}\n")).collect();
                context.printer.result(notes + "nothing has drifted\n");
            }
            Format::Table => context.printer.result(plan::coloured(&render::text(&drift))),
            _ => context.print_value(format, &render::json(&drift))?,
        }
        return Ok(plan::status(&drift, args.detailed_exitcode));
    }
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
    if format == Format::Table {
        print_table(context, &observed);
    } else {
        context.print_value(format, &observed)?;
    }
    Ok(Status::Done)
}

/// What people look for first: interfaces with their addresses, then netgraph nodes. The rest is in the other formats.
fn print_table(context: &mut Context<'_>, observed: &Observed) {
    let headings = ["NODE", "INTERFACE", "STATE", "MTU", "MAC", "ADDRESSES"].map(|name| (name, align(name)));
    let interfaces =
        observed.interfaces.iter().flat_map(|(place, all)| all.iter().map(move |(name, one)| (place, name, one)));
    let rows: Vec<_> = interfaces
        .map(|(place, name, interface)| {
            let state = match (interface.up, interface.carrier) {
                (false, _) => "down",
                (true, false) => "no carrier",
                (true, true) => "up",
            };
            let mac = interface.mac.map_or_else(|| "-".to_owned(), |mac| mac.to_string());
            let addresses: Vec<_> = interface.addresses.iter().map(ToString::to_string).collect();
            let (mtu, addresses) = (interface.mtu.to_string(), addresses.join(" "));
            vec![place.to_string(), name.to_string(), state.to_owned(), mtu, mac, addresses]
        })
        .collect();
    context.printer.result(table::render(&headings, &rows));
    if observed.namespaces.is_empty() {
        let headings = [("NETGRAPH NODE", Align::Left), ("TYPE", Align::Left), ("HOOKS", Align::Right)];
        let rows: Vec<_> = observed
            .netgraph
            .iter()
            .map(|(name, node)| vec![name.to_string(), node.kind.clone(), node.hooks.len().to_string()])
            .collect();
        context.printer.result(format!("\n{}", table::render(&headings, &rows)));
    }
    let stacks = match observed.namespaces.len() {
        0 => amount(observed.jails.len(), "jail"),
        namespaces => amount(namespaces, "namespace"),
    };
    let routes: usize = observed.routes.values().map(std::collections::BTreeMap::len).sum();
    let routes = amount(routes, "route");
    context.printer.result(format!("\n{stacks}, {routes} through a gateway; --format json shows everything\n"));
}

fn align(heading: &str) -> Align {
    if heading == "MTU" { Align::Right } else { Align::Left }
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
