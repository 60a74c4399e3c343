//! Routes as configuration meets them: adding, deleting, changing, looking up.

use std::net::IpAddr;

use super::event::{self, Event};
use super::prefix::Prefix;
use super::table::Table;
pub use super::table::{NextHop, Path, Route};
use crate::abi::Errno;
use crate::sim::kernel::{IfIndex, Kernel, VnetId};

/// `RTF_UP`. Every route of a table is up; [`NextHop::flags`] does not hold it.
pub const RTF_UP: u32 = 0x1;
/// `RTF_GATEWAY`: the next hop is another host.
pub const RTF_GATEWAY: u32 = 0x2;
/// `RTF_HOST`: the prefix is one address.
pub const RTF_HOST: u32 = 0x4;
/// `RTF_REJECT`: unreachable.
pub const RTF_REJECT: u32 = 0x8;
/// `RTF_STATIC`: set by hand.
pub const RTF_STATIC: u32 = 0x800;
/// `RTF_BLACKHOLE`: dropped without a word.
pub const RTF_BLACKHOLE: u32 = 0x1000;
/// `RTF_FIXEDMTU`: the MTU was given.
pub const RTF_FIXEDMTU: u32 = 0x8_0000;
/// `RTF_PINNED`: made by the kernel for an address.
pub const RTF_PINNED: u32 = 0x10_0000;
/// `RTF_BROADCAST`: the destination is a broadcast address.
pub const RTF_BROADCAST: u32 = 0x40_0000;

/// A path as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPath {
    /// The next hop; with none the interface is the way.
    pub gateway: Option<IpAddr>,
    /// The interface; with none it is found through the gateway.
    pub interface: Option<IfIndex>,
    /// 1 if not given.
    pub weight: u32,
}

/// A route as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoute {
    /// Where to.
    pub prefix: Prefix,
    /// One or several ways; none is allowed for [`RTF_REJECT`] and [`RTF_BLACKHOLE`].
    pub paths: Vec<NewPath>,
    /// `RTF_STATIC`, `RTF_REJECT`, `RTF_BLACKHOLE`; what follows from the rest is set by the kernel.
    pub flags: u32,
    /// A fixed MTU.
    pub mtu: Option<u32>,
}

/// What [`route_add`] may do: netlink's `NLM_F_CREATE`, `NLM_F_REPLACE`, `NLM_F_APPEND`. PF_ROUTE's RTM_ADD is
/// create and append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddMode {
    /// A new prefix may be added.
    pub create: bool,
    /// What stands for the prefix is replaced.
    pub replace: bool,
    /// Another path joins those of the prefix.
    pub append: bool,
}

/// Which path of a prefix is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteFilter {
    /// Only the path by this gateway.
    pub gateway: Option<IpAddr>,
    /// Only the path out of this interface.
    pub interface: Option<IfIndex>,
    /// The kernel's own routes may be meant (`RTF_PINNED` in the request).
    pub pinned: bool,
}

/// A change of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteChange {
    /// The route as it was, if there was one.
    pub before: Option<Route>,
    /// The route as it is, if there is one.
    pub after: Option<Route>,
    /// The path that was added, removed or put in place of another; the first of several.
    pub path: Path,
}

/// Adds a route, or a path to one.
///
/// # Errors
/// `EEXIST` if the prefix is there (or is the kernel's own, or has this very path), `ESRCH` if it is not there and
/// may not be created, `ENETUNREACH` if no interface leads to the gateway (netlink says `EINVAL` then), `EINVAL`
/// with neither gateway nor interface or with an interface of another vnet.
pub fn route_add(kernel: &mut Kernel, vnet: VnetId, new: &NewRoute, mode: AddMode) -> Result<RouteChange, Errno> {
    let paths = resolve(kernel, vnet, new)?;
    let first = *paths.first().ok_or(Errno::EINVAL)?;
    let table = table_mut(kernel, vnet, new.prefix.address)?;
    let before = table.get(&new.prefix).cloned();
    match &before {
        None if !mode.create => return Err(Errno::ESRCH),
        None => table.put(new.prefix, paths),
        Some(old) if old.is_pinned() => return Err(Errno::EEXIST),
        Some(_) if mode.replace => table.put(new.prefix, paths),
        Some(old) if mode.append => {
            let mut all = old.paths.clone();
            if paths.iter().any(|path| all.iter().any(|there| there.hop == path.hop)) {
                return Err(Errno::EEXIST);
            }
            all.extend(paths);
            table.put(new.prefix, all);
        }
        Some(_) => return Err(Errno::EEXIST),
    }
    Ok(report(kernel, vnet, before, &new.prefix, first))
}

