//! Each step as one message, and what it brings along in other places.

use super::Engineer;
use super::kernel::Kernel;
use crate::abi::Errno;
use crate::engine::EngineError;
use crate::graph::linux::{Bridge, End, LOOPBACK, Veth};
use crate::graph::{Name, Place};
use crate::netlink::linux::{Dress, Link, Links, VethEnd};
use crate::netlink::request::Existing;
use crate::netlink::{Dialect, NextHop, Requests};
use crate::plan::{LinuxStep, Step};

/// Whether a step takes something away, so that a missing object is no failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Yes,
    No,
}

/// A step as a message.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    /// The object in a person's words.
    pub object: String,
    /// The call in the kernel's words.
    pub call: &'static str,
    /// Messages on the socket of the place whose step it is; none for a removal of what is not there.
    pub messages: Vec<Vec<u8>>,
    /// Messages in other places after them.
    pub follow: Vec<(Place, Vec<u8>)>,
    pub removal: Removal,
    /// A message that is sent when what was to go is not there: it may be there as somebody else's.
    pub otherwise: Option<Vec<u8>>,
}

impl Encoded {
    /// Octets in all.
    pub(super) fn len(&self) -> usize {
        self.messages.iter().chain(self.follow.iter().map(|(_, message)| message)).map(Vec::len).sum()
    }
}

/// Whether a step is done by a message alone.
pub(super) fn is_message(step: &Step) -> bool {
    match step {
        Step::Linux(step) => !matches!(
            step,
            LinuxStep::CreateNamespace(_)
                | LinuxStep::RemoveNamespace(_)
                | LinuxStep::SetRoot(_)
                | LinuxStep::UnsetRoot(_)
                | LinuxStep::SetRules { .. }
        ),
        Step::SetMac { .. }
        | Step::SetMtu { .. }
        | Step::SetDescription { .. }
        | Step::AddAddress(_)
        | Step::RemoveAddress(_)
        | Step::SetUp(_)
        | Step::SetDown(_)
        | Step::AddRoute(_)
        | Step::RemoveRoute(_)
        | Step::ChangeRoute { .. } => true,
        _ => false,
    }
}

