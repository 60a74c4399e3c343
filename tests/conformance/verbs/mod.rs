//! The operations that a script can name. Each gives its reply as words.

mod address;
mod bridge;
mod graph;
mod interface;
mod jail;
mod list;
mod netlink;
mod probe;

use cellblock::abi::InterfaceName;
use cellblock::abi::sysctl;
use cellblock::engine::freebsd::doors::{Doors, SocketKind};

use super::script::Word;
use super::world::{Failed, Reply, World};

/// The words of an operation behind its verb.
pub struct Arguments<'w>(&'w [Word]);

impl<'w> Arguments<'w> {
    /// The next word.
    pub fn next(&mut self, what: &str) -> Result<&'w str, Failed> {
        self.optional().ok_or_else(|| Failed::Script(format!("{what} is missing")))
    }

    pub fn optional(&mut self) -> Option<&'w str> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(&first.text)
    }

    /// The next word, which is a number, in hexadecimal behind `0x`.
    pub fn number(&mut self, what: &str) -> Result<u32, Failed> {
        number(self.next(what)?)
    }

    pub fn interface(&mut self) -> Result<InterfaceName, Failed> {
        interface(self.next("an interface")?)
    }

    pub fn rest(&mut self) -> &'w [Word] {
        std::mem::take(&mut self.0)
    }
}

pub fn interface(text: &str) -> Result<InterfaceName, Failed> {
    InterfaceName::new(text).map_err(|errno| Failed::Script(format!("interface `{text}`: {errno}")))
}

pub fn number(text: &str) -> Result<u32, Failed> {
    let read = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    read.map_err(|_| Failed::Script(format!("`{text}` is not a number")))
}

/// Words of a reply: sorted, or `nothing`.
pub fn listed(mut words: Vec<String>) -> String {
    words.sort();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}

pub fn done() -> Reply {
    Ok(String::new())
}

/// Carries out one operation.
pub fn perform<D: Doors>(world: &mut World<'_, D>, who: &str, words: &[Word]) -> Reply {
    let mut arguments = Arguments(words);
    let verb = arguments.next("an operation")?;
    match verb {
        "jail" | "jail_set" | "jail_get" | "jail_remove" | "jails" | "jid" => {
            jail::perform(world, verb, &mut arguments)
        }
        "create" | "destroy" | "rename" | "give" | "take" | "flags" | "setflags" | "up" | "down" | "mtu" | "mac"
        | "hwaddr" | "describe" | "description" | "group" | "ungroup" | "groups" | "members_of" | "index" | "vlan"
        | "nd6" | "cloners" | "carrier" | "interfaces" => interface::perform(world, who, verb, &mut arguments),
        "addm" | "deletem" | "members" | "member" | "memberflags" | "bridge" => {
            bridge::perform(world, who, verb, &mut arguments)
        }
        "addr" | "addrs" | "addr6" => address::addresses(world, who, verb, &mut arguments),
        "route" | "routes" => address::routes(world, who, verb, &mut arguments),
        "nl" => netlink::perform(world, who, &mut arguments),
        "ng" => graph::perform(world, who, &mut arguments),
        "ping" => probe::ping(world, who, &mut arguments),
        "heard" => probe::heard(world, who),
        "sysctl" => system_value(world, who, &mut arguments),
        "module" => {
            let module = arguments.next("a module")?;
            Ok(if world.doors.has_module(module) { "there" } else { "not there" }.to_owned())
        }
        "load" => {
            world.doors.load_module(arguments.next("a module")?)?;
            done()
        }
        "hold" => hold(world, who, &mut arguments),
        "drop" => drop_socket(world, arguments.next("a socket or an actor")?),
        other => Err(Failed::Script(format!("there is no operation `{other}`"))),
    }
}

/// `sysctl NAME` or `sysctl NAME=VALUE`, by a thread of the actor.
fn system_value<D: Doors>(world: &mut World<'_, D>, who: &str, arguments: &mut Arguments<'_>) -> Reply {
    let text = arguments.next("a name")?;
    match text.split_once('=') {
        None => {
            let value = world.by(who, |doors, actor| Ok(doors.sysctl_get(actor, text)?))?;
            let is_text =
                matches!(value.split_last(), Some((0, text @ [_, ..])) if text.iter().all(u8::is_ascii_graphic));
            let number = sysctl::read_int(&value).filter(|_| !is_text);
            Ok(number.map_or_else(|| sysctl::read_string(&value), |number| number.to_string()))
        }
        Some((name, value)) => {
            let value: i32 = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
            world.by(who, |doors, actor| Ok(doors.sysctl_set(actor, name, &sysctl::int(value))?))?;
            done()
        }
    }
}

/// `hold KIND NAME`: a socket that stays open under a name.
fn hold<D: Doors>(world: &mut World<'_, D>, who: &str, arguments: &mut Arguments<'_>) -> Reply {
    let kind = match arguments.next("a kind of socket")? {
        "netgraph" => SocketKind::Netgraph,
        "inet" => SocketKind::Inet,
        "inet6" => SocketKind::Inet6,
        "netlink" => SocketKind::Netlink,
        "route" => SocketKind::Route,
        "icmp" => SocketKind::Icmp,
        "icmp6" => SocketKind::Icmp6,
        other => return Err(Failed::Script(format!("there is no socket `{other}`"))),
    };
    let name = arguments.next("a name for the socket")?.to_owned();
    let sock = world.open(who, kind)?;
    if let Some(old) = world.held.insert(name, sock) {
        world.doors.close(old);
    }
    done()
}

/// `drop NAME`: closes a held socket, or the netgraph socket of an actor.
fn drop_socket<D: Doors>(world: &mut World<'_, D>, name: &str) -> Reply {
    match world.held.remove(name).or_else(|| world.graphs.remove(name)) {
        Some(sock) => world.doors.close(sock),
        None => return Err(Failed::Script(format!("`{name}` holds no socket"))),
    }
    done()
}
