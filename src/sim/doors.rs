//! The doors of the simulated kernel: processes, helpers and their sockets.

use super::Kernel;

/// A simulated kernel behind the doors of the FreeBSD engine.
#[derive(Debug)]
pub struct SimDoors {
    /// The kernel.
    pub kernel: Kernel,
}
