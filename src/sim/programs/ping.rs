//! ping(8), both families.

use std::net::IpAddr;

use super::Shell;
use super::arguments::parse;
use super::echo::{Answer, HEADER, Prober, What, address, milliseconds, show, strerror};
use crate::sim::clock::Nanos;
use crate::sim::stack;

/// The family that the command line insists on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

const SECOND: Nanos = 1_000_000_000;
const MILLISECOND: Nanos = 1_000_000;
/// How long ping waits for the last answer when there was none before (`MAXWAIT`).
const LAST_WAIT: Nanos = 10 * SECOND;
/// Without `-c` a real ping goes on until it is interrupted; virtual time has nobody at the keyboard.
const DEFAULT_COUNT: u32 = 4;
/// `EX_USAGE`.
const USAGE: u8 = 64;
/// No answer at all.
const NONE_ANSWERED: u8 = 2;

struct Options {
    family: Option<Family>,
    count: u32,
    interval: Nanos,
    wait: Option<Nanos>,
    timeout: Option<Nanos>,
    hops: Option<u8>,
    size: Option<usize>,
    quiet: bool,
    once: bool,
}

struct Tally {
    sent: u32,
    received: u32,
    repeated: u32,
    late: u32,
    times: Vec<Nanos>,
    seen: std::collections::BTreeSet<u16>,
}

/// Runs ping; the exit code is the tool's.
pub(super) fn run(shell: &mut Shell<'_>, given: &[String], family: Option<Family>) -> u8 {
    let (options, target) = match read_options(given, family) {
        Ok(read) => read,
        Err(text) => {
            shell.complain("ping", &text);
            return USAGE;
        }
    };
    let (to, scope) = match address(shell, target) {
        Ok(found) => found,
        Err(text) => {
            shell.complain("ping", &text);
            return 68;
        }
    };
    if options.family.is_some_and(|family| (family == Family::V6) != to.is_ipv6()) {
        shell.complain("ping", &format!("cannot resolve {target}: Address family for hostname not supported"));
        return 68;
    }
    let data = options.size.unwrap_or(if to.is_ipv6() { 8 } else { 56 });
    if !head(shell, target, to, scope, data) {
        return 1;
    }
    let prober = Prober::open(shell, to.is_ipv6());
    let tally = send_all(shell, &prober, &options, to, scope, data);
    prober.close(shell);
    summary(shell, target, &tally);
    if tally.received > 0 { 0 } else { NONE_ANSWERED }
}

fn read_options(given: &[String], family: Option<Family>) -> Result<(Options, &str), String> {
    let parsed = parse(given, "46c:i:m:noqs:t:W:").map_err(|mistake| mistake.to_string())?;
    let mut options = Options {
        family,
        count: DEFAULT_COUNT,
        interval: SECOND,
        wait: None,
        timeout: None,
        hops: None,
        size: None,
        quiet: false,
        once: false,
    };
    for (option, value) in parsed.options {
        let value = value.unwrap_or_default();
        let invalid = |what: &str| format!("invalid {what}: `{value}'");
        match option {
            '4' => options.family = Some(Family::V4),
            '6' => options.family = Some(Family::V6),
            'c' => {
                let count = value.parse().ok().filter(|count| (1..=100_000).contains(count));
                options.count = count.ok_or_else(|| invalid("count of packets to transmit"))?;
            }
            'i' => options.interval = seconds(value).filter(|i| *i > 0).ok_or_else(|| invalid("timing interval"))?,
            'm' => options.hops = Some(value.parse().map_err(|_| invalid("TTL"))?),
            'o' => options.once = true,
            'q' => options.quiet = true,
            's' => {
                let size = value.parse().ok().filter(|size| *size <= 65_507);
                options.size = Some(size.ok_or_else(|| invalid("packet size"))?);
            }
            't' => options.timeout = Some(seconds(value).filter(|t| *t > 0).ok_or_else(|| invalid("timeout"))?),
            'W' => {
                let millis = value.parse::<u64>().map_err(|_| invalid("timing interval"))?;
                options.wait = Some(millis.saturating_mul(MILLISECOND));
            }
            _ => {}
        }
    }
    match parsed.operands.as_slice() {
        [target] => Ok((options, target)),
        _ => Err("usage: ping [-46noq] [-c count] [-i wait] [-m ttl] [-s packetsize] [-t timeout] [-W waittime] host"
            .to_owned()),
    }
}

