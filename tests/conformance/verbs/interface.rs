//! Interfaces by ioctl(2).

use cellblock::abi::InterfaceName;
use cellblock::abi::flags;
use cellblock::abi::ioctl::{address, interface};
use cellblock::engine::freebsd::doors::{Doors, SocketKind};
use cellblock::netlink::reply::Link;
use cellblock::netlink::{Answer, Dialect, Requests};

use super::{Arguments, done, list, listed, netlink, number};
use crate::world::{Failed, Means, Reply, World};

const FLAGS: [(&str, u32); 11] = [
    ("up", flags::IFF_UP),
    ("broadcast", flags::IFF_BROADCAST),
    ("loopback", flags::IFF_LOOPBACK),
    ("pointopoint", flags::IFF_POINTOPOINT),
    ("running", flags::IFF_RUNNING),
    ("noarp", flags::IFF_NOARP),
    ("promisc", flags::IFF_PROMISC),
    ("allmulti", flags::IFF_ALLMULTI),
    ("simplex", flags::IFF_SIMPLEX),
    ("multicast", flags::IFF_MULTICAST),
    ("ppromisc", flags::IFF_PPROMISC),
];

const ND6: [(&str, u32); 5] = [
    ("nud", flags::ND6_IFF_PERFORMNUD),
    ("accept_rtadv", flags::ND6_IFF_ACCEPT_RTADV),
    ("ifdisabled", flags::ND6_IFF_IFDISABLED),
    ("auto_linklocal", flags::ND6_IFF_AUTO_LINKLOCAL),
    ("no_dad", flags::ND6_IFF_NO_DAD),
];

/// Interfaces that a kernel may have or not: those of its packet filter, and whatever the machine has.
const OPTIONAL: [&str; 3] = ["pflog0", "pfsync0", "enc0"];