impl<K: Kernel> Engineer<'_, K> {
    /// The message for a step for which [`is_message`] holds.
    pub(super) fn encode(&mut self, step: &Step) -> Result<Encoded, EngineError> {
        match step {
            Step::Linux(LinuxStep::CreateVeth(veth)) => self.create_veth(veth),
            Step::Linux(LinuxStep::RemoveVeth(veth)) => self.remove_veth(veth),
            Step::Linux(LinuxStep::CreateBridge(bridge)) => self.create_bridge(bridge),
            Step::Linux(LinuxStep::RemoveBridge(bridge)) => {
                let name = &bridge.nic.name;
                let encoded = self.on_link(&Place::Lab, name, "RTM_DELLINK", Removal::Yes, Links::remove);
                self.went(&Place::Lab, name);
                encoded
            }
            Step::Linux(LinuxStep::SetBridge { bridge, to, .. }) => {
                self.on_link(&Place::Lab, bridge, "RTM_NEWLINK", Removal::No, |links, index| {
                    links.set_bridge(index, to.stp, to.learning);
                })
            }
            Step::Linux(LinuxStep::SetLinkLocal { place, interface, on }) => {
                let dress = Dress { link_local: Some(*on), ..Dress::default() };
                self.on_link(place, interface, "RTM_NEWLINK", Removal::No, |links, index| links.dress(index, &dress))
            }
            Step::Linux(LinuxStep::SetForwarding { place, interface, on }) => {
                let dress = Dress { forwards: Some(*on), ..Dress::default() };
                self.on_link(place, interface, "RTM_NEWLINK", Removal::No, |links, index| links.dress(index, &dress))
            }
            Step::Linux(LinuxStep::SetSending { place, interface, from, to }) => {
                self.set_sending(place, interface, from, to)
            }
            Step::SetMac { place, interface, to, .. } => {
                self.on_link(place, interface, "RTM_NEWLINK", Removal::No, |links, index| links.set_mac(index, to.0))
            }
            Step::SetMtu { place, interface, to, .. } => {
                let mtu = u32::from(to.0);
                self.on_link(place, interface, "RTM_NEWLINK", Removal::No, |links, index| links.set_mtu(index, mtu))
            }
            Step::SetDescription { place, interface, to, .. } => {
                let dress = Dress { alias: Some(to), ..Dress::default() };
                self.on_link(place, interface, "RTM_NEWLINK", Removal::No, |links, index| links.dress(index, &dress))
            }
            Step::SetUp(up) => {
                let mut encoded =
                    self.on_link(&up.place, &up.interface, "RTM_NEWLINK", Removal::No, |links, index| {
                        links.set_up(index, true);
                    })?;
                // Address generation is settled before an interface is up.
                encoded.messages.splice(..0, self.undressed.remove(&(up.place.clone(), up.interface.clone())));
                Ok(encoded)
            }
            Step::SetDown(up) => self.on_link(&up.place, &up.interface, "RTM_NEWLINK", Removal::Yes, |links, index| {
                links.set_up(index, false);
            }),
            _ => self.configure(step),
        }
    }

    /// A message about an interface that is there.
    fn on_link(
        &mut self,
        place: &Place,
        name: &str,
        call: &'static str,
        removal: Removal,
        write: impl FnOnce(&mut Links, u32),
    ) -> Result<Encoded, EngineError> {
        let object = self.at(place, name);
        let messages = match self.index(place, name) {
            Ok(index) => vec![one(|links| write(links, index))],
            Err(error) if removal == Removal::Yes && is_missing(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Encoded { object, call, messages, follow: Vec::new(), removal, otherwise: None })
    }

    fn create_veth(&mut self, veth: &Veth) -> Result<Encoded, EngineError> {
        let mut follow = Vec::new();
        let mut indexes = [0; 2];
        let mut namespaces = [None; 2];
        let mut bridges = [None; 2];
        for at in 0..2 {
            let (nic, end) = (&veth.nics[at], &veth.ends[at]);
            indexes[at] = self.choose(&end.place, &end.name)?;
            if end.place != Place::Lab {
                namespaces[at] = Some(self.kernel.descriptor(&self.lab, &end.place)?);
            }
            if let Some(bridge) = &end.bridge {
                bridges[at] = Some(self.index(&Place::Lab, bridge)?);
            }
            let alias = Some(&*nic.description);
            let dress = Dress { alias, link_local: Some(end.link_local), forwards: end.forwards };
            if end.place == Place::Host {
                // Among strangers' interfaces ours bears its mark at once.
                follow.push((Place::Host, one(|links| links.dress_by_name(&end.name, &dress))));
            } else {
                let message = one(|links| links.dress(indexes[at], &dress));
                self.undressed.insert((end.place.clone(), end.name.clone()), message);
            }
        }
        let end = |at: usize| VethEnd {
            name: &veth.ends[at].name,
            index: indexes[at],
            mac: veth.nics[at].mac.0,
            mtu: u32::from(veth.nics[at].mtu.0),
            namespace: namespaces[at],
            bridge: bridges[at],
        };
        // IFLA_MASTER counts at the near end only: where both are ports, the second is joined in a message of its own. The far end has
        // the index that we chose only if the near one has, too (veth_newlink() in drivers/net/veth.c): one on the host is the far one.
        let is_far = |at: usize| bridges[at].is_none() && (bridges[1 - at].is_some() || indexes[at] == 0);
        let (near, far) = if is_far(0) { (end(1), end(0)) } else { (end(0), end(1)) };
        let second = far.bridge;
        let far = VethEnd { bridge: None, ..far };
        let mut messages = vec![one(|links| links.create_veth(&near, &far))];
        messages.extend(second.map(|bridge| one(|links| links.set_bridge_of(far.index, bridge))));
        let object = format!("{} and {}", veth.nics[0].of(), veth.nics[1].of());
        Ok(Encoded { object, call: "RTM_NEWLINK", messages, follow, removal: Removal::No, otherwise: None })
    }

    /// Says what is left to say of interfaces that were made in a place and are not set up there.
    pub(super) fn dress_rest(&mut self, place: &Place) -> Result<(), EngineError> {
        let own: Vec<(Place, Name)> = self.undressed.keys().filter(|(at, _)| at == place).cloned().collect();
        let messages: Vec<Vec<u8>> = own.iter().filter_map(|key| self.undressed.remove(key)).collect();
        if messages.is_empty() { Ok(()) } else { self.command(place, "interfaces", &messages) }
    }

    fn remove_veth(&mut self, veth: &Veth) -> Result<Encoded, EngineError> {
        let object = format!("{} and {}", veth.nics[0].of(), veth.nics[1].of());
        let mut encoded = Encoded {
            object,
            call: "RTM_DELLINK",
            messages: Vec::new(),
            follow: Vec::new(),
            removal: Removal::Yes,
            otherwise: None,
        };
        // In a namespace of the lab everything is the lab's. On the host a name may be anybody's, also where making ours failed because
        // of that: it is asked last, and for what bears our mark.
        let (host, own): (Vec<&End>, Vec<&End>) = veth.ends.iter().partition(|end| end.place == Place::Host);
        for end in own.into_iter().chain(host) {
            let found = match &end.place {
                _ if end.name.is_empty() => None,
                Place::Host => self.marked_on_host(&end.name),
                place => self.index(place, &end.name).ok(),
            };
            if let Some(index) = found {
                // On the socket of the end's own place, whoever does the step.
                encoded.follow.push((end.place.clone(), one(|links| links.remove(index))));
                break;
            }
        }
        veth.ends.iter().for_each(|end| self.went(&end.place, &end.name));
        Ok(encoded)
    }

    /// The index of an interface of the host that bears the lab's mark.
    fn marked_on_host(&mut self, name: &str) -> Option<u32> {
        let mark = format!("cellblock {} ", self.lab);
        let is_ours = |link: &Link| link.alias.as_deref().is_some_and(|alias| alias.starts_with(&mark));
        let links = self.links(&Place::Host).ok()?;
        links.iter().find(|link| link.name == name && is_ours(link)).map(|link| link.index)
    }

    fn create_bridge(&mut self, bridge: &Bridge) -> Result<Encoded, EngineError> {
        let nic = &bridge.nic;
        let index = self.choose(&Place::Lab, &nic.name)?;
        let (mac, mtu, settings) = (nic.mac.0, u32::from(nic.mtu.0), bridge.settings);
        let create = one(|links| {
            links.create_bridge(&nic.name, index, mac, mtu, settings.stp, settings.learning);
        });
        let dress = Dress { alias: Some(&nic.description), link_local: Some(false), forwards: None };
        let messages = vec![create, one(|links| links.dress(index, &dress))];
        let object = self.at(&Place::Lab, nic.of());
        Ok(Encoded { object, call: "RTM_NEWLINK", messages, follow: Vec::new(), removal: Removal::No, otherwise: None })
    }

    /// Addresses and routes.
    fn configure(&mut self, step: &Step) -> Result<Encoded, EngineError> {
        let mut requests = Requests::new(Dialect::LINUX, 1);
        let mut before = None;
        let hop = |address| NextHop::Gateway { address, interface: None };
        let mut otherwise = None;
        let (object, call, removal) = match step {
            Step::AddAddress(address) | Step::RemoveAddress(address) => {
                let adds = matches!(step, Step::AddAddress(_));
                let object = format!("{} on {}", address.net, self.at(&address.place, &address.interface));
                match self.index(&address.place, &address.interface) {
                    Ok(index) if adds => requests.add_address(index, address.net.ip(), address.net.prefix()),
                    Ok(index) => {
                        // The host's own loopback is not ours to set.
                        let is_ours = address.place != Place::Host || &*address.interface != LOOPBACK;
                        if address.net.is_ipv4() && is_ours {
                            before = Some(one(|links| links.keep_secondary_addresses(index)));
                        }
                        requests.remove_address(index, address.net.ip(), address.net.prefix())
                    }
                    Err(error) if !adds && is_missing(&error) => 0,
                    Err(error) => return Err(error),
                };
                if adds { (object, "RTM_NEWADDR", Removal::No) } else { (object, "RTM_DELADDR", Removal::Yes) }
            }
            Step::AddRoute(route) => {
                requests.add_route(route.to.ip(), route.to.prefix(), hop(route.via), Existing::Refuse);
                (named(&route.place, &route.to.to_string()), "RTM_NEWROUTE", Removal::No)
            }
            Step::RemoveRoute(route) => {
                requests.remove_route(route.to.ip(), route.to.prefix(), Some(hop(route.via)));
                let mut of_anybody = Requests::new(Dialect::LINUX, 1);
                of_anybody.remove_route_of_anybody(route.to.ip(), route.to.prefix(), hop(route.via));
                otherwise = Some(of_anybody.bytes().to_vec());
                (named(&route.place, &route.to.to_string()), "RTM_DELROUTE", Removal::Yes)
            }
            Step::ChangeRoute { place, to, via, .. } => {
                requests.add_route(to.ip(), to.prefix(), hop(*via), Existing::Replace);
                (named(place, &to.to_string()), "RTM_NEWROUTE", Removal::No)
            }
            other => {
                let message = format!("no message does this: {other:?}");
                return Err(EngineError::strange("", "", message));
            }
        };
        let own = (!requests.is_empty()).then(|| requests.bytes().to_vec());
        let messages = before.into_iter().chain(own).collect();
        Ok(Encoded { object, call, messages, follow: Vec::new(), removal, otherwise })
    }

    /// Sets every bridge of the lab down, or has that done before its namespaces go.
    pub(super) fn bridges_down(&mut self) -> Result<(), EngineError> {
        let is_bridge = |kind: &Option<String>| kind.as_deref() == Some("bridge");
        let links = match self.links_of_kind(&Place::Lab, "bridge") {
            Ok(links) => links,
            // A namespace that went behind our back took its bridges along.
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let messages: Vec<Vec<u8>> = links
            .iter()
            .filter(|link| is_bridge(&link.kind))
            .map(|link| one(|links| links.set_up(link.index, false)))
            .collect();
        if messages.is_empty() || self.kernel.leave_behind(&self.lab, &messages.concat())? {
            return Ok(());
        }
        self.command(&Place::Lab, "bridges", &messages)
    }
}

fn named(place: &Place, what: &str) -> String {
    format!("{what} of {place}")
}

pub(super) fn one(write: impl FnOnce(&mut Links)) -> Vec<u8> {
    let mut links = Links::new(1);
    write(&mut links);
    links.finish()
}

/// The namespace or the interface is not there.
pub(super) fn is_missing(error: &EngineError) -> bool {
    matches!(error.errno, Some(Errno::ENODEV | Errno::ENOENT | Errno::ESRCH))
}
