//! From what the author wrote to what it means: each step needs the ones before, so a mistake is told once and not by
//! everything that follows from it.

use super::check;
use super::draft::Draft;
use super::findings::Findings;
use super::mtu::{self, Decided};
use super::segments::{self, Domain};
use super::wiring::{self, Port, WiredLink, Wiring};
use super::{
    Address, AddressReason, Endpoint, Interface, LabName, Link, Mac, Model, Mtu, Node, Route, RouteReason, Segment,
    SegmentId, Shaping, allocate, mac, pools, routing, subnets,
};
use crate::diagnostic::{At, Diagnostic};

/// Decides everything that the draft leaves open and checks what it says.
///
/// # Errors
/// Every finding, when at least one of them is an error; with `Ok` come the warnings.
pub fn resolve(draft: Draft) -> Result<(Model, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let model = build(draft, &mut findings);
    let errors = findings.errors();
    let told = findings.finish();
    model.filter(|_| errors == 0).map(|model| (model, told.clone())).ok_or(told)
}

fn build(draft: Draft, findings: &mut Findings) -> Option<Model> {
    let Draft { name: lab, pools, routing, allow_loops, nodes, links, checks } = draft;
    let possible = check::addresses::check(&nodes, links.iter(), findings);
    links.iter().for_each(|link| check::shaping::check(link, findings));
    let pools = pools::read(&pools, findings);
    let wiring = wiring::connect(nodes, links, findings)?;

    segments::check_loops(&wiring, allow_loops, findings);
    let macs = mac::assign(&lab.value, &wiring, findings);
    let mut domains = segments::gather(&wiring);
    let errors = findings.errors();
    segments::name_pools(&mut domains, &wiring, findings);
    let agreed = findings.errors() == errors;
    let taken = subnets::take(&domains, &wiring, pools.filter(|_| agreed)?, findings)?;
    let addresses = allocate::allocate(&domains, &taken, &wiring, findings);

    let mtus: Vec<Decided> = wiring.ports.iter().map(|port| mtu::of_port(port, &wiring)).collect();
    let link_mtus = link_mtus(&domains, &wiring, &mtus);
    check::mtu::check(&domains, &wiring, &mtus, &link_mtus, &addresses, findings);
    if possible {
        check::subnets::check(&domains, &wiring, &addresses, routing.value, findings);
        check::routes::check(&domains, &wiring, &addresses, findings);
    }

    let decided = Decisions { macs, addresses, mtus, link_mtus };
    let mut model = assemble(lab.value, wiring, &domains, decided);
    model.routing = routing.value;
    model.checks = checks;
    check::specs::check(&model, findings);
    if findings.errors() == 0 {
        routing::add_routes(&mut model, routing.origin, findings);
    }
    Some(model)
}

/// What the steps decided, in the order of ports and links.
struct Decisions {
    macs: Vec<Mac>,
    addresses: Vec<Vec<Address>>,
    mtus: Vec<Decided>,
    link_mtus: Vec<Mtu>,
}

fn link_mtus(domains: &[Domain], wiring: &Wiring, ports: &[Decided]) -> Vec<Mtu> {
    let mut mtus = vec![Mtu::ETHERNET; wiring.links.len()];
    for domain in domains {
        let largest = domain.ports.iter().map(|place| ports[*place].mtu).max();
        for id in &domain.links {
            mtus[id.0] = mtu::of_link(wiring.link(*id), largest, wiring, ports);
        }
    }
    mtus
}

fn assemble(lab: LabName, wiring: Wiring, domains: &[Domain], decided: Decisions) -> Model {
    let Wiring { nodes, links, ports } = wiring;
    let mut nodes: Vec<Node> = nodes.into_iter().map(node).collect();
    let mut segments: Vec<Segment> = domains.iter().map(|domain| segment(domain, &ports, &decided.addresses)).collect();
    let mut segment_of = vec![SegmentId(0); links.len()];
    for (place, segment) in segments.iter_mut().enumerate() {
        segment.links.iter().for_each(|link| segment_of[link.0] = SegmentId(place));
    }
    let places = links.into_iter().zip(segment_of).zip(decided.link_mtus);
    let links = places.map(|((wired, segment), mtu)| link(wired, segment, mtu)).collect();
    let values = decided.macs.into_iter().zip(decided.mtus).zip(decided.addresses);
    for (port, ((mac, mtu), addresses)) in ports.into_iter().zip(values) {
        let interface = interface(&port, mac, mtu, addresses);
        nodes[port.node.0].interfaces.insert(port.name, interface);
    }
    Model { lab, routing: super::Routing::None, nodes, links, segments, checks: Vec::new() }
}

fn node(draft: super::draft::DraftNode) -> Node {
    let address =
        |at: At<ipnetwork::IpNetwork>| Address { net: at.value, why: AddressReason::Given, origin: at.origin };
    let mut loopback: Vec<Address> = draft.loopback.into_iter().map(address).collect();
    loopback.sort_by_key(|address| (address.net.ip(), address.net.prefix()));
    let routes = draft.routes.into_iter().map(|route| Route {
        to: route.to.value,
        via: route.via.value,
        why: RouteReason::Given,
        origin: route.to.origin,
    });
    let mut routes: Vec<Route> = routes.collect();
    routes.sort_by_key(Route::order);
    Node {
        name: draft.name,
        kind: draft.kind.value,
        interfaces: std::collections::BTreeMap::new(),
        loopback,
        routes,
        sysctls: draft.sysctls,
        linux_sysctls: draft.linux_sysctls,
        jail: draft.jail,
        labels: draft.labels,
        exec: draft.exec,
        rootfs: draft.rootfs,
        limits: draft.limits,
        cpus: draft.cpus,
        firewall: draft.firewall,
    }
}

fn interface(port: &Port, mac: Mac, mtu: Decided, addresses: Vec<Address>) -> Interface {
    Interface {
        link: port.link,
        end: port.end,
        mac,
        mac_given: port.mac.is_some(),
        mac_origin: port.mac.map(|mac| mac.origin).unwrap_or_default(),
        mtu: mtu.mtu,
        mtu_why: mtu.why,
        mtu_origin: mtu.origin,
        addresses,
        origin: port.origin,
    }
}

fn link(wired: WiredLink, segment: SegmentId, mtu: Mtu) -> Link {
    let WiredLink { identity, draft, nodes, .. } = wired;
    let ends = draft.ends.map(|end| end.interface.map(|interface| interface.value));
    let [first, second] = ends;
    let shaping = draft.shaping.map(|shaping| shaping.filter(|shaping| shaping.value != Shaping::default()));
    Link {
        identity,
        origin: draft.origin,
        ends: [Endpoint { node: nodes[0], interface: first }, Endpoint { node: nodes[1], interface: second }],
        wire: draft.wire.map(|wire| wire.value).unwrap_or_default(),
        mtu,
        shaping,
        segment,
    }
}

fn segment(domain: &Domain, ports: &[Port], addresses: &[Vec<Address>]) -> Segment {
    let nets = domain.ports.iter().flat_map(|place| &addresses[*place]);
    let mut subnets: Vec<_> = nets.map(|address| super::prefix::Prefix::of(address.net)).collect();
    subnets.sort_unstable();
    subnets.dedup();
    Segment {
        links: domain.links.clone(),
        members: domain.ports.iter().map(|place| (ports[*place].node, ports[*place].name.clone())).collect(),
        subnets: subnets.into_iter().map(super::prefix::Prefix::network).collect(),
        pool: domain.pool.as_ref().map(|holder| holder.pool.clone()),
    }
}
