//! Memory of the kernel's own giving, page by page: what a child that must not allocate works on.
#![allow(unsafe_code, reason = "system calls")]

use std::ptr::NonNull;

use super::call::last_error;
use crate::abi::Errno;

/// Pages of zeros, until they are written to.
#[derive(Debug)]
pub(super) struct Pages {
    at: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory belongs to whoever has the value, and to no thread in particular.
unsafe impl Send for Pages {}

impl Pages {
    /// mmap(2), for this process alone.
    pub(super) fn new(length: usize) -> Result<Self, Errno> {
        Self::map(length, libc::MAP_PRIVATE)
    }

    /// mmap(2), for children as well, whatever they have of the rest of our memory.
    pub(super) fn shared(length: usize) -> Result<Self, Errno> {
        Self::map(length, libc::MAP_SHARED)
    }

    fn map(length: usize, kind: libc::c_int) -> Result<Self, Errno> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: new memory at a place of the kernel's choice touches nothing that is there.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, kind | libc::MAP_ANON, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(last_error());
        }
        Ok(Self { at: NonNull::new(at.cast()).ok_or(Errno::ENOMEM)?, length })
    }

    pub(super) fn octets(&self) -> &[u8] {
        // SAFETY: the mapping is ours, readable, of that length and filled with zeros or what was written since; it lives
        // until this is dropped.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.length) }
    }

    pub(super) fn octets_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and writable; nobody else has a reference while this one is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and no reference to it is left. That it could not be
        // undone would be no harm but to the room that is left.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.length) };
    }
}
