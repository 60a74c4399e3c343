//! `routes:` of nodes: the kernel must be able to set each one, and it must lead to somebody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::Range;

use crate::diagnostic::{Diagnostic, Origin};
use crate::model::draft::{DraftNode, DraftRoute};
use crate::model::findings::Findings;
use crate::model::prefix::{Family, Prefix, with_length};
use crate::model::segments::Domain;
use crate::model::wiring::Wiring;
use crate::model::{Address, NodeId, NodeKind, codes};

/// What the routes of all nodes are checked against.
struct Lab<'a> {
    wiring: &'a Wiring,
    /// By port.
    addresses: &'a [Vec<Address>],
    /// The segment of each port.
    domain_of: Vec<usize>,
    /// Who has an address, by segment.
    owners: HashMap<(usize, IpAddr), NodeId>,
}

/// The subnets of one node.
struct Connected<'a> {
    lab: &'a Lab<'a>,
    node: &'a DraftNode,
    /// The ports in each subnet and their addresses there.
    subnets: BTreeMap<Prefix, Vec<(usize, &'a Address)>>,
    /// The prefix lengths that occur.
    lengths: BTreeSet<u8>,
    /// Its own addresses, loopback included, and where they come from.
    own: BTreeMap<IpAddr, Origin>,
}

/// Checks the routes of all nodes against the decided addresses of all ports.
pub(in crate::model) fn check(
    domains: &[Domain],
    wiring: &Wiring,
    addresses: &[Vec<Address>],
    findings: &mut Findings,
) {
    if wiring.nodes.iter().all(|node| node.routes.is_empty()) {
        return;
    }
    let mut domain_of: Vec<usize> = vec![0; wiring.ports.len()];
    let mut owners: HashMap<(usize, IpAddr), NodeId> = HashMap::new();
    for (domain, members) in domains.iter().enumerate() {
        for place in &members.ports {
            domain_of[*place] = domain;
            let node = wiring.ports[*place].node;
            owners.extend(addresses[*place].iter().map(|address| ((domain, address.net.ip()), node)));
        }
    }
    let lab = Lab { wiring, addresses, domain_of, owners };
    for (id, node) in (0..).map(NodeId).zip(&wiring.nodes).filter(|(_, node)| !node.routes.is_empty()) {
        let connected = Connected::new(&lab, id);
        let mut seen: BTreeMap<Prefix, Origin> = BTreeMap::new();
        for route in &node.routes {
            if connected.check_destination(route, findings) {
                connected.check_gateway(route, findings);
                if let Some(first) = seen.insert(Prefix::of(route.to.value), route.to.origin) {
                    let message = format!("`{}` has two routes to {}", *node.name, route.to.value);
                    findings.push(
                        Diagnostic::error(codes::SAME_DESTINATION, message)
                            .at(route.to.origin, "")
                            .at(first, "the first one"),
                    );
                }
            }
        }
    }
}

impl Lab<'_> {
    /// The places of a node's ports.
    fn ports(&self, node: NodeId) -> Range<usize> {
        let start = self.wiring.ports.partition_point(|port| port.node < node);
        start..self.wiring.ports.partition_point(|port| port.node <= node)
    }

    /// Whether a node passes packets on, or has an address within the prefix itself.
    fn leads_to(&self, node: NodeId, to: Prefix) -> bool {
        let draft = self.wiring.node(node);
        let forwarding = [
            draft.sysctls.get("net.inet.ip.forwarding"),
            draft.sysctls.get("net.inet6.ip6.forwarding"),
            draft.linux_sysctls.get("net.ipv4.ip_forward"),
            draft.linux_sysctls.get("net.ipv6.conf.all.forwarding"),
        ];
        let ports = self.ports(node).flat_map(|place| &self.addresses[place]).map(|address| address.net.ip());
        let mut own = ports.chain(draft.loopback.iter().map(|address| address.ip()));
        draft.kind.value == NodeKind::Router
            || forwarding.into_iter().flatten().any(|value| value.value != "0")
            || own.any(|address| to.length > 0 && to.contains_address(address))
    }
}

impl<'a> Connected<'a> {
    fn new(lab: &'a Lab<'a>, id: NodeId) -> Self {
        let node = lab.wiring.node(id);
        let mut subnets: BTreeMap<Prefix, Vec<(usize, &Address)>> = BTreeMap::new();
        let mut own: BTreeMap<IpAddr, Origin> =
            node.loopback.iter().map(|address| (address.ip(), address.origin)).collect();
        for place in lab.ports(id) {
            for address in &lab.addresses[place] {
                subnets.entry(Prefix::of(address.net)).or_default().push((place, address));
                own.insert(address.net.ip(), address.origin);
            }
        }
        let lengths = subnets.keys().map(|prefix| prefix.length).collect();
        Self { lab, node, subnets, lengths, own }
    }

