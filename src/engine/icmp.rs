//! Echo requests as bytes, and what comes back on a raw socket: the same on every system.

use std::net::IpAddr;

/// An echo request; the kernel fills in the checksum of an ICMPv6 message.
pub(super) fn request(to: IpAddr, identifier: u16, sequence: u16) -> Vec<u8> {
    let mut message = vec![if to.is_ipv4() { 8 } else { 128 }, 0, 0, 0];
    message.extend_from_slice(&identifier.to_be_bytes());
    message.extend_from_slice(&sequence.to_be_bytes());
    message.extend_from_slice(b"cellblock echo..");
    if to.is_ipv4() {
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// What an ICMP message says of an echo of ours.
pub(super) struct EchoAnswer {
    pub identifier: u16,
    pub attempt: u16,
    /// What came instead of an answer.
    pub error: Option<&'static str>,
}

pub(super) fn read(from: IpAddr, packet: &[u8]) -> Option<EchoAnswer> {
    let icmp = if from.is_ipv4() { after_ipv4(packet)? } else { packet };
    let (kind, code) = (*icmp.first()?, *icmp.get(1)?);
    let words = match (from.is_ipv4(), kind) {
        (true, 0) | (false, 129) => return numbers(icmp, None),
        (true, 3) | (false, 1) => unreachable_words(from.is_ipv4(), code),
        (true, 11) | (false, 3) => "time exceeded",
        (false, 2) => "packet too big",
        _ => return None,
    };
    // An error repeats the packet it is about.
    let inner = icmp.get(8..)?;
    let inner = if from.is_ipv4() { after_ipv4(inner)? } else { inner.get(40..)? };
    matches!(inner.first()?, 8 | 128).then(|| numbers(inner, Some(words))).flatten()
}

fn numbers(icmp: &[u8], error: Option<&'static str>) -> Option<EchoAnswer> {
    let number = |at: usize| Some(u16::from_be_bytes(icmp.get(at..at + 2)?.try_into().ok()?));
    Some(EchoAnswer { identifier: number(4)?, attempt: number(6)?, error })
}

fn after_ipv4(packet: &[u8]) -> Option<&[u8]> {
    packet.get(usize::from(packet.first()? & 0x0f) * 4..)
}

fn unreachable_words(ipv4: bool, code: u8) -> &'static str {
    match (ipv4, code) {
        (true, 0) => "network unreachable",
        (true, 1) | (false, 3) => "host unreachable",
        (true, 4) => "fragmentation needed",
        (true, 9 | 10 | 13) | (false, 1) => "prohibited",
        (false, 0) => "no route",
        _ => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_ipv4_has_a_right_checksum() {
        let message = request("10.0.0.1".parse().unwrap(), 7, 1);
        assert_eq!(checksum(&message), 0);
    }

    #[test]
    fn answers_and_errors_are_recognised() {
        let to: IpAddr = "10.0.0.1".parse().unwrap();
        let mut reply = vec![0x45; 20];
        reply.extend(request(to, 7, 2));
        reply[20] = 0;
        let answer = read(to, &reply).unwrap();
        assert_eq!((answer.identifier, answer.attempt, answer.error), (7, 2, None));
        let mut error = vec![0x45; 20];
        error.extend([3, 1, 0, 0, 0, 0, 0, 0]);
        error.extend(vec![0x45; 20]);
        error.extend(request(to, 9, 1));
        let answer = read(to, &error).unwrap();
        assert_eq!((answer.identifier, answer.error), (9, Some("host unreachable")));
        assert!(read(to, &[0x4f, 1, 2]).is_none());
        assert!(read("::1".parse().unwrap(), &[1, 0, 0]).is_none());
    }
}
