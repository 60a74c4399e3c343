//! sysctl(3) below `net.route` (`sys/net/rtsock.c`, sysctl_rtsock): interfaces with their addresses, and routes, of the
//! caller's stack.

use super::Caller;
use super::rtsock::{self, RTF_DONE};
use crate::abi::Errno;
use crate::abi::flags::family::{AF_INET, AF_INET6};
use crate::abi::flags::{IFF_LOOPBACK, IFF_POINTOPOINT, RTF_UP};
use crate::abi::rtsock::list::{LONG_DATA, LONG_HEADER, NET_RT_DUMP, NET_RT_IFLIST, NET_RT_IFLISTL, TREE};
use crate::abi::rtsock::{
    Addresses, RTA_BRD, RTA_IFA, RTA_IFP, RTA_NETMASK, RTM_GET, RTM_IFINFO, RTM_NEWADDR, RTM_VERSION,
};
use crate::abi::sockaddr;
use crate::sim::ifnet::{self, Interface};
use crate::sim::kernel::{Kernel, VnetId};
use crate::sim::stack::{self, Address, Path, Prefix};

/// `AF_MAX` (sys/sys/socket.h).
const AF_MAX: i32 = 42;

/// One of the lists.
///
/// # Errors
/// `ENOENT` another tree, `EISDIR` and `ENOTDIR` too few numbers and too many, `EINVAL` no such list or table, `EAFNOSUPPORT` a
/// family without routes. Those of next hops, neighbours and groups are not simulated: `EOPNOTSUPP`.
pub fn read(kernel: &Kernel, caller: Caller, name: &[i32]) -> Result<Vec<u8>, Errno> {
    let rest = name.strip_prefix(TREE.as_slice()).ok_or(Errno::ENOENT)?;
    let [family, what, argument, table @ ..] = rest else { return Err(Errno::EISDIR) };
    if what == &NET_RT_DUMP {
        match table {
            // -1 is the caller's own, which is the only one.
            [] | [0 | -1] => {}
            [_] => return Err(Errno::EINVAL),
            _ => return Err(Errno::ENOTDIR),
        }
    } else if !table.is_empty() {
        return Err(Errno::ENOTDIR);
    }
    if !(0..=AF_MAX).contains(family) {
        return Err(Errno::EINVAL);
    }
    match *what {
        NET_RT_DUMP => routes(kernel, caller.vnet, *family),
        NET_RT_IFLIST | NET_RT_IFLISTL => {
            Ok(interfaces(kernel, caller.vnet, *family, *argument, *what == NET_RT_IFLISTL))
        }
        2 | 4 | 6 | 7 => Err(Errno::EOPNOTSUPP),
        // The kernel's handler falls through its cases with the value it began with.
        _ => Ok(Vec::new()),
    }
}

fn interfaces(kernel: &Kernel, vnet: VnetId, family: i32, index: i32, long: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for interface in ifnet::present(kernel, vnet).filter(|found| index == 0 || i32::from(found.index.0) == index) {
        let mut addresses = Addresses::default();
        addresses.set(RTA_IFP, rtsock::link_sockaddr(interface));
        let mut message = head(RTM_IFINFO, &addresses, interface.flags, interface, long);
        if long {
            message.extend_from_slice(&[0; 4]);
        }
        rtsock::append_data(&mut message, interface);
        addresses.append(&mut message);
        bytes.extend(rtsock::sized(message));
        for address in &interface.net.addresses {
            let own = if matches!(address, Address::V4(_)) { AF_INET } else { AF_INET6 };
            if family == 0 || family == i32::from(own) {
                bytes.extend(address_message(interface, address, long));
            }
        }
    }
    bytes
}

/// What the headers begin with, up to where the short one of interfaces has its data.
fn head(kind: u8, addresses: &Addresses, flags: u32, interface: &Interface, long: bool) -> Vec<u8> {
    let mut message = vec![0, 0, RTM_VERSION, kind];
    message.extend_from_slice(&addresses.bits().to_le_bytes());
    message.extend_from_slice(&flags.to_le_bytes());
    message.extend_from_slice(&interface.index.0.to_le_bytes());
    message.extend_from_slice(&[0; 2]);
    if long {
        for length in [LONG_HEADER, LONG_DATA] {
            message.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
        }
    }
    message
}

