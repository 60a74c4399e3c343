//! `routing:`: the routes that follow from who is linked to whom.
//!
//! `default` gives hosts a way to the nearest router of their segment. `auto` adds shortest paths between routers: a hop is
//! a subnet, ties go to the next hop whose name comes first. A router with one neighbouring router gets a default route,
//! unless that neighbour would send everything unknown back: two routers that have only each other get each other's prefixes.
//! The host itself (`kind: self`) never gets a route that the file does not give.

mod nearest;
mod paths;
mod subnets;

use super::findings::Findings;
use super::prefix::Family;
use super::{Model, Node, Route, Routing, codes};
use crate::diagnostic::{Diagnostic, Origin};

/// More cannot be set in a time that anybody would wait.
const MOST_ROUTES: usize = 1_000_000;

/// Where counting ends: ten thousand routers in a full mesh of prefixes would be counted for minutes.
const MOST_COUNTED: usize = 20 * MOST_ROUTES;

/// Adds what `routing:` asks for; the routes of the file stay and come first.
pub(super) fn add_routes(model: &mut Model, origin: Origin, findings: &mut Findings) {
    if model.routing == Routing::None {
        return;
    }
    let mut count = Count { routes: model.nodes.iter().map(|node| node.routes.len()).sum() };
    for family in Family::BOTH {
        let map = subnets::Map::new(model, family);
        for (host, route) in nearest::default_routes(model, &map, origin) {
            count.add(&mut model.nodes[host.0], vec![route]);
        }
        if model.routing != Routing::Auto {
            continue;
        }
        let graph = paths::Graph::new(model, &map);
        let mut walk = paths::Walk::new(&graph);
        for place in 0..graph.routers() {
            if count.routes > MOST_COUNTED {
                break;
            }
            let node = &mut model.nodes[graph.router(place).0];
            let routes = walk.routes(place, &node.routes, origin);
            count.add(node, routes);
        }
    }
    if count.routes > MOST_ROUTES {
        let more = if count.routes > MOST_COUNTED { "more than " } else { "" };
        let routes = count.routes.min(MOST_COUNTED);
        findings.push(
            Diagnostic::error(
                codes::TOO_MANY_ROUTES,
                format!("`routing:` makes {more}{routes} routes; {MOST_ROUTES} is the limit"),
            )
            .at(origin, "")
            .help("use fewer routers, number subnets so that neighbours can be aggregated, or run a routing daemon"),
        );
        return;
    }
    for node in &mut model.nodes {
        node.routes.sort_by_key(Route::order);
    }
}

/// How many routes there are, with those that are no longer kept because they are too many.
struct Count {
    routes: usize,
}

impl Count {
    fn add(&mut self, node: &mut Node, routes: Vec<Route>) {
        self.routes += routes.len();
        if self.routes <= MOST_ROUTES {
            node.routes.extend(routes);
        }
    }
}
