//! How we may make namespaces on this machine: as its root, as root of a user namespace, or not at all. Asked of the kernel by doing
//! it where nobody sees it: being root says little in a container, and not being root little elsewhere.

use std::io;

use super::{call, inside};
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

/// The best way there is.
///
/// # Errors
/// There is none.
pub fn way() -> Result<Way, Unusable> {
    let Err(direct) = inside::alone(make_and_mount) else { return Ok(Way::Direct) };
    let why = if call::is_root() {
        format!("namespaces cannot be made and mounted here ({direct})")
    } else {
        "we are not root".to_owned()
    };
    match call::try_user_namespace() {
        Ok(()) => Ok(Way::Rootless { why }),
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

fn make_and_mount() -> io::Result<()> {
    call::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS)?;
    call::mount(c"none", c"/", c"none", libc::MS_PRIVATE | libc::MS_REC, None)?;
    call::mount(c"none", c"/run", c"tmpfs", 0, None)
}
