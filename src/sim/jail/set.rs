//! jail_set(2) (`sys/kern/kern_jail.c`, kern_jail_set).

use std::collections::BTreeSet;

use super::params::Values;
use super::request::{Request, read};
use super::{HOST, Jail, JailRefusal, MAX_JID, bury, refuse, refuse_with, renumber, vnet_of};
use crate::abi::Errno;
use crate::abi::jail::{JAIL_CREATE, JAIL_SYS_NEW, JAIL_UPDATE, JailParam};
use crate::sim::host;
use crate::sim::kernel::Kernel;

/// Flags a kernel of 15.1 knows.
const FLAGS: i32 = 0xff;
/// `JAIL_USE_DESC`, `JAIL_AT_DESC`, `JAIL_GET_DESC`, `JAIL_OWN_DESC`.
pub(super) const DESCRIPTORS: i32 = 0xf0;
/// The first CPU set that a jail can have.
pub(super) const FIRST_CPUSET: i32 = 3;

/// jail_set(2) by a process in the jail `viewer`: creates or updates, and gives the number.
///
/// # Errors
/// The errno and the kernel's text, which is often empty.
pub fn set(kernel: &mut Kernel, viewer: i32, params: &[JailParam], flags: i32) -> Result<i32, JailRefusal> {
    // A jail that may have none below it is told so before anything is read (`sys/kern/kern_jail.c:1039`).
    if flags & JAIL_CREATE != 0 && kernel.jails.get(viewer).is_some_and(|own| own.values.children_max == 0) {
        return Err(refuse(Errno::EPERM));
    }
    check_flags(params, flags)?;
    if !kernel.host.has_vimage && params.iter().any(|param| param.name == "vnet") {
        return Err(refuse_with(Errno::EINVAL, "unknown parameter: vnet"));
    }
    let mut request = read(params, flags)?;
    if request.path.as_deref().is_some_and(|path| !host::is_folder(kernel, path)) {
        return Err(refuse(Errno::ENOENT));
    }
    let (target, parent, name) = locate(kernel, viewer, &mut request, flags)?;
    let (jid, is_new) = match target {
        Some(jid) => (jid, false),
        None => {
            check_room(kernel, viewer)?;
            (number(kernel, request.jid)?, true)
        }
    };
    check(kernel, viewer, parent, &request)?;
    if is_new {
        create(kernel, jid, parent, name.unwrap_or_else(|| jid.to_string()), request.vnet);
    } else if let Some(name) = name {
        rename(kernel, jid, parent, name);
    }
    apply(kernel, jid, request);
    Ok(jid)
}

fn check_flags(params: &[JailParam], flags: i32) -> Result<(), JailRefusal> {
    if flags & !FLAGS != 0 {
        return Err(refuse(Errno::EINVAL));
    }
    let has_descriptor = params.iter().any(|param| param.name == "desc");
    if flags & DESCRIPTORS != 0 && !has_descriptor {
        return Err(refuse_with(Errno::ENOENT, "missing desc"));
    }
    if flags & DESCRIPTORS == 0 && has_descriptor {
        return Err(refuse_with(Errno::EINVAL, "unexpected desc"));
    }
    if flags & !(JAIL_CREATE | JAIL_UPDATE | crate::abi::jail::JAIL_DYING) != 0 {
        return Err(refuse_with(Errno::EOPNOTSUPP, "attaching and jail descriptors are not simulated"));
    }
    if flags & (JAIL_CREATE | JAIL_UPDATE) == 0 {
        return Err(refuse_with(Errno::EINVAL, "no valid operation (create or update)"));
    }
    Ok(())
}

