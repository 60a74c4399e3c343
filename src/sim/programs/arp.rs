//! arp(8): `arp -an`, `arp -a`, `arp -n ADDRESS`.

use super::Shell;
use super::arguments::parse;
use crate::sim::ifnet::{self, Driver};
use crate::sim::kernel::IfIndex;
use crate::sim::stack::{self, NeighbourView};

/// Runs arp; the exit code is the tool's.
pub(super) fn run(shell: &mut Shell<'_>, given: &[String]) -> u8 {
    const USAGE: &str = "usage: arp [-n] [-i interface] hostname | arp [-n] [-i interface] -a";
    let parsed = match parse(given, "ani:") {
        Ok(parsed) => parsed,
        Err(mistake) => {
            shell.complain("arp", &format!("{mistake}\n{USAGE}"));
            return 1;
        }
    };
    let all = parsed.options.iter().any(|(option, _)| *option == 'a');
    let only = parsed.options.iter().find_map(|(option, value)| (*option == 'i').then_some(*value).flatten());
    let wanted = match (all, parsed.operands.as_slice()) {
        (true, []) => None,
        (false, [host]) => match host.parse::<std::net::Ipv4Addr>() {
            Ok(address) => Some(address),
            Err(_) => {
                shell.complain("arp", &format!("{host}: unknown host"));
                return 1;
            }
        },
        _ => {
            shell.complain("arp", USAGE);
            return 1;
        }
    };
    let interfaces: Vec<(IfIndex, String)> = ifnet::present(shell.kernel, shell.vnet)
        .filter(|interface| only.is_none_or(|only| only == interface.name))
        .map(|interface| (interface.index, interface.name.clone()))
        .collect();
    let mut found = false;
    for (index, name) in interfaces {
        let entries = stack::neighbours(shell.kernel, index);
        let entries = entries.iter().filter(|entry| entry.address.is_ipv4());
        let lines: Vec<String> = entries
            .filter(|entry| wanted.is_none_or(|wanted| entry.address == wanted))
            .map(|entry| line(shell, entry, index, &name))
            .collect();
        found |= !lines.is_empty();
        shell.out(&lines.concat());
    }
    if let Some(address) = wanted.filter(|_| !found) {
        shell.out(&format!("{address} ({address}) -- no entry\n"));
        return 1;
    }
    0
}

fn line(shell: &Shell<'_>, entry: &NeighbourView, index: IfIndex, name: &str) -> String {
    let mac = entry.mac.map_or_else(|| "(incomplete)".to_owned(), super::mac);
    let age = match entry.expires {
        Some(left) if left >= 1_000_000_000 => format!("expires in {} seconds", left / 1_000_000_000),
        Some(_) => "expired".to_owned(),
        None if entry.mac.is_some() => "permanent".to_owned(),
        None => "expired".to_owned(),
    };
    let is_bridge = shell.kernel.interfaces.get(index).is_some_and(|i| matches!(i.driver, Driver::Bridge(_)));
    let kind = if is_bridge { "bridge" } else { "ethernet" };
    format!("? ({}) at {mac} on {name} {age} [{kind}]\n", entry.address)
}
