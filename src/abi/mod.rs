//! Structures and numbers of FreeBSD's ioctl, routing-socket, jail and sysctl interfaces, by value and byte order:
//! nothing here depends on the system that compiles it. Engine and simulator share it.
//!
//! Everything is little endian (amd64, aarch64) except what the kernel itself keeps in network order.

pub mod cpuset;
pub mod devfs;
pub mod flags;
pub mod ioctl;
pub mod jail;
pub mod mount;
pub mod name;
pub mod rtsock;
pub mod sockaddr;
pub mod sysctl;

pub use ioctl::IoctlArgument;
pub use jail::JailParam;
pub use name::InterfaceName;
pub use ngsock::Errno;
pub use sockaddr::Sockaddr;
