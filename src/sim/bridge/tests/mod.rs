//! Bridges between vnets: who hears what, and which ports the spanning tree closes.

mod data;
mod tree;

use std::ops::{Deref, DerefMut};

use super::rstp::{Role, State};
use super::{Bridge, control};
use crate::abi::Errno;
use crate::abi::ioctl::IoctlArgument;
use crate::abi::ioctl::bridge::{self as ioctl, BRDGADD, BRDGSIFFLGS, IFBIF_STP};
use crate::sim::ifnet::{self, Driver};
use crate::sim::kernel::{IfIndex, VnetId};
use crate::sim::stack::tests::Lab;

/// A lab with bridges on the host.
struct Bridges(Lab);

impl Deref for Bridges {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.0
    }
}

impl DerefMut for Bridges {
    fn deref_mut(&mut self) -> &mut Lab {
        &mut self.0
    }
}

impl Bridges {
    fn new() -> Self {
        Self(Lab::new())
    }

    /// A bridge that is up.
    fn bridge(&mut self) -> IfIndex {
        let index = ifnet::create(&mut self.kernel, VnetId::HOST, "bridge", None).unwrap();
        self.flags(index, true);
        index
    }

    /// `ifconfig BRIDGE addm MEMBER`, and `stp MEMBER`; the member is set up.
    fn join(&mut self, bridge: IfIndex, member: IfIndex, stp: bool) {
        let name = self.name(member);
        self.member(bridge, BRDGADD, &name, 0).unwrap();
        self.flags(member, true);
        if stp {
            let flags = self.flags_of(bridge, member);
            self.member(bridge, BRDGSIFFLGS, &name, flags | IFBIF_STP).unwrap();
        }
        self.kernel.settle();
    }

    fn member(&mut self, bridge: IfIndex, command: u64, name: &str, flags: u32) -> Result<(), Errno> {
        let request = ioctl::Member { name: name.to_owned(), flags, ..ioctl::Member::default() };
        let mut argument = IoctlArgument::flat(request.bytes().to_vec());
        control(&mut self.kernel, bridge, true, command, &mut argument)
    }

    fn parameter(&mut self, bridge: IfIndex, command: u64, value: u32) -> Result<(), Errno> {
        let mut argument = IoctlArgument::flat(value.to_le_bytes().to_vec());
        control(&mut self.kernel, bridge, true, command, &mut argument)
    }

    fn flags_of(&mut self, bridge: IfIndex, member: IfIndex) -> u32 {
        let request = ioctl::Member { name: self.name(member), ..ioctl::Member::default() };
        let mut argument = IoctlArgument::flat(request.bytes().to_vec());
        control(&mut self.kernel, bridge, false, ioctl::BRDGGIFFLGS, &mut argument).unwrap();
        ioctl::Member::read(&argument.bytes).unwrap().flags
    }

    /// A host on a bridge.
    fn host(&mut self, bridge: IfIndex, address: &str, stp: bool) -> VnetId {
        let vnet = self.vnet();
        let (at_host, at_bridge) = self.wire(vnet, VnetId::HOST);
        self.join(bridge, at_bridge, stp);
        self.address(at_host, address);
        vnet
    }

    /// A cable between two bridges; its ends.
    fn cable(&mut self, a: IfIndex, b: IfIndex) -> (IfIndex, IfIndex) {
        let (one, other) = self.wire(VnetId::HOST, VnetId::HOST);
        self.join(a, one, true);
        self.join(b, other, true);
        (one, other)
    }

    fn state(&self, bridge: IfIndex) -> &Bridge {
        match &self.kernel.interfaces.get(bridge).unwrap().driver {
            Driver::Bridge(state) => state,
            other => panic!("{other:?} is no bridge"),
        }
    }

    fn port(&self, bridge: IfIndex, member: IfIndex) -> (Role, State) {
        let port = &self.state(bridge).member(member).unwrap().port;
        (port.role, port.state)
    }
}
