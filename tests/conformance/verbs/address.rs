//! Addresses and routes, by the door that the run is for.

use std::net::IpAddr;

use cellblock::abi::ioctl::{address, interface};
use cellblock::abi::rtsock::{self, Gateway, Message};
use cellblock::abi::{Sockaddr, flags};
use cellblock::engine::freebsd::doors::{Doors, SocketKind};
use cellblock::netlink::reply::{Hop, Route};
use cellblock::netlink::request::Existing;
use cellblock::netlink::{Answer, Dialect, NextHop, Requests};

use super::interface::{links, spelt};
use super::{Arguments, done, list, listed, netlink};
use crate::world::{Failed, Means, PATIENCE, Reply, World};

const IN6: [(&str, u32); 6] = [
    ("tentative", flags::IN6_IFF_TENTATIVE),
    ("duplicated", flags::IN6_IFF_DUPLICATED),
    ("detached", flags::IN6_IFF_DETACHED),
    ("deprecated", flags::IN6_IFF_DEPRECATED),
    ("nodad", flags::IN6_IFF_NODAD),
    ("autoconf", flags::IN6_IFF_AUTOCONF),
];

fn ip(text: &str) -> Result<IpAddr, Failed> {
    text.parse().map_err(|_| Failed::Script(format!("`{text}` is not an address")))
}

/// An address with its prefix length; without one that of a host.
fn prefix(text: &str) -> Result<(IpAddr, u8), Failed> {
    let text = match text {
        "default" => "0.0.0.0/0",
        "default6" => "::/0",
        other => other,
    };
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address = ip(address)?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    match length.map(str::parse).transpose() {
        Ok(length) => Ok((address, length.unwrap_or(whole))),
        Err(_) => Err(Failed::Script(format!("`{text}` has no prefix length"))),
    }
}

pub fn addresses<D: Doors>(world: &mut World<'_, D>, who: &str, verb: &str, arguments: &mut Arguments<'_>) -> Reply {
    match verb {
        "addr" => change_address(world, who, arguments),
        // addrs INTERFACE: all of them, as `10.0.0.1/24`.
        "addrs" => {
            let name = arguments.interface()?;
            if world.means == Means::Rtsock && !world.held.contains_key(who) {
                return list::addresses(world, who, name.as_str());
            }
            let index = index(world, who, name)?;
            let mut requests = Requests::new(Dialect::FREEBSD, world.sequence);
            requests.addresses(Some(index));
            let answers = netlink::dump(world, who, requests)?;
            let found = answers.into_iter().filter_map(|answer| match answer {
                Answer::Address { address, .. } => Some(format!("{}/{}", address.address, address.prefix)),
                _ => None,
            });
            Ok(listed(found.collect()))
        }
        // addr6 INTERFACE ADDRESS: the flags of an IPv6 address.
        _ => {
            let name = arguments.interface()?;
            let IpAddr::V6(address) = ip(arguments.next("an address")?)? else {
                return Err("not an IPv6 address".into());
            };
            let found = world.ioctl_on(who, SocketKind::Inet6, address::address_flags(name, address))?;
            Ok(spelt(&IN6, address::address_flags_of(&found).ok_or("flags that cannot be read")?))
        }
    }
}

fn index<D: Doors>(world: &mut World<'_, D>, who: &str, name: cellblock::abi::InterfaceName) -> Result<u32, Failed> {
    let found = world.ioctl(who, interface::index(name))?;
    Ok(interface::index_of(&found).ok_or("an index that cannot be read")?.into())
}

/// `addr add|del INTERFACE ADDRESS/PREFIX`.
fn change_address<D: Doors>(world: &mut World<'_, D>, who: &str, arguments: &mut Arguments<'_>) -> Reply {
    let add = match arguments.next("add or del")? {
        "add" => true,
        "del" => false,
        other => return Err(Failed::Script(format!("addr does not `{other}`"))),
    };
    let name = arguments.interface()?;
    let (address, length) = prefix(arguments.next("an address")?)?;
    if world.means == Means::Netlink {
        let index = index(world, who, name)?;
        let mut requests = Requests::new(Dialect::FREEBSD, world.sequence);
        if add {
            requests.add_address(index, address, length);
        } else {
            requests.remove_address(index, address, length);
        }
        return netlink::acknowledged(world, who, requests);
    }
    let (kind, call) = match (address, add) {
        (IpAddr::V4(address), true) => (SocketKind::Inet, address::add4(name, address, length, None)),
        (IpAddr::V4(address), false) => (SocketKind::Inet, address::remove4(name, address)),
        (IpAddr::V6(address), true) => (SocketKind::Inet6, address::add6(name, address, length)),
        (IpAddr::V6(address), false) => (SocketKind::Inet6, address::remove6(name, address)),
    };
    world.ioctl_on(who, kind, call)?;
    done()
}

