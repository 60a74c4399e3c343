//! What only Linux says and understands: veth pairs made in place, bridges, per-device IPv6 settings.

use super::consts::{
    IFLA_ADDRESS, IFLA_CARRIER, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO,
    IFLA_MTU, NDA_DST, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, RTM_DELLINK, RTM_DELNEIGH,
    RTM_GETLINK, RTM_GETNEIGH, RTM_NEWLINK, RTM_NEWNEIGH,
};
use super::wire::{Message, Writer, attributes, string_of, u32_of};

/// `IFLA_MASTER` (include/uapi/linux/if_link.h).
const IFLA_MASTER: u16 = 10;
/// `IFLA_AF_SPEC`.
const IFLA_AF_SPEC: u16 = 26;
/// `IFLA_NET_NS_FD`.
const IFLA_NET_NS_FD: u16 = 28;
/// `IFLA_NUM_TX_QUEUES`.
const IFLA_NUM_TX_QUEUES: u16 = 31;
/// `IFLA_NUM_RX_QUEUES`.
const IFLA_NUM_RX_QUEUES: u16 = 32;
/// `VETH_INFO_PEER` (include/uapi/linux/veth.h).
const VETH_INFO_PEER: u16 = 1;
/// `IFLA_BR_FORWARD_DELAY`, in hundredths of a second, as all times of a bridge.
const IFLA_BR_FORWARD_DELAY: u16 = 1;
/// `IFLA_BR_HELLO_TIME`.
const IFLA_BR_HELLO_TIME: u16 = 2;
/// `IFLA_BR_MAX_AGE`.
const IFLA_BR_MAX_AGE: u16 = 3;
/// `IFLA_BR_AGEING_TIME`, in hundredths of a second.
const IFLA_BR_AGEING_TIME: u16 = 4;
/// `IFLA_BR_STP_STATE`.
const IFLA_BR_STP_STATE: u16 = 5;
/// `IFLA_BR_MCAST_SNOOPING`: without it a bridge sends multicast to every port, as a plain switch does, and a port costs less.
const IFLA_BR_MCAST_SNOOPING: u16 = 23;
/// `IFLA_INET6_ADDR_GEN_MODE`.
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
/// `IN6_ADDR_GEN_MODE_EUI64`.
const EUI64: u8 = 0;
/// `IN6_ADDR_GEN_MODE_NONE`.
const NONE: u8 = 1;
/// `AF_INET`.
const AF_INET: u16 = 2;
/// `AF_INET6` of Linux.
const AF_INET6: u16 = 10;
/// `IFLA_INET_CONF`.
const IFLA_INET_CONF: u16 = 1;
/// `IPV4_DEVCONF_FORWARDING` (include/uapi/linux/ip.h); in an answer these are words from 1 on.
const IPV4_DEVCONF_FORWARDING: u16 = 1;
/// `IPV4_DEVCONF_ACCEPT_REDIRECTS`.
const IPV4_DEVCONF_ACCEPT_REDIRECTS: u16 = 4;
/// `IPV4_DEVCONF_PROMOTE_SECONDARIES`.
const IPV4_DEVCONF_PROMOTE_SECONDARIES: u16 = 20;
/// `IFLA_QDISC`.
const IFLA_QDISC: u16 = 6;
/// `IFLA_EXT_MASK`.
const IFLA_EXT_MASK: u16 = 29;
/// `RTEXT_FILTER_SKIP_STATS`: counters of every processor take the kernel longer than all the rest.
const SKIP_STATS: u32 = 1 << 3;
/// `IFF_UP`.
pub const IFF_UP: u32 = 1;

/// Linux knows the old spanning tree only, whose ports wait twice for this long before they forward: the least that it takes.
const FORWARD_DELAY: u32 = 200;
/// The least.
const HELLO_TIME: u32 = 100;
/// The least.
const MAX_AGE: u32 = 600;

/// `IFLA_INFO_SLAVE_DATA`.
const IFLA_INFO_SLAVE_DATA: u16 = 5;
/// `IFLA_BRPORT_STATE`.
const IFLA_BRPORT_STATE: u16 = 1;
/// `BR_STATE_LISTENING` and `BR_STATE_LEARNING` (include/uapi/linux/if_bridge.h).
const ON_THE_WAY: [u8; 2] = [1, 2];

