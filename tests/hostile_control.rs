//! Whatever bytes come through a door of the simulated kernel, it answers with an errno and goes on.

use cellblock::abi::IoctlArgument;
use cellblock::abi::ioctl::{argument_size, request_name};
use cellblock::abi::jail::JailParam;
use cellblock::sim::control::{self, Caller, NetlinkSocket, RouteSocket};
use cellblock::sim::jail;
use cellblock::sim::kernel::{Kernel, VnetId};
use cellblock::sim::sockets::{Protocol, SockId, Socket};
use cellblock::sim::{ifnet, netgraph, stack};
use proptest::collection::vec;
use proptest::prelude::*;

/// Every request number the kernel knows, so that random ones hit.
fn requests() -> Vec<u32> {
    let directions = [0x8000_0000_u32, 0xc000_0000];
    let sizes = [16_u32, 32, 40, 48, 68, 72, 136, 288];
    let mut found = Vec::new();
    for direction in directions {
        for size in sizes {
            for number in 0..=0xff {
                let request = direction | size << 16 | 0x6900 | number;
                if request_name(request).is_some() {
                    found.push(request);
                }
            }
        }
    }
    found
}

/// A kernel with something in it, and a socket of each kind on the host.
fn world() -> (Kernel, [SockId; 4]) {
    let mut kernel = Kernel::boot(7);
    kernel.modules.extend(["if_epair", "if_bridge"].map(str::to_owned));
    netgraph::load_module(&mut kernel, "ng_ether").expect("ng_ether exists");
    for name in ["epair", "bridge", "vlan", "tap", "gif"] {
        ifnet::create(&mut kernel, VnetId::HOST, name, None).expect("a clone");
    }
    let params = [JailParam::string("name", "j"), JailParam::boolean("persist", true), JailParam::int("vnet", 1)];
    jail::set(&mut kernel, jail::HOST, &params, 1).expect("a jail");
    let protocols = [
        Protocol::Inet,
        Protocol::Inet6,
        Protocol::Netlink(NetlinkSocket::default()),
        Protocol::Route(RouteSocket::default()),
    ];
    let ids = [SockId(0), SockId(1), SockId(2), SockId(3)];
    for (id, protocol) in ids.into_iter().zip(protocols) {
        kernel.sockets.open.insert(id, Socket { vnet: VnetId::HOST, jail: None, protocol });
    }
    kernel.sockets.next = 4;
    (kernel, ids)
}

const NAMES: [&str; 8] = ["epair0a", "epair0b", "bridge0", "vlan0", "tap0", "gif0", "lo0", "nosuch0"];

