//! The floor: what the kernel itself takes. Namespaces kept by mounts in one file system and named for `ip netns`; veth pairs made
//! in place with chosen indexes and one queue; a bridge that is set up last; addresses, a route and forwarding with one datagram a
//! namespace, of which the last message alone is acknowledged. Nothing is checked beforehand, recorded, described or made safe.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::time::Instant;

use cellblock::netlink::consts::{
    IFA_ADDRESS, IFA_LOCAL, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO, NLM_F_ACK, NLM_F_CREATE,
    NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, RTA_GATEWAY, RTM_GETADDR, RTM_GETLINK,
    RTM_GETROUTE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE,
};
use cellblock::netlink::wire::{Messages, Writer};

use super::settle::Settling;
use super::shape::{Shape, ring_address, star_address, star_gateway};
use super::{Figures, STANDS, sys};

/// `IFLA_MASTER`, `IFLA_AF_SPEC`, `IFLA_NET_NS_FD`, `IFLA_NUM_TX_QUEUES`, `IFLA_NUM_RX_QUEUES` (include/uapi/linux/if_link.h).
const MASTER: u16 = 10;
const AF_SPEC: u16 = 26;
const NET_NS_FD: u16 = 28;
const TX_QUEUES: u16 = 31;
const RX_QUEUES: u16 = 32;
/// `VETH_INFO_PEER` (include/uapi/linux/veth.h), `IFLA_BR_MCAST_SNOOPING`, `IFLA_INET_CONF`, `IPV4_DEVCONF_FORWARDING`,
/// `IFLA_INET6_ADDR_GEN_MODE`.
const PEER: u16 = 1;
const SNOOPING: u16 = 23;
const INET_CONF: u16 = 1;
const FORWARDING: u16 = 1;
const ADDR_GEN_MODE: u16 = 8;
const UP: u32 = 1;
const LOOPBACK: u32 = 1;
const BRIDGE: u32 = 2;
const FOLDER: &str = "/run/floor";
const NAMES: &str = "/run/netns";
/// Octets of a datagram.
const DATAGRAM: usize = 32 * 1024;

/// A namespace and a socket in it.
struct Namespace {
    itself: File,
    socket: OwnedFd,
}

/// Messages for one socket; the last of a datagram asks for an acknowledgement.
#[derive(Default)]
struct Batch {
    writer: Writer,
    last: usize,
    sequence: u32,
}

pub fn run(shape: Shape, nodes: u32) -> io::Result<Figures> {
    fs::create_dir_all(NAMES)?;
    fs::create_dir(FOLDER)?;
    let host = File::open("/proc/thread-self/ns/net")?;
    let settling = Settling::prepare(&host)?;
    let (began, before) = (Instant::now(), sys::time_taken_by(0)?);
    let folder = CString::new(FOLDER)?;
    sys::mount(c"floor", &folder, c"tmpfs", 0)?;
    sys::mount(c"none", &folder, c"none", libc::MS_PRIVATE)?;
    let centre = if shape == Shape::Star { Some(namespace("bench")?) } else { None };
    let places = (0..nodes).map(|node| namespace(&format!("bench.n{node}"))).collect::<io::Result<Vec<_>>>()?;
    sys::enter(host.as_fd())?;
    match &centre {
        Some(centre) => star(centre, &places)?,
        None => ring(&places)?,
    }
    let created = began.elapsed();
    let worked = Some(sys::time_taken_by(0)?.saturating_sub(before));
    for place in centre.iter().chain(&places) {
        look(place.socket.as_fd())?;
    }
    let read_back = began.elapsed();
    // The kernel lets go of a netlink socket's namespace some time after the socket was closed (net/netlink/af_netlink.c,
    // netlink_release): closed with the rest, they would keep the lab until after what is to tell that it has gone.
    let places: Vec<File> = places.into_iter().map(|place| place.itself).collect();

    std::thread::sleep(STANDS);
    let began = Instant::now();
    if let Some(centre) = &centre {
        let mut batch = Batch::default();
        batch.link(0, BRIDGE, 0, UP, |_| {});
        batch.send(centre.socket.as_fd())?;
    }
    sys::unmount(&folder)?;
    fs::remove_dir(FOLDER)?;
    for name in fs::read_dir(NAMES)? {
        fs::remove_file(name?.path())?;
    }
    drop((centre, places));
    let returned = began.elapsed();
    settling.wait()?;
    Ok(Figures {
        create: created,
        worked,
        up: Some(read_back),
        returned,
        settled: Some(began.elapsed()),
        processor: None,
        frames: None,
    })
}

