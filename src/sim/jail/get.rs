//! jail_get(2).

use super::params::{Values, allow_bit, int, sanitized, string};
use super::set::DESCRIPTORS;
use super::{Jail, JailRefusal, refuse, refuse_with};
use crate::abi::Errno;
use crate::abi::jail::{JAIL_DYING, JailParam};
use crate::abi::sysctl;
use crate::sim::kernel::Kernel;

/// jail_get(2) by a process in the jail `viewer`: the jail is chosen by `lastjid`, `jid` or `name`; the other
/// parameters are buffers to be filled.
///
/// # Errors
/// The errno and the kernel's text.
pub fn get(kernel: &Kernel, viewer: i32, params: &mut [JailParam], flags: i32) -> Result<i32, JailRefusal> {
    if flags & DESCRIPTORS != 0 {
        return Err(refuse_with(Errno::EOPNOTSUPP, "jail descriptors are not simulated"));
    }
    if flags & !JAIL_DYING != 0 {
        return Err(refuse(Errno::EINVAL));
    }
    let places = sanitized(params);
    let jid = choose(kernel, viewer, params, &places, flags & JAIL_DYING != 0)?;
    let jail = kernel.jails.get(jid).ok_or_else(|| refuse(Errno::ENOENT))?;
    let mut answers = Vec::new();
    for at in places {
        let Some(param) = params.get(at) else { continue };
        if matches!(param.name.as_str(), "lastjid" | "errmsg") {
            continue;
        }
        let answer = value(kernel, viewer, jail, &param.name);
        let answer = answer.ok_or_else(|| refuse_with(Errno::EINVAL, format!("unknown parameter: {}", param.name)))?;
        answers.push((at, fill(param, answer)?));
    }
    for (at, answer) in answers {
        if let Some(param) = params.get_mut(at) {
            param.value = answer;
        }
    }
    Ok(jid)
}

fn choose(
    kernel: &Kernel,
    viewer: i32,
    params: &[JailParam],
    places: &[usize],
    dying: bool,
) -> Result<i32, JailRefusal> {
    let jails = &kernel.jails;
    let given = |name: &str| places.iter().filter_map(|&at| params.get(at)).find(|param| param.name == name);
    if let Some(last) = given("lastjid") {
        let last = int(last)?;
        let next = jails.by_jid.range(last.saturating_add(1)..).map(|(&jid, _)| jid);
        let mut next = next.filter(|&jid| jails.is_below(jid, viewer) && (dying || !jails.is_dying(jid)));
        return next.next().ok_or_else(|| refuse_with(Errno::ENOENT, format!("no jail after {last}")));
    }
    if let Some(param) = given("jid") {
        let jid = int(param)?;
        if jid != 0 {
            return match jails.get(jid).filter(|_| jails.is_below(jid, viewer)) {
                None => Err(refuse_with(Errno::ENOENT, format!("jail {jid} not found"))),
                Some(_) if jails.is_dying(jid) && !dying => {
                    Err(refuse_with(Errno::ENOENT, format!("jail {jid} is dying")))
                }
                Some(_) => Ok(jid),
            };
        }
    }
    let Some(name) = given("name") else { return Err(refuse_with(Errno::ENOENT, "no jail specified")) };
    let name = string(name, usize::MAX)?;
    match (jails.find(viewer, &name), jails.find_dying(viewer, &name)) {
        (Some(jid), _) => Ok(jid),
        (None, Some(jid)) if dying => Ok(jid),
        (None, Some(_)) => Err(refuse_with(Errno::ENOENT, format!("jail \"{name}\" is dying"))),
        (None, None) => Err(refuse_with(Errno::ENOENT, format!("jail \"{name}\" not found"))),
    }
}

/// The value of a parameter.
enum Answer {
    Int(i32),
    Text(String),
    /// Exactly these bytes; the length tells how many.
    Bytes(Vec<u8>),
}

