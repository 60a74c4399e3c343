//! How we may make namespaces on this machine: as its root, as root of a user namespace, or not at all. Asked of the kernel by doing
//! it where nobody sees it: being root says little in a container, and not being root little elsewhere.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use super::{call, folder, fork, inside, netlink_socket};
use crate::engine::{Lack, Unusable};

/// How labs are made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// In the machine's own view of files and names.
    Direct,
    /// Each lab in a user namespace that a process of ours holds.
    Rootless {
        /// Why not otherwise.
        why: String,
    },
}

/// What was found out, until somebody goes that way.
static FOUND: Mutex<Option<Found>> = Mutex::new(None);

/// A way, and what holds the namespace that was made to find it.
type Found = (Way, Option<OwnedFd>);

/// The best way there is.
///
/// # Errors
/// There is none.
pub fn way() -> Result<Way, Unusable> {
    let found = try_it()?;
    let way = found.0.clone();
    // Whoever asks is about to open the engine, which would try the same again while the kernel takes the first try apart.
    *FOUND.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    Ok(way)
}

/// The same, and what holds the namespace that was made to find out: the kernel takes its time to take one apart, and what is done with
/// network devices meanwhile waits for it. Where labs were made already nothing is tried: whoever tries it gets a copy of all their
/// mounts, and with a thousand nodes the kernel takes longer for that than to take them away.
pub(super) fn try_it() -> Result<Found, Unusable> {
    if let Some(found) = FOUND.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Ok(found);
    }
    if administers() && folder::has_labs() {
        return Ok((Way::Direct, None));
    }
    let direct = match inside::alone(make_and_mount) {
        Ok(netlink) => return Ok((Way::Direct, Some(netlink))),
        Err(direct) => direct,
    };
    let why = if call::is_root() {
        format!("namespaces cannot be made and mounted here ({direct})")
    } else {
        "we are not root".to_owned()
    };
    match fork::try_user_namespace() {
        Ok(()) => Ok((Way::Rootless { why }, None)),
        Err(error) => {
            let lack = match call::number(&error) {
                libc::EPERM | libc::EACCES => Lack::Permission,
                _ => Lack::System,
            };
            let message = format!("{why}, and no user namespace can be made ({error})");
            let hint = "run it as root, or let users make user namespaces; `--engine sim` needs no privilege";
            Err(Unusable::new(lack, &message, Some(hint)))
        }
    }
}

/// Whether this process may do what the administrator of its view of the machine may; who may not makes no namespaces without a user
/// namespace, and does not know who made those he sees.
fn administers() -> bool {
    /// `CAP_SYS_ADMIN` (include/uapi/linux/capability.h).
    const ADMINISTER: u64 = 1 << 21;
    let Ok(status) = fs::read_to_string("/proc/thread-self/status") else { return false };
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set & ADMINISTER != 0)
}

fn make_and_mount() -> io::Result<OwnedFd> {
    call::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS)?;
    call::mount(c"none", c"/", c"none", libc::MS_PRIVATE | libc::MS_REC, None)?;
    call::mount(c"none", c"/run", c"tmpfs", 0, None)?;
    netlink_socket(libc::NETLINK_ROUTE)
}
