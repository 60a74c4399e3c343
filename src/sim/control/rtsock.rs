//! PF_ROUTE (`sys/net/rtsock.c`): one message per write, which comes back to every reader with its answer.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};

use super::notify;
use crate::abi::flags::iftype;
use crate::abi::flags::{
    IFCAP_TXCSUM, IFCAP_TXCSUM_IPV6, RTF_BLACKHOLE, RTF_FIXEDMTU, RTF_GATEWAY, RTF_HOST, RTF_REJECT, RTF_STATIC, RTF_UP,
};
use crate::abi::rtsock::{
    Addresses, ROUTE_HEADER, RTA_BRD, RTA_DST, RTA_GATEWAY, RTA_IFA, RTA_IFP, RTA_NETMASK, RTM_ADD, RTM_CHANGE,
    RTM_DELETE, RTM_GET, RTM_IFANNOUNCE, RTM_IFINFO, RTM_VERSION, RouteMessage,
};
use crate::abi::sockaddr::{self, LinkAddress, Sockaddr};
use crate::abi::{Errno, InterfaceName};
use crate::sim::ifnet::{self, Driver, Interface};
use crate::sim::kernel::{IfIndex, Kernel, VnetId};
use crate::sim::sockets::{Protocol, SockId};
use crate::sim::stack::{self, AddMode, Address, NewPath, NewRoute, Path, Prefix, Route, RouteFilter};

/// Octets that wait for a reader (`net.rtsock.recvspace`); what comes on top is lost without a word.
const RECEIVE_SPACE: usize = 8192;
/// `RTF_DONE`: in a message, the kernel has done it.
pub(super) const RTF_DONE: u32 = 0x40;
/// `RTF_LLDATA`: a neighbour.
const RTF_LLDATA: u32 = 0x400;
/// `RTV_MTU` in `rtm_inits`.
const RTV_MTU: u64 = 1;
/// Octets of `struct if_data`.
const INTERFACE_DATA: usize = 152;

/// What waits in a PF_ROUTE socket.
#[derive(Clone, Debug, Default)]
pub struct RouteSocket {
    queue: VecDeque<Vec<u8>>,
    octets: usize,
}

impl RouteSocket {
    /// Whether something waits.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A message for the reader; lost if it is too slow.
    pub(super) fn push(&mut self, message: &[u8]) {
        if self.octets + message.len() <= RECEIVE_SPACE {
            self.octets += message.len();
            self.queue.push_back(message.to_vec());
        }
    }
}

/// write(2): carries the message out; it is read back by every PF_ROUTE socket of the vnet.
///
/// # Errors
/// `EBADF` not a PF_ROUTE socket, `EPROTONOSUPPORT` wrong version, `EOPNOTSUPP` unknown type, `EINVAL` malformed, and
/// those of the routing table.
pub fn send(kernel: &mut Kernel, sock: SockId, datagram: &[u8]) -> Result<(), Errno> {
    let socket = kernel.sockets.open.get(&sock).ok_or(Errno::EBADF)?;
    if !matches!(socket.protocol, Protocol::Route(_)) {
        return Err(Errno::EBADF);
    }
    let vnet = socket.vnet;
    let mut echo = datagram.to_vec();
    let answer = match checked(datagram) {
        Err(errno) => Err(errno),
        Ok(()) => {
            let answer = carry_out(kernel, vnet, datagram);
            match &answer {
                Ok(message) => echo.clone_from(message),
                Err(errno) => echo[24..28].copy_from_slice(&errno.raw().to_le_bytes()),
            }
            answer.map(drop)
        }
    };
    // The table's change reaches netlink only: here the echo tells it.
    notify::stack_events(kernel, vnet, Some(sock));
    notify::route_message(kernel, vnet, &echo);
    answer
}

/// recv(2): the oldest message.
pub fn receive(kernel: &mut Kernel, sock: SockId) -> Option<Vec<u8>> {
    let Protocol::Route(socket) = &mut kernel.sockets.open.get_mut(&sock)?.protocol else { return None };
    let message = socket.queue.pop_front()?;
    socket.octets = socket.octets.saturating_sub(message.len());
    Some(message)
}

