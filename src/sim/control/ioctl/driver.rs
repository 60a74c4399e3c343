//! Requests that a driver answers: if_bridge, vlan, media.

use crate::abi::ioctl::interface::{UNION, Vlan as VlanRequest};
use crate::abi::name::InterfaceName;
use crate::abi::{Errno, IoctlArgument};
use crate::sim::bridge as if_bridge;
use crate::sim::ifnet::{self, Driver, Vlan};
use crate::sim::kernel::{IfIndex, Kernel};

/// SIOCSDRVSPEC and SIOCGDRVSPEC: the structure behind the pointer, cut to the length that the request tells.
pub(super) fn bridge(
    kernel: &mut Kernel,
    index: IfIndex,
    set: bool,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    if !matches!(interface.driver, Driver::Bridge(_)) {
        return Err(Errno::EINVAL);
    }
    let command = argument.field(16).map(u64::from_le_bytes).ok_or(Errno::EFAULT)?;
    let length = argument.field(24).map(u64::from_le_bytes).ok_or(Errno::EFAULT)?;
    // The longest structure has 536 octets (`ifbif_vlan_req`).
    let length = usize::try_from(length).ok().filter(|&length| length <= 1024).ok_or(Errno::EINVAL)?;
    let behind = argument.behind_mut().filter(|behind| behind.bytes.len() >= length).ok_or(Errno::EFAULT)?;
    let mut structure = IoctlArgument { bytes: behind.bytes[..length].to_vec(), pointer: behind.pointer.take() };
    let answer = if_bridge::control(kernel, index, set, command, &mut structure);
    if structure.bytes.len() == length {
        behind.bytes[..length].copy_from_slice(&structure.bytes);
    }
    behind.pointer = structure.pointer;
    answer
}

pub(super) fn vlan(kernel: &mut Kernel, index: IfIndex, set: bool, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    let Driver::Vlan(tag) = interface.driver else { return Err(Errno::EINVAL) };
    if interface.vnet != interface.home {
        // A vlan that was lent does not tell, nor change, what is beneath it (`sys/net/if_vlan.c:2313-2370`).
        return Err(Errno::EPERM);
    }
    let vnet = interface.vnet;
    let behind = argument.behind_mut().ok_or(Errno::EFAULT)?;
    if !set {
        let parent = tag.and_then(|tag| kernel.interfaces.get(tag.parent)).map(|parent| parent.name.as_str());
        let (parent, tag) = match (parent, tag) {
            (Some(parent), Some(tag)) => (parent, (tag.tag, tag.protocol)),
            _ => ("", (0, 0)),
        };
        let request = VlanRequest { parent: InterfaceName::new(parent)?, tag: tag.0, protocol: tag.1 };
        behind.set_field(0, &request.bytes());
        return Ok(());
    }
    let request = VlanRequest::read(&behind.bytes).ok_or(Errno::EFAULT)?;
    if request.parent.as_str().is_empty() {
        ifnet::unconfigure_vlan(kernel, index);
        return Ok(());
    }
    let parent = ifnet::find(kernel, vnet, request.parent.as_str()).ok_or(Errno::ENOENT)?;
    ifnet::configure_vlan(kernel, index, &Vlan { parent, tag: request.tag, protocol: request.protocol })
}

pub(super) fn priority(
    kernel: &mut Kernel,
    index: IfIndex,
    set: bool,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    if !matches!(interface.driver, Driver::Vlan(_)) {
        return Err(Errno::EINVAL);
    }
    let [priority]: [u8; 1] = argument.field(UNION).ok_or(Errno::EFAULT)?;
    if !set {
        argument.set_field(UNION, &[interface.priority]);
    } else if priority > 7 {
        return Err(Errno::EINVAL);
    } else {
        interface.priority = priority;
    }
    Ok(())
}

pub(super) fn media(kernel: &Kernel, index: IfIndex, argument: &mut IoctlArgument) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    let media = ifnet::media(kernel, interface).ok_or(Errno::EINVAL)?;
    argument.set_field(UNION, &media.current.to_le_bytes());
    argument.set_field(UNION + 4, &[0; 4]);
    argument.set_field(UNION + 8, &media.status.to_le_bytes());
    argument.set_field(UNION + 12, &media.active.to_le_bytes());
    argument.set_field(UNION + 16, &media.count.to_le_bytes());
    Ok(())
}
