//! From the filled file to [`Draft`]: settings resolved, names checked, brief and long forms made one.

mod check;
mod link;
mod node;
mod pool;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::each::{Expander, Note, Unit};
use super::file;
use super::leaf::Leaf;
use super::net::Host;
use super::session::Session;
use super::tree::{Entry, Shape, Tree};
use super::{LoadOptions, codes, decode};
use crate::diagnostic::{At, Diagnostic, Origin, suggest};
use crate::model::draft::Draft;
use crate::model::{LabName, NameError, Routing};

/// The parts of a file, filled and repeated, before they are decoded.
#[derive(Debug)]
pub struct Parts {
    /// The keys of the file that are no containers.
    head: Tree,
    addressing: Vec<Unit>,
    defaults: Option<Tree>,
    kinds: Vec<Unit>,
    groups: Vec<Unit>,
    nodes: Vec<Unit>,
    links: Vec<Unit>,
    checks: Vec<Unit>,
}

impl Parts {
    /// Takes a file apart and fills each part.
    pub fn new(mut root: Tree, expander: &mut Expander<'_, '_, '_>) -> Self {
        let topology = root.take("topology");
        let mut inner = match topology {
            Some(entry) => map(entry, expander).unwrap_or_else(|| Tree::map(Vec::new(), Origin::NOWHERE)),
            None => {
                let help = "add `topology:` with `nodes:` and `links:`";
                let finding = Diagnostic::error(codes::MISSING_KEY, "`topology` is missing").at(root.origin, "");
                expander.refuse::<()>(finding.help(help));
                Tree::map(Vec::new(), Origin::NOWHERE)
            }
        };
        let addressing = root.take("addressing").and_then(|entry| map(entry, expander));
        let checks = root.take("checks").and_then(|entry| list(entry, expander));
        let nodes = inner.take("nodes").and_then(|entry| map(entry, expander));
        let links = inner.take("links").and_then(|entry| list(entry, expander));
        let kinds = inner.take("kinds").and_then(|entry| map(entry, expander));
        let groups = inner.take("groups").and_then(|entry| map(entry, expander));
        let defaults = inner.take("defaults").and_then(|entry| map(entry, expander));
        // What is left of `topology` has no place there; its decoding says so.
        if let Shape::Map(entries) = &mut root.shape {
            entries.push(Entry { key: At::new("topology".into(), inner.origin), value: inner });
        }
        expander.fill(&mut root);
        Self {
            addressing: expander.units(addressing),
            defaults: defaults.and_then(|mut tree| expander.fill(&mut tree).then_some(tree)),
            kinds: expander.shared(kinds),
            groups: expander.shared(groups),
            nodes: expander.units(nodes),
            links: expander.units(links),
            checks: expander.units(checks),
            head: root,
        }
    }
}

fn map(entry: Entry, expander: &mut Expander<'_, '_, '_>) -> Option<Tree> {
    let is_map = matches!(entry.value.shape, Shape::Map(_));
    container(entry, is_map, "a map", expander)
}

fn list(entry: Entry, expander: &mut Expander<'_, '_, '_>) -> Option<Tree> {
    let is_list = matches!(entry.value.shape, Shape::List(_));
    container(entry, is_list, "a list", expander)
}

/// A container that holds nothing may be written as nothing.
fn container(entry: Entry, fits: bool, wanted: &str, expander: &mut Expander<'_, '_, '_>) -> Option<Tree> {
    if fits {
        return Some(entry.value);
    }
    if !entry.value.is_null() {
        let message = format!("`{}` is {wanted}, found {}", entry.key.value, entry.value.describe());
        expander.refuse::<()>(Diagnostic::error(codes::WRONG_TYPE, message).at(entry.value.origin, ""));
    }
    None
}

/// Makes a draft of the parts. `None` if a part that every draft needs is missing; findings say which.
pub fn lower(parts: Parts, options: &LoadOptions, session: &mut Session<'_>) -> Option<Draft> {
    let mut lowering = Lowering { session, pools: BTreeSet::new(), names: BTreeMap::new(), rules: BTreeMap::new() };
    let head: Option<file::File> = lowering.decode(&parts.head, None);
    let name = lowering.lab_name(&parts.head, head.as_ref(), options);
    let pools = lowering.pools(parts.addressing);
    let settings = lowering.settings(parts.defaults, parts.kinds, parts.groups);
    let nodes = parts.nodes.into_iter().filter_map(|unit| lowering.node(unit, &settings)).collect();
    let links = parts.links.into_iter().filter_map(|unit| lowering.link(&unit)).collect();
    let checks = parts.checks.into_iter().filter_map(|unit| lowering.check(unit)).collect();
    let head = head?;
    let routing =
        head.routing.map_or(At::nowhere(Routing::None), |routing| At::new(routing.0, parts.head.origin_of("routing")));
    let allow_loops = head.allow_loops.is_some_and(|allow| allow.0);
    Some(Draft { name: name?, pools, routing, allow_loops, nodes, links, checks })
}