/// What is refused without being marked in the echo.
fn checked(datagram: &[u8]) -> Result<(), Errno> {
    let length = datagram.first_chunk::<2>().map(|&length| usize::from(u16::from_le_bytes(length)));
    if datagram.len() < ROUTE_HEADER || length != Some(datagram.len()) {
        return Err(Errno::EINVAL);
    }
    if datagram[2] == RTM_VERSION { Ok(()) } else { Err(Errno::EPROTONOSUPPORT) }
}

fn carry_out(kernel: &mut Kernel, vnet: VnetId, datagram: &[u8]) -> Result<Vec<u8>, Errno> {
    if !matches!(datagram[3], RTM_ADD | RTM_DELETE | RTM_CHANGE | RTM_GET) {
        return Err(Errno::EOPNOTSUPP);
    }
    let message = RouteMessage::read(datagram).ok_or(Errno::EINVAL)?;
    let prefix = prefix(&message)?;
    match message.kind {
        RTM_ADD => {
            let new = new_route(kernel, vnet, &message, prefix)?;
            let mode = AddMode { create: true, replace: false, append: true };
            let change = stack::route_add(kernel, vnet, &new, mode)?;
            let weight = change.path.weight;
            Ok(answer(kernel, &message, &prefix, &change.path, weight, true))
        }
        RTM_CHANGE => {
            let new = new_route(kernel, vnet, &message, prefix)?;
            let change = stack::route_change(kernel, vnet, &new)?;
            let weight = change.path.weight;
            Ok(answer(kernel, &message, &prefix, &change.path, weight, true))
        }
        RTM_DELETE => {
            let (gateway, scope) = gateway(&message)?;
            let filter = RouteFilter { gateway, interface: scope.filter(|_| gateway.is_none()), pinned: false };
            let change = stack::route_delete(kernel, vnet, &prefix, &filter)?;
            let weight = change.path.weight;
            Ok(answer(kernel, &message, &prefix, &change.path, weight, change.after.is_some()))
        }
        _ => {
            let is_exact = message.addresses.raw(RTA_NETMASK).is_some();
            let found = if is_exact {
                stack::route_exact(kernel, vnet, &prefix)
            } else {
                stack::route_lookup(kernel, vnet, prefix.address, prefix.scope)
            };
            let route: Route = found.cloned().ok_or(Errno::ESRCH)?;
            let path = route.paths.first().ok_or(Errno::ESRCH)?;
            let weight = if route.paths.len() > 1 { 0 } else { path.weight };
            Ok(answer(kernel, &message, &route.prefix, path, weight, true))
        }
    }
}

/// The destination with its mask; without one it is a host.
fn prefix(message: &RouteMessage) -> Result<Prefix, Errno> {
    let (address, scope) = match message.addresses.get(RTA_DST).ok_or(Errno::EINVAL)? {
        Sockaddr::Inet(address) => (IpAddr::V4(address), 0),
        Sockaddr::Inet6(address, scope) => scoped(address, scope),
        Sockaddr::Absent => return Err(Errno::EINVAL),
        Sockaddr::Link(_) | Sockaddr::Other(..) => return Err(Errno::EAFNOSUPPORT),
    };
    let length = match message.addresses.raw(RTA_NETMASK) {
        None => {
            if address.is_ipv4() {
                32
            } else {
                128
            }
        }
        Some(mask) => mask_length(mask, address)?,
    };
    Prefix::new(address, length, index(scope)).ok_or(Errno::EINVAL)
}

/// The bits of a mask, whatever its family field says and wherever it was cut off.
fn mask_length(mask: &[u8], address: IpAddr) -> Result<u8, Errno> {
    let (start, size) = if address.is_ipv4() { (4, 4) } else { (8, 16) };
    let octets = mask.get(start..).unwrap_or_default();
    let ones: u32 = octets.iter().take(size).map(|octet| octet.count_ones()).sum();
    u8::try_from(ones).map_err(|_| Errno::EINVAL)
}

