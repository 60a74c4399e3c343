//! Quantities with their units in the type: parsed from what people write, never from bare guesses.

use serde::{Deserialize, Serialize};

/// Bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bandwidth(pub u64);

/// Nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Delay(pub u64);

/// A share in millionths: 1 % is 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Share(pub u32);

/// Octets of an Ethernet payload: 72 to 65,535; an eiface takes at most 9,018.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mtu(pub u16);

impl Mtu {
    /// What Ethernet starts with.
    pub const ETHERNET: Self = Self(1500);
}

/// A MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);
