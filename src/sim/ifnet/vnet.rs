//! Interfaces between vnets: moves, and what a dying vnet does with those it has.

use super::{Driver, arrive, depart, detach, find, present};
use crate::abi::Errno;
use crate::abi::flags::{IFF_PPROMISC, IFF_PROMISC, IFF_UP};
use crate::sim::kernel::{IfIndex, Kernel, VnetId};
use crate::sim::{bridge, netgraph};

/// Moves an interface into another vnet: down, without addresses, groups added by hand and bridge; name, index, MAC,
/// MTU, description and carrier stay. `checked` refuses a name that is in use there, as SIOCSIFVNET does and
/// SIOCSIFRVNET does not.
///
/// # Errors
/// `ENXIO` no such interface, `EEXIST` it is there already or its name is.
pub fn give(kernel: &mut Kernel, index: IfIndex, to: VnetId, checked: bool) -> Result<(), Errno> {
    let interface = kernel.interfaces.get(index).ok_or(Errno::ENXIO)?;
    if interface.vnet == to || !kernel.vnets.contains_key(&to) {
        return Err(Errno::EEXIST);
    }
    if checked && find(kernel, to, &interface.name).is_some() {
        return Err(Errno::EEXIST);
    }
    if matches!(interface.driver, Driver::Bridge(_)) {
        bridge::destroyed(kernel, index);
    }
    depart(kernel, index);
    let interface = kernel.interfaces.get_mut(index).ok_or(Errno::ENXIO)?;
    interface.flags &= !(IFF_UP | IFF_PPROMISC | IFF_PROMISC);
    interface.promiscuity = 0;
    interface.groups = vec!["all".to_owned()];
    if let Some((cloner, _)) = &interface.birth {
        interface.groups.push(cloner.clone());
    }
    interface.vnet = to;
    arrive(kernel, index);
    Ok(())
}

/// A vnet dies (`sys/net/vnet.c:285-316`): loaned interfaces go home in the order in which they came, whatever names
/// they meet there; bridges go, then the netgraph nodes with their eifaces wherever those are, then what the cloners
/// of this vnet made, wherever it is.
pub fn tear_down(kernel: &mut Kernel, vnet: VnetId) {
    let loaned: Vec<(IfIndex, VnetId)> = present(kernel, vnet)
        .filter(|interface| interface.home != vnet)
        .map(|interface| (interface.index, interface.home))
        .collect();
    for (index, home) in loaned {
        if give(kernel, index, home, false).is_err() {
            // Its home died before it: nothing is left to which it could return.
            detach(kernel, index);
        }
    }
    let is_bridge = |kernel: &Kernel, index: IfIndex| {
        kernel.interfaces.get(index).is_some_and(|interface| matches!(interface.driver, Driver::Bridge(_)))
    };
    for index in born(kernel, vnet) {
        if is_bridge(kernel, index) {
            detach(kernel, index);
        }
    }
    netgraph::vnet_destroy(kernel, vnet);
    for index in born(kernel, vnet) {
        detach(kernel, index);
    }
}

fn born(kernel: &Kernel, vnet: VnetId) -> Vec<IfIndex> {
    kernel.vnets.get(&vnet).map(|vnet| vnet.born.iter().copied().collect()).unwrap_or_default()
}
