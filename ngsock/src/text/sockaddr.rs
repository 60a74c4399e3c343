//! FreeBSD socket addresses in ksocket's words (`ng_ksocket_sockaddr_parse`, `sys/netgraph/ng_ksocket.c:222`).

use core::fmt::Write as _;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use super::lex::{Quoted, quote, quoted, skip_spaces};
use super::number::unsigned;
use super::{Count, IndexOf, Member, TextError, TextErrorKind, Type};

/// `PF_LOCAL`, `PF_INET`, `PF_INET6` of FreeBSD (`sys/sys/socket.h:224`).
const LOCAL: u8 = 1;
const INET: u8 = 2;
const INET6: u8 = 28;

/// `SOCK_MAXADDRLEN` (`sys/sys/socket.h`): the longest address is 255 bytes.
const MAX_LEN: usize = 255;

/// Any other family: `{ len=… family=… data=… }`.
pub(crate) const GENERIC: &Type = &Type::Struct(&[
    Member { name: "len", kind: Type::UINT8 },
    Member { name: "family", kind: Type::UINT8 },
    Member { name: "data", kind: &Type::Bytes(Count::SocketAddress) },
]);

/// The longest word for a family, `fambuf`.
const MAX_FAMILY: usize = 31;

pub(super) fn read(text: &[u8], at: usize, index_of: IndexOf<'_>) -> Result<Vec<u8>, TextError> {
    let error = TextError::at(at, TextErrorKind::Syntax);
    let rest = text.get(at..).unwrap_or_default();
    let slash = rest.iter().position(|&byte| byte == b'/').filter(|&len| len <= MAX_FAMILY).ok_or(error)?;
    let family = rest.get(..slash).unwrap_or_default();
    let at = at + slash + 1;
    match family_number(family).ok_or(error)? {
        LOCAL => local(text, at),
        INET => inet(text, at),
        INET6 => inet6(text, at, index_of),
        _ => Err(error),
    }
}

/// A family by its name or its number (`ng_ksocket_parse`, `sys/netgraph/ng_ksocket.c:1359`); the other names there
/// are, `atm` and `divert`, have no addresses in words.
fn family_number(family: &[u8]) -> Option<u8> {
    match family {
        b"local" => Some(LOCAL),
        b"inet" => Some(INET),
        b"inet6" => Some(INET6),
        _ => {
            let (value, end) = unsigned(family, 0, 10)?;
            // A C int, then one byte of it.
            let [low, _, _, high, ..] = value.to_le_bytes();
            (end == family.len() && high < 0x80).then_some(low)
        }
    }
}

fn local(text: &[u8], at: usize) -> Result<Vec<u8>, TextError> {
    let at = skip_spaces(text, at);
    let Quoted { value, .. } = quoted(text, at).ok_or(TextError::at(at, TextErrorKind::Syntax))?;
    let path = value.split(|&byte| byte == 0).next().unwrap_or_default();
    if path.len() > MAX_LEN {
        return Err(TextError::at(at, TextErrorKind::TooLong));
    }
    // The length is a byte: what two paths near the limit leave of it, and of the address, is nothing.
    let [len, ..] = (path.len() + 2).to_le_bytes();
    let mut address = [&[len, LOCAL], path].concat();
    address.truncate(len.into());
    Ok(address)
}

fn inet(text: &[u8], at: usize) -> Result<Vec<u8>, TextError> {
    let mut address = vec![16, INET, 0, 0];
    let mut next = at;
    for index in 0..4 {
        let error = TextError::at(next, TextErrorKind::Syntax);
        let (value, end) = unsigned(text, next, 10).ok_or(error)?;
        address.push(u8::try_from(value).map_err(|_| error)?);
        next = end;
        if index < 3 {
            if text.get(next) != Some(&b'.') {
                return Err(TextError::at(next, TextErrorKind::Syntax));
            }
            next += 1;
        }
    }
    address.resize(16, 0);
    put_port(&mut address, text, next)?;
    Ok(address)
}

