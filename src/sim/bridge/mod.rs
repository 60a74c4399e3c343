//! if_bridge: members, learning, RSTP.
//! (The lead writes this folder now, in another worktree; leave it alone.)

use serde::{Deserialize, Serialize};

use super::kernel::{Frame, IfIndex, Kernel};
use crate::abi::Errno;

/// The state of one if_bridge.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bridge {}

/// What a bridge asked the clock for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {}

/// SIOCSDRVSPEC / SIOCGDRVSPEC: command, structure in and out, and the array behind its pointer.
///
/// # Errors
/// As if_bridge.c gives them.
pub fn control(
    _kernel: &mut Kernel,
    _bridge: IfIndex,
    _set: bool,
    _command: u64,
    _argument: &mut crate::engine::freebsd::doors::IoctlArgument,
) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

/// A frame came in at a member.
pub fn input(_kernel: &mut Kernel, _bridge: IfIndex, _member: IfIndex, _frame: Frame) {}

/// The host sends a frame out of the bridge interface itself.
pub fn transmit(_kernel: &mut Kernel, _bridge: IfIndex, _frame: Frame) {}

/// A member leaves (destroyed, moved): silently removed.
pub fn member_leaves(_kernel: &mut Kernel, _member: IfIndex) {}

/// A member's carrier or flags changed.
pub fn member_changed(_kernel: &mut Kernel, _member: IfIndex) {}

/// A timer is due.
pub fn timer(_kernel: &mut Kernel, timer: Timer) {
    match timer {}
}