pub fn perform<D: Doors>(world: &mut World<'_, D>, who: &str, verb: &str, arguments: &mut Arguments<'_>) -> Reply {
    match verb {
        "interfaces" => return interfaces(world, who),
        "cloners" => {
            let found = world.ioctl(who, interface::cloners(64))?;
            let (_, names) = interface::cloners_of(&found).ok_or("cloners that cannot be read")?;
            return Ok(listed(names));
        }
        "members_of" => return group_members(world, who, arguments),
        _ => {}
    }
    let name = arguments.interface()?;
    match verb {
        "create" => create(world, who, name, arguments),
        "destroy" => world.ioctl(who, interface::destroy(name)).and_then(|_| done()),
        "rename" => world.ioctl(who, interface::rename(name, arguments.interface()?)).and_then(|_| done()),
        "give" | "take" => {
            let jid = world.jid(arguments.next("a jail")?)?.0;
            let give = verb == "give";
            let call = if give { interface::give_to_jail(name, jid) } else { interface::take_from_jail(name, jid) };
            world.moves(who, call)?;
            done()
        }
        "flags" => {
            let word = flags_of(world, who, name)?;
            Ok(spelt(&FLAGS, word))
        }
        "setflags" => {
            let word = arguments.number("flags")?;
            world.ioctl(who, interface::set_flags(name, word)).and_then(|_| done())
        }
        "up" | "down" => {
            let word = flags_of(world, who, name)?;
            let word = if verb == "up" { word | flags::IFF_UP } else { word & !flags::IFF_UP };
            world.ioctl(who, interface::set_flags(name, word)).and_then(|_| done())
        }
        "mtu" => match arguments.optional() {
            Some(mtu) => world.ioctl(who, interface::set_mtu(name, number(mtu)?)).and_then(|_| done()),
            None => number_in(&world.ioctl(who, interface::mtu(name))?),
        },
        "mac" => match arguments.optional() {
            Some(mac) => world.ioctl(who, interface::set_mac(name, mac_of(mac)?)).and_then(|_| done()),
            None => Ok(show_mac(link(world, who, name)?.mac)),
        },
        "hwaddr" => Ok(show_mac(interface::mac_of(&world.ioctl(who, interface::original_mac(name))?))),
        "carrier" => Ok(if link(world, who, name)?.carrier { "there" } else { "none" }.to_owned()),
        "describe" => {
            let text = arguments.optional().unwrap_or_default();
            world.ioctl(who, interface::set_description(name, text.as_bytes())).and_then(|_| done())
        }
        "description" => {
            let found = world.ioctl(who, interface::description(name, 1024))?;
            let text = interface::description_of(&found).ok_or("a description that cannot be read")?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        "group" => world.ioctl(who, interface::join_group(name, arguments.interface()?)).and_then(|_| done()),
        "ungroup" => world.ioctl(who, interface::leave_group(name, arguments.interface()?)).and_then(|_| done()),
        "groups" => {
            let asked = world.ioctl(who, interface::groups(name, 0))?;
            let count = interface::group_bytes_of(&asked).unwrap_or(0) / 16;
            let found = world.ioctl(who, interface::groups(name, count))?;
            Ok(listed(interface::names_of(&found).ok_or("groups that cannot be read")?))
        }
        "index" => {
            let found = world.ioctl(who, interface::index(name))?;
            Ok(interface::index_of(&found).ok_or("an index that cannot be read")?.to_string())
        }
        "vlan" => vlan(world, who, name, arguments),
        "nd6" => nd6(world, who, name, arguments),
        other => Err(Failed::Script(format!("there is no operation `{other}`"))),
    }
}

/// `create CLONER` gives the name that was made; of an epair both.
fn create<D: Doors>(
    world: &mut World<'_, D>,
    who: &str,
    template: InterfaceName,
    arguments: &mut Arguments<'_>,
) -> Reply {
    let call = match arguments.optional() {
        Some(parent) => {
            let tag = arguments.number("a tag")?;
            let tag = u16::try_from(tag).map_err(|_| "a tag has 16 bits")?;
            let vlan = interface::Vlan { parent: super::interface(parent)?, tag, protocol: 0 };
            interface::create_vlan(template, &vlan)
        }
        None => interface::create(template),
    };
    let made = world.ioctl(who, call)?;
    let name = made.name().ok_or("the kernel did not name what it made")?.as_str().to_owned();
    Ok(match name.strip_suffix('a').filter(|stem| stem.starts_with("epair")) {
        Some(stem) => format!("{name} {stem}b"),
        None => name,
    })
}

fn vlan<D: Doors>(world: &mut World<'_, D>, who: &str, name: InterfaceName, arguments: &mut Arguments<'_>) -> Reply {
    if let Some(parent) = arguments.optional() {
        let tag = u16::try_from(arguments.number("a tag")?).map_err(|_| "a tag has 16 bits")?;
        let vlan = interface::Vlan { parent: super::interface(parent)?, tag, protocol: 0 };
        return world.ioctl(who, interface::set_vlan(name, &vlan)).and_then(|_| done());
    }
    let found = world.ioctl(who, interface::vlan(name))?;
    let vlan = found.behind().and_then(|behind| interface::Vlan::read(&behind.bytes)).ok_or("a vlan cannot be read")?;
    let parent = vlan.parent.as_str();
    Ok(format!("{} {}", if parent.is_empty() { "-" } else { parent }, vlan.tag))
}

fn nd6<D: Doors>(world: &mut World<'_, D>, who: &str, name: InterfaceName, arguments: &mut Arguments<'_>) -> Reply {
    let found = world.ioctl_on(who, SocketKind::Inet6, address::neighbour_settings(name))?;
    let old = address::neighbour_flags_of(&found).ok_or("neighbour settings that cannot be read")?;
    let new = changed(&ND6, old, arguments)?;
    if new == old {
        return Ok(spelt(&ND6, old));
    }
    world.ioctl_on(who, SocketKind::Inet6, address::set_neighbour_flags(&found, new))?;
    done()
}

/// A flag word with `+name` set and `-name` cleared.
pub fn changed(names: &[(&str, u32)], old: u32, arguments: &mut Arguments<'_>) -> Result<u32, Failed> {
    let mut new = old;
    while let Some(word) = arguments.optional() {
        let (set, name) = match (word.strip_prefix('+'), word.strip_prefix('-')) {
            (Some(name), _) => (true, name),
            (_, Some(name)) => (false, name),
            _ => return Err(Failed::Script(format!("`{word}` begins with neither + nor -"))),
        };
        let flag = names.iter().find(|(known, _)| *known == name).map(|(_, flag)| *flag);
        let flag = flag.ok_or_else(|| Failed::Script(format!("there is no flag `{name}`")))?;
        new = if set { new | flag } else { new & !flag };
    }
    Ok(new)
}

pub fn spelt(names: &[(&str, u32)], word: u32) -> String {
    let set: Vec<&str> = names.iter().filter(|(_, flag)| word & flag != 0).map(|(name, _)| *name).collect();
    if set.is_empty() { "none".to_owned() } else { set.join(" ") }
}

fn flags_of<D: Doors>(world: &mut World<'_, D>, who: &str, name: InterfaceName) -> Result<u32, Failed> {
    let found = world.ioctl(who, interface::flags(name))?;
    interface::flags_of(&found).ok_or_else(|| "flags that cannot be read".into())
}

fn number_in(argument: &cellblock::abi::IoctlArgument) -> Reply {
    let number = interface::number_of(argument).ok_or("a number that cannot be read")?;
    Ok(number.to_string())
}

fn mac_of(text: &str) -> Result<[u8; 6], Failed> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().and_then(|part| u8::from_str_radix(part, 16).ok());
        *byte = part.ok_or_else(|| format!("`{text}` is not a MAC"))?;
    }
    Ok(mac)
}

