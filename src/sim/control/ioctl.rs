//! Interface ioctls (`sys/net/if.c`, ifioctl): the bytes in, the bytes out.

mod address;
mod driver;

use super::{Caller, settle};
use crate::abi::Errno;
use crate::abi::IoctlArgument;
use crate::abi::ioctl::interface::{UNION, Vlan as VlanRequest};
use crate::abi::ioctl::{
    SIOCAIFADDR, SIOCAIFADDR_IN6, SIOCAIFGROUP, SIOCDIFADDR, SIOCDIFADDR_IN6, SIOCDIFGROUP, SIOCGDRVSPEC, SIOCGETVLAN,
    SIOCGHWADDR, SIOCGIFADDR, SIOCGIFAFLAG_IN6, SIOCGIFALIFETIME_IN6, SIOCGIFBRDADDR, SIOCGIFCAP, SIOCGIFDESCR,
    SIOCGIFFIB, SIOCGIFFLAGS, SIOCGIFGMEMB, SIOCGIFGROUP, SIOCGIFINDEX, SIOCGIFINFO_IN6, SIOCGIFMEDIA, SIOCGIFMTU,
    SIOCGIFNETMASK, SIOCGLANPCP, SIOCIFCREATE, SIOCIFCREATE2, SIOCIFDESTROY, SIOCIFGCLONERS, SIOCSDRVSPEC, SIOCSETVLAN,
    SIOCSIFADDR, SIOCSIFCAP, SIOCSIFDESCR, SIOCSIFFIB, SIOCSIFFLAGS, SIOCSIFINFO_FLAGS, SIOCSIFINFO_IN6, SIOCSIFLLADDR,
    SIOCSIFMETRIC, SIOCSIFMTU, SIOCSIFNAME, SIOCSIFRVNET, SIOCSIFVNET, SIOCSLANPCP, argument_size,
};
use crate::abi::name::{IFNAMSIZ, InterfaceName};
use crate::sim::ifnet::{self, Vlan};
use crate::sim::jail;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};
use crate::sim::sockets::{Protocol, SockId};

/// ioctl(2) by `caller` on a socket: the socket's vnet, the caller's privileges, which are root's.
///
/// # Errors
/// As the kernel's; `argument` holds what it wrote back.
pub fn ioctl(
    kernel: &mut Kernel,
    caller: Caller,
    sock: SockId,
    request: u32,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
    let socket = kernel.sockets.open.get(&sock).ok_or(Errno::EBADF)?;
    let vnet = socket.vnet;
    let family = match socket.protocol {
        Protocol::Inet | Protocol::Icmp(_) => Family::Inet,
        Protocol::Inet6 | Protocol::Icmp6(_) => Family::Inet6,
        _ => Family::Other,
    };
    if argument.bytes.len() < argument_size(request) {
        return Err(Errno::EFAULT);
    }
    let answer = dispatch(kernel, caller, vnet, family, request, argument);
    settle(kernel, vnet);
    answer
}

/// The family of the socket: address requests need their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Inet,
    Inet6,
    Other,
}

fn dispatch(
    kernel: &mut Kernel,
    caller: Caller,
    vnet: VnetId,
    family: Family,
    request: u32,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
    match request {
        SIOCIFCREATE | SIOCIFCREATE2 => return create(kernel, vnet, argument),
        SIOCIFDESTROY => return ifnet::destroy(kernel, vnet, name(argument)?.as_str()),
        SIOCIFGCLONERS => return cloners(kernel, argument),
        SIOCGIFGMEMB => return group_members(kernel, vnet, argument),
        SIOCSIFVNET => return give(kernel, caller, vnet, argument),
        SIOCSIFRVNET => return take(kernel, caller, vnet, argument),
        _ => {}
    }
    let index = ifnet::find(kernel, vnet, name(argument)?.as_str()).ok_or(Errno::ENXIO)?;
    match request {
        SIOCAIFADDR | SIOCDIFADDR | SIOCGIFADDR | SIOCGIFNETMASK | SIOCGIFBRDADDR | SIOCSIFADDR => {
            if family != Family::Inet {
                return Err(Errno::EINVAL);
            }
            address::inet(kernel, index, request, argument)
        }
        SIOCAIFADDR_IN6 | SIOCDIFADDR_IN6 | SIOCGIFAFLAG_IN6 | SIOCGIFALIFETIME_IN6 | SIOCGIFINFO_IN6
        | SIOCSIFINFO_IN6 | SIOCSIFINFO_FLAGS => {
            if family != Family::Inet6 {
                return Err(Errno::EINVAL);
            }
            address::inet6(kernel, index, request, argument)
        }
        SIOCSDRVSPEC | SIOCGDRVSPEC => driver::bridge(kernel, index, request == SIOCSDRVSPEC, argument),
        SIOCSETVLAN | SIOCGETVLAN => driver::vlan(kernel, index, request == SIOCSETVLAN, argument),
        SIOCSLANPCP | SIOCGLANPCP => driver::priority(kernel, index, request == SIOCSLANPCP, argument),
        SIOCGIFMEDIA => driver::media(kernel, index, argument),
        SIOCSIFNAME => rename(kernel, index, argument),
        SIOCSIFDESCR | SIOCGIFDESCR => description(kernel, index, request == SIOCSIFDESCR, argument),
        SIOCAIFGROUP | SIOCDIFGROUP => group(kernel, index, request == SIOCAIFGROUP, argument),
        SIOCGIFGROUP => groups(kernel, index, argument),
        _ => simple(kernel, index, request, argument),
    }
}

