//! The parameters a jail has, and how their values are encoded.

use serde::{Deserialize, Serialize};

use super::{JailRefusal, refuse};
use crate::abi::jail::JailParam;
use crate::abi::{Errno, sysctl};

/// `allow.*` of a kernel with tmpfs, procfs, nullfs and devfs; the bit is the place.
pub(super) const ALLOW: [&str; 24] = [
    "allow.set_hostname",
    "allow.sysvipc",
    "allow.raw_sockets",
    "allow.chflags",
    "allow.mount",
    "allow.quotas",
    "allow.socket_af",
    "allow.mlock",
    "allow.reserved_ports",
    "allow.read_msgbuf",
    "allow.unprivileged_proc_debug",
    "allow.unprivileged_parent_tampering",
    "allow.suser",
    "allow.nfsd",
    "allow.extattr",
    "allow.adjtime",
    "allow.settime",
    "allow.routing",
    "allow.mount.devfs",
    "allow.mount.nullfs",
    "allow.mount.procfs",
    "allow.mount.tmpfs",
    "allow.mount.fdescfs",
    "allow.mount.zfs",
];

/// How many of [`ALLOW`] exist; the last ones come with modules that are not simulated.
pub(super) const KNOWN_ALLOW: usize = 22;

/// What every jail is allowed at first: set_hostname, reserved_ports, unprivileged_proc_debug, suser.
const DEFAULT_ALLOW: u32 = 1 | 1 << 8 | 1 << 10 | 1 << 12;

/// `kern.osreldate` of the simulated kernel.
pub(super) const OSRELDATE: i32 = 1_501_000;
/// `kern.osrelease` of the simulated kernel.
pub(super) const OSRELEASE: &str = "15.1-RELEASE-p1";

/// Parameters that are neither `allow.*` nor below `meta` and `env`.
const OTHERS: [&str; 30] = [
    "jid",
    "parent",
    "name",
    "path",
    "securelevel",
    "osreldate",
    "osrelease",
    "enforce_statfs",
    "devfs_ruleset",
    "persist",
    "vnet",
    "dying",
    "children.cur",
    "children.max",
    "host",
    "host.hostname",
    "host.domainname",
    "host.hostuuid",
    "host.hostid",
    "cpuset.id",
    "ip4",
    "ip4.addr",
    "ip4.saddrsel",
    "ip6",
    "ip6.addr",
    "ip6.saddrsel",
    "sysvmsg",
    "sysvsem",
    "sysvshm",
    "meta",
];

/// The names below the sysctl `security.jail.param` of this kernel, without trailing dots.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALLOW.into_iter().take(KNOWN_ALLOW).chain(OTHERS).chain(["env"])
}

/// Everything that jail_set(2) can set apart from the jail's place in the hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Values {
    pub path: String,
    pub persist: bool,
    pub children_max: i32,
    pub enforce_statfs: i32,
    pub securelevel: i32,
    pub devfs_ruleset: i32,
    pub osreldate: i32,
    pub osrelease: String,
    pub host: i32,
    pub hostname: String,
    pub domainname: String,
    pub hostuuid: String,
    pub hostid: u64,
    pub ip4: i32,
    pub ip4_addresses: Vec<u8>,
    pub ip6: i32,
    pub ip6_addresses: Vec<u8>,
    pub source_selection: [bool; 2],
    /// sysvmsg, sysvsem, sysvshm.
    pub sysv: [i32; 3],
    pub allow: u32,
    pub meta: Option<String>,
    pub env: Option<String>,
    pub cpuset: i32,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            persist: false,
            children_max: 0,
            enforce_statfs: 2,
            securelevel: -1,
            devfs_ruleset: 0,
            osreldate: OSRELDATE,
            osrelease: OSRELEASE.to_owned(),
            host: 1,
            hostname: String::new(),
            domainname: String::new(),
            hostuuid: "00000000-0000-0000-0000-000000000000".to_owned(),
            hostid: 0,
            ip4: 2,
            ip4_addresses: Vec::new(),
            ip6: 2,
            ip6_addresses: Vec::new(),
            source_selection: [true; 2],
            sysv: [0; 3],
            allow: DEFAULT_ALLOW,
            meta: None,
            env: None,
            cpuset: 0,
        }
    }
}

/// The bit of an `allow.*` name, and whether it is the name's `no` form.
pub(super) fn allow_bit(name: &str) -> Option<(u32, bool)> {
    let known = ALLOW.iter().take(KNOWN_ALLOW);
    for (bit, allow) in known.enumerate() {
        if *allow == name {
            return Some((1 << bit, false));
        }
        if crate::abi::jail::negated(allow) == name {
            return Some((1 << bit, true));
        }
    }
    None
}

/// Of several parameters of one name, or a name and its `no` form, only the last counts
/// (`sys/kern/vfs_mount.c`, vfs_sanitizeopts). Gives the places of those that count.
pub(super) fn sanitized(params: &[JailParam]) -> Vec<usize> {
    let mut seen = std::collections::BTreeSet::new();
    let mut places: Vec<usize> = (0..params.len())
        .rev()
        .filter(|&at| params.get(at).is_some_and(|param| seen.insert(plain(&param.name))))
        .collect();
    places.reverse();
    places
}

/// A name without the `no` of its last part, if that leaves a boolean.
fn plain(name: &str) -> String {
    match allow_bit(name) {
        Some((_, true)) => name.replacen(".no", ".", 1),
        _ if name == "nopersist" => "persist".to_owned(),
        _ => name.to_owned(),
    }
}

/// An int, exactly four bytes.
pub(super) fn int(param: &JailParam) -> Result<i32, JailRefusal> {
    param.as_int().ok_or_else(|| refuse(Errno::EINVAL))
}

/// A string of fewer than `limit` bytes with its NUL.
pub(super) fn string(param: &JailParam, limit: usize) -> Result<String, JailRefusal> {
    let bytes = param.value.as_deref().filter(|bytes| bytes.last() == Some(&0)).ok_or_else(|| refuse(Errno::EINVAL))?;
    if bytes.len() > limit {
        return Err(refuse(Errno::ENAMETOOLONG));
    }
    Ok(sysctl::read_string(bytes))
}
