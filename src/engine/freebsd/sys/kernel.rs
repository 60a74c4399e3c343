//! What concerns the kernel as a whole: sysctls, modules, limits, and waiting.
#![allow(unsafe_code, reason = "system calls")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::os::fd::RawFd;
use std::ptr;
use std::time::Duration;

use super::call::{check, last_error};
use crate::abi::Errno;

// sys/sys/linker.h and sys/sys/module.h: not in the libc crate.
unsafe extern "C" {
    fn kldload(file: *const c_char) -> c_int;
    fn kldfind(file: *const c_char) -> c_int;
    fn modfind(name: *const c_char) -> c_int;
}

/// The longest value of a sysctl that is read.
const MOST_VALUE: usize = 1 << 20;

/// sysctlbyname(3), read.
pub(super) fn sysctl_get(name: &CStr) -> Result<Vec<u8>, Errno> {
    let mut length = 0;
    // SAFETY: without a buffer the kernel only writes the length, into a live local.
    check(unsafe { libc::sysctlbyname(name.as_ptr(), ptr::null_mut(), &raw mut length, ptr::null(), 0) })?;
    loop {
        // It may have grown meanwhile.
        let mut value = vec![0; (length + length / 4 + 16).min(MOST_VALUE)];
        match sysctl_read(name, &mut value) {
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(Errno::ENOMEM) if value.len() < MOST_VALUE => length = value.len(),
            Err(errno) => return Err(errno),
        }
    }
}

/// sysctlbyname(3), read into a buffer; the length. Calls nothing that a child may not call after fork.
pub(super) fn sysctl_read(name: &CStr, value: &mut [u8]) -> Result<usize, Errno> {
    let mut length = value.len();
    // SAFETY: `value` is live and writable for `length` bytes, which is a live local.
    check(unsafe { libc::sysctlbyname(name.as_ptr(), value.as_mut_ptr().cast(), &raw mut length, ptr::null(), 0) })?;
    Ok(length.min(value.len()))
}

/// The numbers of a sysctl.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    numbers: [c_int; Numbers::MOST],
    count: usize,
}

impl Numbers {
    /// More than any name has that is read by numbers.
    pub(super) const MOST: usize = 8;

    /// # Errors
    /// `EINVAL` if there are too many.
    pub(super) fn new(name: &[c_int]) -> Result<Self, Errno> {
        let mut numbers = [0; Self::MOST];
        numbers.get_mut(..name.len()).ok_or(Errno::EINVAL)?.copy_from_slice(name);
        Ok(Self { numbers, count: name.len() })
    }

