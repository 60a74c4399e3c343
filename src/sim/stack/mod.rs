//! The host stack of a vnet: addresses, tables, ARP, neighbour discovery with DAD, ICMP, forwarding.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::kernel::{Frame, IfIndex, Kernel, VnetId};
use super::sockets::SockId;
use crate::abi::Errno;

/// Tables, caches and sysctls of one vnet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stack {}

/// What the stack keeps for one interface: addresses, nd6 flags, counters.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InterfaceNet {}

/// What waits in a raw ICMP socket.
#[derive(Clone, Debug, Default)]
pub struct RawSocket {}

/// What the stack asked the clock for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {}

/// A frame for the stack of the interface's vnet.
pub fn input(_kernel: &mut Kernel, _index: IfIndex, _frame: Frame) {}

/// An interface went up or down (`IFF_UP`), or its carrier changed.
pub fn interface_changed(_kernel: &mut Kernel, _index: IfIndex) {}

/// An interface leaves its vnet: its addresses, routes and neighbours go.
pub fn interface_leaves(_kernel: &mut Kernel, _index: IfIndex) {}

/// sendto(2) on a raw ICMP socket.
///
/// # Errors
/// As the kernel's.
pub fn raw_send(_kernel: &mut Kernel, _sock: SockId, _to: IpAddr, _scope: u32, _message: &[u8]) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

/// recvfrom(2) on a raw ICMP socket: source and bytes.
pub fn raw_receive(_kernel: &mut Kernel, _sock: SockId) -> Option<(IpAddr, Vec<u8>)> {
    None
}

/// A timer of the stack is due.
pub fn timer(_kernel: &mut Kernel, timer: Timer) {
    match timer {}
}

/// A vnet dies.
pub fn vnet_destroy(_kernel: &mut Kernel, _vnet: VnetId) {}
