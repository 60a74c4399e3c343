//! The kernel behind an example: that of this host, or a simulated one.

mod sim;
#[cfg(target_os = "freebsd")]
mod system;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ngsock::{DataTransport, Errno, Transport};

pub use sim::Simulated;

/// A control socket and the data socket of its node.
#[allow(dead_code, reason = "each example uses its part")]
pub trait Kernel: Transport + DataTransport {
    /// poll(2): what can be read. With `input`, waits until anything can, the standard input included.
    fn poll(&mut self, input: bool) -> io::Result<Ready>;

    /// Lets time pass.
    fn pause(&mut self, time: Duration);

    /// The time since some moment before.
    fn now(&mut self) -> Duration;

    /// Closes the sockets and keeps what was changed, if nobody else does.
    fn close(self: Box<Self>) -> Result<(), Refusal>;
}

/// What can be read without waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    pub control: bool,
    pub data: bool,
    pub input: bool,
}

/// Why there is no kernel to talk to: an exit status of sysexits(3) and a line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u8,
    pub text: String,
}

/// `EX_NOHOST`, `EX_UNAVAILABLE`, `EX_OSERR`, `EX_IOERR` of sysexits(3).
pub const NO_HOST: u8 = 68;
#[cfg_attr(target_os = "freebsd", allow(dead_code, reason = "there is always a kernel"))]
pub const UNAVAILABLE: u8 = 69;
pub const SYSTEM_ERROR: u8 = 71;
pub const IO_ERROR: u8 = 74;

impl Refusal {
    pub fn new(status: u8, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

/// Which kernel is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// That of this host.
    #[default]
    Host,
    /// A simulated one that begins now and ends with us.
    Fresh,
    /// The simulated one that is kept in a file.
    Kept(PathBuf),
}

/// The file that is meant by a file or by a state directory of cellblock.
#[allow(dead_code, reason = "each example uses its part")]
pub fn state_file(path: PathBuf) -> PathBuf {
    if path.is_dir() { path.join(sim::IN_DIRECTORY) } else { path }
}

/// Opens the sockets, within a jail's network stack if one is given; their node gets the name unless that is empty.
pub fn open(which: &Which, jail: Option<&str>, name: &[u8]) -> Result<Box<dyn Kernel>, Refusal> {
    match which {
        Which::Host => host(jail, name),
        Which::Fresh => Ok(Box::new(Simulated::fresh(jail, name)?)),
        Which::Kept(file) => Ok(Box::new(Simulated::kept(file, jail, name)?)),
    }
}

#[cfg(target_os = "freebsd")]
fn host(jail: Option<&str>, name: &[u8]) -> Result<Box<dyn Kernel>, Refusal> {
    Ok(Box::new(system::System::open(jail, name)?))
}

#[cfg(not(target_os = "freebsd"))]
fn host(_: Option<&str>, _: &[u8]) -> Result<Box<dyn Kernel>, Refusal> {
    let text = "this system has no netgraph; say --sim for a simulated kernel, or --sim=FILE for one that is kept in a \
                file, such as sim.kernel of cellblock's state directory";
    Err(Refusal::new(UNAVAILABLE, text))
}

/// Why the socket's node could not be made.
fn no_node(errno: Errno) -> Refusal {
    Refusal::new(SYSTEM_ERROR, format!("can't create node: {}", error_text(errno)))
}

/// strerror(3) of FreeBSD, whatever system this is.
pub fn error_text(errno: Errno) -> String {
    let Some(text) = errno.text() else { return format!("Unknown error: {}", errno.raw()) };
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
