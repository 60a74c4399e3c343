//! Everything the simulated kernel holds, and its one loop.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::clock::{Clock, Nanos, Timer};
use super::host::Host;
use super::ifnet::Interfaces;
use super::jail::Jails;
use super::netgraph::{Netgraph, NodeId};
use super::sockets::Sockets;
use super::stack::Stack;
use super::{bridge, ifnet, netgraph, stack};

/// A network stack: 0 is the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VnetId(pub u32);

impl VnetId {
    /// The host's own.
    pub const HOST: Self = Self(0);
}

/// An interface's index: unique over all vnets, the lowest free one from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IfIndex(pub u16);

/// An Ethernet frame without its checksum.
pub type Frame = Vec<u8>;

/// The kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kernel {
    /// Virtual time.
    pub clock: Clock,
    /// Seeded; the only source of chance.
    pub random: Random,
    /// Changes with every boot.
    pub boot: String,
    /// Kernel modules that are loaded, by bare name (`ng_ether`, `if_bridge`); [`netgraph::load_module`] adds those
    /// of netgraph.
    pub modules: BTreeSet<String>,
    /// Node types that are known, of all vnets alike.
    pub node_types: netgraph::Types,
    /// Every network stack.
    pub vnets: BTreeMap<VnetId, Vnet>,
    /// Every interface of every vnet.
    pub interfaces: Interfaces,
    /// Every jail.
    pub jails: Jails,
    /// The machine around them.
    pub host: Host,
    /// Every socket; all are closed when a process ends, so they are not saved.
    #[serde(skip)]
    pub sockets: Sockets,
    /// Frames on their way at this instant.
    #[serde(skip)]
    pub work: VecDeque<Work>,
    /// Frames that followed from one another since the queue was last empty, against [`Kernel::frame_budget`]; above
    /// it until the clock moves on, once a storm was cut off.
    #[serde(skip)]
    pub spent: u64,
    /// How many frames may follow from one another at one instant.
    #[serde(skip, default = "frame_budget")]
    pub frame_budget: u64,
    /// Storms that were cut off, in words, oldest first; bounded.
    pub storms: Vec<String>,
    /// The next vnet's number.
    pub next_vnet: u32,
}

/// One network stack and what is private to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Vnet {
    /// The jail that owns it; `None` for the host.
    pub jail: Option<i32>,
    /// Interfaces that are here now, by name; two may share a name after a return.
    pub names: BTreeMap<String, Vec<IfIndex>>,
    /// Interfaces that are here now, in the order in which they arrived.
    pub present: BTreeMap<u64, IfIndex>,
    /// Interfaces that were made here, wherever they are now.
    pub born: BTreeSet<IfIndex>,
    /// Units of each cloner in use here (`epair`, `bridge`, `lo`…; `ngeth` belongs to netgraph).
    pub units: BTreeMap<String, ifnet::Units>,
    /// Its nodes.
    pub netgraph: Netgraph,
    /// Its tables, caches and sysctls.
    pub stack: Stack,
}

/// A frame on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Arrives at an interface from its wire.
    Input {
        /// Where.
        interface: IfIndex,
        /// What.
        frame: Frame,
    },
    /// Arrives at a netgraph node on one of its hooks.
    Data {
        /// The node's vnet.
        vnet: VnetId,
        /// The node.
        node: NodeId,
        /// Its hook.
        hook: netgraph::HookId,
        /// What.
        frame: Frame,
        /// What it carries beside.
        tags: netgraph::Tags,
    },
}

/// Frames that may follow from one event at one instant of virtual time before the rest is dropped and a storm is
/// reported: far above what a flood through every port of a large lab needs, far below what a loop without STP makes.
pub const FRAME_BUDGET: u64 = 2_000_000;

fn frame_budget() -> u64 {
    FRAME_BUDGET
}

