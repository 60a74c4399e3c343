//! Address requests: `in_control` and `in6_control`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::abi::flags::family::AF_INET;
use crate::abi::ioctl::address::{Alias4, Alias6};
use crate::abi::ioctl::interface::UNION;
use crate::abi::ioctl::{
    SIOCAIFADDR, SIOCAIFADDR_IN6, SIOCDIFADDR, SIOCDIFADDR_IN6, SIOCGIFADDR, SIOCGIFAFLAG_IN6, SIOCGIFALIFETIME_IN6,
    SIOCGIFBRDADDR, SIOCGIFINFO_IN6, SIOCGIFNETMASK, SIOCSIFINFO_FLAGS, SIOCSIFINFO_IN6,
};
use crate::abi::sockaddr::{self, Sockaddr};
use crate::abi::{Errno, IoctlArgument};
use crate::sim::kernel::{IfIndex, Kernel};
use crate::sim::stack::{self, Address, Address6, NewAddress4, NewAddress6};

/// Where the flag word stands in an `in6_ndireq`.
const ND_FLAGS: usize = 36;

pub(super) fn inet(
    kernel: &mut Kernel,
    index: IfIndex,
    request: u32,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
    match request {
        SIOCAIFADDR => {
            let alias = Alias4::read(&argument.bytes).ok_or(Errno::EINVAL)?;
            let new = new_address4(&alias)?;
            stack::add_address4(kernel, index, &new)
        }
        SIOCDIFADDR => {
            let given = octets_at(argument)?;
            let is_well_formed = argument.field(UNION) == Some([16, AF_INET]);
            let is_there = stack::own_address_at(kernel, index, IpAddr::V4(given));
            // Without a valid address it is the first one that goes, unless the octets hit one.
            stack::remove_address4(kernel, index, (is_well_formed || is_there).then_some(given))
        }
        SIOCGIFADDR | SIOCGIFNETMASK | SIOCGIFBRDADDR => first4(kernel, index, request, argument),
        _ => Err(Errno::EINVAL),
    }
}

/// The octets of the `sockaddr_in` in an `ifreq`, whatever its length and family say.
fn octets_at(argument: &IoctlArgument) -> Result<Ipv4Addr, Errno> {
    argument.field::<4>(UNION + 4).map(Ipv4Addr::from).ok_or(Errno::EFAULT)
}

fn new_address4(alias: &Alias4) -> Result<NewAddress4, Errno> {
    let Sockaddr::Inet(address) = alias.address else { return Err(Errno::EINVAL) };
    let length = match alias.mask {
        // A mask with holes counts its bits.
        Sockaddr::Inet(mask) => u8::try_from(u32::from(mask).count_ones()).unwrap_or(32),
        Sockaddr::Absent => class_length(address),
        _ => return Err(Errno::EINVAL),
    };
    let other = match alias.broadcast {
        Sockaddr::Inet(address) => Some(address),
        Sockaddr::Absent => None,
        _ => return Err(Errno::EINVAL),
    };
    Ok(NewAddress4 { address, length, broadcast: other, peer: other })
}