/// Seconds with up to nine decimals, at most a day.
fn seconds(text: &str) -> Option<Nanos> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<9}").parse().ok()?;
    (whole <= 86_400).then_some(whole * SECOND + fraction)
}

/// The first line; `false` when the kernel knows no way to an IPv6 destination, which ping asks first.
fn head(shell: &mut Shell<'_>, target: &str, to: IpAddr, scope: u32, data: usize) -> bool {
    let IpAddr::V6(to) = to else {
        shell.out(&format!("PING {target} ({to}): {data} data bytes\n"));
        return true;
    };
    match stack::source_address6(shell.kernel, shell.vnet, to, scope) {
        Ok(source) => {
            let (source, to) = (show(shell, source.into(), scope), show(shell, to.into(), scope));
            shell.out(&format!("PING({}=40+{HEADER}+{data} bytes) {source} --> {to}\n", 40 + HEADER + data));
            true
        }
        Err(errno) => {
            shell.complain("ping", &format!("UDP connect: {}", strerror(errno)));
            false
        }
    }
}

fn send_all(shell: &mut Shell<'_>, prober: &Prober, options: &Options, to: IpAddr, scope: u32, data: usize) -> Tally {
    let mut tally = Tally {
        sent: 0,
        received: 0,
        repeated: 0,
        late: 0,
        times: Vec::new(),
        seen: std::collections::BTreeSet::new(),
    };
    let began = shell.kernel.clock.now();
    let end = options.timeout.map(|span| began.saturating_add(span));
    let mut departures = Vec::new();
    for number in 0..options.count {
        let sequence = u16::try_from(number & 0xffff).unwrap_or_default();
        departures.push(shell.kernel.clock.now());
        match prober.send(shell, to, scope, options.hops, sequence, data) {
            Ok(()) => {}
            Err(errno) => shell
                .complain("ping", &format!("{}: {}", if to.is_ipv6() { "sendmsg" } else { "sendto" }, strerror(errno))),
        }
        tally.sent += 1;
        let last = number + 1 == options.count;
        let pause = if last { last_wait(options, &tally) } else { options.interval };
        let until = shell.kernel.clock.now().saturating_add(pause).min(end.unwrap_or(Nanos::MAX));
        while shell.kernel.clock.now() <= until {
            let left = until - shell.kernel.clock.now();
            let Some(answer) = prober.wait(shell, to, left) else { break };
            note(shell, options, &mut tally, &departures, &answer);
            if options.once && tally.received > 0 || last && tally.received >= options.count {
                return tally;
            }
        }
        if end.is_some_and(|end| shell.kernel.clock.now() >= end) {
            break;
        }
    }
    tally
}

/// How long to wait after the last request: twice the longest round trip, at least a second.
fn last_wait(options: &Options, tally: &Tally) -> Nanos {
    options.wait.unwrap_or_else(|| match tally.times.iter().max() {
        Some(longest) => (2 * longest).max(SECOND),
        None => LAST_WAIT,
    })
}

fn note(shell: &mut Shell<'_>, options: &Options, tally: &mut Tally, departures: &[Nanos], answer: &Answer) {
    let from = show(shell, answer.from, 0);
    if answer.what != What::Reply {
        if !options.quiet {
            shell.out(&format!("{} bytes from {from}: {}\n", answer.size, describe(answer)));
        }
        return;
    }
    let Some(departure) = departures.get(usize::from(answer.sequence)) else { return };
    let time = shell.kernel.clock.now().saturating_sub(*departure);
    let repeated = !tally.seen.insert(answer.sequence);
    if repeated {
        tally.repeated += 1;
    } else {
        tally.received += 1;
    }
    tally.times.push(time);
    if options.wait.is_some_and(|wait| time > wait) {
        tally.late += 1;
        return;
    }
    if options.quiet {
        return;
    }
    let (sequence, hops, time) = (answer.sequence, answer.hops, milliseconds(time));
    let line = if answer.from.is_ipv6() {
        format!(
            "{} bytes from {from}, icmp_seq={sequence} hlim={hops} time={time} ms{}\n",
            answer.size,
            if repeated { "(DUP!)" } else { "" }
        )
    } else {
        format!(
            "{} bytes from {from}: icmp_seq={sequence} ttl={hops} time={time} ms{}\n",
            answer.size,
            if repeated { " (DUP!)" } else { "" }
        )
    };
    shell.out(&line);
}

