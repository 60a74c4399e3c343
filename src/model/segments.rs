//! Broadcast domains: a link between two stacks, or everything that meets through layer-2 nodes.

use super::findings::{Findings, later_first};
use super::wiring::{WiredLink, Wiring};
use super::{LinkId, NodeId, NodeKind, SwitchDriver, codes, natural_order};
use crate::diagnostic::{At, Diagnostic, Origin};

/// How many loops are told: each one is looked for through the whole segment.
const MOST_LOOPS: usize = 20;

/// One broadcast domain before it has subnets.
#[derive(Debug, Default)]
pub(super) struct Domain {
    /// In the order of the model.
    pub(super) links: Vec<LinkId>,
    /// Places in [`Wiring::ports`], ascending: by node and name.
    pub(super) ports: Vec<usize>,
    /// The switches and hubs, ascending.
    pub(super) layer2: Vec<NodeId>,
    /// What names a pool, if anything does.
    pub(super) pool: Option<Holder>,
    /// `index:` of a link, switch or hub.
    pub(super) index: Option<At<u32>>,
}

/// The link, switch or hub that names the pool of a segment: the first one in natural order if several do.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    /// The pool's name.
    pub(super) pool: At<String>,
    /// Name of the node or identity of the link: orders the segments of a pool, so that a host that joins a switch moves no subnet.
    pub(super) key: String,
    /// It came from an `each`.
    pub(super) repeated: bool,
    /// Where the holder stands.
    pub(super) origin: Origin,
}

/// Segments in the order of their first link.
pub(super) fn gather(wiring: &Wiring) -> Vec<Domain> {
    let mut union = Union::new(wiring.links.len());
    let mut link_of: Vec<Option<usize>> = vec![None; wiring.nodes.len()];
    for (place, link) in wiring.links.iter().enumerate() {
        for node in link.nodes.into_iter().filter(|node| wiring.kind(*node).is_layer2()) {
            match link_of[node.0] {
                Some(earlier) => union.join(earlier, place),
                None => link_of[node.0] = Some(place),
            }
        }
    }
    let mut domain_of_root: Vec<Option<usize>> = vec![None; wiring.links.len()];
    let mut domains: Vec<Domain> = Vec::new();
    let mut domain_of_link = Vec::with_capacity(wiring.links.len());
    for place in 0..wiring.links.len() {
        let domain = *domain_of_root[union.root(place)].get_or_insert_with(|| {
            domains.push(Domain::default());
            domains.len() - 1
        });
        domains[domain].links.push(LinkId(place));
        domain_of_link.push(domain);
    }
    for (place, port) in wiring.ports.iter().enumerate() {
        domains[domain_of_link[port.link.0]].ports.push(place);
    }
    for (node, link) in link_of.iter().enumerate() {
        if let Some(link) = link {
            domains[domain_of_link[*link]].layer2.push(NodeId(node));
        }
    }
    domains
}

/// Finds the pool of every segment and, where there is one, its index.
pub(super) fn name_pools(domains: &mut [Domain], wiring: &Wiring, findings: &mut Findings) {
    for domain in domains {
        let links = domain.links.iter().map(|id| {
            let link = wiring.link(*id);
            (&link.draft.pool, link.identity.as_str(), link.draft.repeated, link.draft.origin)
        });
        let nodes = domain.layer2.iter().map(|id| {
            let node = wiring.node(*id);
            (&node.pool, node.name.as_str(), node.repeated, node.name.origin)
        });
        for (pool, key, repeated, origin) in nodes.chain(links) {
            let Some(pool) = pool else { continue };
            let holder = || Holder { pool: pool.clone(), key: key.to_owned(), repeated, origin };
            match &mut domain.pool {
                None => domain.pool = Some(holder()),
                Some(first) if first.pool.value != pool.value => findings.push(pools_differ(&first.pool, pool)),
                Some(first) if natural_order(key, &first.key).is_lt() => *first = holder(),
                Some(_) => {}
            }
        }
        if domain.pool.is_some() {
            domain.index = index(domain, wiring, findings);
        }
    }
}

