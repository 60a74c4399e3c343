//! What was seen of objects that only Linux has, and the same as objects.

use std::collections::BTreeMap;

use serde::Serialize;

use super::observed::{Interfaces, ObservedInterface, Reader};
use crate::graph::linux::{Bridge, BridgeSettings, End, Linux, Namespace, Sending, Shaped, ShapedEnd, Veth};
use crate::graph::{Name, Nic, Object, Place, Table};

/// A namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ObservedNamespace {
    /// The kernel's number for it.
    pub inode: u64,
}

/// What Linux says of an interface beyond what every kernel says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObservedLink {
    /// The index of a veth's other end, in its namespace.
    pub peer: Option<u32>,
    /// The bridge it is a port of.
    pub bridge: Option<Name>,
    /// It makes itself a link-local address.
    pub link_local: bool,
    /// It sends on what comes in over IPv4 for others.
    pub forwards: bool,
    /// How a bridge forwards.
    pub settings: Option<BridgeSettings>,
    /// How it sends.
    #[serde(skip_serializing_if = "Sending::is_plain")]
    pub sending: Sending,
}

impl Reader<'_> {
    /// Namespaces, veth pairs and bridges.
    pub(super) fn linux(&mut self) {
        let observed = self.observed;
        for place in observed.namespaces.keys() {
            self.push(Object::Linux(Linux::Namespace(Namespace { place: place.clone() })));
        }
        let known = std::mem::take(&mut self.kinds.linux);
        self.locate_ends(&known);
        let mut ours: Table<Name, ()> = Table::default();
        let mut seen: Table<Name, ()> = Table::default();
        for object in known {
            match object {
                Linux::Veth(veth) if !seen.contains_key(&veth.nics[0].name) => {
                    let Some(found) = self.veth(veth) else { continue };
                    seen.insert(veth.nics[0].name.clone(), ());
                    let here = found.ends.iter().filter(|end| end.place == Place::Lab);
                    ours.extend(here.map(|end| (end.name.clone(), ())));
                    self.shaped(&found);
                    self.push(Object::Linux(Linux::Veth(Box::new(found))));
                }
                Linux::Bridge(bridge) if !seen.contains_key(&bridge.nic.name) => {
                    let Some(found) = self.bridge(&bridge.nic.name) else { continue };
                    seen.insert(bridge.nic.name.clone(), ());
                    ours.insert(bridge.nic.name.clone(), ());
                    self.push(Object::Linux(Linux::Bridge(found)));
                }
                _ => {}
            }
        }
        self.strays_of_the_lab(&ours);
    }

    fn locate_ends(&mut self, known: &[&Linux]) {
        for object in known {
            let Linux::Veth(veth) = object else { continue };
            for (nic, end) in veth.nics.iter().zip(&veth.ends) {
                if let Some(found) = whereabouts(&self.interfaces, nic, end) {
                    self.located.entry(nic.name.clone()).or_insert(found);
                }
            }
        }
    }

    /// The pair as it is; an end that is not where it should be, or not joined to the other, has no name.
    fn veth(&self, veth: &Veth) -> Option<Veth> {
        let places = [0, 1].map(|at| whereabouts(&self.interfaces, &veth.nics[at], &veth.ends[at]));
        let ends = places.each_ref().map(|found| {
            let (place, name) = found.as_ref()?;
            link(&self.interfaces, place, name, "veth")
        });
        if ends.iter().all(Option::is_none) {
            return None;
        }
        let joined = match ends {
            [Some((a, of_a)), Some((b, of_b))] => of_a.peer == Some(b.index) && of_b.peer == Some(a.index),
            _ => false,
        };
        // Of two ends that are strangers to each other the first stands for the pair; the plan makes both anew.
        let first = usize::from(ends[0].is_none());
        let read = |at: usize| {
            let (nic, end) = (&veth.nics[at], &veth.ends[at]);
            let there = ends[at].filter(|_| joined || at == first);
            let found = places[at].clone().filter(|_| there.is_some());
            let (place, name) = found.unwrap_or_else(|| (end.place.clone(), "".into()));
            let (bridge, link_local) =
                there.map_or((None, end.link_local), |(_, link)| (link.bridge.clone(), link.link_local));
            let nic = there.and_then(|_| self.nic(&nic.name)).unwrap_or_else(|| nic.clone());
            // Where the file's sysctls say it, it is no matter of the interface.
            let forwards = there.map_or(end.forwards, |(_, link)| end.forwards.map(|_| link.forwards));
            (nic, End { place, name, bridge, link_local, forwards })
        };
        let [(first, here), (second, there)] = [read(0), read(1)];
        Some(Veth { nics: [first, second], ends: [here, there] })
    }

    /// How the ends of a pair send, unless both are plain interfaces.
    fn shaped(&mut self, veth: &Veth) {
        let ends = veth.ends.each_ref().map(|end| {
            let seen = link(&self.interfaces, &end.place, &end.name, "veth");
            let sending = seen.map(|(_, link)| link.sending.clone()).unwrap_or_default();
            ShapedEnd { place: end.place.clone(), interface: end.name.clone(), sending }
        });
        if ends.iter().any(|end| !end.sending.is_plain()) {
            let shaped = Shaped { nic: veth.nics[0].name.clone(), ends };
            self.push(Object::Linux(Linux::Shaped(Box::new(shaped))));
        }
    }

    fn bridge(&self, name: &Name) -> Option<Bridge> {
        let (_, link) = link(&self.interfaces, &Place::Lab, name, "bridge")?;
        Some(Bridge { nic: self.nic(name)?, settings: link.settings? })
    }

    /// What is in the lab's own namespace and belongs to no object that we know: it goes.
    fn strays_of_the_lab(&mut self, ours: &Table<Name, ()>) {
        let names: Vec<Name> =
            self.observed.interfaces.get(&Place::Lab).into_iter().flat_map(BTreeMap::keys).cloned().collect();
        for name in names.into_iter().filter(|name| !ours.contains_key(name)) {
            if let Some(bridge) = self.bridge(&name) {
                self.push(Object::Linux(Linux::Bridge(bridge)));
            } else if link(&self.interfaces, &Place::Lab, &name, "veth").is_some()
                && let Some(nic) = self.nic(&name)
            {
                let far = Nic { name: "".into(), ..nic.clone() };
                let end = End { place: Place::Lab, name, bridge: None, link_local: false, forwards: None };
                let other = End { name: "".into(), ..end.clone() };
                let veth = Veth { nics: [nic, far], ends: [end, other] };
                self.push(Object::Linux(Linux::Veth(Box::new(veth))));
            }
        }
    }
}

/// Where an end of a veth pair is and what it is called there: where it belongs, or in the lab's own namespace while its node is
/// stopped.
fn whereabouts(seen: &Interfaces<'_>, nic: &Nic, end: &End) -> Option<(Place, Name)> {
    let places = [(end.place.clone(), end.name.clone()), (Place::Lab, nic.name.clone())];
    places.into_iter().find(|(place, name)| link(seen, place, name, "veth").is_some())
}

/// An interface of that kind.
fn link<'o>(
    seen: &Interfaces<'o>,
    place: &Place,
    name: &str,
    kind: &str,
) -> Option<(&'o ObservedInterface, &'o ObservedLink)> {
    let seen = seen.get(place, name)?;
    let link = seen.linux.as_deref()?;
    (seen.cloner.as_deref() == Some(kind)).then_some((seen, link))
}