fn describe(answer: &Answer) -> String {
    match (answer.what, answer.from.is_ipv6()) {
        (What::Reply, _) => "Echo Reply".to_owned(),
        (What::TimeExceeded, _) => "Time to live exceeded".to_owned(),
        (What::TooBig(mtu), false) => format!("frag needed and DF set (MTU {mtu})"),
        (What::TooBig(mtu), true) => format!("Packet too big mtu = {mtu}"),
        (What::Unreachable(0), false) => "Destination Net Unreachable".to_owned(),
        (What::Unreachable(1), false) => "Destination Host Unreachable".to_owned(),
        (What::Unreachable(code), false) => format!("Dest Unreachable, Bad Code: {code}"),
        (What::Unreachable(0), true) => "No Route to Destination".to_owned(),
        (What::Unreachable(2), true) => "Destination Unreachable Beyond Scope".to_owned(),
        (What::Unreachable(3), true) => "Destination Host Unreachable".to_owned(),
        (What::Unreachable(code), true) => format!("Destination Unreachable, Bad Code: {code}"),
    }
}

fn summary(shell: &mut Shell<'_>, target: &str, tally: &Tally) {
    let mut text = format!(
        "\n--- {target} ping statistics ---\n{} packets transmitted, {} packets received, ",
        tally.sent, tally.received
    );
    if tally.repeated > 0 {
        text += &format!("+{} duplicates, ", tally.repeated);
    }
    let lost = tally.sent.saturating_sub(tally.received);
    text += &format!("{} packet loss", percent(lost, tally.sent));
    if tally.late > 0 {
        text += &format!(", {} packets out of wait time", tally.late);
    }
    text.push('\n');
    if tally.received > 0 {
        text += &round_trips(&tally.times);
    }
    shell.out(&text);
}

/// One decimal, half up.
fn percent(part: u32, whole: u32) -> String {
    let tenths = (u64::from(part) * 2000 + u64::from(whole)) / (2 * u64::from(whole).max(1));
    format!("{}.{}%", tenths / 10, tenths % 10)
}

fn round_trips(times: &[Nanos]) -> String {
    let count = u128::try_from(times.len()).unwrap_or(1).max(1);
    let sum: u128 = times.iter().map(|t| u128::from(*t)).sum();
    let squares: u128 = times.iter().map(|t| u128::from(*t) * u128::from(*t)).sum();
    let mean = sum / count;
    let deviation = (squares / count).saturating_sub(mean * mean).isqrt();
    let show = |value: u128| milliseconds(Nanos::try_from(value).unwrap_or(Nanos::MAX));
    let least = times.iter().min().copied().unwrap_or(0);
    let most = times.iter().max().copied().unwrap_or(0);
    format!(
        "round-trip min/avg/max/stddev = {}/{}/{}/{} ms\n",
        milliseconds(least),
        show(mean),
        milliseconds(most),
        show(deviation)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_take_decimals() {
        assert_eq!(seconds("0.2"), Some(200_000_000));
        assert_eq!(seconds("3"), Some(3 * SECOND));
        assert_eq!(seconds(".5"), Some(500_000_000));
        assert_eq!(seconds("1.x"), None);
        assert_eq!(seconds("86401"), None);
    }

    #[test]
    fn loss_is_printed_like_the_tool() {
        assert_eq!(percent(0, 3), "0.0%");
        assert_eq!(percent(1, 3), "33.3%");
        assert_eq!(percent(2, 3), "66.7%");
        assert_eq!(percent(4, 4), "100.0%");
    }

    #[test]
    fn round_trip_figures() {
        assert_eq!(
            round_trips(&[1_332_000, 12_681_000, 15_720_000]),
            "round-trip min/avg/max/stddev = 1.332/9.911/15.720/6.192 ms\n"
        );
    }
}