/// A link-local address may bear its scope in its second word.
fn scoped(address: Ipv6Addr, scope: u32) -> (IpAddr, u32) {
    let mut words = address.segments();
    if !address.is_unicast_link_local() || words[1] == 0 {
        return (IpAddr::V6(address), scope);
    }
    let embedded = u32::from(std::mem::take(&mut words[1]));
    (IpAddr::V6(words.into()), if scope == 0 { embedded } else { scope })
}

fn index(scope: u32) -> Option<IfIndex> {
    u16::try_from(scope).ok().filter(|&index| index != 0).map(IfIndex)
}

/// The gateway of a request: an address, an interface, or both.
fn gateway(message: &RouteMessage) -> Result<(Option<IpAddr>, Option<IfIndex>), Errno> {
    Ok(match message.addresses.get(RTA_GATEWAY) {
        None | Some(Sockaddr::Absent) => (None, None),
        Some(Sockaddr::Inet(address)) => (Some(IpAddr::V4(address)), None),
        Some(Sockaddr::Inet6(address, scope)) => {
            let (address, scope) = scoped(address, scope);
            (Some(address), index(scope))
        }
        Some(Sockaddr::Link(link)) => (None, index(u32::from(link.index))),
        Some(Sockaddr::Other(..)) => return Err(Errno::EINVAL),
    })
}

fn new_route(kernel: &Kernel, vnet: VnetId, message: &RouteMessage, prefix: Prefix) -> Result<NewRoute, Errno> {
    let (gateway, mut interface) = gateway(message)?;
    if gateway.is_none() && interface.is_none() {
        return Err(Errno::EINVAL);
    }
    if gateway.is_some_and(stack::needs_scope) && interface.is_none() {
        return Err(Errno::ENETUNREACH);
    }
    if let Some(Sockaddr::Link(link)) = message.addresses.get(RTA_IFP) {
        let named = ifnet::find(kernel, vnet, &link.name);
        interface = interface.or(index(u32::from(link.index))).or(named);
    }
    let flags = message.flags & (RTF_STATIC | RTF_BLACKHOLE | RTF_REJECT);
    let mtu = (message.inits & RTV_MTU != 0).then(|| u32::try_from(message.mtu).unwrap_or(u32::MAX));
    Ok(NewRoute { prefix, paths: vec![NewPath { gateway, interface, weight: 1 }], flags, mtu })
}

/// The request with the answer filled in.
fn answer(
    kernel: &Kernel,
    request: &RouteMessage,
    prefix: &Prefix,
    path: &Path,
    weight: u32,
    remains: bool,
) -> Vec<u8> {
    let mut message = of_path(kernel, request.kind, prefix, path, remains);
    message.pid = request.pid;
    message.sequence = request.sequence;
    message.fmask = request.fmask;
    message.weight = u64::from(weight);
    message.nexthop = u64::from(path.id);
    message.mtu = u64::from(stack::path_mtu(kernel, path));
    message.inits = if path.hop.mtu.is_some() { RTV_MTU } else { 0 };
    if request.addresses.bits() & (RTA_IFP | RTA_IFA) != 0
        && let Some(interface) = kernel.interfaces.get(path.hop.interface)
    {
        message.addresses.set(RTA_IFP, link_sockaddr(interface));
        let is_family = |address: &&Address| matches!(address, Address::V4(_)) == prefix.address.is_ipv4();
        if let Some(address) = interface.net.addresses.iter().find(is_family) {
            message.addresses.set(RTA_IFA, ip_sockaddr(address.ip(), Some(interface.index)));
        }
    }
    message.bytes()
}