fn inet6(text: &[u8], at: usize, index_of: IndexOf<'_>) -> Result<Vec<u8>, TextError> {
    let error = TextError::at(at, TextErrorKind::Syntax);
    let inside = text.get(at..).and_then(|rest| rest.strip_prefix(b"[")).ok_or(error)?;
    // Any `%`, wherever it is, is taken for that of a scope.
    let percent = inside.iter().position(|&byte| byte == b'%');
    let close = |from: usize| {
        let rest = inside.get(from..).unwrap_or_default();
        rest.iter().position(|&byte| byte == b']').map(|len| from + len).ok_or(error)
    };
    let len = percent.map_or_else(|| close(0), Ok)?;
    let ip = inside.get(..len).and_then(|ip| core::str::from_utf8(ip).ok()).ok_or(error)?;
    let ip = Ipv6Addr::from_str(ip).map_err(|_| error)?;
    let (scope, end) = match percent {
        None => (0, len),
        Some(percent) => {
            let end = close(percent)?;
            (scope(ip, inside.get(percent + 1..end).unwrap_or_default(), index_of).ok_or(error)?, end)
        }
    };
    let mut address = vec![28, INET6, 0, 0, 0, 0, 0, 0];
    address.extend_from_slice(&ip.octets());
    address.extend_from_slice(&scope.to_ne_bytes());
    put_port(&mut address, text, at + 1 + end + 1)?;
    Ok(address)
}

/// The zone of an address on one link: the interface's index. A kernel that does not find the interface goes down
/// (`in6_getscopezone`, `sys/netinet6/scope6.c`), and longer names than 15 bytes damage it.
fn scope(ip: Ipv6Addr, interface: &[u8], index_of: IndexOf<'_>) -> Option<u32> {
    if !ip.octets().starts_with(&[0xfe, 0x80]) || interface.len() > 15 {
        return None;
    }
    index_of(interface)
}

/// The port in network order, if one is given.
fn put_port(address: &mut [u8], text: &[u8], at: usize) -> Result<(), TextError> {
    if text.get(at) != Some(&b':') {
        return Ok(());
    }
    let error = TextError::at(at + 1, TextErrorKind::Syntax);
    let (port, _) = unsigned(text, at + 1, 10).ok_or(error)?;
    let port = u16::try_from(port).map_err(|_| error)?;
    if let Some(place) = address.get_mut(2..4) {
        place.copy_from_slice(&port.to_be_bytes());
    }
    Ok(())
}

