//! ifconfig(8): shows; `ifconfig NAME up` and `down` are all that it changes.

use super::Shell;
use super::echo::{show, strerror};
use crate::sim::bridge;
use crate::sim::ifnet::{self, Driver, Interface};
use crate::sim::kernel::{IfIndex, Kernel};
use crate::sim::stack::{Address, Address4, Address6, INFINITE};

const IFF_UP: u32 = 0x1;
/// Shown beside the flags of an interface with a carrier (`sys/net/if.h:164`).
const IFF_LOWER_UP: u32 = 0x100_0000;

const FLAGS: [(u32, &str); 16] = [
    (0x1, "UP"),
    (0x2, "BROADCAST"),
    (0x4, "DEBUG"),
    (0x8, "LOOPBACK"),
    (0x10, "POINTOPOINT"),
    (0x40, "RUNNING"),
    (0x80, "NOARP"),
    (0x100, "PROMISC"),
    (0x200, "ALLMULTI"),
    (0x400, "OACTIVE"),
    (0x800, "SIMPLEX"),
    (0x8000, "MULTICAST"),
    (0x2_0000, "PPROMISC"),
    (0x4_0000, "MONITOR"),
    (0x8_0000, "STATICARP"),
    (IFF_LOWER_UP, "LOWER_UP"),
];

const CAPABILITIES: [(u32, &str); 9] = [
    (0x1, "RXCSUM"),
    (0x2, "TXCSUM"),
    (0x8, "VLAN_MTU"),
    (0x10, "VLAN_HWTAGGING"),
    (0x20, "JUMBO_MTU"),
    (0x400, "LRO"),
    (0x8_0000, "LINKSTATE"),
    (0x20_0000, "RXCSUM_IPV6"),
    (0x40_0000, "TXCSUM_IPV6"),
];

const ND6: [(u32, &str); 9] = [
    (0x1, "PERFORMNUD"),
    (0x2, "ACCEPT_RTADV"),
    (0x4, "PREFER_SOURCE"),
    (0x8, "IFDISABLED"),
    (0x10, "DONT_SET_IFROUTE"),
    (0x20, "AUTO_LINKLOCAL"),
    (0x40, "NO_RADR"),
    (0x80, "NO_PREFER_IFACE"),
    (0x100, "NO_DAD"),
];

const IN6: [(u32, &str); 8] = [
    (0x1, "anycast"),
    (0x2, "tentative"),
    (0x4, "duplicated"),
    (0x8, "detached"),
    (0x10, "deprecated"),
    (0x40, "autoconf"),
    (0x80, "temporary"),
    (0x100, "prefer_source"),
];

/// Runs ifconfig; the exit code is the tool's.
pub(super) fn run(shell: &mut Shell<'_>, given: &[String]) -> u8 {
    let words: Vec<&str> = given.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["-a"] => {
            let all: Vec<IfIndex> = ifnet::present(shell.kernel, shell.vnet).map(|interface| interface.index).collect();
            let text: String = all.into_iter().map(|index| describe(shell, index)).collect();
            shell.out(&text);
            0
        }
        ["-l"] => {
            let names: Vec<&str> =
                ifnet::present(shell.kernel, shell.vnet).map(|interface| interface.name.as_str()).collect();
            let line = names.join(" ") + "\n";
            shell.out(&line);
            0
        }
        [name] | [name, "up" | "down"] if !name.starts_with('-') => {
            let Some(index) = ifnet::find(shell.kernel, shell.vnet, name) else {
                shell.complain("ifconfig", &format!("interface {name} does not exist"));
                return 1;
            };
            match words.get(1) {
                None => {
                    let text = describe(shell, index);
                    shell.out(&text);
                    0
                }
                Some(word) => set_up(shell, index, *word == "up"),
            }
        }
        _ => {
            shell.complain(
                "ifconfig",
                "usage: ifconfig [-a | -l | interface [up | down]]; the lab's file changes the rest",
            );
            1
        }
    }
}

fn set_up(shell: &mut Shell<'_>, index: IfIndex, up: bool) -> u8 {
    let flags = shell.kernel.interfaces.get(index).map_or(0, |interface| interface.flags);
    let flags = if up { flags | IFF_UP } else { flags & !IFF_UP };
    match ifnet::set_flags(shell.kernel, index, flags, true) {
        Ok(()) => 0,
        Err(errno) => {
            shell.complain("ifconfig", &format!("ioctl SIOCSIFFLAGS: {}", strerror(errno)));
            1
        }
    }
}

fn describe(shell: &Shell<'_>, index: IfIndex) -> String {
    let Some(interface) = shell.kernel.interfaces.get(index) else { return String::new() };
    let flags = interface.flags | if interface.link_up { IFF_LOWER_UP } else { 0 };
    let mut text =
        format!("{}: flags={flags:x}{} metric 0 mtu {}\n", interface.name, names(flags, &FLAGS), interface.mtu);
    if let Some(description) = &interface.description {
        let description = String::from_utf8_lossy(description);
        text += &format!("\tdescription: {}\n", description.trim_end_matches('\0'));
    }
    text += &format!("\toptions={:x}{}\n", interface.capabilities, names(interface.capabilities, &CAPABILITIES));
    if interface.is_ethernet() {
        text += &format!("\tether {}\n", super::mac(interface.mac));
        if interface.mac != interface.original_mac {
            text += &format!("\thwaddr {}\n", super::mac(interface.original_mac));
        }
    }
    for address in &interface.net.addresses {
        if let Address::V4(address) = address {
            text += &line4(address);
        }
    }
    for address in &interface.net.addresses {
        if let Address::V6(address) = address {
            text += &line6(shell, index, address);
        }
    }
    text += &bridge_lines(shell.kernel, interface);
    let groups: Vec<&str> = interface.groups.iter().map(String::as_str).filter(|group| *group != "all").collect();
    if !groups.is_empty() {
        text += &format!("\tgroups: {}\n", groups.join(" "));
    }
    text += &media_lines(interface);
    let nd6 = interface.net.nd6.bits();
    text += &format!("\tnd6 options={nd6:x}{}\n", names(nd6, &ND6));
    text
}