/// How long a bridge remembers a host when nobody says.
pub const AGEING: u32 = 30_000;

/// One end of a veth pair that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct VethEnd<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its index; 0 lets the kernel choose.
    pub index: u32,
    /// Its MAC.
    pub mac: [u8; 6],
    /// Its MTU.
    pub mtu: u32,
    /// A descriptor of the namespace it is made in; `None` is that of the socket.
    pub namespace: Option<i32>,
    /// The index of the bridge it is a port of, in the namespace of the socket.
    pub bridge: Option<u32>,
}

/// What is said of an interface after it was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dress<'a> {
    /// Its alias.
    pub alias: Option<&'a str>,
    /// Whether it makes itself a link-local address.
    pub link_local: Option<bool>,
    /// Whether what comes in there over IPv4 for others is sent on.
    pub forwards: Option<bool>,
}

/// Writes messages about interfaces; each asks for an acknowledgement under its own number.
#[derive(Debug)]
pub struct Links {
    writer: Writer,
    sequence: u32,
}

impl Links {
    /// No messages yet; the first gets the number `first`.
    #[must_use]
    pub fn new(first: u32) -> Self {
        Self { writer: Writer::new(), sequence: first }
    }

    /// What was asked, as one datagram.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.writer.finish()
    }

    /// RTM_NEWLINK of a veth pair, one queue at each end.
    pub fn create_veth(&mut self, near: &VethEnd<'_>, far: &VethEnd<'_>) {
        self.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, near.index, 0, 0);
        self.veth_end(near);
        let info = self.writer.nest(IFLA_LINKINFO, false);
        self.writer.string(IFLA_INFO_KIND, "veth");
        let data = self.writer.nest(IFLA_INFO_DATA, false);
        let peer = self.writer.nest(VETH_INFO_PEER, false);
        self.writer.raw(&header(far.index, 0, 0));
        self.veth_end(far);
        self.writer.close(peer);
        self.writer.close(data);
        self.writer.close(info);
        self.writer.end();
    }

    fn veth_end(&mut self, end: &VethEnd<'_>) {
        self.writer.string(IFLA_IFNAME, end.name);
        self.writer.attribute(IFLA_ADDRESS, &end.mac);
        self.writer.number(IFLA_MTU, end.mtu);
        self.writer.number(IFLA_NUM_TX_QUEUES, 1);
        self.writer.number(IFLA_NUM_RX_QUEUES, 1);
        if let Some(descriptor) = end.namespace {
            self.writer.attribute(IFLA_NET_NS_FD, &descriptor.to_ne_bytes());
        }
        if let Some(bridge) = end.bridge {
            self.writer.number(IFLA_MASTER, bridge);
        }
    }

    /// RTM_NEWLINK of a bridge, down.
    pub fn create_bridge(&mut self, name: &str, index: u32, mac: [u8; 6], mtu: u32, stp: bool, learning: bool) {
        self.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, index, 0, 0);
        self.writer.string(IFLA_IFNAME, name);
        self.writer.attribute(IFLA_ADDRESS, &mac);
        self.writer.number(IFLA_MTU, mtu);
        self.bridge_info(stp, learning);
        self.writer.end();
    }

    /// Changes a bridge that is there.
    pub fn set_bridge(&mut self, index: u32, stp: bool, learning: bool) {
        self.begin(RTM_NEWLINK, 0, index, 0, 0);
        self.bridge_info(stp, learning);
        self.writer.end();
    }

    fn bridge_info(&mut self, stp: bool, learning: bool) {
        let info = self.writer.nest(IFLA_LINKINFO, false);
        self.writer.string(IFLA_INFO_KIND, "bridge");
        let data = self.writer.nest(IFLA_INFO_DATA, false);
        self.writer.number(IFLA_BR_STP_STATE, u32::from(stp));
        self.writer.number(IFLA_BR_AGEING_TIME, if learning { AGEING } else { 0 });
        self.writer.attribute(IFLA_BR_MCAST_SNOOPING, &[0]);
        if stp {
            self.writer.number(IFLA_BR_FORWARD_DELAY, FORWARD_DELAY);
            self.writer.number(IFLA_BR_HELLO_TIME, HELLO_TIME);
            self.writer.number(IFLA_BR_MAX_AGE, MAX_AGE);
        }
        self.writer.close(data);
        self.writer.close(info);
    }

    /// Makes an interface a port of a bridge.
    pub fn set_bridge_of(&mut self, index: u32, bridge: u32) {
        self.begin(RTM_NEWLINK, 0, index, 0, 0);
        self.writer.number(IFLA_MASTER, bridge);
        self.writer.end();
    }

    /// Sets an interface up or down.
    pub fn set_up(&mut self, index: u32, up: bool) {
        self.begin(RTM_NEWLINK, 0, index, if up { IFF_UP } else { 0 }, IFF_UP);
        self.writer.end();
    }

    /// Sets a MAC.
    pub fn set_mac(&mut self, index: u32, mac: [u8; 6]) {
        self.begin(RTM_NEWLINK, 0, index, 0, 0);
        self.writer.attribute(IFLA_ADDRESS, &mac);
        self.writer.end();
    }

    /// Sets an MTU.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) {
        self.begin(RTM_NEWLINK, 0, index, 0, 0);
        self.writer.number(IFLA_MTU, mtu);
        self.writer.end();
    }

    /// Lets the other addresses of a subnet outlive the first one: by default the kernel takes them all away with it.
    pub fn keep_secondary_addresses(&mut self, index: u32) {
        self.begin(RTM_NEWLINK, 0, index, 0, 0);
        let families = self.writer.nest(IFLA_AF_SPEC, true);
        let inet = self.writer.nest(AF_INET, true);
        let conf = self.writer.nest(IFLA_INET_CONF, true);
        self.writer.number(IPV4_DEVCONF_PROMOTE_SECONDARIES, 1);
        self.writer.close(conf);
        self.writer.close(inet);
        self.writer.close(families);
        self.writer.end();
    }

    /// Says of an interface what its creation cannot.
    pub fn dress(&mut self, index: u32, dress: &Dress<'_>) {
        self.begin(RTM_NEWLINK, 0, index, 0, 0);
        self.clothes(dress);
    }

    /// The same for an interface whose index the kernel chose.
    pub fn dress_by_name(&mut self, name: &str, dress: &Dress<'_>) {
        self.begin(RTM_NEWLINK, 0, 0, 0, 0);
        self.writer.string(IFLA_IFNAME, name);
        self.clothes(dress);
    }

    fn clothes(&mut self, dress: &Dress<'_>) {
        if let Some(alias) = dress.alias {
            self.writer.attribute(IFLA_IFALIAS, alias.as_bytes());
        }
        if dress.link_local.is_some() || dress.forwards.is_some() {
            let families = self.writer.nest(IFLA_AF_SPEC, true);
            if let Some(on) = dress.forwards {
                let inet = self.writer.nest(AF_INET, true);
                let conf = self.writer.nest(IFLA_INET_CONF, true);
                self.writer.number(IPV4_DEVCONF_FORWARDING, u32::from(on));
                // A router heeds nobody's redirects: so it is when forwarding is turned on for a whole stack.
                self.writer.number(IPV4_DEVCONF_ACCEPT_REDIRECTS, u32::from(!on));
                self.writer.close(conf);
                self.writer.close(inet);
            }
            if let Some(on) = dress.link_local {
                let inet6 = self.writer.nest(AF_INET6, true);
                self.writer.attribute(IFLA_INET6_ADDR_GEN_MODE, &[if on { EUI64 } else { NONE }]);
                self.writer.close(inet6);
            }
            self.writer.close(families);
        }
        self.writer.end();
    }

    /// RTM_DELLINK.
    pub fn remove(&mut self, index: u32) {
        self.begin(RTM_DELLINK, 0, index, 0, 0);
        self.writer.end();
    }

    fn begin(&mut self, kind: u16, flags: u16, index: u32, set: u32, mask: u32) {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.writer.begin(kind, NLM_F_REQUEST | NLM_F_ACK | flags, sequence, 0, &header(index, set, mask));
    }
}

