use std::net::{Ipv4Addr, Ipv6Addr};

use super::address::{Alias4, Alias6, add4, add6, remove4};
use super::bridge::{Member, SpanningTree, add_member, members, members_of, spanning_tree_of};
use super::interface::{Vlan, give_to_jail, rename, set_description, set_flags, set_mac};
use super::*;
use crate::abi::Sockaddr;

fn name(text: &str) -> InterfaceName {
    InterfaceName::new(text).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Every builder's structure has the size that its number promises: the kernel copies that many bytes.
#[test]
fn sizes_agree_with_the_request_numbers() {
    let epair = name("epair0a");
    let calls = [
        interface::create(epair),
        interface::flags(epair),
        set_flags(epair, 1),
        set_mac(epair, [2, 0, 0, 0, 0, 1]),
        rename(epair, name("x")),
        set_description(epair, b"to r2"),
        interface::groups(epair, 4),
        interface::join_group(epair, name("tg")),
        interface::cloners(8),
        add4(epair, Ipv4Addr::LOCALHOST, 8, None),
        remove4(epair, Ipv4Addr::LOCALHOST),
        add6(epair, Ipv6Addr::LOCALHOST, 128),
        address::remove6(epair, Ipv6Addr::LOCALHOST),
        address::address_flags(epair, Ipv6Addr::LOCALHOST),
        address::neighbour_settings(epair),
        add_member(epair, epair),
        members(epair, 3),
    ];
    for call in calls {
        assert_eq!(call.argument.bytes.len(), argument_size(call.request), "{:?}", request_name(call.request));
    }
}

#[test]
fn move_into_a_jail() {
    let call = give_to_jail(name("epair0b"), 42);
    assert_eq!(
        call.argument.bytes,
        hex("65706169723062000000000000000000 2a000000 000000000000000000000000".replace(' ', "").as_str())
    );
}

#[test]
fn mac_has_the_length_of_the_address() {
    let call = set_mac(name("ngeth0"), [2, 0, 0x5e, 0x10, 0, 1]);
    assert_eq!(call.argument.bytes[16..24], hex("061202005e100001"));
}

#[test]
fn flags_stand_in_two_halves() {
    let call = set_flags(name("epair0a"), 0x2_0001);
    assert_eq!(call.argument.bytes[16..20], [1, 0, 2, 0]);
    assert_eq!(interface::flags_of(&call.argument), Some(0x2_0001));
}

#[test]
fn descriptions_count_their_nul_and_an_empty_one_is_none() {
    let call = set_description(name("epair0a"), b"to r2");
    assert_eq!(call.argument.bytes[16..24], 6_u64.to_le_bytes());
    assert_eq!(interface::description_of(&call.argument).as_deref(), Some(&b"to r2"[..]));
    assert_eq!(set_description(name("epair0a"), b"").argument.bytes[16..24], [0; 8]);
}

#[test]
fn ipv4_alias() {
    let call = add4(name("vtnet0"), Ipv4Addr::new(10, 0, 0, 1), 24, None);
    assert_eq!(call.argument.bytes[16..32], hex("100200000a0000010000000000000000"));
    assert_eq!(call.argument.bytes[32..48], [0; 16]);
    assert_eq!(call.argument.bytes[48..64], hex("10020000ffffff000000000000000000"));
    let alias = Alias4::read(&call.argument.bytes).unwrap();
    assert_eq!(alias.address, Sockaddr::Inet(Ipv4Addr::new(10, 0, 0, 1)));
    assert_eq!(alias.broadcast, Sockaddr::Absent);
    assert_eq!(alias.mask, Sockaddr::Inet(Ipv4Addr::new(255, 255, 255, 0)));
}

/// Zeroed lifetimes are accepted by the kernel and the address is gone a second later.
#[test]
fn ipv6_alias_lives_for_ever() {
    let call = add6(name("vtnet0"), "2001:db8::1".parse().unwrap(), 64);
    let bytes = &call.argument.bytes;
    assert_eq!(bytes[16..44], hex("1c1c00000000000020010db800000000000000000000000100000000"));
    assert_eq!(bytes[44..72], [0; 28]);
    assert_eq!(bytes[72..100], hex("1c1c000000000000ffffffffffffffff000000000000000000000000"));
    assert_eq!(bytes[104..128], hex("00000000000000000000000000000000ffffffffffffffff"));
    let alias = Alias6::read(bytes).unwrap();
    assert_eq!((alias.valid_lifetime, alias.preferred_lifetime), (u32::MAX, u32::MAX));
    assert_eq!(alias.destination, Sockaddr::Absent);
}

#[test]
fn bridge_member() {
    let call = add_member(name("bridge0"), name("epair0a"));
    let mut ifdrv = b"bridge0".to_vec();
    ifdrv.resize(24, 0);
    ifdrv.extend_from_slice(&[0x50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(call.argument.bytes, ifdrv);
    let (offset, behind) = call.argument.pointer.unwrap();
    assert_eq!((offset, behind.bytes.len()), (32, 80));
    assert!(behind.bytes.starts_with(b"epair0a\0"));
}

/// BRDGGIFFLGS of a member as a 15.1 kernel gave it.
#[test]
fn member_as_recorded() {
    let bytes = hex(concat!(
        "657061697230620000000000000000004301000030000000d00700000b800200050000000100000000",
        "000000000000000000008100000000000000000000000000000000000000000000000000000000"
    ));
    let member = Member::read(&bytes).unwrap();
    assert_eq!((member.name.as_str(), member.flags, member.path_cost, member.port), ("epair0b", 0x143, 2000, 11));
    assert_eq!((member.priority, member.protocol, member.state, member.vlan_protocol), (128, 2, 5, 0x8100));
    assert_eq!(member.bytes().as_slice(), bytes);
}

/// BRDGPARAM as a 15.1 kernel gave it.
#[test]
fn spanning_tree_as_recorded() {
    let bytes = hex(concat!(
        "060602040200001000000000000000000000000000000010000000000000001000000000000000105611",
        "036b00000000c2e60a0000000000"
    ));
    let answer = IoctlArgument::with_pointer(vec![0; 40], 32, IoctlArgument::flat(bytes.clone()));
    let tree = spanning_tree_of(&answer).unwrap();
    assert_eq!((tree.priority, tree.protocol, tree.hello_time, tree.forward_delay), (4096, 2, 2, 4));
    assert_eq!(tree.designated_root, 0x1000_0000_0000_0000);
    assert_eq!(tree.bytes().as_slice(), bytes);
    assert_eq!(SpanningTree::read(&bytes[1..]), None);
}

#[test]
fn member_list_is_cut_to_what_the_kernel_gave() {
    let mut call = members(name("bridge0"), 3);
    let conf = call.argument.behind_mut().unwrap();
    conf.set_field(0, &80_u32.to_le_bytes());
    conf.behind_mut().unwrap().set_field(0, b"epair0a");
    assert_eq!(members_of(&call.argument).unwrap().len(), 1);
    // A length beyond the array is refused, not read.
    call.argument.behind_mut().unwrap().set_field(0, &800_u32.to_le_bytes());
    assert_eq!(members_of(&call.argument), None);
}

#[test]
fn vlan_structure() {
    let vlan = Vlan { parent: name("epair0a"), tag: 10, protocol: 0x8100 };
    assert_eq!(vlan.bytes().as_slice(), hex("657061697230610000000000000000000a000081"));
    assert_eq!(Vlan::read(&vlan.bytes()), Some(vlan));
}

proptest::proptest! {
    /// Nothing that a kernel or an attacker writes can make a reader panic.
    #[test]
    fn readers_take_any_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600), at in 0_usize..600) {
        let argument = IoctlArgument::with_pointer(
            bytes.clone(),
            at,
            IoctlArgument::with_pointer(bytes.clone(), at, IoctlArgument::flat(bytes.clone())),
        );
        let _ = Alias4::read(&bytes);
        let _ = Alias6::read(&bytes);
        let _ = Member::read(&bytes);
        let _ = Vlan::read(&bytes);
        let _ = Sockaddr::read(&bytes);
        let _ = members_of(&argument);
        let _ = bridge::addresses_of(&argument);
        let _ = spanning_tree_of(&argument);
        let _ = interface::names_of(&argument);
        let _ = interface::cloners_of(&argument);
        let _ = interface::description_of(&argument);
        let _ = interface::capabilities_of(&argument);
        let _ = argument.name();
    }
}
