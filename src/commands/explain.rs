//! `explain`: where the names, addresses, MACs and routes of a node come from.

use serde::Serialize;

use super::context::Context;
use super::topology::{self, Topology};
use crate::cli::{ExplainArgs, Format};
use crate::diagnostic::Origin;
use crate::graph::{self, Graph, Numbering, Object, Place};
use crate::model::{
    Address, AddressReason, IfName, Interface, MtuReason, Node, NodeKind, Route, RouteReason, SwitchDriver,
};
use crate::output::table::{self, Align};
use crate::output::{Failure, Status, amount};

/// One thing that was decided.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Fact {
    /// What it belongs to: the node, an interface, `route`.
    of: String,
    /// Which property.
    what: &'static str,
    value: String,
    /// Why it is so.
    why: String,
    /// `file:line:column`, or `-` where no text says it.
    at: String,
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
    let facts = match interface {
        None => teller.all(),
        Some(wanted) => {
            let found = node.interfaces.iter().find(|(name, _)| name.as_str() == wanted);
            let (name, interface) = found.ok_or_else(|| {
                let names: Vec<_> = node.interfaces.keys().map(|name| name.as_str()).collect();
                let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                missing(format!("no interface `{wanted}` at node `{name}`")).hint(format!("it has {has}"))
            })?;
            teller.interface(name, interface)
        }
    };
    if format != Format::Table {
        context.print_value(format, &facts)?;
        return Ok(Status::Done);
    }
    let headings =
        [("OF", Align::Left), ("WHAT", Align::Left), ("VALUE", Align::Left), ("WHY", Align::Left), ("AT", Align::Left)];
    let rows: Vec<_> =
        facts.into_iter().map(|fact| vec![fact.of, fact.what.to_owned(), fact.value, fact.why, fact.at]).collect();
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
    fn fact(&self, of: &str, what: &'static str, value: impl ToString, why: impl Into<String>, at: Origin) -> Fact {
        let at = self.topology.findings.sources.describe(at);
        Fact { of: of.to_owned(), what, value: value.to_string(), why: why.into(), at }
    }

    fn all(&self) -> Vec<Fact> {
        let (node, name) = (self.node, self.node.name.value.as_str());
        let mut facts = vec![self.fact(name, "kind", kind(node.kind), "the file says so", node.name.origin)];
        if matches!(graph::place_of(node), Place::Node(_)) {
            let jail = format!("{}.{name}", self.topology.model.lab);
            facts.push(self.fact(name, "jail", jail, "lab and node", Origin::NOWHERE));
        }
        for (interface_name, interface) in &node.interfaces {
            facts.extend(self.interface(interface_name, interface));
        }
        facts.extend(node.loopback.iter().map(|address| self.address("lo", address)));
        facts.extend(node.routes.iter().map(|route| self.route(route)));
        let sysctls = node.sysctls.iter();
        facts.extend(sysctls.map(|(name, value)| {
            let why = if value.origin.is_somewhere() { "given" } else { "follows from the kind" };
            self.fact(name, "sysctl", &value.value, why, value.origin)
        }));
        facts
    }

    fn interface(&self, name: &IfName, interface: &Interface) -> Vec<Fact> {
        let model = &self.topology.model;
        let link = &model.links[interface.link.0];
        let of = format!("{}:{name}", self.node.name.value);
        let mac_why = if interface.mac_given { "given" } else { "from the names of lab, node and interface" };
        let mtu_why = match interface.mtu_why {
            MtuReason::Interface => "of the interface",
            MtuReason::Link => "of the link",
            MtuReason::Node => "of the node",
            MtuReason::Switch => "of the switch or hub at the other end",
            MtuReason::Ethernet => "Ethernet's",
        };
        let mut facts = vec![
            self.fact(&of, "link", &link.identity, "the file says so", link.origin),
            self.fact(&of, "mac", interface.mac, mac_why, interface.mac_origin),
            self.fact(&of, "mtu", interface.mtu, mtu_why, interface.mtu_origin),
        ];
        facts.extend(self.kernel_names(&of, name));
        facts.extend(interface.addresses.iter().map(|address| self.address(&of, address)));
        facts
    }

    /// What the kernel calls an interface on its way to the node, and the netgraph node behind it.
    fn kernel_names(&self, of: &str, interface: &IfName) -> Vec<Fact> {
        let lab = &self.topology.model.lab;
        let nic = graph::names::in_lab(lab, self.node.name.value.as_str(), interface.as_str());
        let why = "from the names of lab, node and interface";
        let mut facts = vec![self.fact(of, "in lab jail", &nic, why, Origin::NOWHERE)];
        if let Some(Object::Eiface(eiface)) = self.graph.maker(&nic) {
            facts.push(self.fact(
                of,
                "netgraph",
                &eiface.node,
                "node and interface, shortened if need be",
                Origin::NOWHERE,
            ));
        }
        facts
    }

    fn address(&self, of: &str, address: &Address) -> Fact {
        let why = match &address.why {
            AddressReason::Given => "given".to_owned(),
            AddressReason::Pool { pool, subnet, host, by_index } => {
                let index = if *by_index { " by its index" } else { "" };
                format!("pool `{pool}`, subnet {subnet}, address {host}{index}")
            }
        };
        self.fact(of, "address", address.net, why, address.origin)
    }

    fn route(&self, route: &Route) -> Fact {
        let to = if route.to.prefix() == 0 { "default".to_owned() } else { route.to.to_string() };
        let why = match route.why {
            RouteReason::Given => "given".to_owned(),
            RouteReason::Default => "the only or nearest router of the segment".to_owned(),
            RouteReason::ShortestPath { hops, covers } => {
                format!("shortest path, {}, for {}", amount(count(hops), "hop"), amount(count(covers), "prefix"))
            }
        };
        let of = self.node.name.value.as_str();
        self.fact(of, "route", format!("{to} via {}", route.via), why, route.origin)
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn kind(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Host => "host",
        NodeKind::Router => "router",
        NodeKind::Switch(SwitchDriver::Netgraph) => "switch (ng_bridge)",
        NodeKind::Switch(SwitchDriver::IfBridge { stp: false }) => "switch (if_bridge)",
        NodeKind::Switch(SwitchDriver::IfBridge { stp: true }) => "switch (if_bridge with RSTP)",
        NodeKind::Hub => "hub (ng_hub)",
        NodeKind::SelfHost => "self (the host)",
    }
}
