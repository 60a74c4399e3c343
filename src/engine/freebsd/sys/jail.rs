//! jail_set(2) and its family: parameters as pairs of iovecs.
#![allow(unsafe_code, reason = "system calls")]

use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Builder;

use super::call::check;
use crate::abi::Errno;
use crate::abi::jail::{JAIL_GET_DESC, STRING_BUFFER};
use crate::engine::freebsd::doors::{JailParam, JailRefusal, Jid};

/// jail_set(2) or jail_get(2).
type Call = unsafe extern "C" fn(*mut libc::iovec, libc::c_uint, libc::c_int) -> libc::c_int;

/// jail_set(2): the jail's number.
pub(super) fn set(params: &[JailParam], flags: i32) -> Result<i32, JailRefusal> {
    call(libc::jail_set, &mut params.to_vec(), flags)
}

/// jail_set(2) many times, by up to `jobs` threads; none is begun after one that was refused.
pub(super) fn set_all(
    sets: &[Vec<JailParam>],
    flags: i32,
    jobs: NonZeroUsize,
) -> Vec<Option<Result<Jid, JailRefusal>>> {
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results: Vec<OnceLock<Result<Jid, JailRefusal>>> = sets.iter().map(|_| OnceLock::new()).collect();
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let (Some(set), Some(result)) = (sets.get(place), results.get(place)) else { return };
            let made = result.get_or_init(|| self::set(set, flags).map(Jid));
            is_over.fetch_or(made.is_err(), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for number in 1..jobs.get().min(sets.len()) {
            // One that cannot be had is done without.
            let _ = Builder::new().name(format!("jails {number}")).spawn_scoped(scope, work);
        }
        work();
    });
    results.into_iter().map(OnceLock::into_inner).collect()
}

/// jail_get(2): the jail's number; values are cut to what the kernel wrote.
pub(super) fn get(params: &mut [JailParam], flags: i32) -> Result<i32, JailRefusal> {
    call(libc::jail_get, params, flags)
}

/// jail_remove(2).
pub(super) fn remove(jid: i32) -> Result<(), Errno> {
    // SAFETY: jail_remove(2) takes a number.
    check(unsafe { libc::jail_remove(jid) }).map(drop)
}

/// `SYS_jail_remove_jd` (sys/sys/syscall.h), for which libc has no name.
const JAIL_REMOVE_JD: libc::c_int = 598;

/// A descriptor of the jail that has this number and this name; `None` where the kernel has no descriptors of jails.
pub(super) fn hold(jid: i32, name: &str) -> Result<Option<OwnedFd>, Errno> {
    let mut params = [JailParam::int("jid", jid), JailParam::string_buffer("name"), JailParam::int_buffer("desc")];
    match get(&mut params, JAIL_GET_DESC) {
        Ok(_) => {}
        Err(refusal) if refusal.errno == Errno::EINVAL => return Ok(None),
        // As jail_remove(2) says it.
        Err(refusal) if refusal.errno == Errno::ENOENT => return Err(Errno::EINVAL),
        Err(refusal) => return Err(refusal.errno),
    }
    let [_, found, descriptor] = &params;
    let descriptor = descriptor.as_int().filter(|descriptor| *descriptor >= 0).ok_or(Errno::EBADF)?;
    // SAFETY: the kernel has just made it for us, and nobody else knows of it.
    let held = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // It is made without.
    // SAFETY: fcntl(2) of a live descriptor takes numbers here.
    check(unsafe { libc::fcntl(held.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    if found.as_string().as_deref() == Some(name) { Ok(Some(held)) } else { Err(Errno::EINVAL) }
}

/// jail_remove_jd(2).
pub(super) fn remove_held(held: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: jail_remove_jd(2) takes a descriptor.
    check(unsafe { libc::syscall(JAIL_REMOVE_JD, held.as_raw_fd()) }).map(drop)
}

/// jail_attach(2): for this whole process and for ever. Only a child that does nothing else calls it.
pub(super) fn attach(jid: i32) -> Result<(), Errno> {
    // SAFETY: jail_attach(2) takes a number.
    check(unsafe { libc::jail_attach(jid) }).map(drop)
}

fn call(call: Call, params: &mut [JailParam], flags: i32) -> Result<i32, JailRefusal> {
    let mut message = vec![0_u8; STRING_BUFFER];
    let mut names: Vec<Vec<u8>> = params.iter().map(|param| terminated(&param.name)).collect();
    let mut error_name = terminated("errmsg");
    let mut pairs = Vec::with_capacity(2 * params.len() + 2);
    for (name, param) in names.iter_mut().zip(params.iter_mut()) {
        pairs.push(slice(name));
        pairs.push(match &mut param.value {
            Some(value) => slice(value),
            None => libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 },
        });
    }
    pairs.push(slice(&mut error_name));
    pairs.push(slice(&mut message));
    let number =
        libc::c_uint::try_from(pairs.len()).map_err(|_| JailRefusal { errno: Errno::E2BIG, message: String::new() })?;
    // SAFETY: `pairs` is live and holds `number` iovecs; each leads to live memory of the length beside it, or is empty.
    // The kernel writes into values, the message and the lengths, never more than the lengths it was given.
    let result = check(unsafe { call(pairs.as_mut_ptr(), number, flags) });
    result.map_err(|errno| JailRefusal { errno, message: crate::abi::sysctl::read_string(&message) }).inspect(|_| {
        let lengths = pairs.iter().skip(1).step_by(2).map(|pair| pair.iov_len);
        for (param, length) in params.iter_mut().zip(lengths) {
            if let Some(value) = &mut param.value {
                value.truncate(length);
            }
        }
    })
}

fn terminated(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn slice(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}