/// Prints the address at the front; gives its length, or `None` if it is to be printed as [`GENERIC`].
pub(super) fn print(bytes: &[u8], out: &mut String) -> Option<usize> {
    let port = |bytes: &[u8]| bytes.get(2..4).map_or(0, |port| u16::from_be_bytes(port.try_into().unwrap_or_default()));
    // Writing into a String cannot fail.
    let len = match *bytes {
        [len, LOCAL, ..] => {
            let len = usize::from(len).min(MAX_LEN);
            let path = bytes.get(2..len)?;
            out.push_str("local/");
            quote(path, out);
            return Some(len);
        }
        [_, INET, ..] => {
            let octets: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            bytes.get(..16)?;
            let _ = write!(out, "inet/{}", Ipv4Addr::from(octets));
            16
        }
        [_, INET6, ..] => {
            let octets: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            bytes.get(..28)?;
            let _ = match Ipv6Addr::from(octets).segments() {
                // inet_ntop(3) prints addresses with an IPv4 address in them as the latter.
                [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
                    let [.., a, b, c, d] = octets;
                    write!(out, "inet6/[::{}]", Ipv4Addr::new(a, b, c, d))
                }
                _ => write!(out, "inet6/[{}]", Ipv6Addr::from(octets)),
            };
            28
        }
        _ => return None,
    };
    match port(bytes) {
        0 => {}
        port => {
            let _ = write!(out, ":{port}");
        }
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_each_family_are_read_and_printed() {
        let local = r#"local/"/tmp/x y""#;
        for text in ["inet/127.0.0.1:4444", "inet/10.0.0.1", "inet6/[::1]:80", "inet6/[2001:db8::1]", local] {
            let bytes = Type::SocketAddress.read(text).unwrap();
            assert_eq!(usize::from(bytes[0]), bytes.len(), "{text}");
            assert_eq!(Type::SocketAddress.print(&bytes).unwrap(), text);
        }
        let other = Type::SocketAddress.read("{ len=4 family=18 data=[ 1 2 ] }").unwrap();
        assert_eq!(other, [4, 18, 1, 2]);
        assert_eq!(Type::SocketAddress.print(&other).unwrap(), "{ len=4 family=18 data=[ 0x1 0x2 ] }");
        for text in [
            "",
            "inet",
            "inet/",
            "inet/1.2.3",
            "inet/1.2.3.256",
            "inet/1.2.3.4:65536",
            "inet6/::1",
            "ipx/1",
            "atm/1",
            "divert/1",
            "/1",
            "inet6/[::1%em0]",
            "inet6/[fe80::1%em0",
            "inet6/[::1]:80 %",
            "inet6/[1::2::3]",
        ] {
            assert!(Type::SocketAddress.read_with(text, &|_| Some(1)).is_err(), "{text}");
        }
    }

    #[test]
    fn families_are_numbers_too() {
        let address = Type::SocketAddress.read("inet/1.2.3.4").unwrap();
        // The family is a byte.
        for text in ["2/1.2.3.4", " 2/1.2.3.4", "258/1.2.3.4"] {
            assert_eq!(Type::SocketAddress.read(text).unwrap(), address, "{text}");
        }
        for text in ["2 /1.2.3.4", "0x2/1.2.3.4", "-254/1.2.3.4", "00000000000000000000000000000002/1.2.3.4"] {
            assert!(Type::SocketAddress.read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_scope_is_the_index_of_an_interface_that_is_there() {
        let index_of = |name: &[u8]| (name == b"em0").then_some(3);
        let address = Type::SocketAddress.read_with("inet6/[fe80::1%em0]:80", &index_of).unwrap();
        assert_eq!(address.last_chunk(), Some(&3_u32.to_ne_bytes()));
        assert_eq!(Type::SocketAddress.print(&address).unwrap(), "inet6/[fe80::1]:80", "the kernel prints none");
        for text in ["inet6/[fe80::1%em1]:80", "inet6/[fe81::1%em0]:80", "inet6/[2001:db8::1%em0]:80"] {
            assert!(Type::SocketAddress.read_with(text, &index_of).is_err(), "{text}");
        }
        assert!(Type::SocketAddress.read("inet6/[fe80::1%em0]:80").is_err());
    }

    #[test]
    fn paths_near_the_limit_wrap_the_length() {
        let read = |len| Type::SocketAddress.read(format!("local/\"{}\"", "x".repeat(len)));
        assert_eq!(read(253).unwrap().len(), 255);
        assert_eq!(read(254).unwrap(), []);
        assert_eq!(read(255).unwrap(), [1]);
        assert_eq!(read(256).unwrap_err().kind, TextErrorKind::TooLong);
    }

    #[test]
    fn ipv6_addresses_are_printed_as_inet_ntop_does() {
        for text in
            ["::", "::1", "::2", "::1.2.3.4", "::ffff:1.2.3.4", "1::", "1:0:0:2::", "1:0:2:3:4:5:6:7", "::1:0:0"]
        {
            let text = format!("inet6/[{text}]");
            let bytes = Type::SocketAddress.read(&text).unwrap();
            assert_eq!(Type::SocketAddress.print(&bytes).unwrap(), text);
        }
    }
}
