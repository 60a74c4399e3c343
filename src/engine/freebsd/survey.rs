//! What a host has for labs and what it lacks: everything at once, each with what to do about it. Nothing is changed.

use super::doors::{Actor, HostDoor, SocketDoor, SocketKind};
use super::{RouteMeans, Settings};
use crate::abi::{Errno, sysctl};
use crate::engine::{Fact, Standing};

/// The modules that labs of every kind need between them, by what is missing without them.
const MODULES: [(&str, &str); 9] = [
    ("ng_socket", "anything of netgraph"),
    ("ng_eiface", "links"),
    ("ng_bridge", "switches"),
    ("ng_hub", "hubs"),
    ("ng_pipe", "impaired links"),
    ("if_bridge", "switches with driver if_bridge"),
    ("if_epair", "links of type epair"),
    ("nullfs", "roots with a shared base"),
    ("zfs", "roots that are ZFS clones"),
];

/// The first release whose netlink(4) does all that we ask of it.
const FULL_RELEASE: i64 = 1_400_000;
/// Ticks below which ng_pipe's delays are coarse.
const FINE_TICKS: i64 = 1000;

/// Looks at everything that labs may need.
pub fn survey(doors: &mut (impl HostDoor + SocketDoor), settings: Settings) -> Vec<Fact> {
    let facts = [release(doors), vimage(doors), root(doors), jail(doors), securelevel(doors)];
    let mut facts: Vec<Fact> = facts.into_iter().chain([netlink(doors, settings)]).collect();
    facts.push(modules(doors, settings));
    facts.extend([accounting(doors), ticks(doors)]);
    facts
}

fn release(doors: &mut impl HostDoor) -> Fact {
    let name = text(doors, "kern.osrelease").unwrap_or_else(|| "of an unknown release".to_owned());
    match number(doors, "kern.osreldate") {
        Some(date) if date < FULL_RELEASE => Fact::limited("release", format!("FreeBSD {name}"))
            .hint("labs are made for FreeBSD 14 and 15; `--route-door rtsock` may help on 13"),
        _ => Fact::fine("release", format!("FreeBSD {name}")),
    }
}

fn vimage(doors: &mut impl HostDoor) -> Fact {
    match number(doors, "kern.features.vimage") {
        Some(1..) => Fact::fine("VIMAGE", "jails can have network stacks of their own"),
        _ => Fact::missing("VIMAGE", "jails cannot have network stacks of their own")
            .hint("boot a kernel with `options VIMAGE`, as GENERIC is"),
    }
}

fn root(doors: &mut impl HostDoor) -> Fact {
    if doors.is_root() {
        Fact::fine("root", "we are")
    } else {
        Fact::missing("root", "we are not").hint("run it as root; `--engine sim` needs no privilege")
    }
}

fn jail(doors: &mut impl HostDoor) -> Fact {
    const WHAT: &str = "jails";
    if number(doors, "security.jail.jailed").unwrap_or(0) == 0 {
        return Fact::fine(WHAT, "this is the host: no limit to jails below it");
    }
    if number(doors, "security.jail.vnet").unwrap_or(0) == 0 {
        return Fact::missing(WHAT, "this is a jail without a network stack of its own")
            .hint("give it `vnet` and `children.max`, or work on the host");
    }
    let most = number(doors, "security.jail.children.max").unwrap_or(0);
    let now = number(doors, "security.jail.children.cur").unwrap_or(0);
    let found = format!("this is a jail that may have {most} jails below it and has {now}");
    if most <= now {
        Fact::missing(WHAT, found).hint("raise its `children.max`, or work on the host")
    } else {
        Fact::limited(WHAT, found).hint("a lab needs one jail and one for each host and router")
    }
}