/// Where a route of a script leads: `via ADDRESS`, `dev INTERFACE`, `blackhole`, `reject`.
enum Hops {
    Nowhere,
    Via(IpAddr),
    Device(u32),
    Blackhole,
    Reject,
}

pub fn routes<D: Doors>(world: &mut World<'_, D>, who: &str, verb: &str, arguments: &mut Arguments<'_>) -> Reply {
    if verb == "routes" {
        let asks = world.means == Means::Rtsock && !world.held.contains_key(who);
        return if asks { list::routes(world, who) } else { dumped(world, who) };
    }
    let act = arguments.next("add, replace, del or get")?;
    let (to, length) = prefix(arguments.next("a destination")?)?;
    let hop = match arguments.optional() {
        Some("via") => Hops::Via(ip(arguments.next("a router")?)?),
        Some("dev") => {
            let name = arguments.interface()?;
            Hops::Device(index(world, who, name)?)
        }
        Some("blackhole") => Hops::Blackhole,
        Some("reject") => Hops::Reject,
        None => Hops::Nowhere,
        Some(other) => return Err(Failed::Script(format!("a route does not lead `{other}`"))),
    };
    match world.means {
        Means::Netlink => by_netlink(world, who, act, to, length, &hop),
        Means::Rtsock => by_rtsock(world, who, act, to, length, &hop),
    }
}

fn by_netlink<D: Doors>(world: &mut World<'_, D>, who: &str, act: &str, to: IpAddr, length: u8, hop: &Hops) -> Reply {
    let way = match hop {
        Hops::Nowhere => None,
        Hops::Via(address) => Some(NextHop::Gateway { address: *address, interface: None }),
        Hops::Device(index) => Some(NextHop::Interface(*index)),
        Hops::Blackhole => Some(NextHop::Blackhole),
        Hops::Reject => Some(NextHop::Reject),
    };
    let mut requests = Requests::new(Dialect::FREEBSD, world.sequence);
    match (act, way) {
        ("add", Some(way)) => requests.add_route(to, length, way, Existing::Refuse),
        ("replace", Some(way)) => requests.add_route(to, length, way, Existing::Replace),
        ("del", way) => requests.remove_route(to, length, way),
        ("get" | "lookup", None) => {
            if act == "get" {
                requests.get_route(to, length);
            } else {
                requests.lookup_route(to);
            }
            let names = index_names(world, who)?;
            let answers = netlink::exchange(world, who, &requests)?;
            let found = netlink::first(answers, |answer| match answer {
                Answer::Route { route, .. } => Some(show(&route, &names)),
                _ => None,
            })?;
            return Ok(asked(act, found));
        }
        _ => return Err(Failed::Script(format!("route {act} cannot be so"))),
    };
    netlink::acknowledged(world, who, requests)
}

