//! What a network stack holds: interfaces, addresses, routes. Over netlink in one send; or by sysctl(3), which needs no socket, and
//! what it leaves out by ioctl.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::doors::{Doors, SocketKind};
use super::interface::name;
use super::session::Session;
use super::{FreeBsd, RouteMeans};
use crate::abi::Errno;
use crate::abi::flags::IFF_UP;
use crate::abi::flags::iftype::{IFT_ETHER, IFT_L2VLAN};
use crate::abi::ioctl::{address, interface};
use crate::abi::rtsock::list::{self, ListedAddress, ListedInterface, ListedRoute};
use crate::engine::EngineError;
use crate::netlink::reply::{Address, Answer, Hop, Link, Route};
use crate::netlink::{Dialect, Requests};

/// Room for a description of ours.
const DESCRIPTION: usize = 1024;
/// The cloners whose interfaces are told from others.
const CLONERS: [&str; 2] = ["epair", "bridge"];
/// `LINK_STATE_UP`.
const LINK_STATE_UP: u8 = 2;
/// Members that may join a group between two looks.
const SLACK: usize = 16;

/// What a network stack holds.
#[derive(Debug, Default)]
pub(super) struct Stack {
    /// Interfaces.
    pub(super) links: Vec<Link>,
    /// Their addresses.
    pub(super) addresses: Vec<Address>,
    /// Routes.
    pub(super) routes: Vec<Route>,
}