fn namespace(name: &str) -> io::Result<Namespace> {
    sys::unshare(libc::CLONE_NEWNET)?;
    let itself = File::open("/proc/thread-self/ns/net")?;
    let socket = sys::netlink()?;
    let at = format!("{FOLDER}/{name}");
    File::create(&at)?;
    let own = CString::new(format!("/proc/self/fd/{}", itself.as_raw_fd()))?;
    sys::mount(&own, &CString::new(at.as_str())?, c"none", libc::MS_BIND)?;
    symlink(at, format!("{NAMES}/{name}"))?;
    Ok(Namespace { itself, socket })
}

fn star(centre: &Namespace, places: &[Namespace]) -> io::Result<()> {
    let hub = centre.socket.as_fd();
    let mut batch = Batch::default();
    batch.link(NLM_F_CREATE | NLM_F_EXCL, BRIDGE, 0, 0, |writer| {
        writer.string(IFLA_IFNAME, "br0");
        let info = writer.nest(IFLA_LINKINFO, false);
        writer.string(IFLA_INFO_KIND, "bridge");
        let data = writer.nest(IFLA_INFO_DATA, false);
        writer.attribute(SNOOPING, &[0]);
        writer.close(data);
        writer.close(info);
    });
    for (port, place) in (BRIDGE + 1..).zip(places) {
        let near = End { name: format!("p{port}"), index: port, namespace: None, master: Some(BRIDGE) };
        let far = End { name: "eth0".to_owned(), index: 2, namespace: Some(place), master: None };
        batch.veth(&near, &far);
        batch.set_up(port, false);
        batch.send_when_full(hub)?;
    }
    batch.set_up(LOOPBACK, false);
    batch.send(hub)?;
    for (node, place) in (0..).zip(places) {
        batch.set_up(LOOPBACK, false);
        batch.set_up(2, false);
        batch.address(2, star_address(node), 16);
        batch.route(star_gateway());
        batch.send(place.socket.as_fd())?;
    }
    batch.set_up(BRIDGE, false);
    batch.send(hub)
}

fn ring(places: &[Namespace]) -> io::Result<()> {
    let mut batch = Batch::default();
    let count = places.len();
    let Some(first) = places.first().map(|place| place.socket.as_fd()) else { return Ok(()) };
    for (node, place) in places.iter().enumerate() {
        let near = End { name: "eth1".to_owned(), index: 2, namespace: Some(place), master: None };
        let next = places.get((node + 1) % count);
        batch.veth(&near, &End { name: "eth0".to_owned(), index: 3, namespace: next, master: None });
        batch.send_when_full(first)?;
    }
    batch.send(first)?;
    let nodes = u32::try_from(count).map_err(io::Error::other)?;
    for (node, place) in (0..).zip(places) {
        batch.set_up(LOOPBACK, false);
        batch.set_up(2, true);
        batch.set_up(3, true);
        batch.address(2, ring_address(node, 0), 31);
        batch.address(3, ring_address((node + nodes - 1) % nodes, 1), 31);
        batch.route(ring_address(node, 1));
        batch.send(place.socket.as_fd())?;
    }
    Ok(())
}

/// One end of a veth pair.
struct End<'n> {
    name: String,
    index: u32,
    namespace: Option<&'n Namespace>,
    master: Option<u32>,
}

impl End<'_> {
    fn write(&self, writer: &mut Writer) {
        writer.string(IFLA_IFNAME, &self.name);
        writer.number(TX_QUEUES, 1);
        writer.number(RX_QUEUES, 1);
        if let Some(namespace) = self.namespace {
            writer.attribute(NET_NS_FD, &namespace.itself.as_raw_fd().to_ne_bytes());
        }
        if let Some(master) = self.master {
            writer.number(MASTER, master);
        }
    }
}