/// `<UP,RUNNING>`; nothing for no flag.
fn names(flags: u32, table: &[(u32, &str)]) -> String {
    let set: Vec<&str> = table.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { String::new() } else { format!("<{}>", set.join(",")) }
}

fn line4(address: &Address4) -> String {
    let mask = u32::MAX.checked_shl(32 - u32::from(address.length.min(32))).unwrap_or(0);
    let peer = address.peer.map(|peer| format!(" --> {peer}")).unwrap_or_default();
    let broadcast = address.broadcast.map(|broadcast| format!(" broadcast {broadcast}")).unwrap_or_default();
    format!("\tinet {}{peer} netmask {mask:#x}{broadcast}\n", address.address)
}

fn line6(shell: &Shell<'_>, index: IfIndex, address: &Address6) -> String {
    let scope = u32::from(index.0);
    let mut text = format!("\tinet6 {} prefixlen {}", show(shell, address.address.into(), scope), address.length);
    for (_, word) in IN6.iter().filter(|(flag, _)| address.flags & flag != 0) {
        text += &format!(" {word}");
    }
    if address.address.is_unicast_link_local() {
        text += &format!(" scopeid {scope:#x}");
    }
    if address.preferred != INFINITE || address.valid != INFINITE {
        let age = shell.kernel.clock.now().saturating_sub(address.updated) / 1_000_000_000;
        let left = |lifetime: u32| {
            if lifetime == INFINITE { "infty".to_owned() } else { u64::from(lifetime).saturating_sub(age).to_string() }
        };
        text += &format!(" pltime {} vltime {}", left(address.preferred), left(address.valid));
    }
    text + "\n"
}

/// Spanning tree and members of a bridge.
fn bridge_lines(kernel: &Kernel, interface: &Interface) -> String {
    let Some(view) = bridge::view(kernel, interface.index) else { return String::new() };
    let tree = &view.tree;
    let own = |id: u64| super::mac(id.to_be_bytes()[2..].try_into().unwrap_or_default());
    let mut text = format!(
        "\tid {} priority {} hellotime {} fwddelay {}\n\tmaxage {} holdcnt {} proto {} maxaddr {} timeout {}\n",
        own(tree.bridge_id),
        tree.priority,
        tree.hello_time,
        tree.forward_delay,
        tree.max_age,
        tree.hold_count,
        if tree.protocol == 2 { "rstp" } else { "stp" },
        view.cache_limit,
        view.timeout
    );
    text += &format!(
        "\troot id {} priority {} ifcost {} port {}\n\tbridge flags=0<>\n",
        own(tree.designated_root),
        tree.designated_root >> 48,
        tree.root_path_cost,
        tree.root_port
    );
    const MEMBER: [(u32, &str); 10] = [
        (0x1, "LEARNING"),
        (0x2, "DISCOVER"),
        (0x4, "STP"),
        (0x8, "SPAN"),
        (0x10, "STICKY"),
        (0x800, "PRIVATE"),
        (0x20, "EDGE"),
        (0x40, "AUTOEDGE"),
        (0x80, "PTP"),
        (0x100, "AUTOPTP"),
    ];
    const ROLES: [&str; 5] = ["disabled", "root", "designated", "alternate", "backup"];
    const STATES: [&str; 6] = ["disabled", "listening", "learning", "forwarding", "blocking", "discarding"];
    for member in &view.members {
        let named = names(member.flags, &MEMBER);
        text += &format!("\tmember: {} flags={:x}{}\n", member.name, member.flags, named);
        text += &format!("\t        port {} priority {} path cost {}", member.port, member.priority, member.path_cost);
        if member.flags & 0x4 != 0 {
            let role = ROLES.get(usize::from(member.role)).unwrap_or(&"unknown");
            let state = STATES.get(usize::from(member.state)).unwrap_or(&"unknown");
            text += &format!(" proto rstp\n\t        role {role} state {state}");
        }
        text += " vlan protocol 802.1q";
        if member.pvid != 0 {
            text += &format!(" untagged {}", member.pvid);
        }
        text.push('\n');
    }
    text
}

fn media_lines(interface: &Interface) -> String {
    match (&interface.driver, interface.link_up) {
        (Driver::Epair { .. }, _) => {
            "\tmedia: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)\n\tstatus: active\n".to_owned()
        }
        (Driver::Eiface { .. }, true) => {
            "\tmedia: Ethernet autoselect (1000baseT <full-duplex>)\n\tstatus: active\n".to_owned()
        }
        (Driver::Eiface { .. }, false) => "\tmedia: Ethernet autoselect\n\tstatus: no carrier\n".to_owned(),
        _ => String::new(),
    }
}
