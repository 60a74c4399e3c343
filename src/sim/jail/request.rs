//! What jail_set(2) is asked for: the parameters read one by one, in the order in which the kernel finds fault with them.

use super::params::{Values, allow_bit, int, sanitized, string};
use super::{JailRefusal, refuse, refuse_with};
use crate::abi::Errno;
use crate::abi::jail::{JAIL_CREATE, JAIL_SYS_INHERIT, JAIL_SYS_NEW, JAIL_UPDATE, JailParam};

/// Longest `meta` or `env` with its NUL (`security.jail.meta_maxbufsize`).
const META: usize = 4096;

/// What a request asks for, before it is known whether the jail exists.
#[derive(Default)]
pub(super) struct Request {
    pub(super) jid: i32,
    pub(super) name: Option<String>,
    pub(super) vnet: Option<i32>,
    pub(super) changes: Vec<Change>,
    pub(super) persist: Option<bool>,
    pub(super) children_max: Option<i32>,
    pub(super) enforce_statfs: Option<i32>,
    pub(super) securelevel: Option<i32>,
    pub(super) devfs_ruleset: Option<i32>,
    pub(super) allow: u32,
    pub(super) forbid: u32,
    pub(super) unknown: Option<String>,
    pub(super) path: Option<String>,
}

type Change = Box<dyn FnOnce(&mut Values)>;

/// Numbers and modes, which the kernel reads before anything else.
fn is_read_first(name: &str) -> bool {
    matches!(
        name,
        "jid" | "securelevel" | "children.max" | "enforce_statfs" | "devfs_ruleset" | "vnet" | "host" | "ip4" | "ip6"
    )
}

/// Reads all parameters; what is wrong with one by itself is refused here.
pub(super) fn read(params: &[JailParam], flags: i32) -> Result<Request, JailRefusal> {
    let mut request = Request::default();
    // Asked for before it is known whether the jail is new (`sys/kern/kern_jail.c:1218`), after numbers and modes.
    let fleeting = || refuse_with(Errno::EINVAL, "new jail must persist or attach");
    let persists = params.iter().any(|param| param.name == "persist");
    let is_refused = flags & JAIL_CREATE != 0 && !persists;
    for param in sanitized(params).into_iter().filter_map(|at| params.get(at)) {
        if let Err(refusal) = read_one(&mut request, param, flags & JAIL_UPDATE != 0) {
            return Err(if is_refused && !is_read_first(&param.name) { fleeting() } else { refusal });
        }
    }
    if flags & JAIL_CREATE != 0 && request.persist != Some(true) {
        return Err(fleeting());
    }
    if request.vnet == Some(JAIL_SYS_NEW)
        && params.iter().any(|p| p.name.starts_with("ip4") || p.name.starts_with("ip6"))
    {
        return Err(refuse_with(Errno::EINVAL, "vnet jails cannot have IP address restrictions"));
    }
    Ok(request)
}

fn read_one(request: &mut Request, param: &JailParam, update: bool) -> Result<(), JailRefusal> {
    let name = param.name.as_str();
    if update && matches!(name, "vnet" | "path" | "osrelease" | "osreldate") {
        return Err(refuse_with(Errno::EINVAL, format!("{name} cannot be changed after creation")));
    }
    match name {
        "jid" => request.jid = int(param)?,
        "name" => request.name = Some(string(param, usize::MAX)?),
        "vnet" => {
            let mode = int(param)?;
            if !matches!(mode, JAIL_SYS_NEW | JAIL_SYS_INHERIT) {
                return Err(refuse(Errno::EINVAL));
            }
            request.vnet = Some(mode);
        }
        "path" => {
            let path = string(param, 1024)?;
            request.path = Some(path.clone());
            request.changes.push(Box::new(move |values| values.path = path));
        }
        "persist" => request.persist = Some(true),
        "nopersist" => request.persist = Some(false),
        "children.max" => request.children_max = Some(int(param)?),
        "enforce_statfs" => {
            let level = int(param)?;
            if !(0..=2).contains(&level) {
                return Err(refuse(Errno::EINVAL));
            }
            request.enforce_statfs = Some(level);
        }
        "securelevel" => request.securelevel = Some(int(param)?),
        "devfs_ruleset" => request.devfs_ruleset = Some(int(param)?),
        "desc" | "errmsg" => {}
        _ => match allow_bit(name) {
            Some((bit, false)) => request.allow |= bit,
            Some((bit, true)) => request.forbid |= bit,
            None => match change(param)? {
                Some(change) => request.changes.push(change),
                None => request.unknown = request.unknown.take().or_else(|| Some(name.to_owned())),
            },
        },
    }
    Ok(())
}