/// A route message about one path; metrics and sender are left out.
pub(super) fn of_path(kernel: &Kernel, kind: u8, prefix: &Prefix, path: &Path, remains: bool) -> RouteMessage {
    let up = if remains { RTF_UP } else { 0 };
    let fixed = if path.hop.mtu.is_some() { RTF_FIXEDMTU } else { 0 };
    let mut message = RouteMessage {
        kind,
        index: path.hop.interface.0,
        flags: path.hop.flags & !RTF_GATEWAY | gateway_flag(path) | up | fixed | RTF_DONE,
        ..RouteMessage::default()
    };
    message.addresses.set(RTA_DST, ip_sockaddr(prefix.address, prefix.scope));
    let gateway = match path.hop.gateway {
        Some(gateway) => ip_sockaddr(gateway, Some(path.hop.interface)),
        None => bare_link(kernel, path.hop.source.unwrap_or(path.hop.interface), prefix),
    };
    message.addresses.set(RTA_GATEWAY, gateway);
    if prefix.is_host() {
        message.flags |= RTF_HOST;
    } else {
        message.addresses.set(RTA_NETMASK, sockaddr::mask(&prefix.address, prefix.length));
    }
    message
}

fn gateway_flag(path: &Path) -> u32 {
    path.hop.flags & RTF_GATEWAY
}

/// A `sockaddr_dl` without name and address: short for networks and IPv4, long for IPv6 hosts.
fn bare_link(kernel: &Kernel, index: IfIndex, prefix: &Prefix) -> Vec<u8> {
    let kind = kernel.interfaces.get(index).map_or(iftype::IFT_ETHER, Interface::kind);
    let link = LinkAddress { index: index.0, kind, ..LinkAddress::default() };
    let mut bytes = sockaddr::link(&link).to_vec();
    if !(prefix.is_host() && prefix.address.is_ipv6()) {
        bytes.truncate(16);
        bytes[0] = 16;
    }
    bytes
}

pub(super) fn ip_sockaddr(address: IpAddr, interface: Option<IfIndex>) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => sockaddr::inet(address).to_vec(),
        IpAddr::V6(address) => {
            let scope = if stack::needs_scope(IpAddr::V6(address)) { interface } else { None };
            sockaddr::inet6(address, scope.map_or(0, |index| u32::from(index.0))).to_vec()
        }
    }
}

/// The `sockaddr_dl` of an interface with name and MAC, 56 octets as `if_addr` keeps it.
pub(super) fn link_sockaddr(interface: &Interface) -> Vec<u8> {
    let address = if interface.is_ethernet() { interface.mac.to_vec() } else { Vec::new() };
    let link = LinkAddress { index: interface.index.0, kind: interface.kind(), name: interface.name.clone(), address };
    let mut bytes = sockaddr::link(&link).to_vec();
    bytes.resize(56, 0);
    bytes[0] = 56;
    bytes
}

/// RTM_NEWADDR or RTM_DELADDR.
pub(super) fn address_message(kind: u8, interface: &Interface, address: &Address) -> Vec<u8> {
    let mut addresses = Addresses::default();
    addresses.set(RTA_IFP, link_sockaddr(interface));
    addresses.set(RTA_IFA, ip_sockaddr(address.ip(), Some(interface.index)));
    let length = match address {
        Address::V4(address) => {
            if let Some(other) = address.broadcast.or(address.peer) {
                addresses.set(RTA_BRD, sockaddr::inet(other).to_vec());
            }
            address.length
        }
        Address::V6(address) => address.length,
    };
    addresses.set(RTA_NETMASK, sockaddr::mask(&address.ip(), length));
    let mut bytes = vec![0, 0, RTM_VERSION, kind];
    bytes.extend_from_slice(&addresses.bits().to_le_bytes());
    let flags: u32 = match address {
        Address::V4(_) => u32::from(kind == crate::abi::rtsock::RTM_DELADDR),
        Address::V6(_) => {
            if kind == crate::abi::rtsock::RTM_NEWADDR {
                RTF_HOST
            } else {
                0
            }
        }
    };
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(&interface.index.0.to_le_bytes());
    bytes.extend_from_slice(&[0; 6]);
    addresses.append(&mut bytes);
    sized(bytes)
}

