//! Jails: hierarchy, life and death. Parameters are set in `set`, shown in `get`, named in `params`.

mod get;
mod params;
mod request;
mod set;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::get::get;
pub use self::params::names as parameter_names;
pub use self::set::set;
use super::kernel::{Kernel, VnetId};
use super::{host, ifnet, stack};
use crate::abi::Errno;
use crate::engine::freebsd::doors::JailRefusal;

/// The host as a parent (`prison0`).
pub const HOST: i32 = 0;
/// `JAIL_MAX` (`sys/sys/jail.h`).
const MAX_JID: i32 = 999_999;

/// Every jail.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jails {
    /// By number; dying ones too.
    by_jid: BTreeMap<i32, Jail>,
    /// Live ones by parent and own name.
    by_name: BTreeMap<(i32, String), i32>,
    /// Those that only wait for their last reference.
    dying: BTreeSet<i32>,
    /// The last number given out; failures use numbers up as well.
    last: i32,
    /// Numbers of CPU sets, from 3 on.
    cpusets: ifnet::Units,
}

/// A jail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Jail {
    /// Its number.
    pub jid: i32,
    /// Its parent's number, [`HOST`] for the host.
    pub parent: i32,
    /// Its own name, without its parents'.
    pub name: String,
    /// The network stack it lives in.
    pub vnet: VnetId,
    /// Whether that stack is its own.
    pub owns_vnet: bool,
    /// Helpers and sockets that keep it from vanishing.
    holders: u32,
    children: BTreeSet<i32>,
    values: params::Values,
}

impl Jail {
    /// Where its root is.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.values.path
    }
}

impl Jails {
    /// A jail by number, dying or not.
    #[must_use]
    pub fn get(&self, jid: i32) -> Option<&Jail> {
        self.by_jid.get(&jid)
    }

    /// Whether the jail was removed and only waits for its last reference.
    #[must_use]
    pub fn is_dying(&self, jid: i32) -> bool {
        self.dying.contains(&jid)
    }

    /// Every jail, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Jail> {
        self.by_jid.values()
    }

    /// A live jail by its full name as `viewer` writes it.
    #[must_use]
    pub fn find(&self, viewer: i32, name: &str) -> Option<i32> {
        let mut jid = viewer;
        for part in name.split('.') {
            jid = *self.by_name.get(&(jid, part.to_owned()))?;
        }
        Some(jid)
    }

    /// A dying jail by its full name as `viewer` writes it.
    fn find_dying(&self, viewer: i32, name: &str) -> Option<i32> {
        self.dying.iter().copied().find(|&jid| self.is_below(jid, viewer) && self.full_name(viewer, jid) == name)
    }

    /// A jail's name with those of its parents below `viewer`.
    #[must_use]
    pub fn full_name(&self, viewer: i32, jid: i32) -> String {
        let mut parts = Vec::new();
        let mut at = jid;
        while at != viewer
            && let Some(jail) = self.by_jid.get(&at)
        {
            parts.push(jail.name.as_str());
            at = jail.parent;
        }
        parts.reverse();
        parts.join(".")
    }

    /// Whether a jail descends from `ancestor`; nobody descends from itself.
    #[must_use]
    pub fn is_below(&self, jid: i32, ancestor: i32) -> bool {
        let mut at = jid;
        while let Some(jail) = self.by_jid.get(&at) {
            if jail.parent == ancestor {
                return true;
            }
            at = jail.parent;
        }
        false
    }

    /// A live jail below `viewer`.
    #[must_use]
    pub fn live_below(&self, jid: i32, viewer: i32) -> Option<&Jail> {
        self.by_jid.get(&jid).filter(|_| !self.is_dying(jid) && self.is_below(jid, viewer))
    }

    /// How many levels a jail is below another; 0 if it is that jail, or not below it.
    fn depth(&self, jid: i32, above: i32) -> i32 {
        let mut at = jid;
        let mut levels = 0;
        while at != above {
            let Some(jail) = self.by_jid.get(&at) else { return 0 };
            at = jail.parent;
            levels += 1;
        }
        levels
    }

    /// How many jails descend from one.
    fn count_below(&self, jid: i32) -> i32 {
        let Some(jail) = self.by_jid.get(&jid) else { return 0 };
        let below = jail.children.iter().filter(|&&child| !self.is_dying(child));
        below.map(|&child| 1 + self.count_below(child)).sum()
    }

    /// The next free number after the last one given out.
    fn next_free(&self) -> Option<i32> {
        let after = self.last.saturating_add(1)..=MAX_JID;
        after.chain(1..=self.last).find(|jid| !self.by_jid.contains_key(jid))
    }

    /// Takes the next number.
    fn claim(&mut self) -> Option<i32> {
        self.last = self.next_free()?;
        Some(self.last)
    }
}

/// The network stack in which a jail lives; the host's for [`HOST`].
#[must_use]
pub fn vnet_of(kernel: &Kernel, jid: i32) -> Option<VnetId> {
    if jid == HOST { Some(VnetId::HOST) } else { kernel.jails.get(jid).map(|jail| jail.vnet) }
}

/// A process attaches to a live jail, or a socket is opened inside one that may be dying: it stays until
/// [`release`].
///
/// # Errors
/// `EINVAL` no such jail.
pub fn hold(kernel: &mut Kernel, jid: i32) -> Result<(), Errno> {
    let jail = kernel.jails.by_jid.get_mut(&jid).ok_or(Errno::EINVAL)?;
    jail.holders += 1;
    Ok(())
}

