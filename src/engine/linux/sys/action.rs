//! The calls that give a node its view of files: prepared by its maker, made by its first process.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;

use super::call::{self, check};

/// One call that gives a node its view of files.
#[derive(Debug)]
pub(super) enum Action {
    /// mount(2).
    Mount { source: CString, target: CString, kind: &'static CStr, flags: libc::c_ulong, data: Option<CString> },
    /// umount2(2), whether something is mounted there or not.
    Unmount(CString),
    /// mount(2) of a file or directory over another one, if there is one.
    Cover { source: CString, target: CString },
    /// mount_setattr(2): nothing can be written there, nor to what is mounted below.
    ReadOnly(CString),
    /// pivot_root(2): a mount becomes the root, and what was the root is below it.
    Pivot { root: CString, old: CString },
    /// mkdir(2), with these rights.
    MakeFolder(CString, libc::mode_t),
    /// open(2) of a new file.
    MakeFile(CString),
    /// symlink(2).
    Link { to: &'static CStr, at: CString },
    /// rmdir(2).
    RemoveFolder(CString),
}

impl Action {
    /// The call and what it is about, for people.
    pub(super) fn describe(&self) -> (&'static str, String) {
        let shown = |path: &CStr| path.to_string_lossy().into_owned();
        match self {
            Self::Mount { target, .. } => ("mount", shown(target)),
            Self::Unmount(at) => ("umount", shown(at)),
            Self::Cover { target, .. } => ("mount", shown(target)),
            Self::ReadOnly(at) => ("mount_setattr", shown(at)),
            Self::Pivot { root, .. } => ("pivot_root", shown(root)),
            Self::MakeFolder(at, _) => ("mkdir", shown(at)),
            Self::MakeFile(at) => ("open", shown(at)),
            Self::Link { at, .. } => ("symlink", shown(at)),
            Self::RemoveFolder(at) => ("rmdir", shown(at)),
        }
    }

    /// Makes the call.
    pub(super) fn perform(&self) -> io::Result<()> {
        match self {
            Self::Mount { source, target, kind, flags, data } => {
                call::mount(source, target, kind, *flags, data.as_deref())
            }
            Self::Unmount(at) => match call::unmount(at, libc::MNT_DETACH) {
                Err(error) if call::number(&error) != libc::EINVAL => Err(error),
                _ => Ok(()),
            },
            Self::Cover { source, target } => match call::mount(source, target, c"none", libc::MS_BIND, None) {
                Err(error) if call::number(&error) != libc::ENOENT => Err(error),
                _ => Ok(()),
            },
            Self::ReadOnly(at) => call::make_read_only(at),
            Self::Pivot { root, old } => call::pivot_root(root, old),
            other => other.make(),
        }
    }

    /// Makes or removes what something is mounted on.
    fn make(&self) -> io::Result<()> {
        // SAFETY: the strings end with NUL and live through the calls, which only read them.
        unsafe {
            match self {
                Self::MakeFolder(at, mode) => {
                    check(libc::mkdir(at.as_ptr(), *mode))?;
                    // Whatever the mask says.
                    check(libc::chmod(at.as_ptr(), *mode))
                }
                Self::MakeFile(at) => {
                    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC;
                    check(libc::open(at.as_ptr(), flags, 0o666)).and_then(|file| check(libc::close(file)))
                }
                Self::Link { to, at } => check(libc::symlink(to.as_ptr(), at.as_ptr())),
                Self::RemoveFolder(at) => check(libc::rmdir(at.as_ptr())),
                _ => Ok(0),
            }
        }
        .map(drop)
    }
}
