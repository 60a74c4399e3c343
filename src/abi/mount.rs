//! nmount(2): a file system by name/value pairs.

/// `MNT_RDONLY` (`sys/sys/mount.h`).
pub const MNT_RDONLY: i32 = 0x1;
/// `MNT_FORCE`: unmounts although files are open.
pub const MNT_FORCE: i32 = 0x8_0000;

/// One name/value pair of nmount(2); the door adds `errmsg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountOption {
    /// Its name, without its NUL.
    pub name: &'static str,
    /// Its value, without its NUL.
    pub value: String,
}

impl MountOption {
    /// A pair.
    #[must_use]
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into() }
    }
}

/// One line of getfsstat(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    /// Where.
    pub at: String,
    /// What: the path below a nullfs, `devfs`, a dataset.
    pub from: String,
    /// `nullfs`, `devfs`, `zfs`, `ufs`…
    pub kind: String,
    /// Nothing can be written to it.
    pub read_only: bool,
}