/// `struct ifinfomsg`.
fn header(index: u32, flags: u32, mask: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..].copy_from_slice(&mask.to_ne_bytes());
    bytes
}

/// An interface as Linux tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Index.
    pub index: u32,
    /// `IFF_*`.
    pub flags: u32,
    /// Name.
    pub name: String,
    /// Octets.
    pub mtu: u32,
    /// Link-layer address.
    pub mac: Option<[u8; 6]>,
    /// Alias.
    pub alias: Option<String>,
    /// `veth`, `bridge`, …; a loopback has none.
    pub kind: Option<String>,
    /// Whether there is a carrier.
    pub carrier: bool,
    /// Index of what it rests on: of a veth the other end, in that one's namespace.
    pub peer: Option<u32>,
    /// Index of the bridge it is a port of.
    pub bridge: Option<u32>,
    /// Whether it makes itself a link-local address.
    pub link_local: bool,
    /// Whether what comes in there over IPv4 for others is sent on.
    pub forwards: bool,
    /// Its queueing discipline; `noqueue` is none.
    pub qdisc: String,
    /// Of a port: it is on its way to forward and does not yet.
    pub settling: bool,
    /// Of a bridge: whether it takes part in the spanning tree, and how long it remembers hosts.
    pub bridging: Option<(bool, u32)>,
}