fn show_mac(mac: Option<[u8; 6]>) -> String {
    mac.map_or_else(|| "none".to_owned(), |mac| mac.map(|byte| format!("{byte:02x}")).join(":"))
}

fn link<D: Doors>(world: &mut World<'_, D>, who: &str, name: InterfaceName) -> Result<Link, Failed> {
    let all = links(world, who)?;
    let found = all.into_iter().find(|link| link.name == name.as_str());
    found.ok_or_else(|| Failed::Script(format!("there is no interface `{name}`")))
}

/// Every interface of a stack.
pub fn links<D: Doors>(world: &mut World<'_, D>, who: &str) -> Result<Vec<Link>, Failed> {
    if world.means == Means::Rtsock && !world.held.contains_key(who) {
        return list::links(world, who);
    }
    let mut requests = Requests::new(Dialect::FREEBSD, world.sequence);
    requests.links();
    let answers = netlink::dump(world, who, requests)?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            Answer::Link { link, .. } => Some(*link),
            _ => None,
        })
        .collect())
}

/// Those that were not there before; in a jail all but those of a packet filter.
fn interfaces<D: Doors>(world: &mut World<'_, D>, who: &str) -> Reply {
    let mut names: Vec<String> = links(world, who)?.into_iter().map(|link| link.name).collect();
    names.retain(|name| {
        let old = who == "host" && world.before.iter().any(|line| line.starts_with(&format!("interface {name} ")));
        !old && !OPTIONAL.contains(&name.as_str())
    });
    Ok(listed(names))
}

fn group_members<D: Doors>(world: &mut World<'_, D>, who: &str, arguments: &mut Arguments<'_>) -> Reply {
    let group = super::interface(arguments.next("a group")?)?;
    let asked = world.ioctl(who, interface::group_members(group, 0))?;
    let count = interface::group_bytes_of(&asked).unwrap_or(0) / 16;
    let found = world.ioctl(who, interface::group_members(group, count))?;
    Ok(listed(interface::names_of(&found).ok_or("members that cannot be read")?))
}