/// Finds the jail that is meant, or where a new one goes: number if it exists, parent, and own name if one was given.
fn locate(
    kernel: &mut Kernel,
    viewer: i32,
    request: &mut Request,
    flags: i32,
) -> Result<(Option<i32>, i32, Option<String>), JailRefusal> {
    let create = flags & JAIL_CREATE != 0;
    let update = flags & JAIL_UPDATE != 0;
    if request.jid < 0 || request.jid > MAX_JID {
        return Err(refuse_with(Errno::EINVAL, format!("invalid jail ID: {}", request.jid)));
    }
    let given = request.name.take().filter(|name| !name.is_empty());
    let own = given.as_deref().map(|name| name.rsplit_once('.').map_or(name, |(_, own)| own));
    if let Some(number) = own.and_then(numeric) {
        if request.jid == 0 {
            request.jid = number;
        } else if request.jid != number {
            return Err(refuse_with(Errno::EINVAL, "name cannot be numeric (unless it is the jid)"));
        }
    }
    let mut target = None;
    let mut parent = viewer;
    if request.jid != 0 {
        match kernel.jails.live_below(request.jid, viewer) {
            Some(_) if create && !update => {
                return Err(refuse_with(Errno::EEXIST, format!("jail {} already exists", request.jid)));
            }
            Some(jail) => (target, parent) = (Some(jail.jid), jail.parent),
            None if !create => return Err(refuse_with(Errno::ENOENT, format!("jail {} not found", request.jid))),
            None if kernel.jails.is_dying(request.jid) => renumber(kernel, request.jid).map_err(refuse)?,
            None => {}
        }
    }
    let Some(given) = given else {
        if request.jid == 0 && !create {
            return Err(refuse_with(Errno::ENOENT, "update specified no jail"));
        }
        return Ok((target, parent, None));
    };
    let (above, own) = match given.rsplit_once('.') {
        Some((above, own)) => {
            let found = kernel.jails.find(viewer, above);
            (found.ok_or_else(|| refuse_with(Errno::ENOENT, format!("jail \"{above}\" not found")))?, own)
        }
        None => (if target.is_some() { parent } else { viewer }, given.as_str()),
    };
    if target.is_some() && above != parent {
        return Err(refuse_with(Errno::EINVAL, "cannot change jail's parent"));
    }
    if own.is_empty() {
        return Err(refuse_with(Errno::ENOENT, format!("jail \"{}\" not found", given.trim_end_matches('.'))));
    }
    let prefix = kernel.jails.full_name(HOST, above);
    if prefix.len() + usize::from(!prefix.is_empty()) + own.len() > 255 {
        return Err(refuse(Errno::ENAMETOOLONG));
    }
    match (kernel.jails.by_name.get(&(above, own.to_owned())).copied(), target) {
        (Some(there), Some(target)) if there == target => {}
        (Some(_), Some(_)) => return Err(refuse_with(Errno::EEXIST, format!("jail \"{given}\" already exists"))),
        (Some(_), None) if create && !update || request.jid != 0 => {
            return Err(refuse_with(Errno::EEXIST, format!("jail \"{given}\" already exists")));
        }
        (Some(there), None) => return Ok((Some(there), above, None)),
        (None, None) if !create => return Err(refuse_with(Errno::ENOENT, format!("jail \"{given}\" not found"))),
        (None, _) => {}
    }
    Ok((target, above, Some(own.to_owned())))
}

fn numeric(name: &str) -> Option<i32> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) { name.parse().ok() } else { None }
}

/// `children.max` of the creator and its ancestors; those of the new jail's parents do not count.
fn check_room(kernel: &Kernel, viewer: i32) -> Result<(), JailRefusal> {
    let mut at = viewer;
    while let Some(jail) = kernel.jails.get(at) {
        if kernel.jails.count_below(at) >= jail.values.children_max {
            return Err(refuse_with(Errno::EPERM, "prison limit exceeded"));
        }
        at = jail.parent;
    }
    Ok(())
}

fn number(kernel: &mut Kernel, wanted: i32) -> Result<i32, JailRefusal> {
    if wanted != 0 {
        return Ok(wanted);
    }
    kernel.jails.claim().ok_or_else(|| refuse_with(Errno::EAGAIN, "no available jail IDs"))
}

/// The last checks; a number that was taken is used up by now.
fn check(kernel: &Kernel, viewer: i32, parent: i32, request: &Request) -> Result<(), JailRefusal> {
    if let Some(above) = kernel.jails.get(parent).map(|jail| &jail.values) {
        let is_refused = request.securelevel.is_some_and(|level| level < above.securelevel)
            || request.children_max.is_some_and(|max| max >= above.children_max)
            || request.enforce_statfs.is_some_and(|level| level < above.enforce_statfs)
            || request.allow & !above.allow != 0;
        if is_refused {
            return Err(refuse(Errno::EPERM));
        }
    }
    if let Some(ruleset) = request.devfs_ruleset {
        if !(0..=65535).contains(&ruleset) {
            return Err(refuse(Errno::EINVAL));
        }
        let own = kernel.jails.get(viewer).map(|jail| jail.values.devfs_ruleset);
        if own.is_some_and(|own| own != ruleset) {
            return Err(refuse(Errno::EPERM));
        }
    }
    match &request.unknown {
        Some(name) => Err(refuse_with(Errno::EINVAL, format!("unknown parameter: {name}"))),
        None => Ok(()),
    }
}

