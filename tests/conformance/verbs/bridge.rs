//! if_bridge(4).

use cellblock::abi::InterfaceName;
use cellblock::abi::ioctl::bridge;
use cellblock::engine::freebsd::doors::Doors;

use super::interface::{changed, spelt};
use super::{Arguments, done, listed, number};
use crate::world::{Failed, Reply, World};

const FLAGS: [(&str, u32); 9] = [
    ("learn", bridge::IFBIF_LEARNING),
    ("discover", bridge::IFBIF_DISCOVER),
    ("stp", bridge::IFBIF_STP),
    ("span", bridge::IFBIF_SPAN),
    ("sticky", bridge::IFBIF_STICKY),
    ("edge", bridge::IFBIF_BSTP_EDGE),
    ("autoedge", bridge::IFBIF_BSTP_AUTOEDGE),
    ("autoptp", bridge::IFBIF_BSTP_AUTOPTP),
    ("private", bridge::IFBIF_PRIVATE),
];

/// Numbers of a bridge: name, the command that reads it, the one that sets it.
const PARAMETERS: [(&str, u64, u64); 8] = [
    ("priority", bridge::BRDGGPRI, bridge::BRDGSPRI),
    ("hello", bridge::BRDGGHT, bridge::BRDGSHT),
    ("delay", bridge::BRDGGFD, bridge::BRDGSFD),
    ("maxage", bridge::BRDGGMA, bridge::BRDGSMA),
    ("cache", bridge::BRDGGCACHE, bridge::BRDGSCACHE),
    ("timeout", bridge::BRDGGTO, bridge::BRDGSTO),
    ("flags", bridge::BRDGGFLAGS, bridge::BRDGSFLAGS),
    ("pvid", bridge::BRDGGDEFPVID, bridge::BRDGSDEFPVID),
];

/// Roles in the spanning tree, by number.
const ROLES: [&str; 5] = ["disabled", "root", "designated", "alternate", "backup"];

/// States in the spanning tree, by number; a bridge that speaks RSTP has the last for three of them.
const STATES: [&str; 6] = ["disabled", "listening", "learning", "forwarding", "blocking", "discarding"];

fn word(words: &[&'static str], number: u8) -> &'static str {
    words.get(usize::from(number)).copied().unwrap_or("unknown")
}

pub fn perform<D: Doors>(world: &mut World<'_, D>, who: &str, verb: &str, arguments: &mut Arguments<'_>) -> Reply {
    let on = arguments.interface()?;
    match verb {
        "addm" => world.ioctl(who, bridge::add_member(on, arguments.interface()?)).and_then(|_| done()),
        "deletem" => world.ioctl(who, bridge::remove_member(on, arguments.interface()?)).and_then(|_| done()),
        "members" => {
            let asked = world.ioctl(who, bridge::members(on, 0))?;
            let count = bridge::list_bytes_of(&asked).unwrap_or(0) / bridge::IFBREQ;
            if count == 0 {
                return Ok(listed(Vec::new()));
            }
            let found = world.ioctl(who, bridge::members(on, count))?;
            let members = bridge::members_of(&found).ok_or("members that cannot be read")?;
            Ok(listed(members.into_iter().map(|member| member.name).collect()))
        }
        "member" => {
            let member = member(world, who, on, arguments.interface()?)?;
            let (cost, priority, limit) = (member.path_cost, member.priority, member.address_limit);
            let flags = spelt(&FLAGS, member.flags);
            let (role, state) = (word(&ROLES, member.role), word(&STATES, member.state));
            Ok(format!("{flags} cost={cost} priority={priority} limit={limit} role={role} state={state}"))
        }
        "memberflags" => {
            let mut member = member(world, who, on, arguments.interface()?)?;
            let number = match arguments.0.first().map(|word| word.text.as_str()) {
                Some("cost" | "priority" | "limit") => {
                    let what = arguments.next("what to set")?;
                    let value = arguments.number("a value")?;
                    match what {
                        "cost" => member.path_cost = value,
                        "priority" => member.priority = u8::try_from(value).map_err(|_| "a priority has 8 bits")?,
                        _ => member.address_limit = value,
                    }
                    match what {
                        "cost" => bridge::BRDGSIFCOST,
                        "priority" => bridge::BRDGSIFPRIO,
                        _ => bridge::BRDGSIFAMAX,
                    }
                }
                _ => {
                    member.flags = changed(&FLAGS, member.flags, arguments)?;
                    bridge::BRDGSIFFLGS
                }
            };
            world.ioctl(who, bridge::set_member(on, number, &member)).and_then(|_| done())
        }
        _ => parameter(world, who, on, arguments),
    }
}

fn member<D: Doors>(
    world: &mut World<'_, D>,
    who: &str,
    on: InterfaceName,
    name: InterfaceName,
) -> Result<bridge::Member, Failed> {
    let found = world.ioctl(who, bridge::member(on, name))?;
    bridge::member_of(&found).ok_or_else(|| "a member that cannot be read".into())
}

/// `bridge NAME PARAMETER [VALUE]`, and `bridge NAME hosts`.
fn parameter<D: Doors>(world: &mut World<'_, D>, who: &str, on: InterfaceName, arguments: &mut Arguments<'_>) -> Reply {
    let name = arguments.next("a parameter")?;
    match name {
        "hosts" => {
            let found = world.ioctl(who, bridge::addresses(on, 64))?;
            let hosts = bridge::addresses_of(&found).ok_or("addresses that cannot be read")?;
            return Ok(listed(hosts.into_iter().map(|host| host.member).collect()));
        }
        "protocol" => {
            let value = arguments.number("a protocol")?;
            return world.ioctl(who, bridge::set_parameter(on, bridge::BRDGSPROTO, value)).and_then(|_| done());
        }
        "holdcount" => {
            let value = arguments.number("a count")?;
            return world.ioctl(who, bridge::set_parameter(on, bridge::BRDGSTXHC, value)).and_then(|_| done());
        }
        _ => {}
    }
    let known = PARAMETERS.iter().find(|(known, ..)| *known == name);
    let (_, get, set) = known.ok_or_else(|| format!("a bridge has no `{name}`"))?;
    match arguments.optional() {
        Some(value) => world.ioctl(who, bridge::set_parameter(on, *set, number(value)?)).and_then(|_| done()),
        None => {
            let found = world.ioctl(who, bridge::parameter(on, *get))?;
            Ok(bridge::parameter_of(&found).ok_or("a number that cannot be read")?.to_string())
        }
    }
}
