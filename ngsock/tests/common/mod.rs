//! All commands of all modules, by their numbers.

#![allow(dead_code, reason = "not every test uses all of it")]

use ngsock::message::Malformed;
use ngsock::{flow, generic, node};

/// Command number, whether it is a reply, payload.
type ThroughTypes = fn(u32, bool, &[u8]) -> Result<Vec<u8>, Malformed>;

/// The commands of a cookie.
pub struct Commands {
    pub name: &'static str,
    pub cookie: u32,
    /// Whether there is such a command.
    pub exists: fn(u32) -> bool,
    /// A payload to a typed value and back; fails if the value read from the new bytes is another one.
    pub through_types: ThroughTypes,
}

macro_rules! commands {
    ($($name:literal $module:path;)*) => {
        pub const ALL: &[Commands] = &[$({
            use $module as module;
            Commands {
                name: $name,
                cookie: module::COOKIE,
                exists: |command| {
                    !matches!(module::Command::decode(command, &[]), Err(Malformed::UnknownCommand { .. }))
                },
                through_types: |command, is_reply, payload| {
                    let mut bytes = Vec::new();
                    if is_reply {
                        let reply = module::Reply::decode(command, payload)?;
                        reply.encode(&mut bytes);
                        // A reply that is left out has no bytes, and no bytes are not always a reply.
                        assert_eq!(module::Reply::decode(command, &bytes), Ok(reply));
                    } else {
                        let request = module::Command::decode(command, payload)?;
                        request.encode(&mut bytes);
                        assert_eq!(request.number(), command);
                        assert_eq!(module::Command::decode(command, &bytes), Ok(request));
                    }
                    Ok(bytes)
                },
            }
        }),*];
    };
}

commands! {
    "generic" generic;
    "flow" flow;
    "bpf" node::bpf;
    "bridge" node::bridge;
    "car" node::car;
    "checksum" node::checksum;
    "device" node::device;
    "eiface" node::eiface;
    "ether" node::ether;
    "etf" node::etf;
    "hole" node::hole;
    "hub" node::hub;
    "iface" node::iface;
    "ksocket" node::ksocket;
    "l2tp" node::l2tp;
    "macfilter" node::macfilter;
    "nat" node::nat;
    "one2many" node::one2many;
    "patch" node::patch;
    "pipe" node::pipe;
    "pppoe" node::pppoe;
    "socket" node::socket;
    "source" node::source;
    "tag" node::tag;
    "tcpmss" node::tcpmss;
    "tee" node::tee;
    "vlan" node::vlan;
    "vlan_rotate" node::vlan_rotate;
}

/// The commands of a cookie.
pub fn of_cookie(cookie: u32) -> Option<&'static Commands> {
    ALL.iter().find(|commands| commands.cookie == cookie)
}

/// Every command number there is of these commands.
pub fn numbers(commands: &Commands) -> Vec<u32> {
    let plain = 0..64;
    let flagged = [0x1000_0000, 0x3000_0000].into_iter().flat_map(|flags| (0..64).map(move |number| flags | number));
    plain.chain(flagged).filter(|&number| (commands.exists)(number)).collect()
}

/// Whether a text is not one of those that the kernel prints and cannot read: with `\x` or `\\`, or with a number above
/// what a signed one of 8 bytes can be.
pub fn kernel_reads_back(printed: &str) -> bool {
    let numbers = printed.split(|c: char| !c.is_ascii_alphanumeric());
    let value = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    !printed.contains("\\x")
        && !printed.contains("\\\\")
        && numbers.flat_map(value).all(|number| number <= i64::MAX as u64)
}