/// The interface that a message of `struct ifinfomsg` is about.
#[must_use]
pub fn index_of(message: &Message<'_>) -> Option<u32> {
    u32_of(message.payload.get(4..8)?)
}

/// Reads RTM_NEWLINK; `None` for other messages and for what is too short.
#[must_use]
pub fn link(message: &Message<'_>) -> Option<Link> {
    let header: [u8; 16] = message.payload.get(..16)?.try_into().ok().filter(|_| message.kind == RTM_NEWLINK)?;
    let mut link = Link {
        index: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
        flags: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
        ..Link::default()
    };
    for (kind, value) in attributes(message.payload, 16) {
        match kind {
            IFLA_IFNAME => link.name = string_of(value),
            IFLA_MTU => link.mtu = u32_of(value)?,
            IFLA_ADDRESS => link.mac = value.try_into().ok(),
            IFLA_IFALIAS => link.alias = Some(string_of(value)),
            IFLA_CARRIER => link.carrier = value.first().is_some_and(|carrier| *carrier != 0),
            IFLA_LINK => link.peer = u32_of(value).filter(|index| *index != 0),
            IFLA_MASTER => link.bridge = u32_of(value).filter(|index| *index != 0),
            IFLA_LINKINFO => information(&mut link, value),
            IFLA_QDISC => link.qdisc = string_of(value),
            IFLA_AF_SPEC => {
                let inet = attributes(value, 0).find(|(family, _)| *family == AF_INET);
                let conf = inet.and_then(|(_, own)| attributes(own, 0).find(|(kind, _)| *kind == IFLA_INET_CONF));
                let forwarding = conf.and_then(|(_, words)| u32_of(words.get(..4)?));
                link.forwards = forwarding.is_some_and(|value| value != 0);
                let inet6 = attributes(value, 0).find(|(family, _)| *family == AF_INET6);
                let mode =
                    inet6.and_then(|(_, own)| attributes(own, 0).find(|(kind, _)| *kind == IFLA_INET6_ADDR_GEN_MODE));
                link.link_local = mode.is_some_and(|(_, mode)| mode.first() == Some(&EUI64));
            }
            _ => {}
        }
    }
    Some(link)
}

fn information(link: &mut Link, value: &[u8]) {
    let mut data: &[u8] = &[];
    for (kind, value) in attributes(value, 0) {
        match kind {
            IFLA_INFO_KIND => link.kind = Some(string_of(value)),
            IFLA_INFO_DATA => data = value,
            IFLA_INFO_SLAVE_DATA => {
                let state = attributes(value, 0).find(|(kind, _)| *kind == IFLA_BRPORT_STATE);
                let state = state.and_then(|(_, state)| state.first().copied());
                link.settling = state.is_some_and(|state| ON_THE_WAY.contains(&state));
            }
            _ => {}
        }
    }
    if link.kind.as_deref() == Some("bridge") {
        let mut bridging = (false, AGEING);
        for (kind, value) in attributes(data, 0) {
            match kind {
                IFLA_BR_STP_STATE => bridging.0 = u32_of(value).is_some_and(|state| state != 0),
                IFLA_BR_AGEING_TIME => bridging.1 = u32_of(value).unwrap_or(AGEING),
                _ => {}
            }
        }
        link.bridging = Some(bridging);
    }
}