/// Deletes a route, or one path of it.
///
/// # Errors
/// `ESRCH` if there is no such route or path, `EADDRINUSE` if it is the kernel's own.
pub fn route_delete(
    kernel: &mut Kernel,
    vnet: VnetId,
    prefix: &Prefix,
    filter: &RouteFilter,
) -> Result<RouteChange, Errno> {
    let table = table_mut(kernel, vnet, prefix.address)?;
    let before = table.get(prefix).cloned().ok_or(Errno::ESRCH)?;
    let matches = |path: &Path| {
        filter.gateway.is_none_or(|gateway| path.hop.gateway == Some(gateway))
            && filter.interface.is_none_or(|interface| path.hop.interface == interface)
    };
    let selective = filter.gateway.is_some() || filter.interface.is_some();
    let removed = before.paths.iter().find(|path| matches(path)).cloned().ok_or(Errno::ESRCH)?;
    if before.is_pinned() && !filter.pinned {
        return Err(Errno::EADDRINUSE);
    }
    let mut rest = before.paths.clone();
    rest.retain(|path| selective && !matches(path));
    if rest.is_empty() {
        table.remove(prefix);
    } else {
        table.put(*prefix, rest);
    }
    Ok(report(kernel, vnet, Some(before), prefix, removed))
}

/// Changes the only path of a route (RTM_CHANGE).
///
/// # Errors
/// `ESRCH` if the prefix is not there or has several paths, `EADDRINUSE` if it is the kernel's own, and those of
/// [`route_add`].
pub fn route_change(kernel: &mut Kernel, vnet: VnetId, new: &NewRoute) -> Result<RouteChange, Errno> {
    let before = table_mut(kernel, vnet, new.prefix.address)?.get(&new.prefix).cloned().ok_or(Errno::ESRCH)?;
    if before.paths.len() > 1 {
        return Err(Errno::ESRCH);
    }
    if before.is_pinned() {
        return Err(Errno::EADDRINUSE);
    }
    let paths = resolve(kernel, vnet, new)?;
    let first = *paths.first().ok_or(Errno::EINVAL)?;
    table_mut(kernel, vnet, new.prefix.address)?.put(new.prefix, paths);
    Ok(report(kernel, vnet, Some(before), &new.prefix, first))
}

/// The route with the longest prefix that covers an address.
#[must_use]
pub fn route_lookup(kernel: &Kernel, vnet: VnetId, destination: IpAddr, scope: Option<IfIndex>) -> Option<&Route> {
    table(kernel, vnet, destination.is_ipv6())?.lookup(destination, scope)
}

/// The route of exactly that prefix.
#[must_use]
pub fn route_exact<'a>(kernel: &'a Kernel, vnet: VnetId, prefix: &Prefix) -> Option<&'a Route> {
    table(kernel, vnet, prefix.address.is_ipv6())?.get(prefix)
}

/// All routes of a family, in the order in which dumps show them.
pub fn routes(kernel: &Kernel, vnet: VnetId, v6: bool) -> impl Iterator<Item = &Route> {
    table(kernel, vnet, v6).into_iter().flat_map(Table::iter)
}

/// The MTU that a path gives: its own, else the interface's.
#[must_use]
pub fn path_mtu(kernel: &Kernel, path: &Path) -> u32 {
    path.hop.mtu.unwrap_or_else(|| kernel.interfaces.get(path.hop.interface).map_or(0, |interface| interface.mtu))
}

/// The interface through which a gateway is reached without being told, as `ifa_ifwithroute` finds it: an own
/// address means the interface that has it.
#[must_use]
pub fn gateway_interface(kernel: &Kernel, vnet: VnetId, gateway: IpAddr) -> Option<IfIndex> {
    // A gateway that only a default route leads to is none (`sys/net/route.c`, ifa_ifwithroute).
    let route = route_lookup(kernel, vnet, gateway, None).filter(|route| route.prefix.length > 0)?;
    let path = route.paths.first()?;
    Some(path.hop.source.unwrap_or(path.hop.interface))
}