fn securelevel(doors: &mut impl HostDoor) -> Fact {
    match number(doors, "kern.securelevel").unwrap_or(-1) {
        level @ 1.. => Fact::limited("securelevel", format!("{level}: modules cannot be loaded any more"))
            .hint("load at boot what labs need: `kld_list` in rc.conf(5)"),
        level => Fact::fine("securelevel", level.to_string()),
    }
}

fn netlink(doors: &mut impl SocketDoor, settings: Settings) -> Fact {
    if settings.means == RouteMeans::Rtsock {
        return Fact::fine("netlink", "not asked for: the routing socket serves");
    }
    match doors.open(Actor::Host, SocketKind::Netlink) {
        Ok(sock) => {
            doors.close(sock);
            Fact::fine("netlink", "there is netlink(4)")
        }
        Err(errno @ (Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT)) => Fact::limited(
            "netlink",
            format!("there is no netlink(4): {errno}"),
        )
        .hint(
            "the routing socket serves instead, as with `--route-door rtsock`; where it is a module: `kldload netlink`",
        ),
        Err(errno) => Fact::limited("netlink", format!("its socket cannot be opened: {errno}")),
    }
}

fn modules(doors: &mut impl HostDoor, settings: Settings) -> Fact {
    const WHAT: &str = "modules";
    let missing: Vec<(&str, &str)> = MODULES.into_iter().filter(|(name, _)| !doors.has_module(name)).collect();
    if missing.is_empty() {
        return Fact::fine(WHAT, "all that labs may need are there");
    }
    let list: Vec<String> = missing.iter().map(|(name, what)| format!("{name} ({what})")).collect();
    let found = format!("not loaded: {}", list.join(", "));
    if settings.load_modules {
        return Fact::fine(WHAT, format!("{found}; a lab that needs one loads it"));
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let names = names.join(" ");
    Fact::limited(WHAT, found).hint(format!(
        "`--load-modules` loads what a lab needs; `sysrc kld_list+=\"{names}\"` loads these at every boot"
    ))
}

fn accounting(doors: &mut impl HostDoor) -> Fact {
    match number(doors, "kern.racct.enable") {
        Some(1..) => Fact::fine("racct", "limits are enforced"),
        Some(_) => Fact::limited("racct", "off: labs with `limits` are refused")
            .hint("`kern.racct.enable=1` in /boot/loader.conf, and boot again"),
        None => Fact::limited("racct", "the kernel has none: labs with `limits` are refused")
            .hint("boot a kernel with `options RACCT` and `options RCTL`, as GENERIC is"),
    }
}

fn ticks(doors: &mut impl HostDoor) -> Fact {
    match number(doors, "kern.hz") {
        Some(hz) if hz < FINE_TICKS => {
            let tick = 1000 / hz.max(1);
            Fact::limited("kern.hz", format!("{hz}: delays of links come in steps of {tick} ms"))
                .hint("`kern.hz=1000` in /boot/loader.conf, and boot again; jails come and go faster with it, too")
        }
        Some(hz) => Fact::fine("kern.hz", hz.to_string()),
        None => Fact::limited("kern.hz", "unknown"),
    }
}

fn number(doors: &mut impl HostDoor, name: &str) -> Option<i64> {
    doors.sysctl_get(Actor::Host, name).ok().and_then(|value| sysctl::read_int(&value))
}

fn text(doors: &mut impl HostDoor, name: &str) -> Option<String> {
    let bytes = doors.sysctl_get(Actor::Host, name).ok()?;
    let text = String::from_utf8(bytes.into_iter().take_while(|byte| *byte != 0).collect()).ok()?;
    (!text.is_empty()).then_some(text)
}

impl Fact {
    fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, standing: Standing::Fine, found: found.into(), hint: None }
    }

    fn limited(what: &'static str, found: impl Into<String>) -> Self {
        Self { standing: Standing::Limited, ..Self::fine(what, found) }
    }

    fn missing(what: &'static str, found: impl Into<String>) -> Self {
        Self { standing: Standing::Missing, ..Self::fine(what, found) }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
