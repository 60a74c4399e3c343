//! The rules that a topology must keep, one function each.

pub(super) mod addresses;
pub(super) mod mtu;
pub(super) mod routes;
pub(super) mod shaping;
pub(super) mod specs;
pub(super) mod subnets;