fn create(kernel: &mut Kernel, jid: i32, parent: i32, name: String, vnet: Option<i32>) {
    let owns_vnet = vnet == Some(JAIL_SYS_NEW);
    let shared = vnet_of(kernel, parent);
    let vnet = match shared {
        Some(shared) if !owns_vnet => shared,
        _ => kernel.new_vnet(Some(jid)),
    };
    let unit = kernel.jails.cpusets.lowest_free();
    kernel.jails.cpusets.take(unit);
    let cpuset = i32::try_from(unit).unwrap_or(i32::MAX - FIRST_CPUSET) + FIRST_CPUSET;
    let mut values = Values { cpuset, ..Values::default() };
    if let Some(above) = kernel.jails.get(parent).map(|jail| &jail.values) {
        // A child begins with no more than its parent has (`sys/kern/kern_jail.c`, kern_jail_set).
        values.allow &= above.allow;
        values.enforce_statfs = values.enforce_statfs.max(above.enforce_statfs);
        values.securelevel = above.securelevel;
        values.devfs_ruleset = above.devfs_ruleset;
        values.osreldate = above.osreldate;
        values.osrelease.clone_from(&above.osrelease);
    }
    let children = BTreeSet::new();
    let jail = Jail { jid, parent, name: name.clone(), vnet, owns_vnet, holders: 0, children, values };
    kernel.jails.by_jid.insert(jid, jail);
    kernel.jails.by_name.insert((parent, name), jid);
    if let Some(parent) = kernel.jails.by_jid.get_mut(&parent) {
        parent.children.insert(jid);
    }
}

fn rename(kernel: &mut Kernel, jid: i32, parent: i32, name: String) {
    let Some(jail) = kernel.jails.by_jid.get_mut(&jid) else { return };
    let old = std::mem::replace(&mut jail.name, name.clone());
    kernel.jails.by_name.remove(&(parent, old));
    kernel.jails.by_name.insert((parent, name), jid);
}

fn apply(kernel: &mut Kernel, jid: i32, request: Request) {
    let Some(jail) = kernel.jails.by_jid.get_mut(&jid) else { return };
    let values = &mut jail.values;
    for change in request.changes {
        change(values);
    }
    values.persist = request.persist.unwrap_or(values.persist);
    values.children_max = request.children_max.unwrap_or(values.children_max);
    values.enforce_statfs = request.enforce_statfs.unwrap_or(values.enforce_statfs);
    values.securelevel = request.securelevel.unwrap_or(values.securelevel);
    let securelevel = values.securelevel;
    values.devfs_ruleset = request.devfs_ruleset.unwrap_or(values.devfs_ruleset);
    values.allow = (values.allow | request.allow) & !request.forbid;
    let allow = values.allow;
    if request.forbid != 0 {
        // What a jail loses its children lose too.
        for below in super::family(&kernel.jails, jid) {
            if let Some(below) = kernel.jails.by_jid.get_mut(&below) {
                below.values.allow &= allow;
            }
        }
    }
    if request.securelevel.is_some() {
        // Children have at least this level (`sys/kern/kern_jail.c:2045`).
        for below in super::family(&kernel.jails, jid) {
            if let Some(below) = kernel.jails.by_jid.get_mut(&below) {
                below.values.securelevel = below.values.securelevel.max(securelevel);
            }
        }
    }
    if let Some(most) = request.children_max {
        // Below it may be fewer, level by level (`sys/kern/kern_jail.c:2051`).
        for below in super::family(&kernel.jails, jid) {
            let level = kernel.jails.depth(below, jid);
            if let Some(below) = kernel.jails.by_jid.get_mut(&below) {
                below.values.children_max = below.values.children_max.min(most.saturating_sub(level).max(0));
            }
        }
    }
    let empty =
        kernel.jails.get(jid).is_some_and(|jail| !jail.values.persist && jail.holders == 0 && jail.children.is_empty());
    if empty {
        super::kill(kernel, jid);
        bury(kernel, jid);
    }
}