/// Requests that carry a number.
fn simple(kernel: &mut Kernel, index: IfIndex, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    let number = argument.field(UNION).map(u32::from_le_bytes).ok_or(Errno::EFAULT)?;
    match request {
        SIOCGIFFLAGS => argument.set_field(UNION, &interface.flags.to_le_bytes()),
        SIOCSIFFLAGS => return ifnet::set_flags(kernel, index, number, true),
        SIOCGIFINDEX => argument.set_field(UNION, &index.0.to_le_bytes()),
        SIOCGIFMTU => argument.set_field(UNION, &interface.mtu.to_le_bytes()),
        SIOCSIFMTU => return ifnet::set_mtu(kernel, index, i64::from(number.cast_signed())),
        SIOCGIFCAP => {
            let supported = ifnet::supported_capabilities(interface);
            let enabled = interface.capabilities;
            argument.set_field(UNION, &supported.to_le_bytes());
            argument.set_field(UNION + 4, &enabled.to_le_bytes());
        }
        SIOCSIFCAP => return ifnet::set_capabilities(kernel, index, number),
        SIOCSIFLLADDR => {
            let [length, _, mac @ ..]: [u8; 8] = argument.field(UNION).ok_or(Errno::EFAULT)?;
            if length != 6 {
                return Err(Errno::EINVAL);
            }
            return ifnet::set_mac(kernel, index, mac);
        }
        SIOCGHWADDR => {
            let mac = interface.original_mac;
            argument.set_field(UNION, &[6, crate::abi::flags::family::AF_LINK]);
            argument.set_field(UNION + 2, &mac);
        }
        // One table, and metrics nobody reads.
        SIOCGIFFIB => argument.set_field(UNION, &[0; 4]),
        SIOCSIFFIB if number != 0 => return Err(Errno::EINVAL),
        SIOCSIFFIB | SIOCSIFMETRIC => {}
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// The name at the head, cut to 15 bytes as the kernel cuts it. Names that are not UTF-8 do not exist here.
fn name(argument: &IoctlArgument) -> Result<InterfaceName, Errno> {
    name_at(&argument.bytes, 0).ok_or(Errno::ENXIO)
}

fn name_at(bytes: &[u8], offset: usize) -> Option<InterfaceName> {
    let mut field: [u8; IFNAMSIZ] = bytes.get(offset..offset + IFNAMSIZ)?.try_into().ok()?;
    field[IFNAMSIZ - 1] = 0;
    InterfaceName::read(&field)
}

fn create(kernel: &mut Kernel, vnet: VnetId, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let template = name_at(&argument.bytes, 0).ok_or(Errno::EINVAL)?;
    let mut vlan = None;
    if let Some(behind) = argument.behind() {
        let request = VlanRequest::read(&behind.bytes).ok_or(Errno::EFAULT)?;
        if !request.parent.as_str().is_empty() {
            let parent = ifnet::find(kernel, vnet, request.parent.as_str()).ok_or(Errno::ENXIO)?;
            vlan = Some(Vlan { parent, tag: request.tag, protocol: request.protocol });
        }
    }
    let made = ifnet::create(kernel, vnet, template.as_str(), vlan)?;
    let made = kernel.interfaces.get(made).ok_or(Errno::ENXIO)?;
    let made = InterfaceName::new(&made.name)?;
    argument.set_field(0, made.bytes());
    Ok(())
}

fn cloners(kernel: &Kernel, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let names: Vec<&str> = ifnet::cloners(kernel).collect();
    let wanted = argument.field(4).map(i32::from_le_bytes).ok_or(Errno::EFAULT)?;
    let wanted = usize::try_from(wanted).map_err(|_| Errno::EINVAL)?;
    let total = i32::try_from(names.len()).unwrap_or(i32::MAX);
    if let Some(behind) = argument.behind_mut() {
        let names = names.iter().take(wanted).filter_map(|name| InterfaceName::new(name).ok());
        for (at, name) in names.enumerate() {
            behind.set_field(at * IFNAMSIZ, name.bytes());
        }
    }
    argument.set_field(0, &total.to_le_bytes());
    Ok(())
}

/// SIOCSIFVNET. The thread must be in the socket's vnet (`sys/net/if.c:1319`).
fn give(kernel: &mut Kernel, caller: Caller, vnet: VnetId, argument: &IoctlArgument) -> Result<(), Errno> {
    let index = ifnet::find(kernel, vnet, name(argument)?.as_str()).ok_or(Errno::ENXIO)?;
    let target = move_partner(kernel, caller, vnet, argument)?;
    ifnet::give(kernel, index, target, true)?;
    settle(kernel, target);
    Ok(())
}

/// SIOCSIFRVNET.
fn take(kernel: &mut Kernel, caller: Caller, vnet: VnetId, argument: &IoctlArgument) -> Result<(), Errno> {
    let source = move_partner(kernel, caller, vnet, argument)?;
    if source == vnet {
        return Err(Errno::EEXIST);
    }
    let index = ifnet::find(kernel, source, name(argument)?.as_str()).ok_or(Errno::ENXIO)?;
    ifnet::give(kernel, index, vnet, false)?;
    settle(kernel, source);
    Ok(())
}

/// The vnet of the jail that a move names.
fn move_partner(kernel: &Kernel, caller: Caller, vnet: VnetId, argument: &IoctlArgument) -> Result<VnetId, Errno> {
    if caller.vnet != vnet && !kernel.interfaces.lenient_moves {
        return Err(Errno::EDOOFUS);
    }
    let jid = argument.field(UNION).map(i32::from_le_bytes).ok_or(Errno::EFAULT)?;
    let jail = kernel.jails.get(jid).filter(|_| kernel.jails.is_below(jid, caller.jail)).ok_or(Errno::ENXIO)?;
    jail::vnet_of(kernel, jail.jid).ok_or(Errno::ENXIO)
}

fn rename(kernel: &mut Kernel, index: IfIndex, argument: &IoctlArgument) -> Result<(), Errno> {
    let text = &argument.behind().ok_or(Errno::EFAULT)?.bytes;
    let end = text.iter().take(IFNAMSIZ).position(|&byte| byte == 0);
    let end = end.ok_or(if text.len() < IFNAMSIZ { Errno::EFAULT } else { Errno::ENAMETOOLONG })?;
    let text = text.get(..end).unwrap_or_default();
    ifnet::rename(kernel, index, std::str::from_utf8(text).map_err(|_| Errno::EINVAL)?)
}

fn description(kernel: &mut Kernel, index: IfIndex, set: bool, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let length = argument.field(UNION).map(u64::from_le_bytes).ok_or(Errno::EFAULT)?;
    let length = usize::try_from(length).map_err(|_| Errno::ENAMETOOLONG)?;
    if set {
        if length > 1024 {
            return Err(Errno::ENAMETOOLONG);
        }
        let text = argument.behind().map(|behind| behind.bytes.as_slice()).unwrap_or_default();
        let text = text.get(..length).ok_or(Errno::EFAULT)?.to_vec();
        return ifnet::set_description(kernel, index, &text);
    }
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    let mut text = interface.description.clone().ok_or(Errno::ENOMSG)?;
    text.push(0);
    if text.len() <= length {
        argument.behind_mut().ok_or(Errno::EFAULT)?.set_field(0, &text);
    } else {
        argument.set_field(UNION + 8, &[0; 8]);
    }
    argument.set_field(UNION, &(text.len() as u64).to_le_bytes());
    Ok(())
}

fn group(kernel: &mut Kernel, index: IfIndex, join: bool, argument: &IoctlArgument) -> Result<(), Errno> {
    let group = name_at(&argument.bytes, 24).ok_or(Errno::EINVAL)?;
    if join {
        ifnet::join_group(kernel, index, group.as_str())
    } else {
        ifnet::leave_group(kernel, index, group.as_str())
    }
}

fn groups(kernel: &Kernel, index: IfIndex, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    list(argument, interface.groups.iter().map(String::as_str))
}

fn group_members(kernel: &Kernel, vnet: VnetId, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let group = name(argument)?;
    let is_member = |interface: &&ifnet::Interface| interface.groups.iter().any(|name| name == group.as_str());
    let members: Vec<&str> = ifnet::present(kernel, vnet).filter(is_member).map(|i| i.name.as_str()).collect();
    if members.is_empty() {
        return Err(Errno::ENOENT);
    }
    list(argument, members.into_iter())
}

/// Writes names as an array of `ifg_req`, or their length if none was asked for.
fn list<'a>(argument: &mut IoctlArgument, names: impl Iterator<Item = &'a str>) -> Result<(), Errno> {
    let room = argument.field(16).map(u32::from_le_bytes).ok_or(Errno::EFAULT)?;
    let mut bytes = Vec::new();
    for name in names {
        bytes.extend_from_slice(InterfaceName::new(name)?.bytes());
    }
    let needed = u32::try_from(bytes.len()).map_err(|_| Errno::ENOMEM)?;
    if room == 0 {
        argument.set_field(16, &needed.to_le_bytes());
        return Ok(());
    }
    if room < needed {
        return Err(Errno::EINVAL);
    }
    let behind = argument.behind_mut().filter(|behind| behind.bytes.len() >= bytes.len()).ok_or(Errno::EFAULT)?;
    behind.set_field(0, &bytes);
    argument.set_field(16, &needed.to_le_bytes());
    Ok(())
}