/// RTM_ADD of an own IPv6 address to the neighbour cache.
pub(super) fn neighbour_message(interface: &Interface, address: IpAddr, mac: [u8; 6], gone: bool) -> Vec<u8> {
    let mut message = RouteMessage {
        kind: if gone { RTM_DELETE } else { RTM_ADD },
        flags: RTF_UP | RTF_HOST | RTF_DONE | RTF_LLDATA,
        ..RouteMessage::default()
    };
    message.addresses.set(RTA_DST, ip_sockaddr(address, Some(interface.index)));
    let link =
        LinkAddress { index: interface.index.0, kind: interface.kind(), name: String::new(), address: mac.to_vec() };
    message.addresses.set(RTA_GATEWAY, sockaddr::link(&link).to_vec());
    message.bytes()
}

/// RTM_IFANNOUNCE.
pub(super) fn announcement(interface: &Interface, departure: bool) -> Vec<u8> {
    let mut bytes = vec![0, 0, RTM_VERSION, RTM_IFANNOUNCE];
    bytes.extend_from_slice(&interface.index.0.to_le_bytes());
    let name = InterfaceName::new(&interface.name).map_or([0; 16], |name| *name.bytes());
    bytes.extend_from_slice(&name);
    bytes.extend_from_slice(&u16::from(departure).to_le_bytes());
    sized(bytes)
}

/// RTM_IFINFO: flags and `struct if_data`.
pub(super) fn information(interface: &Interface) -> Vec<u8> {
    let mut bytes = vec![0, 0, RTM_VERSION, RTM_IFINFO, 0, 0, 0, 0];
    bytes.extend_from_slice(&interface.flags.to_le_bytes());
    bytes.extend_from_slice(&interface.index.0.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    append_data(&mut bytes, interface);
    sized(bytes)
}

/// `struct if_data`, but for the times of birth and of the last change: nobody's clock runs as another's.
pub(super) fn append_data(bytes: &mut Vec<u8>, interface: &Interface) {
    let end = bytes.len() + INTERFACE_DATA;
    let (header, baud): (u8, u64) = match &interface.driver {
        Driver::Epair { .. } => (18, 10_000_000_000),
        Driver::Eiface { .. } => (18, 1_000_000_000),
        Driver::Vlan(_) => (4, 10_000_000_000),
        Driver::Other { cloner } if cloner == "tap" => (14, 10_000_000),
        Driver::Bridge(_) => (14, 0),
        Driver::Iface { .. } => (0, 64_000),
        Driver::Loopback | Driver::Other { .. } => (0, 0),
    };
    let octets = if interface.is_ethernet() { 6 } else { 0 };
    let state = match interface.driver {
        Driver::Loopback | Driver::Iface { .. } | Driver::Other { .. } => 0,
        _ if interface.link_up => 2,
        _ => 1,
    };
    bytes.extend_from_slice(&[interface.kind(), 0, octets, header, state, 0, 152, 0]);
    bytes.extend_from_slice(&interface.mtu.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&baud.to_le_bytes());
    let counted = &interface.net.counters;
    for count in [
        counted.input_packets,
        counted.input_errors,
        counted.output_packets,
        counted.output_errors,
        0,
        counted.input_bytes,
        counted.output_bytes,
        counted.input_multicasts,
        counted.output_multicasts,
        counted.input_drops,
        counted.output_drops,
    ] {
        bytes.extend_from_slice(&count.to_le_bytes());
    }
    // Packets of no protocol; checksums that the driver can leave to hardware (`ifi_hwassist`).
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&offloaded(interface).to_le_bytes());
    bytes.resize(end, 0);
}

/// The checksums that an interface takes off the stack's hands: `CSUM_*` (`sys/net/if_epair.c:435`, `sys/net/if_loop.c:134`).
fn offloaded(interface: &Interface) -> u64 {
    let has = |capability| interface.capabilities & capability != 0;
    let (four, six): (u64, u64) = match &interface.driver {
        Driver::Epair { .. } => (0x6, 0x600),
        Driver::Loopback => (0xf, 0xe00),
        _ => return 0,
    };
    let four = if has(IFCAP_TXCSUM) { four } else { 0 };
    four | if has(IFCAP_TXCSUM_IPV6) { six } else { 0 }
}

/// Fills the length in.
pub(super) fn sized(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    bytes[..2].copy_from_slice(&length.to_le_bytes());
    bytes
}