fn index(domain: &Domain, wiring: &Wiring, findings: &mut Findings) -> Option<At<u32>> {
    let links = domain.links.iter().filter_map(|id| wiring.link(*id).draft.index);
    let nodes = domain.layer2.iter().filter_map(|id| wiring.node(*id).index);
    let mut indexes = nodes.chain(links);
    let first = indexes.next()?;
    for other in indexes.filter(|other| other.value != first.value) {
        findings.push(indexes_differ(&first, &other));
    }
    Some(first)
}

fn pools_differ(first: &At<String>, second: &At<String>) -> Diagnostic {
    let message = format!("one segment, two pools: `{}` and `{}`", first.value, second.value);
    let (later, earlier) = later_first(first.origin, second.origin);
    Diagnostic::error(codes::POOLS_DIFFER, message)
        .at(later, "")
        .at(earlier, "joined to this one by switches or hubs")
        .help("links that meet through switches and hubs share one subnet; name its pool once, best on a switch")
}

fn indexes_differ(first: &At<u32>, second: &At<u32>) -> Diagnostic {
    let message = format!("one segment, two indexes: {} and {}", first.value, second.value);
    let (later, earlier) = later_first(first.origin, second.origin);
    Diagnostic::error(codes::INDEX, message)
        .at(later, "")
        .at(earlier, "the other one")
        .help("`index:` on a link or switch numbers the subnet; number the addresses with `index:` on the nodes")
}

/// Every cycle of layer-2 nodes needs a switch that runs the spanning tree protocol. That holds exactly if no cycle is
/// left among the nodes without it.
pub(super) fn check_loops(wiring: &Wiring, allowed: bool, findings: &mut Findings) {
    let breaks = |id: NodeId| matches!(wiring.kind(id), NodeKind::Switch(SwitchDriver::IfBridge { stp: true }));
    let mut union = Union::new(wiring.nodes.len());
    let mut forest: Vec<Vec<NodeId>> = vec![Vec::new(); wiring.nodes.len()];
    let mut told = 0;
    for link in wiring.links.iter().filter(|link| wiring.is_trunk(link)) {
        let [a, b] = link.nodes;
        if breaks(a) || breaks(b) {
            continue;
        }
        if union.root(a.0) != union.root(b.0) {
            union.join(a.0, b.0);
            forest[a.0].push(b);
            forest[b.0].push(a);
        } else if told < MOST_LOOPS {
            told += 1;
            findings.push(loop_found(wiring, link, &way(&forest, a, b), allowed));
        }
    }
}

fn loop_found(wiring: &Wiring, link: &WiredLink, way: &[NodeId], allowed: bool) -> Diagnostic {
    let mut names: Vec<String> = way.iter().map(|id| wiring.node(*id).name.to_string()).collect();
    names.extend(names.first().cloned());
    if names.len() > 12 {
        let left_out = names.len() - 10;
        names.splice(8..names.len() - 2, [format!("({left_out} more)")]);
    }
    let message = format!("frames would circle for ever: {}", names.join(" -> "));
    let finding = match allowed {
        true => Diagnostic::warning(codes::LOOP, message),
        false => Diagnostic::error(codes::LOOP, message),
    };
    let finding = finding.at(link.draft.origin, "this link closes the loop");
    match allowed {
        true => finding,
        false => finding.help(
            "give one of them `driver: if_bridge` and `stp: true`, or set `allow-loops: true` if the storm is what you want",
        ),
    }
}

/// The only way from `from` to `to` in a forest.
fn way(forest: &[Vec<NodeId>], from: NodeId, to: NodeId) -> Vec<NodeId> {
    let mut came_from: Vec<Option<NodeId>> = vec![None; forest.len()];
    let mut open = vec![to];
    while let Some(here) = open.pop() {
        if here == from {
            break;
        }
        for next in &forest[here.0] {
            if came_from[here.0] != Some(*next) {
                came_from[next.0] = Some(here);
                open.push(*next);
            }
        }
    }
    std::iter::successors(Some(from), |here| came_from[here.0].filter(|_| *here != to)).collect()
}

/// Disjoint sets.
struct Union {
    parents: Vec<usize>,
}

impl Union {
    fn new(count: usize) -> Self {
        Self { parents: (0..count).collect() }
    }

    fn root(&mut self, mut of: usize) -> usize {
        while self.parents[of] != of {
            self.parents[of] = self.parents[self.parents[of]];
            of = self.parents[of];
        }
        of
    }

    /// The lower root stays, and halving the paths keeps them short.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b)] = a.min(b);
    }
}