/// What the parts are checked against each other with.
struct Lowering<'s, 'f> {
    session: &'s mut Session<'f>,
    /// The names of pools, with those that have errors.
    pools: BTreeSet<String>,
    /// Where the name of each node stands.
    names: BTreeMap<String, Origin>,
    /// Files of rules that were read; nothing for those that cannot be.
    rules: BTreeMap<PathBuf, Option<String>>,
}

impl Lowering<'_, '_> {
    fn decode<T: serde::de::DeserializeOwned>(&mut self, tree: &Tree, row: Option<&Note>) -> Option<T> {
        decode::decode(tree, row, &mut self.session.findings)
    }

    fn report(&mut self, diagnostic: Diagnostic, row: Option<&Note>) {
        self.session.findings.push(decode::with_row(diagnostic, row));
    }

    fn lab_name(&mut self, tree: &Tree, head: Option<&file::File>, options: &LoadOptions) -> Option<At<LabName>> {
        if head.is_some_and(|head| head.version.is_none()) {
            let finding = Diagnostic::error(codes::VERSION, "`version` is missing").at(tree.origin, "");
            self.report(finding.help("begin the file with `version: 1`"), None);
        }
        let name = match (&options.name, head.and_then(|head| head.name.as_ref())) {
            (Some(name), _) => {
                let source = self.session.sources.add("--name", name.as_str());
                At::new(name.as_str(), Origin { source, start: 0, end: u32::try_from(name.len()).unwrap_or(u32::MAX) })
            }
            (None, Some(name)) => At::new(name.as_str(), tree.origin_of("name")),
            (None, None) => {
                // A name that could not be decoded has its error already.
                if tree.entry("name").is_none() {
                    let finding = Diagnostic::error(codes::MISSING_KEY, "`name` is missing").at(tree.origin, "");
                    self.report(finding.help("name the lab, such as `name: office`, or use `--name`"), None);
                }
                return None;
            }
        };
        match LabName::new(name.value) {
            Ok(lab) => Some(At::new(lab, name.origin)),
            Err(error) => {
                self.report(bad_name("lab", &error, name.origin), None);
                None
            }
        }
    }

    /// A pool that a node or link names.
    fn pool(&mut self, pool: At<String>, row: Option<&Note>) -> At<String> {
        if !self.pools.contains(&pool.value) {
            let message = format!("there is no pool `{}`", pool.value);
            let names = self.pools.iter().map(String::as_str);
            let help = suggest::help(&pool.value, names);
            let help = help.unwrap_or_else(|| "declare it under `addressing:`".into());
            self.report(Diagnostic::error(codes::UNKNOWN_NAME, message).at(pool.origin, "").help(help), row);
        }
        pool
    }

    /// Addresses of both families, each with its place; those without prefix length are refused.
    fn addresses(
        &mut self,
        tree: &Tree,
        ipv4: &[Leaf<Host<Ipv4Network>>],
        ipv6: &[Leaf<Host<Ipv6Network>>],
        row: Option<&Note>,
    ) -> Vec<At<IpNetwork>> {
        let mut all = located(tree.get("ipv4"), ipv4, |host| (host.net.into(), host.has_prefix));
        all.extend(located(tree.get("ipv6"), ipv6, |host| (host.net.into(), host.has_prefix)));
        all.into_iter().filter_map(|(address, has_prefix)| self.with_prefix(address, has_prefix, row)).collect()
    }

    fn with_prefix(&mut self, address: At<IpNetwork>, has_prefix: bool, row: Option<&Note>) -> Option<At<IpNetwork>> {
        if has_prefix {
            return Some(address);
        }
        let ip = address.ip();
        let example = if ip.is_ipv4() { 24 } else { 64 };
        let message = format!("`{ip}` has no prefix length");
        let help = format!("write it with one, such as `{ip}/{example}`");
        self.report(Diagnostic::error(codes::BAD_VALUE, message).at(address.origin, "").help(help), row);
        None
    }
}

/// An address and whether it was written with a prefix length.
type Written = (At<IpNetwork>, bool);

/// Pairs values with the places of their texts: a list has one for each, a scalar is its own.
fn located<N: Copy>(
    tree: Option<&Tree>,
    values: &[Leaf<Host<N>>],
    read: impl Fn(Host<N>) -> (IpNetwork, bool),
) -> Vec<Written> {
    let Some(tree) = tree else { return Vec::new() };
    let place = |at: usize| tree.items().get(at).map_or(tree.origin, |item| item.origin);
    let pair = |(at, value): (usize, &Leaf<Host<N>>)| {
        let (net, has_prefix) = read(value.0);
        (At::new(net, place(at)), has_prefix)
    };
    values.iter().enumerate().map(pair).collect()
}

/// The diagnostic for a name that breaks its rules.
fn bad_name(what: &str, error: &NameError, origin: Origin) -> Diagnostic {
    let reason = &error.reason;
    match reason.split_once("; ") {
        Some((reason, help)) => {
            Diagnostic::error(codes::BAD_NAME, format!("the {what} name `{}` {reason}", error.name))
                .at(origin, "")
                .help(help)
        }
        None => Diagnostic::error(codes::BAD_NAME, format!("the {what} name `{}` {reason}", error.name)).at(origin, ""),
    }
}
