//! `echo`: returns data and messages by the hook they came in (`sys/netgraph/ng_echo.h`).
//!
//! Any hook name is taken. There are no commands: a message of any cookie but the generic one comes back as it
//! was, marked as a reply (`sys/netgraph/ng_echo.c:90`). The node goes with its last hook.

use crate::name::TypeName;

/// `NG_ECHO_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("echo");

/// `NGM_ECHO_COOKIE` (`sys/netgraph/ng_echo.h:47`).
#[doc(alias = "NGM_ECHO_COOKIE")]
pub const COOKIE: u32 = 884_298_942;