    /// They, in the octets of an order to a helper.
    pub(super) fn octets(self) -> [u8; Self::MOST * 4] {
        let mut octets = [0; Self::MOST * 4];
        for (place, number) in octets.chunks_exact_mut(4).zip(self.numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        octets
    }

    /// Those in an order: `count` of them.
    pub(super) fn of(octets: &[u8], count: c_int) -> Result<Self, Errno> {
        let mut numbers = [0; Self::MOST];
        for (number, place) in numbers.iter_mut().zip(octets.chunks_exact(4)) {
            *number = place.try_into().map_or(0, c_int::from_ne_bytes);
        }
        let count = usize::try_from(count).ok().filter(|count| *count <= Self::MOST).ok_or(Errno::EINVAL)?;
        Ok(Self { numbers, count })
    }

    /// How many there are.
    pub(super) fn count(self) -> c_int {
        // At most eight.
        c_int::try_from(self.count).unwrap_or(0)
    }
}

/// The longest list that is read, in octets: a million routes need less.
pub(super) const MOST_LIST: usize = 1 << 28;

/// Room for a list that was `length` octets long a moment ago: it may have grown meanwhile. `None` if it is too long.
pub(super) fn room_for(length: usize) -> Option<usize> {
    Some(length + length / 8 + 4096).filter(|room| *room <= MOST_LIST)
}

/// sysctl(3) by numbers, read.
pub(super) fn list(name: Numbers) -> Result<Vec<u8>, Errno> {
    loop {
        let length = list_length(name)?;
        let mut value = vec![0; room_for(length).ok_or(Errno::ENOMEM)?];
        match list_read(name, &mut value) {
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            // It grew by more than the room we left.
            Err(Errno::ENOMEM) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// sysctl(3) by numbers: how long the value is. Calls nothing that a child may not call after fork.
pub(super) fn list_length(name: Numbers) -> Result<usize, Errno> {
    let (mut length, count) = (0, name.count().cast_unsigned());
    // SAFETY: `name` holds `count` numbers, which the kernel only reads; without a buffer it only writes the length, into
    // a live local.
    check(unsafe { libc::sysctl(name.numbers.as_ptr(), count, ptr::null_mut(), &raw mut length, ptr::null(), 0) })?;
    Ok(length)
}

/// sysctl(3) by numbers, read into a buffer; the length. Of routes the kernel cuts a list that does not fit without a word, so one that
/// fills the buffer counts as too long. Calls nothing that a child may not call after fork.
pub(super) fn list_read(name: Numbers, value: &mut [u8]) -> Result<usize, Errno> {
    let (mut length, count) = (value.len(), name.count().cast_unsigned());
    // SAFETY: `name` holds `count` numbers, which the kernel only reads; `value` is live and writable for `length` octets,
    // which is a live local.
    check(unsafe {
        libc::sysctl(name.numbers.as_ptr(), count, value.as_mut_ptr().cast(), &raw mut length, ptr::null(), 0)
    })?;
    if length < value.len() { Ok(length) } else { Err(Errno::ENOMEM) }
}

/// sysctlbyname(3), write. Calls nothing that a child may not call after fork.
pub(super) fn sysctl_set(name: &CStr, value: &[u8]) -> Result<(), Errno> {
    // SAFETY: `value` is live for its length; the kernel only reads it.
    check(unsafe {
        libc::sysctlbyname(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), value.as_ptr().cast(), value.len())
    })
    .map(drop)
}

/// kldload(2).
pub(super) fn load_module(name: &str) -> Result<(), Errno> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `name` is a live C string; kldload(2) only reads it.
    match check(unsafe { kldload(name.as_ptr()) }) {
        Ok(_) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// modfind(2), and kldfind(2) for files that name their modules otherwise.
pub(super) fn has_module(name: &str) -> bool {
    let (Ok(module), Ok(file)) = (CString::new(name), CString::new(format!("{name}.ko"))) else { return false };
    // SAFETY: both are live C strings; the calls only read them.
    unsafe { modfind(module.as_ptr()) >= 0 || kldfind(file.as_ptr()) >= 0 }
}

/// geteuid(2) is root's.
pub(super) fn is_root() -> bool {
    // SAFETY: geteuid(2) takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Which boot this is: `kern.boot_id`, or the time of the boot where kernels do not have it.
pub(super) fn boot_identity() -> String {
    for name in [c"kern.boot_id", c"kern.boottime"] {
        if let Ok(value) = sysctl_get(name) {
            return value.iter().map(|byte| format!("{byte:02x}")).collect();
        }
    }
    String::new()
}

/// Raises the limit of open descriptors as far as it goes; what it was, for programs that are run later.
pub(super) fn raise_descriptor_limit() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit(2) writes into a live local.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }).ok()?;
    set_descriptor_limit(&libc::rlimit { rlim_cur: limit.rlim_max, ..limit }).ok()?;
    Some(limit)
}

/// How many descriptors we may have now.
pub(super) fn descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit(2) writes into a live local.
    let asked = check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) });
    asked.ok().and_then(|_| usize::try_from(limit.rlim_cur).ok()).unwrap_or(0)
}

/// setrlimit(2). Calls nothing that a child may not call between fork and exec.
pub(super) fn set_descriptor_limit(limit: &libc::rlimit) -> Result<(), Errno> {
    // SAFETY: setrlimit(2) reads a live structure.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, ptr::from_ref(limit)) }).map(drop)
}

/// poll(2) for input on any of some descriptors; with none it only waits. Which have something, in their order.
pub(super) fn poll(descriptors: &[RawFd], at_most: Option<Duration>) -> Result<Vec<bool>, Errno> {
    let mut polled: Vec<libc::pollfd> =
        descriptors.iter().map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    // Rounded up, so that no wait ends early; what is too long for poll(2) is as long as it can.
    let milliseconds =
        at_most.map_or(-1, |time| i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
    let number = libc::nfds_t::try_from(polled.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `polled` is live and holds `number` structures.
    if unsafe { libc::poll(polled.as_mut_ptr(), number, milliseconds) } < 0 {
        return Err(last_error());
    }
    Ok(polled.iter().map(|polled| polled.revents != 0).collect())
}
