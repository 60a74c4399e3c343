//! The integers below `net.inet`, `net.inet6` and `net.link` that each vnet has for itself.

use serde::{Deserialize, Serialize};

use crate::abi::Errno;
use crate::sim::kernel::{Kernel, VnetId};

/// A per-vnet sysctl of type int.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sysctl {
    /// net.inet.ip.forwarding
    Forwarding4,
    /// net.inet6.ip6.forwarding
    Forwarding6,
    /// net.inet.ip.ttl
    Ttl,
    /// net.inet6.ip6.hlim
    HopLimit,
    /// net.inet6.ip6.dad_count
    DadCount,
    /// net.inet6.ip6.auto_linklocal
    AutoLinkLocal,
    /// net.inet6.ip6.accept_rtadv
    AcceptRtadv,
    /// net.inet.ip.redirect
    Redirect4,
    /// net.inet6.ip6.redirect
    Redirect6,
    /// net.inet.ip.accept_sourceroute
    AcceptSourceRoute,
    /// net.inet.ip.sourceroute
    SourceRoute,
    /// net.inet.icmp.bmcastecho
    BroadcastEcho,
    /// net.inet.icmp.drop_redirect
    DropRedirect,
    /// net.inet.icmp.icmplim
    IcmpLimit,
    /// net.inet6.icmp6.rediraccept
    AcceptRedirect6,
    /// net.route.multipath
    Multipath,
    /// net.link.ether.inet.max_age
    ArpMaxAge,
    /// net.link.ether.inet.maxtries
    ArpMaxTries,
    /// net.link.ether.inet.wait
    ArpWait,
    /// net.link.bridge.ipfw
    BridgeIpfw,
    /// net.link.bridge.member_ifaddrs
    BridgeMemberAddresses,
    /// net.link.bridge.log_mac_flap
    BridgeLogMacFlap,
    /// net.link.bridge.allow_llz_overlap
    BridgeAllowLlzOverlap,
    /// net.link.bridge.inherit_mac
    BridgeInheritMac,
    /// net.link.bridge.log_stp
    BridgeLogStp,
    /// net.link.bridge.pfil_local_phys
    BridgePfilLocalPhys,
    /// net.link.bridge.pfil_member
    BridgePfilMember,
    /// net.link.bridge.ipfw_arp
    BridgeIpfwArp,
    /// net.link.bridge.pfil_bridge
    BridgePfilBridge,
    /// net.link.bridge.pfil_onlyip
    BridgePfilOnlyIp,
}