fn by_rtsock<D: Doors>(world: &mut World<'_, D>, who: &str, act: &str, to: IpAddr, length: u8, hop: &Hops) -> Reply {
    let gateway = match hop {
        Hops::Nowhere | Hops::Blackhole | Hops::Reject => None,
        Hops::Via(address) => Some(Gateway::Address { address: *address, scope: 0 }),
        Hops::Device(index) => {
            Some(Gateway::Interface(u16::try_from(*index).map_err(|_| "an index that is too large")?))
        }
    };
    let sequence = i32::try_from(world.sequence & 0x7fff_ffff).unwrap_or(1);
    world.sequence = world.sequence.wrapping_add(1);
    let message = match (act, gateway) {
        ("add", Some(gateway)) => rtsock::add(sequence, to, length, gateway),
        ("add", None) if matches!(hop, Hops::Blackhole | Hops::Reject) => {
            let flag = if matches!(hop, Hops::Blackhole) { flags::RTF_BLACKHOLE } else { flags::RTF_REJECT };
            let loopback = if to.is_ipv4() { "127.0.0.1" } else { "::1" };
            let mut message = rtsock::add(sequence, to, length, Gateway::Address { address: ip(loopback)?, scope: 0 });
            // rtm_flags stand at 8.
            let word = u32::from_le_bytes(message[8..12].try_into().map_err(|_| "four octets")?) | flag;
            message[8..12].copy_from_slice(&word.to_le_bytes());
            message
        }
        ("del", gateway) => rtsock::delete(sequence, to, length, gateway),
        ("get", None) => rtsock::get(sequence, to, length),
        ("lookup", None) => rtsock::lookup(sequence, to),
        _ => return Err(Failed::Script(format!("route {act} is not for the routing socket"))),
    };
    let asks = matches!(act, "get" | "lookup");
    let names = if asks { index_names(world, who)? } else { Vec::new() };
    world.on(who, SocketKind::Route, |world, sock| {
        world.doors.route_send(sock, &message)?;
        if !asks {
            return done();
        }
        // The answer passes through a queue of the kernel's.
        let mut buffer = Vec::new();
        let started = world.doors.now();
        while world.doors.now().saturating_sub(started) < PATIENCE {
            if !world.doors.route_receive(sock, &mut buffer)? {
                world.doors.wait(PATIENCE, &[sock]);
                continue;
            }
            if let Some(Message::Route(found)) = Message::read(&buffer)
                && found.sequence == sequence
            {
                return Ok(asked(act, show_message(&found, length, &names)));
            }
        }
        Err("the routing socket did not answer".into())
    })
}

/// Of a route that a packet would take only the way: the two doors tell its prefix differently.
fn asked(act: &str, route: String) -> String {
    match route.split_once(' ') {
        Some((_, way)) if act == "lookup" => way.to_owned(),
        _ => route,
    }
}

/// What interfaces' numbers are called.
fn index_names<D: Doors>(world: &mut World<'_, D>, who: &str) -> Result<Vec<(u32, String)>, Failed> {
    Ok(links(world, who)?.into_iter().map(|link| (link.index, link.name)).collect())
}

fn named(names: &[(u32, String)], index: u32) -> String {
    names.iter().find(|(known, _)| *known == index).map_or_else(|| format!("#{index}"), |(_, name)| name.clone())
}

fn show(route: &Route, names: &[(u32, String)]) -> String {
    let way = |hop: &Hop| match (hop.gateway, hop.interface) {
        (Some(gateway), _) => format!("via {gateway}"),
        (None, Some(index)) => format!("dev {}", named(names, index)),
        (None, None) => "nowhere".to_owned(),
    };
    let kind = if route.flags & flags::RTF_BLACKHOLE != 0 {
        "blackhole".to_owned()
    } else if route.flags & flags::RTF_REJECT != 0 {
        "reject".to_owned()
    } else {
        route.hops.iter().map(way).collect::<Vec<_>>().join(" ")
    };
    format!("{}/{} {kind}", route.destination, route.prefix)
}

fn show_message(message: &rtsock::RouteMessage, length: u8, names: &[(u32, String)]) -> String {
    let destination = message.addresses.get(rtsock::RTA_DST).and_then(|address| address.ip());
    let destination = destination.map_or_else(|| "?".to_owned(), |address| address.to_string());
    let kind = if message.flags & flags::RTF_BLACKHOLE != 0 {
        "blackhole".to_owned()
    } else if message.flags & flags::RTF_REJECT != 0 {
        "reject".to_owned()
    } else {
        match message.addresses.get(rtsock::RTA_GATEWAY) {
            Some(Sockaddr::Link(link)) => format!("dev {}", named(names, link.index.into())),
            Some(other) => other.ip().map_or_else(|| "nowhere".to_owned(), |address| format!("via {address}")),
            None => "nowhere".to_owned(),
        }
    };
    format!("{destination}/{length} {kind}")
}

/// Every route, destinations behind their ways so that a word is a route: `10.0.0.0/24=dev:epair0a`.
fn dumped<D: Doors>(world: &mut World<'_, D>, who: &str) -> Reply {
    let names = index_names(world, who)?;
    let mut requests = Requests::new(Dialect::FREEBSD, world.sequence);
    requests.routes();
    let answers = netlink::dump(world, who, requests)?;
    let found = answers.into_iter().filter_map(|answer| match answer {
        Answer::Route { route, .. } => {
            let text = show(&route, &names);
            text.split_once(' ').map(|(to, way)| format!("{to}={}", way.replace(' ', ":")))
        }
        _ => None,
    });
    Ok(listed(found.collect()))
}