/// Parameters that only change a value; `None` if there is no such parameter.
fn change(param: &JailParam) -> Result<Option<Change>, JailRefusal> {
    let change: Change = match param.name.as_str() {
        "host" => {
            let mode = jail_system(param)?;
            Box::new(move |values| values.host = mode)
        }
        "host.hostname" => text(param, 256, |values, text| values.hostname = text)?,
        "host.domainname" => text(param, 256, |values, text| values.domainname = text)?,
        "host.hostuuid" => text(param, 64, |values, text| values.hostuuid = text)?,
        "host.hostid" => {
            let bytes = param.value.as_deref().and_then(|bytes| bytes.try_into().ok());
            let id = u64::from_le_bytes(bytes.ok_or_else(|| refuse(Errno::EINVAL))?);
            Box::new(move |values| {
                values.hostid = id;
                values.host = JAIL_SYS_NEW;
            })
        }
        "osrelease" => text(param, 32, |values, text| values.osrelease = text)?,
        "osreldate" => {
            let date = int(param)?;
            Box::new(move |values| values.osreldate = date)
        }
        "ip4" => {
            let mode = jail_system(param)?;
            Box::new(move |values| values.ip4 = mode)
        }
        "ip6" => {
            let mode = jail_system(param)?;
            Box::new(move |values| values.ip6 = mode)
        }
        "ip4.addr" => {
            let bytes = addresses(param, 4)?;
            Box::new(move |values| (values.ip4, values.ip4_addresses) = (JAIL_SYS_NEW, bytes))
        }
        "ip6.addr" => {
            let bytes = addresses(param, 16)?;
            Box::new(move |values| (values.ip6, values.ip6_addresses) = (JAIL_SYS_NEW, bytes))
        }
        "ip4.saddrsel" => Box::new(|values| values.source_selection[0] = true),
        "ip4.nosaddrsel" => Box::new(|values| values.source_selection[0] = false),
        "ip6.saddrsel" => Box::new(|values| values.source_selection[1] = true),
        "ip6.nosaddrsel" => Box::new(|values| values.source_selection[1] = false),
        "sysvmsg" | "sysvsem" | "sysvshm" => {
            let mode = jail_system(param)?;
            let at = ["sysvmsg", "sysvsem", "sysvshm"].iter().position(|name| *name == param.name).unwrap_or(0);
            Box::new(move |values| values.sysv[at] = mode)
        }
        "meta" => whole(param, |values| &mut values.meta)?,
        "env" => whole(param, |values| &mut values.env)?,
        name => match name.split_once('.') {
            Some(("meta", key)) => line(param, key, |values| &mut values.meta)?,
            Some(("env", key)) => line(param, key, |values| &mut values.env)?,
            _ => return Ok(None),
        },
    };
    Ok(Some(change))
}

fn jail_system(param: &JailParam) -> Result<i32, JailRefusal> {
    int(param).and_then(|mode| if (0..=2).contains(&mode) { Ok(mode) } else { Err(refuse(Errno::EINVAL)) })
}

fn text(param: &JailParam, limit: usize, set: fn(&mut Values, String)) -> Result<Change, JailRefusal> {
    let text = string(param, limit)?;
    let is_host = param.name.starts_with("host.");
    Ok(Box::new(move |values| {
        set(values, text);
        if is_host {
            values.host = JAIL_SYS_NEW;
        }
    }))
}

fn addresses(param: &JailParam, size: usize) -> Result<Vec<u8>, JailRefusal> {
    let bytes = param.value.clone().unwrap_or_default();
    if bytes.len().is_multiple_of(size) { Ok(bytes) } else { Err(refuse(Errno::EINVAL)) }
}

/// All lines of `meta` or `env` at once.
fn whole(param: &JailParam, place: fn(&mut Values) -> &mut Option<String>) -> Result<Change, JailRefusal> {
    let text = match &param.value {
        None => None,
        Some(_) => Some(meta_text(param)?),
    };
    Ok(Box::new(move |values| *place(values) = text.filter(|text| !text.is_empty())))
}

/// One `key=value` line; without a value the line goes.
fn line(param: &JailParam, key: &str, place: fn(&mut Values) -> &mut Option<String>) -> Result<Change, JailRefusal> {
    if key.is_empty() || key.contains(['=', '\n']) {
        return Err(refuse(Errno::EINVAL));
    }
    let start = format!("{key}=");
    let value = match &param.value {
        None => None,
        Some(_) => Some(meta_text(param)?),
    };
    Ok(Box::new(move |values| {
        let place = place(values);
        let mut lines: Vec<String> = place.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with(&start));
        lines.extend(value.map(|value| format!("{start}{value}")));
        *place = (!lines.is_empty()).then(|| lines.join("\n"));
    }))
}

fn meta_text(param: &JailParam) -> Result<String, JailRefusal> {
    if param.value.as_ref().is_some_and(|value| value.len() > META) {
        return Err(refuse(Errno::EFBIG));
    }
    string(param, META)
}
