//! A FreeBSD kernel in memory, behind the same doors as a real one: it parses the very bytes a kernel would get
//! and answers with the errno a kernel gives. One thread, virtual time, seeded randomness: same run, same result.
//!
//! `kernel` holds everything there is; the other modules are its subsystems, all of them functions over
//! `&mut Kernel`. Frames never recurse: whoever emits one pushes [`kernel::Work`], and [`kernel::Kernel::settle`]
//! works the queue off.

pub mod bridge;
pub mod clock;
pub mod control;
pub mod doors;
pub mod host;
pub mod ifnet;
pub mod jail;
pub mod kernel;
pub mod netgraph;
pub mod persist;
pub mod programs;
pub mod sockets;
pub mod stack;

pub use doors::SimDoors;
pub use kernel::Kernel;
