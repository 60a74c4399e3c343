//! `hub`: sends every frame out of all other hooks (`sys/netgraph/ng_hub.h`).
//!
//! Any hook name is taken. The node goes with its last hook unless [`SetPersistent`] was sent.

use crate::name::TypeName;
use crate::wire::commands;

/// `NG_HUB_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("hub");

/// `NGM_HUB_COOKIE` (`sys/netgraph/ng_hub.h:34`).
#[doc(alias = "NGM_HUB_COOKIE")]
pub const COOKIE: u32 = 1_082_189_597;

commands! { COOKIE:
    /// The node survives its last hook from now on (`sys/netgraph/ng_hub.c:107`).
    #[doc(alias = "NGM_HUB_SET_PERSISTENT")]
    SetPersistent = 1 "setpersistent" => ();
}
