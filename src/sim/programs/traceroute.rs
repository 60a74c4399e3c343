//! traceroute(8) and traceroute6(8), probing with ICMP echo as `-I` does.

use std::net::IpAddr;

use super::Shell;
use super::arguments::parse;
use super::echo::{HEADER, Prober, What, address, milliseconds, strerror};
use crate::engine::freebsd::doors::Stream;
use crate::sim::clock::Nanos;
use crate::sim::stack;

/// Octets of an IPv4 header without options.
const IPV4_HEADER: usize = 20;
const SECOND: Nanos = 1_000_000_000;

struct Options {
    first: u8,
    last: u8,
    probes: u8,
    wait: Nanos,
    numeric: bool,
}

/// Runs traceroute; the exit code is the tool's.
pub(super) fn run(shell: &mut Shell<'_>, name: &str, given: &[String]) -> u8 {
    let (options, target) = match read_options(name, given) {
        Ok(read) => read,
        Err(text) => {
            shell.complain(name, &text);
            return 1;
        }
    };
    let (to, scope) = match address(shell, target) {
        Ok(found) if found.0.is_ipv6() == (name == "traceroute6") => found,
        _ => {
            shell.complain(name, &format!("unknown host {target}"));
            return 1;
        }
    };
    let prober = Prober::open(shell, to.is_ipv6());
    // What the tools send with -I: 48 octets of IPv4 packet, 20 octets of ICMPv6 message.
    let (data, packet) = if to.is_ipv6() { (20 - HEADER, 20) } else { (48 - IPV4_HEADER - HEADER, 48) };
    let source = match to {
        IpAddr::V6(to) => stack::source_address6(shell.kernel, shell.vnet, to, scope).ok(),
        IpAddr::V4(_) => None,
    };
    let source = source.map(|source| format!(" from {source}")).unwrap_or_default();
    let head = format!("{name} to {target} ({to}){source}, {} hops max, {packet} byte packets\n", options.last);
    (shell.output)(Stream::Error, head.as_bytes());
    let code = trace(shell, name, &prober, &options, to, scope, data);
    prober.close(shell);
    code
}

fn read_options<'a>(name: &str, given: &'a [String]) -> Result<(Options, &'a str), String> {
    let parsed = parse(given, "If:m:nq:w:").map_err(|mistake| mistake.to_string())?;
    let mut options = Options { first: 1, last: 64, probes: 3, wait: 5 * SECOND, numeric: false };
    for (option, value) in parsed.options {
        let value = value.unwrap_or_default();
        let number = |what: &str, least: u8, most: u8| {
            let number = value.parse::<u8>().ok().filter(|n| (least..=most).contains(n));
            number.ok_or_else(|| format!("{what} must be between {least} and {most}, not \"{value}\""))
        };
        match option {
            'f' => options.first = number("first ttl", 1, 255)?,
            'm' => options.last = number("max ttl", 1, 255)?,
            'n' => options.numeric = true,
            'q' => options.probes = number("nprobes", 1, 100)?,
            'w' => options.wait = Nanos::from(number("wait time", 1, 240)?) * SECOND,
            _ => {}
        }
    }
    if options.first > options.last {
        return Err(format!("first ttl ({}) may not be greater than max ttl ({})", options.first, options.last));
    }
    match parsed.operands.as_slice() {
        [target] => Ok((options, target)),
        _ => Err(format!("usage: {name} [-In] [-f first_ttl] [-m max_ttl] [-q nprobes] [-w waittime] host")),
    }
}

fn trace(
    shell: &mut Shell<'_>,
    name: &str,
    prober: &Prober,
    options: &Options,
    to: IpAddr,
    scope: u32,
    data: usize,
) -> u8 {
    let mut sequence = 0u16;
    for hops in options.first..=options.last {
        shell.out(&format!("{hops:2} "));
        let (mut last, mut arrived, mut unreachable) = (None, false, 0u8);
        for _ in 0..options.probes {
            sequence = sequence.wrapping_add(1);
            let departure = shell.kernel.clock.now();
            if let Err(errno) = prober.send(shell, to, scope, Some(hops), sequence, data) {
                shell.out("\n");
                shell.complain(name, &format!("sendto: {}", strerror(errno)));
                return 1;
            }
            let Some(answer) = answer_to(shell, prober, to, sequence, options.wait) else {
                shell.out(" *");
                continue;
            };
            if last != Some(answer.from) {
                if last.is_some() {
                    shell.out("\n   ");
                }
                let from = answer.from;
                shell.out(&if options.numeric { format!(" {from}") } else { format!(" {from} ({from})") });
                last = Some(from);
            }
            let time = milliseconds(shell.kernel.clock.now() - departure);
            shell.out(&format!("  {time} ms"));
            match answer.what {
                What::Reply => arrived = true,
                What::TimeExceeded => {}
                What::Unreachable(0) => unreachable += mark(shell, " !N"),
                What::Unreachable(1 | 3) => unreachable += mark(shell, " !H"),
                What::Unreachable(code) => unreachable += mark(shell, &format!(" !<{code}>")),
                What::TooBig(mtu) => unreachable += mark(shell, &format!(" !F-{mtu}")),
            }
        }
        shell.out("\n");
        if arrived || unreachable > 0 && unreachable >= options.probes - 1 {
            return 0;
        }
    }
    0
}

fn mark(shell: &mut Shell<'_>, text: &str) -> u8 {
    shell.out(text);
    1
}

/// The answer to this very probe; answers to earlier ones that come late are passed over.
fn answer_to(
    shell: &mut Shell<'_>,
    prober: &Prober,
    to: IpAddr,
    sequence: u16,
    wait: Nanos,
) -> Option<super::echo::Answer> {
    let until = shell.kernel.clock.now().saturating_add(wait);
    loop {
        let left = until.saturating_sub(shell.kernel.clock.now());
        let answer = prober.wait(shell, to, left)?;
        if answer.sequence == sequence {
            return Some(answer);
        }
    }
}
