//! ndp(8): `ndp -an`.

use super::Shell;
use super::arguments::parse;
use super::echo::show;
use crate::sim::ifnet;
use crate::sim::kernel::IfIndex;
use crate::sim::stack::{self, NeighbourView, Reachability};

const SECOND: u64 = 1_000_000_000;

/// Runs ndp; the exit code is the tool's.
pub(super) fn run(shell: &mut Shell<'_>, given: &[String]) -> u8 {
    let parsed = parse(given, "an");
    let shows_all = parsed.as_ref().is_ok_and(|p| p.operands.is_empty() && p.options.iter().any(|(o, _)| *o == 'a'));
    if !shows_all {
        shell.complain("ndp", "usage: ndp [-n] -a");
        return 1;
    }
    let mut text = row("Neighbor", "Linklayer Address", "Netif", "Expire", "S", "Flags");
    let interfaces: Vec<(IfIndex, String)> =
        ifnet::present(shell.kernel, shell.vnet).map(|interface| (interface.index, interface.name.clone())).collect();
    for (index, name) in interfaces {
        let entries = stack::neighbours(shell.kernel, index);
        for entry in entries.iter().filter(|entry| entry.address.is_ipv6()) {
            text += &line(shell, entry, index, &name);
        }
    }
    shell.out(&text);
    0
}

fn line(shell: &Shell<'_>, entry: &NeighbourView, index: IfIndex, name: &str) -> String {
    let mac = entry.mac.map_or_else(|| "(incomplete)".to_owned(), super::mac);
    let expire = match entry.expires {
        Some(left) if left >= SECOND => duration(left / SECOND),
        None if entry.state == Reachability::Permanent => "permanent".to_owned(),
        _ => "expired".to_owned(),
    };
    let state = match entry.state {
        Reachability::Incomplete => "I",
        Reachability::Reachable(_) | Reachability::Permanent => "R",
        Reachability::Stale => "S",
        Reachability::Delay => "D",
        Reachability::Probe => "P",
    };
    let address = show(shell, entry.address, u32::from(index.0));
    // The tool's own line ends after the flags, without the header's padding.
    row(&address, &mac, name, &expire, state, if entry.router { "R" } else { "" })
        .trim_end_matches('\n')
        .trim_end()
        .to_owned()
        + " \n"
}

/// The tool's columns: a long address takes room from the next ones.
fn row(address: &str, mac: &str, name: &str, expire: &str, state: &str, flags: &str) -> String {
    let address_width = address.len().max(36);
    let mac_width = mac.len().max((36 + 17usize).saturating_sub(address_width));
    let name_width = name.len().max((36 + 17 + 6usize).saturating_sub(address_width + mac_width));
    format!("{address:<address_width$} {mac:<mac_width$} {name:>name_width$} {expire:<9} {state} {flags}\n")
}

/// `1d2h3m4s`, leading zeros left out.
fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let mut text = String::new();
    for (value, unit) in [(days, 'd'), (hours, 'h'), (minutes, 'm')] {
        if value > 0 || !text.is_empty() {
            text += &format!("{value}{unit}");
        }
    }
    text + &format!("{}s", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_drop_leading_zeros() {
        assert_eq!(duration(9), "9s");
        assert_eq!(duration(3600), "1h0m0s");
        assert_eq!(duration(86_400 + 61), "1d0h1m1s");
    }
}
