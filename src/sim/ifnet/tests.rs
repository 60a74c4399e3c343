use super::*;
use crate::abi::flags::IFF_PROMISC;
use crate::abi::ioctl::{bridge as if_bridge, interface};
use crate::abi::jail::JailParam;
use crate::abi::{InterfaceName, IoctlArgument};
use crate::sim::control::ioctl::ioctl;
use crate::sim::control::{Caller, NetlinkSocket};
use crate::sim::jail;
use crate::sim::kernel::Work;
use crate::sim::sockets::{Protocol, SockId, Socket};

fn kernel() -> Kernel {
    let mut kernel = Kernel::boot(3);
    kernel.modules.extend(["if_epair", "if_bridge"].map(str::to_owned));
    kernel
}

fn made(kernel: &mut Kernel, vnet: VnetId, template: &str) -> IfIndex {
    create(kernel, vnet, template, None).unwrap()
}

fn names(kernel: &Kernel, vnet: VnetId) -> String {
    present(kernel, vnet).map(|interface| interface.name.as_str()).collect::<Vec<_>>().join(" ")
}

fn vnet_jail(kernel: &mut Kernel, name: &str) -> (i32, VnetId) {
    let params = [JailParam::string("name", name), JailParam::boolean("persist", true), JailParam::int("vnet", 1)];
    let jid = jail::set(kernel, jail::HOST, &params, 1).unwrap();
    (jid, jail::vnet_of(kernel, jid).unwrap())
}

fn socket(kernel: &mut Kernel, vnet: VnetId, protocol: Protocol) -> SockId {
    let id = SockId(kernel.sockets.next);
    kernel.sockets.next += 1;
    kernel.sockets.open.insert(id, Socket { vnet, jail: None, protocol });
    id
}

#[test]
fn the_lowest_free_index_and_unit_are_taken() {
    let mut kernel = kernel();
    let first = made(&mut kernel, VnetId::HOST, "epair");
    let bridge = made(&mut kernel, VnetId::HOST, "bridge");
    assert_eq!((first, bridge), (IfIndex(2), IfIndex(4)));
    detach(&mut kernel, first);
    assert_eq!(names(&kernel, VnetId::HOST), "lo0 bridge0");
    let again = made(&mut kernel, VnetId::HOST, "epair");
    assert_eq!(again, IfIndex(2));
    assert_eq!(names(&kernel, VnetId::HOST), "lo0 bridge0 epair0a epair0b");
}

#[test]
fn cloners_need_their_modules() {
    let mut kernel = Kernel::boot(3);
    assert_eq!(create(&mut kernel, VnetId::HOST, "epair", None), Err(Errno::EINVAL));
    kernel.modules.insert("if_epair".to_owned());
    assert!(create(&mut kernel, VnetId::HOST, "epair", None).is_ok());
}

#[test]
fn a_renamed_interface_keeps_its_unit() {
    let mut kernel = kernel();
    let bridge = made(&mut kernel, VnetId::HOST, "bridge5");
    rename(&mut kernel, bridge, "sw5").unwrap();
    assert_eq!(create(&mut kernel, VnetId::HOST, "bridge5", None), Err(Errno::EEXIST));
    destroy(&mut kernel, VnetId::HOST, "sw5").unwrap();
    assert!(create(&mut kernel, VnetId::HOST, "bridge5", None).is_ok());
}

#[test]
fn a_move_keeps_what_the_interface_is_and_loses_what_it_has_here() {
    let mut kernel = kernel();
    let epair = made(&mut kernel, VnetId::HOST, "epair");
    let bridge = made(&mut kernel, VnetId::HOST, "bridge");
    let name = |text| InterfaceName::new(text).unwrap();
    let sock = socket(&mut kernel, VnetId::HOST, Protocol::Inet);
    for mut call in [
        interface::set_mac(name("epair0a"), [2, 0, 0, 0, 0, 1]),
        interface::set_mtu(name("epair0a"), 1400),
        interface::set_description(name("epair0a"), b"kept"),
        interface::join_group(name("epair0a"), name("lost")),
        interface::set_flags(name("epair0a"), 1),
        if_bridge::add_member(name("bridge0"), name("epair0a")),
    ] {
        ioctl(&mut kernel, Caller::HOST, sock, call.request, &mut call.argument).unwrap();
    }
    assert_ne!(kernel.interfaces.get(epair).unwrap().flags & IFF_PROMISC, 0);
    let (_, vnet) = vnet_jail(&mut kernel, "j");
    give(&mut kernel, epair, vnet, true).unwrap();
    let moved = kernel.interfaces.get(epair).unwrap();
    assert_eq!((moved.index, moved.mtu, moved.mac), (epair, 1400, [2, 0, 0, 0, 0, 1]));
    assert_eq!(moved.description.as_deref(), Some(&b"kept"[..]));
    assert_eq!(moved.groups, ["all", "epair"]);
    assert_eq!((moved.bridge, moved.flags & (IFF_UP | IFF_PROMISC)), (None, 0));
    assert!(moved.net.addresses.is_empty());
    let Driver::Bridge(state) = &kernel.interfaces.get(bridge).unwrap().driver else { panic!("no bridge") };
    assert_eq!(state.members().count(), 0);
}

