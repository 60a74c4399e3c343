//! ioctl(2) with structures that hold pointers.
#![allow(unsafe_code, reason = "system calls")]

use std::os::fd::{AsRawFd, BorrowedFd};

use super::call::check;
use crate::abi::Errno;
use crate::abi::ioctl::bridge::{BRDGGIFS, BRDGGIFSSTP, BRDGRTS};
use crate::abi::ioctl::interface::VLANREQ;
use crate::abi::ioctl::{
    IoctlArgument, SIOCGDRVSPEC, SIOCGETVLAN, SIOCGIFCONF, SIOCGIFDESCR, SIOCGIFGMEMB, SIOCGIFGROUP, SIOCGIFMEDIA,
    SIOCIFCREATE2, SIOCIFGCLONERS, SIOCSDRVSPEC, SIOCSETVLAN, SIOCSIFDESCR, SIOCSIFNAME, argument_size, request_name,
};
use crate::abi::name::IFNAMSIZ;

/// Octets of a pointer.
const POINTER: usize = 8;

/// Where a structure has its pointer, and how many octets the kernel will touch behind it.
#[derive(Clone, Copy)]
struct Reach {
    pointer: usize,
    octets: u64,
}

/// ioctl(2). `argument` holds afterwards what the kernel wrote, its pointers zero again.
///
/// # Errors
/// The kernel's; `EINVAL` also for requests whose pointers are not known here, for structures that are shorter than the
/// request says, and for those that promise the kernel more memory than stands behind their pointers.
pub(super) fn ioctl(socket: BorrowedFd<'_>, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
    if request_name(request).is_none() || argument.bytes.len() < argument_size(request) {
        return Err(Errno::EINVAL);
    }
    let outer = outer_pointer(request, &argument.bytes);
    if let Some((_, behind)) = &mut argument.pointer {
        if behind.behind().is_some_and(|innermost| innermost.pointer.is_some()) {
            return Err(Errno::EINVAL);
        }
        let inner = list_pointer(request, &argument.bytes, &behind.bytes);
        direct(behind, inner)?;
    }
    direct(argument, outer)?;
    // SAFETY: `bytes` is live and as long as the kernel reads and writes for this request; its pointers, at all places
    // where the kernel looks for one, lead to memory of `argument` that is as long as the structures say, or are zero.
    let result = check(unsafe { libc::ioctl(socket.as_raw_fd(), request.into(), argument.bytes.as_mut_ptr()) });
    forget_pointers(argument, outer);
    result.map(drop)
}

/// The pointer in the structure of a request.
fn outer_pointer(request: u32, bytes: &[u8]) -> Option<Reach> {
    let number = |at: usize| field(bytes, at).map_or(0, u32::from_le_bytes).into();
    let long = |at: usize| field(bytes, at).map_or(0, u64::from_le_bytes);
    let vlan = VLANREQ as u64;
    let (pointer, octets) = match request {
        SIOCSIFNAME => (16, IFNAMSIZ as u64),
        SIOCSIFDESCR | SIOCGIFDESCR => (24, long(16)),
        SIOCGIFGROUP | SIOCGIFGMEMB => (24, number(16)),
        SIOCIFGCLONERS => (8, u64::saturating_mul(number(4), IFNAMSIZ as u64)),
        SIOCGIFCONF => (8, number(0)),
        SIOCGIFMEDIA => (40, u64::saturating_mul(number(32), 4)),
        SIOCIFCREATE2 | SIOCSETVLAN | SIOCGETVLAN => (16, vlan),
        SIOCSDRVSPEC | SIOCGDRVSPEC => (32, long(24)),
        _ => return None,
    };
    Some(Reach { pointer, octets })
}

/// The pointer in a command to a bridge that asks for a list.
fn list_pointer(request: u32, driver: &[u8], command: &[u8]) -> Option<Reach> {
    let is_list = matches!(field(driver, 16).map(u64::from_le_bytes)?, BRDGGIFS | BRDGRTS | BRDGGIFSSTP);
    let is_driver = matches!(request, SIOCSDRVSPEC | SIOCGDRVSPEC);
    (is_driver && is_list)
        .then_some(Reach { pointer: 8, octets: field(command, 0).map_or(0, u32::from_le_bytes).into() })
}

/// Writes the address of what is behind a structure into it, or nothing where nothing is.
fn direct(argument: &mut IoctlArgument, reach: Option<Reach>) -> Result<(), Errno> {
    let address: u64 = match (&mut argument.pointer, reach) {
        (None, None) => return Ok(()),
        (None, Some(_)) => 0,
        (Some((offset, behind)), Some(reach)) => {
            if *offset != reach.pointer || (behind.bytes.len() as u64) < reach.octets {
                return Err(Errno::EINVAL);
            }
            behind.bytes.as_mut_ptr() as u64
        }
        (Some(_), None) => return Err(Errno::EINVAL),
    };
    if let Some(reach) = reach {
        let field = argument.bytes.get_mut(reach.pointer..reach.pointer + POINTER).ok_or(Errno::EINVAL)?;
        field.copy_from_slice(&address.to_le_bytes());
    }
    Ok(())
}

/// Addresses of this process are nobody's business.
fn forget_pointers(argument: &mut IoctlArgument, outer: Option<Reach>) {
    if let (Some((offset, behind)), Some(_)) = (&mut argument.pointer, outer) {
        let offset = *offset;
        if let Some((inner, _)) = behind.pointer {
            behind.set_field(inner, &[0; POINTER]);
        }
        argument.set_field(offset, &[0; POINTER]);
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