    /// The ports that share a subnet with the address.
    fn ports_to(&self, address: IpAddr) -> impl Iterator<Item = usize> {
        let family = Family::of(address);
        let lengths = self.lengths.iter().filter(move |length| **length <= family.width());
        let prefixes = lengths.map(move |length| Prefix::of(with_length(address, *length)));
        prefixes.filter_map(|prefix| self.subnets.get(&prefix)).flatten().map(|(place, _)| *place)
    }

    fn check_destination(&self, route: &DraftRoute, findings: &mut Findings) -> bool {
        let node = self.node;
        let errors = findings.errors();
        let to = Prefix::of(route.to.value);
        let wrong = |message: String| Diagnostic::error(codes::BAD_DESTINATION, message).at(route.to.origin, "");
        if to.network() != route.to.value {
            let message = format!("the destination {} has host bits", route.to.value);
            findings.push(wrong(message).help(format!("write `{}`", to.network())));
        } else if to.family != Family::of(route.via.value) {
            let message = format!(
                "a route to {} cannot lead through {}, an {} address",
                route.to.value,
                route.via.value,
                Family::of(route.via.value).name()
            );
            findings.push(wrong(message).at(route.via.origin, "the next hop"));
        } else if to.length == 0 && node.kind.value == NodeKind::SelfHost {
            let message = format!("`{}` is the host itself: a default route would replace the host's own", *node.name);
            findings.push(
                Diagnostic::error(codes::DEFAULT_ON_SELF, message)
                    .at(route.to.origin, "")
                    .help("name the prefixes of the lab that the host shall reach"),
            );
        } else if let Some(own) = self.subnets.get(&to).and_then(|own| own.first()) {
            let port = self.lab.wiring.port_name(&self.lab.wiring.ports[own.0]);
            let message = format!("`{}` is in the subnet {} itself, by `{port}`", *node.name, route.to.value);
            findings.push(
                Diagnostic::error(codes::SAME_DESTINATION, message)
                    .at(route.to.origin, "")
                    .at(own.1.origin, "its address there is from here"),
            );
        }
        findings.errors() == errors
    }

    fn check_gateway(&self, route: &DraftRoute, findings: &mut Findings) {
        let via = route.via.value;
        let name = &self.node.name.value;
        if let Some(origin) = self.own.get(&via) {
            findings.push(
                Diagnostic::error(codes::GATEWAY_IS_SELF, format!("the next hop {via} is `{name}` itself"))
                    .at(route.via.origin, "")
                    .at(*origin, "its own address is from here"),
            );
            return;
        }
        let mut ports = self.ports_to(via).peekable();
        if ports.peek().is_none() {
            findings.push(self.unreachable(route));
            return;
        }
        match ports.find_map(|place| self.lab.owners.get(&(self.lab.domain_of[place], via))) {
            None => {
                let message = format!("no interface on that segment has the next hop {via}");
                findings.push(Diagnostic::warning(codes::GATEWAY_ABSENT, message).at(route.via.origin, ""));
            }
            Some(owner) if !self.lab.leads_to(*owner, Prefix::of(route.to.value)) => {
                let owner = self.lab.wiring.node(*owner);
                let message = format!("the next hop {via} is `{}`, which does not forward", *owner.name);
                findings.push(
                    Diagnostic::warning(codes::GATEWAY_KEEPS, message)
                        .at(route.via.origin, "")
                        .at(owner.kind.origin, format!("it is of kind `{}`", owner.kind.value)),
                );
            }
            Some(_) => {}
        }
    }

    fn unreachable(&self, route: &DraftRoute) -> Diagnostic {
        let (via, name) = (route.via.value, &self.node.name.value);
        let family = Family::of(via);
        let subnets = self.subnets.keys().filter(|prefix| prefix.family == family);
        let subnets: Vec<String> = subnets.map(|prefix| prefix.network().to_string()).collect();
        let help = match subnets.as_slice() {
            [] => format!("`{name}` has no {} address on any interface", family.name()),
            few if few.len() <= 5 => format!("`{name}` is in {}", few.join(", ")),
            many => format!("`{name}` is in {} and {} more", many[..4].join(", "), many.len() - 4),
        };
        Diagnostic::error(codes::GATEWAY_UNREACHABLE, format!("`{name}` cannot reach the next hop {via}"))
            .at(route.via.origin, "on no subnet of the node")
            .help(help)
    }
}
