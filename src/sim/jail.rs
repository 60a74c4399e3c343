//! Jails: parameters, hierarchy, limits, death.

use serde::{Deserialize, Serialize};

/// Every jail.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jails {}
