//! FreeBSD socket addresses in ksocket's words (`ng_ksocket_sockaddr_parse`, `sys/netgraph/ng_ksocket.c:222`).

use core::fmt::Write as _;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use super::lex::{quote, quoted};
use super::number::unsigned;
use super::{Count, Member, TextError, TextErrorKind, Type};

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

pub(super) fn read(text: &[u8], at: usize) -> Result<Vec<u8>, TextError> {
    let error = TextError::at(at, TextErrorKind::Syntax);
    let rest = text.get(at..).unwrap_or_default();
    let slash = rest.iter().position(|&byte| byte == b'/').ok_or(error)?;
    let family = rest.get(..slash).unwrap_or_default();
    let at = at + slash + 1;
    match family {
        b"local" | b"1" => local(text, at),
        b"inet" | b"2" => inet(text, at),
        b"inet6" | b"28" => inet6(text, at),
        _ => Err(error),
    }
}

fn local(text: &[u8], at: usize) -> Result<Vec<u8>, TextError> {
    let (path, _) = quoted(text, at)?;
    let len = u8::try_from(path.len() + 2).map_err(|_| TextError::at(at, TextErrorKind::TooLong))?;
    Ok([&[len, LOCAL], path.as_slice()].concat())
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

/// An address with a scope needs the kernel's interface table and is refused here.
fn inet6(text: &[u8], at: usize) -> Result<Vec<u8>, TextError> {
    let error = TextError::at(at, TextErrorKind::Syntax);
    let rest = text.get(at..).and_then(|rest| rest.strip_prefix(b"[")).ok_or(error)?;
    let len = rest.iter().position(|&byte| byte == b']').ok_or(error)?;
    let inside = rest.get(..len).and_then(|inside| core::str::from_utf8(inside).ok()).ok_or(error)?;
    let ip = Ipv6Addr::from_str(inside).map_err(|_| error)?;
    let mut address = vec![28, INET6, 0, 0, 0, 0, 0, 0];
    address.extend_from_slice(&ip.octets());
    address.resize(28, 0);
    put_port(&mut address, text, at + 1 + len + 1)?;
    Ok(address)
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
            let _ = write!(out, "inet6/[{}]", Ipv6Addr::from(octets));
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
        for text in ["", "inet", "inet/", "inet/1.2.3", "inet/1.2.3.256", "inet/1.2.3.4:65536", "inet6/::1", "ipx/1"] {
            assert!(Type::SocketAddress.read(text).is_err(), "{text}");
        }
    }
}
