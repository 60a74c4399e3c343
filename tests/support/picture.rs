//! What a kernel shows to its host, in words that can be compared: everything that `down` promises to leave as it was.
//! Counters, numbers of jails, interfaces and nodes, and neighbour caches are left out.

use std::collections::BTreeMap;
use std::time::Duration;

use cellblock::abi::devfs::DEVFSIO_SGETNEXT;
use cellblock::abi::ioctl::interface;
use cellblock::abi::rtsock::list;
use cellblock::abi::{Errno, InterfaceName};
use cellblock::engine::freebsd::doors::{Actor, Doors, JAIL_DYING, JailParam, RctlCall, Sock, SocketKind};
use cellblock::netlink::{Answer, Dialect, Requests, reply};
use cellblock::sim::SimDoors;
use ngsock::Transport;

/// Lines that are equal if and only if nothing of note differs, in a simulated kernel with all its network stacks.
pub fn picture(doors: &mut SimDoors) -> Vec<String> {
    let mut lines = vec![format!("{} network stacks", doors.kernel.vnets.len())];
    lines.extend(host_picture(doors));
    lines.extend(doors.kernel.host.inventory());
    lines
}

/// Lines that are equal if and only if nothing of note differs on the host of any kernel.
pub fn host_picture<D: Doors>(doors: &mut D) -> Vec<String> {
    host_picture_by(doors, true)
}

/// The same, and without netlink(4) if it must not be used or is not there.
pub fn host_picture_by<D: Doors>(doors: &mut D, netlink: bool) -> Vec<String> {
    let mut lines = Vec::new();
    jails(doors, &mut lines);
    let sock = if netlink { doors.open(Actor::Host, SocketKind::Netlink) } else { Err(Errno::EAFNOSUPPORT) };
    match sock {
        Ok(sock) => stack(doors, sock, &mut lines),
        Err(errno) => {
            assert_eq!(errno, Errno::EAFNOSUPPORT);
            listed_stack(doors, &mut lines);
        }
    }
    netgraph(doors, &mut lines);
    for name in ["net.inet.ip.forwarding", "net.inet6.ip6.forwarding", "net.inet.ip.ttl", "net.inet6.ip6.dad_count"] {
        lines.push(format!("{name} {:?}", doors.sysctl_get(Actor::Host, name)));
    }
    lines.extend(doors.mounts().unwrap().into_iter().map(|mount| format!("{mount:?}")));
    let mut ruleset = [0; 2];
    while doors.devfs_ioctl(DEVFSIO_SGETNEXT, &mut ruleset).is_ok() {
        lines.push(format!("devfs ruleset {}", u16::from_le_bytes(ruleset)));
    }
    lines.push(format!("rctl {:?}", doors.rctl(RctlCall::Get, "jail:")));
    lines
}

fn jails<D: Doors>(doors: &mut D, lines: &mut Vec<String>) {
    let mut last = 0;
    loop {
        let mut parameters = [JailParam::int("lastjid", last), JailParam::string_buffer("name")];
        match doors.jail_get(&mut parameters, JAIL_DYING) {
            Ok(jid) => {
                lines.push(format!("jail {}", parameters[1].as_string().unwrap()));
                last = jid.0;
            }
            Err(refusal) => {
                assert_eq!(refusal.errno, Errno::ENOENT);
                return;
            }
        }
    }
}

/// Interfaces, addresses and routes without netlink.
fn listed_stack<D: Doors>(doors: &mut D, lines: &mut Vec<String>) {
    let found = list::interfaces(&doors.route_list(Actor::Host, &list::INTERFACES).unwrap()).unwrap();
    let sock = doors.open(Actor::Host, SocketKind::Inet).unwrap();
    let mut lists: Vec<String> = Vec::new();
    for interface in &found.interfaces {
        let mut call = interface::description(InterfaceName::new(&interface.link.name).unwrap(), 1024);
        let described = doors.ioctl(sock, call.request, &mut call.argument);
        let description = described.ok().and_then(|()| interface::description_of(&call.argument));
        let description = description.map(|text| String::from_utf8_lossy(&text).into_owned());
        lists.push(format!(
            "interface {} flags {:x} mtu {} mac {:x?} description {description:?} state {}",
            interface.link.name, interface.flags, interface.mtu, interface.link.address, interface.link_state
        ));
    }
    doors.close(sock);
    for address in found.addresses {
        let on = found.interfaces.iter().find(|interface| interface.index == address.index);
        let on = on.map(|interface| &interface.link.name);
        lists.push(format!("address {}/{} on {on:?}", address.address, address.prefix));
    }
    let routes = list::routes(&doors.route_list(Actor::Host, &list::ROUTES).unwrap()).unwrap();
    lists.extend(routes.iter().map(|r| format!("route {}/{} {:x} {:?}", r.destination, r.prefix, r.flags, r.gateway)));
    lists.sort();
    lines.extend(lists);
}

fn stack<D: Doors>(doors: &mut D, sock: Sock, lines: &mut Vec<String>) {
    let mut requests = Requests::new(Dialect::FREEBSD, 1);
    requests.links();
    requests.addresses(None);
    requests.routes();
    doors.route_send(sock, requests.bytes()).unwrap();
    let mut names = BTreeMap::new();
    let mut buffer = Vec::new();
    let mut found = Vec::new();
    let (mut dumps, mut patience) = (3, 10);
    while dumps > 0 {
        if !doors.route_receive(sock, &mut buffer).unwrap() {
            patience -= 1;
            assert!(patience > 0, "the kernel does not answer on a netlink socket");
            doors.wait(Duration::from_secs(10), &[sock]);
            continue;
        }
        for reply in reply::read(&buffer) {
            match reply.answer {
                Answer::Link { link, .. } => {
                    names.insert(link.index, link.name.clone());
                    found.push(format!(
                        "interface {} flags {:x} mtu {} mac {:?} description {:?} carrier {}",
                        link.name, link.flags, link.mtu, link.mac, link.description, link.carrier
                    ));
                }
                Answer::Address { address, .. } => {
                    let name = names.get(&address.index);
                    found.push(format!("address {}/{} on {name:?}", address.address, address.prefix));
                }
                Answer::Route { route, .. } => {
                    let hops: Vec<_> = route.hops.iter().map(|hop| hop.gateway).collect();
                    found.push(format!("route {}/{} {:x} {hops:?}", route.destination, route.prefix, route.flags));
                }
                Answer::Done(error) => {
                    assert_eq!(error, None);
                    dumps -= 1;
                }
                _ => {}
            }
        }
    }
    doors.close(sock);
    found.sort();
    lines.extend(found);
}

struct Wire<'d, D>(&'d mut D, Sock);

impl<D: Doors> Transport for Wire<'_, D> {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        self.0.netgraph_send(self.1, path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.0.netgraph_receive(self.1, buffer)
    }
}

fn netgraph<D: Doors>(doors: &mut D, lines: &mut Vec<String>) {
    let Ok(sock) = doors.open(Actor::Host, SocketKind::Netgraph) else { return };
    let nodes = ngsock::Client::new(Wire(doors, sock)).list_nodes().unwrap();
    doors.close(sock);
    let mut found: Vec<String> = nodes
        .0
        .iter()
        .filter(|node| node.kind.as_str() != Some("socket"))
        .map(|node| {
            let (name, kind) = (node.name.as_str().unwrap_or("?"), node.kind.as_str().unwrap_or("?"));
            format!("node {name:?} {kind:?} {} hooks", node.hooks)
        })
        .collect();
    found.sort();
    lines.extend(found);
}