impl Batch {
    fn begin(&mut self, kind: u16, flags: u16, body: &[u8]) {
        self.last = self.writer.len();
        self.sequence += 1;
        self.writer.begin(kind, NLM_F_REQUEST | flags, self.sequence, 0, body);
    }

    fn link(&mut self, flags: u16, index: u32, set: u32, mask: u32, write: impl FnOnce(&mut Writer)) {
        self.begin(RTM_NEWLINK, flags, &about_link(index, set, mask));
        write(&mut self.writer);
        self.writer.end();
    }

    fn veth(&mut self, near: &End<'_>, far: &End<'_>) {
        self.link(NLM_F_CREATE | NLM_F_EXCL, near.index, 0, 0, |writer| {
            near.write(writer);
            let info = writer.nest(IFLA_LINKINFO, false);
            writer.string(IFLA_INFO_KIND, "veth");
            let data = writer.nest(IFLA_INFO_DATA, false);
            let peer = writer.nest(PEER, false);
            writer.raw(&about_link(far.index, 0, 0));
            far.write(writer);
            writer.close(peer);
            writer.close(data);
            writer.close(info);
        });
    }

    /// Up, without an IPv6 address of its own making: that is heeded only when it was said before.
    fn set_up(&mut self, index: u32, forwards: bool) {
        if index != LOOPBACK {
            self.dress(index, forwards);
        }
        self.link(0, index, UP, UP, |_| {});
    }

    fn dress(&mut self, index: u32, forwards: bool) {
        self.link(0, index, 0, 0, |writer| {
            let families = writer.nest(AF_SPEC, true);
            if forwards {
                let inet = writer.nest(2, true);
                let conf = writer.nest(INET_CONF, true);
                writer.number(FORWARDING, 1);
                writer.close(conf);
                writer.close(inet);
            }
            let inet6 = writer.nest(10, true);
            writer.attribute(ADDR_GEN_MODE, &[1]);
            writer.close(inet6);
            writer.close(families);
        });
    }

    fn address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) {
        let [a, b, c, d] = index.to_ne_bytes();
        self.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &[2, prefix, 0, 0, a, b, c, d]);
        self.writer.attribute(IFA_LOCAL, &address.octets());
        self.writer.attribute(IFA_ADDRESS, &address.octets());
        self.writer.end();
    }

    fn route(&mut self, gateway: Ipv4Addr) {
        // Family, lengths, service; table main, protocol static, everywhere, unicast.
        self.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &[2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0]);
        self.writer.attribute(RTA_GATEWAY, &gateway.octets());
        self.writer.end();
    }

    fn send_when_full(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        if self.writer.len() < DATAGRAM { Ok(()) } else { self.send(socket) }
    }

    fn send(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.writer).finish();
        if bytes.is_empty() {
            return Ok(());
        }
        let flags = u16::from_ne_bytes([bytes[self.last + 6], bytes[self.last + 7]]) | NLM_F_ACK;
        bytes[self.last + 6..self.last + 8].copy_from_slice(&flags.to_ne_bytes());
        sys::send(socket, &bytes)?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let got = sys::receive(socket, &mut buffer, 0)?;
            for message in Messages::new(&buffer[..got]) {
                let Some(code) = message.payload.first_chunk().filter(|_| message.kind == NLMSG_ERROR) else {
                    continue;
                };
                match i32::from_ne_bytes(*code) {
                    0 if message.sequence == self.sequence => return Ok(()),
                    0 => {}
                    refused => return Err(io::Error::from_raw_os_error(-refused)),
                }
            }
        }
    }
}

/// `struct ifinfomsg`.
fn about_link(index: u32, flags: u32, mask: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..].copy_from_slice(&mask.to_ne_bytes());
    bytes
}

/// Reads links, addresses and routes, and throws them away.
fn look(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    for (kind, length) in [(RTM_GETLINK, 16), (RTM_GETADDR, 8), (RTM_GETROUTE, 12)] {
        let mut writer = Writer::new();
        writer.begin(kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0, &[0; 16][..length]);
        writer.end();
        sys::send(socket, &writer.finish())?;
        let mut over = false;
        while !over {
            let got = sys::receive(socket, &mut buffer, 0)?;
            over = Messages::new(&buffer[..got]).any(|message| [NLMSG_DONE, NLMSG_ERROR].contains(&message.kind));
        }
    }
    Ok(())
}
