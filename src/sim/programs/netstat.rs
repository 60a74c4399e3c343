//! netstat(1): `netstat -rn`, with `-W` and a family.

use std::net::IpAddr;

use super::Shell;
use super::arguments::parse;
use super::echo::show;
use crate::sim::kernel::{IfIndex, Kernel};
use crate::sim::stack::{
    self, Path, Prefix, RTF_BLACKHOLE, RTF_BROADCAST, RTF_GATEWAY, RTF_HOST, RTF_REJECT, RTF_STATIC,
};

/// Runs netstat; the exit code is the tool's.
pub(super) fn run(shell: &mut Shell<'_>, given: &[String]) -> u8 {
    const USAGE: &str = "usage: netstat -r [-46nW] [-f inet | inet6]";
    let parsed = match parse(given, "46f:nrW") {
        Ok(parsed) => parsed,
        Err(mistake) => {
            shell.complain("netstat", &format!("{mistake}\n{USAGE}"));
            return 64;
        }
    };
    let (mut v4, mut v6, mut wide, mut routes) = (true, true, false, false);
    for (option, value) in parsed.options {
        match (option, value) {
            ('4', _) | ('f', Some("inet")) => v6 = false,
            ('6', _) | ('f', Some("inet6")) => v4 = false,
            ('f', Some(family)) => {
                shell.complain("netstat", &format!("{family}: unknown address family"));
                return 1;
            }
            ('r', _) => routes = true,
            ('W', _) => wide = true,
            _ => {}
        }
    }
    if !routes || !parsed.operands.is_empty() {
        shell.complain("netstat", USAGE);
        return 64;
    }
    let mut text = "Routing tables\n".to_owned();
    for (wanted, is_v6, title) in [(v4, false, "Internet"), (v6, true, "Internet6")] {
        let rows = if wanted { rows(shell, is_v6, wide) } else { Vec::new() };
        if !rows.is_empty() {
            text += &format!("\n{title}:\n{}{}", heading(is_v6, wide), rows.concat());
        }
    }
    shell.out(&text);
    0
}

/// Widths of destination and gateway for numeric addresses.
fn widths(v6: bool) -> (usize, usize) {
    if v6 { (33, 29) } else { (18, 18) }
}

fn heading(v6: bool, wide: bool) -> String {
    let (destination, gateway) = widths(v6);
    let head = format!("{:<destination$} {:<gateway$} {:<6} ", "Destination", "Gateway", "Flags");
    if wide {
        format!("{head}{:>6} {:>6} {:>16} Expire\n", "Nhop#", "Mtu", "Netif")
    } else {
        format!("{head}{:>12} Expire\n", "Netif")
    }
}

fn rows(shell: &Shell<'_>, v6: bool, wide: bool) -> Vec<String> {
    let routes = stack::routes(shell.kernel, shell.vnet, v6);
    routes.flat_map(|route| route.paths.iter().map(|path| row(shell, &route.prefix, path, v6, wide))).collect()
}

fn row(shell: &Shell<'_>, prefix: &Prefix, path: &Path, v6: bool, wide: bool) -> String {
    let (destination_width, gateway_width) = widths(v6);
    let flags = flags(path.hop.flags);
    // What a long column takes, the next one gives back.
    let destination = format!("{:<destination_width$}", destination(shell, prefix, path.hop.flags));
    let over = destination.len() - destination_width;
    let width = gateway_width.saturating_sub(over);
    let gateway = format!("{:<width$}", gateway(shell, path));
    let width = 6usize.saturating_sub(gateway.len() - width);
    let head = format!("{destination} {gateway} {flags:<width$} ");
    let name = interface_name(shell.kernel, path.hop.interface);
    if wide {
        let mtu = stack::path_mtu(shell.kernel, path);
        format!("{head}{:>6} {mtu:>6} {name:>16}\n", path.id)
    } else {
        format!("{head}{name:>12.12}\n")
    }
}

fn destination(shell: &Shell<'_>, prefix: &Prefix, flags: u32) -> String {
    let address = show(shell, prefix.address, prefix.scope.map_or(0, |scope| u32::from(scope.0)));
    if flags & RTF_HOST != 0 {
        address
    } else if prefix.length == 0 && prefix.address.is_unspecified() {
        "default".to_owned()
    } else {
        format!("{address}/{}", prefix.length)
    }
}

fn gateway(shell: &Shell<'_>, path: &Path) -> String {
    match path.hop.gateway {
        Some(gateway @ IpAddr::V4(_)) => gateway.to_string(),
        Some(gateway) => show(shell, gateway, u32::from(path.hop.interface.0)),
        None => format!("link#{}", path.hop.interface.0),
    }
}

fn flags(flags: u32) -> String {
    let letters = [
        (RTF_GATEWAY, 'G'),
        (RTF_HOST, 'H'),
        (RTF_REJECT, 'R'),
        (RTF_STATIC, 'S'),
        (RTF_BLACKHOLE, 'B'),
        (RTF_BROADCAST, 'b'),
    ];
    let rest = letters.into_iter().filter(|(flag, _)| flags & flag != 0).map(|(_, letter)| letter);
    std::iter::once('U').chain(rest).collect()
}

fn interface_name(kernel: &Kernel, index: IfIndex) -> String {
    kernel.interfaces.get(index).map_or_else(|| "---".to_owned(), |interface| interface.name.clone())
}
