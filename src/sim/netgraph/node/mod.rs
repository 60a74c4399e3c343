//! The node types: one file each, brought together here.

mod backed;
pub mod bpf;
pub mod bridge;
pub mod car;
pub mod checksum;
pub mod device;
mod direction;
pub mod echo;
pub mod eiface;
pub mod etf;
pub mod ether;
pub mod hole;
pub mod hub;
pub mod iface;
mod in_out;
pub mod ksocket;
pub mod l2tp;
mod link;
pub mod macfilter;
pub mod nat;
pub mod one2many;
pub mod patch;
pub mod pipe;
pub mod pppoe;
pub mod socket;
pub mod source;
pub mod split;
pub mod tag;
pub mod tcpmss;
pub mod tee;
pub mod vlan;
pub mod vlan_rotate;

use serde::{Deserialize, Serialize};

pub use self::link::Link;
pub use self::socket::SocketNode;
use super::hooks::{Hook, Hooks};
use super::label::Label;
use super::life::Graph;
use super::message::{Answer, Call};
use super::table::Node;
use super::{HookId, NodeId};
use crate::abi::Errno;
use crate::sim::clock::Nanos;

/// What a node is, with what its type keeps for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// A control socket's node.
    Socket(SocketNode),
    /// The back end of an interface `ngethN`.
    Eiface(eiface::Eiface),
    /// A learning switch.
    Bridge(Box<bridge::Bridge>),
    /// A repeater.
    Hub(hub::Hub),
    /// Access to an Ethernet interface.
    Ether(ether::Ether),
    /// A link emulator.
    Pipe(Box<pipe::Pipe>),
    /// A tap.
    Tee(Box<tee::Tee>),
    /// A separator of directions.
    Split(split::Split),
    /// A sorter by VLAN.
    Vlan(Box<vlan::Vlan>),
    /// A distributor.
    OneToMany(Box<one2many::OneToMany>),
    /// A sorter by Ethernet type.
    Etf(Box<etf::Etf>),
    /// A sorter by source address.
    MacFilter(Box<macfilter::MacFilter>),
    /// A sink.
    Hole,
    /// A mirror.
    Echo,
    /// The back end of an interface `ngN`.
    Iface(iface::Iface),
    /// A sorter by program; its hooks have what there is to it.
    Bpf,
    /// A sorter by tag, likewise.
    Tag,
    /// A limiter of TCP segments, likewise.
    TcpMss,
    /// A changer of bytes.
    Patch(Box<patch::Patch>),
    /// A maker of checksums.
    Checksum(Box<checksum::Checksum>),
    /// A rotator of VLAN tags.
    VlanRotate(Box<vlan_rotate::VlanRotate>),
    /// A policer.
    Car(Box<car::Car>),
    /// A sender of stored packets.
    Source(Box<source::Source>),
    /// A device file.
    Device(device::Device),
    /// A socket of the internet.
    Ksocket(Box<ksocket::Ksocket>),
    /// A translator of addresses.
    Nat(Box<nat::Nat>),
    /// A tunnel.
    L2tp(Box<l2tp::L2tp>),
    /// PPP over Ethernet.
    Pppoe(Box<pppoe::Pppoe>),
    /// The packet filter's node: without hooks here.
    Ipfw,
}

/// What a node keeps for one of its hooks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Private {
    /// Nothing.
    None,
    /// A link of a bridge.
    Link(Box<Link>),
    /// The VLAN tag of a vlan node's hook, once it has one.
    Tag(Option<u16>),
    /// What a hole swallowed.
    Hole(hole::Swallowed),
    /// The program of a bpf node's hook.
    Filter(Box<bpf::Filter>),
    /// The rule of a tag node's hook.
    Rule(Box<tag::Rule>),
    /// The limit of a tcpmss node's hook.
    Limit(tcpmss::Limit),
    /// A session of an l2tp node.
    Session(l2tp::Session),
    /// What a session of a pppoe node waits for.
    Waiting(pppoe::Waiting),
}

/// What becomes of a node that lost a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Stays,
    /// It goes too.
    Goes,
}

impl Fate {
    /// The rule of most types: the node goes with its last hook.
    fn with_last_hook(left: usize) -> Self {
        if left == 0 { Self::Goes } else { Self::Stays }
    }
}

