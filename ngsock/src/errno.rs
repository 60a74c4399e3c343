//! FreeBSD's error numbers, by value: they differ from those of the system this crate is compiled on.

use core::fmt;

/// An error number of a FreeBSD kernel (`sys/sys/errno.h`). Zero is never stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = concat!("`", stringify!($name), "`: ", $text, ".")]
            pub const $name: Self = Self($value);)*

            /// The C name, `None` for a number this table does not have.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($value => Some(stringify!($name)),)* _ => None }
            }

            /// strerror(3)'s text in lower case, `None` for a number this table does not have.
            #[must_use]
            pub const fn text(self) -> Option<&'static str> {
                match self.0 { $($value => Some($text),)* _ => None }
            }
        }
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such file or directory";
    ESRCH = 3, "no such process";
    EINTR = 4, "interrupted system call";
    EIO = 5, "input/output error";
    ENXIO = 6, "device not configured";
    E2BIG = 7, "argument list too long";
    ENOEXEC = 8, "exec format error";
    EBADF = 9, "bad file descriptor";
    ECHILD = 10, "no child processes";
    EDEADLK = 11, "resource deadlock avoided";
    ENOMEM = 12, "cannot allocate memory";
    EACCES = 13, "permission denied";
    EFAULT = 14, "bad address";
    EBUSY = 16, "device busy";
    EEXIST = 17, "file exists";
    ENODEV = 19, "operation not supported by device";
    ENOTDIR = 20, "not a directory";
    EISDIR = 21, "is a directory";
    EINVAL = 22, "invalid argument";
    ENFILE = 23, "too many open files in system";
    EMFILE = 24, "too many open files";
    ENOTTY = 25, "inappropriate ioctl for device";
    EFBIG = 27, "file too large";
    ENOSPC = 28, "no space left on device";
    EPIPE = 32, "broken pipe";
    ERANGE = 34, "result too large";
    EAGAIN = 35, "resource temporarily unavailable";
    EINPROGRESS = 36, "operation now in progress";
    EALREADY = 37, "operation already in progress";
    ENOTSOCK = 38, "socket operation on non-socket";
    EDESTADDRREQ = 39, "destination address required";
    EMSGSIZE = 40, "message too long";
    EPROTOTYPE = 41, "protocol wrong type for socket";
    ENOPROTOOPT = 42, "protocol not available";
    EPROTONOSUPPORT = 43, "protocol not supported";
    EOPNOTSUPP = 45, "operation not supported";
    EPFNOSUPPORT = 46, "protocol family not supported";
    EAFNOSUPPORT = 47, "address family not supported by protocol family";
    EADDRINUSE = 48, "address already in use";
    EADDRNOTAVAIL = 49, "can't assign requested address";
    ENETDOWN = 50, "network is down";
    ENETUNREACH = 51, "network is unreachable";
    ECONNRESET = 54, "connection reset by peer";
    ENOBUFS = 55, "no buffer space available";
    EISCONN = 56, "socket is already connected";
    ENOTCONN = 57, "socket is not connected";
    ETIMEDOUT = 60, "operation timed out";
    ELOOP = 62, "too many levels of symbolic links";
    ENAMETOOLONG = 63, "file name too long";
    EHOSTDOWN = 64, "host is down";
    EHOSTUNREACH = 65, "no route to host";
    ENOTEMPTY = 66, "directory not empty";
    ERPCMISMATCH = 73, "RPC version wrong";
    ENOSYS = 78, "function not implemented";
    ENOMSG = 83, "no message of desired type";
    EDOOFUS = 88, "programming error";
    EPROTO = 92, "protocol error";
    ENOTCAPABLE = 93, "capabilities insufficient";
}

impl Errno {
    /// The number as the kernel gave it; `None` for 0, which is no error.
    #[must_use]
    pub const fn from_raw(value: i32) -> Option<Self> {
        if value == 0 { None } else { Some(Self(value)) }
    }

    /// The number.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.text(), self.name()) {
            (Some(text), Some(name)) => write!(f, "{text} ({name})"),
            _ => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl core::error::Error for Errno {}
