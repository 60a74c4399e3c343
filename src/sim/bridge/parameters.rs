//! The numbers of a bridge that ifconfig(8) reads and sets: cache, timers, priority (`struct ifbrparam`).

use super::{Bridge, rstp};
use crate::abi::Errno;
use crate::abi::ioctl::IoctlArgument;
use crate::abi::ioctl::bridge::*;
use crate::sim::kernel::Kernel;

/// `IFBRF_*` that exist.
const BRIDGE_FLAGS: u32 = 0x03;

/// Reads or sets one number.
pub(super) fn parameter_command(
    kernel: &mut Kernel,
    state: &mut Bridge,
    command: u64,
    argument: &mut IoctlArgument,
) -> Result<(), Errno> {
    let value = argument.field::<4>(0).map(u32::from_le_bytes).unwrap_or_default();
    let byte = u16::try_from(value & 0xff).unwrap_or_default();
    let within = |least: u16, most: u16| if (least..=most).contains(&byte) { Ok(byte) } else { Err(Errno::EINVAL) };
    let tree = &mut state.tree;
    let answer = match command {
        BRDGGCACHE => Some(state.cache_limit),
        BRDGGTO => Some(state.timeout),
        BRDGGPRI => Some(u32::from(tree.priority)),
        BRDGGHT => Some(u32::from(tree.hello)),
        BRDGGFD => Some(u32::from(tree.forward_delay)),
        BRDGGMA => Some(u32::from(tree.max_age)),
        BRDGGRTE => Some(state.exceeded),
        BRDGGFLAGS => Some(state.flags),
        BRDGGDEFPVID => Some(u32::from(state.default_pvid)),
        BRDGSCACHE => {
            state.cache_limit = value;
            None
        }
        BRDGSTO => {
            state.timeout = value;
            None
        }
        BRDGSPRI => {
            let priority = u16::try_from(value & 0xffff).unwrap_or_default();
            if priority > 61_440 {
                return Err(Errno::EINVAL);
            }
            tree.priority = priority & 0xf000;
            None
        }
        // Only the old protocol has a hello time of its own.
        BRDGSHT if tree.protocol == 2 => return Err(Errno::EPERM),
        BRDGSHT => {
            tree.hello = within(1, 2)?;
            None
        }
        BRDGSFD => {
            tree.forward_delay = within(4, 30)?;
            None
        }
        BRDGSMA => {
            tree.max_age = within(6, 40)?;
            None
        }
        BRDGSPROTO => {
            if value & 0xff != 0 && value & 0xff != 2 {
                return Err(Errno::EINVAL);
            }
            tree.protocol = u8::try_from(value & 0xff).unwrap_or_default();
            None
        }
        BRDGSTXHC => {
            tree.hold_count = u8::try_from(within(1, 10)?).unwrap_or(u8::MAX);
            None
        }
        BRDGSFLAGS => {
            state.flags = value & BRIDGE_FLAGS;
            None
        }
        _ => {
            let pvid = u16::try_from(value & 0xffff).unwrap_or_default();
            if pvid > 4094 {
                return Err(Errno::EINVAL);
            }
            state.default_pvid = pvid;
            None
        }
    };
    match answer {
        Some(answer) => argument.set_field(0, &answer.to_le_bytes()),
        None => rstp::reconfigured(kernel, state),
    }
    Ok(())
}
