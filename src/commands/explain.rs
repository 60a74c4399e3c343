//! `explain`: where the names, addresses, MACs and routes of a node come from.

use serde::Serialize;

use super::context::Context;
use super::topology::{self, Topology};
use crate::cli::{ExplainArgs, Format};
use crate::graph::{self, Graph, Numbering, Object, Place};
use crate::model::explain::{Fact, What, explain};
use crate::model::{IfName, Node};
use crate::output::table::{self, Align};
use crate::output::{Failure, Status};

/// One thing that was decided.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    /// What it belongs to: the node or an interface.
    of: String,
    /// Which property.
    what: String,
    value: String,
    /// Why it is so.
    why: String,
    /// `file:line:column` of what stands behind it, the most telling first; empty where no text does.
    at: Vec<String>,
}

pub(super) fn run(context: &mut Context<'_>, args: &ExplainArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let (name, interface) = args.what.split_once(':').map_or((args.what.as_str(), None), |(n, i)| (n, Some(i)));
    let topology = topology::load_target(context, &args.target)?;
    let missing = |what: String| Failure::new(Status::NotFound, what);
    let id = topology.model.find(name).ok_or_else(|| {
        missing(format!("no node `{name}` in lab `{}`", topology.model.lab)).hint("`graph` shows the nodes")
    })?;
    let node = topology.model.node(id);
    let graph = graph::build(&topology.model, &mut Numbering::default())
        .map_err(|error| Failure::new(Status::Bug, format!("no graph of kernel objects: {error}")))?;
    let teller = Teller { topology: &topology, graph: &graph, node };
    let facts = explain(&topology.model, name, interface).ok_or_else(|| {
        let names: Vec<_> = node.interfaces.keys().map(|name| name.as_str()).collect();
        let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let wanted = interface.unwrap_or_default();
        missing(format!("no interface `{wanted}` at node `{name}`")).hint(format!("it has {has}"))
    })?;
    let mut rows: Vec<Row> = facts.iter().flat_map(|fact| teller.rows(fact)).collect();
    if interface.is_none() {
        rows.extend(teller.sysctls());
    }
    if format != Format::Table {
        context.print_value(format, &rows)?;
        return Ok(Status::Done);
    }
    let headings =
        [("OF", Align::Left), ("WHAT", Align::Left), ("VALUE", Align::Left), ("WHY", Align::Left), ("AT", Align::Left)];
    let place = |at: Vec<String>| if at.is_empty() { "-".to_owned() } else { at.join(", ") };
    let rows: Vec<_> = rows.into_iter().map(|row| vec![row.of, row.what, row.value, row.why, place(row.at)]).collect();
    context.printer.result(table::render(&headings, &rows));
    Ok(Status::Done)
}

/// Tells about one node.
struct Teller<'a> {
    topology: &'a Topology,
    graph: &'a Graph,
    node: &'a Node,
}

impl Teller<'_> {
    /// A fact of the model, followed by the names that the kernel has for its subject.
    fn rows(&self, fact: &Fact) -> Vec<Row> {
        let name = self.node.name.value.as_str();
        let of = fact.interface.as_ref().map_or_else(|| name.to_owned(), |interface| format!("{name}:{interface}"));
        let sources = &self.topology.findings.sources;
        let at = fact.origins.iter().map(|origin| sources.describe(*origin)).collect();
        let mut rows = vec![Row { at, ..row(&of, &fact.what.to_string(), &fact.value, &fact.because) }];
        match (&fact.interface, fact.what) {
            (None, What::Node) if matches!(graph::place_of(self.node), Place::Node(_)) => {
                rows.push(row(&of, "jail", &format!("{}.{name}", self.topology.model.lab), "lab and node"));
            }
            (Some(interface), What::Interface) => rows.extend(self.kernel_names(&of, interface)),
            _ => {}
        }
        rows
    }

    fn sysctls(&self) -> impl Iterator<Item = Row> {
        let sources = &self.topology.findings.sources;
        self.node.sysctls.iter().map(|(name, value)| {
            let of = self.node.name.value.as_str();
            let at = vec![sources.describe(value.origin)];
            Row { at, ..row(of, "sysctl", &format!("{name}={}", value.value), "given by the file") }
        })
    }

    /// What the kernel calls an interface on its way to the node, and the netgraph node behind it.
    fn kernel_names(&self, of: &str, interface: &IfName) -> Vec<Row> {
        let lab = &self.topology.model.lab;
        let nic = graph::names::in_lab(lab, self.node.name.value.as_str(), interface.as_str());
        let mut rows = vec![row(of, "in lab jail", &nic, "from the names of lab, node and interface")];
        if let Some(Object::Eiface(eiface)) = self.graph.maker(&nic) {
            rows.push(row(of, "netgraph", &eiface.node, "node and interface, shortened if need be"));
        }
        rows
    }
}

/// A row that no text stands behind.
fn row(of: &str, what: &str, value: &str, why: &str) -> Row {
    Row { of: of.to_owned(), what: what.to_owned(), value: value.to_owned(), why: why.to_owned(), at: Vec::new() }
}