/// Name, value at birth, lowest and highest value taken.
const TABLE: [(&str, Sysctl, i32, i32, i32); 30] = [
    ("net.inet.ip.forwarding", Sysctl::Forwarding4, 0, i32::MIN, i32::MAX),
    ("net.inet6.ip6.forwarding", Sysctl::Forwarding6, 0, i32::MIN, i32::MAX),
    ("net.inet.ip.ttl", Sysctl::Ttl, 64, i32::MIN, i32::MAX),
    ("net.inet6.ip6.hlim", Sysctl::HopLimit, 64, i32::MIN, i32::MAX),
    ("net.inet6.ip6.dad_count", Sysctl::DadCount, 1, i32::MIN, i32::MAX),
    ("net.inet6.ip6.auto_linklocal", Sysctl::AutoLinkLocal, 1, i32::MIN, i32::MAX),
    ("net.inet6.ip6.accept_rtadv", Sysctl::AcceptRtadv, 0, i32::MIN, i32::MAX),
    ("net.inet.ip.redirect", Sysctl::Redirect4, 1, i32::MIN, i32::MAX),
    ("net.inet6.ip6.redirect", Sysctl::Redirect6, 1, i32::MIN, i32::MAX),
    ("net.inet.ip.accept_sourceroute", Sysctl::AcceptSourceRoute, 0, i32::MIN, i32::MAX),
    ("net.inet.ip.sourceroute", Sysctl::SourceRoute, 0, i32::MIN, i32::MAX),
    ("net.inet.icmp.bmcastecho", Sysctl::BroadcastEcho, 0, i32::MIN, i32::MAX),
    ("net.inet.icmp.drop_redirect", Sysctl::DropRedirect, 0, i32::MIN, i32::MAX),
    ("net.inet.icmp.icmplim", Sysctl::IcmpLimit, 200, 0, i32::MAX),
    ("net.inet6.icmp6.rediraccept", Sysctl::AcceptRedirect6, 1, i32::MIN, i32::MAX),
    ("net.route.multipath", Sysctl::Multipath, 1, i32::MIN, i32::MAX),
    ("net.link.ether.inet.max_age", Sysctl::ArpMaxAge, 1200, i32::MIN, i32::MAX),
    ("net.link.ether.inet.maxtries", Sysctl::ArpMaxTries, 5, i32::MIN, i32::MAX),
    ("net.link.ether.inet.wait", Sysctl::ArpWait, 20, i32::MIN, i32::MAX),
    ("net.link.bridge.ipfw", Sysctl::BridgeIpfw, 0, i32::MIN, i32::MAX),
    ("net.link.bridge.member_ifaddrs", Sysctl::BridgeMemberAddresses, 1, i32::MIN, i32::MAX),
    ("net.link.bridge.log_mac_flap", Sysctl::BridgeLogMacFlap, 1, i32::MIN, i32::MAX),
    ("net.link.bridge.allow_llz_overlap", Sysctl::BridgeAllowLlzOverlap, 0, i32::MIN, i32::MAX),
    ("net.link.bridge.inherit_mac", Sysctl::BridgeInheritMac, 0, i32::MIN, i32::MAX),
    ("net.link.bridge.log_stp", Sysctl::BridgeLogStp, 0, i32::MIN, i32::MAX),
    ("net.link.bridge.pfil_local_phys", Sysctl::BridgePfilLocalPhys, 0, i32::MIN, i32::MAX),
    ("net.link.bridge.pfil_member", Sysctl::BridgePfilMember, 0, i32::MIN, i32::MAX),
    ("net.link.bridge.ipfw_arp", Sysctl::BridgeIpfwArp, 0, i32::MIN, i32::MAX),
    ("net.link.bridge.pfil_bridge", Sysctl::BridgePfilBridge, 0, i32::MIN, i32::MAX),
    ("net.link.bridge.pfil_onlyip", Sysctl::BridgePfilOnlyIp, 1, i32::MIN, i32::MAX),
];

impl Sysctl {
    /// The sysctl of that name, if it is one of these.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    fn birth(self) -> i32 {
        TABLE.iter().find(|row| row.1 == self).map_or(0, |row| row.2)
    }
}

/// Every name, in the order of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.0)
}

/// The values of one vnet that differ from those at birth.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sysctls {
    set: Vec<(Sysctl, i32)>,
}

impl Sysctls {
    /// The present value.
    #[must_use]
    pub fn get(&self, which: Sysctl) -> i32 {
        self.set.iter().find(|entry| entry.0 == which).map_or_else(|| which.birth(), |entry| entry.1)
    }

    /// Sets a value.
    pub fn set(&mut self, which: Sysctl, value: i32) {
        self.set.retain(|entry| entry.0 != which);
        if value != which.birth() {
            self.set.push((which, value));
        }
    }
}

/// A value of a vnet by name; `None` if it is not a per-vnet integer known here.
#[must_use]
pub fn sysctl_get(kernel: &Kernel, vnet: VnetId, name: &str) -> Option<i32> {
    Some(kernel.vnets.get(&vnet)?.stack.sysctls.get(Sysctl::by_name(name)?))
}

/// Sets a value of a vnet by name.
///
/// # Errors
/// `ENOENT` if there is no such name here, `EINVAL` if the value is out of range.
pub fn sysctl_set(kernel: &mut Kernel, vnet: VnetId, name: &str, value: i32) -> Result<(), Errno> {
    let row = TABLE.iter().find(|row| row.0 == name).ok_or(Errno::ENOENT)?;
    if !(row.3..=row.4).contains(&value) {
        return Err(Errno::EINVAL);
    }
    super::of_mut(kernel, vnet).ok_or(Errno::ENOENT)?.sysctls.set(row.1, value);
    Ok(())
}
