//! sysctl(3): the machine's values, each vnet's own, and which jail parameters exist.

use super::Caller;
use crate::abi::{Errno, sysctl};
use crate::sim::kernel::Kernel;
use crate::sim::{host, jail, stack};

/// Modules besides those of netgraph that can be loaded.
pub const MODULES: [&str; 12] = [
    "if_bridge",
    "if_epair",
    "if_gif",
    "if_gre",
    "if_lagg",
    "if_stf",
    "if_tuntap",
    "if_vlan",
    "if_vxlan",
    "bridgestp",
    "nullfs",
    "tmpfs",
];

/// Integers of the whole machine: name and value, as `sysctl -a` of a 15.1 kernel with kern.hz=1000 has them.
const MACHINE: [(&str, i32); 15] = [
    ("kern.features.inet", 1),
    ("kern.features.inet6", 1),
    ("kern.hz", 1000),
    ("kern.osreldate", 1_501_000),
    ("net.fibs", 1),
    ("net.graph.abi_version", 12),
    ("net.graph.control.proto", 2),
    ("net.graph.data.proto", 1),
    ("net.graph.family", 32),
    ("net.graph.maxalloc", 4096),
    ("net.graph.maxdata", 4096),
    ("net.graph.maxdgram", 20_480),
    ("net.graph.msg_version", 8),
    ("net.graph.recvspace", 20_480),
    ("net.link.ifqmaxlen", 50),
];

/// Longer ones: `kern.ipc.maxsockbuf` is an unsigned long.
const MACHINE_LONG: [(&str, i64); 1] = [("kern.ipc.maxsockbuf", 8 << 20)];

const TEXTS: [(&str, &str); 3] =
    [("kern.osrelease", "15.1-RELEASE"), ("kern.ostype", "FreeBSD"), ("hw.machine", "amd64")];

/// Reads a value as the caller's thread sees it.
///
/// # Errors
/// `ENOENT` if there is no such name.
pub fn get(kernel: &Kernel, caller: Caller, name: &str) -> Result<Vec<u8>, Errno> {
    if let Some(value) = stack::sysctl_get(kernel, caller.vnet, name) {
        return Ok(sysctl::int(value));
    }
    if let Some((_, value)) = MACHINE.iter().find(|(known, _)| *known == name) {
        return Ok(sysctl::int(*value));
    }
    match name {
        "hw.ncpu" => return Ok(sysctl::int(i32::from(host::PROCESSORS))),
        "kern.features.vimage" if kernel.host.has_vimage => return Ok(sysctl::int(1)),
        "kern.securelevel" => return Ok(sysctl::int(jail::securelevel(kernel, caller.jail))),
        "security.jail.param.vnet" if !kernel.host.has_vimage => return Err(Errno::ENOENT),
        "kern.racct.enable" => return Ok(sysctl::int(i32::from(kernel.host.accounting))),
        _ => {}
    }
    if let Some((_, value)) = MACHINE_LONG.iter().find(|(known, _)| *known == name) {
        return Ok(value.to_le_bytes().to_vec());
    }
    if let Some((_, value)) = TEXTS.iter().find(|(known, _)| *known == name) {
        return Ok(sysctl::string(value));
    }
    match name.strip_prefix("security.jail.param.") {
        Some(parameter) if jail::parameter_names().any(|known| known == parameter) => Ok(sysctl::int(0)),
        _ => match name {
            "security.jail.jailed" => Ok(sysctl::int(i32::from(caller.jail != jail::HOST))),
            // Only of a jail is it said that it has a stack of its own (`sys/kern/kern_jail.c:4783`).
            "security.jail.vnet" => {
                Ok(sysctl::int(i32::from(kernel.jails.get(caller.jail).is_some_and(|jail| jail.owns_vnet))))
            }
            "security.jail.children.max" => Ok(sysctl::int(jail::children(kernel, caller.jail).1)),
            "security.jail.children.cur" => Ok(sysctl::int(jail::children(kernel, caller.jail).0)),
            _ => Err(Errno::ENOENT),
        },
    }
}

/// Sets a value of the caller's own vnet.
///
/// # Errors
/// `ENOENT` no such name, `EPERM` one of the machine's that cannot be set here, `EINVAL` a value of another size or
/// out of range.
pub fn set(kernel: &mut Kernel, caller: Caller, name: &str, value: &[u8]) -> Result<(), Errno> {
    let now = get(kernel, caller, name)?;
    // A jail without a stack of its own may not set the host's (`sys/kern/kern_sysctl.c`, PRIV_SYSCTL_WRITE).
    let owns = caller.jail == jail::HOST || kernel.jails.get(caller.jail).is_some_and(|jail| jail.owns_vnet);
    if !owns || stack::sysctl_get(kernel, caller.vnet, name).is_none() {
        return Err(Errno::EPERM);
    }
    if value.len() != now.len() {
        return Err(Errno::EINVAL);
    }
    let value = sysctl::read_int(value).and_then(|value| i32::try_from(value).ok()).ok_or(Errno::EINVAL)?;
    stack::sysctl_set(kernel, caller.vnet, name, value)
}