/// What was lent comes home in the order in which it came, whatever names it meets there; what was made inside goes,
/// wherever it is.
#[test]
fn a_dying_vnet_returns_what_it_was_lent() {
    let mut kernel = kernel();
    let (jid, vnet) = vnet_jail(&mut kernel, "j");
    let (_, other) = vnet_jail(&mut kernel, "k");
    made(&mut kernel, VnetId::HOST, "bridge1");
    let first = made(&mut kernel, VnetId::HOST, "bridge2");
    let second = made(&mut kernel, VnetId::HOST, "epair");
    give(&mut kernel, second, vnet, true).unwrap();
    give(&mut kernel, first, vnet, true).unwrap();
    rename(&mut kernel, first, "bridge1").unwrap();
    let own = made(&mut kernel, vnet, "epair9");
    give(&mut kernel, own, other, true).unwrap();
    jail::remove(&mut kernel, jail::HOST, jid).unwrap();
    assert_eq!(names(&kernel, VnetId::HOST), "lo0 bridge1 epair0b epair0a bridge1");
    assert_eq!(names(&kernel, other), "lo0");
    assert_eq!(find(&kernel, VnetId::HOST, "bridge1").map(|index| index == first), Some(false));
    assert!(!kernel.vnets.contains_key(&vnet));
}

/// A kernel with INVARIANTS would panic (`sys/net/if.c:1319`).
#[test]
fn a_move_on_a_socket_of_another_vnet_is_an_error() {
    let mut kernel = kernel();
    let (jid, vnet) = vnet_jail(&mut kernel, "j");
    made(&mut kernel, vnet, "bridge");
    let sock = socket(&mut kernel, vnet, Protocol::Inet);
    let mut call = interface::give_to_jail(InterfaceName::new("bridge0").unwrap(), jid);
    let mut answer = |kernel: &mut Kernel, caller| ioctl(kernel, caller, sock, call.request, &mut call.argument);
    assert_eq!(answer(&mut kernel, Caller::HOST), Err(Errno::EDOOFUS));
    assert_eq!(answer(&mut kernel, Caller { vnet, jail: jid }), Err(Errno::ENXIO));
}

#[test]
fn frames_cross_an_epair_and_its_vlans() {
    let mut kernel = kernel();
    let a = made(&mut kernel, VnetId::HOST, "epair");
    let b = IfIndex(a.0 + 1);
    let (_, vnet) = vnet_jail(&mut kernel, "j");
    give(&mut kernel, b, vnet, true).unwrap();
    let above = create(&mut kernel, VnetId::HOST, "vlan", Some(Vlan { parent: a, tag: 7, protocol: 0 })).unwrap();
    let below = create(&mut kernel, vnet, "vlan", Some(Vlan { parent: b, tag: 7, protocol: 0 })).unwrap();
    for index in [a, b, above, below] {
        set_flags(&mut kernel, index, IFF_UP, true).unwrap();
    }
    kernel.work.clear();
    let frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9], &[0x88, 0xb5], &[0; 46]].concat();
    transmit(&mut kernel, above, frame.clone());
    let Some(Work::Input { interface, frame: tagged }) = kernel.work.pop_front() else { panic!("nothing came") };
    assert_eq!((interface, &tagged[12..16]), (b, &[0x81, 0, 0, 7][..]));
    receive(&mut kernel, b, tagged);
    assert_eq!(kernel.work.pop_front(), Some(Work::Input { interface: below, frame }));
    // An end that is down hears nothing and says nothing.
    set_flags(&mut kernel, a, 0, true).unwrap();
    kernel.work.clear();
    transmit(&mut kernel, a, vec![0; 60]);
    assert!(kernel.work.is_empty());
}

#[test]
fn members_of_a_group_learn_of_links() {
    let mut kernel = kernel();
    let mut options = NetlinkSocket::default();
    options.groups.insert(crate::netlink::consts::RTNLGRP_LINK);
    let sock = socket(&mut kernel, VnetId::HOST, Protocol::Netlink(options));
    made(&mut kernel, VnetId::HOST, "bridge");
    let read = crate::sim::control::netlink::receive(&mut kernel, sock).unwrap();
    let told: Vec<_> = crate::netlink::reply::read(&read).collect();
    assert!(matches!(&told[0].answer, crate::netlink::Answer::Link { link, gone: false } if link.name == "bridge0"));
    let mut argument = IoctlArgument::default();
    assert_eq!(ioctl(&mut kernel, Caller::HOST, sock, 0xc020_6911, &mut argument), Err(Errno::EFAULT));
}

/// A table of this size is filled and emptied without anything that grows with its square.
#[test]
fn many_interfaces_are_cheap() {
    let mut kernel = kernel();
    for _ in 0..10_000 {
        made(&mut kernel, VnetId::HOST, "epair");
    }
    assert_eq!(find(&kernel, VnetId::HOST, "epair9999b"), Some(IfIndex(20_001)));
    // Their dump comes in reads that a buffer of 32 KiB can take.
    let sock = socket(&mut kernel, VnetId::HOST, Protocol::Netlink(NetlinkSocket::default()));
    let mut requests = crate::netlink::Requests::new(crate::netlink::Dialect::FREEBSD, 1);
    requests.links();
    crate::sim::control::netlink::send(&mut kernel, sock, requests.bytes()).unwrap();
    let mut told = 0;
    while let Some(read) = crate::sim::control::netlink::receive(&mut kernel, sock) {
        assert!(read.len() <= 32768);
        told += crate::netlink::reply::read(&read).count();
    }
    assert_eq!(told, 20_002);
    for unit in 0..10_000 {
        destroy(&mut kernel, VnetId::HOST, &format!("epair{unit}a")).unwrap();
    }
    assert_eq!(names(&kernel, VnetId::HOST), "lo0");
}
