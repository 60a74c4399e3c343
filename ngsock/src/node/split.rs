//! `split`: takes the two directions of a hook apart (`sys/netgraph/ng_split.h`).
//!
//! There are no commands. The node goes with its last hook.

use crate::name::{HookName, TypeName};

/// `NG_SPLIT_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("split");

/// `NGM_SPLIT_COOKIE` (`sys/netgraph/ng_split.h:36`).
#[doc(alias = "NGM_SPLIT_COOKIE")]
pub const COOKIE: u32 = 949_409_402;

/// Both directions.
#[doc(alias = "NG_SPLIT_HOOK_MIXED")]
pub const HOOK_MIXED: HookName = HookName::known("mixed");
/// What came in by `mixed` goes out here; what comes in here is dropped with a line on the console
/// (`sys/netgraph/ng_split.c:133`).
#[doc(alias = "NG_SPLIT_HOOK_OUT")]
pub const HOOK_OUT: HookName = HookName::known("out");
/// What comes in here goes out of `mixed`.
#[doc(alias = "NG_SPLIT_HOOK_IN")]
pub const HOOK_IN: HookName = HookName::known("in");
