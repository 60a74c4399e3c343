use super::*;

/// An epair's end with one address of each family, as a 15.1 kernel lists them.
fn listed() -> Vec<u8> {
    let head = |kind: u8, length: u16, bits: u8, flags: u32| {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[5, kind, bits, 0, 0, 0]);
        bytes.extend_from_slice(&flags.to_le_bytes());
        // Index 4; the header has 176 octets and its data begin at 24.
        bytes.extend_from_slice(&[4, 0, 0, 0, 176, 0, 24, 0, 0, 0, 0, 0]);
        bytes
    };
    let mut all = head(RTM_IFINFO, 176 + 56, 0x10, 0x8843);
    all.extend_from_slice(&[6, 0, 6, 18, 2, 0, 152, 0, 0xdc, 5, 0, 0]);
    all.resize(176, 0);
    all.extend_from_slice(b"\x38\x12\x04\x00\x06\x07\x06\x00epair0a\x02\x00\x00\x00\x0a\x01");
    all.resize(176 + 56, 0);
    let start = all.len();
    all.extend(head(RTM_NEWADDR, 176 + 48, 0xa4, 1));
    all.resize(start + 176, 0);
    for address in [[255, 255, 255, 0], [10, 0, 1, 1], [10, 0, 1, 255]] {
        all.extend_from_slice(&[16, 2, 0, 0]);
        all.extend_from_slice(&address);
        all.extend_from_slice(&[0; 8]);
    }
    let start = all.len();
    all.extend(head(RTM_NEWADDR, 176 + 64, 0x24, 0));
    all.resize(start + 176, 0);
    for (address, scope) in [([0xff; 8], 0), ([0xfe, 0x80, 0, 0, 0, 0, 0, 0], 4)] {
        all.extend_from_slice(&[28, 28, 0, 0, 0, 0, 0, 0]);
        all.extend_from_slice(&address);
        all.extend_from_slice(&[0; 7]);
        all.extend_from_slice(&[u8::from(scope != 0), scope, 0, 0, 0, 0, 0, 0, 0]);
    }
    all
}

#[test]
fn interfaces_and_addresses() {
    let read = interfaces(&listed()).unwrap();
    let [interface] = read.interfaces.as_slice() else { panic!("{read:?}") };
    assert_eq!(interface.link.name, "epair0a");
    assert_eq!(interface.link.address, [2, 0, 0, 0, 0x0a, 1]);
    assert_eq!((interface.index, interface.flags, interface.kind), (4, 0x8843, 6));
    assert_eq!((interface.link_state, interface.mtu), (2, 1500));
    let found: Vec<String> =
        read.addresses.iter().map(|found| format!("{} {}/{}", found.index, found.address, found.prefix)).collect();
    assert_eq!(found, ["4 10.0.1.1/24", "4 fe80::1/64"]);
}

#[test]
fn what_is_not_known_is_skipped() {
    let mut bytes = vec![8, 0, 5, 99, 1, 2, 3, 4];
    bytes.extend(listed());
    bytes.extend_from_slice(&[6, 0, 6, 14, 0, 0]);
    assert_eq!(interfaces(&bytes), interfaces(&listed()));
    assert_eq!(routes(&listed()), Some(Vec::new()));
}

#[test]
fn lengths_that_lie_are_refused() {
    let whole = listed();
    for cut in [1, 3, whole.len() - 1] {
        assert_eq!(interfaces(&whole[..cut]), None, "{cut}");
    }
    assert_eq!(interfaces(&[0, 0, 5, 14]), None);
    let mut far = whole;
    far[16] = 0xff;
    far[17] = 0xff;
    assert_eq!(interfaces(&far), None, "a header longer than its message");
}

#[test]
fn routes_with_every_kind_of_gateway() {
    use super::super::{Gateway, add};
    let mut bytes = Vec::new();
    let router = Gateway::Address { address: "10.0.0.254".parse().unwrap(), scope: 0 };
    for (to, prefix, gateway) in
        [("0.0.0.0", 0, router), ("10.0.0.0", 24, Gateway::Interface(7)), ("fd00::7", 128, Gateway::Interface(7))]
    {
        let mut message = add(1, to.parse().unwrap(), prefix, gateway);
        message[3] = RTM_GET;
        message[4] = 7;
        bytes.extend(message);
    }
    let read = routes(&bytes).unwrap();
    let found: Vec<String> = read
        .iter()
        .map(|route| format!("{}/{} {:?} {}", route.destination, route.prefix, route.gateway, route.interface))
        .collect();
    assert_eq!(found, ["0.0.0.0/0 Some(10.0.0.254) 7", "10.0.0.0/24 None 7", "fd00::7/128 None 7"]);
}

#[test]
fn masks_that_are_cut_off() {
    let mut addresses = Addresses::default();
    let ten = "10.0.0.0".parse().unwrap();
    assert_eq!(length(&addresses, ten), Some(32));
    for (mask, expected) in [(vec![], Some(0)), (vec![5, 2, 0, 0, 255], Some(8)), (vec![7, 0, 0, 0, 255, 0, 255], None)]
    {
        addresses.set(RTA_NETMASK, mask);
        assert_eq!(length(&addresses, ten), expected);
    }
}

proptest::proptest! {
    #[test]
    fn readers_take_any_octets(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 4..600), kind in 0_u8..20, long in 0_u8..2) {
        let length = u16::try_from(bytes.len()).unwrap();
        bytes[..2].copy_from_slice(&length.to_le_bytes());
        bytes[2] = 5;
        bytes[3] = if long == 0 { kind } else { RTM_IFINFO };
        let _ = interfaces(&bytes);
        let _ = routes(&bytes);
    }
}
