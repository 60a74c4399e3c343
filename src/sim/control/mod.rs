//! The ways in which userland configures: ioctl, netlink, PF_ROUTE, sysctl.

/// What waits in a netlink socket, and its options.
#[derive(Clone, Debug, Default)]
pub struct NetlinkSocket {}

/// What waits in a PF_ROUTE socket.
#[derive(Clone, Debug, Default)]
pub struct RouteSocket {}
