//! rctl(4), cpuset(2) and the list of processes.
#![allow(unsafe_code, reason = "system calls")]

use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;
use std::ptr;

use super::call::{check, last_error};
use crate::abi::cpuset::SIZE;
use crate::abi::{Errno, sysctl};
use crate::engine::freebsd::doors::{Process, RctlCall};

type Call = unsafe extern "C" fn(*const c_char, usize, *mut c_char, usize) -> c_int;

// sys/sys/rctl.h: not in the libc crate.
unsafe extern "C" {
    fn rctl_add_rule(input: *const c_char, input_length: usize, output: *mut c_char, output_length: usize) -> c_int;
    fn rctl_remove_rule(input: *const c_char, input_length: usize, output: *mut c_char, output_length: usize) -> c_int;
    fn rctl_get_rules(input: *const c_char, input_length: usize, output: *mut c_char, output_length: usize) -> c_int;
}

/// Bytes of the first answer's buffer, and of the largest: `kern.racct.rctl.maxbufsize` may refuse it before.
const FIRST_ANSWER: usize = 4096;
const MOST_ANSWER: usize = 1 << 20;
/// The list of processes is never longer: a kernel has at most 99999 of them.
const MOST_LIST: usize = 256 << 20;

/// One of the rctl calls.
pub(super) fn rctl(call: RctlCall, rule: &str) -> Result<String, Errno> {
    let rule = sysctl::string(rule);
    let function: Call = match call {
        RctlCall::Add => rctl_add_rule,
        RctlCall::Remove => rctl_remove_rule,
        RctlCall::Get => rctl_get_rules,
    };
    let mut answer = vec![0_u8; if call == RctlCall::Get { FIRST_ANSWER } else { 0 }];
    loop {
        // SAFETY: `rule` is live and ends in a NUL within its length, `answer` is live and writable for its length.
        let result =
            check(unsafe { function(rule.as_ptr().cast(), rule.len(), answer.as_mut_ptr().cast(), answer.len()) });
        match result {
            Ok(_) => return Ok(sysctl::read_string(&answer)),
            Err(Errno::ERANGE) if answer.len() < MOST_ANSWER => answer.resize(answer.len() * 2, 0),
            Err(errno) => return Err(errno),
        }
    }
}

/// cpuset_getaffinity(2) of a jail.
pub(super) fn cpuset_get(jid: i32) -> Result<Vec<u8>, Errno> {
    let mut mask = vec![0_u8; SIZE];
    // SAFETY: `mask` is live and writable for its length, which is given; the kernel copies bytes.
    check(unsafe {
        libc::cpuset_getaffinity(
            libc::CPU_LEVEL_WHICH,
            libc::CPU_WHICH_JAIL,
            jid.into(),
            mask.len(),
            mask.as_mut_ptr().cast(),
        )
    })?;
    Ok(mask)
}

/// cpuset_setaffinity(2) of a jail.
pub(super) fn cpuset_set(jid: i32, mask: &[u8]) -> Result<(), Errno> {
    // SAFETY: `mask` is live for its length, which is given; the kernel copies bytes.
    check(unsafe {
        libc::cpuset_setaffinity(
            libc::CPU_LEVEL_WHICH,
            libc::CPU_WHICH_JAIL,
            jid.into(),
            mask.len(),
            mask.as_ptr().cast(),
        )
    })
    .map(drop)
}

/// sysctl(3) `kern.proc.proc`: every process once. One that has ended, of which its parent has not taken notice, runs nothing: no signal
/// does anything to it.
pub(super) fn processes() -> Result<Vec<Process>, Errno> {
    let list = list()?;
    let size = size_of::<libc::kinfo_proc>();
    // Each entry says how long it is; another size is another kernel's, which would be read wrongly.
    let of_this_kernel =
        |entry: &[u8]| number(entry, offset_of!(libc::kinfo_proc, ki_structsize)) == i32::try_from(size).ok();
    if let Some(first) = list.chunks_exact(size).next()
        && !of_this_kernel(first)
    {
        return Err(Errno::EINVAL);
    }
    let process = |entry: &[u8]| {
        let state = *entry.get(offset_of!(libc::kinfo_proc, ki_stat))?;
        if c_char::from_ne_bytes([state]) == libc::SZOMB {
            return None;
        }
        let name = entry.get(offset_of!(libc::kinfo_proc, ki_comm)..)?.get(..size_of_name())?;
        Some(Process {
            pid: number(entry, offset_of!(libc::kinfo_proc, ki_pid))?,
            jid: number(entry, offset_of!(libc::kinfo_proc, ki_jid))?,
            command: sysctl::read_string(name),
        })
    };
    Ok(list.chunks_exact(size).filter_map(process).collect())
}

/// `COMMLEN + 1` (sys/sys/user.h).
const fn size_of_name() -> usize {
    20
}

fn number(entry: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(entry.get(at..at + 4)?.try_into().ok()?))
}

fn list() -> Result<Vec<u8>, Errno> {
    let name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PROC];
    let mut length = read(&name, ptr::null_mut(), 0)?;
    loop {
        // There may be more by now.
        let mut list = vec![0_u8; (length + length / 4 + 4096).min(MOST_LIST)];
        match read(&name, list.as_mut_ptr().cast(), list.len()) {
            Ok(length) => {
                list.truncate(length);
                return Ok(list);
            }
            Err(Errno::ENOMEM) if list.len() < MOST_LIST => length = list.len(),
            Err(errno) => return Err(errno),
        }
    }
}

fn read(name: &[c_int; 3], buffer: *mut c_void, room: usize) -> Result<usize, Errno> {
    let mut length = room;
    // SAFETY: `name` is live and has 3 numbers; `buffer` is null, or live and writable for `room` bytes; `length` is a live local.
    let result = unsafe { libc::sysctl(name.as_ptr(), 3, buffer, &raw mut length, ptr::null(), 0) };
    if result < 0 { Err(last_error()) } else { Ok(length) }
}
