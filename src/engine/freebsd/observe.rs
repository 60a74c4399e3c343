//! Looking: everything that a kernel holds of a lab, by lists.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use ngsock::generic::NodeInfo;
use ngsock::node::{eiface, pipe};
use ngsock::{NodeId, NodePath};

use super::FreeBsd;
use super::doors::Doors;
use super::interface::numbered;
use super::netgraph::{failed, settings};
use super::session::Session;
use crate::abi::flags::{IFF_UP, IN6_IFF_DUPLICATED, IN6_IFF_TENTATIVE};
use crate::abi::ioctl::bridge::{IFBIF_STP, Member};
use crate::engine::EngineError;
use crate::graph::{Hook, Name, Place};
use crate::model::Mac;
use crate::netlink::reply::{Address, Link, Route};
use crate::plan::{Observed, ObservedInterface, ObservedJail, ObservedNode, Scope};

impl<D: Doors> FreeBsd<'_, D> {
    pub(super) fn look(&mut self, scope: &Scope) -> Result<Observed, EngineError> {
        let looked = self.look_around(scope);
        // Of jails that are not there any more, or that were not looked into.
        self.parked.clear(self.doors);
        looked
    }

    fn look_around(&mut self, scope: &Scope) -> Result<Observed, EngineError> {
        let mut observed = Observed::default();
        self.jids.clear();
        if let Some(jid) = self.own_lab()? {
            self.see_jail(&mut observed, scope, Place::Lab, jid)?;
            for (child, jid) in self.children()? {
                // A jail that is not named as a node can be is somebody else's below ours; it goes with the lab.
                let Ok(place) = child.parse().map(Place::Node) else { continue };
                if !scope.elsewhere.contains(&place) {
                    self.see_jail(&mut observed, scope, place, jid)?;
                }
            }
        }
        let jails: Vec<Place> = observed.jails.keys().cloned().collect();
        self.see_roots(&scope.life, &mut observed.life)?;
        self.see_resources(&scope.life, &jails, &mut observed.life)?;
        let inside = observed.jails.keys().filter(|_| !scope.goes).cloned();
        let places: Vec<Place> = inside.chain(scope.host.then_some(Place::Host)).collect();
        for place in places {
            let kept = self.jids.get(&place).and_then(|jid| self.parked.take(*jid));
            let mut session = kept.unwrap_or_else(|| Session::new(place));
            let seen = self.see_place(&mut observed, scope, &mut session);
            session.close(self.doors);
            seen?;
        }
        Ok(observed)
    }

    fn see_jail(
        &mut self,
        observed: &mut Observed,
        scope: &Scope,
        place: Place,
        jid: super::doors::Jid,
    ) -> Result<(), EngineError> {
        let names = scope.parameters.get(&place);
        let parameters = self.jail_parameters(jid, names.into_iter().flatten())?;
        self.jids.insert(place.clone(), jid);
        observed.jails.insert(place, ObservedJail { jid: jid.0, parameters });
        Ok(())
    }

    fn see_place(&mut self, observed: &mut Observed, scope: &Scope, session: &mut Session) -> Result<(), EngineError> {
        let place = session.place.clone();
        self.see_stack(observed, session)?;
        if let Some(names) = scope.sysctls.get(&place) {
            for name in names {
                if let Some(value) = self.sysctl(session, name)? {
                    observed.sysctls.entry(place.clone()).or_default().insert(name.clone(), value);
                }
            }
        }
        if place == Place::Lab {
            self.see_bridges(observed, session)?;
            self.see_netgraph(observed, session)?;
        } else if scope.inside && place != Place::Host {
            self.see_inside(observed, session)?;
        }
        Ok(())
    }

    /// Interfaces, addresses and routes of one network stack.
    fn see_stack(&mut self, observed: &mut Observed, session: &mut Session) -> Result<(), EngineError> {
        let place = session.place.clone();
        let ours = format!("cellblock {} ", self.lab);
        let wanted = |link: &Link| {
            place != Place::Host
                || link.name == "lo0"
                || link.description.as_deref().is_some_and(|d| d.starts_with(&ours))
        };
        let stack = self.stack(session, &wanted)?;
        let interfaces = interfaces(stack.links.into_iter().filter(wanted), &stack.addresses);
        observed.interfaces.insert(place.clone(), interfaces);
        let routes: BTreeMap<IpNetwork, IpAddr> = stack.routes.iter().filter_map(through_gateway).collect();
        observed.routes.insert(place, routes);
        Ok(())
    }

    fn see_bridges(&mut self, observed: &mut Observed, session: &mut Session) -> Result<(), EngineError> {
        let is_bridge = |seen: &ObservedInterface| seen.cloner.as_deref() == Some("bridge");
        let bridges: Vec<Name> = observed
            .interfaces
            .get(&Place::Lab)
            .into_iter()
            .flatten()
            .filter(|(_, seen)| is_bridge(seen))
            .map(|(name, _)| name.clone())
            .collect();
        for bridge in bridges {
            let members = self.members(session, &bridge)?;
            let waiting = members.iter().filter(|member| member.is_about_to_forward());
            observed.discarding.extend(waiting.map(|member| Name::from(format!("{bridge}:{}", member.name))));
            let stp = |member: &Member| (Name::from(member.name.as_str()), member.flags & IFBIF_STP != 0);
            observed.members.insert(bridge, members.iter().map(stp).collect());
        }
        Ok(())
    }

    fn nodes(&mut self, session: &mut Session, stack: &str) -> Result<Vec<NodeInfo>, EngineError> {
        match self.client(session) {
            Ok(mut client) => Ok(client.list_nodes().map_err(|error| failed(stack, error))?.0),
            // Without the module there are no nodes.
            Err(error) if error.errno == Some(crate::abi::Errno::EAFNOSUPPORT) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// What programs made in the stack of a node, by one question. A socket is whoever asks, as we do, and an ether node comes with
    /// its interface.
    fn see_inside(&mut self, observed: &mut Observed, session: &mut Session) -> Result<(), EngineError> {
        let place = session.place.clone();
        let nodes = self.nodes(session, &place.to_string())?;
        let kinds = nodes.iter().map(|node| (node, node.kind.as_str().unwrap_or_default()));
        let strangers: BTreeMap<Name, Name> = kinds
            .filter(|(_, kind)| !matches!(*kind, "socket" | "ether"))
            .map(|(node, kind)| (label(node.name.as_str(), node.id), kind.into()))
            .collect();
        if !strangers.is_empty() {
            observed.inside.insert(place, strangers);
        }
        Ok(())
    }

    fn see_netgraph(&mut self, observed: &mut Observed, session: &mut Session) -> Result<(), EngineError> {
        let lab = self.lab.as_str().to_owned();
        // Who has most hooks tells of those at their other ends, too.
        let mut nodes = self.nodes(session, &lab)?;
        nodes.sort_by_key(|node| (Reverse(node.hooks), node.id));
        let mut told: BTreeMap<NodeId, BTreeMap<Name, Hook>> = BTreeMap::new();
        for node in nodes {
            let kind = node.kind.as_str().unwrap_or_default().to_owned();
            if kind == "socket" || kind == "ether" {
                continue;
            }
            let name = label(node.name.as_str(), node.id);
            let path = NodePath::id(node.id);
            let mut client = self.client(session)?;
            let mut hooks = told.remove(&node.id).unwrap_or_default();
            if u32::try_from(hooks.len()) != Ok(node.hooks) {
                hooks.clear();
                let found = client.list_hooks(&path).map_err(|error| failed(&name, error))?;
                for link in found.links.into_iter().filter(|link| link.peer.kind.as_str() != Some("socket")) {
                    let (ours, theirs) = (link.our_hook.as_str().unwrap_or_default(), link.peer_hook.as_str());
                    let theirs = theirs.unwrap_or_default();
                    told.entry(link.peer.id).or_default().insert(Name::from(theirs), Hook::new(&name, ours));
                    hooks.insert(Name::from(ours), Hook::new(&label(link.peer.name.as_str(), link.peer.id), theirs));
                }
            }
            let interface = match kind.as_str() {
                "eiface" => {
                    let reply = client.call(&path, &eiface::GetInterfaceName).map_err(|error| failed(&name, error))?;
                    reply.as_str().map(Name::from)
                }
                _ => None,
            };
            let pipe = match kind.as_str() {
                "pipe" => Some(settings(&client.call(&path, &pipe::GetConfig).map_err(|error| failed(&name, error))?)),
                _ => None,
            };
            observed.netgraph.insert(name, ObservedNode { id: node.id.0, kind, hooks, pipe, interface });
        }
        Ok(())
    }
}

/// A node's name, or its number in brackets.
fn label(name: Option<&str>, id: NodeId) -> Name {
    match name {
        Some(name) if !name.is_empty() => name.into(),
        _ => id.to_string().into(),
    }
}

fn interfaces(links: impl Iterator<Item = Link>, addresses: &[Address]) -> BTreeMap<Name, ObservedInterface> {
    let mut of: BTreeMap<u32, Vec<&Address>> = BTreeMap::new();
    for address in addresses {
        of.entry(address.index).or_default().push(address);
    }
    let links: Vec<Link> = links.collect();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for link in &links {
        *names.entry(link.name.clone()).or_default() += 1;
    }
    let mut found = BTreeMap::new();
    for link in links {
        let own = || of.get(&link.index).into_iter().flatten();
        let bad = |address: &&&Address| address.in6_flags & (IN6_IFF_TENTATIVE | IN6_IFF_DUPLICATED) != 0;
        let seen = ObservedInterface {
            index: link.index,
            mac: link.mac.map(Mac),
            mtu: link.mtu,
            description: link.description.unwrap_or_default(),
            up: link.flags & IFF_UP != 0,
            carrier: link.carrier,
            cloner: link.cloner.map(Name::from),
            addresses: own().filter_map(|address| net(address)).collect(),
            unusable: own().filter(bad).filter_map(|address| net(address)).collect::<BTreeSet<_>>(),
            linux: None,
        };
        // Nobody checks the names of interfaces that come home from jails that died.
        let shared = names.get(&link.name).is_some_and(|count| *count > 1);
        let name = if shared { numbered(&link.name, link.index) } else { link.name };
        found.insert(Name::from(name), seen);
    }
    found
}

fn net(address: &Address) -> Option<IpNetwork> {
    let ip = match address.address {
        // The kernel keeps the interface's number inside link-local addresses.
        IpAddr::V6(ip) if ip.is_unicast_link_local() => {
            let mut parts = ip.segments();
            parts[1] = 0;
            IpAddr::from(parts)
        }
        ip => ip,
    };
    IpNetwork::new(ip, address.prefix).ok()
}

fn through_gateway(route: &Route) -> Option<(IpNetwork, IpAddr)> {
    let gateway = route.hops.first()?.gateway?;
    Some((IpNetwork::new(route.destination, route.prefix).ok()?, gateway))
}
