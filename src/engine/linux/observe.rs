//! What a kernel holds of a lab, by dumps.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::Engineer;
use super::kernel::Kernel;
use crate::engine::EngineError;
use crate::graph::linux::{BridgeSettings, LOOPBACK, Sending};
use crate::graph::{Name, Place, Table};
use crate::model::Mac;
use crate::netlink::consts::{IFA_F_TENTATIVE, RTN_UNICAST, RTPROT_STATIC};
use crate::netlink::linux::{IFF_UP, Link};
use crate::netlink::reply::{Address, Route};
use crate::plan::{Observed, ObservedInterface, ObservedLink, ObservedNamespace, Scope};

/// `IFA_F_DADFAILED` (include/uapi/linux/if_addr.h).
const IFA_F_DADFAILED: u32 = 0x08;
/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;
/// `RTPROT_BOOT`: what a person adds without saying who.
const RTPROT_BOOT: u8 = 3;

/// Namespaces that are opened at once to be looked at.
const AT_ONCE: usize = 256;

impl<K: Kernel> Engineer<'_, K> {
    pub(super) fn look(&mut self, scope: &Scope) -> Result<Observed, EngineError> {
        let mut observed = Observed::default();
        if self.own_lab()? {
            if scope.goes && !scope.host {
                // All of them go at once, whatever is in them. With ends on the host they are looked at: a pair whose marking was
                // interrupted is told by its other end only, and is to be gone from the host when we return.
                let places = self.kernel.listed(&self.lab)?.into_iter();
                observed.namespaces = places.map(|place| (place, ObservedNamespace { inode: 0 })).collect();
            } else {
                self.see_all(&mut observed, scope)?;
            }
        }
        self.see_limits(&scope.life, &mut observed.life)?;
        if !scope.life.folders.is_empty() {
            observed.life.folders = self.kernel.folders(&scope.life.folders)?;
        }
        if !scope.life.rules.is_empty() && !scope.goes {
            observed.life.rules = self.kernel.rules(&self.lab)?;
        }
        if !scope.life.roots.is_empty() && !scope.goes {
            observed.life.roots = self.kernel.roots(&self.lab)?;
        }
        if scope.host {
            self.see(&mut observed, scope, &Place::Host)?;
        }
        Ok(observed)
    }

    fn see_all(&mut self, observed: &mut Observed, scope: &Scope) -> Result<(), EngineError> {
        let namespaces: Vec<(Place, u64)> = self.kernel.namespaces(&self.lab)?.into_iter().collect();
        for some in namespaces.chunks(AT_ONCE.min(self.kernel.room() / 4).max(1)) {
            self.kernel.make_room();
            let places: Vec<&Place> = some.iter().map(|(place, _)| place).collect();
            self.kernel.hold(&self.lab, &places);
            for (place, inode) in some {
                self.see(observed, scope, place)?;
                observed.namespaces.insert(place.clone(), ObservedNamespace { inode: *inode });
                // A thousand descriptors and sockets are not needed at once.
                self.kernel.release(&self.lab, place);
            }
        }
        Ok(())
    }

    fn see(&mut self, observed: &mut Observed, scope: &Scope, place: &Place) -> Result<(), EngineError> {
        let links = self.links(place)?;
        let sending = self.sending(place, &links)?;
        let addresses = self.addresses(place)?;
        let routes = self.routes(place)?;
        let ours = format!("cellblock {} ", self.lab);
        let wanted = |link: &&Link| {
            *place != Place::Host
                || link.name == LOOPBACK
                || link.alias.as_deref().is_some_and(|alias| alias.starts_with(&ours))
        };
        let names: Table<u32, Name> = links.iter().map(|link| (link.index, Name::from(link.name.as_str()))).collect();
        let mut of: Table<u32, Vec<&Address>> = Table::default();
        for address in &addresses {
            of.entry(address.index).or_default().push(address);
        }
        let seen = links.iter().filter(wanted).map(|link| {
            let own = of.get(&link.index).map(Vec::as_slice).unwrap_or_default();
            let sending = sending.get(&link.index).cloned().unwrap_or_default();
            (Name::from(link.name.as_str()), interface(link, own, &names, sending))
        });
        observed.interfaces.insert(place.clone(), seen.collect());
        for port in links.iter().filter(|link| link.settling && *place == Place::Lab) {
            let bridge = port.bridge.and_then(|index| names.get(&index)).map_or("", |name| name);
            observed.discarding.insert(format!("{bridge}:{}", port.name).into());
        }
        let made_by = |by_hand| routes.iter().filter(move |route| is_by_hand(route) == by_hand);
        observed.routes.insert(place.clone(), made_by(true).filter_map(through_gateway).collect());
        let learnt: BTreeMap<IpNetwork, IpAddr> = made_by(false).filter_map(through_gateway).collect();
        if !learnt.is_empty() {
            observed.learnt.insert(place.clone(), learnt);
        }
        if let Some(names) = scope.sysctls.get(place) {
            let names: Vec<Name> = names.iter().cloned().collect();
            let values = self.kernel.read_sysctls(&self.lab, place, &names)?;
            observed.sysctls.insert(place.clone(), values);
        }
        Ok(())
    }
}

fn interface(link: &Link, addresses: &[&Address], names: &Table<u32, Name>, sending: Sending) -> ObservedInterface {
    let net = |address: &&&Address| IpNetwork::new(address.address, address.prefix).ok();
    let bad = |address: &&&Address| address.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0;
    // A link-local address comes by itself and is not one that somebody waits for.
    let waited_for = |net: &IpNetwork| !matches!(net.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
    ObservedInterface {
        index: link.index,
        mac: link.mac.map(Mac).filter(|_| link.name != LOOPBACK),
        mtu: link.mtu,
        description: link.alias.clone().unwrap_or_default(),
        up: link.flags & IFF_UP != 0,
        carrier: link.carrier,
        cloner: link.kind.as_deref().map(Name::from),
        addresses: addresses.iter().filter_map(|address| net(&address)).collect(),
        unusable: addresses
            .iter()
            .filter(bad)
            .filter_map(|address| net(&address))
            .filter(waited_for)
            .collect::<BTreeSet<_>>(),
        linux: Some(Box::new(ObservedLink {
            peer: link.peer,
            bridge: link.bridge.and_then(|index| names.get(&index).cloned()),
            link_local: link.link_local,
            forwards: link.forwards,
            sending,
            settings: link.bridging.map(|(stp, ageing)| BridgeSettings { stp, learning: ageing != 0 }),
        })),
    }
}

/// Whether somebody set a route by hand, as against a routing daemon, and the kernel by what routers tell it.
fn is_by_hand(route: &Route) -> bool {
    [RTPROT_BOOT, RTPROT_STATIC].contains(&route.protocol)
}

fn through_gateway(route: &Route) -> Option<(IpNetwork, IpAddr)> {
    if route.table != MAIN || route.kind != RTN_UNICAST {
        return None;
    }
    let gateway = route.hops.first()?.gateway?;
    Some((IpNetwork::new(route.destination, route.prefix).ok()?, gateway))
}
