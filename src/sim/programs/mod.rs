//! The programs that `exec` finds inside a simulated jail: what they print is what FreeBSD's own print.
//!
//! Each is a function over the kernel and the vnet it runs in. They send real packets over raw sockets and read the
//! kernel's tables; waiting advances the virtual clock.

mod arguments;
mod arp;
mod echo;
mod ifconfig;
mod ndp;
mod netstat;
mod ping;
mod traceroute;

use super::Kernel;
use super::kernel::VnetId;
use crate::engine::freebsd::doors::{ExecuteError, Exit, Stream};

/// Where a running program is and where its output goes.
pub(crate) struct Shell<'a> {
    /// The kernel.
    kernel: &'a mut Kernel,
    /// The vnet of the jail.
    vnet: VnetId,
    /// The jail.
    jid: i32,
    output: &'a mut dyn FnMut(Stream, &[u8]),
}

impl Shell<'_> {
    /// Writes a line's worth of text to standard output; the newline is the caller's.
    fn out(&mut self, text: &str) {
        (self.output)(Stream::Out, text.as_bytes());
    }

    /// Writes `program: text` and a newline to standard error.
    fn complain(&mut self, program: &str, text: &str) {
        (self.output)(Stream::Error, format!("{program}: {text}\n").as_bytes());
    }
}

/// The programs there are, by the name they are called by.
pub const NAMES: [&str; 8] = ["arp", "ifconfig", "ndp", "netstat", "ping", "ping6", "traceroute", "traceroute6"];

/// Runs `command` in the jail `jid`, whose stack is `vnet`.
///
/// # Errors
/// [`ExecuteError::NotFound`] for any program not in [`NAMES`]; [`ExecuteError::NotExecutable`] for the root directory, the one
/// file that is sure to be there.
pub fn run(
    kernel: &mut Kernel,
    vnet: VnetId,
    jid: i32,
    command: &[String],
    output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Exit, ExecuteError> {
    let Some((path, arguments)) = command.split_first() else { return Err(ExecuteError::NotFound) };
    if !path.is_empty() && path.chars().all(|c| c == '/') {
        return Err(ExecuteError::NotExecutable);
    }
    let Some(name) = program(path) else { return Err(ExecuteError::NotFound) };
    let mut shell = Shell { kernel, vnet, jid, output };
    let code = match name {
        "arp" => arp::run(&mut shell, arguments),
        "ifconfig" => ifconfig::run(&mut shell, arguments),
        "ndp" => ndp::run(&mut shell, arguments),
        "netstat" => netstat::run(&mut shell, arguments),
        "ping" => ping::run(&mut shell, arguments, None),
        "ping6" => ping::run(&mut shell, arguments, Some(ping::Family::V6)),
        "traceroute" | "traceroute6" => traceroute::run(&mut shell, name, arguments),
        _ => return Err(ExecuteError::NotFound),
    };
    Ok(Exit::Code(code))
}

/// A program by its name or by the path where FreeBSD keeps it.
fn program(path: &str) -> Option<&'static str> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let name = NAMES.into_iter().find(|known| *known == name)?;
    let home = match name {
        "ifconfig" | "ping" | "ping6" => "/sbin",
        "netstat" => "/usr/bin",
        _ => "/usr/sbin",
    };
    (folder.is_empty() && !path.starts_with('/') || folder == home).then_some(name)
}

/// A MAC address as all the tools print it.
fn mac(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}