/// An argument with a name at its head, so that it reaches the handlers.
fn argument(size: usize, name: usize, tail: &[u8], behind: &[u8], array: &[u8], offset: usize) -> IoctlArgument {
    let mut bytes = NAMES[name].as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes.extend_from_slice(tail);
    bytes.resize(size.max(1), 0);
    let behind = IoctlArgument::with_pointer(behind.to_vec(), 8, IoctlArgument::flat(array.to_vec()));
    IoctlArgument::with_pointer(bytes, offset, behind)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn ioctls(
        calls in vec((any::<prop::sample::Index>(), 0_usize..8, vec(any::<u8>(), 0..300), vec(any::<u8>(), 0..120),
            vec(any::<u8>(), 0..200), any::<bool>(), 0_usize..8), 1..12),
    ) {
        let (mut kernel, [inet, inet6, ..]) = world();
        let requests = requests();
        for (at, name, tail, mut behind, array, v6, other) in calls {
            let request = *at.get(&requests);
            // Half of the memory behind the pointer begins with a name too.
            if tail.first().is_some_and(|byte| byte & 1 == 0) {
                let name = NAMES[other].as_bytes();
                behind.splice(0..behind.len().min(16), name.iter().copied().chain(std::iter::repeat_n(0, 16 - name.len())));
            }
            let mut argument = argument(argument_size(request), name, &tail, &behind, &array, 32);
            let sock = if v6 { inet6 } else { inet };
            let _ = control::ioctl::ioctl(&mut kernel, Caller::HOST, sock, request, &mut argument);
            kernel.settle();
        }
        kernel.run(2_000_000_000, |_| false);
    }

    #[test]
    fn bridge_commands(
        calls in vec((0_u64..42, any::<bool>(), 0_usize..8, vec(any::<u8>(), 0..64), 0_usize..5, vec(any::<u8>(), 0..400)), 1..12),
    ) {
        let (mut kernel, [inet, ..]) = world();
        for (command, set, member, tail, size, array) in calls {
            let size = [4, 16, 32, 40, 80][size];
            let mut structure = NAMES[member].as_bytes().to_vec();
            structure.resize(16, 0);
            structure.extend_from_slice(&tail);
            structure.resize(size, 0);
            let mut bytes = b"bridge0".to_vec();
            bytes.resize(16, 0);
            bytes.extend_from_slice(&command.to_le_bytes());
            bytes.extend_from_slice(&(size as u64).to_le_bytes());
            bytes.resize(40, 0);
            let behind = IoctlArgument::with_pointer(structure, 8, IoctlArgument::flat(array));
            let mut argument = IoctlArgument::with_pointer(bytes, 32, behind);
            let request = if set { 0x8028_697b } else { 0xc028_697b };
            let _ = control::ioctl::ioctl(&mut kernel, Caller::HOST, inet, request, &mut argument);
            kernel.settle();
        }
        kernel.run(2_000_000_000, |_| false);
    }

    #[test]
    fn netlink(
        messages in vec((16_u16..110, any::<u16>(), vec(any::<u8>(), 0..12), 0_u32..9,
            vec((0_u16..70, vec(any::<u8>(), 0..24)), 0..6)), 1..8),
        noise in vec(any::<u8>(), 0..200),
    ) {
        let (mut kernel, [_, _, netlink, route]) = world();
        let mut datagram = Vec::new();
        for (kind, flags, header, index, attributes) in messages {
            let mut body = header;
            body.resize(12, 0);
            body[4..8].copy_from_slice(&index.to_le_bytes());
            body.resize(16, 0);
            for (kind, value) in attributes {
                body.extend_from_slice(&u16::try_from(value.len() + 4).expect("short").to_le_bytes());
                body.extend_from_slice(&kind.to_le_bytes());
                body.extend_from_slice(&value);
                body.resize(body.len().next_multiple_of(4), 0);
            }
            datagram.extend_from_slice(&u32::try_from(body.len() + 16).expect("short").to_le_bytes());
            datagram.extend_from_slice(&kind.to_le_bytes());
            datagram.extend_from_slice(&(flags | 1).to_le_bytes());
            datagram.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
            datagram.extend_from_slice(&body);
        }
        let _ = control::netlink::send(&mut kernel, netlink, &datagram);
        let _ = control::netlink::send(&mut kernel, netlink, &noise);
        while let Some(read) = control::netlink::receive(&mut kernel, netlink) {
            prop_assert!(cellblock::netlink::reply::read(&read).count() > 0);
        }
        while let Some(read) = control::rtsock::receive(&mut kernel, route) {
            prop_assert!(cellblock::abi::rtsock::Message::read(&read).is_some());
        }
        kernel.run(2_000_000_000, |_| false);
    }

    #[test]
    fn routing_messages(
        messages in vec((0_u8..20, any::<u8>(), any::<u32>(), any::<u64>(), vec(any::<u8>(), 0..120), any::<bool>()), 1..8),
    ) {
        let (mut kernel, [.., route]) = world();
        for (kind, addresses, flags, inits, tail, sane) in messages {
            let mut message = vec![0, 0, 5, kind, 0, 0, 0, 0];
            message.extend_from_slice(&flags.to_le_bytes());
            message.extend_from_slice(&[addresses, 0, 0, 0]);
            message.resize(32, 0);
            message.extend_from_slice(&inits.to_le_bytes());
            message.resize(152, 0);
            if sane {
                for bit in 0..3 {
                    if addresses & 1 << bit != 0 {
                        message.extend_from_slice(&[16, 2, 0, 0, tail.first().copied().unwrap_or(10), 0, bit, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
                    }
                }
            }
            message.extend_from_slice(&tail);
            let length = u16::try_from(message.len()).expect("short");
            message[..2].copy_from_slice(&length.to_le_bytes());
            let _ = control::rtsock::send(&mut kernel, route, &message);
            let _ = control::rtsock::send(&mut kernel, route, &tail);
            while control::rtsock::receive(&mut kernel, route).is_some() {}
        }
    }

    #[test]
    fn jail_calls(
        calls in vec((0_usize..60, proptest::option::of(vec(any::<u8>(), 0..40)), 0_usize..60,
            proptest::option::of(vec(any::<u8>(), 0..40)), any::<i32>(), any::<bool>()), 1..12),
        texts in vec("[a-z.0-9]{0,12}", 1..12),
    ) {
        let (mut kernel, _) = world();
        let names: Vec<&str> = jail::parameter_names().chain(["lastjid", "desc", "nopersist", "meta.a", "x"]).collect();
        for ((one, value, two, other, flags, get), text) in calls.into_iter().zip(texts) {
            let mut params = vec![
                JailParam::string("name", &text),
                JailParam { name: names[one % names.len()].to_owned(), value },
                JailParam { name: names[two % names.len()].to_owned(), value: other },
                JailParam::boolean("persist", flags & 2 == 0),
            ];
            let flags = if flags & 1 == 0 { flags & 0xf } else { flags };
            if get {
                let _ = jail::get(&kernel, jail::HOST, &mut params, flags);
            } else if let Ok(jid) = jail::set(&mut kernel, jail::HOST, &params, flags)
                && flags & 4 != 0
            {
                let _ = jail::remove(&mut kernel, jail::HOST, jid);
            }
        }
        for jid in kernel.jails.iter().map(|jail| jail.jid).collect::<Vec<_>>() {
            let _ = jail::remove(&mut kernel, jail::HOST, jid);
        }
        prop_assert_eq!(kernel.vnets.len(), 1);
    }
}

/// A vlan below itself, or in a ring, would carry its frames round and round.
#[test]
fn vlans_in_a_ring_are_refused() {
    let (mut kernel, _) = world();
    let first = ifnet::find(&kernel, VnetId::HOST, "vlan0").expect("vlan0");
    let second = ifnet::create(&mut kernel, VnetId::HOST, "vlan", None).expect("vlan1");
    let below = |parent| ifnet::Vlan { parent, tag: 5, protocol: 0 };
    assert!(ifnet::configure_vlan(&mut kernel, first, &below(first)).is_err());
    ifnet::configure_vlan(&mut kernel, first, &below(second)).expect("a vlan on a vlan");
    assert!(ifnet::configure_vlan(&mut kernel, second, &below(first)).is_err());
    stack::add_address4(
        &mut kernel,
        first,
        &stack::NewAddress4 { address: [10, 0, 0, 1].into(), length: 24, broadcast: None, peer: None },
    )
    .expect("an address");
    kernel.run(1_000_000_000, |_| false);
}