impl Kind {
    /// A node as its type's constructor makes it; those with something outside the graph are made by
    /// [`eiface::make`], [`iface::make`] and [`device::make`].
    ///
    /// # Errors
    /// `EINVAL` for what only the kernel itself makes (`sys/netgraph/ng_ether.c:446`), `EOPNOTSUPP` for types that
    /// are listed but not simulated.
    pub fn new(kind: &Label, now: Nanos) -> Result<Self, Errno> {
        match kind.as_bytes() {
            b"bridge" => Ok(Self::Bridge(Box::new(bridge::Bridge::new(now)))),
            b"hub" => Ok(Self::Hub(hub::Hub::default())),
            b"pipe" => Ok(Self::Pipe(Box::default())),
            b"tee" => Ok(Self::Tee(Box::default())),
            b"split" => Ok(Self::Split(split::Split::default())),
            b"vlan" => Ok(Self::Vlan(Box::default())),
            b"one2many" => Ok(Self::OneToMany(Box::default())),
            b"etf" => Ok(Self::Etf(Box::default())),
            b"macfilter" => Ok(Self::MacFilter(Box::default())),
            b"hole" => Ok(Self::Hole),
            b"echo" => Ok(Self::Echo),
            b"bpf" => Ok(Self::Bpf),
            b"tag" => Ok(Self::Tag),
            b"tcpmss" => Ok(Self::TcpMss),
            b"patch" => Ok(Self::Patch(Box::default())),
            b"checksum" => Ok(Self::Checksum(Box::default())),
            b"vlan_rotate" => Ok(Self::VlanRotate(Box::default())),
            b"car" => Ok(Self::Car(Box::new(car::Car::new(now)))),
            b"source" => Ok(Self::Source(Box::default())),
            b"ksocket" => Ok(Self::Ksocket(Box::default())),
            b"nat" => Ok(Self::Nat(Box::default())),
            b"l2tp" => Ok(Self::L2tp(Box::default())),
            b"pppoe" => Ok(Self::Pppoe(Box::default())),
            b"socket" | b"ether" | b"ipfw" => Err(Errno::EINVAL),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    /// The name of the type.
    pub fn type_name(&self) -> Label {
        let name = match self {
            Self::Socket(_) => "socket",
            Self::Eiface(_) => "eiface",
            Self::Bridge(_) => "bridge",
            Self::Hub(_) => "hub",
            Self::Ether(_) => "ether",
            Self::Pipe(_) => "pipe",
            Self::Tee(_) => "tee",
            Self::Split(_) => "split",
            Self::Vlan(_) => "vlan",
            Self::OneToMany(_) => "one2many",
            Self::Etf(_) => "etf",
            Self::MacFilter(_) => "macfilter",
            Self::Hole => "hole",
            Self::Echo => "echo",
            Self::Ipfw => "ipfw",
            Self::Iface(_) => "iface",
            Self::Bpf => "bpf",
            Self::Tag => "tag",
            Self::TcpMss => "tcpmss",
            Self::Patch(_) => "patch",
            Self::Checksum(_) => "checksum",
            Self::VlanRotate(_) => "vlan_rotate",
            Self::Car(_) => "car",
            Self::Source(_) => "source",
            Self::Device(_) => "device",
            Self::Ksocket(_) => "ksocket",
            Self::Nat(_) => "nat",
            Self::L2tp(_) => "l2tp",
            Self::Pppoe(_) => "pppoe",
        };
        Label::new(name).unwrap_or_default()
    }

    /// Adds a hook if the type agrees, perhaps under another name. `loops` if the other end will be of this node.
    ///
    /// # Errors
    /// The type's own.
    pub fn new_hook(&mut self, hooks: &mut Hooks, name: Label, loops: bool) -> Result<HookId, Errno> {
        match self {
            Self::Eiface(eiface) => eiface.new_hook(hooks, name),
            Self::Bridge(bridge) => bridge.new_hook(hooks, name, loops),
            Self::Ether(ether) => ether.new_hook(hooks, name),
            Self::Pipe(pipe) => pipe.new_hook(hooks, name),
            Self::Tee(tee) => tee.new_hook(hooks, name),
            Self::Split(split) => split.new_hook(hooks, name),
            Self::Vlan(vlan) => vlan.new_hook(hooks, name),
            Self::OneToMany(one2many) => one2many.new_hook(hooks, name),
            Self::Etf(etf) => etf.new_hook(hooks, name),
            Self::MacFilter(macfilter) => macfilter.new_hook(hooks, name),
            Self::Hole => hooks.add(name, Private::Hole(hole::Swallowed::default())),
            Self::Socket(_) | Self::Hub(_) | Self::Echo => hooks.add(name, Private::None),
            Self::Iface(iface) => iface.new_hook(hooks, name),
            Self::Bpf => bpf::new_hook(hooks, name),
            Self::Tag => hooks.add(name, Private::Rule(Box::default())),
            Self::TcpMss => hooks.add(name, Private::Limit(tcpmss::Limit::default())),
            Self::Patch(patch) => patch.new_hook(hooks, name),
            Self::Checksum(checksum) => checksum.new_hook(hooks, name),
            Self::VlanRotate(rotate) => rotate.new_hook(hooks, name),
            Self::Car(car) => car.new_hook(hooks, name),
            Self::Source(source) => source.new_hook(hooks, name),
            Self::Device(device) => device.new_hook(hooks, name),
            Self::Ksocket(ksocket) => ksocket.new_hook(hooks, name),
            Self::Nat(nat) => nat.new_hook(hooks, name),
            Self::L2tp(l2tp) => l2tp.new_hook(hooks, name),
            Self::Pppoe(pppoe) => pppoe.new_hook(hooks, name),
            Self::Ipfw => Err(Errno::EINVAL),
        }
    }

    /// A hook is gone, `left` are left.
    pub fn disconnected(&mut self, hook: &Hook, left: usize) -> Fate {
        match self {
            Self::Socket(socket) if socket.linger => Fate::Stays,
            Self::Hub(hub) if hub.persistent => Fate::Stays,
            Self::Eiface(eiface) => {
                eiface.ether = None;
                Fate::Stays
            }
            Self::Bridge(bridge) => bridge.disconnected(hook, left),
            Self::Ether(ether) => ether.disconnected(hook.id, left),
            Self::Pipe(pipe) => pipe.disconnected(hook.id, left),
            Self::Tee(tee) => tee.disconnected(hook.id, left),
            Self::Split(split) => split.disconnected(hook.id, left),
            Self::Vlan(vlan) => vlan.disconnected(hook, left),
            Self::OneToMany(one2many) => one2many.disconnected(&hook.name, left),
            Self::Etf(etf) => etf.disconnected(hook.id, left),
            Self::MacFilter(macfilter) => macfilter.disconnected(hook.id, left),
            Self::Iface(iface) => {
                iface.disconnected(hook.id);
                Fate::Stays
            }
            Self::Patch(patch) => patch.disconnected(hook.id, left),
            Self::Checksum(checksum) => checksum.disconnected(hook.id, left),
            Self::VlanRotate(rotate) => rotate.disconnected(hook.id, left),
            Self::Car(car) => car.disconnected(hook.id, left),
            Self::Source(source) => source.disconnected(hook.id, left),
            Self::Nat(nat) => nat.disconnected(hook.id, left),
            Self::L2tp(l2tp) => l2tp.disconnected(hook.id, left),
            Self::Pppoe(pppoe) => pppoe.disconnected(hook.id, left),
            Self::Socket(_) | Self::Hub(_) | Self::Hole | Self::Echo | Self::Bpf | Self::Tag | Self::TcpMss => {
                Fate::with_last_hook(left)
            }
            Self::Device(_) | Self::Ksocket(_) => Fate::with_last_hook(left),
            Self::Ipfw => Fate::Stays,
        }
    }
}

/// A message arrives at a node and is its type's business.
///
/// # Errors
/// The type's own; `EINVAL` for a cookie or command it does not know.
pub(in crate::sim::netgraph) fn receive(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    let Some(Node { kind, hooks, .. }) = graph.node(to) else { return Err(Errno::ENOENT) };
    match kind {
        Kind::Bridge(bridge) => bridge.receive(hooks, call),
        Kind::Hub(hub) => hub.receive(call),
        Kind::Tee(tee) => tee.receive(hooks, call),
        Kind::Etf(etf) => etf.receive(hooks, call),
        Kind::MacFilter(macfilter) => macfilter.receive(hooks, call),
        Kind::OneToMany(one2many) => {
            let answer = one2many.receive(hooks, call);
            graph.notify(to);
            answer
        }
        Kind::Vlan(_) => vlan::receive(graph, to, call),
        Kind::Hole => hole::receive(hooks, call),
        Kind::Echo => echo::receive(call),
        Kind::Socket(_) => socket::receive(graph, to, call),
        Kind::Eiface(_) => eiface::receive(graph, to, call),
        Kind::Ether(_) => ether::receive(graph, to, call),
        Kind::Pipe(_) => pipe::receive(graph, to, call),
        Kind::Iface(_) => iface::receive(graph, to, call),
        Kind::Bpf => bpf::receive(hooks, call),
        Kind::Tag => tag::receive(hooks, call),
        Kind::TcpMss => tcpmss::receive(hooks, call),
        Kind::Patch(patch) => patch.receive(call),
        Kind::Checksum(checksum) => checksum.receive(call),
        Kind::VlanRotate(rotate) => rotate.receive(call),
        Kind::Car(car) => car.receive(call),
        Kind::Source(_) => source::receive(graph, to, call),
        Kind::Device(device) => device.receive(call),
        Kind::Ksocket(_) => ksocket::receive(graph, to, call),
        Kind::Nat(nat) => nat.receive(call),
        Kind::L2tp(l2tp) => l2tp.receive(hooks, call),
        Kind::Pppoe(pppoe) => pppoe.receive(hooks, call),
        Kind::Split(_) | Kind::Ipfw => Err(Errno::EINVAL),
    }
}

/// Counts as the kernel does: round and round.
fn count(counter: &mut u64, more: u64) {
    *counter = counter.wrapping_add(more);
}

/// The hook that a payload names: text up to its NUL, or to its last byte, which the kernel makes one.
///
/// # Errors
/// `EINVAL` without a byte, `ENOENT` without such a hook.
fn hook_in(hooks: &Hooks, payload: &[u8]) -> Result<HookId, Errno> {
    let (_, text) = payload.split_last().ok_or(Errno::EINVAL)?;
    let name = Label::new(text.split(|byte| *byte == 0).next().unwrap_or_default()).ok_or(Errno::ENOENT)?;
    hooks.find(&name).map(|hook| hook.id).ok_or(Errno::ENOENT)
}
