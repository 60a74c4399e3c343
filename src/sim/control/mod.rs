//! The ways in which userland configures: ioctl, netlink, PF_ROUTE, sysctl.

pub mod ioctl;
pub mod netlink;
pub mod notify;
pub mod route_list;
pub mod rtsock;
pub mod sysctl;

pub use netlink::NetlinkSocket;
pub use rtsock::RouteSocket;

use super::kernel::{Kernel, VnetId};

/// Who makes a call: its thread's network stack and jail. The socket it uses may belong elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The thread's network stack.
    pub vnet: VnetId,
    /// The thread's jail, 0 for the host.
    pub jail: i32,
}

impl Caller {
    /// Our own process.
    pub const HOST: Self = Self { vnet: VnetId::HOST, jail: super::jail::HOST };
}

/// What must follow every change: the readers of the vnet learn of it.
pub(super) fn settle(kernel: &mut Kernel, vnet: VnetId) {
    notify::stack_events(kernel, vnet, None);
}