/// The mask that an address had before there were masks.
fn class_length(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

fn first4(kernel: &Kernel, index: IfIndex, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    let wanted = octets_at(argument).ok();
    let inet = || interface.net.addresses.iter().filter_map(|a| if let Address::V4(a) = a { Some(a) } else { None });
    let address = inet().find(|address| Some(address.address) == wanted).or_else(|| inet().next());
    let address = address.ok_or(Errno::EADDRNOTAVAIL)?;
    let value = match request {
        SIOCGIFADDR => sockaddr::inet(address.address),
        SIOCGIFNETMASK => {
            // The kernel cuts a mask after its last set byte.
            let mut mask = sockaddr::inet(sockaddr::mask4(address.length));
            mask[0] = 4 + address.length.div_ceil(8);
            mask
        }
        _ => sockaddr::inet(address.broadcast.ok_or(Errno::EINVAL)?),
    };
    argument.set_field(UNION, &value);
    Ok(())
}

pub(super) fn inet6(
    kernel: &mut Kernel,
    index: IfIndex,
    request: u32,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
    match request {
        SIOCAIFADDR_IN6 => {
            let alias = Alias6::read(&argument.bytes).ok_or(Errno::EINVAL)?;
            let new = new_address6(kernel, index, &alias)?;
            stack::add_address6(kernel, index, &new)
        }
        SIOCDIFADDR_IN6 => {
            let address = inet6_at(argument)?;
            stack::remove_address6(kernel, index, address)
        }
        SIOCGIFAFLAG_IN6 => {
            let flags = find6(kernel, index, inet6_at(argument)?)?.flags;
            argument.set_field(UNION, &flags.to_le_bytes());
            Ok(())
        }
        SIOCGIFALIFETIME_IN6 => lifetimes(kernel, index, argument),
        SIOCGIFINFO_IN6 => neighbour_settings(kernel, index, argument),
        SIOCSIFINFO_IN6 | SIOCSIFINFO_FLAGS => {
            let flags = argument.field(ND_FLAGS).map(u32::from_le_bytes).ok_or(Errno::EFAULT)?;
            stack::set_nd6_flags(kernel, index, stack::Nd6::from_bits_retain(flags))
        }
        _ => Err(Errno::EINVAL),
    }
}

fn inet6_at(argument: &IoctlArgument) -> Result<Ipv6Addr, Errno> {
    match argument.bytes.get(UNION..).and_then(Sockaddr::read) {
        Some(Sockaddr::Inet6(address, _)) => Ok(address),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

fn find6(kernel: &Kernel, index: IfIndex, wanted: Ipv6Addr) -> Result<&Address6, Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    let mut inet6 = interface.net.addresses.iter().filter_map(|a| if let Address::V6(a) = a { Some(a) } else { None });
    inet6.find(|address| address.address == wanted).ok_or(Errno::EADDRNOTAVAIL)
}

fn new_address6(kernel: &Kernel, index: IfIndex, alias: &Alias6) -> Result<NewAddress6, Errno> {
    let Sockaddr::Inet6(address, _) = alias.address else { return Err(Errno::EAFNOSUPPORT) };
    let length = match alias.mask {
        Sockaddr::Inet6(mask, _) => sockaddr::prefix_of(IpAddr::V6(mask)).ok_or(Errno::EINVAL)?,
        Sockaddr::Absent => find6(kernel, index, address).map_err(|_| Errno::EINVAL)?.length,
        _ => return Err(Errno::EINVAL),
    };
    let peer = match alias.destination {
        Sockaddr::Inet6(peer, _) => Some(peer),
        Sockaddr::Absent => None,
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    Ok(NewAddress6 {
        address,
        length,
        peer,
        flags: alias.flags,
        valid: alias.valid_lifetime,
        preferred: alias.preferred_lifetime,
    })
}

/// `struct in6_addrlifetime`: when they end, and how long they are.
fn lifetimes(kernel: &Kernel, index: IfIndex, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let address = find6(kernel, index, inet6_at(argument)?)?;
    let end = |seconds: u32| {
        if seconds == stack::INFINITE { 0 } else { address.updated / 1_000_000_000 + u64::from(seconds) }
    };
    argument.set_field(UNION, &end(address.valid).to_le_bytes());
    argument.set_field(UNION + 8, &end(address.preferred).to_le_bytes());
    argument.set_field(UNION + 16, &address.valid.to_le_bytes());
    argument.set_field(UNION + 20, &address.preferred.to_le_bytes());
    Ok(())
}

/// `struct nd_ifinfo`: maximum MTU, base reachable time, reachable time, retransmission timer, flags, hop limit.
fn neighbour_settings(kernel: &Kernel, index: IfIndex, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    let words = [0, interface.mtu, 30_000, 28, 1000, interface.net.nd6.bits(), 0, 0x0140];
    for (at, word) in words.into_iter().enumerate() {
        argument.set_field(UNION + at * 4, &word.to_le_bytes());
    }
    Ok(())
}
