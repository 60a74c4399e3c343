//! Netlink messages as bytes: shared by the engines and the simulator, socket-free, the system chosen by value.
//!
//! `request` builds what we ask for, `reply` reads what a kernel answers and tolerates what it does not know, `wire`
//! is the framing both ways. The address families and the number of the main table depend on the peer, not on the
//! machine that compiles this: see [`Dialect`].

pub mod consts;
pub mod linux;
pub mod nftables;
pub mod qdisc;
pub mod reply;
pub mod request;
pub mod wire;

pub use reply::{Answer, Reply};
pub use request::{NextHop, Requests};

/// What differs between the kernels that speak netlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// `AF_INET6` of the peer.
    pub inet6: u8,
    /// Number of the main routing table.
    pub main_table: u8,
    /// Whether IPv6 addresses need explicit lifetimes to be permanent.
    pub explicit_lifetimes: bool,
    /// Whether IPv6 addresses must say themselves that they are not to be probed for.
    pub no_dad: bool,
}

impl Dialect {
    /// FreeBSD 13.2 and later: family 28, table 0; an IPv6 address without lifetimes lives for a second
    /// (`sys/netlink/route/iface.c:1250-1256`).
    pub const FREEBSD: Self = Self { inet6: 28, main_table: 0, explicit_lifetimes: true, no_dad: false };

    /// Linux: family 10, table 254. The addresses of a lab were checked when its file was read, and are to be usable at once.
    pub const LINUX: Self = Self { inet6: 10, main_table: 254, explicit_lifetimes: false, no_dad: true };
}

#[cfg(test)]
mod tests;