impl<D: Doors> FreeBsd<'_, D> {
    /// How addresses, routes and lists travel: as was asked, but where the kernel has no netlink(4).
    pub(super) fn means(&mut self, session: &mut Session) -> Result<RouteMeans, EngineError> {
        if let Some(means) = self.means {
            return Ok(means);
        }
        let means = match self.settings.means {
            RouteMeans::Rtsock => RouteMeans::Rtsock,
            RouteMeans::Netlink => match self.sock(session, SocketKind::Netlink) {
                Ok(_) => RouteMeans::Netlink,
                Err(error) if matches!(error.errno, Some(Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT)) => {
                    RouteMeans::Rtsock
                }
                Err(error) => return Err(error),
            },
        };
        self.means = Some(means);
        Ok(means)
    }

    /// All that the stack of a place holds; of interfaces that are not `wanted` the details may be missing.
    pub(super) fn stack(
        &mut self,
        session: &mut Session,
        wanted: &dyn Fn(&Link) -> bool,
    ) -> Result<Stack, EngineError> {
        match self.means(session)? {
            RouteMeans::Netlink => self.dump(session, true),
            RouteMeans::Rtsock => {
                let mut stack = self.listed(session, wanted)?;
                stack.routes = self.listed_routes(session)?;
                Ok(stack)
            }
        }
    }

    /// The interfaces of a place with their descriptions; a name may be there twice.
    pub(super) fn links(&mut self, session: &mut Session) -> Result<Vec<Link>, EngineError> {
        let stack = match self.means(session)? {
            RouteMeans::Netlink => self.dump(session, false)?,
            RouteMeans::Rtsock => self.listed(session, &|_| false)?,
        };
        Ok(stack.links)
    }

    /// The dumps of netlink in one send: of the interfaces alone, or of everything.
    fn dump(&mut self, session: &mut Session, everything: bool) -> Result<Stack, EngineError> {
        let sock = self.sock(session, SocketKind::Netlink)?;
        let mut requests = Requests::new(Dialect::FREEBSD, session.sequence);
        requests.links();
        if everything {
            requests.addresses(None);
            requests.routes();
        }
        session.sequence = requests.next_sequence();
        let mut stack = Stack::default();
        let (mut running, mut error) = (if everything { 3 } else { 1 }, None);
        let place = session.place.to_string();
        self.ask(sock, &place, requests.bytes(), |reply| {
            match reply.answer {
                Answer::Link { link, .. } => stack.links.push(*link),
                Answer::Address { address, .. } => stack.addresses.push(address),
                Answer::Route { route, .. } => stack.routes.push(*route),
                Answer::Done(errno) => {
                    error = error.or(errno);
                    running -= 1;
                }
                Answer::Acknowledgement(answer) => {
                    error = error.or(answer.error);
                    running -= i32::from(answer.error.is_some());
                }
                Answer::Other(_) | Answer::Malformed(_) => {}
            }
            running > 0
        })?;
        match error {
            Some(errno) => Err(EngineError::refused(place, "netlink dump", errno)),
            None => Ok(stack),
        }
    }

    /// Interfaces and addresses by sysctl. An interface that goes while it is asked about is as good as never seen.
    fn listed(&mut self, session: &mut Session, wanted: &dyn Fn(&Link) -> bool) -> Result<Stack, EngineError> {
        let bytes = self.list(session, &list::INTERFACES)?;
        let found = list::interfaces(&bytes).ok_or_else(|| unreadable(session))?;
        let cloned = self.cloned(session)?;
        let mut addresses: BTreeMap<u16, Vec<ListedAddress>> = BTreeMap::new();
        for listed in found.addresses {
            addresses.entry(listed.index).or_default().push(listed);
        }
        let (mut stack, mut seen) = (Stack::default(), BTreeSet::new());
        for listed in found.interfaces {
            let own = addresses.remove(&listed.index).unwrap_or_default();
            let mut link = link(listed);
            // Whoever asks by name is told of the first that bears it.
            if seen.insert(link.name.clone()) {
                link.description = match self.description(session, &link.name) {
                    Err(error) if error.errno == Some(Errno::ENXIO) => continue,
                    other => other?,
                };
            }
            link.cloner = cloned.get(&link.name).map(|cloner| (*cloner).to_owned());
            if wanted(&link) {
                for listed in &own {
                    stack.addresses.extend(self.listed_address(session, &link.name, listed)?);
                }
            }
            stack.links.push(link);
        }
        Ok(stack)
    }

    fn listed_routes(&mut self, session: &mut Session) -> Result<Vec<Route>, EngineError> {
        let bytes = self.list(session, &list::ROUTES)?;
        let found = list::routes(&bytes).ok_or_else(|| unreadable(session))?;
        let mut routes: Vec<Route> = Vec::with_capacity(found.len());
        for listed in found {
            let way = Hop { gateway: listed.gateway, interface: Some(listed.interface.into()), weight: 1 };
            match routes.last_mut() {
                Some(last) if (last.destination, last.prefix) == (listed.destination, listed.prefix) => {
                    last.hops.push(way);
                }
                _ => routes.push(route(&listed, way)),
            }
        }
        Ok(routes)
    }

    fn list(&mut self, session: &mut Session, which: &[i32]) -> Result<Vec<u8>, EngineError> {
        let actor = self.actor(session)?;
        self.doors
            .route_list(actor, which)
            .map_err(|errno| EngineError::refused(session.place.to_string(), "sysctl net.route", errno))
    }

    /// The description of an interface; `None` without one.
    pub(super) fn description(&mut self, session: &mut Session, of: &str) -> Result<Option<String>, EngineError> {
        match self.control(session, of, interface::description(name(of)?, DESCRIPTION)) {
            Ok(found) => Ok(interface::description_of(&found).map(|text| String::from_utf8_lossy(&text).into_owned())),
            Err(error) if error.errno == Some(Errno::ENOMSG) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What made the interfaces that are somebody's clones: they are in their cloner's group for life.
    fn cloned(&mut self, session: &mut Session) -> Result<BTreeMap<String, &'static str>, EngineError> {
        let mut cloned = BTreeMap::new();
        for cloner in CLONERS {
            cloned.extend(self.group(session, cloner)?.into_iter().map(|member| (member, cloner)));
        }
        Ok(cloned)
    }

    fn group(&mut self, session: &mut Session, group: &str) -> Result<Vec<String>, EngineError> {
        let asked = match self.control(session, group, interface::group_members(name(group)?, 0)) {
            // Nobody is in it.
            Err(error) if error.errno == Some(Errno::ENOENT) => return Ok(Vec::new()),
            other => other?,
        };
        let count = interface::group_bytes_of(&asked).unwrap_or(0) / crate::abi::name::IFNAMSIZ;
        let found = self.control(session, group, interface::group_members(name(group)?, count + SLACK))?;
        interface::names_of(&found)
            .ok_or_else(|| EngineError::strange(group, "SIOCGIFGMEMB", "the kernel's list of members cannot be read"))
    }

    /// An address with what only an ioctl tells of it; `None` if it has gone meanwhile.
    fn listed_address(
        &mut self,
        session: &mut Session,
        interface: &str,
        listed: &ListedAddress,
    ) -> Result<Option<Address>, EngineError> {
        let mut in6_flags = 0;
        if let IpAddr::V6(ip) = listed.address {
            let call = address::address_flags(name(interface)?, ip);
            in6_flags = match self.control_on(session, SocketKind::Inet6, interface, call) {
                Ok(found) => address::address_flags_of(&found).unwrap_or(0),
                Err(error) if matches!(error.errno, Some(Errno::EADDRNOTAVAIL | Errno::ENXIO)) => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        Ok(Some(Address {
            index: listed.index.into(),
            address: listed.address,
            prefix: listed.prefix,
            peer: None,
            broadcast: None,
            label: None,
            flags: 0,
            in6_flags,
            lifetimes: None,
        }))
    }
}

fn unreadable(session: &Session) -> EngineError {
    EngineError::strange(session.place.to_string(), "sysctl net.route", "the kernel's list cannot be read")
}

fn link(listed: ListedInterface) -> Link {
    let carrier = match listed.kind {
        IFT_ETHER | IFT_L2VLAN => listed.link_state == LINK_STATE_UP,
        _ => listed.flags & IFF_UP != 0,
    };
    Link {
        index: listed.index.into(),
        kind: listed.kind.into(),
        flags: listed.flags,
        mtu: listed.mtu,
        mac: listed.link.address.as_slice().try_into().ok(),
        name: listed.link.name,
        carrier,
        ..Link::default()
    }
}

fn route(listed: &ListedRoute, way: Hop) -> Route {
    Route {
        destination: listed.destination,
        prefix: listed.prefix,
        table: 0,
        protocol: 0,
        kind: 0,
        flags: listed.flags,
        hops: vec![way],
        mtu: None,
        nexthop: None,
    }
}