/// The interface went down: the IPv4 routes out of it that are not the kernel's own go, and nobody is told.
pub(super) fn drop_static(kernel: &mut Kernel, vnet: VnetId, index: IfIndex) {
    let Some(stack) = super::of_mut(kernel, vnet) else { return };
    let leads_out = |route: &&Route| !route.is_pinned() && route.paths.iter().any(|path| path.hop.interface == index);
    let touched: Vec<Route> = stack.routes4.iter().filter(leads_out).cloned().collect();
    for mut route in touched {
        route.paths.retain(|path| path.hop.interface != index);
        if route.paths.is_empty() {
            stack.routes4.remove(&route.prefix);
        } else {
            stack.routes4.put(route.prefix, route.paths);
        }
    }
}

/// Drops every route out of an interface that leaves.
pub(super) fn flush_interface(kernel: &mut Kernel, vnet: VnetId, index: IfIndex) {
    for v6 in [false, true] {
        let Some(stack) = super::of_mut(kernel, vnet) else { return };
        let table = if v6 { &mut stack.routes6 } else { &mut stack.routes4 };
        for (before, path) in table.remove_interface(index) {
            let prefix = before.prefix;
            report(kernel, vnet, Some(before), &prefix, path);
        }
    }
}

/// The table of a vnet and a family.
pub(super) fn table(kernel: &Kernel, vnet: VnetId, v6: bool) -> Option<&Table> {
    let stack = &kernel.vnets.get(&vnet)?.stack;
    Some(if v6 { &stack.routes6 } else { &stack.routes4 })
}

/// The table for a destination.
pub(super) fn table_mut(kernel: &mut Kernel, vnet: VnetId, destination: IpAddr) -> Result<&mut Table, Errno> {
    let stack = super::of_mut(kernel, vnet).ok_or(Errno::EBUSY)?;
    Ok(if destination.is_ipv6() { &mut stack.routes6 } else { &mut stack.routes4 })
}

/// Announces a change and gives it back.
pub(super) fn report(
    kernel: &mut Kernel,
    vnet: VnetId,
    before: Option<Route>,
    prefix: &Prefix,
    path: Path,
) -> RouteChange {
    let after = route_exact(kernel, vnet, prefix).cloned();
    let path = after.as_ref().and_then(|route| route.paths.iter().find(|p| p.hop == path.hop)).cloned().unwrap_or(path);
    let change = RouteChange { before, after, path };
    event::push(kernel, vnet, Event::Route(change.clone()));
    change
}

/// Finds interfaces and sets the flags that follow.
fn resolve(kernel: &Kernel, vnet: VnetId, new: &NewRoute) -> Result<Vec<Path>, Errno> {
    let host = if new.prefix.is_host() { RTF_HOST } else { 0 };
    let fixed = if new.mtu.is_some() { RTF_FIXEDMTU } else { 0 };
    let flags = (new.flags & !(RTF_UP | RTF_GATEWAY | RTF_HOST | RTF_PINNED)) | host | fixed;
    if flags & (RTF_REJECT | RTF_BLACKHOLE) != 0 {
        let interface = super::loopback(kernel, vnet).ok_or(Errno::ENETUNREACH)?;
        let hop = NextHop { gateway: None, interface, flags, mtu: new.mtu, source: None };
        return Ok(vec![Path { hop, weight: 1, id: 0 }]);
    }
    if new.paths.is_empty() {
        return Err(Errno::EINVAL);
    }
    let one = |path: &NewPath| {
        let interface = match (path.interface, path.gateway) {
            (Some(index), _) => index,
            (None, Some(gateway)) => gateway_interface(kernel, vnet, gateway).ok_or(Errno::ENETUNREACH)?,
            (None, None) => return Err(Errno::EINVAL),
        };
        if kernel.interfaces.get(interface).is_none_or(|found| found.vnet != vnet) {
            return Err(Errno::EINVAL);
        }
        let gateway = if path.gateway.is_some() { RTF_GATEWAY } else { 0 };
        let hop = NextHop { gateway: path.gateway, interface, flags: flags | gateway, mtu: new.mtu, source: None };
        Ok(Path { hop, weight: path.weight, id: 0 })
    };
    new.paths.iter().map(one).collect()
}