/// A small seeded generator (splitmix64): statistics are not its purpose, repetition is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Kernel {
    /// A freshly booted machine: one vnet with lo0, no jails.
    #[must_use]
    pub fn boot(seed: u64) -> Self {
        let mut random = Random(seed);
        let boot = format!("sim-{:016x}", random.next_u64());
        let mut kernel = Self {
            clock: Clock::default(),
            random,
            boot,
            modules: BTreeSet::new(),
            node_types: netgraph::Types::default(),
            vnets: BTreeMap::new(),
            interfaces: Interfaces::default(),
            jails: Jails::default(),
            host: Host::default(),
            sockets: Sockets::default(),
            work: VecDeque::new(),
            spent: 0,
            frame_budget: FRAME_BUDGET,
            storms: Vec::new(),
            next_vnet: 0,
        };
        kernel.new_vnet(None);
        kernel
    }

    /// Makes a vnet with its lo0, down and without addresses.
    pub fn new_vnet(&mut self, jail: Option<i32>) -> VnetId {
        let id = self.take_vnet_id();
        let vnet = Vnet {
            jail,
            names: BTreeMap::new(),
            present: BTreeMap::new(),
            born: BTreeSet::new(),
            units: BTreeMap::new(),
            netgraph: Netgraph::default(),
            stack: Stack::default(),
        };
        self.vnets.insert(id, vnet);
        ifnet::attach_loopback(self, id);
        id
    }

    /// The next number that no vnet has.
    fn take_vnet_id(&mut self) -> VnetId {
        loop {
            let id = VnetId(self.next_vnet);
            self.next_vnet = self.next_vnet.wrapping_add(1);
            if !self.vnets.contains_key(&id) {
                return id;
            }
        }
    }

    /// After loading: checks what the subsystems rely on, makes what is not saved, and closes the sockets of the
    /// process that saved it.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn restore(&mut self) -> Result<(), &'static str> {
        self.clock.restore()?;
        if !self.vnets.contains_key(&VnetId::HOST) {
            return Err("no network stack of the host");
        }
        for vnet in self.vnets.values_mut() {
            vnet.netgraph.restore()?;
        }
        netgraph::close_sockets(self);
        Ok(())
    }

    /// Works off every frame that is on its way at this instant.
    ///
    /// What many calls at one instant set in motion does not add up, so a large lab can be made at once; but what
    /// comes after a storm, at the instant of the storm, is dropped with it.
    pub fn settle(&mut self) {
        if self.spent <= self.frame_budget {
            self.spent = 0;
        }
        while let Some(work) = self.work.pop_front() {
            self.spent = self.spent.saturating_add(1);
            if self.spent > self.frame_budget {
                self.cut_storm(&work);
                break;
            }
            match work {
                Work::Input { interface, frame } => ifnet::receive(self, interface, frame),
                Work::Data { vnet, node, hook, frame, tags } => netgraph::data(self, vnet, node, hook, frame, tags),
            }
        }
    }

    /// Drops what is under way and remembers where it went round.
    fn cut_storm(&mut self, work: &Work) {
        let place = match work {
            Work::Input { interface, .. } => {
                self.interfaces.get(*interface).map_or_else(|| "an interface".to_owned(), |i| i.name.clone())
            }
            Work::Data { vnet, node, .. } => format!("netgraph node [{:x}] of vnet {}", node.0, vnet.0),
        };
        self.work.clear();
        if self.storms.len() < 64 {
            self.storms.push(format!(
                "{} ns: more than {} frames at one instant near {place}",
                self.clock.now(),
                self.frame_budget
            ));
        }
    }

    /// Lets `span` nanoseconds pass, or less if `done` says so: frames first, then timers, in order.
    pub fn run(&mut self, span: Nanos, mut done: impl FnMut(&Self) -> bool) {
        let until = self.clock.now().saturating_add(span);
        loop {
            self.settle();
            if done(self) {
                return;
            }
            let before = self.clock.now();
            let timer = self.clock.advance(until);
            if self.clock.now() != before {
                self.spent = 0;
            }
            match timer {
                None => return,
                Some(Timer::Netgraph(timer)) => netgraph::timer(self, timer),
                Some(Timer::Stack(timer)) => stack::timer(self, timer),
                Some(Timer::Bridge(timer)) => bridge::timer(self, timer),
            }
        }
    }
}
