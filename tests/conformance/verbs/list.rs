//! The lists of sysctl(3) below `net.route`, in the words of the other verbs.

use cellblock::abi::flags::iftype::{IFT_ETHER, IFT_L2VLAN};
use cellblock::abi::flags::{IFF_UP, RTF_BLACKHOLE, RTF_REJECT};
use cellblock::abi::rtsock::list::{self, Interfaces};
use cellblock::engine::freebsd::doors::Doors;
use cellblock::netlink::reply::Link;

use super::listed;
use crate::world::{Failed, Reply, World};

fn interfaces<D: Doors>(world: &mut World<'_, D>, who: &str) -> Result<Interfaces, Failed> {
    let bytes = world.by(who, |doors, actor| Ok(doors.route_list(actor, &list::INTERFACES)?))?;
    list::interfaces(&bytes).ok_or_else(|| "a list of interfaces that cannot be read".into())
}

/// Every interface of a stack.
pub fn links<D: Doors>(world: &mut World<'_, D>, who: &str) -> Result<Vec<Link>, Failed> {
    let found = interfaces(world, who)?.interfaces.into_iter().map(|found| Link {
        index: found.index.into(),
        kind: found.kind.into(),
        flags: found.flags,
        mtu: found.mtu,
        mac: found.link.address.as_slice().try_into().ok(),
        carrier: match found.kind {
            IFT_ETHER | IFT_L2VLAN => found.link_state == 2,
            _ => found.flags & IFF_UP != 0,
        },
        name: found.link.name,
        ..Link::default()
    });
    Ok(found.collect())
}

/// The addresses of an interface, as `10.0.0.1/24`.
pub fn addresses<D: Doors>(world: &mut World<'_, D>, who: &str, name: &str) -> Reply {
    let found = interfaces(world, who)?;
    let of = found.interfaces.iter().find(|interface| interface.link.name == name).map(|interface| interface.index);
    let own = found.addresses.iter().filter(|address| Some(address.index) == of);
    Ok(listed(own.map(|found| format!("{}/{}", found.address, found.prefix)).collect()))
}

/// Every route, as `10.0.0.0/24=dev:epair0a`, with all its ways.
pub fn routes<D: Doors>(world: &mut World<'_, D>, who: &str) -> Reply {
    let names = interfaces(world, who)?.interfaces;
    let bytes = world.by(who, |doors, actor| Ok(doors.route_list(actor, &list::ROUTES)?))?;
    let found = list::routes(&bytes).ok_or_else(|| Failed::from("a list of routes that cannot be read"))?;
    let mut words: Vec<(String, String)> = Vec::new();
    for route in found {
        let interface = names.iter().find(|interface| interface.index == route.interface);
        let interface = interface.map_or_else(|| format!("#{}", route.interface), |found| found.link.name.clone());
        let way = match route.gateway {
            _ if route.flags & RTF_BLACKHOLE != 0 => "blackhole".to_owned(),
            _ if route.flags & RTF_REJECT != 0 => "reject".to_owned(),
            Some(gateway) => format!("via:{gateway}"),
            None => format!("dev:{interface}"),
        };
        let to = format!("{}/{}", route.destination, route.prefix);
        match words.last_mut() {
            Some((last, ways)) if *last == to => ways.push_str(&format!(":{way}")),
            _ => words.push((to, way)),
        }
    }
    Ok(listed(words.into_iter().map(|(to, way)| format!("{to}={way}")).collect()))
}