/// The counterpart of [`hold`]: the last one buries a dying jail, with its vnet.
pub fn release(kernel: &mut Kernel, jid: i32) {
    if let Some(jail) = kernel.jails.by_jid.get_mut(&jid) {
        jail.holders = jail.holders.saturating_sub(1);
    }
    bury(kernel, jid);
}

/// jail_remove(2): children first. A dying jail may be removed again.
///
/// # Errors
/// `EINVAL` no such jail below `viewer`.
pub fn remove(kernel: &mut Kernel, viewer: i32, jid: i32) -> Result<(), Errno> {
    if !kernel.jails.is_below(jid, viewer) {
        return Err(Errno::EINVAL);
    }
    for jid in family(&kernel.jails, jid) {
        kill(kernel, jid);
    }
    Ok(())
}

/// A jail and all below it, every child before its parent.
fn family(jails: &Jails, jid: i32) -> Vec<i32> {
    let mut order = vec![jid];
    let mut at = 0;
    while let Some(jail) = order.get(at).and_then(|jid| jails.by_jid.get(jid)) {
        order.extend(jail.children.iter().copied());
        at += 1;
    }
    order.reverse();
    order
}

/// How many jails there are below one, or below the host, and how many there may be.
#[must_use]
pub fn children(kernel: &Kernel, jid: i32) -> (i32, i32) {
    match kernel.jails.get(jid) {
        Some(jail) => (kernel.jails.count_below(jid), jail.values.children_max),
        None => {
            let all = kernel.jails.iter().filter(|jail| !kernel.jails.is_dying(jail.jid)).count();
            (i32::try_from(all).unwrap_or(i32::MAX), MAX_JID)
        }
    }
}

/// `kern.securelevel` as a process in that jail sees it: at least the machine's.
#[must_use]
pub fn securelevel(kernel: &Kernel, jid: i32) -> i32 {
    let own = kernel.jails.get(jid).map_or(-1, |jail| jail.values.securelevel);
    own.max(kernel.host.securelevel)
}

/// A live jail begins to die.
fn kill(kernel: &mut Kernel, jid: i32) {
    let Some(jail) = kernel.jails.by_jid.get(&jid) else { return };
    if kernel.jails.dying.insert(jid) {
        let key = (jail.parent, jail.name.clone());
        kernel.jails.by_name.remove(&key);
        host::jail_dies(kernel, jid);
    }
    bury(kernel, jid);
}

/// Removes a jail that nobody holds if it is dying or does not persist, and then its parent if that waited for it.
fn bury(kernel: &mut Kernel, jid: i32) {
    let mut next = Some(jid);
    while let Some(jid) = next.take() {
        let Some(jail) = kernel.jails.by_jid.get(&jid) else { return };
        if jail.holders > 0 || !jail.children.is_empty() {
            return;
        }
        if !kernel.jails.dying.contains(&jid) {
            if jail.values.persist || jid == HOST {
                return;
            }
            // Its last child or process was all that kept it (`sys/kern/kern_jail.c:3558`).
            let key = (jail.parent, jail.name.clone());
            kernel.jails.by_name.remove(&key);
            kernel.jails.dying.insert(jid);
            next = Some(jid);
            continue;
        }
        let (vnet, parent) = (jail.owns_vnet.then_some(jail.vnet), jail.parent);
        if let Some(vnet) = vnet {
            ifnet::tear_down(kernel, vnet);
            stack::vnet_destroy(kernel, vnet);
            kernel.vnets.remove(&vnet);
        }
        host::jail_gone(kernel, jid);
        let cpuset = kernel.jails.by_jid.remove(&jid).map(|jail| jail.values.cpuset);
        if let Some(unit) = cpuset.and_then(|cpuset| u32::try_from(cpuset - set::FIRST_CPUSET).ok()) {
            kernel.jails.cpusets.release(unit);
        }
        kernel.jails.dying.remove(&jid);
        if let Some(parent) = kernel.jails.by_jid.get_mut(&parent) {
            parent.children.remove(&jid);
        }
        next = Some(parent);
    }
}

/// Gives a dying jail another number, because its own is wanted (`sys/kern/kern_jail.c:1705-1712`).
fn renumber(kernel: &mut Kernel, jid: i32) -> Result<(), Errno> {
    let new = kernel.jails.next_free().ok_or(Errno::EAGAIN)?;
    let Some(mut jail) = kernel.jails.by_jid.remove(&jid) else { return Ok(()) };
    jail.jid = new;
    for child in &jail.children {
        if let Some(child) = kernel.jails.by_jid.get_mut(child) {
            child.parent = new;
        }
    }
    if let Some(parent) = kernel.jails.by_jid.get_mut(&jail.parent) {
        parent.children.remove(&jid);
        parent.children.insert(new);
    }
    if jail.owns_vnet
        && let Some(vnet) = kernel.vnets.get_mut(&jail.vnet)
    {
        vnet.jail = Some(new);
    }
    for socket in kernel.sockets.open.values_mut().filter(|socket| socket.jail == Some(jid)) {
        socket.jail = Some(new);
    }
    kernel.jails.by_jid.insert(new, jail);
    kernel.jails.dying.remove(&jid);
    kernel.jails.dying.insert(new);
    Ok(())
}

/// A refusal without text.
fn refuse(errno: Errno) -> JailRefusal {
    JailRefusal { errno, message: String::new() }
}

/// A refusal with the kernel's text.
fn refuse_with(errno: Errno, message: impl Into<String>) -> JailRefusal {
    JailRefusal { errno, message: message.into() }
}

#[cfg(test)]
mod tests;