fn address_message(interface: &Interface, address: &Address, long: bool) -> Vec<u8> {
    let mut addresses = Addresses::default();
    addresses.set(RTA_IFA, rtsock::ip_sockaddr(address.ip(), Some(interface.index)));
    let length = match address {
        Address::V4(address) => {
            // Every IPv4 address has room for one, which is empty where there is none.
            let other = address.broadcast.or(address.peer);
            addresses.set(RTA_BRD, other.map_or_else(Vec::new, |other| sockaddr::inet(other).to_vec()));
            address.length
        }
        Address::V6(address) => {
            let other = address.peer.map(|peer| sockaddr::inet6(peer, 0).to_vec());
            if let Some(other) =
                other.or_else(|| (interface.flags & (IFF_POINTOPOINT | IFF_LOOPBACK) != 0).then(Vec::new))
            {
                addresses.set(RTA_BRD, other);
            }
            address.length
        }
    };
    addresses.set(RTA_NETMASK, sockaddr::mask(&address.ip(), length));
    // `IFA_ROUTE`: there is a route for the prefix.
    let routed = match address {
        Address::V4(_) => interface.flags & IFF_LOOPBACK == 0,
        Address::V6(_) => false,
    };
    let mut message = head(RTM_NEWADDR, &addresses, u32::from(routed), interface, long);
    // The interface's metric, which nobody sets; then, if there is room for them, what went through the address.
    message.extend_from_slice(&[0; 4]);
    if long {
        message.resize(LONG_HEADER, 0);
        if let Some(length) = message.get_mut(LONG_DATA + 6) {
            *length = 152;
        }
    }
    addresses.append(&mut message);
    rtsock::sized(message)
}

fn routes(kernel: &Kernel, vnet: VnetId, family: i32) -> Result<Vec<u8>, Errno> {
    let families: &[bool] = match u8::try_from(family) {
        Ok(0) => &[false, true],
        Ok(AF_INET) => &[false],
        Ok(AF_INET6) => &[true],
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    let mut bytes = Vec::new();
    for v6 in families {
        for route in stack::routes(kernel, vnet, *v6) {
            for path in &route.paths {
                bytes.extend(entry(kernel, &route.prefix, path));
            }
        }
    }
    Ok(bytes)
}

/// RTM_GET of one way.
fn entry(kernel: &Kernel, prefix: &Prefix, path: &Path) -> Vec<u8> {
    let mut message = rtsock::of_path(kernel, RTM_GET, prefix, path, true);
    message.flags = message.flags & !RTF_DONE | RTF_UP;
    message.weight = u64::from(path.weight);
    message.nexthop = u64::from(path.id);
    message.mtu = u64::from(stack::path_mtu(kernel, path));
    if let Some(interface) = kernel.interfaces.get(path.hop.interface) {
        message.addresses.set(RTA_IFP, rtsock::link_sockaddr(interface));
        let holder = path.hop.source.and_then(|index| kernel.interfaces.get(index)).unwrap_or(interface);
        if let Some(address) = source(holder, prefix, path) {
            message.addresses.set(RTA_IFA, rtsock::ip_sockaddr(address.ip(), Some(holder.index)));
            if interface.flags & IFF_POINTOPOINT != 0 {
                let other = match address {
                    Address::V4(address) => address.peer.map(|peer| sockaddr::inet(peer).to_vec()),
                    Address::V6(address) => address.peer.map(|peer| sockaddr::inet6(peer, 0).to_vec()),
                };
                message.addresses.set(RTA_BRD, other.unwrap_or_default());
            }
        }
    }
    message.bytes()
}

/// The address that a way belongs to: the one it was made for, one beside its router, or the first of the family.
fn source<'i>(holder: &'i Interface, prefix: &Prefix, path: &Path) -> Option<&'i Address> {
    let family = |address: &&Address| matches!(address, Address::V4(_)) == prefix.address.is_ipv4();
    let near = path.hop.gateway.unwrap_or(prefix.address);
    let covers = |address: &&Address| {
        let length = match address {
            Address::V4(address) => address.length,
            Address::V6(address) => address.length,
        };
        address.ip() == near || Prefix::new(address.ip(), length, None).is_some_and(|own| own.contains(near, None))
    };
    let all = || holder.net.addresses.iter().filter(family);
    all().find(covers).or_else(|| all().next())
}