fn value(kernel: &Kernel, viewer: i32, jail: &Jail, name: &str) -> Option<Answer> {
    let values = &jail.values;
    let system = |mode: i32| Some(Answer::Int(mode));
    match name {
        "jid" => system(jail.jid),
        "name" => Some(Answer::Text(kernel.jails.full_name(viewer, jail.jid))),
        "parent" => system(if jail.parent == viewer { 0 } else { jail.parent }),
        "vnet" => system(if jail.owns_vnet { 1 } else { 2 }),
        "dying" => system(i32::from(kernel.jails.is_dying(jail.jid))),
        "children.cur" => system(kernel.jails.count_below(jail.jid)),
        "persist" => system(i32::from(values.persist && !kernel.jails.is_dying(jail.jid))),
        "nopersist" => system(i32::from(!values.persist)),
        _ => plain(values, name),
    }
}

/// The value of a parameter that needs nothing but the jail's own values.
fn plain(values: &Values, name: &str) -> Option<Answer> {
    Some(match name {
        "path" => Answer::Text(values.path.clone()),
        "securelevel" => Answer::Int(values.securelevel),
        "osreldate" => Answer::Int(values.osreldate),
        "osrelease" => Answer::Text(values.osrelease.clone()),
        "enforce_statfs" => Answer::Int(values.enforce_statfs),
        "devfs_ruleset" => Answer::Int(values.devfs_ruleset),
        "children.max" => Answer::Int(values.children_max),
        "host" => Answer::Int(values.host),
        "host.hostname" => Answer::Text(values.hostname.clone()),
        "host.domainname" => Answer::Text(values.domainname.clone()),
        "host.hostuuid" => Answer::Text(values.hostuuid.clone()),
        "host.hostid" => Answer::Bytes(values.hostid.to_le_bytes().to_vec()),
        "cpuset.id" => Answer::Int(values.cpuset),
        "ip4" => Answer::Int(values.ip4),
        "ip6" => Answer::Int(values.ip6),
        "ip4.addr" => Answer::Bytes(values.ip4_addresses.clone()),
        "ip6.addr" => Answer::Bytes(values.ip6_addresses.clone()),
        "ip4.saddrsel" => Answer::Int(i32::from(values.source_selection[0])),
        "ip6.saddrsel" => Answer::Int(i32::from(values.source_selection[1])),
        "sysvmsg" => Answer::Int(values.sysv[0]),
        "sysvsem" => Answer::Int(values.sysv[1]),
        "sysvshm" => Answer::Int(values.sysv[2]),
        "meta" => whole(values.meta.as_ref()),
        "env" => whole(values.env.as_ref()),
        _ => match (name.split_once('.'), allow_bit(name)) {
            (_, Some((bit, negated))) => Answer::Int(i32::from((values.allow & bit != 0) != negated)),
            (Some(("meta", key)), _) => line(values.meta.as_ref(), key),
            (Some(("env", key)), _) => line(values.env.as_ref(), key),
            _ => return None,
        },
    })
}

fn whole(text: Option<&String>) -> Answer {
    Answer::Bytes(text.map(|text| sysctl::string(text)).unwrap_or_default())
}

fn line(text: Option<&String>, key: &str) -> Answer {
    let lines = text.map(|text| text.lines()).into_iter().flatten();
    let mut values = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    Answer::Bytes(values.next().map(sysctl::string).unwrap_or_default())
}

/// The buffer of a parameter after the kernel wrote into it; a NULL one stays NULL.
fn fill(param: &JailParam, answer: Answer) -> Result<Option<Vec<u8>>, JailRefusal> {
    let Some(buffer) = &param.value else { return Ok(None) };
    match answer {
        _ if buffer.is_empty() => Ok(Some(Vec::new())),
        Answer::Int(value) if buffer.len() == 4 => Ok(Some(value.to_le_bytes().to_vec())),
        Answer::Int(_) => Err(refuse(Errno::EINVAL)),
        Answer::Text(text) => {
            let mut bytes = sysctl::string(&text);
            if bytes.len() > buffer.len() {
                return Err(refuse(Errno::EINVAL));
            }
            bytes.resize(buffer.len(), 0);
            Ok(Some(bytes))
        }
        Answer::Bytes(bytes) if bytes.len() > buffer.len() => Err(refuse(Errno::EINVAL)),
        Answer::Bytes(bytes) => Ok(Some(bytes)),
    }
}