/// RTM_GETLINK: every interface, or those of one kind.
#[must_use]
pub fn links(kind: Option<&str>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.begin(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0, &header(0, 0, 0));
    writer.number(IFLA_EXT_MASK, SKIP_STATS);
    if let Some(kind) = kind {
        let info = writer.nest(IFLA_LINKINFO, true);
        writer.string(IFLA_INFO_KIND, kind);
        writer.close(info);
    }
    writer.end();
    writer.finish()
}

/// A neighbour that was learnt: its interface, family and address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    header: [u8; 12],
    address: Vec<u8>,
}

/// `NUD_PERMANENT | NUD_NOARP` (include/uapi/linux/neighbour.h): nobody learnt these.
const NOT_LEARNT: u16 = 0x80 | 0x40;

/// RTM_GETNEIGH: every neighbour.
#[must_use]
pub fn neighbours() -> Vec<u8> {
    let mut writer = Writer::new();
    writer.begin(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, 1, 0, &[0; 12]);
    writer.end();
    writer.finish()
}

/// Reads RTM_NEWNEIGH of a neighbour that was learnt.
#[must_use]
pub fn neighbour(message: &Message<'_>) -> Option<Neighbour> {
    let header: [u8; 12] = message.payload.get(..12)?.try_into().ok().filter(|_| message.kind == RTM_NEWNEIGH)?;
    let state = u16::from_ne_bytes([header[8], header[9]]);
    let (_, address) = attributes(message.payload, 12).find(|(kind, _)| *kind == NDA_DST)?;
    (state & NOT_LEARNT == 0).then(|| Neighbour { header, address: address.to_vec() })
}

/// RTM_DELNEIGH.
#[must_use]
pub fn forget_neighbour(neighbour: &Neighbour) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.begin(RTM_DELNEIGH, NLM_F_REQUEST | NLM_F_ACK, 1, 0, &neighbour.header);
    writer.attribute(NDA_DST, &neighbour.address);
    writer.end();
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::wire::Messages;

    #[test]
    fn a_veth_pair_is_made_in_one_message_with_both_ends_in_place() {
        let near =
            VethEnd { name: "p0", index: 7, mac: [2, 0, 0, 0, 0, 1], mtu: 1500, namespace: None, bridge: Some(2) };
        let far =
            VethEnd { name: "eth0", index: 2, mac: [2, 0, 0, 0, 0, 2], mtu: 1400, namespace: Some(9), bridge: None };
        let mut links = Links::new(1);
        links.create_veth(&near, &far);
        let bytes = links.finish();
        let message = Messages::new(&bytes).next().unwrap();
        assert_eq!(message.whole.len(), bytes.len());
        assert_eq!((message.kind, message.sequence), (RTM_NEWLINK, 1));
        let link = link(&message).unwrap();
        assert_eq!((link.index, link.name.as_str(), link.kind.as_deref()), (7, "p0", Some("veth")));
        assert_eq!((link.bridge, link.mtu), (Some(2), 1500));
        let info = attributes(message.payload, 16).find(|(kind, _)| *kind == IFLA_LINKINFO).unwrap().1;
        let data = attributes(info, 0).find(|(kind, _)| *kind == IFLA_INFO_DATA).unwrap().1;
        let peer = attributes(data, 0).find(|(kind, _)| *kind == VETH_INFO_PEER).unwrap().1;
        assert_eq!(peer[4..8], 2u32.to_ne_bytes());
        let name = attributes(peer, 16).find(|(kind, _)| *kind == IFLA_IFNAME).unwrap().1;
        assert_eq!(name, b"eth0\0");
        let fd = attributes(peer, 16).find(|(kind, _)| *kind == IFLA_NET_NS_FD).unwrap().1;
        assert_eq!(fd, 9i32.to_ne_bytes());
    }

    #[test]
    fn a_bridge_is_read_as_it_was_asked_for() {
        for (stp, learning) in [(true, true), (false, false)] {
            let mut links = Links::new(1);
            links.create_bridge("b", 3, [2; 6], 1500, stp, learning);
            let bytes = links.finish();
            let read = link(&Messages::new(&bytes).next().unwrap()).unwrap();
            assert_eq!(read.bridging, Some((stp, if learning { AGEING } else { 0 })));
        }
    }

    #[test]
    fn short_messages_are_nothing() {
        let message = Message { kind: RTM_NEWLINK, flags: 0, sequence: 0, port: 0, payload: &[0; 15], whole: &[] };
        assert_eq!(link(&message), None);
    }
}
