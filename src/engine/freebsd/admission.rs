//! Whether the engine can work on a kernel at all, asked before anything else.

use super::doors::{Actor, HostDoor};
use crate::abi::{Errno, sysctl};

/// Why the engine cannot work here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unusable {
    /// What kind of thing is missing.
    pub lack: Lack,
    /// What is missing, lower case.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What kind of thing is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lack {
    /// The system is another one, or its kernel cannot do it.
    System,
    /// We may not.
    Permission,
    /// The host could, were it set up for it.
    Configuration,
}

impl Unusable {
    /// Another system.
    #[must_use]
    pub fn elsewhere() -> Self {
        Self::new(Lack::System, "it is not built for this system", None)
    }

    fn new(lack: Lack, message: &str, hint: Option<&str>) -> Self {
        Self { lack, message: message.to_owned(), hint: hint.map(str::to_owned) }
    }
}

/// Makes sure that jails with stacks of their own can be made by us.
///
/// # Errors
/// What is missing.
pub fn admit(doors: &mut impl HostDoor) -> Result<(), Unusable> {
    if number(doors, "kern.features.vimage")?.unwrap_or(0) == 0 {
        return Err(Unusable::new(
            Lack::System,
            "the kernel has no VIMAGE: jails cannot have network stacks of their own",
            Some("boot a kernel with `options VIMAGE`, as GENERIC is"),
        ));
    }
    if !doors.is_root() {
        return Err(Unusable::new(
            Lack::Permission,
            "it needs root",
            Some("run it as root; `--engine sim` needs no privilege"),
        ));
    }
    if number(doors, "security.jail.jailed")?.unwrap_or(0) == 0 {
        return Ok(());
    }
    if number(doors, "security.jail.vnet")?.unwrap_or(0) == 0 {
        return Err(Unusable::new(
            Lack::Permission,
            "this process is in a jail without a network stack of its own",
            Some("give that jail `vnet` and `children.max`, or run it on the host"),
        ));
    }
    let most = number(doors, "security.jail.children.max")?.unwrap_or(0);
    let now = number(doors, "security.jail.children.cur")?.unwrap_or(0);
    if most <= now {
        return Err(Unusable::new(
            Lack::Permission,
            &format!("this process is in a jail that may have {most} jails below it and has {now}"),
            Some("raise that jail's `children.max`, or run it on the host"),
        ));
    }
    Ok(())
}

/// A number of the kernel; `None` if it does not know the name.
fn number(doors: &mut impl HostDoor, name: &str) -> Result<Option<i64>, Unusable> {
    match doors.sysctl_get(Actor::Host, name) {
        Ok(value) => Ok(sysctl::read_int(&value)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(Unusable::new(Lack::Configuration, &format!("sysctl {name} cannot be read: {errno}"), None)),
    }
}
